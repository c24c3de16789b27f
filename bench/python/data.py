"""The rows and queries that are measured: real embeddings where present, else synthetic ones."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
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

_BLOCK = 1 << 14  # rows made at a time


@dataclass(frozen=True)
class Dataset:
    """Unit rows, queries made of them, and where the rows come from."""

    source: str  # its kind, a colon, and more
    rows: Floats
    queries: Floats  # (queries, features), or (batches, queries, features)

    @property
    def name(self) -> str:
        """The size in words."""
        n, d = self.rows.shape
        return f"{n:,} x {d:,}"

    def in_batches(self, count: int, size: int) -> Dataset:
        """Return the same rows with other queries, in batches."""
        queries = _perturbed(self.rows, count * size, np.random.default_rng(SEED + 1))
        return replace(self, queries=queries.reshape(count, size, -1))

    def projected(self, d: int) -> Dataset:
        """Return rows and queries of d features: fewer by a random projection, more by rotation."""
        have = self.rows.shape[1]
        if d == have:
            return self
        gaussian = np.random.default_rng(SEED).standard_normal((max(d, have), min(d, have)))
        basis = np.linalg.qr(gaussian).Q.astype(np.float32)
        matrix = basis if d < have else basis.T
        source = f"projected: to {d:,} features, {self.source}"
        return Dataset(source, unit(self.rows @ matrix), unit(self.queries @ matrix))


def load(n: int, d: int, n_queries: int) -> Dataset:
    """Make n unit rows of d features, and queries.

    They are real rows if the folder in EXEMPLAR_SVM_DATA has any of d features; more than there are
    are grown from them. Without them all are synthetic.
    """
    rng = np.random.default_rng(SEED)
    found = _real_embeddings(d)
    if found is None:
        source, rows = _synthetic_rows(n, d, rng)
    elif n <= len(found[1]):
        source, rows = _sampled_rows(*found, n, rng)
    else:
        source, rows = _grown_rows(*found, n, rng)
    return Dataset(source, rows, _perturbed(rows, n_queries, rng))


def unit(vectors: NDArray[Any]) -> Floats:
    """Scale every vector to length 1, as contiguous float32."""
    wide = vectors.astype(np.float32, copy=False)
    return np.ascontiguousarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def _real_embeddings(d: int) -> tuple[str, NDArray[Any]] | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None or d not in REAL:
        return None
    path = Path(folder) / REAL[d]
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        embeddings = arrays["emb"]
    return (path.name, embeddings) if embeddings.shape[1] == d else None


def _sampled_rows(
    name: str, embeddings: NDArray[Any], n: int, rng: np.random.Generator
) -> tuple[str, Floats]:
    sample = np.sort(rng.choice(len(embeddings), n, replace=False))
    return f"real: {n:,} of {len(embeddings):,} rows of {name}", unit(embeddings[sample])


def _grown_rows(
    name: str, embeddings: NDArray[Any], n: int, rng: np.random.Generator
) -> tuple[str, Floats]:
    # Real rows, moved about as far as real rows are from their nearest neighbours (so there are
    # duplicates, too), in the direction from one real row to another (so the spectrum is theirs).
    real = unit(embeddings)
    distances = _nearest_distances(real, rng)
    typical = np.sqrt(2 * real.var(axis=0).sum())  # distance between two rows
    rows = np.empty((n, real.shape[1]), np.float32)
    for start in range(0, n, _BLOCK):
        block = rows[start : start + _BLOCK]
        moved, to, away_from = (real[rng.integers(len(real), size=len(block))] for _ in range(3))
        # Two rows grown from one are moved both: hence the root.
        steps = rng.choice(distances, (len(block), 1)) / (np.sqrt(np.float32(2)) * typical)
        block[:] = unit(moved + steps * (to - away_from))
    return f"grown: from the {len(real):,} rows of {name}", rows


def _nearest_distances(rows: Floats, rng: np.random.Generator, n_sample: int = 512) -> Floats:
    sample = rng.choice(len(rows), min(n_sample, len(rows)), replace=False)
    products = rows[sample] @ rows.T
    products[np.arange(len(sample)), sample] = -1
    distances: Floats = np.sqrt(np.maximum(2 - 2 * products.max(axis=1), 0))
    return distances


def _synthetic_rows(n: int, d: int, rng: np.random.Generator) -> tuple[str, Floats]:
    # Text embeddings are clustered and share a direction; both decide how many rows support.
    n_clusters = max(2, n // 50)
    shared = unit(rng.standard_normal((1, d), dtype=np.float32))
    centres = shared + unit(rng.standard_normal((n_clusters, d), dtype=np.float32))
    rows = np.empty((n, d), np.float32)
    for start in range(0, n, _BLOCK):
        block = rows[start : start + _BLOCK]
        noise = unit(rng.standard_normal(block.shape, dtype=np.float32))
        block[:] = unit(centres[rng.integers(n_clusters, size=len(block))] + noise)
    return f"synthetic: {n_clusters:,} clusters", rows


def _perturbed(rows: Floats, n_queries: int, rng: np.random.Generator) -> Floats:
    chosen = rng.choice(len(rows), n_queries, replace=n_queries > len(rows))
    noise = unit(rng.standard_normal((n_queries, rows.shape[1]), dtype=np.float32))
    return unit(rows[chosen] + np.float32(QUERY_NOISE) * noise)
