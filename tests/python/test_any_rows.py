"""Rows of any finite values: large norms, offsets, costs, equal rows, one that dominates."""

import numpy as np
import pytest

import exemplar_svm as esvm


def normal(n, d, seed=3):
    return np.random.default_rng(seed).standard_normal((n, d))


def of_length(rows, length):
    return length * rows / np.linalg.norm(rows, axis=1, keepdims=True)


def places():
    rng = np.random.default_rng(4)
    return np.c_[rng.uniform(35, 60, 400), rng.uniform(-10, 30, 400)]


def people():
    rng = np.random.default_rng(5)
    income = rng.lognormal(10.5, 0.6, 300)
    return np.c_[rng.integers(18, 90, 300), income, rng.integers(0, 2, 300)].astype(float)


def dominated():
    rows = normal(600, 16)
    rows[7] *= 1e4
    return rows


def filled():
    rows = np.zeros((3000, 16))
    rows[:40] = normal(40, 16)
    return rows


ROWS = {
    "offsets of a thousand": normal(60, 32) + 1e3,
    "offsets of ten thousand": normal(60, 32) + 1e4,
    "offsets of a hundred thousand": normal(60, 32) + 1e5,
    "many rows far away": normal(2000, 16) + 1e5,
    "norm 100 in all directions": of_length(normal(2000, 64), 100),
    "norm 800": 100 * normal(2000, 64).astype(np.float32),
    "latitudes and longitudes": places(),
    "ages, incomes and flags": people(),
    "one row dominates": dominated(),
    "rank 3": normal(600, 3) @ normal(3, 40, seed=6),
    "zeros of a filled array": filled(),
    "norms over eight decades": normal(400, 24) * np.exp(2 * normal(400, 1, seed=7)),
    "features over eight decades": normal(400, 24) * np.exp(2 * normal(1, 24, seed=8)),
}


