"""Engines side by side, by a scripted stand-in for their process."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from client.__main__ import main
from client.engines import process
from client.engines.environment import OURS
from client.engines.questions import questions

ENGINE = """
import json, os, subprocess, sys, time

def say(**event):
    print(json.dumps(event), flush=True)

if os.environ.get("DEAF"):
    sys.exit(3)
job = json.load(sys.stdin)
print("loading", job["engine"], file=sys.stderr)
if job["engine"] == "transformers" and job["model"] == "broken":
    say(type="failed", message="OSError: no such model")
    sys.exit(1)
if job["model"] == "stuck":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(os.environ["PIDS"], "w") as pids:
        pids.write(f"{os.getpid()} {child.pid}")
    print("no event", flush=True)
    time.sleep(600)
step = 0.02 if job["engine"] == "vllm" else 0.04
say(type="started", version="1.0", device="cpu", seconds=2.5)
for number, question in enumerate(job["questions"]):
    tokens = list(range(9))
    if job["engine"] == "transformers" and number == 1:
        tokens[-1] = 99
    times = [0.1 + step * at for at in range(9)]
    say(type="answer", prompt_tokens=5, token_ids=tokens, times=times)
drafts = {"count": 8, "tokens": 16, "accepted": 12, "accepted_at": [8, 4]}
say(type="done", seconds=10 * step, drafts=drafts if job["speculative"] else None)
"""


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is found before the real one, in an environment that says nothing else."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    package = tmp_path / "path" / "engine" / "offline"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(ENGINE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))


def bench(*flags: str) -> int:
    """Run the command and return its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(["bench", *flags])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def last(capsys: pytest.CaptureFixture[str]) -> tuple[str, Any]:
    """What was printed, and its last line decoded."""
    printed = capsys.readouterr().out
    return printed, json.loads(printed.splitlines()[-1])


def test_one_engine_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Under the names of `vllm bench serve`, by its formulas."""
    assert bench("--engine=vllm", "--method=speculative", "--requests=4") == 0
    printed, body = last(capsys)
    expected = {
        "engine": "vllm",
        "method": "speculative",
        "speculative_method": "draft_model",
        "num_prompts": 4,
        "completed": 4,
        "total_input_tokens": 20,
        "total_output_tokens": 36,
        "output_throughput": 36 / 0.2,
        "median_ttft_ms": 100,
        "p99_ttft_ms": 100,
        "median_tpot_ms": 20,
        "median_itl_ms": 20,
        "median_e2el_ms": 260,
        "spec_decode_acceptance_rate": 75,
        "spec_decode_acceptance_length": 2.5,
        "spec_decode_per_position_acceptance_rates": [1, 0.5],
        "identical_to_first": 4,
    }
    numbers = {name: value for name, value in expected.items() if not isinstance(value, str)}
    assert {name: body[name] for name in expected} == {
        **expected,
        **{name: pytest.approx(value) for name, value in numbers.items()},
    }
    assert "speculative, draft_model" in printed


def test_engines_are_compared_to_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    """By ratios, and by whether they generated the same tokens."""
    assert bench("--engine=vllm,transformers", "--requests=4") == 0
    printed, body = last(capsys)
    first, second = body["runs"]
    assert (first["engine"], second["engine"]) == ("vllm", "transformers")
    assert first["ratio_to_first"] == {
        "output_throughput": 1,
        "median_ttft_ms": 1,
        "median_tpot_ms": 1,
    }
    assert second["ratio_to_first"] == pytest.approx(
        {"output_throughput": 0.5, "median_ttft_ms": 1, "median_tpot_ms": 2}
    )
    assert (first["identical_to_first"], second["identical_to_first"]) == (4, 3)
    assert "spec_decode_acceptance_rate" not in first
    assert "3/4" in printed


def test_all_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures, replies and logs."""
    out = tmp_path / "out"
    assert bench("--engine=vllm,transformers", "--requests=2", f"--out={out}") == 0
    assert json.loads((out / "engines.json").read_text()) == last(capsys)[1]
    replies = [
        json.loads(line) for line in (out / "engines-replies.jsonl").read_text().splitlines()
    ]
    assert [reply["run"] for reply in replies] == ["vllm-ar"] * 2 + ["transformers-ar"] * 2
    assert (out / "vllm-ar.log").read_text() == "loading vllm\n"
    assert bench("--engine=vllm", f"--out={out}") == 1, "what is kept is not written over"


