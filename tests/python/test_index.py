"""What ExemplarIndex returns: shapes, order, conventions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm


@pytest.fixture
def rows(dtype):
    return clustered(200, 16, dtype=dtype)


def test_one_query_gives_vectors_best_first(rows):
    scores, indices = esvm.ExemplarIndex(rows).search(rows[3] + 0.1, k=7)
    assert scores.shape == indices.shape == (7,)
    assert scores.dtype == rows.dtype
    assert indices.dtype == np.int64
    assert (np.diff(scores) <= 0).all()


def test_several_queries_give_matrices_with_the_same_bits_as_single_ones(rows):
    index = esvm.ExemplarIndex(rows)
    queries = rows[:5] * 0.9 + 0.05
    scores, indices = index.search(queries, k=4)
    assert scores.shape == indices.shape == (5, 4)
    for i, query in enumerate(queries):
        one = index.search(query, k=4)
        np.testing.assert_array_equal(scores[i], one.scores)
        np.testing.assert_array_equal(indices[i], one.indices)


def test_search_returns_the_largest_values_of_the_decision_function(rows):
    index = esvm.ExemplarIndex(rows)
    result = index.search(rows[10], k=20)
    f = index.decision_function(rows[10])
    assert f.shape == (len(rows),)
    best = np.lexsort((np.arange(len(rows)), -f))[:20]
    np.testing.assert_array_equal(result.indices, best)
    np.testing.assert_array_equal(result.scores, f[best])
    assert index.decision_function(rows[:3]).shape == (3, len(rows))


def test_more_than_there_is_pads_with_minus_infinity_and_minus_one(rows):
    scores, indices = esvm.ExemplarIndex(rows[:3]).search(rows[0], k=5)
    assert sorted(indices[:3]) == [0, 1, 2]
    assert (indices[3:] == -1).all()
    assert (scores[3:] == -np.inf).all()


def test_equal_scores_are_in_the_order_of_their_row_numbers(dtype):
    rows = np.repeat(clustered(20, 8, dtype=dtype), 3, axis=0)
    _, indices = esvm.ExemplarIndex(rows).search(rows[30], k=60)
    for first in range(0, 60, 3):
        group = indices[first : first + 3]
        np.testing.assert_array_equal(group, np.sort(group))
        assert len(set(group // 3)) == 1


def test_the_report_tells_what_was_done_and_what_is_proven(rows):
    result = esvm.ExemplarIndex(rows).search(rows[0] + 0.2, k=10)
    report = result.report
    assert report.status == "converged"
    assert 0 < report.n_support <= len(rows)
    assert report.epochs > 0
    assert 0 <= report.duality_gap < 1e-8
    assert 0 < report.score_error_bound < 1e-3
    assert 0 < report.certified_k <= 10


def test_the_report_of_a_batch_is_arrays_and_a_sequence(rows):
    report = esvm.ExemplarIndex(rows).search(rows[:4], k=2).report
    assert len(report) == 4
    assert (report.status == "converged").all()
    assert [r.n_support for r in report] == report.n_support.tolist()
    assert report[1].duality_gap == report.duality_gap[1]


def test_a_result_unpacks_and_survives_pickling(rows):
    result = esvm.ExemplarIndex(rows).search(rows[0], k=3)
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again.scores, result.scores)
    np.testing.assert_array_equal(again[1], result.indices)
    assert again.report == result.report
    assert repr(result) == "SearchResult(k=3, converged, 3 of 3 ranks proven)"


def test_shared_search_of_one_positive_is_a_search(rows):
    index = esvm.ExemplarIndex(rows)
    one, shared = index.search(rows[7], k=9), index.search_shared(rows[7:8], k=9)
    np.testing.assert_array_equal(one.scores, shared.scores)
    np.testing.assert_array_equal(one.indices, shared.indices)
    np.testing.assert_array_equal(index.search_shared(rows[7], k=9).scores, shared.scores)
    np.testing.assert_array_equal(index.search_shared([rows[7]], k=9).scores, shared.scores)


def test_the_model_is_made_of_its_support(rows):
    positives = rows[[1, 50]] * 0.8 + 0.1
    model = esvm.ExemplarIndex(rows).fit(positives)
    coef = model.positive_dual_coef_ @ positives + model.dual_coef_ @ rows[model.support_]
    np.testing.assert_allclose(model.coef_, coef, atol=2e-6)
    assert (model.dual_coef_ < 0).all()
    assert (model.positive_dual_coef_ >= 0).all()
    assert model.duality_gap_ < 1e-8
    assert model.n_iter_ > 0


def test_the_model_scores_rows_with_the_bits_of_the_index(rows):
    index = esvm.ExemplarIndex(rows)
    model = index.fit(rows[:1])
    np.testing.assert_array_equal(model.decision_function(rows), index.decision_function(rows[0]))
    ranking = np.argsort(-(rows @ model.inner_product_query()), kind="stable")
    np.testing.assert_array_equal(ranking[:5], index.search(rows[0], k=5).indices)


def test_settings_of_a_call_override_those_of_the_index(rows):
    index = esvm.ExemplarIndex(rows)
    for name, value in {"C": 5.0, "prior": 2.0}.items():
        own = esvm.ExemplarIndex(rows, **{name: value})
        overridden = index.decision_function(rows[0], **{name: value})
        np.testing.assert_array_equal(overridden, own.decision_function(rows[0]))
        assert not np.array_equal(overridden, index.decision_function(rows[0]))
    with pytest.warns(esvm.ConvergenceWarning, match="max_iter"):
        assert index.search(rows[0], max_iter=1, tol=1e-12).report.status == "epoch_limit"
    loose = index.search(rows[0], tol=0.1).report
    assert loose.duality_gap >= index.search(rows[0], tol=1e-7).report.duality_gap


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")
def test_too_few_epochs_give_a_result_and_say_how_far_it_is(rows):
    index = esvm.ExemplarIndex(rows, C=10, tol=1e-9)
    exact = index.decision_function(rows[0] + 0.3)
    result = index.search(rows[0] + 0.3, k=200, max_iter=2)
    assert result.report.status == "epoch_limit"
    assert result.report.duality_gap > 0
    error = np.abs(result.scores - exact[result.indices]).max()
    assert error <= result.report.score_error_bound


def test_a_tolerance_beyond_the_arithmetic_ends_and_says_so():
    rows = clustered(300, 24, dtype=np.float32) + np.float32(1e4)
    index = esvm.ExemplarIndex(rows)
    with pytest.warns(esvm.ConvergenceWarning, match="cannot resolve tol"):
        report = index.search(rows[0] + 0.1, tol=1e-13, max_iter=100000).report
    assert report.status == "precision_limit"
    assert report.epochs < 2000
    assert report.score_error_bound < 1


def test_the_one_shot_search_is_the_index_search(rows):
    one = esvm.search(rows[4], rows, k=6, C=0.5)
    other = esvm.ExemplarIndex(rows, C=0.5).search(rows[4], k=6)
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_refresh_takes_notice_of_changed_rows(rows):
    rows = rows.copy()
    index = esvm.ExemplarIndex(rows, center=True)
    rows *= 3
    index.refresh()
    fresh = esvm.ExemplarIndex(rows.copy(), center=True)
    np.testing.assert_array_equal(
        index.decision_function(rows[0]), fresh.decision_function(rows[0])
    )


def test_a_refused_refresh_leaves_the_index_as_it_was(rows):
    rows = rows.copy()
    index = esvm.ExemplarIndex(rows)
    before = index.search(rows[0])
    kept = rows[5, 2]
    rows[5, 2] = np.nan
    with pytest.raises(ValueError, match="embeddings holds nan at row 5, column 2"):
        index.refresh()
    rows[5, 2] = kept
    np.testing.assert_array_equal(index.search(rows[0]).scores, before.scores)


def test_an_index_describes_itself(rows):
    index = esvm.ExemplarIndex(rows)
    assert len(index) == 200
    assert index.n_features == 16
    assert index.dtype == rows.dtype
    assert "200 rows of 16 features" in repr(index)


@pytest.mark.parametrize("center", [False, True])
def test_memory_usage_counts_the_bytes_of_what_a_method_keeps(rows, center):
    n, d = rows.shape
    usage = {
        method: esvm.ExemplarIndex(rows, method=method, center=center).memory_usage()
        for method in ("full", "working_set", "gram", "auto")
    }
    for parts in usage.values():
        assert sum(parts.values()) == 2 * parts["total"]
        assert parts["norms"] == n * rows.itemsize
        assert parts["mean"] == (8 * d + n * rows.itemsize if center else 0)
        assert {"norms", "mean", "gaussian_model", "sign_codes", "gram", "total"} <= set(parts)
    kept = {key for key, size in usage["full"].items() if size}
    assert kept == {"norms", "mean", "total"} - ({"mean"} if not center else set())
    assert usage["working_set"]["gaussian_model"] > 0
    assert usage["working_set"]["sign_codes"] >= n * (d // 8)
    assert usage["working_set"]["gram"] == 0
    assert usage["gram"]["gram"] == n * n * rows.itemsize
    assert usage["gram"]["gaussian_model"] == usage["gram"]["sign_codes"] == 0
    assert usage["auto"] == usage["full"]


def test_old_keys_of_memory_usage_work_and_warn():
    usage = esvm.ExemplarIndex(clustered(1100, 8), method="working_set").memory_usage()
    for old, new in (("background", "gaussian_model"), ("signatures", "sign_codes")):
        with pytest.warns(DeprecationWarning, match=f"'{old}' is now called '{new}'") as told:
            assert usage[old] == usage[new] > 0
        assert told[0].filename == __file__
        assert old not in usage
    with pytest.raises(KeyError, match="sketches"):
        usage["sketches"]


def test_the_method_follows_from_the_shape_of_the_rows(dtype):
    def kept(n, d):
        usage = esvm.ExemplarIndex(clustered(n, d, dtype=dtype)).memory_usage()
        return {key for key in ("sign_codes", "gram") if usage[key]}

    assert kept(100, 50) == {"gram"}
    assert kept(101, 50) == set()
    assert kept(1023, 8) == set()
    assert kept(1024, 8) == {"sign_codes"}


@pytest.mark.parametrize("method", ["full", "working_set", "gram"])
@pytest.mark.parametrize("k", [5, 300, 700])
def test_every_method_returns_the_same_ranking(dtype, method, k):
    rows = clustered(600, 24, dtype=dtype)
    truth = esvm.ExemplarIndex(rows.astype(np.float64), tol=1e-8, method="full")
    result = esvm.ExemplarIndex(rows, method=method).search(rows[:3] + dtype(0.1), k)
    scores, indices = truth.search(rows[:3] + dtype(0.1), k)
    assert (result.report.status == "converged").all()
    np.testing.assert_allclose(result.scores, scores, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(result.indices[:, :5], indices[:, :5])
    assert ((result.indices == -1) == (indices == -1)).all()


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("d", [1, 5])
@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
@pytest.mark.parametrize("center", [False, True])
def test_degenerate_sizes_have_a_defined_result(dtype, n, d, loss, center):
    rows = clustered(n, d, dtype=dtype) if n else np.empty((0, d), dtype)
    index = esvm.ExemplarIndex(rows, loss=loss, center=center)
    query = np.ones(d)
    scores, indices = index.search(query, k=3)
    assert (indices >= 0).sum() == n
    assert not np.isnan(scores).any()
    assert np.isfinite(index.decision_function(query)).all()
    assert np.isfinite(index.fit(query).coef_).all()


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
@pytest.mark.parametrize("C", [1e-3, 0.1, 1e4])
def test_zero_vectors_and_duplicates_have_a_defined_result(dtype, loss, C):
    rows = clustered(30, 6, dtype=dtype)
    rows[10:20] = rows[0]
    rows[20:25] = 0
    index = esvm.ExemplarIndex(rows, loss=loss, C=C)
    for query in (rows[0], rows[20], -rows[0], np.zeros(6)):
        result = index.search(query, k=30)
        assert np.isfinite(result.scores).all()
        assert np.isfinite(result.report.duality_gap)
        assert result.report.duality_gap >= 0
        assert sorted(result.indices) == list(range(30))


def test_no_queries_give_empty_results(rows):
    scores, indices = esvm.ExemplarIndex(rows).search(np.empty((0, 16)), k=3)
    assert scores.shape == indices.shape == (0, 3)


def test_certified_ranks_are_those_of_the_optimum(rows):
    index = esvm.ExemplarIndex(rows)
    exact = esvm.ExemplarIndex(rows.astype(np.float64), tol=1e-9)
    for i in range(10):
        query = rows[i].astype(np.float64) + 0.2
        truth = exact.search(query.astype(rows.dtype), k=50).indices
        for tol in (1e-1, 1e-2, 1e-4):
            result = index.search(query, k=50, tol=tol)
            proven = result.report.certified_k
            np.testing.assert_array_equal(result.indices[:proven], truth[:proven])
