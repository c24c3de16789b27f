"""Sparse rows: read in place, refused clearly, and searched with LinearSVC as the outside judge."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from conftest import repeated, unsorted, with_wide_indices
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

import exemplar_svm as esvm


def tfidf(n, d, seed=0, dtype=np.float64):
    """TF-IDF of documents whose words follow Zipf's law, some from one of four topics."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, d + 1)
    topics = [rng.permutation(d) for _ in range(4)]
    counts = np.zeros((n, d))
    for i in range(n):
        words = rng.choice(d, 25, p=frequency / frequency.sum())
        words[12:] = topics[rng.integers(4)][words[12:]]
        np.add.at(counts[i], words, 1)
    counts[n // 3] = 0  # an empty document
    return (
        TfidfTransformer(sublinear_tf=True).fit_transform(sparse.csr_matrix(counts)).astype(dtype)
    )


N, D = 300, 120
ROWS = tfidf(N, D)
NEAR = tfidf(10, D, seed=7).toarray()
DENSE = ROWS.toarray()


def test_the_arrays_are_read_in_place(dtype):
    for kind in (sparse.csr_matrix, sparse.csr_array):
        for index_dtype in (np.int32, np.int64):
            rows = kind(ROWS.astype(dtype))
            rows.indices = rows.indices.astype(index_dtype)
            rows.indptr = rows.indptr.astype(index_dtype)
            index = esvm.ExemplarIndex(rows, copy=False)
            held = index._snapshots.embeddings
            for name in ("data", "indices", "indptr"):
                assert np.shares_memory(getattr(held, name), getattr(rows, name))
            assert (len(index), index.n_features, index.dtype) == (N, D, dtype)
            assert "300 sparse rows of 120 features" in repr(index)
            assert index.memory_usage()["total"] == N * np.dtype(dtype).itemsize
            copied = esvm.ExemplarIndex(rows, copy=True)
            assert not np.shares_memory(copied._snapshots.embeddings.data, rows.data)
            expected = index.search(NEAR[0], k=20)
            del rows, held
            garbage = [np.full(ROWS.nnz, i, dtype) for i in range(50)]
            np.testing.assert_array_equal(index.search(NEAR[0], k=20).scores, expected.scores)
            np.testing.assert_array_equal(copied.search(NEAR[0], k=20).scores, expected.scores)
            assert len(garbage) == 50


def mixed_index_dtypes(rows):
    rows = rows.copy()
    rows.indptr = rows.indptr.astype(np.int64)
    return rows


def strided(rows):
    rows = rows.copy()
    rows.data = np.repeat(rows.data, 2)[::2]
    return rows


def byte_swapped(rows):
    rows = rows.copy()
    rows.data = rows.data.astype(rows.dtype.newbyteorder())
    return rows


@pytest.mark.parametrize(
    "change",
    [
        unsorted,
        repeated,
        mixed_index_dtypes,
        strided,
        lambda rows: rows.tocsc(),
        lambda rows: rows.tocoo(),
        lambda rows: rows.tolil(),
        lambda rows: rows.astype(np.longdouble),
        byte_swapped,
    ],
    ids=["unsorted", "repeated", "mixed", "strided", "csc", "coo", "lil", "longdouble", "swapped"],
)
def test_other_matrices_are_copied_or_refused_as_asked(change):
    rows = change(ROWS)
    with pytest.raises(ValueError, match=r"embeddings .*copy=False forbids"):
        esvm.ExemplarIndex(rows, copy=False)
    found = esvm.ExemplarIndex(rows).search(NEAR[0], k=20)
    expected = esvm.ExemplarIndex(ROWS).search(NEAR[0], k=20)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-12)
    np.testing.assert_array_equal(found.indices, expected.indices)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("bool", np.float32), ("int8", np.float32), ("int32", np.float64), ("uint64", np.float64)],
)
def test_counts_are_cast_with_a_copy(dtype, expected):
    counts = (ROWS > 0).astype(dtype)
    with pytest.raises(ValueError, match=f"has dtype {dtype}, so it must be copied"):
        esvm.ExemplarIndex(counts, copy=False)
    index = esvm.ExemplarIndex(counts)
    assert index.dtype == expected
    dense = esvm.ExemplarIndex((DENSE > 0).astype(expected))
    np.testing.assert_allclose(
        index.search(NEAR[0], k=9).scores, dense.search(NEAR[0], k=9).scores, atol=1e-5
    )


