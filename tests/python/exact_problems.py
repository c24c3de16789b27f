"""Hard random problems, each made from its seed alone, and what must be true of their searches.

`draw` makes a `Case`: rows of some kind in some storage, settings, examples, masks, and a history
of the index and the session that are asked. `run` builds and asks, `violations` compares the
answer with the optimum that `reference.exact` proves.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray
from scipy import sparse

import exemplar_svm as esvm
from reference import exact

STORAGES = ("float32", "float64", "float16", "bfloat16", "int8", "int8 scaled", "csr32", "csr64")
KINDS = (
    "normal",
    "unit",
    "offset",
    "few distinct",
    "zeros",
    "dominating",
    "rank deficient",
    "large",
    "tiny",
    "lognormal",
    "lattice",
    "mixed columns",
)
HISTORIES = ("built", "added", "removed", "refreshed", "opened", "changed", "session")

Array = NDArray[Any]
Example = Any  # a row number, or a vector


@dataclass
class Case:
    """One search, and how the index came to be what it is."""

    seed: int
    kind: str
    storage: str
    history: str
    rows: Array  # as they are stored, by row number; dense also where the storage is CSR
    scales: Array | None
    index_dtype: str  # of CSR
    written_zeros: Array | None  # of CSR: mask of the zeros that are written out
    settings: dict[str, Any]
    positives: list[Example]
    negatives: list[Example]
    positive_weights: list[float] | None
    negative_weights: list[float] | None
    query: dict[str, Any]  # k, candidates, background and the like
    n_built: int  # rows that the index is built from; the others are added
    steps: list[tuple[Any, ...]]  # what then happens to the index and the session
    live: Array = field(default_factory=lambda: np.empty(0, bool))
    batch: list[Array] = field(default_factory=list)  # other queries of the same call
    batch_place: int = 0
    padding: int = 0  # elements between two rows in memory

    @property
    def is_csr(self) -> bool:
        return self.storage.startswith("csr")

    @property
    def working(self) -> np.dtype[Any]:
        """Dtype of scores and vectors."""
        return np.dtype(np.float64 if self.storage in ("float64", "csr64") else np.float32)

    @property
    def values(self) -> Array:
        """The rows as numbers: float32 or float64 values, of which the answer is a function."""
        if self.scales is not None:
            return self.scales[:, None] * self.rows.astype(np.float32)
        return self.rows.astype(self.working)

    def vector(self, example: Example) -> Array:
        return self.values[example] if isinstance(example, int) else np.asarray(example)

    def describe(self) -> str:
        """All that is not an array, in a line."""
        changed = {k: v for k, v in self.settings.items() if v != DEFAULTS.get(k)}
        asked = {
            k: f"{int(np.sum(v))} rows" if isinstance(v, np.ndarray) else v
            for k, v in self.query.items()
        }
        examples = f"{len(self.positives)}+{len(self.negatives)} examples"
        manner = f" batch of {len(self.batch) + 1}" if self.batch else ""
        return (
            f"{self.kind}, {self.storage}, {self.history}, n={len(self.rows)}, "
            f"d={self.rows.shape[1]}, {examples}, {_short(changed)}, {_short(asked)}{manner}"
        )


DEFAULTS: dict[str, Any] = {
    "loss": "squared_hinge",
    "class_weight": "balanced",
    "intercept_scaling": 1.0,
    "center": False,
    "prior": 0.0,
    "tol": 1e-4,
    "max_iter": 1000,
    "method": "auto",
    "sketch": None,
}


#: Seeds from here on make problems of more rows, of which working sets leave some outside.
LARGE = 1_000_000


def draw(seed: int) -> Case:
    """Make the problem of a seed."""
    rng = np.random.default_rng(seed)
    kind, storage = str(rng.choice(KINDS)), str(rng.choice(STORAGES))
    history = "built" if rng.random() < 0.4 else str(rng.choice(HISTORIES))
    large = rng.random() < 0.04
    n = int(rng.integers(200, 1500)) if large else int(rng.integers(1, 61))
    d = int(rng.integers(1, 7)) if large else int(rng.integers(1, 13))
    if seed >= LARGE:
        n = int(10 ** rng.uniform(1.8, 3.2))
    wide, scale = _draw_rows(rng, kind, storage, n, d)
    rows, scales, written = _store(rng, wide, storage)
    settings = _draw_settings(rng, storage)
    case = Case(
        seed=seed,
        kind=kind,
        storage=storage,
        history=history,
        rows=rows,
        scales=scales,
        index_dtype=str(rng.choice(["int32", "int64"])),
        written_zeros=written,
        settings=settings,
        positives=[],
        negatives=[],
        positive_weights=None,
        negative_weights=None,
        query={},
        n_built=n,
        steps=[],
        live=np.ones(n, bool),
    )
    _draw_steps(rng, case)
    _draw_examples(rng, case, scale)
    _draw_query(rng, case)
    if history == "session":
        _draw_session(rng, case, scale)
    _draw_manner(rng, case, scale)
    return case


def _draw_rows(
    rng: np.random.Generator, kind: str, storage: str, n: int, d: int
) -> tuple[Array, float]:
    """Return rows in float64, and the scale of their differences."""
    x = rng.standard_normal((n, d))
    is64 = storage in ("float64", "csr64")
    scale = 1.0
    if kind == "unit":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    elif kind == "offset":
        x += 10 ** rng.uniform(0.5, 6) * rng.choice([-1, 1], d)
    elif kind == "few distinct":
        x = x[rng.integers(0, min(n, int(rng.integers(1, 6))), n)]
    elif kind == "zeros":
        x[rng.random(n) < rng.uniform(0.2, 1)] = 0
    elif kind == "dominating":
        x[rng.integers(n)] *= 10 ** rng.uniform(2, 6)
    elif kind == "rank deficient":
        rank = int(rng.integers(1, max(2, d // 2 + 1)))
        x = rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, d)).astype(float)
    elif kind == "large":
        scale = 10 ** rng.uniform(1, 6)
    elif kind == "tiny":
        squares_vanish = is64 and rng.random() < 0.7
        scale = 10 ** -(rng.uniform(150, 165) if squares_vanish else rng.uniform(5, 24))
    elif kind == "lognormal":
        x *= 10 ** rng.uniform(-1, 4.4, (n, 1))
    elif kind == "lattice":
        x = rng.integers(-1, 2, (n, d)).astype(float)
    elif kind == "mixed columns":
        x = x * 10 ** rng.uniform(-3, 5, d) + 10 ** rng.uniform(-3, 5, d) * (rng.random(d) < 0.5)
    x = x * scale
    if rng.random() < 0.3:  # twins, which are not neighbours
        x = x[rng.permutation(rng.integers(0, n, n))]
    return x, scale


def _store(
    rng: np.random.Generator, wide: Array, storage: str
) -> tuple[Array, Array | None, Array | None]:
    """Return rows as they are stored, their scales, and which zeros are written."""
    if storage == "float16":
        limit = np.abs(wide).max(initial=1.0)
        return (wide * min(1.0, 6e4 / limit)).astype(np.float16), None, None
    if storage == "bfloat16":
        return wide.astype(ml_dtypes.bfloat16), None, None
    if storage.startswith("int8"):
        limit = max(float(np.abs(wide).max(initial=0.0)), 1e-300)
        by_row = np.maximum(np.abs(wide).max(axis=1, initial=0.0), 1e-300)
        if storage == "int8":
            return np.rint(wide / limit * 127).astype(np.int8), None, None
        codes = np.rint(wide / by_row[:, None] * 127).astype(np.int8)
        scales = (by_row / 127 if rng.random() < 0.7 else np.full(len(wide), limit / 127)).astype(
            np.float32
        )
        return codes, scales, None
    if storage.startswith("csr"):
        values = np.where(rng.random(wide.shape) < rng.uniform(0.2, 1), wide, 0)
        if rng.random() < 0.3:  # equal rows again, which the zeros have made unequal
            values = values[rng.integers(0, len(values), len(values))]
        values = values.astype(np.float32 if storage == "csr32" else np.float64)
        written = (values == 0) & (rng.random(wide.shape) < 0.3) if rng.random() < 0.2 else None
        return values, None, written
    return wide.astype(storage), None, None


def _draw_settings(rng: np.random.Generator, storage: str) -> dict[str, Any]:
    dense = not storage.startswith("csr")
    methods = ["full", "working_set", "auto"] + (["gram", "working_set"] if dense else [])
    method = str(rng.choice(methods))
    sketch = "int8" if dense and method == "working_set" and rng.random() < 0.5 else None
    kinds_of_weight: list[Any] = ["balanced", None, "mapping"]
    weight = kinds_of_weight[rng.choice(3, p=[0.6, 0.2, 0.2])]
    if weight == "mapping":
        weight = {1: float(10 ** rng.uniform(-3, 3)), -1: float(10 ** rng.uniform(-3, 3))}
    return {
        "C": float(10 ** rng.uniform(-8, 6)) if rng.random() < 0.8 else 0.1,
        "loss": str(rng.choice(["squared_hinge", "hinge"])),
        "class_weight": weight,
        "intercept_scaling": 1.0 if rng.random() < 0.6 else float(10 ** rng.uniform(-3, 5)),
        "center": bool(rng.random() < 0.3),
        "prior": 0.0 if rng.random() < 0.75 else float(10 ** rng.uniform(-3, 1)),
        "tol": 1e-4 if rng.random() < 0.8 else float(10 ** rng.uniform(-10, -1)),
        "max_iter": 1000 if rng.random() < 0.9 else int(rng.choice([1, 2, 5, 20, 100])),
        "method": method,
        "sketch": sketch,
    }


def _draw_steps(rng: np.random.Generator, case: Case) -> None:
    """Draw what happens to the index before it is asked."""
    n = len(case.rows)
    if case.history in ("added", "changed", "session") and rng.random() < 0.8:
        case.n_built = int(rng.integers(0 if rng.random() < 0.1 else 1, n + 1))
    known = case.n_built
    if case.history == "refreshed":
        case.steps.append(("refresh",))
    for _ in range(int(rng.integers(1, 4)) if case.history in ("removed", "changed") else 0):
        present = np.flatnonzero(case.live[:known])
        if case.history == "changed" and rng.random() < 0.3:
            case.steps.append(("open", bool(rng.random() < 0.5)))
        if known < n and rng.random() < 0.5:
            known = _draw_addition(rng, case, known)
        elif len(present) > 1:
            gone = rng.choice(present, int(rng.integers(1, len(present))), replace=False)
            case.live[gone] = False
            case.steps.append(("remove", gone))
    if case.history == "opened":
        case.steps.append(("open", bool(rng.random() < 0.5)))
    while known < n:
        known = _draw_addition(rng, case, known)


def _draw_addition(rng: np.random.Generator, case: Case, known: int) -> int:
    end = int(rng.integers(known + 1, len(case.rows) + 1))
    case.steps.append(("add", known, end))
    return end


def _draw_vector(rng: np.random.Generator, case: Case, scale: float) -> Array:
    values = case.values.astype(float)
    base = values[rng.integers(len(values))]
    way = rng.random()
    if way < 0.4:
        vector = base + 0.1 * scale * rng.standard_normal(len(base)) * (base != 0)
    elif way < 0.6:
        vector = base
    elif way < 0.75:
        vector = values.mean(axis=0)
    elif way < 0.95:
        vector = scale * rng.standard_normal(len(base))
    else:
        vector = np.zeros(len(base))
    return vector.astype(case.working)


def _draw_example(rng: np.random.Generator, case: Case, scale: float) -> Example:
    present = np.flatnonzero(case.live)
    taken = [e for e in case.positives + case.negatives if isinstance(e, int)]
    free = np.setdiff1d(present, taken)
    if rng.random() < 0.5 and len(free):
        return int(rng.choice(free))
    return _draw_vector(rng, case, scale)


def _draw_weights(rng: np.random.Generator, count: int) -> list[float]:
    return [float(w) for w in 10 ** rng.uniform(-2, 2, count)]


def _draw_examples(rng: np.random.Generator, case: Case, scale: float) -> None:
    if rng.random() < 0.35 and case.history != "session":
        case.positives = [_draw_vector(rng, case, scale)]
        case.query["call"] = "search"
        return
    case.query["call"] = "search_shared"
    many = rng.random() < 0.05  # more than are eliminated
    for _ in range(int(rng.integers(33, 40)) if many else int(rng.integers(1, 6))):
        case.positives.append(_draw_example(rng, case, scale))
    for _ in range(int(rng.integers(1, 5)) if rng.random() < 0.35 else 0):
        case.negatives.append(_draw_example(rng, case, scale))
    if rng.random() < 0.3:
        case.positive_weights = _draw_weights(rng, len(case.positives))
    if case.negatives:
        case.negative_weights = _draw_weights(rng, len(case.negatives))
        if rng.random() < 0.5:
            case.negative_weights = [1.0] * len(case.negatives)


def _draw_query(rng: np.random.Generator, case: Case) -> None:
    n = len(case.rows)
    query = case.query
    query["k"] = int(rng.choice([1, 3, 10, n, n + 5]))
    if rng.random() < 0.25:
        query["candidates"] = rng.random(n) < rng.uniform(0.1, 1)
    if rng.random() < 0.25:
        query["background"] = rng.random(n) < rng.uniform(0.1, 1)
    if rng.random() < 0.2:
        query["duplicates"] = "ignore"
    if rng.random() < 0.2 and query["call"] != "search":
        query["include_positives"] = True
    if rng.random() < 0.1:
        query["certify"] = int(rng.integers(1, 6))
    query["n_threads"] = 1 if rng.random() < 0.9 else 2


def _draw_session(rng: np.random.Generator, case: Case, scale: float) -> None:
    """Let the examples of a case come and go, with searches between."""
    case.query["call"] = "session"
    final = {True: case.positives, False: case.negatives}
    weights = {True: case.positive_weights, False: case.negative_weights}
    sides = [(True, i) for i in range(len(case.positives))]
    sides += [(False, i) for i in range(len(case.negatives))]
    order = [sides[i] for i in rng.permutation(len(sides))]
    # Changes of the index come before, between and after.
    changes, case.steps = case.steps, []
    at_index = sorted(rng.integers(0, len(order) + 1, len(changes)))
    told: list[tuple[Any, ...]] = []
    pending = list(zip(at_index, changes, strict=True))
    known = case.n_built
    case.steps.append(("session", str(rng.choice(["int8", "none"]))))
    for position, (positive, i) in enumerate(order):
        while pending and pending[0][0] <= position:
            case.steps.append(pending.pop(0)[1])
        example = final[positive][i]
        weight = (weights[positive] or [1.0] * len(order))[i]
        while isinstance(example, int) and known_rows(case, known) <= example and pending:
            case.steps.append(pending.pop(0)[1])
        if rng.random() < 0.2:
            passing = _draw_vector(rng, case, scale)
            side = bool(rng.random() < 0.5)
            case.steps += [("like" if side else "dislike", passing, 1.0)]
            case.steps += [("search",)] if rng.random() < 0.5 else []
            case.steps += [("forget", passing)]
            # Forgetting takes every equal vector with it.
            case.steps += [
                step
                for step in told
                if not isinstance(step[1], int) and np.array_equal(step[1], passing)
            ]
        told.append(("like" if positive else "dislike", example, weight))
        case.steps.append(told[-1])
        if rng.random() < 0.5:
            case.steps.append(("search",))
    case.steps += [change for _, change in pending]


def _draw_manner(rng: np.random.Generator, case: Case, scale: float) -> None:
    """Draw what must not matter: other queries in the batch, and room between the rows."""
    if case.query["call"] == "search" and rng.random() < 0.3:
        case.batch = [_draw_vector(rng, case, scale) for _ in range(int(rng.integers(1, 4)))]
        case.batch_place = int(rng.integers(0, len(case.batch) + 1))
    case.padding = int(rng.integers(1, 5)) if rng.random() < 0.2 else 0
    if rng.random() < 0.03:
        case.query["timeout"] = float(10 ** rng.uniform(-7, -4))


def known_rows(case: Case, built: int) -> int:
    """Return how many rows the index has after the steps so far."""
    return max([built] + [step[2] for step in case.steps if step[0] == "add"])


@dataclass
class Answer:
    """What the library returned."""

    scores: Array
    indices: Array
    status: str
    gap: float
    bound: float
    certified: int
    epochs: int
    seconds: float  # of processor time
    all_scores: Array | None  # of decision_function
    model: Any
    mean: Array


def _csr(case: Case, first: int, last: int) -> Any:
    values = case.rows[first:last]
    entries = values != 0
    if case.written_zeros is not None:
        entries |= case.written_zeros[first:last]
    r, c = np.nonzero(entries)
    starts = np.concatenate([[0], np.cumsum(entries.sum(axis=1))]).astype(case.index_dtype)
    matrix = sparse.csr_matrix(values.shape, dtype=values.dtype)
    matrix.data, matrix.indices, matrix.indptr = values[r, c], c.astype(case.index_dtype), starts
    return matrix


def _build(case: Case) -> Any:
    n = case.n_built
    if case.is_csr:
        rows = _csr(case, 0, n)
    else:
        d = case.rows.shape[1]
        rows = np.ones((n, d + case.padding), case.rows.dtype)[:, :d]
        rows[...] = case.rows[:n]
    extra = {} if case.scales is None else {"row_scales": case.scales[:n]}
    if case.history == "refreshed":
        target = rows.data if case.is_csr else rows
        final = target.copy()
        target[...] = target[::-1] if len(target) else target
        index = esvm.ExemplarIndex(rows, **case.settings, **extra)
        target[...] = final
        return index
    return esvm.ExemplarIndex(rows, **case.settings, **extra)


def run(case: Case) -> Answer:
    """Ask the library."""
    before = time.process_time()
    query = dict(case.query)
    call = query.pop("call")
    index = _build(case)
    session = None
    for name, *arguments in case.steps:
        if name == "add":
            first, last = arguments
            index.add(_csr(case, first, last) if case.is_csr else case.values[first:last])
        elif name == "remove":
            index.remove(arguments[0])
        elif name == "refresh":
            index.refresh()
        elif name == "open":
            index = _reopened(index, arguments[0])
        elif name == "session":
            sketch = None if arguments[0] == "none" else arguments[0]
            session = index.session(sketch=sketch, n_threads=1)
        elif name == "search":
            if session._core.n_positives:
                session.search(k=3)
        elif name == "forget":
            session.forget(arguments[0])
        else:
            getattr(session, name)(*arguments)
    k = query.pop("k")
    examples: dict[str, Any] = {"negatives": case.negatives or None}
    if case.positive_weights is not None:
        examples["positive_weights"] = case.positive_weights
    if case.negatives:
        examples["negative_weight"] = case.negative_weights
    if call == "search":
        queries = [*case.batch]
        queries.insert(case.batch_place, case.positives[0])
        many = index.search(np.array(queries), k, **query)
        here = case.batch_place
        result = esvm.SearchResult(many.scores[here], many.indices[here], many.report[here])
    elif call == "session":
        result = session.search(k, **query)
    else:
        result = index.search_shared(case.positives, k, **examples, **query)
    shared = {x: query[x] for x in ("background", "duplicates", "n_threads") if x in query}
    model = index.fit(case.positives, **examples, **shared)
    everything = None
    if call == "search":
        everything = index.decision_function(case.positives[0], **shared)
    report = result.report
    return Answer(
        scores=result.scores,
        indices=result.indices,
        status=report.status,
        gap=report.duality_gap,
        bound=report.score_error_bound,
        certified=report.certified_k,
        epochs=report.epochs,
        seconds=time.process_time() - before,
        all_scores=everything,
        model=model,
        mean=model.mean_,
    )


def _reopened(index: Any, mmap: bool) -> Any:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "rows.esvm"
        index.save(path)
        return esvm.ExemplarIndex.open(path, mmap=mmap)


def background_of(case: Case) -> Array:
    """Return the mask of the rows that are negatives."""
    mask = case.live.copy()
    if "background" in case.query:
        mask &= case.query["background"]
    mask[[e for e in case.positives + case.negatives if isinstance(e, int)]] = False
    if case.query.get("duplicates") == "ignore":
        for example in case.positives:
            mask &= ~(case.values == case.vector(example)).all(axis=1)
    return mask


def candidates_of(case: Case) -> Array:
    """Return the mask of the rows that may be returned."""
    mask = case.live.copy()
    if "candidates" in case.query:
        mask &= case.query["candidates"]
    hidden = case.negatives + ([] if case.query.get("include_positives") else case.positives)
    mask[[e for e in hidden if isinstance(e, int)]] = False
    return mask


def exact_problem(case: Case, mean: Any = None, rounded_costs: bool = False) -> exact.Problem:
    """State the problem of a case; ``mean`` is that of the live rows unless given."""
    values = case.values
    weight = case.settings["class_weight"]
    if weight is None:
        pair: tuple[float, float] | None = (1.0, 1.0)
    else:
        pair = None if weight == "balanced" else (weight[1], weight[-1])
    if not case.settings["center"] or not case.live.any():
        mean = None
    elif mean is None:
        mean = exact.exact_mean(values[case.live])
    return exact.exemplar_problem(
        np.array([case.vector(e) for e in case.positives]),
        values[background_of(case)],
        negatives=np.array([case.vector(e) for e in case.negatives]).reshape(-1, values.shape[1]),
        positive_weights=case.positive_weights,
        negative_weights=case.negative_weights,
        C=case.settings["C"],
        loss=case.settings["loss"],
        class_weight=pair,
        intercept_scaling=case.settings["intercept_scaling"],
        mean=mean,
        prior=case.settings["prior"],
        rounded_costs=rounded_costs,
    )


def violations(case: Case, answer: Answer, optimum: exact.Optimum) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an answer: a name for the kind, and the numbers."""
    yield from _shape_violations(case, answer)
    if not np.isfinite(answer.scores[answer.indices >= 0]).all():
        return
    yield from _bound_violations(case, answer, optimum)
    yield from _rank_violations(case, answer, optimum)
    if answer.status != "deadline" and not np.isnan(answer.scores).any():
        yield from _equal_row_violations(case, answer)
    yield from _model_violations(case, answer, optimum)


