"""The routes that ask how we are."""

import pytest

from gateway import __version__
from tests.conftest import RunServer
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("prefix", ["", "/hidden", "/nothink/raw"])
async def test_a_gateway_that_serves(run_server: RunServer, prefix: str) -> None:
    """All is well, and told without a key under every prefix."""
    async with run_server(FakeEngine(), keys=("secret",)) as running:
        live, ready, health = [
            await running.ask("GET", f"{prefix}/{probe}") for probe in ("live", "ready", "health")
        ]
    assert [answer.status for answer in (live, ready, health)] == [200] * 3
    assert live.body == health.body == b""
    told = ready.json()
    assert told.pop("seconds").keys() == {"import", "engine"}
    assert told == {
        "status": "ready",
        "model": "demo",
        "requests_in_flight": 0,
        "thinking": ready.json()["thinking"],
    }


async def test_versions(run_server: RunServer) -> None:
    """Ours, and the installed vLLM's."""
    async with run_server(FakeEngine()) as running:
        versions = (await running.ask("GET", "/version")).json()
    assert versions["version"] == __version__
    assert versions["vllm"].startswith("0.3")


async def test_head_is_get_without_a_body(run_server: RunServer) -> None:
    """Load balancers ask so."""
    async with run_server(FakeEngine()) as running:
        answer = await running.ask("HEAD", "/ready")
    assert (answer.status, answer.body) == (200, b"")
