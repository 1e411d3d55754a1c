"""Without a key nobody comes in."""

import openai
import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import BODIES

pytestmark = pytest.mark.anyio

PREFIXES = ("", "/hidden", "/raw/nothink")


async def test_without_a_key_nobody_comes_in(run_server: RunServer) -> None:
    """Every route but the probes says 401 and how to log in, with any prefix, even unknown ones."""
    closed = (*BODIES, "/v1/models", "/v1/models/demo", "/version", "/metrics", "/nowhere")
    async with run_server(FakeEngine(), keys=("right", "other")) as running:
        for prefix in PREFIXES:
            for path in closed:
                for key in (
                    None,
                    "Bearer wrong",
                    "Bearer ",
                    "right",
                    "Basic right",
                    "Bearer rightx",
                ):
                    headers = {"authorization": key} if key else {}
                    answer = await running.ask("POST", prefix + path, {}, headers)
                    assert answer.told() == (401, "invalid_request_error", "invalid_api_key")
                    assert answer.headers["www-authenticate"] == "Bearer"
            for path in ("/live", "/ready", "/health"):
                assert (await running.ask("GET", prefix + path)).status == 200


async def test_odd_keys_are_wrong_keys(run_server: RunServer) -> None:
    """Two headers, other alphabets, a Host that looks like a probe: still 401."""
    async with run_server(FakeEngine(), keys=("right",)) as running:
        odd = [
            {"authorization": "Bearer rìght"},
            {"authorization": "Bearer " + "x" * 10000},
            {"host": "x/health?"},
            {"authorization": "Bearer right\r\nauthorization: Bearer right"},
        ]
        for headers in odd:
            answer = await running.ask("GET", "/v1/models", None, headers)
            assert answer.told() == (401, "invalid_request_error", "invalid_api_key")


async def test_any_of_the_keys_opens(run_server: RunServer) -> None:
    """The official client gets in with either key, and raises without."""
    async with run_server(FakeEngine(), keys=("right", "other")) as running:
        for key in ("right", "other"):
            async with running.openai("/hidden/v1", api_key=key) as client:
                assert (await client.models.list()).data
        async with running.openai(api_key="wrong") as client:
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()


async def test_metrics_may_be_public(run_server: RunServer) -> None:
    """`metrics.public` opens `/metrics`, and nothing else."""
    async with run_server(FakeEngine(), "metrics.public=true", keys=("right",)) as running:
        assert (await running.ask("GET", "/metrics")).status == 200
        assert (await running.ask("GET", "/version")).status == 401
