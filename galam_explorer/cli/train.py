"""``galam train`` and ``galam runs``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from galam_explorer.cli.common import (
    DebugOption,
    JsonOption,
    console,
    finish,
    progress_bar,
    user_errors,
)

__all__ = ["runs_command", "train_command"]


def train_command(
    survey: Annotated[str, typer.Argument(help="A prepared and labelled survey folder.")],
    preset: Annotated[str, typer.Option(help="'compact', or 'paper': as published.")] = "compact",
    stages: Annotated[
        str | None, typer.Option(help="Of m1, m2, m3, m4, m4_real, image_only; with commas.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Run folder; runs/<survey>-<preset>-... by default.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run; its choices are used again.")
    ] = None,
    choices: Annotated[
        Path | None, typer.Option(help="JSON file with all choices; options change them.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="'label' (default), or 'truth' of a simulation.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Hash of the labels to learn; the newest by default.")
    ] = None,
    preprocess: Annotated[str | None, typer.Option(help="'robust' (default) or 'paper'.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, order, dropout.")] = None,
    split_seed: Annotated[int | None, typer.Option(min=0, help="Of the split.")] = None,
    spatial_degrees: Annotated[
        float | None, typer.Option(help="Keep cells of the sky of this size together.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Most epochs, or by stage: '20' or '16,m1=24'.")
    ] = None,
    joint_epochs: Annotated[
        int | None, typer.Option(min=0, help="Of fine-tuning M2, M3 and M4 together.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=0, help="Epochs without improvement; 0: no limit.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Galaxies a batch.")] = None,
    lr: Annotated[
        str | None, typer.Option(help="Learning rate, or by stage: '1e-3' or 'm1=1e-3,m3=5e-4'.")
    ] = None,
    lr_grid: Annotated[
        str | None, typer.Option(help="Rates of which each stage takes the best: '1e-4,1e-3'.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="'nll' or 'mse'.")] = None,
    bands: Annotated[str | None, typer.Option(help="g, r, i, gr, gi, ri or gri.")] = None,
    resolution: Annotated[int | None, typer.Option(help="64 or 128 px.")] = None,
    attention: Annotated[str | None, typer.Option(help="'tokens' or 'single'.")] = None,
    width: Annotated[float | None, typer.Option(help="Scales the channels of compact.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Of M2 and the fusion.")] = None,
    device: Annotated[str | None, typer.Option(help="'auto', 'cpu', 'cuda' or 'mps'.")] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="How many.")] = None,
    num_nodes: Annotated[int | None, typer.Option(min=1, help="How many machines.")] = None,
    precision: Annotated[str | None, typer.Option(help="'auto', '32' or 'bf16'.")] = None,
    threads: Annotated[int | None, typer.Option(min=0, help="CPU threads; 0: all.")] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train the networks: M1, then M2 on its features; M3; then M4 on both.

    The run folder shows where it is and keeps what is finished: --resume goes on after
    Ctrl-C, a crash or kill -9.
    """
    with user_errors(debug):
        rate, rates = _by_stage(lr, float, "--lr")
        count, counts = _by_stage(epochs, int, "--epochs")
        network = _given(
            bands=bands, resolution=resolution, attention=attention, width=width, dropout=dropout
        )
        train = _given(
            stages=None if stages is None else tuple(stages.split(",")),
            seed=seed,
            split_seed=split_seed,
            spatial_degrees=spatial_degrees,
            target=target,
            epochs=count,
            stage_epochs=counts,
            joint_epochs=joint_epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=rate,
            learning_rates=rates,
            loss=loss,
            device=device,
            devices=devices,
            num_nodes=num_nodes,
            precision=precision,
            threads=threads,
        )
        others = _given(
            preprocess=preprocess,
            label=labels,
            run_dir=run,
            lr_grid=None if lr_grid is None else _numbers(lr_grid, "--lr-grid"),
        )
        arguments = _requested(preset, network, train, others, choices, resume)
        _train(survey, arguments, as_json)


