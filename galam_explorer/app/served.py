"""What `galam serve` serves; ``app.py`` in a checkout is the same."""

from __future__ import annotations

from galam_explorer.app.layout import serve_app

serve_app()
