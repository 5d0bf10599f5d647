"""Trainings in processes of their own, which outlive whoever started them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from galam_explorer.config import LabelConfig, NetworkConfig, PreprocessConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.plugins import plugin_sources, require_plugin
from galam_explorer.survey.atomic import storage_error, write_text
from galam_explorer.survey.store import Survey
from galam_explorer.train.folder import ACTIVE, RunFolder, default_run_dir

__all__ = ["TrainingJob", "list_runs", "read_choices", "run_status", "write_choices"]

_POLL_SECONDS = 0.2
# Trainings outlive the job objects that started them; kept here, they are reaped quietly.
_started: list[subprocess.Popen] = []


def run_status(folder: RunFolder) -> dict[str, Any]:
    """The status of a run; one whose process is gone counts as ``failed``."""
    status = folder.status()
    if status.get("state") in ACTIVE and not folder.alive():
        message = "the process ended unexpectedly; the run can be resumed"
        return {**status, "state": "failed", "message": message, "eta_s": None}
    return status


def list_runs(folder: str | Path = "runs") -> list[dict[str, Any]]:
    """Every run in a folder, the newest first.

    Returns
    -------
    list of dict
        The status of each, with its ``name``, ``path``, ``created`` and, if it is
        complete, ``model``. Folders that are damaged are listed with state ``unknown``.
    """
    found = []
    for path in Path(folder).glob("*/"):
        run = RunFolder(path)
        if not run.exists and not run.status():
            continue
        try:
            created = str(run.info().get("created", "")) if run.exists else ""
        except GalamError as error:
            found.append({"name": path.name, "path": str(path), "created": "", "state": "unknown"})
            found[-1]["message"] = str(error)
            continue
        model = str(run.model) if (run.model / "model.json").is_file() else None
        facts = {"name": path.name, "path": str(path), "created": created, "model": model}
        found.append({"state": "unknown", **run_status(run), **facts})
    return sorted(found, key=lambda one: (one["created"], one["name"]), reverse=True)


def write_choices(
    path: Path,
    network: NetworkConfig,
    train: TrainConfig,
    preprocess: PreprocessConfig | str = "robust",
    label: LabelConfig | str | None = None,
    lr_grid: tuple[float, ...] = (),
) -> None:
    """Write all choices of a training as the JSON file that ``galam train --choices`` takes."""
    choices = {
        "network": json.loads(network.to_json()),
        "train": json.loads(train.to_json()),
        "preprocess": preprocess
        if isinstance(preprocess, str)
        else json.loads(preprocess.to_json()),
        "label": label if label is None or isinstance(label, str) else json.loads(label.to_json()),
        "lr_grid": list(lr_grid),
    }
    write_text(path, json.dumps(choices, indent=1) + "\n")


def read_choices(path: Path) -> dict[str, Any]:
    """Keyword arguments for `galam_explorer.train.train_run` from such a file.

    Raises
    ------
    GalamError
        If it cannot be read or a choice is not allowed.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        preprocess, label = read.get("preprocess", "robust"), read.get("label")
        return {
            "network": NetworkConfig.from_dict(read["network"]),
            "train": TrainConfig.from_dict(read["train"]),
            "preprocess": preprocess
            if isinstance(preprocess, str)
            else PreprocessConfig.from_dict(preprocess),
            "label": LabelConfig.from_dict(label) if isinstance(label, dict) else label,
            "lr_grid": tuple(float(one) for one in read.get("lr_grid", ())),
        }
    except OSError as error:
        raise GalamError(f"cannot be read ({error.strerror})", path) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GalamError(f"these are no choices of a training ({error})", path) from error


def _plugins(preset: str) -> list[str]:
    """Options that name the plugin of a preset, which the other process has to load too."""
    return [part for source in plugin_sources(preset) for part in ("--plugin", source)]


