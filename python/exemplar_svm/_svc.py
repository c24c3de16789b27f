"""scikit-learn's LinearSVC on this library's solver."""

from __future__ import annotations

import inspect
import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model._base import SparseCoefMixin
    from sklearn.utils import check_random_state, compute_class_weight
    from sklearn.utils._param_validation import Interval, StrOptions
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as missing:
    raise ImportError(
        "exemplar_svm.LinearSVC is a scikit-learn estimator and needs scikit-learn 1.6 or newer: "
        "pip install 'exemplar-svm[sklearn]'"
    ) from missing

from . import _core
from ._result import STATUS_NAMES
from ._settings import LOSSES
from ._sparse import SparseRows, as_sparse_rows, for_core, is_sparse
from ._typing import FloatArray
from ._validation import as_dense_rows, positive_number, thread_count

if TYPE_CHECKING:
    from typing import Self

_FORMULATIONS = {
    "auto": _core.Formulation.automatic,
    False: _core.Formulation.primal,
    True: _core.Formulation.dual,
}


class LinearSVC(ClassifierMixin, SparseCoefMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Linear support vector classification, as ``sklearn.svm.LinearSVC``.

    The same parameters, the same problem and the same optimum (the intercept is regularised). Rows
    are read in place, dense or sparse, in float32 or float64. docs/linear_svc.md lists the
    differences.

    Parameters
    ----------
    penalty : {"l2"}, default "l2"
        "l1" is refused.
    loss : {"squared_hinge", "hinge"}, default "squared_hinge"
    dual : {"auto", True, False}, default "auto"
        Which problem is solved; the optimum is the same. False solves the primal by Newton's
        method, which does not mind unscaled features. True solves the dual by coordinate descent.
        The dual eliminates a class of up to 32 samples beside a much larger one, which makes
        exemplar SVMs fast. "auto" is the primal, unless there are fewer samples than features or
        the loss is the hinge, which only the dual can solve.
    tol : float, default 1e-4
        In the primal, a bound on the norm of the gradient relative to that at zero weights, as in
        LIBLINEAR, and on ten times the largest change of a score by the last step. In the dual, a
        bound on the violation of the optimality conditions.
    C : float, default 1.0
    multi_class : {"ovr"}, default "ovr"
        One classifier per class against the rest. "crammer_singer" is refused.
    fit_intercept : bool, default True
    intercept_scaling : float, default 1.0
        Value of the constant feature whose weight is the (regularised) intercept.
    class_weight : dict, "balanced" or None, default None
        As in scikit-learn. With more than two classes, the weight of a class applies to its samples
        as positives of their own classifier; the other samples of that classifier weigh 1, as in
        LIBLINEAR.
    verbose : int, default 0
        For compatibility: nothing is printed.
    random_state : int, RandomState instance or None, default None
        Seeds the order in which the dual's coordinates are visited. None is a fixed seed: fits are
        reproducible on any number of threads (those of LIBLINEAR are not).
    max_iter : int, default 1000
        Most Newton steps of the primal, or epochs of the dual.
    n_threads : int or None, default None
        Threads for work on all samples. Default: as many as OpenMP may use.

    Attributes
    ----------
    coef_ : ndarray, shape (1, n_features) or (n_classes, n_features), dtype of X
    intercept_ : ndarray, shape (1,) or (n_classes,), or 0.0 without ``fit_intercept``
    classes_ : ndarray, shape (n_classes,)
    n_iter_ : int
        Steps or epochs of the classifier that took the most.
    n_features_in_ : int
    feature_names_in_ : ndarray, shape (n_features_in_,)
        Only after a fit on a data frame whose columns are strings.
    dual_gap_ : ndarray of float64, shape (1,) or (n_classes,)
        Duality gap that each classifier reached.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> import exemplar_svm as esvm
    >>> X, y = load_wine(return_X_y=True)
    >>> esvm.LinearSVC().fit(X, y).coef_.shape
    (3, 13)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "penalty": [StrOptions({"l1", "l2"})],
        "loss": [StrOptions(set(LOSSES))],
        "dual": ["boolean", StrOptions({"auto"})],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "multi_class": [StrOptions({"ovr", "crammer_singer"})],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        penalty: str = "l2",
        loss: str = "squared_hinge",
        *,
        dual: bool | str = "auto",
        tol: float = 1e-4,
        C: float = 1.0,
        multi_class: str = "ovr",
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        class_weight: dict[Any, float] | str | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        max_iter: int = 1000,
        n_threads: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.loss = loss
        self.dual = dual
        self.tol = tol
        self.C = C
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            float32 and float64 rows, dense or in CSR form with indices of 32 or 64 bits, are read
            in place; others are converted to float64, or to CSR.
        y : array-like, shape (n_samples,)
        sample_weight : array-like, shape (n_samples,), optional
            Factors on C, not negative; a sample of weight 0 takes no part.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, a label or a weight is out of range, there is one class, or the
            combination of parameters is not supported.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` steps were not enough.
        """
        self._require_supported()
        C = positive_number(self.C, "C")
        scaling = positive_number(self.intercept_scaling, "intercept_scaling")
        seed = (
            0
            if self.random_state is None
            else int(check_random_state(self.random_state).randint(2**31 - 1))
        )

        checked: tuple[Any, NDArray[Any]]
        checked = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        rows, targets = _as_rows(checked[0]), checked[1]
        check_classification_targets(targets)
        self.classes_, classes = np.unique(targets, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {self.classes_[0]!r}"
            )
        weights = self._sample_weights(sample_weight, checked[0])
        per_class = self._class_weights(targets, weights)

        binary = len(self.classes_) == 2
        coefs, intercepts, epochs, gaps, unfinished = [], [], [], [], False
        for positive in [1] if binary else range(len(self.classes_)):
            is_positive = classes == positive
            negative_weight = per_class[0] if binary else 1.0
            costs = C * weights * np.where(is_positive, per_class[positive], negative_weight)
            coef, intercept, _, status, n_epochs, _, gap = _core.train_linear_svc(
                for_core(rows),
                labels=np.where(is_positive, 1, -1).astype(np.int8),
                costs=costs,
                loss=LOSSES[self.loss],
                intercept_scaling=scaling if self.fit_intercept else 0.0,
                formulation=_FORMULATIONS[self.dual],
                tol=positive_number(self.tol, "tol"),
                max_iter=min(int(self.max_iter), 2**32 - 1),
                seed=seed,
                n_threads=thread_count(self.n_threads),
            )
            if not np.isfinite(gap):
                raise ValueError(
                    "X holds values so large that their squares overflow: scale the features"
                )
            coefs.append(coef)
            intercepts.append(intercept)
            epochs.append(n_epochs)
            gaps.append(gap)
            # As in scikit-learn, the last step allowed counts as not converged: only a further
            # step could tell that it was enough.
            unfinished |= STATUS_NAMES[status] == "epoch_limit" or n_epochs >= self.max_iter
        if unfinished:
            # The first sentence is scikit-learn's, so that filters made for it find this one.
            warnings.warn(
                "Liblinear failed to converge, increase the number of iterations. "
                f"(This is exemplar_svm: max_iter={self.max_iter} epochs were not enough to reach "
                f"tol={self.tol}; dual_gap_ tells how far the fit is from the optimum.)",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.coef_ = np.stack(coefs)
        self.intercept_ = np.array(intercepts, dtype=rows.dtype) if self.fit_intercept else 0.0
        self.n_iter_ = max(epochs)
        self.dual_gap_ = np.array(gaps)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Score samples.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,) for two classes, else (n_samples, n_classes)
            Positive where the class ``classes_[1]`` (of two), or the column's class, is predicted.
        """
        check_is_fitted(self)
        given: Any = self.coef_
        coefs = np.atleast_2d(given.toarray() if is_sparse(given) else given)
        # As in numpy, products of float32 samples and float64 weights are float64.
        wide = coefs.dtype != np.float32
        dtypes = np.float64 if wide else [np.float64, np.float32]
        rows = _as_rows(validate_data(self, X, accept_sparse="csr", dtype=dtypes, reset=False))
        intercepts = np.broadcast_to(self.intercept_, len(coefs))
        columns = [
            _core.score_rows(
                for_core(rows),
                coef=np.ascontiguousarray(coef, dtype=rows.dtype),
                intercept=float(intercept),
                n_threads=thread_count(self.n_threads),
            )
            for coef, intercept in zip(coefs, intercepts, strict=True)
        ]
        return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict classes.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,)
        """
        scores = self.decision_function(X)
        winners = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[winners])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _require_supported(self) -> None:
        """Refuse what scikit-learn refuses, in its words, and what only scikit-learn supports."""
        if self.multi_class != "ovr":
            raise ValueError(
                f"multi_class={self.multi_class!r} is not supported by exemplar_svm.LinearSVC, "
                "which trains one classifier per class (multi_class='ovr'); sklearn.svm.LinearSVC "
                "supports it"
            )
        reason = None
        if self.penalty != "l2":
            reason = (
                f"penalty={self.penalty!r} is not supported by exemplar_svm.LinearSVC, "
                "whose solvers need penalty='l2'; sklearn.svm.LinearSVC supports it"
            )
        elif self.loss == "hinge" and _FORMULATIONS[self.dual] is _core.Formulation.primal:
            reason = (
                "The combination of penalty='l2' and loss='hinge' are not supported when "
                "dual=False: pass dual=True or dual='auto'"
            )
        if reason:
            raise ValueError(
                f"Unsupported set of arguments: {reason}, Parameters: penalty={self.penalty!r}, "
                f"loss={self.loss!r}, dual={self.dual!r}"
            )

    def _sample_weights(self, sample_weight: ArrayLike | None, X: Any) -> NDArray[np.float64]:
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("sample_weight is zero for every sample")
        return np.asarray(weights)

    def _class_weights(
        self, y: NDArray[Any], sample_weight: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        options: dict[str, Any] = {}
        if "sample_weight" in inspect.signature(compute_class_weight).parameters:
            options["sample_weight"] = sample_weight
        per_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y, **options)
        weights = np.asarray(per_class, dtype=np.float64)
        for label, weight in zip(self.classes_, weights, strict=True):
            if not (np.isfinite(weight) and weight >= 0):
                raise ValueError(
                    f"class_weight is {weight} for class {label!r}, but must be finite and not "
                    "negative"
                )
        return weights


def _as_rows(X: Any) -> FloatArray | SparseRows:
    """View checked samples as rows that the core reads in place."""
    if is_sparse(X):
        return as_sparse_rows(X, "X", None)
    return as_dense_rows(X, "X", None)
