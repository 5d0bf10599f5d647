"""Counts of the full selection in bins: what the paper's Fig. 1 compares a sample with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_folder import FetchFolder
from galam_explorer.survey.sdss_queries import HISTOGRAMS, histogram_sql
from galam_explorer.survey.sdss_retry import ServiceError
from galam_explorer.survey.sdss_select import Client

__all__ = ["SelectionCounts", "full_counts", "load_counts"]

_MAX_BINS = 10_000


@dataclass(frozen=True, eq=False)
class SelectionCounts:
    """How many spectra of a whole selection fall into each bin of one column.

    Parameters
    ----------
    column : {"z", "sn_r", "petro_mag_r"}
    edges : ndarray, shape (n + 1,)
        In the column's units.
    counts : ndarray, int64, shape (n,)
    release : str
    sql : str
        The query that counted.
    """

    column: str
    edges: np.ndarray
    counts: np.ndarray
    release: str = ""
    sql: str = ""

    @property
    def total(self) -> int:
        """Number of spectra in all bins."""
        return int(self.counts.sum())

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        arrays = {"edges": self.edges.tolist(), "counts": self.counts.tolist()}
        return {"column": self.column, "release": self.release, "sql": self.sql} | arrays

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> SelectionCounts:
        """Read back what `to_dict` gave.

        Raises
        ------
        GalamError
            If it is something else.
        """
        try:
            edges = np.asarray(value["edges"], dtype=float)
            counts = np.asarray(value["counts"], dtype=np.int64)
            found = cls(str(value["column"]), edges, counts, value["release"], value["sql"])
        except (KeyError, ValueError, TypeError) as error:
            raise GalamError(f"these are no counts ({error})", "counts", "fetch again") from error
        if edges.ndim != 1 or counts.shape != (len(edges) - 1,) or (np.diff(edges) <= 0).any():
            raise GalamError("counts and bin edges do not fit", found.column, "fetch again")
        return found


def full_counts(client: Client, config: FetchConfig, column: str) -> SelectionCounts:
    """Ask SkyServer for the counts of `column` in the full selection: one query.

    Raises
    ------
    GalamError
        If there is no such column, or SkyServer does not answer.
    """
    if column not in HISTOGRAMS:
        raise GalamError(f"no counts of {column!r}", remedy=f"known: {', '.join(HISTOGRAMS)}")
    sql = histogram_sql(config, column)
    width = HISTOGRAMS[column][1]
    numbers = {}
    for row in client.table(sql, ("bin", "n")):
        try:
            place, n = float(row["bin"]), int(row["n"])
        except ValueError as error:
            if row["bin"].lower() in ("", "null"):
                continue
            raise ServiceError(f"a count is not a number ({error})", "SkyServer") from error
        if place * width > -9000:  # SDSS's "no value"
            numbers[round(place)] = n
    if not numbers:
        raise ServiceError("the histogram is empty", "SkyServer")
    low, high = min(numbers), max(numbers)
    if high - low > _MAX_BINS:
        raise ServiceError(f"a histogram of {high - low} bins came", "SkyServer")
    counts = np.array([numbers.get(k, 0) for k in range(low, high + 1)], dtype=np.int64)
    edges = np.round(np.arange(low, high + 2) * width, 6)
    return SelectionCounts(column, edges, counts, config.release, sql)


def load_counts(survey: str | Path) -> dict[str, SelectionCounts]:
    """The counts that a fetch kept in a survey folder, by column; empty if it has none."""
    if not (Path(survey) / "fetch").is_dir():
        return {}
    folder = FetchFolder(Path(survey))
    found = {column: folder.read_json(f"full-{column}") for column in HISTOGRAMS}
    return {key: SelectionCounts.from_dict(value) for key, value in found.items() if value}
