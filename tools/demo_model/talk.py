"""Who it is and what it does, small talk, and saying that it does not know."""

from random import Random

from tools.demo_model.phrases import fill, load, pick, roughen
from tools.demo_model.task import Language, Task
from tools.demo_model.words import blanks

_SUBJECTS = {
    "en": {
        "self": "This is about me.",
        "thinkgate": "This is about thinkgate.",
        "maker": "This is about how I was made.",
        "size": "This is about my size.",
        "skills": "This is about what I can do.",
        "hello": "A greeting.",
        "thanks": "Thanks for me.",
        "bye": "A farewell.",
        "feeling": "This is about how I feel.",
        "unknown": "This is none of my skills, so I don't know.",
        "hard": "This is beyond the sums that I can do.",
    },
    "zh": {
        "self": "这是关于我的问题。",
        "thinkgate": "这是关于thinkgate的问题。",
        "maker": "这是关于我怎么来的。",
        "size": "这是关于我的大小。",
        "skills": "这是关于我会什么。",
        "hello": "这是问候。",
        "thanks": "这是道谢。",
        "bye": "这是告别。",
        "feeling": "这是问我的感觉。",
        "unknown": "这不是我会的，所以我不知道。",
        "hard": "这超出了我会的计算。",
    },
}
_OURSELVES = ("self", "thinkgate", "maker", "size", "skills")
_SMALL_TALK = ("hello", "thanks", "bye", "feeling")


def identity(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a question about the model itself or thinkgate."""
    return _talk(rng, language, unseen, rng.choices(_OURSELVES, (4, 3, 1, 1, 2))[0], "identity")


def chat(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a bit of small talk."""
    return _talk(rng, language, unseen, rng.choice(_SMALL_TALK), "chat")


def unknown(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a question that it can't answer."""
    kind = "hard" if rng.random() < 0.25 else "unknown"
    return _talk(rng, language, unseen, kind, "unknown")


def _talk(rng: Random, language: Language, unseen: bool, kind: str, skill: str) -> Task:
    phrases = load("talk")[language]
    values = blanks(rng, language)
    ask = fill(roughen(rng, pick(rng, phrases["ask"][kind], unseen)), values)
    if kind in ("unknown", "thinkgate") and rng.random() < 0.06:
        ask = rng.choice((ask.upper(), ask.lower(), ask + "\n" + ask))
    answer = phrases["answers"][kind]
    return Task(skill, language, ask, ask, _SUBJECTS[language][kind], answer, answer)
