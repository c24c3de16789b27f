"""Measures of rankings per query, and intervals of their differences.

The measures are those of trec_eval, by ir-measures (MacAvaney, Macdonald, Ounis, ECIR 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._typing import IndexArray
from .rankers import Ranker
from .tasks import Task

try:
    import ir_measures
except ImportError as missing:
    raise ImportError(
        f"measuring rankings needs {missing.name}: pip install 'exemplar-svm[evaluate]'"
    ) from missing

_MEASURES = {
    "nDCG@10": ir_measures.nDCG @ 10,
    "MAP": ir_measures.AP,
    "recall@100": ir_measures.R @ 100,
}
MEASURES = tuple(_MEASURES)
DEPTH = 1000  # ranks; MAP counts relevant rows beyond as not found
CONFIDENCE = 0.95

_RESAMPLES = 10_000


class Change(NamedTuple):
    """A difference of means, and its paired-bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 if the interval is on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Evaluation:
    """The measures of several rankers on one task; the first ranker is the baseline.

    Attributes
    ----------
    task : str
    rankers : list of str
    values : ndarray, shape (rankers, measures, queries)
    """

    task: str
    rankers: list[str]
    values: NDArray[np.float64]

    @property
    def n_queries(self) -> int:
        """Queries that were measured."""
        return int(self.values.shape[2])

    def mean(self, ranker: str, measure: str) -> float:
        """Return the mean over the queries."""
        return float(self.of(ranker, measure).mean())

    def change(self, ranker: str, measure: str, *, against: str | None = None) -> Change:
        """Compare a ranker with the first one, or another."""
        baseline = self.of(against or self.rankers[0], measure)
        return paired_bootstrap(self.of(ranker, measure) - baseline)

    def of(self, ranker: str, measure: str) -> NDArray[np.float64]:
        """Return the values of the queries."""
        values: NDArray[np.float64] = self.values[
            self.rankers.index(ranker), MEASURES.index(measure)
        ]
        return values


def evaluate(
    task: Task,
    rankers: Sequence[Ranker],
    *,
    depth: int = DEPTH,
    track: Callable[[Sequence[Ranker]], Iterable[Ranker]] = iter,
) -> Evaluation:
    """Let every ranker answer every query of a task, and measure the answers.

    Parameters
    ----------
    task : Task
    rankers : sequence of Ranker
    depth : int, default 1000
        Ranks per query.
    track : callable, optional
        Iterates over the rankers, and may show progress.
    """
    names = [str(row) for row in range(len(task.rows))]
    relevant = {
        str(i): {names[row]: gain for row, gain in query.relevant.items()}
        for i, query in enumerate(task.queries)
    }
    measure = ir_measures.evaluator(list(_MEASURES.values()), relevant)
    values = np.zeros((len(rankers), len(MEASURES), len(task.queries)))
    places = {measure: place for place, measure in enumerate(_MEASURES.values())}
    for i, ranker in enumerate(track(rankers)):
        run = {
            str(j): _with_scores(ranker.rank(query.positives, depth), names)
            for j, query in enumerate(task.queries)
        }
        for metric in measure.iter_calc(run):
            values[i, places[metric.measure], int(metric.query_id)] = metric.value
    return Evaluation(task.name, [ranker.name for ranker in rankers], values)


def paired_bootstrap(differences: NDArray[np.float64], seed: int = 0) -> Change:
    """Return the mean of paired differences with its percentile interval.

    Queries are resampled (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13; for retrieval: Sakai, SIGIR 2006).
    """
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(_resamples(len(differences), seed) @ differences, [tail, 100 - tail])
    return Change(float(differences.mean()), float(low), float(high))


@lru_cache(maxsize=1)  # drawing takes longest here, and every change needs the same draws
def _resamples(n: int, seed: int) -> NDArray[np.float64]:
    """Weights of the queries in every resample, shape (resamples, n)."""
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
    return drawn / n


def _with_scores(ranking: IndexArray, names: list[str]) -> dict[str, float]:
    # trec_eval sorts by score and breaks ties by name; ranks as scores keep the ranker's order.
    return {names[row]: float(-rank) for rank, row in enumerate(ranking.tolist())}
