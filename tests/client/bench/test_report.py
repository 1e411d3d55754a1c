"""What people see of a benchmark: tables, a page, a picture, a folder."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from client.bench.folder import Folder
from client.bench.plot import draw
from client.bench.report import grids, page, ratios, show
from client.openai.errors import ClientError
from client.openai.reply import Reply
from client.openai.types import Usage
from tests.client.bench.runs import REPLY, result

SLOW = Reply(0.0, (1.0, 1.5, 2.5, 4.0), 2.5, usage=Usage(10, 7))
"""Everything takes twice as long as in `REPLY`."""

PNG = b"\x89PNG\r\n\x1a\n"


def test_servers_are_compared_level_by_level() -> None:
    """A ratio is the other server's figure by the first one's, at the same level."""
    twice = replace(result(SLOW, label="other"), totals=replace(result(SLOW).totals, duration=8.0))
    alone = result(SLOW, label="other", concurrency=64)
    first = result(REPLY)
    (ratio,) = ratios([first, twice, alone])
    assert (ratio.label, ratio.to, ratio.level) == ("other", "server", "concurrency 8")
    assert ratio.values == pytest.approx(
        {
            "output_throughput": 0.5,
            "median_ttft_ms": 2.0,
            "median_ttft_answer_ms": 2.0,
            "median_itl_ms": 2.0,
            "median_tpot_ms": 2.0,
            "median_e2el_ms": 2.0,
        }
    )
    assert ratios([first]) == []
    assert list(ratios([first, result(None, label="dead")])[0].values.values())[1:] == [None] * 5


def test_tables_hold_the_figures() -> None:
    """One row a run in the first table, one a run and measure in the second, ratios last."""
    amounts, latencies, compared = grids([result(REPLY), result(SLOW, label="other")])
    assert dict(zip(amounts.columns, amounts.rows[0], strict=True)) == {
        "server": "server",
        "load": "concurrency 8",
        "ok": "1",
        "failed": "0",
        "seconds": "4",
        "requests/s": "0.25",
        "output tokens/s": "1.75",
        "goodput/s": "0.25",
        "accepted %": "50",
        "accepted length": "2.5",
        "cache hits %": "2.5",
        "server ms/token": "400",
        "client core %": "10",
        "client us/token": "57,143",
    }
    assert latencies.rows[1] == ("TTFT", "other", "concurrency 8", *["1,000"] * 4)
    assert len(latencies.rows) == 10
    assert compared.rows == (("other", "concurrency 8", "1", "2", "2", "2", "2", "2"),)


def test_one_server_needs_no_name() -> None:
    """Columns that say nothing are left out."""
    amounts, latencies = grids([replace(result(REPLY), counters=None)])
    assert not {"server", "accepted %", "cache hits %"} & set(amounts.columns)
    assert latencies.columns == ("measure", "load", "mean", "p50", "p90", "p99")


def test_people_get_tables_formulas_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal shows figures, formulas, and each warning with its run; no markup is obeyed."""
    show([result(REPLY, None, label="[red]x")])
    shown = capsys.readouterr().out
    for words in ("Latency in milliseconds", "first piece with a token - sent"):
        assert words in shown
    assert "warning: [red]x, concurrency 8: 1 of 2 requests failed (1 refused)" in shown


class _Reader(HTMLParser):
    """Collects texts and addresses, and sees whether tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_stands_alone() -> None:
    """The page is whole, needs no other address, and shows a server's words as text."""
    evil = replace(result(REPLY, None), model="<script>alert(1)</script>")
    reader = _Reader()
    reader.feed(page([evil], b"picture"))
    assert reader.open == []
    assert "Benchmark of <script>alert(1)</script>" in reader.texts
    assert "1,250" in reader.texts
    assert reader.addresses == ["data:image/png;base64,cGljdHVyZQ=="]


def test_the_plot_shows_the_results() -> None:
    """The picture is a PNG, changes with the figures, and is drawn even if all failed."""
    first, second = draw([result(REPLY)]), draw([result(REPLY), result(SLOW, label="other")])
    assert first.startswith(PNG)
    assert second.startswith(PNG)
    assert first != second
    assert draw([result(None)]).startswith(PNG)


def test_a_folder_keeps_everything(tmp_path: Path) -> None:
    """A file a run, a line a request, a picture and a page."""
    folder = Folder(tmp_path / "new" / "results")
    both = [result(REPLY, None), result(SLOW, label="other")]
    for one in both:
        folder.add(one)
    folder.finish(both)
    kept = tmp_path / "new" / "results"
    assert sorted(path.name for path in kept.iterdir()) == [
        "other-concurrency-8.json",
        "plot.png",
        "report.html",
        "requests.jsonl",
        "server-concurrency-8.json",
    ]
    assert json.loads((kept / "server-concurrency-8.json").read_text())["failed"] == 1
    lines = [json.loads(line) for line in (kept / "requests.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == ["server", "server", "other"]
    assert lines[0]["itl_ms"] == pytest.approx([250, 500, 750])
    assert (lines[0]["ttft_ms"], lines[0]["tpot_ms"]) == pytest.approx((500, 250))
    assert (lines[1]["error"], lines[1]["kind"]) == ("HTTP 503: full", "refused")
    assert (kept / "plot.png").read_bytes().startswith(PNG)


def test_a_folder_is_never_overwritten(tmp_path: Path) -> None:
    """A folder that holds anything is refused before the benchmark, and left as it was."""
    (tmp_path / "report.html").write_text("earlier")
    with pytest.raises(ClientError, match="not empty"):
        Folder(tmp_path)
    assert (tmp_path / "report.html").read_text() == "earlier"
    with pytest.raises(ClientError, match="can't be the folder"):
        Folder(tmp_path / "report.html")


def test_ratios_are_json() -> None:
    """Ratios can be written with the results."""
    (ratio,) = ratios([result(REPLY), result(SLOW, label="other")])
    assert msgspec.json.decode(msgspec.json.encode(ratio))["values"]["median_ttft_ms"] == 2.0
