"""An observed spectrum with its errors, its bad pixels and named lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.style import (
    Style,
    font_sizes,
    pin_to_top,
    style_for,
    toolbox,
)
from galam_explorer.records import LOGLAM_STEP, Spectrum

__all__ = [
    "ABSORPTION",
    "EMISSION",
    "SpectrumLayers",
    "all_pixels",
    "bad_runs",
    "flux_limits",
    "spectrum_figure",
    "spectrum_layers",
]

EMISSION = {
    "[O II]": 3728.48,
    "Hβ": 4862.68,
    "[O III]": 5008.24,
    "Hα": 6564.61,
    "[N II]": 6585.27,
    "[S II]": 6725.5,
}
"""Rest-frame vacuum wavelengths, Å (SDSS's table of spectral lines; doublets averaged)."""

ABSORPTION = {
    "Ca K": 3934.78,
    "Ca H": 3969.59,
    "4000 Å": 4000.0,
    "Hδ": 4102.89,
    "G": 4305.61,
    "Hγ": 4341.68,
    "Mg b": 5177.8,
    "Fe 5270": 5267.1,
    "Fe 5335": 5333.6,
    "Na D": 5894.8,
    "Ca II": 8544.4,
}
"""Rest-frame vacuum wavelengths, Å; Mg b, Fe and Na D at the centres of the Lick
indices (Trager et al. 1998) converted from air, and the 4000 Å break at its name."""

_FIRST_PX, _ROW_PX = 2.0, 11.5
"""Where the first row of names begins below the top, and how far apart rows are."""
_LETTER = 0.0062
"""Half the width of a letter as a share of the axis, where the figure is narrow."""
_FLUX_LABEL = "Fλ (10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹)"


def bad_runs(bad: np.ndarray) -> np.ndarray:
    """First and one-past-last index of each run of True, shape (k, 2)."""
    edges = np.diff(np.concatenate([[0], bad.astype(np.int8), [0]]))
    return np.column_stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)])


def flux_limits(spectrum: Spectrum) -> tuple[float, float]:
    """A flux range that holds every real feature but no sky residual.

    Only good pixels count whose error is below three times the median error; a
    running median of three pixels drops what is left of cosmic rays.
    """
    error, good = spectrum.error, spectrum.good
    if not good.any():
        return 0.0, 1.0
    keep = good & (error < 3.0 * np.nanmedian(error[good]))
    flux = np.asarray(spectrum.flux, dtype=float)[keep if keep.any() else good]
    if len(flux) >= 3:
        flux = np.median(np.lib.stride_tricks.sliding_window_view(flux, 3), axis=1)
    low, high = min(0.0, float(flux.min())), float(flux.max())
    span = (high - low) or 1.0
    return low - 0.02 * span, high + 0.26 * span


def _line_marks(
    factor: float, x0: float, x1: float
) -> tuple[list[float], list[float], list[tuple[float, int, str]]]:
    """Positions of emission and absorption lines, and labels in up to four rows."""
    named = sorted((w * factor, name) for name, w in (EMISSION | ABSORPTION).items())
    gap, ends, marks = 0.006 * (x1 - x0), [-np.inf] * 4, []
    for position, name in named:
        if not x0 <= position <= x1:
            continue
        half = _LETTER * (x1 - x0) * len(name)
        middle = min(max(position, x0 + half), x1 - half)
        free = [i for i, end in enumerate(ends) if middle - half > end + gap]
        row = free[0] if free else int(np.argmin(ends))
        ends[row] = middle + half
        marks.append((middle, row, name))
    emission = [w * factor for w in EMISSION.values() if x0 <= w * factor <= x1]
    absorption = [w * factor for w in ABSORPTION.values() if x0 <= w * factor <= x1]
    return emission, absorption, marks


@dataclass(frozen=True, eq=False)
class SpectrumLayers:
    """Everything that a spectrum figure draws, as arrays.

    Parameters
    ----------
    spans : ndarray, shape (k, 2)
        Left and right edge of each run of suspect pixels, Å.
    wavelength, flux, error : ndarray, shape (n,)
        Drawn wavelength (Å), flux density and its 1 sigma error (0 where unknown).
    good : ndarray, shape (n,), bool
    emission, absorption : list of float
        Positions of lines inside the range, Å.
    marks : list of (float, int, str)
        Middle, row and text of each label; it stands at its line, but inside the frame.
    xlim, ylim : tuple of float
    xlabel : str
    """

    spans: np.ndarray
    wavelength: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    good: np.ndarray
    emission: list[float]
    absorption: list[float]
    marks: list[tuple[float, int, str]]
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    xlabel: str

    def labels(self) -> dict[str, list]:
        """Columns of the line labels."""
        return {
            "x": [x for x, _, _ in self.marks],
            "y": [self.ylim[1]] * len(self.marks),
            "text": [text for _, _, text in self.marks],
            "down": [_FIRST_PX + _ROW_PX * row for _, row, _ in self.marks],
        }

    def band(self) -> dict[str, np.ndarray]:
        """Outline of the error band, one closed piece per run of good pixels."""
        xs, ys, gap = [], [], np.array([np.nan])
        for a, b in bad_runs(self.good):
            x, f, e = self.wavelength[a:b], self.flux[a:b], self.error[a:b]
            xs += [x, x[::-1], gap]
            ys += [f + e, (f - e)[::-1], gap]
        return {"x": np.concatenate(xs or [gap]), "y": np.concatenate(ys or [gap])}

    def sources(self) -> list[dict[str, Any]]:
        """Columns of the Bokeh sources of `spectrum_figure`, layer by layer."""
        shown = np.where(self.good, self.flux, np.nan)
        return [
            {"x0": self.spans[:, 0], "x1": self.spans[:, 1]},
            self.band(),
            {"wavelength": self.wavelength, "flux": self.flux, "error": self.error},
            {"x": self.wavelength, "y": shown},
            {"x": np.array(self.emission)},
            {"x": np.array(self.absorption)},
            self.labels(),
        ]

    def axes(self) -> dict[str, Any]:
        """Limits and label."""
        return {"xlim": self.xlim, "ylim": self.ylim, "xlabel": self.xlabel}


