"""Which model is in use: offered by name, loaded once per process, in the background.

No panel and no torch here; `load_model` imports what it needs when it is called.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import param

from galam_explorer.app.background import compute
from galam_explorer.app.sources import find_model
from galam_explorer.errors import GalamError

__all__ = ["ModelChoice", "open_model"]

_OPEN: dict[tuple[str, str], Any] = {}
_LOCK = threading.Lock()


def _stamp(source: str) -> str:
    """Changes when the model's description does."""
    folder = find_model(source)
    return "" if folder is None else str((folder / "model.json").stat().st_mtime_ns)


def open_model(source: str) -> Any:
    """The model of a name or folder; loaded once per process and again when it changed.

    Raises
    ------
    GalamError
        If there is none, or it cannot be loaded.
    """
    with _LOCK:
        key = (source, _stamp(source))
        if key not in _OPEN:
            try:
                load_model = import_module("galam_explorer.evaluate.predict").load_model
            except ModuleNotFoundError as error:
                raise GalamError(
                    f"models cannot be loaded here ({error})", source, "install all of the package"
                ) from error
            _OPEN[key] = load_model(source)
        return _OPEN[key]


class ModelChoice(param.Parameterized):
    """The part of the dashboard's state that is about the model."""

    models: dict[str, str] = param.Dict(default={}, doc="On offer: name to what is loaded.")
    model_id = param.String(default="", doc="Name of the chosen model; empty for none.")
    model = param.Parameter(default=None, doc="The loaded model; None until it is there.")
    model_state = param.Selector(
        per_instance=False,
        default="none",
        objects=["none", "waiting", "loading", "ready", "failed"],
        doc="How far the chosen model is.",
    )  # fmt: skip
    model_problem = param.String(default="", doc="Why the model is not there.")
    residual_model = param.Selector(
        per_instance=False,
        default="m4",
        objects=["m1", "m3", "m4", "m4_real"],
        doc="Whose residuals are shown.",
    )

    _given: Mapping[str, Any] = MappingProxyType({})

    schedule = staticmethod(lambda change: change())
    """How a change from a background thread reaches the page; the dashboard sets it."""

    def offer_model(self, name: str, source: str) -> str:
        """Put a model (a run's, for example) on offer; the name under which it is."""
        for known, where in self.models.items():
            if where == source:
                return known
        base, number = name, 2
        while name in self.models:
            name, number = f"{base}-{number}", number + 1
        self.models = {**self.models, name: source}
        return name

    @property
    def model_source(self) -> str:
        """What `load_model` takes to get the chosen model; empty for none."""
        given = str(getattr(self.model, "path", ""))
        return self.models.get(self.model_id, "") or given

    def use_model(self, model: Any) -> None:
        """Put a loaded model on offer and choose it."""
        name = str(model.name)
        self._given = {**self._given, name: model}
        self.models = {**self.models, name: ""}
        self.open_model(name)

    def open_model(self, model_id: str, load: bool = True) -> bool:
        """Choose a model on offer ("" is none); False, and a message, if there is no such one."""
        if model_id and model_id not in self.models:
            offered = ", ".join(self.models) or "none; name one with `galam serve --model`"
            self.notify("error", GalamError("no such model", model_id, f"on offer: {offered}"))
            return False
        self.param.update(
            model_id=model_id,
            model=None,
            model_state="waiting" if model_id else "none",
            model_problem="",
        )
        if load:
            self.want_model()
        return True

    def want_model(self) -> None:
        """Load the chosen model in the background, unless it is there or on its way."""
        if self.model_state != "waiting":
            return
        if self.model_id in self._given:
            self.param.update(model=self._given[self.model_id], model_state="ready")
            return
        self.model_state = "loading"
        wanted, source = self.model_id, self.models[self.model_id]

        def came(model: Any) -> None:
            if self.model_id == wanted:
                self.param.update(model=model, model_state="ready")

        def failed(error: GalamError) -> None:
            if self.model_id == wanted:
                self.notify("error", error)
                self.param.update(model_problem=str(error), model_state="failed")

        compute(self, "model", lambda: open_model(source), came, failed)
