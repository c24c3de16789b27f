"""Sparse rows: ``scipy.sparse`` matrices and arrays, known by their ``tocsr``, read in place.

scipy itself is not imported: a caller with a sparse matrix has imported it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._masked import require_unmasked
from ._typing import FloatArray

_INDEX_DTYPES = (np.dtype(np.int32), np.dtype(np.int64))


def is_sparse(value: Any) -> bool:
    """Whether ``value`` is a sparse matrix of any format."""
    return hasattr(value, "tocsr")


@dataclass(frozen=True)
class SparseRows:
    """Rows in CSR form: arrays that the core reads in place."""

    data: FloatArray
    indices: NDArray[np.int32] | NDArray[np.int64]
    indptr: NDArray[np.int32] | NDArray[np.int64]
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return self.data.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        entries = int(self.indptr[-1]) - int(self.indptr[0])
        n_rows, n_features = self.shape
        return f"SparseRows({n_rows} of {n_features} features, {entries} entries, {self.dtype})"

    @property
    def entry_rows(self) -> NDArray[np.int64]:
        """The row of each entry, in the order of `used`."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    @property
    def used(self) -> slice:
        """The range of the entries that belong to rows."""
        return slice(int(self.indptr[0]), int(self.indptr[-1]))

    def to_dense(self) -> FloatArray:
        """Return the same rows as a dense array."""
        dense = np.zeros(self.shape, self.dtype)
        dense[self.entry_rows, self.indices[self.used]] = self.data[self.used]
        return dense

    @property
    def arrays(self) -> _core.CsrArrays:
        """The same, as the core takes them."""
        return _core.CsrArrays(
            data=self.data, indices=self.indices, indptr=self.indptr, n_features=self.shape[1]
        )


def to_scipy(rows: SparseRows) -> Any:
    """Return rows as a ``scipy.sparse.csr_matrix`` of the same arrays."""
    try:
        sparse = importlib.import_module("scipy.sparse")
    except ImportError as error:
        raise ImportError(
            "sparse rows are returned as a matrix of scipy.sparse: pip install scipy"
        ) from error
    return sparse.csr_matrix((rows.data, rows.indices, rows.indptr), shape=rows.shape)


def for_core(rows: FloatArray | SparseRows) -> FloatArray | _core.CsrArrays:
    """Return rows as the core takes them."""
    return rows.arrays if isinstance(rows, SparseRows) else rows


def as_sparse_rows(value: Any, name: str, copy: bool | None) -> SparseRows:
    """View a sparse matrix as rows that the core reads in place.

    Parameters
    ----------
    value : object with ``tocsr``, shape (n_rows, n_features)
    name : str
        The argument's name, for messages.
    copy : bool or None
        None copies only what it must: formats other than CSR, values other than float32 and float64
        in native byte order, and column indices that are not int32 or int64, are not sorted, or
        repeat (entries of the same column are added up). False raises instead, True always copies.

    Raises
    ------
    TypeError
        If the dtype is not supported.
    ValueError
        If the matrix does not have two dimensions, or has no features, if a column is out of range,
        if ``indptr`` does not ascend, or if ``copy=False`` and it cannot be read in place.
    """
    if len(value.shape) != 2:
        raise ValueError(
            f"{name} has {len(value.shape)} dimension, but must have 2: rows and features"
        )
    if value.shape[1] == 0:
        raise ValueError(f"{name} has no features")
    require_unmasked(getattr(value, "data", None), f"{name}.data")
    csr = _as_csr(value, name)
    if csr.data.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {csr.data.dtype}, but must be float32 or float64")
    obstacle = f"is sparse in the format {_format(value)!r}" if csr is not value else _obstacle(csr)
    rows = _read(csr, name, copy) if copy is not False or obstacle is None else None
    if rows is not None and not _core.is_canonical_csr(rows.arrays, name):
        obstacle = (
            "has column indices that are not sorted, or repeat within a row "
            f"(call {name}.sum_duplicates() first)"
        )
        if copy is not False:
            tidy = csr.copy()
            tidy.sum_duplicates()
            return _read(tidy, name, None)
    if rows is None or (copy is False and obstacle):
        raise ValueError(f"{name} {obstacle}, so it must be copied, which copy=False forbids")
    return rows


