"""Scatter and coverage in bins of S/N and age (paper Fig. 16)."""

from __future__ import annotations

from collections.abc import Mapping

import holoviews as hv
import numpy as np
import pandas as pd

from galam_explorer.evaluate.figures.population import QUANTITIES, plot_options
from galam_explorer.evaluate.figures.predictions import SHORT_NAMES
from galam_explorer.evaluate.figures.style import Style, style_for

__all__ = ["coverage_figure", "sn_scatter_figure"]

_POINTS = "x", "y"
_SN_CAP = 40.0  # Where the open last bin of S/N is drawn to end.


def _bin_centres(table: pd.DataFrame) -> np.ndarray:
    low = table["sn_low"].to_numpy(float)
    high = np.minimum(table["sn_high"].to_numpy(float), _SN_CAP)
    return 0.5 * (low + high)


def sn_scatter_figure(
    tables: Mapping[str, pd.DataFrame],
    quantity: str = "log_age",
    *,
    dispersion: pd.DataFrame | None = None,
    column: str = "sd",
    dark: bool = False,
) -> hv.Overlay:
    """Scatter of the predictions in the paper's bins of S/N, and the labels' own (Fig. 16).

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By model, as `galam_explorer.evaluate.metrics.scatter_by_sn` gives it.
    quantity : {"log_age", "m_h"}
    dispersion : DataFrame, optional
        As `galam_explorer.labels.dispersion.dispersion_by_sn` gives it; dotted.
    column : str
        The metric that is drawn.

    Returns
    -------
    hv.Overlay
        A line with points for each model, and the dotted one.
    """
    style, layers, top = style_for(dark), [], 0.05
    for (name, table), colour in zip(tables.items(), _cycle(style), strict=False):
        centres, values = _bin_centres(table), table[column].to_numpy(float)
        top = max(top, float(np.nanmax(values, initial=0.0)))
        layers.append(hv.Curve((centres, values), label=name).opts(color=colour, line_width=2))
        layers.append(hv.Points((centres, values), list(_POINTS)).opts(color=colour, size=7))
    if dispersion is not None:
        values = dispersion[f"{quantity}_std"].to_numpy(float)
        top = max(top, float(np.nanmax(values, initial=0.0)))
        layers.append(
            hv.Curve((_bin_centres(dispersion), values), label="dispersion of the label").opts(
                color=style.text, line_width=2, line_dash="dotted"
            )
        )
    return hv.Overlay(layers).opts(
        plot_options(
            "S/N in r, in the paper's bins",
            f"{column.upper()} of {QUANTITIES[quantity].split(' (')[0]} (dex)",
            xlim=(4.0, 38.0),
            # The names stand above the lines.
            ylim=(0.0, 1.5 * top),
            show_legend=True,
            legend_position="top_right",
            legend_cols=2,
        )
    )


def _cycle(style: Style) -> list[str]:
    return list(style.categories) * 4


def coverage_figure(
    table: pd.DataFrame, quantity: str = "log_age", *, dark: bool = False
) -> hv.Overlay:
    """Share of galaxies inside their 68 % and 90 % intervals, by network and bin.

    Parameters
    ----------
    table : DataFrame
        As `galam_explorer.evaluate.calibration.coverage_table` gives it.
    quantity : {"log_age", "m_h"}

    Returns
    -------
    hv.Overlay
        Points with binomial errors over bins; dashed lines at the two levels.
    """
    style = style_for(dark)
    table = table[table["target"] == quantity]
    bins = list(dict.fromkeys(table["bin"]))
    networks = list(dict.fromkeys(table["network"]))
    layers: list[hv.Element] = [
        hv.Curve(([-0.6, len(bins) - 0.4], [level, level])).opts(
            color=style.muted, line_width=1.5, line_dash="dashed"
        )
        for level in sorted(set(table["level"]))
    ]
    for index, (name, colour) in enumerate(zip(networks, _cycle(style), strict=False)):
        mine = table[table["network"] == name]
        shift = 0.6 * (index - (len(networks) - 1) / 2) / max(len(networks), 1)
        x = np.array([bins.index(one) for one in mine["bin"]]) + shift
        y = mine["coverage"].to_numpy(float)
        layers.append(hv.ErrorBars((x, y, mine["error"].to_numpy(float))).opts(color=colour))
        title = SHORT_NAMES.get(name, name)
        layers.append(hv.Points((x, y), list(_POINTS), label=title).opts(color=colour, size=7))
    return hv.Overlay(layers).opts(
        plot_options(
            "", "share inside the interval", ylim=(0.2, 1.03), xlim=(-0.6, len(bins) - 0.4),
            xticks=list(enumerate(bins)), show_legend=True, legend_position="bottom_right",
            legend_cols=3,
            xrotation=45,
        )
    )  # fmt: skip
