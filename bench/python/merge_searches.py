"""Compare ways to merge the results of different searches: by raw and by normalised scores.

The results of all searches of a collection are merged by score, and the list is judged by its
average precision: do the relevant rows of all searches come before the others? Its difference
from that of raw scores has a 95 % interval, by a paired bootstrap over the searches.

    EXEMPLAR_SVM_DATA=folder python bench/python/merge_searches.py
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data
import numpy as np
import options as option
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import weibull_min

import exemplar_svm as esvm

Floats = NDArray[np.float64]

BEST = 20  # rows per search
TAIL = 0.01  # of the scores, for the fits of extreme values
LARGE = 60  # rows of a section that is searched for


@dataclass(frozen=True)
class Found:
    """The best rows of one search, and the scores of all rows."""

    best: Floats
    standardized: Floats
    every: Floats
    relevant: NDArray[np.bool_]


class Rows:
    """Rows to search, and which searches find what."""

    def __init__(self, embeddings: data.Floats, **settings: Any) -> None:
        self.embeddings = embeddings
        self.index = esvm.ExemplarIndex(embeddings, **settings)

    def ask(self, positives: Any, relevant: NDArray[Any], **options: Any) -> Found:
        """Search for the given examples; `relevant` are numbers of rows."""
        plain = self.index.search_shared(positives, k=BEST, **options)
        standardized = self.index.search_shared(positives, k=BEST, standardize=True, **options)
        every = self.index.fit(positives, **options).decision_function(self.embeddings)
        return Found(
            plain.scores.astype(float),
            standardized.scores.astype(float),
            every.astype(float),
            np.isin(plain.indices, relevant),
        )


def robust(found: Found) -> Floats:
    """Deviations from the median, in median absolute deviations."""
    median = np.median(found.every)
    return np.asarray((found.best - median) / np.median(np.abs(found.every - median)))


def exponential_tail(found: Found) -> Floats:
    """The exponent of an exponential fit to the scores above a quantile (Pickands 1975)."""
    threshold = np.quantile(found.every, 1 - TAIL)
    tail = found.every[found.every > threshold]
    return np.asarray((found.best - threshold) / (tail.mean() - threshold))


def weibull(found: Found) -> Floats:
    """Minus the logarithm of the chance under a Weibull fit to the tail without its five best.

    The w-score of Scheirer, Rocha, Micheals, Boult (ECCV 2010), on a scale on which large scores
    remain apart.
    """
    tail = np.sort(found.every)[::-1][5 : 5 + max(20, int(TAIL * len(found.every)))]
    least = tail[-1] - 1e-6
    shape, _, scale = weibull_min.fit(tail - least, floc=0)
    return np.asarray(-weibull_min.logsf(np.maximum(found.best - least, 1e-9), shape, 0, scale))


WAYS: dict[str, Callable[[Found], Floats]] = {
    "raw": lambda found: found.best,
    "standardized": lambda found: found.standardized,
    "median": robust,
    "exponential": exponential_tail,
    "Weibull": weibull,
}


def judged(folder: Path, name: str) -> Iterator[tuple[str, list[Found]]]:
    """Searches by text, by three of the relevant documents, and by either."""
    with np.load(folder / f"{name}.npz") as arrays:
        rows = Rows(arrays["doc_emb"])
        texts, qrels = arrays["query_emb"], arrays["qrels"]
    by_text, by_document, by_either = [], [], []
    for number, query in enumerate(np.unique(qrels[:, 0])):
        relevant = np.sort(qrels[qrels[:, 0] == query, 1])
        by_text.append(rows.ask(texts[query], relevant))
        if len(relevant) >= 5:
            by_document.append(rows.ask(relevant[:3], relevant[3:]))
            by_either.append(by_text[-1] if number % 2 else by_document[-1])
    yield f"{name}: text", by_text
    yield f"{name}: 3 documents", by_document
    yield f"{name}: text or 3 documents", by_either


def sections(folder: Path, n_rows: int, repeats: int) -> Iterator[tuple[str, list[Found]]]:
    """Searches for descriptions of the same section, of the same kind or of two kinds."""
    rng = np.random.default_rng(data.SEED)
    with np.load(folder / "debian_descriptions.npz") as arrays:
        chosen = rng.choice(len(arrays["emb"]), n_rows, replace=False)
        embeddings, section = data.unit(arrays["emb"][chosen]), arrays["section"][chosen]
    rows, centred = Rows(embeddings), Rows(embeddings, center=True)
    names, sizes = np.unique(section, return_counts=True)
    part = rng.random(n_rows) < 0.1

    kinds: dict[str, Callable[[Any, Any, bool], Found]] = {
        "1 example": lambda x, r, _: rows.ask(x[:1], r),
        "4 examples": lambda x, r, _: rows.ask(x[:4], r),
        "1 or 4 examples": lambda x, r, other: rows.ask(x[: 1 if other else 4], r),
        "4, C = 0.01 or 1": lambda x, r, other: rows.ask(x[:4], r, C=0.01 if other else 1.0),
        "4, centred or not": lambda x, r, other: (centred if other else rows).ask(x[:4], r),
        "4, all rows or a tenth": lambda x, r, other: rows.ask(
            x[:4], r, background=part if other else None
        ),
    }
    for kind, search in kinds.items():
        found = []
        for repeat in range(repeats):
            for number, name in enumerate(names[sizes >= LARGE]):
                relevant = np.flatnonzero(section == name)
                examples = rng.choice(relevant, 4, replace=False)
                found.append(search(examples, relevant, (number + repeat) % 2 == 1))
        yield f"sections: {kind}", found


def average_precision(scores: Floats, relevant: NDArray[np.bool_]) -> float:
    hits = relevant[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def compare(found: list[Found], n_samples: int) -> list[str]:
    """Average precision of the merged list by each way, and the interval of the difference."""
    scores = {way: np.array([score(one) for one in found]) for way, score in WAYS.items()}
    relevant = np.array([one.relevant for one in found])
    rng = np.random.default_rng(data.SEED)
    samples = rng.integers(len(found), size=(n_samples, len(found)))
    raw = [average_precision(scores["raw"][s].ravel(), relevant[s].ravel()) for s in samples]
    cells = []
    for values in scores.values():
        cell = f"{average_precision(values.ravel(), relevant.ravel()):.3f}"
        if values is not scores["raw"]:
            merged = [average_precision(values[s].ravel(), relevant[s].ravel()) for s in samples]
            low, high = np.quantile(np.subtract(merged, raw), [0.025, 0.975])
            cell += f" [{low:+.3f}, {high:+.3f}]"
        cells.append(cell)
    return cells


def main() -> int:
    options = parse_options()
    name = os.environ.get(data.FOLDER_VARIABLE)
    if not name:
        print(f"{data.FOLDER_VARIABLE} does not name a folder of collections", file=sys.stderr)
        return 1
    folder = Path(name)
    table = Table("searches", "number", *WAYS)
    for collection in (
        judged(folder, "cranfield"),
        judged(folder, "cacm"),
        sections(folder, options.rows, options.repeats),
    ):
        for kind, found in collection:
            table.add_row(kind, str(len(found)), *compare(found, options.samples))
    Console(width=160).print(table)
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=option.positive, default=20_000, help="of the sections")
    parser.add_argument("--repeats", type=option.positive, default=4, help="per section")
    parser.add_argument("--samples", type=option.positive, default=1_000, help="of the bootstrap")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
