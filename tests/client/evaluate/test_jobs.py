"""How many samples are asked at once, and when asking ends."""

import asyncio

from client.evaluate.jobs import Job, ask_all
from client.evaluate.outcomes import Outcome
from client.evaluate.samples import Sample
from client.evaluate.settings import Settings
from client.openai.server import Server
from client.openai.types import Message
from tests.client.servers import Script, serve

SETTINGS = Settings("", "prompt", "reference", None, 1, "scripted", True, 64, 0.0, 0.9, 7)
JOBS = [Job(Sample(str(n), (Message("user", f"{n} + 1"),)), n % 2) for n in range(40)]


def ask(script: Script, concurrency: int) -> list[Outcome]:
    """Ask all of it."""
    outcomes: list[Outcome] = []

    async def once() -> None:
        async with serve(script) as url, Server(url) as server:
            assert await ask_all(server, SETTINGS, JOBS, concurrency, outcomes.append) > 0

    asyncio.run(once())
    return outcomes


def test_as_many_at_once_as_asked_and_no_more() -> None:
    """Concurrency is a bound that is reached, and each sample is asked once."""
    script = Script([{"content": "4"}, 0.01, {"content": "2"}])
    outcomes = ask(script, 6)
    assert script.most == 6
    assert sorted(int(outcome.id) for outcome in outcomes) == list(range(40))
    assert {outcome.answer for outcome in outcomes} == {"42"}


def test_request_says_what_the_settings_say() -> None:
    """Sampling goes with each request; a repeat has a seed of its own."""
    script = Script()
    ask(script, 1)
    wanted = {"temperature": 0.0, "top_p": 0.9, "max_tokens": 64, "reasoning_effort": "none"}
    for body, job in zip(script.bodies, JOBS, strict=True):
        assert wanted.items() <= body.items()
        assert body["seed"] == 7 + job.repeat
        assert body["stream_options"] == {"include_usage": True}


def test_failures_are_outcomes() -> None:
    """A refusal is kept with its reason, and the rest goes on."""
    script = Script(
        refuse=lambda body: (400, "too hard") if "5" in body["messages"][0]["content"] else None
    )
    failures = [outcome.failure for outcome in ask(script, 4) if outcome.failure]
    assert len(failures) == 4
    assert {(failure.kind, failure.message) for failure in failures} == {
        ("refused", "HTTP 400: too hard")
    }


def test_server_that_is_gone_ends_it() -> None:
    """After ten samples in a row that reach nobody, no more are sent."""
    outcomes: list[Outcome] = []

    async def once() -> None:
        async with Server("http://127.0.0.1:9/v1", model="gone") as server:
            await ask_all(server, SETTINGS, JOBS, 4, outcomes.append)

    asyncio.run(once())
    assert {outcome.failure and outcome.failure.kind for outcome in outcomes} == {"unreachable"}
    assert 10 <= len(outcomes) < 10 + 4
