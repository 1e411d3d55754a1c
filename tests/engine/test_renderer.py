"""vLLM's renderer of the demo model, without an engine."""

from typing import Any

import pytest

from engine.errors import BadGeneration, PromptTooLong
from engine.renderer import VllmRenderer
from engine.setup import VllmSetup
from engine.types import (
    ChatInput,
    Function,
    FunctionDefinition,
    MarkToken,
    Message,
    TextPart,
    Tool,
    ToolCall,
)
from tests.engine.conftest import CONTEXT

pytestmark = pytest.mark.anyio

HELLO = [Message("user", "Hello")]
OPENING = "<|im_start|>assistant\n"


@pytest.fixture
def renderer(setup: VllmSetup) -> VllmRenderer:
    """The session's."""
    return setup.renderer


def special(tokenizer: Any, text: str) -> int:
    """The id of a special token."""
    (token_id,) = tokenizer.encode(text)
    assert token_id in tokenizer.all_special_ids
    return int(token_id)


async def test_a_conversation_becomes_tokens(renderer: VllmRenderer, tokenizer: Any) -> None:
    """By the model's own template, up to the opening of the turn that is to be written."""
    prompt = await renderer.render_chat(ChatInput(HELLO))
    text = f"<|im_start|>user\nHello<|im_end|>\n{OPENING}"
    assert list(prompt.token_ids) == tokenizer.encode(text)
    assert prompt.tail == OPENING


async def test_variables_reach_the_template(renderer: VllmRenderer) -> None:
    """The model's own template's, and a configured one's; thinking under both of its names."""
    prompt = await renderer.render_chat(ChatInput(HELLO, variables={"enable_thinking": False}))
    assert prompt.tail == f"{OPENING}<think>\n\n</think>\n\n"
    for name in ("reasoning", "reasoning_content"):
        turn = Message("assistant", [TextPart("Hi")], **{name: "why"})
        prompt = await renderer.render_chat(ChatInput([turn], "variables", {"mood": "calm"}))
        assert prompt.tail == "calm|Hi|why|"


async def test_a_prefill_goes_on_from_there(renderer: VllmRenderer, tokenizer: Any) -> None:
    """As tokens of its own, behind the prompt's, of which it may have special ones."""
    plain = await renderer.render_chat(ChatInput(HELLO))
    prompt = await renderer.render_chat(ChatInput(HELLO, prefill="<think>\nOh"))
    assert prompt.tail == f"{OPENING}<think>\nOh"
    added = tokenizer.encode("<think>\nOh")
    assert list(prompt.token_ids) == [*plain.token_ids, *added]


async def test_tools_reach_the_template(renderer: VllmRenderer) -> None:
    """As plain values."""
    tool = Tool(FunctionDefinition("look", parameters={"type": "object", "properties": {}}))
    prompt = await renderer.render_chat(ChatInput(HELLO, "tools", tools=[tool]))
    assert prompt.tail == "look|object|"
    prompt = await renderer.render_chat(ChatInput(HELLO, tools=[tool]))
    assert len(prompt.token_ids) > 20
    call = ToolCall(Function("look", '{"at": 1}'), "id")
    turns = [*HELLO, Message("assistant", tool_calls=[call]), Message("tool", "one")]
    prompt = await renderer.render_chat(ChatInput(turns, tools=[tool]))
    assert prompt.tail == OPENING


async def test_the_tail_begins_with_a_turn(renderer: VllmRenderer, tokenizer: Any) -> None:
    """At the last special token that may begin one; at the first token where there is none."""
    text = "a<|im_start|>b<|im_end|>c"
    prompt = await renderer.render_text(text)
    assert prompt.tail == "<|im_end|>c"
    inside = frozenset({special(tokenizer, "<|im_end|>")})
    assert (await renderer.render_text(text, inside)).tail == "<|im_start|>b<|im_end|>c"
    inside |= {special(tokenizer, "<|im_start|>")}
    assert (await renderer.render_text(text, inside)).tail == text
    assert (await renderer.render_text("a<|im_end|>")).tail == "<|im_end|>"
    assert (await renderer.render_text("a")).tail == "a"


async def test_a_turn_inside_a_chat_is_kept(renderer: VllmRenderer, tokenizer: Any) -> None:
    """`inside_turn` means the same for chats."""
    inside = frozenset({special(tokenizer, "<|im_start|>")})
    prompt = await renderer.render_chat(ChatInput(HELLO, inside_turn=inside))
    assert prompt.tail == f"<|im_end|>\n{OPENING}"


