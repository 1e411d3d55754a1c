"""Tokens and the text that each of them completes, with the demo model's tokenizer."""

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders

from engine.detokenizer import _SlowDetokenizer, _StreamDetokenizer, make_detokenizer

TEXTS = [
    "Hello, world!",
    "饕餮 and 🦜🦜🏽 and 👩‍👩‍👧‍👦",
    "<think>a</think>\n\n饕 b",
    "e\u0301 \u202e \x00 \r\n\t  spaces  ",
    "ﷺ" * 3 + "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
]


class Hidden:
    """A tokenizer that nobody takes for one of the `tokenizers` library's."""

    def __init__(self, tokenizer: Any) -> None:
        self._hidden = tokenizer

    def __getattr__(self, name: str) -> Any:
        if name == "_tokenizer":
            raise AttributeError(name)
        return getattr(self._hidden, name)

    def __len__(self) -> int:
        return len(self._hidden)


def both(tokenizer: Any) -> list[Any]:
    """The tokenizer, and one that takes the slow way."""
    return [tokenizer, Hidden(tokenizer)]


def test_which_way_is_taken(tokenizer: Any) -> None:
    """The library's stream where the tokenizer is the library's."""
    fast, slow = both(tokenizer)
    assert isinstance(make_detokenizer(fast, [], {}), _StreamDetokenizer)
    assert isinstance(make_detokenizer(slow, [], {}), _SlowDetokenizer)
    slow._tokenizer = "tiktoken's"  # as Kimi's tokenizer has it
    assert isinstance(make_detokenizer(slow, [], {}), _SlowDetokenizer)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_pieces_join_to_the_whole(tokenizer: Any, text: str, size: int) -> None:
    """Whatever the deltas: each token has its text, and joined they are what was encoded."""
    token_ids = tokenizer.encode(text)
    for each in both(tokenizer):
        detokenizer = make_detokenizer(each, tokenizer.encode("Hi"), {})
        texts: list[str] = []
        for start in range(0, len(token_ids), size):
            piece = token_ids[start : start + size]
            found = detokenizer.decode(piece)
            assert len(found) == len(piece)
            texts += found
        assert "".join(texts) == tokenizer.decode(token_ids) == text


@settings(deadline=None)
@given(text=st.text(), prompt=st.text(max_size=5))
def test_any_text_survives_both_ways(tokenizer: Any, text: str, prompt: str) -> None:
    """And both say of the same token that it completes a character."""
    token_ids, before = tokenizer.encode(text), tokenizer.encode(prompt)
    fast, slow = (make_detokenizer(each, before, {}).decode(token_ids) for each in both(tokenizer))
    if "\ufffd" not in text:  # which nobody can tell from half a character
        assert "".join(fast) == text
        assert fast == slow


def test_a_character_is_written_by_its_last_token(tokenizer: Any) -> None:
    """One that takes several tokens is whole or is not there."""
    token_ids = tokenizer.encode("🦜a饕")
    assert len(token_ids) == 4 + 1 + 3
    for each in both(tokenizer):
        texts = make_detokenizer(each, [], {}).decode(token_ids)
        assert texts == ["", "", "", "🦜", "a", "", "", "饕"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_reply_may_begin_inside_a_character(tokenizer: Any, text: str) -> None:
    """It completes that, and writes nothing of the prompt once more."""
    token_ids = tokenizer.encode(text)
    for each in both(tokenizer):
        whole = make_detokenizer(each, [], {}).decode(token_ids)
        for cut in range(1, len(token_ids)):
            texts = make_detokenizer(each, token_ids[:cut], {}).decode(token_ids[cut:])
            assert texts == whole[cut:]


def test_special_tokens_are_not_written(tokenizer: Any) -> None:
    """Unless they are marks, which are written as they are called."""
    token_ids = tokenizer.encode("a<|im_start|>b<|im_end|>")
    (start,) = tokenizer.encode("<|im_start|>")
    for each in both(tokenizer):
        assert make_detokenizer(each, [], {}).decode(token_ids) == ["a", "", "b", ""]
        texts = make_detokenizer(each, [], {start: "<|im_start|>"}).decode(token_ids)
        assert texts == ["a", "<|im_start|>", "b", ""]


@pytest.mark.parametrize("unknown", [1280, 10**6, -1, 2**40])
def test_unknown_tokens_are_nothing(tokenizer: Any, unknown: int) -> None:
    """And those around them are what they are."""
    around = [*tokenizer.encode("a"), *tokenizer.encode("b")]
    for each in both(tokenizer):
        texts = make_detokenizer(each, [], {}).decode([around[0], unknown, around[1]])
        assert texts == ["a", "", "b"]


class BrokenStream:
    """The library's stream; the first one fails at "b", as where text changes backwards."""

    message = "Invalid prefix encountered while decoding stream."
    made = 0

    def __init__(self, *, skip_special_tokens: bool) -> None:
        BrokenStream.made += 1
        self._broken = BrokenStream.made == 1
        self._stream = STREAM(skip_special_tokens=skip_special_tokens)

    def step(self, backend: Any, token_id: int) -> str | None:
        text: str | None = self._stream.step(backend, token_id)
        if self._broken and text == "b":
            raise Exception(self.message)
        return text


STREAM = decoders.DecodeStream


def test_an_invalid_prefix_costs_no_token(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream begins anew with the token that it failed on; other errors are raised."""
    monkeypatch.setattr(decoders, "DecodeStream", BrokenStream)
    token_ids = [*tokenizer.encode("a"), *tokenizer.encode("b"), *tokenizer.encode("<think>")]
    monkeypatch.setattr(BrokenStream, "made", 0)
    texts = make_detokenizer(tokenizer, [], {}).decode([*token_ids, *token_ids])
    assert texts == ["a", "b", "<think>", "a", "b", "<think>"]
    assert BrokenStream.made == 2
    monkeypatch.setattr(BrokenStream, "made", 0)
    monkeypatch.setattr(BrokenStream, "message", "something else")
    with pytest.raises(Exception, match="something else"):
        make_detokenizer(tokenizer, [], {}).decode(token_ids)


def test_unknown_tokens_are_logged(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without the token, which may be the caller's business."""
    with caplog.at_level(logging.WARNING, "thinkgate.engine"):
        make_detokenizer(tokenizer, [], {}).decode([2**40])
    assert "does not know" in caplog.text
