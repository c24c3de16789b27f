"""The command line, as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm


def run(*arguments, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "exemplar_svm", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "rows.npy"
    np.save(path, clustered(300, 12, dtype=np.float32))
    return path


def test_search_by_row_number_prints_the_ranking(path):
    rows = np.load(path)
    expected = esvm.ExemplarIndex(rows).search(rows[9], k=3)
    answer = json.loads(run("search", path, "--row", 9, "-k", 3, "--json").stdout)
    assert answer["indices"] == expected.indices.tolist()
    np.testing.assert_allclose(answer["scores"], expected.scores)
    assert answer["report"]["status"] == "converged"
    shown = run("search", path, "--row", 9, "-k", 3).stdout
    assert shown.splitlines()[0].split()[:3] == ["1", "row", "9"]
    assert "3 ranks proven exact" in shown


def test_search_by_vectors_answers_each(path, tmp_path):
    queries = np.load(path)[:2] + 0.1
    np.save(tmp_path / "q.npy", queries)
    shown = run("search", path, "--query", tmp_path / "q.npy", "-C", 1, "--json").stdout
    expected = esvm.ExemplarIndex(np.load(path), C=1).search(queries)
    found = [json.loads(line)["indices"] for line in shown.splitlines()]
    assert found == expected.indices.tolist()


def test_a_short_ranking_is_valid_json(path, tmp_path):
    np.save(tmp_path / "two.npy", np.eye(2))
    answer = json.loads(run("search", tmp_path / "two.npy", "--row", 0, "-k", 3, "--json").stdout)
    assert answer["indices"][2] == -1
    assert answer["scores"][2] is None


def test_bad_input_is_one_sentence_and_status_two(path, tmp_path):
    (tmp_path / "text.npy").write_text("not an array")
    np.savez(tmp_path / "several.npz", a=np.eye(2))
    for arguments, message in {
        ("search", path, "--row", 300): "--row is 300, but",
        ("search", tmp_path / "nowhere.npy", "--row", 0): "No such file",
        ("search", tmp_path / "text.npy", "--row", 0): "cannot be read as a .npy file",
        ("search", tmp_path / "several.npz", "--row", 0): "archive of several arrays",
        ("search", path, "--row", 0, "-C", -1): "C is -1.0",
        ("search", path): "one of the arguments --row --query is required",
    }.items():
        error = run(*arguments, status=2).stderr
        assert message in error
        assert "Traceback" not in error


def test_version_is_that_of_the_package():
    assert esvm.__version__ in run("--version").stdout


def test_the_demo_searches_the_docstrings_of_python():
    pytest.importorskip("sklearn")
    pytest.importorskip("rich")
    shown = run("demo", "wait for a child process", "-k", 5).stdout
    assert "docstrings of Python's standard library" in shown
    assert "subprocess" in shown
    assert "5 of 5 ranks proven exact" in " ".join(shown.split())
    shared = run("demo", "--positive", "compress a file", "--positive", "read an archive").stdout
    assert "averaged" in shared
    assert "no word of 'xyzzyq'" in run("demo", "xyzzyq", status=2).stderr
