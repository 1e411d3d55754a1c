"""`thinkgate bench` as a whole, against scripted servers."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import client.engines
from client.__main__ import main
from client.bench.load import Lengths
from client.bench.options import lengths_of, slo_of
from tests.client.servers import Script
from tests.client.threads import serve_in_thread

THINKING = [{"reasoning": "hm"}, {"content": "4"}, {"content": "2"}]
USAGE = {"prompt_tokens": 16, "completion_tokens": 4}


@contextmanager
def served(*scripts: Script) -> Iterator[list[str]]:
    """Run scripted servers beside the command, which has an event loop of its own."""
    with ExitStack() as stack:
        yield [stack.enter_context(serve_in_thread(script)).url for script in scripts]


def bench(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; its exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *arguments])
    said = capsys.readouterr()
    code = stopped.value.code
    assert isinstance(code, int)
    return code, said.out, said.err


def last(output: str) -> Any:
    """The line of JSON at the end."""
    return json.loads(output.splitlines()[-1])


def test_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A run prints tables, and then one object under vLLM's names."""
    script = Script(THINKING, USAGE)
    arguments = ["--concurrency", "2", "--requests", "6", "--input-tokens", "16"]
    with served(script) as (url,):
        code, said, _ = bench(
            capsys, "--base-url", url, *arguments, "--output-tokens", "4", "--slo", "ttft_ms=60000"
        )
    assert code == 0
    figures = last(said)
    assert (figures["completed"], figures["failed"], figures["max_concurrency"]) == (6, 0, 2)
    assert (figures["total_input_tokens"], figures["total_output_tokens"]) == (96, 24)
    assert figures["output_throughput"] == pytest.approx(24 / figures["duration"])
    assert figures["request_goodput"] == pytest.approx(6 / figures["duration"])
    assert figures["median_ttft_ms"] <= figures["median_ttft_answer_ms"]
    assert "Latency in milliseconds" in said
    sent = [body for body in script.bodies if "ignore_eos" in body]
    assert len(sent) == 8  # two of them to warm up
    for body in sent:
        assert (len(body["prompt"].split()), body["max_tokens"]) == (16, 4)
        assert (body["ignore_eos"], body["temperature"], body["stream"]) == (True, 0.0, True)


def test_servers_get_the_same_in_turn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Compared servers get the same requests on each level, and all is kept in the folder."""
    fast, slow = Script(THINKING, USAGE), Script([0.05, *THINKING], USAGE)
    with served(fast, slow) as (first, second):
        code, said, _ = bench(
            capsys,
            *("--base-url", first, "--compare", f"slow={second}", "--name", "fast"),
            *("--concurrency", "1,4", "--requests", "4", "--warmup", "1", "--token-ids", "5-900"),
            *("--output-tokens", "4", "--out", str(tmp_path / "out")),
        )
    assert code == 0
    assert sorted(map(str, fast.bodies)) == sorted(map(str, slow.bodies))
    assert len({str(body) for body in fast.bodies}) == 10
    whole = last(said)
    assert [(run["label"], run["max_concurrency"]) for run in whole["runs"]] == [
        ("fast", 1),
        ("slow", 1),
        ("fast", 4),
        ("slow", 4),
    ]
    ttfts = [run["median_ttft_ms"] for run in whole["runs"]]
    ratio = whole["ratios"][0]
    assert (ratio["label"], ratio["to"], ratio["level"]) == ("slow", "fast", "concurrency 1")
    assert ratio["values"]["median_ttft_ms"] == pytest.approx(ttfts[1] / ttfts[0])
    assert ttfts[1] >= 50
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"fast-concurrency-1.json", "slow-concurrency-4.json", "report.html"} <= names
    assert len((tmp_path / "out" / "requests.jsonl").read_text().splitlines()) == 16


def test_an_open_loop(capsys: pytest.CaptureFixture[str]) -> None:
    """A rate sends requests when they are due."""
    with served(Script([0.1, *THINKING], USAGE)) as (url,):
        open_loop = ("--rate", "100", "--requests", "20", "--warmup", "0")
        code, said, _ = bench(capsys, "--base-url", url, *open_loop, "--input-tokens", "4-9")
    figures = last(said)
    assert code == 0
    assert (figures["request_rate"], figures["completed"]) == (100.0, 20)
    assert figures["duration"] >= 0.3
    assert figures["sent_late_p50_ms"] >= 0


def test_chats_from_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file's chats are sent as they are, each once, and end when the model ends."""
    data = tmp_path / "chats.jsonl"
    data.write_text('{"prompt": "1 + 1?"}\n{"messages": [{"role": "user", "content": "2 + 2?"}]}\n')
    script = Script(THINKING, USAGE)
    with served(script) as (url,):
        code, said, _ = bench(
            capsys,
            *("--base-url", url, "--data", str(data), "--no-think"),
            *("--concurrency", "1", "--warmup", "0"),
        )
    assert code == 0
    assert last(said)["backend"] == "openai-chat"
    assert [body["messages"][0]["content"] for body in script.bodies] == ["1 + 1?", "2 + 2?"]
    for body in script.bodies:
        assert body["chat_template_kwargs"]["enable_thinking"] is False
        assert "ignore_eos" not in body
        assert "max_tokens" not in body


