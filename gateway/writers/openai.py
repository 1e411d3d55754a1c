"""What OpenAI's two generating APIs share.

A chunk's head and tail are built once a request; for each delta only its text is escaped.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sse_starlette import ServerSentEvent

from engine.types import ToolCall
from gateway.http.errors import ApiError
from gateway.serving.choice import ChoiceState, Piece
from gateway.serving.request import Usage

FIELDS = {
    "both": ("reasoning_content", "reasoning"),
    "reasoning_content": ("reasoning_content",),
    "reasoning": ("reasoning",),
}
"""`[thinking] field`: the names under which thinking is sent."""

_DONE = ServerSentEvent(data="[DONE]", sep="\n").encode()


@dataclass(frozen=True, slots=True)
class Identity:
    """What every chunk of a response repeats.

    Attributes:
        id: `chatcmpl-…` or `cmpl-…`.
        created: seconds since the epoch.
        model: the model's canonical name.
    """

    id: str
    created: int
    model: str


class OpenAIWriter(ABC):
    """One response of one of the two APIs (see `serving.writer.Writer`).

    Args:
        identity: what every chunk repeats.
        thinking_fields: the names under which thinking is sent.
        show_thinking: whether whole replies name the thinking fields at all.
        include_usage: a stream ends with a chunk of its usage, and all others say `usage: null`.
    """

    object: str
    chunk_object: str
    chunk_choice: bytes
    """A chunk's only choice, open at its end: takes the index, the part and the finish reason."""
    answer_key: bytes
    thinking_prefix: bytes
    last_part: bytes

    def __init__(
        self,
        identity: Identity,
        thinking_fields: Sequence[str],
        *,
        show_thinking: bool,
        include_usage: bool,
    ) -> None:
        self._identity = identity
        self._fields = thinking_fields
        self._show_thinking = show_thinking
        self._include_usage = include_usage
        head = orjson.dumps(
            {
                "id": identity.id,
                "object": self.chunk_object,
                "created": identity.created,
                "model": identity.model,
            }
        )
        self._head = b"data: " + head[:-1] + b',"choices":['
        self._keys = [orjson.dumps(field) + b":" for field in thinking_fields]

    @abstractmethod
    def opened(self, index: int, usage: Usage | None, *, alone: bool) -> bytes:
        """See `Writer.opened`."""

    @abstractmethod
    def _choice(self, index: int, choice: ChoiceState, piece: Piece) -> dict[str, Any]:
        """A whole reply."""

    def delta(self, index: int, piece: Piece, usage: Usage | None) -> bytes:
        """Thinking, answer and calls, each in a chunk of its own."""
        frames = b""
        if piece.thinking:
            escaped = orjson.dumps(piece.thinking)
            fields = b",".join(key + escaped for key in self._keys)
            frames = self._chunk(index, self.thinking_prefix + fields, usage)
        if piece.answer:
            frames += self._chunk(index, self.answer_key + orjson.dumps(piece.answer), usage)
        if piece.tool_calls:
            calls = [{"index": i} | call_json(call) for i, call in enumerate(piece.tool_calls)]
            frames += self._chunk(index, b'"tool_calls":' + orjson.dumps(calls), usage)
        return frames

    def finished(self, index: int, choice: ChoiceState, usage: Usage | None) -> bytes:
        """See `Writer.finished`."""
        reason, stop = orjson.dumps(choice.finish_reason), orjson.dumps(choice.stop_reason)
        part = self.chunk_choice % (index, self.last_part, reason)
        return self._head + part + b',"stop_reason":' + stop + b"}" + self._tail(usage)

    def ended(self, usage: Usage) -> bytes:
        """The chunk without choices, where the client wants it, and `[DONE]`."""
        if not self._include_usage:
            return _DONE
        return self._head + b'],"usage":' + orjson.dumps(usage_json(usage)) + b"}\n\n" + _DONE

    def failed(self, error: ApiError) -> bytes:
        """The error, and no `[DONE]`."""
        return ServerSentEvent(data=error.body().decode(), sep="\n").encode()

    def whole(self, choices: Sequence[ChoiceState], pieces: Sequence[Piece], usage: Usage) -> bytes:
        """See `Writer.whole`."""
        return orjson.dumps(
            {
                "id": self._identity.id,
                "object": self.object,
                "created": self._identity.created,
                "model": self._identity.model,
                "choices": [
                    self._choice(index, choice, piece)
                    for index, (choice, piece) in enumerate(zip(choices, pieces, strict=True))
                ],
                "usage": usage_json(usage),
            }
        )

    def _tail(self, usage: Usage | None) -> bytes:
        if not self._include_usage:
            return b"]}\n\n"
        if usage is None:
            return b'],"usage":null}\n\n'
        return b'],"usage":' + orjson.dumps(usage_json(usage)) + b"}\n\n"

    def _chunk(self, index: int, part: bytes, usage: Usage | None) -> bytes:
        return self._head + self.chunk_choice % (index, part, b"null") + b"}" + self._tail(usage)

    def _thinking_fields(self, text: str) -> dict[str, str | None]:
        return dict.fromkeys(self._fields, text or None) if self._show_thinking else {}


def call_json(call: ToolCall) -> dict[str, Any]:
    """A tool call as OpenAI writes it."""
    function = {"name": call.function.name, "arguments": call.function.arguments}
    return {"id": call.id, "type": call.type, "function": function}


def usage_json(usage: Usage) -> dict[str, Any]:
    """`usage` as OpenAI writes it."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
