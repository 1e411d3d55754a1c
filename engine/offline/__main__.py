"""Run one engine over some questions: a job on stdin, JSON lines on stdout, its log on stderr.

echo '{"engine": "vllm", "questions": [{"messages": [{"role": "user", "content": "17 + 25?"}],
"max_tokens": 99}]}' | python -m engine.offline
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from io import BufferedWriter
from typing import Any

import msgspec

from engine.demo import DRAFT, MODEL
from engine.offline.job import Answer, Done, Failed, Job, Question, Refusal, Runner, Started

_log = logging.getLogger("thinkgate.offline")

Say = Callable[[Started | Answer | Done | Failed], None]


def main() -> int:
    """Do what stdin says; return 0, or 1 after a `Failed`."""
    logging.basicConfig(level=logging.WARNING)
    say = _line_writer(_own_stdout())
    try:
        job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
        asyncio.run(run(job, say))
    except Exception as error:
        _log.exception("the job failed")
        say(Failed(f"{type(error).__name__}: {' '.join(str(error).split())}"))
        return 1
    return 0


async def run(job: Job, say: Say) -> None:
    """Start the engine, warm it up with the first question, ask them all and say what came.

    Raises:
        Exception: whatever the engine and its libraries raise.
    """
    began = time.perf_counter()
    model = job.model or str(MODEL)
    prompts = render(model, job.questions)
    async with _start(job, model) as runner:
        await runner.answer(prompts[0], job.questions[0].max_tokens)
        before = await runner.drafts()
        say(Started(runner.version, runner.device, time.perf_counter() - began))
        began = time.perf_counter()
        for prompt, question in zip(prompts, job.questions, strict=True):
            reply = await runner.answer(prompt, question.max_tokens)
            say(Answer(len(prompt), reply.token_ids, reply.times))
        seconds = time.perf_counter() - began
        after = await runner.drafts()
        say(Done(seconds, after.since(before) if after and before else None))


def render(model: str, questions: Sequence[Question]) -> list[list[int]]:
    """Return each question's prompt by the model's chat template, the same for every engine.

    Raises:
        Refusal: there is no question, or the model has no chat template that takes them.
        OSError: there is no such model.
    """
    from transformers import AutoTokenizer

    if not questions:
        raise Refusal("there is no question")
    tokenizer = AutoTokenizer.from_pretrained(model)
    try:
        return [
            tokenizer.apply_chat_template(
                [msgspec.to_builtins(turn) for turn in question.messages],
                add_generation_prompt=True,
                return_dict=True,
            )["input_ids"]
            for question in questions
        ]
    except ValueError as error:
        raise Refusal(f"the chat template of {model} does not take this: {error}") from error


def _start(job: Job, model: str) -> AbstractAsyncContextManager[Runner]:
    draft = job.draft or ("" if job.model else str(DRAFT))
    if job.speculative == "draft_model" and not draft:
        raise Refusal(f"no draft model is given for {model}")
    # Each engine takes seconds to import.
    if job.engine == "vllm":
        from engine.offline import with_vllm

        return with_vllm.start(job, model, draft)
    from engine.offline import with_transformers

    return with_transformers.start(job, model, draft)


def _own_stdout() -> BufferedWriter:
    """Take stdout away from everybody else: vLLM and its processes log to it."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(ours, "wb")


def _line_writer(stream: BufferedWriter) -> Say:
    def say(event: Any) -> None:
        stream.write(msgspec.json.encode(event) + b"\n")
        stream.flush()

    return say


if __name__ == "__main__":
    sys.exit(main())
