"""Long builds of an index report their progress."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import exemplar_svm as esvm
from exemplar_svm._progress import reported


def test_a_short_build_tells_nothing():
    told = []
    esvm.ExemplarIndex(np.eye(5, dtype=np.float32), progress=lambda *where: told.append(where))
    assert told == []


@pytest.fixture(scope="module")
def rows_of_a_long_build():
    """Rows whose Gram matrix takes 3e10 multiply-adds: far longer than a fifth of a second."""
    return np.random.default_rng(0).standard_normal((8000, 1000)).astype(np.float32)


def test_a_long_build_tells_passes_in_order(rows_of_a_long_build):
    told = []
    index = esvm.ExemplarIndex(
        rows_of_a_long_build,
        method="gram",
        n_threads=1,
        progress=lambda *where: told.append(where),
    )
    assert told
    assert told == sorted(told)
    assert all(number >= 1 and 0 < part <= 1 for number, part in told)
    assert index.search(rows_of_a_long_build[3]).indices[0] == 3


def test_progress_is_told_by_the_thread_that_builds(rows_of_a_long_build):
    threads = set()
    esvm.ExemplarIndex(
        rows_of_a_long_build,
        method="gram",
        n_threads=3,
        progress=lambda *where: threads.add(threading.get_ident()),
    )
    assert threads == {threading.get_ident()}


def test_a_line_is_written_over_and_cleared(capsys):
    with reported(True) as write:
        write(1, 0.25)
        write(2, 0.5)
    lines = capsys.readouterr().err.split("\r")
    assert [line.strip() for line in lines] == [
        "",
        "reading the rows, pass 1: 25%",
        "reading the rows, pass 2: 50%",
        "",
        "",
    ]


def test_other_progress_is_refused():
    with pytest.raises(TypeError, match="progress has type str, but must be a bool or a function"):
        esvm.ExemplarIndex(np.eye(3), progress="yes")
