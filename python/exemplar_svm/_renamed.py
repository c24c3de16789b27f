"""Old public names, which work for one minor version and give a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def renamed_keyword(old: str, new: str) -> Callable[[Function], Function]:
    """Let a function take the keyword argument ``new`` under its old name, too.

    Raises
    ------
    TypeError
        When the function is called with both.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            if old in keywords:
                if new in keywords:
                    raise TypeError(f"{old} is the old name of {new}: give {new} alone")
                _warn(f"{old}= is now called {new}=")
                keywords[new] = keywords.pop(old)
            return function(*args, **keywords)

        return call  # type: ignore[return-value]

    return decorate


class RenamedKeys(dict[str, int]):
    """A dict that also answers to old names of its keys, which it does not list."""

    def __init__(self, values: Mapping[str, int], new_names: Mapping[str, str]) -> None:
        super().__init__(values)
        self._new_names = new_names

    def __missing__(self, old: str) -> int:
        if old not in self._new_names:
            raise KeyError(old)
        new = self._new_names[old]
        _warn(f"the key {old!r} is now called {new!r}")
        return self[new]


def _warn(message: str) -> None:
    """Warn at the line that called the function which calls this one."""
    warnings.warn(
        f"{message}; the old name will go in the next minor version",
        DeprecationWarning,
        stacklevel=3,
    )