def _format(value: Any) -> str:
    return str(getattr(value, "format", type(value).__name__))


def _as_csr(value: Any, name: str) -> Any:
    """Convert to CSR, once all entries are known to lie within the matrix.

    scipy does not check that, and writes to addresses computed from it. The core checks CSR itself.
    """
    form, (n_rows, n_features) = _format(value), value.shape
    if form == "coo":
        sound = all(
            len(places) == len(value.data) and _lie_within(places, size)
            for places, size in ((value.row, n_rows), (value.col, n_features))
        )
    elif form == "csc":
        sound = _is_compressed(value, n_features, n_rows)
    elif form == "bsr":
        height, width = value.blocksize
        sound = _is_compressed(value, n_rows // height, n_features // width)
    else:
        sound = True
    if not sound:
        raise ValueError(
            f"{name} is sparse in the format {form!r}, with entries that do not lie within its "
            f"{n_rows} rows and {n_features} columns"
        )
    return value.tocsr()


def _lie_within(places: Any, size: int) -> bool:
    places = np.asarray(places)
    return places.dtype.kind in "iu" and bool(((places >= 0) & (places < size)).all())


def _is_compressed(value: Any, n_lines: int, size: int) -> bool:
    """Whether the lines (rows or columns) of a compressed matrix lie within its arrays."""
    starts, places = np.asarray(value.indptr), np.asarray(value.indices)
    return (
        starts.shape == (n_lines + 1,)
        and places.shape == value.data.shape[:1]
        and _lie_within(starts, len(places) + 1)
        and bool((np.diff(starts.astype(np.int64)) >= 0).all())
        and _lie_within(places, size)
    )


def _obstacle(csr: Any) -> str | None:
    """Say why the arrays cannot be read in place, or None."""
    if _native(csr.data.dtype) != csr.data.dtype:
        return f"has dtype {csr.data.dtype}"
    if csr.indices.dtype not in _INDEX_DTYPES or csr.indices.dtype != csr.indptr.dtype:
        return f"has indices of dtype {csr.indices.dtype} and an indptr of {csr.indptr.dtype}"
    for part in (csr.data, csr.indices, csr.indptr):
        if not (part.flags.c_contiguous and part.flags.aligned):
            return "has arrays that are not contiguous and aligned in memory"
    return None


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that values are cast to: float32 where that holds all of them."""
    narrow = dtype.itemsize < (4 if dtype.kind == "f" else 2) or dtype.kind == "b"
    is_float32 = dtype.kind == "f" and dtype.itemsize == 4
    return np.dtype(np.float32 if narrow or is_float32 else np.float64)


def _read(csr: Any, name: str, copy: bool | None) -> SparseRows:
    """Read the arrays of a CSR matrix; copy those that cannot be read in place, or all."""
    index_dtype = csr.indices.dtype
    if index_dtype not in _INDEX_DTYPES or index_dtype != csr.indptr.dtype:
        index_dtype = np.dtype(np.int64)

    def array(part: Any, dtype: np.dtype[Any]) -> Any:
        return (
            np.array(part, dtype=dtype, order="C", copy=True)
            if copy
            else np.require(part, dtype=dtype, requirements=["C", "A"])
        )

    n_rows, n_features = csr.shape
    for part, called in ((csr.indices, "indices"), (csr.indptr, "indptr")):
        if part.dtype.kind not in "iu":
            raise TypeError(f"{name} has {called} of dtype {part.dtype}, but must have integers")
    if csr.indptr.shape != (n_rows + 1,) or csr.indices.shape != csr.data.shape:
        raise ValueError(
            f"{name} has {n_rows} rows with an indptr of {csr.indptr.size}, "
            f"{csr.indices.size} indices and {csr.data.size} values, which do not match"
        )
    return SparseRows(
        data=array(csr.data, _native(csr.data.dtype)),
        indices=array(csr.indices, index_dtype),
        indptr=array(csr.indptr, index_dtype),
        shape=(int(n_rows), int(n_features)),
    )
