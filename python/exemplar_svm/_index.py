"""The index: rows, and exemplar-SVM searches over them."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, _file
from ._convergence import warn_unless_finished
from ._examples import ExampleSet, RowSet, as_mask, as_row_numbers, read_examples
from ._locks import ForkableLock
from ._pickling import from_state, state_of
from ._progress import reported
from ._renamed import RenamedKeys, renamed_keyword
from ._result import BatchReport, ExemplarModel, SearchResult
from ._session import Session
from ._settings import IndexSettings
from ._sparse import SparseRows, for_core, is_sparse, to_scipy
from ._stored import StoredRows
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
from ._validation import (
    as_row_scales,
    as_rows,
    as_sparse_vectors,
    as_vectors,
    copy_mode,
    flag,
    moderate_number,
    nonnegative_number,
    one_of,
    positive_integer,
    positive_number,
    rank_count,
    seconds,
    shown,
    thread_count,
    working_dtype,
)

#: For one search over fewer rows than these, visiting all of them is cheaper than preparing.
_WORTH_PREPARING = 10_000
#: The values of ``duplicates=``, the default first.
_DUPLICATES: tuple[DuplicatesName, ...] = ("negative", "ignore")
#: Said beside an error about queries that are integers.
_ROW_NUMBERS = "; row numbers are for search_shared and fit: search_shared([17])"

#: Old names of what `memory_usage` counts.
_OLD_PARTS = {"background": "gaussian_model", "signatures": "sign_codes"}

#: What an index makes of its settings and rows, which pickle need not keep.
_OWN = frozenset(
    {"_built_with", "_embeddings", "_row_scales", "_core", "_changing", "_file"}
    | {"_default_settings"}
)


class ExemplarIndex:
    """Rows to search with exemplar SVMs: one linear SVM trained per query, exactly.

    Each search trains ``LinearSVC(C=0.1, class_weight="balanced")`` with the query as the one
    positive and every row as a negative (Malisiewicz, Gupta, Efros, ICCV 2011), and ranks the
    rows by its decision function.

    Parameters
    ----------
    embeddings : array-like or scipy.sparse matrix, shape (n, d)
        Of float32, float64, float16, bfloat16 or int8; sparse ones of float32 or float64.
        Read in place and kept alive, never written: any row stride will do if each row is
        contiguous (slices, memory maps). Objects with ``__dlpack__`` on the CPU (torch, jax) or
        with ``__array__`` are taken the same way, and pyarrow's lists of one size, a row each, as
        are queries, examples, masks and row numbers; other layouts are copied, other real dtypes
        copied to float64 (but uint8 is refused). Call `refresh` after changing them. float16,
        bfloat16 (of ``ml_dtypes``) and int8 are widened to float32 where they are read: all results
        have the bits that the same rows as float32 give.
        Sparse matrices in CSR form with sorted column indices (int32 or int64), none of them twice
        in a row, are read in place too, others converted; their structure must not change while
        the index is used.
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
        zero: pulls the ranking toward that of kNN by inner product. The query as it is given: with
        ``center=True`` the prior alone stays without the mean subtracted.
    tol : float, default 1e-4
        Largest violation of an optimality condition, in units of the score. A search then goes on
        until its scores are proven to within ``tol / 50``, or as well as the arithmetic allows.
    max_iter : int, default 1000
        Most epochs of the solver per search.
    check_finite : bool, default True
        Refuse rows with NaN or infinity. Without the check, searches among such rows find nothing
        and report the status ``"invalid_input"``, until these rows are removed.
    method : {"auto", "full", "working_set", "gram"}, default "auto"
        How a search finds the rows that matter; all ways give the same ranking. "working_set"
        keeps one bit per feature of the rows to guess which matter (of sparse rows their mean),
        looks closely at few of them and proves that the others do not; where most may matter, at a
        small C, it reads these again and again. "gram" keeps the products of all rows with each
        other (n^2 values, n up to 8192) and takes n^2 d / 2 steps to build; not for sparse rows.
        "full" visits every row and keeps nothing but norms. "auto" takes "gram" for up to twice as
        many rows as features if building it takes at most about 0.1 s, else "working_set" from
        1,024 rows on.
    sketch : {None, "int8"}, default None
        "int8" keeps eight bits per feature of the rows (a quarter of float32), with exact bounds
        on what they miss: searches scan these instead of the rows, and read only rows that the
        bounds cannot decide. The rankings are the same; `decision_function` and `fit` scan the rows
        as well. For ``method="working_set"``, which it implies.
    row_scales : array-like, shape (n,), float32, optional
        For embeddings of dtype int8: row i is ``row_scales[i] * embeddings[i]``, rounded to
        float32. Read in place as the embeddings are. Default: the integers themselves.
    copy : bool or None, default None
        As in NumPy 2: None copies the embeddings (and their scales) only if it must, False raises
        instead, True always copies.
    n_threads : int, optional
        Threads per search. Default: as many as ``OMP_NUM_THREADS`` or threadpoolctl asks for, or
        else one per processor that the affinity and the quota of the control group (a container's
        limit) leave; these are used only while they are seen to make searches faster, which they do
        not where other processes keep the processors busy. The result has the same bits for any
        number.
    progress : bool or callable, default False
        Tell how far building the index has come, if it takes long: True writes a line to standard
        error, a function is called with the number of the pass over the rows, from 1, and the part
        of it that is done, at most five times a second. What it raises stops the build.

    Raises
    ------
    TypeError
        If a dtype is not supported.
    ValueError
        If a shape does not fit, a value is out of range, or a row is not finite.

    Notes
    -----
    Searches release the interpreter lock, and one index serves many threads at once, also while
    rows are added and removed: each search sees the rows as they were when it began.

    ``len(index)`` counts the rows that have a number, removed ones too: row numbers are those below
    it, and masks have that length, or one that the index had before rows were added.
    ``index.n_live`` counts those that have not been removed.

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
            core = settings.build(for_core(rows), threads, row_scales=scales, progress=report)
        self._begin(settings, rows, scales, core, threads)

    def _begin(
        self,
        settings: IndexSettings,
        rows: NDArray[Any] | SparseRows,
        row_scales: NDArray[np.float32] | None,
        core: _core.Index,
        n_threads: int,
    ) -> None:
        self._built_with = settings
        self._embeddings = rows  # the caller's; those that were added are the core's
        self._row_scales = row_scales
        self._core = core  # a snapshot: it is replaced, never changed, so a search takes it once
        self._changing = ForkableLock(reentrant=True)  # who replaces it
        self._sizes = {core.n_rows}  # how many rows there have been: lengths of masks
        self._n_threads = n_threads
        self._file: _file.IndexFile | None = None
        self._default_settings = _core.SearchSettings(
            C=settings.C, prior=settings.prior, tol=settings.tol, max_iter=settings.max_iter
        )

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
            Leave rows and statistics in the file, which is mapped for reading: opening takes
            milliseconds, memory is taken as searches read, and all processes that open the file
            share it. The file may be replaced by another `save` (not on Windows), but must not be
            written or truncated in place.
        verify : bool, optional
            Compare the checksums of the whole file, which reads all of it. Default: unless it is
            mapped. The header, and all that is small, is always compared; in a mapped file the
            rows, the signatures, the sketch and the Gram matrix are not: see `verify`.
        n_threads : int, optional
            Threads per search, as for the constructor.

        Returns
        -------
        ExemplarIndex
            With the settings, row numbers and removed rows of the index that was saved. Rows can be
            added and removed; the file does not change.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no index file, is of a later version, is truncated, or is damaged.
        """
        threads = thread_count(n_threads)
        file = _file.read(path, mmap=bool(mmap), verify=not mmap if verify is None else verify)
        index = cls.__new__(cls)
        index._begin_from(file, threads)
        return index

    def _begin_from(self, file: _file.IndexFile, n_threads: int) -> None:
        try:
            self._begin_with(file.settings, file.stored, file.parts, n_threads)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"{file.path} is a damaged index file: {error}") from error
        self._file = file

    def _begin_with(
        self,
        fields: dict[str, Any],
        stored: StoredRows,
        parts: dict[str, NDArray[np.uint8]],
        n_threads: int,
    ) -> None:
        """Begin with what is known about the rows."""
        settings = IndexSettings.from_json(fields)
        core = settings.build(
            for_core(stored.rows),
            n_threads,
            parts,
            row_scales=stored.row_scales,
            added=stored.added if isinstance(stored.added, np.ndarray) else None,
        )
        self._begin(settings, stored.rows, stored.row_scales, core, n_threads)

    def _stored(self, core: _core.Index) -> StoredRows:
        added = core.added()
        if isinstance(self._embeddings, SparseRows):
            data, indices, indptr = added
            added = SparseRows(data, indices, indptr, (len(indptr) - 1, self.n_features))
        return StoredRows(self._embeddings, self._row_scales, added)

    def __getstate__(self) -> dict[str, Any]:
        core = self._core
        return {
            **{name: value for name, value in vars(self).items() if name not in _OWN},
            "_n_threads": self._n_threads,
            "index": state_of(self._built_with.as_json(), self._stored(core), core.parts()),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        others = {name: value for name, value in state.items() if name != "index"}
        self._begin_with(*from_state(state["index"]), others.pop("_n_threads"))
        vars(self).update(others)

    def __copy__(self) -> ExemplarIndex:
        # Of the same rows in memory; what is added and removed later is each one's own.
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        other._changing = ForkableLock(reentrant=True)
        other._sizes = set(self._sizes)
        return other

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file: rows, statistics, settings, and which rows are removed.

        The file is written under another name beside it, and renamed when it is complete and on
        the disk: whoever opens ``path`` finds the old file or the new one, also after a crash.

        Parameters
        ----------
        path : path-like
            Replaced if it exists and is a regular file; symbolic links are followed, and its
            permissions are kept. On Windows that fails while an index is in use that was opened
            from it with ``mmap=True``.

        Raises
        ------
        OSError
            If the file cannot be written, or is no regular file. What was there is then as it was.
        ValueError
            If the rows have become such that the file could not be opened, as sparse ones whose
            columns do not ascend.

        Notes
        -----
        The format is that of docs/files.md: little-endian, with a version and checksums. The file
        is as large as the rows and `memory_usage` together. Rows are added and removed meanwhile
        without an effect on what is saved. Rows that the caller changes meanwhile are saved as they
        are when they are read, beside what was known about the rows before: call `refresh` before
        saving them.
        """
        core = self._core
        opened = type(self).__new__(type(self))
        _file.write(
            path,
            self._built_with.as_json(),
            self._stored(core),
            core.parts(),
            check=lambda file: opened._begin_from(file, 1),
        )

    def verify(self) -> None:
        """Compare the whole file that this index was opened from with its checksums.

        Reads all of it. Does nothing if the index was not opened from a file.

        Raises
        ------
        ValueError
            If the file is not what was saved.
        """
        if self._file is not None:
            self._file.verify()

    def add(self, rows: Rows) -> IndexArray:
        """Add rows, which the index copies and owns.

        Searches that are under way do not see them. Other rows keep their numbers.

        Parameters
        ----------
        rows : array-like or scipy.sparse matrix, shape (d,) or (m, d)
            Cast to the dtype of the index, and stored as its rows are: sparse ones are made dense
            for an index of dense rows; an index of sparse rows keeps of dense ones what is not
            zero, and of sparse ones the entries, in the order of their columns, those of the same
            column added up.

        Returns
        -------
        ndarray of int64, shape (m,)
            Their row numbers, which are those behind all others.

        Raises
        ------
        TypeError, ValueError
            For bad input, or if ``method="gram"`` would have more than 8192 rows. The index is then
            as it was.

        Notes
        -----
        Takes time in the order of the new rows, and of a pass over the norms of all; among sparse
        rows, where the order is that of the entries, also over the features. Now and then
        memory is doubled and what is there copied. With ``center=True`` the mean moves: all rows
        are read three times. A Gram matrix is copied, and n d steps are taken for each new row.
        ``method="auto"`` changes the method where it would choose another one for so many rows,
        and once in a while the model of the background is made anew: as long as building an index.
        Adding many rows at once is cheaper than adding each.
        """
        added = self._like_own(rows, "rows")
        rows_added = for_core(added)

        def with_rows(core: _core.Index) -> _core.Index:
            grown = core.with_rows(rows_added, self._n_threads)
            self._sizes.add(grown.n_rows)  # before anybody can make a mask of that length
            return grown

        before = self._change(with_rows)
        return np.arange(before.n_rows, before.n_rows + len(added))

    def remove(self, row_numbers: RowsChosen) -> None:
        """Remove rows: they are neither negatives nor returned, and count in no cost.

        Searches that are under way still see them. All rows keep their numbers, and removed ones
        their memory: `compact` returns an index that is rid of it.

        Parameters
        ----------
        row_numbers : int or array-like of int, 32 or 64 bits
            Numbers of rows that have not been removed. A number may be named twice.

        Raises
        ------
        TypeError, ValueError
            For bad input. The index is then as it was.

        Notes
        -----
        Takes time in the order of ``len(self)``, not of the features (among sparse rows, also of
        these, and of the entries that are removed); with ``center=True`` the mean moves, and all
        rows are read three times. Borrowed rows that are removed must stay where
        they are, and finite.
        """

        def without_rows(core: _core.Index) -> _core.Index:
            # np.unique of numpy 2.3 and 2.4 aborts a process that ends while a daemon thread is in
            # it, where it is asked for nothing but the values.
            rows = np.sort(as_row_numbers(row_numbers, "row_numbers", self._row_set(core)))
            distinct = rows[np.diff(rows, prepend=-1) != 0]
            return core.without_rows(distinct, self._n_threads)

        self._change(without_rows)

    def vectors(self, row_numbers: RowsChosen) -> FloatArray | Any:
        """Return rows of the index, those that were added too, as vectors that it searches with.

        Parameters
        ----------
        row_numbers : int or array-like of int
            Numbers of rows that have not been removed, in any order; one may be named twice.

        Returns
        -------
        ndarray, shape (d,) for a number and (m, d) for several, the index's `dtype`
            A copy. Rows of narrower types are widened and int8 rows multiplied by their scales, so
            that these are the values that searches compute with; ``center`` subtracts nothing.
            Of sparse rows a ``scipy.sparse.csr_matrix``, of shape (1, d) for a number.

        Raises
        ------
        TypeError, ValueError
            For bad input.
        """
        core = self._core
        numbers = as_row_numbers(row_numbers, "row_numbers", self._row_set(core))
        vectors = self._stored(core).vectors(numbers)
        if isinstance(vectors, SparseRows):
            return to_scipy(vectors)
        return vectors[0] if np.ndim(row_numbers) == 0 else vectors

    def compact(self) -> tuple[ExemplarIndex, IndexArray]:
        """Build an index of the rows that have not been removed, to be rid of those that were.

        Returns
        -------
        index : ExemplarIndex
            With the settings of this one, which stays as it is, and the live rows in their order,
            copied; those that were added to narrow rows stay wider.
        numbers : ndarray of int64, shape (n,)
            The new number of each row of this index; -1 for those that were removed. That of its
            row i is ``numbers[i]``, and ``np.flatnonzero(numbers >= 0)`` are the old numbers of the
            new rows.

        Raises
        ------
        ValueError
            If rows have been changed, and are not finite now (unless ``check_finite=False``).

        Notes
        -----
        Takes as long as building an index, and memory for its rows.
        """
        core = self._core
        live = core.live()
        kept = np.arange(core.n_rows) if live is None else np.flatnonzero(live)
        numbers = np.full(core.n_rows, -1, np.int64)
        numbers[kept] = np.arange(len(kept))
        stored = self._stored(core).only(kept)
        settings, n_threads = self._built_with, self._n_threads
        compacted = settings.build(for_core(stored.rows), n_threads, row_scales=stored.row_scales)
        if isinstance(stored.added, np.ndarray):
            compacted = compacted.with_rows(stored.added, n_threads)
        index = type(self).__new__(type(self))
        index._begin(settings, stored.rows, stored.row_scales, compacted, n_threads)
        return index, numbers

    @property
    def live(self) -> NDArray[np.bool_]:
        """Mask of the rows that have not been removed, shape (n,); a copy."""
        core = self._core
        live = core.live()
        return np.ones(core.n_rows, bool) if live is None else live.astype(bool)

    @property
    def n_live(self) -> int:
        """How many rows have not been removed."""
        return self._core.n_live

    def __len__(self) -> int:
        return self._core.n_rows

    def __repr__(self) -> str:
        core = self._core
        removed = core.n_rows - core.n_live
        sparse = "sparse " if isinstance(self._embeddings, SparseRows) else ""
        rows = f"{core.n_rows} {sparse}rows" + (f", {removed} of them removed," if removed else "")
        return (
            f"ExemplarIndex({rows} of {self.n_features} features, {self._embeddings.dtype}, "
            f"C={self._built_with.C:g})"
        )

    @property
    def n_features(self) -> int:
        """Features per row."""
        return int(self._embeddings.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of scores, weights and vectors: the rows' own, or float32 if that is narrower."""
        return working_dtype(self._embeddings.dtype)

    def memory_usage(self) -> dict[str, int]:
        """Count the bytes that the index keeps beside the rows that it borrows.

        Memory that is reserved for rows to come is not counted; it is not touched either.

        Returns
        -------
        dict of str to int
            ``"added"`` (rows), ``"live"`` (a byte per row, once one was removed), ``"norms"``,
            ``"mean"`` (with ``center=True``), ``"gaussian_model"`` (mean and main directions of a
            sample), ``"sign_codes"`` (one bit per feature), ``"postings"`` (sparse rows by their
            columns), ``"sketch"``, ``"gram"`` (products of the rows with each other), and
            ``"total"``.
        """
        parts = self._core.memory_usage()
        return RenamedKeys({**parts, "total": sum(parts.values())}, _OLD_PARTS)

    @renamed_keyword("calibrate", "standardize")
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
            Vectors, integers too: row numbers are for `search_shared`. Cast to the index's `dtype`.
            A sparse matrix is made dense: m times d values.
        k : int, default 10
            May exceed the number of rows, up to 1,048,576.
        C, prior, tol, max_iter : optional
            Override the index's for this call.
        certify : int, optional
            Stop as soon as so many leading ranks are proven to be the exact optimum's, if that is
            before ``tol`` is reached; scores are then less exact, as ``score_error_bound`` says.
        n_threads : int, optional
            Default: the index's.
        candidates : array-like, shape (n,) of bool, or row numbers; optional
            The rows that may be returned. Default: all. Removed rows never are. A mask that was
            made before rows were added leaves these out. Integers of 8 or 16 bits are refused, and
            zeros and ones that are as many as a mask has.
        background : array-like, shape (n,) of bool, or row numbers; optional
            The rows that are negatives. Default: all.
        duplicates : {"negative", "ignore"}, default "negative"
            Whether rows that equal the query, element by element, are negatives like any other.
            They may be returned in either case.
        timeout : float, optional
            Seconds after which to return the best found so far, with the status ``"deadline"``;
            of all queries together. Rows that had not been looked at by then are missing.
        standardize : bool, default False
            Return scores as standard deviations above the mean score of the background, measured
            on at most 2,048 of its rows, so that the results of different searches can be merged
            (docs/standardization.md). The order of rows stays as it is;
            ``report.score_error_bound`` is that of the scores before.

        Returns
        -------
        SearchResult
            Unpacks as ``scores, indices``, each of shape (k,) for one query and (m, k) for
            several; carries ``.report``.

        Warns
        -----
        ConvergenceWarning
            Once, if queries could not finish: their status is neither ``"converged"`` nor
            ``"deadline"``. What is returned for them is the last iterate.

        Raises
        ------
        TypeError, ValueError
            For bad input, in a sentence that names the argument.
        """
        budget = seconds(timeout)
        settings = self._settings(C, prior, tol, max_iter, certify, standardize)
        threads = self._threads(n_threads)
        core = self._core
        vectors, single = self._queries(queries)
        k = rank_count(k, core.n_rows, len(vectors))
        common = self._common(
            core, candidates=candidates, background=background, duplicates=duplicates
        )
        found = core.search(vectors, k, settings, threads, budget, common)
        warn_unless_finished(found[2])
        return SearchResult.from_core(found, single)

    @renamed_keyword("calibrate", "standardize")
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

        Whether that finds what they have in common better than kNN of their mean depends on the
        data and the settings: docs/quality.md tells where it did.

        Parameters
        ----------
        positives : vector, vectors, row numbers, or a list of vectors and row numbers
            What to look for. Integers are row numbers of the index: ``17``, ``[17, 42]``,
            ``[17, vector, 42]``, one-dimensional arrays of 32 or 64 bits; everything else is a
            vector of d features, or several, also integers of 8 or 16 bits. Refused are d integers
            of which one is repeated: probably a vector, which may be made one of floats. Rows
            given by number are no longer negatives, and are not returned unless
            ``include_positives``. A row is one example, however often it is named, and its last
            weight counts.
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
        C, prior, tol, max_iter : optional
            Override the index's for this call.
        certify : int, optional
            Stop as soon as so many leading ranks are proven to be the exact optimum's, if that is
            before ``tol`` is reached; scores are then less exact, as ``score_error_bound`` says.
        n_threads : int, optional
            Default: the index's.
        candidates : array-like, shape (n,) of bool, or row numbers; optional
            The rows that may be returned. Default: all. Removed rows never are. A mask that was
            made before rows were added leaves these out. Integers of 8 or 16 bits are refused, and
            zeros and ones that are as many as a mask has.
        background : array-like, shape (n,) of bool, or row numbers; optional
            The rows that are negatives. Default: all.
        duplicates : {"negative", "ignore"}, default "negative"
            Whether rows that equal a positive, element by element, are negatives like any other.
            They may be returned in either case.
        timeout : float, optional
            Seconds after which to return the best found so far, with the status ``"deadline"``.
            Rows that had not been looked at by then are missing.
        standardize : bool, default False
            Return scores as standard deviations above the mean score of the background, measured
            on at most 2,048 of its rows, so that the results of different searches can be merged
            (docs/standardization.md). The order of rows stays as it is;
            ``report.score_error_bound`` is that of the scores before.

        Returns
        -------
        SearchResult
            Unpacks as ``scores, indices``, each of shape (k,); carries ``.report``.

        Warns
        -----
        ConvergenceWarning
            As for `search`.

        Raises
        ------
        TypeError, ValueError
            For bad input, in a sentence that names the argument.
        """
        budget = seconds(timeout)
        settings = self._settings(C, prior, tol, max_iter, certify, standardize)
        threads = self._threads(n_threads)
        core = self._core
        k = rank_count(k, core.n_rows)
        query = self._query(
            core,
            self._positives(core, positives, positive_weights),
            self._negatives(core, negatives, negative_weight),
            candidates=candidates,
            background=background,
            include_positives=include_positives,
            duplicates=duplicates,
        )
        found = core.search_shared(query, k, settings, threads, budget)
        warn_unless_finished(found[2])
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
        C, prior, tol, max_iter, n_threads : optional
            Override the index's for this call.
        background, duplicates : optional
            Which rows are negatives, as for `search`.

        Returns
        -------
        ndarray, shape (n,) for one query, (m, n) for several, dtype of the rows
            ``-inf`` for rows that were removed.

        Warns
        -----
        ConvergenceWarning
            As for `search`.
        """
        settings = self._settings(C, prior, tol, max_iter)
        threads = self._threads(n_threads)
        vectors, single = self._queries(queries)
        core = self._core
        common = self._common(core, background=background, duplicates=duplicates)
        scores, _, reports = core.decision_function(vectors, settings, threads, common)
        warn_unless_finished(reports)
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
        positives, negatives, positive_weights, negative_weight : as for `search_shared`
            The examples; positives are needed.
        C, prior, tol, max_iter, n_threads : optional
            Override the index's for this call.
        background, duplicates : optional
            Which rows are negatives, as for `search_shared`.

        Returns
        -------
        ExemplarModel
            Weights, support rows and certificate. Owns its arrays.

        Warns
        -----
        ConvergenceWarning
            As for `search`.
        """
        settings = self._settings(C, prior, tol, max_iter)
        threads = self._threads(n_threads)
        core = self._core
        p = self._positives(core, positives, positive_weights)
        q = self._negatives(core, negatives, negative_weight)
        query = self._query(core, p, q, background=background, duplicates=duplicates)
        coef, intercept, dual, example_dual, reports = core.fit(query, settings, threads)
        warn_unless_finished(reports)
        report = BatchReport.from_core(reports)[0]
        support = np.flatnonzero(dual).astype(np.int64)
        return ExemplarModel(
            coef_=coef,
            intercept_=intercept,
            support_=support,
            dual_coef_=-dual[support],
            positive_dual_coef_=p.as_given(example_dual[: len(p)]),
            negative_dual_coef_=q.as_given(-example_dual[len(p) :]),
            mean_=core.mean(),
            duality_gap_=report.duality_gap,
            n_iter_=report.epochs,
            report_=report,
        )

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
        positives, negatives, positive_weights, negative_weight : optional
            The examples to begin with, as for `search_shared`.
        sketch : {"int8", None}, default "int8"
            What searches of the session scan. "int8": a sketch of the rows (see the class), the
            index's own or one that is made for its first session and kept for all: a quarter of
            float32 rows, which `memory_usage` counts. None: the rows, unless the index has a
            sketch. Without effect unless searches are by working set.
        n_threads : int, optional
            Threads per search. Default: the index's.

        Returns
        -------
        Session
            With ``like``, ``dislike``, ``forget`` and ``search``.

        Raises
        ------
        TypeError, ValueError
            For bad input, in a sentence that names the argument.
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

    def refresh(self) -> None:
        """Take notice of changed rows: computes anew what the index knows about them.

        Rows should not change while a search reads them: what it returns is then undefined. If the
        rows are refused, the index is as it was; removed rows stay removed.

        Raises
        ------
        ValueError
            If a row is not finite (unless ``check_finite=False``).
        """
        self._change(lambda core: core.refreshed(self._n_threads))

    def _change(self, change: Callable[[_core.Index], _core.Index]) -> _core.Index:
        """Put another snapshot in the place of the present one, and return that."""
        with self._changing.held():
            while True:
                before = self._core
                after = change(before)
                # Unless a signal's handler has changed the index meanwhile, in this thread.
                if self._core is before:
                    self._core = after
                    return before

    def _settings(
        self,
        C: float | None,
        prior: float | None,
        tol: float | None,
        max_iter: int | None,
        certify: int | None = None,
        standardize: bool = False,
    ) -> _core.SearchSettings:
        standardize = flag(standardize, "standardize")
        if C is prior is tol is max_iter is certify is None and not standardize:
            return self._default_settings
        default = self._built_with
        return _core.SearchSettings(
            C=default.C if C is None else moderate_number(C, "C"),
            prior=default.prior if prior is None else nonnegative_number(prior, "prior"),
            tol=default.tol if tol is None else positive_number(tol, "tol"),
            max_iter=(
                default.max_iter if max_iter is None else positive_integer(max_iter, "max_iter")
            ),
            certify=0 if certify is None else positive_integer(certify, "certify"),
            standardize=standardize,
        )

    def _threads(self, n_threads: int | None) -> int:
        return self._n_threads if n_threads is None else thread_count(n_threads)

    def _row_set(self, core: _core.Index) -> RowSet:
        return RowSet(core.n_rows, core.live(), self._sizes)

    def _queries(self, value: Rows) -> tuple[FloatArray, bool]:
        if not isinstance(value, (np.ndarray, bool)) and isinstance(value, numbers.Integral):
            raise TypeError(
                f"queries is the integer {shown(value)}, but must be one or several vectors"
                f"{_ROW_NUMBERS}"
            )
        holder = "the index holds rows"
        return as_vectors(value, "queries", self.dtype, self.n_features, holder, _ROW_NUMBERS)

    def _vectors(self, value: Rows, name: str) -> tuple[FloatArray, bool]:
        return as_vectors(value, name, self.dtype, self.n_features, "the index holds rows")

    def _like_own(self, value: Rows, name: str) -> FloatArray | SparseRows:
        """Vectors that stay sparse if the rows of the index are."""
        if isinstance(self._embeddings, SparseRows) and is_sparse(value):
            return as_sparse_vectors(
                value, name, self.dtype, self.n_features, "the index holds rows"
            )
        return self._vectors(value, name)[0]

    def _examples(
        self, known: RowSet, given: Examples | None, weights: Any, names: tuple[str, str]
    ) -> ExampleSet:
        return read_examples(given, weights, names, self.dtype, self.n_features, known)

    def _positives(self, core: _core.Index, positives: Examples, weights: Any) -> ExampleSet:
        names = "positives", "positive_weights"
        examples = self._examples(self._row_set(core), positives, weights, names)
        if len(examples) == 0:
            raise ValueError(
                "positives holds no examples, but at least one is needed: "
                "negatives alone do not say what to look for"
            )
        return examples

    def _negatives(self, core: _core.Index, negatives: Examples | None, weight: Any) -> ExampleSet:
        names = "negatives", "negative_weight"
        return self._examples(self._row_set(core), negatives, weight, names)

    @staticmethod
    def _require_disjoint(positives: ExampleSet, negatives: ExampleSet) -> None:
        both = set(positives.rows.tolist()) & set(negatives.rows.tolist())
        if both:
            raise ValueError(f"row {min(both)} is named in both positives and negatives")

    def _common(
        self,
        core: _core.Index,
        *,
        candidates: RowsChosen | None = None,
        background: RowsChosen | None = None,
        include_positives: bool = False,
        duplicates: DuplicatesName = "negative",
    ) -> _core.Query | None:
        """Read what queries have beside their examples; None where that is nothing unusual."""
        if (
            candidates is None
            and background is None
            and include_positives is False
            and isinstance(duplicates, str)
            and duplicates == "negative"
        ):
            return None
        return self._query(
            core,
            candidates=candidates,
            background=background,
            include_positives=include_positives,
            duplicates=duplicates,
        )

    def _query(
        self,
        core: _core.Index,
        positives: ExampleSet | None = None,
        negatives: ExampleSet | None = None,
        *,
        candidates: RowsChosen | None = None,
        background: RowsChosen | None = None,
        include_positives: bool = False,
        duplicates: DuplicatesName = "negative",
    ) -> _core.Query:
        one_of(duplicates, "duplicates", _DUPLICATES)
        nothing = self._negatives(core, None, None)
        p, q = positives or nothing, negatives or nothing
        self._require_disjoint(p, q)
        return _core.Query(
            positives=p.vectors,
            positive_rows=p.rows,
            positive_weights=p.weights,
            negatives=q.vectors,
            negative_rows=q.rows,
            negative_weights=q.weights,
            candidates=as_mask(candidates, "candidates", self._row_set(core)),
            background=as_mask(background, "background", self._row_set(core)),
            include_positives=flag(include_positives, "include_positives"),
            ignore_duplicates=duplicates == "ignore",
        )


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
