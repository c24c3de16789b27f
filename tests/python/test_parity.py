"""scikit-learn's LinearSVC as the outside judge of the exemplar searches."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered
from sklearn.svm import LinearSVC

import exemplar_svm as esvm

REAL = {
    "ada002_1000x1536.npz": "emb",
    "hklaw_768.npz": "emb",
    "llama_4096_unnormalised.npz": "emb",
    "cranfield.npz": "doc_emb",
    "cacm.npz": "doc_emb",
    "debian_descriptions.npz": "emb",
}


def judged_scores(rows, positives, C):
    """Scores by the recipe, or None where LinearSVC itself does not converge."""
    x = np.vstack([positives, rows]).astype(np.float64)
    y = np.r_[np.ones(len(positives)), np.zeros(len(rows))]
    judge = LinearSVC(class_weight="balanced", C=C, dual=True, tol=1e-9, max_iter=20000).fit(x, y)
    return None if judge.n_iter_ >= 20000 else judge.decision_function(rows.astype(np.float64))


def assert_same_ranking(result, judged, tie, largest):
    order = np.argsort(-judged, kind="stable")[: len(result.indices)]
    gaps = np.abs(judged[order] - judged[result.indices])
    assert gaps[order != result.indices].max(initial=0.0) < tie
    assert np.abs(result.scores - judged[result.indices]).max() < largest
    assert result.report.status == "converged"


def check(rows, queries, C, n_compared=100):
    for positives in queries:
        judged = judged_scores(rows, positives, C)
        if judged is None:
            pytest.skip("LinearSVC itself does not converge here")
        k = min(n_compared, len(rows))
        single = esvm.ExemplarIndex(rows.astype(np.float32))
        assert_same_ranking(single.search_shared(positives, k, C=C), judged, 2e-5, 1e-4)
        double = esvm.ExemplarIndex(rows.astype(np.float64))
        for tol in (1e-4, 1e-8):
            result = double.search_shared(positives, k, C=C, tol=tol)
            assert_same_ranking(result, judged, 1e-6, 1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("C", [0.001, 0.003, 0.01, 0.1, 1, 10])
def test_rankings_of_synthetic_rows_are_those_of_linear_svc(C):
    rows = clustered(1500, 48, seed=3).astype(np.float32)
    near = clustered(3, 48, seed=4).astype(np.float32)
    check(rows, [rows[:1], near[:1], near[1:3]], C)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("C", [0.001, 0.003, 0.01, 0.1, 1, 10])
@pytest.mark.parametrize("name", REAL)
def test_rankings_of_real_rows_are_those_of_linear_svc(data_folder, name, C):
    path = data_folder / name
    if not path.exists():
        pytest.skip(f"{path} does not exist")
    with np.load(path) as data:
        rows = data[REAL[name]][:2000].astype(np.float32)
    mixed = (0.8 * rows[[3, 50]] + 0.2 * rows[[90, 7]]).astype(np.float32)
    check(rows, [rows[11:12], mixed[:1], mixed], C)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("C", [0.001, 0.003, 0.01])
def test_rankings_at_a_small_c_are_those_of_linear_svc(data_folder, C, center):
    path = data_folder / "debian_descriptions.npz"
    if not path.exists():
        pytest.skip(f"{path} does not exist")
    with np.load(path) as data:
        rows = data["emb"][:6000].astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = (0.8 * rows[4] + 0.2 * rows[77]).astype(np.float32)
    mean = rows.astype(np.float64).mean(axis=0) if center else 0.0
    judged = judged_scores(rows - mean, query[None] - mean, C)
    order = np.argsort(-judged, kind="stable")[:100]
    index = esvm.ExemplarIndex(rows, C=C, center=center)
    found = index.search(query, k=100)
    report = found.report
    assert report.status == "converged"
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_allclose(found.scores, judged[order], rtol=0, atol=1e-6)
    assert np.abs(found.scores - judged[order]).max() <= report.score_error_bound + 1e-9
    assert report.score_error_bound < 1e-5
    if C < 0.01:
        assert report.strategy == "primal", "most rows support"
        assert report.profile.choose == 0, "no working set is chosen"
    scores = index.decision_function(query)
    np.testing.assert_allclose(scores, judged, rtol=0, atol=1e-6)
