"""What a client is told when something goes wrong: one table, one shape, on every route.

The shape is OpenAI's `{"error": {"message", "type", "param", "code"}}`, `code` a string or null.
"""

import http
from collections.abc import Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from engine.errors import (
    BadGeneration,
    EngineBusy,
    EngineDead,
    EngineError,
    EngineStopping,
    PromptTooLong,
)

_RETRY_AFTER_SECONDS = "5"


class ApiError(Exception):
    """A failure as the client sees it.

    Args:
        status: the HTTP status.
        message: for a person; names limits and values, never a path or what was sent.
        kind: the `type` of OpenAI's error object.
        param: the field to blame.
        code: what a program may look for.
        headers: response headers beside the usual.
    """

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The error object, as JSON: a response's body, or one event of a stream."""
        error = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        return orjson.dumps({"error": error})

    def response(self) -> Response:
        """The error as a whole response."""
        return Response(self.body(), self.status, self.headers, media_type="application/json")


class InvalidRequest(ApiError):
    """The request can't be served as it is: 400."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(400, message, param=param, code=code)


class Unavailable(ApiError):
    """Not now: 503, with a time to come back."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(
            503,
            message,
            "service_unavailable_error",
            code=code,
            headers={"Retry-After": _RETRY_AFTER_SECONDS},
        )


class ModelNotFound(ApiError):
    """No model of that name is served here: 404."""

    def __init__(self, names: tuple[str, ...]) -> None:
        served = ", ".join(names)
        super().__init__(
            404,
            f"The requested model is not served here. Served: {served}.",
            param="model",
            code="model_not_found",
        )


def as_api_error(error: Exception) -> ApiError:
    """What a client is told of `error`, whatever it is."""
    match error:
        case ApiError():
            return error
        case PromptTooLong():
            return InvalidRequest(str(error), error.parameter, "context_length_exceeded")
        case BadGeneration():
            return InvalidRequest(str(error), error.parameter)
        case EngineBusy():
            return Unavailable("The server is full. Try again later.", "server_is_overloaded")
        case EngineStopping():
            return Unavailable("The server is shutting down.", "server_draining")
        case EngineDead():
            return Unavailable("The engine has died; the server restarts.", "engine_dead")
        case EngineError():
            return ApiError(500, str(error), "server_error", code="internal_error")
        case HTTPException():
            return _of_starlette(error)
        case _:
            return ApiError(500, "Internal server error.", "server_error", code="internal_error")


def _of_starlette(error: HTTPException) -> ApiError:
    messages = {
        404: "There is no such route.",
        405: "This route does not take this method.",
    }
    message = messages.get(error.status_code, http.HTTPStatus(error.status_code).phrase)
    return ApiError(error.status_code, message, headers=error.headers)
