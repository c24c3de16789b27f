"""Every instruction set gives the same ranking; a bad choice of one is reported."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import exemplar_svm as esvm

SEARCH = """
import sys
import numpy as np, exemplar_svm as esvm
rows = np.load(sys.argv[1])
queries = rows[:5] * 0.9 + 0.1 * rows[5:10]
print(esvm.active_isa())
print(*esvm.ExemplarIndex(rows).search(queries, k=20).indices.ravel())
"""


def run(isa, path):
    environment = {**os.environ, "EXEMPLAR_SVM_ISA": isa}
    return subprocess.run(
        [sys.executable, "-c", SEARCH, path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("isa") / "rows.npy"
    np.save(path, np.random.default_rng(0).standard_normal((500, 67)).astype(np.float32))
    return path


@pytest.mark.parametrize("isa", esvm.supported_isas())
def test_every_instruction_set_gives_the_same_ranking(isa, path):
    chosen, ranking = run(isa, path).stdout.splitlines()
    assert chosen == isa
    assert ranking == run("", path).stdout.splitlines()[1]


def test_a_bad_instruction_set_is_told(path):
    unknown = run("sse9", path)
    assert "EXEMPLAR_SVM_ISA is 'sse9', but must be one of baseline" in unknown.stderr
    missing = {"avx2", "avx512", "neon"} - set(esvm.supported_isas())
    assert "does not support" in run(missing.pop(), path).stderr
