"""LinearSVC: scikit-learn's checks, and scikit-learn's LinearSVC as judge."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import estimator_checks_generator

import exemplar_svm as esvm


@pytest.mark.parametrize(
    ("estimator", "check"),
    list(estimator_checks_generator(esvm.LinearSVC())),
    ids=lambda value: getattr(getattr(value, "func", value), "__name__", "LinearSVC"),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def blobs(n, d, n_classes, seed=0, minority=None):
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    if minority:
        y = np.zeros(n, int)
        y[rng.choice(n, minority, replace=False)] = 1
    x = rng.standard_normal((n, d)) + 0.8 * rng.standard_normal((n_classes, d))[y]
    return x, y


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("loss", "fit_intercept", "class_weight"),
    list(
        itertools.product(
            ["squared_hinge", "hinge"], [True, False], [None, "balanced", {0: 2.0, 1: 0.5}]
        )
    ),
)
@pytest.mark.parametrize("shape", ["binary", "few positives", "few negatives", "three classes"])
def test_fits_are_those_of_scikit_learn(loss, fit_intercept, class_weight, shape):
    x, y = blobs(200, 8, 3 if shape == "three classes" else 2, minority=shape.startswith("few") * 9)
    if shape == "few negatives":
        y = 1 - y
    weights = np.random.default_rng(1).random(200)
    options = {
        "loss": loss,
        "fit_intercept": fit_intercept,
        "class_weight": class_weight,
        "intercept_scaling": 2.0,
        "C": 0.3,
        "tol": 1e-9,
        "max_iter": 200000,
    }
    judge = LinearSVC(dual=True, **options).fit(x, y, weights)
    ours = esvm.LinearSVC(**options).fit(x, y, weights)
    np.testing.assert_allclose(ours.coef_, judge.coef_, atol=2e-5)
    np.testing.assert_allclose(ours.decision_function(x), judge.decision_function(x), atol=1e-4)
    np.testing.assert_array_equal(ours.predict(x), judge.predict(x))
    assert (ours.dual_gap_ >= 0).all()
    assert (ours.dual_gap_ < 1e-6).all()


def test_float32_is_trained_as_it_is():
    x, y = blobs(300, 6, 2)
    single = esvm.LinearSVC().fit(x.astype(np.float32), y)
    double = esvm.LinearSVC().fit(x, y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, double.coef_, atol=1e-3)


def test_the_recipe_runs_with_the_import_changed():
    rng = np.random.default_rng(0)
    rows, query = rng.standard_normal((500, 32)), rng.standard_normal(32)
    x = np.concatenate([query[None], rows])
    y = np.zeros(501)
    y[0] = 1
    clf = esvm.LinearSVC(class_weight="balanced", verbose=False, max_iter=10000, tol=1e-6, C=0.1)
    ranking = np.argsort(-clf.fit(x, y).decision_function(x))
    assert ranking[0] == 0
    _, indices = esvm.search(query, rows, k=50)
    np.testing.assert_array_equal(ranking[1:51] - 1, indices)


def test_too_few_epochs_warn():
    x, y = blobs(300, 6, 2)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 epochs"):
        esvm.LinearSVC(max_iter=1, C=100).fit(x, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [("C", -1), ("tol", 0), ("max_iter", 0), ("loss", "log"), ("penalty", "l1")],
)
def test_bad_parameters_are_named(name, value):
    x, y = blobs(20, 3, 2)
    with pytest.raises(ValueError, match=f"{name} is"):
        esvm.LinearSVC(**{name: value}).fit(x, y)


def test_bad_sample_weights_are_named():
    x, y = blobs(20, 3, 2)
    for bad in (np.ones(3), -np.ones(20), np.full(20, np.nan), np.zeros(20)):
        with pytest.raises(ValueError, match="sample_weight"):
            esvm.LinearSVC().fit(x, y, bad)


WITHOUT_SKLEARN = """
import sys
sys.modules["sklearn"] = None
import exemplar_svm as esvm
import numpy as np
esvm.ExemplarIndex(np.eye(3)).search(np.ones(3))
try:
    esvm.LinearSVC
except ImportError as error:
    assert "needs scikit-learn" in str(error), error
else:
    raise AssertionError("no error")
"""


def test_searching_needs_no_scikit_learn_and_linear_svc_says_that_it_does():
    subprocess.run([sys.executable, "-c", WITHOUT_SKLEARN], check=True)
