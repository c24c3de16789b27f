"""scikit-learn's LinearSVC on this library's solver."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state, compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as missing:
    raise ImportError(
        "exemplar_svm.LinearSVC is a scikit-learn estimator and needs scikit-learn 1.6 or newer: "
        "pip install 'exemplar-svm[sklearn]'"
    ) from missing

from . import _core
from ._result import STATUS_NAMES
from ._settings import LOSSES
from ._validation import as_dense_rows, positive_integer, positive_number, thread_count

if TYPE_CHECKING:
    from typing import Self


class LinearSVC(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Linear support vector classification, as ``sklearn.svm.LinearSVC``.

    The same problem and the same optimum (the intercept is regularised), solved in the dtype of
    the data and without a copy of it. A class of up to 32 samples beside a much larger one is
    eliminated, which makes exemplar SVMs fast; otherwise this is dual coordinate descent as in
    LIBLINEAR.

    Parameters
    ----------
    penalty : {"l2"}, default "l2"
    loss : {"squared_hinge", "hinge"}, default "squared_hinge"
    dual : {"auto", True, False}, default "auto"
        For compatibility: the dual is solved whatever is given. The optimum is the same.
    tol : float, default 1e-4
        Largest violation of an optimality condition when the solver stops.
    C : float, default 1.0
    multi_class : {"ovr"}, default "ovr"
        One classifier per class against the rest.
    fit_intercept : bool, default True
    intercept_scaling : float, default 1.0
        Value of the constant feature whose weight is the (regularised) intercept.
    class_weight : dict, "balanced" or None, default None
        As in scikit-learn. With more than two classes the weight of a class applies to its own
        samples as positives; the rest of that classifier weighs 1, as in LIBLINEAR.
    verbose : int, default 0
        For compatibility: nothing is printed.
    random_state : int, RandomState instance or None, default None
        Seeds the order of visits. None is a fixed seed: fits are reproducible, on any number of
        threads, which LIBLINEAR's are not.
    max_iter : int, default 1000
        Most epochs.
    n_threads : int or None, default None
        Threads for the verifying scans; default: all that OpenMP may use.

    Attributes
    ----------
    coef_ : ndarray, shape (1, n_features) or (n_classes, n_features), dtype of X
    intercept_ : ndarray, shape (1,) or (n_classes,)
    classes_ : ndarray, shape (n_classes,)
    n_iter_ : int
        Epochs of the classifier that took the most.
    n_features_in_ : int
    dual_gap_ : ndarray of float64, shape (1,) or (n_classes,)
        Duality gap that each classifier reached.
    """

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

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            float32 and float64 rows are read in place; anything else is converted to float64.
        y : array-like, shape (n_samples,)
        sample_weight : array-like, shape (n_samples,), optional
            Factors on C.

        Returns
        -------
        self

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` epochs were not enough.
        """
        self._require_known("penalty", ("l2",))
        self._require_known("loss", tuple(LOSSES))
        self._require_known("dual", ("auto", True, False))
        self._require_known("multi_class", ("ovr",))
        C = positive_number(self.C, "C")
        scaling = positive_number(self.intercept_scaling, "intercept_scaling")
        tol = positive_number(self.tol, "tol")
        max_iter = positive_integer(self.max_iter, "max_iter")
        threads = thread_count(self.n_threads)
        seed = (
            0
            if self.random_state is None
            else int(check_random_state(self.random_state).randint(2**31 - 1))
        )

        checked: tuple[NDArray[Any], NDArray[Any]]
        checked = validate_data(self, X, y, dtype=[np.float64, np.float32])
        rows, targets = as_dense_rows(checked[0], "X", None), checked[1]
        check_classification_targets(targets)
        self.classes_, classes = np.unique(targets, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "y holds one class, but a classifier needs samples of at least two classes"
            )
        weights = self._sample_weights(sample_weight, len(rows))
        per_class = self._class_weights(targets, weights)

        binary = len(self.classes_) == 2
        coefs, intercepts, epochs, gaps, unfinished = [], [], [], [], False
        for positive in [1] if binary else range(len(self.classes_)):
            is_positive = classes == positive
            negative_weight = per_class[0] if binary else 1.0
            costs = C * weights * np.where(is_positive, per_class[positive], negative_weight)
            coef, intercept, _, status, n_epochs, _, gap = _core.train_linear_svc(
                rows,
                labels=np.where(is_positive, 1, -1).astype(np.int8),
                costs=costs,
                loss=LOSSES[self.loss],
                intercept_scaling=scaling if self.fit_intercept else 0.0,
                tol=tol,
                max_iter=max_iter,
                seed=seed,
                n_threads=threads,
            )
            coefs.append(coef)
            intercepts.append(intercept)
            epochs.append(n_epochs)
            gaps.append(gap)
            unfinished |= STATUS_NAMES[status] == "epoch_limit"
        if unfinished:
            warnings.warn(
                f"max_iter={max_iter} epochs were not enough to reach tol={tol}; dual_gap_ tells "
                "how far the fit is from the optimum",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coef_ = np.stack(coefs)
        self.intercept_ = np.array(intercepts, dtype=rows.dtype)
        self.n_iter_ = max(epochs)
        self.dual_gap_ = np.array(gaps)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Score samples.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,) for two classes, else (n_samples, n_classes)
            Positive where the class ``classes_[1]`` (of two), or the column's class, is predicted.
        """
        check_is_fitted(self)
        checked = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        rows = as_dense_rows(checked, "X", None)
        columns = [
            _core.score_rows(
                rows,
                coef=coef.astype(rows.dtype, copy=False),
                intercept=float(intercept),
                n_threads=thread_count(self.n_threads),
            )
            for coef, intercept in zip(self.coef_, self.intercept_, strict=True)
        ]
        return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict classes.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,)
        """
        scores = self.decision_function(X)
        winners = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[winners])

    def _require_known(self, name: str, known: tuple[Any, ...]) -> None:
        value = getattr(self, name)
        if value not in known:
            raise ValueError(f"{name} is {value!r}, but must be one of {known}")

    def _sample_weights(self, sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64]:
        if sample_weight is None:
            return np.ones(n)
        weights = np.asarray(sample_weight, dtype=np.float64)
        if weights.shape not in ((), (n,)):
            raise ValueError(f"sample_weight has shape {weights.shape}, but X has {n} samples")
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError("sample_weight holds values that are negative or not finite")
        if not weights.any():
            raise ValueError("sample_weight is zero for every sample")
        return np.broadcast_to(weights, (n,)).copy()

    def _class_weights(
        self, y: NDArray[Any], sample_weight: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        options: dict[str, Any] = {}
        if "sample_weight" in inspect.signature(compute_class_weight).parameters:
            options["sample_weight"] = sample_weight
        per_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y, **options)
        return np.asarray(per_class, dtype=np.float64)
