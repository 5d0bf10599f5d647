"""Saved labels of a whole survey: how their dispersion falls with S/N."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pandas as pd

from galam_explorer.evaluate.figures.style import font_sizes, style_for, toolbox

__all__ = ["dispersion_by_sn"]


def dispersion_by_sn(
    by_sn: pd.DataFrame,
    sn: np.ndarray | None = None,
    table: pd.DataFrame | None = None,
    *,
    dark: bool = False,
) -> hv.Layout:
    """Dispersion of the labels against S/N, like the dotted lines of the paper's Fig. 16.

    Parameters
    ----------
    by_sn : DataFrame
        What `galam_explorer.labels.dispersion.dispersion_by_sn` gives.
    sn : ndarray, shape (n,), optional
        S/N of the galaxies of `table`.
    table : DataFrame, optional
        Saved labels with draws; each good one is drawn as a point.

    Returns
    -------
    hv.Layout
        Age above metallicity; points of single galaxies, and dotted lines through
        the medians of the bins. The paper draws bins at their lower edge; here they
        stand at the bin's middle, the last one 5 above its edge.
    """
    style, parts = style_for(dark), []
    low, high = by_sn["sn_low"].to_numpy(float), by_sn["sn_high"].to_numpy(float)
    x = (low + np.where(np.isfinite(high), high, low + 10)) / 2
    right = float(x[-1]) + 5
    for column, name in (("log_age_std", "log age"), ("m_h_std", "[M/H]")):
        y = by_sn[column].to_numpy(float)
        px, py = np.empty(0), np.empty(0)
        if table is not None and sn is not None:
            good = (table["status"] == "ok").to_numpy() & np.isfinite(sn)
            px, py = np.asarray(sn, float)[good], table[column].to_numpy(float)[good]
        known = np.concatenate([y[np.isfinite(y)], py[np.isfinite(py)]])
        top = 1.15 * float(np.percentile(known, 98)) if len(known) else 0.1
        layers = [
            hv.Points((px, py)).opts(size=4, color=style.unknown, alpha=0.6, line_color=None),
            hv.Curve((x, y)).opts(color=style.text, line_dash="dotted", line_width=2),
            hv.Points((x, y)).opts(size=7, color=style.text),
        ]
        parts.append(
            hv.Overlay(layers).opts(
                hv.opts.Overlay(
                    xlabel="S/N per pixel in r", ylabel=f"σ({name}) (dex)", xlim=(0.0, right),
                    ylim=(0.0, top), responsive=True, min_height=170, show_grid=True,
                    show_legend=False, toolbar="above", fontsize=font_sizes(),
                    hooks=[toolbox("pan", "wheel", "box_zoom", "reset", drag="pan")],
                )
            )
        )  # fmt: skip
    return hv.Layout(parts).cols(1).opts(shared_axes=False)