def _given(**choices: Any) -> dict[str, Any]:
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


def _requested(
    preset: str,
    network: dict[str, Any],
    train: dict[str, Any],
    others: dict[str, Any],
    choices: Path | None,
    resume: Path | None,
) -> dict[str, Any]:
    """Arguments of `train_run`: defaults, a file's or a run's choices, and what was given."""
    from galam_explorer.config import NetworkConfig, PreprocessConfig, TrainConfig
    from galam_explorer.train.folder import RunFolder
    from galam_explorer.train.jobs import read_choices

    if resume is not None:
        info = RunFolder(resume).info()
        start = {
            "network": NetworkConfig.from_dict(info["network"]),
            "train": TrainConfig.from_dict(info["train"]),
            "preprocess": PreprocessConfig.from_dict(info["preprocess"]),
            "run_dir": resume,
            "resume": True,
        }
    elif choices is not None:
        start = read_choices(choices)
    else:
        start = {"network": NetworkConfig.named(preset), "train": TrainConfig.named(preset)}
    start["network"] = start["network"].replace(**network)
    start["train"] = start["train"].replace(**train)
    return {**start, **others}


def _train(survey: str, arguments: dict[str, Any], as_json: bool) -> None:
    from galam_explorer.evaluate.finish import finish_model
    from galam_explorer.survey import load_survey
    from galam_explorer.train.device import process_rank
    from galam_explorer.train.runner import train_run

    opened = load_survey(survey)
    for problem in opened.problems:
        console.print(f"[yellow]left out[/] {problem}", highlight=False, soft_wrap=True)
    started, said = time.perf_counter(), {"message": ""}
    with progress_bar(f"Training on {opened.name}") as report:

        def show(status: dict[str, Any]) -> None:
            report(round(1000 * status["progress"]), 1000)
            if status["message"] not in ("", said["message"]):
                console.print(status["message"], highlight=False, soft_wrap=True)
            said["message"] = status["message"]

        folder = train_run(
            opened,
            **arguments,
            callback=show,
            finish=lambda made: finish_model(made.path, opened),
        )
    if process_rank(arguments["train"]) > 0:
        # The first process of a distributed run tells; Lightning minds how the others end.
        return
    status = folder.status()
    console.print(_stage_table(folder.metrics()))
    console.print(str(folder.path), highlight=False, soft_wrap=True)
    finish(
        {
            "run": str(folder.path),
            "state": status.get("state"),
            "model": str(folder.model) if status.get("state") == "done" else None,
            "stages": _best(folder.metrics()),
            "seconds": round(time.perf_counter() - started, 3),
        },
        as_json,
    )
    if status.get("state") != "done":
        raise typer.Exit(1)


def _best(metrics: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The best epoch of every stage."""
    best: dict[str, dict[str, Any]] = {}
    for line in metrics:
        known = best.get(line["stage"])
        if known is None or line["val_loss"] < known["val_loss"]:
            best[line["stage"]] = line
    return best


def _stage_table(metrics: list[dict[str, Any]]) -> Table:
    table = Table(title="Best epoch of each stage, validation galaxies")
    table.add_column("stage")
    for name in ("epoch", "loss", "log age RMSE (dex)", "[M/H] RMSE (dex)", "R² of features"):
        table.add_column(name, justify="right")
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

    with user_errors(debug):
        rows = list_runs(folder)
        table = Table(title=f"{len(rows)} runs in {folder}")
        for name in ("run", "state", "stage", "done", "left"):
            table.add_column(name)
        for row in rows:
            left = row.get("eta_s")
            table.add_row(
                row["name"],
                row["state"],
                str(row.get("stage", "")),
                f"{100 * row.get('progress', 0):.0f} %",
                f"{left / 60:.0f} min" if left and row["state"] == "running" else "",
            )
        console.print(table)
        finish({"runs": rows}, as_json)
