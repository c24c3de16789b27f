"""The settings of an index and of its searches, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._typing import FloatArray
from ._validation import (
    class_weights,
    flag,
    moderate_number,
    nonnegative_number,
    one_of,
    positive_integer,
    positive_number,
)

_METHODS = {
    "auto": _core.Method.automatic,
    "full": _core.Method.full,
    "working_set": _core.Method.working_set,
    "gram": _core.Method.gram,
    "primal": _core.Method.primal,
}
_SKETCHES = {None: _core.SketchType.none, "int8": _core.SketchType.int8}
LOSSES = {"squared_hinge": _core.Loss.squared_hinge, "hinge": _core.Loss.hinge}


def sketch_type(sketch: Any) -> _core.SketchType:
    """Read ``sketch=`` of an index or a session."""
    return _SKETCHES[one_of(sketch, "sketch", _SKETCHES)]


@dataclass(frozen=True)
class IndexSettings:
    """The arguments of `ExemplarIndex` that results depend on; files keep them."""

    C: float
    loss: str
    class_weight: tuple[float, float] | None  # of the positives and the negatives; None: balanced
    intercept_scaling: float
    center: bool
    prior: float
    tol: float
    max_iter: int
    check_finite: bool
    method: str
    sketch: str | None

    @classmethod
    def checked(
        cls,
        *,
        C: Any,
        loss: Any,
        class_weight: Any,
        intercept_scaling: Any,
        center: Any,
        prior: Any,
        tol: Any,
        max_iter: Any,
        check_finite: Any,
        method: Any,
        sketch: Any,
    ) -> IndexSettings:
        """Read the arguments as `ExemplarIndex` takes them."""
        one_of(loss, "loss", LOSSES)
        one_of(method, "method", _METHODS)
        sketch_type(sketch)
        return cls(
            C=moderate_number(C, "C"),
            loss=loss,
            class_weight=class_weights(class_weight),
            intercept_scaling=moderate_number(intercept_scaling, "intercept_scaling"),
            center=flag(center, "center"),
            prior=nonnegative_number(prior, "prior"),
            tol=positive_number(tol, "tol"),
            max_iter=positive_integer(max_iter, "max_iter"),
            check_finite=flag(check_finite, "check_finite"),
            method=method,
            sketch=sketch,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the settings in types that JSON has, for `from_json`."""
        fields = asdict(self)
        fields["class_weight"] = self.class_weight or "balanced"
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> IndexSettings:
        """Read and check what `as_json` returned.

        Raises
        ------
        TypeError, ValueError
            If the fields are not those.
        """
        weights: Any = fields.get("class_weight")
        if weights != "balanced":
            positive, negative = weights
            weights = {1: positive, -1: negative}
        return cls.checked(**{**fields, "class_weight": weights})

    def for_search(
        self,
        C: float | None = None,
        prior: float | None = None,
        tol: float | None = None,
        max_iter: int | None = None,
        certify: int | None = None,
        standardize: bool = False,
    ) -> _core.SearchSettings:
        """Read the settings of one call, which override these."""
        return _core.SearchSettings(
            C=self.C if C is None else moderate_number(C, "C"),
            prior=self.prior if prior is None else nonnegative_number(prior, "prior"),
            tol=self.tol if tol is None else positive_number(tol, "tol"),
            max_iter=self.max_iter if max_iter is None else positive_integer(max_iter, "max_iter"),
            certify=0 if certify is None else positive_integer(certify, "certify"),
            standardize=flag(standardize, "standardize"),
        )

    def build(
        self,
        rows: NDArray[Any] | _core.CsrArrays,
        n_threads: int,
        parts: dict[str, NDArray[np.uint8]] | None = None,
        row_scales: NDArray[np.float32] | None = None,
        added: FloatArray | None = None,
        progress: Callable[[int, float], object] | None = None,
    ) -> _core.Index:
        """Build an index of rows; or restore it from its ``parts``, with rows ``added`` to it."""
        return _core.Index(
            rows,
            row_scales=row_scales,
            loss=LOSSES[self.loss],
            class_weight=self.class_weight,
            intercept_scaling=self.intercept_scaling,
            center=self.center,
            check_finite=self.check_finite,
            method=_METHODS[self.method],
            sketch=sketch_type(self.sketch),
            n_threads=n_threads,
            parts=parts,
            added=added,
            progress=progress,
        )
