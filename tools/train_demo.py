"""Make the released model `models/demo`: the recorded command, from nothing to the card.

::

    python tools/train_demo.py --survey SURVEY --runs RUNS --out models/demo

Simulates a survey (16 000 galaxies, seed 1; the demo survey has seed 0), prepares
and labels it, trains seeds 0, 1 and 2, evaluates them together, and releases the
seed whose M4 has the lowest validation loss: M1 to M4 and M4 with real features as
16-bit floats, calibrated anew. What is there already is not made again, so the
same command goes on after a stop. Two cores take some hours, a GPU minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from galam_explorer.config import LabelConfig, SimulationConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.finish import finish_model
from galam_explorer.evaluate.protocol import Measured, measure
from galam_explorer.evaluate.report import make_report, read_metrics
from galam_explorer.labels import label_survey, saved_labels
from galam_explorer.preprocess import prepare_survey
from galam_explorer.survey import Survey, load_survey
from galam_explorer.survey.simulation.run import simulate_survey
from galam_explorer.train.data import TARGETS
from galam_explorer.train.folder import RunFolder
from galam_explorer.train.release import read_model_folder, write_model_folder
from galam_explorer.train.runner import train_run

SIMULATION_SEED = 1
RELEASED = ("m1", "m2", "m3", "m4", "m4_real")
STAGES = (*RELEASED, "image_only")
LIMIT_MB = 25
EPOCHS, M1_EPOCHS = 12, 18


def say(text: str) -> None:
    """One line on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def show(done: int, total: int) -> None:
    """Progress on a terminal; nothing in a log."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r{done}/{total} ")
        sys.stdout.flush()


def get_survey(path: Path, n: int, seed: int = SIMULATION_SEED) -> Survey:
    """A survey: simulated, prepared, labelled, as far as it is not yet."""
    config = SimulationConfig(n=n, seed=seed)
    if (path / "survey.json").is_file():
        survey = load_survey(path)
        made = survey.provenance.get("simulation", {})
        if made.get("seed") == 0:
            raise GalamError("seed 0 made the demo survey", path, "train on another survey")
        if len(survey) != made.get("n", len(survey)):
            survey = simulate_survey(config.replace(n=made["n"]), path, progress=show)
    else:
        say(f"simulating {n} galaxies, seed {seed}")
        survey = simulate_survey(config, path, progress=show)
    say("preparing")
    prepare_survey(survey, "robust", progress=show)
    if not saved_labels(survey):
        say("labelling")
        label_survey(survey, LabelConfig(draws=0), progress=show)
    return survey


def get_runs(survey: Survey, folder: Path, seeds: list[int], device: str) -> list[Path]:
    """One finished run a seed."""
    runs = []
    for seed in seeds:
        run = RunFolder(folder / f"seed{seed}")
        if not (run.model / "model.json").is_file():
            say(f"training seed {seed}")
            train = TrainConfig(
                stages=STAGES,
                seed=seed,
                epochs=EPOCHS,
                stage_epochs=(("m1", M1_EPOCHS),),
                patience=0,
                device=device,
            )
            train_run(survey, train=train, run_dir=run.path, resume=run.exists)
        if read_model_folder(run.model).info.get("calibration") is None:
            say(f"calibrating seed {seed}")
            finish_model(run.path, survey, show)
        runs.append(run.path)
    return runs


def best_run(runs: list[Path]) -> tuple[Path, dict[str, float]]:
    """The run whose M4 has the lowest validation loss, and the losses of all."""
    losses = {}
    for run in runs:
        metrics = read_metrics(run)
        losses[run.name] = float(metrics.loc[metrics["stage"] == "m4", "val_loss"].min())
    best = min(losses, key=losses.get)
    return next(run for run in runs if run.name == best), losses


def card_metrics(measured: Measured) -> dict[str, dict[str, float]]:
    """RMSE of every model and seed on the test galaxies, and the mean over seeds."""
    found: dict[str, dict[str, float]] = {}
    for model, predicted in measured.predictions.items():
        for row in range(len(predicted)):
            name = f"{model}, seed {measured.runs[row]['seed']}" if len(predicted) > 1 else model
            found[name] = {
                f"RMSE {quantity} against {reference}": float(
                    np.sqrt(np.mean(measured.residuals(model, reference, target)[row] ** 2))
                )
                for reference in measured.references
                for target, quantity in enumerate(TARGETS)
            }
        if len(predicted) > 1:
            rows = [one for name, one in found.items() if name.startswith(f"{model}, seed")]
            found[f"{model}, mean"] = {
                key: float(np.mean([one[key] for one in rows])) for key in rows[0]
            }
    for one, features in zip(measured.runs, measured.features, strict=False):
        found[f"m2 features, seed {one['seed']}"] = features.summary()
    return found


def extra_surveys(options: argparse.Namespace) -> dict[str, list[Survey]]:
    """Surveys that no network has seen, to calibrate the intervals and measure them on."""
    if not options.extra_n:
        return {"calibrate_on": [], "measure_on": []}
    beside = options.survey.expanduser().resolve().parent
    return {
        name: [get_survey(beside / f"extra{seed}", options.extra_n, seed)]
        for name, seed in (("calibrate_on", 2), ("measure_on", 3))
    }


def release(
    run: Path,
    out: Path,
    survey: Survey,
    metrics: dict[str, Any],
    facts: dict[str, Any],
    extra: dict[str, list[Survey]],
) -> float:
    """Write the model folder beside the old one, calibrate it, replace the old one; its MB."""
    files = read_model_folder(run / "model")
    weights = {stage: files.weights[stage] for stage in RELEASED}
    fresh = out.with_name(f".{out.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    info = files.info | facts | {"name": out.name, "metrics": metrics, "calibration": None}
    write_model_folder(fresh, info, weights, files.statistics, files.split, "float16")
    # Rounded weights predict a little differently: intervals are theirs.
    finish_model(fresh, survey, show, **extra)
    size = sum(file.stat().st_size for file in fresh.iterdir()) / 1e6
    if size > LIMIT_MB:
        raise GalamError(f"the model takes {size:.1f} MB, more than {LIMIT_MB}", fresh)
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(out)
    return size


def make(options: argparse.Namespace) -> None:
    """All steps."""
    seeds = [int(one) for one in options.seeds.split(",")]
    survey = get_survey(options.survey, options.n)
    runs = get_runs(survey, options.runs, seeds, options.device)
    say("evaluating")
    measured = measure(runs, survey, progress=show)
    report = make_report([measured], options.runs / "evaluation", read_metrics(runs[0]))
    chosen, losses = best_run(runs)
    say(f"validation loss of M4: {json.dumps(losses)}; releasing {chosen.name}")
    summary = json.loads((options.runs / "evaluation" / "summary.json").read_text())
    kept = ("models", "differences", "features", "left_out", "notes")
    facts = {
        "evaluation": {name: summary[name] for name in kept} | {"seeds": seeds},
        "made_by": f"python tools/train_demo.py --n {len(survey)} --seeds {options.seeds} "
        f"--extra-n {options.extra_n}",
        "chosen": {"run": chosen.name, "by": "lowest validation loss of M4", "losses": losses},
    }
    extra = extra_surveys(options)
    size = release(chosen, options.out, survey, card_metrics(measured), facts, extra)
    say(f"{options.out}: {size:.1f} MB; report: {report.path}")


def main() -> int:
    """Run; user errors in one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--survey", type=Path, default=Path("surveys/train"))
    parser.add_argument("--runs", type=Path, default=Path("runs/demo"))
    parser.add_argument("--out", type=Path, default=Path("models/demo"))
    parser.add_argument("--n", type=int, default=16_000)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument(
        "--extra-n", type=int, default=0,
        help="galaxies of two further surveys (seeds 2 and 3) that calibrate and test intervals",
    )  # fmt: skip
    parser.add_argument("--device", default="auto")
    try:
        make(parser.parse_args())
    except GalamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
