"""What searches return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._sparse import for_core
from ._typing import FloatArray, IndexArray, Rows
from ._validation import as_row_scales, as_rows, as_vectors, thread_count, working_dtype

#: The words for the core's numbers.
STATUS_NAMES = np.array(_core.search_statuses)
STRATEGY_NAMES = np.array(_core.search_strategies)
REASON_NAMES = np.array(_core.invalid_input_reasons)


class SearchProfile(NamedTuple):
    """Where the time of a search went, in seconds.

    Attributes
    ----------
    choose : float
        Guessing scores, and choosing the working set from them.
    gather : float
        Copying the working set.
    solve : float
        Solving for the working set, or, by other strategies, for all rows.
    scan : float
        Scoring all rows.
    verify : float
        Bounding scores, reading rows in doubt again, ranking and certifying.
    """

    choose: float
    gather: float
    solve: float
    scan: float
    verify: float

    def __repr__(self) -> str:
        parts = (f"{name}={value:.3g}" for name, value in zip(self._fields, self, strict=True))
        return f"SearchProfile({', '.join(parts)})"


@dataclass(frozen=True)
class SearchReport:
    """What one search did, and what it can prove.

    Attributes
    ----------
    status : str
        ``"converged"``: no optimality condition is violated by more than ``tol``.
        ``"epoch_limit"``: ``max_iter`` epochs were not enough.
        ``"precision_limit"``: the arithmetic of the rows' dtype cannot resolve ``tol``, and further
        epochs improve nothing.
        ``"deadline"``: the ``timeout`` passed; the result is the best found by then.
        ``"invalid_input"``: nothing was searched; see ``reason``.
    epochs : int
        Passes of the solver over the rows that were still active.
    n_support : int
        Support vectors among the rows: those with a dual coefficient other than zero.
    duality_gap : float
        Primal minus dual objective, in float64.
    score_error_bound : float
        No score of any row is further than this from its exact value. Infinite if the search was
        stopped before it had weights.
    certified_k : int
        How many leading ranks are proven to be those of the exact optimum.
    profile : SearchProfile
        Where the time went.
    strategy : str
        How the answer was found. ``"full"``: coordinate descent over all rows. ``"gram"``: the same
        with all scores kept up to date by the Gram matrix. ``"working_set"``: coordinate descent
        over few rows, and a proof that the others do not matter. ``"primal"``: descent on the
        primal, where many rows support.
    reason : str
        Why the status is ``"invalid_input"``; otherwise ``"none"``. ``"rows_not_finite"``: a row
        holds NaN or infinity, or the square of its norm overflows. ``check_finite=False`` let it
        pass, or the caller has changed the rows since. All other reasons raise ``ValueError`` in
        Python.
    """

    status: str
    epochs: int
    n_support: int
    duality_gap: float
    score_error_bound: float
    certified_k: int
    profile: SearchProfile = field(compare=False)
    strategy: str = "full"
    reason: str = "none"

    def __repr__(self) -> str:
        return (
            f"SearchReport({self.status}, {self.strategy}, epochs={self.epochs}, "
            f"n_support={self.n_support}, duality_gap={self.duality_gap:.3g}, "
            f"score_error_bound={self.score_error_bound:.3g}, certified_k={self.certified_k})"
        )


@dataclass(frozen=True, eq=False)
class BatchReport:
    """The reports of several searches: one array per field, or one `SearchReport` per query.

    Attributes
    ----------
    status : ndarray of str, shape (m,)
    epochs, n_support, certified_k : ndarray of int64, shape (m,)
    duality_gap, score_error_bound : ndarray of float64, shape (m,)
    profile : ndarray of float64, shape (m, 5)
    strategy, reason : ndarray of str, shape (m,)
        As in `SearchReport`.
    """

    status: NDArray[np.str_]
    epochs: IndexArray
    n_support: IndexArray
    duality_gap: NDArray[np.float64]
    score_error_bound: NDArray[np.float64]
    certified_k: IndexArray
    profile: NDArray[np.float64]
    strategy: NDArray[np.str_]
    reason: NDArray[np.str_]

    @classmethod
    def _from_core(cls, reports: _core.Reports) -> BatchReport:
        """Read out reports of the core, and put words for its numbers."""
        (status, strategy, epochs, n_support, gap, bound, certified, profile, reason) = (
            reports.arrays()
        )
        return cls(
            status=STATUS_NAMES[status],
            strategy=STRATEGY_NAMES[strategy],
            epochs=epochs,
            n_support=n_support,
            duality_gap=gap,
            score_error_bound=bound,
            certified_k=certified,
            profile=profile,
            reason=REASON_NAMES[reason],
        )

    def __repr__(self) -> str:
        return f"BatchReport({len(self)} queries, {self.statuses})"

    @property
    def statuses(self) -> str:
        """The statuses in words: how many there are of each, or one for all."""
        counts = Counter(self.status.tolist())
        if len(counts) < 2:
            return f"all {next(iter(counts))}" if counts else "none"
        return ", ".join(f"{count} {status}" for status, count in counts.most_common())

    def __len__(self) -> int:
        return len(self.status)

    def __getitem__(self, i: int) -> SearchReport:
        return SearchReport(
            status=str(self.status[i]),
            epochs=int(self.epochs[i]),
            n_support=int(self.n_support[i]),
            duality_gap=float(self.duality_gap[i]),
            score_error_bound=float(self.score_error_bound[i]),
            certified_k=int(self.certified_k[i]),
            profile=SearchProfile(*self.profile[i].tolist()),
            strategy=str(self.strategy[i]),
            reason=str(self.reason[i]),
        )

    def __iter__(self) -> Iterator[SearchReport]:
        return (self[i] for i in range(len(self)))


class SearchResult(tuple[FloatArray, IndexArray]):
    """The best rows, best first; unpacks as ``scores, indices``.

    Attributes
    ----------
    scores : ndarray, shape (k,) or (m, k), dtype of the rows
        Values of the decision function; ``-inf`` past the last row if there are fewer than k.
    indices : ndarray of int64, same shape
        Row numbers; ``-1`` past the last row if there are fewer than k. Rows of equal score are in
        the order of their numbers.
    report : SearchReport or BatchReport
        What the search did and can prove; one `SearchReport` for one query.
    """

    _report: SearchReport | BatchReport | _core.Reports
    _single: bool

    def __new__(
        cls, scores: FloatArray, indices: IndexArray, report: SearchReport | BatchReport
    ) -> SearchResult:
        """Pair the arrays, and attach the report."""
        result = super().__new__(cls, (scores, indices))
        result._report = report
        return result

    @classmethod
    def _from_core(cls, found: tuple[Any, ...], single: bool) -> SearchResult:
        """Take what the core has found.

        The report is read out only when it is asked for: that takes longer than a small search.
        """
        scores, indices, reports = found
        result = super().__new__(cls, (scores[0], indices[0]) if single else (scores, indices))
        result._report = reports
        result._single = single
        return result

    @property
    def report(self) -> SearchReport | BatchReport:
        """What the search did and can prove."""
        if isinstance(self._report, _core.Reports):
            batch = BatchReport._from_core(self._report)
            self._report = batch[0] if self._single else batch
        return self._report

    def __reduce__(self) -> tuple[Any, ...]:
        # The core's reports cannot be pickled; `report` reads them out.
        others = {k: v for k, v in vars(self).items() if k not in ("_report", "_single")}
        return type(self), (self.scores, self.indices, self.report), others or None

    @property
    def scores(self) -> FloatArray:
        """Scores, best first."""
        return self[0]

    @property
    def indices(self) -> IndexArray:
        """Row numbers, best first."""
        return self[1]

    def __repr__(self) -> str:
        report, k = self.report, self.indices.shape[-1]
        proven = int(np.sum(report.certified_k))
        ranks = f"{proven} of {int(np.sum(self.indices >= 0))} ranks proven"
        if isinstance(report, SearchReport):
            return f"SearchResult(k={k}, {report.status}, {ranks})"
        return f"SearchResult({len(report)} queries, k={k}, {report.statuses}, {ranks})"


@dataclass(frozen=True, eq=False)
class ExemplarModel:
    """A trained exemplar SVM: ``f(x) = coef_ . x + intercept_``.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,), dtype of the rows
    intercept_ : float
    support_ : ndarray of int64, shape (n_support,)
        Row numbers of the support vectors among the negatives of the background.
    dual_coef_ : ndarray of float64, shape (n_support,)
        Their dual coefficients times their label: never positive (scikit-learn's convention).
    positive_dual_coef_ : ndarray of float64, shape (n_positives,)
        The dual coefficients of the positives, in the order in which they were given. A row that
        was named more than once has its coefficient at the last place, and zeros at the others.
    negative_dual_coef_ : ndarray of float64, shape (n_negatives,)
        The same for the negative examples, times their label. Without centring and prior,
        ``coef_ = positive_dual_coef_ @ positives + negative_dual_coef_ @ negatives
        + dual_coef_ @ embeddings[support_]``.
    mean_ : ndarray of float64, shape (n_features,)
        What the index subtracts from rows and examples: their mean with ``center=True``, else
        zeros. The intercept makes up for it, so that ``f`` takes rows as they are.
    duality_gap_ : float
    n_iter_ : int
        Epochs.
    report_ : SearchReport
    """

    coef_: FloatArray
    intercept_: float
    support_: IndexArray
    dual_coef_: NDArray[np.float64]
    positive_dual_coef_: NDArray[np.float64]
    negative_dual_coef_: NDArray[np.float64]
    mean_: NDArray[np.float64]
    duality_gap_: float
    n_iter_: int
    report_: SearchReport

    def __repr__(self) -> str:
        return (
            f"ExemplarModel({len(self.coef_)} features, {len(self.positive_dual_coef_)} positives, "
            f"{len(self.negative_dual_coef_)} negatives, {len(self.support_)} support rows, "
            f"{self.report_.status}, duality_gap={self.duality_gap_:.3g})"
        )

    def decision_function(
        self, X: Rows, *, row_scales: ArrayLike | None = None, n_threads: int | None = None
    ) -> FloatArray:
        """Score any rows.

        Parameters
        ----------
        X : array-like or scipy.sparse matrix, shape (n, n_features)
            Of any dtype that an index takes. Read in place if the layout allows it.
        row_scales : array-like, shape (n,), float32, optional
            For X of dtype int8, as for an index.
        n_threads : int, optional
            Default: as many as OpenMP may use.

        Returns
        -------
        ndarray, shape (n,), dtype of X, or float32 if that is narrower
        """
        rows = as_rows(X, "X", None)
        if rows.shape[1] != len(self.coef_):
            raise ValueError(
                f"X has {rows.shape[1]} features, but the model was trained on {len(self.coef_)}"
            )
        return _core.score_rows(
            for_core(rows),
            row_scales=as_row_scales(row_scales, rows, "X", None),
            coef=self.coef_.astype(working_dtype(rows.dtype), copy=False),
            intercept=self.intercept_,
            n_threads=thread_count(n_threads),
        )

    @property
    def base_score_(self) -> float:
        """The score of the mean, to which contributions add: ``coef_ . mean_ + intercept_``."""
        return float(self.coef_.astype(np.float64) @ self.mean_) + self.intercept_

    def contributions(self, X: Rows) -> FloatArray:
        """Split scores into the contributions of features.

        Feature c of a row x contributes ``coef_[c] * (x[c] - mean_[c])``, so that
        ``contributions(x).sum() + base_score_`` is the score of x. Without centring, the mean is
        zero and the base score is the intercept. These are the Shapley values of a linear model
        with the reference ``mean_`` (Lundberg, Lee, NeurIPS 2017, Corollary 1).

        Parameters
        ----------
        X : array-like, shape (n_features,) or (n, n_features)
            One row, or several: ``embeddings[result.indices]``.

        Returns
        -------
        ndarray of float64, shape of X
        """
        d = len(self.coef_)
        rows, single = as_vectors(X, "X", np.dtype(float), d, "the model was trained on rows")
        parts = (rows - self.mean_) * self.coef_
        return parts[0] if single else parts

    def inner_product_query(self) -> FloatArray:
        """Return a vector whose inner products rank rows as this model does.

        The intercept is the same for every row. So any inner-product index (FAISS, pgvector,
        Qdrant ...) that searches with this vector returns the ranking of this model.

        Returns
        -------
        ndarray, shape (n_features,), a copy of ``coef_``
        """
        return self.coef_.copy()