def spectrum_layers(
    spectrum: Spectrum, z: float = float("nan"), rest_frame: bool = False
) -> SpectrumLayers:
    """Work out what `spectrum_figure` draws; same parameters."""
    known = bool(np.isfinite(z)) and z > -1
    rest = rest_frame and known
    wavelength = spectrum.wavelength / ((1 + z) if rest else 1.0)
    good = spectrum.good
    half = 0.5 * wavelength * (10**LOGLAM_STEP - 1)
    spans = [(wavelength[a] - half[a], wavelength[b - 1] + half[b - 1]) for a, b in bad_runs(~good)]
    xlim = (float(wavelength[0]), float(wavelength[-1]))
    emission, absorption, marks = [], [], []
    if known:
        emission, absorption, marks = _line_marks(1.0 if rest else 1.0 + z, *xlim)
    return SpectrumLayers(
        spans=np.reshape(spans, (-1, 2)),
        wavelength=wavelength,
        flux=np.asarray(spectrum.flux, dtype=float),
        error=np.nan_to_num(spectrum.error, nan=0.0),
        good=good,
        emission=emission,
        absorption=absorption,
        marks=marks,
        xlim=xlim,
        ylim=flux_limits(spectrum),
        xlabel=f"{'Rest-frame' if rest else 'Observed'} vacuum wavelength (Å)",
    )


def all_pixels(
    columns: Mapping[str, np.ndarray], said: Sequence[tuple[str, str]], style: Style
) -> hv.Curve:
    """Every pixel of a spectrum, faintly, with its numbers under the pointer.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        ``wavelength`` (Å), then what is drawn, then what is only said.
    said : sequence of (str, str)
        Bokeh tooltips, after the wavelength's.
    style : Style
    """
    x, *ys = columns
    return hv.Curve(tuple(columns.values()), x, ys).opts(
        color=style.muted,
        line_width=0.7,
        alpha=0.55,
        tools=["hover"],
        hover_mode="vline",
        hover_tooltips=[("λ", "@wavelength{0.0} Å"), *said],
    )


def _elements(layers: SpectrumLayers, style: Style) -> list[hv.Element]:
    shown = np.where(layers.good, layers.flux, np.nan)
    error = np.where(layers.good, layers.error, np.nan)
    labels = layers.labels()
    return [
        hv.VSpans(layers.spans).opts(color=style.masked, alpha=0.45, line_color=None),
        hv.Area(
            (layers.wavelength, layers.flux - error, layers.flux + error),
            vdims=["lower", "upper"],
        ).opts(color=style.band, alpha=0.55, line_color=None),
        all_pixels(
            {"wavelength": layers.wavelength, "flux": layers.flux, "error": layers.error},
            [("flux", "@flux{0.00}"), ("1σ", "@error{0.00}")],
            style,
        ),
        hv.Curve((layers.wavelength, shown)).opts(color=style.flux, line_width=1.1),
        hv.VLines(layers.emission).opts(color=style.emission, line_dash="dotted", line_width=1),
        hv.VLines(layers.absorption).opts(color=style.absorption, line_dash="dashed", line_width=1),
        hv.Labels(
            (labels["x"], labels["y"], labels["text"], labels["down"]), ["x", "y"], ["text", "down"]
        ).opts(
            text_color=style.text,
            text_font_size="11px",
            text_baseline="top",
            hooks=[pin_to_top(style.background)],
            xoffset=0,
            yoffset=0,
        ),
    ]


def spectrum_figure(
    spectrum: Spectrum,
    z: float = float("nan"),
    *,
    rest_frame: bool = False,
    dark: bool = False,
) -> hv.Overlay:
    """Flux with its ± ivar^-½ band, masked pixels shaded, and named lines.

    Every pixel is drawn. Pixels without information (zero ivar, not finite, or
    with SDSS's AND mask set) are shaded and drawn faintly.

    Parameters
    ----------
    spectrum : Spectrum
    z : float
        Redshift, for the lines; NaN draws none.
    rest_frame : bool
        Wavelengths divided by ``1 + z`` (the flux is left as observed).

    Returns
    -------
    hv.Overlay
        Layers: masked runs, band, all pixels, good pixels, emission lines,
        absorption lines, labels.
    """
    layers = spectrum_layers(spectrum, z, rest_frame)
    return hv.Overlay(_elements(layers, style_for(dark))).opts(
        hv.opts.Overlay(
            **layers.axes(),
            ylabel=_FLUX_LABEL,
            responsive=True,
            min_height=180,
            show_grid=True,
            show_legend=False,
            toolbar="right",
            fontsize=font_sizes(),
            hooks=[toolbox("xpan", "xwheel", "box_zoom", "reset", drag="box_zoom")],
        )
    )
