"""Pickles and copies answer with the same bits; objects that cannot be pickled say so."""

from __future__ import annotations

import copy
import copyreg
import enum
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest
from conftest import clustered
from test_files import STORAGES, answers, assert_same, live_index

import exemplar_svm as esvm
from exemplar_svm import _core

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
KINDS = {
    "dense": {},
    "hinge": {"method": "full", "loss": "hinge", "class_weight": {1: 3.0, -1: 0.5}},
    "gram": {"method": "gram", "C": 0.3},
    "sketch": {"method": "working_set", "sketch": "int8", "center": True},
}


def an_index(kind, n=230):
    rows = clustered(n, 12, dtype=np.float64 if kind == "hinge" else np.float32)
    if kind in KINDS:
        return live_index(rows, **KINDS[kind])
    return live_index(rows, kind, center=kind in ("scaled", "sparse64"))


def query_of(index):
    return clustered(5, index.n_features, seed=9)[3]


def assert_equal(index, other):
    assert repr(other) == repr(index)
    assert type(other) is type(index)
    np.testing.assert_array_equal(other.live, index.live)
    query = query_of(index)
    assert_same(index, other, query)
    # Rows come and go in each without the other.
    n = len(index)
    other.add(query)
    other.remove(7)
    assert len(index) == n
    assert index.live[7]
    assert other.search(query, k=1, candidates=[n]).indices[0] == n
    with pytest.raises(ValueError, match="removed"):
        other.vectors(7)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", [*KINDS, *STORAGES])
def test_an_index_is_pickled_at_every_protocol(kind, protocol):
    index = an_index(kind)
    assert_equal(index, pickle.loads(pickle.dumps(index, protocol)))


@pytest.mark.parametrize("kind", [*KINDS, *STORAGES])
@pytest.mark.parametrize("mmap", [False, True])
def test_an_index_is_pickled_after_it_was_opened(tmp_path, kind, mmap):
    an_index(kind, 1300).save(tmp_path / "index")
    index = esvm.ExemplarIndex.open(tmp_path / "index", mmap=mmap)
    assert_equal(index, pickle.loads(pickle.dumps(index)))
    assert_equal(index, copy.deepcopy(index))


@pytest.mark.parametrize("kind", [*KINDS, *STORAGES])
def test_copies_answer_alike_and_change_apart(kind):
    index = an_index(kind)
    assert_equal(index, copy.copy(index))
    assert_equal(index, copy.deepcopy(index))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_indices_of_few_rows_are_pickled(n):
    index = esvm.ExemplarIndex(np.arange(3.0 * n).reshape(n, 3), center=True)
    again = pickle.loads(pickle.dumps(index))
    np.testing.assert_array_equal(again.search([1, 2, 3], 3), index.search([1, 2, 3], 3))


def test_rows_at_any_stride_are_pickled(tmp_path):
    rows = clustered(300, 20, dtype=np.float32)
    np.save(tmp_path / "rows.npy", rows)
    for given in (
        rows[::-2, 3:9],
        rows[:1],
        rows[:, :1],
        np.load(tmp_path / "rows.npy", mmap_mode="r")[5:],
    ):
        index = esvm.ExemplarIndex(given, copy=False)
        assert_equal_answers(index, pickle.loads(pickle.dumps(index)))


