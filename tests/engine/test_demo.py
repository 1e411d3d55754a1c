"""The demo checkpoints: what they weigh, and a tokenizer and a template like Qwen3's."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from engine.demo import DRAFT, MODEL

USER = {"role": "user", "content": "Hello"}
PROPERTIES = {"at": {"type": "string"}, "far": {"type": "integer"}}
LOOK = {"type": "object", "properties": PROPERTIES, "required": ["at"]}
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": LOOK},
}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "é"}}}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The tokenizer as transformers, and so vLLM, loads it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL)


def render(tokenizer: Any, *messages: dict[str, Any], **options: Any) -> str:
    """The prompt of a conversation, ready for a reply unless told otherwise."""
    options = {"add_generation_prompt": True} | options
    prompt = tokenizer.apply_chat_template(list(messages), tokenize=False, **options)
    assert isinstance(prompt, str)
    return prompt


@pytest.mark.parametrize(("folder", "mebibytes"), [(MODEL, 6), (DRAFT, 1.5)])
def test_weights_are_small_bf16_and_qwen3(folder: Path, mebibytes: float) -> None:
    """Both checkpoints keep to their size, in bf16, and say what vLLM needs to know."""
    config = json.loads((folder / "config.json").read_text())
    weights = folder / "model.safetensors"
    assert config["architectures"] == ["Qwen3ForCausalLM"]
    assert weights.stat().st_size <= mebibytes * 2**20
    with safe_open(weights, "np") as tensors:
        kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
    assert kinds == {"BF16"}


def test_the_draft_shares_the_vocabulary(tokenizer: Any) -> None:
    """Draft and model have an embedding for each token, and end on the same ones."""
    model, draft = (json.loads((f / "config.json").read_text()) for f in (MODEL, DRAFT))
    for name in ("vocab_size", "eos_token_id", "pad_token_id", "max_position_embeddings"):
        assert model[name] == draft[name]
    assert model["vocab_size"] == len(tokenizer)
    assert model["eos_token_id"] == tokenizer.eos_token_id


@given(text=st.text())
def test_any_text_round_trips(tokenizer: Any, text: str) -> None:
    """Any Unicode text encodes and decodes to itself."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    ("token", "special"),
    [
        ("<|endoftext|>", True),
        ("<|im_start|>", True),
        ("<|im_end|>", True),
        ("<think>", False),
        ("</think>", False),
        ("<tool_call>", False),
        ("</tool_call>", False),
        ("\n\n", False),
    ],
)
def test_markers_are_single_tokens(tokenizer: Any, token: str, special: bool) -> None:
    """Each marker is one id, and only the special ones vanish on decoding."""
    (marker,) = tokenizer.encode(token, add_special_tokens=False)
    assert tokenizer.decode([marker], skip_special_tokens=True) == ("" if special else token)


@pytest.mark.parametrize(
    ("options", "tail"),
    [
        ({}, "<|im_start|>assistant\n"),
        ({"enable_thinking": True}, "<|im_start|>assistant\n"),
        ({"enable_thinking": False}, "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        ({"add_generation_prompt": False}, ""),
    ],
)
def test_generation_prompt(tokenizer: Any, options: dict[str, Any], tail: str) -> None:
    """The prompt ends with a closed think block exactly when thinking is off."""
    expected = "<|im_start|>user\nHello<|im_end|>\n" + tail
    assert render(tokenizer, USER, **options) == expected


@pytest.mark.parametrize(
    "earlier",
    [
        {"content": "<think>\nsecret\n</think>\n\nHi"},
        {"content": "secret\n</think>\n\nHi"},
        {"content": "Hi", "reasoning": "secret"},
        {"content": "Hi", "reasoning_content": "secret"},
    ],
)
def test_history_drops_thinking(tokenizer: Any, earlier: dict[str, Any]) -> None:
    """Thinking of earlier turns never reaches the prompt."""
    prompt = render(tokenizer, USER, {"role": "assistant"} | earlier, USER)
    assert "<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user" in prompt
    assert "secret" not in prompt


def test_tool_loop_keeps_thinking(tokenizer: Any) -> None:
    """Between a tool call and its result the model still sees why it called."""
    call = {"role": "assistant", "content": None, "reasoning": "why", "tool_calls": [CALL, CALL]}
    results = [{"role": "tool", "content": "one"}, {"role": "tool", "content": "two"}]
    written = '<tool_call>\n{"name": "look", "arguments": {"at": "é"}}\n</tool_call>'
    assert render(tokenizer, USER, call, *results).endswith(
        f"<|im_start|>assistant\n<think>\nwhy\n</think>\n\n{written}\n{written}<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\none\n</tool_response>"
        "\n<tool_response>\ntwo\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )


def test_tools_join_the_system_turn(tokenizer: Any) -> None:
    """Tools are listed in one system turn, after the caller's own system text."""
    prompt = render(tokenizer, {"role": "system", "content": "Be brief."}, USER, tools=[TOOL])
    assert prompt.startswith("<|im_start|>system\nBe brief.\n\n# Tools\n")
    assert "<tools>\nlook: Look.\n- at (string)\n- far (integer, optional)\n</tools>" in prompt
    assert prompt.count("<|im_start|>system") == 1
    assert prompt.count("Be brief.") == 1
