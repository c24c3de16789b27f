"""Scikit-learn's own tests of its LinearSVC, on ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_suite


@pytest.mark.timeout(1800)  # a minute where nothing else runs
def test_scikit_learns_tests_of_linear_svc_pass():
    modules = sklearn_suite.modules_with_linear_svc()
    if not modules:
        pytest.skip("this scikit-learn was installed without its tests")
    tests = Path(sklearn_suite.__file__).parent
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "sklearn_suite",
        "-p",
        "no:cacheprovider",
    ]
    # Neither the project's settings nor its conftest apply to tests of another project.
    settings = ["-c", os.devnull, "--rootdir", str(sklearn_suite.ROOT), "-W", "ignore"]
    done = subprocess.run(
        [*command, *settings, "-rfE", "--tb=short", "--pyargs", *modules],
        env={**os.environ, "PYTHONPATH": str(tests), "OMP_NUM_THREADS": "1"},
        cwd=tests,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout[-2000:]
    assert int(passed[1]) > 150, "scikit-learn has about 200 tests that mention LinearSVC"
