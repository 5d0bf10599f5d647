"""How far labels can be trusted: noise against S/N, and choices that matter more."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels.unit import label_galaxies
from galam_explorer.records import Galaxy

__all__ = ["CHOICES", "SN_EDGES", "dispersion_by_sn", "recovery_by_sn", "spread_over_choices"]

SN_EDGES = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, float("inf"))
"""The paper's bins of S/N (Sect. 4.3, Fig. 16)."""
CHOICES: tuple[dict[str, object], ...] = (
    {},
    {"mdegree": 5},
    {"mdegree": 15},
    {"mdegree": 0, "degree": 10},
    {"templates": "embedded-full"},
)
"""Changes of a configuration that an expert might as well have chosen."""


def dispersion_by_sn(
    table: pd.DataFrame, sn: np.ndarray, edges: Sequence[float] = SN_EDGES
) -> pd.DataFrame:
    """Median dispersion of the labels in bins of S/N, the dotted lines of the paper's Fig. 16.

    Parameters
    ----------
    table : DataFrame
        Labels with draws, one row a galaxy.
    sn : ndarray, shape (len(table),)
        S/N of the galaxies.
    edges : sequence of float
        Bins include their lower edge.

    Returns
    -------
    DataFrame
        One row a bin: ``sn_low``, ``sn_high``, ``galaxies``, ``log_age_std``, ``m_h_std``
        (medians, dex), ``correlation`` (median correlation of the two).
    """
    correlation = table["covariance"] / (table["log_age_std"] * table["m_h_std"])
    columns = table.assign(correlation=correlation)[["log_age_std", "m_h_std", "correlation"]]
    rows = []
    for low, high, inside in _bins(np.asarray(sn), edges):
        chosen = columns[inside & (table["status"] == "ok").to_numpy()]
        rows.append(
            {"sn_low": low, "sn_high": high, "galaxies": len(chosen), **chosen.median().to_dict()}
        )
    return pd.DataFrame(rows)


def recovery_by_sn(
    table: pd.DataFrame,
    true_log_age: np.ndarray,
    true_m_h: np.ndarray,
    sn: np.ndarray,
    edges: Sequence[float] = SN_EDGES,
) -> pd.DataFrame:
    """Bias (median) and scatter (1.4826 MAD and standard deviation) of label minus truth.

    Arrays have one value a row of `table`; returns one row a bin of S/N.
    """
    rows = []
    truths = {"log_age": np.asarray(true_log_age), "m_h": np.asarray(true_m_h)}
    for low, high, inside in _bins(np.asarray(sn), edges):
        inside = inside & (table["status"] == "ok").to_numpy()
        row = {"sn_low": low, "sn_high": high, "galaxies": int(inside.sum())}
        for name, truth in truths.items():
            residual = table[name].to_numpy()[inside] - truth[inside]
            known = residual[np.isfinite(residual)]
            some = len(known) > 1
            bias = float(np.median(known)) if some else float("nan")
            nmad = float(1.4826 * np.median(abs(known - bias))) if some else float("nan")
            deviation = float(np.std(known, ddof=1)) if some else float("nan")
            row |= {f"{name}_bias": bias, f"{name}_nmad": nmad, f"{name}_std": deviation}
        rows.append(row)
    return pd.DataFrame(rows)


def spread_over_choices(
    galaxies: Sequence[Galaxy],
    config: LabelConfig | None = None,
    choices: Sequence[dict[str, object]] = CHOICES,
) -> pd.DataFrame:
    """Labels under several continuum and template choices.

    Parameters
    ----------
    galaxies : sequence of Galaxy
    config : LabelConfig, optional
        What the choices change; draws are not made.
    choices : sequence of dict
        Fields of `LabelConfig`.

    Returns
    -------
    DataFrame
        One row a galaxy: ``id``, ``log_age_spread`` and ``m_h_spread`` (standard
        deviation over the choices that could be fitted, dex), ``choices`` (how many)
        and ``log_age_0``, ``m_h_0``, ... for each choice.

    Raises
    ------
    GalamError
        With fewer than two choices, or one that is no configuration.
    """
    if len(choices) < 2:
        raise GalamError("a spread needs at least two", "choices")
    config = (config or LabelConfig()).replace(draws=0, template_digest="")
    values = np.full((len(choices), len(galaxies), 2), np.nan)
    for index, changes in enumerate(choices):
        fits = label_galaxies(galaxies, config.replace(**changes))
        values[index] = [(fit.log_age, fit.m_h) for fit in fits]
    count = np.isfinite(values[..., 0]).sum(0)
    spread = np.full((len(galaxies), 2), np.nan)
    several = count >= 2
    spread[several] = np.nanstd(values[:, several], axis=0, ddof=1)
    table = {
        "id": [one.id for one in galaxies],
        "log_age_spread": spread[:, 0],
        "m_h_spread": spread[:, 1],
        "choices": count,
    }
    for index in range(len(choices)):
        table[f"log_age_{index}"], table[f"m_h_{index}"] = values[index].T
    return pd.DataFrame(table)


def _bins(sn: np.ndarray, edges: Sequence[float]) -> list[tuple[float, float, np.ndarray]]:
    pairs = itertools.pairwise(edges)
    return [(low, high, (sn >= low) & (sn < high)) for low, high in pairs]
