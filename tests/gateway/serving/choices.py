"""Choices for the tests, and what becomes of them."""

from dataclasses import dataclass, field

from engine.types import Delta, Function, ToolCall
from gateway.serving.choice import ChoiceState
from parsers.families import FAMILIES

VISIBILITIES = ("parsed", "hidden", "raw")


def choice(parser=None, stops=(), visibility="parsed", read_calls=lambda text: ()):
    """A choice of the family `think`, unless it has another parser."""
    return ChoiceState(parser or FAMILIES["think"].parser(""), stops, visibility, read_calls)


def delta(texts, finish=None, *, index=0, cached=0):
    """A delta whose tokens have these texts; a string is one token a character."""
    return Delta(index, range(len(texts)), list(texts), finish, cached)


@dataclass
class Outcome:
    """What is left of a choice when it is over."""

    thinking: str = ""
    answer: str = ""
    calls: list[Function] = field(default_factory=list)
    counts: tuple[object, ...] = ()
    """Finish reason, stop reason, completion tokens, reasoning tokens."""


def write(state, tokens, cuts=(1,), finish="stop"):
    """Let a model write tokens of these texts, in deltas of so many; the last size repeats."""
    outcome, start, cuts = Outcome(), 0, list(cuts)
    while not state.finish_reason:
        end = min(len(tokens), start + (cuts.pop(0) if len(cuts) > 1 else cuts[0]))
        piece = state.feed(delta(tokens[start:end], finish if end == len(tokens) else None))
        outcome.thinking += piece.thinking
        outcome.answer += piece.answer
        outcome.calls += [call.function for call in piece.tool_calls]
        start = end
    outcome.counts = (
        state.finish_reason,
        state.stop_reason,
        state.completion_tokens,
        state.reasoning_tokens,
    )
    return outcome


def one_call(text):
    """A reader of calls to whom all is one call, if there is an `a` in it."""
    return [ToolCall(Function("look", text), "call_0")] if "a" in text else []