def _shape_violations(case: Case, answer: Answer) -> Iterator[tuple[str, str]]:
    found = answer.indices >= 0
    mask = candidates_of(case)
    if answer.status == "invalid_input" or answer.model.report_.status == "invalid_input":
        yield "invalid input", "the input is valid"
    if np.isnan(answer.scores).any() or not np.isfinite(answer.scores[found]).all():
        yield "not finite", f"scores {answer.scores[:5]}"
    if not np.isfinite([*answer.model.coef_, answer.model.intercept_]).all():
        yield "not finite", f"model {answer.model.coef_[:5]}, {answer.model.intercept_}"
    if np.isnan([answer.bound, answer.gap, answer.model.duality_gap_]).any():
        yield "not finite", f"bound {answer.bound}, gaps {answer.gap}, {answer.model.duality_gap_}"
    if answer.bound < 0 or answer.gap < 0:
        yield "negative bound", f"bound {answer.bound}, gap {answer.gap}"
    if not mask[answer.indices[found]].all():
        yield "no candidate", f"{answer.indices[found][~mask[answer.indices[found]]][:5]}"
    if len(set(answer.indices[found].tolist())) < found.sum():
        yield "returned twice", f"{answer.indices}"
    if found.sum() < min(case.query["k"], mask.sum()) and answer.status != "deadline":
        yield "too few", f"{found.sum()} of {mask.sum()} candidates, k={case.query['k']}"
    pairs = list(zip((-answer.scores[found]).tolist(), answer.indices[found].tolist(), strict=True))
    if pairs != sorted(pairs):
        yield "not sorted", f"{answer.scores}, {answer.indices}"
    if answer.certified > found.sum():
        yield "certified too many", f"{answer.certified} of {found.sum()}"
    if answer.all_scores is not None:
        live = answer.all_scores[case.live]
        if not np.isfinite(live).all():
            yield "not finite", f"decision_function {live[:5]}"


