"""Lets nobody in without a key, and says whose it was."""

from collections.abc import Collection, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.config.keys import KnownKeys, Principal
from gateway.http.context import context_of
from gateway.http.errors import ApiError


class ApiKeys:
    """Asks for a bearer token, or refuses with 401.

    Args:
        app: what answers; finds the key's principal in the request's context.
        keys: those that are let in; where there are none, none is asked for.
        open_paths: paths that need none.
    """

    def __init__(self, app: ASGIApp, keys: KnownKeys, open_paths: Collection[str]) -> None:
        self._app = app
        self._keys = keys
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._keys.required:
            await self._app(scope, receive, send)
            return
        context = context_of(scope)
        principal = self._principal(scope["headers"])
        if principal:
            context.principal = principal
        elif context.path not in self._open_paths:
            error = ApiError(
                401,
                "The API key is missing or wrong; send it as a bearer token.",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
            context.error_code = error.code
            await error.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _principal(self, headers: Sequence[tuple[bytes, bytes]]) -> Principal | None:
        sent = [value for name, value in headers if name == b"authorization"]
        scheme, _, key = sent[0].partition(b" ") if len(sent) == 1 else (b"", b"", b"")
        principal = self._keys.principal(key.strip())
        return principal if scheme.lower() == b"bearer" else None
