"""Reading SDSS spectrum files: ``spec-*.fits`` of every release and DR7's ``spSpec-*.fit``.

Three layouts are known:

- ``spec-PLATE-MJD-FIBER.fits``, full or lite, SDSS-I/II: HDU COADD (flux,
  loglam, ivar, and_mask, wdisp) and HDU SPECOBJ, one row on the object;
- the same from BOSS, eBOSS and SDSS-V: longer, bluer start, HDU SPALL;
- ``spSpec-MJD-PLATE-FIBER.fit`` as DR7 gave it: one image whose rows are flux,
  continuum-subtracted flux, error and mask, the wavelengths in the header
  (https://classic.sdss.org/dr7/dm/flatFiles/spSpec.html).

Two keywords of the primary header mislead: ``RA``/``DEC`` are the centre of the
plate, and ``COEFF0`` is the start before the ends were trimmed. Neither is used
for ``spec-*.fits``. All wavelengths are vacuum.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from galam_explorer.errors import GalamError
from galam_explorer.records import LOGLAM_STEP, Galaxy, Spectrum
from galam_explorer.survey.sdss_ids import id_from_name, spectrum_id

__all__ = ["NotASpectrumError", "read_spectrum_file"]

MAX_FILE_BYTES = 256 * 2**20
MAX_TABLE_BYTES = 16 * 2**20
R_BAND = 2
"""Index of r in SDSS's five bands u, g, r, i, z."""
R_BAND_RANGE = (5600.0, 7000.0)
GRID_TOLERANCE = 5e-6
"""Largest departure of a pixel from the grid, dex; float32 rounding gives 2e-7."""
SPEC_CLN = {1: "STAR", 2: "GALAXY", 3: "QSO", 4: "QSO", 5: "SKY", 6: "STAR", 7: "GALAXY"}

_ABOUT = "plate mjd fiberid plug_ra plug_dec ra dec z zwarning class sn_median petromag petroth90"
_NEEDED = {"flux", "loglam", "ivar"}
_BLOCK = 2880
_AGAIN = "download the file again"
_EXPECTED = "give an SDSS spec-PLATE-MJD-FIBER.fits or spSpec-MJD-PLATE-FIBER.fit file"


class NotASpectrumError(GalamError):
    """The file is sound FITS, but holds no SDSS spectrum."""


def read_spectrum_file(path: str | Path) -> Galaxy:
    """Read one SDSS spectrum with what its file says about the object.

    Pixels whose flux or inverse variance is not finite, or whose inverse
    variance is negative, keep their flux and get an inverse variance of 0.

    Parameters
    ----------
    path : str or Path
        ``spec-*.fits`` (full or lite, any release) or DR7's ``spSpec-*.fit``.

    Returns
    -------
    Galaxy
        With a spectrum, without a cutout. What the file does not say is NaN;
        `sn_r` is then the median of ``flux * sqrt(ivar)`` over 5600-7000 Å.

    Raises
    ------
    NotASpectrumError
        If the file holds no table or image of an SDSS spectrum.
    GalamError
        If the file is missing, cut short, not FITS, or its spectrum cannot be
        used (columns missing, no pixels, another wavelength grid).
    """
    path = Path(path)
    _check_file(path)
    try:
        # astropy warns about odd cards and padding that do not concern the data.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with (
                open(path, "rb") as stream,
                fits.open(stream, memmap=False, lazy_load_hdus=True) as hdus,
            ):
                return _read_hdus(hdus, path)
    except GalamError:
        raise
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        MemoryError,
        fits.VerifyError,
    ) as error:
        # All of these come out of astropy on damaged headers.
        text = (str(error).splitlines() or [""])[0]
        reason = f"damaged FITS ({type(error).__name__}: {text})"
        raise GalamError(reason, path, _AGAIN) from error


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise GalamError(f"cannot read this file ({error.strerror})", path) from error
    if start[:2] == b"\x1f\x8b":
        raise GalamError("this file is compressed", path, "decompress it first (gunzip)")
    if start != b"SIMPLE  =":
        raise GalamError("not a FITS file" if size else "the file is empty", path, _EXPECTED)
    if size > MAX_FILE_BYTES:
        raise GalamError(f"{size / 2**20:.0f} MB is too large for one spectrum", path, _EXPECTED)
    if size % _BLOCK:
        text = f"the file is cut short ({size} bytes is not a whole number of FITS blocks)"
        raise GalamError(text, path, _AGAIN)


