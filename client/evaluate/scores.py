"""How close an answer is to its references: ROUGE F1 by rouge-score, and exact match.

Text without Chinese, Japanese or Korean characters gets rouge-score's own numbers, without its
stemmer. Where the answer or the reference has some, each of them is a token of its own beside the
Latin words and numbers, as ROUGE is counted for Chinese; like rouge-score we drop punctuation.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

_CJK = (
    "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U000323af"
)
_HAS_CJK = re.compile(f"[{_CJK}]")
_TOKEN = re.compile(f"[{_CJK}]|[a-z0-9]+")
_FULL_STOPS = (".", "。")
_ROUGE = ("rouge1", "rouge2", "rougeL")


@dataclass(frozen=True, slots=True)
class Scores:
    """What one answer is worth, each from 0 to 1.

    Attributes:
        exact_match: 1 if it is a reference, white space around it and one full stop aside.
        rouge1: F1 of single tokens.
        rouge2: F1 of pairs of tokens.
        rougeL: F1 of the longest common subsequence of tokens.
    """

    exact_match: float
    rouge1: float
    rouge2: float
    rougeL: float


class CharacterTokenizer:
    """A tokenizer for rouge-score: CJK characters, and lower-case Latin words and numbers."""

    def tokenize(self, text: str) -> list[str]:
        return _TOKEN.findall(text.lower())


class Scorer:
    def __init__(self) -> None:
        self._by_word = RougeScorer(_ROUGE)
        self._by_character = RougeScorer(_ROUGE, tokenizer=CharacterTokenizer())

    def score(self, answer: str, references: Sequence[str]) -> Scores:
        """Return the best score of each kind that one of the references, at least one, gives."""
        rouge = [self._rouge(answer, reference) for reference in references]
        return Scores(
            float(any(_bare(answer) == _bare(reference) for reference in references)),
            *(max(scores[number] for scores in rouge) for number in range(len(_ROUGE))),
        )

    def _rouge(self, answer: str, reference: str) -> list[float]:
        cjk = _HAS_CJK.search(answer) or _HAS_CJK.search(reference)
        scorer = self._by_character if cjk else self._by_word
        scores = scorer.score(reference, answer)
        return [float(scores[name].fmeasure) for name in _ROUGE]


def _bare(text: str) -> str:
    text = text.strip()
    return text[:-1].rstrip() if text.endswith(_FULL_STOPS) else text
