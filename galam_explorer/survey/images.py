"""Decoding cutouts: any image file in, 8-bit RGB out, in bounded memory."""

from __future__ import annotations

import io
import re
import struct
import warnings

import numpy as np
from PIL import Image, ImageFile, ImageOps

from galam_explorer.errors import GalamError
from galam_explorer.records import Cutout

__all__ = ["MAX_SIDE", "MIN_SIDE", "decode_cutout"]

MAX_SIDE = 4096
"""Largest accepted side of an image that is decoded whole, px: bounds the memory."""
MIN_SIDE = 16
"""Smallest accepted side: below it there is no galaxy to find, px."""
MAX_DRAFT_SIDE = 13_000  # Pillow itself refuses files above 179 million pixels.
DRAFT_SIDE = 1024
FORMATS = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM")


def decode_cutout(cutout: Cutout | bytes, where: str = "", enough: int = 0) -> np.ndarray:
    """Decode an image file to 8-bit RGB.

    Greyscale is repeated in three channels, transparency is laid on black, the
    first frame of an animation is taken, 16 bits are scaled to 8, and the EXIF
    orientation is applied. The header is read first: an image above `MAX_SIDE`
    is refused before its pixels are decoded, except a baseline JPEG, which is
    decoded at a reduced size.

    Parameters
    ----------
    cutout : Cutout or bytes
        The encoded file (JPEG, PNG, GIF, TIFF, BMP, WebP or PPM).
    where : str
        Galaxy id or file name for the error message.
    enough : int
        For previews: a JPEG whose sides are at least twice as long is decoded at a half, a
        quarter or an eighth of its size, px. 0 means all pixels.

    Returns
    -------
    ndarray, uint8 (height, width, 3)

    Raises
    ------
    GalamError
        If the bytes are empty, truncated, no image, or of a forbidden size.
    """
    encoded = cutout.encoded if isinstance(cutout, Cutout) else cutout
    if not encoded:
        raise GalamError("the image is empty (0 bytes)", where)
    try:
        # A decompression bomb is a warning in Pillow below twice its limit.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
                _check_size(image, where)
                if enough:
                    image.draft("RGB", (enough, enough))
                image.load()
                return _to_rgb(image)
    except GalamError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        text = "not an image" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise GalamError(f"the image cannot be decoded ({text})", where) from error
    except Image.DecompressionBombError as error:
        # Pillow counts before we can; it says so in words about attacks.
        found = re.search(r"\((\d+) pixels\)", str(error))
        count = f"{int(found[1]) / 1e6:,.0f} million pixels" if found else "too many pixels"
        text = f"the image is too large ({count}); at most {MAX_SIDE} px a side are read"
        raise GalamError(text, where) from error
    except (ArithmeticError, LookupError, TypeError, struct.error) as error:
        # What Pillow's readers raise on headers that contradict themselves.
        raise GalamError(f"the image is damaged ({error})", where) from error


def _check_size(image: ImageFile.ImageFile, where: str) -> None:
    """Refuse what is too small or too large, before any pixel is decoded."""
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise GalamError(
            f"the image has {width}×{height} px; at least {MIN_SIDE} px a side are needed", where
        )
    baseline = image.format in ("JPEG", "MPO") and not image.info.get("progressive")
    if baseline and 2 * DRAFT_SIDE < max(width, height) <= MAX_DRAFT_SIDE:
        # libjpeg decodes at 1/2, 1/4 or 1/8 of the size without the full image;
        # a progressive file would still hold all its coefficients in memory.
        image.draft("RGB", (DRAFT_SIDE, DRAFT_SIDE))
        return
    if max(width, height) <= MAX_SIDE:
        return
    raise GalamError(
        f"the image has {width}×{height} px; at most {MAX_SIDE} px a side are read", where
    )


def _to_rgb(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        grey = np.asarray(image, dtype=np.float32)
        return np.repeat(_scale_deep(grey, image.mode)[..., None], 3, axis=2)
    if image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _scale_deep(grey: np.ndarray, mode: str) -> np.ndarray:
    """Scale 16-bit integers by their range, floats and 32 bits by their own extremes."""
    if not np.isfinite(grey).all():
        raise ValueError("pixels that are not numbers")
    if mode.startswith("I;16") or (mode == "I" and grey.min() >= 0 and 255 < grey.max() < 65536):
        low, high = 0.0, 65535.0
    else:
        low, high = float(grey.min()), float(grey.max())
    return np.clip((grey - low) * (255.0 / max(high - low, 1e-12)), 0, 255).astype(np.uint8)
