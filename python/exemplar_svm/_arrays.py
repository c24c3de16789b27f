"""Arrays of other libraries, viewed as numpy arrays without a copy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ._masked import require_unmasked
from ._pandas import from_pandas
from ._sparse import as_sparse_rows, is_sparse

Array = np.ndarray[Any, Any]

_NUMPY = int(np.__version__.split(".")[0])

#: DLPack's numbers of devices whose memory a processor reads like its own: main memory, and what
#: CUDA and ROCm have pinned there or manage for both sides (dlpack.h, DLDeviceType).
_READABLE_DEVICES = {1, 3, 11, 13}
_DEVICE_NAMES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 14: "oneAPI"}


def as_array(value: Any, name: str, copy: bool | None = None) -> Array:
    """View anything array-like as a numpy array, without a copy where its memory allows that.

    Parameters
    ----------
    value : array-like
        A numpy array, anything with ``__dlpack__`` (torch, jax, pyarrow), the buffer protocol or
        ``__array__``, pyarrow's arrays of lists of one size, pandas' frames and columns, or nested
        sequences of numbers.
    name : str
        The argument's name, for messages.
    copy : bool or None
        False raises if the values must be copied to be read.

    Returns
    -------
    ndarray
        Of any dtype and layout; keeps the memory alive.

    Raises
    ------
    TypeError
        If the memory belongs to another device, or holds what numpy cannot express.
    ValueError
        If values are missing or masked, or ``copy=False`` and they must be copied.
    """
    require_unmasked(value, name)
    if type(value) is np.ndarray and value.dtype != object:
        return value
    value = from_pandas(_from_arrow(value, name, copy), name, copy)
    if is_sparse(value):  # vectors: there are few of them, so they are made dense
        return _dense(value, name)
    array = np.asarray(value) if isinstance(value, np.ndarray) else _read(value, name, copy)
    if array.dtype == object:
        _require_no_containers(array, value, name)
    return array


def _read(value: Any, name: str, copy: bool | None) -> Array:
    """Read by DLPack, or as numpy does."""
    if hasattr(value, "__dlpack__"):
        _require_readable(value, name)
        try:
            return np.asarray(np.from_dlpack(value))
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            if not hasattr(value, "__array__"):
                raise TypeError(
                    f"{name} offers __dlpack__, but its memory cannot be read: {error}"
                ) from error
    return _by_numpy(value, name, copy)


def _dense(value: Any, name: str) -> Array:
    """Make sparse vectors dense; a sparse array of one dimension is one vector."""
    single = len(value.shape) == 1
    rows = as_sparse_rows(value.reshape(1, -1) if single else value, name, None)
    return rows.to_dense()[0] if single else rows.to_dense()


def _require_no_containers(array: Array, value: Any, name: str) -> None:
    """Raise TypeError for objects that are arrays themselves, or no arrays at all."""
    if array.ndim == 0:
        raise TypeError(f"{name} has type {type(value).__name__}, but must be an array or a list")
    inner = next((x for x in array.flat if x is not None), None)
    if hasattr(inner, "__len__") and not isinstance(inner, (str, bytes)):
        raise TypeError(
            f"{name} has dtype object, and its elements are of type {type(inner).__name__}; "
            f"stack them into one array: np.stack({name})"
        )


def _by_numpy(value: Any, name: str, copy: bool | None) -> Array:
    """Read by the buffer protocol, by ``__array__``, or element by element."""
    forbidden = f"{name} must be copied to be read, which copy=False forbids"
    if copy is False and isinstance(value, (list, tuple)):
        raise ValueError(forbidden)
    # Before version 2, numpy could not be told never to copy.
    never: dict[str, Any] = {"copy": False} if copy is False and _NUMPY >= 2 else {}
    try:
        return np.asarray(value, **never)
    except (OverflowError, ValueError) as error:  # such as a ragged list
        unreadable = f"{name} cannot be read as an array: {error}"
        raise ValueError(forbidden if never else unreadable) from error
    except (RuntimeError, TypeError) as error:  # torch: requires a gradient, or is bfloat16
        raise TypeError(f"{name} cannot be read as an array: {error}") from error


def _require_readable(value: Any, name: str) -> None:
    """Refuse memory of a GPU, which is never copied silently, and torch's negated views."""
    try:
        device = int(value.__dlpack_device__()[0])
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return  # numpy will ask again, and say why
    if device not in _READABLE_DEVICES:
        known = _DEVICE_NAMES.get(device, "unknown to this version")
        raise TypeError(
            f"{name} is in the memory of another device (DLPack's number {device}: {known}), "
            "but must be in main memory: .cpu()"
        )
    # torch (2.13) exports the memory of such a view without the sign.
    if getattr(value, "is_neg", bool)():
        raise TypeError(f"{name} is a view that negates its memory; copy it: .resolve_neg()")


def _from_arrow(value: Any, name: str, copy: bool | None) -> Any:
    """View pyarrow's arrays as numpy's, a list of fixed size per row; return others unchanged."""
    arrow = sys.modules.get("pyarrow")  # a caller with one of its arrays has imported it
    if arrow is None or not isinstance(value, (arrow.Array, arrow.ChunkedArray)):
        return value
    if isinstance(value, arrow.ChunkedArray):
        if value.num_chunks > 1 and copy is False:
            raise ValueError(
                f"{name} has {value.num_chunks} chunks, so it must be copied, "
                "which copy=False forbids"
            )
        value = value.chunk(0) if value.num_chunks == 1 else value.combine_chunks()
    if isinstance(value, (arrow.ListArray, arrow.LargeListArray)):
        raise TypeError(
            f"{name} is an Arrow array of {value.type}, whose lists may differ in size; "
            "cast it: .cast(pyarrow.list_(pyarrow.float32(), n_features))"
        )
    if hasattr(value, "to_numpy_ndarray"):  # tensors of one shape, an extension type
        value = value.storage
    if not isinstance(value, arrow.FixedSizeListArray):
        return value.to_numpy(zero_copy_only=False)  # copies bits and nulls
    values = value.flatten()
    if value.null_count + values.null_count:
        raise ValueError(f"{name} holds missing values: Arrow's null")
    return values.to_numpy(zero_copy_only=False).reshape(len(value), value.type.list_size)
