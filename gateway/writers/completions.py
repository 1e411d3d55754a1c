"""`POST /v1/completions`."""

from typing import Any

from gateway.serving.choice import ChoiceState, Piece
from gateway.serving.request import Usage
from gateway.writers.openai import OpenAIWriter


class CompletionWriter(OpenAIWriter):
    """Texts; thinking goes into the choice, beside its text."""

    object = "text_completion"
    chunk_object = "text_completion"
    chunk_choice = b'{"index":%d,%b,"logprobs":null,"finish_reason":%b'
    answer_key = b'"text":'
    thinking_prefix = b'"text":"",'
    last_part = b'"text":""'

    def opened(self, index: int, usage: Usage | None, *, alone: bool) -> bytes:
        """Completions have no roles; a chunk without text, if there is no other, as vLLM sends."""
        return self._chunk(index, b'"text":""', usage) if alone else b""

    def _choice(self, index: int, choice: ChoiceState, piece: Piece) -> dict[str, Any]:
        return {
            "index": index,
            "text": piece.answer,
            **self._thinking_fields(piece.thinking),
            "logprobs": None,
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }
