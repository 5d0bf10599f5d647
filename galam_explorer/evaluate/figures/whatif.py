"""One galaxy as it is and as it would be: its spectrum, and what every network says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures import predictions as strip
from galam_explorer.evaluate.figures.cutout import cutout_figure
from galam_explorer.evaluate.figures.preprocess import STATUS_TEXT
from galam_explorer.evaluate.figures.style import font_sizes, style_for, toolbox
from galam_explorer.evaluate.whatif import Outcome
from galam_explorer.records import Prediction, Spectrum

__all__ = [
    "PREDICTOR_NAMES",
    "Against",
    "by_column",
    "change_figure",
    "change_sources",
    "image_figures",
    "spectrum_pair_figure",
    "spectrum_pair_sources",
    "tight",
]

PREDICTOR_NAMES = {key: text for key, (text, _) in strip.PREDICTORS.items()} | {
    "image_only": "image only"
}
"""Every predictor a model may have, in the order of figures."""
_NUMBERS = 0.75
"""Room for the numbers on the right, in units of the rest of the axis."""
_UP, _DOWN = 0.2, -0.14


@dataclass(frozen=True)
class Against:
    """What predictions of one quantity are compared with.

    Parameters
    ----------
    truth, label : float
        Simulated truth and pPXF fit; NaN where there is none.
    """

    truth: float = float("nan")
    label: float = float("nan")

    @property
    def value(self) -> float:
        """The truth, else the label, else NaN."""
        return self.truth if np.isfinite(self.truth) else self.label

    @property
    def name(self) -> str:
        """What `value` is; empty for none."""
        if np.isfinite(self.truth):
            return "simulated truth"
        return "pPXF label" if np.isfinite(self.label) else ""


# -- spectrum and image ----------------------------------------------------------------


def _flux(spectrum: Spectrum | None) -> dict[str, np.ndarray]:
    if spectrum is None:
        return {"x": np.empty(0), "y": np.empty(0)}
    flux = np.where(spectrum.good, np.asarray(spectrum.flux, float), np.nan)
    return {"x": spectrum.wavelength, "y": flux}


def _flux_limits(*curves: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """All but the wildest pixels; the zero is always there."""
    found = [one["y"][np.isfinite(one["y"])] for one in curves]
    spans = [np.percentile(one, (0.3, 99.8)) for one in found if len(one)]
    low, high = min([0.0, *(s[0] for s in spans)]), max([0.0, *(s[1] for s in spans)])
    pad = 0.05 * ((high - low) or 1.0)
    return float(low - pad), float(high + pad)


def spectrum_pair_sources(
    before: Spectrum | None, after: Spectrum | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `spectrum_pair_figure`, and its axes."""
    one = _flux(before)
    two = _flux(None if after is before else after)
    axes: dict[str, Any] = {"ylim": _flux_limits(one, two)}
    if before is not None:
        axes["xlim"] = (float(one["x"][0]), float(one["x"][-1]))
    return [two, one], axes


def spectrum_pair_figure(
    before: Spectrum | None, after: Spectrum | None, *, dark: bool = False
) -> hv.Overlay:
    """A spectrum with simulated noise added (orange), behind the one as it is (blue).

    Parameters
    ----------
    before, after : Spectrum, optional
        The same object where no noise was added.

    Returns
    -------
    hv.Overlay
        Layers: altered, as it is.
    """
    style = style_for(dark)
    (two, one), axes = spectrum_pair_sources(before, after)
    layers = [
        hv.Curve((two["x"], two["y"])).opts(color=style.categories[1], line_width=0.8, alpha=0.75),
        hv.Curve((one["x"], one["y"])).opts(color=style.flux, line_width=1.1),
    ]
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            **axes,
            xlabel="Observed vacuum wavelength (Å)",
            ylabel="Fλ",
            responsive=True,
            min_height=90,
            min_width=140,
            show_grid=True,
            show_legend=False,
            toolbar="right",
            yticks=4,
            fontsize=font_sizes(),
            hooks=[toolbox("xpan", "xwheel", "box_zoom", "reset", drag="box_zoom"), tight],
        )
    )


