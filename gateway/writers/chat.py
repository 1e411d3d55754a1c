"""Replies to OpenAI's JSON: the only place that makes response bodies and stream frames.

A frame's head and tail are built once a request; for each delta only its text is escaped.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.types import ToolCall
from gateway.exchange import Usage
from gateway.reply import Piece, Reply

DONE = b"data: [DONE]\n\n"
FIELDS = {
    "both": ("reasoning_content", "reasoning"),
    "reasoning_content": ("reasoning_content",),
    "reasoning": ("reasoning",),
}
"""`[thinking] field`: the names under which thinking is sent."""


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


class Dialect(ABC):
    """One route's shapes.

    Args:
        identity: what every chunk repeats.
        thinking_fields: the names under which thinking is sent.
        show_thinking: whether whole replies name the thinking fields at all.
        with_usage: a stream's chunks carry `usage`, null but on the last one.
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
        with_usage: bool,
    ) -> None:
        self._identity = identity
        self._fields = thinking_fields
        self._show_thinking = show_thinking
        self._with_usage = with_usage
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
    def open_frame(self, index: int, usage: Usage | None, *, alone: bool) -> bytes:
        """What a choice's first chunk says before any text; may be nothing unless it is `alone`.

        Its first token may have no text yet, and clients measure TTFT by the first chunk.
        """

    @abstractmethod
    def _choice(self, index: int, reply: Reply, text: Piece) -> dict[str, Any]:
        """A whole reply."""

    def piece_frames(self, index: int, piece: Piece, usage: Usage | None) -> bytes:
        """Thinking, answer and calls, each in a chunk of its own; `usage` where continuous."""
        frames = b""
        if piece.thinking:
            escaped = orjson.dumps(piece.thinking)
            fields = b",".join(key + escaped for key in self._keys)
            frames = self._chunk(index, self.thinking_prefix + fields, usage)
        if piece.answer:
            frames += self._chunk(index, self.answer_key + orjson.dumps(piece.answer), usage)
        if piece.tool_calls:
            calls = [{"index": i} | _call_json(call) for i, call in enumerate(piece.tool_calls)]
            frames += self._chunk(index, b'"tool_calls":' + orjson.dumps(calls), usage)
        return frames

    def finish_frame(self, index: int, reply: Reply, usage: Usage | None) -> bytes:
        """A choice's last chunk."""
        reason, stop = orjson.dumps(reply.finish_reason), orjson.dumps(reply.stop_reason)
        choice = self.chunk_choice % (index, self.last_part, reason)
        return self._head + choice + b',"stop_reason":' + stop + b"}" + self._tail(usage)

    def usage_frame(self, usage: Usage) -> bytes:
        """The chunk without choices that ends a stream with `include_usage`."""
        return self._head + b'],"usage":' + orjson.dumps(usage_json(usage)) + b"}\n\n"

    def whole(self, replies: Sequence[Reply], texts: Sequence[Piece], usage: Usage) -> bytes:
        """The body of a response that is not streamed."""
        choices = [
            self._choice(index, reply, text)
            for index, (reply, text) in enumerate(zip(replies, texts, strict=True))
        ]
        return orjson.dumps(
            {
                "id": self._identity.id,
                "object": self.object,
                "created": self._identity.created,
                "model": self._identity.model,
                "choices": choices,
                "usage": usage_json(usage),
            }
        )

    def _tail(self, usage: Usage | None) -> bytes:
        if not self._with_usage:
            return b"]}\n\n"
        if usage is None:
            return b'],"usage":null}\n\n'
        return b'],"usage":' + orjson.dumps(usage_json(usage)) + b"}\n\n"

    def _chunk(self, index: int, part: bytes, usage: Usage | None) -> bytes:
        return self._head + self.chunk_choice % (index, part, b"null") + b"}" + self._tail(usage)

    def _thinking_fields(self, text: str) -> dict[str, str | None]:
        return dict.fromkeys(self._fields, text or None) if self._show_thinking else {}


class ChatDialect(Dialect):
    """`POST /v1/chat/completions`."""

    object = "chat.completion"
    chunk_object = "chat.completion.chunk"
    chunk_choice = b'{"index":%d,"delta":{%b},"logprobs":null,"finish_reason":%b'
    answer_key = b'"content":'
    thinking_prefix = b""
    last_part = b""

    def open_frame(self, index: int, usage: Usage | None, *, alone: bool) -> bytes:
        """The role."""
        return self._chunk(index, b'"role":"assistant","content":""', usage)

    def _choice(self, index: int, reply: Reply, text: Piece) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text.answer or None if text.tool_calls else text.answer,
            "refusal": None,
            **self._thinking_fields(text.thinking),
        }
        if text.tool_calls:
            message["tool_calls"] = [_call_json(call) for call in text.tool_calls]
        return {
            "index": index,
            "message": message,
            "logprobs": None,
            "finish_reason": reply.finish_reason,
            "stop_reason": reply.stop_reason,
        }


class CompletionDialect(Dialect):
    """`POST /v1/completions`; thinking goes into the choice, beside its text."""

    object = "text_completion"
    chunk_object = "text_completion"
    chunk_choice = b'{"index":%d,%b,"logprobs":null,"finish_reason":%b'
    answer_key = b'"text":'
    thinking_prefix = b'"text":"",'
    last_part = b'"text":""'

    def open_frame(self, index: int, usage: Usage | None, *, alone: bool) -> bytes:
        """Completions have no roles; a chunk without text, if there is no other, as vLLM sends."""
        return self._chunk(index, b'"text":""', usage) if alone else b""

    def _choice(self, index: int, reply: Reply, text: Piece) -> dict[str, Any]:
        return {
            "index": index,
            "text": text.answer,
            **self._thinking_fields(text.thinking),
            "logprobs": None,
            "finish_reason": reply.finish_reason,
            "stop_reason": reply.stop_reason,
        }


def _call_json(call: ToolCall) -> dict[str, Any]:
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
