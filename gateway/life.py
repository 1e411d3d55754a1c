"""The gateway's life: start the engine, warm it up, serve, watch, drain.

Everything happens in one task, `Life.run`, so the order can be read from top to bottom.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from engine.errors import EngineError
from engine.types import ChatInput, Engine, Message
from engine.warmup import warm_up
from gateway import __version__, metrics
from gateway.admission import Admission, Status
from gateway.config.settings import Config
from gateway.reasoning import Reasoning
from gateway.schema import ChatBody
from gateway.switch import ThinkingModel, probe

log = logging.getLogger("thinkgate")

EngineStarter = Callable[[dict[str, float]], AbstractAsyncContextManager[Engine]]
"""Makes the engine; notes in the table how many seconds each phase took."""

EXIT_CLEAN, EXIT_NOT_STARTED, EXIT_ENGINE_DIED = 0, 1, 70

_HELLO = Message(role="user", content="Hello")
_WATCH_SECONDS = 0.25
_LAST_WORDS_SECONDS = 2.0
"""After the engine's death or a drain, how long open requests have to tell their clients."""


class Life:
    """One engine's life inside this process.

    Args:
        config: the configuration.
        start_engine: makes the engine.

    Attributes:
        admission: who may run.
        seconds: what each phase of the start took.
        exit_code: what the process should exit with once `run` is over.
        ended: set when `run` is over.
    """

    def __init__(self, config: Config, start_engine: EngineStarter) -> None:
        self._config = config
        self._start_engine = start_engine
        self._engine: Engine | None = None
        self._model: ThinkingModel | None = None
        self._stop = asyncio.Event()
        self.admission = Admission(config.limits.max_concurrent_requests)
        self.seconds: dict[str, float] = {}
        self.exit_code = EXIT_CLEAN
        self.ended = asyncio.Event()

    @property
    def engine(self) -> Engine:
        """The engine; only to be used behind an admission."""
        assert self._engine is not None, "admitted before the engine was there"
        return self._engine

    @property
    def model(self) -> ThinkingModel:
        """The loaded model's thinking; only to be used behind an admission."""
        assert self._model is not None, "admitted before the model was probed"
        return self._model

    @property
    def engine_or_none(self) -> Engine | None:
        """The engine, if it is there."""
        return self._engine

    @property
    def status(self) -> Status:
        """Where this life has got to; a dead engine shows at once, before `run` has noticed."""
        return "dead" if self._engine and self._engine.dead else self.admission.status

    def stop(self) -> None:
        """Drain, then end `run`. May be called more than once."""
        self._stop.set()

    async def run(self) -> None:
        """Live: returns when the engine is stopped, for whatever reason."""
        try:
            async with self._start_engine(self.seconds) as engine:
                self._engine = engine
                await self._prepare(engine)
                self.admission.status = "ready"
                log.info("ready after %s", _told(self.seconds))
                await self._watch(engine)
                await self._drain(engine)
        except EngineError as error:
            log.error("the engine could not start: %s", error)
            self._fail(EXIT_NOT_STARTED)
        except Exception:
            log.exception("the gateway failed")
            self._fail(self.exit_code or EXIT_NOT_STARTED)
        finally:
            self.ended.set()

    async def _prepare(self, engine: Engine) -> None:
        self.admission.status = "warming"
        metrics.BUILD.labels(__version__, engine.version).set(1)
        self._model = await probe(engine, self._config)
        warmup = self._config.warmup
        if not warmup.enabled:
            return
        started = time.perf_counter()
        steps = await warm_up(
            engine, self._warmup_chats(), batch=warmup.batch, max_tokens=warmup.max_tokens
        )
        self.seconds["warmup"] = time.perf_counter() - started
        for step, seconds in steps.items():
            metrics.WARMUP.labels(step).set(seconds)
        log.info("warmed up: %s", _told(steps))

    def _warmup_chats(self) -> list[ChatInput]:
        chats = []
        for name in self.model.templates:
            for switch in (None, True, False):
                body = ChatBody(messages=[_HELLO], chat_template=name)
                chats.append(self.model.plan(body, Reasoning("parsed", switch, None)).chat)
        return chats

    async def _watch(self, engine: Engine) -> None:
        """Until somebody says stop, or the engine is dead."""
        loop = asyncio.get_running_loop()
        while not (engine.dead or self._stop.is_set()):
            due = loop.time() + _WATCH_SECONDS
            await asyncio.sleep(_WATCH_SECONDS)
            metrics.LOOP_LAG.set(max(0.0, loop.time() - due))

    async def _drain(self, engine: Engine) -> None:
        if engine.dead:
            log.error("the engine has died")
            self._fail(EXIT_ENGINE_DIED)
        else:
            self.admission.status = "draining"
            log.info("draining %d requests", self.admission.running)
            await self._quiet(engine, self._config.server.drain_seconds)
            if engine.dead:
                self.exit_code = EXIT_ENGINE_DIED
            engine.stop_all()
        await self._quiet(None, _LAST_WORDS_SECONDS)

    def _fail(self, exit_code: int) -> None:
        self.admission.status = "dead"
        self.exit_code = exit_code

    async def _quiet(self, engine: Engine | None, seconds: float) -> None:
        """Wait until no request runs, for at most `seconds`, or until `engine` is dead."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self.admission.running and loop.time() < deadline:
            if engine and engine.dead:
                return
            await asyncio.sleep(0.02)


def _told(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