def image_figures(before: Outcome, after: Outcome) -> list[hv.Overlay]:
    """The cutout as it is and as it would be, in their own pixels; none without one."""
    found = []
    for outcome in (before, after):
        if outcome.image is not None and outcome.galaxy.cutout is not None:
            scale = outcome.galaxy.cutout.scale / outcome.what.image_scale
            found.append(cutout_figure(outcome.image, scale))
    return found


# -- predictions -----------------------------------------------------------------------


def tight(plot: Any, _element: hv.Element) -> None:
    """Little room round small figures."""
    figure = plot.state
    figure.update(min_border_top=2, min_border_bottom=2, min_border_right=6)
    for axis in [*figure.xaxis, *figure.yaxis]:
        axis.update(axis_label_standoff=0, major_label_standoff=2, major_tick_out=3)


def by_column(**properties: str) -> Callable[[Any, Any], None]:
    """A HoloViews hook: properties of the glyphs from columns, also where all are the same.

    HoloViews makes a constant of a column whose values are equal, and fails on an empty one;
    neither could be updated.

    Parameters
    ----------
    **properties
        Property of the glyph to value dimension of the element.
    """

    def hook(plot: Any, element: hv.Element) -> None:
        source = plot.handles["source"]
        for name in properties.values():
            # A list: the browser refuses an empty array of numbers where it expects colours.
            source.data[name] = list(element.dimension_values(name))
        plot.handles["glyph"].update(**{k: {"field": v} for k, v in properties.items()})

    return hook


def _numbers(prediction: Prediction | None, quantity: str) -> tuple[float, ...]:
    """Value, ends of the 68 % and of the 90 % interval; NaN where unknown."""
    if prediction is None:
        return (float("nan"),) * 5
    ends = (*getattr(prediction, f"{quantity}_68"), *getattr(prediction, f"{quantity}_90"))
    return (float(getattr(prediction, quantity)), *map(float, ends))


def _text(old: tuple[float, ...], new: tuple[float, ...]) -> str:
    """The new number with its 68 % interval, and how far it moved."""
    text = strip.StripRow("", "", new[0], new[1], new[2]).text
    moved = new[0] - old[0]
    if np.isfinite(moved) and abs(moved) >= 0.005:
        text += f"  ({moved:+.2f})".replace("-", "−")
    return text


