"""One line a request, and what it says of those that generate."""

import json
import logging
from pathlib import Path

import pytest

from tests.conftest import RunServer, eventually, request
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import CHAT, COMPLETIONS, HELLO, STREAM, held

pytestmark = pytest.mark.anyio


async def test_whose_request_it_was_and_how_it_ended(
    run_server: RunServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The key's name, the route, the status, and the error even where it came in a stream."""
    caplog.set_level(logging.INFO, "thinkgate.access")
    keys = tmp_path / "keys"
    keys.write_text("alice:sk-1\nbob:sk-2")
    alice, bob = ({"authorization": f"Bearer sk-{number}"} for number in (1, 2))
    engine = FakeEngine()
    async with run_server(engine, f"server.api_keys_file={keys}") as running:
        await running.ask("POST", "/hidden" + CHAT, HELLO, alice)
        await running.ask("POST", COMPLETIONS, {"prompt": ""}, bob)
        engine.fails_after = 3
        await running.ask("POST", CHAT, STREAM, bob)
    lines = [json.loads(message) for message in caplog.messages if message.startswith("{")]
    told = ("principal", "route", "status", "stream", "error")
    assert [tuple(line[name] for name in told) for line in lines] == [
        ("alice", CHAT, 200, False, None),
        ("bob", COMPLETIONS, 400, False, None),
        ("bob", CHAT, 200, True, "engine_dead"),
    ]


@pytest.mark.parametrize(("body", "status"), [(HELLO, 499), (STREAM, 200)])
async def test_clients_that_left(
    run_server: RunServer,
    caplog: pytest.LogCaptureFixture,
    body: dict[str, object],
    status: int,
) -> None:
    """499 where nothing was answered yet; where it was, no error of ours."""
    caplog.set_level(logging.INFO, "thinkgate.access")
    engine = held()
    async with run_server(engine) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, body))
        await eventually(lambda: engine.open)
        if body is STREAM:
            await connection.until(b"\r\n\r\n")
        connection.reset()
        await eventually(lambda: caplog.messages)
    (line,) = [json.loads(message) for message in caplog.messages if message.startswith("{")]
    assert (line["status"], line["error"], line["principal"]) == (status, None, "anonymous")
