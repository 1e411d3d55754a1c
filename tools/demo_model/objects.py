"""Answers in JSON: another skill's answer, or fields that the question names."""

import dataclasses
import json
from random import Random

from tools.demo_model.arithmetic import arithmetic
from tools.demo_model.numbers import compare, extreme, sort
from tools.demo_model.phrases import fill, load, pick, roughen
from tools.demo_model.talk import identity, unknown
from tools.demo_model.task import Language, Task
from tools.demo_model.values import KINDS, value
from tools.demo_model.words import pseudo, word

_COPY = {"en": "A JSON object with: {}", "zh": "一个JSON对象：{}"}


def objects(rng: Random, language: Language, unseen: bool) -> Task:
    """Make a question that wants JSON."""
    if rng.random() < 0.25:
        return _fields(rng, language, unseen)
    makers = (arithmetic, compare, extreme, sort, identity, unknown)
    task = rng.choices(makers, (6, 2, 2, 3, 1, 1))[0](rng, language, unseen)
    frame = load("frame")[language]
    key, kind = "answer", "json"
    if rng.random() < 0.55:
        kind = "json_key"
        key = rng.choice(load("values")["answer_keys"]) if rng.random() < 0.6 else pseudo(rng)
    ask = fill(roughen(rng, pick(rng, frame[kind], unseen)), {"q": task.ask, "k": key})
    value = {key: task.value}
    answer = json.dumps(value, ensure_ascii=False)
    return dataclasses.replace(task, skill="json", ask=ask, answer=answer, value=value)


def _fields(rng: Random, language: Language, unseen: bool) -> Task:
    frame = load("frame")[language]
    fields, parts = {}, []
    style = rng.choice(frame["field"])
    quoted = '"{v}"' in style
    for _ in range(rng.choice((1, 2, 2, 3))):
        name = rng.choice(
            (pseudo(rng), word(rng, "en", "noun").lower(), rng.choice(load("values")["field_keys"]))
        )
        given = value(rng, language, rng.choice(KINDS))
        fields[name] = str(given) if quoted else given
        parts.append(fill(style, {"k": name, "v": str(fields[name])}))
    text = ", ".join(parts) if len(parts) > 2 else rng.choice(frame["and"]).join(parts)
    ask = fill(roughen(rng, pick(rng, frame["json_fields"], unseen)), {"fields": text})
    think = _COPY[language].format(", ".join(fields))
    answer = json.dumps(fields, ensure_ascii=False)
    return Task("json", language, ask, ask, think, answer, fields)
