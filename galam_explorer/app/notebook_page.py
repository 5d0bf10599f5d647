"""What a notebook's page is given once, and how widgets refer to it instead of carrying it."""

from __future__ import annotations

import base64
import json
import re
from functools import cache, wraps
from typing import Any

import panel.io.resources as panel_resources
import panel.reactive
from panel_material_ui.base import BUNDLE_PATH, DIST_PATH, MaterialComponent

from galam_explorer.app.notebook_comm import PATIENCE_JS

__all__ = ["once_js", "stay_here"]

_STUB = """
while (!window.galam_bundle) { await new Promise((done) => setTimeout(done, 100)) }
export default (await window.galam_bundle()).default
"""
"""In place of the components' code in every widget: the one copy that the page has."""


@cache
def once_js() -> str:
    """JavaScript that gives a page the components' code and the icons' font."""
    font = next(DIST_PATH.glob("material-icons-[A-Z0-9]*.woff2"))
    data = base64.b64encode(font.read_bytes()).decode()
    face = (
        '@font-face { font-family: "Material Icons"; font-weight: normal; font-style: normal; '
        f'src: url("data:font/woff2;base64,{data}") format("woff2"); }}'
    )
    # An exported page has this inside a script element.
    bundle = json.dumps(BUNDLE_PATH.read_text(encoding="utf-8")).replace("</", "<\\/")
    return f"""(() => {{
  if (window.galam_bundle) {{ return }}
  const style = document.createElement("style")
  style.textContent = {json.dumps(face)}
  document.head.append(style)
  const code = {bundle}
  let loaded
  window.galam_bundle = () => {{
    const address = URL.createObjectURL(new Blob([code], {{type: "text/javascript"}}))
    loaded = loaded ?? window.importShim(address)
    return loaded
  }}
{PATIENCE_JS}
}})()
"""


@cache
def _icon_css() -> str:
    """How text of the icons' classes is set, for the inside of each component."""
    text = BUNDLE_PATH.with_suffix(".css").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"\.material-icons\{[^}]*\}", text))


@cache
def stay_here() -> None:
    """Let widgets refer to what the page has, and carry their style sheets with them."""
    render, get_model = MaterialComponent._render_esm.__func__, MaterialComponent._get_model

    @wraps(render)
    def render_stub(cls: type, compiled: Any = True, server: bool = False) -> Any:
        if server or compiled == "compiling" or cls._esm_base is None:
            return render(cls, compiled, server)
        return _STUB

    @wraps(get_model)
    def with_icons(self: Any, doc: Any, root: Any = None, parent: Any = None, comm: Any = None):
        model = get_model(self, doc, root, parent, comm)
        if model.esm == _STUB:
            model.css_bundle = _icon_css()
        return model

    MaterialComponent._render_esm = classmethod(render_stub)
    MaterialComponent._get_model = with_icons
    before = panel_resources.patch_stylesheet

    @wraps(before)
    def patch_stylesheet(stylesheet: Any, dist_url: str) -> None:
        before(stylesheet, dist_url)
        if dist_url == panel_resources.CDN_DIST:
            _carry(stylesheet)

    panel_resources.patch_stylesheet = patch_stylesheet
    panel.reactive.patch_stylesheet = patch_stylesheet


def _carry(stylesheet: Any) -> None:
    """Replace the address of a style sheet of Panel's by its contents."""
    url = str(stylesheet.url)
    if url.startswith(panel_resources.CDN_DIST):
        name = url.removeprefix(panel_resources.CDN_DIST).split("?")[0]
        stylesheet.url = _data_url(name)


@cache
def _data_url(name: str) -> str:
    path = panel_resources.DIST_DIR / name
    text = path.read_bytes() if path.is_file() else b""
    return "data:text/css;base64," + base64.b64encode(text).decode()
