"""Rows of float16, bfloat16 and int8 have the bits of the same rows as float32."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref

import ml_dtypes
import numpy as np
import pytest
from conftest import clustered
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC
from test_query import NEAR, ROWS, judged_scores, queries
from test_zero_copy import misaligned, wide

import exemplar_svm as esvm

KINDS = ["float16", "bfloat16", "int8", "int8, scaled"]
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "int8": np.int8}
each_kind = pytest.mark.parametrize("kind", KINDS)
WAYS = {
    "full": {"method": "full"},
    "working set": {"method": "working_set"},
    "sketch": {"sketch": "int8"},
    "gram": {"method": "gram"},
}


def narrow(rows, kind):
    """Rows in a narrow type, their scales if they have any, and the same rows as float32."""
    if kind.startswith("int8"):
        scales = (np.abs(rows).max(axis=1) / 127).astype(np.float32)
        codes = np.rint(rows / scales[:, None]).astype(np.int8)
        if kind == "int8":
            return codes, None, codes.astype(np.float32)
        return codes, scales, scales[:, None] * codes
    stored = rows.astype(DTYPES[kind])
    return stored, None, stored.astype(np.float32)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.indices, expected.indices)
    if found.scores.ndim == 1:
        assert found.report == expected.report
    else:
        assert list(found.report) == list(expected.report)


@each_kind
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25)
@given(query=queries(), center=st.booleans(), loss=st.sampled_from(["squared_hinge", "hinge"]))
def test_searches_have_the_bits_of_those_over_float32(kind, way, query, center, loss):
    stored, scales, widened = narrow(ROWS, kind)
    # Integers are some hundred times as large.
    options = {"center": center, "loss": loss, "C": 1e-5 if kind == "int8" else 0.1, **WAYS[way]}
    index = esvm.ExemplarIndex(stored, row_scales=scales, copy=False, **options)
    expected = esvm.ExemplarIndex(widened, **options)
    assert index.dtype == np.float32
    assert_same(index.search_shared(**query, k=20), expected.search_shared(**query, k=20))
    assert_same(
        index.search(NEAR, k=7, candidates=query["candidates"], duplicates="ignore"),
        expected.search(NEAR, k=7, candidates=query["candidates"], duplicates="ignore"),
    )
    np.testing.assert_array_equal(
        index.decision_function(NEAR[:2], prior=0.5),
        expected.decision_function(NEAR[:2], prior=0.5),
    )
    del query["candidates"], query["include_positives"]
    model, expected_model = index.fit(**query), expected.fit(**query)
    np.testing.assert_array_equal(model.coef_, expected_model.coef_)
    np.testing.assert_array_equal(model.dual_coef_, expected_model.dual_coef_)
    np.testing.assert_array_equal(
        model.decision_function(stored, row_scales=scales), model.decision_function(widened)
    )


@each_kind
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_rows_have_the_bits_of_float32_too(kind, way, n_threads):
    rows = clustered(3000, 48, seed=3)
    stored, scales, widened = narrow(rows, kind)
    C = 1e-5 if kind == "int8" else 0.1
    for center in (False, True):
        index = esvm.ExemplarIndex(
            stored, row_scales=scales, C=C, center=center, n_threads=n_threads, **WAYS[way]
        )
        expected = esvm.ExemplarIndex(widened, C=C, center=center, n_threads=1, **WAYS[way])
        assert index.memory_usage() == expected.memory_usage()
        assert_same(index.search(widened[:9], k=30), expected.search(widened[:9], k=30))
        assert_same(index.search(widened[5], k=30, timeout=3600), expected.search(widened[5], k=30))


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # a tol beyond float32
@each_kind
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@settings(max_examples=25)
@given(query=queries(), way=st.sampled_from(list(WAYS)), C=st.sampled_from([0.01, 0.1, 1.0]))
def test_answers_are_those_of_linear_svc_on_the_rows_as_floats(kind, query, way, C):
    stored, scales, widened = narrow(ROWS, kind)
    if kind == "int8":
        C *= 1e-4
    index = esvm.ExemplarIndex(stored, row_scales=scales, C=C, tol=1e-8, **WAYS[way])
    rows = widened.astype(np.float64)
    if kind == "int8":  # vectors as large as the rows
        query["positives"] = [e if isinstance(e, int) else 300 * e for e in query["positives"]]
        if query["negatives"]:
            query["negatives"] = [e if isinstance(e, int) else 300 * e for e in query["negatives"]]
    # The core has vectors as float32, and so has the judge.
    for name in ("positives", "negatives"):
        query[name] = query[name] and [
            e if isinstance(e, int) else e.astype(np.float32).astype(np.float64)
            for e in query[name]
        ]
    judged = judged_scores(query, C, "squared_hinge", 0.0, rows)
    allowed = query["candidates"].copy()
    named = [e for e in query["negatives"] or [] if isinstance(e, int)]
    if not query["include_positives"]:
        named += [e for e in query["positives"] if isinstance(e, int)]
    allowed[named] = False
    scores, indices = index.search_shared(**query, k=20)
    expected = np.flatnonzero(allowed)
    expected = expected[np.argsort(-judged[expected], kind="stable")][:20]
    found = indices[indices >= 0]
    assert len(found) == len(expected)
    np.testing.assert_allclose(scores[: len(found)], judged[found], atol=1e-5)
    np.testing.assert_allclose(judged[found], judged[expected], atol=1e-5)


# Integers without their scales would be other rows.
@pytest.mark.parametrize("kind", ["float16", "bfloat16", "int8, scaled"])
@pytest.mark.parametrize("C", [0.01, 0.1, 1.0])
def test_the_recipe_on_real_embeddings(kind, C, data_folder):
    rows = np.load(data_folder / "ada002_1000x1536.npz")
    rows = rows[rows.files[0]].astype(np.float64)
    stored, scales, widened = narrow(rows, kind)
    index = esvm.ExemplarIndex(stored, row_scales=scales, C=C)
    judge = LinearSVC(C=C, class_weight="balanced", dual=True, tol=1e-10, max_iter=200_000)
    query = widened[3].astype(np.float64)
    y = np.r_[1, np.zeros(len(rows))]
    judge.fit(np.vstack([query, widened]), y)
    expected = judge.decision_function(widened.astype(np.float64))
    scores, indices = index.search(query, k=100)
    np.testing.assert_allclose(scores, expected[indices], atol=4e-6)
    np.testing.assert_allclose(expected[indices], np.sort(expected)[::-1][:100], atol=4e-6)


def spread(rows):
    return np.repeat(rows, 3, axis=0)[::3]


LAYOUTS = {
    "contiguous": lambda rows: rows,
    "every third row": spread,
    "some columns": wide,
    "rows in reverse order": lambda rows: rows[::-1].copy()[::-1],
    "one row repeated": lambda rows: np.broadcast_to(rows[0], rows.shape),
}


@each_kind
@pytest.mark.parametrize("layout", LAYOUTS)
def test_narrow_rows_are_read_in_place(kind, layout):
    stored, scales, _ = narrow(clustered(60, 10), kind)
    rows = LAYOUTS[layout](stored)
    index = esvm.ExemplarIndex(rows, row_scales=scales, copy=False)
    assert np.shares_memory(index._snapshots.embeddings, rows)
    copied = esvm.ExemplarIndex(np.array(rows), row_scales=scales, copy=True)
    assert not np.shares_memory(copied._snapshots.embeddings, rows)
    query = clustered(1, 10, seed=4)[0]
    assert_same(index.search(query, k=60), copied.search(query, k=60))


@pytest.mark.parametrize(
    "layout", [np.asfortranarray, misaligned, lambda rows: rows[:, ::-1].copy()[:, ::-1]]
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_other_layouts_are_copied_in_their_dtype(layout, dtype):
    rows = layout(clustered(60, 10).astype(DTYPES[dtype]))
    with pytest.raises(ValueError, match=r"embeddings .*copy=False forbids"):
        esvm.ExemplarIndex(rows, copy=False)
    index = esvm.ExemplarIndex(rows)
    assert index._snapshots.embeddings.dtype == rows.dtype
    expected = esvm.ExemplarIndex(np.array(rows, np.float32, order="C"))
    assert_same(index.search(np.ones(10)), expected.search(np.ones(10)))


def test_float16_of_the_other_byte_order_is_copied():
    rows = clustered(60, 10).astype(np.float16)
    swapped = rows.astype(rows.dtype.newbyteorder())
    with pytest.raises(ValueError, match="not in native byte order"):
        esvm.ExemplarIndex(swapped, copy=False)
    index = esvm.ExemplarIndex(swapped)
    assert index._snapshots.embeddings.dtype == np.float16
    assert_same(index.search(rows[3]), esvm.ExemplarIndex(rows).search(rows[3]))


def test_wider_integers_are_copied_to_float64():
    rows = (100 * clustered(60, 10)).astype(np.int16)
    assert esvm.ExemplarIndex(rows).dtype == np.float64


def test_the_index_keeps_rows_and_scales_alive():
    stored, scales, _ = narrow(clustered(60, 10), "int8, scaled")
    index = esvm.ExemplarIndex(stored.copy(), row_scales=scales.copy(), copy=False)
    before = index.search(np.ones(10), k=60)
    garbage = (
        [np.full_like(stored, i) for i in range(50)],
        [np.full_like(scales, i) for i in range(50)],
    )
    assert_same(index.search(np.ones(10), k=60), before)
    assert len(garbage) == 2


def test_refresh_reads_changed_rows_and_scales():
    first, first_scales, _ = narrow(clustered(60, 10, seed=1), "int8, scaled")
    second, second_scales, _ = narrow(clustered(60, 10, seed=2), "int8, scaled")
    index = esvm.ExemplarIndex(first, row_scales=first_scales, center=True)
    before = index.search(np.ones(10), k=5)
    first[:], first_scales[:] = second, second_scales
    index.refresh()
    expected = esvm.ExemplarIndex(second, row_scales=second_scales, center=True)
    assert_same(index.search(np.ones(10), k=5), expected.search(np.ones(10), k=5))
    assert (before.scores != index.search(np.ones(10), k=5).scores).any()


@each_kind
def test_queries_may_be_narrow_and_are_not_narrowed(kind):
    stored, scales, widened = narrow(ROWS, kind)
    index = esvm.ExemplarIndex(stored, row_scales=scales)
    between = widened[3].astype(np.float64) * (1 + 1e-4)  # no number of eight bits
    expected = esvm.ExemplarIndex(widened)
    assert_same(index.search(between), expected.search(between))
    vectors = NEAR.astype(ml_dtypes.bfloat16)
    assert_same(index.search(vectors), expected.search(vectors.astype(np.float32)))
    assert_same(
        index.search_shared([17, vectors[0]], negatives=vectors[1]),
        expected.search_shared([17, vectors[0]], negatives=vectors[1].astype(np.float32)),
    )


@each_kind
@pytest.mark.parametrize("way", WAYS)
def test_float32_rows_may_be_added_behind_narrow_ones(kind, way):
    stored, scales, widened = narrow(ROWS, kind)
    options = {"C": 1e-5 if kind == "int8" else 0.1, "center": True, **WAYS[way]}
    index = esvm.ExemplarIndex(stored, row_scales=scales, **options)
    expected = esvm.ExemplarIndex(widened, **options)
    for one in (index, expected):
        assert one.add(NEAR).tolist() == list(range(400, 410))
        one.remove([3, 402])
        one.add(NEAR[:2])
        one.refresh()
    assert_same(index.search(NEAR, k=20), expected.search(NEAR, k=20))
    assert_same(index.search_shared([405, 7], k=20), expected.search_shared([405, 7], k=20))


@each_kind
def test_one_search_without_an_index(kind):
    stored, scales, widened = narrow(ROWS, kind)
    options = {} if scales is None else {"row_scales": scales}
    found = esvm.search(NEAR[0], stored, k=5, C=1e-3, **options)
    assert_same(found, esvm.search(NEAR[0], widened, k=5, C=1e-3))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_narrow_rows_that_are_not_finite_are_refused(dtype, bad):
    rows = clustered(30, 6).astype(DTYPES[dtype])
    index = esvm.ExemplarIndex(rows)
    before = index.search(np.ones(6))
    rows[7, 2] = bad
    with pytest.raises(ValueError, match=f"embeddings holds {bad} at row 7, column 2"):
        esvm.ExemplarIndex(rows)
    with pytest.raises(ValueError, match="at row 7, column 2"):
        index.refresh()
    rows[7] = rows[8]
    assert esvm.ExemplarIndex(rows, check_finite=False).search(np.ones(6)).indices[0] >= 0
    assert len(before) == 2


def test_scales_that_do_not_fit_are_refused():
    codes = np.ones((4, 3), np.int8)
    scales = np.ones(4, np.float32)

    def refusal(rows, row_scales, **options):
        with pytest.raises(ValueError, match="row_scales") as caught:
            esvm.ExemplarIndex(rows, row_scales=row_scales, **options)
        return str(caught.value)

    assert "dtype int8, but embeddings has float16" in refusal(codes.astype(np.float16), scales)
    assert "dtype int8, but embeddings has float32" in refusal(codes.astype(np.float32), scales)
    assert "has the shape (3,), but embeddings has 4 rows" in refusal(codes, scales[:3])
    assert "has the shape (4, 1)" in refusal(codes, scales[:, None])
    assert "holds nan at row 2" in refusal(codes, [1, 1, np.nan, 1])
    assert "holds inf at row 3" in refusal(codes, [1, 1, 1, 1e300])
    assert "copy=False forbids" in refusal(codes, scales.astype(np.float64), copy=False)
    assert "copy=False forbids" in refusal(codes, np.ones(8, np.float32)[::2], copy=False)
    with pytest.raises(TypeError, match="row_scales has dtype <U1"):
        esvm.ExemplarIndex(codes, row_scales=list("abcd"))
    model = esvm.ExemplarIndex(codes, row_scales=scales).fit(np.ones(3))
    with pytest.raises(ValueError, match="but X has 2 rows"):
        model.decision_function(codes[:2], row_scales=scales)


def test_scales_are_cast_and_may_be_of_any_sign():
    codes, scales, widened = narrow(ROWS, "int8, scaled")
    signs = np.where(np.arange(len(codes)) % 2, 1.0, -1.0)
    index = esvm.ExemplarIndex(codes, row_scales=list(scales * signs))
    expected = esvm.ExemplarIndex(widened * signs[:, None].astype(np.float32))
    assert_same(index.search(NEAR), expected.search(NEAR))
    nothing = esvm.ExemplarIndex(codes, row_scales=np.zeros(len(codes)))
    assert np.isfinite(nothing.search(NEAR[0], k=5).scores).all()


@each_kind
@pytest.mark.parametrize("way", ["full", "working set", "sketch"])
def test_a_search_that_is_stopped_tells_how_good_it_is(kind, way):
    stored, scales, widened = narrow(clustered(20_000, 64, seed=5), kind)
    C = 1e-5 if kind == "int8" else 0.1
    index = esvm.ExemplarIndex(stored, row_scales=scales, C=C, n_threads=1, **WAYS[way])
    query = widened[17] * np.float32(1.1)
    exact = esvm.ExemplarIndex(widened.astype(np.float64), C=C, method="full", tol=1e-9)
    scores = exact.decision_function(query)
    assert index.search(query, timeout=1e-9).report.status == "deadline"
    for timeout in np.geomspace(1e-4, 0.1, 12):
        found = index.search(query, k=10, timeout=timeout)
        rows = found.indices[found.indices >= 0]
        errors = np.abs(found.scores[: len(rows)] - scores[rows])
        assert (errors <= found.report.score_error_bound + 1e-6).all()


SEARCH = """
import sys
import numpy as np, exemplar_svm as esvm
found = np.load(sys.argv[1])
for name in ("float16", "int8"):
    stored, widened = found[name], found[name + "-widened"]
    scales = found["scales"] if name == "int8" else None
    for method in ("full", "working_set", "gram"):
        a = esvm.ExemplarIndex(stored, row_scales=scales, method=method).search(widened[:5], k=20)
        b = esvm.ExemplarIndex(widened, method=method).search(widened[:5], k=20)
        assert (a.scores == b.scores).all() and (a.indices == b.indices).all()
        print(*a.indices.ravel())
