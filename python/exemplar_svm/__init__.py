"""Exact exemplar-SVM search over embeddings.

Every query trains a linear SVM with the query as its positive and the whole database as its
negatives, and ranks the rows by the decision function. The ranking is that of scikit-learn's
``LinearSVC(C=0.1, class_weight="balanced")``, with a proof, at a fraction of its cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from ._core import __version__, active_isa, has_openmp, supported_isas
except ModuleNotFoundError as error:  # a source tree on the path shadows the installed package
    raise ImportError(
        "exemplar_svm's compiled extension is missing: install the package (pip install .) "
        "and do not import it from its source tree"
    ) from error
from ._cmake import get_cmake_dir, get_include
from ._convergence import ConvergenceWarning
from ._index import ExemplarIndex, search
from ._result import BatchReport, ExemplarModel, SearchProfile, SearchReport, SearchResult
from ._session import Session

if TYPE_CHECKING:
    from ._svc import LinearSVC

__all__ = [
    "BatchReport",
    "ConvergenceWarning",
    "ExemplarIndex",
    "ExemplarModel",
    "LinearSVC",
    "SearchProfile",
    "SearchReport",
    "SearchResult",
    "Session",
    "__version__",
    "active_isa",
    "get_cmake_dir",
    "get_include",
    "has_openmp",
    "search",
    "supported_isas",
]


def __getattr__(name: str) -> Any:
    # scikit-learn takes a second to import, and only LinearSVC needs it.
    if name == "LinearSVC":
        from ._svc import LinearSVC

        return LinearSVC
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
