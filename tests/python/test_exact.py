"""Searches of hard problems against optima that are proven in ball arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reference import exemplar

pytest.importorskip("flint", reason="needs python-flint: pip install exemplar-svm[test-exact]")

import exact_campaign
import exact_problems
from flint import arb

from reference import exact

LOSSES = ("squared_hinge", "hinge")
#: The command line of exact_campaign runs thousands.
SEEDS = [*range(500), *range(exact_problems.LARGE, exact_problems.LARGE + 10)]


def floats(values: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(v.mid()) for v in values])


@pytest.mark.parametrize("loss", LOSSES)
def test_the_exact_solver_agrees_with_the_obvious_one(loss: str) -> None:
    rng = np.random.default_rng(0)
    rows, positives = rng.standard_normal((40, 5)), rng.standard_normal((2, 5))
    settings: dict[str, Any] = {"C": 0.3, "loss": loss, "intercept_scaling": 2.0, "prior": 0.5}
    optimum = exact.solve(
        exact.exemplar_problem(positives, rows, mean=exact.exact_mean(rows), **settings)
    )
    obvious = exemplar.exemplar_problem(positives, rows, center=True, **settings)
    np.testing.assert_allclose(floats(optimum.weights), exemplar.solve(obvious), atol=1e-10)


def test_the_exact_solver_finds_an_optimum_known_in_closed_form() -> None:
    """With every row inside the margin all of the hinge's dual coefficients are at their bounds."""
    rng = np.random.default_rng(1)
    rows, positives = 1e-4 * rng.standard_normal((30, 3)), 1e-4 * rng.standard_normal((1, 3))
    optimum = exact.solve(exact.exemplar_problem(positives, rows, C=100.0, loss="hinge"))
    expected = 100 * (31 / 2 * positives[0] - 31 / 60 * rows.sum(axis=0))
    np.testing.assert_allclose(floats(optimum.weights[:-1]), expected, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_exact_solver_is_exact_where_float64_is_at_a_loss(loss: str) -> None:
    rng = np.random.default_rng(2)
    rows = 1e6 * np.vstack([rng.standard_normal((20, 6)), np.zeros((3, 6)), np.ones((4, 6))])
    rows[5] = rows[0]
    problem = exact.exemplar_problem(rows[:3] + 1, rows, C=1e6, loss=loss, intercept_scaling=1e5)
    optimum = exact.solve(problem)
    assert optimum.distance < arb(10) ** -exact.DIGITS
    assert problem.is_feasible(optimum.dual)
    excess = problem.primal(optimum.weights) - problem.dual(optimum.dual)
    assert abs(excess) < arb(10) ** -exact.DIGITS


def test_the_exact_solver_tells_feasible_dual_coefficients() -> None:
    rows = np.eye(3)
    problem = exact.exemplar_problem(rows[:1], rows, C=1.0, loss="hinge")
    assert problem.is_feasible([arb(0)] * 4)
    assert not problem.is_feasible([arb(3)] * 4)


def unremarkable_case() -> exact_problems.Case:
    for seed in range(1000):
        case = exact_problems.draw(seed)
        if case.kind == "normal" and case.storage == "float64" and len(case.rows) > 20:
            settings = {**exact_problems.DEFAULTS, "C": 0.1, "center": True}
            query = {"call": case.query["call"], "k": 10}
            return replace(case, settings=settings, query=query)
    raise AssertionError("no such case")


def kinds_found(case: exact_problems.Case, answer: exact_problems.Answer) -> set[str]:
    optimum = exact.solve(exact_problems.exact_problem(case))
    return {kind for kind, _ in exact_problems.violations(case, answer, optimum)}


def test_the_judge_sees_answers_that_are_wrong() -> None:
    case = unremarkable_case()
    answer = exact_problems.run(case)
    off = answer.scores.copy()
    off[3] = np.nextafter(off[3], -np.inf) - 2 * answer.bound
    assert "score bound" in kinds_found(case, replace(answer, scores=off))
    swapped = answer.indices.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert "rank" in kinds_found(case, replace(answer, indices=swapped, certified=2))
    assert "not finite" in kinds_found(case, replace(answer, scores=off * np.nan))
    assert "too few" in kinds_found(case, replace(answer, scores=off[:4], indices=swapped[:4]))
    zero = replace(answer.model, coef_=0 * answer.model.coef_)
    assert {"zero model", "model bound"} <= kinds_found(case, replace(answer, model=zero))
    bragging = replace(answer.model, duality_gap_=0.0)
    assert any(
        kind.startswith("gap") for kind in kinds_found(case, replace(answer, model=bragging))
    )


def test_a_seed_makes_the_same_problem_again() -> None:
    one, other = exact_problems.draw(17), exact_problems.draw(17)
    assert one.describe() == other.describe()
    np.testing.assert_array_equal(one.values, other.values)


def test_no_search_of_a_hard_problem_breaks_a_promise() -> None:
    outcomes = exact_campaign.judge_in_processes(SEEDS, jobs=2)
    broken = [
        f"seed {o['seed']}: {kind}: {text} [{o['describe']}]"
        for o in outcomes
        for kind, text in exact_campaign.promises(o)
    ]
    assert not broken, "\n".join([f"{len(broken)} violations:", *sorted(broken)])
