"""Index files: opening returns what was saved, or raises an error."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import clustered
from forged import header_of, with_header
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import exemplar_svm as esvm

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")
posix_user = os.geteuid() if os.name == "posix" else None

SETTINGS = [
    {"method": "full", "loss": "hinge", "class_weight": {1: 3.0, -1: 0.5}},
    {"method": "full", "center": True, "prior": 0.5, "class_weight": None},
    {"method": "working_set", "C": 0.3, "tol": 1e-5},
    {"method": "working_set", "sketch": "int8", "center": True, "max_iter": 500},
    {"method": "gram", "intercept_scaling": 2.0},
    {"method": "auto", "check_finite": False},
]


@pytest.fixture(params=SETTINGS, ids=lambda options: "-".join(map(str, options.values())))
def options(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["read", "mapped"])
def mmap(request):
    return request.param


STORAGES = ["float16", "bfloat16", "int8", "scaled", "sparse", "sparse64", "wide"]


def stored(rows, storage):
    """Rows in a storage, and what an index of them is made with."""
    scales = (np.abs(rows).max(axis=1) / 127).astype(np.float32)
    if storage == "float16":
        return rows.astype(np.float16), {}
    if storage == "bfloat16":
        return rows.astype(pytest.importorskip("ml_dtypes").bfloat16), {}
    if storage == "int8":
        return np.round(rows * 40).astype(np.int8), {}
    if storage == "scaled":
        return np.round(rows / scales[:, None]).astype(np.int8), {"row_scales": scales}
    thinned = np.where(np.random.default_rng(0).random(rows.shape) < 0.4, rows, 0)
    csr = sparse.csr_matrix(thinned.astype(np.float64 if storage == "wide" else np.float32))
    if storage == "sparse64":
        csr.indices, csr.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    return csr, {}


def live_index(rows, storage=None, **options):
    """An index with borrowed, added and removed rows."""
    first, made_with = (rows[:-30], {}) if storage is None else stored(rows[:-30], storage)
    index = esvm.ExemplarIndex(first, copy=False, **made_with, **options)
    index.add(rows[-30:])
    index.remove([3, len(rows) - 4])
    return index


def answers(index, query):
    found = index.search(query, k=12)
    shared = index.search_shared([5, query], k=5, negatives=[8])
    return [*found, *shared, index.decision_function(query), found.report.duality_gap]


def assert_same(index, other, query):
    for a, b in zip(answers(index, query), answers(other, query), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_opened_answers_with_the_bits_of_what_was_saved(tmp_path, options, mmap, dtype):
    rows = clustered(230, 10, dtype=dtype)
    index = live_index(rows, **options)
    index.save(tmp_path / "index")
    opened = esvm.ExemplarIndex.open(str(tmp_path / "index"), mmap=mmap)
    opened.verify()
    assert len(opened) == 230
    assert opened.n_live == 228
    assert opened.dtype == dtype
    assert repr(opened) == repr(index)
    assert opened.memory_usage()["added"] == 0
    np.testing.assert_array_equal(opened.live, index.live)
    assert_same(index, opened, rows[17] + dtype(0.1))

    # Rows come and go, and the next file has them.
    for each in (index, opened):
        each.add(rows[:40] + dtype(0.01))
        each.remove(100)
    opened.save(tmp_path / "next")
    again = esvm.ExemplarIndex.open(tmp_path / "next", mmap=mmap)
    assert len(again) == 270
    assert_same(opened, again, rows[17])
    np.testing.assert_allclose(
        index.search(rows[17]).scores, again.search(rows[17]).scores, atol=1e-5
    )
    again.refresh()
    np.testing.assert_allclose(
        index.search(rows[17]).scores, again.search(rows[17]).scores, atol=1e-5
    )


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("n", [230, 1300])
def test_rows_of_every_storage_are_saved_as_they_are(tmp_path, storage, center, n, mmap):
    rows = clustered(n, 24, dtype=np.float32)
    index = live_index(rows, storage, center=center)
    index.save(tmp_path / "index")
    opened = esvm.ExemplarIndex.open(tmp_path / "index", mmap=mmap)
    opened.verify()
    assert (len(opened), opened.n_live, opened.dtype) == (n, n - 2, index.dtype)
    assert repr(opened) == repr(index)
    np.testing.assert_array_equal(opened.live, index.live)
    assert_same(index, opened, rows[17] + np.float32(0.1))
    in_memory = index.memory_usage()["total"]
    bytes_per_row = {"float16": 48, "bfloat16": 48, "int8": 24, "scaled": 28}.get(storage, 170)
    assert os.path.getsize(tmp_path / "index") < in_memory + n * bytes_per_row + 8000

    for each in (index, opened):
        each.add(rows[:40] + np.float32(0.01))
        each.remove(100)
    assert_same(index, opened, rows[17])
    opened.save(tmp_path / "index")
    again = esvm.ExemplarIndex.open(tmp_path / "index", mmap=mmap)
    assert len(again) == n + 40
    assert_same(opened, again, rows[17])
    for each in (opened, again):
        each.refresh()
    assert_same(opened, again, rows[17])


def test_rows_of_bfloat16_need_ml_dtypes(tmp_path, monkeypatch):
    rows, _ = stored(clustered(40, 6, dtype=np.float32), "bfloat16")
    esvm.ExemplarIndex(rows).save(tmp_path / "index")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ValueError, match=r"index holds rows of bfloat16, .* pip install ml_dtypes"):
        esvm.ExemplarIndex.open(tmp_path / "index")


def test_sparse_rows_are_saved_wherever_their_entries_lie(tmp_path, mmap):
    whole, _ = stored(clustered(300, 20, dtype=np.float32), "sparse")
    # Starts that do not begin at zero, and entries behind the last row.
    part = sparse.csr_matrix((100, 20), dtype=np.float32)
    part.data, part.indices, part.indptr = whole.data, whole.indices, whole.indptr[100:201]
    index = esvm.ExemplarIndex(part, copy=False)
    index.save(tmp_path / "index")
    opened = esvm.ExemplarIndex.open(tmp_path / "index", mmap=mmap)
    assert_same(index, opened, whole[150].toarray()[0])
    assert os.path.getsize(tmp_path / "index") < 100 * 160


@pytest.mark.parametrize("n", [0, 1, 2])
def test_indices_of_few_rows_have_files(tmp_path, options, mmap, n):
    index = esvm.ExemplarIndex(np.arange(3.0 * n).reshape(n, 3), **options)
    index.save(tmp_path / "index")
    opened = esvm.ExemplarIndex.open(tmp_path / "index", mmap=mmap)
    for a, b in zip(index.search([1, 2, 3], k=3), opened.search([1, 2, 3], k=3), strict=True):
        np.testing.assert_array_equal(a, b)
    opened.add([[1.0, 2.0, 4.0]])
    assert n in opened.search([1, 2, 3], k=3).indices


def test_rows_at_any_stride_are_saved(tmp_path, mmap):
    rows = clustered(300, 20, dtype=np.float32)[::-2, 3:9]
    index = esvm.ExemplarIndex(rows, copy=False)
    index.save(tmp_path / "index")
    assert_same(index, esvm.ExemplarIndex.open(tmp_path / "index", mmap=mmap), rows[4])


def test_an_index_can_be_saved_over_the_file_that_it_is_mapped_from(tmp_path):
    rows = clustered(200, 8)
    path = tmp_path / "index"
    esvm.ExemplarIndex(rows).save(path)
    index = esvm.ExemplarIndex.open(path, mmap=True)
    index.remove(4)
    before = index.search(rows[4])
    if os.name == "nt":
        with pytest.raises(PermissionError, match="Windows"):
            index.save(path)
        return
    index.save(path)
    np.testing.assert_array_equal(index.search(rows[4]).scores, before.scores)
    index.verify()
    assert_same(index, esvm.ExemplarIndex.open(path), rows[4])


def test_an_error_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "index"
    esvm.ExemplarIndex(clustered(50, 4)).save(path)
    old = path.read_bytes()
    other = esvm.ExemplarIndex(clustered(60, 4))

    def fail(*_):
        raise OSError(28, "No space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="No space"):
                other.save(path)
        assert path.read_bytes() == old
        assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        other.save(tmp_path / "nowhere" / "index")
    other.save(path)
    assert len(esvm.ExemplarIndex.open(path)) == 60
    assert list(tmp_path.iterdir()) == [path]


# Saving is as writing to open(path, "wb").


def small(n):
    return esvm.ExemplarIndex(np.eye(n, 4, dtype=np.float32) + 1)


def n_rows_in(path):
    return len(esvm.ExemplarIndex.open(path))


@pytest.mark.parametrize("make", [str, os.fsencode, os.fspath, lambda path: path])
def test_paths_are_of_any_kind(tmp_path, monkeypatch, make):
    small(5).save(make(tmp_path / "index"))
    assert n_rows_in(make(tmp_path / "index")) == 5
    monkeypatch.chdir(tmp_path)
    small(6).save(make("index"))
    small(7).save(make(os.path.join(".", "other")))
    assert (n_rows_in("index"), n_rows_in("other")) == (6, 7)
    assert sorted(os.listdir(tmp_path)) == ["index", "other"]


@posix
def test_symbolic_links_are_followed(tmp_path, monkeypatch):
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "links").symlink_to("data")
    target = tmp_path / "data" / "deep" / "v1"
    small(3).save(target)
    names = {
        "absolute": str(target),
        "relative": "data/deep/v1",
        "chain": "relative",
        "through": "links/deep/../deep/v1",
        "data/deep/beside": "v1",
        "data/up": "deep/../../data/deep/v1",
    }
    for name, to in names.items():
        (tmp_path / name).symlink_to(to)
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate([*names, "links/deep/beside", "links/up"], start=4):
        small(n).save(name)
        assert n_rows_in(target) == n
        assert os.path.islink(name)
    assert sorted(os.listdir("data/deep")) == ["beside", "v1"]
    # A link to nothing says where the file shall be.
    (tmp_path / "next").symlink_to("data/deep/v2")
    small(9).save("next")
    assert (n_rows_in("data/deep/v2"), os.path.islink("next")) == (9, True)
    (tmp_path / "nowhere").symlink_to("none/v3")
    with pytest.raises(FileNotFoundError):
        small(9).save("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels"):
        small(9).save("loop")
    (tmp_path / "long0").symlink_to("data/deep/v1")
    for step in range(60):
        (tmp_path / f"long{step + 1}").symlink_to(f"long{step}")
    small(8).save("long20")
    with pytest.raises(OSError, match="Too many levels"):
        small(9).save("long60")
    assert n_rows_in(target) == 8


@posix
def test_permissions_are_kept_and_new_files_have_the_usual_ones(tmp_path):
    for mode in (0o600, 0o640, 0o664, 0o666, 0o755, 0o200):
        path = tmp_path / f"{mode:o}"
        path.write_bytes(b"")
        path.chmod(mode)
        small(3).save(path)
        assert stat.S_IMODE(path.stat().st_mode) == mode
    for mask in (0o022, 0o077, 0o002):
        before = os.umask(mask)
        try:
            small(3).save(tmp_path / f"new{mask}")
            (tmp_path / f"other{mask}").write_bytes(b"")
        finally:
            os.umask(before)
        found, expected = ((tmp_path / f"{name}{mask}").stat() for name in ("new", "other"))
        assert found.st_mode == expected.st_mode


@posix
@pytest.mark.skipif(posix_user == 0, reason="root may write every file")
def test_files_that_may_not_be_written_are_not_replaced(tmp_path):
    path = tmp_path / "index"
    small(3).save(path)
    path.chmod(0o444)
    with pytest.raises(PermissionError):
        small(4).save(path)
    assert n_rows_in(path) == 3


@posix
@pytest.mark.skipif(posix_user != 0, reason="only root can change the owner of a file")
def test_the_owner_is_kept(tmp_path):
    path = tmp_path / "index"
    small(3).save(path)
    os.chown(path, 1234, 2345)
    path.chmod(0o640)
    small(4).save(path)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o640)


def test_names_may_be_as_long_as_the_file_system_allows(tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
    for name in ("n" * longest, "n" * (longest - 1), "\N{SNOWMAN}" * (longest // 3), "i"):
        small(5).save(tmp_path / name)
        assert n_rows_in(tmp_path / name) == 5
    with pytest.raises(OSError, match="too long"):
        small(5).save(tmp_path / ("n" * (longest + 1)))
    assert len(os.listdir(tmp_path)) == 4


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("folder", ".", "..", "folder/", "new/", "folder/.", "", "folder/new/"):
        with pytest.raises((IsADirectoryError, FileNotFoundError, PermissionError)):
            small(3).save(os.path.join(tmp_path, name) if name else "")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((NotADirectoryError, FileNotFoundError)):
        small(3).save(tmp_path / "file" / "index")
    with pytest.raises(ValueError, match="null"):
        small(3).save("index\0")
    with pytest.raises(TypeError):
        small(3).save(3)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@posix
def test_pipes_and_devices_are_neither_written_nor_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name, kind in (("pipe", "FIFO"), ("link", "FIFO"), ("/dev/null", "device")):
        path = tmp_path / name
        with pytest.raises(
            OSError, match=f"saved to a regular file, but this is a {kind}"
        ) as error:
            small(3).save(path)
        assert error.value.filename == str(path)
        with pytest.raises(
            ValueError, match=f"{name} is no index file of exemplar-svm, but a {kind}"
        ):
            esvm.ExemplarIndex.open(path)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OSError, match=r"directory|denied"):
        esvm.ExemplarIndex.open(tmp_path)


# Saving is interrupted, or goes on at the same time.

SLOW = """
import sys, time, numpy as np, exemplar_svm as esvm
from exemplar_svm import _index_file
copies = _index_file._copies
def slowly(arrays):
    for chunk in copies(arrays):
        yield chunk
        print("writing", flush=True)
        time.sleep(60)
