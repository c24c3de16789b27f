"""Searches that do not converge warn once, at the line of the caller."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

ROWS = 30 * np.random.default_rng(0).standard_normal((2000, 32)).astype(np.float32)
CALLS = {
    "search": lambda index: index.search(ROWS[0]),
    "a batch": lambda index: index.search(ROWS[:3]),
    "search_shared": lambda index: index.search_shared(ROWS[:2]),
    "decision_function": lambda index: index.decision_function(ROWS[:2]),
    "fit": lambda index: index.fit(ROWS[0]),
    "a session": lambda index: index.session(ROWS[:1]).search(3),
    "one-shot": lambda index: esvm.search(ROWS[0], ROWS, max_iter=2),
}


@pytest.fixture(scope="module")
def index():
    return esvm.ExemplarIndex(ROWS, max_iter=2)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_could_not_finish_warns_once_where_it_was_called(index, name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = CALLS[name](index)
    assert len(caught) == 1
    assert issubclass(caught[0].category, esvm.ConvergenceWarning)
    assert caught[0].filename == __file__
    assert caught[0].lineno == inspect.getsourcelines(CALLS[name])[1]
    message = str(caught[0].message)
    assert "'epoch_limit'" in message
    assert "raise max_iter, lower C" in message
    assert ("of 3 queries" in message) == (name == "a batch")
    values = {"fit": lambda: found.coef_, "decision_function": lambda: found}
    values = values.get(name, lambda: found.scores)()
    assert np.isfinite(values).all()
    assert values.any()


def test_the_warning_is_a_runtime_warning():
    assert issubclass(esvm.ConvergenceWarning, RuntimeWarning)


def test_a_batch_tells_how_many_of_its_queries_are_meant():
    rows = clustered(300, 8)
    index = esvm.ExemplarIndex(rows, C=10.0)
    epochs = np.sort(index.search(rows[:20]).report.epochs)
    assert epochs[0] < epochs[-1]
    with pytest.warns(esvm.ConvergenceWarning) as caught:
        report = index.search(rows[:20], max_iter=int(epochs[10])).report
    unfinished = int(np.sum(report.status == "epoch_limit"))
    assert 0 < unfinished < 20
    assert f"{unfinished} of 20 queries ended" in str(caught[0].message)


def test_a_tolerance_that_float32_does_not_resolve_is_told():
    rows = clustered(300, 24, dtype=np.float32) + np.float32(1e4)
    with pytest.warns(esvm.ConvergenceWarning, match=r"'precision_limit'.*; raise tol"):
        esvm.ExemplarIndex(rows).search(rows[0] + 0.1, tol=1e-13)


def test_rows_that_are_not_finite_are_told():
    rows = clustered(40, 6)
    rows[7, 2] = np.nan
    index = esvm.ExemplarIndex(rows, check_finite=False)
    with pytest.warns(esvm.ConvergenceWarning, match=r"'invalid_input'.*; look for NaN"):
        index.search(rows[0])


def test_what_finished_or_was_stopped_does_not_warn():
    rows = clustered(20_000, 64, dtype=np.float32)
    index = esvm.ExemplarIndex(rows)
    assert index.search(rows[0]).report.status == "converged"
    assert index.search(rows[0], timeout=1e-9).report.status == "deadline"


@pytest.mark.filterwarnings("ignore::exemplar_svm.ConvergenceWarning")
def test_what_is_shown_is_short_whatever_the_size():
    rows = clustered(9000, 2048, dtype=np.float32)
    index = esvm.ExemplarIndex(rows, C=12345.678901234567, tol=1.2345678901e-4, max_iter=3)
    index.remove(range(1000, 1500))
    session = index.session([1, 2, 3], [4])
    batch = index.search(rows[:70], k=5000)
    model = index.fit(range(100))
    for shown in (
        index,
        session,
        batch,
        batch.report,
        batch.report[0],
        batch.report[0].profile,
        index.search(rows[0], k=5000),
        model,
        model.report_,
    ):
        assert len(repr(shown)) <= 200
        assert "\n" not in repr(shown)


def test_a_result_shows_what_is_proven_of_it():
    rows = clustered(300, 8)
    index = esvm.ExemplarIndex(rows)
    assert repr(index.search(rows[0])) == "SearchResult(k=10, converged, 10 of 10 ranks proven)"
    two = "SearchResult(2 queries, k=10, all converged, 20 of 20 ranks proven)"
    assert repr(index.search(rows[:2])) == two
    few = repr(index.search(rows[0], candidates=[3, 4, 5]))
    assert few == "SearchResult(k=10, converged, 3 of 3 ranks proven)"
    none = repr(index.search(np.empty((0, 8))))
    assert none == "SearchResult(0 queries, k=10, none, 0 of 0 ranks proven)"
    assert repr(index.search(rows[0]).report).startswith("SearchReport(converged, full, epochs=")