async def test_a_long_tail_is_decoded_all_the_same(
    renderer: VllmRenderer, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a thread; but no further back than a bound."""
    prompt = await renderer.render_text([64] * (CONTEXT - 1))
    assert prompt.tail == tokenizer.decode([64]) * (CONTEXT - 1)
    monkeypatch.setattr("engine.renderer._LONGEST_TAIL", 9)
    prompt = await renderer.render_text([*tokenizer.encode("<|im_start|>"), *[64] * 20])
    assert prompt.tail == tokenizer.decode([64]) * 10


@pytest.mark.parametrize(
    ("prompt", "length"),
    [([64] * CONTEXT, CONTEXT), ("a " * CONTEXT, CONTEXT + 1), ("a" * 1_000_000, None)],
)
async def test_too_long_prompts(
    renderer: VllmRenderer, prompt: str | list[int], length: int | None
) -> None:
    """As text and as tokens; text that is far too long is not even counted."""
    with pytest.raises(PromptTooLong) as caught:
        await renderer.render_text(prompt)
    assert (caught.value.limit, caught.value.length) == (CONTEXT, length)
    assert caught.value.parameter == "prompt"


async def test_too_long_chats(renderer: VllmRenderer) -> None:
    """With their messages, or with their prefill."""
    for chat in (
        ChatInput([Message("user", "a " * CONTEXT)]),
        ChatInput([Message("user", "a" * 1_000_000)]),
        ChatInput(HELLO, prefill="a " * CONTEXT),
    ):
        with pytest.raises(PromptTooLong) as caught:
            await renderer.render_chat(chat)
        assert caught.value.parameter == "messages"


async def test_the_context_may_shrink(
    setup: VllmSetup, renderer: VllmRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM fits it to its memory when the engine starts, after the renderer is there."""
    await renderer.render_text([64] * 100)
    monkeypatch.setattr(setup._config.model_config, "max_model_len", 100)
    assert renderer.max_model_len == 100
    with pytest.raises(PromptTooLong):
        await renderer.render_text([64] * 100)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "empty"),
        ([], "empty"),
        ([64, -1], "-1 is not in the vocabulary"),
        ([64, 1280], "1280 is not in the vocabulary"),
    ],
)
async def test_bad_prompts(renderer: VllmRenderer, prompt: str | list[int], message: str) -> None:
    """Are the caller's fault."""
    with pytest.raises(BadGeneration, match=message) as caught:
        await renderer.render_text(prompt)
    assert caught.value.parameter == "prompt"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("syntax", "refuses"),
        ("filter", "refuses"),
        ("undefined", "nope"),
        ("refuses", "no system turn here"),
        ("types", "unsupported operand"),
        ("empty", "empty"),
    ],
)
async def test_bad_templates(renderer: VllmRenderer, template: str, message: str) -> None:
    """Whatever is wrong with them shows without an engine, and one does not spoil the others."""
    with pytest.raises(BadGeneration, match=message) as caught:
        await renderer.render_chat(ChatInput(HELLO, template))
    assert caught.value.parameter == "messages"
    assert (await renderer.render_chat(ChatInput(HELLO))).tail == OPENING


async def test_rendering_takes_no_time_for_ever(
    renderer: VllmRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM's time limit is the caller's error."""

    async def late(*arguments: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(renderer._renderer, "render_chat_async", late)
    with pytest.raises(BadGeneration, match="too long"):
        await renderer.render_chat(ChatInput(HELLO))


def test_template_sources(renderer: VllmRenderer) -> None:
    """The model's own, and configured ones by name."""
    assert "<|im_start|>" in renderer.template_source(None)
    assert renderer.template_source("empty") == "{{ '' }}"


def test_a_model_may_have_no_template(setup: VllmSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no source, and no error."""
    monkeypatch.setattr("engine.renderer.resolve_chat_template", lambda *_, **__: None)
    assert setup.renderer.template_source(None) == ""


def test_marks_are_single_tokens(renderer: VllmRenderer, tokenizer: Any) -> None:
    """Those that are not are left out; special ones are told apart."""
    found = renderer.mark_tokens(["</think>", "<|im_end|>", "<nonsense>"])
    assert found == [
        MarkToken("</think>", tokenizer.convert_tokens_to_ids("</think>"), False),
        MarkToken("<|im_end|>", special(tokenizer, "<|im_end|>"), True),
    ]


def test_detokenizers_are_the_tokenizers(renderer: VllmRenderer, tokenizer: Any) -> None:
    """Each goes on from its prompt, and writes the marks that it is told to."""
    half, rest = tokenizer.encode("饕")[:1], tokenizer.encode("饕")[1:]
    detokenizer = renderer.detokenizer([64, *half], {7: "<mark>"})
    assert "".join(detokenizer.decode([*rest, 7])) == "饕<mark>"
