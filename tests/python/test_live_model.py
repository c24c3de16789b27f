"""Random operations on an index and on a model of it: plain arrays, and the problem solved anew.

Continuous integration takes 500 operations; EXEMPLAR_SVM_OPERATIONS=10000 asks for more.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from conftest import repeated, unsorted, with_wide_indices
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from scipy import sparse

import exemplar_svm as esvm
from reference import exemplar

STEPS = 25
OPERATIONS = int(os.environ.get("EXEMPLAR_SVM_OPERATIONS", "500"))
METHODS = [
    {"method": "auto"},
    {"method": "full"},
    {"method": "working_set"},
    {"method": "working_set", "sketch": "int8"},
    {"method": "gram"},
]
SPARSE_METHODS = METHODS[:2]  # those that serve sparse rows
STORAGES = {
    "dense": np.asarray,
    "csr": sparse.csr_matrix,
    "wide": lambda rows: with_wide_indices(sparse.csr_matrix(rows)),
    "unsorted": lambda rows: unsorted(sparse.csr_matrix(rows)),
    "repeated": lambda rows: repeated(sparse.csr_matrix(rows)),
    "coo": sparse.coo_matrix,
}
FOLDER = tempfile.TemporaryDirectory()
SEEDS = st.integers(0, 2**32 - 1)


class LiveIndex(RuleBasedStateMachine):
    n_operations = 0
    n_files = 0

    @initialize(
        seed=SEEDS,
        n=st.integers(0, 40),
        d=st.integers(1, 6),
        stored=st.sampled_from(["dense", "dense", "csr", "wide"]).flatmap(
            lambda storage: st.tuples(
                st.just(storage),
                st.sampled_from(METHODS if storage == "dense" else SPARSE_METHODS),
            )
        ),
        center=st.booleans(),
        C=st.sampled_from([0.05, 0.5, 5.0]),
        class_weight=st.sampled_from(["balanced", None, {1: 3.0, -1: 0.5}]),
    )
    def build(self, seed, n, d, stored, center, C, class_weight):
        storage, method = stored
        self.is_sparse = storage != "dense"
        self.rows = self.random_rows(seed, n, d)
        self.live = np.ones(n, bool)
        self.C, self.center, self.class_weight = C, center, class_weight
        self.index = esvm.ExemplarIndex(
            STORAGES[storage](self.rows),
            C=C,
            center=center,
            class_weight=class_weight,
            tol=1e-9,
            max_iter=200_000,
            **method,
        )

    def random_rows(self, seed, n, d):
        rng = np.random.default_rng(seed)
        rows = rng.standard_normal((n, d)) + rng.standard_normal(d)
        if self.is_sparse:
            rows[rng.random((n, d)) < rng.choice([0.2, 0.7, 0.95], (n, 1))] = 0.0
        if n > 2:
            rows[rng.integers(n)] = rows[0]
            rows[rng.integers(n)] = 0.0
        return rows

    @rule(
        seed=SEEDS,
        m=st.sampled_from([0, 1, 1, 2, 5, 40]),
        duplicates=st.booleans(),
        storage=st.sampled_from(list(STORAGES)),
    )
    def add(self, seed, m, duplicates, storage):
        LiveIndex.n_operations += 1
        added = self.random_rows(seed, m, self.rows.shape[1])
        if duplicates and m and len(self.rows):
            added[0] = self.rows[seed % len(self.rows)]
        numbers = self.index.add(STORAGES[storage](added))
        np.testing.assert_array_equal(numbers, np.arange(m) + len(self.rows))
        self.rows = np.vstack([self.rows, added])
        self.live = np.r_[self.live, np.ones(m, bool)]
        assert len(self.index) == len(self.rows)

    @rule(seed=SEEDS, share=st.sampled_from([0.0, 0.1, 0.3, 0.9]))
    def remove(self, seed, share):
        LiveIndex.n_operations += 1
        rng = np.random.default_rng(seed)
        taken = self.live & (rng.random(len(self.live)) < share)
        self.index.remove(rng.permutation(np.flatnonzero(taken)))
        self.live &= ~taken
        np.testing.assert_array_equal(self.index.live, self.live)
        assert self.index.n_live == self.live.sum()

    @precondition(lambda self: not self.live.all())
    @rule(seed=SEEDS)
    def name_a_removed_row(self, seed):
        LiveIndex.n_operations += 1
        removed = np.flatnonzero(~self.live)
        number = int(removed[seed % len(removed)])
        for call in (self.index.remove, self.index.search_shared, self.index.fit):
            with pytest.raises(ValueError, match=f"row number {number}, but that row was removed"):
                call(number)

    @rule(storage=st.sampled_from(list(STORAGES)))
    def refuse_rows(self, storage):
        LiveIndex.n_operations += 1
        bad = np.full((2, self.rows.shape[1]), 1.0)
        bad[1, 0] = np.inf
        with pytest.raises(ValueError, match="rows holds inf at row 1, column 0"):
            self.index.add(STORAGES[storage](bad))

    @rule()
    def refresh(self):
        LiveIndex.n_operations += 1
        self.index.refresh()

    @rule(mmap=st.booleans(), again=st.booleans())
    def save_and_open(self, mmap, again):
        LiveIndex.n_operations += 1
        LiveIndex.n_files += not again or os.name == "nt"  # which replaces no mapped file
        path = Path(FOLDER.name) / f"{LiveIndex.n_files}.esvm"
        self.index.save(path)
        self.index = esvm.ExemplarIndex.open(path, mmap=mmap)
        self.index.verify()
        np.testing.assert_array_equal(self.index.live, self.live)

    @rule(seed=SEEDS, by_number=st.booleans(), masked=st.booleans(), k=st.integers(1, 60))
    def search(self, seed, by_number, masked, k):
        LiveIndex.n_operations += 1
        rng = np.random.default_rng(seed)
        query = rng.standard_normal(self.rows.shape[1]) + 0.5
        background, candidates = self.live.copy(), self.live.copy()
        options = {}
        if masked:
            options["background"] = rng.random(len(self.rows)) < 0.7
            options["candidates"] = rng.random(len(self.rows)) < 0.7
            background &= options["background"]
            candidates &= options["candidates"]
        if by_number and self.live.any():
            number = int(rng.choice(np.flatnonzero(self.live)))
            query = self.rows[number]
            background[number] = candidates[number] = False
            found = self.index.search_shared(number, k=k, **options)
        else:
            found = self.index.search(query, k=k, **options)
        scores = self.scores(query, background)
        ranked = np.flatnonzero(candidates)
        ranked = ranked[np.argsort(-scores[ranked], kind="stable")][:k]
        indices = found.indices[found.indices >= 0]
        assert len(indices) == len(set(indices)) == len(ranked)
        assert candidates[indices].all()
        assert np.isneginf(found.scores[len(ranked) :]).all()
        # Rows whose scores agree within rounding may change places.
        tolerance = {"rtol": 1e-5, "atol": 1e-5}
        np.testing.assert_allclose(found.scores[: len(ranked)], scores[ranked], **tolerance)
        np.testing.assert_allclose(scores[indices], scores[ranked], **tolerance)

    def scores(self, query, background):
        """The scores of all rows under the optimum for one positive and these negatives."""
        weights = self.class_weight
        if weights is None:
            weights = {1: 1.0, -1: 1.0}
        centred = self.center and self.live.any()
        mean = self.rows[self.live].mean(axis=0) if centred else np.zeros(len(query))
        problem = exemplar.exemplar_problem(
            [query - mean],
            self.rows[background] - mean,
            C=self.C,
            class_weight=None if weights == "balanced" else (weights[1], weights[-1]),
        )
        w = exemplar.solve(problem)
        return (self.rows - mean) @ w[:-1] + w[-1]


TestLiveIndex = LiveIndex.TestCase
TestLiveIndex.settings = settings(
    max_examples=max(OPERATIONS // STEPS, 1), stateful_step_count=STEPS, deadline=None
)


def teardown_module():
    print(f"{LiveIndex.n_operations} operations")
    FOLDER.cleanup()
