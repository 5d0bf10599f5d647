"""Run once by the server before the first visitor: imports, and the survey's catalogue.

Panel's own ``--warm --reuse-sessions`` is not used: with Panel 1.9.4 pages after
the first one then ask the CDN for their style sheets, which an offline tool must not.
"""

from __future__ import annotations

import galam_explorer.app.layout  # noqa: F401
from galam_explorer.app.data import open_survey_data
from galam_explorer.app.sources import survey_sources
from galam_explorer.errors import GalamError

for source in survey_sources(None):
    try:
        open_survey_data(source)
    except GalamError:
        continue  # The page itself says what is wrong with it.
