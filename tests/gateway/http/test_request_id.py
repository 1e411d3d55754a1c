"""Every response has an id, and only whole ones a time."""

import pytest

from gateway.http.context import context_of
from gateway.http.request_id import RequestId, client_id
from tests.gateway.http.asgi import Echo, call

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("sent", ["a", "Z9._-", "0" * 64, "..", "chatcmpl-1"])
def test_a_decent_id_is_kept(sent):
    """What the client calls its request, we call it."""
    assert client_id([(b"accept", b"x"), (b"x-request-id", sent.encode())]) == sent


@pytest.mark.parametrize(
    "sent",
    [b"", b"0" * 65, b"a b", b"a\n", b"a\r\nx: y", b"\xc3\xa9", b"a/b", b'"', b"a\0", b"a,b"],
)
def test_any_other_is_ignored(sent):
    """What could break a header or a log line is as good as none."""
    assert client_id([(b"x-request-id", sent)]) is None


def test_no_id_at_all():
    """A header that only looks like it is not it."""
    assert client_id([]) is None
    assert client_id([(b"x-request-ids", b"a")]) is None


def test_of_several_ids_the_first_counts():
    """A second one is not tried instead."""
    assert client_id([(b"x-request-id", b"a"), (b"x-request-id", b"b")]) == "a"
    assert client_id([(b"x-request-id", b" "), (b"x-request-id", b"b")]) is None


@pytest.mark.parametrize(
    ("sent", "kept"), [(b"mine", True), (b"not mine", False), (b"x" * 65, False), (None, False)]
)
async def test_every_response_has_an_id(sent, kept):
    """The client's own if it is a decent one, else ours, which the context has too."""
    echo = Echo()
    headers = [(b"x-request-id", sent)] if sent else []
    _, answered, _ = await call(RequestId(echo), headers=headers)

    assert answered[b"x-request-id"].decode() == context_of(echo.scopes[0]).request_id
    assert (answered[b"x-request-id"] == sent) is kept


@pytest.mark.parametrize(
    ("kind", "timed"),
    [(b"application/json", True), (b"text/event-stream; charset=utf-8", False), (b"", True)],
)
async def test_whole_responses_tell_their_time(kind, timed):
    """A stream's headers go out before there is a time to tell."""
    _, headers, _ = await call(RequestId(Echo(kind)))

    assert (b"openai-processing-ms" in headers) is timed
    assert int(headers.get(b"openai-processing-ms", b"0")) >= 0


async def test_the_status_is_noted():
    """Whoever stands further in finds it in the context, without wrapping `send` again."""
    echo = Echo()
    await call(RequestId(echo))

    assert context_of(echo.scopes[0]).status == 200


async def test_chunks_may_go_past_every_wrapper():
    """The context has the server's own `send`."""
    sent = []

    async def send(message):
        sent.append(message)

    async def app(scope, receive, wrapped):
        await wrapped({"type": "http.response.start", "status": 200})
        await context_of(scope).send({"type": "http.response.body", "body": b"1"})
        assert context_of(scope).send is send

    await RequestId(app)({"type": "http", "headers": []}, None, send)

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert b"x-request-id" in dict(sent[0]["headers"])


async def test_no_scope_is_changed():
    """A server may use its scope again."""
    scope = {"type": "http", "headers": [], "method": "POST", "path": "/"}
    before = dict(scope)

    async def app(scope, receive, send):
        assert "thinkgate" in scope

    await RequestId(app)(scope, None, None)

    assert scope == before
