"""The look of the page: palette, spacing, and the style sheet of our own HTML."""

from __future__ import annotations

from typing import Any

__all__ = ["CSS", "PAGE_CSS", "THEME", "variables"]

_FONT = '"Inter", "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

_COMPONENTS: dict[str, Any] = {
    "MuiButton": {"styleOverrides": {"root": {"textTransform": "none"}}},
    "MuiToggleButton": {
        "styleOverrides": {"root": {"textTransform": "none", "whiteSpace": "nowrap"}}
    },
    # Else plus and minus of number fields are dark grey on the dark page.
    "MuiInputBase": {"styleOverrides": {"root": {"& .MuiIconButton-root": {"color": "inherit"}}}},
    # ... and so is the cross that closes a dialog.
    "MuiDialog": {"styleOverrides": {"paper": {"& .MuiIconButton-root": {"color": "inherit"}}}},
    # Eleven tabs must fit beside the map at 1440 px.
    "MuiTab": {
        "styleOverrides": {
            "root": {
                "textTransform": "none",
                "minHeight": "42px",
                "minWidth": "0",
                "padding": "8px 11px",
                # ... and, closer together, at 1024 px.
                "@media (max-width: 1300px)": {
                    "padding": "8px 3.5px",
                    "fontSize": "12px",
                    "letterSpacing": "0",
                },
            }
        }
    },
}

THEME: dict[str, Any] = {
    "light": {
        "palette": {
            "primary": {"main": "#1f4f82"},
            "secondary": {"main": "#8a5a00"},
            "background": {"default": "#eef1f5", "paper": "#ffffff"},
            "text": {"primary": "#1b2430", "secondary": "#55606e"},
        },
        "typography": {"fontFamily": _FONT, "fontSize": 13},
        "shape": {"borderRadius": 8},
        "components": _COMPONENTS,
    },
    "dark": {
        "palette": {
            "primary": {"main": "#7cc4ff", "contrastText": "#0d131b"},
            "secondary": {"main": "#ffc857"},
            "background": {"default": "#0d1219", "paper": "#141a22"},
            "text": {"primary": "#e9edf3", "secondary": "#a7b1bf"},
        },
        "typography": {"fontFamily": _FONT, "fontSize": 13},
        "shape": {"borderRadius": 8},
        "components": _COMPONENTS,
    },
}
"""Light and dark palettes for panel-material-ui."""

PAGE_CSS = """
:host { --head: 52px; }
.header.MuiAppBar-root { box-shadow: none; background: #15324f; color: #ffffff; }
.header .MuiToolbar-root { min-height: 52px; height: 52px; padding: 0 14px; gap: 18px; }
.header .title { font-size: 18px; font-weight: 650; white-space: nowrap; }
.header .MuiToolbar-root > .MuiBox-root { gap: 8px; }
main .MuiToolbar-root { min-height: 52px !important; height: 52px; margin: 0 !important; }
@media (max-width: 1200px) {
  .header .title { display: none; }
  .header .MuiToolbar-root { gap: 8px; }
}
"""
"""Style sheet of the page's own frame."""


def variables(dark: bool) -> str:
    """The custom properties that our style sheets use; they reach all components inside."""
    names = ("paper", "ground", "ink", "soft", "line", "accent")
    light = ("#ffffff", "#eef1f5", "#1b2430", "#55606e", "#d5dbe3", "#1f4f82")
    night = ("#141a22", "#0d1219", "#e9edf3", "#a7b1bf", "#2c3644", "#7cc4ff")
    values = night if dark else light
    return ":host {" + "".join(f"--{n}: {v};" for n, v in zip(names, values, strict=True)) + "}"


CSS = """
.g { font-family: var(--bokeh-base-font); font-size: 13px; color: var(--ink); line-height: 1.35; }
.g h2 { font-size: 14px; font-weight: 650; margin: 0; letter-spacing: .01em; }
.g .soft { color: var(--soft); }
.g abbr { text-decoration: underline dotted 1px; text-underline-offset: 3px; cursor: help; }
.g .badge { display: inline-block; font-size: 11px; font-weight: 650; line-height: 1;
  padding: 4px 8px; border-radius: 999px; border: 1px solid currentColor; white-space: nowrap; }
.g .simulated { color: #8a4b00; background: #fff1d6; }
.g .sdss { color: #0b4a86; background: #dcecfb; }
.g .local { color: #056048; background: #d8f3e9; }
.g .good { color: #056048; background: #d8f3e9; }
.g .model { color: #3d3580; background: #e6e3fb; }
.g .waits { color: #3f4a59; background: #e4e9f0; }
.g .bad { color: #97200f; background: #fde3dd; }
.g .facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr));
  gap: 6px 14px; margin: 8px 0 0; }
.g .facts div { min-width: 0; }
.g .facts dt { font-size: 11px; color: var(--soft); margin: 0; }
.g .facts dd { margin: 0; font-size: 15px; font-variant-numeric: tabular-nums;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.g .truth { margin-top: 10px; padding: 6px 10px; border-radius: 8px;
  border: 1px dashed #b9892f; }
.g .truth h3 { margin: 0 0 3px; font-size: 11px; font-weight: 650; }
.g .truths { display: grid; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr));
  gap: 0 16px; margin: 0; }
.g .truths div { display: flex; justify-content: space-between; gap: 6px; min-width: 0;
  line-height: 16px; white-space: nowrap; }
.g .truths dt { font-size: 11px; color: var(--soft); overflow: hidden; text-overflow: ellipsis; }
.g .truths dd { margin: 0; font-size: 12px; font-variant-numeric: tabular-nums; }
.g.factbox { container-type: inline-size; }
@container (max-width: 430px) {
  .g .truths .minor { display: none; }
  .g .truths { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 12px; }
  .g .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1px 16px; }
  .g .facts div { display: flex; justify-content: space-between; align-items: baseline; gap: 6px; }
  .g .facts dd { font-size: 12.5px; }
}
@media (max-height: 820px) {
  @container (min-width: 350px) and (max-width: 430px) {
    .g .facts { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 1px 10px; margin-top: 5px; }
    .g .facts dd { font-size: 12px; }
    .g .truth { margin-top: 6px; padding: 4px 8px; }
  }
}
.g.lesson p { margin: 4px 0 0; max-width: 90ch; }
.g.oneline { display: flex; gap: 0 12px; align-items: center; flex-wrap: wrap; height: 26px;
  overflow: hidden; white-space: nowrap; }
.g.oneline > * { line-height: 26px; }
.g.oneline > .badge { line-height: 1; }
.g.strip { display: flex; gap: 4px 10px; align-items: center; flex-wrap: wrap; }
.g .empty { height: 100%; box-sizing: border-box; display: flex; flex-direction: column;
  align-items: center; justify-content: center; text-align: center; gap: 6px; padding: 16px;
  background: var(--paper); border: 1px dashed var(--line); border-radius: 8px; }
.g .empty b { font-size: 15px; }
.g .empty span { max-width: 46ch; color: var(--soft); }
.g.status { display: flex; gap: 14px; font-size: 12px; color: var(--soft); align-items: center;
  white-space: nowrap; overflow: hidden; }
.g.status b { color: var(--ink); font-weight: 600; }
.g kbd { font: 600 12px ui-monospace, monospace; padding: 2px 7px; border-radius: 5px;
  border: 1px solid var(--line); }
.g table.keys td { padding: 4px 14px 4px 0; }
"""
"""Style sheet of every HTML pane; colours come from the page's theme."""
