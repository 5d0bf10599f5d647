"""Age and metallicity of one fit: weights of the templates, and noise draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.fit_numbers import beside_marks
from galam_explorer.evaluate.figures.style import font_sizes, style_for, toolbox

__all__ = [
    "TRUTH_NAME",
    "cell_edges",
    "covariance_ellipse",
    "draws_figure",
    "draws_sources",
    "weights_figure",
    "weights_sources",
]

TRUTH_NAME = "simulated truth"
Sources = tuple[list[dict[str, Any]], dict[str, Any]]
Labels = tuple[float, float]

_AGE, _METAL = "log age (log yr)", "[M/H] (dex)"
_SHARES = (0.683, 0.954)
_LEAST_SHARE = 0.02
_TEXT_CELLS = 60


def covariance_ellipse(mean: np.ndarray, covariance: np.ndarray, share: float) -> np.ndarray:
    """The ellipse that holds `share` of a bivariate normal distribution, shape (73, 2).

    Parameters
    ----------
    mean : ndarray, shape (2,)
    covariance : ndarray, shape (2, 2)
    share : float
        Between 0 and 1; the radius is sqrt(-2 ln(1 - share)) standard deviations.
    """
    values, vectors = np.linalg.eigh(covariance)
    turn = np.linspace(0, 2 * np.pi, 73)
    radius = np.sqrt(-2 * np.log1p(-share))
    circle = radius * np.column_stack([np.cos(turn), np.sin(turn)])
    return mean + (circle * np.sqrt(values.clip(0))) @ vectors.T


def cell_edges(centres: np.ndarray) -> np.ndarray:
    """Edges half-way between sorted centres, shape (n + 1,); a lone one gets ±0.5."""
    centres = np.asarray(centres, dtype=float)
    if len(centres) < 2:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _marks(points: Mapping[str, Labels | None]) -> dict[str, np.ndarray]:
    known = {n: p for n, p in points.items() if p is not None and np.isfinite(p).all()}
    xy = np.array(list(known.values()), dtype=float).reshape(-1, 2)
    return {"x": xy[:, 0], "y": xy[:, 1]}


def weights_sources(
    weights: np.ndarray | None,
    log_age: np.ndarray,
    m_h: np.ndarray,
    label: Labels | None = None,
    truth: Labels | None = None,
    dark: bool = False,
) -> Sources:
    """Columns of the Bokeh sources of `weights_figure`, and its axes."""
    style = style_for(dark)
    shape = (len(log_age), len(m_h))
    share = np.zeros(shape) if weights is None else np.asarray(weights, float).reshape(shape)
    x, y = cell_edges(log_age), cell_edges(m_h)
    column, row = (one.ravel() for one in np.indices(shape))
    flat = share.ravel()
    scaled = flat / (flat.max() or 1.0)
    palette = np.array(style.palette)
    colour = palette[np.round(scaled * (len(palette) - 1)).astype(int)]
    cells = {
        "left": x[column], "bottom": y[row], "right": x[column + 1], "top": y[row + 1],
        "share": flat, "log_age": np.asarray(log_age)[column], "m_h": np.asarray(m_h)[row],
        "color": np.where(flat > 0, colour, style.sky),
    }  # fmt: skip
    big = flat >= (_LEAST_SHARE if len(flat) <= _TEXT_CELLS else 5 * _LEAST_SHARE)
    at, true = _marks({"label": label}), _marks({"truth": truth})
    corners = {name: cells[name][big] for name in ("left", "right", "bottom", "top")}
    text = {
        **beside_marks(corners, (at, true), (x[-1] - x[0], y[-1] - y[0])),
        "text": np.array([f"{100 * one:.0f}" for one in flat[big]], dtype=object),
    }
    # Room for numbers that stand beside a mark at the edge.
    wide, high = 0.03 * (x[-1] - x[0]), 0.06 * (y[-1] - y[0])
    axes = {"xlim": (x[0] - wide, x[-1] + wide), "ylim": (y[0] - high, y[-1] + high)}
    return [cells, text, at, true], axes


def weights_figure(
    weights: np.ndarray | None,
    log_age: np.ndarray,
    m_h: np.ndarray,
    label: Labels | None = None,
    truth: Labels | None = None,
    *,
    dark: bool = False,
    title: str = "",
) -> hv.Overlay:
    """Shares of the light on the templates' grid of age and metallicity, in per cent.

    Parameters
    ----------
    weights : ndarray, shape (n_age, n_metal), optional
    log_age : ndarray, shape (n_age,)
        log10 yr.
    m_h : ndarray, shape (n_metal,)
        [M/H], dex.
    label, truth : (log_age, m_h), optional
        Light-weighted mean of the fit (circle), and what a simulation put in (star).

    Returns
    -------
    hv.Overlay
        Layers: cells, numbers, label, simulated truth.
    """
    style = style_for(dark)
    (cells, text, at, true), axes = weights_sources(weights, log_age, m_h, label, truth, dark)
    names = ["left", "bottom", "right", "top"]
    layers = [
        hv.Rectangles(
            tuple(cells[name] for name in (*names, "share", "log_age", "m_h", "color")),
            names,
            ["share", "log_age", "m_h", "color"],
        ).opts(
            line_color=style.background,
            line_width=1,
            tools=["hover"],
            hooks=[_by_column(fill_color="color")],
            hover_tooltips=[
                ("log age", "@log_age{0.00}"),
                ("[M/H]", "@m_h{0.00}"),
                ("share of the light", "@share{0.0 %}"),
            ],
        ),
        hv.Labels(tuple(text.values()), ["x", "y"], "text").opts(
            text_color="#ffffff", text_font_size="11px", hooks=[_on_plate]
        ),
        *_mark_layers(at, true, dark),
    ]
    return hv.Overlay(layers).opts(hv.opts.Overlay(**axes, **_square(title)))


def _mark_layers(label: dict, truth: dict, dark: bool) -> list[hv.Element]:
    style = style_for(dark)
    common = {"line_color": style.background, "line_width": 1.2}
    return [
        hv.Points((label["x"], label["y"])).opts(
            marker="circle", size=11, color=style.current, **common
        ),
        hv.Points((truth["x"], truth["y"])).opts(
            marker="star", size=17, color=style.categories[1], **common
        ),
    ]


def _square(title: str) -> dict[str, Any]:
    return {
        "xlabel": _AGE,
        "ylabel": _METAL,
        "title": title,
        "responsive": True,
        "min_height": 120,
        "min_width": 120,
        "show_legend": False,
        "toolbar": None,
        "fontsize": {**font_sizes(), "labels": "11px", "ticks": "10px"},
        "hooks": [toolbox("pan", "wheel", "reset", drag="pan")],
    }


def draws_sources(
    draws: np.ndarray | None, label: Labels | None = None, truth: Labels | None = None
) -> Sources:
    """Columns of the Bokeh sources of `draws_figure`, and its axes."""
    points = np.empty((0, 2)) if draws is None else np.asarray(draws, dtype=float)
    points = points[np.isfinite(points).all(1)]
    tracks = [np.full((1, 2), np.nan)] * 2
    if len(points) > 2:
        mean, covariance = points.mean(0), np.cov(points.T)
        tracks = [covariance_ellipse(mean, covariance, share) for share in _SHARES]
    at, true = _marks({"label": label}), _marks({"truth": truth})
    names = {"label": at, TRUTH_NAME: true}
    text = {
        "x": np.concatenate([one["x"] for one in names.values()]),
        "y": np.concatenate([one["y"] for one in names.values()]),
        "text": np.array([n for n, one in names.items() if len(one["x"])], dtype=object),
    }
    # The upper mark has its name above it, the lower one below.
    above = text["y"] >= text["y"].max(initial=-np.inf)
    text["baseline"] = np.where(above, "bottom", "top").astype(object)
    text["dy"] = np.where(above, -9.0, 9.0)
    everything = np.concatenate([points, *tracks, np.column_stack([text["x"], text["y"]])])
    axes = {
        "xlim": _span(everything[:, 0], 0.06, 0.10),
        "ylim": _span(everything[:, 1], 0.06, 0.16),
    }
    layers = [
        {"x": points[:, 0], "y": points[:, 1]},
        *({"x": track[:, 0], "y": track[:, 1]} for track in tracks),
        at,
        true,
        text,
    ]
    return layers, axes


def _span(values: np.ndarray, least: float, margin: float) -> tuple[float, float]:
    """Limits around all values, at least ± `least` from their middle."""
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    middle = (values.max() + values.min()) / 2
    half = max((values.max() - values.min()) / 2 * (1 + 2 * margin), least)
    return float(middle - half), float(middle + half)


def draws_figure(
    draws: np.ndarray | None,
    label: Labels | None = None,
    truth: Labels | None = None,
    *,
    dark: bool = False,
    title: str = "",
) -> hv.Overlay:
    """Labels of every noise draw with the ellipses that hold 68 % and 95 % of a normal law.

    Parameters
    ----------
    draws : ndarray, shape (n_draws, 2), optional
        ``log_age`` and ``m_h`` of every draw (paper Eq. 12); NaN where it failed.
    label, truth : (log_age, m_h), optional
        The undisturbed fit (circle), and what a simulation put in (star).

    Returns
    -------
    hv.Overlay
        Layers: draws, inner ellipse, outer ellipse, label, simulated truth, names.
    """
    style = style_for(dark)
    (points, inner, outer, at, true, text), axes = draws_sources(draws, label, truth)
    layers = [
        hv.Points((points["x"], points["y"])).opts(
            size=5, color=style.categories[0], alpha=0.6, line_color=None
        ),
        hv.Curve((inner["x"], inner["y"])).opts(color=style.text, line_width=1.5),
        hv.Curve((outer["x"], outer["y"])).opts(
            color=style.text, line_width=1.2, line_dash="dashed"
        ),
        *_mark_layers(at, true, dark),
        hv.Labels(tuple(text.values()), ["x", "y"], ["text", "baseline", "dy"]).opts(
            text_color=style.text,
            text_font_size="11px",
            hooks=[_by_column(text_baseline="baseline", y_offset="dy"), _behind(style.background)],
        ),
    ]
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(**axes, **_square(title), xticks=4, yticks=4, show_grid=True)
    )


def _on_plate(plot: Any, _element: hv.Element) -> None:
    """Letters that can be read on every colour: white on a dark plate.

    A colour for each letter would do too, but Bokeh raises when such a column gets shorter.
    """
    plot.handles["glyph"].update(
        background_fill_color="#10151c", background_fill_alpha=0.7, padding=2, border_radius=3
    )


def _by_column(**columns: str) -> Any:
    """A HoloViews hook: properties of the glyph follow columns, also where all rows agree."""

    def hook(plot: Any, element: hv.Element) -> None:
        data = plot.handles["source"].data
        for column in columns.values():
            data[column] = element.dimension_values(column, expanded=True)
        properties = {name: {"field": column} for name, column in columns.items()}
        plot.handles["glyph"].update(**properties)

    return hook


def _behind(background: str) -> Any:
    """A HoloViews hook for `hv.Labels`: letters stand on the background's colour."""

    def hook(plot: Any, _element: hv.Element) -> None:
        plot.handles["glyph"].update(background_fill_color=background, background_fill_alpha=0.7)

    return hook
