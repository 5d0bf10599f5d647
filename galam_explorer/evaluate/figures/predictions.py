"""What each network says of one galaxy, beside the label and the simulated truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.preprocess import STATUS_TEXT
from galam_explorer.evaluate.figures.style import Style, font_sizes, style_for, toolbox
from galam_explorer.records import Prediction, StellarPopulation

__all__ = [
    "PREDICTORS",
    "QUANTITIES",
    "SHORT_NAMES",
    "StripRow",
    "disagreements",
    "domain_warning",
    "strip_figure",
    "strip_rows",
    "strip_sources",
]

PREDICTORS = {
    "m1": ("M1 spectrum", "Network on the spectrum alone"),
    "m3": ("M3 image", "Network on the image alone"),
    "m4": ("M4 image+sim", "Image, and spectral features that M2 simulates from the image"),
    "m4_real": ("M4 image+real", "Image, and the real features of the spectrum"),
}
"""Name in the strip and what goes in (paper Sect. 3 and Table 1)."""

SHORT_NAMES = {
    "m1": "M1",
    "m2": "M2",
    "m3": "M3",
    "m4": "M4",
    "m4_real": "M4 real",
    "image_only": "image only",
}
"""Networks as legends, ticks and buttons call them."""

QUANTITIES = {
    "log_age": ("log age (log yr)", (8.4, 10.2)),
    "m_h": ("[M/H] (dex)", (-1.5, 0.5)),
}
"""Axis label, and the range that is always shown."""

_LABEL = "pPXF fit"
_Z90 = 1.6449
_NUMBERS = 0.38
"""Share of the axis on the right that is kept for the numbers."""


@dataclass(frozen=True)
class StripRow:
    """One line of the strip; numbers are NaN where unknown.

    Parameters
    ----------
    key, name : str
        ``label`` for the pPXF fit, else the predictor.
    value : float
    low68, high68, low90, high90 : float
        Ends of the intervals.
    in_domain : bool
    note : str
        Why there is no number; empty where there is one.
    """

    key: str
    name: str
    value: float = float("nan")
    low68: float = float("nan")
    high68: float = float("nan")
    low90: float = float("nan")
    high90: float = float("nan")
    in_domain: bool = True
    note: str = ""

    @property
    def text(self) -> str:
        """The number with its 68 % interval."""
        if not np.isfinite(self.value):
            return ""
        if not np.isfinite(self.low68 + self.high68):
            return f"{self.value:z.2f}"
        up, down = self.high68 - self.value, self.value - self.low68
        if f"{up:.2f}" == f"{down:.2f}":
            return f"{self.value:z.2f} ± {up:.2f}"
        return f"{self.value:z.2f} +{up:.2f} −{down:.2f}"


def strip_rows(
    predictions: Mapping[str, Prediction],
    quantity: str,
    population: StellarPopulation | None = None,
    absent: str = "not in this model",
) -> list[StripRow]:
    """The strip's rows from top to bottom: the label, then every network.

    Parameters
    ----------
    predictions : mapping of str to Prediction
        By predictor; those that are not there get a row without a number.
    quantity : {"log_age", "m_h"}
    population : StellarPopulation, optional
        The label; its interval is the Gaussian one of its dispersion.
    absent : str
        Note of predictors that are not in `predictions`.
    """
    return [
        _label_row(population, quantity),
        *[_row(key, predictions.get(key), quantity, absent) for key in PREDICTORS],
    ]


def _label_row(population: StellarPopulation | None, quantity: str) -> StripRow:
    if population is None:
        return StripRow("label", _LABEL, note="not labelled")
    value = float(getattr(population, quantity))
    if not np.isfinite(value):
        reason = STATUS_TEXT.get(population.status, population.status.replace("_", " "))
        return StripRow("label", _LABEL, note=reason)
    std = float(getattr(population, f"{quantity}_std"))
    ends = (value - std, value + std, value - _Z90 * std, value + _Z90 * std)
    return StripRow("label", _LABEL, value, *ends)


def _row(key: str, found: Prediction | None, quantity: str, absent: str) -> StripRow:
    name = PREDICTORS[key][0]
    if found is None:
        return StripRow(key, name, note=absent)
    value = float(getattr(found, quantity))
    if not np.isfinite(value):
        text = STATUS_TEXT.get(found.status, found.status.replace("_", " "))
        return StripRow(key, name, note=text)
    ends = (*getattr(found, f"{quantity}_68"), *getattr(found, f"{quantity}_90"))
    return StripRow(key, name, value, *map(float, ends), in_domain=bool(found.in_domain))


def disagreements(rows: list[StripRow]) -> list[tuple[str, str]]:
    """Pairs of rows whose 90 % intervals do not overlap."""
    known = [row for row in rows if np.isfinite(row.low90 + row.high90)]
    return [
        (one.name, other.name)
        for one, other in combinations(known, 2)
        if one.low90 > other.high90 or other.low90 > one.high90
    ]


def domain_warning(predictions: Mapping[str, Prediction]) -> str:
    """What must be read before any number; empty inside the training domain."""
    outside = [key for key, one in predictions.items() if one.status == "ok" and not one.in_domain]
    if not outside:
        return ""
    names = ", ".join(PREDICTORS[key][0] for key in PREDICTORS if key in outside)
    worst = max(predictions[key].domain_score for key in outside)
    return (
        f"Outside the training domain ({names or ', '.join(outside)}): farther from it than "
        f"{100 * worst:.1f} % of galaxies like those of the training. Do not rely on the numbers."
    )


def _limits(rows: list[StripRow], truth: float, quantity: str) -> tuple[float, float]:
    low, high = QUANTITIES[quantity][1]
    numbers = [truth, *(v for r in rows for v in (r.value, r.low90, r.high90))]
    finite = [v for v in numbers if np.isfinite(v)]
    low, high = min([low, *finite]), max([high, *finite])
    margin = 0.03 * (high - low)
    return low - margin, high + margin + _NUMBERS * (high - low)


def _colours(style: Style) -> list[str]:
    return [style.muted, *style.categories[: len(PREDICTORS)]]


def strip_sources(
    predictions: Mapping[str, Prediction],
    quantity: str,
    population: StellarPopulation | None = None,
    truth: float = float("nan"),
    *,
    absent: str = "not in this model",
    dark: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `strip_figure`, and its axes; same parameters."""
    style = style_for(dark)
    rows = strip_rows(predictions, quantity, population, absent)
    y = np.arange(len(rows), 0, -1.0)
    colours = _colours(style)
    low, high = _limits(rows, truth, quantity)
    known = [(place, row) for place, row in zip(y, rows, strict=True) if row.text]
    silent = [(place, row) for place, row in zip(y, rows, strict=True) if not row.text]

    def span(level: int) -> dict[str, Any]:
        return {
            "x0": np.array([getattr(row, f"low{level}") for row in rows]),
            "y0": y,
            "x1": np.array([getattr(row, f"high{level}") for row in rows]),
            "y1": y,
            "color": colours,
        }

    points = {
        "x": np.array([row.value for row in rows]),
        "y": y,
        "line_color": colours,
        "fill_color": [
            colour if row.in_domain else style.background
            for colour, row in zip(colours, rows, strict=True)
        ],
    }
    numbers = {
        # At the very edge the last digit would be cut.
        "x": [high - 0.012 * (high - low)] * len(known),
        "y": [place for place, _ in known],
        "text": [row.text for _, row in known],
    }
    notes = {
        "x": [low + 0.02 * (high - low)] * len(silent),
        "y": [place for place, _ in silent],
        "text": [row.note for _, row in silent],
    }
    lines = {"x": np.array([truth] if np.isfinite(truth) else [])}
    return [lines, span(90), span(68), points, numbers, notes], {"xlim": (low, high)}