def largest_error(case: Case, answer: Answer, optimum: exact.Optimum) -> tuple[Any, int]:
    """Return how far a returned score is from the exact one at most, and of which row."""
    errors = [
        (abs(arb(score) - optimum.score(case.values[i])), i)
        for i, score in zip(answer.indices.tolist(), answer.scores.tolist(), strict=True)
        if i >= 0 and np.isfinite(score)
    ]
    return max(errors, key=lambda error: error[0].mid(), default=(arb(0), -1))


def resolution(case: Case, optimum: exact.Optimum) -> float:
    """Return what one rounding of each product in a score amounts to, in the rows' dtype."""
    w = np.array([float(v.mid()) for v in optimum.weights])
    mean = np.array([float(m.mid()) for m in optimum.problem.mean])
    sizes = np.abs(case.values.astype(float)) @ np.abs(w[:-1])
    constant = abs(w[-1] * case.settings["intercept_scaling"] - mean @ w[:-1])
    return float(np.finfo(case.working).eps / 2 * (sizes.max(initial=0.0) + constant))


def _bound_violations(
    case: Case, answer: Answer, optimum: exact.Optimum
) -> Iterator[tuple[str, str]]:
    error, row = largest_error(case, answer, optimum)
    if np.isfinite(answer.bound) and error > arb(answer.bound):
        yield (
            "score bound",
            f"row {row} off by {float(error.mid()):.3g}, bound {answer.bound:.3g}, "
            f"score {float(optimum.score(case.values[row]).mid()):.4g}, {answer.status}",
        )


