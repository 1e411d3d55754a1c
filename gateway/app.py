"""The application: routes, middleware, errors and lifespan on one screen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from engine.errors import EngineError
from gateway.api.chat import ChatCompletions
from gateway.api.completions import Completions
from gateway.api.models import Models
from gateway.api.probes import Probes
from gateway.config.keys import KnownKeys
from gateway.config.settings import Config
from gateway.http.access_log import AccessLog
from gateway.http.body import BodyLimit
from gateway.http.cancellation import Cancellation
from gateway.http.context import context_of
from gateway.http.cors import Cors
from gateway.http.errors import ApiError, as_api_error
from gateway.http.keys import ApiKeys
from gateway.http.prefixes import PathPrefixes
from gateway.http.request_id import RequestId
from gateway.serving.lifecycle import EngineLifecycle
from gateway.thinking.words import WORDS

PROBES = frozenset({"/live", "/ready", "/health"})


def create_app(config: Config, lifecycle: EngineLifecycle, keys: KnownKeys) -> ASGIApp:
    """The gateway as an ASGI application.

    Args:
        config: the configuration.
        lifecycle: the engine's life; the application's lifespan runs it.
        keys: the API keys that are let in; none lets everybody in.
    """
    routes = _routes(config, lifecycle)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(lifecycle.run())
            yield
            lifecycle.stop()

    app = Starlette(
        routes=routes,
        middleware=_middleware(config, keys),
        exception_handlers=dict.fromkeys((ApiError, EngineError, HTTPException, Exception), _tell),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    known = frozenset(route.path for route in routes)

    def route_of(path: str) -> str:
        if path.startswith("/v1/models/"):
            return "/v1/models/{id}"
        return path if path in known else "unknown"

    logged = AccessLog(Cancellation(app), route_of, silent=PROBES, enabled=config.logging.access)
    return RequestId(PathPrefixes(logged, WORDS))


def _routes(config: Config, lifecycle: EngineLifecycle) -> list[Route]:
    models, probes = Models(config, lifecycle), Probes(config, lifecycle)
    return [
        Route("/v1/chat/completions", ChatCompletions(config, lifecycle), methods=["POST"]),
        Route("/v1/completions", Completions(config, lifecycle), methods=["POST"]),
        Route("/v1/models", models.all),
        Route("/v1/models/{id:path}", models.one),
        Route("/live", probes.live),
        Route("/ready", probes.ready),
        Route("/health", probes.health),
        Route("/version", probes.version),
        Route("/metrics", probes.metrics),
    ]


def _middleware(config: Config, keys: KnownKeys) -> list[Middleware]:
    """From the outside in."""
    open_paths = PROBES | {"/metrics"} if config.metrics.public else PROBES
    inner = [
        Middleware(ApiKeys, keys=keys, open_paths=open_paths),
        Middleware(BodyLimit, limit=config.server.max_body_bytes),
    ]
    if not config.server.cors_origins:
        return inner
    cors = Middleware(
        Cors,
        allow_origins=config.server.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "x-thinkgate-reasoning", "x-thinkgate-warning"],
    )
    return [cors, *inner]


async def _tell(request: Request, error: Exception) -> Response:
    told = as_api_error(error)
    context_of(request.scope).error_code = told.code
    return told.response()
