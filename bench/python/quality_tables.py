"""The tables of docs/quality.md, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from exemplar_svm._evaluation.measures import MEASURES, Change, Evaluation

#: Added to the name of a ranker that is the better of two.
BETTER = "the better of two single searches"
_TWO_TAGS_MEASURES = ("nDCG@10", "recall@100")


@dataclass
class Quality:
    """Everything that was found."""

    settings: list[Evaluation] = field(default_factory=list)
    alternatives: list[Evaluation] = field(default_factory=list)
    two_tags: list[Evaluation] = field(default_factory=list)


def markdown(quality: Quality, overview: Sequence[str]) -> str:
    """Write all tables: some rankers with their intervals, then every one without."""
    parts = {}
    for measure in MEASURES:
        if quality.settings:
            parts[measure] = with_intervals(quality.settings, overview, measure)
            second, *others = overview
            of_second = with_intervals(quality.settings, others, measure, against=second)
            parts[f"{measure} against {second}"] = of_second
            parts[f"{measure}, all settings"] = changes(quality.settings, measure)
        if quality.alternatives:
            parts[f"{measure}, alternatives"] = changes(quality.alternatives, measure)
    for of_task in quality.two_tags:
        parts[f"{of_task.task}, {of_task.n_queries} queries"] = together(of_task)
    return "\n".join(f"## {title}\n\n{table}\n" for title, table in parts.items())


def with_intervals(
    evaluations: Iterable[Evaluation],
    rankers: Sequence[str],
    measure: str,
    *,
    against: str | None = None,
) -> str:
    """One line per task: the mean of what others are held to, and the changes of some rankers."""
    lines = []
    for of_task in evaluations:
        baseline = against or of_task.rankers[0]
        cells = [_in_points(of_task.change(r, measure, against=baseline)) for r in rankers]
        name = f"{of_task.task} ({of_task.n_queries})"
        lines.append([name, f"{of_task.mean(baseline, measure):.3f}", *cells])
    return _table(["task (queries)", baseline, *rankers], lines)


def changes(evaluations: Sequence[Evaluation], measure: str) -> str:
    """One line per ranker: its change on every task, bold where the interval leaves out zero."""
    baseline, *others = evaluations[0].rankers
    lines = [[baseline, *(f"{e.mean(baseline, measure):.3f}" for e in evaluations)]]
    for ranker in others:
        of_ranker = [e.change(ranker, measure) for e in evaluations]
        lines.append([ranker, *(_bold(f"{100 * c.mean:+.1f}", c) for c in of_ranker)])
    return _table(["", *(e.task for e in evaluations)], lines)


def together(evaluation: Evaluation) -> str:
    """One line per ranker: its means; and how shared searches compare with it, query by query."""
    shared = [r for r in evaluation.rankers if "kNN" not in r and not r.endswith(BETTER)]
    lines = []
    for ranker in evaluation.rankers:
        means = [f"{evaluation.mean(ranker, measure):.3f}" for measure in _TWO_TAGS_MEASURES]
        versus = [_versus(evaluation, ours, ranker) for ours in shared]
        lines.append([ranker, *means, *versus])
    heads = [f"{ours} against it, {_TWO_TAGS_MEASURES[0]}" for ours in shared]
    return _table(["", *_TWO_TAGS_MEASURES, *heads], lines)


def _versus(evaluation: Evaluation, ours: str, other: str) -> str:
    if ours == other:
        return ""
    measure = _TWO_TAGS_MEASURES[0]
    differences = evaluation.of(ours, measure) - evaluation.of(other, measure)
    wins, losses = (int(np.sum(sign * differences > 0)) for sign in (1, -1))
    change = evaluation.change(ours, measure, against=other)
    return f"{_in_points(change)}; {wins} won, {losses} lost"


def _in_points(change: Change) -> str:
    points = f"{100 * change.mean:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"
    return _bold(points, change)


def _bold(text: str, change: Change) -> str:
    return f"**{text}**" if change.sign else text


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(heads)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rule, *lines))
