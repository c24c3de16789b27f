"""Properties that hold for any rows, tested by hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import exemplar_svm as esvm
from reference import exemplar

LOSSES = st.sampled_from(["squared_hinge", "hinge"])
COSTS = st.sampled_from([0.01, 0.1, 1.0, 10.0])
METHODS = [
    {"method": "full"},
    {"method": "working_set"},
    {"method": "working_set", "sketch": "int8"},
    {"method": "gram"},
]


@st.composite
def rows_and_positives(draw, max_positives=3):
    """Rows of many shapes and scales, with repeated and zero rows, and some positives."""
    n, d = draw(st.integers(1, 25)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.01, 1.0, 1.0, 30.0]))
    rows = scale * (rng.standard_normal((n, d)) + draw(st.sampled_from([0.0, 2.0])))
    if draw(st.booleans()):
        rows[rng.integers(n, size=n // 3)] = rows[0]
    if draw(st.booleans()):
        rows[rng.integers(n, size=n // 4)] = 0.0
    p = draw(st.integers(1, max_positives))
    positives = scale * (rng.standard_normal((p, d)) + 0.5)
    if draw(st.booleans()):
        positives[0] = rows[0]
    return rows, positives


def exact_scores(rows, positives, **options):
    index = esvm.ExemplarIndex(rows, tol=1e-9, max_iter=200000, **options)
    result = index.search_shared(positives, k=len(rows))
    scores = np.empty(len(rows))
    scores[result.indices] = result.scores
    return scores, result.report


def close(a, b):
    # Two solutions of one problem differ by what their certificates allow, in exact arithmetic;
    # these problems are solved far beyond that.
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@given(rows_and_positives(), LOSSES, COSTS)
def test_permuting_rows_permutes_scores(data, loss, C):
    rows, positives = data
    order = np.random.default_rng(0).permutation(len(rows))
    scores, _ = exact_scores(rows, positives, loss=loss, C=C)
    permuted, _ = exact_scores(rows[order], positives, loss=loss, C=C)
    close(permuted, scores[order])


@given(rows_and_positives(), LOSSES, COSTS)
def test_rotating_rows_and_query_together_leaves_scores(data, loss, C):
    rows, positives = data
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.standard_normal((rows.shape[1], rows.shape[1])))
    scores, _ = exact_scores(rows, positives, loss=loss, C=C)
    rotated, _ = exact_scores(rows @ rotation, positives @ rotation, loss=loss, C=C)
    close(rotated, scores)


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # few epochs
@given(rows_and_positives(), LOSSES, COSTS, st.integers(1, 30))
def test_dual_never_exceeds_primal(data, loss, C, max_iter):
    rows, positives = data
    problem = exemplar.exemplar_problem(positives, rows, C=C, loss=loss)
    model = esvm.ExemplarIndex(rows, loss=loss, C=C, tol=1e-12).fit(positives, max_iter=max_iter)
    dual = np.zeros(len(rows))
    dual[model.support_] = -model.dual_coef_
    dual = np.r_[model.positive_dual_coef_, dual]
    w = np.r_[model.coef_, model.intercept_]
    slack = 1e-9 * max(1.0, abs(problem.primal(w)))
    assert problem.dual(dual) <= problem.primal(w) + slack
    assert model.duality_gap_ >= 0


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # few epochs
@given(rows_and_positives(), LOSSES, COSTS, st.integers(1, 30))
def test_the_error_bound_holds_however_early_the_solver_stops(data, loss, C, max_iter):
    rows, positives = data
    exact, final = exact_scores(rows, positives, loss=loss, C=C)
    index = esvm.ExemplarIndex(rows, loss=loss, C=C, max_iter=max_iter)
    result = index.search_shared(positives, k=len(rows))
    error = np.abs(result.scores - exact[result.indices]).max()
    assert error <= result.report.score_error_bound + final.score_error_bound


@pytest.mark.filterwarnings(
    "ignore::exemplar_svm.ConvergenceWarning"
)  # a tol that rounding may exceed
@given(rows_and_positives(), COSTS)
def test_a_row_that_does_not_support_changes_nothing(data, C):
    rows, positives = data
    scores, _ = exact_scores(rows, positives, C=C, class_weight=None)
    model = esvm.ExemplarIndex(rows, C=C, class_weight=None, tol=1e-9, max_iter=200000).fit(
        positives
    )
    direction = model.coef_
    if not np.any(direction):
        return
    # Far on the negative side: f(x) = -2 - |b|, so its dual coefficient is zero.
    distance = (2 + 2 * abs(model.intercept_)) / (direction @ direction)
    added = np.vstack([rows, -distance * direction])
    more, _ = exact_scores(added, positives, C=C, class_weight=None)
    close(more[:-1], scores)


@given(rows_and_positives(max_positives=1), COSTS, st.integers(2, 6), LOSSES)
def test_equal_positives_with_shared_weight_equal_one(data, C, p, loss):
    rows, positive = data
    one, _ = exact_scores(rows, positive, C=C, loss=loss, class_weight={1: 6.0, -1: 1.0})
    many, _ = exact_scores(
        rows, np.repeat(positive, p, axis=0), C=C, loss=loss, class_weight={1: 6.0 / p, -1: 1.0}
    )
    close(many, one)


@given(rows_and_positives())
def test_subtracting_the_mean_by_hand_is_centring(data):
    rows, positives = data
    mean = rows.mean(axis=0)
    by_hand, _ = exact_scores(rows - mean, positives - mean)
    centred, _ = exact_scores(rows, positives, center=True)
    close(centred, by_hand)


@given(
    rows_and_positives(),
    LOSSES,
    COSTS,
    st.booleans(),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from(METHODS),
)
def test_every_method_gives_the_same_scores(data, loss, C, center, prior, method):
    rows, positives = data
    options = {"loss": loss, "C": C, "center": center, "prior": prior}
    full, _ = exact_scores(rows, positives, method="full", **options)
    other, _ = exact_scores(rows, positives, **method, **options)
    close(other, full)


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # few epochs
@given(rows_and_positives(), LOSSES, COSTS, st.booleans(), st.integers(1, 10))
def test_every_method_is_right_about_what_it_has_proven(data, loss, C, center, max_iter):
    rows, positives = (x.astype(np.float32) for x in data)
    options = {"loss": loss, "C": C, "center": center}
    exact, final = exact_scores(
        rows.astype(np.float64), positives.astype(np.float64), method="full", **options
    )
    order = np.lexsort((np.arange(len(rows)), -exact))
    for method in METHODS:
        index = esvm.ExemplarIndex(rows, **method, **options)
        for epochs in (max_iter, 20000):
            result = index.search_shared(positives, k=len(rows), max_iter=epochs)
            error = np.abs(result.scores - exact[result.indices]).max()
            assert error <= result.report.score_error_bound + final.score_error_bound + 1e-6
            proven = result.report.certified_k
            lost = exact[order[:proven]] - exact[result.indices[:proven]]
            assert np.abs(lost).max(initial=0.0) < 1e-6


def test_bounds_hold_for_centred_float32_positives():
    # Negatives that equal the positive: dual coefficients of 50, times a positive that was rounded
    # when the mean was subtracted, moved the scores by more than was claimed.
    rng = np.random.default_rng(5)
    for _ in range(20):
        rows = rng.standard_normal((10, 6)).astype(np.float32)
        rows[8:] = rows[0]
        options = {"C": 10.0, "center": True}
        exact, _ = exact_scores(rows.astype(float), rows[:1].astype(float), **options)
        for method in METHODS:
            index = esvm.ExemplarIndex(rows, **method, **options)
            result = index.search_shared(rows[:1], k=10)
            error = np.abs(result.scores - exact[result.indices]).max()
            assert error <= result.report.score_error_bound + 1e-7


@given(rows_and_positives(), LOSSES, COSTS)
def test_float32_rows_rank_as_float64_rows_do(data, loss, C):
    rows, positives = (x.astype(np.float32) for x in data)
    exact, _ = exact_scores(rows.astype(np.float64), positives.astype(np.float64), loss=loss, C=C)
    index = esvm.ExemplarIndex(rows, loss=loss, C=C, max_iter=20000)
    result = index.search_shared(positives, k=len(rows))
    error = np.abs(result.scores - exact[result.indices]).max()
    assert error <= result.report.score_error_bound + 1e-6
    proven = result.report.certified_k
    order = np.lexsort((np.arange(len(rows)), -exact))
    lost = exact[order[:proven]] - exact[result.indices[:proven]]
    assert np.abs(lost).max(initial=0.0) < 1e-6
