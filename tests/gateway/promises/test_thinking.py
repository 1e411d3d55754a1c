"""Every way to say over HTTP what is to become of thinking, and that hidden means hidden."""

import itertools
import json
from typing import Any

import pytest

from engine.types import MarkToken
from tests.conftest import RunServer, request
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO: list[Any] = [{"role": "user", "content": "?"}]
ANSWER = "It is 42."
CLOSE = {"connection": "close"}

HIDING = {
    "path": ("/hidden/v1", "demo", {}, {}),
    "path and switch": ("/hidden/think/v1", "demo", {}, {}),
    "query": ("/v1", "demo", {"default_query": {"reasoning": "hidden"}}, {}),
    "suffix": ("/v1", "demo:hidden", {}, {}),
    "header": ("/v1", "demo", {"default_headers": {"X-Reasoning": "hidden"}}, {}),
    "format": ("/v1", "demo", {}, {"reasoning_format": "hidden"}),
    "include": ("/raw/v1", "demo", {}, {"include_reasoning": False}),
    "exclude": ("/v1", "demo:raw", {}, {"reasoning": {"exclude": True}}),
}


def secretive() -> FakeEngine:
    """An engine whose thinking is easily found."""
    return FakeEngine(reply="<think>XSECRETX</think>\n\nIt is 42.")


@pytest.mark.parametrize("way", HIDING)
async def test_hidden_by_every_way(run_server: RunServer, way: str) -> None:
    """Each way hides thinking from the official client, whole and streamed."""
    base, model, options, extra = HIDING[way]
    async with run_server(secretive()) as running, running.openai(base, **options) as client:
        whole = await client.chat.completions.with_raw_response.create(
            model=model, messages=HELLO, extra_body=extra
        )
        stream = await client.chat.completions.create(
            model=model, messages=HELLO, stream=True, extra_body=extra
        )
        chunks = [chunk async for chunk in stream]
    assert whole.headers["x-thinkgate-reasoning"].startswith("visibility=hidden; ")
    message = whole.parse().choices[0].message
    assert message.content == ANSWER
    assert set(message.model_dump(exclude_unset=True)) == {"role", "content", "refusal"}
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert all("XSECRETX" not in chunk.to_json() for chunk in chunks)


@pytest.mark.parametrize(
    ("base", "model", "query"),
    [
        ("/nothink/v1", "demo", {}),
        ("/v1", "demo:nothink", {}),
        ("/v1", "demo:hidden:nothink", {}),
        ("/v1", "demo", {"thinking": "off"}),
    ],
)
async def test_switched_off_by_every_way(
    run_server: RunServer, base: str, model: str, query: dict[str, str]
) -> None:
    """Each way keeps the model from thinking: nothing is hidden, nothing was thought."""
    engine = FakeEngine()
    async with run_server(engine) as running:
        async with running.openai(base, default_query=query) as client:
            reply = await client.chat.completions.create(model=model, messages=HELLO)
    assert engine.chats[-1].variables == {"enable_thinking": False}
    assert reply.choices[0].message.content == ANSWER
    assert reply.usage
    assert reply.usage.completion_tokens_details
    assert reply.usage.completion_tokens_details.reasoning_tokens == 0


async def test_raw_is_the_text_as_generated(run_server: RunServer) -> None:
    """`/raw` leaves tags and newlines where they are, whole and streamed."""
    engine = FakeEngine(cuts=(5, 1, 13, 2))
    async with run_server(engine) as running, running.openai("/raw/v1") as client:
        whole = await client.chat.completions.create(model="demo", messages=HELLO)
        stream = await client.chat.completions.create(model="demo", messages=HELLO, stream=True)
        chunks = [chunk async for chunk in stream]
    assert whole.choices[0].message.content == engine.reply
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == engine.reply


