"""Cropping the masked galaxy to the network's input (paper Sect. 2.2.2, "Cropping images")."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["IMAGE_SIZE", "bounding_box", "crop", "square_box", "stretch_levels"]

IMAGE_SIZE = 128
"""Side of the network's input, px."""


def bounding_box(pixels: np.ndarray) -> tuple[int, int, int, int] | None:
    """``(y0, y1, x0, x1)``, half-open, of the True pixels; None without any."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def square_box(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The smallest square around `box` with the same centre; may leave the image."""
    y0, y1, x0, x1 = box
    side = max(y1 - y0, x1 - x0)
    top, left = (y0 + y1 - side) // 2, (x0 + x1 - side) // 2
    return top, top + side, left, left + side


def crop(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Cut out `box`, black outside the image, and resize it by nearest neighbour.

    Parameters
    ----------
    image : ndarray, uint8 (h, w, 3)
    box : tuple of int

    Returns
    -------
    ndarray, uint8 (128, 128, 3)
    """
    y0, y1, x0, x1 = box
    height, width = image.shape[:2]
    cut = np.zeros((y1 - y0, x1 - x0, 3), dtype=np.uint8)
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y1, height), min(x1, width)
    cut[top - y0 : bottom - y0, left - x0 : right - x0] = image[top:bottom, left:right]
    return cv2.resize(cut, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_NEAREST)


def stretch_levels(image: np.ndarray) -> np.ndarray:
    """Scale the levels of a uint8 image to the full range 0-255, as released."""
    low, high = int(image.min()), int(image.max())
    if high == low:
        return image
    return ((image.astype(np.float64) - low) * (255.0 / (high - low))).astype(np.uint8)
