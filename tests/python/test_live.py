"""Rows come and go while others search."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from conftest import clustered
from scipy import sparse

import exemplar_svm as esvm

SETTINGS = [
    {"method": "full"},
    {"method": "full", "center": True},
    {"method": "working_set"},
    {"method": "working_set", "sketch": "int8", "center": True},
    {"method": "gram"},
    {"method": "gram", "center": True},
    {"method": "auto"},
]


@pytest.fixture(params=SETTINGS, ids=str)
def options(request):
    return request.param


def same_answers(index, fresh, query, row_numbers=None):
    """The index answers as a fresh one does, whose rows have these numbers there."""
    found, expected = index.search(query, k=20), fresh.search(query, k=20)
    indices = expected.indices
    if row_numbers is not None:
        indices = np.where(indices < 0, -1, row_numbers[indices])
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5, atol=1e-5)


def test_added_rows_are_as_if_they_had_been_there(options, dtype):
    rows = clustered(300, 12, dtype=dtype)
    index = esvm.ExemplarIndex(rows[:100], tol=1e-6, **options)
    np.testing.assert_array_equal(index.add(rows[100:250]), np.arange(100, 250))
    np.testing.assert_array_equal(index.add(rows[250]), [250])
    np.testing.assert_array_equal(index.add(rows[251:].tolist()), np.arange(251, 300))
    assert len(index) == index.n_live == 300
    same_answers(index, esvm.ExemplarIndex(rows, tol=1e-6, **options), rows[4] + 0.1)


def test_removed_rows_are_as_if_they_had_never_been(options, dtype):
    rows = clustered(300, 12, dtype=dtype)
    index = esvm.ExemplarIndex(rows[:200], tol=1e-6, **options)
    index.add(rows[200:])
    index.remove(7)
    index.remove([8, 9, 9, 250])
    index.remove(np.arange(20, 120))
    left = np.flatnonzero(index.live)
    assert len(index) == 300
    assert len(left) == index.n_live == 196
    assert not index.live[[7, 8, 250, 119]].any()
    fresh = esvm.ExemplarIndex(rows[left], tol=1e-6, **options)
    same_answers(index, fresh, rows[4] + 0.1, left)
    scores = index.decision_function(rows[4] + 0.1)
    assert np.isneginf(scores[~index.live]).all()
    assert np.isfinite(scores[left]).all()


def test_an_index_of_no_rows_can_grow_and_shrink_again(options):
    index = esvm.ExemplarIndex(np.empty((0, 3)), **options)
    index.add(np.empty((0, 3)))
    index.add([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert index.search([1.0, 2.0, 2.0], k=3).indices.tolist() == [0, 1, -1]
    index.remove([0, 1])
    assert index.search([1.0, 2.0, 2.0], k=3).indices.tolist() == [-1, -1, -1]
    assert index.n_live == 0


def test_the_method_changes_where_another_one_suits():
    rows = clustered(1100, 16)
    index = esvm.ExemplarIndex(rows[:30])
    assert index.memory_usage()["gram"]
    index.add(rows[30:60])
    assert not index.memory_usage()["gram"]
    assert not index.memory_usage()["sign_codes"]
    index.add(rows[60:])
    assert index.memory_usage()["sign_codes"]
    same_answers(index, esvm.ExemplarIndex(rows), rows[3])


def test_added_rows_are_copied_and_borrowed_ones_are_not():
    rows = clustered(100, 6)
    more = rows[:10] + 0.5
    index = esvm.ExemplarIndex(rows)
    index.add(more)
    assert index.memory_usage()["added"] == more.nbytes
    before = index.search(rows[3], k=110).scores
    more[:] = 0
    np.testing.assert_array_equal(index.search(rows[3], k=110).scores, before)
    rows *= 2
    index.remove([5, 104])
    index.refresh()
    fresh = esvm.ExemplarIndex(np.delete(np.vstack([rows, rows[:10] / 2 + 0.5]), [5, 104], axis=0))
    same_answers(index, fresh, rows[3], np.delete(np.arange(110), [5, 104]))


def test_masks_meet_that_of_the_live_rows():
    rows = clustered(400, 8)
    index = esvm.ExemplarIndex(rows)
    index.remove(np.arange(0, 400, 2))
    mask = np.arange(400) < 201
    found = index.search(rows[7], k=300, candidates=mask)
    assert sorted(found.indices[found.indices >= 0]) == list(range(1, 201, 2))
    fresh = esvm.ExemplarIndex(rows[1::2])
    expected = fresh.search(rows[7], k=10, background=np.arange(100))
    found = index.search(rows[7], k=10, background=mask)
    np.testing.assert_array_equal(found.indices, 2 * expected.indices + 1)
    shared = index.search_shared([7, rows[9]], k=10, negatives=[11], background=mask)
    expected = fresh.search_shared([3, rows[9]], k=10, negatives=[5], background=np.arange(100))
    np.testing.assert_array_equal(shared.indices, 2 * expected.indices + 1)
    np.testing.assert_allclose(shared.scores, expected.scores, atol=1e-5)


def test_a_removed_row_cannot_be_named():
    rows = clustered(50, 6)
    index = esvm.ExemplarIndex(rows)
    index.remove(17)
    for name, call in {
        "positives": lambda: index.search_shared([3, 17]),
        "negatives": lambda: index.search_shared(3, negatives=[rows[0], 17]),
        "row_numbers": lambda: index.remove([3, 17]),
    }.items():
        with pytest.raises(ValueError, match=f"{name} holds the row number 17, .* was removed"):
            call()
    with pytest.raises(ValueError, match="positives holds the row number 17"):
        index.fit(17)
    assert index.n_live == 49


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda index: index.add(np.ones(5)), ValueError, "rows has 5 features, but the index"),
        (
            lambda index: index.add([[1, 2, np.nan]]),
            ValueError,
            "rows holds nan at row 0, column 2",
        ),
        (lambda index: index.add([[1, 2, 1e39]]), ValueError, "too large for float32"),
        (lambda index: index.add([["a", "b", "c"]]), TypeError, "rows has dtype"),
        (lambda index: index.add(np.ones((1, 1, 3))), ValueError, "rows has 3 dimensions"),
        (lambda index: index.remove(4), ValueError, "row_numbers holds the row number 4"),
        (lambda index: index.remove([0, -1]), ValueError, "row_numbers holds the row number -1"),
        (lambda index: index.remove(2**70), ValueError, "row_numbers holds the row number"),
        (lambda index: index.remove([0.5]), TypeError, "row_numbers has dtype float64"),
        (lambda index: index.remove([True] * 4), TypeError, "flatnonzero"),
        (lambda index: index.remove([[0]]), ValueError, "row_numbers has 2 dimensions"),
    ],
)
def test_bad_changes_leave_the_index_as_it_was(call, error, sentence):
    index = esvm.ExemplarIndex(np.eye(4, 3, dtype=np.float32))
    before = index.search([1, 2, 3], k=5)
    with pytest.raises(error, match=sentence):
        call(index)
    after = index.search([1, 2, 3], k=5)
    np.testing.assert_array_equal(after.indices, before.indices)
    np.testing.assert_array_equal(after.scores, before.scores)
    assert len(index) == index.n_live == 4


def test_more_rows_than_a_gram_matrix_is_for_are_refused():
    index = esvm.ExemplarIndex(np.zeros((2, 1), np.float32), method="gram")
    with pytest.raises(ValueError, match="8192"):
        index.add(np.zeros((8191, 1)))
    assert len(index) == 2
    index.add(np.ones((1, 1)))
    assert len(index) == 3


def test_removing_nothing_is_fine():
    index = esvm.ExemplarIndex(np.eye(4))
    index.remove([])
    assert index.n_live == 4
    assert repr(index) == "ExemplarIndex(4 rows of 4 features, float64, C=0.1)"
    index.remove(2)
    assert "4 rows, 1 of them removed" in repr(index)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_searches_in_other_threads_see_one_snapshot(center, stored):
    rows = clustered(1600, 12)
    rows[:, ::2] *= np.random.default_rng(0).random((1600, 6)) < 0.5
    query = rows[5] + 0.05
    index = esvm.ExemplarIndex(stored(rows[:1100]), center=center)
    versions = [(1100, index.live)]
    answers: list[list] = [[] for _ in range(4)]
    ended = threading.Event()
    failures = []

    def search_on(own):
        try:
            while not ended.is_set() or not own:
                own.append(index.search(query, k=8, n_threads=1))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=search_on, args=(own,)) for own in answers]
    for thread in threads:
        thread.start()
    for step in range(20):
        if step % 3 == 2:
            # The best rows are taken away, so that versions differ in more than the last digits.
            index.remove(index.search(query, k=3).indices)
        else:
            index.add(stored(rows[len(index) : len(index) + 25]))
        versions.append((len(index), index.live))
    ended.set()
    for thread in threads:
        thread.join()
    assert not failures

    expected = []
    for n, live in versions:
        fresh = esvm.ExemplarIndex(rows[:n][live], center=center).search(query, k=8)
        expected.append((np.flatnonzero(live)[fresh.indices], fresh.scores))
    for own in answers:
        for found in own:
            assert any(
                np.array_equal(found.indices, indices)
                and np.allclose(found.scores, scores, 0, 5e-6)
                for indices, scores in expected
            )


def test_threads_that_add_at_once_get_rows_of_their_own():
    index = esvm.ExemplarIndex(np.zeros((5, 2)))
    given: dict[int, list[int]] = {}

    def add(who):
        given[who] = [int(index.add([who, i])[0]) for i in range(40)]

    threads = [threading.Thread(target=add, args=(who,)) for who in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for own in given.values() for number in own) == list(range(5, 165))
    for who, numbers in given.items():
        model = index.fit([who, 0.0], C=1.0)
        scores = index.decision_function([who, 0.0], C=1.0)
        for i, number in enumerate(numbers):
            assert scores[number] == pytest.approx(model.decision_function([[who, i]])[0])
