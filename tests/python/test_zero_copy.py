"""Arrays are read in place, and copied only when they must be, or never."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

ROWS = clustered(60, 10, dtype=np.float32)


def misaligned(rows):
    buffer = np.empty(rows.nbytes + 1, np.uint8)
    view = buffer[1:].view(rows.dtype).reshape(rows.shape)
    view[:] = rows
    assert not view.flags.aligned
    return view


def in_structure(rows):
    """Rows as a field of records whose size is no multiple of the element size."""
    packed = np.zeros(len(rows), np.dtype([("tag", "u1"), ("vector", rows.dtype, rows.shape[1])]))
    packed["vector"] = rows
    return packed["vector"]


def read_only(rows):
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


def wide(rows):
    return np.hstack([rows, rows, rows])[:, 10:20]


class Dlpack:
    """Offers its memory through DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Array:
    """Offers its memory through ``__array__`` alone."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


VIEWABLE = {
    "contiguous": lambda rows: rows,
    "every other row": lambda rows: np.repeat(rows, 2, axis=0)[::2],
    "some columns": wide,
    "rows in reverse order": lambda rows: rows[::-1].copy()[::-1],
    "read-only": read_only,
    "one row repeated": lambda rows: np.broadcast_to(rows[0], rows.shape),
    "dlpack": lambda rows: Dlpack(rows.copy()),
    "__array__": lambda rows: Array(rows),
    "memoryview": lambda rows: memoryview(rows),
}
NOT_VIEWABLE = {
    "Fortran order": np.asfortranarray,
    "columns in reverse order": lambda rows: rows[:, ::-1].copy()[:, ::-1],
    "columns repeated": lambda rows: np.broadcast_to(rows[:, :1], rows.shape),
    "big-endian": lambda rows: rows.astype(rows.dtype.newbyteorder(">")),
    "misaligned": misaligned,
    "field of packed records": in_structure,
    "integers": lambda rows: (1000 * rows).astype(np.int64),
    "long double": lambda rows: rows.astype(np.longdouble),
    "list": lambda rows: rows.tolist(),
}


@pytest.mark.parametrize("layout", VIEWABLE)
def test_rows_that_can_be_read_in_place_are(layout, dtype):
    rows = VIEWABLE[layout](ROWS.astype(dtype))
    if layout == "memoryview":
        pytest.importorskip("numpy", "2.0")
    index = esvm.ExemplarIndex(rows, copy=False)
    plain = getattr(rows, "array", rows)
    assert np.shares_memory(index._snapshots.embeddings, np.asarray(plain))
    copied = esvm.ExemplarIndex(np.array(plain))
    np.testing.assert_array_equal(
        index.decision_function(ROWS[5]), copied.decision_function(ROWS[5])
    )


@pytest.mark.parametrize("layout", NOT_VIEWABLE)
def test_other_rows_are_copied_or_refused_as_asked(layout, dtype):
    rows = NOT_VIEWABLE[layout](ROWS.astype(dtype))
    with pytest.raises(ValueError, match=r"embeddings .*copy=False forbids"):
        esvm.ExemplarIndex(rows, copy=False)
    values = np.asarray(rows)
    expected = np.float32 if values.dtype == np.float32 else np.float64
    index = esvm.ExemplarIndex(rows)
    assert index.dtype == (dtype if layout == "big-endian" else expected)
    plain = np.array(values, dtype=index.dtype, order="C")
    np.testing.assert_array_equal(
        index.decision_function(ROWS[5]), esvm.ExemplarIndex(plain).decision_function(ROWS[5])
    )


def test_copy_true_always_copies():
    rows = ROWS.copy()
    index = esvm.ExemplarIndex(rows, copy=True)
    before = index.decision_function(ROWS[0])
    rows[:] = 0
    np.testing.assert_array_equal(index.decision_function(ROWS[0]), before)


def test_the_index_keeps_the_rows_alive():
    index = esvm.ExemplarIndex(ROWS.copy())
    before = index.decision_function(ROWS[0])
    garbage = [np.full_like(ROWS, i) for i in range(50)]
    np.testing.assert_array_equal(index.decision_function(ROWS[0]), before)
    assert len(garbage) == 50


def test_axes_of_length_one_may_have_any_stride(dtype):
    one_row = np.asfortranarray(ROWS[:1].astype(dtype))
    one_column = np.zeros((4, 6), dtype)[:, 2:3]
    for rows in (one_row, one_column, np.zeros((1, 4), dtype).T, np.zeros((0, 4), dtype)):
        esvm.ExemplarIndex(rows, copy=False).search(np.ones(rows.shape[1]))


def test_the_rows_are_never_written():
    rows = ROWS.copy()
    index = esvm.ExemplarIndex(rows, center=True)
    index.search(rows[0])
    index.fit(rows[:3])
    np.testing.assert_array_equal(rows, ROWS)


MEMORY = """
import resource, sys
import numpy as np, exemplar_svm as esvm

rows = np.load(sys.argv[1], mmap_mode="r")
rows.sum()  # the mapped file itself counts as memory once it has been read
def peak(): return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
index = esvm.ExemplarIndex(rows, copy=False)
result = index.search(rows[7], k=100)
assert result.indices[0] == 7 and result.report.status == "converged"
index.decision_function(rows[8])
print((peak() - before) / rows.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads ru_maxrss in Linux's unit")
def test_a_memory_mapped_file_is_searched_without_reading_it_into_memory(tmp_path):
    path = tmp_path / "rows.npy"
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (160_000, 384))  # 246 MB
    block = clustered(1000, 384, dtype=np.float32)
    rng = np.random.default_rng(0)
    for start in range(0, len(rows), 1000):
        rows[start : start + 1000] = block + 0.02 * rng.standard_normal(384, dtype=np.float32)
    rows.flush()
    del rows
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.15
