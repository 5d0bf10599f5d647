"""What a page that is not ours (JupyterLab, Notebook 7, VS Code) means for our widgets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from galam_explorer.app.notebook_comm import in_turn

__all__ = ["Surroundings", "follow_page", "kernel_schedule"]


class Surroundings(JSComponent):
    """An invisible component that tells the theme of the page it is on."""

    dark = param.Boolean(default=False, doc="Whether the page is dark.")

    _esm: ClassVar[Path] = Path(__file__).with_name("surroundings.js")

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"width": 0, "height": 0, "margin": 0, **params})


def follow_page(state: Any) -> Surroundings:
    """A component that gives a state the theme of the page it is put on."""
    around = Surroundings()
    around.param.watch(
        lambda event: state.param.update(theme="dark" if event.new else "light"), "dark"
    )
    return around


def kernel_schedule() -> Callable[[Callable[[], None]], None]:
    """How results of background threads reach a cell's output: one by one, by the kernel.

    Where no loop runs (a plain script) they are taken at once.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return lambda change: change()
    return lambda change: loop.call_soon_threadsafe(in_turn, change)
