"""One HTML page with tables and live figures that needs no network."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import pandas as pd

__all__ = ["Figure", "Section", "TableBlock", "render_page"]


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Parameters
    ----------
    name : str
        Stem of its PNG file.
    caption : str
    figure : hv.Overlay or hv.Layout
    height : int
        Of a panel, px.
    """

    name: str
    caption: str
    figure: Any
    height: int = 330


@dataclass(frozen=True)
class TableBlock:
    """A table of the report.

    Parameters
    ----------
    caption : str
    frame : DataFrame
        Its cells are shown as they are; floats with four significant digits.
    """

    caption: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class Section:
    """A heading, some paragraphs, then figures and tables.

    Parameters
    ----------
    title : str
    text : tuple of str
    blocks : tuple of Figure or TableBlock
    """

    title: str
    text: tuple[str, ...] = ()
    blocks: tuple[Figure | TableBlock, ...] = ()


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1b2430; margin: 0 auto;
  max-width: 1180px; padding: 0 24px 60px }}
h1 {{ font-size: 26px; margin-bottom: 4px }} h2 {{ font-size: 19px; margin-top: 42px }}
p {{ max-width: 78ch }} nav a {{ margin-right: 14px; white-space: nowrap }}
table {{ border-collapse: collapse; font-size: 13px; margin: 6px 0 }}
th, td {{ border-bottom: 1px solid #dfe4ea; padding: 3px 9px; text-align: right }}
th:first-child, td:first-child {{ text-align: left }} thead th {{ background: #f3f5f9 }}
.scroll {{ overflow-x: auto }} figure {{ margin: 22px 0 }}
figcaption, caption {{ color: #55606e; font-size: 13px; text-align: left; margin-top: 4px }}
caption {{ caption-side: bottom }}
.panels {{ display: grid; gap: 12px }} .panel {{ min-width: 0; position: relative }}
@media (max-width: 700px) {{ .panels {{ grid-template-columns: 1fr !important }} }}
</style>
{resources}</head>
<body><main><h1>{title}</h1><p>{lead}</p><nav>{links}</nav>
{body}
</main>{script}</body>
</html>
"""


def _resources() -> str:
    from bokeh.resources import Resources

    # `file_html` and `Resources.render` would link what loaded extensions have on a CDN.
    scripts = Resources(mode="inline", components=["bokeh"], minified=True).js_raw
    return "\n".join(f"<script>{text}</script>" for text in scripts)


def _panels(block: Figure) -> tuple[list[hv.Overlay], int]:
    if isinstance(block.figure, hv.Layout):
        panels = list(block.figure)
        return panels, min(block.figure._max_cols, len(panels))
    return [block.figure], 1


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return html.escape(str(value))


def _table(block: TableBlock) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in block.frame.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>"
        for row in block.frame.itertuples(index=False, name=None)
    )
    caption = f"<caption>{html.escape(block.caption)}</caption>"
    return (
        f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _block(block: Figure | TableBlock, divs: list[str]) -> str:
    """Markup of a block; a figure takes its panels from the front of `divs`."""
    if isinstance(block, TableBlock):
        return _table(block)
    panels, columns = _panels(block)
    cells = "".join(
        f'<div class="panel" style="height: {block.height}px">{divs.pop(0)}</div>' for _ in panels
    )
    grid = f'<div class="panels" style="grid-template-columns: repeat({columns}, 1fr)">'
    caption = f"<figcaption>{html.escape(block.caption)}</figcaption>"
    return f'<figure id="{html.escape(block.name)}">{grid}{cells}</div>{caption}</figure>'


def render_page(title: str, lead: str, sections: list[Section]) -> str:
    """The report as one file: scripts, data and styles are inside.

    Parameters
    ----------
    title, lead : str
    sections : list of Section

    Returns
    -------
    str
    """
    from bokeh.embed import components

    figures = [b for one in sections for b in one.blocks if isinstance(b, Figure)]
    drawn = [hv.render(panel, backend="bokeh") for block in figures for panel in _panels(block)[0]]
    script, divs = components(tuple(drawn)) if drawn else ("", ())
    left, body, links = list(divs), [], []
    for number, section in enumerate(sections):
        text = "".join(f"<p>{html.escape(one)}</p>" for one in section.text)
        blocks = "".join(_block(one, left) for one in section.blocks)
        heading = html.escape(section.title)
        body.append(f'<section id="s{number}"><h2>{heading}</h2>{text}{blocks}</section>')
        links.append(f'<a href="#s{number}">{heading}</a>')
    return _PAGE.format(
        title=html.escape(title),
        lead=html.escape(lead),
        links="".join(links),
        resources=_resources() if drawn else "",
        body="\n".join(body),
        script=script,
    )
