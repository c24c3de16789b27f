"""Tables on the terminal, and everything in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agreement import Agreement
from data import QUERIES_ARE
from peers import OURS
from rich.console import Console
from rich.table import Table
from timing import Timing, in_words


@dataclass
class SizeReport:
    """Everything found at one size."""

    rows: int
    features: int
    name: str
    source: str
    agreement: Agreement
    builds: list[Timing]
    timings: list[Timing]

    def at(self, threads: int) -> list[Timing]:
        """Return the timings at a thread count; serial competitors count at every one."""
        return [t for t in self.timings if t.serial or t.threads == threads]

    @property
    def thread_counts(self) -> list[int]:
        """Return the thread counts measured."""
        return sorted({t.threads for t in self.timings})


def show_agreement(console: Console, size: SizeReport) -> None:
    """Say how the answers were compared, and how near they are."""
    found = size.agreement
    console.print(f"\n[bold]{size.name}[/bold]: {size.source}; queries: {QUERIES_ARE}")
    console.print(
        f"Equal answers; queries compared: {found.queries}. Reference: {found.reference}"
        f" ({found.reference_warnings} warnings); ranks held by a near tie: {found.swapped_ranks}"
    )
    largest = ", ".join(f"{name} {off:.1e}" for name, off in found.largest_difference.items())
    console.print(f"Largest differences of scores: {largest}")
    for build in size.builds:
        console.print(f"{build.name}, {_threads(build.threads)}: {build.median:.3g} ms")


def show_timings(console: Console, size: SizeReport, threads: int) -> None:
    """Draw the table of one thread count.

    "× ours" and "× kNN": medians as multiples of our search's and of the faster kNN's. "off by":
    largest difference from the reference's scores. LinearSVC solves on one thread whatever is
    allowed, so it is measured once and repeated in every table.
    """
    timings = size.at(threads)
    ours = next(t.median for t in timings if t.name == OURS)
    knn = min(t.median for t in timings if t.family == "knn")
    table = Table(
        title=f"{size.name}, {_threads(threads)}: milliseconds per query",
        title_justify="left",
        caption="× ours, × kNN: multiples of our search and of the faster kNN; off by: largest "
        "difference from the reference's scores; once: LinearSVC is single-threaded",
        caption_justify="left",
    )
    table.add_column("competitor", no_wrap=True)
    for heading in ("median", "min", "max", "queries", "× ours", "× kNN", "off by", "warnings"):
        table.add_column(heading, justify="right", no_wrap=True)
    for timing in sorted(timings, key=lambda t: t.median):
        off = timing.score_difference
        once = f" (once, {_threads(timing.threads)})" if timing.serial else ""
        table.add_row(
            timing.name + once,
            in_words(timing.median),
            in_words(min(timing.ms)),
            in_words(max(timing.ms)),
            str(len(timing.ms)),
            f"{timing.median / ours:.2f}",
            f"{timing.median / knn:.2f}",
            "" if off is None else f"{off:.0e}",
            str(len(timing.warnings) or ""),
            style="bold" if timing.name == OURS else None,
        )
    console.print(table)


def show_warnings(console: Console, sizes: Iterable[SizeReport]) -> None:
    """Say what the competitors warned of."""
    for size in sizes:
        for timing in size.timings:
            for text in sorted(set(timing.warnings)):
                count = timing.warnings.count(text)
                console.print(
                    f"{size.name}, {timing.name}, {_threads(timing.threads)}: {count} x {text}",
                    highlight=False,
                )


def write_json(
    path: Path,
    *,
    machine: dict[str, Any],
    settings: dict[str, Any],
    skipped: list[str],
    sizes: list[SizeReport],
) -> None:
    """Write all that is known, with the time of every single query."""
    document = {
        "machine": machine,
        "settings": settings,
        "queries_are": QUERIES_ARE,
        "skipped": skipped,
        "sizes": [
            {
                **asdict(size),
                "builds": [_with_summary(t) for t in size.builds],
                "timings": [_with_summary(t) for t in size.timings],
            }
            for size in sizes
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _with_summary(timing: Timing) -> dict[str, Any]:
    summary = {"median_ms": timing.median, "min_ms": min(timing.ms), "max_ms": max(timing.ms)}
    return {**asdict(timing), **summary}


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
