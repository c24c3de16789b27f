"""Time the steps of sessions beside fresh searches with the same examples.

Each session begins with a query, and goes on by liking one of the best results and disliking
another, in turn. Every step is answered by the session and by `search_shared`, one after the other
in the same process; the answers must be equal, or nothing is reported. Times are those of the
processor, which neighbours on a shared machine disturb least; the parts of a step, from its report,
are those of the clock.

    python bench/python/bench_session.py --sizes 10000x384 60000x384

Set EXEMPLAR_SVM_DATA to a folder with real embeddings. Without it, synthetic rows are made.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

import data
import machine
import numpy as np
import options as option
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import exemplar_svm as esvm

Sketch: TypeAlias = Literal["int8"] | None

K = 10
STEPS = 6
#: What the index keeps and what its sessions scan.
WAYS: tuple[tuple[Sketch, Sketch], ...] = ((None, "int8"), (None, None), ("int8", "int8"))


@dataclass
class Comparison:
    """Steps and fresh searches, in ms and in epochs."""

    begin_ms: float  # the first session of the index, without a search
    step_ms: list[float] = field(default_factory=list)
    fresh_ms: list[float] = field(default_factory=list)
    step_profiles: list[esvm.SearchProfile] = field(default_factory=list)
    step_epochs: list[int] = field(default_factory=list)
    fresh_epochs: list[int] = field(default_factory=list)


def main() -> int:
    options = parse_options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(machine.in_words(machine.describe()))
    for n, d in options.sizes:
        dataset = data.load(n, d, options.queries)
        console.print(f"\n[bold]{dataset.name}[/bold]: {dataset.source}")
        table = Table("index", "session", "begin ms", "step ms", "fresh ms", "fresh / step")
        for name in ("epochs", "of fresh", *esvm.SearchProfile._fields):
            table.add_column(name)
        for of_index, of_session in WAYS:
            with threadpool_limits(1):
                found = compare(dataset, of_index, of_session)
            table.add_row(of_index or "rows", of_session or "rows", *in_words(found))
        console.print(table)
    return 0


def compare(dataset: data.Dataset, of_index: Sketch, of_session: Sketch) -> Comparison:
    """Ask every query, and go on from its results."""
    index = esvm.ExemplarIndex(dataset.rows, sketch=of_index, n_threads=1)
    begin_ms, _ = timed(partial(index.session, sketch=of_session))
    found = Comparison(begin_ms)
    rng = np.random.default_rng(data.SEED)
    # So that fresh searches find a workspace with room for all examples to come.
    index.search_shared(range(STEPS + 1), k=K)
    for query in dataset.queries:
        positives: list[Any] = [query]
        negatives: list[int] = []
        session = index.session(query, sketch=of_session)
        best = session.search(K).indices
        for step in range(STEPS):
            likes = step % 2 == 0
            row = int(best[rng.integers(3) if likes else rng.integers(3, K)])
            (positives if likes else negatives).append(row)
            step_ms, answer = timed(go_on, session, row, likes)
            fresh_ms, fresh = timed(index.search_shared, positives, K, negatives)
            require_equal(answer, fresh)
            found.step_ms.append(step_ms)
            found.fresh_ms.append(fresh_ms)
            found.step_profiles.append(answer.report.profile)
            found.step_epochs.append(answer.report.epochs)
            found.fresh_epochs.append(fresh.report.epochs)
            best = answer.indices
    return found


def go_on(session: esvm.Session, row: int, likes: bool) -> esvm.SearchResult:
    """Take a step."""
    (session.like if likes else session.dislike)(row)
    return session.search(K)


def timed(run: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the milliseconds of the processor that a call took, and what it returned."""
    started = time.thread_time()
    result = run(*arguments)
    return 1e3 * (time.thread_time() - started), result


def require_equal(step: esvm.SearchResult, fresh: esvm.SearchResult) -> None:
    """Refuse to compare the times of different answers."""
    bound = step.report.score_error_bound + fresh.report.score_error_bound
    certified = min(step.report.certified_k, fresh.report.certified_k)
    if (
        np.abs(step.scores - fresh.scores).max() > bound
        or not np.array_equal(step.indices[:certified], fresh.indices[:certified])
        or step.report.status != fresh.report.status
    ):
        raise AssertionError(f"a step found {step}, a fresh search {fresh}")


def in_words(found: Comparison) -> list[str]:
    """Return medians; the ratio is that of each step to its own fresh search."""
    ratios = np.array(found.fresh_ms) / np.array(found.step_ms)
    values = [
        found.begin_ms,
        float(np.median(found.step_ms)),
        float(np.median(found.fresh_ms)),
        float(np.median(ratios)),
        float(np.median(found.step_epochs)),
        float(np.median(found.fresh_epochs)),
        *(1e3 * np.median(found.step_profiles, axis=0)).tolist(),
    ]
    return [f"{value:.3g}" for value in values]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", nargs="+", type=option.size, default=[(10_000, 384), (60_000, 384)]
    )
    parser.add_argument("--queries", type=option.positive, default=40)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
