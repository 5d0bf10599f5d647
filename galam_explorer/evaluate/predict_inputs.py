"""What a prediction is made from: prepared arrays with a status for each galaxy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.preprocess import PreparedSample, prepare_cutout, prepare_spectrum
from galam_explorer.preprocess.crop import IMAGE_SIZE
from galam_explorer.preprocess.spectra import N_WAVELENGTHS
from galam_explorer.records import CutoutStages, Galaxy, Spectrum

__all__ = ["Inputs", "array_inputs", "galaxy_inputs", "sample_batches", "signal_to_noise"]

_R_BAND = (5600.0, 7000.0)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Prepared spectra and images of some galaxies.

    Parameters
    ----------
    ids : sequence of str
    images : ndarray, uint8 (n, 128, 128, 3)
    spectra : ndarray, float32 (n, 4171)
    image_status, spectrum_status : sequence of str
        ``ok`` where the row holds something.
    image_reason, spectrum_reason : sequence of str
        One sentence where it does not; may be empty.
    sn_r : ndarray, float64 (n,)
        NaN where unknown.
    """

    ids: Sequence[str]
    images: np.ndarray
    spectra: np.ndarray
    image_status: Sequence[str]
    spectrum_status: Sequence[str]
    image_reason: Sequence[str]
    spectrum_reason: Sequence[str]
    sn_r: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_image(self) -> np.ndarray:
        """Shape (n,), bool."""
        return np.array([one == "ok" for one in self.image_status], dtype=bool)

    @property
    def has_spectrum(self) -> np.ndarray:
        """Shape (n,), bool."""
        return np.array([one == "ok" for one in self.spectrum_status], dtype=bool)

    def parts(self, size: int) -> Iterator[Inputs]:
        """The same in batches of `size`; arrays are views."""
        for start in range(0, len(self), size):
            chosen = slice(start, start + size)
            yield Inputs(*(getattr(self, field.name)[chosen] for field in fields(self)))


def signal_to_noise(spectrum: Spectrum) -> float:
    """Median of flux × √ivar over 5600-7000 Å, as of SDSS spectra; NaN without good pixels."""
    use = spectrum.good & (spectrum.wavelength >= _R_BAND[0]) & (spectrum.wavelength <= _R_BAND[1])
    if not use.any():
        return float("nan")
    return float(np.median(spectrum.flux[use] * np.sqrt(spectrum.ivar[use])))


def known_sn(galaxy: Galaxy) -> float:
    """The catalogue's signal-to-noise, else the spectrum's own, else NaN."""
    if np.isfinite(galaxy.sn_r) or galaxy.spectrum is None:
        return float(galaxy.sn_r)
    return signal_to_noise(galaxy.spectrum)


def galaxy_inputs(
    galaxies: Sequence[Galaxy], config: PreprocessConfig, stages: CutoutStages | None = None
) -> Inputs:
    """Prepare galaxies here and now; with `stages`, the one galaxy's cutout is prepared."""
    images = np.zeros((len(galaxies), IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    spectra = np.zeros((len(galaxies), N_WAVELENGTHS), np.float32)
    made = []
    for row, galaxy in enumerate(galaxies):
        spectrum = prepare_spectrum(galaxy.spectrum, config)
        cutout = stages or prepare_cutout(galaxy.cutout, config, galaxy.id)
        if spectrum.values is not None:
            spectra[row] = spectrum.values
        if cutout.cropped is not None:
            images[row] = cutout.cropped
        made.append((cutout, spectrum))
    return Inputs(
        [galaxy.id for galaxy in galaxies],
        images,
        spectra,
        [cutout.status for cutout, _ in made],
        [spectrum.status for _, spectrum in made],
        [cutout.reason for cutout, _ in made],
        [spectrum.reason for _, spectrum in made],
        np.array([known_sn(galaxy) for galaxy in galaxies], dtype=float),
    )


def array_inputs(
    images: np.ndarray | None = None,
    spectra: np.ndarray | None = None,
    sn_r: np.ndarray | None = None,
    ids: Sequence[str] | None = None,
) -> Inputs:
    """Arrays that are prepared already.

    Parameters
    ----------
    images : ndarray, uint8 (n, 128, 128, 3), optional
    spectra : ndarray, float (n, 4171), optional
        Normalised to [0, 1].
    sn_r : ndarray, shape (n,), optional
        Signal-to-noise of the spectra; without it their intervals are an average's.
    ids : sequence of str, optional
        ``row-0``, ``row-1``, … by default.

    Raises
    ------
    GalamError
        On another shape or type, values that are not finite, or no array at all.
    """
    if images is None and spectra is None:
        raise GalamError("give images, spectra or both", "predict")
    shape = (IMAGE_SIZE, IMAGE_SIZE, 3)
    count = len(images) if images is not None else len(spectra)
    if images is not None:
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.shape != (count, *shape):
            raise GalamError(
                f"expected uint8 (n, {IMAGE_SIZE}, {IMAGE_SIZE}, 3), "
                f"not {images.dtype} {images.shape}",
                "images",
                "prepare_cutout makes them of any cutout",
            )
    if spectra is not None:
        spectra = np.asarray(spectra)
        fits = spectra.dtype.kind == "f" and spectra.shape == (count, N_WAVELENGTHS)
        if not fits:
            raise GalamError(
                f"expected floats ({count}, {N_WAVELENGTHS}), not {spectra.dtype} {spectra.shape}",
                "spectra",
                "prepare_spectrum makes them of any spectrum",
            )
        if not np.isfinite(spectra).all():
            raise GalamError("some values are not finite", "spectra")
    noise = np.full(count, np.nan) if sn_r is None else np.asarray(sn_r, dtype=float)
    names = [f"row-{row}" for row in range(count)] if ids is None else [str(one) for one in ids]
    if len(noise) != count or len(names) != count:
        raise GalamError(f"expected {count} values of sn_r and ids", "predict")
    return Inputs(
        names,
        np.zeros((count, *shape), np.uint8) if images is None else images,
        np.zeros((count, N_WAVELENGTHS), np.float32) if spectra is None else spectra,
        ["no_cutout" if images is None else "ok"] * count,
        ["no_spectrum" if spectra is None else "ok"] * count,
        ["no images were given" if images is None else ""] * count,
        ["no spectra were given" if spectra is None else ""] * count,
        noise,
    )


def sample_batches(
    sample: PreparedSample, sn_r: np.ndarray, rows: Sequence[int] | np.ndarray, size: int
) -> Iterator[Inputs]:
    """Some rows of a prepared sample, `size` at a time, copied from the mapped arrays.

    Parameters
    ----------
    sample : PreparedSample
    sn_r : ndarray, shape (len(sample),)
    rows : sequence of int
        Ascending, so that the files are read in order.
    size : int
    """
    status = sample.status
    for start in range(0, len(rows), size):
        chosen = np.asarray(rows[start : start + size])
        part = status.iloc[chosen]
        spectrum_status = part["spectrum_status"].tolist()
        reasons = part["reason"].tolist()
        # The sample keeps one reason a galaxy: the spectrum's, if that failed.
        about_spectrum = [one != "ok" for one in spectrum_status]
        yield Inputs(
            part["id"].tolist(),
            np.array(sample.images[chosen]),
            np.array(sample.spectra[chosen]),
            part["image_status"].tolist(),
            spectrum_status,
            ["" if own else text for own, text in zip(about_spectrum, reasons, strict=True)],
            [text if own else "" for own, text in zip(about_spectrum, reasons, strict=True)],
            np.asarray(sn_r[chosen], dtype=float),
        )
