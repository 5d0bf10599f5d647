"""One call that makes our figures and widgets live in a notebook, also without a network.

Panel's own ``pn.extension(inline=True)`` brings Bokeh and Panel along, but still takes
style sheets, the icons and the Material components from their makers' servers, or puts
the components' 1.4 MB into every single widget. Here each is sent once, with the first
cell; what comes later refers to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import panel as pn
from panel_material_ui.base import MaterialComponent

from galam_explorer.app.notebook_comm import be_patient
from galam_explorer.app.notebook_page import once_js, stay_here
from galam_explorer.errors import GalamError

__all__ = ["notebook"]


def notebook() -> None:
    """Let our figures and widgets display here; for the first cell of a notebook.

    Works in JupyterLab, Notebook 7 and VS Code and asks no other machine for anything.
    Calling it again is harmless, and needed after the first cell's output was cleared.
    In a plain script it does nothing that one would see.

    Raises
    ------
    GalamError
        In VS Code, if jupyter_bokeh is missing there.

    Examples
    --------
    >>> import galam_explorer as ge
    >>> ge.notebook()
    """
    pn.config.respect_explicit_sizing = True
    if not _in_kernel():
        return
    if {"VSCODE_CWD", "VSCODE_PID"} & set(os.environ) and find_spec("jupyter_bokeh") is None:
        remedy = "pip install 'galam-explorer[notebook]', then restart the kernel"
        raise GalamError("jupyter_bokeh is missing", "notebooks in VS Code", remedy)
    stay_here()
    be_patient()
    with _without_files():
        pn.extension("tabulator", "filedropper", inline=True)
    _show_elements()
    _publish(once_js())


def _in_kernel() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def _publish(code: str) -> None:
    from IPython.display import publish_display_data

    publish_display_data({"application/javascript": code})


@contextmanager
def _without_files() -> Iterator[None]:
    """Files that a Jupyter server does not have, which Panel would wait for in vain."""
    kept = MaterialComponent.__dict__["_bundle_css"]
    MaterialComponent._bundle_css = []
    try:
        yield
    finally:
        type.__setattr__(MaterialComponent, "_bundle_css", kept)


def _show_elements() -> None:
    """Display HoloViews elements by Panel: `hv.extension` would load everything again."""
    import holoviews as hv
    from IPython import get_ipython

    def bundle(element: Any, include: Any = None, exclude: Any = None) -> Any:
        return pn.pane.HoloViews(element)._repr_mimebundle_(include, exclude)

    hv.renderer("bokeh")
    formatters = get_ipython().display_formatter
    formatters.mimebundle_formatter.for_type(hv.core.Dimensioned, bundle)
