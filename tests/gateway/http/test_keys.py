"""Nobody comes in without a key, and whose it was is known."""

import json

import pytest

from gateway.config.keys import ANONYMOUS, Principal, load_keys
from gateway.config.settings import ServerConfig
from gateway.http.context import RequestContext
from gateway.http.keys import ApiKeys
from tests.gateway.http.asgi import CHAT, Echo, call

pytestmark = pytest.mark.anyio

KEY = "schlüssel;1=="
PROBES = {"/live", "/ready", "/health"}


def keyed(*keys, open_paths=PROBES):
    """An application that lets these keys in."""
    known = load_keys(ServerConfig(api_keys_env="K"), {"K": ",".join(keys)})
    return ApiKeys(Echo(), known, open_paths)


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
    context = RequestContext(path=CHAT)
    status, answered, body = await call(keyed(KEY, "second"), headers=sent, context=context)

    assert status == (200 if enters else 401)
    if not enters:
        error = json.loads(body)["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
        assert answered[b"www-authenticate"] == b"Bearer"
        assert KEY not in error["message"]
        assert context.error_code == "invalid_api_key"


async def test_keys_in_latin_1_are_other_keys():
    """A key is the bytes that were sent, not what they might mean."""
    sent = [(b"authorization", f"Bearer {KEY}".encode("latin-1"))]

    assert (await call(keyed(KEY), headers=sent))[0] == 401


async def test_without_keys_the_door_is_open():
    """Where no key is configured none is asked for, any is let in, and nobody has a name."""
    for headers in ([], [(b"authorization", b"Bearer x")]):
        context = RequestContext()
        assert (await call(keyed(), headers=headers, context=context))[0] == 200
        assert context.principal == ANONYMOUS


@pytest.mark.parametrize(
    ("path", "is_open"),
    [
        *((path, True) for path in sorted(PROBES)),
        *((path, False) for path in (CHAT, "/v1/models", "/metrics", "/version", "/nowhere")),
        *((path, False) for path in ("/live/", "/live/x", "//live", "/LIVE", "/v1/../live")),
    ],
)
async def test_only_probes_are_open(path, is_open):
    """To the letter; and a wrong key closes nothing that is open."""
    for headers in ([], [(b"authorization", b"Bearer wrong")]):
        assert (await call(keyed(KEY), path, headers))[0] == (200 if is_open else 401)


async def test_metrics_can_be_open():
    """What is open is what is said to be."""
    app = keyed(KEY, open_paths=PROBES | {"/metrics"})

    assert (await call(app, "/metrics"))[0] == 200
    assert (await call(app))[0] == 401


async def test_whose_key_it_was(tmp_path):
    """The context has the key's name, on the way in."""
    path = tmp_path / "keys"
    path.write_text("alice:old\nalice:new\nbob:other\nplain")
    app = ApiKeys(Echo(), load_keys(ServerConfig(api_keys_file=str(path)), {}), PROBES)
    owners = {"old": "alice", "new": "alice", "other": "bob", "plain": "anonymous"}
    for key, name in owners.items():
        context = RequestContext(path=CHAT)
        headers = [(b"authorization", b"Bearer " + key.encode())]
        assert (await call(app, headers=headers, context=context))[0] == 200
        assert context.principal == Principal(name)
