"""Labelling a whole survey: resumable, on one machine or on a Dask cluster.

::

    CACHE/labels/<config hash>.parquet   one row a galaxy, in catalogue order
    CACHE/labels/<config hash>.parts/    one file a finished shard

The configuration is in the metadata of the table. A run that was killed goes
on with the shards that have no part file; a survey that has grown is labelled
only where it is new.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels.run import run_here, run_on_cluster, run_workers
from galam_explorer.labels.templates import load_templates
from galam_explorer.labels.unit import SCHEMA, part_path
from galam_explorer.preprocess.work import Unit, plan_units
from galam_explorer.records import StellarPopulation
from galam_explorer.survey.atomic import atomic_path, storage_error
from galam_explorer.survey.store import Survey

__all__ = ["SurveyLabels", "label_survey", "load_label", "load_labels", "saved_labels"]

Progress = Callable[[int, int], None]
_CONFIG_KEY = b"galam_label_config"
_GROUP = 1024
"""Rows that are read for one galaxy."""


@dataclass(frozen=True, eq=False)
class SurveyLabels:
    """The labels of a survey and the configuration that they mean something with.

    Parameters
    ----------
    path : Path
    config : LabelConfig
    table : DataFrame
        Columns as in `galam_explorer.labels.unit.SCHEMA`, one row a galaxy.
    notes : tuple of str
        What the run has to tell.
    """

    path: Path
    config: LabelConfig
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def counts(self) -> dict[str, int]:
        """Galaxies by status, the most frequent first."""
        return dict(Counter(self.table["status"]).most_common())


def label_survey(
    survey: Survey,
    config: LabelConfig | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    scheduler: str | None = None,
) -> SurveyLabels:
    """Label every galaxy of a survey, or finish what an earlier run began.

    Parameters
    ----------
    survey : Survey
    config : LabelConfig, optional
    workers : int, optional
        Processes; as many as there are cores by default, 1 works in this one. They
        load the script that started them: it needs ``if __name__ == "__main__"``.
    progress : callable, optional
        Called as ``progress(done, total)`` in galaxies.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:8786``; its workers do the
        shards instead. They must see the survey's folder under the same path.

    Returns
    -------
    SurveyLabels

    Raises
    ------
    GalamError
        If the templates cannot be used, the results not be written, the cluster
        not be reached, or workers are lost again and again. Finished shards stay.
    """
    config = config or LabelConfig()
    config = config.replace(template_digest=load_templates(config).digest)
    if workers is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        workers = cores or 1
    if workers < 1:
        raise GalamError(f"must be at least 1, not {workers}", "workers")
    path = _path(survey, config.hash)
    parts = path.with_suffix(".parts")
    try:
        parts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, parts) from error
    units = plan_units(survey)
    todo = [unit for unit in units if not _readable(part_path(parts, unit))]
    total = sum(len(unit.ids) for unit in units)
    before = total - sum(len(unit.ids) for unit in todo)
    report = progress or (lambda done, total: None)
    report(before, total)

    def tell(done: int) -> None:
        report(min(before + done, total), total)

    if scheduler is not None:
        run_on_cluster(todo, config, parts, scheduler, tell)
    elif min(workers, len(todo)) > 1:
        run_workers(todo, config, parts, workers, tell)
    else:
        run_here(todo, config, parts, tell)
    notes = (f"{len(units) - len(todo)} of {len(units)} shards were done",) if before else ()
    _join(path, parts, units, config)
    report(total, total)
    return SurveyLabels(path, config, load_labels(survey, config.hash).table, notes)


def load_labels(survey: Survey, config: LabelConfig | str) -> SurveyLabels:
    """Labels that `label_survey` made.

    Parameters
    ----------
    survey : Survey
    config : LabelConfig or str
        Or the hash of one.

    Raises
    ------
    GalamError
        If there are none.
    """
    if isinstance(config, LabelConfig):
        if not config.template_digest:
            config = config.replace(template_digest=load_templates(config).digest)
        config = config.hash
    path = _path(survey, config)
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise GalamError(
            "there are no labels with this configuration", path, "run galam label"
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise GalamError(f"the labels cannot be read ({error})", path, "run galam label") from error
    text = (table.schema.metadata or {}).get(_CONFIG_KEY)
    if text is None:
        raise GalamError("these labels do not say how they were made", path, "run galam label")
    return SurveyLabels(path, LabelConfig.from_json(text.decode()), table.to_pandas())


def saved_labels(survey: Survey) -> dict[str, LabelConfig]:
    """Hash and configuration of every finished set of labels, the newest first."""
    found = {}
    files = (survey.cache_dir / "labels").glob("*.parquet")
    for path in sorted(files, key=lambda one: -one.stat().st_mtime):
        try:
            text = (pq.read_schema(path).metadata or {}).get(_CONFIG_KEY)
            if text is not None:
                found[path.stem] = LabelConfig.from_json(text.decode())
        except (OSError, pa.ArrowException, GalamError):
            continue  # a table of another version or a damaged one: as if it were not there
    return found


def load_label(survey: Survey, name: str, galaxy_id: str) -> StellarPopulation | None:
    """The saved label of one galaxy, without reading all the others' draws.

    Parameters
    ----------
    survey : Survey
    name : str
        Hash of the configuration, as in `saved_labels`.
    galaxy_id : str

    Returns
    -------
    StellarPopulation or None
        `weights` has shape (n_templates,), metallicity within age. None if the galaxy
        was not in the survey when it was labelled.

    Raises
    ------
    GalamError
        If there are no such labels, or they cannot be read.
    """
    path = _path(survey, name)
    try:
        rows = _rows(path, path.stat().st_mtime_ns)
        if galaxy_id not in rows:
            return None
        row, first = rows[galaxy_id], 0
        with pq.ParquetFile(path) as file:
            group = 0
            while row >= first + file.metadata.row_group(group).num_rows:
                first += file.metadata.row_group(group).num_rows
                group += 1
            found = file.read_row_group(group).slice(row - first, 1).to_pylist()[0]
    except (OSError, pa.ArrowException) as error:
        raise GalamError(f"the labels cannot be read ({error})", path, "run galam label") from error
    ages, metals, weights = (
        found.pop(column) for column in ("draws_log_age", "draws_m_h", "weights")
    )
    found.pop("id")
    return StellarPopulation(
        **found,
        weights=None if weights is None else np.array(weights),
        draws=None if ages is None else np.column_stack([ages, metals]),
    )


@lru_cache(maxsize=8)
def _rows(path: Path, _stamp: int) -> dict[str, int]:
    """Row of every galaxy in a table of labels, which is read again when it changes."""
    ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
    return {name: row for row, name in enumerate(ids)}


def _path(survey: Survey, name: str) -> Path:
    return survey.cache_dir / "labels" / f"{name}.parquet"


def _readable(path: Path) -> bool:
    try:
        return pq.read_schema(path).names == SCHEMA.names
    except (OSError, pa.ArrowException):
        return False


def _join(path: Path, parts: Path, units: list[Unit], config: LabelConfig) -> None:
    """Join the parts in catalogue order into one table, atomically."""
    try:
        tables = [pq.read_table(part_path(parts, unit), schema=SCHEMA) for unit in units]
    except FileNotFoundError as error:
        raise GalamError(
            "a worker finished, but its file is not here",
            error.filename or parts,
            "let all workers see the survey's folder under the same path",
        ) from error
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    table = table.replace_schema_metadata({_CONFIG_KEY: config.to_json().encode()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=_GROUP)
