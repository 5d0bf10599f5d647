"""A galaxy's path over the plane of residual and S/N while one knob is turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from galam_explorer.evaluate.figures.population import (
    QUANTITIES,
    plot_options,
    residual_sn_figure,
)
from galam_explorer.evaluate.figures.style import style_for, toolbox
from galam_explorer.evaluate.figures.whatif import (
    PREDICTOR_NAMES,
    Against,
    by_column,
    change_figure,
    image_figures,
    spectrum_pair_figure,
    tight,
)
from galam_explorer.evaluate.whatif import Outcome
from galam_explorer.evaluate.whatif_sweep import KNOBS, path_table

__all__ = ["path_figure", "path_keys", "path_sources", "whatif_figure"]

Cloud = tuple[np.ndarray, np.ndarray]
_TICKS = [0.125, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100]
_LEAST_REACH = 2.4
"""Least ratio of the ends of the axis: two ticks are on it wherever it lies."""
_SAID = ("color", "fill", "who", "says")


def path_keys(path: pd.DataFrame, keys: Sequence[str] | None = None) -> list[str]:
    """The predictors of a path, or these, in the order of figures."""
    if keys is None:
        keys = () if path.empty else path["predictor"].tolist()
    there = set(keys)
    return [key for key in PREDICTOR_NAMES if key in there]


def _points(path: pd.DataFrame, quantity: str, against: Against, dark: bool) -> pd.DataFrame:
    """What is drawn of every outcome that has a place, by predictor and step."""
    style, order = style_for(dark), list(PREDICTOR_NAMES)
    if path.empty:
        return pd.DataFrame(columns=["key", "x", "y", "low", "high", "draw", *_SAID], dtype=float)
    zero = against.value if against.name else 0.0
    colours = [style.categories[order.index(key)] for key in path["predictor"]]
    found = pd.DataFrame(
        {
            "key": path["predictor"].to_numpy(object),
            "x": path["value"].to_numpy(float),
            "y": path[quantity].to_numpy(float) - zero,
            "low": path[f"{quantity}_lo68"].to_numpy(float) - zero,
            "high": path[f"{quantity}_hi68"].to_numpy(float) - zero,
            "draw": path["draw"].to_numpy(int),
            "color": colours,
            "fill": np.where(path["in_domain"].to_numpy(bool), colours, style.background),
            "who": [PREDICTOR_NAMES[key] for key in path["predictor"]],
            "says": [f"{value:.3f}" for value in path[quantity]],
        }
    )
    found = found[np.isfinite(found["x"]) & np.isfinite(found["y"]) & (found["x"] > 0)]
    rank = found["key"].map(order.index)
    return found.assign(rank=rank).sort_values("rank", kind="stable").drop(columns="rank")


def _columns(frame: pd.DataFrame, *names: str) -> dict[str, Any]:
    return {
        name: list(frame[name]) if name in _SAID else frame[name].to_numpy(float) for name in names
    }


def _layers(
    path: pd.DataFrame,
    quantity: str,
    chosen: str,
    against: Against,
    now: pd.DataFrame | None,
    keys: Sequence[str] | None,
    dark: bool,
) -> list[dict[str, Any]]:
    """Columns of what is drawn over the population, from the intervals to the words."""
    points = _points(path, quantity, against, dark)
    lines, own = points[points["draw"] == 0], points[points["key"] == chosen]
    mine, by_key = own[own["draw"] == 0], lines.groupby("key", sort=False)
    bars = _columns(mine, "x", "low", "high")
    present = _points(path.head(0) if now is None else now, quantity, against, dark)
    # Before anything is changed both are one point: two words would lie on each other.
    moves = len(mine[["x", "y"]].drop_duplicates()) > 1
    ends = [mine.iloc[0], mine.iloc[-1]] if moves else []
    return [
        {"x0": bars["x"], "y0": bars["low"], "x1": bars["x"], "y1": bars["high"]},
        _columns(own[own["draw"] > 0], "x", "y"),
        *[_columns(lines[lines["key"] == key], "x", "y") for key in path_keys(path, keys)],
        _columns(lines, "x", "y", *_SAID),
        _columns(by_key.head(1), "x", "y", "color"),
        _columns(by_key.tail(1), "x", "y", "color", "fill"),
        _columns(present, "x", "y", "color"),
        {"x": [float(one["x"]) for one in ends], "y": [float(one["y"]) for one in ends],
         "text": ["start", "end"][: len(ends)]},
    ]  # fmt: skip


def _axes(path: pd.DataFrame, quantity: str, against: Against, cloud: Cloud) -> dict[str, Any]:
    """Limits that hold the path, its intervals, and most of the population."""
    points = _points(path, quantity, against, dark=False)
    x = points["x"].to_numpy(float)
    y = points[["y", "low", "high"]].to_numpy(float).ravel()
    y = y[np.isfinite(y)]
    sn, residual = cloud
    known = np.isfinite(sn) & np.isfinite(residual) & (sn > 0)
    if known.any():
        x = np.concatenate([x, np.percentile(sn[known], (1, 99))])
        y = np.concatenate([y, np.percentile(residual[known], (2, 98))])
    if against.name:
        y = np.concatenate([y, [-0.1, 0.1]])
    low, high = (float(x.min()), float(x.max())) if len(x) else (5.0, 50.0)
    bottom, top = (float(y.min()), float(y.max())) if len(y) else (-1.0, 1.0)
    pad = 0.08 * ((top - bottom) or 1.0)
    # A lone point still gets an axis that has numbers on it.
    room = max((high / low) ** 0.08, 1.12, (_LEAST_REACH * low / high) ** 0.5)
    knob = str(path["knob"].iloc[0]) if len(path) else "sn"
    return {
        "xlim": (low / room, high * room),
        "ylim": (bottom - pad, top + pad),
        "xlabel": KNOBS[knob],
    }


def _used(path: pd.DataFrame, against: Against, cloud: Cloud | None) -> Cloud:
    """The population has a place on the axes of residual and S/N only."""
    on_sn = path.empty or path["knob"].iloc[0] == "sn"
    if cloud is None or not on_sn or not against.name:
        return np.empty(0), np.empty(0)
    return np.asarray(cloud[0], float), np.asarray(cloud[1], float)


def path_sources(
    path: pd.DataFrame,
    quantity: str,
    chosen: str = "m4",
    against: Against | None = None,
    cloud: Cloud | None = None,
    *,
    now: pd.DataFrame | None = None,
    keys: Sequence[str] | None = None,
    dark: bool = False,
) -> tuple[list[dict[str, Any] | None], dict[str, Any]]:
    """Columns of the Bokeh sources of `path_figure`, and its axes; same parameters.

    The population's layers are left alone, and the predictors (`keys`) must be the same.
    """
    against = against or Against()
    axes = _axes(path, quantity, against, _used(path, against, cloud))
    return [None] * 4 + _layers(path, quantity, chosen, against, now, keys, dark), axes


def path_figure(
    path: pd.DataFrame,
    quantity: str,
    chosen: str = "m4",
    against: Against | None = None,
    cloud: Cloud | None = None,
    *,
    now: pd.DataFrame | None = None,
    keys: Sequence[str] | None = None,
    legend: bool = True,
    dark: bool = False,
) -> hv.Overlay:
    """What every network says along a path, over the population's residuals.

    Circles begin the paths, squares end them; what is hollow in between is outside the
    training domain. Bars are 68 % intervals of the chosen predictor, small dots its
    predictions with other noise. Without label and truth the value itself is drawn.

    Parameters
    ----------
    path : DataFrame
        As `galam_explorer.evaluate.whatif_sweep.path_table` gives it.
    quantity : {"log_age", "m_h"}
    chosen : str
        Predictor whose intervals are drawn.
    against : Against, optional
    cloud : tuple of ndarray, optional
        S/N and residual of other galaxies, each (n,); drawn where the path is one of S/N.
    now : DataFrame, optional
        A path of one step that is marked by diamonds.
    keys : sequence of str, optional
        Predictors that have a line; by default those of the path.
    legend : bool
        Whether the predictors are named in the figure.

    Returns
    -------
    hv.Overlay
        The layers of `residual_sn_figure`, then intervals, other draws, a line for each
        predictor, steps, first, last, now, words.
    """
    style, against = style_for(dark), against or Against()
    used = _used(path, against, cloud)
    below = list(residual_sn_figure(*used, quantity, dark=dark))
    width = _axes(path, quantity, against, used)["xlim"]
    ends = (width[0] / 100, width[1] * 100) if against.name else ()
    below[0] = hv.Curve([(x, 0.0) for x in ends]).opts(
        color=style.current, line_width=1.5, line_dash="dashed"
    )
    below[1] = below[1].opts(color=style.unknown, alpha=0.55)
    elements = _elements(path, quantity, chosen, against, now, keys, dark)
    axes = _axes(path, quantity, against, used)
    short = "age" if quantity == "log_age" else "[M/H]"
    ylabel = f"Δ {short} (dex)"
    return hv.Overlay([*below, *elements]).opts(
        plot_options(
            axes.pop("xlabel"), ylabel if against.name else QUANTITIES[quantity],
            **axes, logx=True, xticks=_TICKS, yticks=5, toolbar="right", min_height=90,
            show_legend=legend, legend_position="top", legend_cols=5,
            hooks=[toolbox("pan", "wheel", "box_zoom", "reset", drag="box_zoom"), tight],
        )
    )  # fmt: skip


def _lift(plot: Any, _element: hv.Element) -> None:
    """Words stand above their points, whatever the scale."""
    plot.handles["glyph"].update(y_offset=-8)


def _elements(
    path: pd.DataFrame,
    quantity: str,
    chosen: str,
    against: Against,
    now: pd.DataFrame | None,
    keys: Sequence[str] | None,
    dark: bool,
) -> list[hv.Element]:
    style = style_for(dark)
    columns = _layers(path, quantity, chosen, against, now, keys, dark)
    bars, others, steps, firsts, lasts, present, words = columns[0], columns[1], *columns[-5:]
    hue = dict(zip(PREDICTOR_NAMES, style.categories, strict=False))
    curves = [
        hv.Curve((one["x"], one["y"]), label=PREDICTOR_NAMES[key]).opts(
            color=hue[key], line_width=3 if key == chosen else 1.6
        )
        for key, one in zip(path_keys(path, keys), columns[2:-5], strict=True)
    ]
    filled = [by_column(line_color="color", fill_color="fill")]
    xy = ["x", "y"]
    return [
        hv.Segments(tuple(bars.values())).opts(color=hue[chosen], line_width=4, alpha=0.35),
        hv.Points(tuple(others.values()), xy).opts(color=hue[chosen], size=4, alpha=0.5),
        *curves,
        hv.Points(tuple(steps.values()), xy, list(_SAID)).opts(
            size=6, line_width=1.4, tools=["hover"], hooks=filled,
            hover_tooltips=[("", "@who"), ("at", "@x{0.00}"), ("says", "@says")],
        ),
        hv.Points(tuple(firsts.values()), xy, "color").opts(
            fill_color=style.background, size=11, line_width=2.4,
            hooks=[by_column(line_color="color")],
        ),
        hv.Points(tuple(lasts.values()), xy, ["color", "fill"]).opts(
            marker="square", size=11, line_width=2.4, hooks=filled
        ),
        hv.Points(tuple(present.values()), xy, "color").opts(
            line_color=style.text, marker="diamond", size=15, line_width=1.2,
            hooks=[by_column(fill_color="color")],
        ),
        hv.Labels(tuple(words.values()), xy, "text").opts(
            text_color=style.text, text_font_size="11px", text_baseline="bottom", xoffset=0,
            yoffset=0, hooks=[_lift],
        ),
    ]  # fmt: skip


def whatif_figure(
    before: Outcome,
    after: Outcome,
    path: pd.DataFrame | None = None,
    against: dict[str, Against] | None = None,
    *,
    chosen: str = "m4",
    cloud: dict[str, Cloud] | None = None,
    dark: bool = False,
) -> hv.Layout:
    """Everything about one change: spectrum, images, predictions of both quantities, path.

    Parameters
    ----------
    before, after : Outcome
        Of `galam_explorer.evaluate.whatif.what_ifs`.
    path : DataFrame, optional
        A sweep; by default the step from `before` to `after`.
    against, cloud : dict, optional
        By quantity; see `path_figure`.
    chosen : str
        Predictor whose intervals the path shows.

    Returns
    -------
    hv.Layout
        Two columns.
    """
    path = path_table([before, after]) if path is None else path
    against, cloud = against or {}, cloud or {}
    figures = [spectrum_pair_figure(before.galaxy.spectrum, after.galaxy.spectrum, dark=dark)]
    for quantity in ("log_age", "m_h"):
        one = against.get(quantity)
        figures += [
            change_figure(before.predictions, after.predictions, quantity, one, dark=dark),
            path_figure(path, quantity, chosen, one, cloud.get(quantity), dark=dark),
        ]
    figures += image_figures(before, after)
    return hv.Layout(figures).cols(2).opts(hv.opts.Layout(shared_axes=False))
