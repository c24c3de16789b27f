"""What files and pickles keep of an index: its settings, its rows, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._sparse import SparseRows
from ._typing import FloatArray, IndexArray
from ._validation import working_dtype


@dataclass(frozen=True)
class StoredRows:
    """The rows of an index as they are stored: those that it borrows, and those that were added."""

    rows: NDArray[Any] | SparseRows  # shape (n, d)
    row_scales: NDArray[np.float32] | None = None  # (n,), of int8 rows that have them
    added: FloatArray | SparseRows | None = None  # (m, d), of the dtype that is computed with

    @property
    def n_added(self) -> int:
        """Number of added rows."""
        return 0 if self.added is None else len(self.added)

    def vectors(self, numbers: IndexArray) -> FloatArray | SparseRows:
        """Copy some rows, as the values that searches compute with."""
        if isinstance(self.rows, SparseRows):
            both = [self.rows, *([self.added] if isinstance(self.added, SparseRows) else [])]
            return _sparse_vectors(both, numbers)
        out = np.empty((len(numbers), self.rows.shape[1]), working_dtype(self.rows.dtype))
        is_first = numbers < len(self.rows)
        first = self.rows[numbers[is_first]].astype(out.dtype)
        if self.row_scales is not None:
            first *= self.row_scales[numbers[is_first]][:, np.newaxis]
        out[is_first] = first
        if isinstance(self.added, np.ndarray):
            out[~is_first] = self.added[numbers[~is_first] - len(self.rows)]
        return out

    def only(self, numbers: IndexArray) -> StoredRows:
        """Copy the rows with these numbers, which ascend, as if they had been given together.

        Rows added to narrow ones are wider, and stay apart.
        """
        if isinstance(self.rows, SparseRows) or self.rows.dtype == working_dtype(self.rows.dtype):
            return StoredRows(self.vectors(numbers))
        first = numbers[numbers < len(self.rows)]
        scales = None if self.row_scales is None else self.row_scales[first]
        behind = StoredRows(self.rows, self.row_scales, self.added).vectors(numbers[len(first) :])
        return StoredRows(self.rows[first], scales, behind if len(behind) else None)

    def joined(self) -> StoredRows:
        """Return the same rows; sparse ones as one matrix, with none left to add."""
        if not isinstance(self.added, SparseRows) or len(self.added) == 0:
            return replace(self, added=None) if isinstance(self.rows, SparseRows) else self
        return StoredRows(self.vectors(np.arange(len(self.rows) + len(self.added))))


class SavedIndex(NamedTuple):
    """An index without its core: what a file or a pickle keeps."""

    settings: dict[str, Any]  # in types that JSON has
    stored: StoredRows
    parts: dict[str, NDArray[np.uint8]]  # what is known about the rows


def _sparse_vectors(parts: list[SparseRows], numbers: IndexArray) -> SparseRows:
    """Copy rows out of one or two matrices, whose rows are numbered consecutively."""
    first_rows = np.cumsum([0, *map(len, parts)])
    counts = np.concatenate([np.diff(part.indptr) for part in parts]).astype(np.int64)[numbers]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    column_dtype = parts[0].indices.dtype
    if indptr[-1] > np.iinfo(column_dtype).max:
        column_dtype = np.dtype(np.int64)
    data = np.empty(indptr[-1], parts[0].dtype)
    indices = np.empty(indptr[-1], column_dtype)
    for part, first_row in zip(parts, first_rows, strict=False):
        here = np.flatnonzero((numbers >= first_row) & (numbers < first_row + len(part)))
        starts = part.indptr.astype(np.int64)[numbers[here] - first_row]
        source, target = _entries(starts, counts[here]), _entries(indptr[here], counts[here])
        data[target], indices[target] = part.data[source], part.indices[source]
    shape = len(numbers), parts[0].shape[1]
    narrowed: Any = indptr.astype(column_dtype)
    return SparseRows(data, indices, narrowed, shape)


def _entries(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the entries of rows, given where each begins and how many it has."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())