def test_failures_are_counted_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Some failures are a warning, nothing but failures is exit code 1."""

    def refuse(body: dict[str, Any]) -> tuple[int, str] | None:
        return (503, "the house is full") if len(script.bodies) > limit else None

    script, limit = Script(THINKING, USAGE, refuse=refuse), 4
    with served(script) as (url,):
        few = ("--base-url", url, "--token-ids", "0-99", "--concurrency", "1")
        few = (*few, "--requests", "6", "--warmup", "1")
        code, said, _ = bench(capsys, *few)
        assert (code, last(said)["completed"], last(said)["failed"]) == (0, 3, 3)
        assert last(said)["errors_by_kind"] == {"refused": 3}
        assert "3 of 6 requests failed (3 refused): HTTP 503: the house is full" in said
        code, said, _ = bench(capsys, *few[:-1], "0")
        assert (code, last(said)["completed"], last(said)["failed"]) == (1, 0, 6)
        code, said, told = bench(capsys, *few)
        assert (code, said) == (1, "")
        assert "answers no request: HTTP 503: the house is full" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--concurrency", "0"], "'0' is not a whole number from 1 on"),
        (["--concurrency", "4,4"], "has the same twice"),
        (["--concurrency", "1", "--rate", "1"], "not allowed with"),
        (["--rate", "inf"], "'inf' is not a number above 0"),
        (["--input-tokens", "9-3"], "neither like 512 nor like 256-1024"),
        (["--slo", "speed=3"], "'speed' is none of ttft_ms"),
        (["--compare", "http://x/v1"], "not like NAME="),
        (["--compare", "a b=http://x/v1"], "is no name"),
        (["--token-ids", "1-9", "--chat"], "not allowed with"),
        (["--token-ids", "9-1"], "neither like 512 nor like 256-1024"),
    ],
)
def test_bad_arguments(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """A bad argument is exit code 2 and one line that says what would be right."""
    code, _, told = bench(capsys, *arguments)
    assert code == 2
    assert words in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-think"], "--no-think needs --chat or --data"),
        (["--compare", "server=http://127.0.0.1:9/v1"], "different names"),
        (["--server-pid", "other=1"], "there is no server other"),
        (["--base-url", "http://127.0.0.1:9/v1"], "nobody answers"),
    ],
)
def test_what_can_not_be_done(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """What can't be measured is exit code 1 and one line."""
    code, _, told = bench(capsys, *arguments)
    assert code == 1
    assert words in told
    assert len(told.splitlines()) == 1


def test_engines_take_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--engine` no server is asked: the engines' comparison has the arguments."""
    given: list[argparse.Namespace] = []

    def run(arguments: argparse.Namespace) -> int:
        given.append(arguments)
        return 0

    monkeypatch.setattr(client.engines, "run", run)
    code, _, _ = bench(capsys, "--engine", "vllm", "--output-tokens", "8-16", "--requests", "5")
    (arguments,) = given
    assert code == 0
    assert (arguments.engine, arguments.output_tokens, arguments.requests) == ("vllm", "8-16", 5)


def test_the_plot_is_paid_for_only_if_wanted() -> None:
    """Reading the command's modules does not load matplotlib."""
    script = "import sys, client.bench.command; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_ranges() -> None:
    """Lengths are a number or a range; objectives have names and milliseconds."""
    assert (lengths_of("512"), lengths_of("256-1024")) == (Lengths(512, 512), Lengths(256, 1024))
    assert slo_of("ttft_ms=200,e2e_ms=1500") == {"ttft": 200.0, "e2el": 1500.0}
