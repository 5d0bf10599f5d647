"""Importing a folder of spectra and images as a survey."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from galam_explorer.errors import GalamError
from galam_explorer.records import Cutout, Galaxy
from galam_explorer.survey.catalogs import Catalog, CatalogEntry
from galam_explorer.survey.folder import ImportReport, read_catalogs, scan_folder
from galam_explorer.survey.images import decode_cutout
from galam_explorer.survey.matching import ImageFile, ImageIndex, SkyIndex, plan_images
from galam_explorer.survey.sdss_files import NotASpectrumError, read_spectrum_file
from galam_explorer.survey.sdss_ids import id_from_name
from galam_explorer.survey.store import Survey
from galam_explorer.survey.writer import SurveyWriter

__all__ = ["ImportReport", "import_folder", "read_image_file"]

MAX_IMAGE_BYTES = 64 * 2**20
PROVENANCE = {"made_by": "galam import"}
_BATCH = 64
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


def read_image_file(path: str | Path, scale: float = float("nan")) -> Cutout:
    """Read a JPEG or PNG file as it is, after checking that it decodes.

    Parameters
    ----------
    path : str or Path
    scale : float
        Arcsec per pixel, NaN where unknown.

    Raises
    ------
    GalamError
        If the file is missing, empty, above 64 MB, of another format, or does
        not decode.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_IMAGE_BYTES:
            raise GalamError(f"{size / 2**20:.0f} MB is too large", path, "cutouts are below 64 MB")
        encoded = path.read_bytes()
    except OSError as error:
        raise GalamError(f"cannot read this file ({error.strerror})", path) from error
    if encoded and not encoded.startswith(_SIGNATURES):
        raise GalamError("neither JPEG nor PNG, whatever its name says", path, "convert it first")
    decode_cutout(encoded, str(path))
    return Cutout(encoded, scale)


