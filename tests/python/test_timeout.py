"""A search that runs out of time returns what it has found."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

ROWS = clustered(20_000, 64, dtype=np.float32)
QUERY = ROWS[17] + np.float32(0.02)
WAYS = {"full": {"method": "full"}, "working set": {}, "sketch": {"sketch": "int8"}}


@pytest.mark.parametrize("way", WAYS)
def test_a_search_without_time_returns_without_an_error(way):
    index = esvm.ExemplarIndex(ROWS, **WAYS[way], n_threads=1)
    result = index.search(QUERY, k=10, timeout=1e-9)
    assert result.report.status == "deadline"
    assert result.report.certified_k == 0
    assert not np.isnan(result.scores).any()
    assert (result.scores[result.indices == -1] == -np.inf).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_long_timeout_changes_nothing(way, n_threads):
    index = esvm.ExemplarIndex(ROWS, **WAYS[way], n_threads=n_threads)
    for search, given in ((index.search, QUERY), (index.search_shared, ROWS[[3, 8]])):
        plain = search(given, k=10)
        for timeout in (3600, 1e300):
            timed = search(given, k=10, timeout=timeout)
            np.testing.assert_array_equal(timed.scores, plain.scores)
            np.testing.assert_array_equal(timed.indices, plain.indices)
            assert timed.report == plain.report


@pytest.mark.parametrize("way", WAYS)
def test_what_is_found_in_time_is_as_good_as_the_report_says(way):
    index = esvm.ExemplarIndex(ROWS, **WAYS[way], n_threads=1)
    exact = esvm.ExemplarIndex(ROWS.astype(np.float64), method="full", tol=1e-9)
    scores = exact.decision_function(QUERY.astype(np.float64))
    ranking = np.argsort(-scores, kind="stable")
    began = time.perf_counter()
    index.search(QUERY, k=10)
    whole = time.perf_counter() - began
    for part in np.linspace(0.05, 2.0, 40):
        found = index.search(QUERY, k=10, timeout=part * whole)
        report = found.report
        rows = found.indices[found.indices >= 0]
        errors = np.abs(found.scores[: len(rows)] - scores[rows])
        assert (errors <= report.score_error_bound + 1e-6).all()
        np.testing.assert_array_equal(rows[: report.certified_k], ranking[: report.certified_k])


def test_the_queries_of_a_call_share_its_timeout():
    index = esvm.ExemplarIndex(ROWS, n_threads=1)
    result = index.search(ROWS[:40], k=5, timeout=1e-9)
    assert set(result.report.status) == {"deadline"}
    assert result.scores.shape == (40, 5)


def test_a_result_can_be_pickled_before_and_after_its_report_is_read():
    index = esvm.ExemplarIndex(ROWS, n_threads=1)
    for given in (QUERY, ROWS[:3]):
        result = index.search(given, k=5)
        for copy in (pickle.loads(pickle.dumps(result)), pickle.loads(pickle.dumps(result))):
            np.testing.assert_array_equal(copy.indices, result.indices)
            np.testing.assert_array_equal(copy.report.status, result.report.status)
