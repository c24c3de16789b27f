from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

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
