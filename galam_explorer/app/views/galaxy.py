"""View 3: one galaxy, its image, its facts and its spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.code import galaxy_code
from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.live import DRAWING, LiveFigure
from galam_explorer.app.views.base import View, bar, empty_card, escape, html_pane
from galam_explorer.app.views.domain import domain_badge, known_badge
from galam_explorer.app.views.strip import StripPanel
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures.cutout import cutout_figure, cutout_sources
from galam_explorer.evaluate.figures.spectrum import spectrum_figure, spectrum_layers
from galam_explorer.records import Galaxy, Spectrum

__all__ = ["GalaxyView", "facts_html"]

_ORIGINS = {"simulated": "simulated", "sdss": "SDSS", "local": "your data"}
_BLANK_IMAGE = np.zeros((64, 64, 3), dtype=np.uint8)
_BLANK_SPECTRUM = Spectrum(np.zeros(2, np.float32), np.zeros(2, np.float32), np.log10(3800.0))


_MAIN_TRUTHS = ("true_log_age", "true_m_h", "true_log_mass", "true_log_ssfr", "true_a_v", "true_z")
"""Shown where there is little room; the others need a wider window."""


def facts_html(galaxy: Galaxy, flag: str = "") -> str:
    """Id, origin and every number with its unit; definitions appear on hover.

    Parameters
    ----------
    galaxy : Galaxy
    flag : str
        Markup of what must be known before any number.
    """
    badge = _ORIGINS.get(galaxy.origin, galaxy.origin)
    rows = [_fact(name, getattr(galaxy, name)) for name in COLUMNS if hasattr(galaxy, name)]
    if galaxy.spec_class:
        rows.append(_item("class", "Class that SDSS's pipeline gave", galaxy.spec_class))
    if galaxy.z_warning >= 0:
        text = "none" if galaxy.z_warning == 0 else str(galaxy.z_warning)
        rows.append(_item("z warning", "SDSS's zWarning bits; none is good", text))
    warning = ""
    if galaxy.z_warning > 0:
        warning = '<span class="badge bad">redshift is doubtful</span>'
    return (
        f'<div class="g factbox" data-galaxy="{escape(galaxy.id)}">'
        '<div style="display:flex;gap:8px;align-items:center;flex-wrap:wrap">'
        f"<h2 style='font-size:17px'>{escape(galaxy.id)}</h2>"
        f'<span class="badge {escape(galaxy.origin)}">{escape(badge)}</span>{flag}{warning}</div>'
        f'<dl class="facts">{"".join(rows)}</dl>{_truth(galaxy)}</div>'
    )


def _truth(galaxy: Galaxy) -> str:
    if not galaxy.truth:
        return ""
    rows = []
    order = {name: index for index, name in enumerate((*_MAIN_TRUTHS, *COLUMNS))}
    for name, value in sorted(galaxy.truth.items(), key=lambda item: order.get(item[0], 99)):
        column = COLUMNS.get(name)
        kind = "" if name in _MAIN_TRUTHS else "minor"
        if column is not None:
            label = column.label.removeprefix("true ")
            rows.append(_item(label, column.definition, column.text(value), kind))
        elif isinstance(value, (int, float)):
            label = name.removeprefix("true_").replace("_", " ")
            rows.append(
                _item(label, "A parameter that the simulation put in", f"{value:.3g}", kind)
            )
    return (
        '<div class="truth"><h3>Simulated truth: put in by the simulation, not observed</h3>'
        f'<dl class="truths">{"".join(rows)}</dl></div>'
    )


def _fact(name: str, value: float) -> str:
    column = COLUMNS[name]
    return _item(column.label, column.definition, column.text(value))


def _item(label: str, definition: str, text: str, kind: str = "") -> str:
    return (
        f'<div class="{kind}"><dt><abbr title="{escape(definition)}">{escape(label)}</abbr></dt>'
        f'<dd title="{escape(text)}">{escape(text)}</dd></div>'
    )


class GalaxyView(View):
    """The chosen galaxy."""

    title = "Galaxy"
    slug = "galaxy"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._galaxy: Galaxy | None = None
        self._image = LiveFigure(self.image_element, "cutout", like="cutout")
        self._spectrum = LiveFigure(
            self.spectrum_element, "spectrum", like=("spectrum", state.rest_frame, state.dark)
        )
        self._no_image = html_pane(styles=_COVER, sizing_mode="stretch_both")
        self._no_spectrum = html_pane(styles=_COVER, sizing_mode="stretch_both")
        self._facts = html_pane(
            sizing_mode="stretch_both", styles={"overflow-y": "auto", "height": "100%"}
        )
        self._frame = pmui.RadioButtonGroup(
            options={"observed": False, "rest frame": True}, value=state.rest_frame,
            size="small", margin=0, color="primary", variant="outlined",
        )  # fmt: skip
        self._frame.param.watch(lambda e: state.param.update(rest_frame=e.new), "value")
        self._about = html_pane(styles={"min-width": "0"})
        self.strip = StripPanel(state, self.bridge)
        self.strip.told = self._flag
        self._layout = self._arrange()
        self.watch(lambda *_e: self._again(self._redraw_spectrum), "rest_frame")
        self.watch(lambda *_e: self._again(self._redraw_image), "show_mask")

    def _arrange(self) -> pn.Column:
        relative = {"position": "relative"}
        image = pn.Column(self._image.pane, self._no_image, styles=relative, stylesheets=[_IMAGE])
        top = pn.Row(
            image, self._facts, sizing_mode="stretch_width", stylesheets=[_TOP],
            styles={"gap": "18px", "flex": "0 0 auto", "align-items": "flex-start"},
        )  # fmt: skip
        controls = bar(
            html_pane('<div class="g"><h2>Spectrum</h2></div>', width=72, sizing_mode=None),
            self._frame,
            self._about,
            self.menu(),
            styles={"padding-top": "8px"},
        )
        spectrum = pn.Column(
            self._spectrum.pane, self._no_spectrum, sizing_mode="stretch_both",
            styles={**relative, "min-height": "150px"},
        )  # fmt: skip
        return pn.Column(
            top, self.strip, controls, spectrum, sizing_mode="stretch_both",
            styles={"padding": "10px 14px 6px"},
        )  # fmt: skip

    # -- content -----------------------------------------------------------------

    def begin(self, galaxy: Galaxy | None) -> None:
        self.strip.begin(galaxy)

    def _again(self, redraw: Callable[[], None]) -> None:
        """Draw with other options, unless another galaxy is about to be drawn anyway."""
        shown = "" if self._galaxy is None else self._galaxy.id
        if shown in ("", self.state.galaxy_id):
            redraw()

    def show(self, galaxy: Galaxy | None) -> None:
        self._galaxy = galaxy
        self._redraw_image()
        self._redraw_spectrum()
        self.strip.show(galaxy)
        if galaxy is None:
            self._facts.object = empty_card("No galaxy", "Choose one on the map or in the table.")
        else:
            self._facts.object = facts_html(galaxy, known_badge(self.state, galaxy))

    def _flag(self) -> None:
        """Say before the numbers that the galaxy is not like the training's, once it is known."""
        if self._galaxy is not None and (flag := domain_badge(self.strip.found.predictions)):
            self._facts.object = facts_html(self._galaxy, flag)

    def close(self) -> None:
        self.strip.close()
        super().close()

    def _image_input(self) -> tuple[np.ndarray, dict[str, Any]]:
        """Arguments of `cutout_figure` for the chosen galaxy, or for a blank one."""
        galaxy = self._galaxy
        if galaxy is None or galaxy.cutout is None:
            return _BLANK_IMAGE, {"oriented": False}
        image = self.state.data.image(galaxy)
        return image, {
            "scale": galaxy.cutout.scale,
            "note": "SIMULATED" if galaxy.origin == "simulated" else "",
            "oriented": galaxy.origin in ("simulated", "sdss"),
            **self._mask(galaxy, image.shape),
        }

    def image_element(self) -> hv.Overlay:
        """The cutout of the chosen galaxy, or a blank one."""
        image, options = self._image_input()
        with DRAWING:
            return cutout_figure(image, **options)

    def _mask(self, galaxy: Galaxy, shape: tuple[int, ...]) -> dict[str, Any]:
        if not self.state.show_mask:
            return {}
        from galam_explorer.app.stages import stages_of, to_image

        return to_image(stages_of(self.state.data, galaxy, self.state.config), shape)

    def _redraw_image(self, *_events: Any) -> None:
        galaxy, problem = self._galaxy, ""
        try:
            image, options = self._image_input()
            self._image.update(*cutout_sources(image, **options))
            if galaxy is not None and galaxy.cutout is None:
                problem = empty_card("No image", "This galaxy has a spectrum only.")
        except GalamError as error:
            problem = empty_card("The image cannot be shown", str(error))
        self._no_image.object = problem

    def spectrum_element(self) -> hv.Overlay:
        """The spectrum of the chosen galaxy, or a blank one."""
        galaxy, state = self._galaxy, self.state
        nothing = galaxy is None or galaxy.spectrum is None
        spectrum = _BLANK_SPECTRUM if nothing else galaxy.spectrum
        z = np.nan if nothing else galaxy.z
        with DRAWING:
            return spectrum_figure(spectrum, z, rest_frame=state.rest_frame, dark=state.dark)

    def _redraw_spectrum(self, *_events: Any) -> None:
        galaxy = self._galaxy
        self._frame.value = self.state.rest_frame
        missing = galaxy is None or galaxy.spectrum is None
        if not missing:
            layers = spectrum_layers(galaxy.spectrum, galaxy.z, self.state.rest_frame)
            self._spectrum.update(layers.sources(), layers.axes())
        self._about.object = self._about_spectrum()
        self._no_spectrum.object = empty_card("No spectrum", _NO_SPECTRUM) if missing else ""

    def _about_spectrum(self) -> str:
        galaxy = self._galaxy
        if galaxy is None or galaxy.spectrum is None:
            return ""
        bad = 1.0 - float(np.mean(galaxy.spectrum.good))
        parts = [f"{len(galaxy.spectrum):,} px", f"{100 * bad:.1f} % suspect (shaded)", "± 1σ band"]
        if not np.isfinite(galaxy.z):
            parts.append("redshift unknown: no lines, observed frame only")
        text = escape(" · ".join(parts))
        return (
            f'<div class="g soft" title="{text}" style="font-size:12px;white-space:nowrap;'
            f'overflow:hidden;text-overflow:ellipsis">{text}</div>'
        )

    def recolour(self) -> None:
        self._spectrum.redraw(self.spectrum_element())
        self._image.redraw(self.image_element())
        self.strip.recolour()

    # -- export ------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        galaxy = self._galaxy
        names = ["spectrum"] if galaxy is None or galaxy.spectrum is not None else []
        return names or ["cutout"]

    def element(self) -> hv.Layout:
        galaxy = self._galaxy
        if galaxy is None:
            raise GalamError("no galaxy is chosen", "export", "choose one first")
        parts = [self.image_element()] if galaxy.cutout is not None else []
        parts += [self.spectrum_element()] if galaxy.spectrum is not None else []
        if not parts:
            raise GalamError("this galaxy has neither image nor spectrum", galaxy.id)
        return hv.Layout(parts).cols(1)

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        galaxy = self._galaxy
        if galaxy is None:
            raise GalamError("no galaxy is chosen", "export", "choose one first")
        if galaxy.spectrum is None:
            row = self.state.data.catalog[self.state.data.catalog["id"] == galaxy.id]
            return row, {name: ("", column.definition) for name, column in COLUMNS.items()}
        spectrum = galaxy.spectrum
        frame = pd.DataFrame(
            {
                "wavelength": spectrum.wavelength,
                "flux": spectrum.flux,
                "error": spectrum.error,
                "good": spectrum.good,
            }
        )
        density = "1e-17 erg / (s cm2 Angstrom)"
        return frame, {
            "wavelength": ("Angstrom", "Observed vacuum wavelength"),
            "flux": (density, "Flux density"),
            "error": (density, "1 sigma error, ivar**-0.5"),
            "good": ("", "Pixel carries information"),
        }

    def code(self) -> str:
        galaxy = self._galaxy
        if galaxy is None:
            raise GalamError("no galaxy is chosen", "code", "choose one first")
        return galaxy_code(
            self.state.data.source,
            galaxy.id,
            self.state.rest_frame,
            galaxy.cutout is not None,
            galaxy.spectrum is not None,
        )


_TOP = """
:host { height: 270px !important; }
@media (max-height: 820px) { :host { height: 172px !important; } }
"""
_IMAGE = """
:host { width: min(270px, 40%) !important; height: auto !important; aspect-ratio: 1;
  flex: 0 0 auto !important; align-self: flex-start !important; min-height: 0 !important;
  border-radius: 8px; overflow: hidden; }
@media (max-height: 820px) { :host { width: min(172px, 40%) !important; } }
"""
_NO_SPECTRUM = (
    "Image only: no spectrum was taken of this galaxy. Most galaxies of an imaging survey are "
    "like this, and the paper's method is made for them."
)
_COVER = {"position": "absolute", "inset": "0", "z-index": "4", "pointer-events": "none"}
