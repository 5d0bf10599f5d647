"""Predicting files as they lie on a disk, and writing tables of predictions."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.domain import OUTSIDE
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict_table import describe_column
from galam_explorer.survey import load_survey
from galam_explorer.survey.atomic import atomic_path, storage_error
from galam_explorer.survey.local import import_folder
from galam_explorer.survey.store import Survey

__all__ = ["FORMATS", "FilePredictions", "check_output", "predict_files", "write_predictions"]

Progress = Callable[[int, int], None]
FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
}
"""Format of an output file by its suffix."""


@dataclass
class FilePredictions:
    """Predictions of some inputs, and what could not be read.

    Parameters
    ----------
    table : DataFrame
        Columns of `galam_explorer.evaluate.model.Model.predict`, and ``source``:
        the input that each galaxy came from.
    problems : list of str
        Files and shards that were left out, and why.
    """

    table: pd.DataFrame
    problems: list[str] = field(default_factory=list)

    def outside(self, predictor: str) -> int:
        """Galaxies outside the training domain of one predictor."""
        return int((self.table[f"{predictor}_domain"] > OUTSIDE).sum())


def predict_files(
    model: Model,
    inputs: Sequence[str | Path],
    scale: float | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FilePredictions:
    """Predict surveys, folders, FITS spectra and JPEG or PNG images.

    Files and folders are read as `galam_explorer.survey.local.import_folder` reads
    them: an image joins the spectrum whose ``plate-mjd-fiber`` is in its name, or
    that lies at the position in its name. All files that are given one by one count
    as one folder.

    Parameters
    ----------
    model : Model
    inputs : sequence of str or Path
        ``"demo"``, survey folders, other folders, files.
    scale : float, optional
        Arcsec per pixel of images that say nothing of it.
    workers : int, optional
        Processes that prepare; all cores by default.
    progress : callable, optional
        ``progress(done, total)``, first in files, then in galaxies.

    Returns
    -------
    FilePredictions

    Raises
    ------
    GalamError
        If an input does not exist, or nothing in them can be read.
    """
    surveys, folders, files = _sort(inputs)
    found = FilePredictions(pd.DataFrame())
    tables = []
    for source in surveys:
        survey = load_survey(source)
        found.problems += survey.problems
        tables.append(_predict(model, survey, str(source), workers, progress))
    with tempfile.TemporaryDirectory(prefix="galam-predict-") as scratch:
        if files:
            gathered = Path(scratch) / "files"
            _gather(files, gathered)
            folders.append(gathered)
        for number, folder in enumerate(folders):
            out = Path(scratch) / f"survey-{number}"
            report = import_folder(folder, out, scale=scale, progress=progress)
            lost = [*report.bad, *report.left_over]
            found.problems += [f"{name}: {reason}" for name, reason in lost]
            if not report.galaxies:
                continue
            source = "files" if files and folder == folders[-1] else str(folder)
            tables.append(_predict(model, load_survey(out), source, workers, progress))
    if not tables:
        text = found.problems[0] if found.problems else "they hold no spectrum and no image"
        raise GalamError(f"nothing to predict from ({text})", ", ".join(map(str, inputs)))
    found.table = pd.concat(tables, ignore_index=True)
    return found


def _predict(
    model: Model, survey: Survey, source: str, workers: int | None, progress: Progress | None
) -> pd.DataFrame:
    table = model.predict(survey, workers=workers, progress=progress)
    table.insert(1, "source", source)
    return table


def _sort(inputs: Sequence[str | Path]) -> tuple[list[str], list[Path], list[Path]]:
    """Surveys, other folders, files."""
    surveys: list[str] = []
    folders: list[Path] = []
    files: list[Path] = []
    for one in inputs:
        path = Path(one).expanduser()
        if (path / "survey.json").is_file():
            surveys.append(str(path))
        elif path.is_dir():
            folders.append(path)
        elif path.is_file():
            files.append(path)
        elif str(one) == "demo":
            surveys.append("demo")
        else:
            raise GalamError("there is no such file or folder", one)
    if not inputs:
        raise GalamError("no input was given", "predict", "name files, folders or surveys")
    return surveys, folders, files


def _gather(files: Sequence[Path], folder: Path) -> None:
    """Link (or copy) files into one folder; those of different folders stay apart."""
    parents = list(dict.fromkeys(path.resolve().parent for path in files))
    try:
        for path in dict.fromkeys(path.resolve() for path in files):
            target = folder / str(parents.index(path.parent)) / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target)
            except OSError:  # another file system, or one without links
                shutil.copyfile(path, target)
    except OSError as error:
        raise storage_error(error, folder) from error


def check_output(path: str | Path) -> str:
    """The format of an output file by its suffix.

    Raises
    ------
    GalamError
        If no format has that suffix.
    """
    kind = FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise GalamError(
            f"unknown table format {Path(path).suffix!r}", path, f"known: {', '.join(FORMATS)}"
        )
    return kind


def write_predictions(
    table: pd.DataFrame, path: str | Path, meta: dict[str, Any] | None = None
) -> None:
    """Write a table atomically as Parquet, CSV, ECSV, FITS or VOTable, by the suffix.

    Units and definitions of the columns go where the format has a place for them.

    Parameters
    ----------
    table : DataFrame
        From `Model.predict`.
    path : str or Path
    meta : dict, optional
        Facts for the header, such as the model's name and hash.

    Raises
    ------
    GalamError
        On an unknown suffix, or if the file cannot be written.
    """
    kind, path = check_output(path), Path(path)
    with atomic_path(path) as temporary:
        if kind == "parquet":
            table.to_parquet(temporary, index=False, compression="zstd")
        elif kind == "csv":
            table.to_csv(temporary, index=False)
        else:
            _astropy_table(table, kind, meta or {}).write(temporary, format=kind, overwrite=True)


def _astropy_table(table: pd.DataFrame, kind: str, meta: dict[str, Any]) -> Any:
    from astropy.table import Column, Table

    made = Table(meta={key[:8].upper() if kind == "fits" else key: v for key, v in meta.items()})
    for name in table.columns:
        values = table[name].to_numpy()
        if values.dtype == object or values.dtype.kind not in "fiub":
            values = np.array([str(one) for one in values], dtype=str)
            if kind == "fits":  # FITS text is ASCII.
                values = np.char.encode(values, "ascii", "backslashreplace")
        unit, text = describe_column(str(name))
        if unit and kind != "ascii.ecsv":  # FITS and VOTable know no dex.
            unit, text = "", f"{text} [{unit}]"
        made[name] = Column(values, unit=unit or None, description=text)
    return made
