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
        # In blocks: the rows may be a file larger than memory.
        blocks = (self._rows[i : i + _BLOCK] for i in range(0, len(self._rows), _BLOCK))
        lengths = np.concatenate([np.linalg.norm(block - self._mean, axis=1) for block in blocks])
        return np.where(lengths > 0, lengths, 1)


class HalfCentred:
    """The sum of the standardized scores of kNN and centred kNN: costs two kNN searches."""

    name = "half centred kNN"

    def __init__(self, knn: NearestNeighbours, centred: NearestNeighbours) -> None:
        self._parts = knn, centred

    def rank(self, positives: Positives, k: int) -> IndexArray:
        """Return the k best rows."""
        knn, centred = (standardized(part.scores(positives)) for part in self._parts)
        return best(knn + centred, positives, k)


def standardized(scores: FloatArray) -> FloatArray:
    """Scale scores to mean 0 and deviation 1; equal ones to 0."""
    deviation = scores.std()
    scaled: FloatArray = (scores - scores.mean()) / (deviation if deviation > 0 else 1)
    return scaled


def best(scores: FloatArray, positives: Positives, k: int) -> IndexArray:
    """Return the k best rows that are not positives; rows of equal score in their order."""
    taken = positives if isinstance(positives, list) else []
    ranking = np.argsort(-scores, kind="stable")
    return ranking[~np.isin(ranking, taken)][:k]


@dataclass(frozen=True)
class Setting:
    """What moves a ranking between kNN, centred kNN and the exemplar SVM."""

    C: float = 0.1
    center: bool = False
    prior: float = 0.0


@dataclass(frozen=True)
class ExemplarSvm:
    """One exact SVM of all positives together."""

    name: str
    index: ExemplarIndex  # centred if the setting says so
    setting: Setting

    def rank(self, positives: Positives, k: int) -> IndexArray:
        """Return the k best rows."""
        found = self.index.search_shared(
            positives, k, C=self.setting.C, prior=self.setting.prior
        ).indices
        return found[found >= 0]


def in_words(setting: Setting) -> str:
    """Name a setting."""
    centred = ", centred" if setting.center else ""
    return f"C={setting.C:g}{centred}, prior {setting.prior:g}"


def baselines(rows: FloatArray) -> list[Ranker]:
    """Return kNN, which is the baseline of all, and centred kNN, which needs no SVM."""
    knn, centred = NearestNeighbours(rows), NearestNeighbours(rows, center=True)
    return [knn, centred, HalfCentred(knn, centred)]


def starting_points(n_rows: int) -> dict[str, Setting]:
    """Return the recipe, and the setting that docs/quality.md recommends, by their names.

    With C n fixed, all negatives together have the same weight however many they are, so the
    ranking does not drift from that of the prior as rows are added.
    """
    near_knn = Setting(C=10 / max(n_rows, 100), center=True, prior=2.0)
    return {"the recipe": Setting(), "C=10/n, centred, prior 2": near_knn}


def grid(costs: Iterable[float] = COSTS, priors: Iterable[float] = PRIORS) -> dict[str, Setting]:
    """Return every combination of C, centring and prior but the recipe, by their names."""
    settings = itertools.starmap(Setting, itertools.product(costs, (False, True), priors))
    return {in_words(setting): setting for setting in settings if setting != Setting()}


def indices(rows: FloatArray, **options: Any) -> dict[bool, ExemplarIndex]:
    """Build the two indices that all settings share, by whether they are centred."""
    return {center: ExemplarIndex(rows, center=center, **options) for center in (False, True)}


def exemplar_svms(
    built: Mapping[bool, ExemplarIndex], settings: Mapping[str, Setting]
) -> list[Ranker]:
    """Search with each of the named settings."""
    return [ExemplarSvm(name, built[setting.center], setting) for name, setting in settings.items()]
