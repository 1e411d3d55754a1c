"""A session: what is read, sent, shown and remembered."""

import asyncio
import io
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from client.chat.screen import Screen
from client.chat.session import converse
from client.openai.server import Server
from client.openai.types import Message, Request
from tests.client.servers import Script
from tests.client.terminals import Terminal
from tests.client.threads import serve_in_thread

THOUGHTFUL = ({"reasoning": "hm"}, {"content": "42"})


def talk(
    script: Script, typed: str, monkeypatch: pytest.MonkeyPatch, first: Request | None = None
) -> bool:
    """Hold a session with a scripted server; whether every question was answered."""
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with serve_in_thread(script) as served:
        return converse(Server(served.url), first or Request(), Screen())


def sent(script: Script) -> list[list[str]]:
    """What was said in each request, in turn."""
    return [[message["content"] for message in body["messages"]] for body in script.bodies]


def test_history_is_kept_without_thinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question goes with all before it and their answers; what was thought does not."""
    script = Script(THOUGHTFUL)
    first = Request((Message("system", "Be brief."),), max_tokens=9)
    assert talk(script, "a\n\n   \nb\n", monkeypatch, first)
    assert sent(script) == [["Be brief.", "a"], ["Be brief.", "a", "42", "b"]]
    assert [body["max_tokens"] for body in script.bodies] == [9, 9]


def test_commands_are_not_questions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """/clear forgets all but the beginning, /help explains, /exit ends before the rest is read."""
    script = Script()
    first = Request((Message("system", "Be brief."),))
    assert talk(script, "a\n/clear\n/help\nb\n/exit\nc\n", monkeypatch, first)
    assert sent(script) == [["Be brief.", "a"], ["Be brief.", "b"]]
    assert "/clear forgets" in capsys.readouterr().err


def test_pipe_gets_replies_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal no prompt is written; figures are on stderr."""
    talk(Script(), "a\nb", monkeypatch)
    out, err = capsys.readouterr()
    assert out == "42\n42\n"
    assert err.count("1 tokens in") == len(err.splitlines()) == 2


def test_failed_question_is_dropped_and_the_session_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error is told in one line; the history before it stays."""

    def refuse(body: dict[str, Any]) -> tuple[int, str] | None:
        return (400, "bad\nquestion") if body["messages"][-1]["content"] == "b" else None

    script = Script(refuse=refuse)
    assert not talk(script, "a\nb\nc\n", monkeypatch)
    assert sent(script) == [["a"], ["a", "42", "b"], ["a", "42", "c"]]
    assert "HTTP 400: bad question; the question is not kept\n" in capsys.readouterr().err


class Interrupting(Terminal):
    """A terminal at which somebody presses Ctrl-C when a word appears."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def write(self, text: str) -> int:
        """Write, and interrupt once."""
        written = super().write(text)
        if self._word and self._word in text:
            self._word = ""
            signal.raise_signal(signal.SIGINT)
        return written


def typing(*lines: str | type[BaseException]) -> Callable[[str], str]:
    """Stand in for `input`: return the lines, raise what is no line."""
    rest = iter(lines)

    def read(prompt: str) -> str:
        line = next(rest, EOFError)
        if isinstance(line, str):
            return line
        raise line

    return read


def test_interrupt_stops_the_reply_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C aborts the request and drops the question; at the prompt it changes nothing."""
    script = Script()

    def choose(body: dict[str, Any]) -> None:
        endless = body["messages"][-1]["content"] == "a"
        script.deltas = [{"content": "tick "}, 0.01] * 3000 if endless else [{"content": "done"}]

    async def idle() -> None:
        async with asyncio.timeout(5):
            while script.running:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.005)

    script.refuse = choose
    terminal = Interrupting("tick")
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("builtins.input", typing("a", KeyboardInterrupt, "b"))
    with serve_in_thread(script) as served:
        assert converse(Server(served.url), Request(), Screen())
        served.call(idle())
    assert sent(script) == [["a"], ["b"]]
    assert terminal.getvalue().splitlines()[-1] == "done"
    assert "stopped; the question is not kept" in capsys.readouterr().err


def test_without_a_terminal_an_interrupt_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could type on, so Ctrl-C ends a session that reads a pipe."""
    monkeypatch.setattr("sys.stdout", Interrupting("42"))
    with pytest.raises(KeyboardInterrupt):
        talk(Script([{"content": "42"}, 0.01, {"content": "!"}]), "a\nb\n", monkeypatch)


@dataclass
class Forgetful(Script):
    """A server that closes its connections when it is told to."""

    transports: list[asyncio.Transport] = field(default_factory=list)

    async def models(self, request: web.Request) -> web.Response:
        """Answer, and remember the connection."""
        assert isinstance(request.transport, asyncio.Transport)
        self.transports.append(request.transport)
        return await super().models(request)

    async def close(self) -> None:
        """Close them, so that the other side has been told."""
        for transport in self.transports:
            transport.close()
        await asyncio.sleep(0)  # the transport's own last step


def test_connection_closed_while_somebody_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question typed after the server closed an idle connection is answered all the same."""
    script = Forgetful()
    lines = iter(("a",))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with serve_in_thread(script) as served:

        def read(prompt: str) -> str:
            served.call(script.close())
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", read)
        assert converse(Server(served.url), Request(), Screen())
    assert sent(script) == [["a"]]
    assert len(script.transports) == 1
