"""Text of so many tokens, without the server's tokenizer."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from client.bench.words import ONE_EACH, WORDS, Words, measure_words
from client.openai.server import Server
from tests.client.servers import Script, serve


class Counting(Script):
    """Counts a prompt's tokens in a way of its own."""

    def __init__(self, tokens: Callable[[str], int]) -> None:
        super().__init__()
        self._tokens = tokens

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer with the count in the usage."""
        body: dict[str, Any] = await request.json()
        self.bodies.append(body)
        text = body["messages"][0]["content"] if "messages" in body else body["prompt"]
        usage = {"prompt_tokens": self._tokens(text), "completion_tokens": 1}
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        choice = '{"choices": [{"text": "", "finish_reason": "length"}]}'
        last = f'{{"choices": [], "usage": {usage}}}'.replace("'", '"')
        for data in (choice, last, "[DONE]"):
            await response.write(f"data: {data}\n\n".encode())
        return response


def measure(tokens: Callable[[str], int], chat: bool = False) -> Words:
    """Measure words on a server that counts so."""

    async def once() -> Words:
        async with serve(Counting(tokens)) as url, Server(url) as server:
            return await measure_words(server, chat)

    return asyncio.run(once())


def digits_and_spaces(text: str) -> int:
    """Count as many tokenizers do: a token a digit, and one a space."""
    return len(text)


@pytest.mark.parametrize("begin", [0, 1])
def test_what_words_cost_is_found_out(begin: int) -> None:
    """Costs include the space before a word; the beginning's tokens are the offset."""
    words = measure(lambda text: begin + digits_and_spaces(text))
    assert words == Words({word: 1 + len(word) for word in WORDS}, begin - 1)


@pytest.mark.parametrize("begin", [0, 1])
@pytest.mark.parametrize("tokens", [3, 64, 65, 1024])
def test_text_has_the_tokens_asked_for(begin: int, tokens: int) -> None:
    """What is drawn counts, on that server, exactly as many tokens as were asked for."""
    words = measure(lambda text: begin + digits_and_spaces(text))
    text = words.draw(tokens - words.offset, random.Random(0))
    assert begin + digits_and_spaces(text) == tokens


def test_a_chats_template_is_not_counted() -> None:
    """On the chat route the template's tokens are no offset."""
    words = measure(lambda text: 20 + digits_and_spaces(text), chat=True)
    assert words == Words({word: 1 + len(word) for word in WORDS}, 0)


def test_words_without_a_certain_cost_are_left_out() -> None:
    """A word that does not cost the same each time is not used."""
    words = measure(lambda text: digits_and_spaces(text) + ("32 32" in text))
    assert set(words.costs) == set(WORDS) - {"32"}


def test_a_server_that_does_not_count() -> None:
    """Without counts, each word is taken for a token."""
    assert measure(lambda text: 0) == ONE_EACH


def test_what_can_not_be_had_exactly_is_less() -> None:
    """If no words have the sum, the text has the most tokens below it."""
    words = Words({"1": 2, "2": 4})
    assert sum(words.costs[word] for word in words.draw(9, random.Random(0)).split()) == 8
    assert words.draw(0, random.Random(0)) == words.draw(-1, random.Random(0)) == ""
