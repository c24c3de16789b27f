"""Evaluations as a table on the terminal, and for JSON."""

from __future__ import annotations

from typing import Any

from .measures import CONFIDENCE, MEASURES, Change, Evaluation

try:
    from rich.console import Console
    from rich.table import Table
except ImportError as missing:
    raise ImportError(
        f"tables of rankings need {missing.name}: pip install 'exemplar-svm[evaluate]'"
    ) from missing

_STYLES = {1: "green", -1: "red", 0: None}


def show(console: Console, evaluation: Evaluation) -> None:
    """Print the measures of every ranker, and the change from the first one."""
    baseline, *others = evaluation.rankers
    table = Table(
        title=f"{evaluation.task}, {evaluation.n_queries} queries",
        caption=f"Changes are against {baseline}, in points (hundredths), with paired-bootstrap "
        f"intervals of {CONFIDENCE:.0%}; + and - mark those on one side of zero. The best of many "
        "settings looks better on the queries it was chosen on than it is: choose on some queries, "
        "report on others.",
    )
    table.add_column("", no_wrap=True)
    for measure in MEASURES:
        table.add_column(measure, justify="right", no_wrap=True)
        table.add_column("change", justify="right")
    table.add_row(
        baseline, *(cell for m in MEASURES for cell in (f"{evaluation.mean(baseline, m):.3f}", ""))
    )
    for ranker in others:
        changes = [evaluation.change(ranker, measure) for measure in MEASURES]
        cells = [
            cell
            for measure, change in zip(MEASURES, changes, strict=True)
            for cell in (f"{evaluation.mean(ranker, measure):.3f}", in_points(change))
        ]
        table.add_row(ranker, *cells, style=_STYLES[changes[0].sign])
    console.print(table)


def in_points(change: Change) -> str:
    """Write a change in hundredths, with its interval and a mark if that excludes zero."""
    mark = {1: " +", -1: " -", 0: "  "}[change.sign]
    return f"{100 * change.mean:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}]{mark}"


def for_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return means, changes against the first ranker, and the values of every query."""
    rankers = [
        {
            "name": ranker,
            "measures": {
                measure: {
                    "mean": evaluation.mean(ranker, measure),
                    "change": evaluation.change(ranker, measure)._asdict(),
                    "values": values.tolist(),
                }
                for measure, values in zip(MEASURES, of_ranker, strict=True)
            },
        }
        for ranker, of_ranker in zip(evaluation.rankers, evaluation.values, strict=True)
    ]
    return {
        "task": evaluation.task,
        "queries": evaluation.n_queries,
        "baseline": evaluation.rankers[0],
        "confidence": CONFIDENCE,
        "rankers": rankers,
    }
