"""Requests, replies and what can go wrong, on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from client.openai.errors import Broken, ClientError, Refused, TimedOut, Unreachable
from client.openai.reply import Reply, ask
from client.openai.server import Server
from client.openai.types import Message, Request, Usage
from tests.client.servers import Script, serve

HELLO = (Message("user", "17 + 25?"),)


def run(script: Script, request: Request, silence: float = 5.0) -> Reply:
    """Ask a scripted server once."""

    async def once() -> Reply:
        async with serve(script) as url, Server(url, silence_seconds=silence) as server:
            return await ask(server, request)

    return asyncio.run(once())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "deltas",
    [
        [{"reasoning": "7 + 5 …"}, {"content": "42"}],
        [{"reasoning_content": "7 + 5 …"}, {"content": "42"}],
        [{"reasoning": "7 + 5 …", "reasoning_content": "7 + 5 …"}, {"content": "42"}],
        [{"content": "<thi"}, {"content": "nk>7 + 5 …</thi"}, {"content": "nk>\n\n42"}],
        [{"content": "<|thinking|>7 + 5 …<|/thinking|>42"}],
    ],
)
def test_thinking_and_answer_come_apart(stream: bool, deltas: list[dict[str, str]]) -> None:
    """Whichever field or tags a server uses, thinking and answer are told apart."""
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    reply = run(Script(deltas, usage), Request(HELLO, stream=stream))
    assert (reply.thinking, reply.answer) == ("7 + 5 …", "42")
    assert reply.finish_reason == "stop"
    assert reply.usage == Usage(5, 9, 7, 4)


def test_times_follow_their_formulas() -> None:
    """TTFT, TTFT of the answer, ITL, TPOT and E2E are what the table of formulas says."""
    deltas = [{"role": "assistant"}, 0.05, {"reasoning": "a"}, 0.1, {"content": "b"}, 0.1]
    script = Script([*deltas, {"content": "c"}], {"prompt_tokens": 1, "completion_tokens": 5})
    reply = run(script, Request(HELLO))
    assert reply.ttft == reply.times[0] - reply.sent >= 0.05
    assert reply.ttft_answer == reply.times[1] - reply.sent >= 0.15
    thought, answered, said, ended = reply.times
    assert reply.e2e == ended - reply.sent
    assert reply.itl == [answered - thought, said - answered, ended - said]
    assert reply.tpot == pytest.approx(sum(reply.itl) / 4)


def test_refusal_says_why() -> None:
    """A refusal carries the status and the server's own words."""
    script = Script(refuse=lambda body: (400, "temperature is -1"))
    with pytest.raises(Refused, match="HTTP 400: temperature is -1"):
        run(script, Request(HELLO))


def test_stream_that_is_cut_is_no_reply() -> None:
    """A stream without [DONE] is an error, however much came."""
    with pytest.raises(Broken, match="DONE"):
        run(Script(cut=True), Request(HELLO))


def test_silence_is_an_error() -> None:
    """A server that says nothing for too long is given up."""
    with pytest.raises(TimedOut):
        run(Script([1.0]), Request(HELLO), silence=0.1)


def test_nobody_there_is_one_clear_error() -> None:
    """An address where nobody listens is named."""

    async def enter() -> None:
        async with Server("http://127.0.0.1:9/v1"):
            raise AssertionError

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        asyncio.run(enter())


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        ((), "both"),
        (("reasoning_effort",), "kwargs"),
        (("chat_template_kwargs",), "effort"),
        (("chat_template_kwargs", "reasoning_effort"), "message"),
    ],
)
def test_no_thinking_in_the_dialect_that_the_server_takes(
    unknown: tuple[str, ...], said: str
) -> None:
    """A server that refuses one way of saying "don't think" is asked in the next one."""

    def refuse(body: dict[str, object]) -> tuple[int, str] | None:
        field = next((each for each in unknown if each in body), None)
        return (400, f"Unrecognized request argument supplied: {field}") if field else None

    async def twice() -> list[dict[str, object]]:
        script = Script(refuse=refuse)
        request = Request(HELLO, thinking=False)
        async with serve(script) as url, Server(url) as server:
            await ask(server, request)
            tries = len(script.bodies)
            await ask(server, request)
            assert len(script.bodies) == tries + 1, "what a server takes is remembered"
        return script.bodies

    body = asyncio.run(twice())[-1]
    assert ("chat_template_kwargs" in body) == (said in ("both", "kwargs"))
    assert ("reasoning_effort" in body) == (said in ("both", "effort"))
    (message,) = body["messages"]  # type: ignore[misc]
    assert message["content"].endswith(" /no_think") == (said == "message")


