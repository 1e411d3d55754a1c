"""What an evaluation was done with: what decides about the answers, and the surroundings."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from client.evaluate.samples import Sample
from client.openai.types import Request

_PACKAGES = ("thinkgate", "aiohttp", "msgspec", "rouge-score")


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides about the answers.

    Attributes:
        data_sha256: of the file of samples.
        prompt_key: what it calls the prompt.
        reference_key: what it calls the reference.
        limit: how many of its samples are asked; None for all.
        repeat: how often each is asked.
        model: as the server names it.
        no_think: whether the model is asked not to think.
        max_tokens: of a reply; None leaves it to the server.
        temperature: 0 for the likeliest token each time.
        top_p: the share of likely tokens to choose from; None leaves it to the server.
        seed: of the first time that a sample is asked; the next time it is one more.
    """

    data_sha256: str
    prompt_key: str
    reference_key: str
    limit: int | None
    repeat: int
    model: str
    no_think: bool
    max_tokens: int | None
    temperature: float
    top_p: float | None
    seed: int | None

    def request(self, sample: Sample, repeat: int) -> Request:
        """Return what is sent the `repeat`-th time, from 0."""
        seed = None if self.seed is None else self.seed + repeat
        sampling = {"temperature": self.temperature, "top_p": self.top_p, "seed": seed}
        return Request(
            sample.messages,
            max_tokens=self.max_tokens,
            thinking=False if self.no_think else None,
            fields={name: value for name, value in sampling.items() if value is not None},
        )

    def differences(self, other: "Settings") -> list[str]:
        """Return what is not the same, such as `repeat is 2, not 1`."""
        pairs = [(f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return [f"{name} is {ours}, not {theirs}" for name, ours, theirs in pairs if ours != theirs]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where one process did its part.

    Attributes:
        started: when, UTC, ISO 8601.
        data: the task or file, as it was asked for.
        base_url: of the server.
        server: what its page `/version` says; empty if it has none.
        concurrency: how many requests ran at once, at most.
        python: its version.
        platform: the operating system and the processor.
        cpus: how many this machine has.
        packages: name -> version.
    """

    started: str
    data: str
    base_url: str
    server: str
    concurrency: int
    python: str
    platform: str
    cpus: int | None
    packages: Mapping[str, str]


def surroundings(data: str, base_url: str, server: str, concurrency: int) -> Surroundings:
    return Surroundings(
        datetime.now(UTC).isoformat(timespec="seconds"),
        data,
        base_url,
        server,
        concurrency,
        platform.python_version(),
        platform.platform(),
        os.cpu_count(),
        {name: _version(name) for name in _PACKAGES},
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
