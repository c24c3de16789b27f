"""Scikit-learn's own tests of ``LinearSVC``, with this library's in its place.

A plugin for pytest: ``pytest -p sklearn_suite --pyargs sklearn.svm.tests.test_svm``. It keeps the
tests that mention ``LinearSVC``, themselves or in what they are parametrised with or call.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
import sklearn
import sklearn.svm

import exemplar_svm as esvm

#: What is not supported, and so not tested: the beginning of tests' names, and why.
L1 = "the l1 penalty"
CRAMMER_SINGER = "multi_class='crammer_singer'"
OUT_OF_SCOPE = {
    "test_crammer_singer_binary[": CRAMMER_SINGER,
    "test_dense_liblinear_intercept_handling": L1,
    "test_l1_min_c[fit-intercept-squared_hinge-": L1,
    "test_l1_min_c[no-intercept-squared_hinge-": L1,
    "test_linearsvc[": L1,
    "test_linearsvc_crammer_singer[": CRAMMER_SINGER,
    "test_linearsvm_liblinear_sample_weight[LinearSVC-params0": L1,
    "test_linearsvc_parameters[False-l1-squared_hinge": L1,
    "test_sparse_liblinear_intercept_handling": L1,
}

ROOT = Path(sklearn.__file__).parent


def pytest_configure() -> None:
    """Put our class in place of theirs before any test module imports it."""
    sklearn.svm.LinearSVC = esvm.LinearSVC


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that mention the class."""
    kept, left_out = [], []
    for item in items:
        name = getattr(item, "originalname", item.name)
        (kept if name in users_of_linear_svc(Path(item.path)) else left_out).append(item)
        # The seed that some tests are parametrised with stands before or behind the rest.
        plain = item.name.replace("[42-", "[").replace("-42]", "]")
        for beginning, reason in OUT_OF_SCOPE.items():
            if plain.startswith(beginning):
                item.add_marker(pytest.mark.skip(reason=f"out of scope: {reason}"))
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def modules_with_linear_svc() -> list[str]:
    """Name the modules of tests that have any; none where scikit-learn came without its tests."""
    return [
        ".".join(["sklearn", *file.relative_to(ROOT).with_suffix("").parts])
        for file in sorted(ROOT.rglob("tests/test_*.py"))
        if users_of_linear_svc(file)
    ]


@cache
def users_of_linear_svc(file: Path) -> frozenset[str]:
    """Name what a module defines with ``LinearSVC``, or with something that it defines with it."""
    text = file.read_text(encoding="utf-8")
    if "LinearSVC" not in text:
        return frozenset()
    statements = [
        (defined, mentioned(statement))
        for statement in ast.parse(text).body
        if (defined := definitions(statement))
    ]
    users = {"LinearSVC"}
    while True:
        more = {name for names, uses in statements if uses & users for name in names}
        if more <= users:
            return frozenset(name for name in users if name.startswith("test"))
        users |= more


def definitions(statement: ast.stmt) -> set[str]:
    """Name what a statement of a module defines."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def mentioned(statement: ast.stmt) -> set[str]:
    """Name what a statement reads; the arguments of a function are fixtures."""
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names
