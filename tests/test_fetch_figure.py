"""The paper's Fig. 1 from counts of the full selection."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures.selection import (
    COLUMNS,
    compare_with_selection,
    selection_figure,
)
from galam_explorer.survey.sdss_counts import SelectionCounts


def sample(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "z": rng.beta(2, 4, n) * 0.3,
            "sn_r": (5 + rng.gamma(2, 6, n)).astype(np.float32),
            "petro_mag_r": (18.5 - rng.gamma(2, 0.5, n)).astype(np.float32),
        }
    )


def counts_of(values: np.ndarray, column: str) -> SelectionCounts:
    width = COLUMNS[column][1]
    low, high = np.floor(values.min() / width), np.floor(values.max() / width) + 1
    edges = np.round(np.arange(low, high + 1) * width, 6)
    counts = np.bincount((np.floor(values / width) - low).astype(int), minlength=len(edges) - 1)
    return SelectionCounts(column, edges, counts, "dr17", "SELECT")


def test_a_sample_and_its_selection_share_their_bins() -> None:
    full, few = sample(40_000), sample(40_000).iloc[:2500]
    for column, (_, width, _) in COLUMNS.items():
        counts = counts_of(full[column].to_numpy(float), column)
        table = compare_with_selection(few, column, counts)
        assert table["sample"].sum() == 2500
        assert table["full"].sum() == 40_000
        np.testing.assert_allclose(table["high"] - table["low"], width, rtol=1e-6)
        for name in ("sample_density", "full_density"):
            assert (table[name] * width).sum() == pytest.approx(1.0)
        # A random sample follows its selection: chi-squared per filled bin is near 1.
        known = table[table["full"] > 400]
        expected = known["full"] * 2500 / 40_000
        assert 0.4 < ((known["sample"] - expected) ** 2 / expected).mean() < 2.0


def test_values_outside_the_counts_and_missing_ones() -> None:
    counts = SelectionCounts("z", np.array([0.05, 0.06, 0.07]), np.array([3, 5]))
    catalog = pd.DataFrame({"z": [0.02, 0.05, 0.0699, 0.07, 0.095, np.nan]})
    table = compare_with_selection(catalog, "z", counts)
    assert table["sample"].sum() == 5
    assert table["full"].sum() == 8
    full = table[table["full"] > 0]
    np.testing.assert_allclose(full["low"], [0.05, 0.06])
    assert full["sample"].tolist() == [1, 1]
    alone = compare_with_selection(catalog, "z")
    assert alone["sample"].sum() == 5
    assert alone["full"].sum() == 0
    empty = compare_with_selection(catalog.iloc[5:], "z")
    assert empty["sample"].sum() == 0
    with pytest.raises(GalamError, match="counts of 'z'"):
        compare_with_selection(sample(3), "sn_r", counts)
    with pytest.raises(GalamError, match="no histogram of 'ra'"):
        compare_with_selection(sample(3).assign(ra=1.0), "ra")


@pytest.mark.parametrize("dark", [False, True])
def test_the_figure_draws(dark: bool) -> None:
    full = sample(5000)
    counts = {column: counts_of(full[column].to_numpy(float), column) for column in COLUMNS}
    figure = selection_figure(full.iloc[:300], counts, "SDSS", dark)
    assert len(figure) == 3
    plots = hv.render(figure)
    assert plots is not None
    labels = [panel.opts.get("plot").kwargs.get("xlabel") for panel in figure]
    assert labels == [COLUMNS[column][0] for column in COLUMNS]
    first = figure.traverse(lambda one: one, [hv.Area])[0]
    assert first.label == "full selection (5,000)"
    assert len(selection_figure(full).traverse(lambda one: one, [hv.Area])) == 0


def test_counts_survive_json() -> None:
    counts = SelectionCounts("z", np.array([0.0, 0.01, 0.02]), np.array([3, 5]), "dr17", "SELECT")
    again = SelectionCounts.from_dict(counts.to_dict())
    assert again.to_dict() == counts.to_dict()
    assert again.total == 8
    for wrong in ({}, counts.to_dict() | {"edges": [0, 1]}, counts.to_dict() | {"counts": "x"}):
        with pytest.raises(GalamError):
            SelectionCounts.from_dict(wrong)