def _rank_violations(
    case: Case, answer: Answer, optimum: exact.Optimum
) -> Iterator[tuple[str, str]]:
    """Each certified rank is ahead of the next, and the last of them of all that are left."""
    ranked = answer.indices[: answer.certified].tolist()
    left = candidates_of(case)
    left[ranked] = False
    pairs = list(itertools.pairwise(ranked))
    pairs += [(ranked[-1], other) for other in np.flatnonzero(left).tolist()] if ranked else []
    for row, other in pairs:
        lead = optimum.difference(case.values[row], case.values[other])
        if lead < 0 or (not lead > 0 and other < row):
            equal = np.array_equal(case.values[row], case.values[other])
            yield (
                "rank of equal rows" if equal else "rank",
                f"rank {ranked.index(row)} of {answer.certified} certified: row {row} is behind "
                f"{other} by {lead.mid().str(3, radius=False)}, bound {answer.bound:.3g}, "
                f"{answer.status}",
            )
            return


def _equal_row_violations(case: Case, answer: Answer) -> Iterator[tuple[str, str]]:
    """Equal rows have equal scores and stay in the order of their numbers."""
    lists = [("search", answer.indices[answer.indices >= 0], answer.scores)]
    if answer.all_scores is not None:
        rows = np.flatnonzero(case.live)
        lists.append(("decision_function", rows, answer.all_scores[rows]))
    for name, rows, scores in lists:
        seen: dict[bytes, tuple[int, float]] = {}
        for row, score in zip(rows.tolist(), scores.tolist(), strict=False):
            key = (case.values[row] + 0).tobytes()  # of -0 and 0 the same
            first, same = seen.setdefault(key, (row, score))
            written = case.written_zeros is not None
            if same != score and not np.isnan(score):
                kind = "equal rows, zeros written" if written else "equal rows"
                yield kind, f"{name}: rows {first} and {row} score {same!r} and {score!r}"
                break
            if first > row:
                yield "equal rows out of order", f"{name}: row {first} is ahead of {row}"
                break


