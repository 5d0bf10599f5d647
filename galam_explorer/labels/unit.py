"""Labelling one unit of work, a shard, into one file; what every worker runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels.templates import load_templates
from galam_explorer.preprocess.work import Unit
from galam_explorer.records import Galaxy, StellarPopulation
from galam_explorer.survey.atomic import atomic_path
from galam_explorer.survey.store import iter_shard

if TYPE_CHECKING:
    from galam_explorer.labels.batched import BatchedFitter

__all__ = ["SCHEMA", "fit_galaxy", "label_galaxies", "label_unit", "part_path"]

_LIST = pa.list_(pa.float32())
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        *(
            (name, pa.float64())
            for name in (
                "log_age", "m_h", "log_age_std", "m_h_std", "covariance",
                "velocity", "sigma", "chi2",
            )
        ),
        ("n_pixels", pa.int32()),
        ("weights", _LIST),
        ("draws_log_age", _LIST),
        ("draws_m_h", _LIST),
    ]
)  # fmt: skip
"""Columns of a table of labels; `weights` runs over metallicity within age."""

# What a spectrum that no one foresaw can make the libraries under us raise; torch's
# linear algebra raises RuntimeError.
_UNFORESEEN = (RuntimeError, ValueError, ArithmeticError, LookupError, TypeError)


def part_path(folder: Path, unit: Unit) -> Path:
    """The file of a finished unit; a changed shard has another name."""
    return folder / f"{unit.name}-{unit.key}.parquet"


def label_unit(
    unit: Unit,
    config: LabelConfig,
    folder: Path,
    tell: Callable[[int], None] = lambda count: None,
) -> int:
    """Label the galaxies of a unit and write their table, atomically, when all are done.

    Parameters
    ----------
    unit : Unit
    config : LabelConfig
        With the digest of its templates.
    folder : Path
        Where the part files are.
    tell : callable
        Called with the number of galaxies done since the last call.

    Returns
    -------
    int
        Galaxies in the unit.

    Raises
    ------
    GalamError
        If the templates here are not those of the configuration, or the results
        cannot be written.
    """
    library = load_templates(config)
    if config.template_digest and library.digest != config.template_digest:
        raise GalamError(
            "these templates are not the ones this run began with",
            config.templates,
            "give every worker the same files",
        )
    fits: list[StellarPopulation] = []
    try:
        for batch in _galaxies(unit):
            fits += label_galaxies(batch, config)
            tell(len(batch))
    except GalamError as error:
        missing = len(unit.ids) - len(fits)
        fits += [StellarPopulation("unreadable", str(error))] * missing
    with atomic_path(part_path(folder, unit)) as temporary:
        pq.write_table(_table(unit.ids, fits), temporary, compression="zstd")
    return len(fits)


def label_galaxies(galaxies: Sequence[Galaxy], config: LabelConfig) -> list[StellarPopulation]:
    """Labels of some galaxies by the engine of the configuration; none ends the others' run."""
    if config.engine == "batched":
        try:
            return _fitter(config).fit(galaxies, keep_fit=False)
        except _UNFORESEEN:
            return [_single(one, config) for one in galaxies]
    return [_single(one, config) for one in galaxies]


def fit_galaxy(
    galaxy: Galaxy, config: LabelConfig, tell: Callable[[int, int], None] | None = None
) -> StellarPopulation:
    """One galaxy by the engine of the configuration, with what was fitted and the best fit.

    Parameters
    ----------
    galaxy : Galaxy
    config : LabelConfig
    tell : callable, optional
        Called by pPXF as ``tell(done, total)`` after each noise draw; what it raises ends
        the fit.

    Returns
    -------
    StellarPopulation
        Its `status` says whether the fit was possible.

    Raises
    ------
    GalamError
        If the templates cannot be used.
    """
    from galam_explorer.labels.ppxf_fit import fit_ppxf

    library = load_templates(config)
    try:
        if config.engine == "batched":
            return _fitter(config).fit([galaxy])[0]
        return fit_ppxf(galaxy, config, library, tell)
    except _UNFORESEEN as error:
        return _failure(error)


def _single(galaxy: Galaxy, config: LabelConfig) -> StellarPopulation:
    from galam_explorer.labels.ppxf_fit import fit_ppxf

    try:
        if config.engine == "batched":
            return _fitter(config).fit([galaxy], keep_fit=False)[0]
        return fit_ppxf(galaxy, config)
    except _UNFORESEEN as error:
        return _failure(error)


def _failure(error: Exception) -> StellarPopulation:
    text = (str(error).splitlines() or [""])[0]
    return StellarPopulation("fit_failed", f"{type(error).__name__}: {text}")


@lru_cache(maxsize=2)
def _fitter(config: LabelConfig) -> BatchedFitter:
    from galam_explorer.labels.batched import BatchedFitter

    return BatchedFitter(config)


def _galaxies(unit: Unit) -> Iterator[list[Galaxy]]:
    """The unit's galaxies in order, one row group in memory."""
    if not isinstance(unit.source, Path):
        yield list(unit.source)
        return
    wanted = set(unit.ids)
    for group in iter_shard(unit.source):
        kept = []
        for galaxy in group:
            if galaxy.id in wanted:
                wanted.discard(galaxy.id)
                kept.append(galaxy)
        if kept:
            yield kept
    if wanted:
        raise GalamError(f"galaxy {min(wanted)!r} is not there any more", unit.source)


def _table(ids: Sequence[str], fits: Sequence[StellarPopulation]) -> pa.Table:
    columns: dict[str, list] = {"id": list(ids)}
    for name in SCHEMA.names[1:-3]:
        columns[name] = [getattr(fit, name) for fit in fits]
    columns["weights"] = [None if fit.weights is None else fit.weights.ravel() for fit in fits]
    for axis, name in enumerate(("draws_log_age", "draws_m_h")):
        columns[name] = [None if fit.draws is None else fit.draws[:, axis] for fit in fits]
    for name in ("weights", "draws_log_age", "draws_m_h"):
        columns[name] = [None if one is None else one.astype(np.float32) for one in columns[name]]
    return pa.table(columns, schema=SCHEMA)
