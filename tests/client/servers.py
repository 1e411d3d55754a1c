"""A scripted OpenAI-compatible server on a real socket, for the clients' tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Script:
    """What the server answers, and what it was asked.

    Attributes:
        deltas: what each chunk says, such as `{"reasoning": "hm"}`; a number is a pause in seconds.
        usage: of the usage chunk, or of the whole response.
        finish_reason: of the choice.
        refuse: body -> None, or a status with what is wrong.
        cut: end the stream without `[DONE]`.
        metrics: the page at `/metrics`.
        bodies: the body of each request so far.
        peers: the address of each connection that has sent one.
        running: how many requests are being answered.
        most: how many were at once.
    """

    deltas: Sequence[dict[str, Any] | float] = ({"content": "42"},)
    usage: dict[str, Any] | None = field(
        default_factory=lambda: {"prompt_tokens": 5, "completion_tokens": 1}
    )
    finish_reason: str = "stop"
    refuse: Callable[[dict[str, Any]], tuple[int, str] | None] = lambda body: None
    cut: bool = False
    metrics: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    running: int = 0
    most: int = 0

    async def models(self, request: web.Request) -> web.Response:
        """Answer `GET /v1/models`."""
        return web.json_response({"object": "list", "data": [{"id": "scripted"}]})

    async def page(self, request: web.Request) -> web.Response:
        """Answer `GET /metrics`."""
        return web.Response(text=self.metrics)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat or a completion."""
        body = await request.json()
        self.peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        self.bodies.append(body)
        if refusal := self.refuse(body):
            status, message = refusal
            return web.json_response({"error": {"message": message}}, status=status)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await (self._stream(request) if body.get("stream") else self._whole())
        finally:
            self.running -= 1

    async def _whole(self) -> web.Response:
        message: dict[str, str] = {}
        for delta in self.deltas:
            if isinstance(delta, float):
                await asyncio.sleep(delta)
                continue
            for name, text in delta.items():
                message[name] = message.get(name, "") + text
        choice = {"message": message, "finish_reason": self.finish_reason}
        return web.json_response({"choices": [choice], "usage": self.usage})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def send(data: str) -> None:
            await response.write(f"data: {data}\n\n".encode())

        for delta in self.deltas:
            if isinstance(delta, float):
                await asyncio.sleep(delta)
            else:
                await send(json.dumps({"choices": [{"delta": delta}]}))
        if not self.cut:
            await send(
                json.dumps({"choices": [{"delta": {}, "finish_reason": self.finish_reason}]})
            )
            await send(json.dumps({"choices": [], "usage": self.usage}))
            await send("[DONE]")
        return response


@asynccontextmanager
async def serve(script: Script) -> AsyncIterator[str]:
    """Run the script on a free port; its base URL."""
    app = web.Application()
    app.router.add_get("/v1/models", script.models)
    app.router.add_get("/metrics", script.page)
    app.router.add_post("/v1/chat/completions", script.complete)
    app.router.add_post("/v1/completions", script.complete)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()
