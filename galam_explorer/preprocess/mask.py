"""The mask: threshold, edges, ellipses, and everything outside the galaxy black.

Paper Sect. 2.2.2 ("Masking noisy astronomical sources"); parameters as released.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from galam_explorer.config import PreprocessConfig
from galam_explorer.records import Ellipse

__all__ = [
    "central_ellipse",
    "edges_of",
    "ellipse_mask",
    "fit_ellipses",
    "grey_levels",
    "iterate_threshold",
    "jpeg_round_trip",
    "last_ellipse",
    "to_working_size",
]

_CANNY = (30, 90)
_CENTRE_RADIUS = 2.5  # px at 128: where the target's brightest level is looked for
_LARGEST_OFFSET = 6.0  # px at 128: how far from the centre its region may begin
_MAX_ITERATIONS = 200


def to_working_size(image: np.ndarray, size: int) -> np.ndarray:
    """Bring an image to (size, size, 3): area averages down, linear interpolation up.

    A cutout that is not square is cut to its central square first.

    Parameters
    ----------
    image : ndarray, uint8 (h, w, 3)
    size : int

    Returns
    -------
    ndarray, uint8 (size, size, 3)
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(image)
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=method)


def grey_levels(grey: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """The grey image as the threshold sees it, float32 (h, w).

    Smoothed by ``config.smoothing`` and clipped at the brightest level near
    the centre if ``config.clip_to_centre``.
    """
    levels = grey.astype(np.float32)
    if config.smoothing > 0:
        levels = cv2.GaussianBlur(levels, (0, 0), config.smoothing)
    if config.clip_to_centre:
        near = _distance_from_centre(grey.shape) <= _CENTRE_RADIUS * grey.shape[0] / 128
        levels = np.minimum(levels, levels[near].max())
    return levels


def _distance_from_centre(shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(rows - (shape[0] - 1) / 2, columns - (shape[1] - 1) / 2)


def iterate_threshold(levels: np.ndarray, config: PreprocessConfig) -> tuple[float, ...]:
    """Iterate the threshold half-way between foreground and background means.

    Starts half-way between the extremes and stops when the threshold moves by
    less than ``config.tolerance`` grey levels.

    Parameters
    ----------
    levels : ndarray (h, w)
        Grey levels, 0-255.
    config : PreprocessConfig

    Returns
    -------
    tuple of float
        First guess first; empty if foreground or background is empty.
    """
    # All means come from one sorted copy and its running sum.
    ordered = np.sort(levels, axis=None).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    step = math.floor if config.whole_pixels else float
    thresholds = [float(step((ordered[0] + ordered[-1]) / 2))]
    while len(thresholds) < _MAX_ITERATIONS:
        below = int(np.searchsorted(ordered, thresholds[-1], side="right"))
        if below in (0, len(ordered)):
            return ()
        foreground = (sums[-1] - sums[below]) / (len(ordered) - below)
        thresholds.append(float(step((foreground + sums[below] / below) / 2)))
        if abs(thresholds[-1] - thresholds[-2]) < config.tolerance:
            break
    return tuple(thresholds)


def edges_of(binary: np.ndarray) -> np.ndarray:
    """Canny edges (thresholds 30 and 90) of a bool image, bool (h, w)."""
    return cv2.Canny(binary.astype(np.uint8) * 255, *_CANNY) > 0


def fit_ellipses(outlines: np.ndarray) -> list[tuple[Ellipse, np.ndarray]]:
    """Fit an ellipse to every outer contour of at least five points.

    Parameters
    ----------
    outlines : ndarray, bool (h, w)
        Edges, or edges with the regions that they bound.

    Returns
    -------
    list of (Ellipse, ndarray)
        The ellipse and its contour, int32 (n, 1, 2), in OpenCV's order;
        degenerate fits (an axis of zero, or not finite) are left out.
    """
    contours, _ = cv2.findContours(
        outlines.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    found = []
    for contour in contours:
        if len(contour) < 5:
            continue
        (x, y), (width, height), angle = cv2.fitEllipse(contour)
        if np.isfinite([x, y, width, height, angle]).all() and min(width, height) > 0:
            found.append((Ellipse(x, y, width, height, angle), contour))
    return found


def last_ellipse(ellipses: Sequence[Ellipse], shape: tuple[int, int]) -> Ellipse | None:
    """The last ellipse that contains the image centre, its rotation ignored, as released."""
    chosen = None
    for one in ellipses:
        dx, dy = shape[1] / 2 - one.x, shape[0] / 2 - one.y
        if (2 * dx / one.width) ** 2 + (2 * dy / one.height) ** 2 <= 1:
            chosen = one
    return chosen


def central_ellipse(
    fits: Sequence[tuple[Ellipse, np.ndarray]], binary: np.ndarray
) -> Ellipse | None:
    """The ellipse of the region that holds the image centre, or is nearest to it.

    Parameters
    ----------
    fits : sequence of (Ellipse, ndarray)
        As `fit_ellipses` returns them.
    binary : ndarray, bool (h, w)
        Pixels above the threshold.

    Returns
    -------
    Ellipse or None
        None if no region begins within a few pixels of the centre.
    """
    height, width = binary.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    best, best_rank = None, (-_LARGEST_OFFSET * height / 128, 0.0)
    for ellipse, contour in fits:
        # Positive inside the contour; a closed region beats a larger one near by.
        inside = min(cv2.pointPolygonTest(contour, centre, measureDist=True), 0.0)
        rank = (inside, cv2.contourArea(contour))
        if rank > best_rank:
            best, best_rank = ellipse, rank
    return best


def ellipse_mask(ellipse: Ellipse, shape: tuple[int, int], config: PreprocessConfig) -> np.ndarray:
    """True inside `ellipse`, bool (h, w).

    With ``whole_pixels`` centre, half axes and angle are cut to integers and
    drawn by OpenCV, as released.
    """
    if config.whole_pixels:
        drawn = np.zeros(shape, dtype=np.uint8)
        centre = (int(ellipse.x), int(ellipse.y))
        axes = (int(ellipse.width / 2), int(ellipse.height / 2))
        cv2.ellipse(drawn, centre, axes, int(ellipse.angle), 0, 360, 255, -1)
        return drawn > 0
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    cos, sin = math.cos(math.radians(ellipse.angle)), math.sin(math.radians(ellipse.angle))
    along = (columns - ellipse.x) * cos + (rows - ellipse.y) * sin
    across = (rows - ellipse.y) * cos - (columns - ellipse.x) * sin
    return (2 * along / ellipse.width) ** 2 + (2 * across / ellipse.height) ** 2 <= 1


def jpeg_round_trip(image: np.ndarray) -> np.ndarray:
    """Save as JPEG (quality 95) and reopen: black pixels near edges ring, as released."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=2)
    with Image.open(buffer) as reopened:
        return np.array(reopened.convert("RGB"))
