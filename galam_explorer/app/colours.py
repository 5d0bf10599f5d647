"""What the sky map can be coloured by: the catalogue, truth, labels, residuals of a model.

No panel here, and nothing that is slow: residuals are asked for in the background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from galam_explorer.app.background import Progress, compute
from galam_explorer.app.data import SurveyData
from galam_explorer.app.population import Population, load_population
from galam_explorer.errors import GalamError

__all__ = ["RESIDUALS", "Colouring", "Residual", "SkyColours", "colour_groups"]

_MODELS = {"m4": "M4", "m3": "M3", "m1": "M1"}
_QUANTITIES = {"log_age": "log age", "m_h": "[M/H]"}
_REFERENCES = ("label", "truth")


@dataclass(frozen=True)
class Residual:
    """A network's value minus a reference.

    Parameters
    ----------
    predictor : {"m4", "m3", "m1"}
    reference : {"label", "truth"}
    quantity : {"log_age", "m_h"}
    """

    predictor: str
    reference: str
    quantity: str

    @property
    def name(self) -> str:
        """In links."""
        return f"{self.predictor}_minus_{self.reference}_{self.quantity}"

    @property
    def title(self) -> str:
        """On the page."""
        return f"{_MODELS[self.predictor]} − {self.reference}, {_QUANTITIES[self.quantity]} (dex)"


RESIDUALS = {
    one.name: one
    for reference in _REFERENCES
    for predictor in _MODELS
    for quantity in _QUANTITIES
    for one in [Residual(predictor, reference, quantity)]
}
"""Every residual, by its name in links."""


def colour_groups(
    data: SurveyData, model_id: str, model: Any = None, chosen: str = ""
) -> dict[str, dict[str, str]]:
    """Choices for the sky map: heading, then label to name.

    Parameters
    ----------
    data : SurveyData
    model_id : str
        The chosen model; empty for none.
    model : Model, optional
        If it is loaded, only what it predicts is offered.
    chosen : str
        A name that stays on offer whatever the model.
    """
    groups: dict[str, dict[str, str]] = {"Catalogue": {}, "Simulated truth": {}, "Label": {}}
    for label, name in data.column_choices().items():
        kind = "Simulated truth" if name.startswith("true_") else "Catalogue"
        groups["Label" if name.startswith("label_") else kind][label] = name
    there = {"label": bool(groups["Label"]), "truth": bool(groups["Simulated truth"])}
    known = _MODELS if model is None else getattr(model, "predictors", _MODELS)
    groups["Residual of the model"] = {
        one.title: one.name
        for one in RESIDUALS.values()
        if one.name == chosen or (model_id and there[one.reference] and one.predictor in known)
    }
    return {heading: choices for heading, choices in groups.items() if choices}


@dataclass(frozen=True, eq=False)
class Colouring:
    """Values of the galaxies, and how they are shown.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Numbers (NaN: none) or strings.
    label : str
        With unit.
    centred : bool
        Whether 0 is the middle of the scale.
    """

    values: np.ndarray
    label: str
    centred: bool = False


class SkyColours:
    """What one session's map is coloured by; residuals come when they are there.

    Parameters
    ----------
    state : ExplorerState
    changed : callable
        Called where the page may change, when there is something new to draw or to say.
    """

    def __init__(self, state: Any, changed: Callable[[], None]) -> None:
        self._state, self._changed = state, changed
        self._found: Population | None = None
        self._key: tuple[Any, ...] = ()
        self.problem = ""
        self.done, self.total = 0, 0

    @property
    def residual(self) -> Residual | None:
        """The chosen residual; None where something else is chosen."""
        return RESIDUALS.get(self._state.color_by)

    @property
    def waiting(self) -> bool:
        """Whether what is chosen is still to come."""
        return self.residual is not None and self._found is None and not self.problem

    def ask(self) -> None:
        """Have the survey predicted, if a residual is chosen and it is not known yet."""
        state = self._state
        if self.residual is None or state.data is None:
            return
        key = (state.data.source, getattr(state.model, "hash", ""), state.model_state)
        if key == self._key:
            return
        self._key, self._found, self.problem = key, None, ""
        self.done = self.total = 0
        if state.model is None:
            self.problem = {
                "none": "no model is chosen",
                "failed": state.model_problem or "the model cannot be used",
            }.get(state.model_state, "")
            return
        data, model = state.data, state.model
        tell = Progress(state, lambda *far: self._tell(*far) if self._key == key else None)
        compute(
            state, "sky residuals", lambda: load_population(data, model, tell), self._came,
            self._failed, slow=True,
        )  # fmt: skip

    def _tell(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        self._changed()

    def _came(self, found: Population) -> None:
        self._found = found
        self._changed()

    def _failed(self, error: GalamError) -> None:
        # The key goes, so that another choice tries again.
        self._key, self.problem = (), str(error)
        self._changed()

    def current(self) -> Colouring:
        """What is to be drawn now; all NaN while a residual is not there."""
        data, one = self._state.data, self.residual
        if one is None:
            return Colouring(*data.values(self._state.color_by))
        values, found = np.full(len(data), np.nan), self._found
        if found is not None and not self._lack(found, one):
            values = found.residual(one.predictor, one.reference, one.quantity)
        return Colouring(values, one.title, centred=True)

    def note(self) -> str:
        """What the user must know about the colours; empty if they say it themselves."""
        one, found = self.residual, self._found
        if one is None:
            return _lacking(self.current())
        if self.problem:
            return f"no residuals: {self.problem}"
        if found is None:
            if self._state.model is None:
                return "waiting for the model"
            far = f", {self.done:,} of {self.total:,}" if self.total else ""
            return f"predicting the survey{far}"
        if lack := self._lack(found, one):
            return f"no residuals: {lack}"
        return _known(self.current().values, one.title)

    @staticmethod
    def _lack(found: Population, one: Residual) -> str:
        if one.predictor not in found.predictors:
            return f"this model has no {_MODELS[one.predictor]}"
        return "" if one.reference in found.references else f"this survey has no {one.reference}"


def _lacking(found: Colouring) -> str:
    """That some galaxies have no value; empty if all have."""
    if found.values.dtype.kind != "f":
        return ""
    complete = np.isfinite(found.values).all()
    return "" if complete else _known(found.values, found.label)


def _known(values: np.ndarray, label: str) -> str:
    """How many galaxies have a colour; the label without its unit."""
    known = int(np.isfinite(values).sum())
    return f"{known:,} with {label.split(',')[0]}; the others are grey"
