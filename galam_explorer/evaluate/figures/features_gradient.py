"""Which wavelengths move a prediction or a feature of M1."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.explain import WavelengthGradient
from galam_explorer.evaluate.figures.features import axis_options
from galam_explorer.evaluate.figures.spectrum import ABSORPTION, EMISSION
from galam_explorer.evaluate.figures.style import pin_to_top, style_for

__all__ = ["gradient_figure", "gradient_sources"]

_WIDTH = 11
_BASE, _REACH = -0.42, 0.34
_TOP = 1.62
"""Upper end of the axis: the names stand above the spectrum."""
_ROWS, _LETTER = 3, 92.0
"""Rows of names, and the width of a letter in Å where the figure is narrow."""
_ROW_PX = 11.5
"""Height of a row of names: letters do not shrink with the figure."""
_SPAN = (3830.0, 8000.0)
_NAMED = {wavelength: name for name, wavelength in (EMISSION | ABSORPTION).items()}


def _smooth(values: np.ndarray, width: int = _WIDTH) -> np.ndarray:
    """Running sum over `width` Å: what a feature of that width would do."""
    return np.convolve(values, np.ones(width), mode="same")


def gradient_sources(
    gradient: WavelengthGradient | None, z: float = float("nan")
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `gradient_figure`, and its axes; same parameters."""
    nothing = np.empty(0)
    axes = {"xlim": _SPAN, "ylim": (-0.8, _TOP)}
    if gradient is None:
        text = dict.fromkeys(("x", "y", "text", "down"), nothing)
        return [{"x": nothing, "y": nothing}] * 3 + [{"x": nothing}, text], axes
    moved = _smooth(gradient.gradient)
    top = float(np.abs(moved).max())
    drawn = _BASE + _REACH * moved / (top or 1.0)
    wave = gradient.wavelength
    areas = []
    for limit in (np.maximum, np.minimum):
        edge = limit(drawn, _BASE)
        x = np.concatenate([wave, wave[::-1]])
        areas.append({"x": x, "y": np.concatenate([edge, np.full(len(wave), _BASE)])})
    spectrum = {"x": wave, "y": gradient.spectrum}
    return [*areas, spectrum, *_lines(z)], axes


def _lines(z: float) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Places of named lines, and as many of their names as three rows have room for."""
    known = bool(np.isfinite(z)) and z > -1
    places = sorted(((1 + z) * one, name) for one, name in _NAMED.items()) if known else []
    low, high = _SPAN
    inside = [(one, name) for one, name in places if low <= one <= high]
    ends, kept = [-np.inf] * _ROWS, []
    for place, name in inside:
        half = 0.5 * _LETTER * len(name)
        middle = min(max(place, low + half), high - half)
        row = next((i for i, end in enumerate(ends) if middle - half > end), None)
        if row is not None:
            ends[row] = middle + half
            kept.append((middle, _ROW_PX * row, name))
    return {"x": np.array([one for one, _ in inside], float)}, {
        "x": np.array([x for x, _, _ in kept], float),
        "y": np.full(len(kept), _TOP),
        "text": np.array([name for _, _, name in kept], dtype=object),
        "down": np.array([down for _, down, _ in kept], float),
    }


def gradient_figure(
    gradient: WavelengthGradient | None, z: float = float("nan"), *, dark: bool = False
) -> hv.Overlay:
    """The normalised spectrum, and below it which wavelengths move the target, and where to.

    The gradient is summed over 11 Å and drawn in units of its largest value.

    Parameters
    ----------
    gradient : WavelengthGradient, optional
    z : float
        For named lines; NaN draws none.

    Returns
    -------
    hv.Overlay
        Layers: more flux raises the target, more flux lowers it, spectrum, lines, names.
    """
    style = style_for(dark)
    (up, down, spectrum, lines, labels), axes = gradient_sources(gradient, z)
    rises, falls = style.categories[1], style.categories[0]
    layers = [
        _patch(up).opts(fill_color=rises, line_color=None, fill_alpha=0.85),
        _patch(down).opts(fill_color=falls, line_color=None, fill_alpha=0.85),
        hv.Curve(tuple(spectrum.values())).opts(color=style.flux, line_width=1),
        hv.VLines(lines["x"]).opts(color=style.muted, line_dash="dotted", line_width=0.8),
        hv.Labels(tuple(labels.values()), ["x", "y"], ["text", "down"]).opts(
            text_color=style.muted, text_font_size="10px", text_baseline="top",
            xoffset=0, yoffset=0, hooks=[pin_to_top(style.background)],
        ),
    ]  # fmt: skip
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            **axis_options(axes, "flux (0 to 1)", 150),
            xlabel="Observed vacuum wavelength (Å)",
            yticks=[0.0, 0.5, 1.0],
            show_legend=False,
        )
    )


def _patch(outline: dict[str, np.ndarray]) -> hv.Area:
    """A filled outline; the source's columns are those of `outline`."""
    half = len(outline["x"]) // 2
    x, y = outline["x"][:half], outline["y"][:half]
    base = outline["y"][half:]
    return hv.Area((x, y, base), vdims=["y", "base"])
