"""The competitors: this library, LinearSVC, Snap ML and brute-force kNN, each as one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np
from data import Floats
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

import exemplar_svm as esvm
from exemplar_svm import _core

C = 0.1
OURS = "exemplar_svm search"
SKETCHED = f"{OURS}, int8 sketch"
SKETCHED_ROWS = 10_000  # fewer are not worth a sketch
ONE_BY_ONE = f"{OURS}, one by one"
DUALS: tuple[bool | str, ...] = (True, False, "auto")


class Answer(NamedTuple):
    """Scores of ``rows``, best first; of every row, in row order, where ``rows`` is None.

    A batch of queries is answered in one more dimension. ``report`` is what our search tells.
    """

    scores: NDArray[Any]
    rows: NDArray[np.int64] | None = None
    report: esvm.SearchReport | esvm.BatchReport | None = None

    @property
    def reports(self) -> list[esvm.SearchReport]:
        """Reports of our searches, one per query."""
        if self.report is None:
            return []
        return [self.report] if isinstance(self.report, esvm.SearchReport) else list(self.report)


Run = Callable[[Floats], Answer]


@dataclass(frozen=True)
class Competitor:
    """Something that answers a query.

    A slow one is asked fewer queries. A serial one has no threads to set: it is measured at the
    first thread count only.
    """

    name: str
    family: Literal["svm", "knn", "scoring"]
    run: Run
    slow: bool = False
    serial: bool = False


class Missing(NamedTuple):
    """Why a competitor's module could not be imported."""

    reason: str


def optional_module(name: str) -> Any:
    """Import a module that may be absent; `Missing` says why it could not be."""
    try:
        return import_module(name)
    except (ImportError, OSError) as error:
        return Missing(f"{name} is skipped: {type(error).__name__}: {error}")


faiss = optional_module("faiss")
snapml = optional_module("snapml")


def skipped() -> list[str]:
    """Say which competitors are left out, and why."""
    return [module.reason for module in (faiss, snapml) if isinstance(module, Missing)]


def line_up(
    index: esvm.ExemplarIndex,
    rows: Floats,
    *,
    k: int,
    threads: int,
    duals: tuple[bool | str, ...],
    snap: bool,
) -> list[Competitor]:
    """List every competitor that is wanted and installed, set to so many threads."""
    competitors = [
        Competitor(OURS, "svm", exemplar_search(index, k)),
        Competitor("exemplar_svm decision_function", "svm", exemplar_scores(index)),
    ]
    if len(rows) >= SKETCHED_ROWS:
        sketched = esvm.ExemplarIndex(rows, C=C, sketch="int8", n_threads=threads)
        competitors.insert(1, Competitor(SKETCHED, "svm", exemplar_search(sketched, k)))
    competitors += [
        Competitor(f"LinearSVC dual={d}", "svm", recipe(rows, d), slow=True, serial=True)
        for d in duals
    ]
    if snap and not isinstance(snapml, Missing):
        competitors.append(Competitor("Snap ML", "svm", snap_recipe(rows, threads), slow=True))
    competitors.append(Competitor("kNN, numpy", "knn", numpy_knn(rows, k)))
    if not isinstance(faiss, Missing):
        competitors.append(Competitor("kNN, FAISS", "knn", faiss_knn(faiss_index(rows), k)))
    competitors += [
        Competitor("scoring, exemplar_svm", "scoring", core_scoring(rows, threads)),
        Competitor("scoring, numpy", "scoring", numpy_scoring(rows)),
    ]
    return competitors


def batch_line_up(index: esvm.ExemplarIndex, rows: Floats, *, k: int) -> list[Competitor]:
    """List what answers many queries in one call, and our search asked for them one by one."""
    search = exemplar_search(index, k)
    competitors = [
        Competitor(OURS, "svm", search),
        Competitor(ONE_BY_ONE, "svm", one_by_one(search)),
        Competitor("kNN, numpy", "knn", numpy_knn(rows, k)),
    ]
    if not isinstance(faiss, Missing):
        competitors.append(Competitor("kNN, FAISS", "knn", faiss_knn(faiss_index(rows), k)))
    return [*competitors, Competitor("product X @ Q.T, numpy", "scoring", numpy_scoring(rows))]


