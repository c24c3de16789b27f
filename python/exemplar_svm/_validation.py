"""Arguments: checked, and viewed as arrays that the core reads in place.

Errors are reported here, in sentences that name the argument. The extension checks again only what
memory safety rests on.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import as_array
from ._sparse import SparseRows, as_sparse_rows, is_sparse
from ._typing import ClassWeightLike, FloatArray, Rows

_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))
#: Stored as they are, and widened to float32 as they are read. bfloat16, of ml_dtypes, is known by
#: its name, so that ml_dtypes need not be installed.
_NARROW = ("float16", "bfloat16", "int8")

#: A result may have this many ranks, however few rows there are. More ranks need rows to fill them.
_MOST_PADDED = 1 << 20


def shown(value: Any) -> str:
    """Return a value for a sentence, in at most 80 characters."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = str(value) if isinstance(value, (numbers.Number, np.ndarray)) else repr(value)
    except ValueError:  # more digits than Python prints
        return f"a {type(value).__name__} of very many digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def positive_number(value: Any, name: str) -> float:
    """Return ``value`` as a float that is positive and finite."""
    number = _number(value, name)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} is {shown(value)}, but must be positive and finite")
    return number


def moderate_number(value: Any, name: str) -> float:
    """Return ``value`` as a positive float whose products with others do not overflow."""
    number = positive_number(value, name)
    if not 1e-60 <= number <= 1e60:
        raise ValueError(f"{name} is {shown(value)}, but must be between 1e-60 and 1e60")
    return number


def nonnegative_number(value: Any, name: str) -> float:
    """Return ``value`` as a float that is zero or positive, and at most 1e60."""
    number = _number(value, name)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} is {shown(value)}, but must be zero or positive, and finite")
    if number > 1e60:  # products with others overflow
        raise ValueError(f"{name} is {shown(value)}, but must be at most 1e60")
    return number


def positive_integer(value: Any, name: str, *, largest: float = 2**31 - 1) -> int:
    """Return ``value`` as an int between 1 and ``largest``."""
    number = value if type(value) is int else _integer(value, name)
    if not 0 < number <= largest:
        bounds = "positive" if largest == math.inf else f"between 1 and {largest}"
        raise ValueError(f"{name} is {shown(value)}, but must be {bounds}")
    return number


