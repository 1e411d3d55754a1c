"""`thinkgate serve` as a user starts it: a process with a log, a port and an exit code."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families

COMMAND = str(Path(sys.executable).with_name("thinkgate"))
START_SECONDS = 240.0
PATIENCE = 60.0
"""For states that come by themselves; how fast they come is asked only where it is promised."""
CONTEXT = 4096
QUESTION = [{"role": "user", "content": "Sort 31, 4, 15, 92, 65."}]
ENDLESS = {"messages": QUESTION, "ignore_eos": True}
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"

Probed = tuple[float, int, int, httpx2.Response]
"""When, what `/live` and `/ready` said, and what a chat completion was told."""

_SETTINGS = (
    "engine.enforce_eager=true",  # nothing here is about compiled kernels, and starts are long
    "engine.kv_cache_memory_bytes=268435456",
    "warmup.batch=4",
)
# One thread each: the model is tiny, and the threads of several engines would fight for the cores.
_ENVIRONMENT = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
_LISTENING = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")


def environment() -> dict[str, str]:
    """This process's variables without those that configure a gateway."""
    ours = {name for name in os.environ if name.startswith("THINKGATE_") or name == "MODEL_PATH"}
    return {name: value for name, value in os.environ.items() if name not in ours} | _ENVIRONMENT


class Gateway:
    """One gateway; leaving the `with` block kills it and all that it started.

    Args:
        folder: where it runs and logs.
        sets: `--set` arguments beside those that make its start short.
        flags: other arguments.
    """

    def __init__(self, folder: Path, *sets: str, flags: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "gateway.log"
        settings = [f"--set={setting}" for setting in (*_SETTINGS, *sets)]
        self.started = time.monotonic()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [COMMAND, "serve", "--port=0", *settings, *flags],
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Not a session: Linux gives each its own share of the cores, and where those are
                # few the engine, which polls, leaves nothing to the tests.
                process_group=0,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def log(self) -> str:
        """All that it has written."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def url(self) -> str:
        """Where it listens; waits until it does."""
        for _ in _ticks(START_SECONDS, 0.02):
            if found := _LISTENING.search(self.log):
                return f"http://127.0.0.1:{found[1]}"
            assert self.process.poll() is None, self.log
        raise AssertionError(f"does not listen:\n{self.log}")

    @property
    def port(self) -> int:
        """The same, as a number."""
        return int(self.url.rpartition(":")[2])

    def wait_until_ready(self) -> Self:
        """Wait until `/ready` says 200."""
        with self.client() as client:
            for _ in _ticks(START_SECONDS, 0.1):
                if client.get("/ready").status_code == 200:
                    return self
                assert self.process.poll() is None, self.log
        raise AssertionError(f"not ready:\n{self.log}")

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=PATIENCE)

    def family(self) -> list[psutil.Process]:
        """All processes that it has started, directly or not."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def engine_core(self) -> psutil.Process:
        """The process that holds the engine."""
        (core,) = [child for child in self.family() if "EngineCore" in child.cmdline()[0]]
        return core

    def metrics(self) -> "Metrics":
        """The page at `/metrics`, as it is now."""
        with self.client() as client:
            return Metrics(client.get("/metrics").text)

    def reply_seconds(self) -> float:
        """How long a short reply takes now: the yardstick for what is promised in seconds.

        Promises are for a machine of our own; tests share theirs.
        """
        begun = time.monotonic()
        with self.client() as client:
            answer = client.post(CHAT, json={"messages": QUESTION, "temperature": 0})
        assert answer.status_code == 200
        return time.monotonic() - begun

    def wait_until_idle(self, seconds: float = PATIENCE) -> float:
        """Wait until nothing is left in the engine; how long that took."""
        begun = time.monotonic()
        left: Mapping[str, float] = {}
        for _ in _ticks(seconds, 0.02):
            left = self.metrics().left()
            if not any(left.values()):
                return time.monotonic() - begun
        raise AssertionError(f"left in the engine after {seconds} s: {left}")


class Metrics:
    """One reading of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name that carry these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def left(self) -> dict[str, float]:
        """What has to be 0 when nobody waits for anything."""
        names = (
            "vllm:num_requests_running",
            "vllm:num_requests_waiting",
            "gateway_orphaned_engine_requests",
        )
        return {name: self.value(name) for name in names}


class Stream:
    """What one streamed response has brought so far.

    Attributes:
        status: the HTTP status; 0 before.
        events: the data of each event, `[DONE]` included.
        ended: when it was over, on the monotonic clock; 0 before.
    """

    def __init__(self) -> None:
        self.status = 0
        self.events: list[str] = []
        self.ended = 0.0

    @property
    def done(self) -> bool:
        """Whether it ended as a whole reply does."""
        return bool(self.events) and self.events[-1] == "[DONE]"

    @property
    def errors(self) -> list[str]:
        """The codes of the errors that it carried."""
        told = [json.loads(event) for event in self.events if event.startswith('{"error"')]
        return [each["error"]["code"] for each in told]

    async def run(self, client: httpx2.AsyncClient, body: Mapping[str, Any]) -> None:
        """Send the request, and read until the response is over."""
        async with client.stream("POST", CHAT, json={**body, "stream": True}) as response:
            self.status = response.status_code
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self.events.append(line.removeprefix("data: "))
        self.ended = time.monotonic()


def at_most(promised: float, yardstick: float) -> float:
    """What a promise in seconds means on a machine where a short reply takes `yardstick`."""
    return max(promised, 3 * yardstick)


def wait_gone(family: list[psutil.Process], seconds: float) -> None:
    """Wait until all these processes are gone."""
    _, alive = psutil.wait_procs(family, timeout=seconds)
    assert not alive, f"still there after {seconds:.1f} s: {alive}"


async def until(true: Callable[[], object], seconds: float) -> None:
    """Wait until `true()`, which must be within `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within {seconds} s")


def _ticks(seconds: float, pause: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(pause)
