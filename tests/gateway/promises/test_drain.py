"""The end of the engine's life: draining, or dying."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway import metrics
from tests.conftest import Answer, RunServer, eventually, request
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import (
    CHAT,
    HELLO,
    STREAM,
    check_refused_unread,
    grown,
    held,
    let_go,
)

pytestmark = pytest.mark.anyio


def aborts() -> dict[str, float]:
    """How many choices were aborted, by reason, and how many clients are said to have left."""
    reasons = ("client_disconnected", "server_draining", "stop_string", "error")
    counts = {reason: metrics.ABORTS.labels(reason)._value.get() for reason in reasons}
    return {**counts, "disconnects": metrics.DISCONNECTS._value.get()}


async def test_draining_lets_running_requests_finish(run_server: RunServer) -> None:
    """New requests are refused, open ones end whole, then the life ends cleanly."""
    engine = held()
    async with run_server(engine) as running, asyncio.TaskGroup() as group:
        open_ones = [group.create_task(running.ask("POST", CHAT, body)) for body in (STREAM, HELLO)]
        await eventually(lambda: len(engine.open) == 2)
        running.lifecycle.stop()
        await eventually(lambda: running.lifecycle.admission.status == "draining")
        ready = await running.ask("GET", "/ready")
        assert (ready.status, ready.json()["requests_in_flight"]) == (503, 2)
        refused = await running.ask("POST", CHAT, HELLO)
        assert refused.told() == (503, "service_unavailable_error", "server_draining")
        assert refused.headers["retry-after"]
        await check_refused_unread(running, "server_draining")
        assert (await running.ask("GET", "/live")).status == 200
        assert not running.lifecycle.ended.is_set()
        let_go(engine)
        streamed, whole = [await each for each in open_ones]
        await eventually(running.lifecycle.ended.is_set)
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    assert whole.json()["choices"][0]["message"]["content"] == "It is 42."
    assert running.lifecycle.exit_code == 0


async def test_draining_does_not_wait_for_ever(run_server: RunServer) -> None:
    """Who is not done by then gets an error, in the stream or as the response."""
    engine = held()
    before = aborts()
    async with run_server(engine, "server.drain_seconds=0.1") as running:
        streamed, whole = await _both(running.ask, engine, running.lifecycle.stop)
        await eventually(running.lifecycle.ended.is_set)
    assert _error_in_stream(streamed) == "server_draining"
    assert whole.told()[2] == "server_draining"
    assert running.lifecycle.exit_code == 0
    assert grown(before, aborts()) == {"server_draining": 2}


async def test_what_nothing_wakes_is_cancelled(run_server: RunServer) -> None:
    """Where even the engine's last word is not heard, it is the drain that ended it, no client."""
    engine = held(deaf=True)
    before = aborts()
    async with AsyncExitStack() as stack, run_server(engine) as running:
        for body in (STREAM, HELLO):
            connection = await stack.enter_async_context(running.connect())
            connection.send(request("POST", CHAT, body))
        await eventually(lambda: len(engine.open) == 2)
    assert grown(before, aborts()) == {"server_draining": 2}


async def test_the_engines_death_is_told_to_everybody(run_server: RunServer) -> None:
    """Open requests hear of it, the probes say so, the process is to exit with 70."""
    engine = held()
    async with run_server(engine) as running:
        streamed, whole = await _both(running.ask, engine, engine.die)
        await eventually(running.lifecycle.ended.is_set)
        assert (await running.ask("GET", "/live")).status == 503
        assert (await running.ask("GET", "/ready")).json()["status"] == "dead"
        assert (await running.ask("POST", CHAT, HELLO)).told()[2] == "engine_dead"
    assert _error_in_stream(streamed) == "engine_dead"
    assert whole.told() == (503, "service_unavailable_error", "engine_dead")
    assert running.lifecycle.exit_code == 70


async def _both(ask: Any, engine: FakeEngine, happen: Any) -> tuple[Answer, Answer]:
    """What a stream and a whole request that are open are told when something happens."""
    async with asyncio.TaskGroup() as group:
        streamed = group.create_task(ask("POST", CHAT, STREAM))
        whole = group.create_task(ask("POST", CHAT, HELLO))
        await eventually(lambda: len(engine.open) == 2)
        happen()
    return streamed.result(), whole.result()


def _error_in_stream(answer: Answer) -> str:
    """The code of the one event that a stream ended with."""
    assert answer.status == 200
    (event,) = answer.body.split(b"\n\n")[:-1]
    code: str = json.loads(event.removeprefix(b"data: "))["error"]["code"]
    return code
