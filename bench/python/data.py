"""The rows and queries that are measured: real embeddings where present, else synthetic ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FOLDER_VARIABLE = "EXEMPLAR_SVM_DATA"
REAL = {1536: "ada002_1000x1536.npz", 384: "debian_descriptions.npz"}  # by number of features
QUERY_NOISE = 0.2  # length of what is added to a unit row to make a query of it
QUERIES_ARE = (
    f"rows of the database plus noise of length {QUERY_NOISE}, renormalised: not in the database"
)
SEED = 42


@dataclass(frozen=True)
class Dataset:
    """Unit rows, queries made of them, and where the rows come from."""

    source: str
    rows: Floats
    queries: Floats

    @property
    def name(self) -> str:
        """The size in words."""
        n, d = self.rows.shape
        return f"{n:,} x {d:,}"


def load(n: int, d: int, n_queries: int) -> Dataset:
    """Take n real rows of d features from the folder in EXEMPLAR_SVM_DATA, or make them up."""
    rng = np.random.default_rng(SEED)
    found = _real_rows(n, d, rng)
    source, rows = found if found is not None else _synthetic_rows(n, d, rng)
    return Dataset(source, rows, _perturbed(rows, n_queries, rng))


def unit(vectors: NDArray[Any]) -> Floats:
    """Scale every vector to length 1, as contiguous float32."""
    wide = vectors.astype(np.float32, copy=False)
    return np.ascontiguousarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def _real_rows(n: int, d: int, rng: np.random.Generator) -> tuple[str, Floats] | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None or d not in REAL:
        return None
    path = Path(folder) / REAL[d]
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        embeddings = arrays["emb"]
    if embeddings.shape[1] != d or len(embeddings) < n:
        return None
    sample = np.sort(rng.choice(len(embeddings), n, replace=False))
    return f"real: {n:,} of {len(embeddings):,} rows of {path.name}", unit(embeddings[sample])


def _synthetic_rows(n: int, d: int, rng: np.random.Generator) -> tuple[str, Floats]:
    # Text embeddings are clustered and share a direction; both decide how many rows support.
    n_clusters = max(2, n // 50)
    shared = unit(rng.standard_normal((1, d), dtype=np.float32))
    centres = shared + unit(rng.standard_normal((n_clusters, d), dtype=np.float32))
    noise = unit(rng.standard_normal((n, d), dtype=np.float32))
    rows = unit(centres[rng.integers(n_clusters, size=n)] + noise)
    return f"synthetic: {n_clusters:,} clusters", rows


def _perturbed(rows: Floats, n_queries: int, rng: np.random.Generator) -> Floats:
    chosen = rng.choice(len(rows), n_queries, replace=n_queries > len(rows))
    noise = unit(rng.standard_normal((n_queries, rows.shape[1]), dtype=np.float32))
    return unit(rows[chosen] + np.float32(QUERY_NOISE) * noise)
