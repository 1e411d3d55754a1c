"""What a reply looks like, on a terminal and in a pipe."""

import pytest

from client.chat.screen import Screen, figures
from client.openai.reply import Reply
from client.openai.types import Piece, Request, Usage
from tests.client.terminals import make_terminal

PIECES = (
    Piece(0, thinking="\n"),
    Piece(0, thinking="7 + 5"),
    Piece(0, thinking=" …\n\n"),
    Piece(0, answer="\n\n"),
    Piece(0, answer="4"),
    Piece(0, answer="2\n"),
)


def show(screen: Screen, *pieces: Piece) -> None:
    """Show a whole reply."""
    for piece in pieces:
        screen.show(piece)
    screen.end()


def test_pipe_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe thinking stands between lines of its own, and nothing is styled."""
    show(Screen(), *PIECES)
    assert capsys.readouterr() == ("<think>\n7 + 5 …\n</think>\n\n42\n", "")


def test_terminal_gets_dimmed_thinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal thinking is dimmed, an empty line ends it, and the answer is not dimmed."""
    terminal = make_terminal(monkeypatch)
    show(Screen(), *PIECES)
    dim, off = "\x1b[2m", "\x1b[0m"
    assert terminal.getvalue() == f"{dim}7 + 5{off}{dim} …{off}\n\n42\n"


def test_terminal_without_styles_gets_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can't dim shows thinking as a pipe does."""
    terminal = make_terminal(monkeypatch, "dumb")
    show(Screen(), *PIECES)
    assert terminal.getvalue() == "<think>\n7 + 5 …\n</think>\n\n42\n"


def test_hidden_thinking_leaves_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """With thinking hidden, only the answer is there."""
    show(Screen(show_thinking=False), *PIECES)
    assert capsys.readouterr() == ("42\n", "")


def test_thinking_may_come_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Thinking after an answer is set apart as well."""
    show(Screen(), Piece(0, answer="a"), Piece(0, thinking="b"), Piece(0, thinking="c", answer="d"))
    assert capsys.readouterr().out == "a\n\n<think>\nbc\n</think>\n\nd\n"


def test_replies_do_not_run_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Each reply ends its line and begins anew, even if all of it was thinking or nothing came."""
    screen = Screen()
    show(screen, Piece(0, thinking="a\n"))
    show(screen, Piece(0, finish_reason="stop"))
    show(screen, Piece(0, thinking="b"))
    assert capsys.readouterr().out == "<think>\na\n</think>\n<think>\nb\n</think>\n"


@pytest.mark.parametrize("text", ["[bold]x[/bold] :smile: https://a.b 'c' 1", "x" * 300])
def test_text_of_the_model_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Nothing in a reply is markup, an emoji code or a highlight, and no line is wrapped."""
    terminal = make_terminal(monkeypatch)
    show(Screen(), Piece(0, answer=text))
    assert terminal.getvalue() == text + "\n"


def test_terminal_is_not_commanded_by_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape codes of a reply do not reach a terminal."""
    terminal = make_terminal(monkeypatch)
    show(Screen(), Piece(0, answer="a\x1b[2J\x1b]0;title\x07b\x9b1m"))
    assert terminal.getvalue() == "a[2J]0;titleb1m\n"


def test_notes_stay_out_of_the_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no part of the reply goes to stderr, in one line, without escape codes."""
    Screen().note("a\nb \x1b[31m" + "x" * 200)
    assert capsys.readouterr() == ("", "a b [31m" + "x" * 200 + "\n")


@pytest.mark.parametrize(
    ("request_", "reply", "said"),
    [
        (
            Request(),
            Reply(10, (10.1, 10.4, 10.5), 10.4, "hm", "42", "stop", Usage(5, 20)),
            "20 tokens in 0.50 s, 40.0 tok/s, TTFT 100 ms, of the answer 400 ms",
        ),
        (
            Request(),
            Reply(10, (10.1, 10.5), 10.1, "", "4", "length", Usage(5, 20)),
            "20 tokens in 0.50 s, 40.0 tok/s, TTFT 100 ms, finish reason length",
        ),
        (
            Request(stream=False),
            Reply(10, (10.5,), 10.5, "hm", "42", "stop", Usage(5, 20)),
            "20 tokens in 0.50 s, 40.0 tok/s",
        ),
        (
            Request(),
            Reply(10, (10.1, 10.5), 10.1, "", "42", "stop"),
            "usage not given, 0.50 s, TTFT 100 ms",
        ),
        (Request(), Reply(10), "no text, finish reason not given"),
    ],
)
def test_figures_are_measured_or_not_there(request_: Request, reply: Reply, said: str) -> None:
    """The line of figures has what was measured and counted, and invents nothing."""
    assert figures(request_, reply) == said
