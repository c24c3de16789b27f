"""The index: rows, and exemplar-SVM searches over them."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import numpy as np

from . import _core
from ._examples import ExampleSet, as_mask, read_examples
from ._result import BatchReport, ExemplarModel, SearchResult
from ._sparse import SparseRows, for_core
from ._typing import (
    ClassWeightLike,
    DuplicatesName,
    Examples,
    FloatArray,
    LossName,
    MethodName,
    Rows,
    RowsChosen,
)
from ._validation import (
    as_rows,
    as_vectors,
    class_weights,
    nonnegative_number,
    positive_integer,
    positive_number,
    thread_count,
)

_METHODS = {
    "auto": _core.Method.automatic,
    "full": _core.Method.full,
    "working_set": _core.Method.working_set,
    "gram": _core.Method.gram,
}
_SKETCHES = {None: _core.SketchType.none, "int8": _core.SketchType.int8}
#: For one search over fewer rows than these, visiting all of them is cheaper than preparing.
_WORTH_PREPARING = 10_000
_LOSSES = {"squared_hinge": _core.Loss.squared_hinge, "hinge": _core.Loss.hinge}


class ExemplarIndex:
    """Rows to search with exemplar SVMs: one linear SVM trained per query, exactly.

    Each search trains ``LinearSVC(C=0.1, class_weight="balanced")`` with the query as the one
    positive and every row as a negative (Malisiewicz, Gupta, Efros, ICCV 2011), and ranks the
    rows by its decision function.

    Parameters
    ----------
    embeddings : array-like or scipy.sparse matrix, shape (n, d), float32 or float64
        Read in place and kept alive, never written: any row stride will do if each row is
        contiguous (slices, memory maps). Objects with ``__dlpack__`` on the CPU or with
        ``__array__`` are taken the same way; other layouts and other real dtypes are copied.
        Sparse matrices in CSR form with sorted column indices (int32 or int64), none of them twice
        in a row, are read in place too, others converted; their structure must not change while
        the index is used. Call `refresh` after changing values.
    C : float, default 0.1
        Cost of a violated margin, before class weights.
    loss : {"squared_hinge", "hinge"}, default "squared_hinge"
    class_weight : "balanced", None or mapping, default "balanced"
        "balanced" gives the positives and the rows the same total weight; None weighs every
        sample 1; a mapping gives the weight of the positives as 1 and of the rows as -1.
    intercept_scaling : float, default 1.0
        Value of the constant feature whose weight is the (regularised) intercept.
    center : bool, default False
        Work as if the mean of the rows had been subtracted from rows and queries. Nothing is
        copied.
    prior : float, default 0.0
        Regularise toward ``prior`` times the query (the mean of the positives) instead of toward
        zero: pulls the ranking toward that of kNN by inner product.
    tol : float, default 1e-4
        Largest violation of an optimality condition, in units of the score. A search then goes on
        until its scores are proven to within ``tol / 50``, or as well as the arithmetic allows.
    max_iter : int, default 1000
        Most epochs of the solver per search.
    check_finite : bool, default True
        Refuse rows with NaN or infinity. Without the check they give undefined rankings.
    method : {"auto", "full", "working_set", "gram"}, default "auto"
        How a search finds the rows that matter; all ways give the same ranking. "working_set"
        keeps one bit per feature of the rows to guess which matter, looks closely at few of them
        and proves that the others do not. "gram" keeps the products of all rows with each other
        (n^2 values, n up to 8192) and takes n^2 d / 2 steps to build. "full" visits every row and
        keeps nothing but norms; it alone serves sparse rows. "auto" takes "gram" for up to twice
        as many rows as features if building it takes at most about 0.1 s, else "working_set" from
        1,024 rows on.
    sketch : {None, "int8"}, default None
        "int8" keeps eight bits per feature of the rows (a quarter of float32), with exact bounds
        on what they miss: searches scan these instead of the rows, and read only rows that the
        bounds cannot decide. The rankings are the same; `decision_function` and `fit` scan the rows
        as well. For ``method="working_set"``, which it implies.
    copy : bool or None, default None
        As in NumPy 2: None copies the embeddings only if it must, False raises instead, True
        always copies.
    n_threads : int, optional
        Threads per search. Default: as many as ``OMP_NUM_THREADS`` or threadpoolctl asks for, or
        else one per processor that the affinity and the quota of the control group (a container's
        limit) leave. The result has the same bits for any number.

    Raises
    ------
    TypeError
        If a dtype is not supported.
    ValueError
        If a shape does not fit, a value is out of range, or a row is not finite.

    Notes
    -----
    Searches release the interpreter lock, and one index serves many threads at once.

    Examples
    --------
    >>> import numpy as np, exemplar_svm as esvm
    >>> rows = np.random.default_rng(0).standard_normal((1000, 64)).astype(np.float32)
    >>> index = esvm.ExemplarIndex(rows)
    >>> scores, indices = index.search(rows[17], k=3)
    >>> int(indices[0])
    17
    """

    def __init__(
        self,
        embeddings: Rows,
        *,
        C: float = 0.1,
        loss: LossName = "squared_hinge",
        class_weight: ClassWeightLike = "balanced",
        intercept_scaling: float = 1.0,
        center: bool = False,
        prior: float = 0.0,
        tol: float = 1e-4,
        max_iter: int = 1000,
        check_finite: bool = True,
        method: MethodName = "auto",
        sketch: Literal["int8"] | None = None,
        copy: bool | None = None,
        n_threads: int | None = None,
    ) -> None:
        if loss not in _LOSSES:
            raise ValueError(f"loss is {loss!r}, but must be 'squared_hinge' or 'hinge'")
        if method not in _METHODS:
            raise ValueError(
                f"method is {method!r}, but must be 'auto', 'full', 'working_set' or 'gram'"
            )
        if sketch not in _SKETCHES:
            raise ValueError(f"sketch is {sketch!r}, but must be None or 'int8'")
        self._C = positive_number(C, "C")
        self._prior = nonnegative_number(prior, "prior")
        self._tol = positive_number(tol, "tol")
        self._max_iter = positive_integer(max_iter, "max_iter")
        self._n_threads = thread_count(n_threads)
        weights = class_weights(class_weight)
        scaling = positive_number(intercept_scaling, "intercept_scaling")
        self._embeddings = as_rows(embeddings, "embeddings", copy)
        self._core = _core.Index(
            for_core(self._embeddings),
            loss=_LOSSES[loss],
            class_weight=weights,
            intercept_scaling=scaling,
            center=bool(center),
            check_finite=bool(check_finite),
            method=_METHODS[method],
            sketch=_SKETCHES[sketch],
            n_threads=self._n_threads,
        )
        self._default_settings = _core.SearchSettings(
            C=self._C, prior=self._prior, tol=self._tol, max_iter=self._max_iter
        )

    def __len__(self) -> int:
        return int(self._embeddings.shape[0])

    def __repr__(self) -> str:
        n, d = self._embeddings.shape
        rows = "sparse rows" if isinstance(self._embeddings, SparseRows) else "rows"
        return f"ExemplarIndex({n} {rows} of {d} features, {self._embeddings.dtype}, C={self._C:g})"

    @property
    def n_features(self) -> int:
        """Features per row."""
        return int(self._embeddings.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the rows and of the scores."""
        return self._embeddings.dtype

    def memory_usage(self) -> dict[str, int]:
        """Count the bytes that the index keeps beside the rows, which it borrows.

        Returns
        -------
        dict of str to int
            ``"norms"``, ``"mean"`` (with ``center=True``), ``"background"`` (mean and main
            directions of a sample), ``"signatures"`` (one bit per feature), ``"sketch"``,
            ``"gram"`` (products of the rows with each other), and ``"total"``.
        """
        parts = self._core.memory_usage()
        return {**parts, "total": sum(parts.values())}

    def search(
        self,
        queries: Rows,
        k: int = 10,
        *,
        C: float | None = None,
        prior: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        certify: int | None = None,
        n_threads: int | None = None,
        candidates: RowsChosen | None = None,
        background: RowsChosen | None = None,
        duplicates: DuplicatesName = "negative",
        timeout: float | None = None,
    ) -> SearchResult:
        """Train one exemplar SVM per query and return its k best rows.

        Parameters
        ----------
        queries : array-like, shape (d,) or (m, d)
            Cast to the rows' dtype. A sparse matrix is made dense: m times d values.
        k : int, default 10
            May exceed the number of rows.
        C, prior, tol, max_iter, n_threads : optional
            Override the index's for this call.
        certify : int, optional
            Stop as soon as so many leading ranks are proven to be the exact optimum's, if that is
            before ``tol`` is reached; scores are then less exact, as ``score_error_bound`` says.
        timeout : float, optional
            Seconds after which to return the best found so far, with the status ``"deadline"``;
            of all queries together. Rows that had not been looked at by then are missing.
        candidates : array-like, shape (n,) of bool, or row numbers; optional
            The rows that may be returned. Default: all.
        background : array-like, shape (n,) of bool, or row numbers; optional
            The rows that are negatives. Default: all.
        duplicates : {"negative", "ignore"}, default "negative"
            Whether rows that equal the query, element by element, are negatives like any other.
            They may be returned in either case.

        Returns
        -------
        SearchResult
            Unpacks as ``scores, indices``, each of shape (k,) for one query and (m, k) for
            several; carries ``.report``.

        Raises
        ------
        TypeError, ValueError
            For bad input, in a sentence that names the argument.
        """
        budget = _seconds(timeout)
        settings = self._settings(C, prior, tol, max_iter, certify)
        k = positive_integer(k, "k")
        threads = self._threads(n_threads)
        vectors, single = self._vectors(queries, "queries")
        common = None
        if candidates is not None or background is not None or duplicates != "negative":
            common = self._query(
                candidates=candidates, background=background, duplicates=duplicates
            )
        found = self._core.search(vectors, k, settings, threads, budget, common)
        return SearchResult.from_core(found, single)

    def search_shared(
        self,
        positives: Examples,
        k: int = 10,
        negatives: Examples | None = None,
        *,
        positive_weights: Any = None,
        negative_weight: Any = None,
        include_positives: bool = False,
        C: float | None = None,
        prior: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        certify: int | None = None,
        n_threads: int | None = None,
        candidates: RowsChosen | None = None,
        background: RowsChosen | None = None,
        duplicates: DuplicatesName = "negative",
        timeout: float | None = None,
    ) -> SearchResult:
        """Train ONE SVM with all positives together and return its k best rows.

        Finds what the positives have in common, which averaging their vectors dilutes.

        Parameters
        ----------
        positives : vector, vectors, row numbers, or a list of vectors and row numbers
            What to look for. Integers are row numbers of the index: ``17``, ``[17, 42]``,
            ``[17, vector, 42]``; everything else is a vector of d features, or several. Rows given
            by number are negatives no more, and are not returned unless ``include_positives``.
            Up to 32 examples, positive and negative ones, are eliminated by the solver, and then
            cost little.
        k : int, default 10
        negatives : the same, optional
            What not to look for. Rows given by number stay in the background with the weight of a
            negative example, and are not returned.
        positive_weights : number or array-like, shape (p,), optional
            Factors on the cost of the positives, in their order. Default: 1.
        negative_weight : number or array-like, one per negative example, optional
            Factor on the cost of ``negatives``, relative to that of a positive. Default: 1, that
            is, one negative example weighs as much as one positive.
        include_positives : bool, default False
            Return rows that are positives, too.
        candidates : array-like, shape (n,) of bool, or row numbers; optional
            The rows that may be returned. Default: all.
        background : array-like, shape (n,) of bool, or row numbers; optional
            The rows that are negatives. Default: all.
        duplicates : {"negative", "ignore"}, default "negative"
            Whether rows that equal a positive, element by element, are negatives like any other.
            They may be returned in either case.
        timeout : float, optional
            Seconds after which to return the best found so far, with the status ``"deadline"``.
        certify : int, optional
            Stop as soon as so many leading ranks are proven to be the exact optimum's, if that is
            before ``tol`` is reached; scores are then less exact, as ``score_error_bound`` says.
        C, prior, tol, max_iter, n_threads : optional
            Override the index's for this call.

        Returns
        -------
        SearchResult
            Unpacks as ``scores, indices``, each of shape (k,); carries ``.report``.

        Raises
        ------
        TypeError, ValueError
            For bad input, in a sentence that names the argument.
        """
        budget = _seconds(timeout)
        settings = self._settings(C, prior, tol, max_iter, certify)
        k = positive_integer(k, "k")
        threads = self._threads(n_threads)
        query = self._query(
            self._positives(positives, positive_weights),
            self._negatives(negatives, negative_weight),
            candidates=candidates,
            background=background,
            include_positives=bool(include_positives),
            duplicates=duplicates,
        )
        found = self._core.search_shared(query, k, settings, threads, budget)
        return SearchResult.from_core(found, single=True)

    def decision_function(
        self,
        queries: Rows,
        *,
        C: float | None = None,
        prior: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        n_threads: int | None = None,
        background: RowsChosen | None = None,
        duplicates: DuplicatesName = "negative",
    ) -> FloatArray:
        """Train one exemplar SVM per query and score every row with it.

        Parameters
        ----------
        queries : array-like, shape (d,) or (m, d)
        background, duplicates : optional
            Which rows are negatives, as for `search`.
        C, prior, tol, max_iter, n_threads : optional
            Override the index's for this call.

        Returns
        -------
        ndarray, shape (n,) for one query, (m, n) for several, dtype of the rows

        Warns
        -----
        RuntimeWarning
            If ``max_iter`` epochs were not enough for a query.
        """
        settings = self._settings(C, prior, tol, max_iter)
        threads = self._threads(n_threads)
        vectors, single = self._vectors(queries, "queries")
        common = self._query(background=background, duplicates=duplicates)
        scores, _, reports = self._core.decision_function(vectors, settings, threads, common)
        unfinished = int(np.sum(BatchReport.from_core(reports).status == "epoch_limit"))
        if unfinished:
            warnings.warn(
                f"max_iter epochs were not enough for {unfinished} of {len(vectors)} queries; "
                "search() reports how far they came",
                RuntimeWarning,
                stacklevel=2,
            )
        return scores[0] if single else scores

    def fit(
        self,
        positives: Examples,
        negatives: Examples | None = None,
        *,
        positive_weights: Any = None,
        negative_weight: Any = None,
        C: float | None = None,
        prior: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        n_threads: int | None = None,
        background: RowsChosen | None = None,
        duplicates: DuplicatesName = "negative",
    ) -> ExemplarModel:
        """Train one SVM with all positives together and return it.

        Parameters
        ----------
        positives, negatives, positive_weights, negative_weight, background, duplicates
            As for `search_shared`.
        C, prior, tol, max_iter, n_threads : optional
            Override the index's for this call.

        Returns
        -------
        ExemplarModel
            Weights, support rows and certificate. Owns its arrays.
        """
        settings = self._settings(C, prior, tol, max_iter)
        threads = self._threads(n_threads)
        p = self._positives(positives, positive_weights)
        q = self._negatives(negatives, negative_weight)
        query = self._query(p, q, background=background, duplicates=duplicates)
        coef, intercept, dual, example_dual, reports = self._core.fit(query, settings, threads)
        report = BatchReport.from_core(reports)[0]
        support = np.flatnonzero(dual).astype(np.int64)
        return ExemplarModel(
            coef_=coef,
            intercept_=intercept,
            support_=support,
            dual_coef_=-dual[support],
            positive_dual_coef_=example_dual[: len(p)][p.places],
            negative_dual_coef_=-example_dual[len(p) :][q.places],
            duality_gap_=report.duality_gap,
            n_iter_=report.epochs,
            report_=report,
        )

    def refresh(self) -> None:
        """Take notice of changed rows: computes anew what the index knows about them.

        Not while a search is running. If the rows are refused, the index is as it was.

        Raises
        ------
        ValueError
            If a row is not finite (unless ``check_finite=False``).
        """
        self._core.refresh(self._n_threads)

    def _settings(
        self,
        C: float | None,
        prior: float | None,
        tol: float | None,
        max_iter: int | None,
        certify: int | None = None,
    ) -> _core.SearchSettings:
        if C is prior is tol is max_iter is certify is None:
            return self._default_settings
        return _core.SearchSettings(
            C=self._C if C is None else positive_number(C, "C"),
            prior=self._prior if prior is None else nonnegative_number(prior, "prior"),
            tol=self._tol if tol is None else positive_number(tol, "tol"),
            max_iter=self._max_iter if max_iter is None else positive_integer(max_iter, "max_iter"),
            certify=0 if certify is None else positive_integer(certify, "certify"),
        )

    def _threads(self, n_threads: int | None) -> int:
        return self._n_threads if n_threads is None else thread_count(n_threads)

    def _vectors(self, value: Rows, name: str) -> tuple[FloatArray, bool]:
        return as_vectors(value, name, self.dtype, self.n_features, "the index holds rows")

    def _positives(self, positives: Examples, weights: Any) -> ExampleSet:
        names = "positives", "positive_weights"
        examples = read_examples(positives, weights, names, self.dtype, self._embeddings.shape)
        if len(examples) == 0:
            raise ValueError(
                "positives holds no examples, but at least one is needed: "
                "negatives alone do not say what to look for"
            )
        return examples

    def _negatives(self, negatives: Examples | None, weight: Any) -> ExampleSet:
        names = "negatives", "negative_weight"
        return read_examples(negatives, weight, names, self.dtype, self._embeddings.shape)

    def _query(
        self,
        positives: ExampleSet | None = None,
        negatives: ExampleSet | None = None,
        *,
        candidates: RowsChosen | None = None,
        background: RowsChosen | None = None,
        include_positives: bool = False,
        duplicates: DuplicatesName = "negative",
    ) -> _core.Query:
        if duplicates not in ("negative", "ignore"):
            raise ValueError(f"duplicates is {duplicates!r}, but must be 'negative' or 'ignore'")
        nothing = self._negatives(None, None)
        p, q = positives or nothing, negatives or nothing
        both = np.intersect1d(p.rows, q.rows)
        if both.size:
            raise ValueError(f"row {both[0]} is named in both positives and negatives")
        return _core.Query(
            positives=p.vectors,
            positive_rows=p.rows,
            positive_weights=p.weights,
            negatives=q.vectors,
            negative_rows=q.rows,
            negative_weights=q.weights,
            candidates=as_mask(candidates, "candidates", len(self)),
            background=as_mask(background, "background", len(self)),
            include_positives=include_positives,
            ignore_duplicates=duplicates == "ignore",
        )


def _seconds(timeout: float | None) -> float:
    """Return a timeout in seconds; infinity if there is none."""
    return math.inf if timeout is None else positive_number(timeout, "timeout")


def search(query: Rows, embeddings: Rows, k: int = 10, **settings: Any) -> SearchResult:
    """Search once, without keeping an index.

    On few rows nothing is prepared for later searches: ``method`` is then "full" unless given.

    Parameters
    ----------
    query : array-like, shape (d,) or (m, d)
    embeddings : array-like, shape (n, d)
    k : int, default 10
    **settings
        As for `ExemplarIndex`.

    Returns
    -------
    SearchResult
        Unpacks as ``scores, indices``; carries ``.report``.
    """
    rows = as_rows(embeddings, "embeddings", settings.pop("copy", None))
    if len(rows) < _WORTH_PREPARING and settings.get("sketch") is None:
        settings.setdefault("method", "full")
    return ExemplarIndex(rows, **settings).search(query, k)
