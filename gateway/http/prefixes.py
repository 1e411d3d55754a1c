"""Words in front of a path, as in `/hidden/v1/models`: SDKs have no query in their base URL."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.context import context_of


class PathPrefixes:
    """Takes the words off the path and puts both in the context.

    Args:
        app: what answers; sees the bare path.
        words: those that may stand there.
    """

    def __init__(self, app: ASGIApp, words: Collection[str]) -> None:
        self._app = app
        self._words = frozenset(words)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        root = scope.get("root_path", "")
        context = context_of(scope)
        context.prefixes, context.path = split_prefixes(
            scope["path"].removeprefix(root), self._words
        )
        bare = {**scope, "path": root + context.path}
        bare.pop("raw_path", None)  # it still has the words
        await self._app(bare, receive, send)


def split_prefixes(path: str, words: Collection[str]) -> tuple[tuple[str, ...], str]:
    """The words in front of a path, and the path without them.

    Each word may stand there once, and each only while a path is left behind it.
    """
    found: list[str] = []
    while True:
        _, first, *rest = path.split("/", 2) if path.startswith("/") else ("", "")
        if not rest or first not in words or first in found:
            return tuple(found), path
        found.append(first)
        path = "/" + rest[0]
