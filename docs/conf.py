"""The documentation: ``make docs`` builds it into docs/_build/html, without a network."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import galam_explorer

project = "GalAM Explorer"
author = "The GalAM Explorer developers"
copyright = author
version = release = galam_explorer.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "examples", "diagrams"]
templates_path: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# `name` in a docstring is code of ours, linked where this site has it.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
toc_object_entries_show_parents = "hide"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"GalAM Explorer {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "sidebar_hide_name": False,
    "navigation_with_keys": False,
    "light_css_variables": {"color-brand-primary": "#0b5a9c", "color-brand-content": "#0b5a9c"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ff", "color-brand-content": "#7cc4ff"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


class PublicNames(SphinxDirective):
    """Documents every name that ``import galam_explorer`` offers."""

    def run(self) -> list[nodes.Node]:
        """One autodoc directive a name, classes after functions."""
        kinds: dict[str, list[str]] = {"autofunction": [], "autoclass": [], "autoexception": []}
        for name in galam_explorer.__all__:
            found = getattr(galam_explorer, name)
            if inspect.isclass(found):
                kind = "autoexception" if issubclass(found, Exception) else "autoclass"
                kinds[kind].append(name)
            elif callable(found):
                kinds["autofunction"].append(name)
        lines = [f".. {kind}:: galam_explorer.{one}\n" for kind in kinds for one in kinds[kind]]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.add_directive("galam-public", PublicNames)
    return {"parallel_read_safe": True}
