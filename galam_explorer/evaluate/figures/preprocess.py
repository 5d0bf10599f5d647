"""Every step from a cutout to the network's input (paper Sect. 2.2.2, Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.cutout import (
    ellipse_track,
    image_axes,
    image_options,
    rgb_layer,
    rgb_source,
)
from galam_explorer.evaluate.figures.style import font_sizes, style_for, toolbox
from galam_explorer.records import CutoutStages

__all__ = [
    "STATUS_TEXT",
    "STEPS",
    "Step",
    "fate_figure",
    "filmstrip_figure",
    "histogram_figure",
    "histogram_sources",
    "stage_figure",
    "stage_sources",
]

STATUS_TEXT = {
    "ok": "accepted",
    "no_cutout": "no image",
    "bad_cutout": "unreadable image",
    "no_ellipse": "no ellipse at the centre",
    "empty_foreground": "empty foreground",
    "no_source": "no source detected",
    "blended": "blended",
}
"""Status of `CutoutStages` to words."""


@dataclass(frozen=True)
class Step:
    """One picture of the filmstrip.

    Parameters
    ----------
    key : str
    title : str
    needs : str
        Field of `CutoutStages` that must be there.
    about : str
        One sentence on what happens.
    """

    key: str
    title: str
    needs: str
    about: str


STEPS = (
    Step("original", "Original", "original", "The cutout at the working size, with the ellipse"),
    Step("grey", "Grey levels", "grey", "Red, green and blue weighted to one brightness"),
    Step(
        "threshold",
        "Threshold",
        "grey",
        "Grey levels of all pixels; the threshold moves to the middle between the mean "
        "foreground and the mean background until it settles",
    ),
    Step(
        "edges",
        "Edges and ellipses",
        "edges",
        "Pixels above the threshold, their Canny edges, and an ellipse fitted to each contour; "
        "the chosen one is drawn thick, its axes scaled",
    ),
    Step("masked", "Masked", "masked", "Everything outside the ellipse becomes black"),
    Step(
        "segmentation",
        "Detected sources",
        "segmentation",
        "Connected pixels above the background, each source in its own colour",
    ),
    Step(
        "deblended",
        "Deblended",
        "deblended",
        "Sources split where the light has a saddle between two peaks",
    ),
    Step("cropped", "Network input", "cropped", "Cropped to the galaxy, 128 × 128 pixels"),
)
"""The pictures in order."""

_LABELS = np.array(
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [204, 121, 167], [213, 94, 0]],
    dtype=float,
)
_BINS = np.linspace(-0.5, 255.5, 65)


def _grey_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(grey, dtype=np.uint8)[..., None], 3, axis=2)


def _tinted(labels: np.ndarray, light: np.ndarray | None) -> np.ndarray:
    """Labels as colours whose brightness follows the light below them."""
    base = np.zeros(labels.shape) if light is None else np.asarray(light, dtype=float)
    low, high = np.percentile(base, [1.0, 99.8]) if base.size else (0.0, 1.0)
    base = np.sqrt(np.clip((base - low) / ((high - low) or 1.0), 0.0, 1.0))
    out = np.repeat((120.0 * base)[..., None], 3, axis=2)
    inside = labels > 0
    colour = _LABELS[(labels[inside] - 1) % len(_LABELS)]
    out[inside] = colour * (0.45 + 0.55 * base[inside])[:, None]
    return np.clip(out, 0, 255).astype(np.uint8)


def stage_image(stages: CutoutStages, key: str) -> np.ndarray | None:
    """The picture of one step, uint8 (h, w, 3); None if it was not reached."""
    if key in ("original", "masked", "cropped"):
        return getattr(stages, key)
    if key == "grey":
        return None if stages.grey is None else _grey_rgb(stages.grey)
    if key == "edges":
        if stages.edges is None:
            return None
        inside = np.zeros(stages.edges.shape, np.uint8) if stages.binary is None else stages.binary
        picture = _grey_rgb(60 * inside.astype(np.uint8))
        picture[stages.edges] = (235, 235, 235)
        return picture
    labels = getattr(stages, key)
    return None if labels is None else _tinted(labels, stages.detection)


def _joined(tracks: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Tracks as one line with gaps."""
    gap = np.full((1, 2), np.nan)
    rows = [part for track in tracks for part in (track, gap)]
    line = np.concatenate(rows) if rows else np.empty((0, 2))
    return {"x": line[:, 0], "y": line[:, 1]}


