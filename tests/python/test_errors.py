"""Bad input raises an error that names the argument, and leaves the index unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

ROWS = clustered(40, 6, dtype=np.float32)


@pytest.fixture
def index():
    return esvm.ExemplarIndex(ROWS)


def calls(index):
    """Every way to hand in vectors."""
    return {
        "queries": [index.search, index.decision_function],
        "positives": [index.search_shared, index.fit],
    }


@pytest.mark.parametrize("dtype", [object, complex, str, "datetime64[s]"])
def test_a_wrong_dtype_is_a_type_error_that_names_it(index, dtype):
    bad = np.zeros((3, 6), dtype)
    with pytest.raises(TypeError, match=rf"embeddings has dtype {bad.dtype}".replace("[", r"\[")):
        esvm.ExemplarIndex(bad)
    for name, functions in calls(index).items():
        for function in functions:
            with pytest.raises(TypeError, match=f"{name} has dtype"):
                function(bad)


def test_unsigned_bytes_are_refused():
    with pytest.raises(TypeError, match=r"embeddings has dtype uint8, but must be .*astype"):
        esvm.ExemplarIndex(np.ones((3, 2), np.uint8))


@pytest.mark.parametrize("shape", [(), (6,), (2, 3, 4)])
def test_rows_of_a_wrong_rank_are_refused(shape):
    with pytest.raises(ValueError, match=f"embeddings has {len(shape)} dimension"):
        esvm.ExemplarIndex(np.zeros(shape))


def test_rows_without_features_are_refused():
    with pytest.raises(ValueError, match="embeddings has no features"):
        esvm.ExemplarIndex(np.zeros((3, 0)))


def test_a_ragged_list_is_refused():
    with pytest.raises(ValueError, match="embeddings cannot be read as an array"):
        esvm.ExemplarIndex([[1.0, 2.0], [3.0]])


def test_vectors_of_a_wrong_shape_are_refused(index):
    for name, functions in calls(index).items():
        for function in functions:
            with pytest.raises(ValueError, match=f"{name} has 3 features, but .* rows of 6"):
                function(np.zeros(3))
            with pytest.raises(ValueError, match=f"{name} has 3 dimensions"):
                function(np.zeros((2, 2, 6)))
            with pytest.raises(ValueError, match=f"{name} has 0 dimensions"):
                function(1.5)


def test_no_positives_are_refused(index):
    for function in (index.search_shared, index.fit):
        with pytest.raises(ValueError, match="positives holds no examples"):
            function(np.empty((0, 6)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_by_row_and_column(index, bad):
    rows = ROWS.astype(np.float64)
    rows[7, 2] = bad
    rows[9, 1] = bad
    with pytest.raises(ValueError, match=f"embeddings holds {bad} at row 7, column 2"):
        esvm.ExemplarIndex(rows)
    for name, functions in calls(index).items():
        for function in functions:
            with pytest.raises(ValueError, match=f"{name} holds {bad} at row 2, column 2"):
                function(rows[5:9])


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # of the calls below
@pytest.mark.parametrize("method", ["full", "working_set", "gram"])
@pytest.mark.parametrize("row", [0, 700, 1399])
def test_unchecked_rows_that_are_not_finite_are_told_wherever_they_lie(method, row):
    rows = np.random.default_rng(3).normal(size=(1400, 6))
    clean = rows.copy()
    rows[row, 2] = np.nan
    index = esvm.ExemplarIndex(rows, check_finite=False, method=method)
    with pytest.warns(esvm.ConvergenceWarning, match="invalid_input"):
        scores, indices = result = index.search(clean[5], k=4)
    assert result.report.status == "invalid_input"
    assert result.report.reason == "rows_not_finite"
    assert (indices == -1).all()
    assert (scores == -np.inf).all()
    batch = index.search(clean[5:7], k=4).report
    assert batch.reason.tolist() == ["rows_not_finite"] * 2
    assert np.isnan(index.decision_function(clean[5])).all()
    model = index.fit(clean[5])
    assert model.report_.reason == "rows_not_finite"
    assert np.isnan(model.coef_).all()

    index.remove([row])
    expected = esvm.ExemplarIndex(clean, method=method)
    expected.remove([row])
    result = index.search(clean[5], k=4)
    assert result.report.status == "converged"
    assert result.report.reason == "none"
    np.testing.assert_array_equal(result.indices, expected.search(clean[5], k=4).indices)


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # norms of 1e30
def test_values_whose_square_overflows_are_refused(index):
    huge = np.full((2, 6), 1e30)
    with pytest.raises(ValueError, match="too large"):
        esvm.ExemplarIndex(huge.astype(np.float32))
    with pytest.raises(ValueError, match="queries holds a vector at row 0 that is too large"):
        index.search(huge)
    with pytest.raises(ValueError, match="too large"):
        index.search(huge * 1e30)
    assert np.isfinite(esvm.ExemplarIndex(huge).search(huge[0], k=2).scores).all()


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["C", "tol", "intercept_scaling"])
def test_a_number_must_be_positive_and_finite(index, name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        esvm.ExemplarIndex(ROWS, **{name: value})
    if name != "intercept_scaling":
        for functions in calls(index).values():
            for function in functions:
                with pytest.raises(ValueError, match=f"{name} is {value}"):
                    function(ROWS[0], **{name: value})


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_a_timeout_must_be_positive_and_finite(index, value):
    for function in (index.search, index.search_shared):
        with pytest.raises(ValueError, match=f"timeout is {value}"):
            function(ROWS[:1], timeout=value)


@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_the_prior_must_not_be_negative(index, value):
    with pytest.raises(ValueError, match=f"prior is {value}"):
        esvm.ExemplarIndex(ROWS, prior=value)
    with pytest.raises(ValueError, match=f"prior is {value}"):
        index.search(ROWS[0], prior=value)


@pytest.mark.parametrize("value", [0, -3, 1.5, np.nan, 2**70])
@pytest.mark.parametrize("name", ["k", "max_iter", "n_threads"])
def test_a_count_must_be_a_positive_integer(index, name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        index.search(ROWS[0], **{name: value})
    if name != "k":
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            esvm.ExemplarIndex(ROWS, **{name: value})


@pytest.mark.parametrize("name", ["C", "tol", "max_iter", "k"])
def test_what_is_no_number_is_a_type_error(index, name):
    for value in ("many", [1], True if name in ("C", "tol") else 1j):
        with pytest.raises(TypeError, match=f"{name} has type"):
            index.search(ROWS[0], **{name: value})


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="loss is 'log'"):
        esvm.ExemplarIndex(ROWS, loss="log")
    with pytest.raises(ValueError, match="class_weight is 'even'"):
        esvm.ExemplarIndex(ROWS, class_weight="even")
    with pytest.raises(ValueError, match="class_weight has the key 7"):
        esvm.ExemplarIndex(ROWS, class_weight={7: 1.0})
    with pytest.raises(ValueError, match="class_weight of the positives is 0"):
        esvm.ExemplarIndex(ROWS, class_weight={1: 0})


@pytest.mark.parametrize("method", ["x", "", None, "automatic", "Gram"])
def test_an_unknown_method_is_refused(method):
    with pytest.raises(ValueError, match=f"method is {method!r}, but must be 'auto', 'full'"):
        esvm.ExemplarIndex(ROWS, method=method)


def test_too_many_rows_for_their_products_are_refused():
    rows = np.ones((8193, 1), np.float32)
    with pytest.raises(ValueError, match=r"method is 'gram'.* 8192 rows.* has 8193"):
        esvm.ExemplarIndex(rows, method="gram")
    assert esvm.ExemplarIndex(rows).memory_usage()["gram"] == 0


@pytest.mark.parametrize("name", ["positives", "negatives"])
def test_bad_examples_are_refused_by_name(index, name):
    n = len(ROWS)

    def ask(function, examples, **more):
        given = {"positives": ROWS[:1], **more, name: examples}
        with pytest.raises((TypeError, ValueError)) as caught:
            function(**given)
        return str(caught.value)

    for function in (index.search_shared, index.fit):
        rows = f"but the index holds the rows 0 to {n - 1}"
        assert ask(function, n) == f"{name} holds the row number {n}, {rows}"
        assert ask(function, [0, -1]) == f"{name} holds the row number -1, {rows}"
        assert f"{name} holds the row number {n}, " in ask(function, np.array([1, n], np.uint32))
        assert f"{name} holds the row number" in ask(function, 10**30)
        assert f"{name}[1] has 3 features" in ask(function, [4, np.zeros(3)])
        assert f"{name}[0] holds 2 vectors" in ask(function, [ROWS[:2], 5])
        assert f"{name} is a mask" in ask(function, np.ones(n, bool))
        assert f"{name} has dtype" in ask(function, "text")
        weight = {"positives": "positive_weights", "negatives": "negative_weight"}[name]
        for bad in (0, -1.0, np.nan, [1.0, 0.0], [1.0, np.inf]):
            assert f"{weight} is " in ask(function, [3, 4], **{weight: bad})
        assert f"{weight} has the shape (3,), but {name} holds 2 examples" in ask(
            function, [3, 4], **{weight: [1.0, 2.0, 3.0]}
        )
        assert f"{weight} has dtype" in ask(function, [3, 4], **{weight: ["a", "b"]})


def test_a_row_that_is_positive_and_negative_is_refused(index):
    with pytest.raises(ValueError, match="row 4 is named in both positives and negatives"):
        index.search_shared([3, 4], negatives=[4, ROWS[3]])


def test_negatives_alone_are_refused(index):
    with pytest.raises(ValueError, match="negatives alone do not say what to look for"):
        index.search_shared([], negatives=[4])


@pytest.mark.parametrize("name", ["candidates", "background"])
def test_bad_masks_are_refused_by_name(index, name):
    n = len(ROWS)
    for function in (index.search, index.search_shared):
        with pytest.raises(
            ValueError, match=f"{name} is a mask of 3 rows, but the index holds {n}"
        ):
            function(ROWS[0], **{name: [True, False, True]})
        with pytest.raises(ValueError, match=f"{name} holds the row number {n}"):
            function(ROWS[0], **{name: [n]})
        with pytest.raises(ValueError, match=f"{name} has 2 dimensions"):
            function(ROWS[0], **{name: np.ones((n, 1), bool)})
        with pytest.raises(TypeError, match=f"{name} has dtype float64"):
            function(ROWS[0], **{name: np.ones(n)})
        with pytest.raises(ValueError, match="duplicates is 'yes'"):
            function(ROWS[0], duplicates="yes")


def test_after_errors_the_index_is_as_it_was(index):
    before = index.search(ROWS[3], k=10)
    for bad in (np.zeros(3), np.full(6, np.nan), "text", np.zeros((1, 6), complex)):
        with pytest.raises((TypeError, ValueError)):
            index.search(bad)
    after = index.search(ROWS[3], k=10)
    np.testing.assert_array_equal(before.scores, after.scores)
    np.testing.assert_array_equal(before.indices, after.indices)
    assert before.report == after.report


def test_the_model_refuses_rows_of_another_size(index):
    with pytest.raises(ValueError, match="X has 3 features, but the model was trained on 6"):
        index.fit(ROWS[0]).decision_function(np.zeros((2, 3)))
