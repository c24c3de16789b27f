"""The exemplar SVM, solved the obvious way: every sample in one matrix, everything in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class Problem:
    """``min 1/2 |w - w0|^2 + sum_i cost_i loss(label_i w.x_i)``, the intercept as a feature."""

    samples: Floats
    labels: Floats
    costs: Floats
    start: Floats
    loss: str

    def primal(self, w: Floats) -> float:
        hinge = np.maximum(0, 1 - self.labels * (self.samples @ w))
        losses = hinge if self.loss == "hinge" else hinge**2
        return float(0.5 * np.sum((w - self.start) ** 2) + self.costs @ losses)

    def dual(self, a: Floats) -> float:
        signed = self.labels * a
        norm = np.sum((self.samples.T @ signed) ** 2)
        linear = a @ (1 - self.labels * (self.samples @ self.start))
        extra = 0.0 if self.loss == "hinge" else np.sum(a**2 / (4 * self.costs))
        return float(linear - 0.5 * norm - extra)


def exemplar_problem(
    positives: Floats,
    rows: Floats,
    *,
    C: float = 0.1,
    loss: str = "squared_hinge",
    class_weight: tuple[float, float] | None = None,
    intercept_scaling: float = 1.0,
    center: bool = False,
    prior: float = 0.0,
) -> Problem:
    """State the problem as the documentation of ExemplarIndex does."""
    positives, rows = np.asarray(positives, float), np.asarray(rows, float)
    p, n = len(positives), len(rows)
    mean = rows.mean(axis=0) if center and n else np.zeros(rows.shape[1])
    direction = prior * positives.mean(axis=0)
    samples = np.vstack([positives, rows]) - mean
    samples = np.hstack([samples, np.full((p + n, 1), intercept_scaling)])
    positive, negative = class_weight or ((n + p) / (2 * p), (n + p) / (2 * max(n, 1)))
    return Problem(
        samples=samples,
        labels=np.r_[np.ones(p), -np.ones(n)],
        costs=C * np.r_[np.full(p, positive), np.full(n, negative)],
        start=np.r_[direction, 0.0],
        loss=loss,
    )


def solve(problem: Problem) -> Floats:
    """Return the weights at the optimum."""
    if problem.loss == "hinge":
        return dual_coordinate_descent(problem)
    return newton(problem)


def newton(problem: Problem) -> Floats:
    """Minimise the squared hinge by Newton steps with backtracking; exact up to rounding."""
    w = problem.start.copy()
    for _ in range(500):
        slack = 1 - problem.labels * (problem.samples @ w)
        violated = slack > 0
        x, y, c = problem.samples[violated], problem.labels[violated], problem.costs[violated]
        gradient = w - problem.start - 2 * x.T @ (c * y * slack[violated])
        hessian = np.eye(len(w)) + 2 * (x.T * c) @ x
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while problem.primal(w - size * step) > problem.primal(w) and size > 1e-12:
            size /= 2
        w = w - size * step
        if np.abs(step).max() <= 1e-13 * max(1.0, np.abs(w).max()):
            break
    return w


def dual_coordinate_descent(problem: Problem, epochs: int = 20000) -> Floats:
    """Minimise the dual one coefficient at a time, all of them in turn, again and again."""
    a = np.zeros(len(problem.costs))
    w = problem.start.copy()
    squares = np.sum(problem.samples**2, axis=1)
    for _ in range(epochs):
        largest = 0.0
        for i, x in enumerate(problem.samples):
            gradient = problem.labels[i] * (x @ w) - 1
            wanted = a[i] - gradient / max(squares[i], 1e-300)
            new = min(max(wanted, 0.0), problem.costs[i])
            w += (new - a[i]) * problem.labels[i] * x
            largest = max(largest, abs(new - a[i]))
            a[i] = new
        if largest < 1e-14:
            break
    return w


def scores(problem: Problem, w: Floats) -> Floats:
    """Return the decision function of the rows (the samples with label -1)."""
    return problem.samples[problem.labels < 0] @ w
