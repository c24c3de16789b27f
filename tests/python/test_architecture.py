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
SOURCES = CPP / "src"
HEADERS = CPP / "include/exemplar_svm"

#: The rooms of the core, from the ground up, with the public headers that belong to them. A file
#: includes its own room and those before it, and nothing else.
ROOMS = {
    "kernels": ["real", "narrow", "error", "isa"],
    "base": ["version", "executor", "settings", "profile", "stop_condition", "top_k"],
    "rows": ["matrix_view", "narrow_view", "csr_view", "rows_view", "scan", "weights"],
    "problem": ["problem", "query", "certificate", "search_report"],
    "model": [],
    "solve": ["solve_report", "linear_svc"],
    "search": ["workspace", "solver"],
    "index": ["index", "session"],
}
ORDER = list(ROOMS)
ROOM_OF_HEADER = {header: room for room, headers in ROOMS.items() for header in headers}


def sources(*patterns):
    return [path for pattern in patterns for path in CPP.rglob(pattern)]


def included(path):
    """Yield the files of the core that a file includes."""
    for name in re.findall(r'#include "([\w/]+\.(?:hpp|inl))"', path.read_text()):
        yield HEADERS.parent / name if name.startswith("exemplar_svm/") else SOURCES / name


def room_of(path):
    return ROOM_OF_HEADER[path.stem] if HEADERS in path.parents else path.parent.name


def test_every_file_has_a_room():
    assert {path.stem for path in HEADERS.iterdir()} == set(ROOM_OF_HEADER)
    assert {path.name for path in SOURCES.iterdir()} == set(ROOMS)
    for path in SOURCES.rglob("*.*"):
        assert path.parent.parent == SOURCES, path


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_includes_only_itself_and_those_before_it(room):
    allowed = ORDER[: ORDER.index(room) + 1]
    files = [path for path in sources("*.hpp", "*.cpp", "*.inl") if room_of(path) == room]
    assert files
    for path in files:
        for other in included(path):
            assert room_of(other) in allowed, f"{path.name} includes {other.name}"


def test_public_headers_include_no_private_ones():
    for path in HEADERS.iterdir():
        assert all(HEADERS in other.parents for other in included(path)), path


def test_headers_include_no_circle():
    graph = {path: list(included(path)) for path in sources("*.hpp")}
    done, way = set(), []

    def visit(path):
        assert path not in way, f"circle: {[*way, path]}"
        if path in done:
            return
        way.append(path)
        for other in graph.get(path, []):
            visit(other)
        done.add(way.pop())

    for path in graph:
        visit(path)


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
