"""One choice's reply: what the model writes, split, stopped and counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.types import Delta, ToolCall
from gateway.reasoning import Visibility
from parsers.events import Answer, Event, Thinking, ThinkingEnd, ThinkingStart
from parsers.formats import ThinkingFormat
from parsers.ledger import TextEnds, TokenLedger
from parsers.stops import StopMatcher
from parsers.thinking import ThinkingParser
from parsers.tools import ToolCallHolder


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """What all choices of a request share.

    Attributes:
        family: how the model marks its thinking.
        inside: the prompt ended inside a think block.
        stops: strings that end the answer.
        visibility: what leaves the house.
        text_ends: see `parsers.ledger.TextEnds`.
        tool_calls: see `Engine.tool_calls`; None where the request offers no tools.
    """

    family: ThinkingFormat
    inside: bool
    stops: Sequence[str]
    visibility: Visibility
    text_ends: TextEnds
    tool_calls: Callable[[str], Sequence[ToolCall]] | None = None


@dataclass(slots=True)
class Piece:
    """What one delta adds to what the client sees; any part may be empty."""

    thinking: str = ""
    answer: str = ""
    tool_calls: Sequence[ToolCall] = ()


class Reply:
    """One choice, fed delta by delta.

    Visibility decides about text alone: stopping, finishing and counting are the same in all
    three. Tokens of think blocks, tags included, are reasoning tokens; all others are answer.

    Attributes:
        finish_reason: None until the reply is over; then `stop`, `length` or `tool_calls`.
        stop_reason: the stop string that ended it, if one did.
        completion_tokens: tokens so far.
        answering: the answer has begun.
    """

    def __init__(self, settings: ReplySettings) -> None:
        self._parser = ThinkingParser(settings.family, inside=settings.inside)
        self._stops = StopMatcher(settings.stops)
        self._ledger = TokenLedger(settings.text_ends)
        self._tools = ToolCallHolder() if settings.tool_calls else None
        self._read_calls = settings.tool_calls
        self._visibility = settings.visibility
        self._opened: int | None = 0 if settings.inside else None
        self._closed_tokens = 0
        self._raw = ""
        self._raw_sent = 0
        self._held: list[int] = []  # where each character stands that the stops hold back
        self.finish_reason: Literal["stop", "length", "tool_calls"] | None = None
        self.stop_reason: str | None = None
        self.completion_tokens = 0
        self.answering = False

    @property
    def reasoning_tokens(self) -> int:
        """Tokens of think blocks so far, tags included."""
        if self._opened is None:
            return self._closed_tokens
        return self._closed_tokens + self.completion_tokens - self._opened

    @property
    def thinking(self) -> bool:
        """Whether the reply is inside a think block."""
        return self._opened is not None

    def feed(self, delta: Delta) -> Piece:
        """Take the next delta; after the reply is over, further ones count for nothing."""
        piece = Piece()
        if self.finish_reason:
            return piece
        self._ledger.add(delta.text, delta.token_ids)
        self.completion_tokens = self._ledger.tokens
        events = self._parser.feed(delta.text)
        if delta.finish_reason:
            events += self._parser.finish()
        for event in events:
            self._take(event, piece)
            if self.finish_reason:
                break
        if delta.finish_reason and not self.finish_reason:
            piece.answer += self._stops.finish()
            self.finish_reason = delta.finish_reason
        if self._tools:
            self._take_calls(self._tools, piece)
        if self._visibility == "raw":
            piece = Piece("", self._raw_text(delta.text), piece.tool_calls)
        elif self._visibility == "hidden":
            piece.thinking = ""
        self._ledger.forget(self._parser.position)
        return piece

    def _take(self, event: Event, piece: Piece) -> None:
        match event:
            case Answer():
                self._answer(event, piece)
            case Thinking():
                piece.thinking += event.text
            case ThinkingStart():
                self._opened = self._ledger.cut(event.at)
            case ThinkingEnd() if self._opened is not None:
                self._closed_tokens += self._ledger.cut(event.at) - self._opened
                self._opened = None

    def _answer(self, event: Answer, piece: Piece) -> None:
        self.answering = True
        text, match = self._stops.feed(event.text)
        piece.answer += text
        length = self._stops.held
        if match:
            self.finish_reason, self.stop_reason = "stop", match.stop
            self.completion_tokens = self._ledger.cut(event.at + match.end)
            length = len(event.text) - match.end + len(match.stop)
        if length:
            self._held += range(event.at, event.at + len(event.text))
        self._held = self._held[len(self._held) - length :]

    def _take_calls(self, tools: ToolCallHolder, piece: Piece) -> None:
        """Hold the answer back from its first call on, and read the calls when it is over."""
        piece.answer = tools.feed(piece.answer)
        if not self.finish_reason:
            return
        piece.answer += tools.finish()
        if tools.held and self._read_calls:
            piece.tool_calls = self._read_calls(tools.held)
            if piece.tool_calls:
                self.finish_reason = "tool_calls"
            else:
                piece.answer += tools.held

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
