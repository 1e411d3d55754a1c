"""Who may run: nobody before the gateway is ready or after it began to drain, and not too many."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from gateway import metrics
from gateway.http.errors import Unavailable

Status = Literal["starting", "warming", "ready", "draining", "dead"]

_REFUSALS: dict[Status, tuple[str, str]] = {
    "starting": ("The server is starting.", "server_starting"),
    "warming": ("The server is warming up.", "server_starting"),
    "draining": ("The server is shutting down.", "server_draining"),
    "dead": ("The engine has died; the server restarts.", "engine_dead"),
}


class Admission:
    """Grants each request a slot for its whole life.

    Args:
        limit: how many may run at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.status: Status = "starting"
        self.running = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            Unavailable: there is none to be had now.
        """
        if self.status in _REFUSALS:
            message, code = _REFUSALS[self.status]
            metrics.REJECTIONS.labels(code).inc()
            raise Unavailable(message, code)
        if self.running >= self._limit:
            metrics.REJECTIONS.labels("server_is_overloaded").inc()
            raise Unavailable(
                f"The server runs its limit of {self._limit} requests.", "server_is_overloaded"
            )
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
