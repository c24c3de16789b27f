"""Every step of a session equals a fresh search, whatever came before it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from conftest import clustered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exemplar_svm as esvm

N, D = 1500, 16
ROWS = clustered(N, D, seed=31)
NEAR = clustered(8, D, seed=32)
WAYS = [("full", None), ("working_set", None), ("working_set", "int8"), ("gram", None)]


class Model:
    """What a session holds, kept in lists: example to (is positive, weight)."""

    def __init__(self):
        self.rows = {}
        self.vectors = []  # (number in NEAR, is positive, weight)

    def add(self, example, positive, weight):
        if isinstance(example, int):
            self.rows.pop(example, None)
            self.rows[example] = positive, weight
        else:
            self.vectors.append((example[0], positive, weight))

    def forget(self, example):
        if isinstance(example, int):
            del self.rows[example]
        else:
            self.vectors = [v for v in self.vectors if v[0] != example[0]]

    def holds(self, example):
        if isinstance(example, int):
            return example in self.rows
        return any(v[0] == example[0] for v in self.vectors)

    def shared(self):
        """Return the arguments of search_shared."""
        named = [(NEAR[v], p, w) for v, p, w in self.vectors]
        named += [(row, p, w) for row, (p, w) in self.rows.items()]
        positives = [(e, w) for e, p, w in named if p]
        negatives = [(e, w) for e, p, w in named if not p]
        return {
            "positives": [e for e, _ in positives],
            "positive_weights": [w for _, w in positives],
            "negatives": [e for e, _ in negatives] or None,
            "negative_weight": [w for _, w in negatives] or None,
        }


def require_equal(step, fresh):
    bound = step.report.score_error_bound + fresh.report.score_error_bound + 1e-12
    padded = fresh.indices == -1
    np.testing.assert_array_equal(step.indices == -1, padded)
    assert (np.abs(step.scores[~padded] - fresh.scores[~padded]) <= bound).all()
    certified = min(step.report.certified_k, fresh.report.certified_k)
    np.testing.assert_array_equal(step.indices[:certified], fresh.indices[:certified])
    assert step.report.status in ("converged", "precision_limit")


# A vector is its number in NEAR, in a tuple; a row its number.
examples = st.one_of(st.integers(0, 12), st.tuples(st.integers(0, len(NEAR) - 1)))
operations = st.tuples(
    st.sampled_from(["like", "like", "dislike", "forget", "top"]),
    examples,
    st.sampled_from([None, 0.3, 2.0]),
)
asked = st.fixed_dictionaries(
    {
        "k": st.sampled_from([1, 10, 200]),
        "candidates": st.sampled_from([None, 0.02, 0.6]),
        "background": st.sampled_from([None, None, 0.1, 0.7]),
        "include_positives": st.booleans(),
        "C": st.sampled_from([None, None, 0.02, 1.0]),
        "prior": st.sampled_from([None, None, 0.5]),
        "duplicates": st.sampled_from(["negative", "ignore"]),
        "certify": st.sampled_from([None, None, 3]),
    }
)


@pytest.mark.parametrize(("method", "sketch"), WAYS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(st.tuples(operations, asked), min_size=2, max_size=8),
    dtype=st.sampled_from([np.float32, np.float64]),
    loss=st.sampled_from(["squared_hinge", "hinge"]),
    center=st.booleans(),
    session_sketch=st.sampled_from([None, "int8"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_steps_equal_fresh_searches(
    method, sketch, steps, dtype, loss, center, session_sketch, seed
):
    rows = ROWS.astype(dtype)
    index = esvm.ExemplarIndex(
        rows, method=method, sketch=sketch, loss=loss, center=center, n_threads=1
    )
    model = Model()
    model.add(20, True, 1.0)
    session = index.session(20, sketch=session_sketch)
    rng = np.random.default_rng(seed)
    found = session.search()
    for (operation, example, weight), request in steps:
        if operation == "top":
            operation, example = "like", int(found.indices[0])
            if example < 0:
                continue
        value = example if isinstance(example, int) else NEAR[example[0]]
        if operation == "forget":
            if model.holds(example):
                session.forget(value)
                model.forget(example)
            else:
                with pytest.raises(ValueError, match="examples holds"):
                    session.forget(value)
        else:
            getattr(session, operation)(value, weight)
            model.add(example, operation == "like", 1.0 if weight is None else weight)
        keywords = dict(request)
        for name in ("candidates", "background"):
            if request[name] is not None:
                keywords[name] = rng.random(N) < request[name]
        shared = model.shared()
        if not shared["positives"]:
            with pytest.raises(ValueError, match="the session has no positives"):
                session.search(**keywords)
            continue
        found = session.search(**keywords)
        require_equal(found, index.search_shared(**shared, **keywords))


def test_a_session_is_made_of_an_index_too():
    rows = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    index = esvm.ExemplarIndex(rows)
    made, asked = esvm.Session(index, [3], n_threads=1), index.session([3], n_threads=1)
    assert np.array_equal(made.search(k=5).indices, asked.search(k=5).indices)


@pytest.mark.parametrize(("method", "sketch"), WAYS)
def test_many_examples_and_long_rankings_find_room(method, sketch):
    index = esvm.ExemplarIndex(ROWS, method=method, sketch=sketch)
    session = index.session([0, 1])
    session.search()
    session.like(list(range(2, 25)))
    session.dislike(list(range(30, 50)), np.linspace(0.1, 1, 20))
    shared = {
        "positives": range(25),
        "negatives": range(30, 50),
        "negative_weight": np.linspace(0.1, 1, 20),
    }
    for k in (10, 1000, 3000):
        require_equal(session.search(k), index.search_shared(k=k, **shared))


@pytest.mark.parametrize(("method", "sketch"), WAYS)
def test_standardized_steps_equal_standardized_searches(method, sketch):
    index = esvm.ExemplarIndex(ROWS, method=method, sketch=sketch)
    session = index.session([1, 2])
    session.search(standardize=True)
    session.like(3)
    step = session.search(standardize=True)
    fresh = index.search_shared([1, 2, 3], standardize=True)
    np.testing.assert_array_equal(step.indices, fresh.indices)
    np.testing.assert_allclose(step.scores, fresh.scores, atol=1e-4)


def test_the_number_of_threads_changes_no_bit():
    index = esvm.ExemplarIndex(ROWS.astype(np.float32), method="working_set")
    sessions = [index.session([3, NEAR[0]], n_threads=n) for n in (1, 2)]
    for like, dislike in ((7, 100), (8, 101), (9, 102)):
        answers = []
        for session in sessions:
            session.like(like)
            session.dislike(dislike)
            answers.append(session.search(20))
        np.testing.assert_array_equal(answers[0].scores, answers[1].scores)
        np.testing.assert_array_equal(answers[0].indices, answers[1].indices)


@pytest.mark.parametrize("sketch", [None, "int8"])
def test_refreshed_rows_are_solved_for_afresh(sketch):
    rows = ROWS.copy()
    index = esvm.ExemplarIndex(rows, method="working_set")
    session = index.session([5, 6], sketch=sketch)
    session.search()
    rows[:] = rows[::-1].copy()
    index.refresh()
    for _ in range(2):
        require_equal(session.search(), index.search_shared([5, 6]))


def test_a_step_out_of_time_does_not_spoil_the_next():
    index = esvm.ExemplarIndex(ROWS, method="working_set")
    session = index.session([5])
    session.search()
    for row, timeout in ((6, 1e-9), (7, 1e-4), (8, 5e-4)):
        session.like(row)
        late = session.search(timeout=timeout)
        assert late.report.status in ("deadline", "converged")
    require_equal(session.search(), index.search_shared([5, 6, 7, 8]))


def test_examples_are_copied():
    index = esvm.ExemplarIndex(ROWS)
    vector = NEAR[0].copy()
    session = index.session(vector)
    vector[:] = 0
    require_equal(session.search(), index.search(NEAR[0]))


def test_sessions_share_a_sketch_that_is_counted():
    index = esvm.ExemplarIndex(ROWS, method="working_set")
    assert index.memory_usage()["sketch"] == 0
    index.session(1, sketch=None)
    assert index.memory_usage()["sketch"] == 0
    index.session(1)
    once = index.memory_usage()["sketch"]
    assert once > ROWS.size
    index.session(2)
    assert index.memory_usage()["sketch"] == once


def test_a_session_keeps_its_index_alive():
    session = esvm.ExemplarIndex(ROWS.copy()).session(1)
    assert session.search().report.status == "converged"


def test_two_threads_at_once_are_refused():
    session = esvm.ExemplarIndex(ROWS).session(1)
    refused = []

    def search():
        try:
            session.search()
        except RuntimeError as error:
            refused.append(str(error))

    with session._alone():
        thread = threading.Thread(target=search)
        thread.start()
        thread.join()
    assert refused
    assert "in use by another thread" in refused[0]
    session.search()


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda s: s.like(N), ValueError, f"positives holds the row number {N}"),
        (lambda s: s.dislike(np.zeros(3)), ValueError, "negatives has 3 features"),
        (lambda s: s.like(3, 0.0), ValueError, "weight is 0.0"),
        (lambda s: s.like([3, 4], [1.0]), ValueError, "weight has the shape"),
        (lambda s: s.forget(3), ValueError, "examples holds row 3"),
        (lambda s: s.forget(NEAR[1]), ValueError, "examples holds a vector"),
        (lambda s: s.search(0), ValueError, "k is 0"),
        (lambda s: s.search(timeout=-1), ValueError, "timeout is -1"),
        (lambda s: s.search(candidates=[N]), ValueError, "candidates holds the row number"),
        (lambda s: s.search(duplicates="x"), ValueError, "duplicates is 'x'"),
    ],
)
def test_what_is_refused_changes_nothing(call, error, sentence):
    index = esvm.ExemplarIndex(ROWS, method="working_set")
    session = index.session([1, NEAR[0]])
    session.search()
    with pytest.raises(error, match=sentence):
        call(session)
    require_equal(session.search(), index.search_shared([1, NEAR[0]]))


def test_a_session_begins_with_what_search_shared_takes():
    index = esvm.ExemplarIndex(ROWS)
    with pytest.raises(ValueError, match="row 3 is named in both"):
        index.session([3], [3])
    with pytest.raises(ValueError, match="sketch is 'int4'"):
        index.session([3], sketch="int4")
    session = index.session([3, NEAR[0]], [8], positive_weights=[2.0, 1.0], negative_weight=0.5)
    assert repr(session).startswith("Session(2 positives and 1 negatives, ExemplarIndex(1500 rows")
    expected = index.search_shared(
        [3, NEAR[0]], negatives=[8], positive_weights=[2.0, 1.0], negative_weight=0.5
    )
    require_equal(session.search(), expected)


def test_a_session_follows_rows_that_come_and_go():
    rows = clustered(1500, 24, dtype=np.float32)
    index = esvm.ExemplarIndex(rows[:1200], method="working_set")
    session = index.session([3, 8], [5])
    session.search(k=10)

    added = index.add(rows[1200:])
    session.like(added[7])
    expected = index.search_shared([3, 8, added[7]], negatives=[5])
    np.testing.assert_array_equal(session.search(k=10).indices, expected.indices)

    gone = expected.indices[:2]
    index.remove(gone)
    expected = index.search_shared([3, 8, added[7]], negatives=[5])
    assert not set(gone) & set(expected.indices)
    np.testing.assert_array_equal(session.search(k=10).indices, expected.indices)


def test_a_session_refuses_examples_that_were_removed():
    index = esvm.ExemplarIndex(clustered(1500, 24, dtype=np.float32))
    session = index.session([3, 8])
    index.remove([8, 20])
    with pytest.raises(ValueError, match="the session holds the row number 8, but that row was"):
        session.search()
    with pytest.raises(ValueError, match="positives holds the row number 20, but that row was"):
        session.like(20)
    session.forget(8)
    np.testing.assert_array_equal(session.search().indices, index.search_shared([3]).indices)