def _model_violations(
    case: Case, answer: Answer, optimum: exact.Optimum
) -> Iterator[tuple[str, str]]:
    model, problem = answer.model, optimum.problem
    if not np.isfinite(model.coef_).all() or not np.isfinite(model.intercept_):
        return
    ctx.prec = problem.bits
    largest = max((abs(w) for w in optimum.weights[:-1]), default=arb(0))
    longest = max(_length(x) for x in problem.samples)
    if not model.coef_.any() and largest * longest > arb(case.settings["tol"]):
        yield "zero model", f"largest weight is {float(largest):.3g}, {model.report_.status}"
    bound = model.report_.score_error_bound
    if np.isfinite(bound):
        # The model's scores, without the rounding of the product.
        for row in np.flatnonzero(case.live).tolist():
            x = case.values[row].tolist()
            score = sum((arb(w) * v for w, v in zip(model.coef_.tolist(), x, strict=True)), arb(0))
            score += arb(model.intercept_)
            error = abs(score - optimum.score(case.values[row]))
            if error > arb(bound):
                yield (
                    "model bound",
                    f"row {row} off by {float(error.mid()):.3g}, bound {bound:.3g}, "
                    f"{model.report_.status}",
                )
                break
    yield from _gap_violations(case, answer, optimum)


