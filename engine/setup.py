"""vLLM, configured and not started: what tokenizer and templates say is known from here on."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.renderers import renderer_from_config
from vllm.usage.usage_lib import UsageContext

from engine.core import VllmEngine
from engine.errors import EngineStartError
from engine.renderer import VllmRenderer


class VllmSetup:
    """`engine.protocol.EngineSetup` by vLLM.

    Args:
        arguments: keyword arguments of `AsyncEngineArgs`.
        templates: Jinja sources of the configured chat templates, by name.

    Raises:
        EngineStartError: vLLM refuses the arguments, or finds no such model.
    """

    def __init__(self, arguments: Mapping[str, Any], templates: Mapping[str, str]) -> None:
        # vLLM looks for n-grams in one of numba's threads; on a busy machine it waits for the idle
        # ones nevertheless, up to seconds a step, unless numba is told before it starts them.
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")
        try:
            self._arguments = AsyncEngineArgs(**arguments)
            self._config = self._arguments.create_engine_config(UsageContext.OPENAI_API_SERVER)
            self.renderer = VllmRenderer(renderer_from_config(self._config), templates)
        except Exception as error:
            raise EngineStartError.of(error) from error

    @asynccontextmanager
    async def start(self) -> AsyncIterator[VllmEngine]:
        log_stats = not self._arguments.disable_log_stats
        async with VllmEngine(self._config, self.renderer, log_stats=log_stats) as engine:
            yield engine

    def close(self) -> None:
        self.renderer.close()
