"""Where M4 looks, and what happens when it cannot (paper Sect. 3.4 has no such figure)."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
from bokeh.palettes import Inferno256

from galam_explorer.evaluate.explain import AttentionMaps, TokenAblation, rank_correlation
from galam_explorer.evaluate.figures.cutout import (
    image_options,
    rgb_layer,
    rgb_source,
)
from galam_explorer.evaluate.figures.style import equal_aspect, font_sizes, style_for, toolbox

__all__ = [
    "QUANTITIES",
    "ablation_figure",
    "ablation_sources",
    "attention_figure",
    "attention_sources",
    "choose_map",
    "trade_figure",
    "trade_sources",
]

QUANTITIES = {"log_age": "log age", "m_h": "[M/H]"}
_TARGETS = tuple(QUANTITIES)
_ZOOM = 4
_BLEND, _COVER = 0.62, 0.9
_HEAT = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in Inferno256], float)
_SIGNED = np.array([[78, 170, 240], [255, 130, 40]], float)
"""Blue lowers, orange raises; seen over black and over white."""
_HOVER = [
    ("weight", "@weight{0.0000}"),
    ("without it, log age", "@log_age{+0.0000} dex"),
    ("without it, [M/H]", "@m_h{+0.0000} dex"),
]


def choose_map(
    maps: AttentionMaps, head: int | None = None, query: int | None = None
) -> np.ndarray:
    """Weights of one head and group, or means over those that are None; (side, side)."""
    chosen = maps.weights if head is None else maps.weights[head : head + 1]
    chosen = chosen if query is None else chosen[:, query : query + 1]
    return chosen.mean(axis=(0, 1))


def _palette(values: np.ndarray, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Colours (side, side, 3) of values, and how much they cover (side, side, 1).

    A weight has its colour; a change of 0 lets the picture through.
    """
    finite = np.nan_to_num(values)
    share = finite / (float(np.abs(finite).max()) or 1.0)
    if signed:
        return _SIGNED[(share > 0).astype(int)], _COVER * np.abs(share)[..., None]
    place = np.clip(share, 0, 1) * (len(_HEAT) - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, len(_HEAT) - 1)
    part = (place - low)[..., None]
    return _HEAT[low] * (1 - part) + _HEAT[high] * part, np.full((*share.shape, 1), _BLEND)