def _gap_violations(
    case: Case, answer: Answer, optimum: exact.Optimum
) -> Iterator[tuple[str, str]]:
    """The gap of `fit` is primal minus dual objective, at least, of what it returns."""
    model, problem = answer.model, optimum.problem
    dual = _dual_coefficients(case, answer)
    if dual is None:
        yield "support outside", f"{model.support_[:5]}, or dual coefficients that are not finite"
        return
    for i, (a, cost) in enumerate(zip(dual, problem.costs, strict=True)):
        if a < 0 or (problem.hinge and a > cost * (1 + arb(2) ** -50)):  # a cost is rounded
            yield "dual infeasible", f"{float(a)} for the cost {float(cost)}"
            return
        dual[i] = min(a, cost) if problem.hinge else a
    if not np.isfinite(model.duality_gap_):
        return
    reported = arb(model.duality_gap_)
    w = [arb(x) for x in model.coef_.tolist()]
    shift = sum((x * m for x, m in zip(w, problem.mean, strict=True)), arb(0))
    w.append((arb(model.intercept_) + shift) / problem.intercept_scaling)
    lower = problem.dual(dual)
    exact_weights = case.working == np.float64
    for kind, gap in (
        ("dual", problem.primal(optimum.weights) - lower),
        ("gap" if exact_weights else "gap, float32 weights", problem.primal(w) - lower),
        ("gap of the weights of the duals", problem.gap(dual)),
    ):
        if gap > reported:
            yield (
                kind if gap > reported * arb("1.001") else f"{kind}, last digits",
                f"{gap.mid().str(4, radius=False)}, reported {model.duality_gap_:.4g}, "
                f"{model.report_.status}",
            )


