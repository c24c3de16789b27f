"""Whether the competitors give the same answers; nothing is timed before they do."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from data import Dataset
from numpy.typing import NDArray
from peers import OURS, Answer, Competitor, recipe

import exemplar_svm as esvm

Scores = NDArray[np.float64]

TOP = 100  # ranks that must agree
SAME_SCORE = 2e-5  # rows whose reference scores differ by less may change places
LARGEST_DIFFERENCE = 1e-4  # of our float32 scores from the reference's float64
# Snap ML stops by the change of its coefficients: at tol=1e-6 it comes within a few 1e-5, further
# off with more threads.
SNAP_LARGEST_DIFFERENCE = 1e-3
KNN_LARGEST_DIFFERENCE = 1e-5
LINEARSVC_REFERENCE = "LinearSVC(dual=True, tol=1e-9, max_iter=100000), float64"

_BLOCK = 1 << 16  # rows widened to float64 at a time


class DisagreementError(AssertionError):
    """Two competitors gave different answers to the same question."""


@dataclass
class Agreement:
    """What the comparison found, for the report."""

    queries: int
    reference: str
    reference_warnings: int
    largest_difference: dict[str, float] = field(default_factory=dict)  # by competitor
    swapped_ranks: int = 0  # of our top ranks, those held by a row of nearly the same score


def reference_scores(dataset: Dataset, asked: list[int]) -> tuple[dict[int, Scores], int]:
    """Solve queries with LinearSVC in float64 to 1e-9; also count its warnings."""
    solve = recipe(dataset.rows, True, tol=1e-9, max_iter=100_000, dtype=np.float64)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scores = {i: solve(dataset.queries[i]).scores for i in asked}
    return scores, len(caught)


def certified_scores(
    dataset: Dataset, index: esvm.ExemplarIndex, asked: list[int]
) -> tuple[dict[int, Scores], str]:
    """Score all rows by our own decision_function, and compare that with certified searches.

    For sizes where LinearSVC would take minutes. The searches are solved in full if they can be
    told so. Also say what the references are.

    Raises
    ------
    DisagreementError
        If a search is not certified to ``LARGEST_DIFFERENCE``, or its ranks or scores differ.
    """
    known = inspect.signature(index.search).parameters
    method: dict[str, Any] = {"method": "full"} if "method" in known else {}
    scores, bound, gap = {}, 0.0, 0.0
    for i in asked:
        query = dataset.queries[i]
        scores[i] = index.decision_function(query).astype(np.float64)
        result = index.search(query, k=TOP, **method)
        report = result.report
        assert isinstance(report, esvm.SearchReport)
        if report.status != "converged" or not report.score_error_bound < LARGEST_DIFFERENCE:
            raise DisagreementError(f"{dataset.name}, query {i}: no good certificate: {report}")
        compare_ranks(OURS, result.indices, scores[i])
        off = difference(Answer(result.scores, result.indices), scores[i])
        if not off < LARGEST_DIFFERENCE:
            raise DisagreementError(f"{dataset.name}, query {i}: search differs by {off:.2e}")
        bound, gap = max(bound, report.score_error_bound), max(gap, report.duality_gap)
    how = ", equal to searches solved in full" if method else ""
    certificate = f"searches certified to {bound:.0e}, duality gap at most {gap:.0e}"
    return scores, f"our decision_function{how}; {certificate}"


def check_batch(dataset: Dataset, index: esvm.ExemplarIndex, k: int) -> None:
    """Require of every query of the first batch the very bits of a call of its own.

    Raises
    ------
    DisagreementError
        If a score or a row number differs.
    """
    scores, rows = index.search(dataset.queries[0], k=k)
    for i, query in enumerate(dataset.queries[0]):
        alone = index.search(query, k=k)
        if not (np.array_equal(scores[i], alone[0]) and np.array_equal(rows[i], alone[1])):
            raise DisagreementError(f"{dataset.name}: query {i} is answered otherwise in a batch")


def check(
    dataset: Dataset,
    references: dict[int, Scores],
    competitors: list[Competitor],
    found: Agreement,
) -> None:
    """Ask every fast competitor and Snap ML the referenced queries, and compare.

    Raises
    ------
    DisagreementError
        If an answer is further from the reference than the constants above allow.
    """
    for i, svm_scores in references.items():
        query = dataset.queries[i]
        products = _exact_products(dataset.rows, query)
        for competitor in competitors:
            if competitor.serial:
                continue  # LinearSVC itself: how far it stops from its optimum is reported
            expected = svm_scores if competitor.family == "svm" else products
            answer = competitor.run(query)
            off = difference(answer, expected)
            known = found.largest_difference.get(competitor.name, 0.0)
            found.largest_difference[competitor.name] = max(off, known)
            allowed = _allowed(competitor)
            if not off < allowed:
                raise DisagreementError(
                    f"{dataset.name}, query {i}: {competitor.name} differs by {off:.2e} from the "
                    f"reference, but {allowed:g} is allowed"
                )
            if answer.rows is not None:
                swapped = compare_ranks(competitor.name, answer.rows, expected)
                found.swapped_ranks += swapped if competitor.name == OURS else 0


def difference(answer: Answer, expected: NDArray[Any]) -> float:
    """Return the largest difference of the scores from those expected of the same rows."""
    same_rows = expected if answer.rows is None else expected[answer.rows]
    return float(np.abs(answer.scores - same_rows).max())


def compare_ranks(name: str, rows: NDArray[np.int64], expected: NDArray[Any]) -> int:
    """Require the ranking the expected scores give, up to near ties; count the ranks swapped."""
    best = np.argsort(-expected, kind="stable")[: len(rows)]
    gaps = np.abs(expected[rows] - expected[best])
    wrong = np.flatnonzero(gaps >= SAME_SCORE)
    if len(wrong) or len(np.unique(rows)) != len(best):
        rank = int(wrong[0]) if len(wrong) else len(best)
        raise DisagreementError(
            f"{name} ranks rows otherwise than the reference from rank {rank} on: "
            f"{rows[rank : rank + 5]} instead of {best[rank : rank + 5]}"
        )
    return int(np.count_nonzero(rows != best))


def _exact_products(rows: NDArray[Any], query: NDArray[Any]) -> Scores:
    wide = query.astype(np.float64)
    blocks = range(0, len(rows), _BLOCK)
    return np.concatenate([rows[i : i + _BLOCK].astype(np.float64) @ wide for i in blocks])


def _allowed(competitor: Competitor) -> float:
    if competitor.family != "svm":
        return KNN_LARGEST_DIFFERENCE
    return SNAP_LARGEST_DIFFERENCE if competitor.slow else LARGEST_DIFFERENCE
