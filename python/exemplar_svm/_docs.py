"""Paragraphs that the docstrings of several functions share.

A docstring names a paragraph on a line of its own, ``%(timeout)s``; `documented` puts the
paragraph there, at the indentation of that line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_PLACEHOLDER = re.compile(r"^([ ]*)%\((\w+)\)s$", re.MULTILINE)

_PARAGRAPHS = {
    "examples": """\
Integers are row numbers of the index: ``17``, ``[17, 42]``, ``[17, vector, 42]``, and
one-dimensional arrays of 32 or 64 bits. Everything else is one vector of d features, or
several; so are integers of 8 or 16 bits. Exactly d integers of which one repeats are refused:
they are probably a vector, to be given as floats. A row is one example however often it is
named, and its last weight counts.""",
    "negatives": """\
What not to look for, given like the positives. Rows given by number stay negatives of the
background, with the weight of a negative example, and are not returned.""",
    "weights": """\
positive_weights : number or array-like, one per positive, optional
    Factors on the cost of the positives, in their order. Default: 1.
negative_weight : number or array-like, one per negative example, optional
    Factor on the cost of ``negatives``, relative to that of a positive. Default: 1, so that one
    negative example weighs as much as one positive.""",
    "overrides": """\
C, prior, tol, max_iter : optional
    Override the settings of the index for this call.""",
    "certify": """\
certify : int, optional
    Stop as soon as this many leading ranks are proven to be those of the exact optimum, if that
    happens before ``tol`` is reached. Scores are then less exact: see ``score_error_bound``.""",
    "n_threads": """\
n_threads : int, optional
    Threads for this call. Default: those of the index.""",
    "candidates": """\
candidates : array-like, shape (n,) of bool, or row numbers; optional
    Rows that may be returned. Default: all. Removed rows are never returned. A mask made before
    rows were added leaves the new ones out. Integers of 8 or 16 bits are refused, and so are zeros
    and ones that are as many as a mask has.""",
    "background": """\
background : array-like, shape (n,) of bool, or row numbers; optional
    Rows that are negatives. Default: all.
duplicates : {"negative", "ignore"}, default "negative"
    Whether rows that equal a positive (a query), element by element, are negatives like any
    other. They may be returned in both cases.""",
    "timeout": """\
timeout : float, optional
    Seconds after which to return the best rows found so far, with the status ``"deadline"``. Rows
    that were not looked at by then are missing.""",
    "standardize": """\
standardize : bool, default False
    Return standard deviations above the mean score of the background, measured on at most 2,048
    of its rows, so that results of different searches can be merged (docs/standardization.md).
    The order of rows stays the same; ``report.score_error_bound`` is that of the raw scores.""",
    "ConvergenceWarning": """\
ConvergenceWarning
    Once per call, if a search ended with a status other than ``"converged"`` and ``"deadline"``.
    The result is then the last iterate.""",
    "bad_input": """\
TypeError, ValueError
    For bad input; the message names the argument.""",
}


def documented(function: Function) -> Function:
    """Fill the placeholders in a function's docstring, if it has one (``python -OO`` has none)."""
    if function.__doc__ is not None:
        function.__doc__ = _PLACEHOLDER.sub(
            lambda found: found[1] + _PARAGRAPHS[found[2]].replace("\n", "\n" + found[1]),
            function.__doc__,
        )
    return function
