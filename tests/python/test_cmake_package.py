"""The installed package is enough to build a C++ program."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import exemplar_svm as esvm

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def include():
    try:
        return Path(esvm.get_include())
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_the_folders_hold_what_a_build_looks_for(include):
    assert (include / "exemplar_svm/index.hpp").is_file()
    config = Path(esvm.get_cmake_dir())
    assert (config / "exemplar_svm-config.cmake").is_file()
    assert (config / "exemplar_svm-config-version.cmake").is_file()
    assert any(config.parents[1].glob("*exemplar_svm.*")), "the library"
    roots = {e.name: e.value for e in entry_points(group="cmake.root")}
    assert roots["exemplar_svm"] == "exemplar_svm"


def test_every_public_header_is_installed(include):
    names = {p.name for p in (ROOT / "cpp/include/exemplar_svm").glob("*.hpp")}
    assert {p.name for p in (include / "exemplar_svm").iterdir()} == names


def test_headers_include_only_the_standard_library_and_each_other():
    for header in (ROOT / "cpp/include/exemplar_svm").glob("*.hpp"):
        for name in re.findall(r"#include *(\S+)", header.read_text()):
            assert re.fullmatch(r'<[a-z_]+>|"exemplar_svm/\w+\.hpp"', name), (header.name, name)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_every_header_compiles_by_itself_without_a_warning(include, compiler, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    for header in (include / "exemplar_svm").glob("*.hpp"):
        source = tmp_path / f"{header.stem}.cpp"
        source.write_text(f"#include <exemplar_svm/{header.name}>\n")
        # Not as a system include: warnings in those are not reported.
        warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
        done = subprocess.run(
            [compiler, "-std=c++20", "-fsyntax-only", *warnings, f"-I{include}", source],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_a_program_builds_against_the_installed_package(include, tmp_path):
    cmake = shutil.which("cmake")
    if cmake is None or (shutil.which("g++") is None and shutil.which("clang++") is None):
        pytest.skip("cmake or a C++ compiler is not installed")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\n"
        "project(foreign LANGUAGES CXX)\n"
        "find_package(exemplar_svm 0.1 CONFIG REQUIRED)\n"
        "add_executable(foreign main.cpp)\n"
        "target_link_libraries(foreign PRIVATE exemplar_svm::exemplar_svm)\n"
    )
    (tmp_path / "main.cpp").write_text(
        "#include <cstdio>\n"
        "#include <exemplar_svm/index.hpp>\n"
        "#include <exemplar_svm/version.hpp>\n"
        "int main() {\n"
        "    const float rows[] = {1, 0, 0, 1};\n"
        "    const exemplar_svm::Index<float> index({rows, 2, 2, 2});\n"
        "    exemplar_svm::Workspace workspace(index, 1);\n"
        "    float score;\n"
        "    exemplar_svm::RowNumber row;\n"
        "    index.search(rows + 2, 1, workspace, &score, &row);\n"
        '    std::printf("%s %d", exemplar_svm::version(), int(row));\n'
        "}\n"
    )
    build = tmp_path / "build"
    package = f"-Dexemplar_svm_DIR={esvm.get_cmake_dir()}"
    subprocess.run([cmake, "-S", tmp_path, "-B", build, package], check=True)
    subprocess.run([cmake, "--build", build], check=True)
    said = subprocess.run([build / "foreign"], capture_output=True, text=True, check=True).stdout
    assert said == f"{esvm.__version__} 1"


def test_an_installation_without_the_cpp_parts_says_so(monkeypatch, tmp_path):
    from exemplar_svm import _cmake

    monkeypatch.setattr(_cmake, "_PACKAGE", tmp_path)
    for function in (esvm.get_include, esvm.get_cmake_dir):
        with pytest.raises(FileNotFoundError, match=r"lacks its C\+\+ parts"):
            function()
