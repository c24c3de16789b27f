"""Storage, live rows, settings and ways to ask, in every combination: one answer.

Each feature is held against LinearSVC by itself (test_query, test_narrow, test_sparse ...); here
all of them are held against the slowest way over plain float64 rows, together.
"""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import exemplar_svm as esvm

K = 8


def stored(rows, storage):
    """Rows in a storage, what an index of them is made with, and the same as float32."""
    if storage == "float16":
        narrow = rows.astype(np.float16)
        return narrow, {}, narrow.astype(np.float32)
    if storage == "int8":
        scales = (np.abs(rows).max(axis=1) / 127).astype(np.float32)
        codes = np.round(rows / scales[:, None]).astype(np.int8)
        return codes, {"row_scales": scales}, scales[:, None] * codes
    if storage == "sparse":
        kept = np.where(np.random.default_rng(0).random(rows.shape) < 0.4, rows, 0)
        return sparse.csr_matrix(kept), {}, kept
    return rows, {}, rows


WAYS = {
    "shared": lambda index, p, q: index.search_shared(p, K, q),
    "standardized": lambda index, p, q: index.search_shared(p, K, q, standardize=True),
    "in time": lambda index, p, q: index.search_shared(p, K, q, timeout=60),
    "two threads": lambda index, p, q: index.search_shared(p, K, q, n_threads=2),
    "session": lambda index, p, q: step_by_step(index, p, q),
}


def step_by_step(index, positives, negatives):
    session = index.session(positives[:1])
    session.search(K)
    session.like(positives[1:])
    session.dislike(negatives)
    return session.search(K)


@pytest.mark.parametrize("storage", ["float32", "float16", "int8", "sparse"])
@settings(max_examples=25)
@given(data=st.data())
def test_every_combination_has_the_answer_of_the_plain_one(storage, data):
    seed = data.draw(st.integers(0, 2**16), "seed")
    n = data.draw(st.sampled_from([60, 700, 1500, 3000]), "n")
    rng = np.random.default_rng(seed)
    rows, given_with, wide = stored(clustered(n, 24, seed, np.float32), storage)
    svm = {
        "C": data.draw(st.sampled_from([1e-4, 1e-3, 0.01, 0.1, 1.0]), "C"),
        "center": data.draw(st.booleans(), "center"),
        "prior": data.draw(st.sampled_from([0.0, 1.0]), "prior"),
        "loss": data.draw(st.sampled_from(["squared_hinge", "hinge"]), "loss"),
    }
    has_sketch = storage != "sparse" and n > 100 and data.draw(st.booleans(), "sketch")
    sketch = "int8" if has_sketch else None
    index = esvm.ExemplarIndex(rows, sketch=sketch, **given_with, **svm)
    if data.draw(st.booleans(), "add"):
        added = clustered(20, 24, seed + 1, np.float32)
        added[rng.random(added.shape) < data.draw(st.sampled_from([0.0, 0.6]), "zeros")] = 0
        is_sparse = data.draw(st.booleans(), "as a matrix")
        index.add(sparse.csr_array(added) if is_sparse else added)
        wide = np.vstack([wide, added])
    if data.draw(st.booleans(), "remove"):
        index.remove(rng.choice(len(index), 5, replace=False))
    numbers = np.flatnonzero(index.live)

    plain = esvm.ExemplarIndex(wide[numbers].astype(float), method="full", tol=1e-8, **svm)
    # The last two are rows that were added, if any were.
    chosen = np.r_[rng.choice(len(numbers) - 15, 3, replace=False), len(numbers) - np.array([1, 9])]
    chosen = rng.permutation(chosen)
    expected = plain.search_shared(chosen[:3], K, chosen[3:])
    scores = plain.fit(chosen[:3], chosen[3:]).decision_function(wide[numbers].astype(float))
    largest = np.abs(expected.scores).max()
    for way, ask in WAYS.items():
        found = ask(index, numbers[chosen[:3]], numbers[chosen[3:]])
        # Rows change places only where their scores are as good as equal.
        exact = scores[np.searchsorted(numbers, found.indices)]
        np.testing.assert_allclose(exact, expected.scores, atol=5e-5 * (1 + largest), err_msg=way)
        if way != "standardized":
            np.testing.assert_allclose(found.scores, expected.scores, atol=5e-5 * (1 + largest))
