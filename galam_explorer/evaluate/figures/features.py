"""Real and simulated spectral features of a galaxy (paper Fig. 13)."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.style import font_sizes, legend_options, style_for, toolbox
from galam_explorer.evaluate.model import FeatureComparison

__all__ = [
    "BAND",
    "ORDERS",
    "axis_options",
    "feature_order",
    "features_figure",
    "features_sources",
    "r2_figure",
    "r2_sources",
    "r2_text",
    "residual_figure",
    "residual_sources",
]

BAND = 0.05
"""Half-width of the band of the paper's Fig. 13."""
ORDERS = {"number": "Feature number", "value": "Sorted by real value", "r2": "Sorted by R²"}
_BINS = np.linspace(-0.2, 1.0, 61)


def feature_order(comparison: FeatureComparison, order: str = "number") -> np.ndarray:
    """Feature numbers from left to right, shape (1024,).

    Parameters
    ----------
    comparison : FeatureComparison
    order : {"number", "value", "r2"}
        ``value``: by the real ones, or the simulated ones where these are missing;
        ``r2``: by the R² of each feature across validation galaxies, best first.
    """
    values = comparison.simulated if comparison.real is None else comparison.real
    if order == "value" and values is not None:
        return np.argsort(-values, kind="stable")
    if order == "r2" and comparison.feature_r2 is not None:
        return np.argsort(-np.nan_to_num(comparison.feature_r2, nan=-np.inf), kind="stable")
    return np.arange(1024)


def r2_text(comparison: FeatureComparison) -> str:
    """R² of this galaxy beside the mean vector's, in words."""
    if np.isnan(comparison.r2):
        return comparison.reason or "no comparison"
    text = f"R² {comparison.r2:.3f} within this galaxy"
    if not np.isnan(comparison.r2_mean):
        text += f"; the mean of training galaxies has {comparison.r2_mean:.3f}"
    return text


def _points(
    values: np.ndarray | None, order: np.ndarray, comparison: FeatureComparison
) -> dict[str, np.ndarray]:
    """Place, value, feature number and its R² across galaxies."""
    if values is None:
        return {name: np.empty(0) for name in ("x", "y", "feature", "r2")}
    r2 = comparison.feature_r2
    across = np.full(len(order), np.nan) if r2 is None else r2[order]
    return {"x": np.arange(len(order)), "y": values[order], "feature": order, "r2": across}


def _place(order: np.ndarray, chosen: int | None) -> np.ndarray:
    return np.empty(0) if chosen is None else np.flatnonzero(order == chosen).astype(float)


