"""Compare exemplar-SVM search with LinearSVC, Snap ML and brute-force kNN on the same queries.

First the answers are compared; only if they are equal, times are taken, of all competitors in one
interleaved run. Exit status 1: answers differ.

    python bench/python/compare_peers.py --json times.json --plot times.png

Set EXEMPLAR_SVM_DATA to a folder with real embeddings; without it, synthetic rows are made.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import agreement
import data
import machine
import numpy as np
import peers
import plot
import report
import timing
from rich.console import Console
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import exemplar_svm as esvm

SIZES = [(1_000, 1_536), (10_000, 384), (60_000, 384)]


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
            report.show_agreement(console, size)
            for threads in options.threads:
                report.show_timings(console, size, threads)
            sizes.append(size)
    except agreement.DisagreementError as error:
        console.print(f"[bold red]Answers differ.[/bold red] {error}")
        return 1
    report.show_warnings(console, sizes)
    if options.json:
        settings = {name: value for name, value in vars(options).items() if name != "json"}
        settings["plot"] = None if options.plot is None else options.plot.name
        report.write_json(
            options.json, machine=environment, settings=settings, skipped=skipped, sizes=sizes
        )
    if options.plot:
        cpu = f"{environment['cpu']}, {environment['cores']} cores, {environment['active_isa']}"
        plot.draw(options.plot, sizes, cpu)
    return 0


def compare(
    console: Console, dataset: data.Dataset, options: argparse.Namespace
) -> report.SizeReport:
    """Check the answers at one size, then time them at every thread count."""
    asked = np.linspace(0, options.queries - 1, options.slow_queries).astype(int).tolist()
    with console.status(f"{dataset.name}: solving the reference"), threadpool_limits(1):
        references, n_warnings = agreement.reference_scores(dataset, asked)
    found = agreement.Agreement(
        queries=len(references),
        reference="LinearSVC(dual=True, tol=1e-9, max_iter=100000), float64",
        reference_warnings=n_warnings,
    )
    n, d = dataset.rows.shape
    builds, timings = [], []
    for threads in options.threads:
        with threadpool_limits(threads):
            peers.set_faiss_threads(threads)
            index = esvm.ExemplarIndex(dataset.rows, C=peers.C, n_threads=threads)
            with console.status(f"{dataset.name}, threads={threads}: comparing answers"):
                deep = peers.line_up(
                    index, dataset.rows, k=min(agreement.TOP, n), threads=threads, duals=()
                )
                agreement.check(dataset, references, deep, found)
            with console.status(f"{dataset.name}, threads={threads}: measuring"):
                builds += time_builds(dataset.rows, threads)
                competitors = peers.line_up(
                    index, dataset.rows, k=min(options.k, n), threads=threads, duals=options.duals
                )
                timings += timing.measure(
                    dataset,
                    competitors,
                    references,
                    threads=threads,
                    pause=options.pause,
                    serial=threads == options.threads[0],
                )
    return report.SizeReport(n, d, dataset.name, dataset.source, found, builds, timings)


def time_builds(rows: data.Floats, threads: int) -> list[timing.Timing]:
    """Time the building of our index and of FAISS's."""
    built = [
        timing.time_builds(
            "building ExemplarIndex",
            lambda: esvm.ExemplarIndex(rows, C=peers.C, n_threads=threads),
            threads=threads,
        )
    ]
    if not isinstance(peers.faiss, peers.Missing):
        build = timing.time_builds(
            "building IndexFlatIP", lambda: peers.faiss_index(rows), threads=threads
        )
        built.append(build)
    return built


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", type=parse_size, default=SIZES, metavar="ROWSxDIM")
    parser.add_argument("--threads", nargs="+", type=positive, default=[1, 2])
    parser.add_argument("--queries", type=positive, default=20)
    parser.add_argument(
        "--slow-queries",
        type=positive,
        default=3,
        help="queries for LinearSVC and Snap ML, and for the comparison of answers (default 3)",
    )
    parser.add_argument("-k", type=positive, default=10, help="rows returned (default 10)")
    parser.add_argument(
        "--pause", type=float, default=0.3, help="seconds of rest before each turn (default 0.3)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    parser.add_argument(
        "--quick", action="store_true", help="smallest size, 3 queries, LinearSVC dual=True only"
    )
    options = parser.parse_args()
    options.duals = peers.DUALS
    if options.quick:
        options.sizes, options.queries, options.duals = SIZES[:1], 3, (True,)
    options.threads = sorted(set(options.threads))
    options.slow_queries = min(options.slow_queries, options.queries)
    return options


def parse_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][\d_,]*)x([1-9]\d*)", text.replace(",", ""))
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 10000x384")
    return int(found[1]), int(found[2])


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


if __name__ == "__main__":
    sys.exit(main())
