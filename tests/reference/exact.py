"""The exemplar SVM, solved slowly in ball arithmetic, with a proof of how exact the answer is.

Every number is taken as it is stored: rows, examples, C and weights are binary fractions, and
costs, means and the prior's direction are the rationals that follow from them. An interior-point
method (Mehrotra, SIAM J. Optim. 2, 1992) finds dual coefficients with a thousand bits. The proof
does not depend on how they were found: with ``w = w0 + sum a_i y_i x_i`` the duality gap, whose
terms are never negative, is evaluated in ball arithmetic (Johansson, IEEE Trans. Comput. 66, 2017),
and ``|w - w*| <= sqrt(gap)`` since primal and dual are 1-strongly convex in the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray

#: Scores are found to so many digits, relative to the length of the weights.
DIGITS = 45
_PATIENCE = 400

Vector = list[Any]  # of arb


@dataclass
class Problem:
    """``min 1/2 |w - start|^2 + sum_i cost_i loss(label_i w.x_i)``, the intercept as a feature."""

    samples: list[Vector]
    labels: list[int]
    costs: Vector
    start: Vector
    mean: Vector
    intercept_scaling: Any
    hinge: bool
    bits: int

    def extend(self, row: NDArray[Any]) -> Vector:
        """Return a row less the mean, and the constant feature."""
        ctx.prec = self.bits
        values = [_arb(x) - m for x, m in zip(row.tolist(), self.mean, strict=True)]
        return [*values, self.intercept_scaling]

    def primal(self, w: Vector) -> Any:
        ctx.prec = self.bits
        margins = [_positive(1 - y * _dot(x, w)) for x, y in self._samples()]
        losses = margins if self.hinge else [u * u for u in margins]
        apart = [a - b for a, b in zip(w, self.start, strict=True)]
        return _dot(apart, apart) / 2 + _dot(self.costs, losses)

    def weights_of(self, dual: Vector) -> Vector:
        """Return the weights that dual coefficients stand for."""
        ctx.prec = self.bits
        signed = arb_mat(1, len(dual), [a * y for a, y in zip(dual, self.labels, strict=True)])
        step = signed * arb_mat(self.samples) if dual else arb_mat(1, len(self.start))
        return [a + b for a, b in zip(self.start, step.entries(), strict=True)]

    def dual(self, dual: Vector) -> Any:
        """Return the dual objective: no primal one is below it."""
        w = self.weights_of(dual)
        apart = [a - b for a, b in zip(w, self.start, strict=True)]
        linear = sum(
            (a * (1 - y * _dot(x, self.start)) for (x, y), a in _zip(self._samples(), dual)),
            arb(0),
        )
        penalties = [arb(0)] if self.hinge else [a * a / (4 * c) for a, c in _zip(dual, self.costs)]
        return linear - _dot(apart, apart) / 2 - sum(penalties, arb(0))

    def gap(self, dual: Vector) -> Any:
        """Return primal minus dual objective where the weights are those of the coefficients.

        From terms that are never negative.
        """
        w = self.weights_of(dual)
        total = arb(0)
        for (x, y), a, cost in zip(self._samples(), dual, self.costs, strict=True):
            u = 1 - y * _dot(x, w)
            over, under = _positive(u), _positive(-u)
            loss = (cost - a) * over if self.hinge else cost * (over - a / (2 * cost)) ** 2
            total += loss + a * under
        return total

    def is_feasible(self, dual: Vector) -> bool:
        """Whether all dual coefficients are certainly within their bounds."""
        return all(
            a >= 0 and (not self.hinge or a <= cost)
            for a, cost in zip(dual, self.costs, strict=True)
        )

    def _samples(self) -> Any:
        return zip(self.samples, self.labels, strict=True)


@dataclass
class Optimum:
    """Weights, and a proven bound on their distance from the optimal ones."""

    problem: Problem
    weights: Vector
    distance: Any
    dual: Vector
    steps: int

    def score(self, row: NDArray[Any]) -> Any:
        """Return the exact score of a row, as a ball that contains it."""
        return self._product(self.problem.extend(row))

    def difference(self, row: NDArray[Any], other: NDArray[Any]) -> Any:
        """Return how much more a row scores than another: sharper than the difference of scores."""
        ctx.prec = self.problem.bits
        apart = [_arb(a) - _arb(b) for a, b in zip(row.tolist(), other.tolist(), strict=True)]
        return self._product([*apart, arb(0)])

    def _product(self, x: Vector) -> Any:
        ctx.prec = self.problem.bits
        return _dot(x, self.weights) + arb(0, (self.distance * _length(x)).upper())


def exemplar_problem(
    positives: NDArray[Any],
    rows: NDArray[Any],
    *,
    negatives: NDArray[Any] | None = None,
    positive_weights: Sequence[float] | None = None,
    negative_weights: Sequence[float] | None = None,
    C: float = 0.1,
    loss: str = "squared_hinge",
    class_weight: tuple[float, float] | None = None,
    intercept_scaling: float = 1.0,
    mean: Sequence[Any] | None = None,
    prior: float = 0.0,
    rounded_costs: bool = False,
) -> Problem:
    """State the problem as the documentation of ExemplarIndex does, without rounding.

    Parameters
    ----------
    positives, rows, negatives : ndarray, shape (p, d), (n, d) and (q, d)
        Examples and the rows of the background, of any float type.
    class_weight : (positive, negative) or None
        None: balanced.
    mean : d numbers, optional
        What rows and examples are to be taken less of: see `exact_mean`.
    rounded_costs : bool
        Costs as float64 arithmetic has them: another problem, which explains differences.
    """
    d = positives.shape[1]
    negatives = np.empty((0, d)) if negatives is None else negatives
    p, q, n = len(positives), len(negatives), len(rows)
    as_cost = float if rounded_costs else _fmpq
    if class_weight is None:
        positive = as_cost(C) * (n + q + p) / (2 * p)
        negative = as_cost(C) * (n + q + p) / (2 * max(n + q, 1))
    else:
        positive, negative = (as_cost(C) * as_cost(weight) for weight in class_weight)
    p_weights = [_fmpq(w) for w in positive_weights or [1.0] * p]
    example_weights = [*(positive_weights or [1.0] * p), *(negative_weights or [1.0] * q)]
    costs = [_fmpq(positive * as_cost(w)) for w in example_weights] + [_fmpq(negative)] * n

    stacked = np.vstack([positives, negatives, rows]).astype(float)
    bits = _bits(stacked)
    ctx.prec = bits
    center = [_arb(m) for m in mean] if mean is not None else [arb(0)] * d
    share = [arb(w / sum(p_weights, fmpq(0))) for w in p_weights]
    direction = [
        _arb(prior) * _dot(share, [_arb(x) for x in column]) for column in positives.T.tolist()
    ]
    problem = Problem(
        samples=[],
        labels=[1] * p + [-1] * (q + n),
        costs=[arb(c) for c in costs],
        start=[*direction, arb(0)],
        mean=center,
        intercept_scaling=_arb(intercept_scaling),
        hinge=loss == "hinge",
        bits=bits,
    )
    problem.samples = [problem.extend(x) for x in stacked]
    return problem


def exact_mean(rows: NDArray[Any]) -> list[Any]:
    """Return the mean of rows as rationals."""
    return [sum(map(_fmpq, column), fmpq(0)) / len(rows) for column in rows.T.tolist()]


def solve(problem: Problem) -> Optimum:
    """Return the optimal weights to `DIGITS` digits, proven.

    Raises
    ------
    ArithmeticError
        If they were not found, which no problem has led to yet.
    """
    ctx.prec = problem.bits
    merged, groups = _merge_equal(problem)
    iterates = _InteriorPoint(merged)
    goal = arb(10) ** -DIGITS
    for steps in range(_PATIENCE):
        iterates.step()
        # The gap is about that of the central path: try the proof where it may succeed.
        scale = min(arb(1), max(map(abs, iterates.w[:-1]), default=arb(1))).mid()
        scale = max(scale, arb(2) ** (-problem.bits // 6))
        if not iterates.gap_estimate() < (goal * scale) ** 2:
            continue
        merged_dual = iterates.dual()
        distance = merged.gap(merged_dual).upper().sqrt().upper()
        if distance < goal * scale * 10 and merged.is_feasible(merged_dual):
            dual = [arb(0)] * len(problem.costs)
            for group, a in zip(groups, merged_dual, strict=True):
                for i in group:  # in proportion to the costs, which keeps the objective
                    dual[i] = a * problem.costs[i] / sum((problem.costs[j] for j in group), arb(0))
            balls = merged.weights_of(merged_dual)
            rounding = _length([w.rad() for w in balls])
            weights = [w.mid() for w in balls]
            return Optimum(problem, weights, (distance + rounding).upper(), dual, steps)
    gap = iterates.gap_estimate().str(3)
    raise ArithmeticError(f"no optimum after {_PATIENCE} steps, but a gap of {gap}")


class _InteriorPoint:
    """Mehrotra's predictor and corrector for the dual, whose Newton systems have d + 1 unknowns.

    With ``z_i = y_i x_i``, slacks s of ``a >= 0`` and t of ``a <= C`` (the hinge's only):
    ``z w - 1 + D a - s + t = 0``, ``a s = mu``, ``(C - a) t = mu``, ``w = w0 + z'a``.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.z = [[(y * v).mid() for v in x] for x, y in problem._samples()]
        self.costs = [c.mid() for c in problem.costs]
        self.start = [v.mid() for v in problem.start]
        self.hinge = problem.hinge
        n = len(self.z)
        self.Z = arb_mat(self.z)
        self.Zt = self.Z.transpose()
        self.D = [arb(0) if self.hinge else 1 / (2 * c) for c in self.costs]
        self.a = [c / 2 if self.hinge else c for c in self.costs]
        self.w = self._weights()
        v = self._violations([arb(0)] * n, [arb(0)] * n)
        self.s = [max(arb(0), x).mid() + 1 for x in v]
        self.t = [max(arb(0), -x).mid() + 1 for x in v] if self.hinge else [arb(0)] * n

    def dual(self) -> Vector:
        return self.a

    def gap_estimate(self) -> Any:
        total = _dot(self.a, self.s)
        if self.hinge:
            total += _dot([c - a for c, a in zip(self.costs, self.a, strict=True)], self.t)
        return total.mid()

    def step(self) -> None:
        n = len(self.a)
        count = 2 * n if self.hinge else n
        room = [c - a for c, a in zip(self.costs, self.a, strict=True)]
        mu = self.gap_estimate() / count
        zero = [arb(0)] * n
        p = [-a * s for a, s in zip(self.a, self.s, strict=True)]
        q = [-r * t for r, t in zip(room, self.t, strict=True)]
        da, ds, dt = self._direction(room, p, q)
        length = self._length(room, da, ds, dt, arb(1))
        affine = sum(
            ((a + length * x) * (s + length * y) for a, s, x, y in _zip(self.a, self.s, da, ds)),
            arb(0),
        )
        if self.hinge:
            affine += sum(
                ((r - length * x) * (t + length * y) for r, t, x, y in _zip(room, self.t, da, dt)),
                arb(0),
            )
        sigma = (affine / count / mu) ** 3
        target = sigma * mu
        p = [target - a * s - x * y for a, s, x, y in _zip(self.a, self.s, da, ds)]
        if self.hinge:
            q = [target - r * t + x * y for r, t, x, y in _zip(room, self.t, da, dt)]
        else:
            q = zero
        da, ds, dt = self._direction(room, p, q)
        # Close to the boundary only as fast as the path is followed.
        short = 1 - min(arb("0.1"), max(sigma, arb(10) ** -60)).mid()
        length = self._length(room, da, ds, dt, short)
        self.a = [(a + length * x).mid() for a, x in zip(self.a, da, strict=True)]
        self.s = [(s + length * x).mid() for s, x in zip(self.s, ds, strict=True)]
        self.t = [(t + length * x).mid() for t, x in zip(self.t, dt, strict=True)]
        self.w = self._weights()

    def _direction(self, room: Vector, p: Vector, q: Vector) -> tuple[Vector, Vector, Vector]:
        theta, rhs = [], []
        r = self._violations(self.s, self.t)
        for i in range(len(self.a)):
            diagonal = self.D[i] + self.s[i] / self.a[i]
            right = -r[i] + p[i] / self.a[i]
            if self.hinge:
                diagonal += self.t[i] / room[i]
                right -= q[i] / room[i]
            theta.append(diagonal.mid())
            rhs.append(right.mid())
        d = len(self.w)
        scaled = arb_mat(
            [[v / t for v in x] for x, t in zip(self.z, theta, strict=True)]
        ).transpose()
        system = (scaled * self.Z).mid()
        for c in range(d):
            system[c, c] = (system[c, c] + 1).mid()
        right_side = (scaled * arb_mat(len(rhs), 1, rhs)).mid()
        dw = system.solve(right_side, algorithm="approx").mid()
        product = (self.Z * dw).entries()
        da = [((b - x) / t).mid() for b, x, t in zip(rhs, product, theta, strict=True)]
        ds = [((x - s * y) / a).mid() for x, s, y, a in _zip(p, self.s, da, self.a)]
        dt = [((x + t * y) / m).mid() for x, t, y, m in _zip(q, self.t, da, room)]
        return da, ds, dt if self.hinge else [arb(0)] * len(da)

    def _length(self, room: Vector, da: Vector, ds: Vector, dt: Vector, short: Any) -> Any:
        """Return how far a step may go: up to 1, or the part ``short`` of the way to a bound."""
        length = arb(1)
        falling = [(self.a, da), (self.s, ds)]
        if self.hinge:
            falling += [(room, [-x for x in da]), (self.t, dt)]
        for values, steps in falling:
            for value, step in zip(values, steps, strict=True):
                if value + length * step <= value * (1 - short) and step < 0:
                    length = (short * value / -step).mid()
        return length

    def _weights(self) -> Vector:
        step = (self.Zt * arb_mat(len(self.a), 1, self.a)).entries()
        return [(a + b).mid() for a, b in zip(self.start, step, strict=True)]

    def _violations(self, s: Vector, t: Vector) -> Vector:
        product = (self.Z * arb_mat(len(self.w), 1, self.w)).entries()
        return [
            (f - 1 + D * a - x + y).mid() for f, D, a, x, y in _zip(product, self.D, self.a, s, t)
        ]


def _merge_equal(problem: Problem) -> tuple[Problem, list[list[int]]]:
    """Replace equal samples of one label by one with the sum of their costs: the same problem."""
    groups: dict[Any, list[int]] = {}
    for i, (x, y) in enumerate(problem._samples()):
        groups.setdefault((y, *(v.mid().man_exp() for v in x)), []).append(i)
    members = list(groups.values())
    merged = Problem(
        samples=[problem.samples[group[0]] for group in members],
        labels=[problem.labels[group[0]] for group in members],
        costs=[sum((problem.costs[i] for i in group), arb(0)) for group in members],
        start=problem.start,
        mean=problem.mean,
        intercept_scaling=problem.intercept_scaling,
        hinge=problem.hinge,
        bits=problem.bits,
    )
    return merged, members


def _bits(samples: NDArray[np.float64]) -> int:
    """Return a precision: a thousand bits, and more where squares of the values are tiny."""
    largest = float(np.abs(samples).max(initial=0.0))
    tiny = max(0.0, -math.log2(largest)) if largest > 0 else 0.0
    return 1024 + 8 * int(tiny)


def _arb(value: Any) -> Any:
    return arb(value)  # of a float: without rounding


def _fmpq(value: Any) -> Any:
    return value if isinstance(value, fmpq) else fmpq(*float(value).as_integer_ratio())


def _dot(x: Vector, y: Vector) -> Any:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))


def _length(x: Vector) -> Any:
    return _dot(x, x).upper().sqrt().upper()


def _positive(u: Any) -> Any:
    """Return the positive part of a ball; python's max would take one of two that overlap."""
    return u if u > 0 else arb(0) if u < 0 else arb(0).union(u.upper()) if u.upper() > 0 else arb(0)


def _zip(*vectors: Vector) -> Any:
    return zip(*vectors, strict=True)
