"""A full-spectrum fit: the model over the data, and the residual."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.fit_grid import draws_figure, weights_figure
from galam_explorer.evaluate.figures.spectrum import all_pixels, bad_runs
from galam_explorer.evaluate.figures.style import font_sizes, style_for, toolbox
from galam_explorer.records import LOGLAM_STEP, StellarPopulation

__all__ = ["fit_figure", "fit_sources", "population_figure", "residual_figure", "residual_sources"]

Sources = tuple[list[dict[str, Any]], dict[str, Any]]

_WAVE = "Rest-frame vacuum wavelength (Å)"
_FLUX = "flux / median"


def _arrays(fit: StellarPopulation) -> tuple[np.ndarray, ...]:
    """Wavelength, flux, model and good pixels; two blank pixels where nothing was fitted."""
    if fit.wavelength is None:
        return np.array([3700.0, 7300.0]), *np.full((2, 2), np.nan), np.ones(2, dtype=bool)
    return fit.wavelength, fit.flux, fit.best_fit, fit.good


def _spans(wavelength: np.ndarray, good: np.ndarray) -> dict[str, np.ndarray]:
    half = 0.5 * wavelength * (10**LOGLAM_STEP - 1)
    runs = bad_runs(~good)
    first, last = runs[:, 0], runs[:, 1] - 1
    return {"x0": wavelength[first] - half[first], "x1": wavelength[last] + half[last]}


def _limits(low: float, high: float, below: float, above: float) -> tuple[float, float]:
    if not (np.isfinite(low) and np.isfinite(high)):
        return 0.0, 1.0
    span = (high - low) or 1.0
    return float(low - below * span), float(high + above * span)


def fit_sources(fit: StellarPopulation) -> Sources:
    """Columns of the Bokeh sources of `fit_figure`, and its axes."""
    wavelength, flux, model, good = _arrays(fit)
    shown = np.where(good, flux, np.nan)
    data = {"wavelength": wavelength, "flux": flux, "model": model, "residual": flux - model}
    axes = {"xlim": (wavelength[0], wavelength[-1]), "ylim": (0.0, 1.0)}
    if np.isfinite(shown).any():
        low, high = np.nanpercentile(shown, [0.1, 99.9])
        ends = (min(low, np.nanmin(model)), max(high, np.nanmax(model)))
        axes["ylim"] = _limits(*ends, 0.04, 0.06)
    layers = [
        _spans(wavelength, good),
        data,
        {"x": wavelength, "y": shown},
        {"x": wavelength, "y": model},
    ]
    return layers, axes


def fit_figure(fit: StellarPopulation, *, dark: bool = False, title: str = "") -> hv.Overlay:
    """The best fit over the data; pixels that were left out are shaded.

    Parameters
    ----------
    fit : StellarPopulation
        With its `wavelength`, `flux`, `best_fit` and `good`.

    Returns
    -------
    hv.Overlay
        Layers: pixels left out, all data, fitted data, best fit.
    """
    style = style_for(dark)
    (spans, data, shown, model), axes = fit_sources(fit)
    layers = [
        hv.VSpans((spans["x0"], spans["x1"])).opts(color=style.masked, alpha=0.4, line_color=None),
        all_pixels(
            data,
            [("data", "@flux{0.000}"), ("fit", "@model{0.000}"), ("residual", "@residual{0.000}")],
            style,
        ),
        hv.Curve((shown["x"], shown["y"])).opts(color=style.flux, line_width=1),
        hv.Curve((model["x"], model["y"])).opts(color=style.current, line_width=1.4),
    ]
    return hv.Overlay(layers).opts(hv.opts.Overlay(**axes, **_wide("", _FLUX, title, 100)))


def residual_sources(fit: StellarPopulation, error: np.ndarray | None = None) -> Sources:
    """Columns of the Bokeh sources of `residual_figure`, and its axes."""
    wavelength, flux, model, good = _arrays(fit)
    residual = np.where(good, flux - model, np.nan)
    known = good if error is not None else np.zeros(len(good), dtype=bool)
    noise = np.where(known, error if error is not None else 0.0, np.nan)
    xs, ys, gap = [], [], np.array([np.nan])
    for a, b in bad_runs(known):
        x, e = wavelength[a:b], noise[a:b]
        xs += [x, x[::-1], gap]
        ys += [e, -e[::-1], gap]
    half = 0.1
    if np.isfinite(residual).any():
        half = 1.3 * float(np.nanpercentile(np.abs(residual), 99.5)) or 0.1
    axes = {"xlim": (wavelength[0], wavelength[-1]), "ylim": (-half, half)}
    layers = [
        _spans(wavelength, good),
        {"x": np.concatenate(xs or [gap]), "y": np.concatenate(ys or [gap])},
        {"x": wavelength, "y": residual},
        {"x": wavelength[[0, -1]], "y": np.zeros(2)},
    ]
    return layers, axes


def residual_figure(
    fit: StellarPopulation, error: np.ndarray | None = None, *, dark: bool = False, title: str = ""
) -> hv.Overlay:
    """Data minus best fit, with the ± 1 sigma band where `error` (n,) is given.

    Returns
    -------
    hv.Overlay
        Layers: pixels left out, error band, residual, zero.
    """
    style = style_for(dark)
    (spans, _, residual, zero), axes = residual_sources(fit, error)
    noise = np.full(len(residual["x"]), np.nan)
    if error is not None and fit.good is not None:
        noise = np.where(fit.good, error, np.nan)
    layers = [
        hv.VSpans((spans["x0"], spans["x1"])).opts(color=style.masked, alpha=0.4, line_color=None),
        hv.Area((residual["x"], -noise, noise), vdims=["lower", "upper"]).opts(
            color=style.band, alpha=0.5, line_color=None
        ),
        hv.Curve((residual["x"], residual["y"])).opts(color=style.flux, line_width=0.8),
        hv.Curve((zero["x"], zero["y"])).opts(color=style.current, line_width=1),
    ]
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(**axes, **_wide(_WAVE, "data − fit", title, 80), yticks=3)
    )


def _wide(xlabel: str, ylabel: str, title: str, height: int) -> dict[str, Any]:
    tools = ("xpan", "xwheel", "box_zoom", "reset")
    return {
        "xlabel": xlabel,
        "ylabel": ylabel,
        "title": title,
        "responsive": True,
        "min_height": height,
        "show_grid": True,
        "show_legend": False,
        "toolbar": "above" if not xlabel else None,
        "fontsize": font_sizes(),
        "hooks": [toolbox(*tools, drag="box_zoom"), _aligned(bool(xlabel))],
    }


def _aligned(with_axis: bool) -> Any:
    """A HoloViews hook: equal left margins, so that figures below each other line up."""

    def hook(plot: Any, _element: hv.Element) -> None:
        plot.state.update(min_border_left=72)
        for axis in plot.state.xaxis:
            axis.visible = with_axis

    return hook


def population_figure(
    fit: StellarPopulation,
    log_age: np.ndarray,
    m_h: np.ndarray,
    *,
    error: np.ndarray | None = None,
    truth: tuple[float, float] | None = None,
    dark: bool = False,
) -> hv.Layout:
    """Fit, residual, weights and noise draws of one galaxy below each other.

    Parameters
    ----------
    fit : StellarPopulation
    log_age, m_h : ndarray
        The templates' ages (log10 yr) and metallicities (dex).
    error : ndarray, shape (n,), optional
        1 sigma of the fitted flux.
    truth : (log_age, m_h), optional
        What a simulation put in.

    Returns
    -------
    hv.Layout
    """
    wide = {"responsive": False, "width": 880}
    label = (fit.log_age, fit.m_h)
    parts = [
        fit_figure(fit, dark=dark).opts(hv.opts.Overlay(**wide, height=280)),
        residual_figure(fit, error, dark=dark).opts(hv.opts.Overlay(**wide, height=150)),
        weights_figure(fit.weights, log_age, m_h, label, truth, dark=dark).opts(
            hv.opts.Overlay(**wide, height=260)
        ),
        draws_figure(fit.draws, label, truth, dark=dark).opts(hv.opts.Overlay(**wide, height=260)),
    ]
    return hv.Layout(parts).cols(1).opts(shared_axes=False)
