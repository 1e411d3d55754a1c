"""What is wrong with a request is an HTTP status with OpenAI's error object, on every route."""

import asyncio
import json
from typing import Any

import openai
import pytest

from tests.conftest import Answer, RunServer, request
from tests.fakes import FakeEngine

pytestmark = pytest.mark.anyio

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
HELLO: list[Any] = [{"role": "user", "content": "?"}]
BODIES = {CHAT: {"messages": HELLO}, COMPLETIONS: {"prompt": "?"}}
POSTS = (CHAT, COMPLETIONS)
GETS = ("/v1/models", "/v1/models/demo", "/live", "/ready", "/health", "/version", "/metrics")
BAD_VALUES: list[tuple[str, dict[str, Any], str | None]] = [
    (CHAT, {"messages": []}, "messages"),
    (CHAT, {"messages": None}, "messages"),
    (CHAT, {"messages": [{"role": "king", "content": "?"}]}, "messages[0].role"),
    (CHAT, {"messages": [*HELLO, {"role": "user", "content": 1}]}, "messages[1].content"),
    (CHAT, {"temperature": 3}, "temperature"),
    (CHAT, {"temperature": "1"}, "temperature"),
    (CHAT, {"top_p": 0}, "top_p"),
    (CHAT, {"n": 0}, "n"),
    (CHAT, {"n": 17}, "n"),
    (CHAT, {"seed": 2**64}, "seed"),
    (CHAT, {"max_tokens": 0}, "max_tokens"),
    (CHAT, {"max_completion_tokens": 5000}, None),
    (CHAT, {"max_tokens": 5000}, "max_tokens"),
    (CHAT, {"stop": ""}, "stop"),
    (CHAT, {"stream": "yes"}, "stream"),
    (CHAT, {"stream": False, "stream_options": {}}, "stream_options"),
    (CHAT, {"logit_bias": {"x": 1}}, "logit_bias"),
    (CHAT, {"reasoning_effort": "much"}, "reasoning_effort"),
    (CHAT, {"chat_template": "none"}, "chat_template"),
    (COMPLETIONS, {"prompt": None}, "prompt"),
    (COMPLETIONS, {"max_tokens": 4097}, "max_tokens"),
    (COMPLETIONS, {"top_k": 2**40}, "top_k"),
    (COMPLETIONS, {"prompt": [-(2**70)]}, None),
]
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


async def test_without_a_key_nobody_comes_in(run_server: RunServer) -> None:
    """Every route but the probes says 401 and how to log in, with any prefix, even unknown ones."""
    closed = (*POSTS, "/v1/models", "/v1/models/demo", "/version", "/metrics", "/nowhere")
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


