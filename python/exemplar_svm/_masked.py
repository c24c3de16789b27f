"""Masked arrays (``numpy.ma``): read if nothing is masked, refused otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np

#: How deep lists within lists are searched; deeper ones have more dimensions than any argument.
_DEEPEST = 4


def require_unmasked(value: Any, name: str, depth: int = 0) -> None:
    """Raise ValueError if a value is masked, also in an array within lists.

    numpy would read what lies under the mask as a value.
    """
    if isinstance(value, np.ma.MaskedArray):
        masked = int(np.ma.getmaskarray(value).sum())
        if masked:
            raise ValueError(
                f"{name} is a masked array with {masked} of its {value.size} values masked; "
                "fill them: .filled(...)"
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
