"""Judged queries: their examples, and the rows that they should find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .._typing import FloatArray

#: Relevant rows and their positive relevance; all other rows are not relevant.
Judgements = Mapping[int, int]
#: Vectors, of shape (p, d), or row numbers.
Positives = FloatArray | list[int]


@dataclass(frozen=True)
class Query:
    """The examples of one search, and the rows that it should find.

    Searches do not return positives given by number, so these are not among the relevant rows.
    """

    positives: Positives
    relevant: Judgements


@dataclass(frozen=True)
class Task:
    """Rows, and queries over them."""

    name: str
    rows: FloatArray
    queries: Sequence[Query]


def by_vector(vectors: FloatArray, judged: Sequence[Judgements]) -> list[Query]:
    """Search with the vector of each query that has a relevant row."""
    return [
        Query(vector[np.newaxis], relevant)
        for vector, relevant in zip(vectors, judged, strict=True)
        if relevant
    ]


def by_example(
    judged: Sequence[Judgements], n_examples: int, rng: np.random.Generator
) -> list[Query]:
    """Search with some relevant rows of each query for the others.

    The examples are drawn at random. Queries without a further relevant row are left out.
    """
    queries = []
    for relevant in judged:
        if len(relevant) > n_examples:
            examples = rng.choice(np.array(sorted(relevant)), n_examples, replace=False).tolist()
            others = {row: gain for row, gain in relevant.items() if row not in examples}
            queries.append(Query(examples, others))
    return queries


def sample(queries: Sequence[Query], n: int | None, rng: np.random.Generator) -> list[Query]:
    """Draw n of the queries, in their order; all of them if there are no more."""
    if n is None or n >= len(queries):
        return list(queries)
    return [queries[i] for i in np.sort(rng.choice(len(queries), n, replace=False))]
