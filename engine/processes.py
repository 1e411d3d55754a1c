"""The processes that an engine consists of, so that none outlives the gateway.

A killed EngineCore can't tell its workers to leave; they notice by themselves, seconds later.
"""

import multiprocessing
from collections.abc import Iterable
from contextlib import suppress

import psutil


def engine_processes() -> list[psutil.Process]:
    """EngineCore and all that it has started, but for Python's trackers of shared memory.

    Those leave by themselves, when they have cleaned up behind the others.
    """
    processes: list[psutil.Process] = []
    for child in multiprocessing.active_children():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(child.pid)
            processes += [process, *process.children(recursive=True)]
    return [process for process in processes if not _is_tracker(process)]


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill those that are still there; a process number that was given anew is safe."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _is_tracker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any("resource_tracker" in word for word in process.cmdline())
    return False
