"""Calls in what a model writes, as vLLM's parser reads them."""

import json
import logging

import pytest

from engine.setup import VllmSetup
from engine.types import Function


def read(setup: VllmSetup, *calls: str) -> list[Function]:
    """The functions called in these blocks, each id different."""
    text = "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)
    found = setup.renderer.tool_calls("hermes", text)
    assert len({call.id for call in found}) == len(found)
    assert all(call.id for call in found)
    return [call.function for call in found]


def test_calls_are_read(setup: VllmSetup) -> None:
    """One or several, with their arguments as JSON text, Unicode as it is."""
    look = '{"name": "look", "arguments": {"at": "é", "far": 3}}'
    one, other = read(setup, look, '{"name": "stop", "arguments": {}}')
    assert (one.name, json.loads(one.arguments)) == ("look", {"at": "é", "far": 3})
    assert "é" in one.arguments
    assert (other.name, other.arguments) == ("stop", "{}")


@pytest.mark.parametrize(
    "call", ["", "{", '{"name": "look"}', '{"arguments": {}}', "[]", '{"name": 3, "arguments": {}}']
)
def test_what_is_no_call_is_none(
    setup: VllmSetup, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A block that is not sound has no calls, and is no error, in no log either."""
    logger = logging.getLogger("vllm.tool_parsers.hermes_tool_parser")
    logger.setLevel(logging.NOTSET)  # as an engine does that starts
    logger.addHandler(caplog.handler)
    try:
        assert read(setup, call) == []
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records
