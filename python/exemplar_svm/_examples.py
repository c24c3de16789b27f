"""Examples and masks: vectors, row numbers, or both, read into what the core takes."""

from __future__ import annotations

import array as typed_arrays
import numbers
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._arrays import as_array
from ._sparse import is_sparse
from ._typing import FloatArray, IndexArray
from ._validation import as_vectors, moderate_number, shown

#: Ends an error about a vector of integers, which may have been meant as row numbers.
_OF_INTEGERS = "; row numbers are Python integers, or 32 or 64 bits wide and in one dimension"


class RowSet(NamedTuple):
    """The rows of an index: which numbers there are, and which of them are live."""

    n_rows: int
    live: NDArray[np.uint8] | None  # 0 for removed rows; None: no row was removed
    sizes: Collection[int] = ()  # every n_rows that the index has had

    def read(self, given: NDArray[Any] | Sequence[int], name: str, aside: str = "") -> IndexArray:
        """Read row numbers, of live rows or not; ``aside`` ends an error about one."""
        if isinstance(given, np.ndarray):
            outside = given[(given < 0) | (given >= self.n_rows)].tolist()
        else:  # of any size: int64 may not hold them
            outside = [row for row in given if not 0 <= row < self.n_rows]
        if outside:
            raise ValueError(
                f"{name} holds the row number {shown(outside[0])}, "
                f"but the index holds the rows 0 to {self.n_rows - 1}{aside}"
                if self.n_rows
                else f"{name} holds row numbers, but the index holds no rows"
            )
        return np.ascontiguousarray(given, dtype=np.int64)

    def require_no_mask(self, rows: IndexArray, name: str) -> None:
        """Raise ValueError for as many zeros and ones as a mask has."""
        n = len(rows)
        if n > 2 and (n == self.n_rows or n in self.sizes) and rows.max() <= 1:
            raise ValueError(
                f"{name} holds {n} integers that are all 0 or 1, as many as the index has rows. "
                "Make a mask boolean: .astype(bool). Name each row once: np.unique(...)"
            )

    def require_live(self, rows: IndexArray, name: str) -> None:
        """Raise ValueError if one of these rows was removed."""
        if self.live is not None and not self.live[rows].all():
            removed = rows[np.argmin(self.live[rows])]
            raise ValueError(f"{name} holds the row number {removed}, but that row was removed")


