"""Interleaved timing: every competitor answers a query before the next query's turn."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from agreement import Scores, difference
from data import Dataset, Floats
from peers import Competitor

import exemplar_svm as esvm

WARM_UP = 8  # queries


@dataclass
class Timing:
    """What one competitor took per query, query by query or batch by batch."""

    name: str
    family: str
    threads: int
    serial: bool = False
    batch: int = 1  # queries per call
    ms: list[float] = field(default_factory=list)
    reports: list[esvm.SearchReport] = field(default_factory=list)  # of our searches, per query
    warnings: list[str] = field(default_factory=list)
    score_difference: float | None = None  # largest, where the query has a reference

    @property
    def ours(self) -> bool:
        """Whether this library was timed."""
        return self.name.startswith("exemplar_svm")

    @property
    def median(self) -> float:
        """Median milliseconds."""
        return float(np.median(self.ms))

    def median_report(self, name: str) -> float:
        """Return the median of a number in our searches' reports."""
        return float(np.median([getattr(report, name) for report in self.reports]))

    def profile(self) -> dict[str, float]:
        """Return the medians of where the time of a query went, in ms, and of the rest."""
        parts = 1e3 * np.array([report.profile for report in self.reports])
        per_call = parts.reshape(len(self.ms), -1, parts.shape[1]).mean(axis=1)
        rest = np.array(self.ms) - per_call.sum(axis=1)
        columns = np.column_stack([per_call, rest])
        names = (*esvm.SearchProfile._fields, "rest")
        return dict(zip(names, np.median(columns, axis=0).tolist(), strict=True))

    def beyond_scan(self) -> float:
        """Return the median ms per query that were not spent scoring all rows."""
        scans = np.array([1e3 * report.profile.scan for report in self.reports])
        return float(np.median(self.ms - scans.reshape(len(self.ms), -1).mean(axis=1)))


def measure(
    dataset: Dataset,
    competitors: list[Competitor],
    references: dict[int, Scores],
    *,
    threads: int,
    pause: float,
    serial: bool = False,
) -> list[Timing]:
    """Time the competitors, A B C A B C ..., so that a drifting machine is unfair to none.

    Each call answers a query, or a batch of them if the dataset has batches. Slow competitors are
    asked the queries that have a reference only, serial ones only if ``serial``. Before each turn
    there is a pause, in which the threads of the one before come to rest (OpenBLAS and OpenMP let
    them spin for a while, on a core that the next one needs), and a fast competitor first answers
    another query untimed, to wake its own.
    """
    batch = 1 if dataset.queries.ndim == 2 else dataset.queries.shape[1]
    timings = {
        c.name: Timing(c.name, c.family, threads, c.serial, batch)
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
                    competitor.run(_other_queries(dataset, i))
                started = time.perf_counter()
                answer = competitor.run(query)
                timing.ms.append(1e3 * (time.perf_counter() - started) / batch)
            timing.reports += answer.reports
            timing.warnings += [f"{w.category.__name__}: {w.message}" for w in caught]
            if competitor.family == "svm" and i in references:
                off = difference(answer, references[i])
                timing.score_difference = max(off, timing.score_difference or 0.0)
    return list(timings.values())


def _other_queries(dataset: Dataset, i: int) -> Floats:
    """Return the query before this one, or some of the batch before, to warm up with."""
    before: Floats = dataset.queries[i - 1]
    return before if before.ndim == 1 else before[:WARM_UP]


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
