"""The folder that an evaluation keeps, each sample as soon as it is done: a stop loses none.

    settings.json   what decides about the answers, and the surroundings of every run
    samples.jsonl   one line a sample: what was sent, what came, its times and scores
    summary.json    what is printed at the end

How it works: `begin`, then `add` for each sample, then `end`. A line is written when its request
has ended, and scored when all have. A run that is started again goes on with the samples that have
no answer: `begin` drops the line that a kill has torn and those of failures, and refuses a folder
that was begun with other settings. Only `samples.jsonl` grows; whatever is rewritten is written
beside the old file and takes its place at once. `.lock` keeps a second process out while the block
lasts.
"""

import fcntl
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from client.evaluate.outcomes import Outcome
from client.evaluate.settings import Settings, Surroundings
from client.openai.errors import ClientError

_SETTINGS = "settings.json"
_SAMPLES = "samples.jsonl"
_SUMMARY = "summary.json"


class BadStore(ClientError):
    """The folder can't be used, or it belongs to other settings."""

    kind = "store"


@dataclass(frozen=True, slots=True)
class _Record:
    settings: Settings
    runs: tuple[Surroundings, ...] = ()


class Store:
    """A folder, ours alone for the time of a `with` block.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()
        self._samples: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Lock it.

        Raises:
            BadStore: it is in use, or can't be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = self._open.enter_context((self._folder / ".lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._open.close()
            if isinstance(error, BlockingIOError):
                raise BadStore(f"{self._folder} is in use by another process") from error
            raise BadStore(f"can't write in {self._folder}: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def begin(self, settings: Settings, here: Surroundings) -> list[Outcome]:
        """Note what this run is done with; return the samples that are answered already.

        Raises:
            BadStore: it was begun with other settings, or holds something else than we write.
        """
        runs = self._runs(settings)
        kept = {outcome.key: outcome for outcome in self._lines() if outcome.failure is None}
        self._replace(_SETTINGS, [_pretty(_Record(settings, (*runs, here)))])
        self._replace(_SAMPLES, map(_line, kept.values()))
        self._samples = self._open.enter_context((self._folder / _SAMPLES).open("ab"))
        return list(kept.values())

    def add(self, outcome: Outcome) -> None:
        """Keep one more sample, after `begin`; no kill can take it back when this returns.

        Raises:
            BadStore: there is no room.
        """
        assert self._samples, "begin() comes first"
        try:
            self._samples.write(_line(outcome))
            self._samples.flush()
        except OSError as error:
            raise BadStore(f"can't write in {self._folder}: {error.strerror}") from error

    def end(self, outcomes: Iterable[Outcome], summary: object) -> None:
        """Write all samples again, now scored, and the summary.

        Raises:
            BadStore: there is no room.
        """
        self._replace(_SAMPLES, map(_line, outcomes))
        self._replace(_SUMMARY, [_pretty(summary)])

    @property
    def ended(self) -> bool:
        """Whether an earlier run has come to its end."""
        return (self._folder / _SUMMARY).exists()

    def _runs(self, settings: Settings) -> tuple[Surroundings, ...]:
        path = self._folder / _SETTINGS
        if not path.exists():
            if (self._folder / _SAMPLES).exists():
                raise BadStore(f"{self._folder} has {_SAMPLES}, but no {_SETTINGS}")
            return ()
        try:
            record = msgspec.json.decode(path.read_bytes(), type=_Record)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadStore(f"{path} is not ours: {error}") from error
        if differences := settings.differences(record.settings):
            found = "; ".join(differences)
            raise BadStore(f"{self._folder} was begun with other settings: {found}")
        return record.runs

    def _lines(self) -> list[Outcome]:
        path = self._folder / _SAMPLES
        *lines, _torn = path.read_bytes().split(b"\n") if path.exists() else [b""]
        decoder = msgspec.json.Decoder(Outcome)
        outcomes = []
        for number, line in enumerate(lines, 1):
            try:
                outcomes.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadStore(f"{path} line {number} is not ours: {error}") from error
        return outcomes

    def _replace(self, name: str, content: Iterable[bytes]) -> None:
        fresh = self._folder / f"{name}.new"
        try:
            with fresh.open("wb") as file:
                file.writelines(content)
            os.replace(fresh, self._folder / name)
        except OSError as error:
            raise BadStore(f"can't write {fresh}: {error.strerror}") from error


def _line(outcome: Outcome) -> bytes:
    return msgspec.json.encode(outcome) + b"\n"


def _pretty(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"
