"""Results for people: tables on a terminal, and one page of HTML."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.bench.measures import MEASURES
from client.bench.result import Result, warnings
from client.text import one_line

_WIDTH = 140
"""Of a line that no terminal limits."""

RATIOS = ("output_throughput", *(f"median_{measure.key}_ms" for measure in MEASURES))
"""What servers are compared by, under the names of `result.fields`."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em }}
table {{ border-collapse: collapse; margin: 1em 0 }}
th, td {{ padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd }}
th:first-child, td:first-child, .formulas td {{ text-align: left }}
.warning {{ color: #a33 }} img {{ max-width: 100% }}
</style></head><body><h1>{title}</h1><p>{described}</p>
{body}
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One server's result divided by the first one's, at one level.

    Attributes:
        label: of the server.
        to: label of the first one.
        level: in words.
        values: name as in `RATIOS` -> ratio; None where either has no such value.
    """

    label: str
    to: str
    level: str
    values: dict[str, float | None]


def ratios(results: Sequence[Result]) -> list[Ratio]:
    """Compare each server to the first one, level by level."""
    first = {result.level: result for result in reversed(results)}
    pairs = [(result, first[result.level]) for result in results]
    return [_ratio(result, base) for result, base in pairs if result is not base]


def _ratio(result: Result, base: Result) -> Ratio:
    values: dict[str, float | None] = {}
    for name, value, other in zip(RATIOS, _compared(result), _compared(base), strict=True):
        values[name] = value / other if value and other else None
    return Ratio(result.label, base.label, str(result.level), values)


def _compared(result: Result) -> list[float | None]:
    times = [result.totals.times[measure.key] for measure in MEASURES]
    return [result.totals.output_throughput, *(each.p50 if each else None for each in times)]


def grids(results: Sequence[Result]) -> list[Grid]:
    tables = [_amounts(results), _latencies(results)]
    if compared := ratios(results):
        columns = ("server", "load", "output tokens/s", *(measure.title for measure in MEASURES))
        rows = [(r.label, r.level, *map(_figure, r.values.values())) for r in compared]
        title = f"Ratio to {compared[0].to} (latencies: medians)"
        tables.append(Grid(title, columns, tuple(rows)))
    return tables


def _amounts(results: Sequence[Result]) -> Grid:
    columns = {
        "server": [result.label for result in results],
        "load": [str(result.level) for result in results],
        "ok": [str(result.totals.completed) for result in results],
        "failed": [str(result.totals.failed) for result in results],
        "seconds": [_figure(result.totals.duration) for result in results],
        "requests/s": [_figure(result.totals.request_throughput) for result in results],
        "output tokens/s": [_figure(result.totals.output_throughput) for result in results],
        "goodput/s": [_figure(result.totals.goodput) for result in results],
        "accepted %": [_counted(result, "acceptance_rate") for result in results],
        "accepted length": [_counted(result, "acceptance_length") for result in results],
        "cache hits %": [_counted(result, "prefix_hit_rate") for result in results],
        "server ms/token": [_figure(result.server_ms_per_token) for result in results],
        "client core %": [_figure(result.cost.client_percent) for result in results],
        "client us/token": [_figure(result.client_us_per_token) for result in results],
    }
    shown = {name: values for name, values in columns.items() if any(values)}
    rows = tuple(zip(*shown.values(), strict=True))
    return _without_server(Grid("Throughput and cost", tuple(shown), rows))


def _counted(result: Result, name: str) -> str:
    return _figure(getattr(result.counters, name)) if result.counters else ""


def _latencies(results: Sequence[Result]) -> Grid:
    rows = []
    for measure in MEASURES:
        for result in results:
            times = result.totals.times[measure.key]
            figures = [times.mean, times.p50, times.p90, times.p99] if times else [None] * 4
            rows.append((measure.title, result.label, str(result.level), *map(_figure, figures)))
    columns = ("measure", "server", "load", "mean", "p50", "p90", "p99")
    return _without_server(Grid("Latency in milliseconds", columns, tuple(rows)))


def _without_server(grid: Grid) -> Grid:
    """The same without the servers' names if there is one server only."""
    place = grid.columns.index("server")
    if len({row[place] for row in grid.rows}) > 1:
        return grid
    columns, *rows = ((*row[:place], *row[place + 1 :]) for row in (grid.columns, *grid.rows))
    return Grid(grid.title, columns, tuple(rows))


def formulas() -> Grid:
    rows = tuple((measure.title, measure.formula) for measure in MEASURES)
    return Grid("Formulas", ("measure", "is"), rows)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def wide_console() -> Console:
    """Return stdout for tables: as wide as the terminal, or wide enough where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def show(results: Sequence[Result]) -> None:
    console = wide_console()
    for grid in (*grids(results), formulas()):
        table = Table(title=grid.title, title_justify="left", box=SIMPLE_HEAD)
        for number, column in enumerate(grid.columns):
            left = grid.title == "Formulas" or number == 0
            widest = max(len(row[number]) for row in grid.rows)
            table.add_column(column, justify="left" if left else "right", min_width=widest)
        for row in grid.rows:
            table.add_row(*map(Text, row))
        console.print(table)
    for sentence in _sentences(results):
        console.print(Text(f"warning: {sentence}"), style="yellow", soft_wrap=True)


def _sentences(results: Sequence[Result]) -> list[str]:
    return [
        f"{result.label}, {result.level}: {one_line(sentence)}"
        for result in results
        for sentence in warnings(result)
    ]


def page(results: Sequence[Result], plot: bytes) -> str:
    """Return a page of HTML that needs no other file.

    Args:
        results: at least one.
        plot: a PNG.
    """
    title = "Benchmark of " + ", ".join(dict.fromkeys(result.model for result in results))
    parts = [f'<p class="warning">{escape(sentence)}</p>' for sentence in _sentences(results)]
    parts.append(
        '<img alt="Latency over throughput" src="data:image/png;base64,'
        f'{base64.b64encode(plot).decode()}">'
    )
    parts += [_html(grid) for grid in grids(results)]
    parts.append(f'<div class="formulas">{_html(formulas())}</div>')
    described = escape(_description(results[0]))
    return _PAGE.format(title=escape(title), described=described, body="\n".join(parts))


def _description(result: Result) -> str:
    shape = result.shape
    said = f"prompts of {shape.input_tokens} tokens ({shape.kind})"
    if shape.data:
        said = f"{len(shape.data)} chats from a file"
    if shape.prefix_tokens:
        said += f", behind {shape.prefix_tokens} shared ones"
    limit = f"{shape.output_tokens} output tokens" if shape.output_tokens else "output not limited"
    return f"{result.date:%Y-%m-%d %H:%M}: {said}; {limit}; seed {result.seed}."


def _html(grid: Grid) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in grid.columns)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in grid.rows
    )
    return f"<h2>{escape(grid.title)}</h2>\n<table><tr>{head}</tr>\n{rows}</table>"
