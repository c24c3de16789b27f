"""A picture of an evaluation: every ranker's change with its interval, one panel per measure."""

from __future__ import annotations

from pathlib import Path

from .measures import CONFIDENCE, MEASURES, Evaluation

try:
    import matplotlib as mpl
    from matplotlib.figure import Figure
except ImportError as missing:
    raise ImportError(
        f"pictures need {missing.name}: pip install 'exemplar-svm[evaluate]'"
    ) from missing

_COLOURS = {1: "tab:green", -1: "tab:red", 0: "tab:grey"}


def draw(path: Path, evaluation: Evaluation) -> None:
    """Draw the changes against the first ranker."""
    mpl.use("Agg")
    baseline, *others = evaluation.rankers
    figure = Figure(figsize=(3 + 3 * len(MEASURES), 1.5 + 0.22 * len(others)), layout="constrained")
    panels = figure.subplots(1, len(MEASURES), sharey=True)
    for axes, measure in zip(panels, MEASURES, strict=True):
        for place, ranker in enumerate(others):
            change = evaluation.change(ranker, measure)
            colour = _COLOURS[change.sign]
            axes.plot([100 * change.low, 100 * change.high], [place, place], color=colour)
            axes.plot(100 * change.mean, place, "o", color=colour, markersize=4)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_title(f"{measure} ({baseline}: {evaluation.mean(baseline, measure):.3f})")
        axes.set_xlabel("points")
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(others)), others, fontsize=8)
    panels[0].invert_yaxis()
    figure.suptitle(
        f"{evaluation.task}, {evaluation.n_queries} queries: change against {baseline}, "
        f"{CONFIDENCE:.0%} intervals"
    )
    figure.savefig(path, dpi=150)