def import_folder(
    folder: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    scale: float | None = None,
    catalog: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Read every spectrum and image under a folder into a survey.

    An image joins the spectrum whose id is in its name, or that the catalogue
    names, or that lies within 2 arcsec of the position in its name or in the
    catalogue. One that joins none is a galaxy of its own. A file that cannot be
    used is reported, and the rest goes on. Running again adds what is new.

    Parameters
    ----------
    folder : str or Path
        Walked with all folders inside.
    out : str or Path
        Survey folder: new, or one that an import made before.
    name : str, optional
        Of a new survey; the folder's by default.
    scale : float, optional
        Arcsec per pixel of images for which the catalogue says nothing.
    catalog : str or Path, optional
        Use this catalogue and none of those in the folder.
    progress : callable, optional
        ``progress(done, total)``, counted in files.

    Returns
    -------
    ImportReport

    Raises
    ------
    GalamError
        If the folder is missing or empty, the catalogue given cannot be used,
        or the survey cannot be written. Shards that are whole stay.
    """
    folder, out = Path(folder).expanduser(), Path(out).expanduser()
    if scale is not None and not 0 < scale < 3600:
        raise GalamError(f"the scale is in arcsec per pixel, not {scale:g}", "--scale")
    report = ImportReport(str(folder), str(out))
    kind = "local"
    name = name or folder.resolve().name
    existing = None
    if (out / "survey.json").exists():
        SurveyWriter(out, name, kind, PROVENANCE)  # raises if the survey is of another kind
        existing = Survey(out)
        report.notes += existing.problems
    files = scan_folder(folder, out, report)
    merged = read_catalogs(folder, files, catalog, report)
    images = plan_images(folder, files.images, merged)
    importer = _Importer(folder, files.spectra, images, merged, report)
    importer.scale = float("nan") if scale is None else scale
    importer.progress = progress or (lambda done, total: None)
    galaxies = importer.galaxies(existing)
    first = next(galaxies, None)
    if first is not None:
        writer = SurveyWriter(out, name, kind, PROVENANCE)
        writer.append(chain([first], galaxies))
    return report


def _complete(galaxy: Galaxy, entry: CatalogEntry | None) -> Galaxy:
    """Fill in from the catalogue what the galaxy's own file does not say."""
    if entry is None:
        return galaxy
    fields = ("ra", "dec", "z", "sn_r", "petro_mag_r", "petro_r90_r")
    new = {n: getattr(entry, n) for n in fields if not np.isfinite(getattr(galaxy, n))}
    if galaxy.z_warning < 0 and 0 <= entry.z_warning < 2**31:
        new["z_warning"] = int(entry.z_warning)
    return replace(galaxy, **new, spec_class=galaxy.spec_class or entry.spec_class)


class _Importer:
    """Turns files into galaxies one batch at a time, and keeps the report."""

    def __init__(
        self,
        folder: Path,
        spectra: Sequence[Path],
        images: Sequence[ImageFile],
        catalog: Catalog,
        report: ImportReport,
    ) -> None:
        self.folder = folder
        self.spectra = spectra
        self.images = ImageIndex(images)
        self.catalog = catalog
        self.report = report
        self.scale = float("nan")
        self.progress: Callable[[int, int], None] = lambda done, total: None
        self._sky = SkyIndex([e.ra for e in catalog.entries], [e.dec for e in catalog.entries])
        self._source: dict[str, str] = {}  # galaxy id -> where it came from
        self._settled: set[ImageFile] = set()

    def galaxies(self, existing: Survey | None) -> Iterator[Galaxy]:
        """Every new galaxy, those with spectra first."""
        if existing is not None:
            self._source = dict.fromkeys(existing.ids, "")
            self._settle_existing(existing)
        spectra = iter(self.spectra)
        while batch := list(islice(spectra, _BATCH)):
            yield from self._from_spectra(batch)
        for image in self.images.images:
            if image not in self._settled:
                yield from self._from_image(image)

    def _step(self) -> None:
        report = self.report
        self.progress(sum(report.outcomes.values()), report.files)

    def _settle_existing(self, existing: Survey) -> None:
        """Images of galaxies that the survey has are not imported again."""
        table = existing.catalog
        for start in range(0, len(table), 1000):
            rows = table.iloc[start : start + 1000]
            galaxies = [
                Galaxy(row.id, row.origin, ra=row.ra, dec=row.dec) for row in rows.itertuples()
            ]
            entries = [self.catalog.by_key.get(galaxy.id) for galaxy in galaxies]
            found = self.images.candidates(galaxies, entries)
            for galaxy, has, pairs in zip(galaxies, rows["has_cutout"], found, strict=True):
                for image, _ in pairs:
                    if has:
                        self._settle(image, "already there")
                    elif image not in self._settled and self._cutout(image) is not None:
                        self._settled.add(image)
                        text = f"{galaxy.id} is in the survey without an image"
                        self.report.leave(image.file, f"{text}; import both together elsewhere")

    def _settle(self, image: ImageFile, outcome: str) -> None:
        if image not in self._settled:
            self._settled.add(image)
            self.report.outcomes[outcome] += 1
            self._step()

    def _cutout(self, image: ImageFile) -> Cutout | None:
        """The image's cutout; None, and a line in the report, if it does not decode."""
        known = image.entry.scale if image.entry is not None else float("nan")
        try:
            return read_image_file(image.path, known if np.isfinite(known) else self.scale)
        except GalamError as error:
            if image not in self._settled:  # two spectra of one galaxy share its image
                self._settled.add(image)
                self.report.fail(image.file, error)
                self._step()
            return None

    def _read(self, path: Path) -> Galaxy | None:
        """The galaxy of a spectrum file, or None if it is not a new, readable one."""
        file = path.relative_to(self.folder)
        named = id_from_name(file.name)
        if named is not None and self._source.get(named) == "":
            self.report.outcomes["already there"] += 1
            return None
        try:
            galaxy = read_spectrum_file(path)
        except NotASpectrumError as error:
            self.report.leave(file, error.what)
            return None
        except GalamError as error:
            self.report.fail(file, error)
            return None
        source = self._source.setdefault(galaxy.id, str(file))
        if source == "":
            self.report.outcomes["already there"] += 1
        elif source != str(file):
            self.report.leave(file, f"duplicate of id {galaxy.id}, already read from {source}")
        else:
            self.report.outcomes["spectrum"] += 1
            self._note(galaxy, file)
            return galaxy
        return None

    def _note(self, galaxy: Galaxy, file: Path) -> None:
        bad = int(np.count_nonzero(~np.isfinite(galaxy.spectrum.flux)))
        if not galaxy.spectrum.good.any():
            self.report.notes.append(f"{file}: no pixel carries information")
        elif bad:
            self.report.notes.append(f"{file}: {bad} pixels without a finite flux, not used")
        if not np.isfinite(galaxy.z):
            self.report.notes.append(f"{file}: gives no redshift")

    def _from_spectra(self, paths: Sequence[Path]) -> Iterator[Galaxy]:
        galaxies, entries = [], []
        for path in paths:
            galaxy = self._read(path)
            self._step()
            if galaxy is not None:
                galaxies.append(galaxy)
                entries.append(self.catalog.find(path.name, galaxy.id))
        near = self._sky.near([g.ra for g in galaxies], [g.dec for g in galaxies])
        for row, rows in enumerate(near):
            if entries[row] is None and rows:
                entries[row] = self.catalog.entries[rows[0]]
        galaxies = [_complete(g, entry) for g, entry in zip(galaxies, entries, strict=True)]
        found = self.images.candidates(galaxies, entries)
        for galaxy, pairs in zip(galaxies, found, strict=True):
            yield self._written(replace(galaxy, cutout=self._choose(galaxy, pairs)))

    def _choose(self, galaxy: Galaxy, pairs: list[tuple[ImageFile, str]]) -> Cutout | None:
        """The first image that decodes; further ones of the same galaxy are left over."""
        chosen: Cutout | None = None
        first = ""
        for image, how in pairs:
            if chosen is None:
                chosen = self._cutout(image)
                if chosen is not None:
                    first = str(image.file)
                    self._settle(image, f"image by {how}")
            elif image not in self._settled:
                self._settled.add(image)
                self.report.leave(image.file, f"{galaxy.id} has an image already ({first})")
        return chosen

    def _from_image(self, image: ImageFile) -> Iterator[Galaxy]:
        """A galaxy of an image without a spectrum, if it is new and decodes."""
        source = self._source.get(image.alone_id)
        if source == "":
            self._settle(image, "already there")
            return
        if source is not None:
            self.report.leave(image.file, f"duplicate of id {image.alone_id}, read from {source}")
            self._step()
            return
        cutout = self._cutout(image)
        if cutout is None:
            return
        self._source[image.alone_id] = str(image.file)
        self._settle(image, "image alone")
        galaxy = Galaxy(image.alone_id, "local", ra=image.ra, dec=image.dec, cutout=cutout)
        yield self._written(_complete(galaxy, image.entry))

    def _written(self, galaxy: Galaxy) -> Galaxy:
        self.report.galaxies += 1
        self.report.with_spectrum += galaxy.spectrum is not None
        self.report.with_cutout += galaxy.cutout is not None
        return galaxy
