"""EngineCores, launched apart from connecting to them; their processes are faked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from vllm.v1.engine.utils import CoreEngineLaunch
from vllm.v1.executor import Executor

from engine import launch
from engine.launch import launch_cores
from engine.setup import VllmSetup


class Launcher:
    """Stands in for vLLM's `launch_core_engines`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: tuple[Any, ...] = ()
        self.waited = False
        self.failure: Exception | None = None
        self.coordinator: Any = None
        self.queue: Any = None
        monkeypatch.setattr(launch, "launch_core_engines", self._launch)

    @contextmanager
    def _launch(self, *given: Any) -> Iterator[CoreEngineLaunch]:
        self.given = given
        manager: Any = "manager"
        yield CoreEngineLaunch(manager, self.coordinator, given[3], self.queue)
        if self.failure:
            raise self.failure
        self.waited = True


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> Launcher:
    """Nothing launched yet."""
    return Launcher(monkeypatch)


def files(addresses: Any) -> list[bool]:
    """Whether each socket's file is there."""
    names = [*addresses.inputs, *addresses.outputs]
    assert all(name.startswith("ipc://") for name in names)
    return [os.path.exists(name.removeprefix("ipc://")) for name in names]


def test_each_front_end_has_its_sockets(setup: VllmSetup, launcher: Launcher) -> None:
    """Bound before the engines start, whose addresses they are; gone with the launched cores."""
    cores = launch_cores(setup._config, log_stats=True, front_ends=2)
    assert launcher.waited
    config, executor, log_stats, addresses = launcher.given
    assert (config, executor) == (setup._config, Executor.get_class(setup._config))
    assert log_stats is True
    assert len(addresses.inputs) == len(addresses.outputs) == 2
    assert files(addresses) == [True] * 4
    for index in range(2):
        given = cores.client_addresses(index)
        listeners = given.pop("input_listener"), given.pop("output_listener")
        assert [each.fileno() > 0 for each in listeners] == [True, True]
        assert given == {
            "input_address": addresses.inputs[index],
            "output_address": addresses.outputs[index],
        }
        del listeners
    del cores
    assert files(addresses) == [False] * 4


def test_data_parallel_engines_have_a_coordinator(setup: VllmSetup, launcher: Launcher) -> None:
    """Whose address a front end needs, as it does a queue of tensors."""
    launcher.coordinator = SimpleNamespace(get_stats_publish_address=lambda: "ipc://stats")
    launcher.queue = object()
    given = launch_cores(setup._config, log_stats=False).client_addresses(0)
    assert given["stats_update_address"] == "ipc://stats"
    assert given["tensor_queue"] is launcher.queue


def test_a_client_becomes_their_owner(setup: VllmSetup, launcher: Launcher) -> None:
    """It has their processes before it watches them."""
    launcher.coordinator = object()
    watched = []
    resources = SimpleNamespace(engine_manager=None, coordinator=None)
    client = SimpleNamespace(
        resources=resources,
        start_engine_core_monitor=lambda: watched.append(resources.engine_manager),
    )
    launch_cores(setup._config, log_stats=False).hand_over(client)
    assert watched == ["manager"]
    assert resources.coordinator is launcher.coordinator


def test_what_keeps_them_from_starting_is_raised(setup: VllmSetup, launcher: Launcher) -> None:
    """And no socket's file is left."""
    launcher.failure = RuntimeError("no memory")
    with pytest.raises(RuntimeError, match="no memory"):
        launch_cores(setup._config, log_stats=False)
    assert files(launcher.given[3]) == [False] * 2
