"""Where C++ programs find the library that this package contains."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def get_include() -> str:
    """Return the folder to include C++ headers from, as ``<exemplar_svm/index.hpp>``.

    Returns
    -------
    str

    Raises
    ------
    FileNotFoundError
        If the package was installed without its C++ parts, as an editable install is.
    """
    return _installed("include")


def get_cmake_dir() -> str:
    """Return the folder of the CMake configuration: the value of ``exemplar_svm_DIR``.

    ``find_package(exemplar_svm CONFIG)`` then gives the target ``exemplar_svm::exemplar_svm``, a
    static library.

    Returns
    -------
    str

    Raises
    ------
    FileNotFoundError
        If the package was installed without its C++ parts, as an editable install is.
    """
    return _installed("lib/cmake/exemplar_svm")


def _installed(folder: str) -> str:
    path = _PACKAGE / folder
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path} does not exist: this installation of exemplar_svm lacks its C++ parts "
            "(an editable install has none); install the wheel, or build the source tree with CMake"
        )
    return str(path)