async def test_bodies_too_big(run_server: RunServer) -> None:
    """413 by what is declared and by what arrives; the connection can be used again."""
    big = json.dumps({"messages": [{"role": "user", "content": "x" * 5000}]}).encode()
    headers = {"content-type": "application/json", "transfer-encoding": "chunked"}
    async with run_server(FakeEngine(), "server.max_body_bytes=4096") as running:
        for path in (*POSTS, "/hidden" + CHAT):
            declared = await running.ask("POST", path, big)
            assert declared.told() == (413, "invalid_request_error", None)
            async with running.connect() as connection:
                connection.send(request("POST", path, None, headers))
                connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(big), big))
                answer = Answer.parse(await connection.until(b"}}"))
                assert answer.told() == (413, "invalid_request_error", None)
                connection.send(request("GET", "/v1/models"))
                assert (await connection.until(b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_endless_bodies_come_to_an_end(
    run_server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of a refused body is read for a while, so that the answer arrives."""
    monkeypatch.setattr("gateway.http.protocol.HEAD_SECONDS", 0.3)
    async with run_server(FakeEngine()) as running, running.connect() as connection:
        connection.send(request("POST", CHAT, b"", {"content-length": "9" * 15}))
        assert Answer.parse(await connection.until(b"}}")).status == 413
        async with asyncio.timeout(2):
            while not connection.writer.transport.is_closing():
                connection.send(b"x" * 1000)
                await asyncio.sleep(0.01)


async def test_the_official_client_sees_413(run_server: RunServer) -> None:
    """A client that sends megabytes beyond the limit still gets to read why."""
    async with run_server(FakeEngine(), "server.max_body_bytes=4096") as running:
        async with running.openai() as client:
            with pytest.raises(openai.APIStatusError) as caught:
                await client.completions.create(model="demo", prompt="x" * 20_000_000)
    assert caught.value.status_code == 413


@pytest.mark.parametrize("path", POSTS)
async def test_bodies_that_are_not_json(run_server: RunServer, path: str) -> None:
    """415 for what is not declared as plain JSON, 400 for what is not."""
    good = json.dumps(BODIES[path]).encode()
    async with run_server(FakeEngine()) as running:
        for headers in (
            {"content-type": "text/plain"},
            {"content-type": ""},
            {"content-type": "multipart/form-data; boundary=x"},
            {"content-type": "application/jsonx"},
            {"content-encoding": "gzip"},
        ):
            answer = await running.ask("POST", path, good, headers)
            assert answer.told() == (415, "invalid_request_error", None)
        for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"{}{}", b"[" * 100_000):
            answer = await running.ask("POST", path, body)
            assert answer.told() == (400, "invalid_request_error", None), body[:10]
        for kind in ("application/json; charset=utf-8", "Application/JSON", "application/x+json"):
            answer = await running.ask("POST", path, good, {"content-type": kind})
            assert answer.status == 200


async def test_the_field_is_named(run_server: RunServer) -> None:
    """A bad value is a 400 that names the field, streamed or not, and stays with us."""
    engine = FakeEngine()
    async with run_server(engine) as running:
        for path, fields, param in BAD_VALUES:
            for stream in ({}, {"stream": True}):
                answer = await running.ask("POST", path, {**BODIES[path], **stream, **fields})
                assert answer.told() == (400, "invalid_request_error", None), fields
                assert param in (None, answer.error()["param"])
    assert not engine.generations


async def test_unknown_fields(run_server: RunServer) -> None:
    """They are ignored, unless `[limits] strict` is set."""
    body = {"messages": HELLO, "temprature": 1}
    async with run_server(FakeEngine()) as running:
        assert (await running.ask("POST", CHAT, body)).status == 200
    async with run_server(FakeEngine(), "limits.strict=true") as running:
        answer = await running.ask("POST", CHAT, body)
    assert (answer.status, answer.error()["param"]) == (400, "temprature")


async def test_unknown_models_are_404(run_server: RunServer) -> None:
    """A model that is not served, or a suffix that is no word, is `model_not_found`."""
    async with run_server(FakeEngine(), 'model.names=["demo","alias"]') as running:
        for model in ("gpt-4o", "", "demo:", "demo:shown", "demo:hidden:x", "Demo"):
            for path in POSTS:
                answer = await running.ask("POST", path, {**BODIES[path], "model": model})
                if model:
                    assert answer.told() == (404, "invalid_request_error", "model_not_found")
        for model in ("demo", "alias", "alias:raw", None):
            answer = await running.ask("POST", CHAT, {"messages": HELLO, "model": model})
            assert answer.json()["model"] == "demo"


async def test_the_context_length(run_server: RunServer) -> None:
    """Only a prompt that does not fit, or a limit above the context, is refused."""
    async with run_server(FakeEngine(max_model_len=200)) as running, running.openai() as client:
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.completions.create(model="demo", prompt="x" * 200, stream=stream)
            assert caught.value.code == "context_length_exceeded"
            assert "200" in caught.value.message
            with pytest.raises(openai.BadRequestError):
                await client.completions.create(
                    model="demo", prompt="x", max_tokens=201, stream=stream
                )
        fits = await client.completions.create(model="demo", prompt="x" * 199, max_tokens=200)
    assert fits.choices
