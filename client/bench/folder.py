"""The folder of a benchmark: a JSON file a run, every request's times, a plot and a page."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from client.bench.measures import MEASURES, Attempt, output_tokens
from client.bench.report import page
from client.bench.result import Result, fields
from client.openai.errors import ClientError


class Folder:
    """A folder that holds nothing yet.

    Args:
        path: made if it is missing.

    Raises:
        ClientError: it holds something, which might be an earlier benchmark, or can't be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise ClientError(f"{path} is not empty: name a new folder for these results")
        except OSError as error:
            raise ClientError(f"{path} can't be the folder: {error.strerror}") from error
        self._path = path

    def add(self, result: Result) -> None:
        """Keep one run: its figures, and a line a request in `requests.jsonl`."""
        name = "".join(
            letter if letter.isalnum() or letter in ".-" else "-"
            for letter in f"{result.label}-{result.level}"
        )
        body = msgspec.json.format(msgspec.json.encode(fields(result)))
        (self._path / f"{name}.json").write_bytes(body + b"\n")
        with (self._path / "requests.jsonl").open("ab") as lines:
            for attempt in result.attempts:
                line = {"label": result.label, "load": str(result.level), **_line(attempt)}
                lines.write(msgspec.json.encode(line) + b"\n")

    def finish(self, results: Sequence[Result]) -> None:
        """Draw the plot, and write the page."""
        from client.bench.plot import draw  # half a second, which other ends need not pay

        plot = draw(results)
        (self._path / "plot.png").write_bytes(plot)
        (self._path / "report.html").write_text(page(results, plot), encoding="utf-8")


def _line(attempt: Attempt) -> dict[str, object]:
    line: dict[str, object] = {
        "request": attempt.number,
        "planned_s": attempt.planned,
        "sent_s": attempt.sent,
        "max_tokens": attempt.asked,
    }
    reply = attempt.reply
    if reply is None:
        return line | {"error": attempt.error, "kind": attempt.kind}
    line |= {
        "input_tokens": reply.usage.prompt_tokens,
        "output_tokens": output_tokens(reply),
        "reasoning_tokens": reply.usage.reasoning_tokens,
        "cached_tokens": reply.usage.cached_tokens,
        "finish_reason": reply.finish_reason,
    }
    for measure in MEASURES:
        values = [1000 * seconds for seconds in measure.of(reply)]
        line[f"{measure.key}_ms"] = (values[0] if values else None) if measure.each else values
    return line
