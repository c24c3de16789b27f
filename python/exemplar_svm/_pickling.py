"""What pickle and copy keep of an index: what a file keeps, as arrays.

That includes the parts of the index, so that nothing is computed anew and the copy gives the same
bits, whatever processor it was made on. Arrays stay arrays: pickle's protocol 5 and joblib hand
them over without a copy, and rows that are pickled together with their index remain its rows.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._index_file import VERSION
from ._saved import SavedIndex, StoredRows
from ._sparse import SparseRows
from ._validation import as_row_scales, as_rows

_SPARSE = ("data", "indices", "indptr", "shape")
_WIDEST = 8  # bytes of the widest values in a part


def state_of(saved: SavedIndex) -> dict[str, Any]:
    """Return the state that `from_state` reads: arrays, and values that JSON has."""
    stored = saved.stored.joined()
    rows: Any = stored.rows
    if isinstance(rows, SparseRows):
        rows = {name: getattr(rows, name) for name in _SPARSE}
    return {
        "version": VERSION,
        "byte_order": sys.byteorder,
        "settings": saved.settings,
        "rows": rows,
        "row_scales": stored.row_scales,
        "added": stored.added if stored.n_added else None,
        "parts": saved.parts,
    }


def from_state(state: dict[str, Any]) -> SavedIndex:
    """Read what `state_of` returned.

    Raises
    ------
    ValueError
        If another version of the package, or a machine of the other byte order, made it.
    """
    if (state["version"], state["byte_order"]) != (VERSION, sys.byteorder):
        raise ValueError(
            "the index was pickled by a version of exemplar-svm with another format "
            f"({state['version']}, {state['byte_order']}-endian), but this version reads "
            f"{VERSION}, {sys.byteorder}-endian: build the index anew"
        )
    return SavedIndex(
        state["settings"],
        _stored_rows(state["rows"], state["row_scales"], state["added"]),
        {name: _aligned(part) for name, part in state["parts"].items()},
    )


def _stored_rows(rows: Any, row_scales: Any, added: Any) -> StoredRows:
    if isinstance(rows, dict):
        data, indices, indptr = (_readable(rows[name]) for name in _SPARSE[:-1])
        n_rows, n_features = rows["shape"]
        return StoredRows(SparseRows(data, indices, indptr, (int(n_rows), int(n_features))))
    readable = as_rows(rows, "rows", None)
    return StoredRows(
        readable,
        as_row_scales(row_scales, readable, "rows", None),
        None if added is None else _readable(added),
    )


def _readable(array: Any) -> NDArray[Any]:
    return np.require(array, requirements=["C", "A"])


def _aligned(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Align the bytes of a part, by a copy if need be: buffers and maps begin anywhere."""
    array = np.asarray(part)
    return array.copy() if array.ctypes.data % _WIDEST else array
