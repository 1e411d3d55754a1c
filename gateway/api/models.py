"""`GET /v1/models` and `GET /v1/models/{id}`: one card for every name that the model answers to."""

import time
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.config.settings import Config
from gateway.http.errors import ModelNotFound
from gateway.serving.lifecycle import EngineLifecycle
from gateway.thinking.words import WORDS


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model name and the words behind it, as in `demo:hidden:nothink`."""

    name: str
    words: tuple[str, ...]


def split_model(text: str) -> ModelName:
    """Take the suffixes off a model's name."""
    name, *words = text.split(":")
    return ModelName(name, tuple(words)) if WORDS.issuperset(words) else ModelName(text, ())


class Models:
    """Both routes."""

    def __init__(self, config: Config, lifecycle: EngineLifecycle) -> None:
        self._config = config
        self._lifecycle = lifecycle
        self._created = int(time.time())

    async def all(self, request: Request) -> Response:
        self._lifecycle.admission.check()
        cards = [self._card(name) for name in self._config.model.names]
        return _json({"object": "list", "data": cards})

    async def one(self, request: Request) -> Response:
        """One card; a name with suffixes is the same model.

        Raises:
            ModelNotFound: no such name.
        """
        self._lifecycle.admission.check()
        name: str = request.path_params["id"]
        if split_model(name).name not in self._config.model.names:
            raise ModelNotFound(self._config.model.names)
        return _json(self._card(name))

    def _card(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "thinkgate",
            "root": self._config.model.names[0],
            "parent": None,
            "max_model_len": self._lifecycle.renderer.max_model_len,
        }


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
