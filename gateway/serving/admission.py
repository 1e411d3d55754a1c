"""Who may run: nobody before the gateway is ready or after it began to drain, and not too many."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from gateway import metrics
from gateway.config.keys import Principal
from gateway.http.errors import Unavailable

Status = Literal["starting", "warming", "ready", "draining", "dead"]

_REFUSALS: dict[Status, tuple[str, str]] = {
    "starting": ("The server is starting.", "server_starting"),
    "warming": ("The server is warming up.", "server_starting"),
    "draining": ("The server is shutting down.", "server_draining"),
    "dead": ("The engine has died; the server restarts.", "engine_dead"),
}


class Admission:
    """Grants each request a slot for as long as it runs.

    Args:
        limit: how many may run at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.status: Status = "starting"
        self.running = 0

    def check(self) -> None:
        """Refuse where nothing is answered now; takes no slot.

        Raises:
            Unavailable: the gateway is not ready.
        """
        if self.status in _REFUSALS:
            message, code = _REFUSALS[self.status]
            raise _refusal(message, code)

    @contextmanager
    def slot(self, principal: Principal) -> Iterator[None]:
        """Hold a slot; to be taken when the body is there, so that slow uploads hold none.

        Args:
            principal: whom it is for. Limits of its own will be looked up by its name here.

        Raises:
            Unavailable: there is none to be had now.
        """
        self.check()
        if self.running >= self._limit:
            raise _refusal(
                f"The server runs its limit of {self._limit} requests.", "server_is_overloaded"
            )
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


def _refusal(message: str, code: str) -> Unavailable:
    metrics.REJECTIONS.labels(code).inc()
    return Unavailable(message, code)
