"""`/ready` says what is known of the model's thinking, as soon as it is known."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.types import MarkToken
from tests.conftest import Running, RunServer, eventually
from tests.fakes import TEMPLATE, FakeEngine

pytestmark = pytest.mark.anyio

HARMONY = "<|start|>assistant<|channel|>analysis<|message|>"
PREFILLED = "strips <think></think>"


class Vocabulary(FakeEngine):
    """An engine that has one of the marks as a token."""

    def mark_tokens(self, texts: Sequence[str]) -> Sequence[MarkToken]:
        return [MarkToken(text, 151667, special=False) for text in texts if text == "<think>"]


async def told(running: Running) -> Any:
    return (await running.ask("GET", "/ready")).json()["thinking"]


async def test_before_the_engine_has_started(run_server: RunServer) -> None:
    """Null until the templates are rendered; then it is told, though the weights still load."""
    engine = Vocabulary(render=asyncio.Event(), starting=asyncio.Event())
    assert engine.render is not None
    assert engine.starting is not None
    async with run_server(engine, wait=False) as running:
        assert await told(running) is None
        engine.render.set()
        await eventually(lambda: running.lifecycle.profile_or_none)
        answer = await running.ask("GET", "/ready")
        assert (answer.status, answer.json()["status"]) == (503, "starting")
        assert answer.json()["thinking"] == {
            "format": "think",
            "switch": "enable_thinking",
            "marks": {"<think>": 151667, "</think>": None},
            "why": "the chat template mentions <think>, </think>",
        }
        engine.starting.set()
        await eventually(lambda: running.lifecycle.status == "ready")


@pytest.mark.parametrize(
    ("template", "setting", "format_name", "switch", "why"),
    [
        (PREFILLED, "auto", "think", "prefill", "the chat template mentions <think>, </think>"),
        (
            "plain",
            "auto",
            "think",
            "none",
            "the chat template mentions no marks, so <think>, </think> are looked for",
        ),
        (
            "",
            "auto",
            "think",
            "none",
            "there is no chat template, so <think>, </think> are looked for",
        ),
        (
            HARMONY,
            "auto",
            "gpt_oss",
            "prefill",
            "the chat template mentions <|start|>, <|channel|>, <|message|>",
        ),
        (HARMONY, "deepseek_r1", "deepseek_r1", "prefill", "[thinking] format says so"),
        (TEMPLATE, "none", "none", "none", "[thinking] format says so"),
    ],
)
async def test_how_it_is_told_and_switched(
    run_server: RunServer, template: str, setting: str, format_name: str, switch: str, why: str
) -> None:
    """By the template's own words, unless the configuration says it."""
    async with run_server(FakeEngine(template=template), f"thinking.format={setting}") as running:
        thinking = await told(running)
    assert (thinking["format"], thinking["switch"]) == (format_name, switch)
    assert thinking["why"] == why


async def test_a_template_of_its_own(run_server: RunServer, tmp_path: Path) -> None:
    """Where a configured template is for replies without thinking, it is the switch."""
    path = tmp_path / "plain.jinja"
    path.write_text("")
    engine = FakeEngine(template=PREFILLED, templates={"nothink": "plain"})
    async with run_server(engine, f"templates.nothink={path}") as running:
        thinking = await told(running)
    assert thinking["switch"] == "template"


async def test_the_default_template_decides(run_server: RunServer, tmp_path: Path) -> None:
    """The configured one that replaces the model's own is the one that is told of."""
    path = tmp_path / "house.jinja"
    path.write_text("")
    engine = FakeEngine(template=TEMPLATE, templates={"default": PREFILLED})
    async with run_server(engine, f"templates.default={path}") as running:
        thinking = await told(running)
    assert (thinking["format"], thinking["switch"]) == ("think", "prefill")