def change_sources(
    before: Mapping[str, Prediction],
    after: Mapping[str, Prediction],
    quantity: str,
    against: Against | None = None,
    *,
    dark: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `change_figure`, and its axes; same parameters."""
    style, against = style_for(dark), against or Against()
    keys = [key for key in PREDICTOR_NAMES if key in after or key in before]
    y = np.arange(len(keys), 0, -1.0)
    colours = [style.categories[list(PREDICTOR_NAMES).index(key)] for key in keys]
    old = np.array([_numbers(before.get(key), quantity) for key in keys]).reshape(-1, 5)
    new = np.array([_numbers(after.get(key), quantity) for key in keys]).reshape(-1, 5)
    low, high = _limits(old, new, against, quantity)
    edge = high - 0.012 * (high - low)
    inside = [key in after and after[key].in_domain for key in keys]

    def span(values: np.ndarray, level: int, shift: float) -> dict[str, Any]:
        first = 1 if level == 68 else 3
        return {"x0": values[:, first], "y0": y + shift, "x1": values[:, first + 1],
                "y1": y + shift, "color": colours}  # fmt: skip

    said, silent = [], []
    for place, key, one, two in zip(y, keys, old, new, strict=True):
        if np.isfinite(two[0]):
            said.append((edge, place + _DOWN, _text(tuple(one), tuple(two))))
        else:
            status = after[key].status if key in after else "not in this model"
            note = f"now nothing: {STATUS_TEXT.get(status, status.replace('_', ' '))}"
            silent.append((edge, place + _DOWN, note if np.isfinite(one[0]) else note[13:]))
    sources = [
        {"x": np.array([v for v in (against.truth,) if np.isfinite(v)])},
        {"x": np.array([v for v in (against.label,) if np.isfinite(v)])},
        span(old, 68, _UP),
        {"x": old[:, 0], "y": y + _UP, "color": colours},
        span(new, 90, _DOWN),
        span(new, 68, _DOWN),
        {"x": new[:, 0], "y": y + _DOWN, "color": colours,
         "fill": [c if fine else style.background
                        for c, fine in zip(colours, inside, strict=True)]},
        _texts(said),
        _texts(silent),
    ]  # fmt: skip
    return sources, {"xlim": (low, high)}


def _texts(rows: list[tuple[float, float, str]]) -> dict[str, list]:
    return {name: [row[i] for row in rows] for i, name in enumerate(("x", "y", "text"))}


def _limits(
    old: np.ndarray, new: np.ndarray, against: Against, quantity: str
) -> tuple[float, float]:
    low, high = strip.QUANTITIES[quantity][1]
    numbers = np.concatenate([old.ravel(), new.ravel(), [against.truth, against.label]])
    finite = numbers[np.isfinite(numbers)]
    low, high = min([low, *finite]), max([high, *finite])
    margin = 0.03 * (high - low)
    return float(low - margin), float(high + margin + _NUMBERS * (high - low))


def change_figure(
    before: Mapping[str, Prediction],
    after: Mapping[str, Prediction],
    quantity: str,
    against: Against | None = None,
    *,
    dark: bool = False,
) -> hv.Overlay:
    """What every network says before (faint, above) and after a change (below).

    Thick bars are 68 % intervals, thin ones 90 %; hollow squares are outside the training
    domain. Dashed: simulated truth; dotted: pPXF label. The numbers are those after the
    change, in brackets how far they moved.

    Parameters
    ----------
    before, after : mapping of str to Prediction
        By predictor.
    quantity : {"log_age", "m_h"}
    against : Against, optional

    Returns
    -------
    hv.Overlay
        Truth, label, 68 % and values before, 90 %, 68 % and values after, numbers, notes.
    """
    style = style_for(dark)
    sources, axes = change_sources(before, after, quantity, against, dark=dark)
    truth, label, faint, rings, wide, narrow, points, numbers, notes = sources
    names = [strip.SHORT_NAMES[key] for key in PREDICTOR_NAMES if key in after or key in before]
    text = {"text_font_size": "11px", "text_baseline": "middle", "xoffset": 0, "yoffset": 0,
            "text_align": "right"}  # fmt: skip
    bars = [by_column(line_color="color")]
    layers = [
        hv.VLines(truth["x"]).opts(color=style.absorption, line_dash="dashed", line_width=1.6),
        hv.VLines(label["x"]).opts(color=style.text, line_dash="dotted", line_width=1.6),
        hv.Segments(tuple(faint.values()), vdims="color").opts(
            line_width=3, alpha=0.4, hooks=bars
        ),
        hv.Points(tuple(rings.values()), vdims="color").opts(
            fill_color=style.background, size=7, line_width=1.4, hooks=bars
        ),
        hv.Segments(tuple(wide.values()), vdims="color").opts(line_width=1.6, hooks=bars),
        hv.Segments(tuple(narrow.values()), vdims="color").opts(line_width=5, hooks=bars),
        hv.Points(tuple(points.values()), vdims=["color", "fill"]).opts(
            marker="square", size=9, line_width=1.8,
            hooks=[by_column(line_color="color", fill_color="fill")],
        ),
        hv.Labels(tuple(numbers.values()), ["x", "y"], "text").opts(text_color=style.text, **text),
        hv.Labels(tuple(notes.values()), ["x", "y"], "text").opts(
            text_color=style.muted, text_font_style="italic", **text
        ),
    ]  # fmt: skip
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            **axes,
            ylim=(0.45, len(names) + 0.55),
            yticks=[(float(len(names) - i), name) for i, name in enumerate(names)],
            xlabel=strip.QUANTITIES[quantity][0],
            ylabel="",
            responsive=True,
            min_height=90,
            min_width=160,
            show_legend=False,
            toolbar=None,
            fontsize=font_sizes(),
            hooks=[toolbox(), tight],
        )
    )
