"""Which engines run, and how: what flags say, then what the environment says."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from client.engines.environment import ARGUMENTS
from client.engines.values import Value, boolean, count, names
from client.openai.errors import ClientError

_Read = TypeVar("_Read")

_ENGINES = ("vllm", "transformers")
_METHODS = ("ar", "speculative")
_SPECULATIVE = ("draft_model", "ngram")
_TOKENS = 3
_UNSET: tuple[object, ...] = (None, False, 0, "", (), [], {}, (1,))

_AT_ONCE = "they answer one request after another"
_PROMPTS = "they answer --data, or built-in questions, by the model's chat template"
_SERVERS_ONLY: Mapping[str, str] = MappingProxyType(
    {
        "model": "--model-path names the model",
        "concurrency": _AT_ONCE,
        "rate": _AT_ONCE,
        "warmup": "they are warmed up with the first question",
        "input_tokens": _PROMPTS,
        "prefix_tokens": _PROMPTS,
        "token_ids": _PROMPTS,
        "chat": _PROMPTS,
        "no_think": _PROMPTS,
        "ignore_eos": "a reply ends where it ends, or at --output-tokens",
        "temperature": "they decode greedily, so that their replies can be compared",
        "compare": "run it alone",
        "server_pid": "run it alone",
        "slo": "run it alone",
    }
)
"""Arguments of the benchmark that mean nothing here, and what to do."""


class BadSettings(ClientError):
    """Some values won't do.

    Attributes:
        problems: one line for each.
    """

    kind = "settings"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Combination:
    """One run: an engine, and where its drafts come from; nowhere if `speculative` is empty."""

    engine: str
    speculative: str = ""

    @property
    def method(self) -> str:
        """What people call the latter, such as `speculative, ngram`."""
        return f"speculative, {self.speculative}" if self.speculative else "ar"

    @property
    def slug(self) -> str:
        """A name for files."""
        return f"{self.engine}-{self.speculative or 'ar'}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run.

    Attributes:
        combinations: one after another.
        num_speculative_tokens: how many tokens a draft has at most.
        model: a folder or hub id; empty for the demo model.
        draft: the draft model's; empty for the demo model's.
        arguments: vLLM's engine arguments, by their own names.
    """

    combinations: tuple[Combination, ...]
    num_speculative_tokens: int
    model: str
    draft: str
    arguments: Mapping[str, Value]


def resolve(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Return what flags and environment ask for.

    Raises:
        BadSettings: some values won't do; all of them are named.
    """
    source = _Source(environ)
    engines = source.first(names(_ENGINES), ["vllm"], ("--engine", arguments.engine))
    kinds = source.first(
        names(_SPECULATIVE),
        ["draft_model"],
        ("--speculative-method", arguments.speculative_method),
    )
    tokens = source.first(
        count,
        _TOKENS,
        ("--num-speculative-tokens", arguments.num_speculative_tokens),
        source.variable("VLLM_NUM_SPECULATIVE_TOKENS"),
        source.variable("GAMMA_VALUE"),
    )
    methods = _methods(source, arguments.method)
    drafts = [kind for method in methods for kind in (kinds if method == "speculative" else [""])]
    if "draft_model" in drafts and arguments.model_path and not arguments.draft:
        source.problems.append(
            "--draft: a draft model is needed; --speculative-method ngram has none"
        )
    values = {
        name: source.first(read, None, source.variable(variable))
        for variable, (name, read) in ARGUMENTS.items()
    }
    source.problems.extend(_misplaced(arguments))
    if source.problems:
        raise BadSettings(source.problems)
    return Settings(
        tuple(Combination(engine, draft) for engine in engines for draft in drafts),
        tokens,
        arguments.model_path,
        arguments.draft,
        MappingProxyType({name: value for name, value in values.items() if value is not None}),
    )


class _Source:
    """Flags and variables, and what is wrong with them so far."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self._environ = environ

    def variable(self, name: str) -> tuple[str, str | None]:
        return name, self._environ.get(name)

    def first(
        self, read: Callable[[str], _Read], default: _Read, *places: tuple[str, str | None]
    ) -> _Read:
        """Read the first place that says something."""
        for name, text in places:
            if text:
                try:
                    return read(text.strip())
                except ValueError as error:
                    self.problems.append(f"{name}={text}: {error}")
                    return default
        return default


def _methods(source: _Source, flag: str | None) -> list[str]:
    enabled = source.first(boolean, None, source.variable("VLLM_ENABLE_SPECULATIVE"))
    default = ["speculative" if enabled else "ar"]
    name, text = source.variable("INFERENCE_METHOD")
    methods = source.first(names(_METHODS), default, ("--method", flag), (name, text))
    if enabled is not None and text and not flag and methods != default:
        source.problems.append(
            f"{name}={text} and VLLM_ENABLE_SPECULATIVE={int(enabled)} disagree; unset one"
        )
    return methods


def _misplaced(arguments: argparse.Namespace) -> list[str]:
    return [
        f"--{name.replace('_', '-')} is for servers, not for --engine and INFERENCE_ENGINE: {hint}"
        for name, hint in _SERVERS_ONLY.items()
        if getattr(arguments, name, None) not in _UNSET
    ]
