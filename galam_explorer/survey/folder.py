"""What lies in a folder that is imported, and what became of each file."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from galam_explorer.errors import GalamError
from galam_explorer.survey.catalogs import Catalog, NotACatalogError, read_catalog
from galam_explorer.survey.sdss_ids import id_from_name

__all__ = ["FolderFiles", "ImportReport", "read_catalogs", "scan_folder"]

SPECTRUM_SUFFIXES = (".fits", ".fit")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
TABLE_SUFFIXES = (".csv", ".ecsv", ".vot", ".votable", ".xml")
OTHER_IMAGES = (".gif", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".svg", ".heic", ".avif")
COMPRESSED = (".gz", ".fz", ".bz2", ".xz", ".zip", ".tar", ".tgz", ".zst", ".7z")


@dataclass
class ImportReport:
    """What an import did. Every file of the folder is in exactly one of `outcomes`.

    Parameters
    ----------
    folder, survey : str
        Where the files came from and where the galaxies went.
    files : int
        Files found, hidden ones not counted.
    outcomes : Counter
        Files by what became of them: ``spectrum`` (a new galaxy), ``image by
        id``, ``image by catalogue``, ``image by position`` (joined to a
        spectrum), ``image alone`` (a galaxy of its own), ``catalogue``,
        ``already there``, ``left over``, ``bad``.
    galaxies, with_spectrum, with_cutout : int
        Galaxies written now, and those with each kind of data.
    left_over, bad : list of (str, str)
        Files that were not used and why; files that could not be read.
    notes : list of str
        What else is worth knowing: suspicious pixels, catalogue rows left out.
    """

    folder: str
    survey: str
    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    galaxies: int = 0
    with_spectrum: int = 0
    with_cutout: int = 0
    left_over: list[tuple[str, str]] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave(self, file: object, reason: str) -> None:
        """Count a file as not used."""
        self.outcomes["left over"] += 1
        self.left_over.append((str(file), reason))

    def fail(self, file: object, error: GalamError) -> None:
        """Count a file as unreadable."""
        self.outcomes["bad"] += 1
        reason = f"{error.what}: {error.remedy}" if error.remedy else error.what
        self.bad.append((str(file), reason))

    @property
    def already_there(self) -> int:
        """Files whose galaxies the survey had before."""
        return self.outcomes["already there"]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON types."""
        return vars(self) | {"outcomes": dict(sorted(self.outcomes.items()))}


@dataclass
class FolderFiles:
    """Files by kind, sorted by path.

    Parameters
    ----------
    spectra : list of Path
        FITS files: spectra, or tables that may be catalogues.
    images : list of Path
        JPEG and PNG by their names.
    tables : list of Path
        CSV, ECSV and VOTable files.
    """

    spectra: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)


def scan_folder(folder: Path, out: Path, report: ImportReport) -> FolderFiles:
    """Walk `folder` and sort its files; those that cannot be of use go to the report.

    Hidden files and folders, and `out` itself, are not looked at. Symbolic
    links are followed to files inside the folder only, never to folders.

    Raises
    ------
    GalamError
        If `folder` is not a readable folder or holds no files.
    """
    if not folder.exists():
        raise GalamError("there is no such folder", folder)
    if not folder.is_dir():
        raise GalamError("this is a file, not a folder", folder, "give the folder that holds it")
    root, found = folder.resolve(), FolderFiles()
    if out.resolve() == root:
        raise GalamError("the survey cannot be the folder itself", out, "choose another --out")

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise GalamError(f"cannot read this folder ({error.strerror})", folder) from error
        report.notes.append(f"{error.filename}: cannot read this folder ({error.strerror})")

    for where, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(where)
        folders[:] = sorted(name for name in folders if _enter(here / name, out, report))
        for name in sorted(names):
            if not name.startswith("."):
                report.files += 1
                _sort_file(here / name, folder, root, found, report)
    if not report.files:
        raise GalamError("there are no files in this folder", folder, "nothing to import")
    for group in (found.spectra, found.images, found.tables):
        group.sort()
    return found


def _enter(path: Path, out: Path, report: ImportReport) -> bool:
    if path.name.startswith(".") or path.resolve() == out.resolve():
        return False
    if path.is_symlink():
        report.notes.append(f"{path}: a link to a folder; not followed")
        return False
    if (path / "survey.json").is_file():
        report.notes.append(f"{path}: a survey already; open it as it is")
        return False
    return True


def _sort_file(
    path: Path, folder: Path, root: Path, found: FolderFiles, report: ImportReport
) -> None:
    file, suffix = path.relative_to(folder), path.suffix.lower()
    if not _is_regular(path):
        report.leave(file, "not a regular file, or a broken link")
    elif path.is_symlink() and not path.resolve().is_relative_to(root):
        report.leave(file, "a link that leads out of the folder")
    elif suffix in SPECTRUM_SUFFIXES:
        found.spectra.append(path)
    elif suffix in IMAGE_SUFFIXES:
        found.images.append(path)
    elif suffix in TABLE_SUFFIXES:
        found.tables.append(path)
    elif suffix in OTHER_IMAGES:
        report.leave(file, f"images are JPEG or PNG, not {suffix}: convert it first")
    elif suffix in COMPRESSED:
        report.leave(file, "compressed: unpack it first")
    else:
        report.leave(file, f"not a spectrum, image or catalogue ({suffix or 'no suffix'})")


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def read_catalogs(
    folder: Path, files: FolderFiles, given: str | Path | None, report: ImportReport
) -> Catalog:
    """Read the catalogue given, or else all in the folder, as one.

    FITS tables that are catalogues are taken out of ``files.spectra``. Tables
    that cannot be used go to the report.

    Raises
    ------
    GalamError
        If `given` cannot be used.
    """
    merged = Catalog()
    only = None if given is None else Path(given).expanduser()
    if only is not None:
        read_catalog(only, merged)
    # A FITS file named like a spectrum is not opened twice.
    unnamed = [path for path in files.spectra if id_from_name(path.name) is None]
    for path in files.tables + unnamed:
        if only is None:
            used = _try_catalog(path, path.relative_to(folder), merged, report)
        else:
            used = path.resolve() == only.resolve()
            if not used and path in files.tables:
                report.leave(path.relative_to(folder), "another catalogue was given")
        if used:
            report.outcomes["catalogue"] += 1
            if path in files.spectra:
                files.spectra.remove(path)
    report.notes += merged.problems
    return merged


def _try_catalog(path: Path, file: Path, merged: Catalog, report: ImportReport) -> bool:
    """Whether `path` was read as a catalogue; other FITS files are judged as spectra later."""
    try:
        read_catalog(path, merged)
    except NotACatalogError as error:
        if path.suffix.lower() not in SPECTRUM_SUFFIXES:
            report.leave(file, error.what)
    except GalamError as error:
        if path.suffix.lower() not in SPECTRUM_SUFFIXES:
            report.fail(file, error)
    else:
        return True
    return False
