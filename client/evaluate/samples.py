"""What an evaluation asks: lines of a JSONL file, or of one of the tasks in `tasks/`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from client.openai.errors import ClientError
from client.openai.types import Message

_TASKS = Path(__file__).with_name("tasks")


class BadData(ClientError):
    """The data can't be read, or some of its lines can't be used; the text names each of them."""

    kind = "data"


@dataclass(frozen=True, slots=True)
class Sample:
    """One question.

    Attributes:
        id: unlike that of any other sample; the line's number if the line has none.
        messages: what is sent.
        references: answers that would be right; none if only speed is measured.
    """

    id: str
    messages: tuple[Message, ...]
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    """A file of samples.

    Attributes:
        name: as it was asked for.
        sha256: of the file's bytes, in hexadecimal.
        samples: at least one.
    """

    name: str
    sha256: str
    samples: tuple[Sample, ...]


class _Line(msgspec.Struct, frozen=True):
    id: str | int | None = None
    prompt: str | None = None
    messages: tuple[Message, ...] | None = None
    reference: str | tuple[str, ...] | None = None


def tasks() -> list[str]:
    """Return the names of the tasks that we bring."""
    return sorted(path.stem for path in _TASKS.glob("*.jsonl"))


def load(name: str, prompt_key: str = "prompt", reference_key: str = "reference") -> Data:
    """Read a task or a file.

    Each line is an object with a prompt, or with `messages`; perhaps a reference or a list of them,
    and perhaps an `id`. If the last of the messages is the assistant's, that is the reference.
    Empty lines and other keys are passed over.

    Args:
        name: of a task, else the path of a file.
        prompt_key: what the file calls the prompt.
        reference_key: what the file calls the reference.

    Raises:
        BadData: there is no such thing, or lines are wrong: all of them are named.
    """
    path = _TASKS / f"{name}.jsonl" if name in tasks() else Path(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        known = ", ".join(tasks())
        raise BadData(f"can't read {name}: {error.strerror}; tasks are {known}") from error
    samples: dict[str, Sample] = {}
    problems: list[str] = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if not line.strip():
            continue
        try:
            sample = _sample(line, number, prompt_key, reference_key)
            if sample.id in samples:
                raise BadData(f"the id {sample.id!r} was there before")
            samples[sample.id] = sample
        except (BadData, msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(f"line {number}: {error}")
    if problems:
        raise BadData(f"{name} can't be used, nothing was sent: {'; '.join(problems)}")
    if not samples:
        raise BadData(f"{name} is empty")
    return Data(name, hashlib.sha256(content).hexdigest(), tuple(samples.values()))


def _sample(text: bytes, number: int, prompt_key: str, reference_key: str) -> Sample:
    fields: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    named = {
        "id": fields.get("id"),
        "prompt": fields.get(prompt_key),
        "messages": fields.get("messages"),
        "reference": fields.get(reference_key),
    }
    line = msgspec.convert(named, _Line)
    if (line.prompt is None) == (line.messages is None):
        count = "neither" if line.prompt is None else "both"
        raise BadData(f"{count} of {prompt_key!r} and 'messages'")
    messages = (Message("user", line.prompt),) if line.prompt is not None else line.messages or ()
    references = (line.reference,) if isinstance(line.reference, str) else line.reference
    if messages and messages[-1].role == "assistant":
        if references is not None:
            raise BadData(f"the last message is the assistant's, and {reference_key!r} is there")
        messages, references = messages[:-1], (messages[-1].content,)
    if not any(message.content.strip() for message in messages):
        raise BadData("nothing is asked")
    if references is not None and not (references and all(each.strip() for each in references)):
        raise BadData(f"{reference_key!r} is empty")
    sample_id = str(number) if line.id is None else str(line.id)
    return Sample(sample_id, messages, references or ())
