"""Positives and negatives as they are given: vectors, row numbers, or both together."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import as_array
from ._sparse import is_sparse
from ._typing import FloatArray, IndexArray
from ._validation import as_vectors, positive_number


class RowSet(NamedTuple):
    """The rows of an index: which numbers there are, and which of them are live."""

    n_rows: int
    live: NDArray[np.uint8] | None  # 0 for rows that were removed; None: none was

    @classmethod
    def of(cls, core: _core.Index) -> RowSet:
        return cls(core.n_rows, core.live())

    def require(self, rows: IndexArray, name: str) -> None:
        """Raise ValueError unless all of these are live rows."""
        outside = (rows < 0) | (rows >= self.n_rows)
        if outside.any():
            raise ValueError(
                f"{name} holds the row number {rows[np.argmax(outside)]}, "
                f"but the index holds the rows 0 to {self.n_rows - 1}"
                if self.n_rows
                else f"{name} holds row numbers, but the index holds no rows"
            )
        if self.live is not None and not self.live[rows].all():
            removed = rows[np.argmin(self.live[rows])]
            raise ValueError(f"{name} holds the row number {removed}, but that row was removed")


class ExampleSet(NamedTuple):
    """Examples of one label as the core takes them: the vectors, then the rows.

    ``places`` tells for each example, in the order in which they were given, where it is now.
    """

    vectors: FloatArray  # (n_vectors, n_features)
    rows: IndexArray
    weights: NDArray[np.float64]  # empty: one
    places: IndexArray

    def __len__(self) -> int:
        return len(self.places)


def read_examples(
    given: Any,
    weights: Any,
    names: tuple[str, str],
    rows_dtype: np.dtype[Any],
    n_features: int,
    known: RowSet,
) -> ExampleSet:
    """Check examples and tell vectors from row numbers.

    Integers are row numbers, alone, in a list or in a one-dimensional array; everything else is
    a vector, or several of them.

    Parameters
    ----------
    given : row number, vector, array of either, list of both, or None
    weights : number, array-like or None
        One for all examples or one each.
    names : (str, str)
        What the two are called, for messages.
    rows_dtype : dtype
        Of the rows: vectors are cast to it.
    n_features : int
        Of the rows.
    known : RowSet
        The rows that may be named.
    """
    name = names[0]
    holder = "the index holds rows"

    def vectors_of(value: Any, called: str = name) -> FloatArray:
        return as_vectors(value, called, rows_dtype, n_features, holder)[0]

    if not (given is None or isinstance(given, (Sequence, numbers.Number))):
        given = as_array(given, name)
    rows: list[int] | IndexArray = []
    numbered: NDArray[np.bool_] | None = None  # which of several are row numbers; None: none is
    if given is None or (isinstance(given, Sequence) and len(given) == 0):
        vectors = np.empty((0, n_features), rows_dtype)
    elif _is_row_number(given):
        vectors, rows = np.empty((0, n_features), rows_dtype), [int(given)]
    elif _are_row_numbers(given):
        vectors, rows = np.empty((0, n_features), rows_dtype), _int64(given)
    elif isinstance(given, Sequence) and any(
        _is_row_number(example) or is_sparse(example) for example in given
    ):
        if all(isinstance(example, numbers.Real) for example in given):
            vectors = vectors_of(given)  # one vector, written with some integers
        else:
            numbered = np.array([_is_row_number(example) for example in given])
            rows = [int(example) for example in given if _is_row_number(example)]
            vectors = np.concatenate(
                [
                    _one_vector(vectors_of(example, f"{name}[{i}]"), f"{name}[{i}]")
                    for i, example in enumerate(given)
                    if not _is_row_number(example)
                ]
            )
    else:
        if isinstance(given, np.ndarray) and given.dtype == np.bool_:
            raise TypeError(f"{name} is a mask; give row numbers: np.flatnonzero(mask)")
        vectors = vectors_of(given)

    row_numbers = _int64(rows)
    known.require(row_numbers, name)
    count = len(vectors) + len(row_numbers)
    if numbered is None:
        places = np.arange(count)
    else:
        places = np.where(
            numbered, len(vectors) + np.cumsum(numbered) - 1, np.cumsum(~numbered) - 1
        )
    return ExampleSet(vectors, row_numbers, _weights(weights, names[1], name, places), places)


def as_row_numbers(value: Any, name: str, known: RowSet) -> IndexArray:
    """Read a row number or several, all of live rows."""
    array = as_array(value, name)
    if array.dtype == np.bool_:
        raise TypeError(f"{name} is a mask; give row numbers: np.flatnonzero(mask)")
    if array.ndim > 1:
        raise ValueError(f"{name} has {array.ndim} dimensions, but must have 1")
    if array.size and array.dtype.kind not in "iuO":
        raise TypeError(f"{name} has dtype {array.dtype}, but must be row numbers")
    rows = _int64(array)
    known.require(rows, name)
    return rows


def as_mask(value: Any, name: str, known: RowSet) -> NDArray[np.uint8] | None:
    """Read a boolean mask of the rows, or row numbers, as one byte per row.

    A mask may have rows that were removed; they are not looked at.
    """
    if value is None:
        return None
    n_rows = known.n_rows
    array = as_array(value, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has {array.ndim} dimensions, but must have 1")
    if array.dtype == np.bool_:
        if len(array) != n_rows:
            raise ValueError(f"{name} is a mask of {len(array)} rows, but the index holds {n_rows}")
        return np.ascontiguousarray(array).view(np.uint8)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} has dtype {array.dtype}, but must be a boolean mask or row numbers"
        )
    row_numbers = _int64(array)
    known.require(row_numbers, name)
    mask = np.zeros(n_rows, np.uint8)
    mask[row_numbers] = 1
    return mask


def _is_row_number(value: Any) -> bool:
    if getattr(value, "ndim", None) == 0 and not isinstance(value, np.generic):
        return as_array(value, "a row number").dtype.kind in "iu"
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _are_row_numbers(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim < 2 and value.dtype.kind in "iu"
    if isinstance(value, range):
        return True
    return (
        isinstance(value, Sequence)
        and len(value) > 0
        and not isinstance(value, (str, bytes))
        and all(_is_row_number(example) for example in value)
    )


def _int64(rows: Iterable[int] | NDArray[Any]) -> IndexArray:
    array = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows))
    # A number that int64 does not hold is no row either; it becomes one that is out of range.
    if array.dtype.kind == "u":
        array = array.astype(np.uint64)
    if array.dtype.kind in "uO":
        array = np.minimum(array, np.iinfo(np.int64).max)
    return np.atleast_1d(np.ascontiguousarray(array, dtype=np.int64))


def _one_vector(vectors: FloatArray, name: str) -> FloatArray:
    if len(vectors) != 1:
        raise ValueError(f"{name} holds {len(vectors)} vectors, but must be one, or a row number")
    return vectors


def _weights(value: Any, name: str, of: str, places: IndexArray) -> NDArray[np.float64]:
    """Read one weight for all examples, or one each, into the order of the core."""
    if value is None:
        return np.empty(0)
    if isinstance(value, numbers.Real):
        return np.full(len(places), positive_number(value, name))
    array = as_array(value, name)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} has dtype {array.dtype}, but must hold numbers")
    if array.shape != places.shape:
        raise ValueError(
            f"{name} has the shape {array.shape}, but {of} holds {len(places)} examples"
        )
    weights = np.empty(len(places))
    weights[places] = array
    for weight in array:
        positive_number(float(weight), name)
    return weights