class ExampleSet(NamedTuple):
    """Examples of one label as the core takes them: the vectors, then the rows, each once.

    ``places`` holds the place of each example, in the order in which they were given.
    """

    vectors: FloatArray  # (n_vectors, n_features)
    rows: IndexArray
    weights: NDArray[np.float64]  # empty: all 1
    places: IndexArray

    def __len__(self) -> int:
        return len(self.vectors) + len(self.rows)

    def as_given(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put one value per example into the order in which the examples were given.

        The value of a row that was named more than once stands at its last place, with zeros at the
        others, so that sums over the examples stay the same.
        """
        last = np.empty(len(self), np.intp)
        last[self.places] = np.arange(len(self.places))
        ordered = np.zeros(len(self.places))
        ordered[last] = values
        return ordered


def read_examples(
    given: Any,
    weights: Any,
    names: tuple[str, str],
    rows_dtype: np.dtype[Any],
    n_features: int,
    known: RowSet,
) -> ExampleSet:
    """Check examples and tell vectors from row numbers.

    Row numbers are Python integers, and other integers of 32 or 64 bits: alone, in a list, or in an
    array of one dimension. Everything else is a vector: also integers of fewer bits, arrays of two
    dimensions, and a list of numbers that are not all integers. A row is one example however often
    it is named, and its last weight counts.

    Row numbers that look like something else are refused: as many as there are features with one
    of them repeated, like a vector of integers, and as many zeros and ones as there are rows.

    Parameters
    ----------
    given : row number, vector, array of either, list of both, or None
    weights : number, array-like or None
        One for all examples, or one each.
    names : (str, str)
        The names of these two arguments, for messages.
    rows_dtype : dtype
        Of the rows; vectors are cast to it.
    n_features : int
        Of the rows.
    known : RowSet
        The rows that may be named.
    """
    name = names[0]

    def vectors_of(value: Any, called: str = name) -> FloatArray:
        array = as_array(value, called)
        if array.dtype == np.bool_:
            raise TypeError(f"{called} is a mask; give row numbers: np.flatnonzero(mask)")
        holder = "the index holds rows"
        return as_vectors(array, called, rows_dtype, n_features, holder, _OF_INTEGERS)[0]

    vectors, rows = np.empty((0, n_features), rows_dtype), np.empty(0, np.int64)
    is_row: list[bool] | None = None  # of examples of both kinds
    examples = _as_list(given, name)
    if examples is None:
        array = as_array(given, name)
        if array.ndim == 1 and _is_wide(array):
            rows = _read_rows(array, name, n_features, known)
        else:
            vectors = vectors_of(array)
    elif examples:
        named = [_row_number(example, f"{name}[{i}]") for i, example in enumerate(examples)]
        numbers_of_rows = [number for number in named if number is not None]
        if len(numbers_of_rows) == len(named):
            rows = _read_rows(numbers_of_rows, name, n_features, known)
        elif all(isinstance(example, numbers.Real) for example in examples) or not (
            numbers_of_rows or any(map(is_sparse, examples))
        ):  # one vector, whose elements may include integers, or several vectors
            vectors = vectors_of(given)
        else:
            is_row = [number is not None for number in named]
            rows = known.read(numbers_of_rows, name)
            vectors = np.concatenate(
                [
                    _one_vector(vectors_of(example, f"{name}[{i}]"), f"{name}[{i}]")
                    for i, example in enumerate(examples)
                    if not is_row[i]
                ]
            )
    known.require_live(rows, name)

    distinct = list(dict.fromkeys(rows.tolist()))
    n_vectors, n_examples = len(vectors), len(vectors) + len(distinct)
    places = np.arange(n_vectors + len(rows))
    if len(distinct) < len(rows):
        place_of = {row: n_vectors + i for i, row in enumerate(distinct)}
        places[n_vectors:] = [place_of[row] for row in rows.tolist()]
        rows = np.array(distinct, np.int64)
    if is_row is not None:  # from vectors before rows into the order that was given
        places = places[np.argsort(np.argsort(is_row, kind="stable"))]
    return ExampleSet(vectors, rows, _weights(weights, names[1], name, places, n_examples), places)


def as_row_numbers(value: Any, name: str, known: RowSet) -> IndexArray:
    """Read one or several numbers of live rows."""
    number = _row_number(value, name)
    array = as_array(value, name) if number is None else np.empty(0)
    if array.dtype.kind == "O" and isinstance(value, list) and all(type(v) is int for v in value):
        array = np.clip(array, -1, known.n_rows).astype(np.int64)  # some exceed 64 bits
    if array.dtype == np.bool_:
        raise TypeError(f"{name} is a mask; give row numbers: np.flatnonzero(mask)")
    if array.ndim > 1:
        raise ValueError(f"{name} has {array.ndim} dimensions, but must have 1")
    if number is None and array.size and not (array.ndim == 1 and _is_wide(array)):
        raise TypeError(
            f"{name} has dtype {array.dtype}, but must be row numbers, of 32 or 64 bits"
        )
    rows = known.read(array if number is None else [number], name)
    known.require_no_mask(rows, name)
    known.require_live(rows, name)
    return rows


def as_mask(value: Any, name: str, known: RowSet) -> NDArray[np.uint8] | None:
    """Read a boolean mask of the rows, or row numbers, as one byte per row.

    Removed rows may be among them; searches ignore them. A mask as long as the index once was
    leaves out the rows that were added since.
    """
    if value is None:
        return None
    n_rows = known.n_rows
    array = as_array(value, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has {array.ndim} dimensions, but must have 1")
    mask = np.zeros(n_rows, np.uint8)
    if array.dtype == np.bool_:
        if len(array) == n_rows:
            return np.ascontiguousarray(array).view(np.uint8)
        if len(array) > n_rows or len(array) not in known.sizes:
            raise ValueError(f"{name} is a mask of {len(array)} rows, but the index holds {n_rows}")
        mask[: len(array)] = array
    elif array.size:
        if not _is_wide(array):
            raise TypeError(
                f"{name} has dtype {array.dtype}, but must be a boolean mask, or row numbers "
                "of 32 or 64 bits"
            )
        rows = known.read(array, name)
        known.require_no_mask(rows, name)
        mask[rows] = 1
    return mask


def _as_list(given: Any, name: str) -> Sequence[Any] | None:
    """Return examples that are given one by one, as a sequence; None for an array."""
    if given is None:
        return ()
    if _row_number(given, name) is not None:
        return (given,)
    # Sequences whose values have one type are arrays.
    if not isinstance(given, Sequence) or isinstance(
        given, (str, bytes, bytearray, memoryview, typed_arrays.array)
    ):
        return None
    if any(isinstance(example, (bool, np.bool_)) for example in given):
        raise TypeError(
            f"{name} holds booleans, but must hold vectors or row numbers; "
            "for the rows of a mask: np.flatnonzero(mask)"
        )
    return given


def _row_number(value: Any, name: str) -> int | None:
    """Return a single value as a row number; None if it is something else."""
    if type(value) is int:
        return value
    if getattr(value, "ndim", None) == 0:
        array = as_array(value, name)
        return int(array) if _is_wide(array) else None
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return int(value) if is_integer else None


def _is_wide(array: NDArray[Any]) -> bool:
    """Whether integers are row numbers. Narrower ones are codes: the elements of vectors."""
    return array.dtype.kind in "iu" and array.itemsize >= 4


def _read_rows(
    given: NDArray[Any] | list[int], name: str, n_features: int, known: RowSet
) -> IndexArray:
    """Read row numbers, unless they look like a vector or a mask."""
    as_vector = "; if this is a vector, make it one of floats: np.asarray(..., dtype=float)"
    rows = known.read(given, name, as_vector if len(given) == n_features > 1 else "")
    known.require_no_mask(rows, name)
    if len(rows) == n_features and len(np.unique(rows)) < n_features:
        raise ValueError(
            f"{name} holds {n_features} integers, as many as a row has features, and one of them "
            f"repeats{as_vector}. If these are row numbers, name each row once: np.unique(...)"
        )
    return rows


def _one_vector(vectors: FloatArray, name: str) -> FloatArray:
    if len(vectors) != 1:
        raise ValueError(f"{name} holds {len(vectors)} vectors, but must be one, or a row number")
    return vectors


def _weights(
    value: Any, name: str, of: str, places: IndexArray, n_examples: int
) -> NDArray[np.float64]:
    """Read one weight for all examples, or one each, and put them into the order of the core."""
    if value is None:
        return np.empty(0)
    if isinstance(value, numbers.Number) or getattr(value, "ndim", None) == 0:
        return np.full(n_examples, moderate_number(value, name))
    array = as_array(value, name)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} has dtype {array.dtype}, but must hold numbers")
    if array.shape != places.shape:
        raise ValueError(
            f"{name} has the shape {array.shape}, but {of} holds {len(places)} examples"
        )
    given = array.astype(np.float64)
    for bad in given[~((given >= 1e-60) & (given <= 1e60))][:1]:
        moderate_number(bad, name)
    weights = np.empty(n_examples)
    weights[places] = given  # of several weights for one row, the last
    return weights
