"""`gateway.middleware`: prefixes, ids, keys and body size, as plain ASGI."""

import hashlib
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import metrics
from gateway.context import context_of
from gateway.errors import ApiError
from gateway.middleware import PROBES, ApiKeys, BodyLimit, Books, split_prefixes

pytestmark = pytest.mark.anyio

WORDS = ("hidden", "parsed", "raw", "think", "nothink")
CHAT = "/v1/chat/completions"


class Echo:
    """Answers with what it was asked."""

    def __init__(self, kind=b"text/plain", failure=None):
        self.kind = kind
        self.failure = failure
        self.scopes = []
        self.bodies = []

    async def __call__(self, scope, receive, send):
        """Read the body and answer 200."""
        self.scopes.append(scope)
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        if self.failure:
            raise self.failure
        headers = [(b"content-type", self.kind)] if self.kind else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def call(app, path=CHAT, headers=(), body=(b"",), **scope):
    """Ask `app`; return the status, the headers and the body, and None where nothing was said."""
    parts = [
        {"type": "http.request", "body": part, "more_body": number < len(body) - 1}
        for number, part in enumerate(body)
    ]
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    base = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
    await app({**base, **scope}, receive, send)
    if not sent:
        return None
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1].get("body", b"")


def books(app, *, log=False):
    """An application behind its books."""
    return Books(app, lambda path: path if path in (CHAT, *PROBES) else "unknown", log=log)


def keyed(*keys, open_paths=PROBES):
    """An application that lets these keys in."""
    digests = [hashlib.sha256(key.encode()).digest() for key in keys]
    return books(ApiKeys(Echo(), digests, open_paths))


@pytest.mark.parametrize(
    ("path", "words", "rest"),
    [
        ("/v1/models", (), "/v1/models"),
        ("/hidden/v1/models", ("hidden",), "/v1/models"),
        ("/hidden/think/v1/models", ("hidden", "think"), "/v1/models"),
        ("/think/hidden/v1/models", ("think", "hidden"), "/v1/models"),
        ("/raw/parsed/live", ("raw", "parsed"), "/live"),
        ("/hidden/hidden/live", ("hidden",), "/hidden/live"),
        ("/hidden", (), "/hidden"),
        ("/hidden/", ("hidden",), "/"),
        ("/hidden/raw", ("hidden",), "/raw"),
        ("//hidden/live", (), "//hidden/live"),
        ("/hidden//live", ("hidden",), "//live"),
        ("/Hidden/live", (), "/Hidden/live"),
        ("/v1/hidden/models", (), "/v1/hidden/models"),
        ("hidden/live", (), "hidden/live"),
        ("/", (), "/"),
        ("", (), ""),
        ("*", (), "*"),
    ],
)
def test_prefixes(path, words, rest):
    """Words of both axes come off the front, each once, as long as a path is left."""
    assert split_prefixes(path) == (words, rest)


@given(path=st.lists(st.sampled_from(["/", *WORDS, "v1", "live"])).map("".join) | st.text())
def test_no_path_is_lost(path):
    """Words and rest make the path again."""
    words, rest = split_prefixes(path)

    assert "".join(f"/{word}" for word in words) + rest == path
    assert set(words) <= set(WORDS)
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("root", ["", "/api"])
async def test_the_application_sees_no_prefix(root):
    """Routing goes by the bare path; the words and the bare path are in the context."""
    echo = Echo()
    await call(books(echo), f"{root}/hidden/nothink/live", root_path=root, raw_path=b"/x")

    (scope,) = echo.scopes
    context = context_of(scope)
    assert (context.prefixes, context.path) == (("hidden", "nothink"), "/live")
    assert scope["path"] == f"{root}/live"
    assert "raw_path" not in scope


@pytest.mark.parametrize(
    ("sent", "kept"), [(b"mine", True), (b"not mine", False), (b"x" * 65, False), (None, False)]
)
async def test_every_response_has_an_id(sent, kept):
    """The client's own if it is a decent one, else ours."""
    headers = [(b"x-request-id", sent)] if sent else []
    _, answered, _ = await call(books(Echo()), headers=headers)

    assert (answered[b"x-request-id"] == sent) is kept
    assert kept or answered[b"x-request-id"].startswith(b"chatcmpl-")


@pytest.mark.parametrize(
    ("kind", "timed"),
    [(b"application/json", True), (b"text/event-stream; charset=utf-8", False), (b"", True)],
)
async def test_whole_responses_tell_their_time(kind, timed):
    """A stream's headers go out before there is a time to tell."""
    _, headers, _ = await call(books(Echo(kind)))

    assert (b"openai-processing-ms" in headers) is timed
    assert int(headers.get(b"openai-processing-ms", b"0")) >= 0


async def test_the_books_survive_a_failure(caplog):
    """A request that fails or whose client is gone is no longer in flight, and is written down."""
    with caplog.at_level(logging.INFO, "thinkgate.access"), pytest.raises(KeyError):
        await call(books(Echo(failure=KeyError()), log=True))

    assert metrics.IN_FLIGHT.labels(CHAT)._value.get() == 0
    assert json.loads(caplog.messages[0])["status"] == 499


