"""One table, one shape, and nothing that a client should not see."""

import json

import pytest
from starlette.exceptions import HTTPException

from engine.errors import (
    BadGeneration,
    EngineBusy,
    EngineDead,
    EngineFailure,
    EngineStopping,
    PromptTooLong,
)
from gateway.http.errors import ApiError, InvalidRequest, ModelNotFound, Unavailable, as_api_error

INVALID, UNAVAILABLE = "invalid_request_error", "service_unavailable_error"


@pytest.mark.parametrize(
    ("error", "status", "kind", "param", "code"),
    [
        (InvalidRequest("m", "n"), 400, INVALID, "n", None),
        (PromptTooLong(8, 9, "messages"), 400, INVALID, "messages", "context_length_exceeded"),
        (PromptTooLong(8, None, "prompt"), 400, INVALID, "prompt", "context_length_exceeded"),
        (BadGeneration("m", "n"), 400, INVALID, "n", None),
        (BadGeneration("m"), 400, INVALID, None, None),
        (ModelNotFound(("a", "b")), 404, INVALID, "model", "model_not_found"),
        (HTTPException(404), 404, INVALID, None, None),
        (HTTPException(405), 405, INVALID, None, None),
        (HTTPException(413), 413, INVALID, None, None),
        (ApiError(415, "m"), 415, INVALID, None, None),
        (Unavailable("m", "server_starting"), 503, UNAVAILABLE, None, "server_starting"),
        (EngineBusy("m"), 503, UNAVAILABLE, None, "server_is_overloaded"),
        (EngineStopping("m"), 503, UNAVAILABLE, None, "server_draining"),
        (EngineDead("m"), 503, UNAVAILABLE, None, "engine_dead"),
        (EngineFailure("m"), 500, "server_error", None, "internal_error"),
        (KeyError("/home/secret"), 500, "server_error", None, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_table(error, status, kind, param, code):
    """Every failure has its status, type, param and code, in OpenAI's shape."""
    told = as_api_error(error)
    response = told.response()
    content = json.loads(response.body)

    assert content == {
        "error": {"message": told.message, "type": kind, "param": param, "code": code}
    }
    assert told.message
    assert response.status_code == told.status == status
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.body))
    assert response.body == told.body()
    assert ("retry-after" in response.headers) is (status == 503)


def test_our_bugs_say_nothing():
    """What we did not foresee may hold anything, so none of it is told."""
    assert "secret" not in as_api_error(RuntimeError("/home/secret")).body().decode()
    assert "secret" not in as_api_error(HTTPException(404, "secret")).body().decode()


def test_too_long_names_limit_and_length():
    """The numbers that a client needs are in the message; no number is made up."""
    told = as_api_error(PromptTooLong(4096, 5000, "messages")).message

    assert "maximum context length is 4096 tokens" in told
    assert "5000" in told
    assert "too long" in as_api_error(PromptTooLong(4096, None, "prompt")).message


def test_the_models_that_there_are():
    """A wrong name is answered with the right ones."""
    assert ModelNotFound(("demo", "alias")).message.endswith("Served: demo, alias.")


def test_headers_are_kept():
    """What came with an error goes out with it, and no error shares them with another."""
    headers = {"Allow": "POST"}
    told = as_api_error(HTTPException(405, headers=headers))
    told.headers["x"] = "y"

    assert told.response().headers["allow"] == "POST"
    assert headers == {"Allow": "POST"}


def test_any_text_makes_a_body():
    """Quotes, line ends and other scripts stay inside the JSON, on one line."""
    body = InvalidRequest('"a"\n\u2028', "é\0").body()

    assert json.loads(body)["error"]["message"] == '"a"\n\u2028'
    assert b"\n" not in body
