"""Every request is written down once, in the log and in the metrics."""

import json
import logging

import pytest

from gateway import metrics
from gateway.config.keys import Principal
from gateway.http.access_log import AccessLog
from gateway.http.context import RequestContext
from gateway.http.request_id import RequestId
from tests.conftest import RunServer
from tests.fakes import FakeEngine
from tests.gateway.http.asgi import CHAT, Echo, call

pytestmark = pytest.mark.anyio


@pytest.fixture
def lines(caplog):
    """What the log has, line by line."""
    caplog.set_level(logging.INFO, "thinkgate.access")
    return lambda: [json.loads(message) for message in caplog.messages]


def route_of(path):
    """A path's label."""
    return path if path in (CHAT, "/live") else "unknown"


def logged(app, **options):
    """An application whose requests are written down."""
    return AccessLog(app, route_of, silent={"/live"}, **options)


@pytest.mark.parametrize("method", ["POST", "BREW"])
async def test_a_line(lines, method):
    """JSON with bounded words; nothing that a client chose freely, no prompt, no key."""
    context = RequestContext(path="/home/secret", status=404, stream=True, error_code="code")
    context.principal = Principal("alice")
    await call(logged(Echo()), method=method, context=context, query_string=b"secret")

    (line,) = lines()
    assert line.pop("ms") >= 0
    assert line == {
        "request_id": context.request_id,
        "principal": "alice",
        "method": "POST" if method == "POST" else "other",
        "route": "unknown",
        "status": 404,
        "stream": True,
        "error": "code",
    }


async def test_without_lines(lines):
    """Silent routes have none, nor has any where the log is off; both are counted."""
    count = metrics.REQUESTS.labels("/live", "GET", "200", "false")._value
    before = count.get()
    for app in (logged(Echo()), logged(Echo(), enabled=False)):
        context = RequestContext(path="/live", status=200)
        await call(app, "/live", method="GET", context=context)
    await call(logged(Echo(), enabled=False))

    assert not lines()
    assert count.get() == before + 2


async def test_in_flight():
    """A request counts while it is answered, and no longer when it has failed."""
    gauge = metrics.IN_FLIGHT.labels(CHAT)._value
    before, during = gauge.get(), []

    async def app(scope, receive, send):
        during.append(gauge.get())
        raise KeyError

    with pytest.raises(KeyError):
        await call(logged(app))

    assert (during, gauge.get()) == ([before + 1], before)


async def test_a_client_that_left(lines):
    """Where nothing was answered there was nobody left to answer: 499."""

    async def app(scope, receive, send):
        pass

    await call(logged(app))

    assert [line["status"] for line in lines()] == [499]


async def test_the_key_that_a_request_came_with(lines, run_server: RunServer, tmp_path) -> None:
    """Its name is in the log, never the key; whoever has none is anonymous."""
    path = tmp_path / "keys"
    path.write_text("alice:sk-1\nbob:sk-2\nsk-3")
    async with run_server(FakeEngine(), f"server.api_keys_file={path}") as running:
        for key in ("sk-1", "sk-2", "sk-3", "sk-4"):
            answer = await running.ask("GET", "/version", None, {"authorization": f"Bearer {key}"})
            assert answer.headers["x-request-id"].startswith("req-")

    found = lines()
    assert [line["principal"] for line in found] == ["alice", "bob", "anonymous", "anonymous"]
    assert [line["status"] for line in found] == [200, 200, 200, 401]
    assert "sk-" not in json.dumps(found)


async def test_the_status_is_what_was_sent(lines):
    """Behind the middleware that sees it."""
    await call(RequestId(logged(Echo())))

    assert [line["status"] for line in lines()] == [200]