@pytest.mark.parametrize("method", ["auto", "full", "working_set"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", ROWS)
def test_searches_converge_on_any_rows(name, count, method):
    rows = ROWS[name]
    examples = 1.01 * rows[:count] + 0.1
    index = esvm.ExemplarIndex(rows, method=method)
    result = index.search_shared(examples, 5)
    assert result.report.status == "converged"
    assert result.report.score_error_bound < 1
    assert np.isfinite(result.scores).all()
    model = index.fit(examples)
    assert np.isfinite(model.coef_).all()
    assert model.coef_.any()


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # of the largest of both
@pytest.mark.parametrize("scaling", [1e-3, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("C", [1e-8, 1e-3, 10.0, 1e6])
def test_searches_converge_for_any_cost_and_intercept_scaling(C, scaling):
    rows = normal(200, 24)
    index = esvm.ExemplarIndex(rows, C=C, intercept_scaling=scaling)
    result = index.search_shared(rows[:3] + 0.1, 5)
    assert result.report.status in ("converged", "precision_limit")
    assert np.isfinite(result.report.score_error_bound)
    assert index.fit(rows[:3] + 0.1).coef_.any()
    if C * scaling**2 < 1e13:  # beyond, float64 has hardly a digit left
        assert result.report.status == "converged"
        assert result.report.score_error_bound < 1


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # float64 has its limits
@pytest.mark.parametrize("name", ROWS)
def test_the_hinge_converges_or_says_how_far_it_came(name):
    rows = ROWS[name].astype(float)
    examples = 1.01 * rows[:2] + 0.1
    results = [
        esvm.ExemplarIndex(rows, loss="hinge", method=method).search_shared(examples, len(rows))
        for method in ("full", "working_set")
    ]
    for result in results:
        assert result.report.status in ("converged", "precision_limit")
    a, b = ({i: s for s, i in zip(*result, strict=True)} for result in results)
    apart = max(abs(a[i] - b[i]) for i in a)
    assert apart <= sum(result.report.score_error_bound for result in results)


def test_rows_of_norm_100_rank_as_linear_svc_ranks_them():
    svm = pytest.importorskip("sklearn.svm")
    rows = of_length(normal(1500, 48), 100)
    labels = np.r_[1, np.zeros(1500)]
    judge = svm.LinearSVC(class_weight="balanced", C=0.1, max_iter=100_000, tol=1e-9)
    exact = judge.fit(np.r_[rows[5:6], rows], labels).decision_function(rows)
    for method in ("auto", "full", "working_set"):
        scores, indices = esvm.ExemplarIndex(rows, method=method).search(rows[5], 10)
        np.testing.assert_array_equal(indices, np.argsort(-exact)[:10])
        np.testing.assert_allclose(scores, exact[indices], atol=1e-4)


def test_sparse_rows_of_uneven_norm_take_no_more_epochs_than_dense_ones():
    sparse = pytest.importorskip("scipy.sparse")
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rows = sparse.random(1500, 30, density=0.3, format="csr", random_state=seed)
        rows.data = rng.standard_normal(len(rows.data))
        scales = (10 ** rng.uniform(-1, 4.4, 1500)).astype(np.float32)
        rows = sparse.csr_matrix(sparse.diags(scales) @ rows).astype(np.float32)
        query = rows[3].toarray().ravel()
        reports = [esvm.ExemplarIndex(r).search(query, 5).report for r in (rows, rows.toarray())]
        assert [report.status for report in reports] == ["converged"] * 2
        assert reports[0].epochs <= 4 * reports[1].epochs + 64


@pytest.mark.parametrize("columns", [np.int32, np.int64])
@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
def test_equal_sparse_rows_have_equal_scores_in_row_order(loss, columns):
    sparse = pytest.importorskip("scipy.sparse")
    for seed in range(40):
        rng = np.random.default_rng(seed)
        some = rng.standard_normal((20, 12)) * (rng.random((20, 12)) < 0.6)
        rows = sparse.csr_matrix(np.vstack([some, some, some]).astype(np.float32))
        rows.indices, rows.indptr = rows.indices.astype(columns), rows.indptr.astype(columns)
        background = rng.random(60) < 0.7  # so that twins are in the working set and outside
        index = esvm.ExemplarIndex(rows, loss=loss, C=1.0, method="working_set")
        scores, indices = index.search(1.1 * some[0], 60, background=background)
        place = np.argsort(indices)
        for i in range(20):
            twins = place[[i, i + 20, i + 40]]
            assert len(set(scores[twins].tolist())) == 1
            assert (np.diff(twins) > 0).all()


@pytest.mark.parametrize("C", [0.1, 1e3, 1e6])
def test_the_bound_covers_the_sum_of_coefficients_at_their_bounds(C):
    # All rows are within the margin: every dual coefficient is at its bound, and the optimum known.
    wide = np.longdouble
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scale = 1e-2 / np.sqrt(C * 30)
        rows, query = scale * rng.standard_normal((30, 3)), scale * rng.standard_normal(3)
        positive, negative = wide(C) * 31 / 2, wide(C) * 31 / 60
        w = positive * query.astype(wide) - negative * rows.astype(wide).sum(0)
        b = positive - 30 * negative
        exact, own = rows.astype(wide) @ w + b, query.astype(wide) @ w + b
        if not (own < 1 and (exact > -1).all()):
            continue
        result = esvm.ExemplarIndex(rows, C=C, loss="hinge", method="full").search(query, 30)
        error = np.abs(result.scores.astype(wide) - exact[result.indices]).max()
        assert error <= result.report.score_error_bound


@pytest.mark.parametrize("value", [1e-320, 1e-61, 1e61, 1e308])
def test_costs_and_scalings_whose_products_overflow_are_refused(value):
    rows = normal(20, 4)
    for name in ("C", "intercept_scaling"):
        with pytest.raises(ValueError, match=f"{name} is .*, but must be between 1e-60 and 1e60"):
            esvm.ExemplarIndex(rows, **{name: value})
    with pytest.raises(ValueError, match=r"C is .*, but must be between"):
        esvm.ExemplarIndex(rows).search(rows[0], C=value)


def test_weights_and_priors_whose_products_overflow_are_refused():
    rows = normal(20, 4)
    index = esvm.ExemplarIndex(rows)
    for call in (
        lambda: index.search(rows[0], prior=1e160),
        lambda: index.search_shared([3, 4], positive_weights=[1, 1e200]),
        lambda: esvm.ExemplarIndex(rows, class_weight={1: 1e200, -1: 1}),
    ):
        with pytest.raises(ValueError, match="1e60"):
            call()
    with pytest.raises(ValueError, match="too large: the square of its norm overflows"):
        esvm.ExemplarIndex(1e153 * rows)


def test_a_gap_that_rounding_leaves_open_is_told():
    rows = (1e15 * normal(50, 4)).astype(np.float32)
    with pytest.warns(esvm.ConvergenceWarning, match="precision_limit"):
        report = esvm.ExemplarIndex(rows).search(rows[3]).report
    assert report.status == "precision_limit"
    assert report.score_error_bound > 1
