"""The gateway's life: know the model, start the engine, warm it up, serve, watch, drain.

Everything happens in one task, `EngineLifecycle.run`, so the order can be read from top to bottom.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from engine.errors import EngineError, EngineStopping
from engine.protocol import Engine, EngineSetup, Renderer
from engine.types import ChatInput, Message
from engine.warmup import warm_up
from gateway import __version__, metrics
from gateway.config.settings import Config
from gateway.serving.admission import Admission, Status
from gateway.thinking.profile import ThinkingProfile, find_profile
from gateway.thinking.wish import ThinkingWish

log = logging.getLogger("thinkgate")

NotePhase = Callable[[str, float], None]
"""Takes a phase of the start, and how many seconds it took."""

OpenEngine = Callable[[NotePhase], AbstractAsyncContextManager[EngineSetup]]
"""Configures the engine."""

EXIT_CLEAN, EXIT_NOT_STARTED, EXIT_ENGINE_DIED = 0, 1, 70

_HELLO = Message(role="user", content="Hello")
_WATCH_SECONDS = 0.25
_LAST_WORDS_SECONDS = 2.0
"""After the engine's death or a drain, how long open requests have to tell their clients."""


class EngineLifecycle:
    """One engine's life inside this process.

    Args:
        config: the configuration.
        open_engine: configures the engine.

    Attributes:
        admission: who may run.
        seconds: what each phase of the start took.
        exit_code: what the process should exit with once `run` is over.
        ended: set when `run` is over.
    """

    def __init__(self, config: Config, open_engine: OpenEngine) -> None:
        self._config = config
        self._open_engine = open_engine
        self._renderer: Renderer | None = None
        self._profile: ThinkingProfile | None = None
        self._engine: Engine | None = None
        self._stop = asyncio.Event()
        self._doing = "the engine could not start"
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
    def renderer(self) -> Renderer:
        """The model's text; only to be used behind an admission."""
        assert self._renderer is not None, "admitted before the tokenizer was there"
        return self._renderer

    @property
    def profile(self) -> ThinkingProfile:
        """The model's thinking; only to be used behind an admission."""
        assert self._profile is not None, "admitted before the model was known"
        return self._profile

    @property
    def engine_or_none(self) -> Engine | None:
        """The engine, if it is there."""
        return self._engine

    @property
    def profile_or_none(self) -> ThinkingProfile | None:
        """The model's thinking, if it is known yet."""
        return self._profile

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
            async with self._open_engine(self.seconds.__setitem__) as setup:
                await self._know(setup.renderer)
                await self._live(setup)
        except EngineError as error:
            log.error("%s: %s", self._doing, error)
            self._fail(self.exit_code or EXIT_NOT_STARTED)
        except Exception:
            log.exception("the gateway failed")
            self._fail(self.exit_code or EXIT_NOT_STARTED)
        finally:
            self.ended.set()

    async def _know(self, renderer: Renderer) -> None:
        self._doing = "the chat templates can't be used"
        self._renderer = renderer
        self._profile = await find_profile(
            renderer, self._config.thinking, tuple(self._config.templates)
        )

    async def _live(self, setup: EngineSetup) -> None:
        self._doing = "the engine could not start"
        started = time.perf_counter()
        async with setup.start() as engine:
            self.seconds["engine"] = time.perf_counter() - started
            self._engine = engine
            metrics.BUILD.labels(__version__, engine.version).set(1)
            await self._warm(engine)
            self.admission.status = "ready"
            log.info("ready after %s", _told(self.seconds))
            await self._watch(engine)
            await self._drain(engine)

    async def _warm(self, engine: Engine) -> None:
        self._doing = "the warm-up failed"
        self.admission.status = "warming"
        warmup = self._config.warmup
        if not warmup.enabled:
            return
        started = time.perf_counter()
        steps = await warm_up(
            engine,
            self.renderer,
            self._warmup_chats(),
            batch=warmup.batch,
            max_tokens=warmup.max_tokens,
        )
        self.seconds["warmup"] = time.perf_counter() - started
        for step, seconds in steps.items():
            metrics.WARMUP.labels(step).set(seconds)
        log.info("warmed up: %s", _told(steps))

    def _warmup_chats(self) -> list[ChatInput]:
        return [
            self.profile.plan(ChatInput([_HELLO], name), ThinkingWish("parsed", switch, None))[0]
            for name in self.profile.templates
            for switch in (None, True, False)
        ]

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
            engine.fail_all(EngineStopping("the server is shutting down"))
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
