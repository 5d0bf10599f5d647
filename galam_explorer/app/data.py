"""What every session of one survey shares: catalogue columns, thumbnails, images.

One `SurveyData` per survey and process (`open_survey_data`); it holds no session.
"""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.app.columns import COLOURS, COLUMNS, LABELS
from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures.projection import separation
from galam_explorer.records import Galaxy
from galam_explorer.survey import Survey, load_survey

__all__ = ["Cache", "SurveyData", "forget_survey_data", "open_survey_data"]


_CONTENT = ("spectrum and image", "image only", "spectrum only", "catalogue only")


class Cache:
    """A small thread-safe cache; the least recently used entry goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of `key`, made by `make` if it is not there."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        value = make()
        with self._lock:
            self._items[key] = value
            while len(self._items) > self._size:
                self._items.popitem(last=False)
        return value

    def peek(self, key: Hashable) -> Any:
        """The value of `key`, or None if it is not there."""
        with self._lock:
            return self._items.get(key)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._items


@dataclass(eq=False)
class SurveyData:
    """A survey with what the views derive from it.

    Parameters
    ----------
    survey : Survey
    source : str
        What `load_survey` was given; written into the code that views show.
    """

    survey: Survey
    source: str
    statuses: dict[str, np.ndarray] = field(default_factory=dict)
    _galaxies: Cache = field(default_factory=lambda: Cache(64))
    _images: Cache = field(default_factory=lambda: Cache(64))
    _thumbs: Cache = field(default_factory=lambda: Cache(4000))
    stages: Cache = field(default_factory=lambda: Cache(48))
    judged: Cache = field(default_factory=lambda: Cache(20_000))
    judging: threading.Lock = field(default_factory=threading.Lock)
    populations: Cache = field(default_factory=lambda: Cache(2))
    _labels: Cache = field(default_factory=lambda: Cache(2))

    def __post_init__(self) -> None:
        self.catalog: pd.DataFrame = self.survey.catalog
        self.ids: np.ndarray = self.catalog["id"].to_numpy(dtype=object)
        self.ra = self.catalog["ra"].to_numpy(dtype=float)
        self.dec = self.catalog["dec"].to_numpy(dtype=float)
        self.located: np.ndarray = np.isfinite(self.ra) & np.isfinite(self.dec)
        self.fingerprint = self.survey.fingerprint

    def __len__(self) -> int:
        return len(self.catalog)

    def is_current(self) -> bool:
        """Whether the shards on disk are still those that were opened."""
        found = list((self.survey.path / "shards").glob("part-*.parquet"))
        try:
            return self.survey.fingerprint == self.fingerprint and len(found) == len(
                self.survey.shards
            ) + len(self.survey.problems)
        except OSError:
            return False

    def column_choices(self) -> dict[str, str]:
        """What the sky can be coloured by: label to column name, only what has values."""
        names = [n for n in COLOURS if n in self.catalog and self.catalog[n].notna().any()]
        choices = {_choice_label(name): name for name in names}
        if self.label_stamp():
            choices |= {LABELS[name].title: name for name in LABELS}
        choices["data (spectrum, image)"] = "content"
        if self.statuses:
            choices["preprocessing status"] = "status"
        return choices

    def values(self, name: str) -> tuple[np.ndarray, str]:
        """Values of a colour choice for every galaxy, and their label with unit."""
        if name == "content":
            image = self.catalog["has_cutout"].to_numpy(dtype=bool)
            spectrum = self.catalog["has_spectrum"].to_numpy(dtype=bool)
            # Both 0, image only 1, spectrum only 2, neither 3.
            return np.array(_CONTENT, dtype=object)[2 * ~image + 1 * ~spectrum], "data"
        if name == "status":
            if not self.statuses:
                raise GalamError("no statuses yet", "status", "compute the fate of the survey")
            return next(reversed(self.statuses.values())), "preprocessing status"
        if name in LABELS:
            return self.labels()[0][:, list(LABELS).index(name)], LABELS[name].title
        column = COLUMNS.get(name)
        if column is None or name not in self.catalog:
            raise GalamError("cannot colour by this", name, "choose a column of the survey")
        return self.catalog[name].to_numpy(dtype=float), column.title

    def label_stamp(self) -> int:
        """Changes when labels are saved; 0 without any."""
        files = (self.survey.cache_dir / "labels").glob("*.parquet")
        try:
            return max((one.stat().st_mtime_ns for one in files), default=0)
        except OSError:
            return 0

    def labels(self, config: LabelConfig | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Saved labels of every galaxy, and their dispersion over noise draws.

        Parameters
        ----------
        config : LabelConfig, optional
            How they were made; without it, or where there are no such ones, the newest.

        Returns
        -------
        values, dispersion : ndarray, shape (n, 2), dex
            ``log_age`` and ``m_h``; NaN where there is none.
        """
        key = (self.label_stamp(), "" if config is None else config.hash)
        return self._labels.get(key, lambda: self._read_labels(config))

    def _read_labels(self, config: LabelConfig | None) -> tuple[np.ndarray, np.ndarray]:
        from galam_explorer.labels import load_labels, saved_labels

        table = None
        if config is not None:
            try:
                table = load_labels(self.survey, config).table
            except GalamError:
                table = None  # labelled otherwise, or not at all
        if table is None:
            found = next(iter(saved_labels(self.survey)), None)
            if found is None:
                return np.full((len(self), 2), np.nan), np.full((len(self), 2), np.nan)
            table = load_labels(self.survey, found).table
        good = table[table["status"] == "ok"].drop_duplicates("id").set_index("id")
        good = good.reindex([str(one) for one in self.ids])
        names = ["log_age", "m_h"]
        spread = [f"{name}_std" for name in names]
        return good[names].to_numpy(float), good[spread].to_numpy(float)

    def nearest(self, ra: float, dec: float) -> tuple[str, float]:
        """Id of the galaxy nearest to a position, and its distance in degrees.

        Raises
        ------
        GalamError
            If no galaxy of the survey has coordinates.
        """
        rows = np.flatnonzero(self.located)
        if not len(rows):
            raise GalamError("no galaxy here has coordinates", self.survey.name, "search by id")
        distance = separation(self.ra[rows], self.dec[rows], ra, dec)
        best = int(np.argmin(distance))
        return str(self.ids[rows[best]]), float(distance[best])

    def galaxy(self, galaxy_id: str) -> Galaxy:
        """A galaxy, read now or a little while ago.

        Raises
        ------
        GalamError
            If there is none of this id, or it cannot be read.
        """
        return self._galaxies.get(galaxy_id, lambda: self.survey[galaxy_id])

    def image(self, galaxy: Galaxy) -> np.ndarray:
        """Decoded cutout, uint8 (h, w, 3).

        Raises
        ------
        GalamError
            If there is none, or it cannot be decoded.
        """
        from galam_explorer.survey.images import decode_cutout

        cutout = galaxy.cutout
        if cutout is None:
            raise GalamError("this galaxy has no image", galaxy.id)
        return self._images.get(galaxy.id, lambda: decode_cutout(cutout, galaxy.id))

    def thumbnail(self, galaxy_id: str, side: int = 36) -> str:
        """A small JPEG as a data URI; empty where there is no readable image."""
        return self._thumbs.get((galaxy_id, side), lambda: self._thumbnail(galaxy_id, side))

    def _thumbnail(self, galaxy_id: str, side: int) -> str:
        from PIL import Image

        from galam_explorer.survey.images import decode_cutout

        try:
            cutout = self.survey[galaxy_id].cutout
            if cutout is None:
                return ""
            image = Image.fromarray(decode_cutout(cutout, galaxy_id, enough=2 * side))
        except GalamError:
            return ""
        image.thumbnail((2 * side, 2 * side))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _choice_label(name: str) -> str:
    column = COLUMNS[name]
    if name.startswith("true_"):
        return f"{column.label.removeprefix('true ')} (simulated truth)"
    return column.title


_OPEN: dict[str, SurveyData] = {}
_OPEN_LOCK = threading.Lock()


def open_survey_data(source: str) -> SurveyData:
    """The shared data of a survey; opened once per process and again when it changed.

    Raises
    ------
    GalamError
        If there is no survey at `source` (any more).
    """
    with _OPEN_LOCK:
        data = _OPEN.get(source)
        if data is None or not data.is_current():
            data = _OPEN[source] = SurveyData(load_survey(source), source)
        return data


def forget_survey_data(source: str) -> None:
    """Let go of a survey that is no more."""
    # Without the lock: this may be called while garbage is collected, at any point.
    _OPEN.pop(source, None)
