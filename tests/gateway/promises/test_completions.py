"""Completions with the official client: every form of prompt, choices, thinking, usage."""

from typing import Any

import openai
import pytest

from engine.errors import EngineDead
from tests.conftest import RunServer, eventually
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

THOUGHT, ANSWER = "\nLet me see.\n", "It is 42."
REPLY = FakeEngine().reply


def ids(text: str) -> list[int]:
    """The fake engine's tokens."""
    return [ord(character) for character in text]


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("one", ["one"]),
        (["one", "three"], ["one", "three"]),
        (ids("one"), ["one"]),
        ([ids("one"), ids("three")], ["one", "three"]),
        (["one"], ["one"]),
    ],
)
async def test_every_form_of_prompt(run_server: RunServer, prompt: Any, texts: list[str]) -> None:
    """A string, strings, token ids, lists of them: one choice each, and all are counted."""
    engine = FakeEngine()
    async with run_server(engine) as running, running.openai() as client:
        reply = await client.completions.create(model="demo", prompt=prompt, max_tokens=100)
    (asked,) = engine.requests
    assert ["".join(map(chr, each.token_ids)) for each in asked.prompts] == texts
    assert reply.object == "text_completion"
    assert [choice.index for choice in reply.choices] == list(range(len(texts)))
    assert {choice.text for choice in reply.choices} == {ANSWER}
    assert {choice.finish_reason for choice in reply.choices} == {"stop"}
    assert reply.usage
    assert reply.usage.prompt_tokens == len("".join(texts))
    assert reply.usage.completion_tokens == len(texts) * len(REPLY)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@pytest.mark.parametrize("prompt", [[], "", [""], [[]], ["a", [1]], [1, "a"], {}, None, [1.5]])
async def test_what_is_no_prompt(run_server: RunServer, prompt: Any) -> None:
    """A prompt that is empty, mixed or of no known form is a 400 that names it."""
    async with run_server(FakeEngine()) as running:
        answer = await running.ask("POST", "/v1/completions", {"prompt": prompt})
    assert answer.told() == (400, "invalid_request_error", None)
    assert str(answer.error()["param"]).startswith("prompt")


async def test_choices_are_numbered_through(run_server: RunServer) -> None:
    """Choice `p * n + i` is prompt p's i-th, whole and streamed."""
    engine = FakeEngine(cuts=(3,))
    async with run_server(engine) as running, running.openai() as client:
        whole = await client.completions.create(
            model="demo", prompt=["ab", "cd"], n=2, max_tokens=100
        )
        stream = await client.completions.create(
            model="demo",
            prompt=["ab", "cd"],
            n=2,
            max_tokens=100,
            stream=True,
            stream_options={"include_usage": True},
        )
        *chunks, last = [chunk async for chunk in stream]
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.object == "text_completion" for chunk in chunks)
    for index in range(4):
        choices = [chunk.choices[0] for chunk in chunks if chunk.choices[0].index == index]
        assert "".join(choice.text for choice in choices) == ANSWER
        assert [choice.finish_reason for choice in choices][-2:] == [None, "stop"]
    assert {(len(asked.prompts), asked.sampling.n) for asked in engine.requests} == {(2, 2)}


async def test_thinking_stands_beside_the_text(run_server: RunServer) -> None:
    """Parsed thinking is in the choice; hidden drops it; raw leaves the text as generated."""
    async with run_server(FakeEngine()) as running:
        for base, text in (("", ANSWER), ("/hidden", ANSWER), ("/raw", REPLY)):
            async with running.openai(base + "/v1") as client:
                whole: Any = await client.completions.create(
                    model="demo", prompt="?", max_tokens=100
                )
                stream = await client.completions.create(
                    model="demo", prompt="?", max_tokens=100, stream=True
                )
                chunks: list[Any] = [chunk.choices[0] async for chunk in stream]
            assert whole.choices[0].text == text
            assert "".join(chunk.text for chunk in chunks) == text
            thoughts = [chunk.reasoning for chunk in chunks if hasattr(chunk, "reasoning")]
            if base:
                assert thoughts == []
                assert not hasattr(whole.choices[0], "reasoning")
            else:
                assert "".join(thoughts) == whole.choices[0].reasoning == THOUGHT


async def test_a_prompt_that_opens_the_block(run_server: RunServer) -> None:
    """A raw prompt that ends inside a think block is gone on with as thinking."""
    engine = FakeEngine(reply="XSECRETX</think>\nYes.")
    async with run_server(engine) as running, running.openai("/hidden/v1") as client:
        reply = await client.completions.create(
            model="demo", prompt="Well?\n<think>\n", max_tokens=100
        )
    assert reply.choices[0].text == "Yes."


async def test_sixteen_tokens_by_default(run_server: RunServer) -> None:
    """OpenAI's default limit holds on this route."""
    async with run_server(FakeEngine(reply="x" * 100)) as running, running.openai() as client:
        reply = await client.completions.create(model="demo", prompt="?")
    assert reply.choices[0].text == "x" * 16
    assert reply.choices[0].finish_reason == "length"


async def test_a_stop_in_every_choice_frees_the_engine(run_server: RunServer) -> None:
    """A stop string ends each choice by itself; when all are over the engine's work ends."""
    engine = FakeEngine()
    async with run_server(engine) as running, running.openai() as client:
        for stream in (False, True):
            parts: Any = await client.completions.create(
                model="demo", prompt=["a", "b"], max_tokens=99, stop=" 4", stream=stream
            )
            text = parts.choices[1].text if not stream else ""
            if stream:
                text = "".join([c.choices[0].text async for c in parts if c.choices[0].index])
            assert text == "It is"
            await eventually(lambda: not engine.open)


async def test_a_switch_has_nothing_to_switch(run_server: RunServer) -> None:
    """A raw prompt is not rendered, so a wish about thinking is answered with a warning."""
    async with run_server(FakeEngine()) as running, running.openai("/nothink/v1") as client:
        raw = await client.completions.with_raw_response.create(model="demo", prompt="?")
    assert raw.headers["x-thinkgate-warning"].startswith("thinking: ")
    assert raw.headers["x-thinkgate-reasoning"] == "visibility=parsed; thinking=off"


async def test_one_prompt_of_many_is_too_long(run_server: RunServer) -> None:
    """If one prompt can't be served none is, and the engine never sees the others."""
    engine = FakeEngine(max_model_len=100)
    async with run_server(engine) as running, running.openai() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.completions.create(model="demo", prompt=["a", "b" * 100])
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "prompt"
    assert not engine.requests


@pytest.mark.parametrize("failure", [EngineDead("dead"), RuntimeError("a bug")])
async def test_one_prompt_of_many_fails(run_server: RunServer, failure: Exception) -> None:
    """A failure on one prompt fails the request at once, even one that nobody thought of."""
    engine = FakeEngine(fails_after=0, failure=failure)
    async with run_server(engine) as running, running.openai() as client:
        with pytest.raises(openai.InternalServerError):
            await client.completions.create(model="demo", prompt=["a", "b"])
        stream = await client.completions.create(model="demo", prompt=["a", "b"], stream=True)
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass
