"""Searches whose examples come one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from . import _core
from ._convergence import warn_unless_finished
from ._docs import documented
from ._examples import ExampleSet, RowSet
from ._locks import ForkableLock
from ._query import require_disjoint, require_positives
from ._renamed import renamed_keyword
from ._result import SearchResult
from ._settings import sketch_type
from ._snapshots import Snapshots
from ._typing import DuplicatesName, Examples, RowsChosen
from ._validation import seconds, thread_count


class _Searched(Protocol):
    """An `ExemplarIndex`, as far as a session knows it."""

    _snapshots: Snapshots


class Session:
    """Relevance feedback: searches whose examples are liked and disliked one after the other.

    Made by `ExemplarIndex.session`. Every search trains the SVM of all examples so far to
    convergence, with the certificate of `ExemplarIndex.search_shared`, but begins where the last
    search ended.

    A session keeps the rows of its index, copies of its example vectors, and a workspace: about 30
    bytes per row, and copies of the working set. It serves one thread at a time; several sessions
    of an index may search at once. After `ExemplarIndex.refresh`, `add` or `remove`, the next
    search sees the rows as they are then, and solves afresh.

    Examples
    --------
    >>> import numpy as np, exemplar_svm as esvm
    >>> rows = np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
    >>> session = esvm.ExemplarIndex(rows).session([17])
    >>> scores, indices = session.search(k=5)
    >>> session.like(indices[0])
    >>> session.dislike(indices[4])
    >>> scores, indices = session.search(k=5)
    """

    def __init__(
        self,
        index: _Searched,
        positives: Examples | None = None,
        negatives: Examples | None = None,
        *,
        positive_weights: Any = None,
        negative_weight: Any = None,
        sketch: Literal["int8"] | None = "int8",
        n_threads: int | None = None,
    ) -> None:
        kept = sketch_type(sketch)
        self._snapshots = index._snapshots
        self._lock = ForkableLock(reentrant=False)
        self._n_threads = self._snapshots.threads(n_threads)
        self._reader = self._snapshots.reader()  # of the snapshot that the session is at
        liked = self._reader.positives(positives, positive_weights)
        disliked = self._reader.negatives(negatives, negative_weight)
        require_disjoint(liked, disliked)
        self._core = _core.Session(self._reader.core, sketch=kept, n_threads=self._n_threads)
        self._add(liked, positive=True)
        self._add(disliked, positive=False)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            "a session can be neither pickled nor copied, because its workspace belongs to its "
            "last search. Pickle or copy the index, and begin another session: "
            "index.session(positives, negatives)"
        )

    def __repr__(self) -> str:
        return (
            f"Session({self._core.n_positives} positives and {self._core.n_negatives} negatives, "
            f"ExemplarIndex({self._snapshots}))"
        )

    def like(self, positives: Examples, weight: Any = None) -> None:
        """Add positives.

        Parameters
        ----------
        positives : vector, vectors, row numbers, or a list of vectors and row numbers
            As for `ExemplarIndex.search_shared`. A row is one example however often it is named,
            and the last call counts: a row that was disliked changes sides.
        weight : number or array-like, one per example, optional
            Factor on the cost of these examples. Default: 1.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the argument. The session is then unchanged.
        RuntimeError
            If another thread is using the session.
        """
        with self._alone():
            self._follow(self._n_threads)
            liked = self._reader.examples(positives, weight, ("positives", "weight"))
            self._add(liked, positive=True)

    def dislike(self, negatives: Examples, weight: Any = None) -> None:
        """Add negatives.

        Parameters
        ----------
        negatives : vector, vectors, row numbers, or a list of vectors and row numbers
            As for `like`: a row that was liked changes sides.
        weight : number or array-like, one per example, optional
            Factor on the cost of these examples, relative to that of a positive. Default: 1.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As for `like`.
        """
        with self._alone():
            self._follow(self._n_threads)
            disliked = self._reader.examples(negatives, weight, ("negatives", "weight"))
            self._add(disliked, positive=False)

    def forget(self, examples: Examples) -> None:
        """Remove examples, positive or negative ones.

        Parameters
        ----------
        examples : vector, vectors, row numbers, or a list of vectors and row numbers
            A vector stands for all examples that equal it, element by element.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As for `like`. ValueError also if one of them is no example of the session; those before
            it are then forgotten.
        """
        with self._alone():
            # Rows that were removed from the index since can be forgotten, too.
            known = RowSet(self._reader.core.n_rows, None)
            given = self._reader.examples(examples, None, ("examples", "weight"), known)
            for vector in given.vectors:
                if not self._core.forget_vector(vector):
                    raise ValueError("examples holds a vector that is not in the session")
            for row in given.rows.tolist():
                if not self._core.forget_row(row):
                    raise ValueError(f"examples holds row {row}, which is not in the session")

    @renamed_keyword("calibrate", "standardize")
    @documented
    def search(
        self,
        k: int = 10,
        *,
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
        """Train one SVM with the examples so far and return its k best rows.

        Parameters
        ----------
        k : int, default 10
        include_positives : bool, default False
            Return rows that are positives, too.
        %(overrides)s
        %(certify)s
        n_threads : int, optional
            Threads for this call. Default: those of the session.
        %(candidates)s
        %(background)s
        %(timeout)s
        %(standardize)s

        Returns
        -------
        SearchResult
            What `ExemplarIndex.search_shared` returns for the same examples: the same ranking as
            far as it is certified, and scores within ``score_error_bound`` of the same exact ones.

        Warns
        -----
        %(ConvergenceWarning)s

        Raises
        ------
        %(bad_input)s
        ValueError
            If there is no positive, or if a row that is an example has been removed from the index.
        RuntimeError
            If another thread is using the session.
        """
        budget = seconds(timeout)
        settings = self._snapshots.search_settings(C, prior, tol, max_iter, certify, standardize)
        threads = self._n_threads if n_threads is None else thread_count(n_threads)
        with self._alone():
            self._follow(threads)
            k = self._reader.ranks(k)
            common = self._reader.common(
                candidates=candidates,
                background=background,
                include_positives=include_positives,
                duplicates=duplicates,
            )
            require_positives(self._core.n_positives, "the session has no positives")
            self._reader.rows.require_live(self._core.rows(), "the session")
            found = self._core.search(self._reader.core, k, settings, threads, budget, common)
        warn_unless_finished(found[2])
        return SearchResult._from_core(found, single=True)

    def _follow(self, n_threads: int) -> None:
        """Go on with the rows as they are now."""
        core = self._snapshots.core
        if core is not self._reader.core:
            self._core.follow(core, n_threads)
            self._reader = self._snapshots.reader(core)

    def _add(self, examples: ExampleSet, *, positive: bool) -> None:
        weights = examples.weights.tolist() or [1.0] * len(examples)
        n_vectors = len(examples.vectors)
        for vector, weight in zip(examples.vectors, weights[:n_vectors], strict=True):
            self._core.add_vector(vector, positive, weight)
        for row, weight in zip(examples.rows.tolist(), weights[n_vectors:], strict=True):
            self._core.add_row(row, positive, weight)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock.held(wait=False) as is_alone:
            if not is_alone:
                raise RuntimeError(
                    "the session is in use by another thread, but serves one at a time: "
                    "give each thread its own, index.session(...)"
                )
            if self._lock.was_held:
                self._core.recover(self._reader.core, self._n_threads)
                self._lock.was_held = False
            yield
