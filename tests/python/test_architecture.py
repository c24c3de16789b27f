"""The hard rules of docs/architecture.md, checked by reading the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import exemplar_svm as esvm

ROOT = Path(__file__).resolve().parents[2]
CPP = ROOT / "cpp"
LAYERS = {
    0: ["version", "real", "narrow", "error", "isa"],
    1: [
        "matrix_view",
        "narrow_view",
        "csr_view",
        "rows_view",
        "executor",
        "settings",
        "profile",
        "stop_condition",
    ],
    2: ["search_report", "problem", "query", "weights", "top_k", "workspace"],
    3: ["solver", "scan", "certificate"],
    4: ["index", "linear_svc"],
    5: ["session"],
}
LAYER = {name: layer for layer, names in LAYERS.items() for name in names}


def sources(*patterns):
    return [path for pattern in patterns for path in CPP.rglob(pattern)]


def included(path):
    return re.findall(r'#include "exemplar_svm/(\w+)\.hpp"', path.read_text())


def test_every_public_header_has_a_layer():
    headers = {path.stem for path in (CPP / "include/exemplar_svm").iterdir()}
    assert headers == set(LAYER)


@pytest.mark.parametrize("name", LAYER)
def test_a_header_includes_only_its_own_layer_and_lower_ones(name):
    for other in included(CPP / f"include/exemplar_svm/{name}.hpp"):
        assert LAYER[other] <= LAYER[name], f"{name}.hpp includes {other}.hpp"


def test_headers_include_no_circle():
    graph = {name: included(CPP / f"include/exemplar_svm/{name}.hpp") for name in LAYER}
    done, path = set(), []

    def visit(name):
        assert name not in path, f"circle: {' -> '.join([*path, name])}"
        if name in done:
            return
        path.append(name)
        for other in graph[name]:
            visit(other)
        done.add(path.pop())

    for name in graph:
        visit(name)


def test_nothing_but_a_session_builds_on_index():
    for path in sources("*.hpp", "*.cpp"):
        if path.stem not in ("index", "session"):
            assert "index" not in included(path), path


def test_the_core_knows_no_python():
    for path in sources("*.hpp", "*.cpp", "*.inl"):
        assert not re.search(r"pybind11|Python\.h|numpy", path.read_text()), path


def test_the_executor_alone_speaks_openmp():
    for path in sources("*.hpp", "*.cpp", "*.inl"):
        if path.name != "executor.cpp":
            assert not re.search(r"omp\.h|#pragma omp|omp_\w+\(", path.read_text()), path


def test_no_flag_ships_that_changes_arithmetic_or_the_processor():
    files = [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json", ROOT / "pyproject.toml"]
    files += [*(ROOT / "cmake").iterdir(), *ROOT.glob("python/bindings/CMakeLists.txt")]
    for path in files:
        assert not re.search(r"-march=native|-ffast-math|-Ofast|/fp:fast", path.read_text()), path


def test_dtypes_are_switched_in_one_place():
    users = [
        path.name
        for path in (ROOT / "python/bindings").glob("*pp")
        if "isinstance<py::array_t<float>>" in path.read_text()
    ]
    assert users == ["numpy_view.hpp"]


def test_the_package_has_the_version_of_the_core():
    header = (CPP / "include/exemplar_svm/version.hpp").read_text()
    assert f'"{esvm.__version__}"' in header


@pytest.mark.skipif(
    shutil.which("g++") is None or shutil.which("nm") is None, reason="needs g++ and nm"
)
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512", "neon"])
def test_a_kernel_file_exports_its_table_and_nothing_else(isa, tmp_path):
    if isa not in esvm.supported_isas() and isa != "avx512":
        pytest.skip(f"this machine's compiler does not target {isa}")
    if isa == "avx512" and "avx2" not in esvm.supported_isas():
        pytest.skip("this machine's compiler does not target avx512")
    flags = {
        "avx2": ["-mavx2", "-mfma", "-mf16c"],
        "avx512": ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512dq", "-mavx512vl"],
    }.get(isa, [])
    built = tmp_path / "kernel.o"
    source = CPP / f"src/kernels/{isa}.cpp"
    subprocess.run(
        [
            "g++",
            "-std=c++20",
            "-O2",
            "-w",
            "-fno-exceptions",
            *flags,
            "-I",
            CPP / "include",
            "-I",
            CPP / "src",
            "-c",
            source,
            "-o",
            built,
        ],
        check=True,
    )
    symbols = subprocess.run(
        ["nm", "--defined-only", "--extern-only", "--demangle", built],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    names = [line.split(maxsplit=2)[2] for line in symbols]
    assert names == [f"exemplar_svm::kernels::{isa}"]


@pytest.mark.skipif(shutil.which("clang++") is None, reason="needs clang++")
@pytest.mark.parametrize(
    ("target", "kernels"),
    [
        ("x86_64-apple-macos11", ["avx2", "avx512"]),
        ("arm64-apple-macos11", ["neon"]),
        ("aarch64-linux-gnu", ["neon"]),
        ("i686-linux-gnu", []),
    ],
)
def test_each_slice_of_a_universal_build_has_its_own_kernels(target, kernels):
    macros = {}
    for isa in ("avx2", "avx512", "neon"):
        source = (CPP / f"src/kernels/{isa}.cpp").read_text()
        # What comes before it is compiled for every architecture.
        guard = re.match(r'(//.*\n)+\n#include "kernels/architecture.hpp"\n\n#if (.*)\n', source)
        assert guard, isa
        assert source.endswith("#endif\n"), isa
        macros[isa] = f"#if {guard[2]}\n{isa}\n#endif\n"
    seen = subprocess.run(
        ["clang++", f"--target={target}", "-w", "-I", CPP / "src", "-E", "-P", "-xc++", "-"],
        input='#include "kernels/architecture.hpp"\n' + "".join(macros.values()),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert seen.split() == kernels
    for path in (ROOT / "cmake").iterdir():  # which knows one processor, of several
        assert "CMAKE_SYSTEM_PROCESSOR" not in path.read_text(), path


def test_every_source_is_named_in_the_documents():
    text = (ROOT / "docs/architecture.md").read_text()
    words = set(re.findall(r"\w+", text))
    files = [
        path
        for folder in ("cpp", "python")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".hpp", ".cpp", ".inl", ".py"} and path.stem != "__init__"
    ]
    assert len(files) > 100
    assert not sorted(path.name for path in files if path.stem not in words)
