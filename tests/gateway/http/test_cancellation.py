"""What the end of a drain cancels is told so, and is not mistaken for a client that left."""

import asyncio
import json

import pytest

from gateway.http.access_log import AccessLog
from gateway.http.cancellation import Cancellation
from gateway.http.context import RequestContext
from gateway.http.request_id import RequestId
from tests.gateway.http.asgi import CHAT, Echo, call

pytestmark = pytest.mark.anyio


async def cancelled(app):
    """Cancel a request to `app` in its middle; return what was sent."""
    sent, begun = [], asyncio.Event()

    async def receive():
        begun.set()
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    whole = RequestId(AccessLog(Cancellation(app), lambda path: "unknown"))
    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": []}
    task = asyncio.create_task(whole(scope, receive, send))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return sent


async def test_before_the_answer(caplog):
    """503 with an id, in our shape, and in the log as that."""
    caplog.set_level("INFO", "thinkgate.access")
    start, body = await cancelled(Echo())

    error = json.loads(body["body"])["error"]
    assert (start["status"], error["code"]) == (503, "server_draining")
    assert {b"x-request-id", b"retry-after"} <= dict(start["headers"]).keys()
    line = json.loads(caplog.messages[0])
    assert (line["status"], line["error"]) == (503, "server_draining")


@pytest.mark.parametrize("told", [None, "engine_dead"])
async def test_in_the_middle_of_the_answer(caplog, told):
    """Nothing can be added to it any more, but the log says why it ended, or what was told."""
    caplog.set_level("INFO", "thinkgate.access")

    async def app(scope, receive, send):
        scope["thinkgate"].error_code = told
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    (start,) = await cancelled(app)

    line = json.loads(caplog.messages[0])
    assert (start["status"], line["status"]) == (200, 200)
    assert line["error"] == (told or "server_draining")


async def test_no_other_failure_is_answered_here():
    """The application has its own answers."""
    context = RequestContext()
    with pytest.raises(KeyError):
        await call(Cancellation(Echo(failure=KeyError())), context=context)

    assert (context.status, context.error_code) == (0, None)


async def test_a_cancelled_lifespan():
    """There is nobody to answer."""

    async def app(scope, receive, send):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Cancellation(app)({"type": "lifespan"}, None, None)