_index_file._copies = slowly
esvm.ExemplarIndex(np.eye(9, 4)).save(sys.argv[1])
"""


@contextlib.contextmanager
def saving(path):
    """Another process that is in the middle of saving."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "writing\n"
            yield process
        finally:
            process.kill()


@posix
def test_what_killed_saves_have_left_is_removed_and_nothing_else(tmp_path):
    path = tmp_path / "index"
    small(3).save(path)
    ours = ".exemplar-svm-0123456789ab"
    others = [
        ours,
        f"{ours}.tmp.bak",
        f".{ours}.tmp",
        ".index.tmp",
        "exemplar-svm-0123456789ab.tmp",
    ]
    for name in others:
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / ".exemplar-svm-aaaaaaaaaaaa.tmp")
    (tmp_path / ".exemplar-svm-bbbbbbbbbbbb.tmp").symlink_to("index")
    (tmp_path / ".exemplar-svm-cccccccccccc.tmp").mkdir()
    before = set(os.listdir(tmp_path))
    with saving(path) as living:
        with saving(tmp_path / "another"):
            assert len(set(os.listdir(tmp_path)) - before) == 2
        # One was killed, one is writing.
        small(4).save(path)
        (left,) = set(os.listdir(tmp_path)) - before
        assert living.poll() is None
    assert left.startswith(".exemplar-svm-")
    small(5).save(tmp_path / "other")
    assert set(os.listdir(tmp_path)) - before == {"other"}
    assert (n_rows_in(path), n_rows_in(tmp_path / "other")) == (4, 5)
    assert set(others) <= set(os.listdir(tmp_path))
    assert os.path.islink(tmp_path / ".exemplar-svm-bbbbbbbbbbbb.tmp")


