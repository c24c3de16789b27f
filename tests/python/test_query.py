"""Searches with negatives, row numbers, weights and masks, with LinearSVC as the outside judge."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

import exemplar_svm as esvm

ROWS = clustered(400, 12, seed=21)
NEAR = clustered(10, 12, seed=22)
N = len(ROWS)


@st.composite
def queries(draw):
    """What `search_shared` may be asked, as keyword arguments."""

    def examples(at_least):
        chosen = draw(st.lists(st.integers(0, 19), min_size=at_least, max_size=4, unique=True))
        return [i // 2 + offset if i % 2 else NEAR[i // 2] for i in chosen]

    def weights(count):
        return draw(st.none() | st.lists(st.floats(0.2, 4.0), min_size=count, max_size=count))

    offset = 0
    positives = examples(1)
    offset = 100
    negatives = examples(0)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    query = {"positives": positives, "negatives": negatives or None}
    query["positive_weights"] = weights(len(positives))
    query["negative_weight"] = weights(len(negatives))
    query["candidates"] = rng.random(N) < draw(st.sampled_from([0.02, 0.6, 1.0]))
    query["background"] = rng.random(N) < draw(st.sampled_from([0.3, 0.8, 1.0]))
    query["include_positives"] = draw(st.booleans())
    return query


def numbered(examples):
    return [e for e in examples or [] if isinstance(e, int)]


def vectors(examples, rows):
    return np.array([rows[e] if isinstance(e, int) else e for e in examples or []]).reshape(-1, 12)


def judged_scores(query, C, loss, mean, rows=ROWS):
    """Scores of LinearSVC on the same samples, each with its cost as its weight."""
    positives = vectors(query["positives"], rows)
    negatives = vectors(query["negatives"], rows)
    background = query["background"].copy()
    background[numbered(query["positives"]) + numbered(query["negatives"])] = False
    p, n = len(positives), len(negatives) + background.sum()
    cost = C * (n + p) / (2 * p)
    x = np.vstack([positives, negatives, rows[background]]) - mean
    y = np.r_[np.ones(p), np.zeros(n)]
    weights = np.r_[
        cost * np.ones(p) * (1 if query["positive_weights"] is None else query["positive_weights"]),
        cost
        * np.ones(len(negatives))
        * (1 if query["negative_weight"] is None else query["negative_weight"]),
        np.full(background.sum(), C * (n + p) / (2 * n)),
    ]
    judge = LinearSVC(C=1.0, loss=loss, dual=True, tol=1e-10, max_iter=100_000)
    return judge.fit(x, y, sample_weight=weights).decision_function(rows - mean)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    queries(),
    st.sampled_from(["full", "working_set", "gram"]),
    st.sampled_from([0.01, 0.1, 1.0]),
    st.booleans(),
)
def test_queries_of_every_kind_are_those_of_linear_svc(query, method, C, center):
    index = esvm.ExemplarIndex(ROWS, method=method, C=C, center=center, tol=1e-8)
    judged = judged_scores(query, C, "squared_hinge", ROWS.mean(axis=0) if center else 0.0)
    allowed = query["candidates"].copy()
    allowed[numbered(query["negatives"])] = False
    if not query["include_positives"]:
        allowed[numbered(query["positives"])] = False

    scores, indices = index.search_shared(**query, k=20)
    expected = np.flatnonzero(allowed)
    expected = expected[np.argsort(-judged[expected], kind="stable")][:20]
    found = indices[indices >= 0]
    assert len(found) == len(expected)
    assert allowed[found].all()
    np.testing.assert_allclose(scores[: len(found)], judged[found], atol=1e-5)
    np.testing.assert_allclose(judged[found], judged[expected], atol=1e-5)
    assert (scores[len(found) :] == -np.inf).all()

    del query["candidates"], query["include_positives"]
    model = index.fit(**query)
    np.testing.assert_allclose(model.decision_function(ROWS), judged, atol=1e-5)
    if not center:
        coef = (
            model.positive_dual_coef_ @ vectors(query["positives"], ROWS)
            + model.negative_dual_coef_ @ vectors(query["negatives"], ROWS)
            + model.dual_coef_ @ ROWS[model.support_]
        )
        np.testing.assert_allclose(model.coef_, coef, atol=1e-9)
    assert (model.negative_dual_coef_ <= 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_examples_may_be_given_in_many_ways(dtype):
    rows = ROWS.astype(dtype)
    index = esvm.ExemplarIndex(rows)
    expected = index.search_shared([17, 42], k=5)
    for same in (
        np.array([17, 42]),
        np.array([17, 42], np.uint32),
        (17, 42),
        [np.int32(17), 42],
        range(17, 43, 25),
    ):
        np.testing.assert_array_equal(index.search_shared(same, k=5).indices, expected.indices)
    assert not np.isin([17, 42], expected.indices).any()
    np.testing.assert_array_equal(
        index.search_shared(np.int64(17), k=5).indices, index.search_shared([17], k=5).indices
    )
    # A vector that is not a row, written in three ways; integers among its elements are no rows.
    vector = [1, 0.5] * 6
    one = index.search_shared(vector, k=5)
    for same in (np.array(vector), [vector], np.array([vector])):
        np.testing.assert_array_equal(index.search_shared(same, k=5).scores, one.scores)
    mixed = index.search_shared([17, vector], k=5, positive_weights=[2.0, 1.0])
    swapped = index.search_shared([vector, 17], k=5, positive_weights=[1.0, 2.0])
    np.testing.assert_array_equal(mixed.scores, swapped.scores)
    np.testing.assert_array_equal(
        index.fit([17, vector]).positive_dual_coef_,
        index.fit([vector, 17]).positive_dual_coef_[::-1],
    )


def test_a_row_named_as_positive_is_no_negative():
    index = esvm.ExemplarIndex(ROWS, tol=1e-8)
    others = np.delete(ROWS, 17, axis=0)
    expected = esvm.ExemplarIndex(others, tol=1e-8).search(ROWS[17], k=5)
    found = index.search_shared(17, k=5)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-8)
    np.testing.assert_array_equal(found.indices, expected.indices + (expected.indices >= 17))
    with_itself = index.search_shared(17, k=5, include_positives=True)
    assert with_itself.indices[0] == 17
    np.testing.assert_array_equal(with_itself.indices[1:], found.indices[:4])


def test_duplicates_of_a_positive_can_be_left_out_of_the_background():
    rows = ROWS.copy()
    rows[[5, 300]] = NEAR[0]
    index = esvm.ExemplarIndex(rows, tol=1e-8)
    ignored = index.search(NEAR[0], k=5, duplicates="ignore")
    masked = index.search(NEAR[0], k=5, background=np.delete(np.arange(N), [5, 300]))
    np.testing.assert_array_equal(ignored.scores, masked.scores)
    assert ignored.indices[:2].tolist() == [5, 300]  # returned all the same
    assert ignored.scores[0] > index.search(NEAR[0], k=5).scores[0]


@pytest.mark.parametrize("method", ["full", "working_set", "gram"])
def test_masks_hold_for_every_query_of_a_batch(method):
    index = esvm.ExemplarIndex(ROWS, method=method)
    masks = {"candidates": np.arange(0, N, 3), "background": np.arange(N) % 5 != 0}
    batch = index.search(NEAR, k=4, **masks)
    assert (batch.indices % 3 == 0).all()
    for q, query in enumerate(NEAR):
        single = index.search(query, k=4, **masks)
        np.testing.assert_array_equal(batch.indices[q], single.indices)
        np.testing.assert_array_equal(batch.scores[q], single.scores)
    scores = index.decision_function(NEAR, background=masks["background"])
    np.testing.assert_allclose(
        np.take_along_axis(scores, batch.indices, axis=1), batch.scores, atol=1e-5
    )


def test_no_candidates_and_no_background():
    index = esvm.ExemplarIndex(ROWS)
    nobody = index.search(NEAR[0], k=3, candidates=[])
    assert nobody.indices.tolist() == [-1, -1, -1]
    alone = index.search(NEAR[0], k=3, background=np.zeros(N, bool))
    assert alone.report.status == "converged"
    assert alone.report.n_support == 0