def rank_count(k: Any, n_rows: int, n_queries: int = 1) -> int:
    """Return ``k``, which may exceed the number of rows, within bounds."""
    ranks = positive_integer(k, "k", largest=math.inf)
    if ranks > max(n_rows, _MOST_PADDED // max(n_queries, 1)):
        queries = "" if n_queries == 1 else f" for {n_queries} queries together"
        raise ValueError(
            f"k is {shown(ranks)}, but the index holds {_counted(n_rows, 'row')}, and results are "
            f"padded to at most {_MOST_PADDED} ranks{queries}; k=len(index) ranks all rows"
        )
    return ranks


def flag(value: Any, name: str) -> bool:
    """Return a bool. 0 and 1 will do; other values that are true in Python will not."""
    if value is True or value is False:
        return value
    scalar = _scalar(value)
    if isinstance(scalar, (numbers.Integral, np.bool_)) and scalar in (0, 1):
        return bool(scalar)
    raise TypeError(f"{name} is {shown(value)}, but must be True or False")


def copy_mode(copy: Any) -> bool | None:
    """Read ``copy=``, which means what it means in NumPy 2."""
    return None if copy is None else flag(copy, "copy")


def one_of(value: Any, name: str, known: Collection[str | None]) -> Any:
    """Return ``value`` if it is one of the known ones."""
    if (value is None or isinstance(value, str)) and value in known:
        return value
    *others, last = (repr(choice) for choice in known)
    raise ValueError(f"{name} is {shown(value)}, but must be {', '.join(others)} or {last}")


def thread_count(n_threads: Any) -> int:
    """Return the number of threads, 0 for OpenMP's own default."""
    return 0 if n_threads is None else positive_integer(n_threads, "n_threads", largest=4096)


def seconds(timeout: float | None) -> float:
    """Return a timeout in seconds; infinity if there is none."""
    return math.inf if timeout is None else positive_number(timeout, "timeout")


def class_weights(class_weight: ClassWeightLike) -> tuple[float, float] | None:
    """Return the weights of the positives and the negatives; None means balanced."""
    if class_weight is None:
        return 1.0, 1.0
    if isinstance(class_weight, str) and class_weight == "balanced":
        return None
    if not isinstance(class_weight, Mapping):
        error = ValueError if isinstance(class_weight, str) else TypeError
        raise error(
            f"class_weight is {shown(class_weight)}, but must be 'balanced', None, "
            "or a mapping with the keys 1 and -1"
        )
    unknown = set(class_weight) - {1, -1}
    if unknown:
        raise ValueError(
            f"class_weight has the key {shown(unknown.pop())}, but its keys must be "
            "1 (the positives) and -1 (the rows)"
        )
    return (
        moderate_number(class_weight.get(1, 1.0), "class_weight of the positives"),
        moderate_number(class_weight.get(-1, 1.0), "class_weight of the rows"),
    )


def working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that rows of this dtype are computed with: their own, or float32."""
    return np.dtype(np.float32) if dtype.name in _NARROW else dtype


def as_rows(value: Rows, name: str, copy: bool | None) -> NDArray[Any] | SparseRows:
    """View ``value``, dense or sparse, as rows that the core reads in place.

    Parameters and errors are those of `as_dense_rows` and `as_sparse_rows`.
    """
    if isinstance(value, SparseRows):
        return value
    if is_sparse(value):
        return as_sparse_rows(value, name, copy)
    return as_dense_rows(value, name, copy)


def as_dense_rows(value: Rows, name: str, copy: bool | None) -> NDArray[Any]:
    """View ``value`` as dense rows that the core reads in place.

    Parameters
    ----------
    value : array-like, shape (n_rows, n_features)
    name : str
        The argument's name, for messages.
    copy : bool or None
        As in NumPy 2: None copies only if it must, False raises instead, True always copies.

    Returns
    -------
    ndarray, shape (n_rows, n_features), float32, float64, float16, bfloat16 or int8
        Native byte order, aligned, each row contiguous. Shares the caller's memory unless copied.
        Other dtypes become float64.

    Raises
    ------
    TypeError
        If the dtype is not supported.
    ValueError
        If there are not two dimensions, or if ``copy=False`` and the rows must be copied.
    """
    array = as_array(value, name, copy)
    _require_real(array, name)
    if array.dtype == np.uint8:
        raise TypeError(
            f"{name} has dtype uint8, but must be float32, float64, float16, bfloat16 or int8; "
            "convert it: .astype(np.float32)"
        )
    if array.ndim != 2:
        raise ValueError(
            f"{name} has {_counted(array.ndim, 'dimension')}, but must have 2: rows and features"
        )
    if array.shape[1] == 0:
        raise ValueError(f"{name} has no features")
    obstacle = _obstacle(array)
    if copy is False and obstacle:
        raise ValueError(f"{name} {obstacle}, so it must be copied, which copy=False forbids")
    if copy or obstacle:
        dtype = array.dtype.newbyteorder("=")
        if dtype not in _NATIVE and dtype.name not in _NARROW:
            dtype = np.dtype(np.float64)
        return np.array(array, dtype=dtype, order="C", copy=True, subok=False)
    return array


def as_row_scales(
    value: Any, rows: NDArray[Any] | SparseRows, name: str, copy: bool | None
) -> NDArray[np.float32] | None:
    """View ``value`` as one scale per row of ``name``, without a copy if possible.

    Returns
    -------
    ndarray, shape (n_rows,), float32, contiguous; or None
    """
    if value is None:
        return None
    if rows.dtype != np.int8:
        raise ValueError(f"row_scales are for {name} of dtype int8, but {name} has {rows.dtype}")
    array = as_array(value, "row_scales", copy)
    _require_real(array, "row_scales")
    if array.shape != rows.shape[:1]:
        raise ValueError(
            f"row_scales has the shape {array.shape}, "
            f"but {name} has {_counted(len(rows), 'row')}: give one scale per row"
        )
    readable = array.dtype == np.float32 and array.flags.c_contiguous and array.flags.aligned
    if copy is False and not readable:
        raise ValueError(
            "row_scales is not a contiguous array of float32, so it must be copied, "
            "which copy=False forbids"
        )
    if copy or not readable:
        with np.errstate(over="ignore"):
            array = np.array(array, dtype=np.float32, order="C", copy=True, subok=False)
    finite = np.isfinite(array)
    if not finite.all():
        bad = int(np.argmin(finite))
        raise ValueError(f"row_scales holds {array[bad]} at row {bad}, but must be finite")
    return array


def as_vectors(
    value: Rows,
    name: str,
    dtype: np.dtype[Any],
    n_features: int,
    holder: str,
    of_integers: str = "",
) -> tuple[FloatArray, bool]:
    """View ``value`` as vectors of the dtype of the rows; copy it if it must be.

    Parameters
    ----------
    value : array-like, shape (n_features,) or (m, n_features)
    name : str
        The argument's name, for messages.
    dtype, n_features
        Of the rows.
    holder : str
        What has these rows, for messages: "the index holds rows".
    of_integers : str
        Ends the message if integers have a wrong shape: they may have been meant as row numbers.

    Returns
    -------
    vectors : ndarray, shape (m, n_features), ``dtype``
    single : bool
        Whether ``value`` was one vector, of shape (n_features,).
    """
    if type(value) is np.ndarray and value.ndim in (1, 2) and value.shape[-1] == n_features:
        vectors = value[np.newaxis] if value.ndim == 1 else value
        if value.dtype == dtype and value.flags.c_contiguous and _core.all_norms_finite(vectors):
            return vectors, value.ndim == 1
    array = as_array(value, name, None)
    _require_real(array, name)
    integers = array.dtype.kind in "iu"
    single = array.ndim == 1
    if array.ndim not in (1, 2):
        raise ValueError(
            f"{name} has {_counted(array.ndim, 'dimension')}, but must have 1 (one vector) "
            f"or 2 (vectors and features){of_integers if integers else ''}"
        )
    _require_features(array.shape[-1], name, n_features, holder, of_integers if integers else "")
    given = array.reshape(1, -1) if single else array
    if given.dtype.name in _NARROW:
        given = given.astype(dtype)
    _require_finite(given, name)
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(given, dtype=dtype)
        squares = np.einsum("ij,ij->i", vectors, vectors)
    _require_norms(np.isfinite(squares), name, dtype)
    return vectors, single


def as_sparse_vectors(
    value: Any, name: str, dtype: np.dtype[Any], n_features: int, holder: str
) -> SparseRows:
    """View a sparse matrix as vectors of the dtype of the rows; copy it if it must be.

    The twin of `as_vectors`, with the same messages. A sparse array of one dimension is one vector.
    """
    if len(value.shape) == 1:
        value = value.reshape(1, -1)
    _require_features(value.shape[-1], name, n_features, holder)
    given = as_sparse_rows(value, name, None)
    used, rows = given.used, given.entry_rows
    finite = np.isfinite(given.data[used])
    if not finite.all():
        bad = int(np.argmin(finite))
        entry = used.start + bad
        raise ValueError(
            f"{name} holds {given.data[entry]} at row {rows[bad]}, column {given.indices[entry]}"
        )
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(given.data, dtype=dtype)
        squares = np.bincount(rows, np.square(data[used], dtype=float), minlength=len(given))
    _require_norms(squares <= np.finfo(dtype).max, name, dtype)
    return replace(given, data=data)


def _scalar(value: Any) -> Any:
    """Return the element of an array without dimensions, and anything else unchanged."""
    if getattr(value, "ndim", None) == 0 and not isinstance(value, (np.generic, np.ma.MaskedArray)):
        return value.item() if hasattr(value, "item") else value
    return value


def _integer(value: Any, name: str) -> int:
    scalar = _scalar(value)
    sentence = "but must be a positive integer"
    if not isinstance(scalar, bool):
        try:
            return operator.index(scalar)
        except TypeError:
            if isinstance(scalar, numbers.Real):
                raise ValueError(f"{name} is {shown(value)}, {sentence}") from None
    raise TypeError(f"{name} has type {type(value).__name__}, {sentence}")


def _number(value: Any, name: str) -> float:
    scalar = _scalar(value)
    if isinstance(scalar, (bool, np.bool_)) or not isinstance(scalar, numbers.Real):
        raise TypeError(f"{name} has type {type(value).__name__}, but must be a real number")
    try:
        return float(scalar)
    except OverflowError:  # an integer or a fraction beyond the largest float
        return math.inf if scalar > 0 else -math.inf  # type: ignore[operator]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _require_real(array: np.ndarray[Any, Any], name: str) -> None:
    if array.dtype.kind not in "fiub" and array.dtype.name not in _NARROW:
        raise TypeError(f"{name} has dtype {array.dtype}, but must hold real numbers")


def _require_features(given: int, name: str, n_features: int, holder: str, aside: str = "") -> None:
    if given != n_features:
        raise ValueError(
            f"{name} has {_counted(given, 'feature')}, "
            f"but {holder} of {_counted(n_features, 'feature')}{aside}"
        )


def _require_norms(finite: NDArray[np.bool_], name: str, dtype: np.dtype[Any]) -> None:
    if not finite.all():
        raise ValueError(
            f"{name} holds a vector at row {int(np.argmin(finite))} that is too "
            f"large for {dtype}: the square of its norm overflows"
        )


def _require_finite(array: np.ndarray[Any, Any], name: str) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    row, column = np.unravel_index(int(np.argmin(finite)), array.shape)
    raise ValueError(f"{name} holds {array[row, column]} at row {row}, column {column}")


def _obstacle(array: np.ndarray[Any, Any]) -> str | None:
    """Say why rows cannot be read in place, or None.

    numpy leaves the strides of axes with fewer than two entries arbitrary: only longer axes count.
    """
    if not array.dtype.isnative:
        return "is not in native byte order"
    if array.dtype not in _NATIVE and array.dtype.name not in _NARROW:
        return f"has dtype {array.dtype}"
    if array.size == 0:
        return None
    if not array.flags.aligned:
        return "is not aligned in memory"
    if array.shape[1] > 1 and array.strides[1] != array.itemsize:
        return "has rows whose elements are not contiguous in memory"
    if array.shape[0] > 1 and array.strides[0] % array.itemsize:
        return "has rows that are not aligned in memory"
    return None
