"""What can go wrong in an engine: the caller's fault or ours, never a vLLM class."""


class EngineError(Exception):
    """Any failure of the engine."""


class CallerError(EngineError):
    """The request can't be served as it is; sending it again changes nothing."""


class PromptTooLong(CallerError):
    """The prompt does not leave room for a single token.

    Args:
        limit: the model's context, in tokens.
        length: the prompt's length, in tokens; None where it was too long even to count.
        parameter: the request's field that holds the prompt.
    """

    def __init__(self, limit: int, length: int | None, parameter: str) -> None:
        self.limit = limit
        self.length = length
        self.parameter = parameter
        found = "is too long to tokenize" if length is None else f"has at least {length} tokens"
        super().__init__(
            f"This model's maximum context length is {limit} tokens, but the prompt {found}. "
            "Please shorten the prompt."
        )


class BadGeneration(CallerError):
    """The engine refuses a parameter.

    Args:
        message: what is wrong, for the caller to read.
        parameter: the request's field, where one is to blame.
    """

    def __init__(self, message: str, parameter: str | None = None) -> None:
        self.parameter = parameter
        super().__init__(message)


class ServerFault(EngineError):
    """Ours: the request was fine."""


class EngineBusy(ServerFault):
    """The engine's own queue limits are reached."""


class EngineDead(ServerFault):
    """The engine process is gone and will not come back."""


class EngineStopping(ServerFault):
    """The server is shutting down and did not wait for this request any longer."""


class EngineFailure(ServerFault):
    """The engine lives, but failed on this request."""


class EngineStartError(ServerFault):
    """The engine could not start."""

    @classmethod
    def of(cls, cause: Exception) -> "EngineStartError":
        """The cause's name and message, on one line for the log."""
        return cls(f"{type(cause).__name__}: {' '.join(str(cause).split())}")
