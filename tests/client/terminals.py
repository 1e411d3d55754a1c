"""A terminal to write to, which remembers."""

import io

import pytest


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def make_terminal(monkeypatch: pytest.MonkeyPatch, name: str = "xterm-256color") -> Terminal:
    """Make stdout a terminal of that kind."""
    terminal = Terminal()
    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", name)
    monkeypatch.setattr("sys.stdout", terminal)
    return terminal
