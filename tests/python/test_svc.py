"""LinearSVC: scikit-learn's checks, and scikit-learn's LinearSVC as judge."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
from conftest import with_wide_indices
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
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
    [
        ("C", -1),
        ("C", np.inf),
        ("tol", 0),
        ("max_iter", -1),
        ("loss", "log"),
        ("dual", "primal"),
        ("intercept_scaling", 0),
        ("class_weight", "equal"),
        ("n_threads", 0),
    ],
)
def test_bad_parameters_are_named_as_scikit_learn_names_them(name, value):
    x, y = blobs(20, 3, 2)
    with pytest.raises(ValueError, match=f"The '{name}' parameter of LinearSVC must be"):
        esvm.LinearSVC(**{name: value}).fit(x, y)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"penalty": "l1", "dual": False}, "penalty='l1' is not supported by exemplar_svm"),
        ({"multi_class": "crammer_singer"}, "multi_class='crammer_singer' is not supported"),
        ({"loss": "hinge", "dual": False}, "not supported when dual=False: pass dual=True"),
        ({"class_weight": {0: 1.0, 1: -1.0}}, "class_weight is -1.0 for class"),
    ],
)
def test_what_is_not_supported_is_refused_with_a_reason(options, sentence):
    x, y = blobs(20, 3, 2)
    with pytest.raises(ValueError, match=sentence):
        esvm.LinearSVC(**options).fit(x, y)


def test_one_class_is_refused_as_scikit_learn_refuses_it():
    with pytest.raises(ValueError, match="at least 2 classes in the data, but the data contains"):
        esvm.LinearSVC().fit(np.eye(3), np.ones(3))


def test_bad_sample_weights_are_named():
    x, y = blobs(20, 3, 2)
    for bad in (np.ones(3), -np.ones(20), np.full(20, np.nan), np.zeros(20)):
        with pytest.raises(ValueError, match=r"(?i)sample[_ ]weight"):
            esvm.LinearSVC().fit(x, y, bad)


# Unscaled features: coordinate descent on the dual takes thousands of epochs, Newton steps do not.


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits, load_iris, load_wine])
def test_unscaled_data_are_classified_as_well_and_without_a_warning(load):
    x, y = load(return_X_y=True)
    ours = cross_val_score(esvm.LinearSVC(), x, y).mean()
    assert ours > cross_val_score(LinearSVC(), x, y).mean() - 0.01


def unscaled(kind, seed):
    """Return samples on which arithmetic is hard, and labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(40) % 2
    x = rng.standard_normal((40, 4)) + np.outer(y, rng.standard_normal(4))
    if kind == "offsets":
        x += [1e6, 2e3, 0, -1e5]
    elif kind == "scales":
        x *= [1e6, 1e-6, 1, 1e3]
    elif kind == "one dominates":
        x[7] *= 1e6
    elif kind == "equal rows":
        x[20:] = x[3]
    elif kind == "rank deficient":
        x = np.c_[x, 1e3 * x, x.sum(axis=1), np.full(40, 1e6)]
    elif kind == "more features":
        x = rng.standard_normal((40, 90)) * 10.0 ** rng.integers(-3, 4, 90) + 100
    return x, y


def newton(x, y, C, scaling):
    """Minimise the squared hinge by Newton steps, solved for by least squares, not by x'x."""
    x, sign = np.c_[x, np.full(len(x), scaling)], np.where(y, 1.0, -1.0)
    w = np.zeros(x.shape[1])
    root = np.sqrt(2 * C)
    for _ in range(200):
        slack = 1 - sign * (x @ w)
        active = slack > 0
        a = np.r_[np.eye(len(w)), root * x[active]]
        scale = np.linalg.norm(a, axis=0)
        target = np.r_[-w, root * (sign * slack)[active]]
        step = np.linalg.lstsq(a / scale, target, rcond=None)[0] / scale
        change = sign * (x @ step)

        def slope(t, w=w, step=step, slack=slack, change=change):
            return (w + t * step) @ step - 2 * C * np.maximum(slack - t * change, 0) @ change

        low, high = 0.0, 1.0
        while slope(high) < 0 and high < 1e6:
            low, high = high, 2 * high
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        w += (1.0 if abs(slope(1.0)) <= 1e-9 * abs(slope(0.0)) else high) * step
    return x @ w


