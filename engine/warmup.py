"""What runs before the first user does, so that no user pays for a compile or a cold cache."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from engine.protocol import Engine, Renderer
from engine.types import ChatInput, GenerationRequest, Prompt, Sampling


async def warm_up(
    engine: Engine,
    renderer: Renderer,
    chats: Sequence[ChatInput],
    *,
    batch: int,
    max_tokens: int,
) -> Mapping[str, float]:
    """Run every chat streamed and whole, then `batch` of them at once.

    Args:
        engine: running, and used by nobody else yet.
        renderer: its renderer.
        chats: one for every template and position of the switch.
        batch: how many requests run at once; 0 for as many as the engine runs.
        max_tokens: how long each reply is.

    Returns:
        What each step took, in seconds.

    Raises:
        EngineError: the engine can't do what users will ask of it.
    """
    seconds = {}
    started = time.perf_counter()
    prompts = [await renderer.render_chat(chat) for chat in chats]
    prompts = prompts or [await renderer.render_text("Hello")]
    seconds["render"] = time.perf_counter() - started
    for step, incremental in (("stream", True), ("whole", False)):
        started = time.perf_counter()
        for number, prompt in enumerate(prompts):
            await _run(engine, f"warmup-{step}-{number}", prompt, max_tokens, incremental)
        seconds[step] = time.perf_counter() - started
    started = time.perf_counter()
    await _run_batch(engine, prompts, batch or engine.max_num_seqs, max_tokens)
    seconds["batch"] = time.perf_counter() - started
    return seconds


async def _run_batch(engine: Engine, prompts: Sequence[Prompt], size: int, max_tokens: int) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(size):
                prompt = prompts[number % len(prompts)]
                group.create_task(_run(engine, f"warmup-batch-{number}", prompt, max_tokens, True))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


async def _run(
    engine: Engine, name: str, prompt: Prompt, max_tokens: int, incremental: bool
) -> None:
    sampling = Sampling(max_tokens=max_tokens, temperature=1.0, ignore_eos=True)
    request = GenerationRequest(name, [prompt], sampling, incremental)
    async with engine.submit(request) as submission:
        while not any(delta.finish_reason for delta in await submission.gained()):
            pass
