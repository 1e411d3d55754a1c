"""One engine in a process of its own: what goes in, what comes out. No vLLM here."""

import asyncio
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
import torch

from client.engines import process
from client.engines.environment import ARGUMENTS, OURS, REMOVED
from engine.demo import DRAFT, MODEL
from engine.errors import PromptTooLong
from engine.offline import with_transformers
from engine.offline.__main__ import render, run
from engine.offline.job import (
    Answer,
    Done,
    Drafts,
    Failed,
    Job,
    Question,
    Refusal,
    Reply,
    Started,
    Turn,
)
from engine.settings import engine_fields

SUM = Question([Turn("user", "17 + 25?")], 200)
COUNT = Question([Turn("user", "Count to 9.")], 200)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The model is tiny, and several threads wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def replies(job: Job, questions: Sequence[Question]) -> tuple[list[Reply], Drafts | None]:
    """What transformers answers, and how drafts fared."""

    async def ask() -> tuple[list[Reply], Drafts | None]:
        async with with_transformers.start(job, str(MODEL), str(DRAFT)) as runner:
            prompts = render(str(MODEL), questions)
            answers = [
                await runner.answer(prompt, question.max_tokens)
                for prompt, question in zip(prompts, questions, strict=True)
            ]
            return answers, await runner.drafts()

    return asyncio.run(ask())


def test_transformers_answers() -> None:
    """An output a token, each later than the one before, and no drafts."""
    (reply,), drafts = replies(Job("transformers", []), [SUM])
    assert len(reply.times) == len(reply.token_ids) > 20
    assert reply.times == sorted(reply.times)
    assert reply.times[0] > 0
    assert drafts is None


@pytest.mark.parametrize("speculative", ["draft_model", "ngram"])
def test_drafts_change_the_pace_alone(speculative: str) -> None:
    """The tokens are the same, in fewer outputs, and every token is accounted for."""
    job = msgspec.convert(
        {"engine": "transformers", "questions": [], "speculative": speculative}, Job
    )
    plain, _ = replies(Job("transformers", []), [SUM, COUNT])
    drafted, drafts = replies(job, [SUM, COUNT])
    assert [reply.token_ids for reply in drafted] == [reply.token_ids for reply in plain]
    outputs = sum(len(reply.times) for reply in drafted)
    tokens = sum(len(reply.token_ids) for reply in drafted)
    assert outputs < tokens
    assert drafts is not None
    assert drafts.accepted == sum(drafts.accepted_at) == tokens - outputs
    assert drafts.accepted <= drafts.tokens <= 3 * drafts.count
    assert drafts.count <= outputs


def test_a_reply_ends_in_time() -> None:
    """At its own limit, or where the context ends; a prompt that fills it is refused."""
    short, _ = replies(Job("transformers", []), [Question(SUM.messages, 5)])
    assert len(short[0].token_ids) == 5
    (prompt,) = render(str(MODEL), [SUM])
    job = Job("transformers", [], arguments={"max_model_len": len(prompt) + 7})
    assert len(replies(job, [SUM])[0][0].token_ids) == 7
    with pytest.raises(PromptTooLong):
        replies(Job("transformers", [], arguments={"max_model_len": len(prompt)}), [SUM])


def test_what_it_says_is_understood() -> None:
    """By the client, which has its own types for it."""
    said: list[Started | Answer | Done | Failed] = []
    job = Job("transformers", [SUM, COUNT], speculative="ngram")
    asyncio.run(run(job, said.append))
    said.append(Failed("enough"))
    heard = [msgspec.json.decode(msgspec.json.encode(event), type=process.Event) for event in said]
    assert [type(event).__name__ for event in heard] == [
        "Started",
        "Answer",
        "Answer",
        "Done",
        "Failed",
    ]
    assert [msgspec.to_builtins(event) for event in heard] == [
        msgspec.to_builtins(event) for event in said
    ]


def test_the_first_question_warms_up_uncounted() -> None:
    """Drafts are counted from the first measured question on."""
    said: list[Started | Answer | Done | Failed] = []
    asyncio.run(run(Job("transformers", [COUNT], speculative="draft_model"), said.append))
    answer, done = said[1:]
    assert isinstance(answer, Answer)
    assert isinstance(done, Done)
    assert done.drafts is not None
    assert done.drafts.accepted == len(answer.token_ids) - len(answer.times)


@pytest.mark.parametrize(
    "job",
    [
        Job("transformers", []),
        Job("transformers", [SUM], speculative="draft_model", model=str(MODEL)),
    ],
    ids=["no question", "no draft model"],
)
def test_jobs_without_sense_are_refused(job: Job) -> None:
    """Before an engine is loaded."""
    with pytest.raises(Refusal):
        asyncio.run(run(job, _nothing))


def _nothing(event: object) -> None:
    pytest.fail(f"it said {event}")


def test_a_failure_is_said_on_stdout() -> None:
    """In one line; the exit code tells, too."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.offline"],
        input=b'{"engine": "llama", "questions": []}',
        capture_output=True,
        check=False,
    )
    event = msgspec.json.decode(done.stdout, type=Failed)
    assert "llama" in event.message
    assert done.returncode == 1


def test_vllm_takes_our_arguments() -> None:
    """Each variable stands for an engine argument that the installed vLLM has."""
    assert {name for name, _ in ARGUMENTS.values()} <= engine_fields()


def test_vllm_has_none_of_our_variables() -> None:
    """What is kept from it is no setting of its own, and what was removed is still gone."""
    spec = importlib.util.find_spec("vllm")
    assert spec is not None
    assert spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0], "envs.py").read_text(encoding="utf-8")
    known = set(re.findall(r'"(VLLM_\w+)"', source))
    assert len(known) > 100
    assert not known & {*OURS, *REMOVED}
