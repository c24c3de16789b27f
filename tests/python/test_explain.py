"""What a model explains about its ranking: hardest negatives, and contributions of features."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

ROWS = clustered(300, 14, seed=5)
VECTOR = clustered(1, 14, seed=6)[0]


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("prior", [0.0, 1.5])
@pytest.mark.parametrize("query", [VECTOR, [17, VECTOR, 42]], ids=["one", "mixed"])
def test_contributions_and_the_base_score_add_up_to_the_score(dtype, center, prior, query):
    rows = ROWS.astype(dtype)
    index = esvm.ExemplarIndex(rows, center=center, prior=prior)
    model = index.fit(query, negatives=[8])
    parts = model.contributions(rows)
    assert parts.shape == rows.shape
    assert parts.dtype == np.float64
    exact = rows.astype(float) @ model.coef_.astype(float) + model.intercept_
    np.testing.assert_allclose(parts.sum(axis=1) + model.base_score_, exact, rtol=0, atol=1e-14)
    scores = model.decision_function(rows)
    bound = 20 * np.finfo(dtype).eps * (np.abs(rows * model.coef_).sum(axis=1) + 1)
    assert (np.abs(scores - parts.sum(axis=1) - model.base_score_) <= bound).all()
    np.testing.assert_array_equal(model.contributions(rows[3]), parts[3])
    np.testing.assert_array_equal(model.contributions(rows[3].tolist()), parts[3])


def test_contributions_are_of_the_distance_from_the_mean_where_it_is_subtracted():
    plain = esvm.ExemplarIndex(ROWS).fit(VECTOR)
    np.testing.assert_array_equal(plain.mean_, 0.0)
    assert plain.base_score_ == plain.intercept_
    np.testing.assert_array_equal(plain.contributions(ROWS[:4]), plain.coef_ * ROWS[:4])

    index = esvm.ExemplarIndex(ROWS, center=True)
    model = index.fit(VECTOR)
    np.testing.assert_allclose(model.mean_, ROWS.mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(model.contributions(ROWS).mean(axis=0), 0.0, atol=1e-14)
    assert model.base_score_ == pytest.approx(
        model.decision_function(model.mean_[np.newaxis])[0], abs=1e-14
    )
    # A feature that never varies says nothing once the mean is subtracted.
    constant = np.hstack([ROWS, np.full((len(ROWS), 1), 7.0)])
    model = esvm.ExemplarIndex(constant, center=True).fit(np.append(VECTOR, 7.0))
    assert abs(model.contributions(constant[0])[-1]) < 1e-12


def test_the_mean_is_that_of_the_rows_as_of_the_last_refresh():
    rows = ROWS.copy()
    index = esvm.ExemplarIndex(rows, center=True)
    before = index.fit(VECTOR)
    rows += 1.0
    index.refresh()
    np.testing.assert_allclose(index.fit(VECTOR).mean_, before.mean_ + 1.0, atol=1e-14)


def test_contributions_of_what_is_no_row_are_refused():
    model = esvm.ExemplarIndex(ROWS).fit(VECTOR)
    with pytest.raises(ValueError, match="X has 3 features, but the model was trained on rows of"):
        model.contributions([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="X holds nan at row 0, column 2"):
        model.contributions([0.0, 0.0, np.nan] + [0.0] * 11)
    with pytest.raises(TypeError, match="X has dtype object"):
        model.contributions(np.zeros(14, object))


@pytest.mark.parametrize("method", ["full", "working_set", "gram"])
@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
def test_support_names_the_rows_that_hold_the_boundary(method, loss):
    rng = np.random.default_rng(3)
    background = rng.random(len(ROWS)) < 0.8
    positives, negatives = [17, VECTOR, 42], [8, -VECTOR]
    background[[17, 42, 8]] = True
    C = 0.5
    index = esvm.ExemplarIndex(ROWS, C=C, method=method, loss=loss, tol=1e-9)
    model = index.fit(positives, negatives, background=background)

    # Examples have coefficients of their own; rows outside of the background have none.
    assert not np.isin([17, 42, 8], model.support_).any()
    assert background[model.support_].all()
    assert (np.diff(model.support_) > 0).all()
    assert model.positive_dual_coef_.shape == (3,)
    assert model.negative_dual_coef_.shape == (2,)
    assert (model.dual_coef_ < 0).all()

    scores = model.decision_function(ROWS)
    others = background.copy()
    others[[17, 42, 8]] = False
    n, p = others.sum() + 2, 3
    cost = C * (n + p) / (2 * n)
    slack = np.maximum(0, 1 + scores)
    if loss == "squared_hinge":  # the dual coefficient is the slope of the loss
        expected = np.where(others, 2 * cost * slack, 0)
        np.testing.assert_allclose(-model.dual_coef_, expected[model.support_], atol=1e-7)
        assert set(np.flatnonzero(expected > 1e-7)) <= set(model.support_)
        hardest = model.support_[np.argsort(model.dual_coef_)]
        by_score = np.flatnonzero(others)[np.argsort(-scores[others])]
        np.testing.assert_array_equal(hardest[:20], by_score[:20])
    else:
        assert (-model.dual_coef_ <= cost * (1 + 1e-12)).all()
        assert set(np.flatnonzero(others & (slack > 1e-6))) <= set(model.support_)
        assert (scores[model.support_] > -1 - 1e-6).all()