@pytest.mark.parametrize("C", [1e-8, 1e-2, 1.0, 1e2, 1e6])
@pytest.mark.parametrize(
    "kind",
    [
        "plain",
        "offsets",
        "scales",
        "one dominates",
        "equal rows",
        "rank deficient",
        "more features",
    ],
)
def test_the_primal_converges_on_any_samples(kind, C):
    x, y = unscaled(kind, seed=3)
    scores = newton(x, y, C, scaling=1.0)
    ours = esvm.LinearSVC(C=C, dual=False, tol=1e-8).fit(x, y)
    size = max(1, np.abs(scores).max())
    np.testing.assert_allclose(ours.decision_function(x), scores, rtol=0, atol=1e-5 * size)
    again = esvm.LinearSVC(C=C, dual=False, tol=1e-8, n_threads=3).fit(x, y)
    np.testing.assert_array_equal(again.coef_, ours.coef_)


def test_where_the_dual_takes_long_the_default_goes_on_with_the_primal():
    x, y = blobs(60, 90, 2)
    x += 1e4
    ours = esvm.LinearSVC(tol=1e-6).fit(x, y)
    primal = esvm.LinearSVC(tol=1e-6, dual=False).fit(x, y)
    np.testing.assert_allclose(ours.decision_function(x), primal.decision_function(x), atol=1e-4)


@pytest.mark.parametrize("dual", [True, False])
def test_both_formulations_have_the_same_optimum(dual):
    x, y = blobs(300, 6, 3)
    options = {"tol": 1e-10, "max_iter": 100000, "C": 0.5}
    judge = LinearSVC(dual=True, **options).fit(x, y)
    ours = esvm.LinearSVC(dual=dual, **options).fit(x, y)
    np.testing.assert_allclose(ours.coef_, judge.coef_, atol=1e-7)
    np.testing.assert_allclose(ours.intercept_, judge.intercept_, atol=1e-7)
    assert (ours.dual_gap_ < 1e-9).all()


# Sparse samples.

FORMATS = {
    "csr_matrix": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "int64 indices": lambda x: with_wide_indices(sparse.csr_matrix(x)),
    "csc": sparse.csc_array,
    "coo": sparse.coo_matrix,
}


@pytest.mark.parametrize("shape", [(200, 500), (300, 40)], ids=["wide", "tall"])
@pytest.mark.parametrize("dual", ["auto", True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_sparse_samples_give_the_weights_of_dense_ones(form, dual, shape, dtype):
    x = sparse.random(*shape, 0.05, "csr", dtype=dtype, random_state=0)
    y = np.arange(shape[0]) % 2
    options = {"tol": 1e-8, "max_iter": 20000, "dual": dual}
    dense = esvm.LinearSVC(**options).fit(x.toarray(), y)
    ours = esvm.LinearSVC(**options).fit(FORMATS[form](x), y)
    close = {"rtol": 0, "atol": 1e-6 if dtype is np.float64 else 2e-4}
    np.testing.assert_allclose(ours.coef_, dense.coef_, **close)
    assert ours.coef_.dtype == dtype
    scores = dense.decision_function(x.toarray())
    np.testing.assert_allclose(ours.decision_function(FORMATS[form](x)), scores, **close)
    np.testing.assert_array_equal(ours.predict(FORMATS[form](x)), dense.predict(x.toarray()))


def test_a_small_class_of_sparse_samples_is_eliminated_too():
    x = sparse.random(400, 300, 0.05, "csr", random_state=1)
    y = np.zeros(400, int)
    y[[5, 50, 350]] = 1
    for labels in (y, 1 - y):
        judge = LinearSVC(tol=1e-9, max_iter=100000, dual=True).fit(x, labels)
        ours = esvm.LinearSVC(tol=1e-9, max_iter=100000, dual=True).fit(x, labels)
        np.testing.assert_allclose(ours.coef_, judge.coef_, atol=1e-6)


def test_sparse_weights_score_as_dense_ones():
    x, y = blobs(100, 5, 3)
    model = esvm.LinearSVC().fit(x, y)
    scores = model.decision_function(x)
    assert sparse.issparse(model.sparsify().coef_)
    np.testing.assert_array_equal(model.decision_function(x), scores)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).decision_function(x), scores)
    assert isinstance(model.densify().coef_, np.ndarray)


