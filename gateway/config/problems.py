"""What is wrong with a configuration."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: dotted key, what, and where it was set ('' where that says nothing)."""

    key: str
    message: str
    source: str = ""

    def __str__(self) -> str:
        origin = f" ({self.source})" if self.source else ""
        return f"{self.key}: {self.message}{origin}"


class ConfigError(Exception):
    """The configuration can't be used; `problems` has every reason, `str()` one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
