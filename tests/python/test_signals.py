"""Long calls answer signals, and exceptions in handlers leave the index unchanged."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there are no alarms on Windows"
)

#: Seconds within which a call has to answer: one, and what a busy machine adds.
LIMIT = 8.0


class Alarm(Exception):  # noqa: N818
    pass


@pytest.fixture
def alarm():
    """Return a function that has `Alarm` raised, or another handler called, after some seconds."""

    def refuse(number, frame):
        raise Alarm

    def ring(after, handler=refuse):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, after)

    before = signal.getsignal(signal.SIGALRM)
    yield ring
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def index(rows):
    return esvm.ExemplarIndex(rows)


@pytest.fixture(scope="module")
def rows_of_a_long_build():
    """Rows whose Gram matrix takes 3e10 multiply-adds."""
    return np.random.default_rng(0).standard_normal((8000, 1000)).astype(np.float32)


@pytest.fixture(scope="module")
def many_rows():
    """Many rows that take no memory: each reading of them takes seconds."""
    return np.broadcast_to(np.linspace(-1, 1, 512, dtype=np.float32), (6_000_000, 512))


def fit_for_ever(rows):
    classes = np.random.default_rng(1).integers(0, 2, len(rows))
    model = esvm.LinearSVC(loss="hinge", C=1e3, tol=1e-14, max_iter=10**7)
    return model.fit(rows, classes)


LONG_CALLS = {
    "a batch": lambda index, rows, many: index.search(rows[:4000], 5),
    "a batch on one thread": lambda index, rows, many: index.search(rows[:4000], n_threads=1),
    "a batch of all scores": lambda index, rows, many: index.decision_function(rows[:4000]),
    "a build": lambda index, rows, many: esvm.ExemplarIndex(many, center=True),
    "a build on one thread": lambda index, rows, many: esvm.ExemplarIndex(many, n_threads=1),
}


@pytest.mark.parametrize("call", LONG_CALLS)
def test_a_long_call_ends_when_a_handler_raises(alarm, index, rows, many_rows, call):
    expected = index.search(rows[5])
    begin = time.perf_counter()
    alarm(0.3)
    with pytest.raises(Alarm):
        LONG_CALLS[call](index, rows, many_rows)
    assert time.perf_counter() - begin < LIMIT
    found = index.search(rows[5])
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.indices, expected.indices)


def test_a_gram_matrix_is_given_up_when_a_handler_raises(alarm, rows_of_a_long_build):
    begin = time.perf_counter()
    alarm(0.2)
    with pytest.raises(Alarm):
        esvm.ExemplarIndex(rows_of_a_long_build, method="gram", n_threads=1)
    assert time.perf_counter() - begin < LIMIT


def test_linear_svc_ends_when_a_handler_raises(alarm, rows):
    pytest.importorskip("sklearn")
    begin = time.perf_counter()
    alarm(0.3)
    with pytest.raises(Alarm):
        fit_for_ever(rows)
    assert time.perf_counter() - begin < LIMIT


def test_one_long_search_ends_when_a_handler_raises(alarm):
    rows = np.random.default_rng(2).standard_normal((60_000, 300))
    index = esvm.ExemplarIndex(
        rows, method="full", loss="hinge", C=1e4, tol=1e-13, max_iter=10**7, n_threads=1
    )
    begin = time.perf_counter()
    alarm(0.3)
    with pytest.raises(Alarm):
        index.search(rows[0])
    assert time.perf_counter() - begin < LIMIT
    alarm(0.3)
    with pytest.raises(Alarm):
        index.fit(rows[0])


def test_an_interrupted_change_leaves_the_index_unchanged(alarm):
    rows = clustered(4000, 64, dtype=np.float32)
    index = esvm.ExemplarIndex(rows)
    expected = index.search(rows[3], 20)
    alarm(0.1)
    with pytest.raises(Alarm):
        index.add(np.tile(rows, (600, 1)))
    assert len(index) == len(rows)
    found = index.search(rows[3], 20)
    np.testing.assert_array_equal(found.indices, expected.indices)
    assert index.add(rows[0])[0] == len(rows)
    assert len(index) == len(rows) + 1


def test_a_handler_that_raises_nothing_changes_nothing(alarm, index, rows):
    queries = rows[:40]
    expected = index.search(queries, 20)
    calls = []
    alarm(0.1, lambda *_: calls.append(1))
    found = index.search(np.tile(queries, (20, 1)), 20)
    assert calls
    np.testing.assert_array_equal(found.scores, np.tile(expected.scores, (20, 1)))
    np.testing.assert_array_equal(found.indices, np.tile(expected.indices, (20, 1)))


def test_a_handler_may_change_the_index_that_is_being_changed(alarm):
    rows = np.random.default_rng(0).standard_normal((4000, 1000)).astype(np.float32)
    index = esvm.ExemplarIndex(rows, method="gram", n_threads=1)
    added = []
    alarm(0.2, lambda *_: added.append(int(index.add(2 * rows[0])[0])))
    index.refresh()
    assert added == [len(rows)]
    assert len(index) == len(rows) + 1
    assert index.search(rows[0]).indices[0] in (0, len(rows))


def test_calls_from_other_threads_handle_no_signals(alarm, index, rows):
    expected = index.search(rows[:60], 5)
    found, calls = [], []
    alarm(0.1, lambda *_: calls.append(1))
    thread = threading.Thread(
        target=lambda: found.append(index.search(np.tile(rows[:60], (10, 1)), 5))
    )
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0].indices, np.tile(expected.indices, (10, 1)))


def test_an_exception_in_progress_stops_the_build_and_is_raised(rows_of_a_long_build):
    for error in (RuntimeError, KeyboardInterrupt):
        told = []

        def refuse(number, part, error=error, told=told):
            told.append((number, part))
            raise error("no")

        with pytest.raises(error, match="no"):
            esvm.ExemplarIndex(rows_of_a_long_build, method="gram", progress=refuse)
        assert len(told) == 1
