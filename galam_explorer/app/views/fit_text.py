"""What the view of a fit says in words: numbers, state, and why there is nothing to see."""

from __future__ import annotations

import numpy as np
import pandas as pd

from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.fitting import Fitted
from galam_explorer.app.views.base import empty_card, escape
from galam_explorer.app.views.fit_controls import describe
from galam_explorer.config import LabelConfig
from galam_explorer.evaluate.figures.fit_grid import TRUTH_NAME
from galam_explorer.records import Galaxy, StellarPopulation

__all__ = [
    "curve_card",
    "draws_card",
    "facts_html",
    "fit_table",
    "heading_html",
    "reason_card",
    "true_labels",
]

_LIGHT = "weighted by the light between 5070 and 5950 Å"
_NO_SPECTRUM = (
    "Image only: age and metallicity by full-spectrum fitting need a spectrum. Estimating them "
    "without one is what the networks are for."
)
_FACTS = (
    "display:flex;flex-wrap:wrap;gap:4px 18px;align-items:center;font-variant-numeric:tabular-nums"
)


def true_labels(galaxy: Galaxy | None) -> tuple[float, float] | None:
    """What a simulation put in, log age and [M/H]; None for observed galaxies."""
    if galaxy is None or galaxy.origin != "simulated":
        return None
    found = tuple(float(galaxy.truth.get(name, np.nan)) for name in ("true_log_age", "true_m_h"))
    return found if np.isfinite(found).all() else None


def facts_html(fit: StellarPopulation, truth: tuple[float, float] | None) -> str:
    """The numbers of a fit with units, and definitions on hover."""
    spread = ". ±: standard deviation over the noise draws"
    rows = [
        ("log age", f"Mean log10 age, {_LIGHT}{spread}", fit.log_age, fit.log_age_std, 2, ""),
        ("[M/H]", f"Mean metallicity, {_LIGHT}{spread}", fit.m_h, fit.m_h_std, 2, " dex"),
        ("V", "Stellar velocity relative to the redshift", fit.velocity, np.nan, 0, " km/s"),
        ("σ", "Stellar velocity dispersion", fit.sigma, np.nan, 0, " km/s"),
        ("χ²", "Reduced χ² of the fit", fit.chi2, np.nan, 2, ""),
    ]
    items = [
        f'<span><abbr title="{escape(about)}">{name}</abbr> <b>{_number(value, spread, digits)}'
        f"{unit if np.isfinite(value) else ''}</b></span>"
        for name, about, value, spread, digits, unit in rows
    ]
    items.append(f"<span>{fit.n_pixels:,} px fitted</span>")
    if truth is not None:
        about = COLUMNS["true_log_age"].definition
        items.append(
            f'<span class="badge simulated"><abbr title="{escape(about)}">{TRUTH_NAME}'
            f"</abbr> {truth[0]:.2f}, {truth[1]:+.2f} dex</span>"
        )
    return f'<div class="g" style="{_FACTS}">{"".join(items)}</div>'


def _number(value: float, spread: float, digits: int) -> str:
    if not np.isfinite(value):
        return "—"
    text = f"{value:.{digits}f}".replace("-", "−")
    return f"{text} ± {spread:.{digits}f}" if np.isfinite(spread) else text


def heading_html(shown: Fitted, galaxy: Galaxy | None, fitting: LabelConfig | None) -> str:
    """Id, state of the fit and its configuration.

    Parameters
    ----------
    shown : Fitted
    galaxy : Galaxy or None
    fitting : LabelConfig or None
        Of the fit that is being made.
    """
    if galaxy is None:
        return ""
    status, kind, about = shown.population.status, "good", ""
    if fitting is not None:
        status, kind, about = "fitting…", "sdss", describe(fitting)
    elif status == "not_fitted":
        status, kind = "not fitted", "waits"
    elif status == "ok":
        status = "saved labels" if shown.saved else "fitted now"
        about = describe(shown.config)
        if not shown.saved:
            about += f" · {shown.seconds:.2f} s"
    else:
        status, kind = "no fit", "bad"
    return (
        f'<div class="g" data-view="fit" data-fit="{escape(status)}" '
        f'data-fitted="{escape(shown.galaxy_id)}" data-for="{escape(galaxy.id)}" '
        'style="display:flex;gap:10px;align-items:center;white-space:nowrap;overflow:hidden">'
        f'<h2>{escape(galaxy.id)}</h2><span class="badge {kind}">{escape(status)}</span>'
        f'<span class="soft" style="overflow:hidden;text-overflow:ellipsis">{escape(about)}'
        "</span></div>"
    )


def reason_card(fit: StellarPopulation, galaxy: Galaxy | None, waiting: bool) -> str:
    """The card over everything; empty where there is a fit to see."""
    if galaxy is None:
        return empty_card("No galaxy", "Choose one on the map or in the table.")
    if galaxy.spectrum is None:
        return empty_card("No spectrum", _NO_SPECTRUM)
    if fit.status == "ok":
        return ""
    if waiting:
        return empty_card("Fitting…", "The first fit loads PyTorch and takes some seconds.")
    if fit.status == "not_fitted":
        return empty_card("Not fitted yet", "“Fit now” fits this galaxy.")
    return empty_card("This galaxy could not be fitted", fit.reason)


def curve_card(fit: StellarPopulation, waiting: bool) -> str:
    """The card in place of a curve that is not there (yet)."""
    if fit.status != "ok" or fit.wavelength is not None:
        return ""
    if waiting:
        return empty_card("Drawing the fit…", "Labels are saved without their curve.")
    return empty_card("The curve is not here", "“Fit now” fits this galaxy again.")


def draws_card(fit: StellarPopulation) -> str:
    """The card in place of noise draws that were not made."""
    if fit.status != "ok" or fit.draws is not None:
        return ""
    return empty_card("No noise draws", "Choose a number of draws for the dispersion.")


def fit_table(shown: Fitted) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
    """The pixels of a fit, and (unit, definition) by column."""
    fit = shown.population
    frame = pd.DataFrame(
        {
            "wavelength": fit.wavelength,
            "flux": fit.flux,
            "error": np.where(fit.good, shown.error, np.nan),
            "best_fit": fit.best_fit,
            "good": fit.good,
        }
    )
    return frame, {
        "wavelength": ("Angstrom", "Rest-frame vacuum wavelength"),
        "flux": ("", "Flux density over the median of the fitted pixels"),
        "error": ("", "1 sigma error of the flux; none where a pixel was not fitted"),
        "best_fit": ("", f"Best fit: {describe(shown.config)}, {shown.config.hash}"),
        "good": ("", "Pixel entered the fit"),
    }
