"""Presets are names for C, centring and prior."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import clustered

import exemplar_svm as esvm

ROWS = clustered(500, 12)
#: What the robust preset is for 500 rows.
ROBUST = {"C": 0.02, "center": True, "prior": 2.0}


def scores(**options):
    index = esvm.ExemplarIndex(ROWS, n_threads=1, **options)
    return index.decision_function(ROWS[:3] + 0.05)


def test_the_default_is_the_recipe():
    recipe = scores(C=0.1, center=False, prior=0.0)
    np.testing.assert_array_equal(scores(), recipe)
    np.testing.assert_array_equal(scores(preset="recipe"), recipe)


def test_the_robust_preset_is_its_settings():
    np.testing.assert_array_equal(scores(preset="robust"), scores(**ROBUST))


@pytest.mark.parametrize("other", [{"C": 1.0}, {"center": False}, {"prior": 0.0}])
def test_what_is_given_overrides_the_preset(other):
    np.testing.assert_array_equal(scores(preset="robust", **other), scores(**(ROBUST | other)))


def test_a_call_overrides_the_preset():
    index = esvm.ExemplarIndex(ROWS, preset="robust", n_threads=1)
    expected = esvm.ExemplarIndex(ROWS, C=1.0, center=True, prior=2.0, n_threads=1).search(ROWS[3])
    np.testing.assert_array_equal(index.search(ROWS[3], C=1.0).scores, expected.scores)
    shared = index.search_shared([3, 4]).indices
    one_shot = esvm.search(ROWS[3], ROWS, preset="robust", method="auto", n_threads=1)
    np.testing.assert_array_equal(one_shot.scores, index.search(ROWS[3]).scores)
    assert not {3, 4} & set(shared.tolist())


def test_few_rows_cost_no_more_than_in_the_recipe():
    assert "C=0.1" in repr(esvm.ExemplarIndex(ROWS[:5], preset="robust"))
    assert "C=0.02" in repr(esvm.ExemplarIndex(ROWS, preset="robust"))
    assert esvm.ExemplarIndex(ROWS[:0], preset="robust").search(ROWS[0], k=1).indices[0] == -1


def test_the_robust_preset_does_not_depend_on_the_number_of_rows():
    twice = np.repeat(ROWS, 2, axis=0)  # the same distribution, twice as many

    def change(preset):
        once, again = (
            esvm.ExemplarIndex(rows, preset=preset).decision_function(ROWS[:3] + 0.05)
            for rows in (ROWS, twice)
        )
        return np.abs(again[:, ::2] - once).max() / np.ptp(once)

    assert change("robust") < 0.01
    assert change("recipe") > 5 * change("robust")


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match=r"preset is 'best', but must be 'recipe' or 'robust'"):
        esvm.ExemplarIndex(ROWS, preset="best")
