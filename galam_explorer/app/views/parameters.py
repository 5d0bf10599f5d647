"""Sliders and presets of the preprocessing."""

from __future__ import annotations

import dataclasses
from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.state import ExplorerState
from galam_explorer.app.views.base import bar, escape, html_pane
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError

__all__ = ["Parameters"]

_CONTRASTS = [1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3]
_SLIDERS: dict[str, tuple[str, str, tuple[float, float, float]]] = {
    "tolerance": (
        "tolerance",
        "The threshold has settled when it changes by less",
        (0.5, 60.0, 0.5),
    ),
    "ellipse_scale": (
        "ellipse scale",
        "Factor on the axes of the chosen ellipse",
        (0.5, 3.0, 0.05),
    ),
    "n_pixels": ("source pixels", "Fewest connected pixels of a source", (1, 60, 1)),
    "n_levels": ("levels", "Levels tried between the faintest and the peak", (1, 120, 1)),
}


class Parameters(pn.viewable.Viewer):
    """Live parameters; every change sets ``state.config``.

    Parameters
    ----------
    state : ExplorerState
    """

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self._quiet = False
        self._layout = self._controls()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout

    def _controls(self) -> pn.Column:
        config = self.state.config
        self._sliders: dict[str, Any] = {}
        for name, (label, about, (low, high, step)) in _SLIDERS.items():
            made = pmui.IntSlider if isinstance(low, int) else pmui.FloatSlider
            self._sliders[name] = made(
                label=label, start=low, end=high, step=step, description=about,
                value=min(max(getattr(config, name), low), high), size="small", margin=0,
                sizing_mode="stretch_width", sx=_LABEL,
            )  # fmt: skip
        self._sliders["contrast"] = pmui.DiscreteSlider(
            label="contrast", options={f"{c:g}": c for c in _CONTRASTS},
            value=_nearest(config.contrast), size="small", margin=0, sizing_mode="stretch_width",
            description="Smallest share of a source's flux that a part must have", sx=_LABEL,
        )  # fmt: skip
        for name, slider in self._sliders.items():
            slider.param.watch(lambda event, name=name: self._slid(name, event.new), "value")
        self._preset = pmui.RadioButtonGroup(
            options=["robust", "paper"], value="robust", size="small", margin=0,
            color="primary", variant="outlined",
        )  # fmt: skip
        self._preset.param.watch(self._chosen_preset, "value")
        self._changed = html_pane(styles={"min-width": "0"})
        reset = pmui.Button(
            label="Reset", icon="restart_alt", size="small", variant="text", margin=0,
            on_click=lambda _e: self._set_config(PreprocessConfig.named(self._preset.value)),
        )  # fmt: skip
        top = bar(
            html_pane('<div class="g"><h2>Parameters</h2></div>', width=84, sizing_mode=None),
            self._preset,
            reset,
            self._changed,
        )
        sliders = pn.Column(
            *self._sliders.values(), sizing_mode="stretch_width", stylesheets=[_SLIDER_GRID]
        )
        self.describe()
        return pn.Column(
            top, sliders, sizing_mode="stretch_both", styles={"min-width": "0", "flex": "1.2 1 0"}
        )

    def _slid(self, name: str, value: float) -> None:
        if not self._quiet:
            try:
                self.state.config = self.state.config.replace(**{name: value})
            except GalamError as error:
                self.state.notify("error", error)

    def _chosen_preset(self, event: Any) -> None:
        self._set_config(PreprocessConfig.named(event.new))

    def _set_config(self, config: PreprocessConfig) -> None:
        self.state.config = config
        self._quiet = True
        for name, slider in self._sliders.items():
            value = getattr(config, name)
            if name == "contrast":
                slider.value = _nearest(value)
            else:
                slider.value = min(max(value, slider.start), slider.end)
        self._quiet = False

    def describe(self) -> None:
        """Name the parameters that differ from the preset."""
        base = PreprocessConfig.named(self._preset.value)
        changed = [
            field.name
            for field in dataclasses.fields(base)
            if getattr(base, field.name) != getattr(self.state.config, field.name)
        ]
        text = f"changed: {', '.join(n.replace('_', ' ') for n in changed)}" if changed else ""
        self._changed.object = f'<div class="g soft" style="font-size:12px">{escape(text)}</div>'


def _nearest(contrast: float) -> float:
    return min(_CONTRASTS, key=lambda one: abs(one - contrast))


_LABEL = {
    "& .MuiFormLabel-root": {
        "whiteSpace": "nowrap",
        "@media (max-width: 1300px)": {"fontSize": "12px"},
    }
}
"""Label, value and hint stay on one line."""
_SLIDER_GRID = """
:host { display: grid !important; grid-template-columns: repeat(2, minmax(0, 1fr));
  gap: 2px 16px; padding: 4px 8px 0 4px; }
"""
