"""From calibrated g, r, i planes to the JPEG that SDSS's ImgCutout answers."""

from __future__ import annotations

import io

import numpy as np
from astropy.visualization import make_lupton_rgb
from PIL import Image

__all__ = ["encode_jpeg", "frame_to_rgb", "store_and_resample", "resample_plane"]

# All constants of the mapping are fitted to 240 real ImgCutout JPEGs of Galaxy
# Zoo 2, with simulated r < 17 galaxies at the same relative scale. Scales of
# g, r, i: where galaxies lie in the plane of the JPEG's R/G and G/B, which the
# mix of types does not move much. They are within 7 % of the 7.8 : 5.7 : 4.9 of
# Wherry, Blanton & Hogg's SDSS colour images (idlutils, `rgbcolor`). The others:
# median radial profiles in R, G, B, sky percentiles, noise against brightness.
BAND_SCALES = np.array([1.46, 1.0, 0.89])
SOFTENING = 8.5
"""Q of Lupton et al. (2004)."""
STRETCH = 0.383
"""Linear range of the stretch, nMgy a native pixel in r."""
BLACK = 0.0104
"""Level shown as black, in the same unit: a third of the r sky noise."""
JPEG_QUALITY = 75
"""libjpeg quality with the real cutouts' quantisation tables (they are equal)."""
FRAME_QUALITY = 75
"""Quality of the stored frames. Their 8 x 8 blocks at the native scale show on
real cutouts, and their coarse steps are what keeps the sky dark and smooth."""


def frame_to_rgb(planes: np.ndarray) -> np.ndarray:
    """Map g, r, i to B, G, R.

    Parameters
    ----------
    planes : ndarray, shape (3, h, w)
        g, r, i in nMgy a native pixel, sky subtracted.

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
    """
    g, r, i = planes * BAND_SCALES[:, None, None]
    return make_lupton_rgb(i, r, g, minimum=BLACK, stretch=STRETCH, Q=SOFTENING)


def encode_jpeg(rgb: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Baseline JPEG, 4:2:0 chroma: quality 75 gives ImgCutout's quantisation tables."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def _box(centre: tuple[float, float], width: float) -> tuple[float, float, float, float]:
    """Pillow's (left, upper, right, lower), whose pixel edges are integers."""
    row, column = centre[0] + 0.5, centre[1] + 0.5
    return column - width / 2, row - width / 2, column + width / 2, row + width / 2


def store_and_resample(
    rgb: np.ndarray, centre: tuple[float, float], width: float, size: int
) -> np.ndarray:
    """The server's two steps: frames are stored as JPEG, cutouts resampled from them.

    Parameters
    ----------
    rgb : ndarray, shape (h, w, 3), uint8
        Colour frame at the native scale.
    centre : tuple of float
        Row and column in the frame of the cutout's centre.
    width : float
        Width of the cutout in native pixels; must lie inside the frame.
    size : int
        Width of the answer, px.

    Returns
    -------
    ndarray, shape (size, size, 3), uint8
    """
    stored = Image.open(io.BytesIO(encode_jpeg(rgb, FRAME_QUALITY)))
    box = _box(centre, width)
    return np.asarray(stored.resize((size, size), Image.Resampling.BICUBIC, box=box))


def resample_plane(
    plane: np.ndarray, centre: tuple[float, float], width: float, size: int
) -> np.ndarray:
    """A calibrated plane on the cutout's pixels; surface brightness is kept.

    Parameters and shapes as in `store_and_resample`, for one (h, w) plane;
    returns float32 of shape (size, size).
    """
    image = Image.fromarray(plane.astype(np.float32))
    resized = image.resize((size, size), Image.Resampling.BICUBIC, box=_box(centre, width))
    return np.asarray(resized)
