"""The demonstration: the docstrings of the installed Python, searched by kNN and exemplar SVM.

Needs the extra ``demo`` (scikit-learn and rich).
"""

from __future__ import annotations

import ast
import statistics
import sysconfig
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ._index import ExemplarIndex
from ._result import SearchReport
from ._typing import FloatArray, IndexArray

try:
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize
except ImportError as missing:
    raise ImportError(
        f"the demo needs {missing.name}: pip install 'exemplar-svm[demo]'"
    ) from missing

T = TypeVar("T")

DEFAULT_TEXT = "Wait for a child process to terminate and return its exit code"
N_FEATURES = 256
N_TIMED = 5
SHORTEST = 40  # characters; shorter docstrings say too little to search for


@dataclass(frozen=True)
class Docstring:
    """A docstring and the dotted name of what it documents."""

    name: str
    text: str

    @property
    def headline(self) -> str:
        """The first line."""
        return self.text.split("\n", 1)[0].strip()


def run(texts: list[str], *, k: int, C: float, n_threads: int | None) -> None:
    """Search for what the texts share, and print the answers of kNN and the exemplar SVM."""
    console = Console()
    documents = read_docstrings(Path(sysconfig.get_path("stdlib")), console)
    started = time.perf_counter()
    rows, queries = embed([d.text for d in documents], texts)
    console.print(
        f"{len(documents):,} docstrings of Python's standard library, embedded in "
        f"{rows.shape[1]} dimensions by TF-IDF and truncated SVD "
        f"({time.perf_counter() - started:.1f} s)\n"
    )

    index = ExemplarIndex(rows, C=C, n_threads=n_threads)
    mean = normalize(queries.mean(axis=0, keepdims=True))[0]
    nearest, knn_seconds = timed(lambda: nearest_neighbours(rows, mean, k))
    found, svm_seconds = timed(lambda: index.search_shared(queries, k))
    assert isinstance(found.report, SearchReport)

    for text in texts:
        console.print(f"[bold]query:[/bold] {text}", highlight=False)
    table = Table(show_lines=False, expand=True)
    table.add_column("", justify="right", width=2)
    averaged = " of the averaged vector" if len(texts) > 1 else ""
    table.add_column(f"kNN{averaged}, {1e3 * knn_seconds:.2f} ms", ratio=1, overflow="fold")
    shared = ", all texts as positives" if len(texts) > 1 else ""
    table.add_column(f"exemplar SVM{shared}, {1e3 * svm_seconds:.2f} ms", ratio=1, overflow="fold")
    in_nearest = set(nearest.tolist())
    for rank, (left, right) in enumerate(zip(nearest, found.indices, strict=True), start=1):
        marker = "" if right in in_nearest else "[green]+ [/green]"
        table.add_row(str(rank), described(documents, left), marker + described(documents, right))
    console.print(table)
    report = found.report
    console.print(
        f"exemplar SVM: {report.status} after {report.epochs} epochs, {report.n_support} support "
        f"rows; certificate: duality gap {report.duality_gap:.1e}, every score within "
        f"{report.score_error_bound:.1e} of exact, {report.certified_k} of {k} ranks proven exact",
        highlight=False,
    )


def read_docstrings(folder: Path, console: Console) -> list[Docstring]:
    """Read the docstrings of all Python files below a folder; imports and runs nothing."""
    files = sorted(
        path for path in folder.rglob("*.py") if not {"site-packages", "test"} & set(path.parts)
    )
    found: dict[str, Docstring] = {}  # by text: inherited and generated docstrings repeat
    for path in track(files, description="Reading docstrings", console=console, transient=True):
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        for docstring in docstrings(path, module):
            if len(docstring.text) >= SHORTEST:
                found.setdefault(docstring.text, docstring)
    return list(found.values())


def docstrings(path: Path, module: str) -> Iterator[Docstring]:
    """Yield the docstrings of one file; none if this Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in strings of other authors
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return
    pending: list[tuple[str, ast.AST]] = [(module, tree)]
    while pending:
        name, node = pending.pop()
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield Docstring(name, text)
        for child in ast.iter_child_nodes(node):
            child_name = getattr(child, "name", None)
            inner = isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            pending.append((f"{name}.{child_name}" if inner else name, child))


def embed(documents: list[str], queries: list[str]) -> tuple[FloatArray, FloatArray]:
    """Embed texts as unit vectors: TF-IDF, reduced by truncated SVD (latent semantic analysis)."""
    tfidf = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2, dtype=np.float32)
    counts = tfidf.fit_transform(documents)
    svd = TruncatedSVD(min(N_FEATURES, min(counts.shape) - 1), random_state=0)
    rows = normalize(svd.fit_transform(counts)).astype(np.float32)
    words = tfidf.transform(queries)
    for text, n_known in zip(queries, words.getnnz(axis=1), strict=True):
        if n_known == 0:
            raise ValueError(f"no word of {text!r} occurs in more than one docstring")
    vectors = normalize(svd.transform(words)).astype(np.float32)
    return rows, vectors


def nearest_neighbours(rows: FloatArray, query: FloatArray, k: int) -> IndexArray:
    """Return the k rows with the largest inner product, best first."""
    similarity = rows @ query
    nearest = np.argpartition(-similarity, min(k, len(rows) - 1))[:k]
    return nearest[np.argsort(-similarity[nearest])]


def timed(function: Callable[[], T]) -> tuple[T, float]:
    """Return a result and the seconds it takes: the median of a few runs."""
    seconds = []
    for _ in range(N_TIMED):
        started = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - started)
    return result, statistics.median(seconds)


def described(documents: list[Docstring], row: int) -> str:
    """Describe one result."""
    document = documents[row]
    return f"[bold]{document.name}[/bold]\n  {document.headline}"
