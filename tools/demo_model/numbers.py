"""Comparing and sorting numbers, and counting."""

from random import Random

from tools.demo_model.arithmetic import number
from tools.demo_model.phrases import fill, load, pick, roughen
from tools.demo_model.task import Language, Task
from tools.demo_model.words import written

_MOST = 500
"""How far it counts."""

_DIGITS = {"en": "{} digits", "zh": "{}位"}
_LARGEST = {"en": ("largest", "smallest", "left"), "zh": ("最大", "最小", "剩下")}
_KEEP = {"en": ("keep", "take"), "zh": ("保留", "换成")}
_COUNT = {"en": "From {} to {}, one by one.", "zh": "从{}到{}，一个一个数。"}
_LIMIT = {"en": "That is more than {}.", "zh": "超过了{}。"}


def _number(rng: Random) -> int:
    drawn = number(rng, (3, 6, 6, 1))
    return -drawn if rng.random() < 0.03 else drawn


def _near(rng: Random, to: int) -> int:
    """Return another number, often one that is hard to tell from it."""
    if rng.random() < 0.5:
        return _number(rng)
    if rng.random() < 0.15:
        return to
    if rng.random() < 0.3 and to > 9:
        return int(str(to)[::-1])
    return max(0, to + rng.choice((-100, -11, -10, -9, -2, -1, 1, 2, 9, 10, 11, 100)))


def _relation(a: int, b: int) -> str:
    return "<" if a < b else ">" if a > b else "="


def _compared(language: Language, a: int, b: int) -> str:
    lines = []
    if a >= 0 <= b:
        one, other = str(a), str(b)
        if len(one) != len(other):
            digits = _DIGITS[language]
            sign = _relation(len(one), len(other))
            lines.append(f"{digits.format(len(one))} {sign} {digits.format(len(other))}")
        else:
            for x, y in zip(one, other, strict=True):
                lines.append(f"{x} {_relation(int(x), int(y))} {y}")
                if x != y:
                    break
    return "\n".join([*lines, f"{a} {_relation(a, b)} {b}"])


def compare(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a question about which of two numbers is larger or smaller."""
    a = _number(rng)
    b = _near(rng, a)
    kind = rng.choices(("larger", "smaller", "is_larger", "is_smaller"), (4, 4, 2, 2))[0]
    phrases = load("numbers")[language]
    phrase = roughen(rng, pick(rng, phrases[kind], unseen))
    value: object
    if kind.startswith("is_"):
        value = a > b if kind == "is_larger" else a < b
        answer = phrases["yes"] if value else phrases["no"]
    elif a == b:
        value = answer = phrases["equal"]
    else:
        value = max(a, b) if kind == "larger" else min(a, b)
        answer = str(value)
    ask = fill(phrase, {"a": str(a), "b": str(b)})
    think = _compared(language, a, b)
    return Task("compare", language, f"compare {a} {b}", ask, think, answer, value)


def extreme(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a question about the largest or smallest of several numbers."""
    numbers = _list(rng, 6)
    largest = rng.random() < 0.5
    phrase = pick(rng, load("numbers")[language]["largest" if largest else "smallest"], unseen)
    keep, take = _KEEP[language]
    best, lines = numbers[0], [str(numbers[0])]
    for each in numbers[1:]:
        better = each > best if largest else each < best
        sign = _relation(each, best)
        kept = each if better else best
        lines.append(f"{each} {sign} {best}, {take if better else keep} {kept}")
        best = kept
    ask = fill(roughen(rng, phrase), {"list": _written(rng, language, numbers)})
    key = f"extreme {numbers}"
    return Task("compare", language, key, ask, "\n".join(lines), str(best), best)


def sort(rng: Random, language: Language, unseen: bool) -> Task:
    numbers = _list(rng, 8)
    ascending = rng.random() < 0.65
    phrases = load("numbers")[language]["ascending" if ascending else "descending"]
    name, left = _LARGEST[language][int(ascending)], _LARGEST[language][2]
    done: list[int] = []
    rest = list(numbers)
    lines = [_joined(rest)]
    while rest:
        best = min(rest) if ascending else max(rest)
        rest.remove(best)
        done.append(best)
        lines.append(f"{name} {best}" + (f", {left} {_joined(rest)}" if rest else ""))
    ask = fill(roughen(rng, pick(rng, phrases, unseen)), {"list": _written(rng, language, numbers)})
    return Task("sort", language, f"sort {numbers}", ask, "\n".join(lines), _joined(done), done)


def _list(rng: Random, most: int) -> list[int]:
    length = rng.choices(range(2, most + 1), [1, 4, 4, *[3] * (most - 4)])[0]
    if rng.random() < 0.4:
        top = rng.choice((9, 20, 99))
        return [rng.randint(0, top) for _ in range(length)]
    return [_number(rng) for _ in range(length)]


def _joined(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def _written(rng: Random, language: Language, numbers: list[int]) -> str:
    texts = [str(each) for each in numbers]
    if language == "zh" and rng.random() < 0.3:
        return rng.choice(("、", "，", ", ")).join(texts[:-1]) + "和" + texts[-1]
    if language == "zh":
        return rng.choice(("、", "，", ", ", " ", "、")).join(texts)
    style = rng.random()
    if style < 0.5:
        return ", ".join(texts)
    if style < 0.65:
        return " ".join(texts)
    if style < 0.75:
        return ",".join(texts)
    return ", ".join(texts[:-1]) + rng.choice((" and ", ", and ")) + texts[-1]


def count(rng: Random, language: Language, unseen: bool) -> Task:
    phrases = load("numbers")[language]
    kind = rng.choices(("count", "count_from", "count_down"), (7, 2, 1))[0]
    ranges = ((1, 30), (30, 100), (100, 200), (200, _MOST))
    last = rng.randint(*rng.choices(ranges, (8, 8, 2, 1))[0])
    first = 1
    if kind == "count_from":
        first = rng.randint(0, last)
        last = min(last, first + 100)
    if kind == "count_down":
        first, last = min(last, 100), 1
    end = first if kind == "count_down" else last
    values = {"a": written(rng, first, language), "n": written(rng, end, language)}
    key = f"{kind} {first} {last}"
    answer = _joined(list(range(first, last + 1) if first <= last else range(first, 0, -1)))
    think = _COUNT[language].format(first, last)
    if kind == "count" and rng.random() < 0.04:
        last = rng.randint(_MOST + 1, 20_000)
        values["n"], key, answer = str(last), f"count {last}", phrases["too_far"]
        think = _LIMIT[language].format(_MOST)
    ask = fill(roughen(rng, pick(rng, phrases[kind], unseen)), values)
    return Task("count", language, key, ask, think, answer, answer)
