"""What is known of a request: its ids."""

import re

import pytest

from gateway.http.context import RequestContext


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