def test_other_refusals_are_not_tried_again() -> None:
    """A refusal of something else ends the request at once."""
    script = Script(refuse=lambda body: (400, "max_tokens is too large"))
    with pytest.raises(ClientError, match="max_tokens"):
        run(script, Request(HELLO, thinking=False))
    assert len(script.bodies) == 1


@pytest.mark.parametrize(("url", "key"), [("foo", ""), ("ftp://x/v1", ""), ("http://x/v1", "a\rb")])
def test_what_cannot_be_sent_is_one_clear_error(url: str, key: str) -> None:
    """A URL that is none and a key with control characters are refused at once."""
    with pytest.raises(ClientError, match=r"URL|key"):
        Server(url, key)


def test_connections_are_used_again() -> None:
    """One after another, streams share a connection."""

    async def thrice() -> int:
        script = Script()
        async with serve(script) as url, Server(url) as server:
            for _ in range(3):
                await ask(server, Request(HELLO))
        return len(script.peers)

    assert asyncio.run(thrice()) == 1


class Keys:
    """A server without a path, which keeps the key that each path was asked with.

    Attributes:
        seen: path -> header.
        redirect: where to send who asks for `/models`; nowhere if empty.
    """

    def __init__(self, redirect: str = "") -> None:
        self.seen: dict[str, str | None] = {}
        self.redirect = redirect

    async def answer(self, request: web.Request) -> web.Response:
        self.seen[request.path] = request.headers.get("Authorization")
        if self.redirect and request.path == "/models":
            raise web.HTTPTemporaryRedirect(self.redirect)
        return web.json_response({"data": [{"id": "scripted"}]})

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def test_a_base_url_without_a_path_gets_the_key_itself() -> None:
    """API and pages are both asked at its host, with the key."""

    async def enter() -> dict[str, str | None]:
        keys = Keys()
        async with keys.serve() as url, Server(url, "secret") as server:
            assert "scripted" in await server.page("/metrics")
        return keys.seen

    assert asyncio.run(enter()) == {"/models": "Bearer secret", "/metrics": "Bearer secret"}


def test_no_redirect_takes_the_key_elsewhere() -> None:
    """On its own host a redirect is followed with the key, to another one without it."""

    async def enter() -> tuple[dict[str, str | None], dict[str, str | None]]:
        ours, theirs = Keys(), Keys()
        async with theirs.serve() as other, ours.serve() as url:
            ours.redirect = "/elsewhere"
            async with Server(url, "secret"):
                pass
            ours.redirect = f"{other}/stolen"
            async with Server(url, "secret"):
                pass
        return ours.seen, theirs.seen

    ours, theirs = asyncio.run(enter())
    assert ours == {"/models": "Bearer secret", "/elsewhere": "Bearer secret"}
    assert theirs == {"/stolen": None}


def test_the_key_wins_over_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of ~/.netrc for the host neither replaces the key nor is an error."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    async def enter() -> dict[str, str | None]:
        keys = Keys()
        async with keys.serve() as url, Server(url, "secret"):
            pass
        return keys.seen

    assert asyncio.run(enter()) == {"/models": "Bearer secret"}
