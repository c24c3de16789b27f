"""How the modules of the package build on each other, checked by reading the tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "python/exemplar_svm"

# A module imports modules of its own layer and of those above it in this list.
LAYERS = {
    "the extension, types, and tools": "_core _typing _docs _renamed _locks _progress _cmake",
    "what callers give": "_masked _pandas _sparse _arrays _validation",
    "what it says": "_settings _examples _query",
    "what comes out": "_result _convergence",
    "an index, and files of it": "_saved _atomic_file _index_file _pickling _snapshots",
    "the public classes": "_session _index _svc",
    "programs": "_evaluation _demo _cli __main__",
}
NAMES = [names.split() for names in LAYERS.values()]
LAYER = {name: layer for layer, names in enumerate(NAMES) for name in names}


def modules(folder=PACKAGE):
    """The modules of a folder by name, and the files that each consists of."""
    files = {path.stem: [path] for path in folder.glob("*.py*") if path.stem != "__init__"}
    packages = {path.parent.name: list(path.parent.glob("*.py")) for path in folder.glob("_*/*.py")}
    return files | packages


def imported(path, package):
    """Names of the modules directly in `package` that a file imports, wherever it does so."""
    dotted = ["exemplar_svm", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = dotted[: len(dotted) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            found = [[*base, alias.name] for alias in node.names]
        else:
            continue
        yield from (name[len(package)] for name in found if name[: len(package)] == package != name)


def graph_of(folder=PACKAGE):
    package = ["exemplar_svm", *folder.relative_to(PACKAGE).parts]
    files = modules(folder)
    return {
        name: {other for path in paths for other in imported(path, package)} & set(files) - {name}
        for name, paths in files.items()
    }


def test_every_module_has_a_layer():
    assert set(modules()) == set(LAYER)


@pytest.mark.parametrize("name", LAYER)
def test_a_module_imports_only_its_own_layer_and_those_above(name):
    for other in graph_of()[name]:
        assert LAYER[other] <= LAYER[name], f"{name} imports {other}"


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE / "_evaluation"], ids=lambda path: path.name)
def test_modules_import_no_circle(folder):
    graph = graph_of(folder)
    done, path = set(), []

    def visit(name):
        assert name not in path, f"circle: {' -> '.join([*path, name])}"
        if name in done:
            return
        path.append(name)
        for other in sorted(graph[name]):
            visit(other)
        done.add(path.pop())

    assert any(graph.values())
    for name in graph:
        visit(name)


def test_imports_are_found_wherever_they_are(tmp_path):
    graph = graph_of()
    assert {"_session", "_query", "_snapshots"} <= graph["_index"]
    assert "_core" in graph["_session"]  # from . import
    assert "_demo" in graph["_cli"]  # within a function
    assert graph["__main__"] == {"_cli"}  # from the package by its name
    assert "_index" in graph["_evaluation"]  # from a folder below
    assert graph_of(PACKAGE / "_evaluation")["rankers"] == {"tasks"}
