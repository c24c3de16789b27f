"""Arrays of other libraries are read in place, as rows, queries, examples and masks."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

ROWS = clustered(80, 12, seed=41, dtype=np.float32)
QUERY = clustered(1, 12, seed=42, dtype=np.float32)[0]


class Exporter:
    """The least an array library can offer: DLPack, here by way of numpy."""

    def __init__(self, array, device=1):
        self.array = array
        self.device = device

    def __dlpack__(self, **options):
        assert self.device == 1, "memory of another device must not be asked for"
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device, 0


class ExporterOfArrays(Exporter):
    """Could be copied from its device, as jax would."""

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("nothing may be copied from another device silently")


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture
def pa():
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def assert_reads_in_place(given, plain, change):
    """The index reads the memory of `given`, seen by numpy as `plain`, and nothing else."""
    index = esvm.ExemplarIndex(given, copy=False)
    assert np.shares_memory(index._snapshots.embeddings, plain)
    expected = esvm.ExemplarIndex(plain.copy())
    np.testing.assert_array_equal(
        index.search(QUERY, k=80).scores, expected.search(QUERY, k=80).scores
    )
    change(plain)
    index.refresh()
    np.testing.assert_array_equal(
        index.decision_function(QUERY), esvm.ExemplarIndex(plain.copy()).decision_function(QUERY)
    )


def turn_around(plain):
    plain[:] = plain[::-1].copy()


def assert_answers_the_same(index, convert):
    """Whatever may be handed to a search means the same as the numpy array it is made of."""
    plain = np.stack([QUERY, -QUERY])
    numbers = np.array([17, 42])
    mask = np.arange(len(index)) % 3 > 0
    weights = np.array([1.0, 2.5])

    def same(found, expected):
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.scores, expected.scores)

    same(index.search(convert(QUERY)), index.search(QUERY))
    same(index.search_shared(convert(QUERY)), index.search_shared(QUERY))
    same(index.search_shared(convert(numbers)), index.search_shared(numbers))
    same(
        index.search_shared([17, convert(QUERY)], positive_weights=convert(weights)),
        index.search_shared([17, QUERY], positive_weights=weights),
    )
    same(
        index.search_shared(17, negatives=convert(numbers.astype(np.int32) + 1)),
        index.search_shared(17, negatives=numbers + 1),
    )
    same(
        index.search(QUERY, candidates=convert(mask), background=convert(numbers)),
        index.search(QUERY, candidates=mask, background=numbers),
    )
    np.testing.assert_array_equal(
        index.fit(QUERY).contributions(convert(QUERY)), index.fit(QUERY).contributions(QUERY)
    )
    return plain


# Anything with __dlpack__


def test_what_offers_dlpack_alone_is_read_in_place(dtype):
    plain = ROWS.astype(dtype)
    assert_reads_in_place(Exporter(plain), plain, turn_around)
    wide = np.hstack([plain, plain])
    assert_reads_in_place(Exporter(wide[::2, 3:15]), wide[::2, 3:15], turn_around)
    assert_reads_in_place(Exporter(plain[::-1]), plain[::-1], turn_around)


def test_what_offers_dlpack_alone_serves_as_anything():
    index = esvm.ExemplarIndex(ROWS)
    assert_answers_the_same(index, Exporter)
    plain = np.stack([QUERY, -QUERY])
    for search in (index.search, index.search_shared):
        np.testing.assert_array_equal(search(Exporter(plain)).scores, search(plain).scores)


@pytest.mark.skipif(np.__version__ < "2.1", reason="NumPy before 2.1 exports no read-only memory")
def test_read_only_and_repeated_memory_is_read_in_place():
    fixed = ROWS.copy()
    fixed.flags.writeable = False
    repeated = np.broadcast_to(ROWS[0], ROWS.shape)
    for plain in (fixed, repeated):
        index = esvm.ExemplarIndex(Exporter(plain), copy=False)
        assert np.shares_memory(index._snapshots.embeddings, plain)


def test_layouts_that_cannot_be_read_in_place_are_copied_or_refused():
    for plain in (np.asfortranarray(ROWS), ROWS[:, ::-1], ROWS.astype(np.int64)):
        with pytest.raises(ValueError, match=r"embeddings .*copy=False forbids"):
            esvm.ExemplarIndex(Exporter(plain), copy=False)
        np.testing.assert_array_equal(
            esvm.ExemplarIndex(Exporter(plain)).search(QUERY).scores,
            esvm.ExemplarIndex(plain).search(QUERY).scores,
        )


@pytest.mark.parametrize(("device", "called"), [(2, "CUDA"), (8, "Metal"), (99, "unknown")])
@pytest.mark.parametrize("kind", [Exporter, ExporterOfArrays])
def test_memory_of_another_device_is_refused_and_not_copied(kind, device, called):
    rows = kind(ROWS, device)
    sentence = rf"is in the memory of another device \(DLPack's number {device}: {called}"
    with pytest.raises(TypeError, match=f"embeddings {sentence}"):
        esvm.ExemplarIndex(rows)
    index = esvm.ExemplarIndex(ROWS)
    for name, call in {
        "queries": lambda: index.search(rows),
        "positives": lambda: index.search_shared(rows),
        "negatives": lambda: index.fit(3, negatives=rows),
        "candidates": lambda: index.search(QUERY, candidates=kind(np.arange(3), device)),
    }.items():
        with pytest.raises(TypeError, match=f"{name} {sentence}"):
            call()
    assert index.search(QUERY).report.status == "converged"


def test_memory_that_a_device_shares_with_the_processor_is_read():
    class Pinned(Exporter):
        def __dlpack__(self, **options):
            options.pop("dl_device", None)
            return self.array.__dlpack__(**options)

    pinned = Pinned(ROWS.copy(), 3)
    index = esvm.ExemplarIndex(pinned, copy=False)
    assert np.shares_memory(index._snapshots.embeddings, pinned.array)


def test_what_dlpack_cannot_express_is_a_type_error():
    for plain in (ROWS.astype(">f4"), ROWS.astype(np.longdouble)):
        with pytest.raises(TypeError, match="embeddings offers __dlpack__, but its memory cannot"):
            esvm.ExemplarIndex(Exporter(plain))


# torch


def test_a_tensor_is_read_in_place(torch, dtype):
    tensor = torch.from_numpy(ROWS.astype(dtype)).clone()
    assert_reads_in_place(tensor, tensor.numpy(), turn_around)
    index = esvm.ExemplarIndex(tensor, copy=False)
    assert index._snapshots.embeddings.__array_interface__["data"][0] == tensor.data_ptr()
    before = index.decision_function(QUERY)
    tensor.mul_(0.5)  # by torch itself
    index.refresh()
    assert np.abs(index.decision_function(QUERY) - before).max() > 0.01


def test_a_tensor_outlives_its_name(torch):
    index = esvm.ExemplarIndex(torch.from_numpy(ROWS).clone(), copy=False)
    garbage = [torch.full((80, 12), float(i)) for i in range(50)]
    np.testing.assert_array_equal(
        index.decision_function(QUERY), esvm.ExemplarIndex(ROWS).decision_function(QUERY)
    )
    assert len(garbage) == 50


def test_tensors_of_any_strides(torch):
    tensor = torch.from_numpy(np.hstack([ROWS, ROWS]))
    for view in (tensor[::2, 3:15], tensor[:, ::2], tensor[:12].T, tensor[:1, :12].expand(30, 12)):
        plain = view.numpy()
        index = esvm.ExemplarIndex(view)
        if plain.strides[1] == plain.itemsize:
            assert np.shares_memory(index._snapshots.embeddings, plain)
        query = plain[0]
        np.testing.assert_array_equal(
            index.decision_function(view[0]), esvm.ExemplarIndex(plain).decision_function(query)
        )


def test_tensors_serve_as_anything(torch):
    index = esvm.ExemplarIndex(ROWS)
    assert_answers_the_same(index, torch.from_numpy)
    rows = torch.tensor([17, 42])
    expected = index.search_shared([17, 42]).scores
    for same in (rows, list(rows), [17, rows[1]], rows.to(torch.int32)):
        np.testing.assert_array_equal(index.search_shared(same).scores, expected)
    np.testing.assert_array_equal(
        index.search_shared(rows[0]).scores, index.search_shared(17).scores
    )
    query = torch.from_numpy(QUERY)
    pair = [query, -query]
    np.testing.assert_array_equal(
        index.search_shared(pair).scores, index.search_shared([QUERY, -QUERY]).scores
    )
    np.testing.assert_array_equal(index.search(pair).scores, index.search([QUERY, -QUERY]).scores)
    with pytest.raises(TypeError, match="positives is a mask"):
        index.search_shared(torch.arange(80) > 3)
    with pytest.raises(ValueError, match="positives holds the row number 80"):
        index.search_shared(torch.tensor([80]))


def test_tensors_that_numpy_cannot_see_are_a_type_error(torch):
    tensor = torch.from_numpy(ROWS)
    imaginary = torch.complex(tensor, tensor).conj().imag
    assert imaginary.is_neg()
    index = esvm.ExemplarIndex(ROWS)
    for bad, reason in {
        tensor.clone().requires_grad_(): "grad",
        torch.nn.Parameter(tensor): "grad",
        tensor.to(torch.bfloat16): "BFloat16",
        imaginary: r"negates its memory; copy it: \.resolve_neg",
        tensor.to("meta"): "meta",
        tensor.to_sparse(): "[Ss]parse",
    }.items():
        with pytest.raises(TypeError, match=f"embeddings .*{reason}"):
            esvm.ExemplarIndex(bad)
        with pytest.raises(TypeError, match=f"queries .*{reason}"):
            index.search(bad[:3] if reason != "[Ss]parse" else bad)
    detached = tensor.clone().requires_grad_().detach()
    np.testing.assert_array_equal(esvm.ExemplarIndex(detached)._snapshots.embeddings, ROWS)
    np.testing.assert_array_equal(
        esvm.ExemplarIndex(imaginary.resolve_neg())._snapshots.embeddings, -ROWS
    )


# pyarrow


def lists(pa, rows):
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])


def test_arrow_lists_of_one_size_are_rows_read_in_place(pa, dtype):
    plain = ROWS.astype(dtype)
    memory = plain.copy()
    array = pa.FixedSizeListArray.from_arrays(
        pa.Array.from_buffers(
            pa.from_numpy_dtype(dtype), memory.size, [None, pa.py_buffer(memory)]
        ),
        12,
    )
    assert_reads_in_place(array, memory, turn_around)
    memory[:] = plain
    some = esvm.ExemplarIndex(array[10:50], copy=False)
    assert np.shares_memory(some._snapshots.embeddings, memory)
    np.testing.assert_array_equal(some._snapshots.embeddings, plain[10:50])

    column = pa.table({"vector": array})["vector"]
    assert np.shares_memory(esvm.ExemplarIndex(column, copy=False)._snapshots.embeddings, memory)
    tensors = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.from_numpy_dtype(dtype), [12]), array
    )
    assert np.shares_memory(esvm.ExemplarIndex(tensors, copy=False)._snapshots.embeddings, memory)
    tensor = pa.Tensor.from_numpy(memory)
    assert np.shares_memory(esvm.ExemplarIndex(tensor, copy=False)._snapshots.embeddings, memory)


def test_arrow_chunks_are_copied_together_or_refused(pa):
    chunks = pa.chunked_array([lists(pa, ROWS[:30]), lists(pa, ROWS[30:])])
    with pytest.raises(ValueError, match=r"embeddings has 2 chunks, .* copy=False forbids"):
        esvm.ExemplarIndex(chunks, copy=False)
    np.testing.assert_array_equal(esvm.ExemplarIndex(chunks)._snapshots.embeddings, ROWS)
    nothing = pa.chunked_array([], pa.list_(pa.float32(), 12))
    assert esvm.ExemplarIndex(nothing).search(QUERY, k=1).indices[0] == -1


def test_arrow_arrays_serve_as_anything(pa):
    index = esvm.ExemplarIndex(ROWS)
    assert_answers_the_same(index, pa.array)
    assert_answers_the_same(index, lambda values: pa.chunked_array([values[:1], values[1:]]))
    plain = np.stack([QUERY, -QUERY])
    for search in (index.search, index.search_shared):
        np.testing.assert_array_equal(search(lists(pa, plain)).scores, search(plain).scores)
    table = pa.table({f"feature {c}": ROWS[:, c] for c in range(12)})  # by column: must be copied
    np.testing.assert_array_equal(esvm.ExemplarIndex(table)._snapshots.embeddings, ROWS)
    with pytest.raises(ValueError, match="copy=False forbids"):
        esvm.ExemplarIndex(table, copy=False)


def test_arrow_arrays_that_are_no_rows_are_refused(pa):
    size = pa.list_(pa.float32(), 2)
    for missing in ([[1, 2], None], [[1, 2], [None, 4]]):
        with pytest.raises(ValueError, match="embeddings holds missing values"):
            esvm.ExemplarIndex(pa.array(missing, size))
    for kind in (pa.list_, pa.large_list):
        with pytest.raises(TypeError, match=r"embeddings is an Arrow array of .*cast it"):
            esvm.ExemplarIndex(pa.array([[1, 2], [3, 4]], kind(pa.float32())))
    cast = pa.array([[1, 2], [3, 4]], pa.list_(pa.float32())).cast(size)
    np.testing.assert_array_equal(esvm.ExemplarIndex(cast)._snapshots.embeddings, [[1, 2], [3, 4]])
    with pytest.raises(TypeError, match="embeddings has dtype object"):
        esvm.ExemplarIndex(pa.array([["a", "b"]], pa.list_(pa.string(), 2)))
    index = esvm.ExemplarIndex(ROWS)
    with pytest.raises(TypeError, match="candidates has dtype object"):
        index.search(QUERY, candidates=pa.array([True, None] * 40))
