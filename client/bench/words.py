"""Text of so many tokens for a server whose tokenizer we don't have.

A server counts a prompt's tokens. Asked about one word once and seventeen times, it tells what the
word costs, and text of such words costs their sum: tokenizers split at white space. The words are
numbers: after one of them no model begins with white space, which some servers hold back at first.
"""

import asyncio
import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from client.openai.reply import ask
from client.openai.server import Server
from client.openai.types import Message, Request

WORDS = tuple(str(number) for number in range(1, 1000, 31))
_TIMES = 16
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Words:
    """What prompts are made of.

    Attributes:
        costs: word -> tokens, a space before it included; at least one.
        offset: tokens of any text beside its words': of its beginning, which may have none.
    """

    costs: Mapping[str, int]
    offset: int = 0

    def draw(self, tokens: int, source: random.Random) -> str:
        """Return random words of so many tokens, or of the most below that is possible."""
        sums = [True]
        distinct = set(self.costs.values())
        for total in range(1, tokens + 1):
            sums.append(any(cost <= total and sums[total - cost] for cost in distinct))
        rest = max(total for total, possible in enumerate(sums) if possible)
        words, said = list(self.costs), list[str]()
        while rest:
            word = source.choice(words)
            if self.costs[word] <= rest and sums[rest - self.costs[word]]:
                said.append(word)
                rest -= self.costs[word]
        return " ".join(said)


ONE_EACH = Words(dict.fromkeys(WORDS, 1))
"""For servers that count no tokens."""


async def measure_words(server: Server, chat: bool) -> Words:
    """Ask a server what words cost.

    Args:
        server: is sent two short requests a word.
        chat: on which route. A chat has tokens of its template, too, which are not counted.

    Returns:
        The words whose cost is certain; `ONE_EACH` if there are none.

    Raises:
        ClientError: a request failed.
    """
    free = asyncio.Semaphore(_AT_ONCE)

    async def count(text: str) -> int:
        messages = (Message("user", text),) if chat else ()
        async with free:
            reply = await ask(server, Request(messages, text, max_tokens=1))
        return reply.usage.prompt_tokens

    texts = [*WORDS, *(" ".join([word] * (1 + _TIMES)) for word in WORDS)]
    counts = await asyncio.gather(*map(count, texts))
    costs: dict[str, int] = {}
    offsets = []
    for word, once, often in zip(WORDS, counts, counts[len(WORDS) :], strict=False):
        cost, uncertain = divmod(often - once, _TIMES)
        if cost > 0 and not uncertain:
            costs[word] = cost
            offsets.append(once - cost)
    if not costs:
        return ONE_EACH
    return Words(costs, 0 if chat else statistics.mode(offsets))
