"""How many run at once, and what waits without a slot."""

from contextlib import AsyncExitStack

import pytest

from gateway import metrics
from tests.conftest import Answer, RunServer, eventually, request
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import CHAT, HELLO, held, let_go

pytestmark = pytest.mark.anyio

IN_FLIGHT = metrics.IN_FLIGHT.labels(CHAT)._value
UPLOAD = request("POST", CHAT, HELLO, {"connection": "close"})


def limit(requests: int) -> str:
    return f"limits.max_concurrent_requests={requests}"


async def test_slow_uploads_hold_no_slot(run_server: RunServer) -> None:
    """A slot is taken once the body is there: those who send slowly block nobody."""
    async with run_server(FakeEngine(), limit(2)) as running, AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(running.connect()) for _ in range(20)]
        for connection in slow:
            connection.send(UPLOAD[:-5])
        await eventually(lambda: IN_FLIGHT.get() == 20)
        assert running.lifecycle.admission.running == 0
        assert (await running.ask("POST", CHAT, HELLO)).status == 200
        for connection in slow:
            connection.send(UPLOAD[-5:])
            assert Answer.parse(await connection.rest()).status == 200


async def test_a_full_server(run_server: RunServer) -> None:
    """Whoever's body is there when all slots are taken is told when to come back."""
    engine = held()
    async with run_server(engine, limit(1)) as running, AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(running.connect()) for _ in range(2)]
        for connection in (first, second):
            connection.send(UPLOAD[:-5])
        await eventually(lambda: IN_FLIGHT.get() == 2)
        first.send(UPLOAD[-5:])
        await eventually(lambda: engine.open)
        second.send(UPLOAD[-5:])
        refused = Answer.parse(await second.rest())
        assert refused.told() == (503, "service_unavailable_error", "server_is_overloaded")
        assert int(refused.headers["retry-after"]) > 0
        let_go(engine)
        assert Answer.parse(await first.rest()).status == 200
        assert (await running.ask("POST", CHAT, HELLO)).status == 200


async def test_models_take_no_slot(run_server: RunServer) -> None:
    """A full server still says what it serves."""
    engine = held()
    async with run_server(engine, limit(1)) as running, running.connect() as connection:
        connection.send(UPLOAD)
        await eventually(lambda: engine.open)
        assert (await running.ask("GET", "/v1/models")).status == 200
        assert (await running.ask("GET", "/v1/models/demo")).status == 200
        assert running.lifecycle.admission.running == 1
        let_go(engine)
        await connection.rest()


async def test_who_never_sends_a_body_is_gone_without_a_trace(run_server: RunServer) -> None:
    """An upload that ends in its middle never reaches the engine."""
    engine = FakeEngine()
    async with run_server(engine, limit(1)) as running, running.connect() as connection:
        connection.send(UPLOAD[:-5])
        await eventually(lambda: IN_FLIGHT.get() == 1)
        connection.reset()
        await eventually(lambda: IN_FLIGHT.get() == 0)
        assert not engine.requests
