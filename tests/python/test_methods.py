"""All methods give the same answer."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered
from scipy import sparse

import exemplar_svm as esvm

ROWS = clustered(3000, 48, dtype=np.float32)
THINNED = np.where(np.random.default_rng(0).random(ROWS.shape) < 0.3, ROWS, np.float32(0))
WAYS = {
    "working set": {"method": "working_set"},
    "sketch": {"sketch": "int8"},
    "Gram matrix": {"method": "gram"},
    "primal": {"method": "primal"},
    "sparse": {"method": "working_set"},
}


def rows_for(way):
    """Return the rows that are searched, and queries."""
    if way == "sparse":
        return sparse.csr_matrix(THINNED), THINNED[::331] * np.float32(1.1)
    return ROWS, ROWS[::331] + np.float32(0.02)


QUERIES = rows_for("working set")[1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("C", [0.001, 0.01, 0.1, 10.0])
@pytest.mark.parametrize("center", [False, True])
def test_every_way_ranks_as_the_solver_over_all_rows_does(way, C, center):
    settings = {"C": C, "center": center, "n_threads": 1}
    rows, queries = rows_for(way)
    expected = esvm.ExemplarIndex(rows, method="full", **settings).search(queries, k=20)
    found = esvm.ExemplarIndex(rows, **WAYS[way], **settings).search(queries, k=20)
    assert set(found.report.status) == {"converged"}
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=2e-5)
    swapped = found.indices != expected.indices
    assert np.abs(found.scores - expected.scores)[swapped].max(initial=0) < 2e-6


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_batch_has_the_bits_of_single_searches(way, n_threads):
    rows, queries = rows_for(way)
    index = esvm.ExemplarIndex(rows, **WAYS[way], n_threads=n_threads)
    batch = index.search(queries, k=7)
    assert len(queries) > 8, "more than share one scan"
    for i, query in enumerate(queries):
        single = index.search(query, k=7)
        np.testing.assert_array_equal(batch.scores[i], single.scores)
        np.testing.assert_array_equal(batch.indices[i], single.indices)
        assert batch.report[i] == single.report
    scores = index.decision_function(queries)
    np.testing.assert_array_equal(scores[3], index.decision_function(queries[3]))


@pytest.mark.parametrize("way", WAYS)
def test_a_ranking_longer_than_the_working_set_looks_at_more_rows(way):
    rows, queries = rows_for(way)
    index = esvm.ExemplarIndex(rows, C=1.0, **WAYS[way])
    scores, indices = index.search(queries[0], k=len(ROWS) + 3)
    expected = esvm.ExemplarIndex(rows, C=1.0, method="full").decision_function(queries[0])
    assert sorted(indices[: len(ROWS)]) == list(range(len(ROWS)))
    assert (indices[len(ROWS) :] == -1).all()
    np.testing.assert_allclose(scores[: len(ROWS)], expected[indices[: len(ROWS)]], atol=2e-5)
    assert (np.diff(scores[: len(ROWS)]) <= 0).all()


def test_certified_ranks_may_end_a_search():
    index = esvm.ExemplarIndex(ROWS, method="working_set")
    for query in QUERIES:
        exact = index.search(query, k=10)
        early = index.search(query, k=10, certify=3)
        assert early.report.certified_k >= 3
        assert early.report.epochs <= exact.report.epochs
        proven = early.report.certified_k
        np.testing.assert_array_equal(early.indices[:proven], exact.indices[:proven])
        difference = np.abs(early.scores[:proven] - exact.scores[:proven]).max()
        assert difference <= early.report.score_error_bound + exact.report.score_error_bound


@pytest.mark.parametrize("method", ["full", "working_set", "gram", "primal"])
def test_the_report_names_the_strategy(method):
    index = esvm.ExemplarIndex(ROWS, method=method)
    assert index.search(QUERIES[0]).report.strategy == method
    assert index.session(5).search().report.strategy == method
    batch = index.search(QUERIES[:3]).report
    assert batch.strategy.tolist() == [method] * 3
    assert [report.strategy for report in batch] == [method] * 3
    # The Gram matrix forms no weights, and solvers eliminate up to 32 examples.
    assert index.fit(5).report_.strategy == ("full" if method == "gram" else method)
    assert index.search_shared(range(33)).report.strategy == "full"


def test_the_strategy_of_the_automatic_method_follows_from_c():
    index = esvm.ExemplarIndex(ROWS)
    assert index.search(QUERIES[0], C=0.1).report.strategy == "working_set"
    assert index.search(QUERIES[0], C=1e-5).report.strategy == "primal"


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        (ROWS[:1000], {}, "1024 or more rows, but embeddings has 1000"),
        (ROWS, {"loss": "hinge"}, "for loss 'squared_hinge', but loss is 'hinge'"),
        (sparse.csr_matrix(THINNED), {}, "for dense rows, but embeddings has sparse ones"),
    ],
)
def test_a_method_that_cannot_be_is_refused(rows, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        esvm.ExemplarIndex(rows, method="primal", **options)


def test_the_time_of_a_search_is_told_part_by_part():
    profile = esvm.ExemplarIndex(ROWS, method="working_set").search(QUERIES[0]).report.profile
    assert min(profile.choose, profile.solve, profile.scan) > 0


@pytest.mark.parametrize("method", ["full", "gram"])
def test_a_sketch_is_for_working_sets(method):
    with pytest.raises(ValueError, match="sketch"):
        esvm.ExemplarIndex(ROWS, method=method, sketch="int8")
