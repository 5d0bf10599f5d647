"""Galaxies that users bring: files that they drop, and single galaxies from SDSS.

They go into a survey folder of the session, so that every view shows them like
any others. No panel here.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from galam_explorer.app.data import forget_survey_data
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy
from galam_explorer.survey.local import read_image_file
from galam_explorer.survey.sdss_files import read_spectrum_file
from galam_explorer.survey.store import Survey
from galam_explorer.survey.writer import SurveyWriter

__all__ = ["MAX_UPLOAD_MB", "SDSS_SCALE", "Inbox", "inbox_of", "is_spectrum", "safe_name"]

MAX_UPLOAD_MB = 64
SDSS_SCALE = 0.396
"""Arcsec per pixel of SDSS frames."""
_SPECTRA = (".fits", ".fit", ".fits.gz", ".fit.gz")
_IMAGES = (".jpg", ".jpeg", ".png")


_OF: weakref.WeakKeyDictionary[object, Inbox] = weakref.WeakKeyDictionary()


def inbox_of(session: object) -> Inbox:
    """The one inbox of a session, as long as the session lives."""
    if session not in _OF:
        _OF[session] = Inbox()
    return _OF[session]


def safe_name(name: str) -> str:
    """A file name without path or odd characters; never empty."""
    base = re.split(r"[\\/]", name)[-1]
    kept = re.sub(r"[^A-Za-z0-9._+-]", "_", base).lstrip(".")[-80:]
    return kept or "upload"


def is_spectrum(name: str) -> bool:
    """Whether a file's name says that it is a spectrum.

    Raises
    ------
    GalamError
        If it says neither spectrum nor image.
    """
    lower = name.lower()
    if lower.endswith(_SPECTRA):
        return True
    if lower.endswith(_IMAGES):
        return False
    raise GalamError(
        "neither a FITS spectrum nor a JPEG or PNG image", safe_name(name), "convert it first"
    )


class Inbox:
    """A survey folder that grows by what a user brings; gone with `close` or with this object."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="galam-yours-"))
        self.path = self._home / "your-galaxies"
        self.close = weakref.finalize(self, _remove, self._home, str(self.path))

    def __len__(self) -> int:
        return len(Survey(self.path)) if (self.path / "survey.json").is_file() else 0

    def add_files(
        self,
        files: dict[str, bytes],
        scale: float = SDSS_SCALE,
        z: float = float("nan"),
        position: tuple[float, float] | None = None,
    ) -> tuple[list[str], list[str]]:
        """Add the galaxies in some files; one spectrum and one image are the same galaxy.

        Parameters
        ----------
        files : dict of str to bytes
            Contents by file name.
        scale : float
            Arcsec per pixel of the images.
        z : float
            Redshift where the spectrum's file says none.
        position : tuple of float, optional
            RA and Dec, degrees, where the files say none.

        Returns
        -------
        ids : list of str
            What was added, in order.
        problems : list of str
            One sentence for each file that could not be used.

        Raises
        ------
        GalamError
            If nothing could be used.
        """
        found, problems = [], []
        for name, content in files.items():
            try:
                found.append(self._read(name, content, scale))
            except GalamError as error:
                problems.append(str(error))
        if not found:
            raise GalamError("; ".join(problems) or "no file was given", "upload")
        galaxies = [_complete(one, z, position) for one in _paired(found)]
        return self._append(galaxies), problems

    def add(self, galaxy: Galaxy) -> str:
        """Add a galaxy that is in memory; its id here."""
        return self._append([galaxy])[0]

    def fetch(
        self,
        target: str,
        note: Callable[[str], None] | None = None,
        radius: float = 5.0,
        stop: threading.Event | None = None,
    ) -> str:
        """Bring a galaxy from SDSS (over the network) and add it; its id here.

        Parameters are those of `galam_explorer.survey.sdss_fetch.fetch_galaxy`.

        Raises
        ------
        GalamError
            If there is no network, SDSS has nothing there, or several objects.
        """
        from galam_explorer.survey.sdss_fetch import fetch_galaxy

        return self.add(fetch_galaxy(target, None, radius, note, stop))

    def _read(self, name: str, content: bytes, scale: float) -> Galaxy:
        if len(content) > MAX_UPLOAD_MB * 2**20:
            size = len(content) / 2**20
            raise GalamError(f"{size:.0f} MB is too large", safe_name(name), "at most 64 MB")
        spectrum = is_spectrum(name)
        file = self._home / safe_name(name)
        try:
            file.write_bytes(content)
            if spectrum:
                return read_spectrum_file(file)
            cutout = read_image_file(file, scale)
            return Galaxy(id=Path(safe_name(name)).stem, origin="local", cutout=cutout)
        except GalamError as error:
            raise GalamError(str(error).replace(f"{self._home}/", "")) from error
        except OSError as error:
            raise GalamError(f"cannot be stored ({error.strerror})", safe_name(name)) from error
        finally:
            file.unlink(missing_ok=True)

    def _append(self, galaxies: list[Galaxy]) -> list[str]:
        taken = set(Survey(self.path).ids) if len(self) else set()
        named = []
        for galaxy in galaxies:
            base, number = galaxy.id, 2
            new = base
            while new in taken:
                new, number = f"{base}-{number}", number + 1
            taken.add(new)
            named.append(replace(galaxy, id=new))
        writer = SurveyWriter(self.path, "your galaxies", "local", {"made_by": "Your galaxy"})
        writer.append(named)
        return [galaxy.id for galaxy in named]


def _remove(home: Path, survey: str) -> None:
    forget_survey_data(survey)
    shutil.rmtree(home, ignore_errors=True)


def _paired(galaxies: list[Galaxy]) -> list[Galaxy]:
    """Join one spectrum and one image; more than that cannot be told apart."""
    spectra = [one for one in galaxies if one.spectrum is not None]
    images = [one for one in galaxies if one.cutout is not None]
    if len(spectra) == len(images) == 1:
        return [replace(spectra[0], cutout=images[0].cutout)]
    by_name = {one.id: one for one in images}
    joined = []
    for one in spectra:
        match = next((name for name in by_name if one.id in name), None)
        joined.append(replace(one, cutout=by_name.pop(match).cutout) if match else one)
    return joined + list(by_name.values())


def _complete(galaxy: Galaxy, z: float, position: tuple[float, float] | None) -> Galaxy:
    """Fill in what the files do not say."""
    changes: dict[str, float] = {}
    if np.isfinite(z) and not np.isfinite(galaxy.z):
        changes["z"] = z
    if position is not None and not np.isfinite(galaxy.ra):
        changes["ra"], changes["dec"] = position
    return replace(galaxy, **changes)
