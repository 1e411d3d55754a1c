"""Questions that need a tool: the call, and what to say about its result."""

import json
from random import Random
from typing import Any

from tools.demo_model.task import Language, Task
from tools.demo_model.tools import Offer, distractors, offer
from tools.demo_model.values import KINDS, value
from tools.demo_model.words import pseudo, word

_FITS = {"en": "{} fits: {}", "zh": "可以用{}：{}"}
_RESULT = {"en": "The tool has answered.", "zh": "工具已经回答。"}
_SAYS = {"en": "The result of {}: {}", "zh": "{}的结果：{}"}


def call(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a question that one of the offered tools answers."""
    offered = offer(rng, language, unseen)
    return _task(rng, language, offered, "call")


def _task(rng: Random, language: Language, offered: Offer, skill: str) -> Task:
    tools = [offered.schema, *_others(rng, language, offered)]
    rng.shuffle(tools)
    pairs = ", ".join(f"{name} = {each}" for name, each in offered.arguments.items())
    call = {"name": offered.name, "arguments": offered.arguments}
    return Task(
        skill,
        language,
        offered.ask,
        offered.ask,
        _FITS[language].format(offered.name, pairs),
        f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>",
        call,
        tuple(tools),
    )


def _others(rng: Random, language: Language, offered: Offer) -> list[dict[str, Any]]:
    others = distractors(rng, language, offered.family)
    return [other for other in others if other["function"]["name"] != offered.name]


def result(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a question, a call and its result, which is to be told."""
    called = _task(rng, language, offer(rng, language, unseen), "result")
    wanted: Any = called.value
    content, told = _content(rng, language)
    arguments = wanted["arguments"]
    if rng.random() < 0.5:
        arguments = json.dumps(arguments, ensure_ascii=False)
    function = {"name": wanted["name"], "arguments": arguments}
    turn: dict[str, Any] = {"role": "assistant", "content": rng.choice(("", None))}
    turn["tool_calls"] = [{"type": "function", "id": "call_1", "function": function}]
    if rng.random() < 0.5:
        turn["reasoning"] = called.think
    return Task(
        "result",
        language,
        called.key,
        called.ask,
        _RESULT[language],
        _SAYS[language].format(wanted["name"], told),
        told,
        called.tools,
        (turn, {"role": "tool", "tool_call_id": "call_1", "content": content}),
    )


def _content(rng: Random, language: Language) -> tuple[str, str]:
    """Return what a tool said, and how to tell it."""
    style = rng.random()
    if style < 0.5:
        fields = {}
        for _ in range(rng.choice((1, 1, 2, 2, 3))):
            name = rng.choice((pseudo(rng), word(rng, "en", "noun"), word(rng, "en", "adjective")))
            fields[name.lower()] = value(rng, language, rng.choice(KINDS))
        told = ", ".join(f"{name} {each}" for name, each in fields.items())
        return json.dumps(fields, ensure_ascii=False), told
    if style < 0.7:
        told = str(value(rng, language, "number"))
        return told, told
    kinds = ("quote", "subject", "thing", "place", "quote", "identifier", "date")
    parts = [str(value(rng, language, rng.choice(kinds))) for _ in range(rng.choice((1, 1, 2, 3)))]
    told = rng.choice((", ", " ", ": ")).join(parts)
    return told, told
