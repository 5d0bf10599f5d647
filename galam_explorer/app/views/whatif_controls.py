"""The knobs of the what-if view: noise, image size, bands, mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.views.base import escape, html_pane
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.whatif_change import (
    BANDS,
    MASKS,
    WhatIf,
    decoded,
    observed_sn,
    smallest_scale,
)
from galam_explorer.records import Galaxy

__all__ = ["WhatIfControls"]

_LOWEST_SN = 2.0
_MASKS = {"fitted ellipse": "ellipse", "no mask, same crop": "crop", "whole cutout": "whole"}
_PRESETS = {"as trained": "", "robust": "robust", "paper": "paper"}
_ABOUT = {
    "sn": "Median signal-to-noise per pixel in r. Moving it down adds simulated Gaussian noise "
    "to the spectrum and lowers ivar to match; it cannot be raised",
    "image": "Side of the cutout, % of its own: neighbouring pixels are averaged, as if the "
    "galaxy were farther from the same camera",
    "mask": "What is left of the cutout. " + "; ".join(f"{k}: {MASKS[v]}" for k, v in
                                                       _MASKS.items()),
    "preset": "Preprocessing of image and spectrum: of the model's training, or another",
    "ellipse_scale": "Factor on the axes of the fitted ellipse that the mask is",
    "bands": "The image's blue, green and red channel; a band that is taken away is black",
    "tolerance": "The threshold that finds the galaxy has settled when it changes by less "
    "grey levels",
}  # fmt: skip
_NO_SPECTRUM = "No spectrum: there is nothing that noise could be added to."
_NO_SN = "The S/N of the spectrum is unknown: noise cannot be added to measure."
_NO_IMAGE = "No image: size, bands and mask have nothing to change."


class WhatIfControls(pn.viewable.Viewer):
    """Sliders and choices; `what` is what they ask for.

    Parameters
    ----------
    changed : callable
        Called after every change by the user.
    problem : callable
        Gets the `GalamError` of values that do not go together.
    """

    def __init__(self, changed: Callable[[], None], problem: Callable[[GalamError], None]) -> None:
        super().__init__()
        self._changed, self._problem = changed, problem
        self._quiet = False
        self._own = PreprocessConfig()
        self._wanted_sn: float | None = None
        self._wanted_side = 100
        self.what = WhatIf()
        self.reasons: tuple[str, ...] = ()
        self._make()
        title = html_pane(
            f'<div class="g"><abbr title="{escape(_ABOUT["bands"])}">bands</abbr></div>',
            sizing_mode=None, align="center",
        )  # fmt: skip
        # A Row would be at least as wide as all of them, and wrap nothing.
        self._layout = pn.Column(
            self.sn, self.side, self.ellipse, self.tolerance, self.mask, self.preset,
            pn.Row(title, *self.bands.values(), margin=0, styles=_BANDS), self.noise,
            sizing_mode="stretch_width", stylesheets=[_WRAP],
        )  # fmt: skip

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout

    def _make(self) -> None:
        slider = {"size": "small", "margin": (0, 6), "styles": _SLIDER, "min_width": 112,
                  "sizing_mode": "stretch_width"}  # fmt: skip
        small = {"size": "small", "margin": 0}
        own = self._own
        self.sn = pmui.FloatSlider(
            label="S/N in r", start=_LOWEST_SN, end=30.0, step=0.1, value=30.0,
            description=_ABOUT["sn"], **slider,
        )  # fmt: skip
        self.side = pmui.IntSlider(
            label="image %", start=10, end=100, value=100, description=_ABOUT["image"],
            **slider,
        )  # fmt: skip
        self.ellipse = pmui.FloatSlider(
            label="ellipse", start=0.5, end=4.0, step=0.05, value=own.ellipse_scale,
            description=_ABOUT["ellipse_scale"], **slider,
        )  # fmt: skip
        self.tolerance = pmui.FloatSlider(
            label="tolerance", start=0.5, end=60.0, step=0.5, value=own.tolerance,
            description=_ABOUT["tolerance"], **slider,
        )  # fmt: skip
        self.mask = pmui.Select(
            label="Mask", options=_MASKS, value="ellipse", width=146, variant="outlined",
            description=_ABOUT["mask"], **small,
        )  # fmt: skip
        self.preset = pmui.Select(
            label="Preprocessing", options=_PRESETS, value="", width=108, variant="outlined",
            description=_ABOUT["preset"], **small,
        )  # fmt: skip
        self.bands = {
            band: pmui.Checkbox(label=band, value=True, **small) for band in reversed(BANDS)
        }
        self.noise = pmui.Button(
            label="New noise", variant="text", on_click=lambda _e: self._reseed(), **small
        )  # fmt: skip
        self.reset = pmui.Button(
            label="Reset", icon="restart_alt", variant="text",
            on_click=lambda _e: self.clear(), **small,
        )  # fmt: skip
        for widget in (self.sn, self.side, self.ellipse, self.tolerance, self.mask,
                       *self.bands.values()):  # fmt: skip
            widget.param.watch(lambda _e, widget=widget: self._turned(widget), "value")
        self.preset.param.watch(lambda _e: self._chose_preset(), "value")

    # -- what is asked ---------------------------------------------------------------

    def _turned(self, widget: Any) -> None:
        if self._quiet:
            return
        if widget is self.sn:
            self._wanted_sn = None if self._at_end else float(self.sn.value)
        elif widget is self.side:
            self._wanted_side = int(self.side.value)
        self._read(self.what.seed)
        self._changed()

    @property
    def _at_end(self) -> bool:
        return self.sn.value >= self.sn.end - 0.5 * self.sn.step

    def _chose_preset(self) -> None:
        if self._quiet:
            return
        self._fill_mask()
        self._read(self.what.seed)
        self._changed()

    def _base(self) -> PreprocessConfig:
        return PreprocessConfig.named(self.preset.value) if self.preset.value else self._own

    def _fill_mask(self) -> None:
        """Mask sliders at the values of the preset."""
        base, before = self._base(), self._quiet
        self._quiet = True
        for name, widget in (("ellipse_scale", self.ellipse), ("tolerance", self.tolerance)):
            widget.value = min(max(getattr(base, name), widget.start), widget.end)
        self._quiet = before

    def _reseed(self) -> None:
        self._read(self.what.seed + 1)
        self._changed()

    def clear(self) -> None:
        """Ask for nothing: the galaxy as it is."""
        self._quiet = True
        self._wanted_sn, self._wanted_side = None, 100
        self.sn.value, self.side.value = self.sn.end, 100
        self.mask.value, self.preset.value = "ellipse", ""
        for box in self.bands.values():
            box.value = True
        self._fill_mask()
        self._quiet = False
        self._read(0)
        self._changed()

    def _read(self, seed: int) -> None:
        """Take what the widgets say."""
        base = self._base()
        values = {"ellipse_scale": self.ellipse.value, "tolerance": self.tolerance.value}
        fields = {k: v for k, v in values.items() if not np.isclose(v, self._nearest(k, base))}
        try:
            self.what = WhatIf(
                sn=self._wanted_sn,
                seed=seed,
                image_scale=self._wanted_side / 100,
                missing=tuple(band for band, box in self.bands.items() if not box.value),
                preset=self.preset.value,
                mask=self.mask.value,
                **fields,
            )
        except GalamError as error:
            self._problem(error)
        self._disable()

    def _nearest(self, name: str, base: PreprocessConfig) -> float:
        """A parameter as far as its slider reaches."""
        widget = self.ellipse if name == "ellipse_scale" else self.tolerance
        return float(min(max(getattr(base, name), widget.start), widget.end))

    # -- of which galaxy -------------------------------------------------------------

    def offer(self, galaxy: Galaxy | None, own: PreprocessConfig) -> None:
        """Fit the knobs to a galaxy; what was asked for stays as far as it can.

        Parameters
        ----------
        galaxy : Galaxy, optional
        own : PreprocessConfig
            Of the model's training.
        """
        self._quiet = True
        if own != self._own:
            self._own = own
            self._fill_mask()
        sn = float("nan") if galaxy is None else observed_sn(galaxy)
        image = None if galaxy is None else decoded(galaxy)
        reasons = []
        if galaxy is not None and not np.isfinite(sn):
            reasons.append(_NO_SPECTRUM if galaxy.spectrum is None else _NO_SN)
        if galaxy is not None and image is None:
            reasons.append(_NO_IMAGE)
        self.reasons = tuple(reasons)
        self._has_sn, self._has_image = bool(np.isfinite(sn)), image is not None
        if self._has_sn:
            end = round(sn, 1)
            value = end if self._wanted_sn is None else min(self._wanted_sn, end)
            self.sn.param.update(start=min(_LOWEST_SN, end / 4), end=end, value=value)
        least = int(np.ceil(100 * smallest_scale(image)))
        if image is not None:
            # A slider needs some way to go even where the image has none.
            self.side.param.update(
                start=min(max(least, 10), 99), value=max(self._wanted_side, least)
            )
        self._disable()
        self._quiet = False

    _has_sn = _has_image = True

    def _disable(self) -> None:
        """Knobs that would change nothing."""
        self.sn.disabled = not self._has_sn
        self.noise.disabled = not self._has_sn or self._wanted_sn is None
        masked = self._has_image and self.mask.value != "whole"
        for widget in (self.side, self.mask, *self.bands.values()):
            widget.disabled = not self._has_image
        self.ellipse.disabled = self.tolerance.disabled = not masked


_SLIDER = {"flex": "1 1 112px", "max-width": "190px"}
_BANDS = {"gap": "2px", "align-items": "center", "flex": "0 0 auto"}
_WRAP = """
:host { display: flex !important; flex-direction: row !important; flex-wrap: wrap !important;
  gap: 4px 8px; align-items: center; padding: 8px 0 0; flex: 0 0 auto !important;
  min-width: 0 !important; }
"""
