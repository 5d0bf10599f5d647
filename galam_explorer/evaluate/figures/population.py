"""Predictions of a whole sample against labels or truth (paper Figs. 12, 14, 15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.style import (
    Style,
    font_sizes,
    legend_options,
    style_for,
    toolbox,
)
from galam_explorer.evaluate.metrics import legacy_clip, regression_metrics

__all__ = [
    "QUANTITIES",
    "comparison_figure",
    "prediction_figure",
    "residual_figure",
    "residual_sn_figure",
]

QUANTITIES = {"log_age": "log age (log yr)", "m_h": "[M/H] (dex)"}
"""The two predicted quantities and their axis labels."""
_RESIDUALS = {"log_age": "Δ log age (dex)", "m_h": "Δ [M/H] (dex)"}

_POINTS = "x", "y"
_SN_TICKS = [1, 2, 5, 10, 20, 50, 100, 200]


def plot_options(xlabel: str, ylabel: str, **more: Any) -> hv.Options:
    """Overlay options that the population figures share."""
    return hv.opts.Overlay(
        xlabel=xlabel,
        ylabel=ylabel,
        **{
            "responsive": True,
            "min_height": 110,
            "min_width": 140,
            "show_grid": True,
            "show_legend": False,
            "toolbar": "above",
            "fontsize": font_sizes(),
            "legend_opts": legend_options(),
            "hooks": [
                toolbox("pan", "wheel", "box_zoom", "box_select", "lasso", "reset", drag="box_zoom")
            ],
            **more,
        },
    )


def layout(figures: Sequence[hv.Overlay], columns: int) -> hv.Layout:
    """Figures in rows; their axes move independently."""
    return hv.Layout(list(figures)).cols(columns).opts(hv.opts.Layout(shared_axes=False))


def limits_of(*arrays: np.ndarray, margin: float = 0.04) -> tuple[float, float]:
    """Range that holds every finite value, with a margin."""
    values = np.concatenate([np.ravel(one) for one in arrays])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    pad = margin * (high - low) or 0.1
    return low - pad, high + pad


def _dots(x: np.ndarray, y: np.ndarray, style: Style) -> hv.Points:
    n = len(x)
    size = 5.0 if n <= 1500 else 4.0 if n <= 5000 else 2.5
    return hv.Points((x, y), list(_POINTS)).opts(
        color=style.categories[0], size=size, alpha=0.45 if n > 300 else 0.8, line_color=None
    )


def rings(x: np.ndarray, y: np.ndarray, rows: Sequence[int] | np.ndarray, **how: Any) -> hv.Points:
    """Open circles around some rows, for the chosen galaxy and the chosen set."""
    columns = rings_source(x, y, rows)
    return hv.Points((columns["x"], columns["y"]), list(_POINTS)).opts(fill_color=None, **how)


def rings_source(
    x: np.ndarray, y: np.ndarray, rows: Sequence[int] | np.ndarray
) -> dict[str, np.ndarray]:
    """Columns of the Bokeh source of `rings`."""
    rows = np.asarray(rows, dtype=int)
    rows = rows[np.isfinite(x[rows]) & np.isfinite(y[rows])]
    return {"x": x[rows], "y": y[rows]}


def _marked(
    x: np.ndarray,
    y: np.ndarray,
    cohort: Sequence[int] | np.ndarray,
    current: int | None,
    style: Style,
) -> list[hv.Points]:
    chosen = [] if current is None else [current]
    return [
        rings(x, y, cohort, size=8, line_color=style.cohort, line_width=0.9, alpha=0.8),
        rings(x, y, chosen, size=15, line_color=style.current, line_width=3),
    ]


def note(x: float, y: float, text: str, style: Style, align: str = "left") -> hv.Labels:
    """Lines of text inside the axes, from the top down."""
    return hv.Labels(([x], [y], [text]), ["x", "y"], "text").opts(
        text_color=style.text,
        text_font_size="11px",
        text_align=align,
        text_baseline="top",
        xoffset=0,
        yoffset=0,
        hooks=[_on_plate(style.background)],
    )


def _on_plate(background: str) -> Callable[[Any, Any], None]:
    """A HoloViews hook: letters can be read where points lie below them."""

    def hook(plot: Any, _element: hv.Element) -> None:
        plot.handles["glyph"].update(background_fill_color=background, background_fill_alpha=0.75)

    return hook


def scatter_text(reference: np.ndarray, predicted: np.ndarray, clipped: bool) -> str:
    """Bias and SD as the paper's figures print them, and how many galaxies they are of."""
    known = np.isfinite(reference) & np.isfinite(predicted)
    if clipped:
        known[known] = legacy_clip(predicted[known] - reference[known])
    found = regression_metrics(predicted[known], reference[known])
    how = "published clip" if clipped else "unclipped"
    return (
        f"bias {found['bias']:+.3f}, SD {found['sd']:.3f} dex\n"
        f"NMAD {found['nmad']:.3f} dex\n{found['n']} galaxies, {how}"
    )