def test_an_engine_that_fails_costs_only_its_own_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is said why, with the end of its log; the exit code is 1."""
    flags = ("--engine=vllm,transformers", "--requests=2", "--model-path=broken")
    assert bench(*flags) == 1
    printed = capsys.readouterr()
    body = json.loads(printed.out.splitlines()[-1])
    assert [run["engine"] for run in body["runs"]] == ["vllm"]
    assert body["failed"] == ["transformers-ar"]
    assert "transformers ar: OSError: no such model" in printed.err
    assert "loading transformers" in printed.err


def test_a_process_that_is_gone_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even if it did not say a word, nor listened to a long job."""
    monkeypatch.setenv("DEAF", "1")
    assert bench("--engine=vllm", "--requests=9999") == 1
    printed = capsys.readouterr()
    assert "ended too early, with status 3" in printed.err
    assert printed.out == ""


def test_nothing_is_left_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an engine that does not leave by itself, nor of what it started."""
    monkeypatch.setattr(process, "_LEAVE_SECONDS", 0.1)
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    assert bench("--engine=vllm", "--requests=2", "--model-path=stuck") == 1
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    gone, alive = psutil.wait_procs(
        [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], 5
    )
    assert not alive, gone


def test_bad_settings_start_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of bad arguments."""
    monkeypatch.setenv("VLLM_MAX_NUM_SEQS", "many")
    assert bench("--engine=vllm", "--model=served") == 2
    printed = capsys.readouterr()
    assert "VLLM_MAX_NUM_SEQS=many" in printed.err
    assert "--model-path names the model" in printed.err
    assert "starting" not in printed.err


def test_what_does_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for a variable that vLLM no longer has, one for statistics switched off."""
    monkeypatch.setenv("VLLM_USE_V2_BLOCK_MANAGER", "1")
    monkeypatch.setenv("VLLM_DISABLE_LOG_STATS", "1")
    assert bench("--engine=vllm", "--requests=1") == 0
    lines = capsys.readouterr().err.splitlines()
    assert sum("VLLM_USE_V2_BLOCK_MANAGER does nothing" in line for line in lines) == 1
    assert sum("VLLM_DISABLE_LOG_STATS" in line for line in lines) == 1


def test_the_environment_alone_chooses_engines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the scripts did that people come from."""
    monkeypatch.setenv("INFERENCE_ENGINE", "transformers")
    monkeypatch.setenv("INFERENCE_METHOD", "speculative")
    assert bench("--requests=1") == 0
    body = last(capsys)[1]
    assert (body["engine"], body["method"]) == ("transformers", "speculative")


def test_questions_begin_again_when_they_run_out(tmp_path: Path) -> None:
    """Those of a file, with lengths from the seed."""
    data = tmp_path / "data.jsonl"
    data.write_text('{"prompt": "a"}\n{"messages": [{"role": "user", "content": "b"}]}\n')
    asked = questions(str(data), 5, "2-9", seed=1)
    assert [question.messages[0].content for question in asked] == ["a", "b", "a", "b", "a"]
    lengths = [question.max_tokens for question in asked]
    assert len(set(lengths)) > 1
    assert all(2 <= length <= 9 for length in lengths)
    assert questions(str(data), 5, "2-9", seed=1) == asked


def test_built_in_questions_differ() -> None:
    """Each is asked before one is asked again."""
    asked = questions(None, 8, None, seed=0)
    assert len({question.messages for question in asked}) == 8
    assert {question.max_tokens for question in asked} == {256}
