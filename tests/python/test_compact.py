"""Rows are read back as the index holds them, and compacting drops removed rows."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import clustered
from scipy import sparse
from test_files import STORAGES, assert_same, live_index, stored

import exemplar_svm as esvm

ALL = ["dense", *STORAGES]


def held(rows, storage):
    """The values of the rows of live_index(rows, storage)."""
    if storage == "dense":
        return rows
    first, made_with = stored(rows[:-30], storage)
    if sparse.issparse(first):
        return np.concatenate([first.toarray(), rows[-30:]])
    values = first.astype(np.float32)
    if made_with:
        values = values * made_with["row_scales"][:, np.newaxis]
    return np.concatenate([values, rows[-30:]])


def an_index(rows, storage, **options):
    return live_index(rows, None if storage == "dense" else storage, **options)


def dense(vectors):
    return vectors.toarray() if sparse.issparse(vectors) else vectors


@pytest.mark.parametrize("storage", ALL)
@pytest.mark.parametrize("opened", [None, False, True])
def test_rows_are_returned_as_searches_see_them(tmp_path, storage, opened):
    rows = clustered(230, 10, dtype=np.float32)
    index = an_index(rows, storage, center=True)
    if opened is not None:
        index.save(tmp_path / "index")
        index = esvm.ExemplarIndex.open(tmp_path / "index", mmap=opened)
    expected = held(rows, storage)
    for numbers in ([0], [229, 5, 5, 199, 200, 0], np.flatnonzero(index.live), []):
        found = index.vectors(numbers)
        assert found.dtype == index.dtype
        assert sparse.issparse(found) == (storage in ("sparse", "sparse64", "wide"))
        np.testing.assert_array_equal(dense(found), expected[np.asarray(numbers, int)])
        index.search_shared(found) if len(numbers) else None
    one = dense(index.vectors(210))
    np.testing.assert_array_equal(one.reshape(-1), expected[210])
    assert one.shape == ((1, 10) if sparse.issparse(index.vectors(210)) else (10,))


def test_rows_that_are_returned_are_copies():
    rows = clustered(50, 4)
    index = esvm.ExemplarIndex(rows, copy=False)
    index.vectors([3])[:] = 0
    index.vectors(3)[:] = 0
    index.vectors(range(50))[:] = 0
    assert rows.all()


def test_rows_that_there_are_not_are_told_as_positives_are():
    index = esvm.ExemplarIndex(clustered(50, 4))
    index.remove(4)
    for numbers in ([50], -1, [3, 2**70]):
        with pytest.raises(
            ValueError, match=r"row_numbers holds the row number .* the rows 0 to 49"
        ):
            index.vectors(numbers)
    with pytest.raises(ValueError, match=r"row_numbers holds the row number 4, but .* removed"):
        index.vectors([3, 4])
    with pytest.raises(TypeError, match="row_numbers is a mask"):
        index.vectors(np.ones(50, bool))
    with pytest.raises(TypeError, match="row_numbers has dtype float64"):
        index.vectors([0.5])


def test_returning_sparse_rows_needs_scipy(monkeypatch):
    index = an_index(clustered(60, 5, dtype=np.float32), "sparse")
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(ImportError, match="pip install scipy"):
        index.vectors([5])


@pytest.mark.parametrize("storage", ALL)
@pytest.mark.parametrize(
    "options",
    [{}, {"center": True, "C": 0.5}, {"method": "full", "loss": "hinge", "class_weight": None}],
)
def test_a_compact_index_is_that_of_the_rows_that_are_left(storage, options):
    rows = clustered(230, 10, dtype=np.float32)
    index = an_index(rows, storage, n_threads=1, **options)
    index.remove([0, 150, 229])
    before = index.search(rows[17], k=230)
    compacted, numbers = index.compact()
    live = index.live
    assert numbers.dtype == np.int64
    np.testing.assert_array_equal(numbers[live], np.arange(225))
    assert (numbers[~live] == -1).all()
    assert (len(index), len(compacted), compacted.n_live) == (230, 225, 225)
    assert compacted._snapshots.settings == index._snapshots.settings
    assert compacted._snapshots.n_threads == 1
    assert compacted.live.all()
    old = np.flatnonzero(numbers >= 0)
    np.testing.assert_array_equal(dense(compacted.vectors(range(225))), dense(index.vectors(old)))
    found = compacted.search(rows[17], k=225)
    np.testing.assert_allclose(found.scores, before.scores[:225], atol=2e-4)
    np.testing.assert_array_equal(found.indices[:3], numbers[before.indices[:3]])
    # The same as of an index that never had the others.
    if storage == "dense":
        assert_same(compacted, esvm.ExemplarIndex(rows[live], **options), rows[17])
    compacted.add(rows[:3])
    compacted.remove(1)
    assert index.n_live == 225


@pytest.mark.parametrize("storage", ALL)
def test_a_compact_index_may_be_left_without_rows(storage):
    rows = clustered(60, 5, dtype=np.float32)
    index = an_index(rows, storage)
    index.remove(np.flatnonzero(index.live)[: -1 if storage == "dense" else None])
    compacted, numbers = index.compact()
    assert len(compacted) == index.n_live == (numbers >= 0).sum()
    compacted.add(rows[:4])
    assert compacted.search(rows[1], k=1).indices[0] >= 0


def test_only_added_rows_may_be_left():
    rows = clustered(60, 5, dtype=np.float32)
    index = an_index(rows, "scaled")
    index.remove(np.flatnonzero(index.live[:30]))
    compacted, _ = index.compact()
    np.testing.assert_array_equal(
        compacted.vectors(range(len(compacted))), index.vectors(np.flatnonzero(index.live))
    )


def test_a_compact_index_does_not_read_the_rows_of_the_old_one():
    rows = clustered(60, 5)
    index = esvm.ExemplarIndex(rows, copy=False)
    compacted, numbers = index.compact()
    np.testing.assert_array_equal(numbers, np.arange(60))
    rows[:] = np.nan
    assert np.isfinite(compacted.search(np.ones(5)).scores).all()
    with pytest.raises(ValueError, match="nan at row 0"):
        index.compact()