def _read_hdus(hdus: fits.HDUList, path: Path) -> Galaxy:
    header = hdus[0].header
    if header.get("NAXIS") == 2 and "COEFF0" in header:
        return _read_spspec(hdus[0], path)
    spectrum, row = None, {}
    for hdu in _tables(hdus):
        names = _names(hdu)
        if spectrum is None and (names >= _NEEDED or hdu.name == "COADD"):
            if missing := sorted(_NEEDED - names):
                text = f"table {hdu.name} has no column {', '.join(missing)}"
                raise GalamError(text, path, _AGAIN)
            spectrum = _spectrum_from_table(_data(hdu, path), path)
        elif not row and {"z", "zwarning"} <= names:
            row = _first_row(_data(hdu, path))
    if spectrum is None:
        text = "not a galaxy spectrum (no table with flux, loglam and ivar)"
        raise NotASpectrumError(text, path, _EXPECTED)
    return _galaxy(row, header, spectrum, path)


def _tables(hdus: fits.HDUList) -> Iterator[fits.BinTableHDU]:
    """The first few tables; the individual exposures behind them are not opened."""
    for index in range(1, 4):
        try:
            hdu = hdus[index]
        except IndexError:
            return
        if isinstance(hdu, fits.BinTableHDU):
            yield hdu


def _names(hdu: fits.BinTableHDU) -> set[str]:
    # From the header: `hdu.columns` builds 126 objects, twice the time of the rest.
    count = hdu.header.get("TFIELDS", 0)
    return {str(hdu.header.get(f"TTYPE{i + 1}", "")).strip().lower() for i in range(count)}


def _data(hdu: Any, path: Path) -> Any:
    """Data of an HDU, after checking that the file really holds as much as it says."""
    size = hdu.size
    if size > MAX_TABLE_BYTES:
        text = f"HDU {hdu.name} claims {size / 2**20:.0f} MB, too much for one spectrum"
        raise GalamError(text, path, _EXPECTED)
    if hdu.fileinfo()["datLoc"] + size > path.stat().st_size:
        text = f"the file ends inside HDU {hdu.name} (cut short, or its header is wrong)"
        raise GalamError(text, path, _AGAIN)
    return hdu.data


def _first_row(data: fits.FITS_rec) -> dict[str, Any]:
    wanted = [name for name in data.names if name.lower() in _ABOUT.split()]
    return {name.lower(): data[name][0] for name in wanted} if len(data) else {}


def _spectrum_from_table(data: fits.FITS_rec, path: Path) -> Spectrum:
    columns = {name.lower(): name for name in data.names}

    def column(name: str) -> np.ndarray | None:
        if name not in columns:
            return None
        values = np.asarray(data[columns[name]])
        if values.ndim != 1 or values.dtype.kind not in "fiu":
            raise GalamError(f"column {name!r} is not one number a pixel", path, _EXPECTED)
        return values

    loglam0 = _grid_start(column("loglam"), path)
    return _spectrum(column("flux"), column("ivar"), loglam0, column("and_mask"), column("wdisp"))


def _grid_start(loglam: np.ndarray, path: Path) -> float:
    """Start of the grid in log10(Å), after checking that its step is 1e-4 throughout."""
    if len(loglam) < 2:
        raise GalamError(f"the spectrum has {len(loglam)} pixels", path, _AGAIN)
    starts = loglam.astype(np.float64) - LOGLAM_STEP * np.arange(len(loglam))
    start = float(np.median(starts))
    if not np.abs(starts - start).max() < GRID_TOLERANCE:  # NaN fails too
        text = f"the wavelengths are not a grid with steps of {LOGLAM_STEP:g} in log10"
        raise GalamError(text, path, _EXPECTED)
    if not 3.0 < start < 4.5:
        raise GalamError(f"the first wavelength, 10^{start:.4f} Å, is not optical", path, _EXPECTED)
    # SDSS grids start at whole steps: this undoes the float32 rounding.
    whole = round(start, 4)
    return whole if abs(start - whole) < 1e-6 else start


def _spectrum(
    flux: np.ndarray,
    ivar: np.ndarray,
    loglam0: float,
    and_mask: np.ndarray | None,
    wdisp: np.ndarray | None,
) -> Spectrum:
    with np.errstate(over="ignore", invalid="ignore"):
        flux, ivar = flux.astype(np.float32), ivar.astype(np.float32)
        usable = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
        mask = None if and_mask is None else np.nan_to_num(and_mask).astype(np.int64)
        return Spectrum(
            flux=flux,
            ivar=np.where(usable, ivar, np.float32(0)),
            loglam0=loglam0,
            and_mask=None if mask is None else mask.astype(np.int32),
            wdisp=None if wdisp is None else wdisp.astype(np.float32),
        )


