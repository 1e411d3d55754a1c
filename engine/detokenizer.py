"""Token ids to text, token by token, as vLLM does it for its own server."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tokenizers import decoders
from transformers import TokenizersBackend
from vllm.tokenizers.detokenizer_utils import detokenize_incrementally

_log = logging.getLogger("thinkgate.engine")

_CONTEXT = 8
"""How many of the prompt's last tokens the reply's first text depends on, at the most: some
tokenizers write a space only behind another token, and a reply may complete a character.

They are decoded as the reply is, and not given to the stream as its prefix: where that ends inside
a character, the stream would write all of it once more."""

_INVALID_PREFIX = "Invalid prefix encountered"
"""What `DecodeStream` says when a tokenizer's text has changed backwards (vllm issue 17448)."""


class Detokenizer(Protocol):
    """One reply's detokenizer; it remembers what came before."""

    def decode(self, token_ids: Sequence[int]) -> list[str]:
        """For each of the next tokens, the text that it completes; '' if it completes none."""


def make_detokenizer(
    tokenizer: Any, prompt_token_ids: Sequence[int], written: Mapping[int, str]
) -> Detokenizer:
    """A detokenizer for the reply to a prompt.

    Args:
        tokenizer: vLLM's, which may or may not be backed by the `tokenizers` library.
        prompt_token_ids: the prompt.
        written: special tokens that are text nevertheless (see `GenerationRequest`).
    """
    detokenizer: Detokenizer
    if isinstance(tokenizer, TokenizersBackend):
        detokenizer = _StreamDetokenizer(tokenizer._tokenizer, written)
    else:
        detokenizer = _SlowDetokenizer(tokenizer, written)
    detokenizer.decode(prompt_token_ids[-_CONTEXT:])
    return detokenizer


class _StreamDetokenizer:
    """By the `tokenizers` library's own stream."""

    def __init__(self, backend: Any, written: Mapping[int, str]) -> None:
        self._backend = backend
        self._written = written
        self._stream = decoders.DecodeStream(skip_special_tokens=True)

    def decode(self, token_ids: Sequence[int]) -> list[str]:
        return [self._text(token_id) for token_id in token_ids]

    def _text(self, token_id: int) -> str:
        if token_id in self._written:
            return self._written[token_id]
        try:
            return self._stream.step(self._backend, token_id) or ""
        except (OverflowError, TypeError):  # vllm issue 21951
            _log.warning("the engine made a token id that its tokenizer does not know")
            return ""
        except Exception as error:
            if not str(error).startswith(_INVALID_PREFIX):
                raise
            self._stream = decoders.DecodeStream(skip_special_tokens=True)
            return self._stream.step(self._backend, token_id) or ""


class _SlowDetokenizer:
    """For tokenizers that are not the library's: by vLLM's function, in Python."""

    def __init__(self, tokenizer: Any, written: Mapping[int, str]) -> None:
        self._tokenizer = tokenizer
        self._written = written
        self._tokens: list[str] = []
        self._prefix_offset = self._read_offset = 0

    def decode(self, token_ids: Sequence[int]) -> list[str]:
        return [self._text(token_id) for token_id in token_ids]

    def _text(self, token_id: int) -> str:
        if token_id in self._written:
            return self._written[token_id]
        tokens, text, self._prefix_offset, self._read_offset = detokenize_incrementally(
            tokenizer=self._tokenizer,
            all_input_ids=[token_id],
            prev_tokens=self._tokens,
            prefix_offset=self._prefix_offset,
            read_offset=self._read_offset,
            skip_special_tokens=True,
            spaces_between_special_tokens=True,
        )
        self._tokens.extend(tokens)
        return str(text)
