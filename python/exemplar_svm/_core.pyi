import enum
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__: str
search_statuses: list[str]
search_strategies: list[str]
invalid_input_reasons: list[str]

_ReportArrays = tuple[
    NDArray[np.uint8],  # status
    NDArray[np.uint8],  # strategy
    NDArray[np.int64],  # epochs
    NDArray[np.int64],  # n_support
    NDArray[np.float64],  # duality_gap
    NDArray[np.float64],  # score_error_bound
    NDArray[np.int64],  # certified_k
    NDArray[np.float64],  # profile, (m, 5)
    NDArray[np.uint8],  # reason
]

def active_isa() -> str: ...
def supported_isas() -> list[str]: ...
def has_openmp() -> bool: ...
def default_threads() -> int: ...

class Loss(enum.Enum):
    squared_hinge = 0
    hinge = 1

class Formulation(enum.Enum):
    automatic = 0
    primal = 1
    dual = 2

class Method(enum.Enum):
    automatic = 0
    full = 1
    working_set = 2
    gram = 3
    primal = 4

class SketchType(enum.Enum):
    none = 0
    int8 = 1

class Reports:
    def n_unfinished(self) -> int: ...
    def arrays(self) -> _ReportArrays: ...

class SearchSettings:
    def __init__(
        self,
        *,
        C: float,
        prior: float,
        tol: float,
        max_iter: int,
        certify: int = 0,
        standardize: bool = False,
    ) -> None: ...

class CsrArrays:
    def __init__(
        self,
        *,
        data: NDArray[Any],
        indices: NDArray[Any],
        indptr: NDArray[Any],
        n_features: int,
    ) -> None: ...

class Query:
    def __init__(
        self,
        *,
        positives: NDArray[Any],
        positive_rows: NDArray[np.int64],
        positive_weights: NDArray[np.float64],
        negatives: NDArray[Any],
        negative_rows: NDArray[np.int64],
        negative_weights: NDArray[np.float64],
        candidates: NDArray[np.uint8] | None,
        background: NDArray[np.uint8] | None,
        include_positives: bool,
        ignore_duplicates: bool,
    ) -> None: ...

class Index:
    def __init__(
        self,
        rows: NDArray[Any] | CsrArrays,
        *,
        row_scales: NDArray[np.float32] | None,
        loss: Loss,
        class_weight: tuple[float, float] | None,
        intercept_scaling: float,
        center: bool,
        check_finite: bool,
        method: Method,
        sketch: SketchType,
        n_threads: int,
        parts: dict[str, NDArray[np.uint8]] | None = None,
        added: NDArray[Any] | None = None,
        progress: Callable[[int, float], object] | None = None,
    ) -> None: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def n_live(self) -> int: ...
    def live(self) -> NDArray[np.uint8] | None: ...
    def added(self) -> Any: ...  # an array, or those of a CSR matrix: values, columns, starts
    def parts(self) -> dict[str, NDArray[np.uint8]]: ...
    def with_rows(self, rows: NDArray[Any] | CsrArrays, n_threads: int) -> Index: ...
    def without_rows(self, rows: NDArray[np.int64], n_threads: int) -> Index: ...
    def refreshed(self, n_threads: int) -> Index: ...
    def memory_usage(self) -> dict[str, int]: ...
    def mean(self) -> NDArray[np.float64]: ...
    def search(
        self,
        queries: NDArray[Any],
        k: int,
        settings: SearchSettings,
        n_threads: int,
        timeout: float,
        common: Query | None,
    ) -> tuple[NDArray[Any], NDArray[np.int64], Reports]: ...
    def search_shared(
        self,
        query: Query,
        k: int,
        settings: SearchSettings,
        n_threads: int,
        timeout: float,
    ) -> tuple[NDArray[Any], NDArray[np.int64], Reports]: ...
    def decision_function(
        self,
        queries: NDArray[Any],
        settings: SearchSettings,
        n_threads: int,
        common: Query | None,
    ) -> tuple[NDArray[Any], NDArray[np.int64], Reports]: ...
    def fit(
        self, query: Query, settings: SearchSettings, n_threads: int
    ) -> tuple[NDArray[Any], float, NDArray[np.float64], NDArray[np.float64], Reports]: ...

class Session:
    def __init__(self, index: Index, *, sketch: SketchType, n_threads: int) -> None: ...
    @property
    def n_positives(self) -> int: ...
    @property
    def n_negatives(self) -> int: ...
    def rows(self) -> NDArray[np.int64]: ...
    def follow(self, index: Index, n_threads: int) -> None: ...
    def recover(self, index: Index, n_threads: int) -> None: ...
    def add_row(self, row: int, positive: bool, weight: float) -> None: ...
    def add_vector(self, vector: NDArray[Any], positive: bool, weight: float) -> None: ...
    def forget_row(self, row: int) -> bool: ...
    def forget_vector(self, vector: NDArray[Any]) -> bool: ...
    def search(
        self,
        index: Index,
        k: int,
        settings: SearchSettings,
        n_threads: int,
        timeout: float,
        common: Query | None,
    ) -> tuple[NDArray[Any], NDArray[np.int64], Reports]: ...

def is_canonical_csr(rows: CsrArrays, name: str) -> bool: ...
def all_norms_finite(vectors: NDArray[Any]) -> bool: ...
def train_linear_svc(
    rows: NDArray[Any] | CsrArrays,
    *,
    labels: NDArray[np.int8],
    costs: NDArray[np.float64],
    loss: Loss,
    intercept_scaling: float,
    formulation: Formulation,
    tol: float,
    max_iter: int,
    seed: int,
    n_threads: int,
) -> tuple[NDArray[Any], float, NDArray[np.float64], int, int, float, float]: ...
def score_rows(
    rows: NDArray[Any] | CsrArrays,
    *,
    row_scales: NDArray[np.float32] | None = None,
    coef: NDArray[Any],
    intercept: float,
    n_threads: int,
) -> NDArray[Any]: ...
