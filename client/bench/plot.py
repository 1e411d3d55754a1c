"""Latency over throughput, as a picture: one line a server, one point a level."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from client.bench.measures import MEASURES
from client.bench.result import Result

_PANELS = ("ttft", "tpot", "e2el")


def draw(results: Sequence[Result]) -> bytes:
    """Return a PNG: TTFT, TPOT and E2E over output tokens/s, medians solid and p99 dashed."""
    figure = Figure(figsize=(15, 5), layout="constrained")
    pressed = "requests/s" if results[0].level.rate else "requests at once"
    titles = {measure.key: measure.title for measure in MEASURES}
    for axes, key in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        axes.set(title=titles[key], xlabel=f"output tokens/s, at so many {pressed}", ylabel="ms")
        for number, label in enumerate(dict.fromkeys(result.label for result in results)):
            mine = [result for result in results if result.label == label]
            _line(axes, mine, key, f"C{number % 10}")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def _line(axes: Axes, results: Sequence[Result], key: str, colour: str) -> None:
    points = [
        (result.totals.output_throughput, times, result.level.rate or result.level.concurrency)
        for result in results
        if (times := result.totals.times[key])
    ]
    if not points:
        return
    label = results[0].label
    speeds = [speed for speed, _, _ in points]
    axes.plot(speeds, [t.p50 for _, t, _ in points], f"{colour}o-", label=f"{label}, p50")
    axes.plot(
        speeds, [t.p99 for _, t, _ in points], f"{colour}o--", label=f"{label}, p99", alpha=0.5
    )
    for speed, times, level in points:
        axes.annotate(
            f"{level:g}", (speed, times.p50), xytext=(4, 4), textcoords="offset points", size=8
        )