def _tight(plot: Any, _element: hv.Element) -> None:
    """Little room round five rows."""
    figure = plot.state
    figure.update(min_border_top=2, min_border_bottom=2, min_border_right=6)
    for axis in figure.xaxis:
        axis.update(axis_label_standoff=0, major_label_standoff=2, major_tick_out=3)


def strip_figure(
    predictions: Mapping[str, Prediction],
    quantity: str,
    population: StellarPopulation | None = None,
    truth: float = float("nan"),
    *,
    dark: bool = False,
) -> hv.Overlay:
    """Every network's value with its 68 % (thick) and 90 % (thin) interval, on one axis.

    Rows from top to bottom: the pPXF fit with its dispersion, then the networks;
    hollow markers are outside the training domain; the dashed line is what the
    simulation put in.

    Parameters
    ----------
    predictions : mapping of str to Prediction
        By predictor, as `galam_explorer.evaluate.model.Model.predict` gives them.
    quantity : {"log_age", "m_h"}
    population : StellarPopulation, optional
    truth : float
        NaN for observed galaxies.

    Returns
    -------
    hv.Overlay
        Truth, 90 % intervals, 68 % intervals, markers, numbers, notes.
    """
    style = style_for(dark)
    sources, axes = strip_sources(predictions, quantity, population, truth, dark=dark)
    lines, wide, narrow, points, numbers, notes = sources
    names = ["label", *PREDICTORS]
    titles = [_LABEL, *(PREDICTORS[key][0] for key in PREDICTORS)]
    ticks = [(float(len(names) - i), title) for i, title in enumerate(titles)]
    text = {"text_font_size": "11px", "text_baseline": "middle", "xoffset": 0, "yoffset": 0}
    layers = [
        hv.VLines(lines["x"]).opts(color=style.absorption, line_dash="dashed", line_width=1.6),
        hv.Segments(tuple(wide.values()), vdims="color").opts(color="color", line_width=1.6),
        hv.Segments(tuple(narrow.values()), vdims="color").opts(color="color", line_width=5),
        hv.Points(tuple(points.values()), vdims=["line_color", "fill_color"]).opts(
            line_color="line_color", fill_color="fill_color", size=9, line_width=1.8
        ),
        hv.Labels(tuple(numbers.values()), ["x", "y"], "text").opts(
            text_color=style.text, text_align="right", **text
        ),
        hv.Labels(tuple(notes.values()), ["x", "y"], "text").opts(
            text_color=style.muted, text_align="left", text_font_style="italic", **text
        ),
    ]
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            **axes,
            ylim=(0.4, len(names) + 0.6),
            yticks=ticks,
            xlabel=QUANTITIES[quantity][0],
            ylabel="",
            responsive=True,
            min_height=120,
            min_width=160,
            show_legend=False,
            toolbar=None,
            fontsize=font_sizes(),
            hooks=[toolbox(), _tight],
        )
    )
