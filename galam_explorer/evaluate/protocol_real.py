"""What a model that learned from simulations says of real galaxies.

There is no truth: M1 is compared with labels of the same spectra, made with the
configuration that it learned from, and the domain score says which spectra and
images are unlike the training ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.domain import OUTSIDE
from galam_explorer.evaluate.metrics import regression_metrics
from galam_explorer.evaluate.model import Model
from galam_explorer.labels.unit import label_galaxies
from galam_explorer.records import Cutout, Galaxy
from galam_explorer.survey.local import read_image_file
from galam_explorer.survey.sdss_files import read_spectrum_file
from galam_explorer.train.data import TARGETS

__all__ = ["compare_real", "domain_table", "real_galaxies", "summarise_real"]


def real_galaxies(
    folder: str | Path, scales: dict[str, float] | None = None
) -> tuple[list[Galaxy], dict[str, str]]:
    """Spectra ``spec-ID.fits`` under a folder, with ``image-ID.jpg`` where it lies beside.

    Parameters
    ----------
    folder : str or Path
    scales : dict of str to float, optional
        Arcsec per pixel of images by a part of their path; NaN elsewhere.

    Returns
    -------
    (list of Galaxy, dict of str to str)
        The galaxies, and what could not be read and why.

    Raises
    ------
    GalamError
        If there are no spectra.
    """
    paths = sorted(Path(folder).expanduser().rglob("spec-*.fits"))
    if not paths:
        raise GalamError("there are no spec-*.fits files here", folder)
    found, failed = [], {}
    for path in paths:
        try:
            galaxy = read_spectrum_file(path)
            image = path.with_name(path.name.replace("spec-", "image-")).with_suffix(".jpg")
            if image.is_file():
                galaxy = replace(galaxy, cutout=_cutout(image, scales or {}))
            found.append(galaxy)
        except GalamError as error:
            failed[path.name] = str(error)
    return found, failed


def _cutout(path: Path, scales: dict[str, float]) -> Cutout:
    known = [scale for part, scale in scales.items() if part in path.as_posix()]
    return read_image_file(path, known[0] if known else float("nan"))


def compare_real(model: Model, galaxies: Sequence[Galaxy]) -> pd.DataFrame:
    """M1's predictions beside labels of the same spectra.

    Parameters
    ----------
    model : Model
        With M1. Labels are made with the configuration it learned from (the
        default one for a model of the truth), without noise draws.
    galaxies : sequence of Galaxy

    Returns
    -------
    DataFrame
        ``id``, ``z``, ``sn_r``, ``label_status``, ``label_log_age``, ``label_m_h``,
        ``m1_status``, ``m1_log_age``, ``m1_m_h``, their intervals and ``m1_domain``.
    """
    model.require("m1")
    fields = model.info.get("label")
    config = LabelConfig() if fields is None else LabelConfig.from_dict(fields)
    fits = label_galaxies(galaxies, config.replace(draws=0))
    table = model.predict(list(galaxies))
    columns = [name for name in table if name.startswith("m1_")]
    front = pd.DataFrame(
        {
            "id": [one.id for one in galaxies],
            "z": [one.z for one in galaxies],
            "sn_r": [one.sn_r for one in galaxies],
            "label_status": [fit.status for fit in fits],
            "label_log_age": [fit.log_age for fit in fits],
            "label_m_h": [fit.m_h for fit in fits],
        }
    )
    return pd.concat([front, table[columns].reset_index(drop=True)], axis=1)


def summarise_real(table: pd.DataFrame) -> pd.DataFrame:
    """Bias and scatter of M1 minus label: of all galaxies, and of those in its domain.

    Returns
    -------
    DataFrame
        ``galaxies`` (``all`` or ``in domain``), ``quantity``, and the metrics.
    """
    inside = (table["m1_domain"] <= OUTSIDE).to_numpy()
    rows = []
    for name, chosen in (("all", np.ones(len(table), bool)), ("in domain", inside)):
        for quantity in TARGETS:
            found = regression_metrics(
                table[f"m1_{quantity}"].to_numpy(float)[chosen],
                table[f"label_{quantity}"].to_numpy(float)[chosen],
            )
            rows.append({"galaxies": name, "quantity": quantity, **found})
    return pd.DataFrame(rows)


def domain_table(model: Model, groups: dict[str, Iterable[Galaxy]]) -> pd.DataFrame:
    """What the domain score says of groups of galaxies.

    Parameters
    ----------
    model : Model
    groups : mapping of str to iterable of Galaxy

    Returns
    -------
    DataFrame
        One row a group and kind of input (``spectrum``, ``image``): ``galaxies`` that
        could be scored, ``rejected`` by the preprocessing, ``median`` score and the
        share ``outside`` the domain (score above 0.99).
    """
    predictors = {"spectrum": "m1", "image": "m3" if "m3" in model.stages else "image_only"}
    rows = []
    for name, galaxies in groups.items():
        galaxies = list(galaxies)
        if not galaxies:
            continue
        table = model.predict(galaxies)
        for kind, predictor in predictors.items():
            has = np.array([getattr(one, _FIELDS[kind]) is not None for one in galaxies])
            if f"{predictor}_domain" not in table or not has.any():
                continue
            score = table[f"{predictor}_domain"].to_numpy(float)[has]
            known = score[np.isfinite(score)]
            rows.append(
                {
                    "group": name, "input": kind, "galaxies": len(known),
                    "rejected": int(has.sum() - len(known)),
                    "median": float(np.median(known)) if len(known) else float("nan"),
                    "outside": float((known > OUTSIDE).mean()) if len(known) else float("nan"),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


_FIELDS = {"spectrum": "spectrum", "image": "cutout"}