print(esvm.active_isa())
"""


def test_every_instruction_set_has_the_bits_of_float32(tmp_path):
    rows = clustered(500, 67, seed=6)
    half, _, half_widened = narrow(rows, "float16")
    codes, scales, codes_widened = narrow(rows, "int8, scaled")
    arrays = {"float16": half, "float16-widened": half_widened}
    arrays |= {"int8": codes, "int8-widened": codes_widened, "scales": scales}
    np.savez(tmp_path / "rows.npz", **arrays)
    rankings = set()
    for isa in esvm.supported_isas():
        done = subprocess.run(
            [sys.executable, "-c", SEARCH, tmp_path / "rows.npz"],
            env={**os.environ, "EXEMPLAR_SVM_ISA": isa},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *ranking, active = done.stdout.splitlines()
        assert active == isa
        rankings.add("\n".join(ranking))
    assert len(rankings) == 1


def test_scales_live_as_long_as_any_index_that_was_made_of_theirs():
    codes = np.ones((600, 8), np.int8)
    scales = np.linspace(0.5, 1.0, 600, dtype=np.float32)
    alive = weakref.ref(scales)
    index = esvm.ExemplarIndex(codes, row_scales=scales, copy=False)
    del scales
    for name, arguments in [("remove", ([3],)), ("add", (np.ones((1, 8)),)), ("refresh", ())]:
        getattr(index, name)(*arguments)
        gc.collect()
        assert alive() is not None
    del index
    gc.collect()
    assert alive() is None