def test_what_is_wrong_with_a_matrix_is_named():
    def broken(**parts):
        rows = ROWS.copy()
        for name, (place, value) in parts.items():
            getattr(rows, name)[place] = value
        return rows

    with pytest.raises(ValueError, match=r"row 0 that has an entry in column 120, .* 0 to 119"):
        esvm.ExemplarIndex(broken(indices=(1, D)))
    with pytest.raises(ValueError, match="entry in column -1"):
        esvm.ExemplarIndex(broken(indices=(1, -1)))
    with pytest.raises(ValueError, match="a row 4 that begins at entry"):
        esvm.ExemplarIndex(broken(indptr=(5, 10**8)))
    bad = broken()
    bad.indptr = bad.indptr[:-1]
    with pytest.raises(ValueError, match="which do not match"):
        esvm.ExemplarIndex(bad)
    entry = ROWS.indptr[7] + 2
    for value in (np.nan, np.inf):
        with pytest.raises(
            ValueError, match=f"holds {value} at row 7, column {ROWS.indices[entry]}"
        ):
            esvm.ExemplarIndex(broken(data=(entry, value)))
    with pytest.raises(TypeError, match="embeddings has dtype complex128"):
        esvm.ExemplarIndex(ROWS.astype(complex))
    with pytest.raises(ValueError, match="embeddings has no features"):
        esvm.ExemplarIndex(sparse.csr_matrix((3, 0)))
    if hasattr(sparse, "coo_array"):
        flat = sparse.coo_array(np.ones(3))
        if len(flat.shape) == 1:
            with pytest.raises(ValueError, match="embeddings has 1 dimension"):
                esvm.ExemplarIndex(flat)


def test_what_is_for_dense_rows_is_refused():
    with pytest.raises(ValueError, match="method 'gram' is for dense rows, but embeddings has"):
        esvm.ExemplarIndex(ROWS, method="gram")
    with pytest.raises(ValueError, match="sketch is for dense rows"):
        esvm.ExemplarIndex(ROWS, sketch="int8")
    for method in ("full", "working_set"):
        found = esvm.ExemplarIndex(ROWS, method=method).search(NEAR[0])
        assert found.report.status == "converged"


def test_rows_of_any_number_and_empty_ones():
    for n in (0, 1, 2):
        result = esvm.ExemplarIndex(ROWS[:n]).search(NEAR[0], k=3)
        assert (result.indices[n:] == -1).all()
        assert np.isfinite(result.scores[:n]).all()
    nothing = esvm.ExemplarIndex(sparse.csr_matrix((5, 4))).search(np.zeros(4), k=2)
    assert nothing.indices.tolist() == [0, 1]
    assert nothing.report.status == "converged"


def test_refresh_takes_notice_of_changed_values():
    rows = ROWS.copy()
    index = esvm.ExemplarIndex(rows, center=True)
    before = index.search(NEAR[0], k=20)
    rows.data *= 0.5
    index.refresh()
    expected = esvm.ExemplarIndex(rows, center=True).search(NEAR[0], k=20)
    np.testing.assert_array_equal(index.search(NEAR[0], k=20).scores, expected.scores)
    assert not np.array_equal(before.scores, expected.scores)
    rows.data[3] = np.nan
    with pytest.raises(ValueError, match="holds nan at row 0"):
        index.refresh()
    rows.data[3] = 0.25
    index.refresh()


