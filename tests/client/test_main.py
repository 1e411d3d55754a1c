"""How the clients are found, and what they say where their libraries are missing."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from client.__main__ import COMMANDS, main

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_each_command_is_registered() -> None:
    """The gateway's command line finds all of them, by entry points that can be loaded."""
    places = PROJECT["entry-points"]["thinkgate.commands"]
    assert places.keys() == COMMANDS.keys()
    for name, place in places.items():
        assert EntryPoint(name, place, "thinkgate.commands").load() is main


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("library", ["aiohttp", "rich"])
def test_a_missing_library_is_one_line(command: str, library: str) -> None:
    """The line names it and the extra that brings it."""
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        f"from client.__main__ import main; main([{command!r}, '--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"thinkgate {command}: ")
    assert library in line
    assert line.endswith("install thinkgate[client]")
    assert any(each.startswith(library) for each in PROJECT["optional-dependencies"]["client"])


def test_our_own_mistakes_are_not_taken_for_that() -> None:
    """A module of ours that can't be imported is a traceback, not advice."""
    program = (
        "import sys; sys.modules['client.openai.server'] = None\n"
        "from client.__main__ import main; main(['chat', '--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
