"""The engine's life: starting, warming, serving, draining, dying."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineDead, EngineStartError
from tests.conftest import Answer, RunServer, eventually
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "?"}]}
STREAM = {**HELLO, "stream": True}


def held() -> FakeEngine:
    """An engine that gives nothing until it is let go."""
    return FakeEngine(hold=asyncio.Event())


async def test_probes_answer_while_the_engine_starts(run_server: RunServer) -> None:
    """Alive but not ready; the routes that need the engine say when to come back."""
    engine = FakeEngine(starting=asyncio.Event())
    async with run_server(engine, wait=False) as running:
        assert (await running.ask("GET", "/live")).status == 200
        assert (await running.ask("GET", "/health")).status == 503
        ready = await running.ask("GET", "/ready")
        assert (ready.status, ready.json()["status"]) == (503, "starting")
        for method, path, body in (("POST", CHAT, HELLO), ("GET", "/v1/models", None)):
            refused = await running.ask(method, path, body)
            assert refused.told() == (503, "service_unavailable_error", "server_starting")
            assert int(refused.headers["retry-after"]) <= 120
        assert engine.starting
        engine.starting.set()
        await eventually(lambda: running.lifecycle.admission.status == "ready")
        assert (await running.ask("POST", CHAT, HELLO)).status == 200


async def test_the_warmup_comes_before_ready(run_server: RunServer) -> None:
    """Every template in every position of the switch, streamed and whole, then the batch."""
    engine = FakeEngine(hold=asyncio.Event())
    sets = ("warmup.enabled=true", "warmup.batch=7", "warmup.max_tokens=3")
    async with run_server(engine, *sets, wait=False) as running:
        await eventually(lambda: engine.requests)
        ready = await running.ask("GET", "/ready")
        assert (ready.status, ready.json()["status"]) == (503, "warming")
        assert (await running.ask("POST", CHAT, HELLO)).told()[2] == "server_starting"
        assert engine.hold
        engine.hold.set()
        await eventually(lambda: running.lifecycle.admission.status == "ready")
        assert (await running.ask("GET", "/ready")).json()["seconds"].keys() == {
            *("import", "engine", "warmup"),
        }
    switched = [chat.variables.get("enable_thinking") for chat in engine.chats[-3:]]
    assert switched == [None, True, False]
    streamed = [generation.incremental for generation in engine.requests]
    assert streamed == [True] * 3 + [False] * 3 + [True] * 7
    assert {generation.sampling.max_tokens for generation in engine.requests} == {3}
    assert engine.most_open == 7


async def test_every_template_is_warmed_up(run_server: RunServer, tmp_path: Path) -> None:
    """Each configured template in every position of the switch, and as many as run at once."""
    templates = {"default": "plain", "house": "<think>{{ enable_thinking }}"}
    sets = []
    for name, source in templates.items():
        (tmp_path / name).write_text(source)
        sets.append(f"templates.{name}={tmp_path / name}")
    engine = FakeEngine(templates=templates, max_num_seqs=11)
    async with run_server(engine, "warmup.enabled=true", *sets) as running:
        seconds = (await running.metrics()).keys()
    count = 3 * 3
    warmed = [chat.template for chat in engine.chats[-count:]]
    assert warmed == ["default"] * 6 + ["house"] * 3  # it stands in for the model's own
    assert [generation.incremental for generation in engine.requests] == [
        *([True] * count),
        *([False] * count),
        *([True] * 11),
    ]
    assert engine.most_open == 11
    for step in ("render", "stream", "whole", "batch"):
        assert f'gateway_warmup_seconds{{step="{step}"}}' in seconds


async def test_an_engine_that_does_not_start_ends_the_life(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Exit code 1, one line that says why, and nothing is served."""
    engine = FakeEngine(start_failure=EngineStartError("no such model"))
    async with run_server(engine, wait=False) as running:
        await eventually(running.lifecycle.ended.is_set)
        assert (await running.ask("GET", "/live")).status == 503
        assert (await running.ask("POST", CHAT, HELLO)).told()[2] == "engine_dead"
    assert running.lifecycle.exit_code == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "the engine could not start: no such model"
    ]


@pytest.mark.parametrize("failure", [EngineDead("dead"), RuntimeError("a bug")])
async def test_a_warmup_that_fails_ends_the_life(
    run_server: RunServer, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """What can't be warmed up can't be served, whatever the reason."""
    engine = FakeEngine(fails_after=0, failure=failure)
    async with run_server(engine, "warmup.enabled=true", wait=False) as running:
        await eventually(running.lifecycle.ended.is_set)
    assert running.lifecycle.exit_code == 1
    assert "ERROR" in {record.levelname for record in caplog.records}


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
        assert (await running.ask("GET", "/live")).status == 200
        assert not running.lifecycle.ended.is_set()
        assert engine.hold
        engine.hold.set()
        streamed, whole = [await each for each in open_ones]
        await eventually(running.lifecycle.ended.is_set)
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    assert whole.json()["choices"][0]["message"]["content"] == "It is 42."
    assert running.lifecycle.exit_code == 0


async def test_draining_does_not_wait_for_ever(run_server: RunServer) -> None:
    """Who is not done by then gets an error, in the stream or as the response."""
    engine = held()
    async with run_server(engine, "server.drain_seconds=0.1") as running:
        streamed, whole = await _both(running.ask, engine, running.lifecycle.stop)
        await eventually(running.lifecycle.ended.is_set)
    assert _error_in_stream(streamed) == "server_draining"
    assert whole.told()[2] == "server_draining"
    assert running.lifecycle.exit_code == 0


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
        await asyncio.sleep(0.05)
        happen()
    return streamed.result(), whole.result()


def _error_in_stream(answer: Answer) -> str:
    """The code of the one event that a stream ended with."""
    assert answer.status == 200
    (event,) = answer.body.split(b"\n\n")[:-1]
    code: str = json.loads(event.removeprefix(b"data: "))["error"]["code"]
    return code
