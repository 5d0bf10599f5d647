"""A path: one knob turned step by step, and what the networks say at each step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.whatif import Outcome, Prepare, what_ifs
from galam_explorer.evaluate.whatif_change import WhatIf, decoded, observed_sn, smallest_scale
from galam_explorer.records import Galaxy

__all__ = ["KNOBS", "describe_path", "ladder", "path_table", "sweep"]

KNOBS = {
    "sn": "S/N in r",
    "image_scale": "side of the image (1: as it came)",
    "ellipse_scale": "factor on the axes of the mask's ellipse",
}
"""What can be turned, and the label of its axis."""
STEPS = 8
_LOW_SN = 5.0
_ELLIPSES = (0.75, 3.0)


def ladder(
    galaxy: Galaxy, knob: str = "sn", steps: int = STEPS, base: WhatIf | None = None
) -> list[WhatIf]:
    """Values of one knob, the others as in `base`.

    Parameters
    ----------
    galaxy : Galaxy
    knob : {"sn", "image_scale", "ellipse_scale"}
        S/N from the observed one down to 5 (to half of it, if that is lower); image size
        between its own and an eighth, or 16 px; ellipse from 0.75 to 3 times the fitted one.
    steps : int
    base : WhatIf, optional

    Returns
    -------
    list of WhatIf

    Raises
    ------
    GalamError
        If the galaxy lacks what the knob changes.
    """
    if knob not in KNOBS:
        raise GalamError(f"no knob is called {knob!r}", "ladder", f"use {', '.join(KNOBS)}")
    if steps < 2:
        raise GalamError("at least two steps are needed", "ladder")
    base = base or WhatIf()
    if knob == "sn":
        own = observed_sn(galaxy)
        if not np.isfinite(own):
            raise GalamError("there is no spectrum of known S/N to add noise to", galaxy.id)
        values = np.geomspace(own, min(_LOW_SN, own / 2), steps)
        return [base.replace(sn=None), *(base.replace(sn=float(one)) for one in values[1:])]
    image = decoded(galaxy)
    if image is None:
        raise GalamError("there is no image to change", galaxy.id)
    if knob == "image_scale":
        least = max(0.125, smallest_scale(image))
        if least >= 1:
            raise GalamError("the image is as small as can be", galaxy.id)
        return [base.replace(image_scale=float(v)) for v in np.geomspace(1, least, steps)]
    return [base.replace(ellipse_scale=float(v)) for v in np.geomspace(*_ELLIPSES, steps)]


def sweep(
    model: Model,
    galaxy: Galaxy,
    knob: str = "sn",
    steps: int = STEPS,
    base: WhatIf | None = None,
    draws: int = 1,
    remember: Prepare | None = None,
) -> pd.DataFrame:
    """Predictions along the `ladder` of one knob, all through the networks together.

    Parameters
    ----------
    model : Model
    galaxy : Galaxy
    knob, steps, base
        See `ladder`.
    draws : int
        Noise patterns of each step below the observed S/N, from the seed of `base` on.
    remember : callable, optional
        See `galam_explorer.evaluate.whatif.what_ifs`.

    Returns
    -------
    DataFrame
        See `path_table`.

    Raises
    ------
    GalamError
        If the galaxy lacks what the knob changes.
    """
    rungs = ladder(galaxy, knob, steps, base)
    asked = [
        (step, draw, rung.replace(seed=rung.seed + draw))
        for step, rung in enumerate(rungs)
        for draw in range(draws if rung.sn is not None else 1)
    ]
    outcomes = what_ifs(model, galaxy, [what for _, _, what in asked], remember)
    return path_table(outcomes, knob, [one[:2] for one in asked])


def path_table(
    outcomes: Sequence[Outcome],
    knob: str = "sn",
    places: Iterable[tuple[int, int]] | None = None,
) -> pd.DataFrame:
    """One row for each outcome and predictor.

    Parameters
    ----------
    outcomes : sequence of Outcome
    knob : str
        Key of `KNOBS`.
    places : iterable of (int, int), optional
        Step and noise draw of each outcome; by default each is a step.

    Returns
    -------
    DataFrame
        ``id``, ``step``, ``draw``, ``knob``, ``value`` (of the knob), ``sn_r``, what
        was changed, ``predictor``, ``log_age``, ``m_h``, the ends of their intervals
        (``log_age_lo68`` …), ``domain_score``, ``in_domain``, ``status``, ``reason``.
    """
    found = list(places) if places is not None else [(step, 0) for step in range(len(outcomes))]
    rows = [
        {"id": outcome.galaxy.id, "step": step, "draw": draw, "knob": knob,
         "value": _value(outcome, knob), "sn_r": outcome.sn_r, **_fields(outcome),
         **_numbers(name, outcome)}
        for outcome, (step, draw) in zip(outcomes, found, strict=True)
        for name in outcome.predictions
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    texts = [name for name in frame if isinstance(frame[name].iloc[0], str)]
    return frame.astype(dict.fromkeys(texts, object))


def _value(outcome: Outcome, knob: str) -> float:
    """Where an outcome is along a knob."""
    if knob == "sn":
        return outcome.sn_r
    return float(getattr(outcome.config if knob == "ellipse_scale" else outcome.what, knob))


def _fields(outcome: Outcome) -> dict[str, object]:
    what, config = outcome.what, outcome.config
    return {
        "wanted_sn": np.nan if what.sn is None else what.sn,
        "seed": what.seed,
        "image_scale": what.image_scale,
        "missing": " ".join(what.missing),
        "mask": what.mask,
        "preset": what.preset,
        "tolerance": config.tolerance,
        "ellipse_scale": config.ellipse_scale,
    }


def _numbers(name: str, outcome: Outcome) -> dict[str, object]:
    one = outcome.predictions[name]
    row: dict[str, object] = {"predictor": name}
    for target in ("log_age", "m_h"):
        row[target] = getattr(one, target)
        for level in (68, 90):
            low, high = getattr(one, f"{target}_{level}")
            row |= {f"{target}_lo{level}": low, f"{target}_hi{level}": high}
    return row | {
        "domain_score": one.domain_score,
        "in_domain": one.in_domain,
        "status": one.status,
        "reason": one.reason,
    }


def describe_path() -> dict[str, tuple[str, str]]:
    """Unit and definition of the columns of `path_table`."""
    about = {
        "step": ("", "Step along the path, from 0"),
        "draw": ("", "Noise pattern"),
        "value": ("", "Of the knob"),
        "sn_r": ("", "Median signal-to-noise in r, after simulated noise was added"),
        "wanted_sn": ("", "S/N asked for; none where no noise was added"),
        "image_scale": ("", "Side of the image in units of its own"),
        "missing": ("", "Bands whose channel was made black"),
        "mask": ("", "What the mask keeps"),
        "preset": ("", "Preprocessing; empty for that of the training"),
        "domain_score": ("", "Share of validation galaxies nearer to the training domain"),
    }
    # No units: FITS and VOTable know no dex.
    words = {"log_age": "light-weighted log10(age/yr)", "m_h": "light-weighted [M/H], dex"}
    for target, text in words.items():
        about[target] = ("", f"Predicted {text}")
        for level in (68, 90):
            for end, word in (("lo", "Lower"), ("hi", "Upper")):
                about[f"{target}_{end}{level}"] = ("", f"{word} end of its {level} % interval")
    return about