@pytest.mark.parametrize("center", [False, True])
def test_rows_can_be_added_and_removed(dtype, center):
    options = {"center": center, "tol": 1e-8}
    rows = ROWS.astype(dtype)
    index = esvm.ExemplarIndex(rows[:120], **options)
    np.testing.assert_array_equal(index.add(rows[120:121]), [120])
    np.testing.assert_array_equal(index.add(rows[121:].toarray()), np.arange(121, N))
    assert (len(index), index.n_live) == (N, N)
    whole = esvm.ExemplarIndex(rows, **options)
    expected, found = whole.search(NEAR, k=20), index.search(NEAR, k=20, n_threads=2)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    index.refresh()
    np.testing.assert_array_equal(index.search(NEAR, k=20).scores, expected.scores)

    removed = [5, 17, 120, 250]
    index.remove(removed)
    assert "300 sparse rows, 4 of them removed, of 120 features" in repr(index)
    left = np.delete(np.arange(N), removed)
    expected = esvm.ExemplarIndex(rows[left], **options).search(NEAR, k=20)
    found = index.search(NEAR, k=20)
    np.testing.assert_array_equal(found.indices, left[expected.indices])
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    index.refresh()
    np.testing.assert_array_equal(index.search(NEAR, k=20).indices, found.indices)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows,
        unsorted,
        repeated,
        with_wide_indices,
        lambda rows: rows.tocsc(),
        lambda rows: rows.tocoo(),
        lambda rows: sparse.csr_array(rows.astype(np.float32)),
        lambda rows: rows.astype(np.longdouble),
        lambda rows: rows.toarray().tolist(),
    ],
    ids=["csr", "unsorted", "repeated", "int64", "csc", "coo", "float32", "longdouble", "list"],
)
@pytest.mark.parametrize("borrowed", [lambda rows: rows, with_wide_indices], ids=["32", "64"])
def test_rows_of_every_kind_can_be_added(change, borrowed):
    index = esvm.ExemplarIndex(borrowed(ROWS[:200]), tol=1e-8)
    numbers = index.add(change(ROWS[200:]))
    np.testing.assert_array_equal(numbers, np.arange(200, N))
    n_entries = ROWS[200:].nnz
    index_bytes = index._snapshots.embeddings.indices.itemsize
    assert index.memory_usage()["added"] == n_entries * (8 + index_bytes) + 8 * 101
    expected = esvm.ExemplarIndex(ROWS, tol=1e-8).search(NEAR, k=20)
    found = index.search(NEAR, k=20)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_added_rows_are_copied():
    more = ROWS[200:].copy()
    index = esvm.ExemplarIndex(ROWS[:200])
    index.add(more)
    before = index.search(NEAR, k=20)
    for part in (more.data, more.indices, more.indptr):
        part[:] = 0
    np.testing.assert_array_equal(index.search(NEAR, k=20).scores, before.scores)


def test_one_vector_and_no_rows_can_be_added():
    index = esvm.ExemplarIndex(sparse.csr_matrix((0, 4)))
    assert index.add(sparse.csr_matrix((0, 4))).tolist() == []
    assert index.add([0.0, 1.0, 0.0, 2.0]).tolist() == [0]
    assert index.add(sparse.csr_matrix((2, 4))).tolist() == [1, 2]  # rows of zeros
    flat = sparse.coo_array(np.array([1.0, 0.0, 0.0, 3.0]))
    if len(flat.shape) == 1:  # scipy has had such since 1.13
        assert index.add(flat).tolist() == [3]
        assert index.search([1.0, 0.0, 0.0, 3.0], k=1).indices.tolist() == [3]
    assert index.search([0.0, 1.0, 0.0, 1.0], k=5).indices[0] == 0


