"""Which image shows which galaxy: by id, by catalogue, by position."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from galam_explorer.records import Galaxy
from galam_explorer.survey.catalogs import Catalog, CatalogEntry
from galam_explorer.survey.sdss_ids import id_from_name

__all__ = [
    "MATCH_RADIUS",
    "ImageFile",
    "ImageIndex",
    "SkyIndex",
    "plan_images",
    "position_from_name",
    "safe_id",
    "unique_names",
]

MATCH_RADIUS = 2.0
"""Largest separation of one object's positions, arcsec."""

_POSITION = re.compile(r"(?:^|[_\s-])(\d{1,3}\.\d{2,})_([+-]?\d{1,2}\.\d{2,})(?=$|[_\s-])")
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)


def position_from_name(stem: str) -> tuple[float, float] | None:
    """RA and Dec (degrees) in a file name such as ``0.557_14.9761``, if there are any."""
    found = _POSITION.search(stem)
    if found is None:
        return None
    ra, dec = float(found[1]), float(found[2])
    return (ra, dec) if ra <= 360 and abs(dec) <= 90 else None


def safe_id(text: str) -> str:
    """An id that nothing on the way to the browser takes for a number or cannot encode.

    Examples
    --------
    >>> safe_id("587722981741363294")
    'img-587722981741363294'
    """
    # Names that are not UTF-8 arrive with surrogates, which Parquet refuses.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(char if char.isprintable() else "_" for char in text).strip() or "unnamed"
    reserved = text.lower() in ("true", "false", "null", "none")
    return f"img-{text}" if reserved or _NUMERIC.fullmatch(text) else text


def unique_names(files: Sequence[Path]) -> list[str]:
    """A distinct name for each file, as short as possible.

    The name without suffix where no other file has it, else the path without
    suffix, else the whole path, with ``-`` between folders.

    Parameters
    ----------
    files : sequence of Path
        Relative to one folder, all different.
    """
    names = [file.stem for file in files]
    for longer in (lambda file: "-".join(file.with_suffix("").parts), lambda f: "-".join(f.parts)):
        counts = Counter(names)
        names = [
            longer(file) if counts[name] > 1 else name
            for file, name in zip(files, names, strict=True)
        ]
    return names


class SkyIndex:
    """Positions to look up by nearness.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees; entries with NaN are never found.
    """

    def __init__(self, ra: np.ndarray, dec: np.ndarray) -> None:
        ra, dec = np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)
        self._rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        self._coords = _sky_coord(ra[self._rows], dec[self._rows]) if len(self._rows) else None

    def near(self, ra: Sequence[float], dec: Sequence[float]) -> list[list[int]]:
        """For each position, the rows within `MATCH_RADIUS`, the nearest first."""
        result: list[list[int]] = [[] for _ in ra]
        ra, dec = np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)
        asked = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        if self._coords is None or not len(asked):
            return result
        from astropy import units

        mine, found, separation, _ = self._coords.search_around_sky(
            _sky_coord(ra[asked], dec[asked]), MATCH_RADIUS * units.arcsec
        )
        # astropy gives (index into the argument, index into self).
        for pair in np.argsort(separation):
            result[int(asked[mine[pair]])].append(int(self._rows[found[pair]]))
        return result


def _sky_coord(ra: np.ndarray, dec: np.ndarray) -> Any:
    from astropy.coordinates import SkyCoord

    return SkyCoord(ra, dec, unit="deg")


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image and what its name and the catalogue say.

    Parameters
    ----------
    path : Path
    file : Path
        Relative to the imported folder.
    galaxy_id : str
        Id in the name or of the catalogue entry; empty where unknown.
    how : str
        Where `galaxy_id` comes from: ``"id"`` or ``"catalogue"``.
    alone_id : str
        Id of the galaxy if no spectrum belongs to the image.
    entry : CatalogEntry, optional
    ra, dec : float
        J2000 degrees, NaN where neither the name nor the catalogue gives them.
    """

    path: Path
    file: Path
    galaxy_id: str
    how: str
    alone_id: str
    entry: CatalogEntry | None
    ra: float
    dec: float


def plan_images(folder: Path, paths: Sequence[Path], catalog: Catalog) -> list[ImageFile]:
    """Say of each image what is known before any file is read."""
    files = [path.relative_to(folder) for path in paths]
    nowhere = (float("nan"), float("nan"))
    named = [position_from_name(file.stem) or nowhere for file in files]
    sky = SkyIndex([e.ra for e in catalog.entries], [e.dec for e in catalog.entries])
    near = sky.near([ra for ra, _ in named], [dec for _, dec in named])
    images = []
    for path, file, name, (ra, dec), rows in zip(
        paths, files, unique_names(files), named, near, strict=True
    ):
        in_name = id_from_name(file.name)
        entry = catalog.find(file.name, in_name)
        if entry is None and rows:
            entry = catalog.entries[rows[0]]
        listed = entry.keys[0] if entry and entry.keys else ""
        if entry is not None and not np.isfinite(ra):
            ra, dec = entry.ra, entry.dec
        images.append(
            ImageFile(
                path=path,
                file=file,
                galaxy_id=in_name or listed,
                how="id" if in_name else "catalogue",
                alone_id=safe_id(listed or name),
                entry=entry,
                ra=ra,
                dec=dec,
            )
        )
    return images


class ImageIndex:
    """Finds the images of a galaxy.

    Parameters
    ----------
    images : sequence of ImageFile
    """

    def __init__(self, images: Sequence[ImageFile]) -> None:
        self.images = list(images)
        self._by_id: defaultdict[str, list[ImageFile]] = defaultdict(list)
        self._by_entry: defaultdict[int, list[ImageFile]] = defaultdict(list)
        for image in self.images:
            if image.galaxy_id:
                self._by_id[image.galaxy_id].append(image)
            if image.entry is not None:
                self._by_entry[id(image.entry)].append(image)
        self._sky = SkyIndex([i.ra for i in self.images], [i.dec for i in self.images])

    def candidates(
        self, galaxies: Sequence[Galaxy], entries: Sequence[CatalogEntry | None]
    ) -> list[list[tuple[ImageFile, str]]]:
        """Images of each galaxy with how they were found, the best first.

        Parameters
        ----------
        galaxies : sequence of Galaxy
        entries : sequence of CatalogEntry or None
            The galaxies' rows of the catalogue.

        Returns
        -------
        list of list of (ImageFile, str)
            ``"id"``, ``"catalogue"`` or ``"position"``, in this order.
        """
        near = self._sky.near([g.ra for g in galaxies], [g.dec for g in galaxies])
        result = []
        for galaxy, entry, rows in zip(galaxies, entries, near, strict=True):
            found = [(image, image.how) for image in self._by_id.get(galaxy.id, ())]
            found.sort(key=lambda pair: pair[1] != "id")
            found += [(image, "catalogue") for image in self._by_entry.get(id(entry), ())]
            found += [(self.images[row], "position") for row in rows]
            unique: dict[ImageFile, str] = {}
            for image, how in found:
                unique.setdefault(image, how)
            # An image that names another galaxy is not this one's, however near.
            result.append(
                [(i, h) for i, h in unique.items() if h != "position" or _fits(i, galaxy)]
            )
        return result


def _fits(image: ImageFile, galaxy: Galaxy) -> bool:
    return image.how != "id" or image.galaxy_id in ("", galaxy.id)
