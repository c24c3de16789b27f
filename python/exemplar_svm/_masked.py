"""Arrays of ``numpy.ma``: read where nothing is masked, refused where something is."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Lists within lists are looked into so far; what is deeper has too many dimensions for anything.
_DEEPEST = 4


def require_unmasked(value: Any, name: str, depth: int = 0) -> None:
    """Raise ValueError if a value is masked, also in an array within lists.

    What lies under a mask is no value, and numpy reads it as one unless it is asked.
    """
    if isinstance(value, np.ma.MaskedArray):
        masked = int(np.ma.getmaskarray(value).sum())
        if masked:
            raise ValueError(
                f"{name} is a masked array with {masked} of its {value.size} values masked; "
                "give these a value: .filled(...)"
            )
    elif (
        isinstance(value, (list, tuple))
        and depth < _DEEPEST
        and any(map(_may_be_masked, set(map(type, value))))
    ):
        for i, part in enumerate(value):
            if _may_be_masked(type(part)):
                require_unmasked(part, f"{name}[{i}]", depth + 1)


def _may_be_masked(kind: type) -> bool:
    return issubclass(kind, (np.ma.MaskedArray, list, tuple))
