"""Progress of building an index, shown to people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def reported(
    progress: bool | Callable[[int, float], object],
) -> Iterator[Callable[[int, float], object] | None]:
    """Yield the function to report to, and clear the line that it has written.

    Parameters
    ----------
    progress : bool or callable
        True rewrites a line of standard error. False reports nothing.
    """
    if callable(progress):
        yield progress
        return
    if not isinstance(progress, bool):
        raise TypeError(
            f"progress has type {type(progress).__name__}, but must be a bool or a function"
        )
    if not progress:
        yield None
        return
    written = ""

    def write(number: int, part: float) -> None:
        nonlocal written
        line = f"reading the rows, pass {number}: {part:.0%}"
        sys.stderr.write("\r" + line.ljust(len(written)))
        sys.stderr.flush()
        written = line

    try:
        yield write
    finally:
        if written:
            sys.stderr.write("\r" + " " * len(written) + "\r")
            sys.stderr.flush()
