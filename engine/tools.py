"""Tool calls in what a model writes, through vLLM's own parsers."""

import logging
from collections.abc import Sequence
from typing import Any

from vllm.tool_parsers import ToolParserManager

from engine.types import Function, ToolCall

# A call that is not sound stays text; vLLM would log it with a traceback. Not by its level, which
# vLLM sets again for all its loggers when an engine starts.
logging.getLogger("vllm.tool_parsers.hermes_tool_parser").addFilter(lambda record: False)


def tool_calls(tokenizer: Any, name: str, text: str) -> Sequence[ToolCall]:
    """Return the calls that stand in `text` (see `Renderer.tool_calls`)."""
    # A parser remembers what it has read, so each reply has its own.
    parser = ToolParserManager.get_tool_parser(name)(tokenizer)
    found = parser.extract_tool_calls(text, None)
    return [
        ToolCall(Function(call.function.name, call.function.arguments), call.id)
        for call in found.tool_calls
        if isinstance(call.function.name, str)
    ]