def features_sources(
    comparison: FeatureComparison, order: str = "number", chosen: int | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `features_figure`, and its axes; same parameters."""
    places = feature_order(comparison, order)
    layers = [
        _points(one, places, comparison)
        for one in (comparison.mean, comparison.real, comparison.simulated)
    ]
    return [*layers, {"x": _place(places, chosen)}], {"xlim": (-8, 1031)}


def features_figure(
    comparison: FeatureComparison,
    order: str = "number",
    chosen: int | None = None,
    *,
    dark: bool = False,
) -> hv.Overlay:
    """The 1024 real (M1) and simulated (M2) features of a galaxy on [0, 1].

    Parameters
    ----------
    comparison : FeatureComparison
    order : {"number", "value", "r2"}
    chosen : int, optional
        A feature to mark.

    Returns
    -------
    hv.Overlay
        Layers: mean of training galaxies, real, simulated, chosen feature.
    """
    style = style_for(dark)
    (mean, real, simulated, line), axes = features_sources(comparison, order, chosen)
    colours = (style.unknown, style.categories[0], style.categories[1])
    names = ("mean of training galaxies", "real (M1)", "simulated (M2)")
    layers: list[hv.Element] = [
        hv.Scatter(tuple(one.values()), "x", ["y", "feature", "r2"], label=name).opts(
            color=colour, size=3.2 if name != names[0] else 2.2, alpha=0.75, line_color=None,
            tools=["hover"] if name != names[0] else [], hover_tooltips=_HOVER,
        )
        for one, colour, name in zip((mean, real, simulated), colours, names, strict=True)
    ]  # fmt: skip
    layers.append(hv.VLines(line["x"]).opts(color=style.current, line_width=1.5))
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            **axis_options(axes, "feature (0 to 1)", 100),
            ylim=(-0.03, 1.12),
            xlabel="",
            legend_position="top_right",
            legend_cols=3,
            legend_opts=legend_options(),
        )
    )


_HOVER = [("feature", "@feature"), ("value", "@y{0.000}"), ("R² across galaxies", "@r2{0.00}")]


def axis_options(axes: dict[str, Any], ylabel: str, height: int) -> dict[str, Any]:
    """Overlay options that the figures of features share."""
    return {
        **axes,
        "ylabel": ylabel,
        "responsive": True,
        "min_height": height,
        "show_grid": True,
        "toolbar": "above",
        "fontsize": font_sizes(),
        "hooks": [toolbox("xpan", "xwheel", "box_zoom", "reset", drag="box_zoom"), _aligned],
    }


def _aligned(plot: Any, _element: hv.Element) -> None:
    """Frames below each other begin and end alike, and the last tick's number has room."""
    plot.state.update(min_border_left=74, min_border_right=18)


def residual_sources(
    comparison: FeatureComparison, order: str = "number", chosen: int | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `residual_figure`, and its axes; same parameters."""
    places = feature_order(comparison, order)
    both = comparison.real is not None and comparison.simulated is not None
    rest = comparison.simulated - comparison.real if both else None
    reach = 1.1 * max(float(np.abs(rest).max()), 2 * BAND) if both else 4 * BAND
    band = {"y0": np.array([-BAND]), "y1": np.array([BAND])}
    sources = [band, _points(rest, places, comparison), {"x": _place(places, chosen)}]
    return sources, {"xlim": (-8, 1031), "ylim": (-reach, reach)}


def residual_figure(
    comparison: FeatureComparison,
    order: str = "number",
    chosen: int | None = None,
    *,
    dark: bool = False,
) -> hv.Overlay:
    """Simulated minus real features with the ±0.05 band (paper Fig. 13, lower panel).

    Returns
    -------
    hv.Overlay
        Layers: band, residuals, chosen feature.
    """
    style = style_for(dark)
    (band, points, line), axes = residual_sources(comparison, order, chosen)
    layers = [
        hv.HSpans(tuple(band.values())).opts(color=style.band, alpha=0.35, line_color=None),
        hv.Scatter(tuple(points.values()), "x", ["y", "feature", "r2"]).opts(
            color=style.muted, size=3, alpha=0.7, line_color=None,
            tools=["hover"], hover_tooltips=_HOVER,
        ),
        hv.VLines(line["x"]).opts(color=style.current, line_width=1.5),
    ]  # fmt: skip
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            # The upper figure's tools move both.
            **axis_options(axes, "M2 − M1", 60) | {"toolbar": None},
            xlabel="feature",
            yticks=3,
            show_legend=False,
        )
    )


def r2_sources(
    galaxies: np.ndarray, mean_vector: np.ndarray, comparison: FeatureComparison
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `r2_figure`, and its axes; same parameters."""
    bars, top = [], 1.0
    for values in (mean_vector, galaxies):
        known = np.asarray(values, float)
        counts, _ = np.histogram(np.clip(known[np.isfinite(known)], _BINS[0], 1.0), bins=_BINS)
        bars.append({"top": counts, "left": _BINS[:-1], "right": _BINS[1:]})
        top = max(top, 1.08 * float(counts.max()))
    here = np.array([comparison.r2]) if np.isfinite(comparison.r2) else np.empty(0)
    return [*bars, {"x": here}], {"xlim": (_BINS[0], 1.02), "ylim": (0.0, top)}


def r2_figure(
    galaxies: np.ndarray,
    mean_vector: np.ndarray,
    comparison: FeatureComparison,
    *,
    dark: bool = False,
) -> hv.Overlay:
    """Where this galaxy's R² stands among the survey's, beside the mean vector's.

    Values below -0.2 count in the first bin.

    Parameters
    ----------
    galaxies, mean_vector : ndarray, shape (n,)
        Columns ``m2_r2`` and ``m2_r2_mean`` of the predictions; NaN where unknown.
    comparison : FeatureComparison

    Returns
    -------
    hv.Overlay
        Layers: mean vector, M2, this galaxy.
    """
    style = style_for(dark)
    (mean, own, here), axes = r2_sources(galaxies, mean_vector, comparison)
    layers: list[hv.Element] = [
        hv.Histogram((_BINS, one["top"]), label=name).opts(
            fill_color=colour, fill_alpha=0.55, line_color=None
        )
        for one, name, colour in (
            (mean, "mean vector", style.unknown),
            (own, "M2", style.categories[1]),
        )
    ]
    layers.append(hv.VLines(here["x"]).opts(color=style.current, line_width=2))
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            **axes,
            xlabel="R² within a galaxy",
            xticks=[0.0, 0.5, 1.0],
            ylabel="galaxies",
            responsive=True,
            min_height=100,
            toolbar=None,
            legend_position="top_left",
            legend_opts=legend_options(),
            fontsize=font_sizes(),
            hooks=[toolbox()],
        )
    )
