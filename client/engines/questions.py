"""What engines are asked: a file's conversations, or questions that the demo model understands."""

import itertools
import random

import msgspec

from client.bench.load import Lengths
from client.bench.options import lengths_of
from client.evaluate.samples import load
from client.openai.types import Message

_MAX_TOKENS = 256
_BUILT_IN = (
    "17 + 25?",
    "Sort 31, 4, 15, 92, 65.",
    "Count to 30.",
    "508 - 79?",
    "Which is larger, 71 or 17?",
    "34 * 6?",
    "Count to 12.",
    "266 + 357?",
)


class Question(msgspec.Struct, frozen=True):
    """A conversation, and the most tokens that an engine may add."""

    messages: tuple[Message, ...]
    max_tokens: int


def questions(data: str | None, count: int, output_tokens: str | None, seed: int) -> list[Question]:
    """Return `count` questions, those of the data from the beginning again when they run out.

    Args:
        data: a JSONL file of prompts or messages, or the name of an evaluation's task; None for
            the built-in questions.
        count: how many.
        output_tokens: the most tokens of a reply, `128`, or of each a random number in `64-128`.
        seed: of the random numbers.

    Raises:
        ClientError: the data can't be used.
        argparse.ArgumentTypeError: `output_tokens` is neither.
    """
    conversations: list[tuple[Message, ...]]
    if data is None:
        conversations = [(Message("user", text),) for text in _BUILT_IN]
    else:
        conversations = [sample.messages for sample in load(data).samples]
    lengths = lengths_of(output_tokens) if output_tokens else Lengths(_MAX_TOKENS, _MAX_TOKENS)
    source = random.Random(seed)
    return [
        Question(messages, lengths.draw(source))
        for messages in itertools.islice(itertools.cycle(conversations), count)
    ]
