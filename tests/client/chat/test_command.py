"""The command line of `thinkgate chat`, from arguments to exit code."""

import io
import json
import os
from typing import Any

import pytest

from client.__main__ import main
from tests.client.servers import Script
from tests.client.terminals import make_terminal
from tests.client.threads import serve_in_thread

THOUGHTFUL = ({"reasoning": "hm"}, {"content": "42"})
USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 7},
}


def chat(script: Script, *arguments: str) -> int:
    """Run the command against a scripted server; its exit code."""
    with serve_in_thread(script) as served, pytest.raises(SystemExit) as caught:
        main(["chat", *served.arguments, *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_one_question(capsys: pytest.CaptureFixture[str]) -> None:
    """A prompt is answered on stdout, with figures on stderr."""
    script = Script(THOUGHTFUL)
    assert chat(script, "--prompt", "17 + 25?") == 0
    out, err = capsys.readouterr()
    assert out == "<think>\nhm\n</think>\n\n42\n"
    assert err.startswith("1 tokens in ")
    (body,) = script.bodies
    assert body["messages"] == [{"role": "user", "content": "17 + 25?"}]
    assert set(body) == {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_tags_in_the_text_are_thinking(stream: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that doesn't split its thinking is understood, and it can be hidden."""
    script = Script([{"content": "<|thinking|>hm<|/thinking|>42"}])
    assert chat(script, "--prompt", "a", "--no-thinking", stream) == 0
    assert capsys.readouterr().out == "42\n"
    assert script.bodies[0].get("stream", False) == (stream == "--stream")


def test_terminal_dims_thinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal thinking is dimmed and apart."""
    terminal = make_terminal(monkeypatch)
    assert chat(Script(THOUGHTFUL), "--prompt", "a") == 0
    assert terminal.getvalue() == "\x1b[2mhm\x1b[0m\n\n42\n"


@pytest.mark.parametrize("deltas", [THOUGHTFUL, THOUGHTFUL[1:]])
@pytest.mark.parametrize("format_", [(), ("--json",)])
def test_not_to_think_is_asked_and_watched(
    deltas: Any, format_: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """--no-think goes to the server; if the model thinks nevertheless, one line says so."""
    script = Script(deltas)
    assert chat(script, "--prompt", "a", "--no-think", *format_) == 0
    assert script.bodies[0]["chat_template_kwargs"]["enable_thinking"] is False
    told = "the model thought although it was asked not to" in capsys.readouterr().err
    assert told == (deltas is THOUGHTFUL)


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_json_is_one_object_and_nothing_else(
    stream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json prints what scripts need: texts as they came, counts, and times in ms."""
    deltas: Any = [{"reasoning": "\n想\x1b[2m"}, 0.05, {"content": "42\n"}]
    assert chat(Script(deltas, USAGE, "length"), "--prompt", "a", "--json", stream) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.isascii()
    reply = json.loads(out)
    timings = reply.pop("timings")
    assert reply == {
        "model": "scripted",
        "thinking": "\n想\x1b[2m",
        "answer": "42\n",
        "finish_reason": "length",
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 9,
            "reasoning_tokens": 7,
            "cached_tokens": 4,
        },
    }
    e2e = timings.pop("e2e_ms")
    assert e2e > 40
    assert timings.pop("tokens_per_second") == pytest.approx(9 / e2e * 1000, rel=1e-3)
    if stream == "--no-stream":
        assert timings == {"ttft_ms": None, "ttft_answer_ms": None, "tpot_ms": None}
    else:
        assert 0 < timings["ttft_ms"] < timings["ttft_answer_ms"] <= e2e
        assert timings["tpot_ms"] == pytest.approx((e2e - timings["ttft_ms"]) / 8, abs=1e-3)


def test_json_says_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    """Without usage there are no counts and no rate; hidden thinking is null."""
    assert chat(Script(THOUGHTFUL, None), "--prompt", "a", "--json", "--no-thinking") == 0
    reply = json.loads(capsys.readouterr().out)
    assert (reply["usage"], reply["thinking"], reply["answer"]) == (None, None, "42")
    assert reply["timings"]["tokens_per_second"] is None


def test_arguments_win_over_the_template() -> None:
    """What the command line says replaces what the template says, and the rest stays."""
    script = Script()
    sampling = ("--max-tokens", "9", "--temperature", "0", "--seed", "3")
    assert chat(script, "--template", "logic", "--no-think", "--system", "Guide!", *sampling) == 0
    (body,) = script.bodies
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert body["messages"][0]["content"] == "Guide!"
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (9, 0, 3)
    assert body["top_p"] == 0.95
    assert body["chat_template_kwargs"]["enable_thinking"] is False


def test_variables_fill_the_template(capsys: pytest.CaptureFixture[str]) -> None:
    """--var gives a variable, the last one wins, and a value may hold an equals sign."""
    script = Script()
    given = ("--var", "question=x", "--var", "question=1 + 1 = ?")
    assert chat(script, "--template", "basic-chat-zh", *given) == 0
    assert script.bodies[0]["messages"][-1]["content"] == "1 + 1 = ?"


def test_bad_template_is_told_before_the_server_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Mistakes are one line on stderr and exit code 1."""
    script = Script()
    assert chat(script, "--template", "travel-guide", "--var", "dais=3") == 1
    assert capsys.readouterr() == (
        "",
        "thinkgate chat: template travel-guide: variable city is missing (--var city=VALUE); "
        "variable dais is not declared (did you mean days?)\n",
    )
    assert not script.bodies


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prompt", "a", "--template", "logic"], "not allowed with argument --prompt"),
        (["--prompt", "a", "--var", "b=c"], "--var needs --template"),
        (["--template", "logic", "--var", "b"], "'b' is not NAME=VALUE"),
        (["--json"], "--json needs --prompt or --template"),
        (["--prompt", "a", "--max-tokens", "0"], "argument --max-tokens: '0': Expected `int` >= 1"),
        (["--prompt", "a", "--temperature", "nan"], "argument --temperature: 'nan': "),
        (["--prompt", "a\udcff"], "argument --prompt: that is not UTF-8"),
    ],
)
def test_bad_arguments(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that can't be meant are refused with exit code 2."""
    script = Script()
    assert chat(script, *arguments) == 2
    assert said in capsys.readouterr().err
    assert not script.bodies


def test_refusal_is_one_harmless_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What a server says against us is one line without escape codes, and exit code 1."""
    script = Script(refuse=lambda body: (400, "no\n\x1b[2Jway"))
    assert chat(script, "--prompt", "a") == 1
    assert capsys.readouterr() == ("", "thinkgate chat: HTTP 400: no [2Jway\n")


def test_broken_stream_keeps_what_came(capsys: pytest.CaptureFixture[str]) -> None:
    """A stream that breaks off shows its beginning, then the error; exit code 1."""
    assert chat(Script(THOUGHTFUL, cut=True), "--prompt", "a") == 1
    out, err = capsys.readouterr()
    assert out.endswith("42\n")
    assert err == "thinkgate chat: the stream ended without [DONE]\n"


@pytest.mark.parametrize(("refused", "code"), [(True, 1), (False, 0)])
def test_questions_through_a_pipe(
    refused: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a prompt each line of stdin is a question; one that failed is in the exit code."""
    lines = io.TextIOWrapper(io.BytesIO(b"a\xff\nb\n"), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", lines)
    script = Script(
        refuse=lambda body: (400, "no") if refused and len(script.bodies) == 1 else None
    )
    assert chat(script) == code
    assert script.bodies[0]["messages"] == [{"role": "user", "content": "a\ufffd"}]
    assert len(script.bodies) == 2
    assert capsys.readouterr().out == ("42\n" if refused else "42\n42\n")


def test_reader_who_leaves_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe closed by its reader (`| head -1`) ends the command without a traceback."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert chat(Script(), "--prompt", "a") == 1
    assert capsys.readouterr().err == ""


def test_list_of_templates(capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped names are printed, one a line."""
    assert chat(Script(), "--list-templates") == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["basic-chat", "basic-chat-zh"]
