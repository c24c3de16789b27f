"""The judged collections that ranking quality is measured on, and the tasks made of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data
import numpy as np
from numpy.typing import NDArray

from exemplar_svm._evaluation.tasks import (
    Judgements,
    Query,
    Task,
    by_example,
    by_vector,
    sample,
)

N_EXAMPLES = 5  # where there are several positives

_COMMON = 500  # a tag of more rows says little about them
_RARE = 20
_SHARED = 10  # rows that have both tags of a pair, at least
_UNKNOWN = b"::TODO"  # in Debian's tags: a facet is still to be tagged


@dataclass(frozen=True)
class Size:
    """How much of a collection is used; what is left out is drawn."""

    queries: int  # of a task, at most
    rows: int  # of package descriptions, at most; the other collections are small


def folder() -> Path:
    """Return the folder of the collections."""
    name = os.environ.get(data.FOLDER_VARIABLE)
    if not name:
        raise SystemExit(f"{data.FOLDER_VARIABLE} does not name a folder of judged collections")
    return Path(name)


def cranfield(size: Size) -> list[Task]:
    """Aerodynamics abstracts, MiniLM."""
    rows, vectors, judged = _collection("cranfield.npz")
    return _three_tasks("Cranfield", rows, vectors, judged, size)


def cacm(size: Size) -> list[Task]:
    """Titles and abstracts of computer science, MiniLM."""
    rows, vectors, judged = _collection("cacm.npz")
    return _three_tasks("CACM", rows, vectors, judged, size)


def cranfield_tfidf(size: Size) -> list[Task]:
    """The same abstracts as TF-IDF vectors, made dense."""
    import scipy.sparse

    _, _, judged = _collection("cranfield.npz")
    rows, vectors = (
        scipy.sparse.load_npz(folder() / f"cranfield_tfidf_{part}.npz").toarray()
        for part in ("docs", "queries")
    )
    return _three_tasks("Cranfield TF-IDF", rows, vectors, judged, size)


def debian_sections(size: Size) -> list[Task]:
    """Package descriptions, MiniLM: other packages of a package's section."""
    rng = np.random.default_rng(data.SEED)
    with np.load(folder() / "debian_descriptions.npz") as arrays:
        some = _some(len(arrays["section"]), size.rows, rng)
        rows, sections = data.unit(arrays["emb"][some]), arrays["section"][some]
    drawn = sections[rng.choice(len(rows), size.queries, replace=False)]
    judged = [_all_relevant(np.flatnonzero(sections == section)) for section in drawn]
    return [
        Task("Debian sections: document", rows, by_example(judged, 1, rng)),
        Task(f"Debian sections: {N_EXAMPLES} documents", rows, by_example(judged, N_EXAMPLES, rng)),
    ]


def debian_tags(size: Size) -> list[Task]:
    """Package descriptions that have tags, MiniLM: other packages of a tag."""
    rows, tagged, _ = _debian_tags()
    rng = np.random.default_rng(data.SEED)
    some = _some(len(rows), size.rows, rng)
    rows, tagged = rows[some], tagged[some]
    sizes = tagged.sum(axis=0)
    chosen = np.flatnonzero((sizes >= _RARE) & (sizes <= _COMMON))
    chosen = np.sort(rng.permutation(chosen)[: size.queries])
    judged = [_all_relevant(np.flatnonzero(tagged[:, tag])) for tag in chosen]
    return [
        Task("Debian tags: document", rows, by_example(judged, 1, rng)),
        Task(f"Debian tags: {N_EXAMPLES} documents", rows, by_example(judged, N_EXAMPLES, rng)),
    ]