def _read_spspec(hdu: fits.PrimaryHDU, path: Path) -> Galaxy:
    header = hdu.header
    data = np.asarray(_data(hdu, path))
    if data.ndim != 2 or data.shape[0] < 4 or data.shape[1] < 2:
        text = f"an spSpec image has at least 4 rows of pixels, this one is {data.shape}"
        raise GalamError(text, path, _EXPECTED)
    start, step = _number(header.get("COEFF0")), _number(header.get("COEFF1"))
    loglam0 = _grid_start(start + step * np.arange(data.shape[1]), path)
    flux, error, mask = data[0], data[2].astype(np.float64), data[3]
    with np.errstate(divide="ignore", invalid="ignore"):
        ivar = np.where(error > 0, error**-2.0, 0.0)
    row = {
        "plate": header.get("PLATEID"),
        "mjd": header.get("MJD"),
        "fiberid": header.get("FIBERID"),
        "plug_ra": header.get("RAOBJ"),
        "plug_dec": header.get("DECOBJ"),
        "z": header.get("Z"),
        "zwarning": header.get("Z_WARNIN"),
        "class": SPEC_CLN.get(header.get("SPEC_CLN"), ""),
    }
    galaxy = _galaxy(row, fits.Header(), _spectrum(flux, ivar, loglam0, mask, None), path)
    sn_r = _number(header.get("SN_R"))
    return replace(galaxy, sn_r=sn_r) if sn_r > 0 else galaxy


def _number(value: Any) -> float:
    """A float, or NaN for anything that is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _in_r(row: dict[str, Any], name: str) -> float:
    values = row.get(name)
    if values is None or np.ndim(values) != 1 or len(values) != 5:
        return float("nan")
    return _number(values[R_BAND])


def _position(row: dict[str, Any], header: fits.Header) -> tuple[float, float]:
    pairs = [
        (row.get("plug_ra"), row.get("plug_dec")),
        (row.get("ra"), row.get("dec")),
        (header.get("PLUG_RA"), header.get("PLUG_DEC")),
    ]
    for pair in pairs:
        ra, dec = _number(pair[0]), _number(pair[1])
        if 0 <= ra <= 360 and -90 <= dec <= 90:
            return ra % 360.0, dec
    return float("nan"), float("nan")


def _identity(row: dict[str, Any], header: fits.Header, path: Path) -> str:
    """Id from the table, else the file name, else the header (whose MJD can be another night's)."""
    from_header = [header.get(key) for key in ("PLATEID", "MJD", "FIBERID")]
    for numbers in ([row.get(key) for key in ("plate", "mjd", "fiberid")], None, from_header):
        if numbers is None:
            if found := id_from_name(path.name):
                return found
        elif all(_number(one) > 0 for one in numbers):
            return spectrum_id(*(int(one) for one in numbers))
    return path.stem


def _sn_r(spectrum: Spectrum) -> float:
    low, high = R_BAND_RANGE
    use = spectrum.good & (spectrum.wavelength >= low) & (spectrum.wavelength <= high)
    if not use.any():
        return float("nan")
    return float(np.median(spectrum.flux[use] * np.sqrt(spectrum.ivar[use])))


def _galaxy(row: dict[str, Any], header: fits.Header, spectrum: Spectrum, path: Path) -> Galaxy:
    ra, dec = _position(row, header)
    z, warning = _number(row.get("z")), _number(row.get("zwarning"))
    sn_r, mag = _in_r(row, "sn_median"), _in_r(row, "petromag")
    r90 = _in_r(row, "petroth90")
    return Galaxy(
        id=_identity(row, header, path),
        origin="sdss",
        ra=ra,
        dec=dec,
        z=z if z > -1 else float("nan"),
        z_warning=int(warning) if 0 <= warning < 2**31 else -1,
        sn_r=sn_r if sn_r > 0 else _sn_r(spectrum),
        petro_mag_r=mag if 0 < mag < 40 else float("nan"),
        petro_r90_r=r90 if 0 < r90 < 3600 else float("nan"),
        spec_class=str(row.get("class") or "").strip(),
        spectrum=spectrum,
    )
