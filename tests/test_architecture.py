"""The documents name the files that there are."""

import re
from pathlib import PurePosixPath

import pytest

from tests.checkout import ROOT, files

ROOMS = ("gateway", "engine", "parsers", "client", "tools")
WITHOUT = ("engine/demo/",)
FUTURE = "## Where the next things go"

ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
NOW = ARCHITECTURE.partition(FUTURE)[0]


def named() -> list[str]:
    """The files and folders in the tables of docs/architecture.md, each with its room's path."""
    found = []
    for part in re.split(r"^### ", NOW, flags=re.MULTILINE)[1:]:
        room = re.match(r"`(.+/)`\n", part)
        if room:
            rows = re.findall(r"^\| `([^`]+)` \|", part, flags=re.MULTILINE)
            found += [room.group(1) + row for row in rows]
    return found


def modules() -> set[str]:
    """Our Python files, but for those that only say what their folder is."""
    return {
        f"{room}/{path}"
        for room in ROOMS
        for path in files(ROOT / room)
        if path.endswith(".py") and not path.endswith("__init__.py")
    }


def test_every_file_has_its_line() -> None:
    """A new file can be found without a search."""
    expected = {path for path in modules() if not path.startswith(WITHOUT)}
    assert expected
    assert expected - set(named()) == set()


def test_every_line_has_its_file() -> None:
    """What was moved or deleted is not looked for; nothing is told twice."""
    paths = named()
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    "document",
    [
        *("README.md", "docs/architecture.md", "docs/clients.md"),
        *("docs/compatibility.md", "docs/operations.md", "engine/demo/model/README.md"),
    ],
)
def test_python_files_in_prose(document: str) -> None:
    """Each that a document names is there, under that name or in a folder."""
    text = (ROOT / document).read_text().partition(FUTURE)[0]
    known = {
        PurePosixPath("/", room, path)
        for room in (*ROOMS, "tests", "requirements")
        for path in files(ROOT / room)
    }
    mentioned = re.findall(r"`([\w/]+\.py)`", text)
    missing = [name for name in mentioned if not any(path.match(name) for path in known)]
    assert missing == []
