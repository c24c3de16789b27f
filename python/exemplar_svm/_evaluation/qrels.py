"""Relevance judgements in files."""

from __future__ import annotations

from pathlib import Path

from .tasks import Judgements

_FORMS = (
    "query, row and relevance (optional) separated by white space, "
    "or the four columns of TREC: query, iteration, row, relevance"
)


def read_qrels(path: Path, n_queries: int, n_rows: int) -> list[Judgements]:
    """Read judgements in TREC's qrels format, or as tab-separated values.

    Queries and rows are row numbers, counted from 0. The fields of a line are the four of
    TREC (``query iteration row relevance``; the iteration is ignored), or ``query row relevance``,
    or ``query row``, which means a relevance of 1. A first line without numbers is a heading.

    Parameters
    ----------
    path : Path
    n_queries, n_rows : int
        The numbers in the file are below these.

    Returns
    -------
    list of mapping of int to int, one per query
        The relevant rows and their relevance. Judgements of zero and below are left out: the
        measures treat such rows like unjudged ones.

    Raises
    ------
    ValueError
        If a line cannot be read, a number is out of range, or a row is judged twice.
    """
    judged: list[dict[int, int]] = [{} for _ in range(n_queries)]
    seen: set[tuple[int, int]] = set()
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            fields = line.split()
            if not fields or (number == 1 and not any(map(_is_integer, fields))):
                continue
            place = f"{path}, line {number}"
            query, row, relevance = _judgement(fields, place)
            if not 0 <= query < n_queries:
                raise ValueError(f"{place}: the query is {query}, but there are {n_queries}")
            if not 0 <= row < n_rows:
                raise ValueError(f"{place}: the row is {row}, but there are {n_rows}")
            if (query, row) in seen:
                raise ValueError(f"{place}: row {row} is judged for query {query} again")
            seen.add((query, row))
            if relevance > 0:
                judged[query][row] = relevance
    return list(judged)


def _judgement(fields: list[str], place: str) -> tuple[int, int, int]:
    if len(fields) not in (2, 3, 4):
        raise ValueError(f"{place} has {len(fields)} fields, but must have {_FORMS}")
    chosen = [fields[0], *fields[2:]] if len(fields) == 4 else fields
    for field in chosen:
        if not _is_integer(field):
            raise ValueError(
                f"{place} holds {field!r}, but must hold whole numbers: queries and rows are "
                "row numbers of their files, from 0"
            )
    query, row, *relevance = map(int, chosen)
    return query, row, relevance[0] if relevance else 1


def _is_integer(field: str) -> bool:
    try:
        int(field)
    except ValueError:
        return False
    return True
