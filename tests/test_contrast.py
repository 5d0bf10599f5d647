"""What sets some galaxies apart: against direct counts, and where nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest

from galam_explorer.evaluate.contrast import contrast


def test_it_counts_pairs_and_takes_medians() -> None:
    random = np.random.default_rng(3)
    chosen = np.arange(300) < 40
    values = {
        "same": random.normal(size=300),
        "higher": random.normal(size=300) + 1.5 * chosen,
        "flag": (random.random(300) < np.where(chosen, 0.7, 0.2)).astype(float),
        "holes": np.where(random.random(300) < 0.3, np.nan, random.normal(size=300) - chosen),
    }
    found = contrast(values, chosen, ~chosen).set_index("property")
    assert found.index[0] == "higher"
    assert found.index[-1] == "same"
    for name, column in values.items():
        here, there = (column[side & np.isfinite(column)] for side in (chosen, ~chosen))
        pairs = (here[:, None] > there).mean() + 0.5 * (here[:, None] == there).mean()
        assert found.loc[name, "larger"] == pytest.approx(pairs)
        middle = np.mean if name == "flag" else np.median
        assert found.loc[name, "chosen"] == pytest.approx(middle(here))
        assert found.loc[name, "others"] == pytest.approx(middle(there))
    assert found["share"].to_dict() == {name: name == "flag" for name in found.index}
    assert found.loc["higher", "p"] < 1e-6
    assert found.loc["same", "p"] > 0.05
    # As many looks as properties: the chance grows with their number.
    alone = contrast({"flag": values["flag"]}, chosen, ~chosen)
    assert found.loc["flag", "p"] == pytest.approx(4 * alone["p"][0])


def test_too_few_values_say_nothing() -> None:
    values = np.arange(10.0)
    few = np.arange(10) < 2
    assert contrast({"x": values}, few, ~few).empty
    assert contrast({"x": np.full(10, np.nan)}, ~few, few).empty
    assert contrast({}, few, ~few).empty
