"""What the population view shows for a choice: figures, where their points are, words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from galam_explorer.app.columns import COLUMNS, Column
from galam_explorer.app.population import SETS, Population
from galam_explorer.app.views.base import escape
from galam_explorer.evaluate.contrast import contrast
from galam_explorer.evaluate.figures import population as fig
from galam_explorer.evaluate.figures.distributions import distribution_figure
from galam_explorer.evaluate.figures.population_bins import coverage_figure, sn_scatter_figure
from galam_explorer.evaluate.metrics import DEFINITIONS, regression_metrics, scatter_by_sn
from galam_explorer.labels.dispersion import dispersion_by_sn

__all__ = [
    "MODELS",
    "PLACES",
    "REFERENCES",
    "Choice",
    "Points",
    "apart_html",
    "blank",
    "draw",
    "facts_html",
    "makers",
    "places",
    "table",
    "worst",
]

MODELS = {"m4": "M4 (image)", "m3": "M3 (image-only)", "m1": "M1 (spectrum)",
          "m4_real": "M4, real features", "image_only": "image-only, large"}  # fmt: skip
_SHORT = {"m4": "M4", "m3": "M3", "m1": "M1", "m4_real": "M4 real", "image_only": "large"}
"""In the legend, which has little room."""
REFERENCES = {"truth": "simulated truth", "label": "pPXF-style label"}
PLACES = ("upper left", "lower left", "upper right", "lower right")

Points = dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Choice:
    """What is shown.

    Parameters
    ----------
    model : str
        A predictor.
    quantity : {"log_age", "m_h"}
    against : {"truth", "label"}
    chosen : str
        A key of `SETS`, or ``all``.
    clipped : bool
    by_sn : bool
        Signal-to-noise on the right; else sets and coverage.
    """

    model: str
    quantity: str
    against: str
    chosen: str
    clipped: bool = False
    by_sn: bool = True

    def values(self, found: Population) -> tuple[np.ndarray, np.ndarray]:
        """Reference and prediction of every galaxy; NaN for those not shown."""
        return (
            found.reference(self.against, self.quantity),
            found.predicted(self.model, self.quantity, self.chosen),
        )


def draw(
    found: Population,
    choice: Choice,
    cohort: np.ndarray,
    current: int | None,
    dark: bool,
    words: bool = False,
) -> dict[str, hv.Overlay]:
    """The four figures by place.

    Parameters
    ----------
    cohort, current : ndarray of int, int or None
        Rows to ring.
    words : bool
        For pictures that stand alone: the scatter is written into the first of them.
    """
    quantity, points = choice.quantity, places(found, choice)
    reference, predicted = points["upper left"]
    residual = predicted - reference
    marked = {"cohort": cohort, "current": current, "dark": dark}
    same = {"against": REFERENCES[choice.against], "clipped": choice.clipped, **marked}
    made = {
        "upper left": fig.comparison_figure(reference, predicted, quantity, words=words, **same),
        "lower left": fig.residual_figure(reference, predicted, quantity, **same),
    }
    if choice.by_sn:
        made["upper right"] = sn_scatter_figure(
            _by_sn(found, choice), quantity, dispersion=_dispersion(found), dark=dark
        )
        made["lower right"] = fig.residual_sn_figure(found.sn_r, residual, quantity, **marked)
    else:
        values = {SETS[name]: reference[found.sets == name] for name in found.counts()}
        label = fig.QUANTITIES[quantity]
        made["upper right"] = distribution_figure(values, label, bins=30, dark=dark)
        made["lower right"] = coverage_figure(_coverage(found, choice), quantity, dark=dark)
    return made


def makers(found: Population, choice: Choice, dark: bool) -> dict[str, Callable[[], hv.Overlay]]:
    """What draws each of the four figures, without a ring: sessions share them."""
    made: dict[str, hv.Overlay] = {}

    def make(place: str) -> hv.Overlay:
        if not made:
            made.update(draw(found, choice, np.empty(0, int), None, dark))
        return made[place]

    return {place: partial(make, place) for place in PLACES}


def blank() -> hv.Overlay:
    """A figure in which nothing is drawn yet."""
    return hv.Overlay([hv.Curve([])]).opts(fig.plot_options("", "", toolbar=None))


def places(found: Population, choice: Choice) -> Points:
    """Where the galaxies are in the figures that have them, by place."""
    reference, predicted = choice.values(found)
    residual = predicted - reference
    points = {"upper left": (reference, predicted), "lower left": (reference, residual)}
    if choice.by_sn:
        points["lower right"] = (found.sn_r, residual)
    return points


def _by_sn(found: Population, choice: Choice) -> dict[str, pd.DataFrame]:
    reference = found.reference(choice.against, choice.quantity)
    return {
        _SHORT.get(name, name): scatter_by_sn(
            found.predicted(name, choice.quantity, choice.chosen), reference, found.sn_r
        )
        for name in found.predictors
    }


def _dispersion(found: Population) -> pd.DataFrame | None:
    spread = found.dispersion
    if not np.isfinite(spread).any():
        return None
    frame = pd.DataFrame({"log_age_std": spread[:, 0], "m_h_std": spread[:, 1]})
    return dispersion_by_sn(frame.assign(covariance=np.nan, status="ok"), found.sn_r)


def _coverage(found: Population, choice: Choice) -> pd.DataFrame:
    from galam_explorer.evaluate.calibration import coverage_table

    inside = np.ones(len(found.ids), bool)
    if choice.chosen != "all":
        inside = found.sets == choice.chosen
    return coverage_table(
        found.table[inside], found.references[choice.against][inside], found.sn_r[inside],
        list(found.predictors),
    )  # fmt: skip


def facts_html(found: Population, choice: Choice) -> str:
    """Number of galaxies, and the metrics with their definitions."""
    reference, predicted = choice.values(found)
    metrics = regression_metrics(predicted, reference)
    parts = [
        f'<span style="white-space:nowrap"><abbr title="{escape(DEFINITIONS[name][1])}">{title}'
        f"</abbr> <b>{metrics[name]:.3f}</b></span>"
        for name, title in (("rmse", "RMSE"), ("sd", "SD"), ("nmad", "NMAD"), ("bias", "bias"),
                            ("r2", "R²"), ("legacy_sd", "SD clipped as published"))
    ]  # fmt: skip
    return (
        f'<div class="g" data-view="population" data-n="{metrics["n"]}">{metrics["n"]:,} galaxies'
        f" · {' · '.join(parts)} <span class='soft'>dex</span>{_SMALLER}</div>"
    )


def apart_html(found: Population, choice: Choice, catalog: pd.DataFrame, rows: np.ndarray) -> str:
    """What sets the chosen galaxies apart from the others that are shown; how to choose some."""
    reference, predicted = choice.values(found)
    residual = predicted - reference
    shown = np.isfinite(residual)
    chosen = np.zeros(len(residual), bool)
    chosen[rows] = True
    chosen &= shown
    others = shown & ~chosen
    if not chosen.any() or not others.any():
        return f'<div class="g soft" data-apart="0">{_HOW}{_SMALLER}</div>'
    known = _properties(found, choice, catalog)
    middle, usual = (np.median(np.abs(residual[side])) for side in (chosen, others))
    # What makes galaxies look too old need not be what makes others look too young.
    sides = "".join(
        _side(word, known, chosen & (sign * residual > 0), others)
        for word, sign in zip(_SIDES[choice.quantity], (1, -1), strict=True)
    )
    return (
        f'<div class="g" data-apart="{int(chosen.sum())}"><b>{chosen.sum():,} chosen</b>, median '
        f"|Δ| <b>{middle:.2f}</b> dex <span class='soft'>(others {usual:.2f})</span>; "
        f'<abbr title="{escape(_CAUTION)}">what sets them apart</abbr>:{sides}{_SMALLER}</div>'
    )


def _properties(found: Population, choice: Choice, catalog: pd.DataFrame) -> dict[str, np.ndarray]:
    names = [name for name in COLUMNS if name in catalog and name not in _NO_REASON]
    known = {name: catalog[name].to_numpy(float) for name in names}
    low, high = (f"{choice.model}_{choice.quantity}_{end}68" for end in ("lo", "hi"))
    known["error bar"] = (found.table[high] - found.table[low]).to_numpy(float) / 2
    known["domain score"] = found.table[f"{choice.model}_domain"].to_numpy(float)
    return known


def _side(word: str, known: dict[str, np.ndarray], chosen: np.ndarray, others: np.ndarray) -> str:
    """A line for the galaxies that are wrong in one direction."""
    if not chosen.any():
        return ""
    apart = contrast(known, chosen, others)
    parts = [_apart(one) for one in apart[apart["p"] < _CLEAR].head(_MOST).itertuples()]
    return f"<br><b>{chosen.sum():,}</b> {word}: {' · '.join(parts) or _NOTHING}"


def _apart(one: Any) -> str:
    column = COLUMNS.get(one.property) or _OWN[one.property]
    unit = f", {column.unit}" if column.unit else ""
    pairs = f"Larger than another galaxy's in {100 * one.larger:.0f} % of pairs"
    about = f"{column.definition}{unit}. {pairs}"
    here, there = (
        f"{100 * value:.0f} %" if one.share else f"{value:z.{column.digits}f}"
        for value in (one.chosen, one.others)
    )
    return (
        f'<span style="white-space:nowrap"><abbr title="{escape(about)}">{escape(column.label)}'
        f"</abbr> <b>{here}</b> <span class='soft'>({there})</span></span>"
    )


def worst(found: Population, choice: Choice, count: int = 20) -> np.ndarray:
    """Rows of the galaxies with the largest residuals, the largest first; a tenth at most."""
    reference, predicted = choice.values(found)
    error = np.abs(predicted - reference)
    rows = np.flatnonzero(np.isfinite(error))
    count = min(count, max(1, len(rows) // 10))
    return rows[np.argsort(-error[rows], kind="stable")[:count]]


_SIDES = {"log_age": ("too old", "too young"), "m_h": ("too metal-rich", "too metal-poor")}
_NO_REASON = ("ra", "dec", "true_isophote_theta", "true_z", "true_log_age_total", "true_m_h_total")
"""What has no meaning here, or says another column again."""
_CLEAR = 0.01
_MOST = 3
_HOW = "Draw a lasso or box round galaxies, or take the worst: here stands what sets them apart."
_SMALLER = "<style>@media (max-width: 1300px) { .g { font-size: 12px } }</style>"
_CAUTION = (
    "The properties in which they differ most from the others that are shown, whose medians are "
    "in brackets (Mann-Whitney test, p < 0.01 after correction for the number of properties). "
    "What goes together need not be the cause."
)
_NOTHING = "nothing that is known of them"
_OWN = {
    "error bar": Column("error bar", "dex", "Half the width of the model's own 68 % interval"),
    "domain score": Column(
        "domain score", "", "Share of validation galaxies that are more like the training galaxies"
    ),
}


def table(found: Population, choice: Choice) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What is drawn, one row a galaxy, and (unit, definition) by column."""
    reference, predicted = choice.values(found)
    frame = pd.DataFrame(
        {
            "id": found.ids, "split": found.sets, "sn_r": found.sn_r, "reference": reference,
            "predicted": predicted, "residual": predicted - reference,
        }
    )  # fmt: skip
    words = f"{choice.model} {choice.quantity} against {choice.against}"
    about = {"residual": ("dex", f"predicted minus reference: {words}")}
    return frame[np.isfinite(predicted)], about
