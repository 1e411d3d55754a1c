"""Files of samples, the shipped ones included."""

import json
import re
from pathlib import Path

import pytest

from client.evaluate.samples import BadData, Data, Sample, load, tasks
from client.openai.types import Message


def read(folder: Path, *lines: object, **keys: str) -> Data:
    """Load a file of these lines."""
    path = folder / "data.jsonl"
    path.write_text(
        "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines)
    )
    return load(str(path), **keys)


def test_prompt_and_messages_are_samples(tmp_path: Path) -> None:
    """A prompt is a user's message; an id and a reference are the line's, if it has them."""
    system, user = {"role": "system", "content": "Add."}, {"role": "user", "content": "1 + 2"}
    data = read(
        tmp_path,
        {"prompt": "17 + 25?", "reference": "42", "more": 1},
        "",
        {"messages": [system, user], "reference": ["3", "three"], "id": 7},
        {"prompt": "Hello"},
    )
    assert data.samples == (
        Sample("1", (Message("user", "17 + 25?"),), ("42",)),
        Sample("7", (Message("system", "Add."), Message("user", "1 + 2")), ("3", "three")),
        Sample("4", (Message("user", "Hello"),), ()),
    )


def test_last_turn_of_the_assistant_is_the_reference(tmp_path: Path) -> None:
    """A conversation that ends with the answer is asked without it."""
    turns = [{"role": "user", "content": "1 + 2"}, {"role": "assistant", "content": "3"}]
    (sample,) = read(tmp_path, {"messages": turns}).samples
    assert sample == Sample("1", (Message("user", "1 + 2"),), ("3",))


def test_keys_may_have_other_names(tmp_path: Path) -> None:
    """What a file calls prompt and reference can be said."""
    line = {"question": "1 + 2", "answer": "3", "prompt": "not this"}
    (sample,) = read(tmp_path, line, prompt_key="question", reference_key="answer").samples
    assert (sample.messages[0].content, sample.references) == ("1 + 2", ("3",))


def test_byte_order_mark_and_crlf_are_no_text(tmp_path: Path) -> None:
    """A file that an editor on Windows has saved reads the same."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n{"prompt": "b"}\r\n')
    assert [sample.id for sample in load(str(path)).samples] == ["1", "2"]


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    """All that is wrong with a file is said at once, each with its line."""
    bad = {
        2: "{",
        3: [1],
        4: {"reference": "42"},
        5: {"prompt": "a", "messages": []},
        6: {"prompt": 5},
        7: {"messages": [{"role": "user"}]},
        8: {"messages": []},
        9: {"prompt": " "},
        10: {"prompt": "a", "reference": []},
        11: {"prompt": "a", "reference": ["b", ""]},
        12: {"messages": [{"role": "assistant", "content": "b"}]},
        13: {"prompt": "a", "id": "1"},
    }
    with pytest.raises(BadData) as caught:
        read(tmp_path, {"prompt": "good"}, *bad.values())
    named = [int(number) for number in re.findall(r"\bline (\d+): \S", str(caught.value))]
    assert named == list(bad)


def test_no_samples_at_all(tmp_path: Path) -> None:
    """An empty file and a file that is not there are told apart, and the tasks are named."""
    with pytest.raises(BadData, match="empty"):
        read(tmp_path)
    with pytest.raises(BadData, match="arithmetic, qa, summaries"):
        load(str(tmp_path / "nothing"))


@pytest.mark.parametrize("name", tasks())
def test_shipped_tasks_are_half_chinese(name: str) -> None:
    """Each task loads, has a reference everywhere, and asks in both languages alike."""
    samples = load(name).samples
    assert all(sample.references for sample in samples)
    chinese = [sample for sample in samples if sample.id.startswith("zh-")]
    assert len(chinese) * 2 == len(samples)


def test_shipped_arithmetic_is_right() -> None:
    """Each reference is what the sum in its question comes to, in one order or the other."""
    for sample in load("arithmetic").samples:
        a, b = map(int, re.findall(r"\d+", sample.messages[0].content))
        kind = sample.id.split("-")[1]
        right = {"add": {a + b}, "subtract": {a - b, b - a}, "multiply": {a * b}}[kind]
        assert int(sample.references[0]) in right, sample
