from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from scipy import sparse

# Examples take as long as they take; in continuous integration they are the same every time.
settings.register_profile("exemplar_svm", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("exemplar_svm")


def clustered(
    n: int, d: int, seed: int = 0, dtype: type = np.float64, clusters: int = 8
) -> NDArray:
    """Unit rows around a few directions, with a common mean: the shape of real embeddings."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, d)) + 1.0
    rows = centres[rng.integers(clusters, size=n)] + 0.7 * rng.standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def unsorted(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same rows with the entries of each in the opposite order."""
    rows = rows.copy()
    for begin, end in itertools.pairwise(rows.indptr):
        rows.indices[begin:end] = rows.indices[begin:end][::-1].copy()
        rows.data[begin:end] = rows.data[begin:end][::-1].copy()
    rows.has_sorted_indices = False
    return rows


def repeated(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same rows with every value as two halves in the same column."""
    return sparse.csr_matrix(
        (np.repeat(rows.data / 2, 2), np.repeat(rows.indices, 2), 2 * rows.indptr), rows.shape
    )


def with_wide_indices(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same rows with indices of the other dtype than scipy gives so few columns."""
    rows = rows.copy()
    rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    return rows


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> type:
    return request.param


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real embeddings, which are not part of the project."""
    name = os.environ.get("EXEMPLAR_SVM_DATA")
    if not name:
        pytest.skip("EXEMPLAR_SVM_DATA does not name a folder of real embeddings")
    return Path(name)
