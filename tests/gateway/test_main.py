"""Commands that others register: `thinkgate` finds them by their entry points and imports none."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

import gateway.__main__
from gateway.__main__ import main

CALLS: list[list[str]] = []


def command(arguments: list[str]) -> int:
    """A command that notes what it was called with."""
    CALLS.append(arguments)
    return 3


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """One command, and another that can't even be imported."""
    CALLS.clear()
    places = {"talk": f"{__name__}:command", "lost": "tests.nowhere:main"}

    def entry_points(*, group: str) -> EntryPoints:
        return EntryPoints(EntryPoint(name, place, group) for name, place in places.items())

    monkeypatch.setattr(gateway.__main__, "entry_points", entry_points)


@pytest.mark.usefixtures("registered")
def test_command_gets_all_arguments() -> None:
    """Its name comes first, so that one callable can serve several; its result is the exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(["talk", "--config", "no.toml", "--help"])
    assert stopped.value.code == 3
    assert CALLS == [["talk", "--config", "no.toml", "--help"]]


@pytest.mark.usefixtures("registered")
def test_help_lists_commands_without_importing_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Theirs stand beside ours."""
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "{serve,check,lost,talk}" in capsys.readouterr().out
    assert CALLS == []


def test_nothing_registered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without clients their names are bad arguments."""
    monkeypatch.setattr(gateway.__main__, "entry_points", lambda *, group: EntryPoints())
    with pytest.raises(SystemExit) as stopped:
        main(["chat"])
    assert stopped.value.code == 78
    assert "invalid choice: 'chat'" in capsys.readouterr().err


def test_the_gateway_imports_no_client() -> None:
    """Not even for its help."""
    program = (
        "import sys\nfrom gateway.__main__ import main\ntry:\n    main(['--help'])\n"
        "except SystemExit:\n    sys.exit('client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
