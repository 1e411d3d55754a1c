"""Values that a tool's arguments may have: places, people, times, numbers, anything quoted."""

from collections.abc import Callable
from random import Random

from tools.demo_model import codes
from tools.demo_model.phrases import fill, load
from tools.demo_model.task import Language
from tools.demo_model.words import blanks, han, pseudo, word

Value = str | int | float

_WORDS = ("noun", "adjective", "verb", "topic", "place", "name")


def _one(rng: Random, language: Language, kind: str) -> str:
    text: str = rng.choice(load("values")[language][kind])
    return text


def _place(rng: Random, language: Language) -> Value:
    if language == "zh" and rng.random() < 0.15:
        language = "en"
    place = word(rng, language, "place")
    if language == "en" and rng.random() < 0.12:
        place = rng.choice(("New ", "San ", "Los ", "Port ", "St. ", "North ")) + place
    if language == "en" and rng.random() < 0.06:
        place += ", " + word(rng, language, "place")
    return place


def _person(rng: Random, language: Language) -> Value:
    name = word(rng, language, "name")
    if language == "en" and rng.random() < 0.4:
        name += " " + word(rng, language, "name")
    return name


def _thing(rng: Random, language: Language) -> Value:
    thing = word(rng, language, "noun")
    if language == "zh":
        return thing + word(rng, language, "noun") if rng.random() < 0.55 else thing
    if rng.random() < 0.4:
        thing = word(rng, language, rng.choice(("adjective", "noun"))) + " " + thing
    return thing + rng.choice(("", "", "s"))


def _subject(rng: Random, language: Language) -> Value:
    if rng.random() < 0.45:
        return fill(_one(rng, language, "subject"), blanks(rng, language))
    parts = [word(rng, language, rng.choice(("topic", "noun", "adjective", "place", "name")))]
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        parts.append(word(rng, language, rng.choice(("topic", "noun", "verb"))))
    return (" " if language == "en" else "").join(parts)


def _currency(rng: Random, language: Language) -> Value:
    chinese = language == "zh" and rng.random() < 0.5
    return _one(rng, "zh" if chinese else "en", "currency")


def _action(rng: Random, language: Language) -> Value:
    return fill(_one(rng, language, "action"), blanks(rng, language))