def _shown(reference: Any, predicted: Any, clipped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Both as float arrays; galaxies that are clipped away become NaN."""
    x, y = np.array(reference, float), np.array(predicted, float)
    known = np.isfinite(x) & np.isfinite(y)
    if clipped and known.any():
        gone = np.flatnonzero(known)[~legacy_clip(y[known] - x[known])]
        y[gone] = np.nan
    y[~np.isfinite(x)] = np.nan
    return x, y


def comparison_figure(
    reference: np.ndarray,
    predicted: np.ndarray,
    quantity: str = "log_age",
    *,
    against: str = "pPXF label",
    clipped: bool = False,
    cohort: Sequence[int] | np.ndarray = (),
    current: int | None = None,
    title: str = "",
    words: bool = True,
    dark: bool = False,
) -> hv.Overlay:
    """Predicted against reference, the upper panels of the paper's Figs. 12, 14 and 15.

    Parameters
    ----------
    reference, predicted : ndarray, shape (n,), dex
        NaN is not drawn.
    quantity : {"log_age", "m_h"}
    against : str
        What the reference is.
    clipped : bool
        Leave out what the published evaluation clips.
    cohort, current : sequence of int, int
        Rows to ring.
    words : bool
        Write bias and scatter into the figure, and name its horizontal axis. A page that says
        them above, and has the residuals with the same axis below, needs no words.

    Returns
    -------
    hv.Overlay
        Layers: line of equality, galaxies, cohort, current, text.
    """
    style, name = style_for(dark), QUANTITIES[quantity]
    x, y = _shown(reference, predicted, clipped)
    low, high = limits_of(x, y)
    said = (np.asarray(reference, float), np.asarray(predicted, float), clipped)
    return hv.Overlay(
        [
            hv.Curve(([low, high], [low, high])).opts(
                color=style.current, line_width=1.5, line_dash="dashed"
            ),
            _dots(x, y, style),
            *_marked(x, y, cohort, current, style),
            note(
                low + 0.02 * (high - low),
                high - 0.02 * (high - low),
                scatter_text(*said) if words else "",
                style,
            ),
        ]
    ).opts(
        plot_options(
            f"{against}: {name}" if words else "", f"predicted {name}", xlim=(low, high),
            ylim=(low, high), title=title,
        )
    )  # fmt: skip


def residual_figure(
    reference: np.ndarray,
    predicted: np.ndarray,
    quantity: str = "log_age",
    *,
    against: str = "pPXF label",
    clipped: bool = False,
    cohort: Sequence[int] | np.ndarray = (),
    current: int | None = None,
    dark: bool = False,
) -> hv.Overlay:
    """Predicted minus reference, the lower panels of the paper's Figs. 12, 14 and 15.

    Parameters as for `comparison_figure`; layers: zero, galaxies, cohort, current.
    """
    x, y = _shown(reference, predicted, clipped)
    label = f"{against}: {QUANTITIES[quantity]}"
    return _about_zero(x, y - x, limits_of(x, y), label, quantity, cohort, current, dark)


def prediction_figure(
    reference: np.ndarray,
    predicted: np.ndarray,
    quantity: str = "log_age",
    *,
    against: str = "pPXF label",
    clipped: bool = False,
    title: str = "",
    dark: bool = False,
) -> hv.Layout:
    """Predictions and residuals, one above the other (paper Figs. 12, 14 and 15)."""
    same = {"against": against, "clipped": clipped, "dark": dark}
    upper = comparison_figure(reference, predicted, quantity, title=title, **same)
    lower = residual_figure(reference, predicted, quantity, **same)
    return layout([upper, lower], columns=1)


def residual_sn_figure(
    sn: np.ndarray,
    residual: np.ndarray,
    quantity: str = "log_age",
    *,
    cohort: Sequence[int] | np.ndarray = (),
    current: int | None = None,
    dark: bool = False,
) -> hv.Overlay:
    """Residual of each galaxy against its S/N, on a logarithmic axis.

    Layers: zero, galaxies, cohort, current.
    """
    x = np.asarray(sn, float)
    x = np.where(x > 0, x, np.nan)
    known = x[np.isfinite(x)]
    xlim = (0.9 * known.min(), 1.1 * known.max()) if len(known) else (1.0, 100.0)
    y = np.asarray(residual, float)
    return _about_zero(
        x, y, xlim, "S/N in r", quantity, cohort, current, dark, logx=True, xticks=_SN_TICKS
    )


def _about_zero(
    x: np.ndarray,
    residual: np.ndarray,
    xlim: tuple[float, float],
    xlabel: str,
    quantity: str,
    cohort: Sequence[int] | np.ndarray,
    current: int | None,
    dark: bool,
    **more: Any,
) -> hv.Overlay:
    """Residuals over something, with a line at 0 in the middle."""
    style = style_for(dark)
    reach = float(np.nanmax(np.abs(residual), initial=0.1)) * 1.1
    zero = hv.Curve((xlim, (0.0, 0.0))).opts(
        color=style.current, line_width=1.5, line_dash="dashed"
    )
    layers = [zero, _dots(x, residual, style), *_marked(x, residual, cohort, current, style)]
    options = plot_options(xlabel, _RESIDUALS[quantity], xlim=xlim, ylim=(-reach, reach), **more)
    return hv.Overlay(layers).opts(options)
