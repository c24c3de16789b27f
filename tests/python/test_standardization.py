"""Standardized scores: a stated function of the scores, the same on every path, the same order."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from conftest import clustered
from hypothesis import given
from hypothesis import strategies as st

import exemplar_svm as esvm

MANY = clustered(3000, 16, seed=31)
FEW = clustered(700, 16, seed=32)
QUERIES = clustered(11, 16, seed=33)
METHODS = [("full", None), ("working_set", None), ("working_set", "int8"), ("gram", None)]


def standardized(scores, background):
    """The definition: standard deviations above the mean score of the background."""
    deviation = scores[background].std()
    return (scores - scores[background].mean()) / deviation


@pytest.mark.parametrize(("method", "sketch"), METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_up_to_2048_rows_standardize_exactly(method, sketch, center, dtype):
    index = esvm.ExemplarIndex(
        FEW.astype(dtype), method=method, sketch=sketch, center=center, tol=1e-6
    )
    every = np.ones(len(FEW), bool)
    for query in QUERIES[:3]:
        expected = standardized(index.decision_function(query).astype(float), every)
        plain = index.search(query, k=30)
        found = index.search(query, k=30, standardize=True)
        np.testing.assert_array_equal(found.indices, plain.indices)
        assert found.report == plain.report
        assert found.scores.dtype == dtype
        np.testing.assert_allclose(found.scores, expected[found.indices], atol=2e-5)


@pytest.mark.parametrize("method", ["full", "working_set", "gram"])
def test_the_background_without_its_examples_standardizes(method):
    rng = np.random.default_rng(0)
    background = rng.random(len(FEW)) < 0.3
    candidates = rng.random(len(FEW)) < 0.7
    examples = {"positives": [3, QUERIES[0], 5], "negatives": [7, QUERIES[1]]}
    index = esvm.ExemplarIndex(FEW, method=method, tol=1e-8)
    found = index.search_shared(
        **examples, k=40, background=background, candidates=candidates, standardize=True
    )
    scores = index.fit(**examples, background=background).decision_function(FEW)
    background[[3, 5, 7]] = False
    expected = standardized(scores, background)
    np.testing.assert_allclose(found.scores, expected[found.indices], atol=1e-6)
    plain = index.search_shared(**examples, k=40, background=~background, candidates=candidates)
    assert (plain.scores > -2).all()


@pytest.mark.parametrize(("method", "sketch"), [*METHODS[:3], ("gram", None)])
def test_a_sample_of_more_rows_standardizes_nearly_as_all_of_them(method, sketch):
    index = esvm.ExemplarIndex(MANY, method=method, sketch=sketch)
    plain = index.search(QUERIES, k=50)
    found = index.search(QUERIES, k=50, standardize=True)
    np.testing.assert_array_equal(found.indices, plain.indices)
    every = np.ones(len(MANY), bool)
    for q, query in enumerate(QUERIES):
        slope, intercept = np.polyfit(plain.scores[q], found.scores[q], 1)
        np.testing.assert_allclose(slope * plain.scores[q] + intercept, found.scores[q], atol=1e-9)
        scores = index.decision_function(query)
        deviation, mean = 1 / slope, -intercept / slope
        assert abs(mean - scores[every].mean()) < 0.07 * scores.std()
        assert abs(deviation / scores.std() - 1) < 0.07


def test_the_sample_does_not_follow_a_period_of_the_rows():
    # Rows of two kinds that alternate: equally distant places would find one of them only.
    kinds = np.array([np.eye(8)[0], np.eye(8)[1]])
    rows = np.tile(kinds, (4096, 1)) + 0.01 * np.random.default_rng(0).standard_normal((8192, 8))
    for places in (1, 2, 4):
        index = esvm.ExemplarIndex(np.repeat(rows, places, axis=0)[:8192])
        query = np.eye(8)[0]
        expected = standardized(index.decision_function(query), np.ones(len(index), bool))
        found = index.search(query, k=5, standardize=True)
        np.testing.assert_allclose(found.scores, expected[found.indices], rtol=0.1, atol=0.1)


@pytest.mark.parametrize(("method", "sketch"), METHODS)
def test_batches_and_threads_change_no_bit(method, sketch):
    index = esvm.ExemplarIndex(MANY, method=method, sketch=sketch)
    single = [index.search(query, k=7, standardize=True, n_threads=1).scores for query in QUERIES]
    for n_threads in (1, 2, 3):
        batch = index.search(QUERIES, k=7, standardize=True, n_threads=n_threads)
        np.testing.assert_array_equal(batch.scores, single)
    again = index.search_shared(QUERIES[0], k=7, standardize=True)
    np.testing.assert_array_equal(again.scores, single[0])


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # norms of 10,000
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 40),
    distinct=st.integers(1, 4),
    scale=st.sampled_from([0.0, 1e-30, 1e-4, 1.0, 1e4]),
    method=st.sampled_from(["full", "working_set", "gram"]),
    double=st.booleans(),
)
def test_standardizing_never_changes_a_ranking(seed, n, distinct, scale, method, double):
    rng = np.random.default_rng(seed)
    kinds = scale * rng.standard_normal((distinct, 3))
    rows = kinds[rng.integers(distinct, size=n)].astype(np.float64 if double else np.float32)
    index = esvm.ExemplarIndex(rows, method=method)
    masks = {"background": rng.random(n) < 0.5, "candidates": rng.random(n) < 0.5}
    for query in (rows[:1] if n else np.zeros((1, 3)), rng.standard_normal((1, 3))):
        for chosen in ({}, masks):
            plain = index.search(query, k=45, **chosen)
            found = index.search(query, k=45, standardize=True, **chosen)
            np.testing.assert_array_equal(found.indices, plain.indices)
            returned = found.indices >= 0
            assert np.isfinite(found.scores[returned]).all()
            assert (found.scores[~returned] == -np.inf).all()
            assert (np.diff(found.scores[returned]) <= 0).all()


def test_without_a_spread_only_the_mean_is_subtracted():
    same = np.tile(ROW := FEW[0], (50, 1))
    for method in ("full", "working_set", "gram"):
        found = esvm.ExemplarIndex(same, method=method).search(ROW, k=3, standardize=True)
        np.testing.assert_array_equal(found.scores, 0.0)
    index = esvm.ExemplarIndex(FEW)
    nothing = np.zeros(len(FEW), bool)
    plain = index.search(QUERIES[0], k=4, background=nothing)
    found = index.search(QUERIES[0], k=4, background=nothing, standardize=True)
    np.testing.assert_array_equal(found.scores, plain.scores)


def test_certified_searches_standardize_the_scores_that_they_have():
    index = esvm.ExemplarIndex(MANY)
    plain = index.search(QUERIES[2], k=10, certify=3)
    found = index.search(QUERIES[2], k=10, certify=3, standardize=True)
    np.testing.assert_array_equal(found.indices, plain.indices)
    assert found.report == plain.report
    slope, intercept = np.polyfit(plain.scores, found.scores, 1)
    np.testing.assert_allclose(slope * plain.scores + intercept, found.scores, atol=1e-9)


@pytest.mark.parametrize(("method", "sketch"), METHODS)
def test_a_search_that_is_out_of_time_standardizes_what_it_has(method, sketch):
    rows = clustered(3000, 96, seed=34, dtype=np.float32)
    index = esvm.ExemplarIndex(rows, method=method, sketch=sketch)
    found = index.search(rows[:4] + 0.1, k=20, timeout=1e-9, standardize=True)
    assert (found.report.status == "deadline").all()
    for timeout in (1e-4, 3e-4, 1e-3, 3e-3, 1.0):
        found = index.search(rows[:4] + 0.1, k=20, timeout=timeout, standardize=True)
        returned = found.indices >= 0
        assert np.isfinite(found.scores[returned]).all()
        assert (found.scores[~returned] == -np.inf).all()
        for scores, mine in zip(found.scores, returned, strict=True):
            assert (np.diff(scores[mine]) <= 0).all()
    assert (found.report.status == "converged").all()


def average_precision(scores, relevant):
    hits = relevant[np.argsort(-scores, kind="stable")]
    return (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()


def test_merged_by_standardized_scores_the_relevant_come_earlier(data_folder):
    data = np.load(data_folder / "cacm.npz")
    index = esvm.ExemplarIndex(data["doc_emb"])
    merged = {False: [], True: []}
    relevant = []
    for query in np.unique(data["qrels"][:, 0]):
        documents = np.sort(data["qrels"][data["qrels"][:, 0] == query, 1])
        if len(documents) < 5:
            continue
        for standardize, scores in merged.items():
            found = index.search_shared(documents[:3], k=20, standardize=standardize)
            scores.append(found.scores)
        relevant.append(np.isin(found.indices, documents[3:]))
    relevant = np.concatenate(relevant)
    raw, standardized = (average_precision(np.concatenate(s), relevant) for s in merged.values())
    assert standardized > raw + 0.03


@pytest.mark.parametrize("start", ["search", "search_shared", "session"])
def test_the_old_keyword_works_and_warns(start):
    index = esvm.ExemplarIndex(FEW)
    if start == "session":
        search = index.session(QUERIES[0]).search
    else:
        search = functools.partial(getattr(index, start), QUERIES[0])
    expected = search(k=5, standardize=True)
    with pytest.warns(DeprecationWarning, match="calibrate= is now called standardize=") as told:
        found = search(k=5, calibrate=True)
    assert told[0].filename == __file__
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    with pytest.raises(TypeError, match="give standardize alone"):
        search(k=5, calibrate=True, standardize=True)
    with pytest.raises(TypeError, match="standardize is 'yes', but must be True or False"):
        search(k=5, standardize="yes")
