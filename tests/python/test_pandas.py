"""Frames and columns of pandas mean what the same numpy arrays mean, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

pd = pytest.importorskip("pandas")

ROWS = clustered(80, 12, seed=41)
QUERY = clustered(1, 12, seed=42)[0]
N = len(ROWS)


@pytest.fixture
def index():
    return esvm.ExemplarIndex(ROWS)


def same(found, expected):
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("dtype", ["float64", "Float64"])
def test_frames_and_columns_are_read_as_their_values(index, dtype):
    frame = pd.DataFrame(ROWS).astype(dtype)
    again = esvm.ExemplarIndex(frame)
    column = pd.Series(QUERY).astype(dtype)
    same(again.search(column), index.search(QUERY))
    same(again.search(frame.iloc[:3]), index.search(ROWS[:3]))
    same(again.search_shared(frame.iloc[3]), index.search_shared(ROWS[3]))
    same(again.search_shared([17, column]), index.search_shared([17, QUERY]))
    np.testing.assert_array_equal(again.add(frame.iloc[:2]), [N, N + 1])


@pytest.mark.parametrize("dtype", ["int64", "Int64", "Int32", "UInt64"])
def test_columns_of_integers_are_row_numbers(index, dtype):
    numbers = pd.Series([17, 42], dtype=dtype)
    same(index.search_shared(numbers), index.search_shared([17, 42]))
    same(index.search(QUERY, candidates=numbers), index.search(QUERY, candidates=[17, 42]))


@pytest.mark.parametrize("dtype", ["bool", "boolean"])
def test_columns_of_booleans_are_masks(index, dtype):
    mask = np.arange(N) % 3 > 0
    given = pd.Series(mask, dtype=dtype)
    same(
        index.search(QUERY, candidates=given, background=given),
        index.search(QUERY, candidates=mask, background=mask),
    )


def test_labels_are_ignored(index):
    mask = pd.Series(np.arange(N) < 40)[::-1]
    assert index.search(QUERY, k=50, candidates=mask).indices.max() >= 40


@pytest.mark.parametrize("dtype", ["Float64", "Int64", "boolean"])
def test_missing_values_are_refused(index, dtype):
    column = pd.Series(np.arange(N) % 2, dtype=dtype)
    column.iloc[3] = pd.NA
    refused = {
        "queries": lambda: index.search(column[:12]),
        "positives": lambda: index.search_shared(column),
        "candidates": lambda: index.search(QUERY, candidates=column),
        "background": lambda: index.search(QUERY, background=column),
        "positive_weights": lambda: index.fit(list(range(N)), positive_weights=column),
        "row_numbers": lambda: index.remove(column),
        "the column '5' of embeddings": lambda: esvm.ExemplarIndex(
            pd.DataFrame(ROWS).assign(**{"5": column})[["5"]]
        ),
    }
    for name, call in refused.items():
        with pytest.raises(ValueError, match=rf"{name} holds missing values; .*\.fillna"):
            call()
    with pytest.raises(TypeError, match="candidates has dtype object"):
        index.search(QUERY, candidates=pd.Series([True, None] * (N // 2)))


@pytest.mark.parametrize("element", [list, tuple, np.asarray])
def test_a_column_of_lists_is_told_of_stack(element):
    vectors = [element(row) for row in ROWS]
    frame = pd.DataFrame({"id": np.arange(N), "vector": vectors})
    for given in (frame["vector"], frame["vector"].to_numpy()):
        with pytest.raises(TypeError, match=r"embeddings .* of type .*np\.stack\(embeddings\)"):
            esvm.ExemplarIndex(given)
    with pytest.raises(TypeError, match=r"column 'vector' of embeddings holds .* np\.stack"):
        esvm.ExemplarIndex(frame)
    stacked = esvm.ExemplarIndex(np.stack(frame["vector"]))
    same(stacked.search(QUERY), esvm.ExemplarIndex(ROWS).search(QUERY))


def test_a_column_that_holds_no_numbers_is_named():
    with pytest.raises(TypeError, match="the column 'title' of embeddings has dtype object"):
        esvm.ExemplarIndex(pd.DataFrame(ROWS).assign(title="x"))
    mixed = pd.DataFrame(ROWS).assign(recent=np.arange(N) % 2 > 0)
    expected = np.column_stack([ROWS, np.arange(N) % 2])
    np.testing.assert_array_equal(esvm.ExemplarIndex(mixed)._snapshots.embeddings, expected)


def test_columns_that_must_be_copied_are_told():
    with pytest.raises(ValueError, match="must be copied to be read, which copy=False forbids"):
        esvm.ExemplarIndex(pd.DataFrame(ROWS).astype("Float64"), copy=False)
    plain = pd.DataFrame(ROWS, copy=False)
    assert np.shares_memory(esvm.ExemplarIndex(plain, copy=False)._snapshots.embeddings, ROWS)
