"""`GET /v1/models` and `GET /v1/models/{id}`: one card for every name that the model answers to."""

import time
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.config.settings import Config
from gateway.http.errors import ModelNotFound
from gateway.life import Life
from gateway.prepare import split_model


class Models:
    """Both routes."""

    def __init__(self, config: Config, life: Life) -> None:
        self._config = config
        self._life = life
        self._created = int(time.time())

    async def all(self, request: Request) -> Response:
        """Every card."""
        with self._life.admission.slot():
            cards = [self._card(name) for name in self._config.model.names]
            return _json({"object": "list", "data": cards})

    async def one(self, request: Request) -> Response:
        """One card; a name with suffixes is the same model.

        Raises:
            ModelNotFound: no such name.
        """
        with self._life.admission.slot():
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
            "max_model_len": self._life.engine.max_model_len,
        }


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
