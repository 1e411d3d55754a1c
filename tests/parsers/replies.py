"""Replies of every family, and what a parser makes of them.

The replies and what they stand for are in `tests/cases`, one file a family.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from hypothesis import strategies as st

from parsers import events
from parsers.events import Event, Text, ToolCallStart
from parsers.families import FAMILIES, Family
from parsers.reply import ReplyParser
from tests.parsers.cuts import joined

_CASES = Path(__file__).parent.parent / "cases"


@dataclass(frozen=True)
class Setting:
    """A family, and what its parser is told of the prompt."""

    family: Family
    tail: str = ""
    assumed: bool = False
    tools: bool = False

    def parser(self) -> ReplyParser:
        """A parser for one reply."""
        return self.family.parser(self.tail, assumed=self.assumed, tools=self.tools)

    def parse(self, pieces: Sequence[str]) -> list[Event]:
        """All events of a reply that arrives in `pieces`."""
        parser = self.parser()
        return [event for text in pieces for event in parser.feed(text)] + parser.finish()


@dataclass(frozen=True)
class Case:
    """A reply as generated, and the events that it stands for."""

    setting: Setting
    raw: str
    events: list[Event]


def read_cases() -> list[ParameterSet]:
    """Every case of every family, by name."""
    cases = []
    for path in sorted(_CASES.glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in document["case"]:
            setting = Setting(
                FAMILIES[path.stem],
                entry.get("tail", document.get("tail", "")),
                entry.get("assumed", False),
                entry.get("tools", False),
            )
            case = Case(setting, entry["raw"], [_event(*fields) for fields in entry["events"]])
            cases.append(pytest.param(case, id=f"{path.stem}: {entry['name']}"))
    return cases


def _event(kind: str, start: int, end: int, *text: str) -> Event:
    event: Any = getattr(events, kind)
    made: Event = event(*text, start, end)
    return made


def characters(found: Sequence[Event]) -> list[tuple[object, ...]]:
    """Events taken apart into single characters, each with its own place."""
    taken: list[tuple[object, ...]] = []
    for event in found:
        if isinstance(event, Text):
            assert event.end - event.start == len(event.text)
            places = enumerate(event.text, event.start)
            taken += [(type(event), place, character) for place, character in places]
        else:
            name = event.name if isinstance(event, ToolCallStart) else ""
            taken.append((type(event), event.start, event.end, name))
    return taken


TAGGED = joined(
    *("<think>", "</think>", "<|thinking|>", "<|/thinking|>", "<thi", "</", "<|", "think>", ">"),
    *(
        "<tool_call>",
        "<tool",
        "_call>",
        "`",
        "\n",
        "\r\n",
        " ",
        " " * 15,
        "a",
        "思考",
        "👩‍💻",
        "\u0301",
    ),
)
"""What boundaries of the tag families are made of."""

CHANNELS = joined(
    *("<|start|>assistant", "<|channel|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>"),
    *("<|start|>", "<|constrain|>json", "analysis", "final", "commentary", " to=functions.look"),
    *("<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "<|chan", "el|>", "<|"),
    *(" to=python", "`", '"', "\n", " ", "a", "思考", "👩‍💻", "<", "a " * 60),
)
"""The same for channels."""

TAILS = ["", "<think>\n", "<|thinking|>", "<think></think>", "Once"]
CHANNEL_TAILS = ["", "Once", "<|start|>assistant", "<|start|>assistant<|channel|>fi", "<|message|>"]
CHANNEL_TAILS += [
    f"<|start|>assistant<|channel|>{name}<|message|>" for name in ("analysis", "final")
]


@st.composite
def replies(draw: st.DrawFn) -> tuple[Setting, str]:
    """A family with a prompt, and any text in the stuff that its boundaries are made of."""
    family = draw(st.sampled_from(list(FAMILIES.values())))
    channels = family.name == "gpt_oss"
    tail = draw(st.sampled_from(CHANNEL_TAILS if channels else TAILS))
    setting = Setting(family, tail, draw(st.booleans()), draw(st.booleans()))
    return setting, draw(CHANNELS if channels else TAGGED)
