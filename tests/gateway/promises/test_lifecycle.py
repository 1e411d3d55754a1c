"""The engine's life up to the first request: starting, warming up, or not."""

import asyncio
from pathlib import Path

import pytest

from engine.errors import BadGeneration, EngineDead, EngineStartError
from tests.conftest import RunServer, eventually
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import CHAT, HELLO, check_refused_unread, held, let_go

pytestmark = pytest.mark.anyio


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log has of errors."""
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


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
        await check_refused_unread(running, "server_starting")
        assert engine.starting
        engine.starting.set()
        await eventually(lambda: running.lifecycle.admission.status == "ready")
        assert (await running.ask("POST", CHAT, HELLO)).status == 200


async def test_the_warmup_comes_before_ready(run_server: RunServer) -> None:
    """Every template in every position of the switch, streamed and whole, then the batch."""
    engine = held()
    sets = ("warmup.enabled=true", "warmup.batch=7", "warmup.max_tokens=3")
    async with run_server(engine, *sets, wait=False) as running:
        await eventually(lambda: engine.requests)
        ready = await running.ask("GET", "/ready")
        assert (ready.status, ready.json()["status"]) == (503, "warming")
        assert (await running.ask("POST", CHAT, HELLO)).told()[2] == "server_starting"
        let_go(engine)
        await eventually(lambda: running.lifecycle.admission.status == "ready")
        assert (await running.ask("GET", "/ready")).json()["seconds"].keys() == {
            *("import", "engine", "warmup"),
        }
    switched = [chat.variables.get("enable_thinking") for chat in engine.chats[-3:]]
    assert switched == [None, True, False]
    streamed = [asked.incremental for asked in engine.requests]
    assert streamed == [True] * 3 + [False] * 3 + [True] * 7
    assert {asked.sampling.max_tokens for asked in engine.requests} == {3}
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
    assert [asked.incremental for asked in engine.requests] == [
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
    assert errors(caplog) == ["the engine could not start: no such model"]


async def test_templates_that_cannot_be_used_end_the_life(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    """They are tried before the engine is started, and what is wrong with them is said so."""
    engine = FakeEngine(render_failure=BadGeneration("the chat template: no such filter"))
    async with run_server(engine, wait=False) as running:
        await eventually(running.lifecycle.ended.is_set)
        assert (await running.ask("GET", "/live")).status == 503
        assert (await running.ask("POST", CHAT, HELLO)).told()[2] == "engine_dead"
    assert running.lifecycle.exit_code == 1
    assert running.lifecycle.engine_or_none is None
    assert errors(caplog) == ["the chat templates can't be used: the chat template: no such filter"]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (EngineDead("dead"), "the warm-up failed: dead"),
        (RuntimeError("a bug"), "the gateway failed"),
    ],
)
async def test_a_warmup_that_fails_ends_the_life(
    run_server: RunServer, failure: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What can't be warmed up can't be served, whatever the reason, which is said."""
    engine = FakeEngine(fails_after=0, failure=failure)
    async with run_server(engine, "warmup.enabled=true", wait=False) as running:
        await eventually(running.lifecycle.ended.is_set)
        assert (await running.ask("POST", CHAT, HELLO)).told()[2] == "engine_dead"
    assert running.lifecycle.exit_code == 1
    assert errors(caplog) == [told]
