"""Measure what a search costs as rows, features, C, k, threads and batches grow.

One setting is swept at a time, the others kept; beside it numpy's brute-force kNN on the same
threads. Answers are not compared here: compare_peers.py does that.

    python bench/python/scaling.py --json scaling.json --plot scaling.png

Set EXEMPLAR_SVM_DATA to a folder with real embeddings; more rows than there are are grown from
them. Without it, synthetic rows are made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import data
import machine
import options as option
import peers
import plot
import report
import timing
from rich.console import Console
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import exemplar_svm as esvm

FEATURES = 384  # of the rows that are projected to other numbers of features
BATCHES = 3

SWEEPS: dict[str, tuple[float, ...]] = {
    "rows": (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
    "features": (64, 128, 256, 384, 768, 1_536),
    "C": (1e-3, 1e-2, 0.1, 1.0, 10.0),
    "k": (1, 10, 100, 1_000),
    "threads": (1, 2),
    "batch": (1, 4, 16, 64, 256),
}
QUICK: dict[str, tuple[float, ...]] = {
    "rows": (1_000, 2_000),
    "features": (64, 768),
    "C": (0.1, 1.0),
    "k": (1, 100),
    "threads": (1, 2),
    "batch": (1, 16),
}


@dataclass(frozen=True)
class Setting:
    """What is swept; a sweep has the name of its field."""

    rows: int
    features: int = FEATURES
    C: float = peers.C
    k: int = 10
    threads: int = 1
    batch: int = 1

    def others(self, swept: str) -> str:
        """Name what a sweep keeps."""
        kept = {name: value for name, value in asdict(self).items() if name != swept}
        return ", ".join(f"{name} {value:,}" for name, value in kept.items())


def main() -> int:
    options = parse_options()
    console = Console(width=None if sys.stdout.isatty() else 120)  # files take the whole table
    environment = machine.describe()
    base = Setting(rows=min(options.base_rows, options.max_rows))
    sweeps = []
    for name in options.sweeps:
        values = (QUICK if options.quick else SWEEPS)[name]
        if name == "rows":
            values = tuple(value for value in values if value <= options.max_rows)
        sweeps.append(run_sweep(console, name, values, base, options))
        report.show_sweep(console, sweeps[-1])
    if options.json:
        report.write_json(
            options.json, machine=environment, settings=option.for_json(options), sweeps=sweeps
        )
    if options.plot:
        plot.draw_sweeps(options.plot, sweeps, machine.in_words(environment))
    return 0


def run_sweep(
    console: Console,
    name: str,
    values: Iterable[float],
    base: Setting,
    options: argparse.Namespace,
) -> report.Sweep:
    """Measure the values of one setting; rows are made anew only where they change."""
    points = []
    dataset = None
    for value in values:
        changed: dict[str, Any] = {name: value}
        setting = replace(base, **changed)
        with console.status(f"{name} {value:,g}"):
            if dataset is None or name in ("rows", "features"):
                dataset = data.load(setting.rows, FEATURES, options.queries)
                dataset = dataset.projected(setting.features)
            points.append(measure_point(dataset, setting, value, options.pause))
    return report.Sweep(name, base.others(name), points)


def measure_point(
    dataset: data.Dataset, setting: Setting, value: float, pause: float
) -> report.SweepPoint:
    """Time our search and numpy's kNN, interleaved."""
    k = min(setting.k, setting.rows)
    asked = dataset if setting.batch == 1 else dataset.in_batches(BATCHES, setting.batch)
    with threadpool_limits(setting.threads):
        index = esvm.ExemplarIndex(dataset.rows, C=setting.C, n_threads=setting.threads)
        competitors = [
            peers.Competitor(peers.OURS, "svm", peers.exemplar_search(index, k)),
            peers.Competitor("kNN, numpy", "knn", peers.numpy_knn(dataset.rows, k)),
        ]
        ours, knn = timing.measure(asked, competitors, {}, threads=setting.threads, pause=pause)
    return report.SweepPoint(value, dataset.source, ours, knn)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sweeps", nargs="+", choices=list(SWEEPS), default=list(SWEEPS), metavar="SETTING"
    )
    parser.add_argument(
        "--base-rows", type=option.positive, default=60_000, help="rows of all sweeps but rows"
    )
    parser.add_argument(
        "--max-rows", type=option.positive, default=1_000_000, help="no sweep has more rows"
    )
    parser.add_argument("--queries", type=option.positive, default=20)
    parser.add_argument(
        "--pause", type=float, default=0.3, help="seconds of rest before each turn (default 0.3)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    parser.add_argument(
        "--quick", action="store_true", help="few values, 2,000 rows, 3 queries: seconds"
    )
    options = parser.parse_args()
    if options.quick:
        options.base_rows, options.queries = min(options.base_rows, 2_000), 3
    options.max_rows = max(options.max_rows, 1_000)
    return options


if __name__ == "__main__":
    sys.exit(main())
