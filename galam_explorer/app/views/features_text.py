"""What the view of features says in words, and the Python that makes its figures."""

from __future__ import annotations

import numpy as np

from galam_explorer.app.views.base import escape
from galam_explorer.evaluate.explain import WavelengthGradient
from galam_explorer.evaluate.model import FeatureComparison
from galam_explorer.records import Galaxy

__all__ = ["features_code", "heading_html", "lack_text", "target_html"]

_R2 = (
    "1 − Σ(real − simulated)² / Σ(real − mean real)² over the 1024 features of this one galaxy, "
    "the paper's definition"
)
_MEAN = (
    "The same with the mean feature vector of the training galaxies in place of M2's: most of R² "
    "is what all galaxies share"
)


def lack_text(found: FeatureComparison) -> str:
    """Which of the two feature vectors is missing and why; empty if none or both are."""
    if found.real is None and found.simulated is not None:
        return f"Only M2's simulated features are drawn, M1 has no real ones: {found.reason}."
    if found.simulated is None and found.real is not None:
        return f"Only M1's real features are drawn, M2 has no simulated ones: {found.reason}."
    return ""


def heading_html(found: FeatureComparison, galaxy: Galaxy | None, flag: str = "") -> str:
    """Id, a flag, R² of this galaxy, and the mean vector's beside it."""
    name = escape(galaxy.id) if galaxy is not None else ""
    parts = [f"<h2>{name}</h2>", flag]
    if np.isfinite(found.r2):
        better = "good" if found.r2 > found.r2_mean else "bad"
        parts.append(
            f'<span class="badge {better}"><abbr title="{escape(_R2)}">R²</abbr> '
            f"{found.r2:.3f}</span>"
        )
    elif found.reason:
        parts.append(f'<span class="soft">{escape(found.reason)}</span>')
    if np.isfinite(found.r2_mean):
        parts.append(
            f'<span><abbr title="{escape(_MEAN)}">mean vector</abbr> {found.r2_mean:.3f}</span>'
        )
    if found.real is not None and found.simulated is not None:
        inside = float(np.mean(np.abs(found.simulated - found.real) <= 0.05))
        parts.append(f'<span class="soft">{100 * inside:.0f} % within ±0.05</span>')
    return (
        f'<div class="g oneline" data-view="features" data-galaxy="{escape(found.id)}">'
        f"{''.join(parts)}</div>"
    )


def target_html(found: WavelengthGradient | None) -> str:
    """What the gradient is of, and its size."""
    if found is None:
        return ""
    unit = "" if found.target.startswith("feature") else " dex"
    top = float(np.abs(np.convolve(found.gradient, np.ones(11), mode="same")).max())
    text = f"{found.value:.3f}{unit}; largest effect of 1 % of the flux range over 11 Å: "
    text += f"{0.01 * top:.2g}{unit}. Orange: more flux raises it, blue: lowers it."
    return f'<div class="g soft" style="font-size:12px">{escape(found.note or text)}</div>'


def features_code(source: str, galaxy_id: str, model: str, order: str, target: str | int) -> str:
    """The comparison of features, their residuals, and the gradient on wavelength."""
    return (
        "import holoviews as hv\n"
        "from galam_explorer.evaluate.explain import wavelength_gradient\n"
        "from galam_explorer.evaluate.figures.features import features_figure, residual_figure\n"
        "from galam_explorer.evaluate.figures.features_gradient import gradient_figure\n"
        "from galam_explorer.evaluate.predict import load_model\n"
        "from galam_explorer.survey import load_survey\n\n"
        'hv.extension("bokeh")\n'
        f"galaxy = load_survey({source!r})[{galaxy_id!r}]\n"
        f"model = load_model({model!r})\n"
        "found = model.features(galaxy)\n"
        "print(found.r2, found.r2_mean, found.reason)\n"
        f"figures = [features_figure(found, {order!r}), residual_figure(found, {order!r})]\n"
        "if galaxy.spectrum is not None:\n"
        f"    gradient = wavelength_gradient(model, galaxy, {target!r})\n"
        "    figures.append(gradient_figure(gradient, galaxy.z))\n"
        "figure = hv.Layout(figures).cols(1).opts(shared_axes=False)\nfigure\n"
    )