def test_bad_rows_are_refused_and_leave_the_index_as_it_was(dtype, tmp_path):
    index = esvm.ExemplarIndex(ROWS[:200].astype(dtype))
    index.add(ROWS[200:210])
    before = index.search(NEAR, k=20)

    def broken(name, place, value):
        rows = ROWS[210:220].astype(float)
        getattr(rows, name)[place] = value
        return rows

    entry = ROWS[210:220].indptr[7] + 2
    column = ROWS[210:220].indices[entry]
    too_large = 1e39 if dtype is np.float32 else 1e200
    for rows, error, sentence in (
        (ROWS[:, :3], ValueError, "rows has 3 features, but the index holds rows of 120 features"),
        (np.ones(3), ValueError, "rows has 3 features, but the index holds rows of 120 features"),
        (broken("data", entry, np.nan), ValueError, f"rows holds nan at row 7, column {column}"),
        (broken("data", entry, -np.inf), ValueError, f"rows holds -inf at row 7, column {column}"),
        (
            broken("data", entry, too_large),
            ValueError,
            rf"rows holds a vector at row 7 that is too large for {np.dtype(dtype)}",
        ),
        (broken("indices", 1, D), ValueError, "rows has a row 0 that has an entry in column 120"),
        (broken("indptr", 5, 10**8), ValueError, "rows has a row 4 that begins at entry"),
        (ROWS.astype(complex), TypeError, "rows has dtype complex128"),
        ([["a"] * D], TypeError, "rows has dtype"),
    ):
        with pytest.raises(error, match=sentence):
            index.add(rows)
    assert len(index) == index.n_live == 210
    np.testing.assert_array_equal(index.search(NEAR, k=20).scores, before.scores)
    index.add(ROWS[210:])
    assert len(index) == N


def test_entries_behind_the_last_row_are_ignored():
    rows = ROWS[200:].copy()
    rows.data = np.r_[rows.data, np.nan]
    rows.indices = np.r_[rows.indices, np.int32(0)]
    index = esvm.ExemplarIndex(ROWS[:200])
    index.add(rows)
    assert index.memory_usage()["added"] == ROWS[200:].nnz * 12 + 8 * 101


def test_searches_find_room_for_rows_that_are_longer_than_any_before():
    rng = np.random.default_rng(0)
    short = sparse.identity(3000, format="csr")
    long = sparse.csr_matrix(rng.standard_normal((60, 3000)))
    index = esvm.ExemplarIndex(short)
    index.search_shared([3])
    for first in range(3000, 3060, 20):
        index.add(long[first - 3000 : first - 2980])
        rows = sparse.vstack([short, long[: first - 2980]]).tocsr()
        fresh = esvm.ExemplarIndex(rows)
        for positives in ([3], [first], [3, first + 7, rows[first + 19]]):
            found = index.search_shared(positives, negatives=[first + 5])
            expected = fresh.search_shared(positives, negatives=[first + 5])
            assert found.report.status == "converged"
            np.testing.assert_array_equal(found.indices, expected.indices)
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
        batch = index.search(long[:9], k=3)
        np.testing.assert_array_equal(batch.indices, fresh.search(long[:9], k=3).indices)


@pytest.mark.parametrize("center", [False, True])
def test_sessions_go_on_when_rows_are_added_and_removed(center):
    rows = tfidf(1500, 60, seed=4)
    options = {"center": center, "prior": 0.5, "tol": 1e-8}
    index = esvm.ExemplarIndex(rows[:800], **options)
    session = index.session([3, rows[1200].toarray()[0]])
    session.search()
    index.add(rows[800:])
    index.remove([7, 900])
    session.like([8, 1100])
    session.dislike(1300)
    left = np.delete(np.arange(1500), [7, 900])
    fresh = esvm.ExemplarIndex(rows[left], **options)

    def places(numbers):
        return np.searchsorted(left, numbers)

    for standardize in (False, True):
        found = session.search(standardize=standardize)
        expected = fresh.search_shared(
            [*places([3, 8, 1100]), rows[1200]], 10, places([1300]), standardize=standardize
        )
        np.testing.assert_array_equal(found.indices, left[expected.indices])
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@pytest.mark.parametrize("center", [False, True])
def test_what_features_contribute_is_that_of_all_rows(center):
    index = esvm.ExemplarIndex(ROWS[:100], center=center, tol=1e-8)
    index.add(ROWS[100:])
    model = index.fit([7, 200], negatives=[150])
    fresh = esvm.ExemplarIndex(ROWS, center=center, tol=1e-8).fit([7, 200], negatives=[150])
    np.testing.assert_allclose(model.mean_, fresh.mean_, atol=1e-15)
    parts = model.contributions(DENSE[[3, 250]])
    np.testing.assert_allclose(parts, fresh.contributions(DENSE[[3, 250]]), atol=1e-7)
    np.testing.assert_allclose(
        parts.sum(axis=1) + model.base_score_, model.decision_function(ROWS[[3, 250]]), atol=1e-12
    )