def _title(rng: Random, language: Language) -> Value:
    parts = [word(rng, language, rng.choice(_WORDS)) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    if language == "zh":
        return "".join(parts)
    text = " ".join(part[:1].upper() + part[1:] for part in parts)
    return rng.choice(("The ", "", "", "", "A ", "My ")) + text


def _shop(rng: Random, language: Language) -> Value:
    if language == "zh":
        return word(rng, language, "noun") + _one(rng, language, "shop")
    name = word(rng, language, rng.choice(("name", "place")))
    return name + _one(rng, language, "shop")


def _destination(rng: Random, language: Language) -> Value:
    if rng.random() < 0.4:
        return _place(rng, language)
    if language == "zh":
        return rng.choice(("机场", "火车站", "医院", "酒店", "学校", "公园", "市中心", "公司"))
    places = ("airport", "station", "hotel", "office", "train station", "city hall", "museum")
    return f"the {rng.choice(places)}"


def _room(rng: Random, language: Language) -> Value:
    if rng.random() < 0.7:
        return _one(rng, language, "room")
    return word(rng, language, "noun")


def _street(rng: Random, language: Language) -> Value:
    place = str(_place(rng, language))
    return place + (" " if language == "en" else "") + _one(rng, language, "street")


def _station(rng: Random, language: Language) -> Value:
    place = word(rng, language, "place")
    return place + rng.choice(("", "", "东", "南", "西", "北", "站")) if language == "zh" else place


def _quote(rng: Random, language: Language) -> Value:
    if rng.random() < 0.3:
        return _subject(rng, language) if rng.random() < 0.6 else _action(rng, language)
    parts = [word(rng, language, rng.choice(_WORDS)) for _ in range(rng.randint(1, 5))]
    if rng.random() < 0.15:
        parts.insert(rng.randrange(len(parts) + 1), str(rng.randint(1, 2030)))
    text = (" " if language == "en" else "").join(parts)
    if rng.random() < 0.1:
        text += rng.choice("?!." if language == "en" else "？！。")
    return text.capitalize() if rng.random() < 0.4 else text


def _path_name(rng: Random, language: Language) -> str:
    return word(rng, language if rng.random() < 0.4 else "en", "noun")


def _number(rng: Random, language: Language) -> Value:
    if rng.random() < 0.08:
        return round(rng.uniform(0, 200), rng.choice((1, 2)))
    return rng.randint(0, 10 ** rng.randint(1, 5))


def _decimal(rng: Random, language: Language) -> Value:
    return round(rng.uniform(0, 10 ** rng.randint(1, 3)), rng.choice((1, 1, 2)))


def _small(rng: Random, language: Language) -> Value:
    return rng.randint(1, 12)


def _sum(rng: Random, language: Language) -> Value:
    terms = [str(rng.randint(1, 10 ** rng.randint(1, 3))) for _ in range(rng.choice((2, 2, 3, 3)))]
    space = rng.choice(("", " "))
    signs = [f"{space}{rng.choice('+-*/')}{space}" for _ in terms[1:]]
    if len(terms) == 3 and rng.random() < 0.5:
        at = rng.randrange(2)
        terms[at], terms[at + 1] = f"({terms[at]}", f"{terms[at + 1]})"
    return terms[0] + "".join(sign + term for sign, term in zip(signs, terms[1:], strict=True))


def _date(rng: Random, language: Language) -> Value:
    year, month, day = rng.randint(2020, 2030), rng.randint(1, 12), rng.randint(1, 28)
    if language == "zh":
        soon = _one(rng, language, "day")
        return rng.choice((f"{month}月{day}日", f"{year}-{month:02}-{day:02}", soon))
    dates = load("values")
    name, one, other = (rng.choice(dates[kind]) for kind in ("months", "days", "days"))
    days = (f"{name} {day}", f"{day} {name}", f"{name} {day}, {year}", one, other)
    return rng.choice((f"{year}-{month:02}-{day:02}", rng.choice(days), rng.choice(days)))


def _clock(rng: Random, language: Language) -> Value:
    hour, minute = rng.randint(0, 23), rng.randint(0, 59)
    if language == "zh" and rng.random() < 0.5:
        return f"{hour}点"
    half, early = rng.choice((" am", " pm", "am", "pm")), 1 + hour % 12
    named = rng.choice(("noon", "midnight", f"{early} o'clock"))
    plain = (f"{hour}:{minute:02}", f"{hour:02}:{minute:02}")
    return rng.choice(
        (*plain, *plain, f"{early}{half}", f"{early}{half}", f"{early}:{minute:02}{half}", named)
    )


_KINDS: dict[str, Callable[[Random, Language], Value]] = {
    "place": _place,
    "person": _person,
    "thing": _thing,
    "subject": _subject,
    "quote": _quote,
    "number": _number,
    "small": _small,
    "decimal": _decimal,
    "flag": lambda rng, language: rng.random() < 0.5,
    "sum": _sum,
    "email": lambda rng, language: codes.email(rng),
    "url": lambda rng, language: codes.url(rng),
    "path": lambda rng, language: codes.path(rng, _path_name(rng, language)),
    "host": lambda rng, language: codes.address(rng),
    "identifier": lambda rng, language: codes.identifier(rng),
    "code": lambda rng, language: codes.code(rng),
    "ticker": lambda rng, language: codes.ticker(rng),
    "flight": lambda rng, language: codes.flight(rng),
    "phone": lambda rng, language: codes.phone(rng),
    "date": _date,
    "clock": _clock,
    "unit": lambda rng, language: rng.choice(load("values")["units"]),
    "currency": _currency,
    "action": _action,
    "when": lambda rng, language: (_date if rng.random() < 0.5 else _clock)(rng, language),
    "artist": lambda rng, language: (
        _person(rng, language)
        if language == "zh" or rng.random() < 0.7
        else rng.choice(("The ", "The ", "")) + word(rng, language, "noun").capitalize() + "s"
    ),
    "title": _title,
    "shop": _shop,
    "word": lambda rng, language: word(rng, language, rng.choice(("noun", "adjective", "verb"))),
    "topic": lambda rng, language: word(rng, language, "topic"),
    "destination": lambda rng, language: _destination(rng, language),
    "message": lambda rng, language: fill(_one(rng, language, "message"), blanks(rng, language)),
    "room": _room,
    "street": _street,
    "station": _station,
    "language": lambda rng, language: _one(rng, language, "language"),
    "nonsense": lambda rng, language: han(rng) if language == "zh" else pseudo(rng),
}
KINDS = tuple(kind for kind in _KINDS if kind != "flag")
"""All but what is a word of the language, too."""


def value(rng: Random, language: Language, kind: str) -> Value:
    return _KINDS[kind](rng, language)


def said(given: Value) -> str:
    """Return a value as a sentence has it."""
    return str(given).lower() if isinstance(given, bool) else str(given)
