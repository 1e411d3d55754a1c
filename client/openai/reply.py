"""A whole reply with its times: the formulas that chat, evaluation and benchmark share.

Times are in seconds, on one clock, from the moment just before the request is sent:

    TTFT              first piece with a token - sent
    TTFT, answer      first piece with text of the answer - sent
    E2E               last piece with a token - sent
    ITL               time between two pieces with a token that follow each other, each a sample
    TPOT              (E2E - TTFT) / (completion tokens - 1)
    tokens/s          completion tokens / E2E

They are those of `vllm bench serve` (vLLM 0.32), but for TTFT of the answer, which it lacks, and
for a chat's first chunk if it has a role and no text: vLLM counts that one as a token.
"""

import time
from contextlib import aclosing
from dataclasses import dataclass, field

from client.openai.server import Server
from client.openai.types import Piece, Request, Usage


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request brought.

    Attributes:
        sent: when it was sent, on `time.perf_counter`, in seconds.
        times: when each piece with a token came, on the same clock.
        answered: when the first piece of the answer came; None if none did.
        thinking: what was thought.
        answer: what was said.
        finish_reason: why it ended; empty if the server did not say.
        usage: token counts; zeros if the server gave none.
    """

    sent: float
    times: tuple[float, ...] = ()
    answered: float | None = None
    thinking: str = ""
    answer: str = ""
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)

    @property
    def ttft(self) -> float | None:
        return self.times[0] - self.sent if self.times else None

    @property
    def ttft_answer(self) -> float | None:
        return None if self.answered is None else self.answered - self.sent

    @property
    def e2e(self) -> float | None:
        return self.times[-1] - self.sent if self.times else None

    @property
    def itl(self) -> list[float]:
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]

    @property
    def tpot(self) -> float | None:
        tokens = self.usage.completion_tokens
        if not self.times or tokens < 2:
            return None
        return (self.times[-1] - self.times[0]) / (tokens - 1)

    @property
    def tokens_per_second(self) -> float | None:
        if not self.e2e or not self.usage.completion_tokens:
            return None
        return self.usage.completion_tokens / self.e2e


class ReplyBuilder:
    """Puts pieces together; `reply` is what there is so far."""

    def __init__(self) -> None:
        self.sent = time.perf_counter()
        self._times: list[float] = []
        self._answered: float | None = None
        self._thinking: list[str] = []
        self._answer: list[str] = []
        self._finish_reason = ""
        self._usage = Usage()

    def add(self, piece: Piece) -> None:
        if piece.token or piece.thinking or piece.answer:
            self._times.append(piece.at)
        if piece.answer and self._answered is None:
            self._answered = piece.at
        self._thinking.append(piece.thinking)
        self._answer.append(piece.answer)
        self._finish_reason = piece.finish_reason or self._finish_reason
        self._usage = piece.usage or self._usage

    @property
    def reply(self) -> Reply:
        return Reply(
            self.sent,
            tuple(self._times),
            self._answered,
            "".join(self._thinking),
            "".join(self._answer),
            self._finish_reason,
            self._usage,
        )


def milliseconds(seconds: float | None) -> float | None:
    """Return a time as JSON has it, to the microsecond; None stays None."""
    return None if seconds is None else round(seconds * 1000, 3)


async def ask(server: Server, request: Request) -> Reply:
    """Send a request and wait for its whole reply.

    Raises:
        ClientError: as `Server.generate`.
    """
    builder = ReplyBuilder()
    async with aclosing(server.generate(request)) as pieces:
        async for piece in pieces:
            builder.add(piece)
    return builder.reply
