"""`gateway.context`: the ids of a request."""

import re

import pytest

from gateway.context import KEY, RequestContext, client_id, context_of


@pytest.mark.parametrize("sent", ["a", "Z9._-", "0" * 64, "..", "chatcmpl-1"])
def test_a_decent_id_is_kept(sent):
    """What the client calls its request, we call it."""
    kept = client_id([(b"accept", b"x"), (b"x-request-id", sent.encode())])

    assert kept == sent
    assert RequestContext(kept, "/v1/chat/completions").request_id == sent


@pytest.mark.parametrize(
    "sent",
    [b"", b"0" * 65, b"a b", b"a\n", b"a\r\nx: y", b"\xc3\xa9", b"a/b", b'"', b"a\0", b"a,b"],
)
def test_any_other_is_ignored(sent):
    """What could break a header or a log line is as good as none."""
    kept = client_id([(b"x-request-id", sent)])

    assert kept is None
    assert RequestContext(kept, "/").request_id.startswith("req-")


def test_no_id_at_all():
    """Then it is ours."""
    assert client_id([]) is None
    assert client_id([(b"x-request-ids", b"a")]) is None


def test_of_several_ids_the_first_counts():
    """A second one is not tried instead."""
    assert client_id([(b"x-request-id", b"a"), (b"x-request-id", b"b")]) == "a"
    assert client_id([(b"x-request-id", b" "), (b"x-request-id", b"b")]) is None


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/v1/chat/completions", "chatcmpl"),
        ("/v1/completions", "cmpl"),
        ("/v1/models", "req"),
        ("/v1/chat/completions/", "req"),
        ("", "req"),
    ],
)
def test_own_ids_tell_the_route(path, prefix):
    """They are OpenAI's on its routes, the same whenever asked, and never used twice."""
    context = RequestContext(None, path, ("hidden",))

    assert re.fullmatch(rf"{prefix}-[0-9a-f]{{32}}", context.own_id)
    assert context.own_id == context.request_id == context.own_id
    assert context.own_id != RequestContext(None, path).own_id


def test_an_own_id_stays_beside_the_clients():
    """A body has ours whatever the header says, so that no client can forge one."""
    context = RequestContext("mine", "/v1/completions")

    assert context.request_id == "mine"
    assert context.own_id.startswith("cmpl-")


def test_time_passes():
    """A request's time is counted from its arrival."""
    context = RequestContext(None, "/")

    assert 0 <= context.seconds <= context.seconds < 5


def test_the_scope_carries_it():
    """Whoever has the scope has the context."""
    context = RequestContext(None, "/")

    assert context_of({KEY: context}) is context
