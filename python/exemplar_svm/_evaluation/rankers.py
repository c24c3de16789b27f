"""What is compared: nearest neighbours, and exemplar SVMs of many settings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .._index import ExemplarIndex
from .._typing import FloatArray, IndexArray
from .tasks import Positives

COSTS = (0.001, 0.01, 0.1, 1.0)
PRIORS = (0.0, 1.0, 2.0, 4.0, 8.0)

_BLOCK = 1 << 13  # rows widened at a time


class Ranker(Protocol):
    """A way of searching."""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        ...

    def rank(self, positives: Positives, k: int) -> IndexArray:
        """Return the k best rows, best first; without those that are positives by number."""
        ...


class NearestNeighbours:
    """Brute-force kNN of the mean of the positives.

    By inner product; or, centred, by cosine after the mean of the rows has been subtracted.
    """

    def __init__(self, rows: FloatArray, *, center: bool = False) -> None:
        self.name = "centred kNN" if center else "kNN"
        self._rows = rows
        self._mean = rows.mean(axis=0, dtype=np.float64) if center else np.zeros(rows.shape[1])
        self._lengths = self._centred_lengths() if center else np.ones(len(rows))

    def scores(self, positives: Positives) -> FloatArray:
        """Score every row."""
        vectors = self._rows[positives] if isinstance(positives, list) else positives
        target = vectors.mean(axis=0, dtype=np.float64) - self._mean
        products = self._rows @ target.astype(self._rows.dtype)
        scores: FloatArray = (products - self._mean @ target) / self._lengths
        return scores

    def rank(self, positives: Positives, k: int) -> IndexArray:
        """Return the k best rows."""
        return best(self.scores(positives), positives, k)

    def _centred_lengths(self) -> FloatArray:
        # In blocks, as the rows may be a file larger than memory.
        blocks = (self._rows[i : i + _BLOCK] for i in range(0, len(self._rows), _BLOCK))
        lengths = np.concatenate([np.linalg.norm(block - self._mean, axis=1) for block in blocks])
        return np.where(lengths > 0, lengths, 1)


def best(scores: FloatArray, positives: Positives, k: int) -> IndexArray:
    """Return the k best rows that are not positives; equal scores in the order of their rows."""
    taken = positives if isinstance(positives, list) else []
    ranking = np.argsort(-scores, kind="stable")
    return ranking[~np.isin(ranking, taken)][:k]


@dataclass(frozen=True)
class Setting:
    """What moves the ranking of an exemplar SVM between kNN and a discriminant."""

    C: float = 0.1
    center: bool = False
    prior: float = 0.0

    @property
    def name(self) -> str:
        """The settings in words."""
        if self == Setting():
            return "the recipe"
        centred = ", centred" if self.center else ""
        return f"C={self.C:g}{centred}, prior {self.prior:g}"


@dataclass(frozen=True)
class ExemplarSvm:
    """One exact SVM of all positives together."""

    index: ExemplarIndex  # centred as the setting wants it
    setting: Setting

    @property
    def name(self) -> str:
        """Its setting."""
        return self.setting.name

    def rank(self, positives: Positives, k: int) -> IndexArray:
        """Return the k best rows."""
        found = self.index.search_shared(
            positives, k, C=self.setting.C, prior=self.setting.prior
        ).indices
        return found[found >= 0]


def baselines(rows: FloatArray) -> list[Ranker]:
    """Return kNN, which everything is compared with, and centred kNN."""
    return [NearestNeighbours(rows), NearestNeighbours(rows, center=True)]


def grid(costs: Iterable[float] = COSTS, priors: Iterable[float] = PRIORS) -> list[Setting]:
    """Return the recipe, and every combination of C, centring and prior."""
    combined = itertools.product(costs, (False, True), priors)
    settings = [Setting(C, center, prior) for C, center, prior in combined]
    return list(dict.fromkeys([Setting(), *settings]))


def indices(rows: FloatArray, **options: Any) -> dict[bool, ExemplarIndex]:
    """Build the two indices that all settings share: by whether they are centred."""
    return {center: ExemplarIndex(rows, center=center, **options) for center in (False, True)}


def exemplar_svms(built: Mapping[bool, ExemplarIndex], settings: Iterable[Setting]) -> list[Ranker]:
    """Search with each setting."""
    return [ExemplarSvm(built[setting.center], setting) for setting in settings]
