"""One engine's process: a job goes in, replies come out, its log goes to a file."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from client.bench.prometheus import Counters
from client.engines.questions import Question
from client.engines.settings import Combination, Settings
from client.openai.errors import ClientError

_COMMAND = (sys.executable, "-P", "-m", "engine.offline")

_LEAVE_SECONDS = 15.0


class Stopped(ClientError):
    """An engine did not do what was asked; the text says why, as far as it said."""

    kind = "stopped"


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The engine is warm; see `engine.offline.job`, as for the others."""

    version: str
    device: str
    seconds: float


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """One reply; times are seconds from when the prompt was handed over, one for each output."""

    prompt_tokens: int
    token_ids: list[int]
    times: list[float]


class Drafts(msgspec.Struct, frozen=True):
    """How many drafts there were, their tokens, and those accepted, also by position."""

    count: int
    tokens: int
    accepted: int
    accepted_at: list[int]


class Done(msgspec.Struct, frozen=True, tag="done"):
    """All is answered, in so many seconds."""

    seconds: float
    drafts: Drafts | None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    message: str


Event = Started | Answer | Done | Failed


@dataclass(frozen=True, slots=True)
class Measured:
    """What one combination brought.

    Attributes:
        combination: which one.
        started: the engine, and how long it took to start.
        answers: in the questions' order.
        done: how long they took together, and how drafts fared.
    """

    combination: Combination
    started: Started
    answers: Sequence[Answer]
    done: Done

    @property
    def counters(self) -> Counters | None:
        """How drafts fared; None where there were none, or nobody counted them."""
        drafts = self.done.drafts
        if drafts is None:
            return None
        places = dict(enumerate(drafts.accepted_at))
        return Counters(drafts.count, drafts.tokens, drafts.accepted, places)


def measure(
    combination: Combination,
    settings: Settings,
    questions: Sequence[Question],
    environ: Mapping[str, str],
    log: Path,
) -> Measured:
    """Run one combination.

    Args:
        combination: which one.
        settings: of all.
        questions: asked one after another.
        environ: the process's environment.
        log: the file that its log is written to.

    Raises:
        Stopped: it failed.
    """
    job = {
        "engine": combination.engine,
        "speculative": combination.speculative,
        "num_speculative_tokens": settings.num_speculative_tokens,
        "model": settings.model,
        "draft": settings.draft,
        "arguments": dict(settings.arguments),
        "questions": questions,
    }
    started: Started | None = None
    answers: list[Answer] = []
    problem = ""
    with _running(msgspec.json.encode(job), environ, log) as process:
        for event in _events(process):
            match event:
                case Started():
                    started = event
                case Answer():
                    answers.append(event)
                case Failed():
                    problem = event.message
                case Done() if started:
                    return Measured(combination, started, answers, event)
    raise Stopped(problem or f"its process ended too early, with status {process.returncode}")


@contextmanager
def _running(
    job: bytes, environ: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, of which nothing is left when the block ends."""
    with (
        tempfile.TemporaryFile() as given,
        log.open("wb") as stream,
        subprocess.Popen(
            _COMMAND,
            env=dict(environ),
            stdin=_holding(given, job),
            stdout=subprocess.PIPE,
            stderr=stream,
            process_group=0,
        ) as process,
    ):
        try:
            yield process
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
        finally:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVE_SECONDS)
            with suppress(ProcessLookupError):  # what it started may outlive it
                os.killpg(process.pid, signal.SIGKILL)


def _holding(file: IO[bytes], content: bytes) -> IO[bytes]:
    file.write(content)
    file.seek(0)
    return file


def _events(process: subprocess.Popen[bytes]) -> Iterator[Event]:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            yield msgspec.json.decode(line, type=Event)
        except msgspec.DecodeError as error:
            raise Stopped(f"it said {line[:99]!r}, which is no event: {error}") from error
