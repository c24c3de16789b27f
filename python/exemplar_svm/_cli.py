"""The command line: ``exemplar-svm demo``, ``search`` and ``evaluate``."""

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
from ._evaluation import rankers
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
        help="an example; repeat to search for what several have in common",
    )
    demo.add_argument("-k", type=int, default=10, help="ranks to show (default: 10)")
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
    search.add_argument("-k", type=int, default=10, help="ranks to return (default: 10)")
    search.add_argument("-C", type=float, default=0.1, help="cost of a violated margin (0.1)")
    search.add_argument("--n-threads", type=int, help="threads (default: OpenMP's)")
    search.add_argument("--json", action="store_true", help="print JSON, one object per query")
    search.set_defaults(run=_search)

    evaluate = commands.add_parser(
        "evaluate",
        help="find the setting that suits your own judged queries",
        description="Answers the queries with kNN, centred kNN, the recipe, and every combination "
        "of C, centring and prior; prints nDCG@10, MAP and recall@100, and the changes against "
        "kNN with paired-bootstrap intervals.",
    )
    evaluate.add_argument("rows", type=Path, metavar="ROWS.npy", help="array of shape (n, d)")
    evaluate.add_argument("queries", type=Path, metavar="QUERIES.npy", help="array of shape (m, d)")
    evaluate.add_argument(
        "qrels",
        type=Path,
        metavar="QRELS",
        help="which rows are relevant: lines of query, row, relevance (optional; default 1), or "
        "TREC's four columns; queries and rows are row numbers from 0",
    )
    evaluate.add_argument(
        "--examples",
        type=int,
        metavar="P",
        help="search with P relevant rows of each query, drawn at random, for the others",
    )
    evaluate.add_argument(
        "--max-queries", type=int, metavar="M", help="draw this many of the queries (default: all)"
    )
    evaluate.add_argument(
        "-C",
        type=float,
        nargs="+",
        default=rankers.COSTS,
        help=f"costs of a violated margin ({_in_words(rankers.COSTS)})",
    )
    evaluate.add_argument(
        "--prior",
        type=float,
        nargs="+",
        default=rankers.PRIORS,
        help=f"pulls toward kNN ({_in_words(rankers.PRIORS)})",
    )
    evaluate.add_argument(
        "--depth", type=int, default=1000, help="ranks per query; MAP needs many (default: 1000)"
    )
    evaluate.add_argument("--seed", type=int, default=0, help="of random draws (default: 0)")
    evaluate.add_argument("--n-threads", type=int, help="threads (default: OpenMP's)")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="draw the changes and their intervals"
    )
    evaluate.set_defaults(run=_evaluate)
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


def _evaluate(options: argparse.Namespace) -> int:
    from ._evaluation import command

    command.run(
        _open(options.rows),
        _open(options.queries),
        options.qrels,
        n_examples=options.examples,
        max_queries=options.max_queries,
        costs=options.C,
        priors=options.prior,
        depth=options.depth,
        seed=options.seed,
        n_threads=options.n_threads,
        as_json=options.json,
        plot=options.plot,
    )
    return 0


def _in_words(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:g}" for number in numbers)


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
