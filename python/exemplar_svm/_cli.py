"""The command line: ``exemplar-svm demo`` and ``exemplar-svm search``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._core import __version__
from ._index import ExemplarIndex
from ._result import SearchReport


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"exemplar-svm: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exemplar-svm", description="Exact exemplar-SVM search over embeddings."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="search the docstrings of the installed Python",
        description="Embeds the docstrings of the installed Python's own source files with TF-IDF "
        "and truncated SVD, and searches them for TEXT: kNN and exemplar SVM side by side.",
    )
    demo.add_argument("text", nargs="?", metavar="TEXT", help="what to look for")
    demo.add_argument(
        "--positive",
        action="append",
        default=[],
        metavar="TEXT",
        help="an example; several are searched for what they share (may be repeated)",
    )
    demo.add_argument("-k", type=int, default=10, help="places to show (default: 10)")
    demo.add_argument("-C", type=float, default=0.1, help="cost of a violated margin (0.1)")
    demo.add_argument("--n-threads", type=int, help="threads (default: OpenMP's)")
    demo.set_defaults(run=_demo)

    search = commands.add_parser(
        "search",
        help="search the rows of a .npy file",
        description="Searches the rows of a .npy file, which is memory-mapped: it may be larger "
        "than memory.",
    )
    search.add_argument("rows", type=Path, metavar="ROWS.npy", help="array of shape (n, d)")
    query = search.add_mutually_exclusive_group(required=True)
    query.add_argument("--row", type=int, metavar="I", help="search for row I of the file")
    query.add_argument(
        "--query", type=Path, metavar="Q.npy", help="search for this vector, or for each row of it"
    )
    search.add_argument("-k", type=int, default=10, help="places to return (default: 10)")
    search.add_argument("-C", type=float, default=0.1, help="cost of a violated margin (0.1)")
    search.add_argument("--n-threads", type=int, help="threads (default: OpenMP's)")
    search.add_argument("--json", action="store_true", help="print JSON, one object per query")
    search.set_defaults(run=_search)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from . import _demo as demo

    examples = ([options.text] if options.text else []) + options.positive
    demo.run(examples or [demo.DEFAULT_TEXT], k=options.k, C=options.C, n_threads=options.n_threads)
    return 0


def _search(options: argparse.Namespace) -> int:
    rows = _open(options.rows)
    if options.query is not None:
        queries = _open(options.query)
    else:
        if rows.ndim == 2 and not -len(rows) <= options.row < len(rows):
            raise ValueError(f"--row is {options.row}, but {options.rows} has {len(rows)} rows")
        queries = rows[options.row]

    started = time.perf_counter()
    index = ExemplarIndex(rows, C=options.C, n_threads=options.n_threads)
    built = time.perf_counter()
    for query in np.atleast_2d(queries):
        asked = time.perf_counter()
        result = index.search(query, k=options.k)
        answer = {
            "indices": result.indices.tolist(),
            "scores": [score if np.isfinite(score) else None for score in result.scores.tolist()],
            "report": result.report.__dict__,
            "index_seconds": built - started,
            "search_seconds": time.perf_counter() - asked,
        }
        if options.json:
            print(json.dumps(answer))
        else:
            assert isinstance(result.report, SearchReport)
            _print_answer(answer, result.report)
    return 0


def _open(path: Path) -> np.ndarray[Any, Any]:
    try:
        array: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a .npy file: {error}") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is an archive of several arrays; give a .npy file")
    return array


def _print_answer(answer: dict[str, Any], report: SearchReport) -> None:
    for rank, (row, score) in enumerate(
        zip(answer["indices"], answer["scores"], strict=True), start=1
    ):
        if row >= 0:
            print(f"{rank:4d}  row {row:<10d} {score: .6f}")
    print(
        f"      {report.status}: {report.certified_k} ranks proven exact, scores within "
        f"{report.score_error_bound:.1e}; {report.n_support} support rows, {report.epochs} epochs, "
        f"{1e3 * answer['search_seconds']:.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