def test_examples_may_be_sparse():
    index = esvm.ExemplarIndex(ROWS)
    near = sparse.csr_matrix(NEAR)
    for asked in (near, near.tocoo(), sparse.csr_array(NEAR), near.astype(np.float32)):
        found = index.search(asked, k=7)
        assert found.scores.shape == (10, 7)
        np.testing.assert_allclose(found.scores, index.search(NEAR, k=7).scores, atol=1e-6)
    for given_, same in (
        (near[:3], NEAR[:3]),
        ([near[0], near[2]], NEAR[[0, 2]]),
        ([17, near[0], NEAR[1]], [17, NEAR[0], NEAR[1]]),
    ):
        found = index.search_shared(given_, k=7, negatives=near[4])
        expected = index.search_shared(same, k=7, negatives=NEAR[4])
        np.testing.assert_array_equal(found.scores, expected.scores)
    with pytest.raises(ValueError, match="queries has 3 features"):
        index.search(near[:, :3])
    with pytest.raises(ValueError, match=r"positives\[1\] holds 2 vectors"):
        index.search_shared([3, near[:2]])
    # Sparse vectors serve a dense index, too.
    np.testing.assert_array_equal(
        esvm.ExemplarIndex(DENSE).search(near, k=7).scores,
        esvm.ExemplarIndex(DENSE).search(NEAR, k=7).scores,
    )


def test_the_model_scores_sparse_rows(dtype):
    rows = ROWS.astype(dtype)
    model = esvm.ExemplarIndex(rows).fit(NEAR[0])
    assert model.coef_.shape == (D,)
    expected = DENSE @ model.coef_.astype(float) + model.intercept_
    for given_ in (rows, rows.tocsc(), unsorted(rows)):
        np.testing.assert_allclose(model.decision_function(given_), expected, atol=1e-6)
    with pytest.raises(ValueError, match="X has 3 features"):
        model.decision_function(rows[:, :3])


def test_one_shot_search_takes_sparse_rows():
    expected = esvm.ExemplarIndex(ROWS).search(NEAR[0], k=5)
    found = esvm.search(NEAR[0], ROWS, k=5)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("center", [False, True])
def test_batches_and_threads_change_no_bit(dtype, center):
    rows = tfidf(1500, D, seed=3, dtype=dtype)
    index = esvm.ExemplarIndex(rows, center=center)
    masks = {"candidates": np.arange(0, 1500, 3), "background": np.arange(1500) % 5 != 0}
    batch = index.search(NEAR, k=8, n_threads=2, **masks)
    scores = index.decision_function(NEAR, background=masks["background"], n_threads=2)
    for q, query in enumerate(NEAR):
        single = index.search(query, k=8, n_threads=1, **masks)
        np.testing.assert_array_equal(batch.scores[q], single.scores)
        np.testing.assert_array_equal(batch.indices[q], single.indices)
        alone = index.decision_function(query, background=masks["background"], n_threads=1)
        np.testing.assert_array_equal(scores[q], alone)
        np.testing.assert_array_equal(scores[q, single.indices], single.scores)


