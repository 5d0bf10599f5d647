"""M1 on real spectra against labels of them, and what the domain score says.

Run it with a model and a folder of ``spec-*.fits`` files (searched with all its
subfolders; ``image-*.jpg`` of the same id beside a spectrum is its image)::

    python tools/evaluate_real.py MODEL FOLDER [--cutouts FOLDER]

Prints one line a spectrum, bias and scatter of M1 minus label, and for each
subfolder the share of spectra and images outside the training domain. There is
no truth here: the label is another estimate of the same spectrum.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.predict import load_model
from galam_explorer.evaluate.protocol_real import (
    compare_real,
    domain_table,
    real_galaxies,
    summarise_real,
)
from galam_explorer.records import Galaxy
from galam_explorer.survey.local import read_image_file

SCALES = {"/legacy/": 0.1}
"""Arcsec per pixel of images whose folder says what they are."""


def main() -> int:
    """Print the comparison; the numbers as JSON last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cutouts", type=Path, help="folder of real gri JPEGs without spectra")
    parser.add_argument("--limit", type=int, default=100, help="of those")
    options = parser.parse_args()
    try:
        model = load_model(options.model)
        groups: dict[str, list[Galaxy]] = defaultdict(list)
        for part in sorted({path.parent for path in options.folder.rglob("spec-*.fits")}):
            galaxies, failed = real_galaxies(part, SCALES)
            groups[str(part.relative_to(options.folder))] = galaxies
            for name, why in failed.items():
                sys.stdout.write(f"left out {name}: {why}\n")
        table = compare_real(model, [one for part in groups.values() for one in part])
        summary = summarise_real(table)
        if options.cutouts:
            files = sorted(options.cutouts.glob("*.jpg"))[: options.limit]
            groups[options.cutouts.name] = [
                Galaxy(file.stem, "local", cutout=read_image_file(file)) for file in files
            ]
        domains = domain_table(model, groups)
    except GalamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    shown = ["id", "z", "sn_r", "label_status", "label_log_age", "m1_log_age", "label_m_h",
             "m1_m_h", "m1_domain"]  # fmt: skip
    with pd.option_context("display.width", 160, "display.max_columns", 20):
        sys.stdout.write(f"{table[shown].round(3).to_string(index=False)}\n\n")
        columns = ["galaxies", "quantity", "n", "bias", "sd", "nmad", "mae"]
        sys.stdout.write(
            f"M1 minus label, dex\n{summary[columns].round(3).to_string(index=False)}\n\n"
        )
        sys.stdout.write(f"Domain score\n{domains.round(3).to_string(index=False)}\n")
    found = {"summary": summary.to_dict("records"), "domain": domains.to_dict("records")}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
