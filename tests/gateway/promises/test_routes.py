"""Which paths and methods there are, with or without words in front."""

import pytest

from tests.conftest import RunServer
from tests.fakes import FakeEngine
from tests.gateway.promises.asking import CHAT, COMPLETIONS

pytestmark = pytest.mark.anyio

POSTS = (CHAT, COMPLETIONS)
GETS = ("/v1/models", "/v1/models/demo", "/live", "/ready", "/health", "/version", "/metrics")
PREFIXES = ("", "/hidden", "/raw/nothink")


async def test_unknown_routes_are_404(run_server: RunServer) -> None:
    """No route, no slash more or less, no prefix twice or by itself."""
    paths = ("/", "/v1", "/v2/models", "/v1/models/", CHAT + "/", "/hidden", "/hidden/", "//v1")
    paths += ("/hidden/hidden/v1/models", "/v1/hidden/models", "/HIDDEN/v1/models", "/%2e%2e/x")
    async with run_server(FakeEngine()) as running:
        for path in paths:
            for method in ("GET", "POST"):
                answer = await running.ask(method, path)
                expected = "model_not_found" if path == "/v1/models/" else None
                if answer.status != 405:
                    assert answer.told() == (404, "invalid_request_error", expected), path


async def test_other_methods_are_405(run_server: RunServer) -> None:
    """Each route names in `Allow` what it takes, and refuses the rest with a JSON error."""
    async with run_server(FakeEngine()) as running:
        for prefix in PREFIXES:
            for path in POSTS + GETS:
                for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                    if method == ("POST" if path in POSTS else "GET"):
                        continue
                    answer = await running.ask(method, prefix + path)
                    assert answer.told() == (405, "invalid_request_error", None), (method, path)
                    allowed = set(answer.headers["allow"].split(", "))
                    assert allowed == ({"POST"} if path in POSTS else {"GET", "HEAD"})


async def test_head_is_get_without_a_body(run_server: RunServer) -> None:
    """HEAD works on every GET route, errors included."""
    async with run_server(FakeEngine()) as running:
        for path in GETS:
            answer = await running.ask("HEAD", path)
            assert (answer.status, answer.body) == (200, b"")
        assert (await running.ask("HEAD", "/v1/models/none")).status == 404
        assert (await running.ask("HEAD", CHAT)).status == 405
