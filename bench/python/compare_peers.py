"""Compare exemplar-SVM search with LinearSVC, Snap ML and brute-force kNN on the same queries.

First the answers are compared; only if they are equal, times are taken, of all competitors in one
interleaved run. Exit status 1: answers differ.

    python bench/python/compare_peers.py --profile --json times.json --plot times.png

Set EXEMPLAR_SVM_DATA to a folder with real embeddings; without it, synthetic rows are made.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import agreement
import data
import machine
import numpy as np
import options as option
import peers
import plot
import report
import timing
from rich.console import Console
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import exemplar_svm as esvm

SIZES = [(1_000, 1_536), (10_000, 384), (60_000, 384)]
MILLION = (1_000_000, 384)
LARGE = 200_000  # rows from which on LinearSVC and Snap ML are left out
LARGE_QUERIES = 2  # compared then
LARGE_BATCH = 64
BATCHES = 3


def main() -> int:
    options = parse_options()
    console = Console(width=None if sys.stdout.isatty() else 120)  # files take the whole table
    skipped = peers.skipped()
    for reason in skipped:
        console.print(f"[yellow]{reason}[/yellow]")
    environment = machine.describe()
    sizes = []
    try:
        for n, d in options.sizes:
            size = compare(console, data.load(n, d, options.queries), options)
            show(console, size, options)
            sizes.append(size)
    except agreement.DisagreementError as error:
        console.print(f"[bold red]Answers differ.[/bold red] {error}")
        return 1
    report.show_summary(console, sizes)
    report.show_warnings(console, sizes)
    if options.json:
        report.write_json(
            options.json,
            machine=environment,
            settings=option.for_json(options),
            skipped=skipped,
            sizes=sizes,
        )
    if options.plot:
        plot.draw(options.plot, sizes, machine.in_words(environment))
    return 0


def compare(
    console: Console, dataset: data.Dataset, options: argparse.Namespace
) -> report.SizeReport:
    """Check the answers at one size, then time them at every thread count."""
    n, d = dataset.rows.shape
    with console.status(f"{dataset.name}: solving the reference"), threadpool_limits(1):
        references, found = solve_references(dataset, options)
    size = report.SizeReport(n, d, dataset.name, dataset.source, found)
    for threads in options.threads:
        with threadpool_limits(threads):
            peers.set_faiss_threads(threads)
            index = esvm.ExemplarIndex(dataset.rows, C=peers.C, n_threads=threads)
            with console.status(f"{dataset.name}, threads={threads}: comparing answers"):
                deep = peers.line_up(
                    index,
                    dataset.rows,
                    k=min(agreement.TOP, n),
                    threads=threads,
                    duals=(),
                    snap=n < LARGE,
                )
                agreement.check(dataset, references, deep, found)
            with console.status(f"{dataset.name}, threads={threads}: measuring"):
                size.builds += time_builds(dataset.rows, threads)
                competitors = peers.line_up(
                    index,
                    dataset.rows,
                    k=min(options.k, n),
                    threads=threads,
                    duals=options.duals if n < LARGE else (),
                    snap=n < LARGE,
                )
                size.timings += timing.measure(
                    dataset,
                    competitors,
                    references,
                    threads=threads,
                    pause=options.pause,
                    serial=threads == options.threads[0],
                )
            if options.batch:
                with console.status(f"{dataset.name}, threads={threads}: batches"):
                    size.batches += time_batches(dataset, index, options, threads)
    return size


def solve_references(
    dataset: data.Dataset, options: argparse.Namespace
) -> tuple[dict[int, agreement.Scores], agreement.Agreement]:
    """Solve a few of the queries with LinearSVC, or ourselves where it would take too long."""
    large = len(dataset.rows) >= LARGE
    n_asked = min(options.slow_queries, LARGE_QUERIES) if large else options.slow_queries
    asked = np.linspace(0, options.queries - 1, n_asked).astype(int).tolist()
    if large:
        index = esvm.ExemplarIndex(dataset.rows, C=peers.C, n_threads=1)
        references, reference = agreement.certified_scores(dataset, index, asked)
        n_warnings = 0
    else:
        references, n_warnings = agreement.reference_scores(dataset, asked)
        reference = agreement.LINEARSVC_REFERENCE
    return references, agreement.Agreement(len(references), reference, n_warnings)


def time_builds(rows: data.Floats, threads: int) -> list[timing.Timing]:
    """Time the building of our index and of FAISS's."""
    built = [
        timing.time_builds(
            "building ExemplarIndex",
            lambda: esvm.ExemplarIndex(rows, C=peers.C, n_threads=threads),
            threads=threads,
        ),
        timing.time_builds("copying the rows", rows.copy, threads=threads),
    ]
    if len(rows) >= peers.SKETCHED_ROWS:
        build = timing.time_builds(
            "building with sketch",
            lambda: esvm.ExemplarIndex(rows, C=peers.C, sketch="int8", n_threads=threads),
            threads=threads,
        )
        built.append(build)
    if not isinstance(peers.faiss, peers.Missing):
        build = timing.time_builds(
            "building IndexFlatIP", lambda: peers.faiss_index(rows), threads=threads
        )
        built.append(build)
    return built


