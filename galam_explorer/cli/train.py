"""``galam train`` and ``galam runs``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption, option
from galam_explorer.cli.plugin import PluginOption

if TYPE_CHECKING:
    from galam_explorer.train.folder import RunFolder

__all__ = ["runs_command", "train_command"]

# Options that are not given leave a preset's, a file's or a run's choice as it is.
Text, Place, Whole, Real = str | None, Path | None, int | None, float | None


_NETWORK = ("bands", "resolution", "attention", "width", "dropout")
_TRAIN = ("seed", "split_seed", "spatial_degrees", "target", "joint_epochs", "patience")
_TRAIN += ("batch_size", "loss", "device", "devices", "num_nodes", "precision", "threads")


def train_command(
    survey: Annotated[str, typer.Argument(help="A prepared and labelled survey folder.")],
    preset: Annotated[str, option("'compact', 'paper' (as published), a plugin's.")] = "compact",
    stages: Annotated[Text, option("Of m1, m2, m3, m4, m4_real, image_only; with commas.")] = None,
    run: Annotated[Place, option("Run folder; runs/SURVEY-PRESET-... by default.")] = None,
    resume: Annotated[Place, option("Go on with this run; its choices are used again.")] = None,
    choices: Annotated[Place, option("JSON file with all choices; options change them.")] = None,
    target: Annotated[Text, option("'label' (default), or 'truth' of a simulation.")] = None,
    labels: Annotated[Text, option("Hash of the labels to learn; the newest by default.")] = None,
    preprocess: Annotated[Text, option("'robust' (default) or 'paper'.")] = None,
    seed: Annotated[Whole, option("Of weights, order, dropout.", min=0)] = None,
    split_seed: Annotated[Whole, option("Of the split.", min=0)] = None,
    spatial_degrees: Annotated[Real, option("Keep cells of the sky of this size together.")] = None,
    epochs: Annotated[Text, option("Most epochs, or by stage: '20' or '16,m1=24'.")] = None,
    joint_epochs: Annotated[Whole, option("Of fine-tuning M2, M3, M4 together.", min=0)] = None,
    patience: Annotated[Whole, option("Epochs without improvement; 0: no limit.", min=0)] = None,
    batch_size: Annotated[Whole, option("Galaxies a batch.", min=1)] = None,
    lr: Annotated[Text, option("Learning rate, or by stage: '1e-3' or 'm1=1e-3,m3=5e-4'.")] = None,
    lr_grid: Annotated[Text, option("Each stage takes the best of these: '1e-4,1e-3'.")] = None,
    loss: Annotated[Text, option("'nll' or 'mse'.")] = None,
    bands: Annotated[Text, option("g, r, i, gr, gi, ri or gri.")] = None,
    resolution: Annotated[Whole, option("64 or 128 px.")] = None,
    attention: Annotated[Text, option("'tokens' or 'single'.")] = None,
    width: Annotated[Real, option("Scales the channels of compact.")] = None,
    dropout: Annotated[Real, option("Of M2 and the fusion.")] = None,
    device: Annotated[Text, option("'auto', 'cpu', 'cuda' or 'mps'.")] = None,
    devices: Annotated[Whole, option("How many.", min=1)] = None,
    num_nodes: Annotated[Whole, option("How many machines.", min=1)] = None,
    precision: Annotated[Text, option("'auto', '32' or 'bf16'.")] = None,
    threads: Annotated[Whole, option("CPU threads; 0: all.", min=0)] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train the networks: M1, then M2 on its features; M3; then M4 on both.

    The run folder shows where it is and keeps what is finished: --resume goes on after
    Ctrl-C, a crash or kill -9.
    """
    given = dict(locals())
    with ui.user_errors(debug):
        _train(survey, _requested(given), as_json)


