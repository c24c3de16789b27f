"""The arguments of a search: examples, masks and vectors, read for one snapshot of an index."""

from __future__ import annotations

import numbers
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._examples import ExampleSet, RowSet, as_mask, read_examples
from ._typing import DuplicatesName, Examples, FloatArray, Rows, RowsChosen
from ._validation import as_vectors, flag, one_of, rank_count, shown

#: The values of ``duplicates=``, the default first.
_DUPLICATES: tuple[DuplicatesName, ...] = ("negative", "ignore")
#: Ends an error about queries that are integers.
_ROW_NUMBERS = "; row numbers are for search_shared and fit: search_shared([17])"


class QueryReader(NamedTuple):
    """Checks the arguments of a call, and turns them into what the core takes."""

    core: _core.Index  # a snapshot, which never changes
    dtype: np.dtype[Any]  # of vectors
    n_features: int
    sizes: Collection[int]  # every number of rows that the index has had

    @property
    def rows(self) -> RowSet:
        """The rows that examples and masks may name."""
        return RowSet(self.core.n_rows, self.core.live(), self.sizes)

    def ranks(self, k: Any, n_queries: int = 1) -> int:
        """Read ``k=``."""
        return rank_count(k, self.core.n_rows, n_queries)

    def vectors(self, value: Rows, name: str, aside: str = "") -> tuple[FloatArray, bool]:
        """Read vectors, and whether one was given alone. ``aside`` ends errors about integers."""
        return as_vectors(value, name, self.dtype, self.n_features, "the index holds rows", aside)

    def queries(self, value: Rows) -> tuple[FloatArray, bool]:
        """Read ``queries=``: vectors, but no row numbers."""
        if not isinstance(value, (np.ndarray, bool)) and isinstance(value, numbers.Integral):
            raise TypeError(
                f"queries is the integer {shown(value)}, but must be one or several vectors"
                f"{_ROW_NUMBERS}"
            )
        return self.vectors(value, "queries", _ROW_NUMBERS)

    def examples(
        self,
        given: Examples | None,
        weights: Any,
        names: tuple[str, str],
        rows: RowSet | None = None,
    ) -> ExampleSet:
        """Read examples of one label: vectors, row numbers, or both; by default of live rows."""
        known = self.rows if rows is None else rows
        return read_examples(given, weights, names, self.dtype, self.n_features, known)

    def positives(self, given: Examples | None, weights: Any) -> ExampleSet:
        """Read ``positives=`` and ``positive_weights=``."""
        return self.examples(given, weights, ("positives", "positive_weights"))

    def negatives(self, given: Examples | None, weights: Any) -> ExampleSet:
        """Read ``negatives=`` and ``negative_weight=``."""
        return self.examples(given, weights, ("negatives", "negative_weight"))

    def query(
        self,
        positives: ExampleSet,
        negatives: ExampleSet,
        *,
        candidates: RowsChosen | None = None,
        background: RowsChosen | None = None,
        include_positives: bool = False,
        duplicates: DuplicatesName = "negative",
    ) -> _core.Query:
        """Put examples and masks together."""
        one_of(duplicates, "duplicates", _DUPLICATES)
        require_disjoint(positives, negatives)
        return _core.Query(
            positives=positives.vectors,
            positive_rows=positives.rows,
            positive_weights=positives.weights,
            negatives=negatives.vectors,
            negative_rows=negatives.rows,
            negative_weights=negatives.weights,
            candidates=as_mask(candidates, "candidates", self.rows),
            background=as_mask(background, "background", self.rows),
            include_positives=flag(include_positives, "include_positives"),
            ignore_duplicates=duplicates == "ignore",
        )

    def common(
        self,
        *,
        candidates: RowsChosen | None = None,
        background: RowsChosen | None = None,
        include_positives: bool = False,
        duplicates: DuplicatesName = "negative",
    ) -> _core.Query | None:
        """Read what queries have beside their examples; None if that is the default."""
        if (
            candidates is None
            and background is None
            and include_positives is False
            and isinstance(duplicates, str)
            and duplicates == "negative"
        ):
            return None
        nothing = self.negatives(None, None)
        return self.query(
            nothing,
            nothing,
            candidates=candidates,
            background=background,
            include_positives=include_positives,
            duplicates=duplicates,
        )


def require_positives(n_positives: int, holder: str) -> None:
    """Raise ValueError if a search has nothing to look for."""
    if n_positives == 0:
        raise ValueError(
            f"{holder}, but at least one is needed: negatives alone do not say what to look for"
        )


def require_disjoint(positives: ExampleSet, negatives: ExampleSet) -> None:
    """Raise ValueError if a row is an example of both labels."""
    both = set(positives.rows.tolist()) & set(negatives.rows.tolist())
    if both:
        raise ValueError(f"row {min(both)} is named in both positives and negatives")
