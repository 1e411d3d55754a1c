"""One vLLM AsyncLLM from start to stop. vLLM's exceptions become ours here and nowhere else."""

import asyncio
import gc
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import psutil
import vllm
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import GracefulHTTPError, VLLMClientError, VLLMValidationError
from vllm.inputs import tokens_input
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from engine import compat
from engine.chat import ChatRenderer
from engine.errors import (
    BadGeneration,
    EngineBusy,
    EngineDead,
    EngineError,
    EngineFailure,
    EngineStartError,
    EngineStopping,
)
from engine.processes import engine_processes, kill
from engine.turns import in_turns
from engine.types import ChatInput, Delta, Generation, Prompt, Sampling, ToolCall

_log = logging.getLogger("thinkgate.engine")

_SHUTDOWN_SECONDS = 3.0
"""How long the engine's processes may take to leave by themselves before they are killed."""


class VllmEngine:
    """Owns one engine: `async with` starts and stops it.

    Args:
        arguments: keyword arguments of `AsyncEngineArgs`.
        templates: Jinja sources of the configured chat templates, by name.

    Raises:
        EngineStartError: on entry, with the cause in its message.
    """

    def __init__(self, arguments: Mapping[str, Any], templates: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._templates = templates
        self._live: set[str] = set()
        self._aborts: set[asyncio.Task[None]] = set()
        self._llm: Any = None
        self._renderer: ChatRenderer | None = None
        self._defaults: dict[str, Any] = {}
        self._processes: list[psutil.Process] = []

    async def __aenter__(self) -> Self:
        # vLLM takes tens of seconds to start and blocks: probes are answered meanwhile.
        await asyncio.to_thread(self._start)
        self._processes = engine_processes()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._aborts:
            await asyncio.wait(self._aborts)
        await asyncio.to_thread(self._llm.shutdown, timeout=_SHUTDOWN_SECONDS)
        kill(self._processes)

    def _start(self) -> None:
        compat.check()
        # vLLM looks for n-grams in one of numba's threads; on a busy machine it waits for the idle
        # ones nevertheless, up to seconds a step, unless numba is told before it starts them.
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")
        try:
            engine_args = AsyncEngineArgs(**self._arguments)
            config = engine_args.create_engine_config(UsageContext.OPENAI_API_SERVER)
            self._llm = AsyncLLM.from_vllm_config(
                config,
                usage_context=UsageContext.OPENAI_API_SERVER,
                enable_log_requests=engine_args.enable_log_requests,
                disable_log_stats=engine_args.disable_log_stats,
            )
            core = self._llm.engine_core
            core.get_output_async = in_turns(core.get_output_async)
            self._renderer = ChatRenderer(self._llm, self._templates)
        except Exception as error:
            cause = " ".join(str(error).split())  # on one line, for the log
            raise EngineStartError(f"{type(error).__name__}: {cause}") from error
        self._defaults = config.model_config.get_diff_sampling_param()
        # What is there now stays: looking for garbage in it stops the event loop for half a second.
        gc.freeze()

    @property
    def version(self) -> str:
        """vLLM's version."""
        return str(vllm.__version__)

    @property
    def max_model_len(self) -> int:
        """The context, prompt and reply together, in tokens."""
        return int(self._llm.model_config.max_model_len)

    @property
    def max_num_seqs(self) -> int:
        """How many sequences run at once."""
        return int(self._llm.vllm_config.scheduler_config.max_num_seqs)

    @property
    def dead(self) -> bool:
        """Whether the engine process is gone."""
        return bool(self._llm.errored)

    @property
    def unfinished(self) -> int:
        """Requests that the engine holds; each choice counts as one."""
        return int(self._llm.output_processor.get_num_unfinished_requests())

    @property
    def orphans(self) -> int:
        """Requests that the engine holds though nobody waits for them."""
        return len(self._llm.output_processor.external_req_ids.keys() - self._live)

    def template_source(self, name: str | None) -> str:
        """See `Engine.template_source`."""
        return self._chat.template_source(name)

    def is_special(self, token: str) -> bool:
        """See `Engine.is_special`."""
        return self._chat.is_special(token)

    async def render_chat(self, chat: ChatInput) -> Prompt:
        """See `Engine.render_chat`."""
        return await self._chat.chat(chat)

    async def render_text(self, prompt: str | Sequence[int]) -> Prompt:
        """See `Engine.render_text`."""
        return await self._chat.text(prompt)

    def text_ends(
        self, before: Sequence[int], token_ids: Sequence[int], *, special_tokens: bool
    ) -> Sequence[int]:
        """See `Engine.text_ends`."""
        return self._chat.text_ends(before, token_ids, special_tokens=special_tokens)

    def tool_calls(self, text: str) -> Sequence[ToolCall]:
        """See `Engine.tool_calls`."""
        return self._chat.tool_calls(text)

    def stop_all(self) -> None:
        """See `Engine.stop_all`."""
        self._llm.output_processor.propagate_error(EngineStopping("the server is shutting down"))

    @asynccontextmanager
    async def submit(self, generation: Generation) -> AsyncIterator[AsyncIterator[Delta]]:
        """See `Engine.submit`."""
        name = generation.request_id
        replies: _Deltas | None = None
        self._live.add(name)
        try:
            try:
                replies = _Deltas(await self._add(generation))
            except Exception as error:
                raise _translate(error) from error
            yield replies
        finally:
            # A failed or cancelled submit may have left the request in vLLM (issue 57061), so
            # whatever did not finish is aborted, by the name that we gave it.
            self._live.discard(name)
            if replies is None or not replies.finished:
                await self._abort(name)

    async def _add(self, generation: Generation) -> Any:
        return await self._llm.add_request(
            request_id=generation.request_id,
            prompt=tokens_input(list(generation.prompt.token_ids)),
            params=self._parameters(generation),
        )

    async def _abort(self, name: str) -> None:
        # Its own task: a second cancellation of the caller must not stop it half way.
        task = asyncio.get_running_loop().create_task(self._llm.abort(name))
        self._aborts.add(task)
        task.add_done_callback(self._aborts.discard)
        if not self.dead:
            await asyncio.shield(task)

    def _parameters(self, generation: Generation) -> SamplingParams:
        sampling = generation.sampling
        values = {**self._defaults, **_given(sampling)}
        room = self.max_model_len - len(generation.prompt.token_ids)
        wanted = values.get("max_tokens")
        values["max_tokens"] = room if wanted is None else min(room, wanted)
        incremental = generation.incremental
        return SamplingParams.from_optional(
            **values,
            skip_special_tokens=not generation.special_tokens,
            output_kind=RequestOutputKind.DELTA if incremental else RequestOutputKind.FINAL_ONLY,
        )

    @property
    def _chat(self) -> ChatRenderer:
        if self._renderer is None:
            raise EngineStartError("the engine is not running")
        return self._renderer


class _Deltas:
    """What one request brings, delta by delta."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector
        self._waiting: deque[Delta] = deque()
        self.finished = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        if self._waiting:
            return self._waiting.popleft()
        if self.finished:
            raise StopAsyncIteration
        try:
            output = self._collector.get_nowait() or await self._collector.get()
        except Exception as error:
            raise _translate(error) from error
        self.finished = output.finished
        first, *others = [_delta(choice, output) for choice in output.outputs]
        self._waiting.extend(others)
        return first


def _delta(choice: Any, output: Any) -> Delta:
    if choice.finish_reason is None:
        return Delta(choice.index, choice.text, choice.token_ids, None, output.num_cached_tokens)
    if choice.finish_reason not in ("stop", "length"):
        raise EngineFailure(f"the engine gave up on this request ({choice.finish_reason})")
    stats = output.metrics
    return Delta(
        index=choice.index,
        text=choice.text,
        token_ids=choice.token_ids,
        finish_reason=choice.finish_reason,
        cached_tokens=output.num_cached_tokens or 0,
        queue_seconds=max(0.0, stats.scheduled_ts - stats.queued_ts) if stats else None,
        first_token_seconds=stats.first_token_latency if stats else None,
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
