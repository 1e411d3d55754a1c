"""The start: answering while it lasts, and failing with a cause."""

import json
import shutil
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from engine.demo import MODEL
from tests.real.gateways import (
    COMMAND,
    PATIENCE,
    Gateway,
    Probed,
    at_most,
    environment,
    wait_gone,
)

STARTS = 120.0


def serve(folder: Path, *flags: str) -> tuple[int, str, float]:
    """Run a gateway that will not start: its exit code, its output, and how long it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [COMMAND, "serve", *flags],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STARTS,
        check=False,
    )
    return done.returncode, done.stdout, time.monotonic() - begun


def test_probes_answer_while_the_engine_loads(start: tuple[Gateway, list[Probed]]) -> None:
    """From the first second on every probe is answered, and the API says `server_starting`."""
    gateway, probed = start
    *loading, (_, _, _, _) = probed
    assert len(loading) > 10
    for _, live, ready, chat in loading[:-1]:
        assert (live, ready, chat.status_code) == (200, 503, 503)
        assert chat.json()["error"]["code"] == "server_starting"
        assert int(chat.headers["retry-after"]) > 0
    moments = [gateway.started, *(moment for moment, *_ in probed)]
    gaps = [after - before for before, after in pairwise(moments)]
    print(f"first answer after {gaps[0]:.2f} s, longest gap {max(gaps[1:]):.2f} s")
    assert max(gaps[1:]) < at_most(2, gateway.reply_seconds())


def test_ready_tells_where_the_time_went(gateway: Gateway) -> None:
    """`/ready` has the seconds of each phase; `/health` is vLLM's, without a body."""
    with gateway.client() as client:
        ready, health = client.get("/ready").json(), client.get("/health")
    assert ready["status"] == "ready"
    assert set(ready["seconds"]) == {"import", "tokenizer", "engine", "warmup"}
    assert all(seconds > 0 for seconds in ready["seconds"].values())
    assert (health.status_code, health.content) == (200, b"")


def test_nonsense_is_refused_at_once(tmp_path: Path) -> None:
    """A bad configuration ends in 78 within two seconds, every problem told and no traceback."""
    wrong = {
        "engine.max_modle_len": "engine.max_model_len",
        "server.prot": "server.port",
        "server.drain_seconds": "",
        "thinking.visibility": "",
        "limits.max_n": "",
        "templates.house": "",
    }
    code, output, seconds = serve(tmp_path, *(f"--set={key}=-1" for key in wrong))
    assert code == 78
    assert seconds < at_most(2, _python_seconds())
    assert "Traceback" not in output
    lines = output.splitlines()
    assert len(lines) == len(wrong)
    for key, meant in wrong.items():
        (line,) = [line for line in lines if line.startswith(f"{key}: ")]
        assert meant in line


def test_a_missing_model_is_a_bad_configuration(tmp_path: Path) -> None:
    """A model folder that is not there is told in one line, before any engine is loaded."""
    code, output, seconds = serve(tmp_path, f"--model={tmp_path}/nowhere")
    assert (code, len(output.splitlines())) == (78, 1)
    assert "model.path: no such folder" in output
    assert seconds < at_most(2, _python_seconds())


def _python_seconds() -> float:
    """How long Python takes now to import a web server: the yardstick for a short command."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import uvicorn, starlette.applications"], check=True)
    return time.monotonic() - begun


def _has_children(process: psutil.Process) -> bool:
    try:
        return bool(process.children())
    except psutil.NoSuchProcess:  # it has ended since it was listed
        return False


def causes(output: str) -> list[str]:
    """The lines that say why there is no engine."""
    return [line for line in output.splitlines() if " ERROR thinkgate " in line]


@pytest.mark.parametrize("kept", [(), ("config.json", "tokenizer.json", "tokenizer_config.json")])
def test_a_model_without_weights_does_not_start(kept: tuple[str, ...], tmp_path: Path) -> None:
    """A folder that is no model, or has no weights, ends in 1 and one line with the cause."""
    model = tmp_path / "model"
    model.mkdir()
    for name in kept:
        shutil.copy(MODEL / name, model / name)
    code, output, _ = serve(
        tmp_path, "--port=0", f"--model={model}", "--set=engine.enforce_eager=true"
    )
    assert code == 1, output
    (cause,) = causes(output)
    assert "the engine could not start: " in cause
    assert "Traceback" not in output[output.index(cause) :]


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """A port that somebody else listens on ends in 1, with the address and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output, _ = serve(tmp_path, f"--port={taken.getsockname()[1]}")
        (cause,) = causes(output)
        assert code == 1
        assert f"cannot listen on 127.0.0.1:{taken.getsockname()[1]}: " in cause


def test_sigterm_while_the_engine_starts(tmp_path: Path) -> None:
    """SIGTERM in the middle of the start ends in 0 within five seconds, with no process left."""
    with Gateway(tmp_path) as gateway:
        deadline = time.monotonic() + STARTS
        # Two generations: the engine's process, and the worker that loads the model.
        while not any(map(_has_children, gateway.family())):
            assert gateway.process.poll() is None, gateway.log
            assert time.monotonic() < deadline, gateway.log
            time.sleep(0.05)
        family = gateway.family()
        gateway.process.terminate()
        begun = time.monotonic()
        assert gateway.process.wait(PATIENCE) == 0
        wait_gone(family, PATIENCE)
        gone = time.monotonic() - begun
        print(f"all gone after {gone:.2f} s")
        assert gone < at_most(5, _python_seconds())


def test_version_names_both(gateway: Gateway) -> None:
    """`/version` has ours and vLLM's."""
    with gateway.client() as client:
        body = json.loads(client.get("/version").content)
    assert set(body) == {"version", "vllm"}
    assert all(body.values())