def _outlines(
    stages: CutoutStages, key: str, height: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Columns of all fitted ellipses, and of the chosen one, as far as the step shows them."""
    fitted = stages.ellipses if key == "edges" else ()
    chosen = (stages.ellipse,) if stages.ellipse and key in ("original", "edges") else ()
    return (
        _joined([ellipse_track(one, height, 49) for one in fitted]),
        _joined([ellipse_track(one, height) for one in chosen]),
    )


def stage_sources(
    stages: CutoutStages, key: str, size: int = 128
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `stage_figure`, and its axes; black if not reached."""
    image = stage_image(stages, key)
    if image is None:
        image = np.zeros((size, size, 3), dtype=np.uint8)
    fitted, chosen = _outlines(stages, key, image.shape[0])
    return [rgb_source(image), fitted, chosen], image_axes(image.shape[:2])


def stage_figure(stages: CutoutStages, key: str, *, title: str = "") -> hv.Overlay:
    """One step as a picture (not for ``threshold``: see `histogram_figure`).

    Parameters
    ----------
    stages : CutoutStages
    key : str
        One of the keys of `STEPS`.
    title : str

    Returns
    -------
    hv.Overlay
        Layers: picture, fitted ellipses, chosen ellipse.
    """
    image = stage_image(stages, key)
    if image is None:
        image = np.zeros((128, 128, 3), dtype=np.uint8)
    fitted, chosen = _outlines(stages, key, image.shape[0])
    layers = [
        rgb_layer(image),
        hv.Curve(tuple(fitted.values())).opts(color="#56b4e9", line_width=1),
        hv.Curve(tuple(chosen.values())).opts(color="#ffb000", line_width=2),
    ]
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(**image_options(image.shape[:2]), title=title, show_legend=False)
    )


def histogram_sources(stages: CutoutStages) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `histogram_figure`, and its axes."""
    grey = np.array([0.0]) if stages.grey is None else stages.grey
    counts, _ = np.histogram(grey, bins=_BINS)
    heights = np.log10(1.0 + counts)
    top = float(heights.max()) * 1.08 or 1.0
    bars = {"top": heights, "left": _BINS[:-1], "right": _BINS[1:]}
    tried, final = list(stages.thresholds[:-1]), list(stages.thresholds[-1:])
    bright = grey[grey > 0]
    right = float(np.percentile(bright, 99.9)) if bright.size else 255.0
    right = min(255.5, max([1.3 * right, *(1.2 * one for one in stages.thresholds), 20.0]))
    return [bars, {"x": np.array(tried)}, {"x": np.array(final)}], {
        "xlim": (-0.5, right),
        "ylim": (0.0, top),
    }


def histogram_figure(stages: CutoutStages, *, dark: bool = False, title: str = "") -> hv.Overlay:
    """Grey levels of all pixels, with the thresholds that were tried and the last one.

    Returns
    -------
    hv.Overlay
        Layers: histogram (log10 of 1 + pixels), thresholds tried, last threshold.
    """
    style = style_for(dark)
    (bars, tried, final), axes = histogram_sources(stages)
    layers = [
        hv.Histogram((_BINS, bars["top"])).opts(
            fill_color=style.muted, line_color=None, fill_alpha=0.55
        ),
        hv.VLines(tried["x"]).opts(color=style.categories[0], line_dash="dotted", line_width=1.5),
        hv.VLines(final["x"]).opts(color=style.current, line_width=2),
    ]
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            **axes,
            xlabel="grey level",
            ylabel="log₁₀(1 + px)",
            xticks=3,
            yticks=3,
            title=title,
            responsive=True,
            min_height=80,
            min_width=80,
            toolbar=None,
            show_legend=False,
            fontsize={**font_sizes(), "labels": "10px", "ticks": "9px"},
            hooks=[toolbox("xpan", "xwheel", "reset", drag="xpan", scroll="xwheel")],
        )
    )


def filmstrip_figure(stages: CutoutStages, *, dark: bool = False) -> hv.Layout:
    """All steps side by side, four in a row; those not reached say so."""
    figures = []
    for step in STEPS:
        reached = getattr(stages, step.needs) is not None
        title = step.title if reached else f"{step.title}: not reached"
        if step.key == "threshold":
            figure = histogram_figure(stages, dark=dark, title=title)
        else:
            figure = stage_figure(stages, step.key, title=title)
        figures.append(figure.opts(hv.opts.Overlay(responsive=False, width=220, height=220)))
    return hv.Layout(figures).cols(4).opts(shared_axes=False)


def fate_figure(counts: Mapping[str, int], *, dark: bool = False) -> hv.Overlay:
    """How many galaxies of a survey were accepted, or rejected and why.

    Parameters
    ----------
    counts : mapping of str to int
        Number of galaxies by status of `CutoutStages`.

    Returns
    -------
    hv.Overlay
        Bars, and their numbers with percentages.
    """
    style, total = style_for(dark), sum(counts.values()) or 1
    names = [STATUS_TEXT.get(key, key) for key in counts][::-1]
    values = list(counts.values())[::-1]
    texts = [f"{value:,}  ({100 * value / total:.1f} %)" for value in values]
    bars = hv.Bars((names, values), "status", "galaxies").opts(
        invert_axes=True, color=style.categories[0], line_color=None, bar_width=0.7
    )
    labels = hv.Labels((names, values, texts), ["status", "galaxies"], "text").opts(
        text_align="left", text_font_size="11px", text_color=style.text
    )
    return (bars * labels).opts(
        hv.opts.Overlay(
            xlabel="",
            ylabel="galaxies",
            responsive=True,
            min_height=110,
            toolbar=None,
            ylim=(0, 1.45 * max(values, default=1)),
            fontsize=font_sizes(),
            hooks=[toolbox()],
        )
    )
