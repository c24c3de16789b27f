"""Compare searches of sparse rows with LinearSVC on TF-IDF; answers are compared first.

    python bench/python/bench_sparse.py --rows 10000 60000 --C 0.01 0.1 1

The rows are made: documents whose words follow Zipf's law, half of them from one of forty topics,
weighted by scikit-learn. With EXEMPLAR_SVM_DATA, the 1,400 of Cranfield's TF-IDF come first. On one
thread processor time, which is disturbed less by what else runs on the machine; on several
(`--threads`) the time on the wall. LinearSVC has one thread. Exit status 1: answers differ.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import exemplar_svm as esvm

VOCABULARY = 50_000
TOPICS = 40
SEED = 42
K = 10
TOP = 100  # ranks that are compared
SAME_SCORE = 2e-5  # rows whose reference scores differ by less may change places
LARGEST_DIFFERENCE = 1e-4  # of our float32 scores from the reference's float64
DUALS: tuple[bool | str, ...] = ("auto", True, False)

Rows = Any  # a scipy.sparse.csr_matrix


def main() -> int:
    options = parse_options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(machine.in_words(machine.describe()))
    with threadpool_limits(1):
        for name, rows in corpora(options.rows):
            n, d = rows.shape
            index = esvm.ExemplarIndex(rows, copy=False, n_threads=options.threads)
            table = Table(title=f"{name}: {n:,} x {d:,}, {rows.nnz / n:.0f} values each")
            for column in ("C", "ms per search", "median", "times", "epochs, support", "off by"):
                table.add_column(column, justify="right")
            for C in options.C:
                if not compare(table, rows, index, C, options):
                    console.print(f"[bold red]Answers differ[/bold red] at C = {C}: {name}")
                    return 1
            console.print(table)
    return 0


def corpora(sizes: list[int]) -> list[tuple[str, Rows]]:
    """Return the real rows that are there, and made ones."""
    found = []
    folder = os.environ.get("EXEMPLAR_SVM_DATA")
    if folder and (Path(folder) / "cranfield_tfidf_docs.npz").exists():
        real = sparse.load_npz(Path(folder) / "cranfield_tfidf_docs.npz").tocsr()
        found.append(("Cranfield", real.astype(np.float32)))
    return found + [("Zipf", zipf_tfidf(n)) for n in sizes]


def zipf_tfidf(n: int) -> Rows:
    """Weigh made documents of about 80 words."""
    rng = np.random.default_rng(SEED)
    frequency = 1 / np.arange(1, VOCABULARY + 1) ** 1.05
    common = np.cumsum(frequency / frequency.sum())
    common[-1] = 1.0
    topics = [rng.permutation(VOCABULARY) for _ in range(TOPICS)]
    lengths = rng.lognormal(4.3, 0.5, n).astype(int) + 2
    documents = np.repeat(np.arange(n), lengths)
    words = np.searchsorted(common, rng.random(len(documents)))
    topic_of = rng.integers(TOPICS, size=n)[documents]
    own = rng.random(len(words)) < 0.5
    words[own] = np.stack(topics)[topic_of[own], words[own]]
    counts = sparse.coo_matrix((np.ones(len(words)), (documents, words)), (n, VOCABULARY))
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts.tocsr()).astype(np.float32)


def recipe(rows: Rows, positives: Rows, C: float, dual: bool | str, **settings: Any) -> Any:
    """Train LinearSVC for the query, as is often written."""
    x = sparse.vstack([positives, rows]).tocsr()
    y = np.zeros(x.shape[0])
    y[: positives.shape[0]] = 1
    model = LinearSVC(class_weight="balanced", C=C, dual=dual, random_state=0, **settings)
    scores = model.fit(x, y).decision_function(rows)
    return scores, np.argsort(-scores)[:K]


def compare(
    table: Table, rows: Rows, index: esvm.ExemplarIndex, C: float, options: argparse.Namespace
) -> bool:
    """Compare answers, then time all competitors in turns: A B C A B C ..."""
    rng = np.random.default_rng(SEED + 1)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    runs: dict[str, Callable[[Any], Any]] = {
        "search": lambda q: index.search(q.toarray()[0], k=K, C=C),
        "scipy: kNN": lambda q: np.argpartition(-(rows @ q.toarray()[0]), K)[:K],
    }
    for dual in DUALS:
        runs[f"LinearSVC dual={dual}"] = lambda q, dual=dual: recipe(
            rows, q, C, dual, tol=1e-6, max_iter=10_000
        )
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    off, epochs, support = 0.0, [], []
    for i in rng.integers(rows.shape[0], size=options.queries):
        query = half_of_the_words(rows[i], rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wide = rows.astype(np.float64)
            expected, _ = recipe(
                wide, query.astype(np.float64), C, True, tol=1e-9, max_iter=100_000
            )
            found = index.search(query.toarray()[0], k=TOP, C=C)
            order = np.argsort(-expected, kind="stable")[:TOP]
            gaps = np.abs(expected[order] - expected[found.indices])
            off = max(off, float(np.abs(found.scores - expected[found.indices]).max()))
            if gaps[order != found.indices].max(initial=0.0) >= SAME_SCORE:
                return False
            epochs.append(found.report.epochs)
            support.append(found.report.n_support)
            for name, run in runs.items():
                if not name.startswith("LinearSVC"):
                    for other in rows[:3]:  # what is fast finds its caches warm
                        run(half_of_the_words(other, rng))
                started = clock()
                run(query)
                seconds[name].append(clock() - started)
    ours = float(np.median(seconds["search"]))
    for name, times in seconds.items():
        median = float(np.median(times))
        table.add_row(
            f"{C:g}" if name == "search" else "",
            name,
            f"{1e3 * median:.2f}",
            f"{median / ours:.1f}",
            f"{np.median(epochs):.0f}, {np.median(support):.0f}" if name == "search" else "",
            f"{off:.0e}" if name == "search" else "",
            end_section=name == list(runs)[-1],
        )
    return off < LARGEST_DIFFERENCE


def half_of_the_words(row: Rows, rng: np.random.Generator) -> Rows:
    """Return a query that is like a row, but none."""
    query = row.copy()
    query.data *= rng.random(len(query.data)) < 0.5
    query.eliminate_zeros()
    norm = np.sqrt(query.multiply(query).sum())
    return (query / norm if norm else query).tocsr().astype(np.float32)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="*", type=int, default=[10_000])
    parser.add_argument("--C", nargs="+", type=float, default=[0.01, 0.1, 1.0])
    parser.add_argument("--queries", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="of searches")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
