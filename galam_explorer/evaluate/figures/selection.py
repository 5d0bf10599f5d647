"""A sample against the selection it was drawn from (paper Fig. 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures.style import font_sizes, style_for, toolbox
from galam_explorer.survey.sdss_counts import SelectionCounts

__all__ = ["COLUMNS", "compare_with_selection", "selection_figure"]

COLUMNS = {
    "z": ("redshift", 0.01, (0.0, 0.3)),
    "sn_r": ("S/N per pixel, r band", 1.0, (0.0, 60.0)),
    "petro_mag_r": ("petroMag_r (AB mag)", 0.2, (13.0, 20.0)),
}
"""Catalogue column: (axis label, bin width where no counts give one, range shown)."""


def _edges(values: np.ndarray, counts: SelectionCounts | None, width: float) -> np.ndarray:
    """Bin edges that hold all values and, if there are counts, continue their bins."""
    if counts is not None:
        width = float(np.median(np.diff(counts.edges)))
        low, high = counts.edges[0], counts.edges[-1]
    else:
        low = high = width * np.floor(values.min() / width) if len(values) else 0.0
    if len(values):
        low -= width * max(0, np.ceil((low - values.min()) / width - 1e-9))
        high += width * max(0, np.floor((values.max() - high) / width + 1e-9) + 1)
    number = max(1, round((high - low) / width))
    return low + width * np.arange(number + 1)


def compare_with_selection(
    catalog: pd.DataFrame, column: str, counts: SelectionCounts | None = None
) -> pd.DataFrame:
    """Histogram of a sample and of its full selection on the same bins.

    Parameters
    ----------
    catalog : DataFrame
        `Survey.catalog`; rows without a value are left out.
    column : {"z", "sn_r", "petro_mag_r"}
    counts : SelectionCounts, optional
        Of the full selection.

    Returns
    -------
    DataFrame
        A row a bin: ``low``, ``high``, ``sample`` and ``full`` (numbers, `full`
        is 0 without counts), ``sample_density`` and ``full_density`` (per unit of
        the column; each integrates to 1).

    Raises
    ------
    GalamError
        If the column is another, or the counts are of another.
    """
    if column not in COLUMNS or column not in catalog:
        raise GalamError(f"no histogram of {column!r}", remedy=f"known: {', '.join(COLUMNS)}")
    if counts is not None and counts.column != column:
        raise GalamError(f"these are counts of {counts.column!r}", column)
    values = catalog[column].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    edges = _edges(values, counts, COLUMNS[column][1])
    # float32 catalogue values may lie a rounding below the edge they belong to.
    sample = np.histogram(values + 1e-6 * np.diff(edges)[0], edges)[0]
    full = np.zeros(len(sample), dtype=np.int64)
    if counts is not None:
        start = round((counts.edges[0] - edges[0]) / (edges[1] - edges[0]))
        full[start : start + len(counts.counts)] = counts.counts
    width = np.diff(edges)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "sample": sample,
            "full": full,
            "sample_density": sample / max(sample.sum(), 1) / width,
            "full_density": full / max(full.sum(), 1) / width,
        }
    )


def _steps(table: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    edges = np.append(table["low"].to_numpy(), table["high"].to_numpy()[-1])
    heights = table[name].to_numpy()
    return np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])


def _panel(table: pd.DataFrame, column: str, name: str, dark: bool) -> hv.Overlay:
    style = style_for(dark)
    label, _, limits = COLUMNS[column]
    layers = []
    if table["full"].sum():
        text = f"full selection ({table['full'].sum():,})"
        layers.append(
            hv.Area(_steps(table, "full_density"), "x", "density", label=text).opts(
                color=style.unknown, alpha=0.6, line_color=style.muted
            )
        )
    text = f"{name} ({table['sample'].sum():,})"
    layers.append(
        hv.Curve(_steps(table, "sample_density"), "x", "density", label=text).opts(
            color=style.flux, line_width=2
        )
    )
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            xlabel=label,
            ylabel="density",
            xlim=limits,
            ylim=(0, None),
            responsive=True,
            min_height=240,
            legend_position="top_right",
            show_grid=True,
            fontsize=font_sizes(),
            hooks=[toolbox("xpan", "xwheel", "box_zoom", "reset", drag="box_zoom")],
        )
    )


def selection_figure(
    catalog: pd.DataFrame,
    counts: Mapping[str, SelectionCounts] | None = None,
    name: str = "sample",
    dark: bool = False,
) -> Any:
    """Redshift, S/N and magnitude of a sample against its full selection (paper Fig. 1).

    Parameters
    ----------
    catalog : DataFrame
        `Survey.catalog` of any survey.
    counts : mapping of str to SelectionCounts, optional
        By column, as `galam_explorer.survey.sdss_counts.load_counts` gives them or
        `galam_explorer.survey.sdss_fetch.selection_histogram` one of them.
    name : str
        Of the sample, for the legend.
    dark : bool

    Returns
    -------
    holoviews.Layout
        Three panels; densities, so that sizes do not matter.

    Raises
    ------
    GalamError
        If the catalogue lacks a column.
    """
    counts = counts or {}
    panels = [
        _panel(compare_with_selection(catalog, column, counts.get(column)), column, name, dark)
        for column in COLUMNS
    ]
    return hv.Layout(panels).cols(len(panels)).opts(shared_axes=False)
