"""`thinkgate eval` as a whole: what it prints and keeps, failures, kills and resumption."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from client.__main__ import main
from tests.client.servers import Script, serve
from tests.conftest import eventually

DATA = [{"prompt": f"{n} + {n}?", "reference": "42"} for n in range(12)]


@dataclass
class Holding(Script):
    """A server that keeps requests waiting once it has answered so many, until it is let go.

    Attributes:
        answers: so many are still to come.
        held: requests that waited; they never get an answer.
    """

    answers: int = 0
    held: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.answers -= 1
        if self.go.is_set() or self.answers >= 0:
            return await super().complete(request)
        self.held += 1
        await self.go.wait()
        return web.Response(status=503)


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A file of twelve samples."""
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in DATA))
    return str(path)


def command(url: str, *arguments: str) -> object:
    """Run it here; its exit code."""
    with pytest.raises(SystemExit) as end:
        main(["eval", "--base-url", url, *arguments])
    return end.value.code


def evaluate(script: Script, *arguments: str) -> object:
    """Run it against a script; its exit code."""

    async def serving() -> object:
        async with serve(script) as url:
            return await asyncio.to_thread(command, url, *arguments)

    return asyncio.run(serving())


def lines(folder: Path) -> list[dict[str, Any]]:
    """The samples that are kept."""
    return [json.loads(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]


def prompts(script: Script) -> list[str]:
    """What was asked, sorted."""
    return sorted(body["messages"][0]["content"] for body in script.bodies)


def test_last_line_is_the_summary(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is kept without --out; all numbers are on the last line."""
    script = Script([{"reasoning": "hm"}, {"content": "42."}], {"completion_tokens": 9})
    assert evaluate(script, "--data", data, "--limit", "5", "--repeat", "3") == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])
    assert (summary["answered"], summary["scored"], summary["exact_match"]) == (15, 15, 1.0)
    assert summary["completion_tokens"] == 15 * 9
    assert summary["tokens_per_second"] == summary["completion_tokens"] / summary["duration_s"]
    assert summary["finish_reasons"] == {"stop": 15}
    assert printed.err == ""
    assert [path.name for path in Path(data).parent.iterdir()] == ["data.jsonl"]


def test_folder_tells_all_but_the_key(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scored line a sample in the data's order, settings and summary; never the API key."""
    out = tmp_path / "out"
    code = evaluate(Script(), "--data", data, "--out", str(out), "--api-key", "sk-secret")
    assert code == 0
    assert [line["id"] for line in lines(out)] == [str(n) for n in range(1, 13)]
    assert all(line["scores"]["exact_match"] == 1.0 for line in lines(out))
    summary = json.loads((out / "summary.json").read_bytes())
    assert summary == json.loads(capsys.readouterr().out.splitlines()[-1])
    settings = json.loads((out / "settings.json").read_bytes())
    assert settings["settings"]["model"] == "scripted"
    assert not any(b"sk-secret" in path.read_bytes() for path in out.iterdir())


def test_failures_are_told_and_asked_again(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed sample makes the exit code 1, is in no mean, and alone is asked next time."""
    out = tmp_path / "out"
    script = Script(
        refuse=lambda body: (400, "no [b]sevens") if "7" in body["messages"][0]["content"] else None
    )
    assert evaluate(script, "--data", data, "--out", str(out)) == 1
    printed = capsys.readouterr().out
    summary = json.loads(printed.splitlines()[-1])
    assert (summary["answered"], summary["failed"], summary["exact_match"]) == (11, 1, 1.0)
    assert summary["errors"] == {"refused": 1}
    assert "1 refused, such as 8: HTTP 400: no [b]sevens" in printed
    assert [line["failure"] is None for line in lines(out)].count(False) == 1
    again = Script()
    assert evaluate(again, "--data", data, "--out", str(out)) == 0
    assert prompts(again) == ["7 + 7?"]
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["answered"], summary["earlier"], summary["failed"]) == (12, 11, 0)


def test_finished_evaluation_is_not_asked_again(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A third time nothing is sent, and the summary with its speed stays."""
    arguments = ("--data", data, "--out", str(tmp_path / "out"))
    assert evaluate(Script(), *arguments) == 0
    before = (tmp_path / "out" / "summary.json").read_bytes()
    again = Script()
    assert evaluate(again, *arguments) == 0
    assert again.bodies == []
    assert (tmp_path / "out" / "summary.json").read_bytes() == before
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["exact_match"] == 1.0


def test_other_settings_are_refused(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same folder with other settings is one clear error; concurrency may differ."""
    arguments = ("--data", data, "--out", str(tmp_path / "out"))
    assert evaluate(Script(), *arguments) == 0
    assert evaluate(Script(), *arguments, "--concurrency", "2") == 0
    other = Script()
    assert evaluate(other, *arguments, "--temperature", "0.7") == 1
    assert other.bodies == []
    assert "temperature is 0.7, not 0.0" in capsys.readouterr().err


def test_bad_data_is_told_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All bad lines are named, and the server is not even looked for."""
    path = tmp_path / "bad.jsonl"
    path.write_text('{"prompt": "a"}\n{}\nno\n')
    assert command("http://127.0.0.1:9/v1", "--data", str(path)) == 1
    told = capsys.readouterr().err
    assert "line 2: " in told
    assert "line 3: " in told
    assert "127.0.0.1" not in told


def test_nobody_there_is_an_error_at_once(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With or without a model's name, nothing is asked where nobody answers."""
    for more in ((), ("--model", "demo")):
        assert command("http://127.0.0.1:9/v1", "--data", data, *more) == 1
        assert capsys.readouterr().err.startswith("thinkgate eval: nobody answers at")


@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_stopped_evaluation_goes_on_with_the_rest(
    data: str, tmp_path: Path, stop: signal.Signals, code: int
) -> None:
    """Killed or interrupted midway, it keeps what is done, and the same command does the rest."""
    out = tmp_path / "out"
    arguments = ("--data", data, "--out", str(out), "--concurrency", "3")

    async def stopped_and_resumed() -> tuple[Holding, list[str]]:
        script = Holding(answers=5)
        async with serve(script) as url:
            program = (sys.executable, "-m", "client", "eval", "--base-url", url, *arguments)
            process = await asyncio.create_subprocess_exec(*program, stdout=PIPE, stderr=PIPE)
            file = out / "samples.jsonl"
            await eventually(
                lambda: script.held == 3 and file.exists() and len(lines(out)) == 5, 30.0
            )
            process.send_signal(stop)
            async with asyncio.timeout(30):
                await process.communicate()
            script.go.set()
            assert process.returncode == code
            done = prompts(script)
            assert done == sorted(line["messages"][0]["content"] for line in lines(out))
            script.bodies.clear()
            assert await asyncio.to_thread(command, url, *arguments) == 0
        return script, done

    script, done = asyncio.run(stopped_and_resumed())
    assert len(done) == 5
    assert sorted([*prompts(script), *done]) == sorted(str(line["prompt"]) for line in DATA)
    assert [line["id"] for line in lines(out)] == [str(n) for n in range(1, 13)]
    assert all(line["scores"] for line in lines(out))