def _dual_coefficients(case: Case, answer: Answer) -> exact.Vector | None:
    """Return the dual coefficients of `fit` in the order of the problem, if they are sound."""
    model = answer.model
    rows = np.flatnonzero(background_of(case)).tolist()
    of_rows = dict(zip(model.support_.tolist(), (-model.dual_coef_).tolist(), strict=True))
    values = [*model.positive_dual_coef_.tolist(), *(-model.negative_dual_coef_).tolist()]
    values += [of_rows.get(row, 0.0) for row in rows]
    if not set(of_rows) <= set(rows) or not np.isfinite(values).all():
        return None
    return [arb(a) for a in values]


@dataclass
class Outcome:
    """What became of a seed, for tables."""

    seed: int
    kind: str
    storage: str
    history: str
    method: str
    loss: str
    status: str
    fit_status: str
    bound: float
    tol: float
    max_iter: int
    seconds: float
    found: list[tuple[str, str]]
    describe: str
    size: int
    hardness: float  # see `hardness`
    error: float  # the largest of a returned score
    resolution: float  # see `resolution`

    def as_json(self) -> str:
        return json.dumps(asdict(self))


#: Processor seconds after which a search of so few rows is a violation.
SLOW = 5.0


_OF_BOUNDS = ("score bound", "model bound", "rank", "dual", "gap")


