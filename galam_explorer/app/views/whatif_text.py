"""What the what-if view says in words, and the Python that makes its figures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from galam_explorer.app.views.base import empty_card, escape
from galam_explorer.evaluate.figures.predictions import domain_warning
from galam_explorer.evaluate.figures.preprocess import STATUS_TEXT
from galam_explorer.evaluate.figures.whatif import Against
from galam_explorer.evaluate.whatif import Outcome
from galam_explorer.evaluate.whatif_change import WhatIf
from galam_explorer.records import Galaxy

__all__ = [
    "captions",
    "change_words",
    "cover_card",
    "heading_html",
    "legend_html",
    "said_html",
    "whatif_code",
]

_NOTHING = "Nothing is changed. Move a slider, and all follows. Nothing gets better than observed."
_MASKS = {"crop": "mask off (same crop)", "whole": "mask off (whole cutout)"}


def change_words(what: WhatIf, before: Outcome, after: Outcome) -> list[str]:
    """Each change in a few words; empty for none."""
    words = []
    if what.sn is not None:
        words.append(f"simulated noise added: S/N {before.sn_r:.1f} → {after.sn_r:.1f}")
    if what.image_scale < 1 and after.image is not None and before.image is not None:
        sides = f"{before.image.shape[1]} → {after.image.shape[1]} px a side"
        words.append(f"image averaged down: {sides}")
    if what.missing:
        words.append(f"no {' and no '.join(what.missing)} band (black)")
    if what.preset:
        words.append(f"{what.preset} preprocessing of image and spectrum")
    if what.mask in _MASKS:
        words.append(_MASKS[what.mask])
    if what.ellipse_scale is not None:
        words.append(
            f"ellipse × {what.ellipse_scale:.2f} instead of {before.config.ellipse_scale:g}"
        )
    if what.tolerance is not None:
        words.append(f"tolerance {what.tolerance:g} instead of {before.config.tolerance:g}")
    return words


def heading_html(galaxy: Galaxy | None, after: Outcome | None, waiting: bool, split: str) -> str:
    """Id, and what must be known before any number."""
    if galaxy is None:
        return ""
    parts = [f"<h2>{escape(galaxy.id)}</h2>"]
    if after is not None:
        warning = domain_warning(after.predictions)
        if warning:
            parts.append(
                f'<span class="badge bad" title="{escape(warning)}">outside the training domain'
                "</span>"
            )
        elif any(one.status == "ok" for one in after.predictions.values()):
            parts.append('<span class="badge good">inside the training domain</span>')
        if split:
            parts.append(f'<span class="badge waits">{escape(split)} galaxy</span>')
        for key, status in _rejections(after).items():
            text = STATUS_TEXT.get(status, status.replace("_", " "))
            parts.append(f'<span class="badge waits">{key}: {escape(text)}</span>')
    elif waiting:
        parts.append('<span class="soft">predicting…</span>')
    shown = "" if after is None else after.galaxy.id
    asked = "" if after is None else after.what.python
    return (
        f'<div class="g" data-view="whatif" data-for="{escape(galaxy.id)}" '
        f'data-shown="{escape(shown)}" data-what="{escape(asked)}" '
        'style="display:flex;gap:4px 10px;align-items:center;flex-wrap:wrap">'
        f"{''.join(parts)}</div>"
    )


def _rejections(after: Outcome) -> dict[str, str]:
    """Statuses of inputs that the preprocessing has refused."""
    found = {"image": after.stages.status, "spectrum": after.spectrum.status}
    return {key: status for key, status in found.items() if status != "ok"}


def said_html(before: Outcome | None, after: Outcome | None, notes: tuple[str, ...]) -> str:
    """What was changed, what could not be, and why there may be no prediction."""
    if before is None or after is None:
        return ""
    words = change_words(after.what, before, after)
    text = "; ".join(words)
    parts = [f"<b>{escape(text[:1].upper() + text[1:])}.</b>" if words else escape(_NOTHING)]
    parts += [escape(one) for one in notes]
    for key, reason in (("Image", after.stages.reason), ("Spectrum", after.spectrum.reason)):
        if reason and not any(key.lower() in one for one in notes):
            parts.append(f"{key} not used: {escape(reason)}.")
    return (
        f'<div class="g" style="font-size:12px"><span class="soft">{" ".join(parts)}</span></div>'
    )


def captions(before: Outcome | None, after: Outcome | None) -> dict[str, str]:
    """Headings of spectrum and images."""
    if before is None or after is None:
        return {"spectrum": "", "before": "", "after": ""}
    spectrum = f"10⁻¹⁷ cgs, S/N {before.sn_r:.1f}" if np.isfinite(before.sn_r) else ""
    if after.what.sn is not None:
        spectrum += f"; orange: with simulated noise, {after.sn_r:.1f}"
    images = []
    for one in (before, after):
        size = "" if one.image is None else f"{one.image.shape[1]} px"
        status = one.stages.status
        refused = "" if status == "ok" else STATUS_TEXT.get(status, status.replace("_", " "))
        images.append(" · ".join(text for text in (size, refused) if text))
    texts = {
        "spectrum": ("Spectrum", spectrum),
        "before": ("As it is", images[0]),
        "after": ("Altered", images[1]),
    }  # fmt: skip
    return {
        name: f'<div class="g" style="font-size:12px;white-space:nowrap;overflow:hidden;'
        f'text-overflow:ellipsis"><b>{title}</b> <span class="soft">{escape(text)}</span></div>'
        for name, (title, text) in texts.items()
    }


def legend_html(against: Mapping[str, Against]) -> str:
    """What marks and lines of the predictions mean."""
    text = "circle: as it is; square: altered (hollow: outside domain); bars 68, 90 %"
    one = against.get("log_age", Against())
    if np.isfinite(one.truth):
        text += "; dashed: truth"
    if np.isfinite(one.label):
        text += "; dotted: label"
    return (
        f'<div class="g" style="font-size:12px"><b>Predictions</b> <span class="soft">{text}.'
        "</span></div>"
    )


def cover_card(galaxy: Galaxy | None, problem: str, waiting: bool) -> str:
    """The card over everything; empty where there is something to see."""
    if galaxy is None:
        return empty_card("No galaxy", "Choose one on the map or in the table.")
    if problem:
        return empty_card("No answer", problem)
    if galaxy.spectrum is None and galaxy.cutout is None:
        text = "This galaxy has neither a spectrum nor an image: there is nothing to alter."
        return empty_card("Nothing to alter", text)
    return empty_card("Predicting…", "The galaxy as it is comes first.") if waiting else ""


def whatif_code(
    source: str,
    galaxy_id: str,
    model: str,
    what: WhatIf,
    sweep: tuple[str, WhatIf, int] | None,
    against: Mapping[str, Against],
    chosen: str,
) -> str:
    """Python that makes the view's figures without the population behind the path.

    Parameters
    ----------
    sweep : tuple, optional
        Knob, what else was changed, and noise draws of the traced path.
    """
    path, extra = "path = None\n", ""
    if sweep is not None:
        knob, base, draws = sweep
        extra = "from galam_explorer.evaluate.whatif_sweep import sweep\n"
        path = f"path = sweep(model, galaxy, {knob!r}, base={base.python}, draws={draws})\n"
    known = {
        quantity: ", ".join(
            f"{name}={round(float(getattr(one, name)), 4)}"
            for name in ("truth", "label")
            if np.isfinite(getattr(one, name))
        )
        for quantity, one in against.items()
    }
    items = ", ".join(f'"{quantity}": Against({text})' for quantity, text in known.items())
    return (
        "import holoviews as hv\n"
        "from galam_explorer.evaluate.figures.whatif import Against\n"
        "from galam_explorer.evaluate.figures.whatif_path import whatif_figure\n"
        "from galam_explorer.evaluate.predict import load_model\n"
        "from galam_explorer.evaluate.whatif import WhatIf, what_ifs\n"
        f"{extra}"
        "from galam_explorer.survey import load_survey\n\n"
        'hv.extension("bokeh")\n'
        f"galaxy = load_survey({source!r})[{galaxy_id!r}]\n"
        f"model = load_model({model!r})\n"
        f"before, after = what_ifs(model, galaxy, [WhatIf(), {what.python}])\n"
        f"{path}"
        f"against = {{{items}}}\n"
        f"figure = whatif_figure(before, after, path, against, chosen={chosen!r})\nfigure\n"
    )
