"""Helpers of the tests that read request bodies."""

import json

import pytest

from gateway.api.validation import validate_chat, validate_completion
from gateway.config.settings import LimitsConfig
from gateway.http.errors import InvalidRequest

HELLO = '"messages":[{"role":"user","content":"Hello"}]'


def chat(fields=None, /, *, json_text="", **limits):
    """Decode a chat completion's body with these fields beside its message."""
    text = json_text or json.dumps(fields or {})[1:-1]
    return validate_chat(f"{{{HELLO}{',' * bool(text)}{text}}}".encode(), LimitsConfig(**limits))


def completion(fields=None, /, **limits):
    """Decode a completion's body; its prompt is `Hello` unless the fields have another."""
    return validate_completion(
        json.dumps({"prompt": "Hello"} | (fields or {})).encode(), LimitsConfig(**limits)
    )


def messages(*turns):
    """Decode a chat completion with these messages."""
    return validate_chat(json.dumps({"messages": turns}).encode(), LimitsConfig())


def refusal(decode, *args, **limits):
    """The error that decoding ends with."""
    with pytest.raises(InvalidRequest) as caught:
        decode(*args, **limits)
    assert caught.value.status == 400
    return caught.value
