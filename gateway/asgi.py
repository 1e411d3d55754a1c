"""The composition root: everything that a configuration asks for, as one ASGI application."""

from starlette.types import Receive, Scope, Send

from gateway.app import create_app
from gateway.config.keys import KnownKeys
from gateway.config.settings import Config
from gateway.life import EngineStarter, Life


class Gateway:
    """An ASGI application; its lifespan is the engine's.

    Attributes:
        lifecycle: where the engine has got to.
    """

    def __init__(self, config: Config, keys: KnownKeys, start_engine: EngineStarter) -> None:
        self.lifecycle = Life(config, start_engine)
        self._app = create_app(config, self.lifecycle, keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def build(config: Config, keys: KnownKeys, start_engine: EngineStarter) -> Gateway:
    """The gateway, not started yet."""
    return Gateway(config, keys, start_engine)
