"""What a caller gave, checked and seen as arrays the core can read in place.

Everything that is wrong is told here, in a sentence that names the argument; the extension
checks again only what memory safety rests on.
"""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np

from . import _core
from ._arrays import as_array
from ._typing import ClassWeightLike, FloatArray, Rows

_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))


def positive_number(value: Any, name: str) -> float:
    """Return ``value`` as a float that is positive and finite."""
    number = _number(value, name)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} is {value}, but must be positive and finite")
    return number


def nonnegative_number(value: Any, name: str) -> float:
    """Return ``value`` as a float that is zero or positive, and finite."""
    number = _number(value, name)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} is {value}, but must be zero or positive, and finite")
    return number


def positive_integer(value: Any, name: str, *, largest: int = 2**31 - 1) -> int:
    """Return ``value`` as an int between 1 and ``largest``."""
    try:
        number = operator.index(value)
    except TypeError:
        if isinstance(value, numbers.Real):
            raise ValueError(f"{name} is {value}, but must be a positive integer") from None
        raise TypeError(
            f"{name} has type {type(value).__name__}, but must be a positive integer"
        ) from None
    if not 0 < number <= largest:
        raise ValueError(f"{name} is {value}, but must be between 1 and {largest}")
    return number


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
    if isinstance(class_weight, str):
        if class_weight == "balanced":
            return None
        raise ValueError(
            f"class_weight is {class_weight!r}, but must be 'balanced', None, "
            "or a mapping with the keys 1 and -1"
        )
    unknown = set(class_weight) - {1, -1}
    if unknown:
        raise ValueError(
            f"class_weight has the key {unknown.pop()!r}, but only 1 (the positives) "
            "and -1 (the rows) are known"
        )
    return (
        positive_number(class_weight.get(1, 1.0), "class_weight of the positives"),
        positive_number(class_weight.get(-1, 1.0), "class_weight of the rows"),
    )


def as_rows(value: Rows, name: str, copy: bool | None) -> FloatArray:
    """See ``value`` as float rows that can be read in place.

    Parameters
    ----------
    value : array-like, shape (n_rows, n_features)
    name : str
        The argument's name, for messages.
    copy : bool or None
        As in NumPy 2: None copies only if it must, False raises instead, True always copies.

    Returns
    -------
    ndarray, shape (n_rows, n_features), float32 or float64
        Native byte order, aligned, each row contiguous. Shares the caller's memory unless copied.

    Raises
    ------
    TypeError
        If the dtype is not supported.
    ValueError
        If it does not have two dimensions, or if ``copy=False`` and it cannot be read in place.
    """
    array = as_array(value, name, copy)
    _require_real(array, name)
    _refuse_narrow(array, name)
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
        dtype = np.float32 if array.dtype.newbyteorder("=") == np.float32 else np.float64
        return np.array(array, dtype=dtype, order="C", copy=True, subok=False)
    return array


def as_vectors(
    value: Rows, name: str, dtype: np.dtype[Any], n_features: int, holder: str
) -> tuple[FloatArray, bool]:
    """See ``value`` as vectors of the dtype of the rows, which copies them if it must.

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
    single = array.ndim == 1
    if array.ndim not in (1, 2):
        raise ValueError(
            f"{name} has {_counted(array.ndim, 'dimension')}, but must have 1 (one vector) "
            "or 2 (vectors and features)"
        )
    if array.shape[-1] != n_features:
        raise ValueError(
            f"{name} has {_counted(array.shape[-1], 'feature')}, "
            f"but {holder} of {_counted(n_features, 'feature')}"
        )
    given = array.reshape(1, -1) if single else array
    _require_finite(given, name)
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(given, dtype=dtype)
        squares = np.einsum("ij,ij->i", vectors, vectors)
    if not np.isfinite(squares).all():
        raise ValueError(
            f"{name} holds a vector at row {int(np.argmin(np.isfinite(squares)))} that is too "
            f"large for {dtype}: the square of its norm overflows"
        )
    return vectors, single


def _number(value: Any, name: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} has type {type(value).__name__}, but must be a number")
    return float(value)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _require_real(array: np.ndarray[Any, Any], name: str) -> None:
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {array.dtype}, but must be float32 or float64")


def _refuse_narrow(array: np.ndarray[Any, Any], name: str) -> None:
    if array.dtype.kind in "fiu" and array.dtype.itemsize < (4 if array.dtype.kind == "f" else 2):
        raise TypeError(
            f"{name} has dtype {array.dtype}, which this version does not support; "
            "convert it: .astype(np.float32)"
        )


def _require_finite(array: np.ndarray[Any, Any], name: str) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    row, column = np.unravel_index(int(np.argmin(finite)), array.shape)
    raise ValueError(f"{name} holds {array[row, column]} at row {row}, column {column}")


def _obstacle(array: np.ndarray[Any, Any]) -> str | None:
    """Say why rows cannot be read in place, or None.

    numpy leaves the strides of axes with fewer than two entries arbitrary, so only longer ones
    are looked at.
    """
    if array.dtype not in _NATIVE:
        swapped = array.dtype.kind == "f" and array.dtype.itemsize in (4, 8)
        return "is not in native byte order" if swapped else f"has dtype {array.dtype}"
    if array.size == 0:
        return None
    if not array.flags.aligned:
        return "is not aligned in memory"
    if array.shape[1] > 1 and array.strides[1] != array.itemsize:
        return "has rows whose elements are not contiguous in memory"
    if array.shape[0] > 1 and array.strides[0] % array.itemsize:
        return "has rows that are not aligned in memory"
    return None