def test_threads_save_in_one_folder_at_the_same_time(tmp_path):
    indices = {n: small(n) for n in range(3, 9)}

    def save(n):
        for _ in range(10):
            indices[n].save(tmp_path / "same")
            indices[n].save(tmp_path / f"own{n}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(save, indices))
    for n in indices:
        assert n_rows_in(tmp_path / f"own{n}") == n
    assert n_rows_in(tmp_path / "same") in indices
    assert len(os.listdir(tmp_path)) == 7


@pytest.mark.parametrize("storage", [None, "float16", "scaled", "sparse"])
def test_a_file_that_is_saved_while_rows_are_written_can_be_opened(tmp_path, storage):
    rows = clustered(20_000, 24, dtype=np.float32)
    given, made_with = (rows, {}) if storage is None else stored(rows, storage)
    index = esvm.ExemplarIndex(given, copy=False, method="full", **made_with)
    values = given.data if storage == "sparse" else given
    done = threading.Event()

    def write():
        while not done.is_set():
            values[:] += values.dtype.type(1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(5):
            index.save(tmp_path / "index")
            esvm.ExemplarIndex.open(tmp_path / "index", verify=True)
    finally:
        done.set()
        thread.join()


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # rows are not finite
@pytest.mark.parametrize("mmap", [False, True])
def test_rows_that_have_changed_since_the_index_was_built_are_saved_as_they_are(tmp_path, mmap):
    rows = clustered(2000, 6, dtype=np.float32)
    for options in ({}, {"method": "full", "center": True}, {"sketch": "int8"}):
        index = esvm.ExemplarIndex(rows, copy=False, **options)
        before = rows.copy()
        rows[3], rows[4, 2], rows[5] = 1e18, np.nan, np.inf
        index.save(tmp_path / "index")
        again = esvm.ExemplarIndex.open(tmp_path / "index", mmap=mmap)
        np.testing.assert_array_equal(again.vectors([3, 4, 5]), rows[3:6])
        again.search(before[0], timeout=5.0)
        rows[:] = before


def test_sparse_rows_whose_structure_was_changed_replace_no_file(tmp_path):
    rows, _ = stored(clustered(300, 20, dtype=np.float32), "sparse")
    index = esvm.ExemplarIndex(rows, copy=False)
    index.save(tmp_path / "index")
    old = (tmp_path / "index").read_bytes()
    rows.indices[7] = 19
    with pytest.raises(ValueError, match=r"index was not written, .* columns do not ascend"):
        index.save(tmp_path / "index")
    assert (tmp_path / "index").read_bytes() == old
    assert os.listdir(tmp_path) == ["index"]


EXTREME = {"tiny": 1e-40, "large": 1e15, "huge": 2e18, "zero": 0.0}


@pytest.mark.parametrize("values", [*EXTREME, "nan", "infinite", "one"])
@pytest.mark.parametrize("n", [70, 1100])
def test_whatever_rows_an_index_has_it_can_be_opened(tmp_path, options, values, n):
    rows = np.random.default_rng(0).standard_normal((n, 12)) * EXTREME.get(values, 1.0)
    if values == "one":
        rows[:], rows[3] = 0, 5e18
    if values in ("nan", "infinite"):
        rows[7, 3] = np.nan if values == "nan" else np.inf
        rows[5] = rows[7, 3]
        options = {**options, "check_finite": False}
    for embeddings in (rows.astype(np.float32), sparse.csr_matrix(rows.astype(np.float32))):
        if sparse.issparse(embeddings) and (options["method"] == "gram" or "sketch" in options):
            continue
        index = esvm.ExemplarIndex(embeddings, **options)
        index.save(tmp_path / "index")
        opened = esvm.ExemplarIndex.open(tmp_path / "index", mmap=True)
        np.testing.assert_array_equal(dense_rows(opened.vectors(range(n))), rows.astype(np.float32))


def dense_rows(vectors):
    return vectors.toarray() if sparse.issparse(vectors) else vectors


# What is not what was saved.


def opened(path, mmap, **options):
    """Open, verify and search: whatever the file is, this returns or raises ValueError."""
    index = esvm.ExemplarIndex.open(path, mmap=mmap, **options)
    live = np.flatnonzero(index.live)
    query = np.ones(index.n_features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", esvm.ConvergenceWarning)
        found = index.search(query, k=5, timeout=5.0, max_iter=50)
        if len(live):
            index.search_shared([int(live[0])], k=5, timeout=5.0, max_iter=50)
    return index, found


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a file with every section, and its answers."""
    rows = clustered(70, 5, dtype=np.float32)
    path = tmp_path_factory.mktemp("files") / "index"
    index = esvm.ExemplarIndex(rows, method="working_set", sketch="int8", center=True)
    index.remove(4)
    index.save(path)
    return path.read_bytes(), opened(path, mmap=False)[1]


@pytest.fixture(scope="module")
def saved_others(tmp_path_factory):
    """The bytes of files of other kinds."""
    path = tmp_path_factory.mktemp("files") / "index"
    esvm.ExemplarIndex(clustered(20, 5), method="gram").save(path)
    contents = [path.read_bytes()]
    for storage in ("scaled", "sparse"):
        live_index(clustered(70, 5, dtype=np.float32), storage, method="working_set").save(path)
        contents.append(path.read_bytes())
    return contents


def sections_of(content):
    header, begin = header_of(content)
    return [
        (section["name"], begin + section["offset"], section["bytes"])
        for section in header["sections"]
    ]


def test_a_file_is_what_the_documents_say(saved):
    content, _ = saved
    header, begin = header_of(content)
    assert content.startswith(b"\x89ESVM\r\n\x1a" + struct.pack("<I", 1))
    assert begin % 64 == 0
    assert header["shape"] == [70, 5]
    assert header["dtype"] == "float32"
    assert header["storage"] == "dense"
    assert header["settings"]["sketch"] == "int8"
    assert {name for name, _, _ in sections_of(content)} >= {"rows", "live", "norms", "sketch"}
    for section in header["sections"]:
        assert section["offset"] % 64 == 0
        first = begin + section["offset"]
        found = zlib.crc32(content[first : first + section["bytes"]])
        assert section["crc32"] == f"{found:08x}"
    rows = np.frombuffer(content[-70 * 5 * 4 :], "<f4").reshape(70, 5)
    np.testing.assert_array_equal(rows, clustered(70, 5, dtype=np.float32))


def test_a_truncated_file_is_an_error_at_every_length(tmp_path, saved, saved_others, mmap):
    path = tmp_path / "index"
    for content in (saved[0], *saved_others):
        for length in [*range(0, 2200, 7), *range(2200, len(content), 61), len(content) - 1]:
            path.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"damaged index file|no index file") as error:
                opened(path, mmap)
            assert str(path) in str(error.value)
        path.write_bytes(content + b"\0")
        with pytest.raises(ValueError, match="were written"):
            opened(path, mmap)


def test_columns_and_starts_of_a_mapped_file_are_checked(tmp_path, saved_others):
    # Their checksums are not compared then, but they lead to places in memory.
    content = saved_others[-1]
    path = tmp_path / "index"
    for name, first, size in sections_of(content):
        if name not in ("row_columns", "row_starts", "posting_rows", "posting_starts"):
            continue
        for place in range(first, first + size, 4):
            for value in (-1, 5, 70, 2**31 - 1):
                changed = bytearray(content)
                changed[place : place + 4] = struct.pack("<i", value)
                path.write_bytes(changed)
                with contextlib.suppress(ValueError):
                    opened(path, True)
        changed = bytearray(content)
        changed[first : first + size] = b"\x7f" * size
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="index is a damaged index file"):
            opened(path, True)


def test_every_changed_byte_is_found(tmp_path, saved):
    content, expected = saved
    path = tmp_path / "index"
    covered = set(range(header_of(content)[1]))
    for _, first, size in sections_of(content):
        covered.update(range(first, first + size))
    for place in range(len(content)):
        if place > 2500 and place % 3:
            continue
        path.write_bytes(
            content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :]
        )
        if place in covered:
            with pytest.raises(ValueError, match="index file"):
                opened(path, False)
        else:  # between two sections
            np.testing.assert_array_equal(opened(path, False)[1].scores, expected.scores)


def test_a_mapped_file_is_compared_but_for_its_bulk(tmp_path, saved):
    content, _ = saved
    path = tmp_path / "index"
    for name, first, size in sections_of(content):
        for place in range(first, first + size, 13):
            changed = bytearray(content)
            changed[place] ^= 0x41
            path.write_bytes(changed)
            sentence = f"index is a damaged index file: the checksum of '{name}' does not match"
            with pytest.raises(ValueError, match=sentence):
                esvm.ExemplarIndex.open(path, mmap=True, verify=True)
            if name not in ("rows", "signatures", "sketch"):
                with pytest.raises(ValueError, match=sentence):
                    opened(path, True)
                continue
            index, _ = opened(path, True)
            with pytest.raises(ValueError, match=sentence):
                index.verify()


NUMBERS = [0.0, -1.0, 1e30, -1e38, 1e300, float("inf"), float("nan")]
HEADER_CHANGES = ["offset", "bytes", "name", "drop", "repeat", "swap"]
HEADER_CHANGES += ["shape", "dtype", "kind", "setting"]
COUNTS = [-64, 0, 1, 8, 63, 64, 128, 4096, 2**31, 2**62, 2**64, 2.0, None, "x"]


@given(data=st.data())
def test_a_forged_file_is_an_error_or_an_index(tmp_path_factory, saved, saved_others, data):
    # Whoever forges a file can make its checksums fit. That may change answers, but must crash
    # nothing.
    content = data.draw(st.sampled_from([saved[0], *saved_others]))
    header, begin = header_of(content)
    sections = header["sections"]
    body = bytearray(content[begin:])

    def some(*choices):
        return data.draw(st.sampled_from(choices))

    for _ in range(data.draw(st.integers(0, 3))):
        section = some(*sections)
        first, size = section["offset"], section["bytes"]
        kind = some("bytes", "fill", "float32", "float64")
        if kind == "bytes":
            for _ in range(data.draw(st.integers(1, 8))):
                body[first + data.draw(st.integers(0, size - 1))] = data.draw(st.integers(0, 255))
        elif kind == "fill":
            body[first : first + size] = bytes([some(0, 1, 0x7F, 0x80, 0xFF)]) * size
        else:
            dtype = np.dtype(kind)
            with np.errstate(over="ignore"):
                values = np.full(size // dtype.itemsize, some(*NUMBERS)).astype(dtype)
            body[first : first + values.nbytes] = values.tobytes()
    for section in sections:
        place = slice(section["offset"], section["offset"] + section["bytes"])
        section["crc32"] = f"{zlib.crc32(body[place]):08x}"
    for _ in range(data.draw(st.integers(0, 2))):
        section = some(*sections)
        kind = some(*HEADER_CHANGES)
        if kind in ("offset", "bytes"):
            section[kind] = some(*COUNTS)
        elif kind == "name":
            section["name"] = some("rows", "gram", "norms", "row_starts", "", "other", None, 3)
        elif kind == "drop" and len(sections) > 1:
            sections.remove(section)
        elif kind == "repeat":
            sections.append(dict(section))
        elif kind == "swap":
            other = some(*sections)
            section["name"], other["name"] = other["name"], section["name"]
        elif kind == "shape":
            header["shape"] = data.draw(
                st.lists(st.sampled_from([0, 1, 5, 69, 70, 71, 350, 2**31, 2**60, -1]), max_size=3)
            )
        elif kind == "dtype":
            header["dtype"] = some("float32", "float64", "int8", "", None)
        elif kind == "kind":
            header[some("storage", "columns", "stored", "n_added")] = some(
                "dense", "narrow", "sparse", "int64", "int32", "int8", "float16", 0, 7, 71, -1, None
            )
        elif kind == "setting":
            name = some(*header["settings"], "other")
            header["settings"][name] = some(
                True, False, None, "full", "gram", "auto", "hinge", [1.0, 2.0], {}, -1, *NUMBERS
            )
    path = tmp_path_factory.mktemp("forged") / "index"
    path.write_bytes(with_header(content[:begin] + bytes(body), header))
    for mmap in (False, True):
        with contextlib.suppress(ValueError):
            opened(path, mmap)
    path.unlink()


@given(content=st.binary(max_size=300), preamble=st.integers(0, 40))
def test_foreign_files_are_an_error(tmp_path_factory, saved, content, preamble):
    path = tmp_path_factory.mktemp("foreign") / "index"
    path.write_bytes(saved[0][:preamble] + content)
    for mmap in (False, True):
        with pytest.raises(ValueError, match="index file"):
            esvm.ExemplarIndex.open(path, mmap=mmap)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"storage": "dense"}',
        b"\xff\xfe",
        b"1" * 10_000,
    ],
)
def test_a_header_of_another_kind_is_an_error(tmp_path, saved, text):
    content, _ = saved
    path = tmp_path / "index"
    path.write_bytes(struct.pack("<8sIII", content[:8], 1, len(text), zlib.crc32(text)) + text)
    with pytest.raises(ValueError, match="its header is not that of an index"):
        esvm.ExemplarIndex.open(path)


def test_other_versions_and_other_kinds_of_rows_are_told_apart(tmp_path, saved):
    content, _ = saved
    path = tmp_path / "index"
    path.write_bytes(content[:8] + struct.pack("<I", 2) + content[12:])
    with pytest.raises(ValueError, match="has version 2 of the index file format"):
        esvm.ExemplarIndex.open(path)
    header, _ = header_of(content)
    path.write_bytes(with_header(content, {**header, "storage": "csr"}))
    with pytest.raises(ValueError, match="holds csr rows of float32, but this version"):
        esvm.ExemplarIndex.open(path)
    with pytest.raises(FileNotFoundError):
        esvm.ExemplarIndex.open(tmp_path / "none")
    np.save(tmp_path / "rows.npy", np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"rows\.npy is no index file"):
        esvm.ExemplarIndex.open(tmp_path / "rows.npy")


def test_files_are_for_little_endian_machines(tmp_path, monkeypatch):
    index = esvm.ExemplarIndex(np.eye(3))
    index.save(tmp_path / "index")
    monkeypatch.setattr(sys, "byteorder", "big")
    with pytest.raises(ValueError, match="little-endian"):
        index.save(tmp_path / "other")
    with pytest.raises(ValueError, match="little-endian"):
        esvm.ExemplarIndex.open(tmp_path / "index")


# Opening is cheap, and shared.


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_several_processes_open_one_file(tmp_path):
    rows = clustered(500, 16, dtype=np.float32)
    path = tmp_path / "index"
    live_index(rows).save(path)
    code = """
import sys, numpy as np, exemplar_svm as esvm
index = esvm.ExemplarIndex.open(sys.argv[1], mmap=True)
print(index.search(np.ones(16), k=5).indices.tolist())
"""
    index = esvm.ExemplarIndex.open(path, mmap=True)
    expected = str(index.search(np.ones(16), k=5).indices.tolist())
    for _ in range(2):
        assert run(code, path).strip() == expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_mapped_file_takes_no_memory_until_it_is_read(tmp_path):
    rows = np.zeros((1 << 14, 1 << 10), np.float32)  # 64 MB
    rows[:, 0] = np.arange(len(rows))
    path = tmp_path / "index"
    index = esvm.ExemplarIndex(rows)
    assert index.memory_usage()["sign_codes"]
    index.save(path)
    code = """
import sys, numpy as np, exemplar_svm as esvm
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))
warm = esvm.ExemplarIndex(np.eye(3)).search(np.ones(3))
before = peak()
index = esvm.ExemplarIndex.open(sys.argv[1], mmap=True)
assert len(index) == 1 << 14
opened = peak() - before
assert opened < (1 << 26) // 8, opened
with open("/proc/self/smaps") as file:
    mapping = file.read().split("index\\n", 1)[1]
    assert "Private_Dirty:         0 kB" in mapping.split("VmFlags", 1)[0]
"""
    run(code, path)