# As people use it.


def test_the_intercept_is_zero_where_none_is_fitted():
    x, y = blobs(100, 5, 2)
    model = esvm.LinearSVC(fit_intercept=False).fit(x, y)
    assert model.intercept_ == 0.0
    assert isinstance(model.intercept_, float)
    np.testing.assert_allclose(model.decision_function(x), x @ model.coef_[0])


def test_samples_of_weight_zero_take_no_part():
    x, y = blobs(100, 5, 2)
    weights = np.r_[np.ones(50), np.zeros(50)]
    for dual in (True, False):
        some = esvm.LinearSVC(dual=dual, tol=1e-9, max_iter=10000).fit(x, y, weights)
        half = esvm.LinearSVC(dual=dual, tol=1e-9, max_iter=10000).fit(x[:50], y[:50])
        np.testing.assert_allclose(some.coef_, half.coef_, atol=1e-7)


@pytest.mark.parametrize("dual", [True, False])
def test_samples_whose_squares_overflow_are_refused(dual):
    x, y = blobs(50, 4, 2)
    assert esvm.LinearSVC(dual=False).fit(1e100 * x, y).score(1e100 * x, y) > 0.8
    with pytest.raises(ValueError, match="their squares overflow: scale the features"):
        esvm.LinearSVC(dual=dual).fit(1e200 * x, y)


def test_no_iterations_leave_no_weights_and_warn():
    x, y = blobs(50, 4, 2)
    with pytest.warns(ConvergenceWarning, match="Liblinear failed to converge"):
        model = esvm.LinearSVC(max_iter=0).fit(x, y)
    assert not model.coef_.any()


def test_float32_samples_meet_float64_weights_in_float64():
    x, y = blobs(100, 5, 2)
    model = esvm.LinearSVC().fit(x, y)
    scores = model.decision_function(x.astype(np.float32))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, model.decision_function(x), atol=1e-5)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda svc: GridSearchCV(svc, {"C": [0.1, 1.0], "loss": ["hinge", "squared_hinge"]}, cv=3),
        lambda svc: CalibratedClassifierCV(svc, cv=3),
        lambda svc: CalibratedClassifierCV(svc, cv=3, ensemble=False, method="isotonic"),
        lambda svc: OneVsRestClassifier(svc),
        lambda svc: OneVsOneClassifier(svc),
        lambda svc: make_pipeline(StandardScaler(), svc),
        lambda svc: make_pipeline(SelectFromModel(svc), LinearSVC()),
        lambda svc: clone(svc),
    ],
    ids=["grid", "calibrated", "isotonic", "rest", "one", "pipeline", "selection", "clone"],
)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_what_is_made_of_it_predicts_what_it_predicts_with_scikit_learns(wrap, form):
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"], dtype=object)[y]
    scaler = StandardScaler(with_mean=False)
    x = form(scaler.fit_transform(x))
    options = {"tol": 1e-6, "max_iter": 100000, "random_state": 0}
    made = [wrap(svc(**options)) for svc in (esvm.LinearSVC, LinearSVC)]
    for model in made:
        if "standardscaler" in getattr(model, "named_steps", {}):
            model.set_params(standardscaler__with_mean=False)
    ours, theirs = (model.fit(x, names).predict(x) for model in made)
    assert (ours == theirs).mean() > 0.98


def test_data_frames_give_their_names():
    pandas = pytest.importorskip("pandas")
    x, y = blobs(60, 3, 2)
    frame = pandas.DataFrame(x, columns=["width", "height", "year"])
    model = esvm.LinearSVC().fit(frame, pandas.Series(y))
    assert list(model.feature_names_in_) == ["width", "height", "year"]
    columns = make_column_transformer((StandardScaler(), ["width", "year"])).set_output(
        transform="pandas"
    )
    pipeline = make_pipeline(columns, esvm.LinearSVC()).fit(frame, y)
    assert pipeline[-1].n_features_in_ == 2
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["year", "width", "height"]])


def test_it_works_in_other_processes():
    x, y = blobs(120, 4, 2)
    scores = cross_val_score(esvm.LinearSVC(), x, y, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(esvm.LinearSVC(), x, y))


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
