"""One vLLM AsyncLLM from start to stop.

How it works
------------
Starting blocks for tens of seconds, so it happens in a thread: EngineCore's processes are launched,
then an `AsyncLLM` connects to them. Made outside the event loop, it does not start vLLM's own
output handler; ours (`outputs.py`) takes its place, and `submissions.py` that of its `generate`.
"""

import asyncio
import gc
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

import psutil
import vllm
from vllm.envs import enable_envs_cache
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM

from engine.errors import EngineError, EngineStartError
from engine.launch import LaunchedCores, launch_cores
from engine.outputs import OutputHandler
from engine.processes import engine_processes, kill
from engine.protocol import Submission
from engine.renderer import VllmRenderer
from engine.submissions import Submissions
from engine.types import GenerationRequest

_SHUTDOWN_SECONDS = 3.0
"""How long the engine's processes may take to leave by themselves before they are killed."""


class VllmEngine:
    """`engine.protocol.Engine` by vLLM; `async with` starts and stops it.

    Args:
        config: vLLM's `VllmConfig`.
        renderer: made from the same configuration.
        log_stats: whether vLLM keeps its statistics.

    Raises:
        EngineStartError: on entry, with the cause in its message.
    """

    def __init__(self, config: Any, renderer: VllmRenderer, *, log_stats: bool) -> None:
        self._config = config
        self._renderer = renderer
        self._log_stats = log_stats
        self._processes: list[psutil.Process] = []
        self._llm: Any = None
        self._cores: LaunchedCores
        self._outputs: OutputHandler
        self._submissions: Submissions

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._start)
        except Exception as error:
            raise EngineStartError.of(error) from error
        try:
            await self._take_over()
        except BaseException as error:
            await self._stop()
            if isinstance(error, Exception):
                raise EngineStartError.of(error) from error
            raise
        # vLLM looks its settings up in the environment for every token; they stay as they are now.
        enable_envs_cache()
        # What is there now stays: looking for garbage in it stops the event loop for half a second.
        gc.freeze()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._submissions.settle()
        await self._stop()

    def _start(self) -> None:
        try:
            self._cores = launch_cores(self._config, log_stats=self._log_stats)
            self._llm = AsyncLLM.from_vllm_config(
                self._config,
                usage_context=UsageContext.OPENAI_API_SERVER,
                disable_log_stats=not self._log_stats,
                client_addresses=self._cores.client_addresses(0),
            )
            self._cores.hand_over(self._llm.engine_core)
        except BaseException:
            kill(engine_processes())
            raise

    async def _take_over(self) -> None:
        self._processes = engine_processes()
        self._outputs = OutputHandler(self._llm)
        # Admission control asks vLLM's OutputProcessor how much there is, which we leave empty.
        self._llm.output_processor = self._outputs
        self._llm.output_handler = asyncio.get_running_loop().create_task(self._outputs.run())
        tasks = await self._llm.get_supported_tasks()
        self._submissions = Submissions(self._llm, self._outputs, self._renderer, tasks)

    async def _stop(self) -> None:
        self._llm.output_handler.cancel()
        await asyncio.to_thread(self._llm.shutdown, timeout=_SHUTDOWN_SECONDS)
        del self._cores  # and with it its sockets' files
        kill(self._processes)

    @property
    def version(self) -> str:
        return str(vllm.__version__)

    @property
    def max_num_seqs(self) -> int:
        return int(self._config.scheduler_config.max_num_seqs)

    @property
    def dead(self) -> bool:
        return bool(self._llm.errored)

    @property
    def unfinished(self) -> int:
        return self._outputs.unfinished

    @property
    def orphans(self) -> int:
        return self._outputs.orphans

    def submit(self, request: GenerationRequest) -> AbstractAsyncContextManager[Submission]:
        return self._submissions.submit(request)

    def fail_all(self, error: EngineError) -> None:
        self._outputs.fail_all(error)
