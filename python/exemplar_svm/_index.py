"""The index: rows, and exemplar-SVM searches over them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _index_file
from ._convergence import warn_unless_finished
from ._docs import documented
from ._examples import as_row_numbers
from ._pickling import from_state, state_of
from ._progress import reported
from ._query import require_positives
from ._renamed import RenamedKeys, renamed_keyword
from ._result import BatchReport, ExemplarModel, SearchResult
from ._saved import StoredRows
from ._session import Session
from ._settings import IndexSettings
from ._snapshots import Snapshots
from ._sparse import SparseRows, to_scipy
from ._typing import (
    ClassWeightLike,
    DuplicatesName,
    Examples,
    FloatArray,
    IndexArray,
    LossName,
    MethodName,
    Rows,
    RowsChosen,
)
from ._validation import as_row_scales, as_rows, copy_mode, seconds, thread_count

#: For one search over fewer rows than these, visiting all of them is cheaper than preparing.
_WORTH_PREPARING = 10_000
#: Old names of what `memory_usage` counts.
_OLD_PARTS = {"background": "gaussian_model", "signatures": "sign_codes"}


class ExemplarIndex:
    """Rows to search with exemplar SVMs: one linear SVM trained per query, exactly.

    Each search trains ``LinearSVC(C=0.1, class_weight="balanced")`` with the query as its only
    positive and every row as a negative (Malisiewicz, Gupta, Efros, ICCV 2011). It ranks the rows
    by the decision function.

    Parameters
    ----------
    embeddings : array-like or scipy.sparse matrix, shape (n, d)
        float32, float64, float16, bfloat16 or int8; sparse rows of float32 or float64. The rows are
        read in place, kept alive and never written. Any row stride will do if each row is
        contiguous (slices, memory maps). Objects with ``__dlpack__`` on the CPU (torch, jax) or
        with ``__array__``, and pyarrow's lists of one size, are read in place, too. So are queries,
        examples, masks and row numbers. Other layouts are copied, and other real dtypes are copied
        to float64, but uint8 is refused. Call `refresh` after changing the rows.
        float16, bfloat16 (of ``ml_dtypes``) and int8 are widened to float32 as they are read:
        all results have the bits that the same rows give as float32.
        Sparse matrices in CSR form are read in place if their column indices (int32 or int64) are
        sorted and do not repeat within a row; others are converted. Their structure must not
        change while the index is in use.
    C : float, default 0.1
        Cost of a violated margin, before class weights.
    loss : {"squared_hinge", "hinge"}, default "squared_hinge"
    class_weight : "balanced", None or mapping, default "balanced"
        "balanced" gives the positives and the rows the same total weight. None gives every sample
        the weight 1. A mapping holds the weight of the positives as 1 and of the rows as -1.
    intercept_scaling : float, default 1.0
        Value of the constant feature whose weight is the (regularised) intercept.
    center : bool, default False
        Compute as if the mean of the rows had been subtracted from rows and queries. Nothing is
        copied.
    prior : float, default 0.0
        Regularise toward ``prior`` times the query (the mean of the positives) instead of toward
        zero. This pulls the ranking toward kNN by inner product. ``center=True`` does not subtract
        the mean from the query in the prior.
    tol : float, default 1e-4
        Largest violation of an optimality condition, in units of the score. A search then goes on
        until its scores are proven to within ``tol / 50``, or as well as the arithmetic allows.
    max_iter : int, default 1000
        Most epochs of the solver per search.
    check_finite : bool, default True
        Refuse rows with NaN or infinity. Without the check, a search over such rows returns nothing
        and reports the status ``"invalid_input"``, until the rows are removed.
    method : {"auto", "full", "working_set", "gram", "primal"}, default "auto"
        How searches find the rows that matter. All methods give the same ranking;
        ``report.strategy`` says which one did. "full" visits every row and keeps only norms.
        "working_set" keeps one bit per feature of dense rows, and lists of the rows of each feature
        of sparse ones, to guess which rows matter; it looks closely at few of them and proves that
        the others do not matter. "gram" keeps the products of all dense rows with each other (n^2
        values, n up to 8192) and takes n^2 d / 2 steps to build. "primal" suits a small C, where
        most rows support: it reads all rows in each of a few passes, and is for the squared hinge
        and 1,024 or more dense rows. "auto" is "gram" for up to twice as many rows as features if
        building it takes at most about 0.1 s, else "full" for fewer than 1,024 rows. From there on
        it keeps what "working_set" does, and each search chooses between this, "primal" and "full".
        Searches with more than 32 examples visit every row.
    sketch : {None, "int8"}, default None
        "int8" keeps eight bits per feature of the rows (a quarter of float32), with exact bounds on
        their error. Searches scan this sketch, and read only the rows that the bounds cannot
        decide. The rankings are the same. `decision_function` and `fit` still scan the rows.
        Implies ``method="working_set"``.
    row_scales : array-like, shape (n,), float32, optional
        For embeddings of dtype int8: row i is ``row_scales[i] * embeddings[i]``, rounded to
        float32. Read in place, as the embeddings are. Default: the integers themselves.
    copy : bool or None, default None
        As in NumPy 2: None copies the embeddings (and their scales) only if it must, False raises
        instead, True always copies.
    n_threads : int, optional
        Threads per search. Default: the number that ``OMP_NUM_THREADS`` or threadpoolctl asks for,
        or else one per processor that the affinity and the quota of the control group (a
        container's limit) allow. Threads are used only while they are seen to make searches
        faster, which they do not when other processes keep the processors busy. The number of
        threads changes no bit of the result.
    progress : bool or callable, default False
        Report how far a long build has come. True writes a line to standard error. A function is
        called at most five times a second, with the number of the pass over the rows, from 1, and
        the fraction of it that is done. An exception in it stops the build.

    Raises
    ------
    TypeError
        If a dtype is not supported.
    ValueError
        If a shape does not fit, a value is out of range, or a row is not finite.

    Notes
    -----
    Searches release the interpreter lock. One index serves many threads at once, also while rows
    are added and removed: each search sees the rows as they were when it began.

    ``len(index)`` counts the rows that have a number, removed ones too. Row numbers are those below
    it. Masks have that length, or a length that the index had before rows were added.
    ``index.n_live`` counts the rows that have not been removed.

    Examples
    --------
    >>> import numpy as np, exemplar_svm as esvm
    >>> rows = np.random.default_rng(0).standard_normal((1000, 64)).astype(np.float32)
    >>> index = esvm.ExemplarIndex(rows)
    >>> scores, indices = index.search(rows[17], k=3)
    >>> int(indices[0])
    17
    """

    _snapshots: Snapshots
    _file: _index_file.IndexFile | None  # that the index was opened from

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
        row_scales: ArrayLike | None = None,
        copy: bool | None = None,
        n_threads: int | None = None,
        progress: bool | Callable[[int, float], object] = False,
    ) -> None:
        settings = IndexSettings.checked(
            C=C,
            loss=loss,
            class_weight=class_weight,
            intercept_scaling=intercept_scaling,
            center=center,
            prior=prior,
            tol=tol,
            max_iter=max_iter,
            check_finite=check_finite,
            method=method,
            sketch=sketch,
        )
        threads = thread_count(n_threads)
        copy = copy_mode(copy)
        rows = as_rows(embeddings, "embeddings", copy)
        scales = as_row_scales(row_scales, rows, "embeddings", copy)
        with reported(progress) as report:
            self._begin(
                Snapshots.build(settings, StoredRows(rows, scales), threads, progress=report)
            )

    def _begin(self, snapshots: Snapshots, file: _index_file.IndexFile | None = None) -> None:
        self._snapshots = snapshots
        self._file = file

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        mmap: bool = False,
        verify: bool | None = None,
        n_threads: int | None = None,
    ) -> ExemplarIndex:
        """Open an index that `save` has written.

        Parameters
        ----------
        path : path-like
        mmap : bool, default False
            Map the file for reading, and leave rows and statistics in it. Opening then takes
            milliseconds, memory is taken as searches read, and all processes that open the file
            share it. Another `save` may replace the file (not on Windows), but nobody may write to
            it or truncate it in place.
        verify : bool, optional
            Compare the checksums of the whole file, which reads all of it. Default: True unless the
            file is mapped. The header and all small parts are always compared. In a mapped file,
            the rows, the sign codes, the sketch and the Gram matrix are not: see `verify`.
        n_threads : int, optional
            Threads per search, as for the constructor.

        Returns
        -------
        ExemplarIndex
            With the settings, row numbers and removed rows of the saved index. Rows can be added
            and removed; the file does not change.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the file is no index file, has a later version, is truncated, or is damaged.
        """
        threads = thread_count(n_threads)
        file = _index_file.read(
            path, mmap=bool(mmap), verify=not mmap if verify is None else verify
        )
        index = cls.__new__(cls)
        index._begin(_restored(file, threads), file)
        return index

    def __getstate__(self) -> dict[str, Any]:
        own = ("_snapshots", "_file")  # a subclass may have more
        return {
            **{name: value for name, value in vars(self).items() if name not in own},
            "_n_threads": self._snapshots.n_threads,
            "_sizes": self._snapshots.sizes,
            "index": state_of(self._snapshots.saved()),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        others = dict(state)
        saved = from_state(others.pop("index"))
        self._begin(Snapshots.restore(saved, others.pop("_n_threads")))
        self._snapshots.sizes |= others.pop("_sizes")
        vars(self).update(others)

    def __copy__(self) -> ExemplarIndex:
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        other._snapshots = self._snapshots.copy()
        return other

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file: rows, statistics, settings, and which rows are removed.

        The file is written under another name beside ``path``, and renamed when it is complete and
        on the disk. Whoever opens ``path`` finds the old file or the new one, also after a crash.

        Parameters
        ----------
        path : path-like
            Replaced if it exists and is a regular file; its permissions are kept, and symbolic
            links are followed. On Windows this fails while an index is in use that was opened from
            ``path`` with ``mmap=True``.

        Raises
        ------
        OSError
            If the file cannot be written, or is no regular file. The old file is then unchanged.
        ValueError
            If the rows have changed so that the file could not be opened, such as sparse rows whose
            columns no longer ascend.

        Notes
        -----
        docs/files.md describes the format: little-endian, with a version and checksums. The file is
        as large as the rows and `memory_usage` together. Adding and removing rows meanwhile does
        not affect what is saved. If the caller changes rows meanwhile, they are saved as they are
        when they are read, beside what was known about the old rows: call `refresh` before saving
        changed rows.
        """
        saved = self._snapshots.saved()
        _index_file.write(path, saved, check=lambda file: _restored(file, 1))

    def verify(self) -> None:
        """Compare the whole file that this index was opened from with its checksums.

        Reads all of the file. Does nothing if the index was not opened from a file.

        Raises
        ------
        ValueError
            If the file is not what was saved.
        """
        if self._file is not None:
            self._file.verify()

    def add(self, rows: Rows) -> IndexArray:
        """Add rows, which the index copies and owns.

        Searches that have begun do not see them. Other rows keep their numbers.

        Parameters
        ----------
        rows : array-like or scipy.sparse matrix, shape (d,) or (m, d)
            Cast to the dtype of the index, and stored as its rows are. An index of dense rows makes
            sparse ones dense. An index of sparse rows keeps the nonzero values of dense ones; of
            sparse ones it keeps the entries in the order of their columns, and adds up those of the
            same column.

        Returns
        -------
        ndarray of int64, shape (m,)
            The numbers of the new rows, which follow those of all others.

        Raises
        ------
        TypeError, ValueError
            For bad input, or if ``method="gram"`` would have more than 8192 rows. The index is then
            unchanged.

        Notes
        -----
        Takes time in the order of the new rows, and of a pass over the norms of all rows; among
        sparse rows, of the new entries and of the features. Now and then memory is doubled, and
        what is there is copied. With ``center=True`` the mean moves, and all rows are read three
        times. A Gram matrix is copied, and each new row takes n d steps.
        ``method="auto"`` changes the method where it would choose another one for so many rows.
        Once in a while the model of the rows is made anew, which takes as long as building an
        index. Adding many rows at once is cheaper than adding each.
        """
        return self._snapshots.add(rows)

    def remove(self, row_numbers: RowsChosen) -> None:
        """Remove rows: they are neither negatives nor returned, and count in no cost.

        Searches that have begun still see them. All rows keep their numbers, and removed rows keep
        their memory: `compact` returns an index without them.

        Parameters
        ----------
        row_numbers : int or array-like of int, 32 or 64 bits
            Numbers of rows that have not been removed. A number may repeat.

        Raises
        ------
        TypeError, ValueError
            For bad input. The index is then unchanged.

        Notes
        -----
        Takes time in the order of ``len(self)``, not of the features; among sparse rows, also of
        the features and the removed entries. With ``center=True`` the mean moves, and all rows are
        read three times. Borrowed rows that are removed must stay where they are, and finite.
        """
        self._snapshots.remove(row_numbers)

    def refresh(self) -> None:
        """Compute anew what the index knows about its rows, after they have changed.

        Rows must not change while a search reads them: its result is then undefined. If the rows
        are refused, the index is unchanged. Removed rows stay removed.

        Raises
        ------
        ValueError
            If a row is not finite (unless ``check_finite=False``).
        """
        self._snapshots.refresh()

    def vectors(self, row_numbers: RowsChosen) -> FloatArray | Any:
        """Return rows of the index, also added ones, as the vectors that searches compute with.

        Parameters
        ----------
        row_numbers : int or array-like of int
            Numbers of rows that have not been removed, in any order. A number may repeat.

        Returns
        -------
        ndarray, shape (d,) for a number and (m, d) for several, the index's `dtype`
            A copy. Rows of narrower types are widened, and int8 rows are multiplied by their
            scales; ``center`` subtracts nothing.
            Of sparse rows a ``scipy.sparse.csr_matrix``, of shape (1, d) for a number.

        Raises
        ------
        TypeError, ValueError
            For bad input.
        """
        reader = self._snapshots.reader()
        numbers = as_row_numbers(row_numbers, "row_numbers", reader.rows)
        vectors = self._snapshots.stored(reader.core).vectors(numbers)
        if isinstance(vectors, SparseRows):
            return to_scipy(vectors)
        return vectors[0] if np.ndim(row_numbers) == 0 else vectors

    def compact(self) -> tuple[ExemplarIndex, IndexArray]:
        """Build an index of the rows that have not been removed.

        Returns
        -------
        index : ExemplarIndex
            With the settings of this one, which is unchanged, and copies of the live rows in their
            order. Rows that were added to narrower ones stay wide.
        numbers : ndarray of int64, shape (n,)
            The new number of each row of this index; -1 for removed ones. Row i is now row
            ``numbers[i]``, and ``np.flatnonzero(numbers >= 0)`` are the old numbers of the new
            rows.

        Raises
        ------
        ValueError
            If rows have changed, and are not finite now (unless ``check_finite=False``).

        Notes
        -----
        Takes as long as building an index, and memory for its rows.
        """
        compact, numbers = self._snapshots.compacted()
        index = type(self).__new__(type(self))
        index._begin(compact)
        return index, numbers

    @property
    def live(self) -> NDArray[np.bool_]:
        """Mask of the rows that have not been removed, shape (n,); a copy."""
        core = self._snapshots.core
        live = core.live()
        return np.ones(core.n_rows, bool) if live is None else live.astype(bool)

    @property
    def n_live(self) -> int:
        """How many rows have not been removed."""
        return self._snapshots.core.n_live

    def __len__(self) -> int:
        return self._snapshots.core.n_rows

    def __repr__(self) -> str:
        return f"ExemplarIndex({self._snapshots})"

    @property
    def n_features(self) -> int:
        """Features per row."""
        return self._snapshots.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of scores, weights and vectors: the rows' own, or float32 if that is narrower."""
        return self._snapshots.dtype

    def memory_usage(self) -> dict[str, int]:
        """Count the bytes that the index keeps beside the rows that it borrows.

        Memory reserved for rows to come is not counted; it is not touched either.

        Returns
        -------
        dict of str to int
            ``"added"`` (rows), ``"live"`` (a byte per row, once one was removed), ``"norms"``,
            ``"mean"`` (with ``center=True``), ``"gaussian_model"`` (mean and main directions of a
            sample), ``"sign_codes"`` (one bit per feature), ``"postings"`` (sparse rows by their
            columns), ``"sketch"``, ``"gram"`` (products of the rows with each other), and
            ``"total"``.
        """
        parts = self._snapshots.core.memory_usage()
        return RenamedKeys({**parts, "total": sum(parts.values())}, _OLD_PARTS)

    @renamed_keyword("calibrate", "standardize")
    @documented
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
        standardize: bool = False,
    ) -> SearchResult:
        """Train one exemplar SVM per query and return its k best rows.

        Parameters
        ----------
        queries : array-like, shape (d,) or (m, d)
            Vectors, also of integers: row numbers are for `search_shared`. Cast to the index's
            `dtype`. A sparse matrix is made dense, which takes m times d values.
        k : int, default 10
            May exceed the number of rows, up to 1,048,576.
        %(overrides)s
        %(certify)s
        %(n_threads)s
        %(candidates)s
        %(background)s
        %(timeout)s
            The time is that of all queries together.
        %(standardize)s

        Returns
        -------
        SearchResult
            Unpacks as ``scores, indices``, each of shape (k,) for one query and (m, k) for
            several; carries ``.report``.

        Warns
        -----
        %(ConvergenceWarning)s

        Raises
        ------
        %(bad_input)s
        """
        budget = seconds(timeout)
        settings = self._snapshots.search_settings(C, prior, tol, max_iter, certify, standardize)
        threads = self._snapshots.threads(n_threads)
        reader = self._snapshots.reader()
        vectors, single = reader.queries(queries)
        k = reader.ranks(k, len(vectors))
        common = reader.common(candidates=candidates, background=background, duplicates=duplicates)
        found = reader.core.search(vectors, k, settings, threads, budget, common)
        warn_unless_finished(found[2])
        return SearchResult._from_core(found, single)

    @renamed_keyword("calibrate", "standardize")
    @documented
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
        standardize: bool = False,
    ) -> SearchResult:
        """Train ONE SVM with all positives together and return its k best rows.

        Whether this finds what the positives have in common better than kNN of their mean depends
        on the data and the settings: docs/quality.md shows where it did.

        Parameters
        ----------
        positives : vector, vectors, row numbers, or a list of vectors and row numbers
            What to look for. Rows given by number are no longer negatives, and are not returned
            unless ``include_positives``.
            %(examples)s
            The solver eliminates up to 32 examples, positive and negative ones, which then cost
            little.
        k : int, default 10
        negatives : vector, vectors, row numbers, or a list of both; optional
            %(negatives)s
        %(weights)s
        include_positives : bool, default False
            Return rows that are positives, too.
        %(overrides)s
        %(certify)s
        %(n_threads)s
        %(candidates)s
        %(background)s
        %(timeout)s
        %(standardize)s

        Returns
        -------
        SearchResult
            Unpacks as ``scores, indices``, each of shape (k,); carries ``.report``.

        Warns
        -----
        %(ConvergenceWarning)s

        Raises
        ------
        %(bad_input)s
        """
        budget = seconds(timeout)
        settings = self._snapshots.search_settings(C, prior, tol, max_iter, certify, standardize)
        threads = self._snapshots.threads(n_threads)
        reader = self._snapshots.reader()
        k = reader.ranks(k)
        p = reader.positives(positives, positive_weights)
        q = reader.negatives(negatives, negative_weight)
        require_positives(len(p), "positives holds no examples")
        query = reader.query(
            p,
            q,
            candidates=candidates,
            background=background,
            include_positives=include_positives,
            duplicates=duplicates,
        )
        found = reader.core.search_shared(query, k, settings, threads, budget)
        warn_unless_finished(found[2])
        return SearchResult._from_core(found, single=True)

    @documented
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
            Vectors, as for `search`.
        %(overrides)s
        %(n_threads)s
        %(background)s

        Returns
        -------
        ndarray, shape (n,) for one query, (m, n) for several, dtype of the rows
            ``-inf`` for rows that were removed.

        Warns
        -----
        %(ConvergenceWarning)s

        Raises
        ------
        %(bad_input)s
        """
        settings = self._snapshots.search_settings(C, prior, tol, max_iter)
        threads = self._snapshots.threads(n_threads)
        reader = self._snapshots.reader()
        vectors, single = reader.queries(queries)
        common = reader.common(background=background, duplicates=duplicates)
        scores, _, reports = reader.core.decision_function(vectors, settings, threads, common)
        warn_unless_finished(reports)
        return scores[0] if single else scores

    @documented
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
        positives : vector, vectors, row numbers, or a list of vectors and row numbers
            What to look for. Rows given by number are no longer negatives.
            %(examples)s
        negatives : vector, vectors, row numbers, or a list of both; optional
            %(negatives)s
        %(weights)s
        %(overrides)s
        %(n_threads)s
        %(background)s

        Returns
        -------
        ExemplarModel
            Weights, support rows and certificate. Owns its arrays.

        Warns
        -----
        %(ConvergenceWarning)s

        Raises
        ------
        %(bad_input)s
        """
        settings = self._snapshots.search_settings(C, prior, tol, max_iter)
        threads = self._snapshots.threads(n_threads)
        reader = self._snapshots.reader()
        p = reader.positives(positives, positive_weights)
        q = reader.negatives(negatives, negative_weight)
        require_positives(len(p), "positives holds no examples")
        query = reader.query(p, q, background=background, duplicates=duplicates)
        coef, intercept, dual, example_dual, reports = reader.core.fit(query, settings, threads)
        warn_unless_finished(reports)
        report = BatchReport._from_core(reports)[0]
        support = np.flatnonzero(dual).astype(np.int64)
        return ExemplarModel(
            coef_=coef,
            intercept_=intercept,
            support_=support,
            dual_coef_=-dual[support],
            positive_dual_coef_=p.as_given(example_dual[: len(p)]),
            negative_dual_coef_=q.as_given(-example_dual[len(p) :]),
            mean_=reader.core.mean(),
            duality_gap_=report.duality_gap,
            n_iter_=report.epochs,
            report_=report,
        )

    @documented
    def session(
        self,
        positives: Examples | None = None,
        negatives: Examples | None = None,
        *,
        positive_weights: Any = None,
        negative_weight: Any = None,
        sketch: Literal["int8"] | None = "int8",
        n_threads: int | None = None,
    ) -> Session:
        """Begin a search whose examples come one after the other.

        Parameters
        ----------
        positives : vector, vectors, row numbers, or a list of both; optional
            What to look for at first.
            %(examples)s
        negatives : vector, vectors, row numbers, or a list of both; optional
            %(negatives)s
        %(weights)s
        sketch : {"int8", None}, default "int8"
            What searches of the session scan. "int8" is a sketch of the rows (see the class): the
            index's own, or one that is made for its first session and kept for all. It takes a
            quarter of float32 rows, which `memory_usage` counts. None scans the rows, unless the
            index has a sketch. No effect unless searches are by working set.
        n_threads : int, optional
            Threads per search. Default: those of the index.

        Returns
        -------
        Session
            With ``like``, ``dislike``, ``forget`` and ``search``.

        Raises
        ------
        %(bad_input)s
        """
        return Session(
            self,
            positives,
            negatives,
            positive_weights=positive_weights,
            negative_weight=negative_weight,
            sketch=sketch,
            n_threads=n_threads,
        )


def _restored(file: _index_file.IndexFile, n_threads: int) -> Snapshots:
    try:
        return Snapshots.restore(file.saved, n_threads)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{file.path} is a damaged index file: {error}") from error


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

    Warns
    -----
    ConvergenceWarning
        As for `ExemplarIndex.search`.
    """
    rows = as_rows(embeddings, "embeddings", copy_mode(settings.pop("copy", None)))
    if len(rows) < _WORTH_PREPARING and settings.get("sketch") is None:
        settings.setdefault("method", "full")
    return ExemplarIndex(rows, **settings).search(query, k)