def exemplar_search(index: esvm.ExemplarIndex, k: int) -> Run:
    """Search an index built before."""

    def run(queries: Floats) -> Answer:
        result = index.search(queries, k=k)
        return Answer(result.scores, result.indices, result.report)

    return run


def one_by_one(search: Run) -> Run:
    """Ask for the queries of a batch in calls of their own."""

    def run(queries: Floats) -> Answer:
        scores, found, _ = zip(*(search(query) for query in queries), strict=True)
        return Answer(np.stack(scores), np.stack(found))

    return run


def exemplar_scores(index: esvm.ExemplarIndex) -> Run:
    """Score every row, as LinearSVC's decision_function does."""
    return lambda query: Answer(index.decision_function(query))


def recipe(
    rows: Floats, dual: bool | str, *, tol: float = 1e-6, max_iter: int = 10_000, dtype: Any = None
) -> Run:
    """Train scikit-learn's LinearSVC for the query, as is often written.

    Only ``random_state`` is added, so that a run can be repeated.
    """

    def run(query: Floats) -> Answer:
        x, y = stacked(query, rows)
        model = LinearSVC(
            class_weight="balanced", max_iter=max_iter, tol=tol, C=C, dual=dual, random_state=0
        )
        x = x.astype(dtype or x.dtype, copy=False)
        return ranked(model.fit(x, y).decision_function(x))

    return run


def snap_recipe(rows: Floats, threads: int) -> Run:
    """Train Snap ML's SVM for the query: the same problem, with ``regularizer`` = 1/C."""

    def run(query: Floats) -> Answer:
        x, y = stacked(query, rows)
        model = snapml.SupportVectorMachine(
            loss="squared_hinge",
            regularizer=1 / C,
            class_weight="balanced",
            fit_intercept=True,
            tol=1e-6,
            max_iter=10_000,
            n_jobs=threads,
            random_state=0,
        )
        return ranked(model.fit(x, y).decision_function(x))

    return run


def stacked(query: Floats, rows: Floats) -> tuple[Floats, NDArray[np.float64]]:
    """Put the query, as the positive, before the rows; the copy is part of the recipe."""
    x = np.concatenate([query[None], rows])
    y = np.zeros(len(x))
    y[0] = 1
    return x, y


def ranked(scores: NDArray[Any]) -> Answer:
    """Sort as the recipe does, and answer with the scores of the rows without the query's."""
    np.argsort(-scores)
    return Answer(scores[1:])


def numpy_knn(rows: Floats, k: int) -> Run:
    """Search by brute force in numpy: multiply, select k, sort these."""
    others = max(len(rows) - k, 0)

    def run(queries: Floats) -> Answer:
        scores = queries @ rows.T
        nearest = np.argpartition(scores, others)[..., others:]
        best = np.take_along_axis(scores, nearest, axis=-1)
        order = np.argsort(-best)
        nearest = np.take_along_axis(nearest, order, axis=-1)
        return Answer(np.take_along_axis(best, order, axis=-1), nearest)

    return run


def faiss_index(rows: Floats) -> Any:
    """Copy the rows into FAISS's exact inner-product index."""
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index


def faiss_knn(index: Any, k: int) -> Run:
    """Search by brute force in FAISS; its threads are set by `set_faiss_threads`."""

    def run(queries: Floats) -> Answer:
        scores, nearest = index.search(np.atleast_2d(queries), k)
        return Answer(scores, nearest) if queries.ndim == 2 else Answer(scores[0], nearest[0])

    return run


def set_faiss_threads(threads: int) -> None:
    """Set FAISS's threads, if it is there."""
    if not isinstance(faiss, Missing):
        faiss.omp_set_num_threads(threads)


def core_scoring(rows: Floats, threads: int) -> Run:
    """Multiply rows by a weight vector in this library's core; any vector costs the same."""
    return lambda coef: Answer(_core.score_rows(rows, coef=coef, intercept=0.0, n_threads=threads))


def numpy_scoring(rows: Floats) -> Run:
    """Multiply rows by a weight vector, or by a batch of them, in numpy's BLAS."""
    return lambda coef: Answer(rows @ coef.T)
