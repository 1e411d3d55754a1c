"""Calls in what a model writes, as vLLM's parser reads them."""

import json
import logging
import warnings
from typing import Any

import pytest

from engine.demo import MODEL
from engine.types import Function


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The demo model's."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL)


def read(tokenizer: Any, *calls: str) -> list[Function]:
    """The functions called in these blocks, each id different."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vLLM's, while it is imported
        from engine.tools import tool_calls

    found = tool_calls(tokenizer, "\n".join(f"<tool_call>\n{c}\n</tool_call>" for c in calls))
    assert len({call.id for call in found}) == len(found)
    assert all(call.id for call in found)
    return [call.function for call in found]


def test_calls_are_read(tokenizer: Any) -> None:
    """One or several, with their arguments as JSON text, Unicode as it is."""
    look = '{"name": "look", "arguments": {"at": "é", "far": 3}}'
    one, other = read(tokenizer, look, '{"name": "stop", "arguments": {}}')
    assert (one.name, json.loads(one.arguments)) == ("look", {"at": "é", "far": 3})
    assert "é" in one.arguments
    assert (other.name, other.arguments) == ("stop", "{}")


@pytest.mark.parametrize(
    "call", ["", "{", '{"name": "look"}', '{"arguments": {}}', "[]", '{"name": 3, "arguments": {}}']
)
def test_what_is_no_call_is_none(
    tokenizer: Any, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A block that is not sound has no calls, and is no error, in no log either."""
    logger = logging.getLogger("vllm.tool_parsers.hermes_tool_parser")
    logger.setLevel(logging.NOTSET)  # as an engine does that starts
    logger.addHandler(caplog.handler)
    try:
        assert read(tokenizer, call) == []
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records
