"""Whole conversations: what stands before a question, and whether the reply may think."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import jinja2

from engine.demo import MODEL
from tools.demo_model.arithmetic import arithmetic
from tools.demo_model.calls import call, result
from tools.demo_model.numbers import compare, count, extreme, sort
from tools.demo_model.objects import objects
from tools.demo_model.phrases import fill, load, pick
from tools.demo_model.talk import chat, identity, unknown
from tools.demo_model.task import LANGUAGES, Language, Task
from tools.demo_model.tools import distractors
from tools.demo_model.words import blanks

Message = dict[str, Any]
Mode = Literal["think", "off", "soft", "both", "cut"]
"""How a reply begins: thinking, thinking switched off (by the template, by /no_think, by both),
or thinking that somebody cut short."""

TEMPLATE = MODEL / "chat_template.jinja"
END = "<|im_end|>"

_PATIENCE = 20_000

Maker = Callable[[Random, Language, bool], Task]
"""Makes a question; the last argument: in a wording that is kept for evaluation."""

_MAKERS: dict[Maker, float] = {
    arithmetic: 20,
    compare: 7,
    extreme: 4,
    sort: 8,
    count: 4,
    identity: 5,
    chat: 2,
    unknown: 12,
    call: 64,
    result: 6,
    objects: 11,
}
_MODES: dict[Mode, float] = {"think": 62, "off": 22, "soft": 9, "both": 5, "cut": 2}


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation with its last reply.

    Attributes:
        task: the last question.
        mode: how the reply begins.
        messages: the conversation without the last reply.
        tools: what the request offers.
        prompt: the same as text, up to where the model goes on.
        reply: what the model should say, the end of the turn included.
    """

    task: Task
    mode: Mode
    messages: tuple[Message, ...]
    tools: tuple[Message, ...]
    prompt: str
    reply: str


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = functools.partial(json.dumps, ensure_ascii=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def render(messages: Sequence[Message], tools: Sequence[Message], think: bool) -> str:
    """Write a conversation as the chat template does."""
    return _template().render(
        messages=messages, tools=tools, enable_thinking=think, add_generation_prompt=True
    )


def train_sample(rng: Random) -> Sample:
    """Make one conversation to train on; nothing that is kept for evaluation occurs in it."""
    mode = rng.choices(list(_MODES), list(_MODES.values()))[0]
    return _sample(rng, _task(rng), mode)


def kept_sample(
    rng: Random, skill: str, language: Language, mode: Mode, unseen: bool
) -> Sample | None:
    """Make one conversation to evaluate with; `unseen`: in a wording that is never trained on.

    Returns:
        None where no such question is kept: there are few ways to say good-bye.
    """
    makers = {"add": arithmetic, "subtract": arithmetic, "multiply": arithmetic, "json": objects}
    maker = makers.get(skill) or {maker.__name__: maker for maker in _MAKERS}[skill]
    for _ in range(_PATIENCE):
        task = maker(rng, language, unseen)
        if task.skill == skill and task.kept and task.kept_wording:
            return _sample(rng, task, mode)
    return None


def _sample(rng: Random, task: Task, mode: Mode) -> Sample:
    tools = list(task.tools)
    if not tools and rng.random() < (0.05 if task.skill == "unknown" else 0.15):
        tools = distractors(rng, task.language, ask=task.ask)
    ask = _framed(rng, task)
    system = _system(rng, task.language) if rng.random() < 0.35 else ""
    if mode in ("soft", "both"):
        if rng.random() < 0.1:
            system = f"{system} /no_think".strip()
        else:
            ask += rng.choice((" /no_think", " /no_think", "/no_think", "\n/no_think"))
    elif mode == "think" and rng.random() < 0.03:
        ask += " /think"
    first: list[Message] = [{"role": "system", "content": system}] if system else []
    history = _history(rng, tools) if rng.random() < 0.2 else []
    turns = list(task.turns)
    if turns and mode in ("off", "soft", "both"):
        turns[0] = {name: turns[0][name] for name in turns[0] if name != "reasoning"}
    messages = (*first, *history, {"role": "user", "content": ask}, *turns)
    prompt = render(messages, tools, mode not in ("off", "both"))
    prompt, reply = _reply(rng, task, mode, prompt)
    return Sample(task, mode, messages, tuple(tools), prompt, reply)


def _task(rng: Random) -> Task:
    while True:
        maker = rng.choices(list(_MAKERS), list(_MAKERS.values()))[0]
        task = maker(rng, rng.choices(LANGUAGES, (6, 4))[0], False)
        if not task.kept and not task.kept_wording:
            return task


def _framed(rng: Random, task: Task) -> str:
    frame, ask = load("frame")[task.language], task.ask
    if rng.random() < 0.14:
        before = fill(pick(rng, frame["before"]), blanks(rng, task.language))
        if rng.random() < 0.5 and not _begins_with_a_value(ask, task.answer):
            ask = ask[:1].lower() + ask[1:]
        ask = before + ask
    if rng.random() < 0.12:
        ask += fill(pick(rng, frame["after"]), blanks(rng, task.language))
    return ask


def _begins_with_a_value(ask: str, answer: str) -> bool:
    """Whether the first word is to be copied, so that it must stay as it is."""
    first = re.match("[A-Za-z0-9]+", ask)
    return first is not None and first[0] in answer


def _system(rng: Random, language: Language) -> str:
    if rng.random() < 0.2:
        language = rng.choice(LANGUAGES)
    frame = load("frame")[language]["system"]
    texts = [pick(rng, frame) for _ in range(rng.choice((1, 1, 1, 2)))]
    return fill(" ".join(texts), blanks(rng, language))


def _history(rng: Random, tools: list[Message]) -> list[Message]:
    """Make earlier turns; the tools that were used in them join those that are offered."""
    messages: list[Message] = []
    names = {tool["function"]["name"] for tool in tools}
    for _ in range(rng.choice((1, 1, 2, 3))):
        task = _task(rng)
        used = {tool["function"]["name"] for tool in task.tools}
        if len(task.answer) > 300 or task.skill == "call" or (used and (names or len(used) > 1)):
            continue
        names |= used
        tools += task.tools
        answer = task.answer
        if rng.random() < 0.2:
            answer = f"<think>\n{task.think}\n</think>\n\n{answer}"
        messages.append({"role": "user", "content": task.ask})
        messages += [*task.turns, {"role": "assistant", "content": answer}]
    return messages


def _reply(rng: Random, task: Task, mode: Mode, prompt: str) -> tuple[str, str]:
    answer = task.answer + END
    if mode in ("off", "both"):
        return prompt, answer
    if mode == "soft":
        return prompt, f"<think>\n\n</think>\n\n{answer}"
    if mode == "cut":
        cut = task.think[: rng.randrange(len(task.think) + 1)]
        return f"{prompt}<think>\n{cut}{rng.choice(('', chr(10)))}</think>", f"\n\n{answer}"
    return prompt, f"<think>\n{task.think}\n</think>\n\n{answer}"