def test_a_timeout_answers_with_a_bound_that_holds():
    rows = tfidf(3000, 400, seed=5)
    query = tfidf(1, 400, seed=6).toarray()[0]
    index = esvm.ExemplarIndex(rows)
    exact = index.decision_function(query, tol=1e-8)
    result = index.search(query, k=10, timeout=1e-4)
    assert result.report.status in ("deadline", "converged")
    off = np.abs(result.scores - exact[result.indices]).max()
    assert off <= result.report.score_error_bound + 1e-9


@st.composite
def queries(draw):
    """What `search_shared` may be asked, as keyword arguments."""

    def examples(at_least, offset):
        chosen = draw(st.lists(st.integers(0, 19), min_size=at_least, max_size=4, unique=True))
        return [i // 2 + offset if i % 2 else NEAR[i // 2] for i in chosen]

    def weights(count):
        return draw(st.none() | st.lists(st.floats(0.2, 4.0), min_size=count, max_size=count))

    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    positives, negatives = examples(1, 0), examples(0, 100)
    if draw(st.booleans()):  # too many for the solver to eliminate
        positives += [int(i) for i in rng.choice(np.arange(200, N), 40, replace=False)]
    return {
        "positives": positives,
        "negatives": negatives or None,
        "positive_weights": weights(len(positives)) if len(positives) < 10 else None,
        "negative_weight": weights(len(negatives)),
        "candidates": rng.random(N) < draw(st.sampled_from([0.02, 0.6, 1.0])),
        "background": rng.random(N) < draw(st.sampled_from([0.3, 0.8, 1.0])),
        "include_positives": draw(st.booleans()),
    }


def numbered(examples):
    return [e for e in examples or [] if isinstance(e, int)]


def vectors(examples):
    return np.array([DENSE[e] if isinstance(e, int) else e for e in examples or []]).reshape(-1, D)


def judged_scores(query, C, loss, mean):
    """Scores of LinearSVC on the same samples, each with its cost as its weight."""
    positives, negatives = vectors(query["positives"]), vectors(query["negatives"])
    background = query["background"].copy()
    background[numbered(query["positives"]) + numbered(query["negatives"])] = False
    p, n = len(positives), len(negatives) + background.sum()
    cost = C * (n + p) / (2 * p)

    def weights(name, count):
        return cost * np.ones(count) * (1 if query[name] is None else query[name])

    samples = sparse.vstack(
        [sparse.csr_matrix(positives), sparse.csr_matrix(negatives), ROWS[background]]
    )
    x = samples if mean is None else samples.toarray() - mean
    y = np.r_[np.ones(p), np.zeros(n)]
    sample_weight = np.r_[
        weights("positive_weights", p),
        weights("negative_weight", len(negatives)),
        np.full(background.sum(), C * (n + p) / (2 * n)),
    ]
    judge = LinearSVC(C=1.0, loss=loss, dual=True, tol=1e-10, max_iter=100_000)
    judge.fit(x, y, sample_weight=sample_weight)
    return judge.decision_function(ROWS if mean is None else DENSE - mean)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    queries(),
    st.sampled_from(["squared_hinge", "hinge"]),
    st.sampled_from([0.01, 0.1, 1.0, 10.0]),  # at the last one few rows support
    st.booleans(),
    st.sampled_from([N, N, 130, 0]),
    st.sampled_from(["full", "working_set"]),
)
def test_queries_of_every_kind_are_those_of_linear_svc(query, loss, C, center, n_borrowed, method):
    svm = {"loss": loss, "C": C, "center": center, "tol": 1e-8, "method": method}
    index = esvm.ExemplarIndex(ROWS[:n_borrowed], **svm)
    index.add(ROWS[n_borrowed:])
    judged = judged_scores(query, C, loss, DENSE.mean(axis=0) if center else None)
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

    del query["candidates"], query["include_positives"]
    model = index.fit(**query)
    np.testing.assert_allclose(model.decision_function(ROWS), judged, atol=1e-5)
    if not center:
        coef = (
            model.positive_dual_coef_ @ vectors(query["positives"])
            + model.negative_dual_coef_ @ vectors(query["negatives"])
            + model.dual_coef_ @ DENSE[model.support_]
        )
        np.testing.assert_allclose(model.coef_, coef, atol=1e-9)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(queries(), st.sampled_from([0.01, 0.1, 1.0]), st.floats(0, 2), st.booleans())