@pytest.mark.parametrize("method", ["POST", "BREW"])
async def test_the_access_log(caplog, method):
    """One line of JSON a request with bounded words, but none for probes."""
    app = books(Echo(), log=True)
    with caplog.at_level(logging.INFO, "thinkgate.access"):
        await call(app, "/live", method=method)
        await call(app, "/home/secret", method=method)

    (line,) = map(json.loads, caplog.messages)
    assert line["request_id"].startswith("req-")
    assert (line["route"], line["status"], line["error"]) == ("unknown", 200, None)
    assert line["method"] == ("POST" if method == "POST" else "other")


async def test_lifespan_passes_everything():
    """What is no request is nobody's business here."""
    echo = Echo()
    await call(Books(ApiKeys(BodyLimit(echo, 1), [b"x"], PROBES), str, log=True), type="lifespan")

    assert echo.scopes[0]["type"] == "lifespan"


KEY = "schlüssel,1=="


@pytest.mark.parametrize(
    ("headers", "enters"),
    [
        ([f"Bearer {KEY}"], True),
        ([f"bearer {KEY}"], True),
        ([f"BEARER   {KEY} "], True),
        (["Bearer second"], True),
        ([], False),
        ([""], False),
        (["Bearer"], False),
        (["Bearer "], False),
        ([KEY], False),
        ([f"Basic {KEY}"], False),
        ([f"Bearer{KEY}"], False),
        ([f"Bearer {KEY}x"], False),
        ([f"Bearer {KEY[:-1]}"], False),
        ([f"Bearer {KEY.upper()}"], False),
        ([f"Bearer {KEY} second"], False),
        ([f"Bearer {KEY}", f"Bearer {KEY}"], False),
        (["Bearer wrong", f"Bearer {KEY}"], False),
    ],
)
async def test_keys(headers, enters):
    """One header with one known key, non-ASCII too; a scheme's case does not matter."""
    sent = [(b"authorization", header.encode()) for header in headers]
    status, answered, body = await call(keyed(KEY, "second"), headers=sent)

    assert status == (200 if enters else 401)
    if not enters:
        error = json.loads(body)["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
        assert answered[b"www-authenticate"] == b"Bearer"
        assert b"x-request-id" in answered
        assert KEY not in error["message"]


async def test_keys_in_latin_1_are_other_keys():
    """A key is the bytes that were sent, not what they might mean."""
    sent = [(b"authorization", f"Bearer {KEY}".encode("latin-1"))]

    assert (await call(keyed(KEY), headers=sent))[0] == 401


async def test_without_keys_the_door_is_open():
    """Where no key is configured none is asked for, and any is let in."""
    for headers in ([], [(b"authorization", b"Bearer x")]):
        assert (await call(keyed(), headers=headers))[0] == 200


@pytest.mark.parametrize("prefix", ["", "/hidden", "/raw/nothink"])
@pytest.mark.parametrize(
    ("path", "is_open"),
    [
        *((path, True) for path in sorted(PROBES)),
        *((path, False) for path in (CHAT, "/v1/models", "/metrics", "/version", "/nowhere")),
        *((path, False) for path in ("/live/", "/live/x", "//live", "/LIVE", "/v1/../live")),
    ],
)
async def test_only_probes_are_open(prefix, path, is_open):
    """Prefixes open nothing that is closed, and close nothing that is open."""
    assert (await call(keyed(KEY), prefix + path))[0] == (200 if is_open else 401)


async def test_metrics_can_be_open():
    """What is open is what is said to be."""
    app = keyed(KEY, open_paths=PROBES | {"/metrics"})

    assert (await call(app, "/metrics"))[0] == 200
    assert (await call(app))[0] == 401


@pytest.mark.parametrize(
    ("declared", "enters"),
    [(b"0", True), (b"8", True), (b"9", False), (b"9" * 30, False), (b"-9", True), (b"x", True)],
)
async def test_a_body_that_is_declared_too_big(declared, enters):
    """Is refused unread; a length that is no number is left to the server and to counting."""
    echo = Echo()
    headers = [(b"content-length", declared)]
    status, _, body = await call(BodyLimit(echo, 8), headers=headers)

    assert (status, len(echo.scopes)) == ((200, 1) if enters else (413, 0))
    if not enters:
        assert json.loads(body)["error"]["type"] == "invalid_request_error"
        assert b"8 bytes" in body


@pytest.mark.parametrize("size", [1, 3, 8, 9])
@pytest.mark.parametrize("total", [0, 8, 9, 100])
async def test_a_body_that_turns_out_too_big(total, size):
    """However it is cut and whatever it declares, what arrives is counted."""
    body = [bytes(total)[at : at + size] for at in range(0, total, size)]
    echo = Echo()
    app, headers = BodyLimit(echo, 8), [(b"content-length", b"1")]
    if total <= 8:
        assert (await call(app, headers=headers, body=body or [b""]))[2] == bytes(total)
        return
    with pytest.raises(ApiError) as caught:
        await call(app, headers=headers, body=body)
    assert caught.value.status == 413
    assert not echo.bodies
