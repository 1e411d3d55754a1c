"""vLLM, as the gateway runs it, its outputs timed one by one.

How it works: outputs are timed where they arrive here. How drafts fared is only in vLLM's own
counters, which never go back and are written just after the outputs that they count were handed
over. So we add up what we received, and read the counters once they have counted all of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY
from vllm.platforms import current_platform

from engine.core import VllmEngine
from engine.errors import EngineFailure
from engine.offline.job import Drafts, Job, Reply
from engine.offline.lookup import LONGEST, SHORTEST
from engine.settings import DEMO_DEFAULTS, engine_arguments, platform_defaults
from engine.setup import VllmSetup
from engine.types import GenerationRequest, Prompt, Sampling

_SETTLE_ATTEMPTS = 500
"""How often, a hundredth of a second apart, we look whether vLLM's counters have caught up."""


@asynccontextmanager
async def start(job: Job, model: str, draft: str) -> AsyncIterator["VllmRunner"]:
    """Run vLLM for the time of an `async with` block.

    Raises:
        EngineStartError: on entry.
    """
    table: dict[str, object] = {**platform_defaults(), "enable_prefix_caching": False}
    if not job.model:
        table |= DEMO_DEFAULTS
    table |= job.arguments
    if job.speculative:
        table["speculative_config"] = _speculative(job, draft)
    setup = await asyncio.to_thread(VllmSetup, engine_arguments(table, model, [model]), {})
    async with setup.start() as engine:
        counted = bool(job.speculative) and not table.get("disable_log_stats")
        yield VllmRunner(engine, job.num_speculative_tokens if counted else 0)


def _speculative(job: Job, draft: str) -> dict[str, object]:
    config: dict[str, object] = {
        "method": job.speculative,
        "num_speculative_tokens": job.num_speculative_tokens,
    }
    if job.speculative == "draft_model":
        return config | {"model": draft}
    return config | {"prompt_lookup_min": SHORTEST, "prompt_lookup_max": LONGEST}


class VllmRunner:
    """A `Runner`.

    Args:
        engine: running.
        positions: how many tokens a draft has; 0 where drafts are not counted.
    """

    def __init__(self, engine: VllmEngine, positions: int) -> None:
        self.version = engine.version
        self.device = str(current_platform.device_type)
        self._engine = engine
        self._positions = positions
        self._asked = 0
        self._received = 0

    async def answer(self, prompt: Sequence[int], max_tokens: int) -> Reply:
        self._asked += 1
        sampling = Sampling(max_tokens=max_tokens, temperature=0.0)
        request = GenerationRequest(
            f"offline-{self._asked}", [Prompt(prompt, "")], sampling, incremental=True
        )
        reply = Reply([], [])
        sent = time.perf_counter()
        async with self._engine.submit(request) as submission:
            finished = False
            while not finished:
                for delta in await submission.gained():
                    reply.times.append(time.perf_counter() - sent)
                    reply.token_ids.extend(delta.token_ids)
                    finished = delta.finish_reason is not None
        self._received += len(reply.token_ids)
        return reply

    async def drafts(self) -> Drafts | None:
        """See `Runner.drafts`; what was accepted behind the end of a turn is counted, too."""
        if not self._positions:
            return None
        for _ in range(_SETTLE_ATTEMPTS):
            if _total("vllm:generation_tokens") >= self._received:
                break
            await asyncio.sleep(0.01)
        else:
            raise EngineFailure("vLLM's counters do not count all that it generated")
        per_position = "vllm:spec_decode_num_accepted_tokens_per_pos"
        return Drafts(
            _total("vllm:spec_decode_num_drafts"),
            _total("vllm:spec_decode_num_draft_tokens"),
            _total("vllm:spec_decode_num_accepted_tokens"),
            [_total(per_position, position=str(at)) for at in range(self._positions)],
        )


def _total(name: str, **labels: str) -> int:
    """The sum of a counter's samples, of those with these labels."""
    return sum(
        int(sample.value)
        for metric in REGISTRY.collect()
        if metric.name == name
        for sample in metric.samples
        if sample.name == f"{name}_total" and labels.items() <= sample.labels.items()
    )
