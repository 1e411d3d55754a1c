"""What can go wrong between us and a server."""


class ClientError(Exception):
    """The root: its text is for people, one line.

    Attributes:
        kind: one word for tables and files, such as `refused`.
    """

    kind = "error"


class Unreachable(ClientError):
    """Nobody answers, or the connection broke before a response."""

    kind = "unreachable"


class Refused(ClientError):
    """The server answered with an HTTP status other than 200.

    Args:
        status: the HTTP status.
        message: what the server said.
        param: the field of the request that it named, if any.
    """

    kind = "refused"

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status
        self.message = message
        self.param = param


class Broken(ClientError):
    """A stream carried an error, ended without `[DONE]`, or was not what OpenAI's streams are."""

    kind = "broken"


class TimedOut(ClientError):
    """The server said nothing for too long."""

    kind = "timed_out"
