"""Frames and columns of pandas, viewed as numpy arrays.

pandas itself is not imported: a caller with one of its objects has imported it. Labels are
ignored; rows and columns keep their order.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def from_pandas(value: Any, name: str, copy: bool | None) -> Any:
    """View a frame or a column of pandas as an array; return anything else unchanged.

    Raises
    ------
    TypeError
        If a column does not hold real numbers; the message names it.
    ValueError
        If a value is missing in a column of a nullable dtype, or ``copy=False`` and the values
        must be copied.
    """
    pandas = sys.modules.get("pandas")
    if not hasattr(pandas, "DataFrame"):  # not imported, or not yet
        return value
    assert pandas is not None
    if isinstance(value, pandas.DataFrame):
        return _from_frame(value, name, copy)
    if isinstance(value, (pandas.Series, pandas.Index, pandas.api.extensions.ExtensionArray)):
        return _from_column(value, name, copy)
    return value


def _from_frame(frame: Any, name: str, copy: bool | None) -> Any:
    """Let numpy read a frame of one numpy dtype; read the columns of others one by one."""
    dtypes = set(frame.dtypes)
    if len(dtypes) < 2 and all(isinstance(d, np.dtype) and d.kind in "fiub" for d in dtypes):
        return frame
    columns = []
    for place, label in enumerate(frame.columns):
        called = f"the column {str(label)[:60]!r} of {name}"
        column = np.asarray(_from_column(frame.iloc[:, place], called, None))
        if column.dtype.kind not in "fiub":
            inner = next((x for x in column if x is not None), None)
            if hasattr(inner, "__len__") and not isinstance(inner, (str, bytes)):
                raise TypeError(
                    f"{called} holds elements of type {type(inner).__name__}; "
                    "stack them into one array: np.stack(frame[column])"
                )
            raise TypeError(f"{called} has dtype {column.dtype}, but must hold real numbers")
        columns.append(column)
    _require_copies(name, copy)
    return np.column_stack(columns)


def _from_column(column: Any, name: str, copy: bool | None) -> Any:
    """Read a column; a dtype of pandas becomes numpy's dtype for the same values."""
    if isinstance(column.dtype, np.dtype):
        return np.asarray(column)
    _require_copies(name, copy)
    if column.isna().any():
        raise ValueError(
            f"{name} holds missing values; fill them or drop them: .fillna(...), .dropna()"
        )
    dtype = getattr(column.dtype, "numpy_dtype", None)
    return np.asarray(column if dtype is None else column.to_numpy(dtype=dtype))


def _require_copies(name: str, copy: bool | None) -> None:
    if copy is False:
        raise ValueError(
            f"{name} has columns that must be copied to be read, which copy=False forbids"
        )
