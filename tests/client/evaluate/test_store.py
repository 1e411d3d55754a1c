"""The folder of an evaluation: what survives a kill, and whom it belongs to."""

from dataclasses import replace
from pathlib import Path

import pytest

from client.evaluate.outcomes import Failure, Outcome
from client.evaluate.scores import Scores
from client.evaluate.settings import Settings, surroundings
from client.evaluate.store import BadStore, Store
from client.openai.types import Message, Usage

SETTINGS = Settings("abc", "prompt", "reference", None, 1, "demo", False, 64, 0.0, None, None)
HERE = surroundings("data.jsonl", "http://127.0.0.1:8000/v1", "", 8)
DONE = Outcome(
    "1", 0, (Message("user", "17 + 25?"),), ("42",), "42", "hm", "stop", Usage(5, 9, 7),
    1.5, 2.5, 3.5, Scores(1.0, 1.0, 0.0, 1.0),
)  # fmt: skip
FAILED = Outcome("2", 0, DONE.messages, failure=Failure("refused", "HTTP 400: no"))


def begin(folder: Path, settings: Settings = SETTINGS) -> list[Outcome]:
    """Start a run and end it at once; what it found."""
    with Store(folder) as store:
        return store.begin(settings, HERE)


def fill(folder: Path, *outcomes: Outcome) -> Path:
    """Keep some outcomes; the file they are in."""
    with Store(folder) as store:
        assert store.begin(SETTINGS, HERE) == []
        for outcome in outcomes:
            store.add(outcome)
    return folder / "samples.jsonl"


def test_answers_are_found_again_and_failures_are_not(tmp_path: Path) -> None:
    """What was answered comes back as it was; what failed is to be asked again."""
    file = fill(tmp_path, FAILED, DONE)
    assert len(file.read_bytes().splitlines()) == 2
    assert begin(tmp_path) == [DONE]
    assert begin(tmp_path) == [DONE]
    assert len(file.read_bytes().splitlines()) == 1


@pytest.mark.parametrize("kept", [1, 30, -1])
def test_torn_line_is_dropped(tmp_path: Path, kept: int) -> None:
    """A line that a kill cut anywhere is no answer, and does not harm the next one."""
    file = fill(tmp_path, DONE, replace(DONE, id="2"))
    first, second = file.read_bytes().splitlines()
    file.write_bytes(first + b"\n" + second[:kept])
    with Store(tmp_path) as store:
        assert store.begin(SETTINGS, HERE) == [DONE]
        store.add(replace(DONE, id="3"))
    assert begin(tmp_path) == [DONE, replace(DONE, id="3")]


def test_foreign_line_is_an_error_and_stays(tmp_path: Path) -> None:
    """A line that we did not write is named and nothing is lost."""
    file = fill(tmp_path, DONE)
    file.write_bytes(b'{"mine": 1}\n' + file.read_bytes())
    before = file.read_bytes()
    with pytest.raises(BadStore, match="line 1"):
        begin(tmp_path)
    assert file.read_bytes() == before


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    """Every setting that differs is named, and nothing is lost."""
    file = fill(tmp_path, DONE)
    other = replace(SETTINGS, temperature=0.7, model="other")
    with pytest.raises(BadStore, match=r"model is other, not demo; temperature is 0\.7, not 0\.0"):
        begin(tmp_path, other)
    assert len(file.read_bytes().splitlines()) == 1
    assert begin(tmp_path) == [DONE]


def test_samples_without_settings_are_refused(tmp_path: Path) -> None:
    """Samples of which nobody knows how they were made are not mixed with others."""
    fill(tmp_path, DONE)
    (tmp_path / "settings.json").unlink()
    with pytest.raises(BadStore, match=r"no settings\.json"):
        begin(tmp_path)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second process is kept out until the first has ended."""
    with Store(tmp_path):
        with pytest.raises(BadStore, match="in use"):
            begin(tmp_path)
    assert begin(tmp_path) == []


def test_folder_that_can_not_be_one(tmp_path: Path) -> None:
    """A file in the folder's place is one clear error."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadStore, match="file"):
        begin(tmp_path / "file")
