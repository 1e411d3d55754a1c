"""Finds stop strings in the answer, and in nothing but the answer.

How it works
------------
vLLM looks for stop strings in all that the model writes, so one that turns up in the thinking
costs the answer (vllm issues 52393, 53066). Here only answer text is fed. Each stop string has a
Knuth-Morris-Pratt automaton, moved on by one character at a time: the longest state is exactly
what has to be held back, a match is found on the character that completes it, and no cutting of
the text can change either. The stop string that completes first wins; where two complete on the
same character, the one that stands first in the request's list does, as in vLLM.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StopMatch:
    """`stop` was found; `end` characters of the text fed last belong to it or stand before it."""

    stop: str
    end: int


class StopMatcher:
    """Matches `stops`, non-empty strings, against text that arrives in pieces."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._failures = tuple(_failure_table(stop) for stop in stops)
        self._states = [0] * len(self._stops)
        self._starts = frozenset(stop[0] for stop in stops)
        self._held = ""

    @property
    def held(self) -> int:
        """How many characters are held back because they may begin a stop string."""
        return len(self._held)

    def feed(self, text: str) -> tuple[str, StopMatch | None]:
        """Take the next answer text.

        Returns:
            The text that may be sent, stop string excluded, and the match, if there is one.
            After a match the matcher is spent.
        """
        if not self._held and self._starts.isdisjoint(text):
            return text, None
        for position, character in enumerate(text):
            stop = self._advance(character)
            if stop is not None:
                answer = self._held + text[: position + 1]
                self._held = ""
                return answer[: -len(stop)], StopMatch(stop, position + 1)
        waiting = self._held + text
        sent = len(waiting) - max(self._states)
        self._held = waiting[sent:]
        return waiting[:sent], None

    def finish(self) -> str:
        """The text is over: return what was held back."""
        held, self._held = self._held, ""
        return held

    def _advance(self, character: str) -> str | None:
        found = None
        for number, stop in enumerate(self._stops):
            state, failures = self._states[number], self._failures[number]
            while state and stop[state] != character:
                state = failures[state - 1]
            if stop[state] == character:
                state += 1
            self._states[number] = state
            if state == len(stop):
                found = found or stop
                self._states[number] = failures[state - 1]
        return found


def _failure_table(pattern: str) -> tuple[int, ...]:
    """For each prefix of `pattern`, the length of its longest border."""
    table, length = [0], 0
    for character in pattern[1:]:
        while length and pattern[length] != character:
            length = table[length - 1]
        if pattern[length] == character:
            length += 1
        table.append(length)
    return tuple(table)
