"""Sending a load: how many at once, when, and what becomes of failures."""

import asyncio

import pytest

from client.bench.load import Lengths, Level, Shape, build_loads
from client.bench.measures import Attempt
from client.bench.sender import send, warm_up
from client.openai.errors import ClientError
from client.openai.server import Server
from tests.client.servers import Script, serve

SHAPE = Shape(Lengths(4, 4), Lengths(2, 2), kind="ids")


def run(script: Script, level: Level) -> tuple[list[Attempt], float]:
    """Warm a scripted server up, and send it one level."""

    async def once() -> tuple[list[Attempt], float]:
        async with serve(script) as url, Server(url) as server:
            (load,) = build_loads([level], SHAPE, 0)
            await warm_up(server, load)
            return await send(server, load)

    return asyncio.run(once())


def test_a_closed_loop_keeps_so_many_at_work() -> None:
    """Concurrency is kept and not exceeded, and every request is sent once."""
    script = Script([0.02, {"content": "a"}])
    attempts, duration = run(script, Level(3, None, 9, 3))
    assert script.most == 3
    assert [attempt.number for attempt in attempts] == list(range(9))
    assert len({str(body["prompt"]) for body in script.bodies}) == len(script.bodies) == 12
    assert all(attempt.reply and attempt.asked == 2 for attempt in attempts)
    assert duration >= 3 * 0.02


def test_an_open_loop_does_not_wait_for_replies() -> None:
    """Requests go out when they are due, however slow the server is, and never before."""
    script = Script([0.2, {"content": "a"}])
    attempts, duration = run(script, Level(None, 100.0, 10, 0))
    assert script.most > 3
    assert all(attempt.sent >= attempt.planned for attempt in attempts)
    assert attempts[-1].planned == pytest.approx(0.1)
    assert duration >= 0.3


def test_failures_are_kept() -> None:
    """A refused request is an attempt with its reason, and the others go on."""

    def refuse(body: dict[str, object]) -> tuple[int, str] | None:
        return (503, "full") if len(script.bodies) % 2 else None

    script = Script(refuse=refuse)
    attempts, _ = run(script, Level(1, None, 6, 2))
    failed = [attempt for attempt in attempts if not attempt.reply]
    assert (len(attempts), len(failed)) == (6, 3)
    assert {(attempt.kind, attempt.error) for attempt in failed} == {("refused", "HTTP 503: full")}


def test_a_warm_up_that_fails_altogether_ends_it() -> None:
    """If no request of the warm-up is answered, the server's reason is told at once."""
    with pytest.raises(ClientError, match="ignore_eos is unknown"):
        run(Script(refuse=lambda body: (400, "ignore_eos is unknown")), Level(2, None, 9, 2))