def judge(case: Case, on_answer: Callable[[], None] = lambda: None) -> Outcome:
    """Run a case, and say what is wrong."""
    found: list[tuple[str, str]] = []
    answer: Answer | None = None
    problem, error, resolved = exact_problem(case), float("nan"), 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = run(case)
        except Exception as error:
            found = [("exception", f"{type(error).__name__}: {error}")]
    on_answer()
    if answer is not None:
        optimum = exact.solve(problem)
        found = list(violations(case, answer, optimum))
        resolved = resolution(case, optimum)
        if answer.status != "deadline":
            error = float(largest_error(case, answer, optimum)[0].mid())
        if any(kind in _OF_BOUNDS for kind, _ in found):
            found = list(_explained(case, answer, found))
        if answer.seconds > SLOW:
            found.append(("slow", f"{answer.seconds:.1f} s"))
    return Outcome(
        seed=case.seed,
        kind=case.kind,
        storage=case.storage,
        history=case.history,
        method=case.settings["method"],
        loss=case.settings["loss"],
        status=answer.status if answer else "exception",
        fit_status=answer.model.report_.status if answer else "exception",
        bound=answer.bound if answer else float("nan"),
        tol=case.settings["tol"],
        max_iter=case.settings["max_iter"],
        seconds=answer.seconds if answer else 0.0,
        found=found,
        describe=case.describe(),
        size=case.rows.size,
        hardness=hardness(problem),
        error=error,
        resolution=resolved,
    )


def _explained(
    case: Case, answer: Answer, found: list[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Name what was rounded before the solver began, where nothing else explains a violation.

    They are violations all the same: bounds are to hold for the problem as it was stated.
    """
    left = [kind for kind, _ in found]
    reasons: dict[str, str] = {}
    mean = answer.mean.tolist()
    variants: list[tuple[str, Any, bool]] = [("rounded costs", None, True)]
    if case.settings["center"]:
        variants += [("rounded mean", mean, False), ("rounded mean and costs", mean, True)]
    for name, stored_mean, rounded in variants:
        optimum = exact.solve(exact_problem(case, stored_mean, rounded))
        still = {kind for kind, _ in violations(case, answer, optimum)}
        for kind in left:
            if kind not in still:
                reasons.setdefault(kind, f" ({name})")
    for kind, text in found:
        yield kind + reasons.get(kind, ""), text


def hardness(problem: exact.Problem) -> float:
    """Return the decimal logarithm of the largest ``cost |x|^2``."""
    products = [c * _length(x) ** 2 for c, x in zip(problem.costs, problem.samples, strict=True)]
    largest = max(products)
    return float(largest.log().mid()) / float(np.log(10)) if largest > 0 else -np.inf


def _length(x: exact.Vector) -> Any:
    return sum((v * v for v in x), arb(0)).upper().sqrt()


def _short(values: dict[str, Any]) -> str:
    return " ".join(
        f"{k}={v:.6g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items()
    )
