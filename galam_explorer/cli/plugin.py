"""The option that names plugins, for commands that may need one."""

from __future__ import annotations

from typing import Annotated

import typer

from galam_explorer.cli.common import user_errors
from galam_explorer.plugins import load_named_plugins

__all__ = ["PluginOption"]


def _load(named: list[str] | None) -> list[str] | None:
    """Load them before the command begins, so that every choice may name what they bring."""
    with user_errors():
        load_named_plugins(named or [])
    return named


PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        callback=_load,
        help="A .py file or module of yours with networks or views. May be given twice.",
    ),
]
