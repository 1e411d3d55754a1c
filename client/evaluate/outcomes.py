"""What came of each request of an evaluation: one outcome, one line of `samples.jsonl`."""

from dataclasses import dataclass, field

from client.evaluate.samples import Sample
from client.evaluate.scores import Scores
from client.openai.errors import ClientError
from client.openai.reply import Reply, milliseconds
from client.openai.types import Message, Usage


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer.

    Attributes:
        kind: one word, such as `refused`.
        message: what the user should read.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request.

    Attributes:
        id: of the sample.
        repeat: which time it was asked, from 0.
        messages: what was sent.
        references: the sample's.
        answer: without thinking, and without white space around it.
        thinking: what was thought.
        finish_reason: as the server said.
        usage: token counts, as the server said; zeros if it did not.
        ttft_ms: time to the first piece with text, in milliseconds.
        ttft_answer_ms: time to the first piece of the answer, in milliseconds.
        e2e_ms: time to the last piece with text, in milliseconds.
        scores: None without references, after a failure, and until the whole run is scored.
        failure: None if the reply came whole.
    """

    id: str
    repeat: int
    messages: tuple[Message, ...]
    references: tuple[str, ...] = ()
    answer: str = ""
    thinking: str = ""
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)
    ttft_ms: float | None = None
    ttft_answer_ms: float | None = None
    e2e_ms: float | None = None
    scores: Scores | None = None
    failure: Failure | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from every other outcome."""
        return self.id, self.repeat

    @property
    def tokens_per_second(self) -> float | None:
        """Completion tokens by time to the last piece; None if either is unknown."""
        if not self.e2e_ms or not self.usage.completion_tokens:
            return None
        return self.usage.completion_tokens / (self.e2e_ms / 1000)


def answered(sample: Sample, repeat: int, reply: Reply) -> Outcome:
    """Return what a whole reply is, without scores."""
    return Outcome(
        sample.id,
        repeat,
        sample.messages,
        sample.references,
        reply.answer.strip(),
        reply.thinking,
        reply.finish_reason,
        reply.usage,
        milliseconds(reply.ttft),
        milliseconds(reply.ttft_answer),
        milliseconds(reply.e2e),
    )


def failed(sample: Sample, repeat: int, error: ClientError) -> Outcome:
    """Return what a request is that brought no whole reply."""
    failure = Failure(error.kind, str(error))
    return Outcome(sample.id, repeat, sample.messages, sample.references, failure=failure)
