"""A plugin: a tab with the colour of a galaxy's image from its centre outwards.

Old, metal-rich stars are red: a bulge is redder than the disc around it, and the tab shows where
one ends and the other begins.
"""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn

from galam_explorer.app.live import DRAWING, LiveFigure
from galam_explorer.app.views.base import View, bar, escape, html_pane
from galam_explorer.app.views.registry import TabSpec, register_view
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures.population import plot_options
from galam_explorer.evaluate.figures.style import style_for
from galam_explorer.records import Galaxy

BANDS = ("i", "r", "g")
"""What red, green and blue of a cutout are."""


# -- pure: data in, data or element out ------------------------------------------------


def colour_profile(image: np.ndarray, scale: float) -> pd.DataFrame:
    """Median grey level in rings around the middle of a cutout.

    Parameters
    ----------
    image : ndarray, uint8 (h, w, 3)
    scale : float
        Arcsec per pixel.

    Returns
    -------
    DataFrame
        ``radius`` (arcsec), and ``i``, ``r``, ``g`` (0 to 255): levels of the picture, which
        compresses bright light, and not fluxes.
    """
    height, width = image.shape[:2]
    y, x = np.indices((height, width))
    distance = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2)
    step = min(height, width) / 2 / 24
    rings = [(distance >= step * k) & (distance < step * (k + 1)) for k in range(24)]
    rings = [(k, ring) for k, ring in enumerate(rings) if ring.any()]
    levels = np.array([np.median(image[ring], axis=0) for _, ring in rings])
    table = pd.DataFrame({"radius": [scale * step * (k + 0.5) for k, _ in rings]})
    for column, band in enumerate(BANDS):
        table[band] = levels[:, column]
    return table


def profile_sources(table: pd.DataFrame) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `profile_figure`, and its axes."""
    radius = table["radius"].to_numpy()
    sources = [{"radius": radius, "level": table[band].to_numpy()} for band in BANDS]
    return sources, {"xlim": (0.0, float(radius.max(initial=1.0))), "ylim": (0.0, 260.0)}


def profile_figure(table: pd.DataFrame, *, dark: bool = False) -> hv.Overlay:
    """Grey level against radius, one curve a band."""
    style, (sources, axes) = style_for(dark), profile_sources(table)
    colours = (style.categories[1], style.categories[2], style.categories[0])
    curves = [
        hv.Curve(tuple(source.values()), "radius", "level", label=band).opts(
            color=colour, line_width=2
        )
        for band, colour, source in zip(BANDS, colours, sources, strict=True)
    ]
    return hv.Overlay(curves).opts(
        plot_options(
            "radius (arcsec)", "level of the picture", **axes, show_legend=True,
            legend_position="top_right",
        )
    )  # fmt: skip


# -- the tab ---------------------------------------------------------------------------


class ColourProfileView(View):
    """Shows the profile of the chosen galaxy."""

    title = "Colour profile"
    slug = "colour-profile"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self.profile = pd.DataFrame({name: np.empty(0) for name in ("radius", *BANDS)})
        self._figure = LiveFigure(self.element(), "colour-profile")
        self._head = html_pane()
        self._layout = pn.Column(
            bar(self._head, self.menu()),
            self._figure.pane,
            sizing_mode="stretch_both",
            styles={"padding": "10px 14px 8px", "min-height": "0"},
        )

    def show(self, galaxy: Galaxy | None) -> None:
        """Draw another galaxy."""
        self.profile, text = self.profile.iloc[:0], "No galaxy is chosen."
        if galaxy is not None and galaxy.cutout is None:
            text = f"{galaxy.id} has no image."
        elif galaxy is not None:
            self.profile = colour_profile(self.state.data.image(galaxy), galaxy.cutout.scale)
            red = (self.profile["i"] - self.profile["g"]).to_numpy()
            text = f"{galaxy.id}: i minus g is {red[0]:.0f} levels in the middle, "
            text += f"{red[len(red) // 3]:.0f} a third of the way out."
        self._head.object = (
            f'<div class="g" data-view="{self.slug}"><h2>Colour profile</h2>{escape(text)}</div>'
        )
        self._figure.update(*profile_sources(self.profile))

    def recolour(self) -> None:
        """Follow the page's theme."""
        self._figure.redraw(self.element())

    def figure_names(self) -> list[str]:
        """What a PNG or SVG shows."""
        return [self._figure.name]

    def element(self) -> hv.Overlay:
        """The figure for an HTML page."""
        with DRAWING:
            return profile_figure(self.profile, dark=self.state.dark)

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        """The profile with units and definitions."""
        if self.profile.empty:
            raise GalamError("there is no profile to export", self.state.galaxy_id)
        about = {band: ("", f"Median level of the {band} band, 0 to 255") for band in BANDS}
        return self.profile, {"radius": ("arcsec", "Middle of the ring"), **about}

    def code(self) -> str:
        """The same figure in a notebook."""
        return (
            "import holoviews as hv\n"
            "import galam_explorer as ge\n"
            "from galam_explorer.survey.images import decode_cutout\n\n"
            'hv.extension("bokeh")\n'
            f"plugin = ge.load_plugin({__file__!r})\n"
            f"survey = ge.load_survey({self.state.data.source!r})\n"
            f"cutout = survey[{self.state.galaxy_id!r}].cutout\n"
            "profile = plugin.colour_profile(decode_cutout(cutout), cutout.scale)\n"
            "figure = plugin.profile_figure(profile)\nfigure\n"
        )


register_view(
    TabSpec("colour-profile", "Colour profile", f"{__name__}:ColourProfileView"), after="galaxy"
)
