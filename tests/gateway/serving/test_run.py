"""`gateway.serving.run`: what is written is what is taken from the engine, and no more."""

import asyncio

import pytest

from engine.types import GenerationRequest, Sampling
from gateway.http.context import KEY, RequestContext
from gateway.serving.request import RequestState
from gateway.serving.run import GenerationRun
from gateway.writers.completions import CompletionWriter
from gateway.writers.openai import FIELDS, Identity
from tests.conftest import eventually
from tests.fakes import FakeEngine
from tests.gateway.serving.choices import choice

pytestmark = pytest.mark.anyio


class Client:
    """Reads so many messages, and then none until it is told to go on."""

    def __init__(self, reads=10**9):
        self.reads = reads
        self.go_on = asyncio.Event()
        self.leave = asyncio.Event()
        self.sent = []

    @property
    def waits(self):
        """Whether the server has something for it that it does not read."""
        return len(self.sent) > self.reads

    async def send(self, message):
        self.sent.append(message)
        if self.waits:
            await self.go_on.wait()

    async def receive(self):
        await self.leave.wait()
        return {"type": "http.disconnect"}

    @property
    def text(self):
        return b"".join(message.get("body", b"") for message in self.sent)


async def stream(engine, name, client, prompts):
    """Run a request of many prompts for a client."""
    rendered = [await engine.render_text("?") for _ in range(prompts)]
    run = GenerationRun(
        request=GenerationRequest(name, rendered, Sampling(), incremental=True),
        state=RequestState(rendered, [choice() for _ in rendered]),
        writer=CompletionWriter(
            Identity(name, 1, "demo"), FIELDS["both"], show_thinking=True, include_usage=False
        ),
        model="demo",
        visibility="parsed",
        headers={},
        streamed=True,
        continuous_usage=False,
        ping_seconds=0.001,
        gather_until=None,
    )
    scope = {"type": "http", KEY: RequestContext(send=client.send)}
    await run.respond(engine, scope, client.receive, client.send)


async def test_nothing_is_taken_for_a_client_that_does_not_read():
    """Of however many prompts: what the engine has gained meanwhile stays there, as one delta."""
    engine = FakeEngine(reply="x" * 200)
    slow, quick = Client(reads=3), Client()
    async with asyncio.TaskGroup() as group:
        group.create_task(stream(engine, "slow", slow, prompts=50))
        await eventually(lambda: slow.waits)
        taken = engine.taken["slow"]
        await stream(engine, "quick", quick, prompts=50)
        assert engine.taken["quick"] == 50 * 200
        assert engine.taken["slow"] == taken < 50 * 5
        slow.go_on.set()
    assert slow.text.count(b'"x"') == quick.text.count(b'"x"') == 50 * 200


async def test_a_client_that_leaves_is_not_written_to():
    """The end of a request whose client is gone is nobody's to read."""
    engine = FakeEngine(hold=asyncio.Event(), free=3)
    client = Client()
    async with asyncio.TaskGroup() as group:
        group.create_task(stream(engine, "left", client, prompts=2))
        await eventually(lambda: engine.taken["left"] == 3 * 2)
        client.leave.set()
    assert not engine.open
    assert all(message.get("more_body", True) for message in client.sent)
