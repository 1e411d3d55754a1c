"""Starts EngineCore's processes, apart from connecting to them.

vLLM's `AsyncLLM` launches the engine that it connects to, unless it is told where one listens: this
is how `vllm serve --api-server-count` shares one engine, and how several front ends of ours can.
"""

from dataclasses import dataclass
from typing import Any

from vllm.v1.engine.utils import bind_engine_zmq_listeners, launch_core_engines
from vllm.v1.executor import Executor


@dataclass(frozen=True, slots=True)
class LaunchedCores:
    """Running EngineCores, and where each front end finds them.

    Attributes:
        launch: vLLM's `CoreEngineLaunch`: the processes and, with data parallelism, their
            coordinator.
        listeners: vLLM's `EngineZmqListeners`: one pair of bound sockets a front end.
    """

    launch: Any
    listeners: Any

    def client_addresses(self, client_index: int) -> dict[str, Any]:
        """What `AsyncLLM` takes as `client_addresses` in front end `client_index`."""
        coordinator = self.launch.coordinator
        inputs, outputs = self.listeners.inputs, self.listeners.outputs
        addresses = {
            "input_address": inputs[client_index].address,
            "output_address": outputs[client_index].address,
            "input_listener": inputs[client_index].socket,
            "output_listener": outputs[client_index].socket,
        }
        if coordinator:
            addresses["stats_update_address"] = coordinator.get_stats_publish_address()
        if self.launch.tensor_queue is not None:
            addresses["tensor_queue"] = self.launch.tensor_queue
        return addresses

    def hand_over(self, client: Any) -> None:
        """Make an EngineCore client, in this process, the owner of the processes.

        From now on it notices their death and ends them with itself, as if it had launched them.
        """
        client.resources.engine_manager = self.launch.engine_manager
        client.resources.coordinator = self.launch.coordinator
        client.start_engine_core_monitor()


def launch_cores(config: Any, *, log_stats: bool, front_ends: int = 1) -> LaunchedCores:
    """Start the engine's processes, and wait until they have loaded the model.

    Args:
        config: vLLM's `VllmConfig`.
        log_stats: whether they keep statistics.
        front_ends: how many will connect.

    Raises:
        Exception: vLLM's, whatever kept them from starting; nothing of them is left then.
    """
    executor = Executor.get_class(config)
    listeners = bind_engine_zmq_listeners(config, front_ends)
    try:
        with launch_core_engines(config, executor, log_stats, listeners.addresses) as launch:
            return LaunchedCores(launch, listeners)  # leaving waits
    except BaseException:
        listeners.cleanup()  # else its sockets' files live as long as the error does
        raise
