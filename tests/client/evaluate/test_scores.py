"""ROUGE and exact match: rouge-score's own numbers on English, by hand on Chinese."""

import pytest
from rouge_score.rouge_scorer import RougeScorer

from client.evaluate.scores import CharacterTokenizer, Scorer, Scores

ENGLISH = [
    ("The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log."),
    ("Swifts land only to nest.", "swifts live in the air & land ONLY to nest"),
    ("42", "The answer is 42."),
    ("running runs", "run runner"),
    ("one two", ""),
    ("...", "one"),
]


@pytest.mark.parametrize(("reference", "answer"), ENGLISH)
def test_english_is_rouge_scores(reference: str, answer: str) -> None:
    """Without Chinese, each number is rouge-score's without its stemmer."""
    expected = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(reference, answer)
    scores = Scorer().score(answer, [reference])
    assert (scores.rouge1, scores.rouge2, scores.rougeL) == (
        expected["rouge1"].fmeasure,
        expected["rouge2"].fmeasure,
        expected["rougeL"].fmeasure,
    )


def test_chinese_is_counted_by_character() -> None:
    """Six characters each, of which 今天天气 are common: 4/6, 3/5 of the pairs, 4/6 in order."""
    scores = Scorer().score("今天天气不错。", ["今天天气很好"])
    assert scores == Scores(0.0, pytest.approx(2 / 3), pytest.approx(3 / 5), pytest.approx(2 / 3))


def test_chinese_order_counts() -> None:
    """Of 小猫追小狗 and 小狗追小猫 all 5 are common, 2 of 4 pairs (小猫, 小狗), 3 in order."""
    scores = Scorer().score("小狗追小猫", ["小猫追小狗"])
    assert scores == Scores(0.0, 1.0, pytest.approx(3 / 4), pytest.approx(3 / 5))


def test_latin_words_stay_whole_beside_chinese() -> None:
    """Each CJK character is a token, Latin words and numbers are too, punctuation is none."""
    tokens = CharacterTokenizer().tokenize("用Python 3.11写，GPU×8！かな 한글 㐀𠮷")  # noqa: RUF001
    assert tokens == [*"用", "python", "3", "11", "写", "gpu", "8", *"かな한글㐀𠮷"]


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("42", "42", True),
        (" 42.\n", "42", True),
        ("东京。", "东京", True),
        ("Tokyo .", "Tokyo", True),
        ("42..", "42", False),
        ("tokyo", "Tokyo", False),
        ("It is 42", "42", False),
    ],
)
def test_exact_match_forgives_white_space_and_one_full_stop(
    answer: str, reference: str, same: bool
) -> None:
    """Nothing else may differ."""
    assert Scorer().score(answer, [reference]).exact_match == same


def test_best_reference_counts() -> None:
    """Each score is that of the reference that gives most of it."""
    scores = Scorer().score("seven", ["7", "seven", "the number seven"])
    assert scores == Scores(1.0, 1.0, 0.0, 1.0)
