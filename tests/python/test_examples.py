"""The example and the code in the documents run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

ROOT = Path(__file__).resolve().parents[2]


def test_the_quickstart_runs():
    done = subprocess.run(
        [sys.executable, ROOT / "examples/quickstart.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "10 of 10 ranks proven exact" in done.stdout


def test_the_example_of_tfidf_runs():
    done = subprocess.run(
        [sys.executable, ROOT / "examples/arxiv_sanity.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "words for: thread" in done.stdout


def test_the_first_example_of_the_readme_runs():
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    embeddings = clustered(500, 16, dtype=np.float32)
    names = {
        "embeddings": embeddings,
        "query": embeddings[3],
        "battery": embeddings[4],
        "car": embeddings[5],
    }
    exec(code, names)
    index = esvm.ExemplarIndex(embeddings)
    expected = index.search_shared([17, 42, embeddings[5]], negatives=[8])
    np.testing.assert_array_equal(names["rows"], expected.indices)


EXAMPLES = [
    pytest.param(code, id=f"{name}-{number}")
    for name in ("searching", "standardization", "arrays")
    for number, code in enumerate(
        re.findall(r"```python\n(.*?)```", (ROOT / f"docs/{name}.md").read_text(), re.DOTALL)
    )
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_examples_of_the_documents_run(code, tmp_path, monkeypatch):
    for module in re.findall(r"^import (\w+)", code, re.MULTILINE):
        pytest.importorskip(module, reason=f"{module} is not installed")
    monkeypatch.chdir(tmp_path)
    embeddings = clustered(2000, 24, dtype=np.float32)
    names = {
        "np": np,
        "esvm": esvm,
        "index": esvm.ExemplarIndex(embeddings),
        "embeddings": embeddings,
        "vector": embeddings[900] + np.float32(0.05),
    }
    exec(code, names)


def test_the_documents_have_examples():
    assert len(EXAMPLES) >= 9
