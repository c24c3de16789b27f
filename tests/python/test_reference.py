"""Every setting against the slow twin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm
from reference import exemplar

SETTINGS = [
    {},
    {"C": 10.0},
    {"C": 1e-3},
    {"class_weight": None},
    {"class_weight": {1: 3.0, -1: 0.5}},
    {"intercept_scaling": 5.0},
    {"center": True},
    {"prior": 2.0},
    {"center": True, "prior": 1.5, "C": 1.0},
]
TWIN_WEIGHTS = {"balanced": None, None: (1.0, 1.0)}


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
@pytest.mark.parametrize("p", [1, 2, 5, 40])
def test_scores_are_those_of_the_slow_twin(settings, loss, p):
    n, d = (60, 7) if loss == "squared_hinge" else (30, 5)
    if p == 40 and loss == "hinge" and settings.get("C") == 10.0:
        pytest.skip("the slow twin is too slow on many positives with a large C")
    rows = clustered(n, d, seed=p)
    positives = clustered(p, d, seed=100 + p, clusters=2) * 0.9 + 0.1
    weight = settings.get("class_weight", "balanced")
    twin_weight = (weight[1], weight[-1]) if isinstance(weight, dict) else TWIN_WEIGHTS[weight]
    problem = exemplar.exemplar_problem(
        positives, rows, loss=loss, **{**settings, "class_weight": twin_weight}
    )
    expected = exemplar.scores(problem, exemplar.solve(problem))

    index = esvm.ExemplarIndex(rows, loss=loss, tol=1e-8, max_iter=100000, **settings)
    result = index.search_shared(positives, k=n)
    scores = np.empty(n)
    scores[result.indices] = result.scores
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert result.report.status != "epoch_limit"

    single = esvm.ExemplarIndex(rows.astype(np.float32), loss=loss, **settings)
    rounded = single.search_shared(positives, k=n)
    scores[rounded.indices] = rounded.scores
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # few epochs
@pytest.mark.parametrize(
    ("loss", "center", "prior"),
    list(itertools.product(["squared_hinge", "hinge"], [False, True], [0.0, 1.0])),
)
def test_the_gap_is_that_of_the_objectives(loss, center, prior):
    rows = clustered(80, 6)
    positives = clustered(3, 6, seed=9)
    settings = {"loss": loss, "center": center, "prior": prior}
    problem = exemplar.exemplar_problem(positives, rows, **settings)
    index = esvm.ExemplarIndex(rows, **settings)
    for max_iter in (1, 3, 1000):
        model = index.fit(positives, max_iter=max_iter)
        dual = np.zeros(len(rows))
        dual[model.support_] = -model.dual_coef_
        dual = np.r_[model.positive_dual_coef_, dual]
        w = problem.start + problem.samples.T @ (problem.labels * dual)
        gap = problem.primal(w) - problem.dual(dual)
        assert model.duality_gap_ == pytest.approx(gap, rel=1e-6, abs=1e-12)