def time_batches(
    dataset: data.Dataset, index: esvm.ExemplarIndex, options: argparse.Namespace, threads: int
) -> list[timing.Timing]:
    """Check that a batch is answered as its queries are alone, then time batches."""
    n = len(dataset.rows)
    k = min(options.k, n)
    batched = dataset.in_batches(
        BATCHES, options.batch if n < LARGE else min(options.batch, LARGE_BATCH)
    )
    agreement.check_batch(batched, index, k)
    competitors = peers.batch_line_up(index, dataset.rows, k=k)
    return timing.measure(batched, competitors, {}, threads=threads, pause=options.pause)


def show(console: Console, size: report.SizeReport, options: argparse.Namespace) -> None:
    """Draw the tables of one size."""
    report.show_agreement(console, size)
    for threads in options.threads:
        report.show_timings(console, size, threads)
        if options.profile:
            report.show_profile(console, size, threads)
        report.show_batches(console, size, threads)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", type=option.size, default=SIZES, metavar="ROWSxDIM")
    parser.add_argument(
        "--million",
        action="store_true",
        help="also a million rows of 384 features, without LinearSVC and Snap ML",
    )
    parser.add_argument("--threads", nargs="+", type=option.positive, default=[1, 2])
    parser.add_argument("--queries", type=option.positive, default=50)
    parser.add_argument(
        "--slow-queries",
        type=option.positive,
        default=3,
        help="queries for LinearSVC and Snap ML, and for the comparison of answers (default 3)",
    )
    parser.add_argument("-k", type=option.positive, default=10, help="rows returned (default 10)")
    parser.add_argument(
        "--batch",
        type=option.not_negative,
        default=256,
        metavar="M",
        help=f"queries in a batch (default 256; 0: no batches); from {LARGE:,} rows on, "
        f"at most {LARGE_BATCH}",
    )
    parser.add_argument(
        "--profile", action="store_true", help="also draw where the time of a query goes"
    )
    parser.add_argument(
        "--pause", type=float, default=0.3, help="seconds of rest before each turn (default 0.3)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="smallest size, 3 queries, batches of 8, LinearSVC dual=True only",
    )
    options = parser.parse_args()
    options.duals = peers.DUALS
    if options.quick:
        options.sizes, options.queries, options.duals = SIZES[:1], 3, (True,)
        options.batch = min(options.batch, 8)
    if options.million:
        options.sizes = [*options.sizes, MILLION]
    options.threads = sorted(set(options.threads))
    options.slow_queries = min(options.slow_queries, options.queries)
    return options


if __name__ == "__main__":
    sys.exit(main())
