"""Submissions to a fake EngineCore, through vLLM's own input processor."""

from collections.abc import Mapping
from typing import Any

import pytest
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.input_processor import InputProcessor

from engine.errors import EngineError
from engine.outputs import OutputHandler
from engine.setup import VllmSetup
from engine.submissions import Submissions
from engine.types import GenerationRequest, Prompt, Sampling
from tests.engine.fakes import FakeLlm

PROMPTS = (Prompt([64, 65, 66], ""), Prompt([67, 68], ""))
PLAIN = Sampling()
FOUR = [f"r-{index}" for index in range(4)]
"""What two choices of both prompts are called."""


class Engine:
    """Submissions to a fake, from which outputs are handled."""

    def __init__(self, setup: VllmSetup, **limits: Any) -> None:
        processor = InputProcessor(setup._config, setup.renderer._renderer)
        self.llm = FakeLlm(processor, **limits)
        self.core = self.llm.engine_core
        self.outputs = OutputHandler(self.llm)
        self.submissions = Submissions(self.llm, self.outputs, setup.renderer, ("generate",))

    async def sent(
        self, sampling: Sampling, prompts: tuple[Prompt, ...] = PROMPTS[:1]
    ) -> list[SamplingParams]:
        """What EngineCore is asked for, one a choice."""
        async with self.submissions.submit(request(sampling, prompts)):
            return [each.params for each in self.core.requests]

    async def refused(self, sampling: Sampling = PLAIN, **more: Any) -> EngineError:
        """Why a request is not accepted; it must leave nothing behind."""
        with pytest.raises(EngineError) as caught:
            async with self.submissions.submit(request(sampling, **more)):
                pytest.fail("accepted")
        await self.submissions.settle()
        assert not self.outputs.unfinished
        assert {each.request_id for each in self.core.requests} <= self.aborted
        return caught.value

    @property
    def aborted(self) -> set[str]:
        """All that was aborted, each of them once."""
        names = [name for each in self.core.aborted for name in each]
        assert len(names) == len(set(names))
        return set(names)


def request(
    sampling: Sampling = PLAIN,
    prompts: tuple[Prompt, ...] = PROMPTS,
    written: Mapping[int, str] | None = None,
) -> GenerationRequest:
    """One that wants its tokens as they come."""
    return GenerationRequest("r", prompts, sampling, True, written or {})
