"""Threads change no bit; one index serves many; the default fits the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm
from exemplar_svm import _core


@pytest.fixture(scope="module")
def rows():
    return clustered(6000, 96, dtype=np.float32)


def test_threads_do_not_change_bits(rows):
    index = esvm.ExemplarIndex(rows, center=True)
    queries = rows[:3] + 0.1
    one = index.search(queries, k=50, n_threads=1)
    for n_threads in (2, 3, 8):
        other = index.search(queries, k=50, n_threads=n_threads)
        np.testing.assert_array_equal(other.scores, one.scores)
        np.testing.assert_array_equal(other.indices, one.indices)
        np.testing.assert_array_equal(other.report.duality_gap, one.report.duality_gap)
        np.testing.assert_array_equal(
            index.decision_function(queries, n_threads=n_threads),
            index.decision_function(queries, n_threads=1),
        )


def test_one_index_serves_many_threads_at_once(rows):
    index = esvm.ExemplarIndex(rows)
    queries = rows[:24] + 0.05
    expected = [index.search(query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        for threads in (1, 2):
            found = list(pool.map(lambda q: index.search(q, n_threads=threads), queries))  # noqa: B023
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_array_equal(a.scores, b.scores)
                np.testing.assert_array_equal(a.indices, b.indices)


PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

# Asks and scans in a process of its own: OpenMP reads its variable and the affinity when it is
# loaded, and the quota is read once. Prints the default, and how many threads a scan then used.
SCAN = """
import os
{before}
import numpy as np, exemplar_svm as esvm, exemplar_svm._core as core
from contextlib import nullcontext
rows = np.random.default_rng(0).standard_normal((6000, 96), dtype=np.float32)
model = esvm.ExemplarIndex(rows, n_threads=1).fit(rows[0])
def threads():
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
others = threads() - 1
with {within}:
    default = core.default_threads()
    model.decision_function(rows)
    used = threads() - others if threads() else min(default, 9)
print(default, used)
"""

needs_openmp = pytest.mark.skipif(not esvm.has_openmp(), reason="built without OpenMP")


def default_in_child(*, before="", within="nullcontext()", asked=None, command=()):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "KMP_"))}
    if asked is not None:
        environment["OMP_NUM_THREADS"] = str(asked)
    code = SCAN.format(before=before, within=within)
    done = subprocess.run(
        [*command, sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    default, used = map(int, done.stdout.split())
    assert used == min(default, 9)  # the blocks of those rows
    return default


@needs_openmp
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="nothing lists the threads")
def test_the_requested_threads_are_used():
    code = """
import os, numpy as np, exemplar_svm as esvm
rows = np.random.default_rng(0).standard_normal((6000, 96), dtype=np.float32)
index = esvm.ExemplarIndex(rows, n_threads=1)
before = len(os.listdir("/proc/self/task"))
index.search(rows[:20])
one = len(os.listdir("/proc/self/task"))
index.search(rows[:20], n_threads=4)
print(one - before, len(os.listdir("/proc/self/task")) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "3"]


@needs_openmp
def test_default_threads_cost_little_where_others_keep_the_processors_busy():
    rows = clustered(40_000, 256, dtype=np.float32)
    default, one = esvm.ExemplarIndex(rows), esvm.ExemplarIndex(rows, n_threads=1)
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(3 * PROCESSORS)]
    taken = [0.0, 0.0]
    try:
        for query in rows[:20]:
            for i, index in enumerate((default, one)):
                begin = time.perf_counter()
                index.search(query)
                taken[i] += time.perf_counter() - begin
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert taken[0] < 3 * taken[1]  # 1.5 by contract; chance has a part in it here


@needs_openmp
@pytest.mark.parametrize("asked", [1, 2, 3])
def test_the_default_is_what_the_environment_asks_for(asked):
    assert default_in_child(asked=asked) == asked


@needs_openmp
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_the_default_is_within_the_affinity():
    processor = min(os.sched_getaffinity(0))
    one = f"os.sched_setaffinity(0, {{{processor}}})"
    assert default_in_child(before=one) == 1
    assert default_in_child(before=one, asked=3) == 3


@needs_openmp
@pytest.mark.parametrize("limit", [1, PROCESSORS + 1])
def test_threadpoolctl_sets_the_default(limit):
    pytest.importorskip("threadpoolctl")
    before = "from threadpoolctl import threadpool_limits"
    within = f"threadpool_limits({limit}, user_api='openmp')"
    assert default_in_child(before=before, within=within) == limit
    assert default_in_child(before=before, within=within, asked=2) == limit


@needs_openmp
def test_the_default_returns_when_threadpoolctl_has_left():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    default = _core.default_threads()
    with threadpoolctl.threadpool_limits(PROCESSORS + 1, user_api="openmp"):
        assert _core.default_threads() == PROCESSORS + 1
    assert _core.default_threads() == default


@pytest.fixture
def one_processor_container(tmp_path):
    """Return a command that runs another where the control groups' quota is one processor."""
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    mount = 'mount --bind "$0" /sys/fs/cgroup && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, tmp_path]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], check=False).returncode
    ):
        pytest.skip("this system does not let a test mount files in a namespace of its own")
    return command


@needs_openmp
@pytest.mark.skipif(PROCESSORS < 2, reason="needs two processors")
def test_a_quota_caps_only_the_default_number_of_threads(one_processor_container):
    def default(**how):
        return default_in_child(command=one_processor_container, **how)

    assert default() == 1
    assert default(asked=PROCESSORS) == PROCESSORS
    assert default(asked=PROCESSORS + 1) == PROCESSORS + 1
    pytest.importorskip("threadpoolctl")
    before = "from threadpoolctl import threadpool_limits"
    within = f"threadpool_limits({PROCESSORS + 1}, user_api='openmp')"
    assert default(before=before, within=within) == PROCESSORS + 1
