"""Names for the types in public signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Vectors or rows: anything numpy can read, or with ``__dlpack__`` on the CPU.
Rows: TypeAlias = ArrayLike | Any
#: Vectors, row numbers (integers), or a list of both.
Examples: TypeAlias = ArrayLike | Any
#: A boolean mask of the rows, or row numbers.
RowsChosen: TypeAlias = ArrayLike | Any
FloatArray: TypeAlias = NDArray[np.floating[Any]]
IndexArray: TypeAlias = NDArray[np.int64]
LossName: TypeAlias = Literal["squared_hinge", "hinge"]
MethodName: TypeAlias = Literal["auto", "full", "working_set", "gram", "primal"]
DuplicatesName: TypeAlias = Literal["negative", "ignore"]
ClassWeightLike: TypeAlias = Literal["balanced"] | Mapping[int, float] | None
