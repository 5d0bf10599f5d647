"""Run once by the server before the first visitor: imports, the catalogue, the first galaxy.

Panel's own ``--warm --reuse-sessions`` is not used: with Panel 1.9.4 pages after
the first one then ask the CDN for their style sheets, which an offline tool must not.
"""

from __future__ import annotations

import gc

import galam_explorer.app.layout  # noqa: F401
from galam_explorer.app.dashboard import Dashboard
from galam_explorer.app.data import open_survey_data
from galam_explorer.app.first import first_galaxy
from galam_explorer.app.preload import hold_preload, preload_soon
from galam_explorer.app.sources import survey_sources
from galam_explorer.app.views.registry import TABS
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError

TABS[0].load()
for source in survey_sources(None).values():
    try:
        first_galaxy(open_survey_data(source), PreprocessConfig())
    except GalamError:
        continue  # The page itself says what is wrong with it.
hold_preload()
preload_soon()
# Figures are drawn once for all; a page that nobody sees draws those of the first one.
Dashboard(survey_sources(None), {}).close()
# What is there now stays: the search for garbage need not look at it each time (0.5 s).
gc.collect()
gc.freeze()
