"""Neighbours drawn beside a target, and the truth about who overlaps it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from galam_explorer.survey.simulation.camera import NATIVE_SCALE, ZERO_POINT, Seeing, sky_noise
from galam_explorer.survey.simulation.neighbours import Neighbour, draw_neighbour
from galam_explorer.survey.simulation.photometry import ISOPHOTE

__all__ = ["add_neighbours", "blends"]

# A neighbour blends when it puts at least this share of the target's light
# inside the target's isophote, at this signal-to-noise, and stands out from the
# target's own light at its brightest point there.
_SHARE, _SN, _CONTRAST = 0.01, 8.0, 0.25
_SEEING_PIXELS = 12
"""Native pixels under a point source: the fewest that a source's noise comes from."""


def blends(light: np.ndarray, target: np.ndarray, inside: np.ndarray, noise: float) -> bool:
    """Whether one neighbour really, and visibly, overlaps the target.

    Parameters
    ----------
    light, target : ndarray, shape (h, w)
        Noiseless r light of neighbour and target, nMgy a native pixel.
    inside : ndarray of bool, shape (h, w)
        Where the target is brighter than its truth isophote.
    noise : float
        Sky noise of a native pixel, nMgy.

    Returns
    -------
    bool
    """
    overlap = light[inside]
    if overlap.size == 0:
        return False
    brightest = overlap.argmax()
    pixels = max(_SEEING_PIXELS, int((overlap > noise / 2).sum()))
    return bool(
        overlap.sum() >= _SHARE * target[inside].sum()
        and overlap.sum() >= _SN * noise * np.sqrt(pixels)
        and overlap[brightest] >= _CONTRAST * target[inside][brightest]
    )


def add_neighbours(
    others: Sequence[Neighbour], target: np.ndarray, centre: tuple[float, float], seeing: Seeing
) -> tuple[np.ndarray, dict[str, float]]:
    """Draw all neighbours and say what they do to the target.

    Parameters
    ----------
    others : sequence of Neighbour
    target : ndarray, shape (3, h, w)
        Noiseless g, r, i planes of the target, nMgy a native pixel.
    centre : tuple of float
        Row and column of the target, px.
    seeing : Seeing

    Returns
    -------
    planes : ndarray, shape (3, h, w)
        All neighbours together.
    truth : dict of str to float
        ``true_blended``, ``true_neighbours``, ``true_contamination`` (see
        `galam_explorer.survey.simulation.render.Rendered`).
    """
    planes = np.zeros_like(target)
    inside = target[1] > 10.0 ** (-0.4 * (ISOPHOTE - ZERO_POINT)) * NATIVE_SCALE**2
    noise = float(sky_noise(seeing)[1])
    # As bright as 5 sigma under the seeing: what a catalogue would list.
    faintest = 5 * noise * np.sqrt(2 * _SEEING_PIXELS)
    blended, visible = False, 0
    full = np.zeros(target.shape[1:])
    for neighbour in others:
        drawn = draw_neighbour(neighbour, target.shape[1:], centre, seeing)
        if drawn is None:
            continue
        stamp, where = drawn
        planes[(slice(None), *where)] += stamp
        visible += int(stamp[1].sum() >= faintest)
        if not blended and inside[where].any():
            full[...] = 0.0
            full[where] = stamp[1]
            blended = blends(full, target[1], inside, noise)
    own, extra = float(target[1][inside].sum()), float(planes[1][inside].sum())
    return planes, {
        "true_blended": float(blended),
        "true_neighbours": float(visible),
        "true_contamination": extra / (extra + own) if own > 0 else 0.0,
    }
