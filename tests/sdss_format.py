"""Files in SDSS's formats, made of numbers of ours, for the tests of reading them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from PIL import Image


def coadd_columns(n: int = 400, start: float = 3.5800, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of a COADD table: big-endian float32 and int32, as in the real files."""
    rng = np.random.default_rng(seed)
    return {
        "flux": rng.normal(20, 2, n).astype(">f4"),
        "loglam": (start + 1e-4 * np.arange(n)).astype(">f4"),
        "ivar": rng.uniform(0.5, 2, n).astype(">f4"),
        "and_mask": rng.integers(0, 2, n).astype(">i4"),
        "or_mask": np.zeros(n, ">i4"),
        "wdisp": np.full(n, 0.9, ">f4"),
        "sky": np.ones(n, ">f4"),
        "model": np.full(n, 20, ">f4"),
    }


def table(columns: dict[str, np.ndarray], name: str) -> fits.BinTableHDU:
    """A binary table with these columns."""
    return fits.BinTableHDU(np.rec.fromarrays(columns.values(), names=list(columns)), name=name)


def about(plate: int = 266, mjd: int = 51602, fiber: int = 1, **values: Any) -> dict[str, Any]:
    """The one row of SPECOBJ."""
    row = {
        "PLATE": plate,
        "MJD": mjd,
        "FIBERID": fiber,
        "PLUG_RA": 146.7,
        "PLUG_DEC": -1.04,
        "Z": 0.0213,
        "ZWARNING": 0,
        "CLASS": "GALAXY",
        "SN_MEDIAN": [5.0, 30.0, 45.0, 47.0, 38.0],
        "SN_MEDIAN_ALL": 38.0,
    }
    row |= values
    return {key: np.array([value]) for key, value in row.items() if value is not None}


def row_table(row: dict[str, Any], name: str) -> fits.BinTableHDU:
    """One row, vectors and text included."""
    kinds = {"f": "D", "i": "K", "u": "K"}
    columns = []
    for key, value in row.items():
        kind = value.dtype.kind
        code = f"{value.dtype.itemsize // 4}A" if kind == "U" else kinds[kind]
        if value.ndim == 2:
            code = f"{value.shape[1]}E"
        columns.append(fits.Column(key, code, array=value))
    return fits.BinTableHDU.from_columns(columns, name=name)


def write_spec(
    path: Path,
    columns: dict[str, np.ndarray] | None = None,
    row: dict[str, Any] | None = None,
    object_table: str = "SPECOBJ",
    exposures: int = 0,
) -> Path:
    """Write a ``spec-*.fits`` file; its header misleads as the real ones do."""
    primary = fits.PrimaryHDU()
    header = {"PLATEID": 266, "MJD": 51601, "FIBERID": 1, "RA": 145.9, "DEC": 0.06}
    primary.header.update(header | {"PLUG_RA": 146.7, "PLUG_DEC": -1.04, "COEFF0": 3.5785})
    hdus = [primary, table(columns or coadd_columns(), "COADD")]
    hdus.append(row_table(row or about(), object_table))
    lines = {"PLATE": np.array([266] * 3), "LINEZ": np.array([0.0213] * 3)}
    hdus.append(table(lines, "SPZLINE"))
    hdus += [table(coadd_columns(300, seed=9), f"B1-{i:08d}") for i in range(exposures)]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def write_spspec(path: Path, n: int = 400, **header: Any) -> Path:
    """Write DR7's ``spSpec-*.fit``: rows flux, continuum-subtracted, error, mask."""
    rng = np.random.default_rng(3)
    data = np.zeros((5, n), np.float32)
    data[0] = rng.normal(20, 2, n)
    data[2] = 0.5
    data[2, :10] = 0
    data[3, 5] = 2**18
    hdu = fits.PrimaryHDU(data)
    cards = {"PLATEID": 266, "MJD": 51602, "FIBERID": 7, "RA": 145.9, "DEC": 0.06}
    cards |= {"RAOBJ": 146.5, "DECOBJ": -0.9, "Z": 0.05, "SPEC_CLN": 2, "Z_WARNIN": 0}
    cards |= {"COEFF0": 3.5810, "COEFF1": 0.0001, "SN_R": 21.5}
    hdu.header.update(cards | header)
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu.writeto(path, overwrite=True)
    return path


def picture(kind: str = "JPEG", seed: int = 0, side: int = 48, mode: str = "RGB") -> bytes:
    """An encoded image: a bright blob on noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2
    blob = 200 * np.exp(-(x**2 + y**2) / (side / 4) ** 2) + rng.integers(0, 20, (side, side))
    image = Image.fromarray(blob.clip(0, 255).astype(np.uint8)).convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def write_picture(path: Path, **options: Any) -> Path:
    """Write `picture` to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture("PNG" if path.suffix == ".png" else "JPEG", **options))
    return path
