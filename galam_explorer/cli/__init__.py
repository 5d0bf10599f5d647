"""The ``galam`` command."""

from __future__ import annotations

from galam_explorer.cli.main import app, main

__all__ = ["app", "main"]
