"""A fake of what `engine/` uses of vLLM's AsyncLLM: no engine, and every output by hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from vllm.v1.engine import (
    EngineCoreEvent,
    EngineCoreEventType,
    EngineCoreOutput,
    EngineCoreOutputs,
    EngineCoreRequest,
    FinishReason,
)
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.stats import IterationStats, PrefillStats, SchedulerStats


class FakeCore:
    """EngineCore's client.

    Attributes:
        outputs: what `get_output_async` returns, or raises.
        requests: all that were sent.
        aborted: the ids that were aborted, one list a call.
        on_add: awaited by `add_request_async`, before it notes the request.
        on_abort: awaited by `abort_requests_async`, before it notes the ids.
        resources: whether the engine is dead.
    """

    def __init__(self) -> None:
        self.outputs: asyncio.Queue[EngineCoreOutputs | Exception] = asyncio.Queue()
        self.requests: list[EngineCoreRequest] = []
        self.aborted: list[list[str]] = []
        self.on_add: Any = None
        self.on_abort: Any = None
        self.resources = SimpleNamespace(engine_dead=False)

    async def get_output_async(self) -> EngineCoreOutputs:
        outputs = await self.outputs.get()
        if isinstance(outputs, Exception):
            raise outputs
        return outputs

    async def add_request_async(self, request: EngineCoreRequest) -> None:
        if self.on_add:
            await self.on_add(request)
        self.requests.append(request)

    async def abort_requests_async(self, request_ids: list[str]) -> None:
        if self.on_abort:
            await self.on_abort(request_ids)
        self.aborted.append(request_ids)


class FakeLoggers:
    """The manager of vLLM's loggers; `records` has what each `record` was given."""

    def __init__(self) -> None:
        self.records: list[tuple[int, SchedulerStats | None, IterationStats | None]] = []
        self.rejections: list[str] = []
        self.stat_loggers: list[object] = []

    def record(
        self,
        scheduler_stats: SchedulerStats | None,
        iteration_stats: IterationStats | None,
        mm_cache_stats: object = None,
        engine_idx: int = 0,
    ) -> None:
        self.records.append((engine_idx, scheduler_stats, iteration_stats))

    def record_admission_rejection(self, reason: str) -> None:
        self.rejections.append(reason)


class FakeLlm:
    """An AsyncLLM that is connected to a `FakeCore`; admission control is vLLM's own.

    Args:
        input_processor: refuses requests, or makes EngineCore's of them.
        log_stats: whether statistics are kept.
        max_num_queued_reqs: vLLM's limit.
        max_num_queued_tokens: vLLM's limit.
    """

    check_admission = AsyncLLM.check_admission
    get_num_unfinished_requests = AsyncLLM.get_num_unfinished_requests
    get_num_queued_tokens = AsyncLLM.get_num_queued_tokens
    _record_admission_rejection = AsyncLLM._record_admission_rejection
    is_running = AsyncLLM.is_running
    errored = AsyncLLM.errored

    def __init__(
        self,
        input_processor: Any = None,
        *,
        log_stats: bool = True,
        max_num_queued_reqs: int | None = None,
        max_num_queued_tokens: int | None = None,
    ) -> None:
        self.engine_core = FakeCore()
        self.input_processor = input_processor
        self.log_stats = log_stats
        self.logger_manager: Any = FakeLoggers() if log_stats else None
        self.renderer = SimpleNamespace(stat_mm_cache=lambda: None)
        self.scheduler_config = SimpleNamespace(
            max_num_queued_reqs=max_num_queued_reqs, max_num_queued_tokens=max_num_queued_tokens
        )
        self.admission_stats = None
        self.output_processor: Any = None
        self.output_handler: asyncio.Task[None] | None = None
        self.failure: BaseException | None = None
        self.shutdowns: list[float | None] = []

    async def get_supported_tasks(self) -> tuple[str, ...]:
        if self.failure:
            raise self.failure
        return ("generate",)

    def shutdown(self, timeout: float | None = None) -> None:
        self.shutdowns.append(timeout)

    def die(self) -> None:
        """What EngineCore's death looks like."""
        self.engine_core.resources.engine_dead = True
        self.engine_core.outputs.put_nowait(EngineDeadError())

    def stats(self) -> list[IterationStats]:
        """Those of all steps that had any."""
        return [stats for _, _, stats in self.logger_manager.records if stats]


@asynccontextmanager
async def running(llm: FakeLlm, handler: Any) -> AsyncIterator[None]:
    """Handle outputs meanwhile, as `VllmEngine` does."""
    llm.output_processor = handler
    task = llm.output_handler = asyncio.get_running_loop().create_task(handler.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def output(
    request_id: str,
    token_ids: Sequence[int] = (),
    finish: FinishReason | None = None,
    **more: Any,
) -> EngineCoreOutput:
    """What one request gained in one step."""
    return EngineCoreOutput(request_id, list(token_ids), finish_reason=finish, **more)


def first(request_id: str, token_ids: Sequence[int], prompt: int, cached: int = 0) -> Any:
    """What a request gained in its first step: with its events and its prompt's statistics."""
    prefill = PrefillStats()
    prefill.set(prompt, cached, 0)
    now = time.monotonic()
    events = [
        EngineCoreEvent(EngineCoreEventType.QUEUED, now - 3),
        EngineCoreEvent(EngineCoreEventType.SCHEDULED, now - 2),
    ]
    return output(request_id, token_ids, prefill_stats=prefill, events=events)


def step(
    *outputs: EngineCoreOutput, engine: int = 0, scheduler: SchedulerStats | None = None
) -> EngineCoreOutputs:
    """What one step of the engine brings."""
    return EngineCoreOutputs(engine, list(outputs), scheduler)


class Letters:
    """A detokenizer whose tokens are code points."""

    def decode(self, token_ids: Sequence[int]) -> list[str]:
        return [chr(token_id) for token_id in token_ids]


def ids(text: str) -> list[int]:
    """The tokens that `Letters` writes so."""
    return [ord(character) for character in text]
