"""A forked child works, whatever the threads of its parent were doing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def rows():
    return clustered(6000, 96, dtype=np.float32)


def succeeds_in_child(work, seconds=60):
    """Fork, and return whether the child does the work without an error in time."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


class Busy:
    """Threads that do something again and again while the block runs."""

    def __init__(self, *works):
        self.stop = False
        self.threads = [threading.Thread(target=self.repeat, args=(work,)) for work in works]

    def repeat(self, work):
        while not self.stop:
            work()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.05)

    def __exit__(self, *error):
        self.stop = True
        for thread in self.threads:
            thread.join()


def search_in_child(rows, n_threads, answers):
    answers.put(esvm.ExemplarIndex(rows).search(rows[1], n_threads=n_threads).indices)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_forked_child_searches_after_its_parent_used_threads(rows, n_threads):
    expected = esvm.ExemplarIndex(rows).search(rows[1], n_threads=2).indices
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=search_in_child, args=(rows, n_threads, answers))
    child.start()
    try:
        np.testing.assert_array_equal(answers.get(timeout=60), expected)
    finally:
        child.kill()
        child.join()


def test_a_child_works_while_a_thread_of_its_parent_changes_the_index(rows, tmp_path):
    index = esvm.ExemplarIndex(rows)
    works = [
        lambda: index.search(rows[:3], n_threads=2),
        lambda: index.add(rows[:2]),
        lambda: index.remove([0]),
        lambda: index.refresh(),
        lambda: index.session([1]).search(),
        lambda: index.save(tmp_path / "index"),
        lambda: index.memory_usage(),
    ]
    with Busy(lambda: index.remove(index.add(rows[:2])), index.refresh):
        for work in works * 2:
            assert succeeds_in_child(work)


def test_a_child_works_while_threads_of_its_parent_search(rows):
    index = esvm.ExemplarIndex(rows)
    expected = index.search(rows[:6], 7)

    def search():
        for n_threads in (1, 2, 3, None):
            found = index.search(rows[:6], 7, n_threads=n_threads)
            np.testing.assert_array_equal(found.scores, expected.scores)

    with Busy(*[lambda n=n: index.search(rows[:9], n_threads=n) for n in (1, 2, 3, None)]):
        for _ in range(10):
            assert succeeds_in_child(search)


def test_a_child_begins_sessions_while_threads_of_its_parent_do(rows):
    index = esvm.ExemplarIndex(rows)

    def begin():
        index.refresh()  # the sketch that sessions share has to be made again
        index.session([1])

    with Busy(begin, lambda: index.session([2])):
        for _ in range(10):
            assert succeeds_in_child(lambda: index.session([3]).search(5))


def test_a_child_goes_on_with_a_session_that_its_parent_is_using(rows):
    index = esvm.ExemplarIndex(rows)
    session = index.session([1, 5], negatives=[9])
    expected = index.search_shared([1, 5], negatives=[9]).indices

    def search():
        np.testing.assert_array_equal(session.search().indices, expected)
        session.like(11)
        np.testing.assert_array_equal(
            session.search().indices, index.search_shared([1, 5, 11], negatives=[9]).indices
        )

    with Busy(session.search):
        for _ in range(10):
            assert succeeds_in_child(search)


def test_the_index_of_a_parent_is_not_that_of_its_child(rows):
    index = esvm.ExemplarIndex(rows)
    assert succeeds_in_child(lambda: index.add(rows[:2]))
    assert len(index) == len(rows)
    assert list(index.add(rows[:1])) == [len(rows)]


def test_a_fork_during_a_build_ends_the_build_only_in_the_child():
    rows = np.random.default_rng(0).standard_normal((6000, 1000)).astype(np.float32)
    children = []

    def fork_once(number, part):
        if not children:
            children.append(os.fork())

    try:
        index = esvm.ExemplarIndex(rows, method="gram", n_threads=2, progress=fork_once)
    except RuntimeError as error:
        os._exit(0 if children == [0] and "forked during a call" in str(error) else 1)
    finally:
        if children == [0]:
            os._exit(1)
    assert index.search(rows[3]).indices[0] == 3
    _, status = os.waitpid(children[0], 0)
    assert status == 0
