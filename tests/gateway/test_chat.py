"""Chat completions over HTTP, with a fake engine."""

import openai
import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio


async def test_parsed_thinking_has_its_own_field(run_server: RunServer) -> None:
    """By default thinking is sent apart from the answer, under both names."""
    async with run_server(FakeEngine()) as running:
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="x") as client:
            reply = await client.chat.completions.create(
                model="demo", messages=[{"role": "user", "content": "?"}]
            )
    message = reply.choices[0].message
    assert message.content == "It is 42."
    assert message.reasoning == message.reasoning_content == "\nLet me see.\n"  # type: ignore[attr-defined]
