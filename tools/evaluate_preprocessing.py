"""How well `paper` and `robust` find and judge galaxies whose truth is known.

Run it on a simulated survey::

    python tools/evaluate_preprocessing.py SURVEY [--limit 2000]

Two things are measured for each configuration:

- ``blended``: precision and recall against the column ``true_blended``; a cutout
  without an ellipse counts as not called blended.
- masks: the fraction of all cutouts whose mask holds the right galaxy, that is, at
  least 75 % of the area of the target's true 25 r mag/arcsec² isophote lies in the
  mask, and at least half of the mask's area lies in that isophote. A cutout without
  a mask counts as wrong. The same for the cutouts that are truly not blended.

The intervals are 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable
from itertools import islice

import cv2
import numpy as np

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.preprocess import prepare_cutout
from galam_explorer.records import CutoutStages, Galaxy
from galam_explorer.survey import load_survey
from galam_explorer.survey.images import decode_cutout

COMPLETENESS, PURITY = 0.75, 0.5
TRUTH = ("true_blended", "true_isophote_a", "true_isophote_b", "true_isophote_theta")


def isophote_mask(galaxy: Galaxy, size: int) -> np.ndarray:
    """True inside the target's true isophote on the working image, bool (size, size).

    North is up and east to the left; the position angle runs from north to east.
    """
    cutout = galaxy.cutout
    side = min(decode_cutout(cutout).shape[:2])
    scale = cutout.scale * side / size
    angle = math.radians(galaxy.truth["true_isophote_theta"])
    down, right = np.mgrid[:size, :size] - (size - 1) / 2
    along = -right * math.sin(angle) - down * math.cos(angle)
    across = -right * math.cos(angle) + down * math.sin(angle)
    a, b = (galaxy.truth[f"true_isophote_{axis}"] / scale for axis in "ab")
    return (along / a) ** 2 + (across / b) ** 2 <= 1


def mask_scores(stages: CutoutStages, isophote: np.ndarray) -> tuple[float, float]:
    """Share of the isophote in the mask, and of the mask in the isophote."""
    if stages.mask is None:
        return 0.0, 0.0
    shared = (stages.mask & isophote).sum()
    return shared / max(isophote.sum(), 1), shared / max(stages.mask.sum(), 1)


def share(hits: int, total: int) -> dict[str, float | int | list[float]]:
    """A fraction with its 95 % Wilson interval."""
    if total == 0:
        return {"value": math.nan, "interval": [math.nan, math.nan], "of": 0}
    p, z = hits / total, 1.96
    centre = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    return {"value": p, "interval": [max(0.0, centre - half), min(1.0, centre + half)], "of": total}


def evaluate(galaxies: Iterable[Galaxy], config: PreprocessConfig) -> dict:
    """Measure one configuration; every galaxy needs a cutout and the truth columns."""
    rows = []
    for galaxy in galaxies:
        stages = prepare_cutout(galaxy.cutout, config, galaxy.id)
        completeness, purity = mask_scores(stages, isophote_mask(galaxy, config.size))
        right = completeness >= COMPLETENESS and purity >= PURITY
        blended = bool(galaxy.truth["true_blended"])
        rows.append((blended, stages.status == "blended", right, stages.status))
    truth, called, right = (np.array([row[i] for row in rows], dtype=bool) for i in range(3))
    statuses = [row[3] for row in rows]
    return {
        "galaxies": len(rows),
        "truly_blended": share(int(truth.sum()), len(rows)),
        "precision": share(int((truth & called).sum()), int(called.sum())),
        "recall": share(int((truth & called).sum()), int(truth.sum())),
        "right_mask": share(int(right.sum()), len(rows)),
        "right_mask_unblended": share(int((right & ~truth).sum()), int((~truth).sum())),
        "statuses": {one: statuses.count(one) for one in sorted(set(statuses))},
    }


def main() -> int:
    """Print a table; with ``--json`` the numbers as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("survey")
    parser.add_argument("--limit", type=int, default=None, help="only the first N galaxies")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    try:
        survey = load_survey(options.survey)
        missing = [name for name in TRUTH if name not in survey.catalog]
        if missing:
            raise GalamError(f"no truth column {missing[0]!r}", options.survey, "simulate a survey")
    except GalamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    wanted = survey.catalog["has_cutout"] & survey.catalog[list(TRUTH)].notna().all(axis=1)
    ids = list(islice(survey.catalog["id"][wanted], options.limit))
    results = {}
    for name in ("paper", "robust"):
        galaxies = (galaxy for batch in survey.iter_batches(ids=ids) for galaxy in batch)
        results[name] = evaluate(galaxies, PreprocessConfig.named(name))
    if options.json:
        sys.stdout.write(json.dumps(results) + "\n")
        return 0
    for name, result in results.items():
        sys.stdout.write(f"{name}: {result['galaxies']} galaxies, {result['statuses']}\n")
        for key, value in result.items():
            if isinstance(value, dict) and "interval" in value:
                low, high = value["interval"]
                sys.stdout.write(
                    f"  {key:<22}{value['value']:.3f}  [{low:.3f}, {high:.3f}]  of {value['of']}\n"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
