"""The dashboard: ``panel serve app.py``.

The environment variable GALAM_SURVEY names the survey folder (or several,
separated like PATH); without it the embedded demo is shown. ``galam serve
--survey FOLDER`` does the same with the recommended server settings.
"""

from __future__ import annotations

from galam_explorer.app.layout import serve_app

serve_app()
