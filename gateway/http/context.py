"""What is known of one HTTP request beside its body, from its first byte to its log line."""

import time
import uuid
from dataclasses import dataclass, field

from starlette.types import Scope, Send

from gateway.config.keys import ANONYMOUS, Principal

KEY = "thinkgate"
"""Where a request's scope has its context."""

_ID_PREFIXES = {"/v1/chat/completions": "chatcmpl", "/v1/completions": "cmpl"}


@dataclass(slots=True)
class RequestContext:
    """Made by the outermost middleware, filled in on the way.

    Attributes:
        client_id: the `X-Request-Id` that the client sent, if it is a decent one.
        path: the path without the root path and without prefixes.
        prefixes: the words that stood in front of it.
        principal: who the request is made for.
        send: the server's own. Middleware wraps `send` to see a response start; once it has, a
            stream may write the chunks of its body here, each of which would otherwise pass
            through every wrapper.
        token: makes our ids unique.
        started: `time.perf_counter()` of the request's arrival.
        stream: the client asked for a stream.
        status: what was answered; 0 before.
        error_code: the code of the error that was sent, in the response or in the stream.
    """

    client_id: str | None = None
    path: str = ""
    prefixes: tuple[str, ...] = ()
    principal: Principal = ANONYMOUS
    send: Send | None = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.perf_counter)
    stream: bool = False
    status: int = 0
    error_code: str | None = None

    @property
    def own_id(self) -> str:
        """Our id for the request, as its response's body has it."""
        return f"{_ID_PREFIXES.get(self.path, 'req')}-{self.token}"

    @property
    def request_id(self) -> str:
        """The value of `x-request-id`: the client's, else ours."""
        return self.client_id or self.own_id

    @property
    def seconds(self) -> float:
        """Time since the request arrived."""
        return time.perf_counter() - self.started


def context_of(scope: Scope) -> RequestContext:
    """The context of the request that `scope` describes."""
    context: RequestContext = scope[KEY]
    return context
