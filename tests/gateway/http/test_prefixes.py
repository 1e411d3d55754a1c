"""Words in front of a path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.context import RequestContext, context_of
from gateway.http.prefixes import PathPrefixes, split_prefixes
from tests.gateway.http.asgi import Echo, call

WORDS = ("hidden", "parsed", "raw", "think", "nothink")


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
    """Words come off the front, each once, as long as a path is left."""
    assert split_prefixes(path, WORDS) == (words, rest)


@given(path=st.lists(st.sampled_from(["/", *WORDS, "v1", "live"])).map("".join) | st.text())
def test_no_path_is_lost(path):
    """Words and rest make the path again."""
    words, rest = split_prefixes(path, WORDS)

    assert "".join(f"/{word}" for word in words) + rest == path
    assert set(words) <= set(WORDS)
    assert len(set(words)) == len(words)


@pytest.mark.anyio
@pytest.mark.parametrize("root", ["", "/api", "/hidden"])
async def test_the_application_sees_no_prefix(root):
    """Routing goes by the bare path; the words and the bare path are in the context."""
    echo, context = Echo(), RequestContext()
    app = PathPrefixes(echo, WORDS)
    path = f"{root}/hidden/nothink/live"
    await call(app, path, context=context, root_path=root, raw_path=b"/x")

    (scope,) = echo.scopes
    assert context_of(scope) is context
    assert (context.prefixes, context.path) == (("hidden", "nothink"), "/live")
    assert scope["path"] == f"{root}/live"
    assert "raw_path" not in scope
