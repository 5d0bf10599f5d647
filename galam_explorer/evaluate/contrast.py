"""What sets some galaxies apart from the others: each property on its own, by rank."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

__all__ = ["contrast"]

_LEAST = 3
"""Values on either side below which nothing is said of a property."""


def contrast(
    properties: Mapping[str, np.ndarray], chosen: np.ndarray, others: np.ndarray
) -> pd.DataFrame:
    """Compare the chosen galaxies with the others, property by property.

    The Mann-Whitney test (``scipy.stats.mannwhitneyu``) asks whether one side tends to
    have the larger values. It knows one property at a time: several that go together
    all appear, and none of them need be the cause.

    Parameters
    ----------
    properties : mapping of str to ndarray, shape (n,)
        NaN where unknown.
    chosen, others : ndarray of bool, shape (n,)

    Returns
    -------
    DataFrame
        The property that differs most first: ``property``, ``chosen`` and ``others``
        (medians; shares where ``share`` is true: all values are 0 or 1), ``larger``
        (probability that a chosen galaxy has the larger value than another one, ties
        count half; 0.5: no difference), ``p`` (chance of as much by accident, times the
        number of properties, 1 at most). Properties with fewer than 3 values on a side
        are left out.
    """
    from scipy.stats import mannwhitneyu

    rows = []
    for name, values in properties.items():
        values = np.asarray(values, float)
        known = np.isfinite(values)
        here, there = values[chosen & known], values[others & known]
        if min(len(here), len(there)) < _LEAST:
            continue
        test = mannwhitneyu(here, there)
        share = bool(np.isin(values[known], (0.0, 1.0)).all())
        middle = np.mean if share else np.median
        larger = float(test.statistic) / (len(here) * len(there))
        rows.append((name, middle(here), middle(there), share, larger, float(test.pvalue)))
    frame = pd.DataFrame(rows, columns=["property", "chosen", "others", "share", "larger", "p"])
    frame["p"] = np.minimum(frame["p"] * len(frame), 1.0)
    order = (frame["larger"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)
