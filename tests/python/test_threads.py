"""Threads change no bit; one index serves many; a forked child does not hang."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm


@pytest.fixture(scope="module")
def rows():
    return clustered(6000, 96, dtype=np.float32)


def test_threads_do_not_change_bits(rows):
    index = esvm.ExemplarIndex(rows, center=True)
    queries = rows[:3] + 0.1
    one = index.search(queries, k=50, n_threads=1)
    for n_threads in (2, 3, 8):
        other = index.search(queries, k=50, n_threads=n_threads)
        np.testing.assert_array_equal(other.scores, one.scores)
        np.testing.assert_array_equal(other.indices, one.indices)
        np.testing.assert_array_equal(other.report.duality_gap, one.report.duality_gap)
        np.testing.assert_array_equal(
            index.decision_function(queries, n_threads=n_threads),
            index.decision_function(queries, n_threads=1),
        )


def test_one_index_serves_many_threads_at_once(rows):
    index = esvm.ExemplarIndex(rows)
    queries = rows[:24] + 0.05
    expected = [index.search(query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        for threads in (1, 2):
            found = list(pool.map(lambda q: index.search(q, n_threads=threads), queries))  # noqa: B023
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_array_equal(a.scores, b.scores)
                np.testing.assert_array_equal(a.indices, b.indices)


def search_in_child(rows, n_threads, answers):
    answers.put(esvm.ExemplarIndex(rows).search(rows[1], n_threads=n_threads).indices)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_forked_child_searches_after_its_parent_used_threads(rows, n_threads):
    expected = esvm.ExemplarIndex(rows).search(rows[1], n_threads=2).indices
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=search_in_child, args=(rows, n_threads, answers))
    child.start()
    try:
        np.testing.assert_array_equal(answers.get(timeout=60), expected)
    finally:
        child.kill()
        child.join()


@pytest.mark.skipif(not esvm.has_openmp(), reason="built without OpenMP")
def test_threadpoolctl_limits_the_default(rows):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        index = esvm.ExemplarIndex(rows)
        assert index.search(rows[0]).indices[0] == 0
