"""One vLLM AsyncLLM from start to stop. vLLM's exceptions become ours here and nowhere else.

How it works
------------
Starting blocks for tens of seconds, so it happens in a thread: EngineCore's processes are launched,
then an `AsyncLLM` connects to them. Made outside the event loop, it does not start vLLM's own
output handler; ours (`outputs.py`) takes its place.

A submission owns its engine requests: they are known to the output handler before they are sent,
and on the way out of the `async with` whatever has not finished is aborted, also where sending
failed half way or was cancelled (vllm issue 57061).
"""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import msgspec
import psutil
import vllm
from vllm.exceptions import GracefulHTTPError, VLLMClientError, VLLMValidationError
from vllm.inputs import tokens_input
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from engine.errors import (
    BadGeneration,
    EngineBusy,
    EngineDead,
    EngineError,
    EngineFailure,
    EngineStartError,
)
from engine.launch import LaunchedCores, launch_cores
from engine.outputs import Choice, OutputHandler, Reader
from engine.processes import engine_processes, kill
from engine.renderer import VllmRenderer
from engine.types import Delta, GenerationRequest, Prompt, Sampling

_log = logging.getLogger("thinkgate.engine")

_SHUTDOWN_SECONDS = 3.0
"""How long the engine's processes may take to leave by themselves before they are killed."""


class VllmEngine:
    """See `Engine`; `async with` starts and stops it.

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
        self._aborts: set[asyncio.Task[None]] = set()
        self._processes: list[psutil.Process] = []
        self._llm: Any = None
        self._cores: LaunchedCores
        self._outputs: OutputHandler
        self._tasks: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._start)
        except Exception as error:
            raise EngineStartError.of(error) from error
        self._processes = engine_processes()
        self._outputs = OutputHandler(self._llm, _translate)
        # Admission control asks vLLM's OutputProcessor how much there is, which we leave empty.
        self._llm.output_processor = self._outputs
        self._llm.output_handler = asyncio.get_running_loop().create_task(self._outputs.run())
        self._tasks = await self._llm.get_supported_tasks()
        # What is there now stays: looking for garbage in it stops the event loop for half a second.
        gc.freeze()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._aborts:
            await asyncio.wait(self._aborts)
        self._llm.output_handler.cancel()
        await asyncio.to_thread(self._llm.shutdown, timeout=_SHUTDOWN_SECONDS)
        del self._cores  # and with it its sockets' files
        kill(self._processes)

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

    def fail_all(self, error: EngineError) -> None:
        """See `Engine.fail_all`."""
        self._outputs.fail_all(error)

    @asynccontextmanager
    async def submit(self, request: GenerationRequest) -> AsyncIterator["_Submission"]:
        """See `Engine.submit`."""
        submission = _Submission(self, len(request.prompts) * request.sampling.n)
        try:
            try:
                await self._send(request, submission)
            except Exception as error:
                raise _translate(error) from error
            yield submission
        finally:
            await self._abort(self._outputs.remove(submission.choices))

    async def _send(self, request: GenerationRequest, submission: "_Submission") -> None:
        if self.dead:
            raise EngineDeadError
        arrival_time = time.time()
        self._llm.check_admission(len(request.prompts) * request.sampling.n, request.request_id)
        for prompt in request.prompts:
            parameters = self._parameters(request.sampling, prompt)
            engine_request = self._llm.input_processor.process_inputs(
                request.request_id,
                tokens_input(list(prompt.token_ids)),
                parameters,
                supported_tasks=self._tasks,
                arrival_time=arrival_time,
            )
            for number in range(request.sampling.n):
                choice = self._choice(request, prompt, submission, engine_request)
                submission.choices.append(choice)
                self._outputs.add(choice)
                await self._llm.engine_core.add_request_async(
                    _numbered(engine_request, choice.request_id, number)
                )

    def _choice(
        self,
        request: GenerationRequest,
        prompt: Prompt,
        submission: "_Submission",
        engine_request: Any,
    ) -> Choice:
        index = len(submission.choices)
        return Choice(
            f"{request.request_id}-{index}",
            index,
            submission.reader,
            self._renderer.detokenizer(prompt.token_ids, request.written),
            prompt_tokens=len(prompt.token_ids),
            max_tokens=engine_request.sampling_params.max_tokens,
            arrival_time=engine_request.arrival_time if self._log_stats else None,
            incremental=request.incremental,
        )

    def _parameters(self, sampling: Sampling, prompt: Prompt) -> SamplingParams:
        values = {**self._renderer.sampling_defaults, **_given(sampling), "n": 1}
        room = self._renderer.max_model_len - len(prompt.token_ids)
        wanted = values.get("max_tokens")
        values["max_tokens"] = room if wanted is None else min(room, wanted)
        return SamplingParams.from_optional(
            **values, detokenize=False, output_kind=RequestOutputKind.DELTA
        )

    def end(self, choice: Choice) -> None:
        """See `Submission.end`."""
        if self._outputs.stop(choice) and not self.dead:
            self._start_abort([choice.request_id])

    async def _abort(self, request_ids: list[str]) -> None:
        if request_ids and not self.dead:
            await asyncio.shield(self._start_abort(request_ids))

    def _start_abort(self, request_ids: list[str]) -> "asyncio.Task[None]":
        # Its own task: a second cancellation of the caller must not stop it half way.
        abort = self._llm.engine_core.abort_requests_async(request_ids)
        task = asyncio.get_running_loop().create_task(abort)
        self._aborts.add(task)
        task.add_done_callback(self._aborts.discard)
        return task


class _Submission:
    """See `Submission`."""

    def __init__(self, engine: VllmEngine, choices: int) -> None:
        self._engine = engine
        self.reader = Reader(choices)
        self.choices: list[Choice] = []
        self.wake = self.reader.wake
        self.fail = self.reader.fail

    async def gained(self) -> Sequence[Delta]:
        return await self.reader.gained()

    def end(self, index: int) -> None:
        self._engine.end(self.choices[index])


def _numbered(engine_request: Any, request_id: str, number: int) -> Any:
    """The engine request of one choice; with a seed, each has one of its own, as in vLLM."""
    parameters = engine_request.sampling_params
    if number and parameters.seed is not None:
        parameters = parameters.clone()
        parameters.seed = (parameters.seed + number + 2**63) % 2**64 - 2**63  # an int64
    return msgspec.structs.replace(
        engine_request,
        request_id=request_id,
        external_req_id=engine_request.request_id,
        sampling_params=parameters,
    )


def _given(sampling: Sampling) -> dict[str, Any]:
    names = sampling.__dataclass_fields__
    values = {name: getattr(sampling, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _translate(error: Exception) -> EngineError:
    """vLLM's exception as ours."""
    match error:
        case EngineError():
            return error
        case EngineDeadError():
            return EngineDead("the engine has died")
        case VLLMValidationError():
            return BadGeneration(str(error.args[0]), error.parameter)
        case VLLMClientError():
            return BadGeneration(str(error))
        case GracefulHTTPError():
            return EngineBusy("the engine's queue is full")
        case _:
            _log.exception("the engine failed on a request", exc_info=error)
            return EngineFailure("the engine failed on this request")
