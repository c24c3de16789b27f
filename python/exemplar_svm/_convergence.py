"""The warning that a search did not converge."""

from __future__ import annotations

import os
import sys
import warnings

import numpy as np

from . import _core
from ._result import BatchReport

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep

_REASONS = {
    "epoch_limit": (
        "max_iter epochs were not enough",
        "raise max_iter, lower C, or divide the rows by their norms",
    ),
    "precision_limit": (
        "the arithmetic of the rows' dtype cannot resolve tol",
        "raise tol, use rows of float64, or divide the rows by their norms",
    ),
    "invalid_input": (
        "a product with rows or examples is not finite",
        "look for NaN, infinity and huge values in the rows, and for extreme settings",
    ),
}


class ConvergenceWarning(RuntimeWarning):
    """A search did not reach ``tol``, and returns its last iterate.

    The report says how far that may be from the optimum: ``status``, ``duality_gap``,
    ``score_error_bound`` and ``certified_k``. Searches that end at a ``timeout`` do not warn.
    """


def warn_unless_finished(reports: _core.Reports) -> None:
    """Warn once, at the line that called this package, if searches did not converge."""
    if reports.n_unfinished() == 0:
        return
    statuses = BatchReport._from_core(reports).status
    m = len(statuses)
    told = []
    for status, (reason, advice) in _REASONS.items():
        count = int(np.sum(statuses == status))
        if count:
            searches = "the search" if m == 1 else f"{count} of {m} queries"
            told.append(f"{searches} ended with the status {status!r}: {reason}; {advice}")
    warnings.warn(
        f"{'. '.join(told)}. The result is the last iterate; the report bounds its error",
        ConvergenceWarning,
        stacklevel=_level_of_caller(),
    )


def _level_of_caller() -> int:
    """Count the calls between `warnings.warn` and the first function outside this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
