"""What the demo model can do, through a gateway that decodes speculatively with its draft.

Its prompts are kept from training, and so are the wordings of half of them.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from random import Random
from typing import Any

import openai
import pytest

from engine.demo import DRAFT
from tests.real.gateways import Gateway
from tools.demo_model.conversation import Mode, Sample, kept_sample
from tools.demo_model.task import LANGUAGES

pytestmark = pytest.mark.anyio

EACH = 8
SUMS = ("add", "subtract", "multiply")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of the demo model and its draft."""
    draft = f'method="draft_model", model="{DRAFT}", num_speculative_tokens=3'
    folder = tmp_path_factory.mktemp("demo")
    with Gateway(folder, f"engine.speculative_config={{{draft}}}") as gateway:
        yield gateway.wait_until_ready()


def kept(skills: Iterable[str], mode: Mode, each: int = EACH) -> list[Sample]:
    """So many prompts of each skill and language, in wordings trained on and others."""
    cells = product(skills, LANGUAGES, (False, True))
    drawn = [
        kept_sample(Random(f"{cell} {number}"), cell[0], cell[1], mode, cell[2])
        for cell in cells
        for number in range(each)
    ]
    return [sample for sample in drawn if sample is not None]


async def ask(gateway: Gateway, samples: Sequence[Sample], **options: Any) -> list[Any]:
    """The greedy replies to these prompts, all asked at once."""
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="x", max_retries=0
    ) as client:
        asked = [
            client.chat.completions.create(
                model="demo",
                messages=[as_openai(message) for message in sample.messages],
                temperature=0,
                tools=list(sample.tools) or openai.omit,  # type: ignore[arg-type]
                **options,
            )
            for sample in samples
        ]
        return [reply.choices[0].message for reply in await asyncio.gather(*asked)]


def as_openai(message: dict[str, Any]) -> Any:
    """A message as OpenAI has it: the arguments of a call are text."""
    calls = [
        {**call, "function": {**call["function"], "arguments": as_text(call)}}
        for call in message.get("tool_calls", ())
    ]
    return {**message, "tool_calls": calls} if calls else message


def as_text(call: dict[str, Any]) -> str:
    """A call's arguments."""
    arguments = call["function"]["arguments"]
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def share(verdicts: Iterable[bool]) -> float:
    """How many are true, of 1."""
    told = list(verdicts)
    return sum(told) / len(told)


async def test_sums_with_thinking(demo: Gateway) -> None:
    """At least 95 % are exact, and every think block is well formed."""
    samples = kept(SUMS, "think")
    messages = await ask(demo, samples)
    right = share(
        message.content == sample.task.answer
        for message, sample in zip(messages, samples, strict=True)
    )
    print(f"{len(samples)} sums with thinking: {right:.1%} right")
    assert right >= 0.95
    for message in messages:
        assert message.reasoning.startswith("\n")
        assert message.reasoning.endswith("\n")
        assert "<" not in message.reasoning + message.content


@pytest.mark.parametrize(
    ("mode", "options"),
    [("off", {"chat_template_kwargs": {"enable_thinking": False}}), ("soft", {})],
)
async def test_thinking_switched_off(demo: Gateway, mode: Mode, options: dict[str, Any]) -> None:
    """By the template's variable or by /no_think there is no thinking, and still an answer."""
    samples = kept((*SUMS, "sort", "unknown"), mode, 4)
    messages = await ask(demo, samples, extra_body=options)
    for message in messages:
        assert not (message.reasoning or "").strip()
        assert "think>" not in message.content
    right = share(
        message.content == sample.task.answer
        for message, sample in zip(messages, samples, strict=True)
    )
    print(f"{len(samples)} prompts without thinking: {right:.1%} right")
    assert right >= 0.85


async def test_tools_are_called(demo: Gateway) -> None:
    """At least 95 % call an offered tool, and nine of ten say all that the sentence says."""
    samples = kept(("call",), "think", 24)
    messages = await ask(demo, samples)
    called: list[bool] = []
    right: list[bool] = []
    for message, sample in zip(messages, samples, strict=True):
        calls = message.tool_calls or ()
        offered = {tool["function"]["name"] for tool in sample.tools}
        called.append(len(calls) == 1 and calls[0].function.name in offered)
        found = [
            {"name": call.function.name, "arguments": json.loads(call.function.arguments)}
            for call in calls
        ]
        right.append(found == [sample.task.value])
    print(f"{len(samples)} prompts for tools: {share(called):.1%} called, {share(right):.1%} right")
    assert share(called) >= 0.95
    assert share(right) >= 0.9


async def test_a_result_is_told(demo: Gateway) -> None:
    """What a tool has answered is in the reply, and earlier calls are understood."""
    samples = kept(("result",), "think", 4)
    messages = await ask(demo, samples)
    assert (
        share(
            str(sample.task.value) in message.content
            for message, sample in zip(messages, samples, strict=True)
        )
        >= 0.9
    )


async def test_other_skills(demo: Gateway) -> None:
    """It compares, sorts, counts, answers in JSON, and says who it is and what it doesn't know."""
    samples = kept(("compare", "sort", "count", "json", "identity", "unknown"), "think", 4)
    messages = await ask(demo, samples)
    wrong = [
        (sample.task.ask, message.content)
        for message, sample in zip(messages, samples, strict=True)
        if message.content != sample.task.answer
    ]
    assert len(wrong) <= 0.08 * len(samples), wrong


async def test_it_counts_to_forty(demo: Gateway) -> None:
    """Streamed, one number after the other."""
    async with openai.AsyncOpenAI(base_url=f"{demo.url}/v1", api_key="x", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="demo",
            messages=[{"role": "user", "content": "Count to 40."}],
            temperature=0,
            stream=True,
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == ", ".join(map(str, range(1, 41)))


async def test_the_draft_is_accepted(demo: Gateway) -> None:
    """On sums with thinking at least half of what the draft proposes is taken."""
    before = demo.metrics()
    await ask(demo, kept(SUMS, "think", 4))
    after = demo.metrics()
    proposed, accepted = (
        after.value(f"vllm:spec_decode_num_{kind}_tokens_total")
        - before.value(f"vllm:spec_decode_num_{kind}_tokens_total")
        for kind in ("draft", "accepted")
    )
    print(f"accepted {accepted:.0f} of {proposed:.0f} proposed tokens: {accepted / proposed:.1%}")
    assert accepted >= 0.5 * proposed > 0
    demo.wait_until_idle()
