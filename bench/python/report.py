"""Tables on the terminal, and everything in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from agreement import Agreement
from data import QUERIES_ARE
from peers import ONE_BY_ONE, OURS
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
    builds: list[Timing] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    batches: list[Timing] = field(default_factory=list)

    def at(self, threads: int) -> list[Timing]:
        """Return the timings at a thread count; serial competitors count at every one."""
        return [t for t in self.timings if t.serial or t.threads == threads]

    def ours(self, threads: int) -> Timing:
        """Return the timing of our search."""
        return next(t for t in self.at(threads) if t.name == OURS)

    def knn(self, threads: int) -> Timing:
        """Return the faster kNN, whose time is the unit."""
        return fastest(t for t in self.at(threads) if t.family == "knn")

    def trained(self, threads: int) -> Timing | None:
        """Return the fastest competitor that trains an SVM, if any was measured."""
        peers = (t for t in self.at(threads) if t.family == "svm" and not t.ours)
        return min(peers, key=lambda t: t.median, default=None)

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


@dataclass
class SweepPoint:
    """What one setting of a sweep cost; times are per query."""

    value: float  # of what is swept
    source: str
    ours: Timing
    knn: Timing

    @property
    def kind(self) -> str:
        """Where the rows come from, in a word."""
        return self.source.split(":")[0]

    @property
    def ratio(self) -> float:
        """Our search in kNN units."""
        return self.ours.median / self.knn.median


@dataclass
class Sweep:
    """The cost against one setting, all others kept."""

    name: str
    others: str
    points: list[SweepPoint]


def fastest(timings: Iterable[Timing]) -> Timing:
    """Return the timing of the smallest median."""
    return min(timings, key=lambda t: t.median)


def show_timings(console: Console, size: SizeReport, threads: int) -> None:
    """Draw the table of one thread count.

    "× ours" and "× kNN": medians as multiples of our search's and of the faster kNN's. "off by":
    largest difference from the reference's scores. LinearSVC solves on one thread whatever is
    allowed, so it is measured once and repeated in every table.
    """
    timings = size.at(threads)
    ours, knn = size.ours(threads).median, size.knn(threads).median
    table = _table(
        f"{size.name}, {_threads(threads)}: milliseconds per query",
        "competitor",
        ("median", "min", "max", "queries", "× ours", "× kNN", "off by", "warnings"),
        caption="× ours, × kNN: multiples of our search and of the faster kNN; off by: largest "
        "difference from the reference's scores; once: LinearSVC is single-threaded",
    )
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


def show_batches(console: Console, size: SizeReport, threads: int) -> None:
    """Draw what a query costs in a batch."""
    timings = [t for t in size.batches if t.threads == threads]
    if not timings:
        return
    one_by_one = next(t.median for t in timings if t.name == ONE_BY_ONE)
    knn = fastest(t for t in timings if t.family == "knn").median
    table = _table(
        f"{size.name}, {_threads(threads)}: milliseconds per query, {timings[0].batch} in a call",
        "competitor",
        ("median", "min", "max", "calls", "one by one / it", "× kNN"),
        caption="our answers to a batch have the bits of those to single calls; × kNN: multiples "
        "of the faster kNN of the same batch",
    )
    for timing in sorted(timings, key=lambda t: t.median):
        table.add_row(
            timing.name,
            *(in_words(ms) for ms in (timing.median, min(timing.ms), max(timing.ms))),
            str(len(timing.ms)),
            f"{one_by_one / timing.median:.2f}",
            f"{timing.median / knn:.2f}",
            style="bold" if timing.name == OURS else None,
        )
    console.print(table)


def show_profile(console: Console, size: SizeReport, threads: int) -> None:
    """Draw where the time of our search goes, by the clock within it."""
    ours, knn = size.ours(threads), size.knn(threads).median
    table = _table(
        f"{size.name}, {_threads(threads)}: where the time of a query goes",
        "part",
        ("ms", "kNN units", "share"),
        caption=f"medians of {len(ours.ms)} queries, which need not add up; "
        f"epochs: {ours.median_report('epochs'):.0f}, "
        f"support rows: {ours.median_report('n_support'):.0f}; "
        "rest: Python, and what the clock within does not see",
    )
    for part, ms in (*ours.profile().items(), ("whole", ours.median)):
        table.add_row(part, f"{ms:.3f}", f"{ms / knn:.2f}", f"{ms / ours.median:.0%}")
    console.print(table)


def show_summary(console: Console, sizes: Iterable[SizeReport]) -> None:
    """Draw our search in kNN units, and beside the fastest peer that trains an SVM."""
    table = _table(
        "Medians per query, in milliseconds",
        "rows x features",
        ("threads", "search", "faster kNN", "kNN units", "trained peer", "its ms", "× ours"),
        caption="trained peer: the fastest that trains an SVM, of LinearSVC and Snap ML",
    )
    for size in sizes:
        for threads in size.thread_counts:
            ours, knn = size.ours(threads), size.knn(threads)
            peer = size.trained(threads)
            table.add_row(
                size.name,
                str(threads),
                in_words(ours.median),
                f"{in_words(knn.median)} ({knn.name.removeprefix('kNN, ')})",
                f"{ours.median / knn.median:.2f}",
                *(
                    ("", "", "")
                    if peer is None
                    else (peer.name, in_words(peer.median), f"{peer.median / ours.median:.1f}")
                ),
            )
    console.print(table)


def show_sweep(console: Console, sweep: Sweep) -> None:
    """Draw the cost at every setting of a sweep."""
    table = _table(
        f"Cost against {sweep.name}: milliseconds per query ({sweep.others})",
        sweep.name,
        ("search", "kNN", "kNN units", "beyond the scan", "epochs", "support", "unfinished", "are"),
        caption="kNN: numpy's, product and selection; beyond the scan: search less the scoring of "
        "all rows; unfinished: queries that did not converge; are: where the rows come from",
    )
    for point in sweep.points:
        ours = point.ours
        table.add_row(
            f"{point.value:,g}",
            in_words(ours.median),
            in_words(point.knn.median),
            f"{point.ratio:.2f}",
            in_words(ours.beyond_scan()),
            f"{ours.median_report('epochs'):.0f}",
            f"{ours.median_report('n_support'):,.0f}",
            str(sum(r.status != "converged" for r in ours.reports) or ""),
            point.kind,
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
    **results: Any,
) -> None:
    """Write all that is known, with the time of every single call."""
    document = {
        "machine": machine,
        "settings": settings,
        "queries_are": QUERIES_ARE,
        **results,
    }
    text = json.dumps(document, indent=1, default=_as_json)
    path.write_text(text + "\n", encoding="utf-8")


def _as_json(value: Any) -> dict[str, Any]:
    if isinstance(value, Timing):
        return _with_summary(value)
    if is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    raise TypeError(f"no JSON for {value!r}")


def _with_summary(timing: Timing) -> dict[str, Any]:
    found = {f.name: getattr(timing, f.name) for f in fields(timing) if f.name != "reports"}
    found |= {"median_ms": timing.median, "min_ms": min(timing.ms), "max_ms": max(timing.ms)}
    if timing.reports:
        found["median_profile_ms"] = timing.profile()
        found["beyond_scan_ms"] = timing.beyond_scan()
        for name in ("epochs", "n_support", "certified_k", "score_error_bound", "duality_gap"):
            found[f"median_{name}"] = timing.median_report(name)
    return found


def _table(title: str, first: str, others: Iterable[str], caption: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
