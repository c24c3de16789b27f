"""Work beside the interpreter: its lock, its end, and other interpreters."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import exemplar_svm as esvm


def run(code, timeout=120):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, check=False
    )


ENDS_BESIDE_THREADS = """
import threading, time, numpy as np, exemplar_svm as esvm
rows = np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)
index = esvm.ExemplarIndex(rows)
large = np.random.default_rng(0).standard_normal((4000, 800)).astype(np.float32)
def again_and_again(work):
    while True:
        work()
works = [
    lambda: index.search(rows[:4], 5),
    lambda: index.remove(index.add(rows[:1])),
    lambda: index.session([1]).search(),
    lambda: index.search(rows[0], n_threads=2),
    lambda: esvm.ExemplarIndex(large, method="gram", progress=lambda *_: sum(range(50_000))),
]
for work in works:
    threading.Thread(target=again_and_again, args=(work,), daemon=True).start()
time.sleep(0.7)
"""


def test_a_process_ends_well_while_daemon_threads_work():
    for _ in range(3):
        done = run(ENDS_BESIDE_THREADS)
        assert (done.returncode, done.stderr) == (0, "")


IN_SECOND_INTERPRETER = """
import sys
path = list(sys.path)
code = f"import sys; sys.path[:] = {path!r}; import exemplar_svm"
try:
    import _interpreters as interpreters
    result = interpreters.run_string(interpreters.create("legacy"), code)
    print("worked" if result is None else result.formatted)
except ModuleNotFoundError:
    import _xxsubinterpreters as interpreters
    try:
        interpreters.run_string(interpreters.create(), code)
        print("worked")
    except interpreters.RunFailedError as error:
        print(error)
"""


@pytest.mark.skipif(
    not any(map(importlib.util.find_spec, ("_interpreters", "_xxsubinterpreters"))),
    reason="this Python makes no second interpreter",
)
def test_a_second_interpreter_is_refused_or_works_but_does_not_hang():
    done = run("import exemplar_svm\n" + IN_SECOND_INTERPRETER)
    assert "ImportError" in done.stdout or "worked" in done.stdout
    done = run(IN_SECOND_INTERPRETER)
    assert "ImportError" in done.stdout or "worked" in done.stdout


def test_other_threads_run_while_memory_is_taken_and_a_session_begins():
    rows = np.broadcast_to(np.linspace(-1, 1, 96, dtype=np.float32), (2_000_000, 96))
    index = esvm.ExemplarIndex(rows, n_threads=1)
    ticks, stop = [], False

    def tick():
        while not stop:
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    beginner = threading.Thread(target=lambda: index.session([1]))
    ticker.start()
    begin = time.perf_counter()
    beginner.start()
    time.sleep(0.05)
    index.memory_usage()
    index.search(rows[0] * 2, 5000, timeout=0.01)
    beginner.join()
    duration = time.perf_counter() - begin
    stop = True
    ticker.join()
    # On a quiet machine a few milliseconds; half a second and more where the lock was kept.
    assert np.diff(ticks).max() < max(0.25, duration / 3)


def test_threads_use_one_index_while_others_free_theirs():
    rows = np.random.default_rng(0).standard_normal((150_000, 8)).astype(np.float32)
    index = esvm.ExemplarIndex(rows)
    expected = index.search(rows[1]).indices

    def make_and_free():
        for _ in range(5):
            other = esvm.ExemplarIndex(rows)
            other.session([1]).search()
            other.remove(other.add(rows[:2]))

    threads = [threading.Thread(target=make_and_free) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        np.testing.assert_array_equal(index.search(rows[1]).indices, expected)
    for thread in threads:
        thread.join()