def _blended(maps: AttentionMaps, values: np.ndarray, signed: bool) -> np.ndarray:
    """The cutout in grey with the cells' colours over the crop, uint8 (4h, 4w, 3)."""
    grey = maps.cutout.astype(float).mean(axis=2)
    grey = np.clip(grey / max(float(np.percentile(grey, 99.7)), 1.0), 0, 1) ** 0.6 * 255
    picture = np.repeat(grey.repeat(_ZOOM, 0).repeat(_ZOOM, 1)[..., None], 3, axis=2)
    y0, y1, x0, x1 = (edge * _ZOOM for edge in maps.crop_box)
    height, width = picture.shape[:2]
    rows, columns = np.arange(max(y0, 0), min(y1, height)), np.arange(max(x0, 0), min(x1, width))
    side = values.shape[0]
    cell_y = np.minimum((rows - y0) * side // (y1 - y0), side - 1)
    cell_x = np.minimum((columns - x0) * side // (x1 - x0), side - 1)
    colours, cover = (one[np.ix_(cell_y, cell_x)] for one in _palette(values, signed))
    window = np.ix_(rows, columns)
    picture[window] = (1 - cover) * picture[window] + cover * colours
    return np.clip(picture, 0, 255).astype(np.uint8)


def _cells(
    maps: AttentionMaps, values: np.ndarray, ablation: TokenAblation | None
) -> dict[str, np.ndarray]:
    """Outlines of the tokens in plot coordinates, with what hover says of them."""
    side = values.shape[0]
    y0, y1, x0, x1 = (edge * _ZOOM - 0.5 for edge in maps.crop_box)
    height = maps.cutout.shape[0] * _ZOOM
    row, column = np.divmod(np.arange(side * side), side)
    dy, dx = (y1 - y0) / side, (x1 - x0) / side
    change = np.full((side, side, 2), np.nan) if ablation is None else ablation.change
    return {
        "left": x0 + column * dx,
        "bottom": height - 1 - (y0 + (row + 1) * dy),
        "right": x0 + (column + 1) * dx,
        "top": height - 1 - (y0 + row * dy),
        "weight": values.ravel(),
        "log_age": change[..., 0].ravel(),
        "m_h": change[..., 1].ravel(),
    }


def attention_sources(
    maps: AttentionMaps,
    head: int | None = None,
    query: int | None = None,
    ablation: TokenAblation | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `attention_figure`, and its axes; same parameters."""
    values = choose_map(maps, head, query)
    picture = _blended(maps, values, signed=False)
    return [rgb_source(picture), _cells(maps, values, ablation)], {"limits": _around(maps)}


def attention_figure(
    maps: AttentionMaps,
    head: int | None = None,
    query: int | None = None,
    ablation: TokenAblation | None = None,
    *,
    title: str = "",
) -> hv.Overlay:
    """Weights over the cutout: bright cells are looked at most.

    Parameters
    ----------
    maps : AttentionMaps
    head, query : int, optional
        The mean over those that are None.
    ablation : TokenAblation, optional
        What hover says of removing a cell.
    title : str

    Returns
    -------
    hv.Overlay
        Layers: picture, cells.
    """
    values = choose_map(maps, head, query)
    return _over_cutout(maps, _blended(maps, values, False), _cells(maps, values, ablation), title)


def ablation_sources(
    maps: AttentionMaps, ablation: TokenAblation, target: str = "log_age"
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `ablation_figure`, and its axes; same parameters."""
    picture = _blended(maps, ablation.change[..., _TARGETS.index(target)], signed=True)
    return [rgb_source(picture), _cells(maps, maps.mean, ablation)], {"limits": _around(maps)}


def ablation_figure(
    maps: AttentionMaps, ablation: TokenAblation, target: str = "log_age", *, title: str = ""
) -> hv.Overlay:
    """Change of the prediction without each cell: orange raises it, blue lowers it.

    Parameters
    ----------
    maps : AttentionMaps
    ablation : TokenAblation
    target : {"log_age", "m_h"}
    title : str

    Returns
    -------
    hv.Overlay
        Layers: picture, cells.
    """
    picture = _blended(maps, ablation.change[..., _TARGETS.index(target)], signed=True)
    return _over_cutout(maps, picture, _cells(maps, maps.mean, ablation), title)


def _over_cutout(
    maps: AttentionMaps, picture: np.ndarray, cells: dict[str, np.ndarray], title: str
) -> hv.Overlay:
    outlines = hv.Rectangles(
        tuple(cells.values()), ["left", "bottom", "right", "top"], ["weight", "log_age", "m_h"]
    ).opts(
        fill_alpha=0.0,
        line_color="#ffffff",
        line_alpha=0.25,
        line_width=0.6,
        tools=["hover"],
        hover_tooltips=_HOVER,
    )
    limits = _around(maps)
    options = image_options(picture.shape[:2])
    options |= {"xlim": limits[:2], "ylim": limits[2:]}
    options["hooks"] = [equal_aspect(limits), *options["hooks"][1:]]
    return hv.Overlay([rgb_layer(picture), outlines]).opts(
        hv.opts.Overlay(**options, title=title, show_legend=False)
    )


def _around(maps: AttentionMaps) -> tuple[float, float, float, float]:
    """Limits that show the crop and a quarter of its size around it."""
    y0, y1, x0, x1 = (edge * _ZOOM for edge in maps.crop_box)
    height, half = maps.cutout.shape[0] * _ZOOM, 0.75 * max(y1 - y0, x1 - x0)
    x, y = 0.5 * (x0 + x1) - 0.5, height - 0.5 * (y0 + y1) - 0.5
    return x - half, x + half, y - half, y + half


def trade_sources(
    maps: AttentionMaps,
    ablation: TokenAblation,
    target: str = "log_age",
    head: int | None = None,
    query: int | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `trade_figure`, and its axes; same parameters."""
    weight = choose_map(maps, head, query)
    column = _TARGETS.index(target)
    size = np.abs(ablation.change[..., column]).ravel()
    right = 1.05 * float(weight.max())
    top = 1.15 * float(np.nan_to_num(size).max()) or 1.0
    rho = rank_correlation(weight, ablation.change)[column]
    text = "rank correlation unknown" if np.isnan(rho) else f"rank correlation {rho:+.2f}"
    points = {"weight": weight.ravel(), "change": size}
    note = {"x": np.array([0.03 * right]), "y": np.array([0.97 * top]), "text": np.array([text])}
    return [points, note], {"xlim": (0.0, right), "ylim": (0.0, top)}


def trade_figure(
    maps: AttentionMaps,
    ablation: TokenAblation,
    target: str = "log_age",
    head: int | None = None,
    query: int | None = None,
    *,
    dark: bool = False,
) -> hv.Overlay:
    """Weight of each token against what its removal does, with Spearman's correlation.

    Parameters
    ----------
    maps : AttentionMaps
    ablation : TokenAblation
    target : {"log_age", "m_h"}
    head, query : int, optional

    Returns
    -------
    hv.Overlay
        Layers: tokens, text.
    """
    style = style_for(dark)
    (points, note), axes = trade_sources(maps, ablation, target, head, query)
    return hv.Overlay(
        [
            hv.Scatter(tuple(points.values()), "weight", "change").opts(
                color=style.categories[0], size=6, alpha=0.75, line_color=None
            ),
            hv.Labels(tuple(note.values()), ["x", "y"], "text").opts(
                text_color=style.text,
                text_font_size="12px",
                text_align="left",
                text_baseline="top",
                xoffset=0,
                yoffset=0,
            ),
        ]
    ).opts(
        hv.opts.Overlay(
            **axes,
            xlabel="attention weight",
            ylabel=f"|change of {QUANTITIES[target]}| (dex)",
            responsive=True,
            min_height=120,
            show_grid=True,
            show_legend=False,
            toolbar=None,
            fontsize=font_sizes(),
            hooks=[toolbox()],
        )
    )
