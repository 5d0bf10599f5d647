"""HoloViews figures made by pure functions: data in, element out.

Notebooks and the dashboard call the same functions. Importing this package
loads HoloViews' Bokeh backend; nothing is sent to a browser.
"""

from __future__ import annotations


from galam_explorer.evaluate.figures.cutout import cutout_figure
from galam_explorer.evaluate.figures.preprocess import (
    fate_figure,
    filmstrip_figure,
    histogram_figure,
    stage_figure,
)
from galam_explorer.evaluate.figures.sky import sky_figure
from galam_explorer.evaluate.figures.spectrum import spectrum_figure


__all__ = [
    "cutout_figure",
    "fate_figure",
    "filmstrip_figure",
    "histogram_figure",
    "sky_figure",
    "spectrum_figure",
    "stage_figure",
]
