"""An engine's start and stop, with everything of vLLM's faked that takes a process."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from vllm.v1.engine.input_processor import InputProcessor

from engine import core
from engine.core import VllmEngine
from engine.errors import EngineDead, EngineStartError, EngineStopping
from engine.setup import VllmSetup
from engine.types import GenerationRequest, Prompt, Sampling
from tests.engine.fakes import FakeLlm, output, step

pytestmark = pytest.mark.anyio


class Cores:
    """Launched EngineCores."""

    def __init__(self) -> None:
        self.client: object = None

    def client_addresses(self, client_index: int) -> dict[str, Any]:
        return {"input_address": f"in{client_index}"}

    def hand_over(self, client: object) -> None:
        self.client = client


class Vllm:
    """What stands in for vLLM: an AsyncLLM to connect, and processes to launch."""

    def __init__(self, setup: VllmSetup, monkeypatch: pytest.MonkeyPatch) -> None:
        self.llm = FakeLlm(InputProcessor(setup._config, setup.renderer._renderer))
        self.cores = Cores()
        self.connected: dict[str, Any] = {}
        self.killed: list[object] = []
        self.frozen = 0
        self.engine = VllmEngine(setup._config, setup.renderer, log_stats=True)
        monkeypatch.setattr(core, "launch_cores", lambda config, log_stats: self.cores)
        monkeypatch.setattr(core, "AsyncLLM", SimpleNamespace(from_vllm_config=self._connect))
        monkeypatch.setattr(core, "engine_processes", lambda: ["process"])
        monkeypatch.setattr(core, "kill", self.killed.extend)
        monkeypatch.setattr(core, "gc", SimpleNamespace(freeze=self._freeze))

    def _connect(self, config: object, **how: Any) -> FakeLlm:
        with pytest.raises(RuntimeError):  # else AsyncLLM would start an output handler of its own
            asyncio.get_running_loop()
        self.connected = how
        return self.llm

    def _freeze(self) -> None:
        self.frozen += 1


@pytest.fixture
def vllm(setup: VllmSetup, monkeypatch: pytest.MonkeyPatch) -> Vllm:
    """Nothing started yet."""
    return Vllm(setup, monkeypatch)


async def test_a_life(vllm: Vllm) -> None:
    """Launched, connected, used and stopped; nothing is left."""
    async with vllm.engine as engine:
        assert vllm.connected["client_addresses"] == {"input_address": "in0"}
        assert vllm.cores.client is vllm.llm.engine_core
        assert vllm.frozen == 1
        assert not engine.dead
        assert engine.max_num_seqs > 0
        assert engine.version
        request = GenerationRequest("r", [Prompt([64], "")], Sampling(), True)
        async with engine.submit(request) as submission:
            assert (engine.unfinished, engine.orphans) == (1, 0)
            assert vllm.llm.get_num_unfinished_requests() == 1  # by which vLLM admits
            vllm.llm.engine_core.outputs.put_nowait(step(output("r-0", [65])))
            (delta,) = await submission.gained()
            assert delta.token_ids == [65]
            engine.fail_all(EngineStopping("enough"))
            with pytest.raises(EngineStopping):
                await submission.gained()
        assert engine.unfinished == 0
    assert vllm.llm.engine_core.aborted == [["r-0"]]
    assert vllm.llm.shutdowns == [core._SHUTDOWN_SECONDS]
    assert vllm.killed == ["process"]
    assert vllm.llm.output_handler
    await asyncio.wait([vllm.llm.output_handler])
    assert not hasattr(engine, "_cores")


async def test_aborts_are_sent_before_it_stops(vllm: Vllm) -> None:
    """Those of choices that were ended, for which nobody waits."""
    go_on = asyncio.Event()

    async def slow(names: list[str]) -> None:
        await go_on.wait()
        assert not vllm.llm.shutdowns

    vllm.llm.engine_core.on_abort = slow
    async with vllm.engine as engine:
        request = GenerationRequest("r", [Prompt([64], "")], Sampling(), True)
        async with engine.submit(request) as submission:
            submission.end(0)
        asyncio.get_running_loop().call_soon(go_on.set)
    assert vllm.llm.engine_core.aborted == [["r-0"]]
    assert vllm.llm.shutdowns


async def test_death_shows_at_once(vllm: Vllm) -> None:
    """To those who ask, and to those who wait."""
    async with vllm.engine as engine:
        request = GenerationRequest("r", [Prompt([64], "")], Sampling(), True)
        async with engine.submit(request) as submission:
            vllm.llm.die()
            assert engine.dead
            with pytest.raises(EngineDead):
                await submission.gained()
    assert not vllm.llm.engine_core.aborted
    assert vllm.killed == ["process"]


@pytest.mark.parametrize("culprit", ["launch_cores", "AsyncLLM"])
async def test_what_keeps_it_from_starting(
    vllm: Vllm, monkeypatch: pytest.MonkeyPatch, culprit: str
) -> None:
    """Is told on one line, and no process is left."""

    def fail(*arguments: Any, **more: Any) -> None:
        raise RuntimeError("no room\nfor the KV cache")

    faked = fail if culprit == "launch_cores" else SimpleNamespace(from_vllm_config=fail)
    monkeypatch.setattr(core, culprit, faked)
    with pytest.raises(EngineStartError, match=r"^RuntimeError: no room for the KV cache$"):
        await vllm.engine.__aenter__()
    assert vllm.killed == ["process"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [(RuntimeError("dead"), EngineStartError), (asyncio.CancelledError(), asyncio.CancelledError)],
)
async def test_an_engine_that_does_not_answer_is_stopped(
    vllm: Vllm, error: BaseException, raised: type[BaseException]
) -> None:
    """Where it dies, or the start is cancelled, after its processes are there."""
    vllm.llm.failure = error
    with pytest.raises(raised):
        await vllm.engine.__aenter__()
    assert vllm.llm.shutdowns == [core._SHUTDOWN_SECONDS]
    assert vllm.killed == ["process"]
    assert not vllm.frozen
