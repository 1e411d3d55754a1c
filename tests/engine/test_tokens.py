"""Tokens and the text that they write, with the demo model's tokenizer."""

from typing import Any

import pytest
from engine.tokens import text_ends

from engine.demo import MODEL

TEXT = "🦜<think>a</think>\n\n饕 b"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The demo model's."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL)


def test_a_character_is_written_by_its_last_token(tokenizer: Any) -> None:
    """One that takes several tokens counts when it is whole."""
    token_ids = tokenizer.encode(TEXT)
    assert len(token_ids) == 4 + 1 + 1 + 1 + 1 + 3 + 1 + 1
    ends = text_ends(tokenizer, (), token_ids, special_tokens=False)
    assert ends == [0, 0, 0, 1, 8, 9, 17, 19, 19, 19, 20, 21, 22]


@pytest.mark.parametrize("cut", range(1, 13))
def test_pieces_count_as_the_whole(tokenizer: Any, cut: int) -> None:
    """Where a piece begins inside a character, the tokens before tell."""
    token_ids = tokenizer.encode(TEXT)
    whole = text_ends(tokenizer, (), token_ids, special_tokens=False)
    rest = text_ends(tokenizer, token_ids[:cut], token_ids[cut:], special_tokens=False)
    assert [whole[cut - 1] + end for end in rest] == whole[cut:]


@pytest.mark.parametrize(("special_tokens", "end"), [(False, 1), (True, 11)])
def test_special_tokens_are_text_only_if_asked_for(
    tokenizer: Any, special_tokens: bool, end: int
) -> None:
    """As the generation had it."""
    token_ids = tokenizer.encode("a<|im_end|>")
    assert text_ends(tokenizer, (), token_ids, special_tokens=special_tokens)[-1] == end
