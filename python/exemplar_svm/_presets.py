"""Named settings: what ``C``, ``center`` and ``prior`` are where they are not given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._typing import PresetName

#: Of the robust preset: the negatives cost C / 2 each, so all together half of this.
_TOTAL_COST = 10.0
_FEWEST_ROWS = 100  # that it is shared among, so that C is 0.1 at most


@dataclass(frozen=True)
class Setting:
    """What moves a ranking between kNN, centred kNN and the exemplar SVM."""

    C: float = 0.1
    center: bool = False
    prior: float = 0.0


def _recipe(n_rows: int) -> Setting:
    return Setting()


def _robust(n_rows: int) -> Setting:
    # With a fixed C the loss outgrows the prior as rows are added; with C n fixed the ranking of
    # a sample tends to that of all. docs/quality.md has the search for these three numbers.
    return Setting(C=_TOTAL_COST / max(n_rows, _FEWEST_ROWS), center=True, prior=2.0)


_PRESETS: dict[str, Callable[[int], Setting]] = {"recipe": _recipe, "robust": _robust}


def preset_setting(preset: PresetName, n_rows: int) -> Setting:
    """Return the setting of a preset for so many rows.

    Raises
    ------
    ValueError
        If there is no preset of that name.
    """
    if preset not in _PRESETS:
        raise ValueError(f"preset is {preset!r}, but must be 'recipe' or 'robust'")
    return _PRESETS[preset](n_rows)
