"""``exemplar-svm evaluate``: which setting suits the user's own rows and queries."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import Rows
from .._validation import as_dense_rows, as_vectors, positive_integer
from . import measures, rankers, report  # a missing package is reported before the work
from .qrels import read_qrels
from .tasks import Task, by_example, by_vector, sample


def run(
    rows: Rows,
    queries: Rows,
    qrels: Path,
    *,
    n_examples: int | None,
    max_queries: int | None,
    costs: Sequence[float],
    priors: Sequence[float],
    depth: int,
    seed: int,
    n_threads: int | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Compare the settings with kNN, and print the comparison."""
    from rich.console import Console
    from rich.progress import track

    if plot is not None:
        from .plot import draw
    rows = as_dense_rows(rows, "ROWS", None)
    task = _task(rows, queries, qrels, n_examples=n_examples, max_queries=max_queries, seed=seed)
    settings = rankers.starting_points(len(rows)) | rankers.grid(costs, priors)
    built = rankers.indices(rows, n_threads=n_threads)
    compared = [*rankers.baselines(rows), *rankers.exemplar_svms(built, settings)]
    evaluation = measures.evaluate(
        task,
        compared,
        depth=positive_integer(depth, "--depth"),
        track=functools.partial(
            track,
            description="Searching with each setting",
            console=Console(stderr=True),
            transient=True,
        ),
    )
    if as_json:
        print(json.dumps({"depth": depth, "seed": seed, **report.for_json(evaluation)}))
    else:
        report.show(Console(width=None if sys.stdout.isatty() else 150), evaluation)
    if plot is not None:
        draw(plot, evaluation)


def _task(
    rows: Any,
    queries: Rows,
    qrels: Path,
    *,
    n_examples: int | None,
    max_queries: int | None,
    seed: int,
) -> Task:
    vectors, _ = as_vectors(queries, "QUERIES", rows.dtype, rows.shape[1], "ROWS holds rows")
    judged = read_qrels(qrels, len(vectors), len(rows))
    rng = np.random.default_rng(seed)
    if n_examples is None:
        name, asked = "queries as they are", by_vector(vectors, judged)
    else:
        n_examples = positive_integer(n_examples, "--examples")
        name = f"by {n_examples} relevant rows for the others"
        asked = by_example(judged, n_examples, rng)
    if not asked:
        least = 1 if n_examples is None else n_examples + 1
        raise ValueError(f"{qrels} has no query with {least} or more relevant rows")
    if max_queries is not None:
        asked = sample(asked, positive_integer(max_queries, "--max-queries"), rng)
    return Task(name, rows, asked)