def test_sparse_and_dense_rows_have_the_same_answers(query, C, prior, center):
    settings = {"C": C, "prior": prior, "center": center, "tol": 1e-8}
    dense = esvm.ExemplarIndex(DENSE, **settings)
    rows = esvm.ExemplarIndex(ROWS, **settings)
    for duplicates in ("negative", "ignore"):
        expected = dense.search_shared(**query, k=20, duplicates=duplicates)
        found = rows.search_shared(**query, k=20, duplicates=duplicates)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-7)
        assert found.report.status == "converged"


def test_duplicates_of_a_positive_can_be_left_out_of_the_background():
    rows = ROWS.tolil()
    rows[[5, 200]] = NEAR[0]
    rows = rows.tocsr()
    index = esvm.ExemplarIndex(rows, tol=1e-8)
    ignored = index.search(NEAR[0], k=5, duplicates="ignore")
    masked = index.search(NEAR[0], k=5, background=np.delete(np.arange(N), [5, 200]))
    np.testing.assert_array_equal(ignored.scores, masked.scores)
    assert ignored.indices[:2].tolist() == [5, 200]
    assert ignored.scores[0] > index.search(NEAR[0], k=5).scores[0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("C", [0.01, 0.1, 1, 10])
def test_rankings_of_real_tfidf_are_those_of_linear_svc(data_folder, C):
    path = data_folder / "cranfield_tfidf_docs.npz"
    if not path.exists():
        pytest.skip(f"{path} does not exist")
    rows = sparse.load_npz(path).tocsr()
    asked = sparse.load_npz(data_folder / "cranfield_tfidf_queries.npz").tocsr()
    for positives in (rows[11], asked[3], asked[3:5]):
        x = sparse.vstack([positives, rows]).astype(np.float64)
        y = np.r_[np.ones(positives.shape[0]), np.zeros(rows.shape[0])]
        judge = LinearSVC(class_weight="balanced", C=C, dual=True, tol=1e-9, max_iter=20000)
        judged = judge.fit(x, y).decision_function(rows.astype(np.float64))
        order = np.argsort(-judged, kind="stable")[:100]
        for dtype, tie, largest in ((np.float32, 2e-5, 1e-4), (np.float64, 1e-6, 1e-6)):
            found = esvm.ExemplarIndex(rows.astype(dtype)).search_shared(positives, 100, C=C)
            gaps = np.abs(judged[order] - judged[found.indices])
            assert gaps[order != found.indices].max(initial=0.0) < tie
            assert np.abs(found.scores - judged[found.indices]).max() < largest
            assert found.report.status == "converged"


def test_the_package_does_not_import_scipy():
    code = "import sys, exemplar_svm, exemplar_svm._sparse; assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_standardized_scores_are_those_of_dense_rows():
    rows = tfidf(3000, 40, seed=3)
    found = esvm.ExemplarIndex(rows).search_shared([3, 8], 10, [5], standardize=True)
    dense = esvm.ExemplarIndex(rows.toarray()).search_shared([3, 8], 10, [5], standardize=True)
    np.testing.assert_array_equal(found.indices, dense.indices)
    np.testing.assert_allclose(found.scores, dense.scores, atol=1e-4)


def test_sessions_among_sparse_rows_are_searches_afresh():
    rows = tfidf(1500, 40, seed=4)
    index = esvm.ExemplarIndex(rows)
    session = index.session([3])
    session.search()
    session.like(8)
    session.dislike(5)
    expected = index.search_shared([3, 8], negatives=[5])
    np.testing.assert_array_equal(session.search().indices, expected.indices)
