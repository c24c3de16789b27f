"""Arguments are read as they were meant, or refused; they are never misread."""

from __future__ import annotations

import array
import collections
import decimal
import fractions
import threading

import numpy as np
import pytest
from conftest import clustered
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import exemplar_svm as esvm

N, D = 60, 8
ROWS = clustered(N, D, seed=51, dtype=np.float32)
QUERY = clustered(1, D, seed=52, dtype=np.float32)[0]
CODES = np.random.default_rng(5).integers(0, 60, (N, D), np.int8)


@pytest.fixture
def index():
    return esvm.ExemplarIndex(ROWS)


def same(found, expected):
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


# Masks


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("make", [np.asarray, np.ndarray.tolist], ids=["array", "list"])
def test_a_mask_of_integers_is_refused(index, dtype, make):
    mask = make((np.arange(N) > 40).astype(dtype))
    for name, call in {
        "candidates": lambda: index.search(QUERY, candidates=mask),
        "background": lambda: index.decision_function(QUERY, background=mask),
        "positives": lambda: index.search_shared(mask),
        "negatives": lambda: index.fit(3, negatives=mask),
        "row_numbers": lambda: index.remove(mask),
    }.items():
        with pytest.raises(ValueError, match=rf"{name} holds {N} integers .*astype\(bool\).*uniq"):
            call()
    # Fewer integers are row numbers, whatever they are.
    assert index.search(QUERY, candidates=[0, 1, 1]).indices[:3].tolist() in (
        [0, 1, -1],
        [1, 0, -1],
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
def test_integers_of_few_bits_choose_no_rows(index, dtype):
    for values in ((np.arange(N) > 40).astype(dtype), np.array([3, 4], dtype)):
        for name in ("candidates", "background"):
            with pytest.raises(TypeError, match=f"{name} has dtype {np.dtype(dtype)}, .*32 or 64"):
                index.search(QUERY, **{name: values})
        with pytest.raises(TypeError, match="row_numbers has dtype"):
            index.remove(values)


def test_two_rows_may_be_named_by_zero_and_one():
    index = esvm.ExemplarIndex(ROWS[:2])
    assert index.search(QUERY, k=2, candidates=[0, 0]).indices.tolist() == [0, -1]


def test_removed_rows_among_those_chosen_are_passed_over(index):
    index.remove([17, 18])
    for chosen in ([3, 17, 9], np.isin(np.arange(N), [3, 17, 9])):
        found = index.search(QUERY, k=3, candidates=chosen)
        assert sorted(found.indices.tolist()) == [-1, 3, 9]
        same(
            index.search(QUERY, background=chosen),
            index.search(QUERY, background=[3, 9]),
        )
    with pytest.raises(ValueError, match="candidates holds the row number 60"):
        index.search(QUERY, candidates=[17, N])
    with pytest.raises(ValueError, match="positives holds the row number 17, but that row was rem"):
        index.search_shared([3, 17])


def test_a_mask_that_was_made_before_rows_were_added_has_none_of_them():
    index = esvm.ExemplarIndex(ROWS[:40])
    before = np.arange(40) % 2 == 0
    index.add(ROWS[40:50])
    between = np.arange(50) % 2 == 0
    index.add(ROWS[50:])
    for mask in (before, between):
        whole = np.zeros(N, bool)
        whole[: len(mask)] = mask
        for name in ("candidates", "background"):
            same(
                index.search(QUERY, k=N, **{name: mask}), index.search(QUERY, k=N, **{name: whole})
            )
    for length in (39, 41, N - 1, N + 1):
        with pytest.raises(ValueError, match=f"candidates is a mask of {length} rows, but the ind"):
            index.search(QUERY, candidates=np.ones(length, bool))
    with pytest.raises(ValueError, match="all 0 or 1"):
        index.search(QUERY, candidates=before.astype(int))


def test_masks_may_be_made_while_rows_are_added():
    index = esvm.ExemplarIndex(ROWS[:20])
    session = index.session([3])
    ended = threading.Event()

    def add():
        for i in range(200):
            index.add(ROWS[i % N])
        ended.set()

    thread = threading.Thread(target=add)
    thread.start()
    while not ended.is_set():
        mask = np.arange(len(index)) % 2 == 0
        for found in (
            index.search(QUERY, candidates=mask, background=mask),
            session.search(candidates=mask),
        ):
            assert (found.indices[found.indices >= 0] % 2 == 0).all()
            assert found.indices.max() < len(mask)
    thread.join()


# Row numbers and vectors


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_integers_of_few_bits_are_vectors(dtype):
    index = esvm.ExemplarIndex(CODES)
    codes = CODES[17].astype(dtype)
    expected = index.search(codes.astype(np.float32))
    for given_ in (codes, list(codes), [codes], codes[np.newaxis]):
        same(index.search_shared(given_), expected)
    same(index.search(codes), expected)
    with pytest.raises(ValueError, match=r"positives has 2 features.*; row numbers are Python int"):
        index.search_shared(np.array([3, 4], dtype))
    with pytest.raises(ValueError, match=r"positives has 0 dimensions.*; row numbers are Python"):
        index.search_shared(codes[0])


def test_an_array_that_looks_like_a_vector_of_integers_is_refused(index):
    vector = np.array([3, 4, 3, 9, 9, 3, 0, 1])
    for given_ in (vector, vector.astype(np.uint32), vector.tolist(), array.array("q", vector)):
        with pytest.raises(ValueError, match=r"positives holds 8 integers, as many .*float.*uniq"):
            index.search_shared(given_)
    with pytest.raises(ValueError, match=r"the row number -3, .*; if this is a vector"):
        index.search_shared(-vector)
    # Where nothing is named twice these are row numbers, and of two dimensions they are vectors.
    numbers = np.arange(D)
    same(index.search_shared(numbers), index.search_shared(numbers.tolist()))
    assert not set(numbers) & set(index.search_shared(numbers).indices)
    same(index.search_shared([vector]), index.search(vector))
    same(index.search_shared(vector.astype(float)), index.search(vector))


def test_containers_of_one_type_are_arrays(index):
    same(index.search_shared(array.array("q", [3, 4])), index.search_shared([3, 4]))
    same(index.search_shared(collections.deque([3, 4])), index.search_shared([3, 4]))
    codes = array.array("b", CODES[17])
    same(index.search_shared(codes), index.search(CODES[17]))
    same(index.search_shared(bytearray(codes)), index.search(CODES[17]))


def test_booleans_are_no_row_numbers(index):
    for given_ in ([True, 3], [True] * N, True, np.True_):
        with pytest.raises(TypeError, match=r"positives .*np\.flatnonzero"):
            index.search_shared(given_)


def test_a_query_that_is_an_integer_is_told_of_search_shared(index):
    for call in (index.search, index.decision_function, lambda q: esvm.search(q, ROWS)):
        for query in (17, np.int64(17), 10**30):
            with pytest.raises(TypeError, match=r"queries is the integer 1.*search_shared\(\[17\]"):
                call(query)
        with pytest.raises(ValueError, match=r"queries has 2 features, .*search_shared"):
            call([17, 42])


@pytest.mark.parametrize("nothing", [None, {3}, {3: 1}, (i for i in [3]), object()])
def test_what_is_no_array_is_named_by_its_type(index, nothing):
    kind = type(nothing).__name__
    with pytest.raises(TypeError, match=f"queries has type {kind}, but must be an array or a list"):
        index.search(nothing)
    if nothing is not None:
        for name in ("candidates", "background", "positives", "negatives", "positive_weights"):
            with pytest.raises(TypeError, match=f"{name} has type {kind}"):
                index.search_shared(**{"positives": [3], name: nothing})


def test_a_row_is_one_example_however_often_it_is_named(index):
    once = index.search_shared([3, 4], positive_weights=[2.0, 1.0], negatives=[8, 9])
    again = index.search_shared([3, 3, 4], positive_weights=[5.0, 2.0, 1.0], negatives=[8, 9, 8])
    same(again, once)
    session = index.session([3, 3, 4], [8, 9, 8], positive_weights=[5.0, 2.0, 1.0])
    np.testing.assert_array_equal(session.search().indices, once.indices)
    session = index.session()
    for row, weight in ((3, 5.0), (3, 2.0), (4, 1.0)):
        session.like(row, weight)
    session.dislike([8, 9])
    np.testing.assert_array_equal(session.search().indices, once.indices)
    session.forget([3, 3])
    assert "1 positives and 2 negatives" in repr(session)


def test_a_row_named_twice_has_one_coefficient():
    rows = ROWS.astype(np.float64)
    positives, negatives = [3, QUERY.astype(np.float64), 3, 4], [8, 9, 8]
    model = esvm.ExemplarIndex(rows).fit(positives, negatives)
    assert model.positive_dual_coef_.shape == (4,)
    assert model.positive_dual_coef_[0] == 0 < model.positive_dual_coef_[2]
    assert model.negative_dual_coef_.shape == (3,)
    coef = (
        model.positive_dual_coef_ @ np.stack([rows[3], positives[1], rows[3], rows[4]])
        + model.negative_dual_coef_ @ rows[[8, 9, 8]]
        + model.dual_coef_ @ rows[model.support_]
    )
    np.testing.assert_allclose(model.coef_, coef, atol=1e-10)


# Masked values


def test_masked_values_are_refused_and_masks_of_nothing_are_not(index):
    masked = np.ma.masked_greater(ROWS, 0.5)
    assert masked.mask.any()
    row = int(np.argmax(masked.mask.any(axis=1)))
    numbers = np.ma.array([3, 4], mask=[False, True])
    hidden = sparse.csr_matrix(ROWS[:1])
    hidden.data = np.ma.masked_greater(hidden.data, 0.1)
    for name, call in {
        "embeddings": lambda: esvm.ExemplarIndex(masked),
        r"embeddings\[0\]": lambda: esvm.ExemplarIndex([masked[row], ROWS[0]]),
        "rows": lambda: index.add(masked),
        "queries": lambda: index.search(masked[row]),
        r"queries\[1\]\[0\]": lambda: index.search([list(QUERY), [np.ma.masked] * D]),
        "positives": lambda: index.search_shared(numbers),
        r"positives\[1\]": lambda: index.fit([3, masked[row]]),
        "negatives": lambda: index.session([7]).dislike(numbers),
        "candidates": lambda: index.search(QUERY, candidates=numbers),
        "background": lambda: index.search(QUERY, background=np.ma.masked_less(np.arange(N), 9)),
        "positive_weights": lambda: index.fit([3, 4], positive_weights=numbers),
        "row_numbers": lambda: index.remove(numbers),
        "row_scales": lambda: esvm.ExemplarIndex(
            CODES, row_scales=np.ma.masked_less(np.arange(N), 9)
        ),
        "X": lambda: index.fit(3).decision_function(masked),
        r"queries\.data": lambda: index.search(hidden),
    }.items():
        with pytest.raises(ValueError, match=rf"^{name} is a masked array .*\.filled"):
            call()
    same(esvm.ExemplarIndex(np.ma.array(ROWS)).search(np.ma.array(QUERY)), index.search(QUERY))


def test_a_list_that_holds_itself_is_refused(index):
    endless: list = []
    endless.append(endless)
    for call in (index.search, index.search_shared, esvm.ExemplarIndex, index.remove):
        with pytest.raises((TypeError, ValueError)):
            call(endless)


# Numbers

HUGE = [10**400, -(10**400), 10**5000, fractions.Fraction(10**400, 3)]


@pytest.mark.parametrize("value", HUGE, ids=lambda value: type(value).__name__)
def test_numbers_beyond_any_float_are_told_in_short(index, value):
    for name in ("C", "tol", "prior", "timeout", "k", "max_iter", "n_threads", "certify"):
        with pytest.raises(
            ValueError, match=f"^{name} is .*, but must be|^k is .*padded"
        ) as caught:
            index.search(QUERY, **{name: value})
        assert len(str(caught.value)) < 250
    for name in ("intercept_scaling", "C", "max_iter"):
        with pytest.raises(ValueError, match=f"^{name} is "):
            esvm.ExemplarIndex(ROWS, **{name: value})
    with pytest.raises(ValueError, match=r"^class_weight of the positives is "):
        esvm.ExemplarIndex(ROWS, class_weight={1: value})
    with pytest.raises(ValueError, match=r"^positive_weights is "):
        index.fit(3, positive_weights=value)
    if isinstance(value, int):
        for call in (index.search_shared, index.remove, index.session().like):
            with pytest.raises(
                ValueError, match=r"holds the row number an integer of \d+ bits, but"
            ):
                call(value)
        with pytest.raises(ValueError, match="positives holds the row number"):
            index.search_shared([3, value])
        with pytest.raises((TypeError, ValueError), match="candidates"):
            index.search(QUERY, candidates=[3, value])
        with pytest.raises(TypeError, match="queries has dtype object"):
            index.search([value, *QUERY[1:].tolist()])


@pytest.mark.parametrize(
    "value", [True, np.True_, "1", b"1", 1j, decimal.Decimal(1), np.ma.masked, [1], np.ones(2)]
)
def test_what_only_resembles_a_number_is_refused(index, value):
    for name in ("C", "tol", "prior", "timeout", "k", "max_iter", "n_threads", "certify"):
        with pytest.raises(TypeError, match=f"{name} has type {type(value).__name__}"):
            index.search(QUERY, **{name: value})


def test_numbers_of_other_libraries_are_numbers(index):
    for C, k in ((np.float32(0.5), np.uint8(3)), (np.array(0.5), np.array(3)), (0.5, 3)):
        same(index.search(QUERY, k, C=C), index.search(QUERY, 3, C=0.5))
    same(index.search(QUERY, C=fractions.Fraction(1, 2)), index.search(QUERY, C=0.5))
    weighed = index.search_shared([3, 4], positive_weights=np.array(2.0))
    same(weighed, index.search_shared([3, 4], positive_weights=2.0))


def test_a_huge_k_is_refused_before_anything_is_allocated(index):
    for k in (2**20 + 1, 10**9, 10**18, 10**400):
        for search in (
            lambda k: index.search(QUERY, k),
            lambda k: index.search_shared([3], k),
            lambda k: index.session([3]).search(k),
        ):
            with pytest.raises(ValueError, match=r"^k is .*holds 60 rows.*; k=len\(index\) ranks"):
                search(k)
    found = index.search(QUERY, 100_000)
    assert found.indices.shape == (100_000,)
    assert (found.indices[N:] == -1).all()
    assert (found.scores[N:] == -np.inf).all()


@pytest.mark.parametrize("value", ["no", None, 2, [True], np.ones(2, bool), 0.0])
def test_a_flag_is_true_or_false(index, value):
    for name in ("center", "check_finite", "copy"):
        if not (name == "copy" and value is None):
            with pytest.raises(TypeError, match=f"{name} is .*, but must be True or False"):
                esvm.ExemplarIndex(ROWS, **{name: value})
    for name in ("include_positives", "standardize"):
        with pytest.raises(TypeError, match=f"{name} is .*, but must be True or False"):
            index.search_shared(3, **{name: value})


@pytest.mark.parametrize("value", [["negative"], {}, np.array(["a", "b"]), 3])
def test_a_choice_that_is_no_text_is_refused(index, value):
    for name in ("loss", "method", "sketch"):
        with pytest.raises(ValueError, match=f"{name} is .*, but must be "):
            esvm.ExemplarIndex(ROWS, **{name: value})
    with pytest.raises(ValueError, match=r"duplicates is .*, but must be 'negative' or 'ignore'"):
        index.search(QUERY, duplicates=value)
    with pytest.raises((TypeError, ValueError), match=r"class_weight (is|has the key) "):
        esvm.ExemplarIndex(ROWS, class_weight=value if len(np.shape(value)) or value else 3)


# Sparse matrices whose parts do not fit


def spoiled(form, **parts):
    matrix = sparse.csr_matrix(np.round(ROWS[:3], 1)).asformat(form)
    for name, change in parts.items():
        setattr(matrix, name, change(getattr(matrix, name)))
    return matrix


SPOILED = {
    "columns too large": spoiled("csr", indices=lambda x: x + 100),
    "columns below zero": spoiled("csr", indices=lambda x: x - 5),
    "columns between": spoiled("csr", indices=lambda x: x + 0.5),
    "starts below zero": spoiled("csr", indptr=lambda x: x - 3),
    "starts in disorder": spoiled("csr", indptr=lambda x: x[::-1].copy()),
    "too many starts": spoiled("csr", indptr=lambda x: np.append(x, x[-1])),
    "starts beyond the end": spoiled("csr", indptr=lambda x: x * 7),
    "values missing": spoiled("csr", data=lambda x: x[:-1]),
    "columns missing": spoiled("csr", indices=lambda x: x[:-1]),
    "complex values": spoiled("csr", data=lambda x: x + 1j),
    "objects": spoiled("csr", data=lambda x: x.astype(object)),
    "a value that is not finite": spoiled("csr", data=lambda x: np.where(x == x[4], np.nan, x)),
    "csc": spoiled("csc", indices=lambda x: x + 100),
    "csc starts": spoiled("csc", indptr=lambda x: x * 7),
    "bsr": spoiled("bsr", indices=lambda x: x + 100),
    "coo": spoiled("coo", coords=lambda x: (x[0], x[1] + 100)),
    "coo below zero": spoiled("coo", coords=lambda x: (x[0] - 100, x[1])),
}


@pytest.mark.parametrize("name", SPOILED)
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_sparse_matrices_that_do_not_fit_are_refused(stored, name):
    index, matrix = esvm.ExemplarIndex(stored(ROWS)), SPOILED[name]
    for argument, call in {
        "queries": index.search,
        "positives": index.search_shared,
        "rows": index.add,
        "embeddings": esvm.ExemplarIndex,
    }.items():
        with pytest.raises((TypeError, ValueError), match=f"^{argument} "):
            call(matrix)
    assert len(index) == N


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_sparse_queries_of_any_format_are_read(stored, form, kind):
    index = esvm.ExemplarIndex(stored(ROWS))
    queries = kind(np.round(ROWS[:3], 1)).asformat(form)
    expected = index.search(np.round(ROWS[:3], 1))
    same(index.search(queries), expected)
    if form == "csr":
        for dtype in (np.int64, np.int16, np.uint64):
            wide = queries.copy()
            wide.indices, wide.indptr = wide.indices.astype(dtype), wide.indptr.astype(dtype)
            same(index.search(wide), expected)


# Anything at all

SIZES = [40, N]
DTYPES = [
    "?",
    "b",
    "B",
    "h",
    "i",
    "I",
    "q",
    "Q",
    "e",
    "f",
    "d",
    ">i4",
    ">f8",
    "F",
    "U2",
    "O",
    "M8[s]",
]


@st.composite
def odd_arrays(draw):
    """Arrays and lists of any dtype, of lengths that mean something to the index."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    length = draw(st.sampled_from([0, 1, 2, 3, D - 1, D, D + 1, 40, N - 1, N, N + 1]))
    shape = draw(st.sampled_from([(length,)] * 6 + [(2, length), (length, 1), (1, 1, length), ()]))
    low, high = draw(st.sampled_from([(0, 2), (0, 1), (0, N), (-2, N), (0, N + 2), (-90, 90)]))
    values = rng.integers(low, high, shape)
    if draw(st.booleans()) and values.ndim == 1 and len(values) <= N:
        values = rng.permutation(N)[: len(values)]
    odd = np.asarray(values).astype(draw(st.sampled_from(DTYPES)))
    if odd.dtype.kind in "ef" and draw(st.booleans()):
        odd = odd + odd.dtype.type(0.5)
    dress = draw(st.sampled_from(["array", "list", "scalars", "masked", "view", "objects in list"]))
    if dress == "list":
        return odd.tolist()
    if dress == "scalars" and odd.ndim:
        return list(odd)
    if dress == "masked" and odd.dtype != object:
        return np.ma.array(odd)
    if dress == "view" and odd.ndim:
        return np.repeat(odd, 2, axis=0)[::2]
    if dress == "objects in list" and odd.ndim == 1:
        return [QUERY, *odd[:2].tolist()]
    return odd


def plain_mask(value):
    """The mask that an argument stands for; None if it stands for none."""
    if isinstance(value, list) and any(x is QUERY for x in value):
        return None
    values = np.asarray(value)
    mask = np.zeros(N, bool)
    if values.ndim != 1:
        return None
    if values.dtype == bool:
        if len(values) not in SIZES:
            return None
        mask[: len(values)] = values
    elif len(values):
        if values.dtype.kind not in "iu" or values.itemsize < 4:
            return None
        if not all(0 <= value < N for value in values.tolist()):
            return None
        if len(values) in SIZES and set(values.tolist()) <= {0, 1}:
            return None
        mask[values.astype(int)] = True
    return mask


def plain_examples(value):
    """Row numbers as a list, or vectors as an array; None if it is neither."""
    is_list = isinstance(value, list)
    if type(value) is int or (is_list and value and all(type(x) is int for x in value)):
        numbers = value if is_list else [value]
    elif is_list and any(x is QUERY for x in value):
        if any(type(x) is not int or not 0 <= x < N for x in value[1:]):
            return None
        return value
    else:
        values = np.asarray(value)
        wide = values.dtype.kind in "iu" and values.itemsize >= 4
        if is_list and len(value) and values.ndim > 1:
            wide = False
        if not (wide and values.ndim < 2):
            return plain_vectors(value) if values.dtype != bool else None
        numbers = values.reshape(-1).tolist()
    if not numbers or not all(0 <= number < N for number in numbers):
        return None
    if len(numbers) == D and len(set(numbers)) < D:
        return None
    if len(numbers) > 2 and len(numbers) in SIZES and set(numbers) <= {0, 1}:
        return None
    return list(dict.fromkeys(numbers))


def plain_vectors(value):
    try:
        values = np.asarray(value)
    except ValueError:
        return None
    if values.dtype.kind not in "fiub" or values.ndim not in (1, 2) or values.shape[-1] != D:
        return None
    vectors = values.astype(np.float32).reshape(-1, D)
    with np.errstate(over="ignore"):
        squares = np.square(vectors).sum(axis=1)
    return vectors if np.isfinite(squares).all() else None


def read_or_refused(call, plain, name):
    """The call does what the plain one does; or both of them refuse, in a sentence."""
    if plain is None:
        with pytest.raises((TypeError, ValueError), match=name) as caught:
            call()
        assert 20 < len(str(caught.value)) < 500
    else:
        same(call(), plain())


GROWN = esvm.ExemplarIndex(ROWS[:40])
GROWN.add(ROWS[40:])


@settings(max_examples=400)
@given(odd_arrays(), st.sampled_from(["candidates", "background"]))
def test_any_choice_of_rows_is_read_plainly_or_refused(value, name):
    mask = plain_mask(value)
    plain = None if mask is None else lambda: GROWN.search(QUERY, 5, **{name: mask})
    read_or_refused(lambda: GROWN.search(QUERY, 5, **{name: value}), plain, name)
    read_or_refused(lambda: GROWN.session([QUERY]).search(5, **{name: value}), plain, name)


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # norms of a hundred
@settings(max_examples=400)
@given(odd_arrays())
def test_any_examples_are_read_plainly_or_refused(value):
    examples = plain_examples(value)
    given_ones = () if examples is None else examples
    plain = (lambda: GROWN.search_shared(given_ones, 5)) if len(given_ones) else None
    read_or_refused(lambda: GROWN.search_shared(value, 5), plain, "positives")


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")  # norms of a hundred
@settings(max_examples=400)
@given(odd_arrays())
def test_any_queries_are_read_plainly_or_refused(value):
    vectors = plain_vectors(value)
    single = np.ndim(value) == 1 if vectors is not None else False
    plain = None if vectors is None else lambda: GROWN.search(vectors[0] if single else vectors, 5)
    read_or_refused(lambda: GROWN.search(value, 5), plain, "queries")


def test_the_fuzz_knows_the_sizes_of_its_index():
    assert sorted(GROWN._snapshots.sizes) == SIZES


def test_padding_is_bounded_for_all_queries_together():
    rows = clustered(200, 8)
    index = esvm.ExemplarIndex(rows)
    assert index.search(rows[:100], k=10_000).indices.shape == (100, 10_000)
    with pytest.raises(
        ValueError, match="padded to at most 1048576 ranks for 100 queries together"
    ):
        index.search(rows[:100], k=2**20)
