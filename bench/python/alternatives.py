"""Rankings that were tried beside those of the library; docs/quality.md says what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import data
import numpy as np
from numpy.typing import NDArray

import exemplar_svm as esvm
from exemplar_svm._evaluation.rankers import (
    NearestNeighbours,
    Ranker,
    Setting,
    best,
    in_words,
    standardized,
)
from exemplar_svm._evaluation.tasks import Positives


@dataclass(frozen=True)
class Mixture:
    """Half standardized kNN scores, half standardized SVM scores."""

    rows: data.Floats
    index: esvm.ExemplarIndex
    setting: Setting

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"half kNN, half {in_words(self.setting)}"

    def rank(self, positives: Positives, k: int) -> NDArray[np.int64]:
        """Return the k best rows."""
        model = self.index.fit(positives, C=self.setting.C, prior=self.setting.prior)
        scores = NearestNeighbours(self.rows).scores(positives)
        return best(standardized(scores) + standardized(self.rows @ model.coef_), positives, k)


@dataclass(frozen=True)
class WithoutNearest:
    """The rows nearest to the positives are no negatives."""

    rows: data.Floats
    index: esvm.ExemplarIndex
    setting: Setting
    n_nearest: int

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{in_words(self.setting)}, {self.n_nearest} nearest no negatives"

    def rank(self, positives: Positives, k: int) -> NDArray[np.int64]:
        """Return the k best rows."""
        background = np.ones(len(self.rows), bool)
        background[NearestNeighbours(self.rows).rank(positives, self.n_nearest)] = False
        found: NDArray[np.int64] = self.index.search_shared(
            positives, k, C=self.setting.C, prior=self.setting.prior, background=background
        ).indices
        return found[found >= 0]


@dataclass(frozen=True)
class OfHalf:
    """Search by one half of the positives, the first or the second."""

    ranker: Ranker
    half: int

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{self.ranker.name}, half {self.half + 1}"

    def rank(self, positives: Positives, k: int) -> NDArray[np.int64]:
        """Return the k best rows."""
        middle = len(positives) // 2
        own = positives[:middle] if self.half == 0 else positives[middle:]
        found = self.ranker.rank(own, k + len(positives))
        return found[~np.isin(found, positives)][:k]


def alternatives(
    rows: data.Floats, indices: dict[bool, esvm.ExemplarIndex], settings: Sequence[Setting]
) -> list[Ranker]:
    """Return mixtures and searches without the nearest rows, at each setting."""
    made: list[Ranker] = []
    for setting in settings:
        index = indices[setting.center]
        made.append(Mixture(rows, index, setting))
        made += [WithoutNearest(rows, index, setting, n) for n in (5, 20, 50)]
    return made
