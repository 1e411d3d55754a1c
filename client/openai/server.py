"""One OpenAI-compatible server: requests go out, pieces of replies come back.

How it works: one session of connections, for as long as the block lasts. Servers disagree on how to
be asked (not) to think, so `generate` goes through the dialects until one isn't refused, and
`_refused` remembers, for each wish, how many were: the next request begins behind them. A refusal
comes before the first piece, so no reply begins twice. A stream is read to its end after `[DONE]`,
since only then its connection is used again; closing the generator earlier closes the connection,
which is how servers know to abort.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from aiohttp import hdrs
from yarl import URL

from client.openai.errors import Broken, ClientError, Refused, TimedOut, Unreachable
from client.openai.payloads import Completion, Dialect, Model, Models, body_of, dialects, refusal
from client.openai.sse import EventReader
from client.openai.tags import Parts, TagSplitter, split_whole
from client.openai.types import Piece, Request
from client.openai.urls import BASE_URL, page_url, parse_base_url

_DONE = b"[DONE]"
_DRAIN_SECONDS = 1.0


class Server:
    """A server, for the time of an `async with` block.

    Args:
        base_url: ends with the API's version, such as `/v1`.
        api_key: sent as a bearer token if there is one, to the base URL's host alone.
        model: the served model's name; empty for the first one served.
        silence_seconds: how long the server may say nothing before that is an error.

    Raises:
        ClientError: the URL is none, or the key cannot be sent in a header.

    Attributes:
        base_url: without a slash at its end.
        model: what requests name; known once the block is entered.
    """

    def __init__(
        self,
        base_url: str = BASE_URL,
        api_key: str = "",
        model: str = "",
        silence_seconds: float = 600.0,
    ) -> None:
        self.base_url = parse_base_url(base_url)
        if not api_key.isprintable():
            raise ClientError("the API key has characters that no header can carry")
        self.model = model
        self._api_key = api_key
        self._silence = silence_seconds
        self._refused = {False: 0, True: 0, None: 0}

    async def __aenter__(self) -> Self:
        """Connect, and find out the model's name.

        Raises:
            ClientError: nobody answers, or no model is served.
        """
        self._session = aiohttp.ClientSession(
            middlewares=[self._authorise] if self._api_key else [],
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=self._silence),
            trust_env=True,  # proxies, as the OpenAI SDK and vLLM's benchmark have it
        )
        try:
            if not self.model:
                served = await self.models()
                if not served:
                    raise Refused(200, f"{self.base_url}/models lists no model")
                self.model = served[0].id
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def models(self) -> list[Model]:
        """Return what is served.

        Raises:
            ClientError: nobody answers, or not with a list of models.
        """
        async with self._call("GET", f"{self.base_url}/models") as response:
            body = await response.read()
        try:
            return msgspec.json.decode(body, type=Models).data
        except msgspec.DecodeError as error:
            raise Broken(f"{self.base_url}/models is not a list of models: {error}") from error

    async def page(self, path: str) -> str:
        """Return a page beside the API, such as `/metrics`.

        Raises:
            ClientError: nobody answers, or there is no such page.
        """
        async with self._call("GET", page_url(self.base_url, path)) as response:
            return await response.text()

    async def generate(self, request: Request) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of the reply; close this generator to abort the request.

        Raises:
            ClientError: nobody answers, the server refuses, or the stream breaks.
        """
        known = dialects(request.thinking)
        for number in range(self._refused[request.thinking], len(known)):
            try:
                async with aclosing(self._attempt(request, known[number])) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except Refused as error:
                if number + 1 == len(known) or not known[number].refused_by(error):
                    raise
                self._refused[request.thinking] = number + 1

    async def _attempt(self, request: Request, dialect: Dialect) -> AsyncGenerator[Piece, None]:
        route = "/chat/completions" if request.messages else "/completions"
        body = msgspec.json.encode(body_of(request, self.model, dialect))
        async with self._call("POST", self.base_url + route, body) as response:
            if request.stream:
                async with aclosing(_stream(response)) as pieces:
                    async for piece in pieces:
                        yield piece
            else:
                yield _whole(await response.read())

    async def _authorise(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Add the key, which a redirect must not take elsewhere."""
        if request.url.origin() == URL(self.base_url).origin():
            request.headers[hdrs.AUTHORIZATION] = f"Bearer {self._api_key}"
        return await handler(request)

    @asynccontextmanager
    async def _call(
        self, method: str, url: str, body: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Content-Type": "application/json"} if body else None
        try:
            async with self._session.request(method, url, data=body, headers=headers) as response:
                if response.status != 200:
                    raise refusal(response.status, await response.read())
                yield response
        except TimeoutError as error:
            raise TimedOut(f"{url} said nothing for {self._silence:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"nobody answers at {url}: {error.os_error.strerror}") from error
        except aiohttp.ClientError as error:
            raise Broken(f"the response of {url} broke off: {error}") from error


async def _stream(response: aiohttp.ClientResponse) -> AsyncGenerator[Piece, None]:
    reader, splitter, decoder = EventReader(), TagSplitter(), msgspec.json.Decoder(Completion)
    at = time.perf_counter()
    async for received in response.content.iter_any():
        at = time.perf_counter()
        for event in reader.feed(received):
            if event == _DONE:
                if rest := splitter.finish():
                    yield Piece(at, rest.thinking, rest.answer)
                await _drain(response)
                return
            yield _piece(at, _decode(decoder, event), splitter)
    raise Broken("the stream ended without [DONE]")


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read to the end of the body: only then is the connection used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            await response.content.read()


def _decode(decoder: msgspec.json.Decoder[Completion], event: bytes) -> Completion:
    try:
        chunk = decoder.decode(event)
    except msgspec.DecodeError as error:
        raise Broken(f"the stream carried something else than a chunk: {error}") from error
    if chunk.error:
        raise Broken(chunk.error.message)
    return chunk


def _piece(at: float, chunk: Completion, splitter: TagSplitter) -> Piece:
    usage = chunk.usage.counts() if chunk.usage else None
    if not chunk.choices:
        return Piece(at, usage=usage)
    choice = chunk.choices[0]
    said = choice.said
    parts = splitter.feed(said.content) if said.content else Parts()
    token = bool(said.thinking or said.content or choice.finish_reason or choice.text is not None)
    thinking = said.thinking + parts.thinking
    return Piece(at, thinking, parts.answer, choice.finish_reason, usage, token)


def _whole(body: bytes) -> Piece:
    at = time.perf_counter()
    try:
        response = msgspec.json.decode(body, type=Completion)
        choice = response.choices[0]
    except (msgspec.DecodeError, IndexError) as error:
        raise Broken(f"the response is not a completion: {error}") from error
    said = choice.said
    parts = split_whole(said.content or "")
    usage = response.usage.counts() if response.usage else None
    return Piece(at, said.thinking + parts.thinking, parts.answer, choice.finish_reason, usage)