def _requested(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `train_run`: a start's choices, and what was given on the command line."""
    rate, rates = _by_stage(given["lr"], float, "--lr")
    count, counts = _by_stage(given["epochs"], int, "--epochs")
    stages, grid = given["stages"], given["lr_grid"]
    network = _given({name: given[name] for name in _NETWORK})
    train = _given(
        {name: given[name] for name in _TRAIN}
        | {
            "stages": None if stages is None else tuple(stages.split(",")),
            "epochs": count,
            "stage_epochs": counts,
            "learning_rate": rate,
            "learning_rates": rates,
        }
    )
    others = {
        "preprocess": given["preprocess"],
        "label": given["labels"],
        "run_dir": given["run"],
        "lr_grid": None if grid is None else _numbers(grid, "--lr-grid"),
    }
    start = _start(given["preset"], given["choices"], given["resume"])
    start["network"] = start["network"].replace(**network)
    start["train"] = start["train"].replace(**train)
    return {**start, **_given(others)}


def _given(choices: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in choices.items() if value is not None}


def _numbers(text: str, option: str) -> tuple[float, ...]:
    """Positive numbers, separated by commas."""
    from galam_explorer.errors import GalamError

    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise GalamError(f"not numbers: {text!r}", option, "as in 1e-4,1e-3") from error
    if not all(0 < one < 1 for one in found):
        raise GalamError(f"rates are between 0 and 1, not {text!r}", option)
    return tuple(dict.fromkeys(found))


def _by_stage(text: str | None, number: type, option: str) -> tuple[Any, Any]:
    """``(for all stages, pairs of a stage and its own)`` of '16,m1=24'."""
    from galam_explorer.errors import GalamError

    general, named = None, []
    for part in text.split(",") if text else ():
        stage, _, value = part.rpartition("=")
        try:
            read = number(value)
        except ValueError as error:
            raise GalamError(f"not a number: {value!r}", option) from error
        if stage:
            named.append((stage.strip(), read))
        else:
            general = read
    return general, tuple(named) or None


def _start(preset: str, choices: Path | None, resume: Path | None) -> dict[str, Any]:
    """The choices of a run, of a file, or of a preset."""
    from galam_explorer.config import NetworkConfig, PreprocessConfig, TrainConfig
    from galam_explorer.plugins import require_plugin
    from galam_explorer.train.folder import RunFolder
    from galam_explorer.train.jobs import read_choices

    if resume is not None:
        info = RunFolder(resume).info()
        require_plugin(info, resume)
        return {
            "network": NetworkConfig.from_dict(info["network"]),
            "train": TrainConfig.from_dict(info["train"]),
            "preprocess": PreprocessConfig.from_dict(info["preprocess"]),
            "run_dir": resume,
            "resume": True,
        }
    if choices is not None:
        return read_choices(choices)
    return {"network": NetworkConfig.named(preset), "train": TrainConfig.named(preset)}


def _train(survey: str, arguments: dict[str, Any], as_json: bool) -> None:
    from galam_explorer.evaluate.finish import finish_model
    from galam_explorer.train.device import process_rank
    from galam_explorer.train.runner import train_run

    opened = ui.open_survey(survey)
    started = time.perf_counter()
    with ui.progress_bar(f"Training on {opened.name}") as report:
        folder = train_run(
            opened,
            **arguments,
            callback=_teller(report),
            finish=lambda made: finish_model(made.path, opened),
        )
    if process_rank(arguments["train"]) > 0:
        # The first process of a distributed run tells; Lightning minds how the others end.
        return
    ui.console.print(_stage_table(folder.metrics()))
    ui.say(folder.path)
    summary = _summary(folder)
    if summary["state"] == "done":
        ui.next_step(
            f"galam evaluate {folder.path}",
            f"galam serve --survey {survey} --model {folder.path}",
        )
    ui.finish({**summary, "seconds": round(time.perf_counter() - started, 3)}, as_json)
    if summary["state"] != "done":
        raise typer.Exit(1)


def _teller(report: Callable[[int, int], None]) -> Callable[[dict[str, Any]], None]:
    """Shows the status of a run: its progress, and each new message once."""
    said = {"message": ""}

    def show(status: dict[str, Any]) -> None:
        report(round(1000 * status["progress"]), 1000)
        if status["message"] not in ("", said["message"]):
            ui.say(status["message"])
        said["message"] = status["message"]

    return show


def _summary(folder: RunFolder) -> dict[str, Any]:
    state = folder.status().get("state")
    return {
        "run": str(folder.path),
        "state": state,
        "model": str(folder.model) if state == "done" else None,
        "stages": _best(folder.metrics()),
    }


def _best(metrics: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The best epoch of every stage."""
    best: dict[str, dict[str, Any]] = {}
    for line in metrics:
        known = best.get(line["stage"])
        if known is None or line["val_loss"] < known["val_loss"]:
            best[line["stage"]] = line
    return best


def _stage_table(metrics: list[dict[str, Any]]) -> Table:
    numbers = ("epoch", "loss", "log age RMSE (dex)", "[M/H] RMSE (dex)", "R² of features")
    table = ui.make_table("Best epoch of each stage, validation galaxies", ["stage"], numbers)
    for stage, line in _best(metrics).items():
        cells = [str(line["epoch"]), f"{line['val_loss']:.4f}"]
        for key in ("val_rmse_log_age", "val_rmse_m_h", "val_r2"):
            cells.append(f"{line[key]:.4f}" if key in line else "")
        table.add_row(stage, *cells)
    return table


def runs_command(
    folder: Annotated[Path, typer.Argument(help="Where the runs are.")] = Path("runs"),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List trainings: where they are, how long they still take, what they reached."""
    from galam_explorer.train.jobs import list_runs

    with ui.user_errors(debug):
        rows = list_runs(folder)
        names = ("run", "state", "stage", "done", "left")
        table = ui.make_table(f"{len(rows)} run{'s' * (len(rows) != 1)} in {folder}", names, ())
        for row in rows:
            left = row.get("eta_s")
            table.add_row(
                row["name"],
                row["state"],
                str(row.get("stage", "")),
                f"{100 * row.get('progress', 0):.0f} %",
                f"{left / 60:.0f} min" if left and row["state"] == "running" else "",
            )
        ui.console.print(table)
        ui.finish({"runs": rows}, as_json)
