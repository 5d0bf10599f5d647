"""Files that claim more than they hold, or hold more than they should; all are small on disk."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

import ppxf

__all__ = ["gzip_bomb", "huge_png", "lying_fits"]

SPECTRUM = Path(ppxf.__file__).parent / "spectra" / "NGC3522_SDSS_DR18.fits"
_BLOCK = 2880


def lying_fits(factor: int = 1000) -> bytes:
    """A real spectrum whose header claims so many times its rows."""
    body = SPECTRUM.read_bytes()
    found = re.search(rb"NAXIS2  = +(\d+)", body)
    claim = b"%d" % (int(found[1]) * factor)
    return body.replace(found[0], found[0][: -len(claim)] + claim, 1)


def huge_png(side: int = 30_000) -> bytes:
    """A black and white PNG of 900 million pixels, in 0.1 MB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    size = side.to_bytes(4, "big")
    head = chunk(b"IHDR", size + size + bytes([1, 0, 0, 0, 0]))
    rows = zlib.compress(bytes(side * (side // 8 + 1)))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gzip_bomb(megabytes: int = 256) -> bytes:
    """FITS in gzip that would be so large, in a thousandth of it."""
    start = b"SIMPLE  =                    T".ljust(_BLOCK)
    return gzip.compress(start + bytes(megabytes * 2**20))
