"""A big survey to measure the dashboard on: the demo's galaxies, copied and moved.

The first galaxies, which the benchmark steps through, have a spectrum and an
image like those of the demo; the others are in the catalogue only, since a
million copies of the same spectra would fill the disk and not one more pixel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from galam_explorer.records import Galaxy
from galam_explorer.survey import SurveyWriter, load_survey

__all__ = ["make_big_survey"]

_SHARD = 20_000
_WHOLE = 320


def make_big_survey(path: Path, count: int, seed: int = 1) -> Path:
    """Write a survey of `count` galaxies; what is there already is kept.

    Parameters
    ----------
    path : Path
        The survey folder.
    count, seed : int

    Returns
    -------
    Path
        The folder.
    """
    name = f"{count:,} perturbed demo galaxies"
    writer = SurveyWriter(path, name, "simulated", {"copied from": "demo", "seed": seed})
    starts = [0, *range(_WHOLE, count, _SHARD), count]
    for index, (start, end) in enumerate(pairwise(starts)):
        if not writer.has_shard(index):
            writer.write_shard(index, list(_galaxies(start, end, seed)))
    return path


def _galaxies(start: int, end: int, seed: int) -> Iterator[Galaxy]:
    demo = load_survey("demo")
    simulated = [one for one in demo.ids if one.startswith("sim-")]
    rng = np.random.default_rng([seed, start])
    models = [demo[one] for one in simulated[:400]]
    for index in range(start, end):
        model = models[index % len(models)]
        whole = index < _WHOLE
        turn, tilt = rng.uniform(-70, 70), rng.uniform(-0.35, 0.35)
        yield dataclasses.replace(
            model,
            id=f"big-{index:07d}",
            ra=float((model.ra + turn) % 360),
            dec=float(np.degrees(np.arcsin(np.clip(np.sin(np.radians(model.dec)) + tilt, -1, 1)))),
            petro_mag_r=float(model.petro_mag_r + rng.normal(0, 0.2)),
            spectrum=model.spectrum if whole else None,
            cutout=model.cutout if whole else None,
        )
