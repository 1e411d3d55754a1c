"""`POST /v1/chat/completions`."""

from typing import Any

from gateway.serving.choice import ChoiceState, Piece
from gateway.serving.request import Usage
from gateway.writers.openai import OpenAIWriter, call_json


class ChatWriter(OpenAIWriter):
    """Messages, and deltas of messages."""

    object = "chat.completion"
    chunk_object = "chat.completion.chunk"
    chunk_choice = b'{"index":%d,"delta":{%b},"logprobs":null,"finish_reason":%b'
    answer_key = b'"content":'
    thinking_prefix = b""
    last_part = b""

    def opened(self, index: int, usage: Usage | None, *, alone: bool) -> bytes:
        """The role."""
        return self._chunk(index, b'"role":"assistant","content":""', usage)

    def _choice(self, index: int, choice: ChoiceState, piece: Piece) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": piece.answer or None if piece.tool_calls else piece.answer,
            "refusal": None,
            **self._thinking_fields(piece.thinking),
        }
        if piece.tool_calls:
            message["tool_calls"] = [call_json(call) for call in piece.tool_calls]
        return {
            "index": index,
            "message": message,
            "logprobs": None,
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }
