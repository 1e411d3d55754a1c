"""A scripted server in a thread, for clients that bring their own event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.client.servers import Script, serve


@dataclass(frozen=True, slots=True)
class Served:
    """A script that is being served.

    Attributes:
        url: its base URL.
        call: runs a coroutine on the server's loop, for its result.
    """

    url: str
    call: Callable[[Coroutine[Any, Any, Any]], Any]

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a command line says to reach it."""
        return "--base-url", self.url


@contextmanager
def serve_in_thread(script: Script) -> Iterator[Served]:
    """Run the script on a free port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    stack = AsyncExitStack()
    try:
        yield Served(call(stack.enter_async_context(serve(script))), call)
    finally:
        call(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
