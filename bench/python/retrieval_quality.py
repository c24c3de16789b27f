"""Measure how well kNN, the recipe and its generalisations rank on judged collections.

    EXEMPLAR_SVM_DATA=folder python bench/python/retrieval_quality.py --markdown tables.md

Every combination of C, centring and prior is compared with kNN of the mean of the positives; so are
rankings that the library does not have (alternatives.py), and searches for what two tags share.
`exemplar-svm evaluate` does the same for anybody's rows and queries, with the same code.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import alternatives
import data
import judged
import machine
import numpy as np
import options as option
import quality_tables as tables
from rich.console import Console
from rich.progress import track

import exemplar_svm as esvm
from exemplar_svm._evaluation import measures, rankers, report
from exemplar_svm._evaluation.measures import Evaluation
from exemplar_svm._evaluation.rankers import Ranker, Setting
from exemplar_svm._evaluation.tasks import Task

#: What alternatives are made of: the recipe in its centred form, and what is between it and kNN.
ALTERED = (Setting(C=0.1, center=True), Setting(C=0.01, center=True, prior=2.0))
#: With intervals in the tables.
OVERVIEW = ("centred kNN", "half centred kNN", *rankers.starting_points(1))


def main() -> int:
    options = parse_options()
    console = Console(width=None if sys.stdout.isatty() else 180)  # files take the whole table
    size = judged.Size(options.queries, options.rows)
    found = tables.Quality()
    for name in options.collections:
        tasks = judged.COLLECTIONS[name](size)
        rows = tasks[0].rows  # of all tasks of a collection
        built = indices(rows)
        baselines = rankers.baselines(rows)
        settings = rankers.starting_points(len(rows))
        if not options.no_grid:
            settings |= rankers.grid()
        svms = rankers.exemplar_svms(built, settings)
        tried = alternatives.alternatives(rows, built, ALTERED)
        for task in tasks:
            found.settings.append(run(console, task, [*baselines, *svms]))
            if options.alternatives:
                found.alternatives.append(run(console, task, [baselines[0], *tried]))
    if options.two_tags:
        found.two_tags = [run_two_tags(console, task) for task in judged.debian_two_tags(size)]
    if options.json:
        evaluations = {
            kind: [report.for_json(evaluation) for evaluation in of_kind]
            for kind, of_kind in vars(found).items()
        }
        document = {"machine": machine.describe(), "options": option.for_json(options)}
        options.json.write_text(json.dumps({**document, **evaluations}), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(tables.markdown(found, OVERVIEW), encoding="utf-8")
    return 0


def indices(rows: data.Floats) -> dict[bool, esvm.ExemplarIndex]:
    """Build the indices of a collection; wide rows are best solved for by their products."""
    n, d = rows.shape
    return rankers.indices(rows, method="gram" if d > n else "auto")


def run(console: Console, task: Task, compared: Sequence[Ranker]) -> Evaluation:
    """Measure, and show at once."""
    evaluation = measures.evaluate(task, compared, track=functools.partial(progress, task.name))
    report.show(console, evaluation)
    return evaluation


def run_two_tags(console: Console, task: Task) -> Evaluation:
    """Measure searches for both tags, and the better of two searches for one tag each.

    The better one is chosen per query and measure, by what it finds: no search knows that.
    """
    baselines = rankers.baselines(task.rows)
    svms = rankers.exemplar_svms(indices(task.rows), rankers.starting_points(len(task.rows)))
    compared = [*baselines, *svms]
    split = [baselines[0], svms[0]]
    halves = [alternatives.OfHalf(ranker, half) for ranker in split for half in (0, 1)]
    measured = measures.evaluate(
        task, [*compared, *halves], track=functools.partial(progress, task.name)
    )
    together, single = np.split(measured.values, [len(compared)])
    evaluation = Evaluation(
        task.name,
        [ranker.name for ranker in compared]
        + [f"{ranker.name}, {tables.BETTER}" for ranker in split],
        np.concatenate([together, np.maximum(single[::2], single[1::2])]),
    )
    report.show(console, evaluation)
    return evaluation


def progress(description: str, sequence: Sequence[Ranker]) -> Iterable[Ranker]:
    """Show how far it has come, where somebody looks."""
    return track(sequence, description, console=Console(stderr=True), transient=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--collections",
        nargs="*",
        choices=list(judged.COLLECTIONS),
        default=list(judged.COLLECTIONS),
        metavar="COLLECTION",
        help=", ".join(judged.COLLECTIONS),
    )
    parser.add_argument(
        "--queries", type=option.positive, default=200, help="most queries of a task (default 200)"
    )
    parser.add_argument(
        "--rows",
        type=option.positive,
        default=10_000,
        help="most package descriptions (default 10,000: small C takes long)",
    )
    parser.add_argument(
        "--no-grid", action="store_true", help="the recipe and one other setting alone"
    )
    parser.add_argument("--alternatives", action="store_true", help="what the library has not, too")
    parser.add_argument(
        "--two-tags", action="store_true", help="searches for two tags at once, too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="the tables of docs/quality.md"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
