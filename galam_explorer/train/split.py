"""One split of a survey into training, validation and test galaxies, shared by all stages."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import write_text

__all__ = ["SETS", "Split", "make_split", "same_object_groups"]

SETS = ("train", "validation", "test")
_SAME_ARCSEC = 2.0
_SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Split:
    """Which galaxies train, which choose, and which only measure.

    Parameters
    ----------
    train, validation, test : ndarray of str
        Galaxy ids, sorted; no id is in two of them.
    seed : int
    fractions : tuple of float
        The shares that were asked for.
    spatial_degrees : float
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    seed: int = 0
    fractions: tuple[float, ...] = (0.8, 0.1, 0.1)
    spatial_degrees: float = 0.0

    @property
    def hash(self) -> str:
        """Twelve hex digits of which galaxy is in which set."""
        text = json.dumps([self.ids(name).tolist() for name in SETS])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def counts(self) -> dict[str, int]:
        """Galaxies by set."""
        return {name: len(self.ids(name)) for name in SETS}

    def ids(self, name: str) -> np.ndarray:
        """Ids of one set, ``"train"``, ``"validation"`` or ``"test"``."""
        if name not in SETS:
            raise GalamError(f"no set {name!r}", "split", f"one of {', '.join(SETS)}")
        return getattr(self, name)

    def mask(self, ids: Any, name: str) -> np.ndarray:
        """Which of `ids` are in a set, shape (len(ids),), bool."""
        return np.isin(np.asarray(ids, dtype=str), self.ids(name))

    def names(self, ids: Any) -> np.ndarray:
        """The set of each of `ids`, shape (len(ids),), str; empty where it is in none."""
        ids = np.asarray(ids, dtype=str)
        named = np.full(len(ids), "", dtype="<U10")
        for name in SETS:
            named[self.mask(ids, name)] = name
        return named

    def to_json(self) -> str:
        """The split as JSON text."""
        fields = {
            "schema": _SCHEMA,
            "seed": self.seed,
            "fractions": list(self.fractions),
            "spatial_degrees": self.spatial_degrees,
            "hash": self.hash,
            **{name: self.ids(name).tolist() for name in SETS},
        }
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str, where: object = "split.json") -> Self:
        """Read back what `to_json` wrote.

        Raises
        ------
        GalamError
            If it is not a split, or its ids do not match its hash.
        """
        try:
            fields = json.loads(text)
            sets = {name: np.asarray(fields[name], dtype=str) for name in SETS}
            found = cls(
                **sets,
                seed=int(fields["seed"]),
                fractions=tuple(fields["fractions"]),
                spatial_degrees=float(fields["spatial_degrees"]),
            )
            wanted = fields["hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise GalamError(f"not a split ({error})", where) from error
        if found.hash != wanted:
            raise GalamError("the galaxies of this split do not match its hash", where)
        return found

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a split from a file.

        Raises
        ------
        GalamError
            If there is none, or it was changed.
        """
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), path)
        except OSError as error:
            raise GalamError(f"cannot be read ({error.strerror})", path) from error

    def write(self, path: Path) -> None:
        """Write the split atomically."""
        write_text(path, self.to_json() + "\n")


def same_object_groups(catalog: pd.DataFrame, spatial_degrees: float = 0.0) -> np.ndarray:
    """Group galaxies that must stay on one side of a split.

    Repeat spectra and the same photometric object lie within 2 arcsec of each
    other; with `spatial_degrees` all galaxies of a cell of the sky are one group.

    Parameters
    ----------
    catalog : DataFrame
        Columns ``ra`` and ``dec`` in degrees; NaN where unknown.
    spatial_degrees : float
        Side of the cells; 0 for none.

    Returns
    -------
    ndarray of int, shape (n,)
        Group numbers; galaxies without a position are groups of their own.
    """
    n = len(catalog)
    ra = catalog["ra"].to_numpy(dtype=float)
    dec = catalog["dec"].to_numpy(dtype=float)
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    if len(known) == 0:
        return np.arange(n)
    lon, lat = np.radians(ra[known]), np.radians(dec[known])
    xyz = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    chord = 2 * np.sin(np.radians(_SAME_ARCSEC / 3600) / 2)
    pairs = known[cKDTree(xyz).query_pairs(chord, output_type="ndarray")]
    if spatial_degrees > 0:
        pairs = np.concatenate([pairs, _cell_pairs(known, ra, dec, spatial_degrees)])
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(graph, directed=False)[1]


def _cell_pairs(known: np.ndarray, ra: np.ndarray, dec: np.ndarray, side: float) -> np.ndarray:
    """Pairs (first of the cell, member): rings of declination, cut into about square cells."""
    ring = np.floor((dec[known] + 90) / side)
    middle = np.clip(-90 + (ring + 0.5) * side, -90, 90)
    per_ring = np.maximum(1, np.round(360 * np.cos(np.radians(middle)) / side))
    cell = np.stack([ring, np.floor(np.mod(ra[known], 360) / 360 * per_ring)], axis=1)
    _, first, inverse = np.unique(cell, axis=0, return_index=True, return_inverse=True)
    return np.stack([known[first[inverse.ravel()]], known], axis=1)


def make_split(
    catalog: pd.DataFrame,
    fractions: tuple[float, ...] = (0.8, 0.1, 0.1),
    seed: int = 0,
    spatial_degrees: float = 0.0,
) -> Split:
    """Split a catalogue by groups (paper Sect. 3.5 splits 8:1:1, but by galaxy).

    The result depends on the ids and positions, not on their order.

    Parameters
    ----------
    catalog : DataFrame
        Columns ``id``, ``ra`` and ``dec``, as of `galam_explorer.survey.Survey`.
    fractions : tuple of float
        Shares of training, validation and test galaxies.
    seed : int
    spatial_degrees : float
        See `same_object_groups`.

    Returns
    -------
    Split

    Raises
    ------
    GalamError
        If a set is left empty.
    """
    ordered = catalog.sort_values("id", ignore_index=True)
    ids = ordered["id"].to_numpy(dtype=str)
    n = len(ids)
    groups = same_object_groups(ordered, spatial_degrees)
    count = int(groups.max()) + 1 if n else 0
    # Position of every galaxy when whole groups are dealt in random order.
    rank = np.random.default_rng(seed).permutation(count)[groups] if n else groups
    order = np.argsort(rank, kind="stable")
    sizes = np.bincount(rank, minlength=count)
    ends = np.cumsum(sizes)
    wanted_test = max(1, round(fractions[2] * n))
    wanted_validation = max(1, round(fractions[1] * n))
    test_end = _first_end(ends, wanted_test)
    validation_end = _first_end(ends, test_end + wanted_validation)
    sets = {
        "test": ids[order[:test_end]],
        "validation": ids[order[test_end:validation_end]],
        "train": ids[order[validation_end:]],
    }
    for name in SETS:
        if len(sets[name]) == 0:
            raise GalamError(
                f"splitting {n} galaxies in {count} groups leaves no {name} galaxies",
                "split",
                "use more galaxies, other fractions or smaller cells of the sky",
            )
    sets = {name: np.sort(one) for name, one in sets.items()}
    return Split(**sets, seed=seed, fractions=fractions, spatial_degrees=spatial_degrees)


def _first_end(ends: np.ndarray, wanted: int) -> int:
    """The first end of a group at or after `wanted`; the last one if there is none."""
    if len(ends) == 0:
        return 0
    return int(ends[min(np.searchsorted(ends, wanted), len(ends) - 1)])
