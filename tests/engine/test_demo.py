"""The demo checkpoint: reproducible bytes, a Qwen3-like tokenizer and template, sane replies."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.demo import ensure_demo_model

USER = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "é"}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One checkpoint for the module."""
    return ensure_demo_model(tmp_path_factory.mktemp("demo") / "model")


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    """The tokenizer as transformers, and so vLLM, loads it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def render(tokenizer: Any, *messages: dict[str, Any], **options: Any) -> str:
    """The prompt of a conversation, ready for a reply unless told otherwise."""
    options = {"add_generation_prompt": True} | options
    prompt = tokenizer.apply_chat_template(list(messages), tokenize=False, **options)
    assert isinstance(prompt, str)
    return prompt


def test_same_bytes_every_time(folder: Path, tmp_path: Path) -> None:
    """Two makings give the same files, under 2 MiB together."""
    again = ensure_demo_model(tmp_path / "again")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files == {path.name: path.read_bytes() for path in again.iterdir()}
    assert sum(map(len, files.values())) < 2 * 2**20


def test_racing_makers_agree(tmp_path: Path) -> None:
    """Makers that race all return the one folder, and leave no scratch behind."""
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(lambda _: ensure_demo_model(tmp_path / "one"), range(4)))
    assert made == {tmp_path / "one"}
    assert list(tmp_path.iterdir()) == [tmp_path / "one"]


def test_default_folder_is_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder the model lives under XDG_CACHE_HOME and is made once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = ensure_demo_model()
    made = (folder / "config.json").stat().st_mtime_ns
    assert folder.parent == tmp_path / "thinkgate"
    assert ensure_demo_model() == folder
    assert (folder / "config.json").stat().st_mtime_ns == made


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """A folder that holds other files is an error, not overwritten."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        ensure_demo_model(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_import_is_cheap() -> None:
    """Importing the module loads neither torch nor vLLM."""
    code = (
        "import sys, engine.demo.model; print({'torch', 'vllm', 'tokenizers'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


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
    assert prompt.startswith("<|im_start|>system\nBe brief.\n\n# Functions\n")
    assert f"<tools>\n{json.dumps(TOOL)}\n</tools>" in prompt
    assert prompt.count("<|im_start|>system") == 1
    assert prompt.count("Be brief.") == 1


def greedy(folder: Path, tokenizer: Any, prompt: str, limit: int = 200) -> str:
    """Follow the most likely token through embedding, norm and head; the layers add nothing."""
    import torch
    from safetensors.torch import load_file

    weights = {
        name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()
    }
    for name, tensor in weights.items():
        assert tensor.any() != name.endswith(("o_proj.weight", "down_proj.weight"))
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids = tokenizer.encode(prompt, add_special_tokens=False)
    start = len(ids)
    while len(ids) < start + limit and ids[-1] != stop:
        state = weights["model.embed_tokens.weight"][ids[-1]]
        state = state * torch.rsqrt(state.square().mean() + 1e-6) * weights["model.norm.weight"]
        ids.append(int((weights["lm_head.weight"] @ state).argmax()))
    text = tokenizer.decode(ids[start:])
    assert isinstance(text, str)
    return text


def test_greedy_thinks_answers_and_stops(folder: Path, tokenizer: Any) -> None:
    """With thinking on: one think block in lower case, an answer in capitals, the end."""
    reply = greedy(folder, tokenizer, render(tokenizer, USER))
    thinking, answer = reply.removeprefix("<think>").split("</think>\n\n")
    assert thinking.replace(" ", "").islower()
    assert answer.endswith(".<|im_end|>")
    assert answer.removesuffix("<|im_end|>").isupper()


def test_greedy_with_thinking_off_only_answers(folder: Path, tokenizer: Any) -> None:
    """With thinking off: no marker of thinking, and the end."""
    reply = greedy(folder, tokenizer, render(tokenizer, USER, enable_thinking=False))
    assert "think>" not in reply
    assert reply.endswith(".<|im_end|>")


@pytest.mark.parametrize("prompt", ["the", "7", "é", '{"', "<tool_call>", "\n", " ", "\t"])
def test_greedy_always_stops(folder: Path, tokenizer: Any, prompt: str) -> None:
    """Whatever a raw prompt ends with, greedy decoding reaches the end."""
    assert greedy(folder, tokenizer, prompt).endswith(".<|im_end|>")