async def test_visibility_changes_text_alone(run_server: RunServer) -> None:
    """Finish reason and usage are the same in all three visibilities, however it ended."""
    async with run_server(FakeEngine()) as running:
        for limit, stop in itertools.product((3, 12, 25, 60), (None, "is")):
            ends = set()
            for visibility in ("parsed", "hidden", "raw"):
                body = {"messages": HELLO, "max_tokens": limit, "stop": stop}
                answer = (await running.ask("POST", f"/{visibility}{CHAT}", body)).json()
                ends.add((answer["choices"][0]["finish_reason"], json.dumps(answer["usage"])))
            assert len(ends) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_hidden_leaks_at_no_cut_and_no_limit(run_server: RunServer, stream: bool) -> None:
    """Not a byte of head or body tells of thinking, wherever the text is cut or truncated."""
    engine = secretive()
    body: dict[str, Any] = {"messages": HELLO, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    async with run_server(engine) as running:
        for cut, limit in itertools.product((1, 2, 5, 8, 40), (7, 10, 18, 1000)):
            engine.cuts = (cut,)
            async with running.connect() as connection:
                sent = request("POST", "/hidden" + CHAT, {**body, "max_tokens": limit}, CLOSE)
                connection.send(sent)
                data = await connection.rest()
            assert data.startswith(b"HTTP/1.1 200 ")
            for mark in (b"<", b"SECRET", b"XS", b"ETX", b'"reasoning"', b"reasoning_content"):
                assert mark not in data


@pytest.mark.parametrize(
    ("visibility", "told"), [("hidden", [(0, 7), (0, None)]), ("parsed", []), ("raw", [])]
)
async def test_hidden_thinking_is_gathered(
    run_server: RunServer, visibility: str, told: list[tuple[int, int | None]]
) -> None:
    """Nobody reads it as it comes, so the engine hands it out at its closing token, if any."""
    engine = secretive()
    engine.marks = [MarkToken("</think>", 7, False)]
    async with run_server(engine) as running:
        body = {"messages": HELLO, "stream": True}
        answer = await running.ask("POST", f"{CHAT}?reasoning={visibility}", body)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert engine.gathered == told


async def test_errors_hide_thinking_too(run_server: RunServer) -> None:
    """An engine that fails in the middle of hidden thinking gives nothing of it away."""
    engine = secretive()
    async with run_server(engine) as running:
        for stream in (False, True):
            engine.fails_after = 12 if stream else 0
            answer = await running.ask(
                "POST", "/hidden" + CHAT, {"messages": HELLO, "stream": stream}
            )
            assert b"SECRET" not in answer.body
            assert b"engine_dead" in answer.body


async def test_the_strongest_source_wins(run_server: RunServer) -> None:
    """Body, query, header, path, suffix, configuration: each beats all that follow it."""
    sources: list[tuple[str, Any]] = [
        ("body", {"reasoning_format": "hidden"}),
        ("query", "?reasoning=raw"),
        ("header", {"X-Reasoning": "parsed"}),
        ("path", "/hidden"),
        ("suffix", "demo:raw"),
    ]
    expected = ["hidden", "raw", "parsed", "hidden", "raw", "hidden"]
    async with run_server(FakeEngine(), "thinking.visibility=hidden") as running:
        for left_out, visibility in enumerate(expected):
            given = dict(sources[left_out:])
            body = {"messages": HELLO, "model": given.get("suffix", "demo")}
            path = given.get("path", "") + CHAT + given.get("query", "")
            body |= given.get("body", {})
            answer = await running.ask("POST", path, body, given.get("header"))
            told = answer.headers["x-thinkgate-reasoning"]
            assert told.startswith(f"visibility={visibility};"), left_out


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/hidden/raw" + CHAT, {}, ["hidden", "raw"]),
        ("/think/nothink" + CHAT, {}, ["think", "nothink"]),
        (CHAT, {"model": "demo:raw:parsed"}, ["raw", "parsed"]),
        (
            CHAT,
            {"reasoning_format": "raw", "include_reasoning": False},
            ["reasoning_format", "include_reasoning"],
        ),
        (
            CHAT,
            {"enable_thinking": True, "reasoning_effort": "none"},
            ["enable_thinking", "reasoning_effort"],
        ),
    ],
)
async def test_two_that_disagree_are_both_named(
    run_server: RunServer, path: str, body: dict[str, Any], named: list[str]
) -> None:
    """Two sources on the same level that disagree are a 400 naming both."""
    async with run_server(FakeEngine()) as running:
        answer = await running.ask("POST", path, {"messages": HELLO, **body})
    assert answer.status == 400
    message = answer.error()["message"]
    assert message
    assert all(word in message for word in named)
    assert answer.error()["param"]


async def test_unknown_words_are_refused(run_server: RunServer) -> None:
    """A visibility or switch that does not exist is a 400, not a default."""
    async with run_server(FakeEngine()) as running:
        for query in ("?reasoning=no", "?thinking=maybe", "?reasoning="):
            answer = await running.ask("POST", CHAT + query, {"messages": HELLO})
            assert answer.status == 400, query
        answer = await running.ask("POST", CHAT, {"messages": HELLO}, {"X-Reasoning": "secret"})
        assert answer.told() == (400, "invalid_request_error", None)
