"""Pictures: bars of the medians, one panel per size; lines of sweeps, one panel per setting."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter
from peers import OURS
from report import SizeReport, Sweep
from timing import in_words

_COLOURS = {"svm": "tab:grey", "knn": "tab:blue", "scoring": "tab:green"}
_OURS_COLOUR = "tab:red"
_BAR = 0.8  # of the space between two competitors
_PANELS_PER_LINE = 3


def draw(path: Path, sizes: list[SizeReport], machine: str) -> None:
    """Draw the medians on a logarithmic scale."""
    mpl.use("Agg")
    names = list(dict.fromkeys(t.name for size in sizes for t in size.timings))
    figure = Figure(figsize=(2.6 + 4.2 * len(sizes), 1.8 + 0.5 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(sizes), squeeze=False)[0]
    for axes, size in zip(panels, sizes, strict=True):
        _draw_size(axes, size, names)
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


def draw_sweeps(path: Path, sweeps: list[Sweep], machine: str) -> None:
    """Draw the cost against every setting that was swept, on logarithmic scales."""
    mpl.use("Agg")
    n_lines = -(-len(sweeps) // _PANELS_PER_LINE)
    figure = Figure(figsize=(4.6 * _PANELS_PER_LINE, 0.9 + 3.4 * n_lines), layout="constrained")
    panels = figure.subplots(n_lines, _PANELS_PER_LINE, squeeze=False).ravel()
    for axes, sweep in zip(panels, sweeps, strict=False):
        _draw_sweep(axes, sweep)
    for axes in panels[len(sweeps) :]:
        axes.set_visible(False)
    figure.suptitle(f"Median time per query ({machine}); numbers: search in kNN units")
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, dpi=150)


def _draw_sweep(axes: Axes, sweep: Sweep) -> None:
    values = [point.value for point in sweep.points]
    search = [point.ours.median for point in sweep.points]
    beyond = [point.ours.beyond_scan() for point in sweep.points]
    knn = [point.knn.median for point in sweep.points]
    axes.plot(values, search, "o-", color=_OURS_COLOUR, label=OURS)
    axes.plot(values, beyond, ".:", color=_OURS_COLOUR, label="of that, beyond the scan")
    axes.plot(values, knn, "s-", color=_COLOURS["knn"], label="kNN, numpy")
    for point in sweep.points:
        axes.annotate(
            f"{point.ratio:.1f}",
            (point.value, point.ours.median),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(y=0.15)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    if sweep.name in ("threads", "features", "batch"):
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    axes.set_xlabel(sweep.name)
    axes.set_ylabel("ms")
    axes.set_title(sweep.others, fontsize=9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_size(axes: Axes, size: SizeReport, names: list[str]) -> None:
    counts = size.thread_counts
    height = _BAR / len(counts)
    for timing in size.timings:
        place = counts.index(timing.threads)
        # A serial competitor has one bar, in the middle of its place.
        shift = 0.0 if timing.serial else (place - (len(counts) - 1) / 2) * height
        bars = axes.barh(
            names.index(timing.name) + shift,
            timing.median,
            height,
            color=_OURS_COLOUR if timing.ours else _COLOURS[timing.family],
            alpha=_alpha(place),
            edgecolor="white",
        )
        axes.bar_label(bars, fmt=in_words, padding=2, fontsize=8)
    axes.axvline(size.ours(counts[0]).median, color=_OURS_COLOUR, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("ms (logarithmic)")
    axes.set_title(f"{size.name}\n{size.source}", fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _alpha(place: int) -> float:
    return max(0.9 - 0.4 * place, 0.2)
