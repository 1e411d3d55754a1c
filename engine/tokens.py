"""Tokens and the text that they write."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from tokenizers.decoders import DecodeStream

_CONTEXT = 16
"""How many tokens before the first one are decoded too; a character takes a few at most."""


def text_ends(
    tokenizer: Any, before: Sequence[int], token_ids: Sequence[int], *, special_tokens: bool
) -> list[int]:
    """How far the text has got with each token (see `Engine.text_ends`).

    Tokens are decoded one by one, as vLLM does it, so that the lengths are those of its text.
    """
    before = before[-_CONTEXT:]
    written = list(accumulate(_lengths(tokenizer, [*before, *token_ids], special_tokens)))
    start = written[len(before) - 1] if before else 0
    return [end - start for end in written[len(before) :]]


def _lengths(tokenizer: Any, token_ids: Sequence[int], special_tokens: bool) -> Iterator[int]:
    backend = getattr(tokenizer, "_tokenizer", None)
    if backend is None:  # not one of the Rust library's
        return (len(tokenizer.decode([token])) for token in token_ids)
    stream = DecodeStream(skip_special_tokens=not special_tokens)
    return (len(stream.step(backend, token) or "") for token in token_ids)
