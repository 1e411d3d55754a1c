"""One choice: what the model writes, parsed, stopped, counted, and what of it may be seen.

How it works
------------
A delta's text goes to the family's parser, whose events say what it is and which characters of the
reply's text it stands for. Answers go through the stop strings. Boundaries (a block's marks, the
end of a stop string) are positions in the text; which token wrote a character is known from
detokenising, so each boundary is turned into a number of tokens when it is met.

Visibility decides about text alone: the same parser, the same stops and the same counting run in
all three, so finish reasons and token counts can't differ between them. Tokens of think blocks,
marks included, are reasoning tokens; all others are answer.

`raw` needs more: the text as generated, up to what may be sent, which is what the parser has
decided and the stops have let pass. `_held` has the position of every character that they hold.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.types import Delta, Function, ToolCall
from gateway.thinking.words import Visibility
from parsers.events import (
    Answer,
    Event,
    Thinking,
    ThinkingEnd,
    ThinkingStart,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
    ToolCallText,
)
from parsers.offsets import TokenOffsets
from parsers.reply import ReplyParser
from parsers.stops import StopMatcher

ReadCalls = Callable[[str], Sequence[ToolCall]]
"""Text in the model's tool format -> its calls; none if it is not sound."""


@dataclass(slots=True)
class Piece:
    """What one delta adds to what the client sees; any part may be empty."""

    thinking: str = ""
    answer: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.thinking or self.answer or self.tool_calls)


class ChoiceState:
    """One choice, fed delta by delta.

    Args:
        parser: of its own.
        stops: strings that end the answer.
        visibility: what leaves the house.
        read_calls: reads the calls in a reply's `ToolCallText`.

    Attributes:
        finish_reason: None until the choice is over; then `stop`, `length` or `tool_calls`.
        stop_reason: the stop string that ended it, if one did.
        completion_tokens: tokens so far.
        cached_tokens: how many of its prompt's tokens were cached.
        answering: the answer has begun.
        last_delta: the engine's last word on it; None where we ended it, or it still runs.
    """

    def __init__(
        self,
        parser: ReplyParser,
        stops: Sequence[str],
        visibility: Visibility,
        read_calls: ReadCalls,
    ) -> None:
        self._parser = parser
        self._stops = StopMatcher(stops)
        self._visibility = visibility
        self._read_calls = read_calls
        self._offsets = TokenOffsets()
        self._opened: int | None = 0 if parser.thinking else None
        self._closed_tokens = 0
        self._answer_held = 0  # of what the stops hold, how much is answer and no call
        self._calls_text = ""
        self._call_name = ""
        self._call_arguments = ""
        self._called = False
        self._raw = ""
        self._raw_sent = 0
        self._held: list[int] = []
        self.finish_reason: Literal["stop", "length", "tool_calls"] | None = None
        self.stop_reason: str | None = None
        self.completion_tokens = 0
        self.cached_tokens = 0
        self.answering = False
        self.last_delta: Delta | None = None

    @property
    def reasoning_tokens(self) -> int:
        """Tokens of think blocks so far, marks included."""
        if self._opened is None:
            return self._closed_tokens
        return self._closed_tokens + self.completion_tokens - self._opened

    @property
    def thinking(self) -> bool:
        """Whether the reply is inside a think block."""
        return self._opened is not None

    def feed(self, delta: Delta) -> Piece:
        """Take the next delta; return what may be seen of it."""
        text = delta.texts[0] if len(delta.texts) == 1 else "".join(delta.texts)
        self._offsets.extend(map(len, delta.texts))
        self.completion_tokens = self._offsets.tokens
        self.cached_tokens = delta.cached_tokens
        piece = Piece()
        events = self._parser.feed(text) if text else []
        if delta.finish_reason:
            self.last_delta = delta
            events += self._parser.finish()
        for event in events:
            self._take(event, piece)
            if self.finish_reason:
                break
        if delta.finish_reason and not self.finish_reason:
            self._pass(self._stops.finish(), piece, calling=bool(self._calls_text))
            self.finish_reason = delta.finish_reason
        if self.finish_reason:
            self._finish_calls(piece)
        if self._visibility == "raw":
            piece = Piece("", self._raw_text(text), piece.tool_calls)
        elif self._visibility == "hidden":
            piece.thinking = ""
        self._offsets.forget(self._parser.position)
        return piece

    def _take(self, event: Event, piece: Piece) -> None:
        match event:
            case Answer() | ToolCallText():
                self._match_stops(event, piece)
            case Thinking():
                piece.thinking += event.text
            case ThinkingStart():
                self._opened = self._offsets.cut(event.start)
            case ThinkingEnd() if self._opened is not None:
                self._closed_tokens += self._offsets.cut(event.end) - self._opened
                self._opened = None
            case ToolCallStart():
                self._call_name, self._call_arguments = event.name, ""
            case ToolCallArguments():
                self._call_arguments += event.text
            case ToolCallEnd():
                self._called = True
                call = Function(self._call_name, self._call_arguments)
                piece.tool_calls.append(ToolCall(call, _new_call_id()))

    def _match_stops(self, event: Answer | ToolCallText, piece: Piece) -> None:
        self.answering = True
        calling = isinstance(event, ToolCallText)
        text, match = self._stops.feed(event.text)
        self._pass(text, piece, calling=calling)
        length = self._stops.held
        if not calling:
            self._answer_held = length
        if match:
            self.finish_reason, self.stop_reason = "stop", match.stop
            self.completion_tokens = self._offsets.cut(event.start + match.end)
            length = len(event.text) - match.end + len(match.stop)
        if length:
            self._held += range(event.start, event.end)
        self._held = self._held[len(self._held) - length :]

    def _pass(self, text: str, piece: Piece, *, calling: bool) -> None:
        """The stops let text pass: what they held of the answer, and what it ends in."""
        if not calling:
            piece.answer += text
            return
        piece.answer += text[: self._answer_held]
        self._calls_text += text[self._answer_held :]
        self._answer_held = max(0, self._answer_held - len(text))

    def _finish_calls(self, piece: Piece) -> None:
        """The reply is over: only now can it be told whether its calls are sound."""
        calls = self._read_calls(self._calls_text) if self._calls_text else ()
        piece.tool_calls.extend(calls)
        if calls or self._called:
            self.finish_reason = "tool_calls"
        if not calls:
            piece.answer += self._calls_text

    def _raw_text(self, text: str) -> str:
        """The text as generated, as far as it may be sent."""
        self._raw += text
        if self._held and (self.stop_reason is not None or not self.finish_reason):
            end = self._held[0]
        elif self.finish_reason:
            end = self._raw_sent + len(self._raw)
        else:
            end = self._parser.position
        length = max(0, end - self._raw_sent)
        sent, self._raw = self._raw[:length], self._raw[length:]
        self._raw_sent += length
        return sent


def _new_call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"
