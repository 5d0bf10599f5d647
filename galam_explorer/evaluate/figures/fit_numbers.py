"""Where the numbers of a grid stand, so that no mark hides them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

__all__ = ["beside_marks"]

_ACROSS, _UP = (0.2, 0.5, 0.8), (0.25, 0.5, 0.75)
_FREE = 0.14
"""How far from a mark, in heights of the figure, a number is well seen."""


def beside_marks(
    cells: Mapping[str, np.ndarray],
    marks: Sequence[Mapping[str, np.ndarray]],
    span: tuple[float, float],
) -> dict[str, np.ndarray]:
    """Where the number of each cell stands: in the middle, or where no mark hides it.

    Distances are in parts of the figure, which is about twice as wide as high.

    Parameters
    ----------
    cells : mapping of str to ndarray
        ``left``, ``right``, ``bottom``, ``top``.
    marks : sequence of mapping
        ``x`` and ``y`` of the marks.
    span : tuple of float
        Width and height of the figure, in the units of its axes.

    Returns
    -------
    dict of str to ndarray
        ``x`` and ``y``.
    """
    shares = np.array(list(product(_ACROSS, _UP)))
    shares = shares[np.argsort(np.abs(shares - 0.5).sum(1), kind="stable")]
    x = cells["left"][:, None] + (cells["right"] - cells["left"])[:, None] * shares[:, 0]
    y = cells["bottom"][:, None] + (cells["top"] - cells["bottom"])[:, None] * shares[:, 1]
    free = np.full(x.shape, _FREE)
    for mark in marks:
        for mx, my in zip(mark["x"], mark["y"], strict=True):
            apart = np.hypot(2 * (x - mx) / span[0], (y - my) / span[1])
            free = np.minimum(free, apart)
    # The first of equals, which is the one nearest to the middle.
    best = free.argmax(1)[:, None]
    return {
        "x": np.take_along_axis(x, best, 1)[:, 0],
        "y": np.take_along_axis(y, best, 1)[:, 0],
    }