class TrainingJob:
    """A training in another process, seen through its run folder.

    Make one with `start` or `attach`.

    Parameters
    ----------
    folder : RunFolder
    process : Popen, optional
        Where this very process started it.
    """

    def __init__(self, folder: RunFolder, process: subprocess.Popen | None = None) -> None:
        self.folder = folder
        self._process = process

    def __repr__(self) -> str:
        return f"<TrainingJob {str(self.folder.path)!r} {self.status().get('state', 'unknown')}>"

    @classmethod
    def start(
        cls,
        survey: Survey | str | Path,
        network: NetworkConfig | None = None,
        train: TrainConfig | None = None,
        preprocess: PreprocessConfig | str = "robust",
        label: LabelConfig | str | None = None,
        run_dir: str | Path | None = None,
        lr_grid: tuple[float, ...] = (),
    ) -> Self:
        """Start ``galam train`` in a session of its own.

        Parameters
        ----------
        survey : Survey or str or Path
            Galaxies that are not in its folder are not trained on.
        network, train, preprocess, label, lr_grid
            As of `galam_explorer.train.train_run`.
        run_dir : str or Path, optional
            A folder without a run; ``runs/<survey>-...`` by default.

        Returns
        -------
        TrainingJob
            At once; problems show in its status.

        Raises
        ------
        GalamError
            If there is a run in the folder already, or it cannot be written.
        """
        network, train = network or NetworkConfig(), train or TrainConfig()
        path = survey.path if isinstance(survey, Survey) else Path(survey)
        if run_dir is None:
            run_dir = default_run_dir(Path(path).name, network, train)
        folder = RunFolder(run_dir)
        if folder.exists or folder.alive():
            remedy = "resume it, or choose another folder"
            raise GalamError("there is a run in this folder already", folder.path, remedy)
        choices = folder.path / "choices.json"
        write_choices(choices, network, train, preprocess, label, lr_grid)
        arguments = [str(path), "--choices", str(choices), "--run", str(folder.path)]
        return cls._spawn(folder, [*arguments, *_plugins(network.preset)])

    @classmethod
    def attach(cls, run_dir: str | Path) -> Self:
        """Watch a run that someone else has started.

        Raises
        ------
        GalamError
            If there is no run in the folder.
        """
        folder = RunFolder(run_dir)
        if not folder.exists and not folder.status():
            raise GalamError("there is no run here", folder.path)
        return cls(folder)

    @classmethod
    def _spawn(cls, folder: RunFolder, arguments: list[str]) -> Self:
        command = [sys.executable, "-m", "galam_explorer", "train", *arguments]
        try:
            with (folder.path / "log.txt").open("ab") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise storage_error(error, folder.path) from error
        _started.append(process)
        before = folder.status()
        queued = {**before, "state": "queued", "message": "starting", "eta_s": None}
        if before.get("state") not in ACTIVE or before.get("pid") != process.pid:
            folder.write_status({"progress": 0.0, **queued}, process.pid)
        return cls(folder, process)

    @property
    def model(self) -> Path | None:
        """The trained model's folder, once the run is done."""
        return self.folder.model if self.status().get("state") == "done" else None

    def status(self) -> dict[str, Any]:
        """Where the run is: the contents of ``status.json``, checked against its process."""
        if self._process is not None:
            self._process.poll()
        status = run_status(self.folder)
        if status.get("state") == "failed" and (log := self._last_line()):
            # What went wrong before the run folder could say so.
            status = {**status, "log": log}
        return status

    def _last_line(self) -> str:
        try:
            text = (self.folder.path / "log.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def metrics(self) -> list[dict[str, Any]]:
        """Every finished epoch."""
        return self.folder.metrics()

    def pause(self) -> None:
        """Ask the run to wait after the current batches."""
        self.folder.ask("pause")

    def cancel(self) -> None:
        """Ask the run to stop; it can be resumed."""
        self.folder.ask("cancel")

    def resume(self) -> None:
        """Go on: after a pause in the same process, otherwise in a new one.

        Raises
        ------
        GalamError
            If the run never began, or needs a plugin that is not loaded.
        """
        self.folder.ask("run")
        if self.folder.alive() or self.status().get("state") == "done":
            return
        if self._process is not None:
            self._process.wait()
        info = self.folder.info()
        require_plugin(info, self.folder.path)
        arguments = [info["survey"]["path"], "--resume", str(self.folder.path)]
        self._process = self._spawn(
            self.folder, [*arguments, *_plugins(info["network"]["preset"])]
        )._process

    def wait(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait until the run has ended.

        Returns
        -------
        dict
            Its last status.

        Raises
        ------
        GalamError
            If it is still at work after `timeout` seconds.
        """
        began = time.monotonic()
        while self.folder.alive() or self.status().get("state") in ACTIVE:
            if timeout is not None and time.monotonic() - began > timeout:
                raise GalamError(f"still at work after {timeout:g} s", self.folder.path)
            time.sleep(_POLL_SECONDS)
        if self._process is not None:
            self._process.wait()
        return self.status()
