"""A bar chart of the medians: one panel per size, one bar per competitor and thread count."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from peers import OURS
from report import SizeReport
from timing import in_words

_COLOURS = {"svm": "tab:grey", "knn": "tab:blue", "scoring": "tab:green"}
_OURS_COLOUR = "tab:red"
_BAR = 0.8  # of the space between two competitors


def draw(path: Path, sizes: list[SizeReport], machine: str) -> None:
    """Draw the medians on a logarithmic scale."""
    mpl.use("Agg")
    n_names = max(len({t.name for t in size.timings}) for size in sizes)
    figure = Figure(figsize=(2.6 + 4.2 * len(sizes), 1.8 + 0.5 * n_names), layout="constrained")
    panels = figure.subplots(1, len(sizes), squeeze=False)[0]
    for axes, size in zip(panels, sizes, strict=True):
        _draw_size(axes, size)
    for axes in panels[1:]:
        axes.tick_params(labelleft=False)
    counts = sizes[0].thread_counts
    shades = [
        Patch(color="black", alpha=_alpha(i), label=f"{threads} thread{'s' * (threads > 1)}")
        for i, threads in enumerate(counts)
    ]
    figure.suptitle(f"Median time of one query ({machine})")
    figure.legend(handles=shades, loc="outside lower center", ncols=len(shades), frameon=False)
    figure.savefig(path, dpi=150)


def _draw_size(axes: Axes, size: SizeReport) -> None:
    names = list(dict.fromkeys(t.name for t in size.timings))
    counts = size.thread_counts
    height = _BAR / len(counts)
    for timing in size.timings:
        place = counts.index(timing.threads)
        # A serial competitor has one bar, in the middle of its place.
        shift = 0.0 if timing.serial else (place - (len(counts) - 1) / 2) * height
        ours = timing.name.startswith("exemplar_svm")
        bars = axes.barh(
            names.index(timing.name) + shift,
            timing.median,
            height,
            color=_OURS_COLOUR if ours else _COLOURS[timing.family],
            alpha=_alpha(place),
            edgecolor="white",
        )
        axes.bar_label(bars, fmt=in_words, padding=2, fontsize=8)
    ours_median = next(t.median for t in size.timings if t.name == OURS)
    axes.axvline(ours_median, color=_OURS_COLOUR, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("ms (logarithmic)")
    axes.set_title(f"{size.name}\n{size.source}", fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _alpha(place: int) -> float:
    return max(0.9 - 0.4 * place, 0.2)
