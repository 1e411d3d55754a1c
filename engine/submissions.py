"""Requests on their way to EngineCore, and their end.

How it works
------------
A submission owns its engine requests: each is known to the output handler before it is sent, and on
the way out of the `async with` whatever has not finished is aborted, also where sending failed half
way or was cancelled (vllm issue 57061). Aborts are tasks of their own, since a second cancellation
of whoever waits for one must not stop it half way; `settle` waits for them all.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from vllm.inputs import tokens_input
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine.exceptions import EngineDeadError

from engine.choices import Choice, ParallelSampling, Reader
from engine.outputs import OutputHandler
from engine.renderer import VllmRenderer
from engine.translate import translate
from engine.types import GenerationRequest, Prompt, Sampling

_log = logging.getLogger("thinkgate.engine")


class Submissions:
    """All requests of one engine.

    Args:
        llm: the `AsyncLLM`, connected.
        outputs: handles its outputs.
        renderer: made from the same configuration.
        tasks: what the model supports, in vLLM's words.
    """

    def __init__(
        self, llm: Any, outputs: OutputHandler, renderer: VllmRenderer, tasks: Sequence[str]
    ) -> None:
        self._llm = llm
        self._outputs = outputs
        self._renderer = renderer
        self._tasks = tuple(tasks)
        self._aborts: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def submit(self, request: GenerationRequest) -> AsyncIterator["_Submission"]:
        submission = _Submission(self)
        try:
            try:
                await self._send(request, submission)
            except Exception as error:
                raise translate(error) from error
            yield submission
        finally:
            if unfinished := self._outputs.remove(submission.choices):
                await asyncio.shield(self._start_abort(unfinished))

    def end(self, choice: Choice) -> None:
        if self._outputs.stop(choice):
            self._start_abort([choice.request_id])

    async def settle(self) -> None:
        """Wait until every abort is sent."""
        if self._aborts:
            await asyncio.wait(self._aborts)

    async def _send(self, request: GenerationRequest, submission: "_Submission") -> None:
        if self._llm.errored:
            raise EngineDeadError
        arrival_time = time.time()
        n = request.sampling.n
        self._llm.check_admission(len(request.prompts) * n, request.request_id)
        for prompt in request.prompts:
            engine_request = self._llm.input_processor.process_inputs(
                request.request_id,
                tokens_input(list(prompt.token_ids)),
                self._parameters(request.sampling, prompt),
                supported_tasks=self._tasks,
                arrival_time=arrival_time,
            )
            parallel = ParallelSampling(n)
            for number in range(n):
                choice = self._choice(request, prompt, submission, parallel, engine_request)
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
        parallel: ParallelSampling,
        engine_request: Any,
    ) -> Choice:
        index = len(submission.choices)
        return Choice(
            f"{request.request_id}-{index}",
            index,
            submission.reader,
            parallel,
            self._renderer.detokenizer(prompt.token_ids, request.written),
            prompt_tokens=len(prompt.token_ids),
            max_tokens=engine_request.sampling_params.max_tokens,
            arrival_time=engine_request.arrival_time if self._llm.log_stats else None,
            incremental=request.incremental,
        )

    def _parameters(self, sampling: Sampling, prompt: Prompt) -> SamplingParams:
        values = {**self._renderer.sampling_defaults, **_given(sampling), "n": 1}
        room = self._renderer.max_model_len - len(prompt.token_ids)
        wanted = values.get("max_tokens")
        values["max_tokens"] = room if wanted is None else min(room, wanted)
        return SamplingParams.from_optional(
            **values,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            skip_clone=True,  # it is nobody else's
        )

    def _start_abort(self, request_ids: list[str]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(self._abort(request_ids))
        self._aborts.add(task)
        task.add_done_callback(self._aborts.discard)
        return task

    async def _abort(self, request_ids: list[str]) -> None:
        if self._llm.errored:
            return
        try:
            await self._llm.engine_core.abort_requests_async(request_ids)
        except Exception as error:  # it has died since, and its requests with it
            _log.warning("could not abort %s: %r", ", ".join(request_ids), error)


class _Submission:
    def __init__(self, submissions: Submissions) -> None:
        self._submissions = submissions
        self.reader = Reader()
        self.choices: list[Choice] = []
        self.gained = self.reader.gained
        self.wake = self.reader.wake
        self.fail = self.reader.fail

    def gather(self, index: int, until: int | None) -> None:
        self.choices[index].gather(until)

    def end(self, index: int) -> None:
        self._submissions.end(self.choices[index])


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
