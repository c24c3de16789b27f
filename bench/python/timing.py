"""Interleaved timing: every competitor answers a query before the next query's turn."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from agreement import Scores, difference
from data import Dataset
from peers import Competitor


@dataclass
class Timing:
    """What one competitor took, query by query."""

    name: str
    family: str
    threads: int
    serial: bool = False
    ms: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    score_difference: float | None = None  # largest, where the query has a reference

    @property
    def median(self) -> float:
        """Median milliseconds."""
        return float(np.median(self.ms))


def measure(
    dataset: Dataset,
    competitors: list[Competitor],
    references: dict[int, Scores],
    *,
    threads: int,
    pause: float,
    serial: bool,
) -> list[Timing]:
    """Time the competitors, A B C A B C ..., so that a drifting machine is unfair to none.

    Slow ones are asked the queries that have a reference only, serial ones only if ``serial``.
    Before each turn there is a pause, in which the threads of the one before come to rest (OpenBLAS
    and OpenMP let them spin for a while, on a core that the next one needs), and a
    fast competitor first answers another query untimed, to wake its own.
    """
    timings = {
        c.name: Timing(c.name, c.family, threads, c.serial)
        for c in competitors
        if serial or not c.serial
    }
    for i, query in enumerate(dataset.queries):
        for competitor in competitors:
            if competitor.name not in timings or (competitor.slow and i not in references):
                continue
            timing = timings[competitor.name]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                time.sleep(pause)
                if not competitor.slow:
                    competitor.run(dataset.queries[i - 1])
                started = time.perf_counter()
                answer = competitor.run(query)
                timing.ms.append(1e3 * (time.perf_counter() - started))
            timing.warnings += [f"{w.category.__name__}: {w.message}" for w in caught]
            if competitor.family == "svm" and i in references:
                off = difference(answer, references[i])
                timing.score_difference = max(off, timing.score_difference or 0.0)
    return list(timings.values())


def time_builds(name: str, build: Callable[[], Any], *, threads: int, repeats: int = 3) -> Timing:
    """Time the building of an index."""
    timing = Timing(name, "build", threads)
    for _ in range(repeats):
        started = time.perf_counter()
        built = build()
        timing.ms.append(1e3 * (time.perf_counter() - started))
        del built
    return timing


def in_words(ms: float) -> str:
    """Format milliseconds: three digits or whole ones."""
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"