def debian_two_tags(size: Size) -> list[Task]:
    """All package descriptions that have tags: those that have two tags at once.

    Pairs of tags of different facets, none of them common, of which each has at least twice as many
    rows as both have. The examples of the first tasks have one tag of the pair each, those of the
    last both.
    """
    rows, tagged, facets = _debian_tags()
    rng = np.random.default_rng(data.SEED)
    both = tagged.T.astype(np.float32) @ tagged.astype(np.float32)
    sizes = both.diagonal()
    first, second = np.nonzero(
        (both >= _SHARED)
        & (2 * both <= np.minimum.outer(sizes, sizes))
        & (np.maximum.outer(sizes, sizes) <= _COMMON)
        & np.less.outer(np.arange(len(facets)), np.arange(len(facets)))
        & (facets[:, np.newaxis] != facets)
    )
    pairs = np.sort(rng.permutation(len(first))[: size.queries])
    tasks = []
    for n_each in (1, 3):
        queries = []
        for a, b in zip(first[pairs], second[pairs], strict=True):
            of_one = (tagged[:, a] & ~tagged[:, b], tagged[:, b] & ~tagged[:, a])
            examples = [rng.choice(np.flatnonzero(x), n_each, replace=False) for x in of_one]
            relevant = np.flatnonzero(tagged[:, a] & tagged[:, b])
            queries.append(Query(np.concatenate(examples).tolist(), _all_relevant(relevant)))
        tasks.append(Task(f"Debian two tags: {n_each} + {n_each} documents", rows, queries))
    judged = [
        _all_relevant(np.flatnonzero(tagged[:, a] & tagged[:, b]))
        for a, b in zip(first[pairs], second[pairs], strict=True)
    ]
    tasks.append(Task("Debian two tags: 2 documents of both", rows, by_example(judged, 2, rng)))
    return tasks


COLLECTIONS: dict[str, Callable[[Size], list[Task]]] = {
    "cranfield": cranfield,
    "cacm": cacm,
    "cranfield-tfidf": cranfield_tfidf,
    "debian-sections": debian_sections,
    "debian-tags": debian_tags,
}


def _collection(name: str) -> tuple[data.Floats, data.Floats, list[Judgements]]:
    with np.load(folder() / name) as arrays:
        rows, vectors = data.unit(arrays["doc_emb"]), data.unit(arrays["query_emb"])
        judged: list[dict[int, int]] = [{} for _ in vectors]
        for (query, row), gain in zip(arrays["qrels"], arrays["relevance"], strict=True):
            judged[query][int(row)] = int(gain)
    return rows, vectors, list(judged)


def _three_tasks(
    name: str,
    rows: data.Floats,
    vectors: data.Floats,
    judged: Sequence[Judgements],
    size: Size,
) -> list[Task]:
    rng = np.random.default_rng(data.SEED)
    kinds = {
        "text": by_vector(vectors, judged),
        "document": by_example(judged, 1, rng),
        f"{N_EXAMPLES} documents": by_example(judged, N_EXAMPLES, rng),
    }
    return [
        Task(f"{name}: {kind}", rows, sample(queries, size.queries, rng))
        for kind, queries in kinds.items()
    ]


def _debian_tags() -> tuple[data.Floats, NDArray[np.bool_], NDArray[Any]]:
    """Return the rows that have tags, which they have, and the facets of the tags."""
    with np.load(folder() / "debian_descriptions.npz") as arrays:
        counts = np.diff(arrays["tag_indptr"])
        known = ~np.char.endswith(arrays["tag_vocab"], _UNKNOWN)
        tagged = np.zeros((len(counts), len(known)), bool)
        tagged[np.repeat(np.arange(len(counts)), counts), arrays["tag_indices"]] = True
        tagged = tagged[:, known]
        with_tags = tagged.any(axis=1)
        rows = data.unit(arrays["emb"][with_tags])
        facets = np.array([tag.split(b"::")[0] for tag in arrays["tag_vocab"][known]])
    return rows, tagged[with_tags], facets


def _some(n: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.choice(n, min(n, wanted), replace=False))


def _all_relevant(rows: NDArray[np.int64]) -> Judgements:
    return dict.fromkeys(rows.tolist(), 1)
