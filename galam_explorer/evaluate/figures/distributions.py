"""Distributions of samples, labels and features (paper Figs. 1, 10 and 13)."""

from __future__ import annotations

from collections.abc import Mapping

import holoviews as hv
import numpy as np
import pandas as pd

from galam_explorer.evaluate.figures.population import QUANTITIES, layout, plot_options
from galam_explorer.evaluate.figures.style import style_for
from galam_explorer.evaluate.metrics_features import FeatureMetrics

__all__ = [
    "distribution_figure",
    "feature_figure",
    "feature_r2_figure",
    "label_figure",
    "sample_figure",
]

CATALOGUE = {
    "z": "redshift",
    "sn_r": "S/N in r",
    "petro_mag_r": "Petrosian magnitude r (AB mag)",
}
"""What the paper's Fig. 1 compares."""

_DASHES = ("solid", "dashed", "dotted", "dotdash")


def distribution_figure(
    samples: Mapping[str, np.ndarray],
    label: str,
    *,
    bins: int = 40,
    span: tuple[float, float] | None = None,
    title: str = "",
    dark: bool = False,
) -> hv.Overlay:
    """Densities of several samples as steps, each normalised to an area of 1.

    Parameters
    ----------
    samples : mapping of str to ndarray
        Values by name; those that are not finite are left out.
    label : str
        Of the axis.
    bins : int
    span : tuple of float, optional
        Range of the bins; by default all but the outermost 0.2 % on each side.

    Returns
    -------
    hv.Overlay
        One stepped curve a sample.
    """
    style = style_for(dark)
    known = {name: np.asarray(v, float)[np.isfinite(v)] for name, v in samples.items()}
    everything = np.concatenate([*known.values(), np.empty(0)])
    if span is None:
        span = tuple(np.percentile(everything, [0.2, 99.8])) if len(everything) else (0.0, 1.0)
    if not span[1] > span[0]:
        span = (span[0] - 0.5, span[0] + 0.5)
    edges = np.linspace(*span, bins + 1)
    layers, top = [], 0.0
    for index, (name, values) in enumerate(known.items()):
        inside = ((values >= span[0]) & (values <= span[1])).any()
        heights = np.histogram(values, edges, density=True)[0] if inside else np.zeros(bins)
        top = max(top, float(heights.max()))
        steps = np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        layers.append(
            hv.Curve(steps, "x", "density", label=f"{name} ({len(values)})").opts(
                color=style.categories[index % len(style.categories)],
                line_width=2,
                line_dash=_DASHES[index % len(_DASHES)],
            )
        )
    return hv.Overlay(layers).opts(
        plot_options(
            label,
            "density",
            xlim=span,
            ylim=(0.0, 1.35 * top or 1.0),
            show_legend=True,
            legend_position="top_right",
            title=title,
        )
    )


def sample_figure(catalog: pd.DataFrame, selected: np.ndarray, *, dark: bool = False) -> hv.Layout:
    """Redshift, S/N and magnitude of a selection against the whole (paper Fig. 1).

    Parameters
    ----------
    catalog : DataFrame
        A survey's; columns ``z``, ``sn_r``, ``petro_mag_r``.
    selected : ndarray, shape (len(catalog),), bool
    """
    selected = np.asarray(selected, bool)
    return layout(
        [
            distribution_figure(
                {"all": catalog[name].to_numpy(), "used": catalog[name].to_numpy()[selected]},
                label,
                dark=dark,
            )
            for name, label in CATALOGUE.items()
        ],
        columns=3,
    )


def label_figure(
    labels: np.ndarray, sets: np.ndarray, *, dark: bool = False, title: str = ""
) -> hv.Layout:
    """Age and metallicity in the training, validation and test sets (paper Fig. 10).

    Parameters
    ----------
    labels : ndarray, shape (n, 2), dex
        ``log_age`` and ``m_h``; NaN is left out.
    sets : ndarray of str, shape (n,)
        ``train``, ``validation``, ``test``; others are left out.
    """
    figures = []
    for column, name in enumerate(QUANTITIES):
        samples = {one: labels[sets == one, column] for one in ("train", "validation", "test")}
        figures.append(
            distribution_figure(samples, QUANTITIES[name], bins=30, title=title, dark=dark)
        )
    return layout(figures, 2)


def feature_figure(
    real: np.ndarray,
    simulated: np.ndarray,
    mean_features: np.ndarray | None = None,
    *,
    band: float = 0.05,
    title: str = "",
    dark: bool = False,
) -> hv.Layout:
    """One galaxy's features from its spectrum and from its image (paper Fig. 13).

    Parameters
    ----------
    real, simulated : ndarray, shape (k,)
        M1's and M2's, normalised to [0, 1].
    mean_features : ndarray, shape (k,), optional
        The training galaxies' mean: what anyone could say without an image.
    band : float
        Residuals between plus and minus this are the paper's "generally within".
    """
    style, index = style_for(dark), np.arange(len(real))
    upper = [
        hv.Curve((index, real), label="from the spectrum (M1)").opts(
            color=style.flux, line_width=1
        ),
        hv.Curve((index, simulated), label="from the image (M2)").opts(
            color=style.current, line_width=1
        ),
    ]
    if mean_features is not None:
        upper.append(
            hv.Curve((index, mean_features), label="mean of the training galaxies").opts(
                color=style.muted, line_width=1, line_dash="dotted"
            )
        )
    lines = [
        hv.Curve(([0, len(real) - 1], [level, level])).opts(
            color=style.muted, line_width=1, line_dash="dashed"
        )
        for level in (-band, band)
    ]
    residual = hv.Curve((index, simulated - real)).opts(color=style.flux, line_width=1)
    reach = max(2 * band, 1.05 * float(np.abs(simulated - real).max(initial=0.0)))
    span = (-0.5, len(real) - 0.5)
    return layout(
        [
            hv.Overlay(upper).opts(
                plot_options(
                    "feature", "normalised feature", xlim=span, ylim=(-0.05, 1.3), show_legend=True,
                    legend_position="top_right", title=title,
                )
            ),
            hv.Overlay([*lines, residual]).opts(
                plot_options("feature", "simulated - real", xlim=span, ylim=(-reach, reach))
            ),
        ],
        columns=1,
    )  # fmt: skip


def feature_r2_figure(found: FeatureMetrics, *, dark: bool = False) -> hv.Layout:
    """The published R² within galaxies beside its mean-vector baseline; R² of each feature."""
    within = {"M2": found.galaxy, "mean vector": found.mean_vector}
    low = float(np.nanpercentile(np.concatenate(list(within.values())), 1))
    across = {"M2": found.feature}
    return layout(
        [
            distribution_figure(
                within, "R² within a galaxy, over its features", span=(low, 1.0), dark=dark
            ),
            distribution_figure(
                across, "R² of a feature, over galaxies", span=(-0.3, 1.0), dark=dark
            ),
        ],
        columns=2,
    )