def assert_equal_answers(index, other):
    for a, b in zip(index.search(query_of(index)), other.search(query_of(index)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_shallow_copy_reads_the_same_rows_and_a_deep_one_its_own():
    rows = clustered(100, 8)
    index = esvm.ExemplarIndex(rows, copy=False)
    shallow, deep = copy.copy(index), copy.deepcopy(index)
    before = index.vectors([5])
    rows[5] = 1.0
    np.testing.assert_array_equal(shallow.vectors([5]), [rows[5]])
    np.testing.assert_array_equal(deep.vectors([5]), before)


def test_rows_that_are_pickled_with_their_index_stay_its_rows():
    rows = clustered(100, 8)
    both = {"rows": rows, "index": esvm.ExemplarIndex(rows, copy=False)}
    for again in (pickle.loads(pickle.dumps(both)), copy.deepcopy(both)):
        again["rows"][5] = 1.0
        np.testing.assert_array_equal(again["index"].vectors(5), np.ones(8))
    assert len(pickle.dumps(both)) < 2 * rows.nbytes + 8000


@pytest.mark.parametrize("kind", [*KINDS, *STORAGES])
def test_buffers_of_protocol_5_may_lie_anywhere_and_be_read_only(kind):
    index = an_index(kind, 1300)
    buffers = []
    pickled = pickle.dumps(index, 5, buffer_callback=buffers.append)
    for shift in (0, 1, 4):
        moved = []
        for buffer in buffers:
            raw = bytes(buffer.raw())
            moved.append(memoryview(bytes(shift) + raw)[shift:])
        assert_equal(index, pickle.loads(pickled, buffers=moved))
    # In memory of its own, nothing is copied.
    if kind in ("dense", "float16", "scaled"):
        assert len(pickled) < 6000


class Named(esvm.ExemplarIndex):
    """An index that carries something of its owner's."""

    def __init__(self, rows, name):
        super().__init__(rows, n_threads=1)
        self.name = name


def test_subclasses_keep_what_they_add():
    index = Named(clustered(100, 8), "texts")
    for again in (pickle.loads(pickle.dumps(index)), copy.copy(index), copy.deepcopy(index)):
        assert type(again) is Named
        assert again.name == "texts"
        assert again._snapshots.n_threads == 1
        assert_equal_answers(index, again)


def test_what_another_version_has_pickled_is_told_apart():
    index = esvm.ExemplarIndex(clustered(100, 8))
    state = index.__getstate__()
    state["index"]["version"] = 99
    with pytest.raises(ValueError, match=r"pickled by a version .* \(99, .*build the index anew"):
        esvm.ExemplarIndex.__new__(esvm.ExemplarIndex).__setstate__(state)


def results():
    index = esvm.ExemplarIndex(clustered(200, 8, dtype=np.float32))
    queries = clustered(3, 8, seed=4)
    svc = esvm.LinearSVC().fit(clustered(50, 8), np.arange(50) % 2)
    return [
        index.search(queries[0]),
        index.search(queries),
        index.search_shared([3, 4]),
        index.search(queries[0]).report,
        index.search(queries).report,
        index.fit([3, queries[0]], [9]),
        svc,
        _core.Method.gram,
        _core.Loss.hinge,
        _core.SketchType.int8,
        index._snapshots.settings,
    ]


def content(value):
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, (tuple, list)):
        return [content(each) for each in value] + [content(getattr(value, "report", None))]
    if hasattr(value, "__dict__"):
        return {name: content(each) for name, each in vars(value).items() if name != "_report"}
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("which", range(11))
def test_results_are_pickled_at_every_protocol(which):
    given = results()[which]
    copies = [pickle.loads(pickle.dumps(given, protocol)) for protocol in PROTOCOLS]
    for again in [*copies, copy.copy(given), copy.deepcopy(given)]:
        assert type(again) is type(given)
        assert content(again) == content(given)


def test_a_session_says_that_it_cannot_be_pickled():
    session = esvm.ExemplarIndex(clustered(200, 8)).session([3])
    for make in [
        *(lambda p=p: pickle.dumps(session, p) for p in PROTOCOLS),
        lambda: copy.copy(session),
        lambda: copy.deepcopy(session),
    ]:
        with pytest.raises(TypeError, match=r"a session can be neither pickled .* index\.session"):
            make()


def core_objects():
    index = esvm.ExemplarIndex(clustered(200, 8))
    snapshots = index._snapshots
    query = snapshots.reader().common(include_positives=True)
    rows = _core.CsrArrays(
        data=np.ones(1),
        indices=np.zeros(1, np.int32),
        indptr=np.array([0, 1], np.int32),
        n_features=3,
    )
    settings = snapshots.search_settings()
    reports = snapshots.core.search(np.ones((1, 8)), 3, settings, 1, 1.0, None)[2]
    session = index.session([3])._core
    return [snapshots.core, session, query, rows, reports, settings]


@pytest.mark.parametrize("which", range(6))
def test_objects_of_the_extension_refuse_and_crash_nothing(which):
    thing = core_objects()[which]
    kind = type(thing)
    attempts = [
        *(lambda p=p: pickle.dumps(thing, p) for p in PROTOCOLS),
        lambda: copy.copy(thing),
        lambda: copy.deepcopy(thing),
        lambda: copyreg._reduce_ex(thing, 0),
        lambda: object.__reduce_ex__(thing, 1),
        lambda: object.__reduce_ex__(thing, 2),
        lambda: kind.__new__(kind),
        lambda: object.__new__(kind),
        lambda: kind.__mro__[1].__new__(kind),
        lambda: type("Derived", (kind,), {}),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError):
            attempt()


def test_a_value_is_made_once():
    # The extension calls __init__ from __new__, and Python once more.
    rows = clustered(200, 8)
    index = esvm.ExemplarIndex(rows)._snapshots.core
    before = index.n_rows, index.memory_usage()
    index.__init__()
    assert (index.n_rows, index.memory_usage()) == before


def search(index):
    return index.search(np.ones(index.n_features), k=4)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_hand_over_indices_and_results(method):
    index = an_index("sketch")
    expected = search(index)
    with multiprocessing.get_context(method).Pool(1) as pool:
        # A function that a spawned process can import, whatever has imported the tests.
        query = np.ones(index.n_features)
        found = pool.apply(esvm.ExemplarIndex.search, (index, query), {"k": 4})
        again = pool.apply(copy.copy, (index,))
    for a, b, c in zip(expected, found, search(again), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    assert found.report == expected.report


@pytest.mark.parametrize("kind", [*KINDS, *STORAGES])
@pytest.mark.parametrize("mmap_mode", [None, "r", "c"])
def test_joblib_dumps_and_maps_indices(tmp_path, kind, mmap_mode):
    joblib = pytest.importorskip("joblib")
    index = an_index(kind, 1300)
    joblib.dump(index, tmp_path / "index.joblib")
    again = joblib.load(tmp_path / "index.joblib", mmap_mode=mmap_mode)
    assert_equal(index, again)
    again.refresh()


def test_joblib_hands_large_rows_to_workers_as_maps():
    joblib = pytest.importorskip("joblib")
    index = an_index("dense", 3000)
    index.n_jobs = 2
    find, query = joblib.delayed(esvm.ExemplarIndex.search), np.ones(index.n_features)
    found = joblib.Parallel(n_jobs=2, max_nbytes=1000)(find(index, query, k=4) for _ in "ab")
    for each in found:
        np.testing.assert_array_equal(each.scores, search(index).scores)


def test_logging_over_sockets_does_not_end_the_process():
    # logging.handlers.SocketHandler pickles whatever it is given, at protocol 1.
    code = """
import pickle, numpy as np, exemplar_svm as esvm
index = esvm.ExemplarIndex(np.eye(50, 8, dtype="f4"))
settings = index._snapshots.search_settings()
for thing in (index.search(np.ones(8)), index, index.session([1]), settings):
    for protocol in (0, 1):
        try:
            pickle.loads(pickle.dumps(thing, protocol))
        except TypeError:
            pass
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_answers_are_compared_in_full():
    index = an_index("dense")
    assert len(answers(index, query_of(index))) > 4
