"""How much of the published gain its evaluation makes up, on our data.

Run it on finished runs that differ by their seed::

    python tools/compare_protocols.py RUN [RUN ...] --out FOLDER [--quick]

Trains one more run as published (M1 split with another seed; everything else as in
the first run, whose M3 it shares), and M4 with its attention at its random first
weights. Measures, on the test galaxies: the clip, the split, the label scaling,
the attention, and M4 with its inputs exchanged between galaxies. ``--quick`` trains
nothing but the attention. Writes ECSV tables and prints them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from galam_explorer.config import LabelConfig, NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.predict import load_model
from galam_explorer.evaluate.protocol import Measured, measure, survey_of_run
from galam_explorer.evaluate.protocol_attention import untrained_attention
from galam_explorer.evaluate.protocol_legacy import (
    clip_table,
    gain_table,
    measure_legacy,
    overlap,
    scaling_table,
    train_legacy,
)
from galam_explorer.evaluate.protocol_shuffle import fusion_inputs, shuffle_table
from galam_explorer.evaluate.tables import models_table, write_ecsv
from galam_explorer.preprocess import load_prepared
from galam_explorer.survey import Survey
from galam_explorer.train.data import TARGETS
from galam_explorer.train.folder import RunFolder
from galam_explorer.train.split import Split


def shuffles(run: Path, survey: Survey, measured: Measured) -> pd.DataFrame:
    """Skill with exchanged inputs, against the label."""
    model = load_model(run)
    sample = load_prepared(survey, model.preprocess)
    rows = np.flatnonzero(np.isin(np.asarray(survey.ids, dtype=str), measured.ids))
    mean = train_labels(measured)[1].mean(axis=0)
    return shuffle_table(model, sample, rows, measured.references["label"], mean)


def train_labels(measured: Measured) -> tuple[np.ndarray, np.ndarray]:
    """Rows of training galaxies with a label, and those labels."""
    table = measured.everyone
    values = table[list(TARGETS)].to_numpy(float)
    rows = np.flatnonzero((table["set"] == "train") & np.isfinite(values).all(axis=1))
    return rows, values[rows]


def attention(
    run: Path, survey: Survey, measured: Measured, seeds: int, epochs: int
) -> pd.DataFrame:
    """RMSE of M4 with its attention trained and not, over seeds."""
    model = load_model(run)
    sample = load_prepared(survey, model.preprocess)
    usable = (sample.status["image_status"] == "ok").to_numpy()
    rows, labels = train_labels(measured)
    rows, labels = rows[usable[rows]], labels[usable[rows]]
    test = np.flatnonzero(np.isin(np.asarray(survey.ids, dtype=str), measured.ids))
    inputs = {
        "train": fusion_inputs(model, sample, rows),
        "test": fusion_inputs(model, sample, test),
    }
    known = {"train": labels, "test": measured.references["label"]}
    lines = []
    for seed in range(seeds):
        for trained in (True, False):
            found = untrained_attention(
                inputs, known, model.network, model.scaling, trained, epochs, seed=seed
            )
            lines.append({"attention": "trained" if trained else "random", "seed": seed, **found})
    return pd.DataFrame(lines)


def legacy(run: Path, survey: Survey, out: Path) -> tuple[Measured, dict[str, float]]:
    """Train as published with the first run's choices, and measure."""
    info, clean = RunFolder(run).info(), RunFolder(run)
    train = TrainConfig.from_dict(info["train"])
    label = None if info["label"] is None else LabelConfig.from_dict(info["label"])
    first, rest = train_legacy(
        survey, out, NetworkConfig.from_dict(info["network"]), train, label=label, clean=clean
    )
    shared = overlap(Split.read(rest.split), Split.read(first.split))
    return measure_legacy(first, rest, survey), shared


def make(options: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """All tables by name."""
    run = options.runs[0]
    survey = survey_of_run(run)
    clean = measure(options.runs, survey, photometry=False)
    split, ids = Split.read(RunFolder(run).split), np.asarray(survey.ids, dtype=str)
    labels = clean.everyone[list(TARGETS)].to_numpy(float)
    tables = {
        "clip": clip_table(clean),
        "scaling": scaling_table(labels, split, ids),
        "shuffled": shuffles(run, survey, clean),
        "attention": attention(run, survey, clean, options.seeds, options.epochs),
    }
    published = None
    if not options.quick:
        published, shared = legacy(run, survey, options.out / "runs")
        share = 100 * (shared["train"] + shared["validation"])
        sys.stdout.write(f"{share:.1f} % of the test galaxies were seen by the legacy M1\n")
        same = measure([run], survey, photometry=False)
        kept = ["reference", "model", "quantity", "rmse", "sd", "legacy_sd", "bias", "n"]
        parts = [models_table(one, 200)[kept] for one in (same, published)]
        tables["split"] = pd.concat(
            [
                part.assign(protocol=name)
                for part, name in zip(parts, ("clean", "legacy"), strict=True)
            ],
            ignore_index=True,
        )
        clean = same
    tables["gain"] = gain_table(clean, published)
    return tables


def main() -> int:
    """Print and write every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="train no legacy run")
    parser.add_argument("--seeds", type=int, default=3, help="of M4 with a random attention")
    parser.add_argument("--epochs", type=int, default=12, help="of it")
    options = parser.parse_args()
    try:
        tables = make(options)
        for name, table in tables.items():
            write_ecsv(table, options.out / f"{name}.ecsv")
            sys.stdout.write(f"\n{name}\n{table.round(4).to_string(index=False)}\n")
    except GalamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    found = {name: table.to_dict("records") for name, table in tables.items()}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
