"""Figures and tables as files."""

from __future__ import annotations

import html
import io
import re

import holoviews as hv
import pandas as pd

__all__ = ["figure_html", "plain_name", "table_bytes"]

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>html, body {{ height: 100%; margin: 0 }} body > div {{ height: 100% }}</style>
{resources}</head>
<body>{div}{script}</body>
</html>
"""


def figure_html(element: hv.Dimensioned, title: str) -> bytes:
    """A page that shows the figure without a network."""
    from bokeh.embed import components
    from bokeh.resources import Resources

    # `file_html` and `Resources.render` would link what loaded extensions have on a CDN.
    scripts = Resources(mode="inline", components=["bokeh"], minified=True).js_raw
    resources = "\n".join(f"<script>{text}</script>" for text in scripts)
    script, div = components(hv.render(element, backend="bokeh"))
    return _PAGE.format(
        title=html.escape(title), resources=resources, script=script, div=div
    ).encode()


def plain_name(heading: str) -> str:
    """A heading as a column name of ASCII letters, digits and underscores."""
    text = heading.lower().replace("[m/h]", "m_h").replace("²", "2").replace("%", "percent")
    return re.sub("[^a-z0-9]+", "_", text).strip("_")


def table_bytes(frame: pd.DataFrame, about: dict[str, tuple[str, str]], form: str) -> bytes:
    """A table as a file; all but ``csv`` carry units, and definitions where they can.

    Parameters
    ----------
    frame : DataFrame
    about : mapping of str to (unit, definition)
        Units in astropy's notation; "" for none.
    form : {"csv", "ecsv", "fits", "votable"}
    """
    if form == "csv":
        return frame.to_csv(index=False).encode()
    from astropy.table import Table

    if form != "ecsv":
        # Neither FITS nor VOTable has columns of Python objects.
        frame = frame.copy()
        for name in frame.select_dtypes(["object", "string"]):
            texts = frame[name].fillna("").astype(str)
            if form == "fits":  # ... and FITS has ASCII only
                texts = texts.str.encode("ascii", "backslashreplace").str.decode("ascii")
            frame[name] = texts
    table = Table.from_pandas(frame)
    for name, (unit, definition) in about.items():
        if name in table.colnames:
            if form == "votable":
                unit, definition = _for_votable(unit, definition)
            table[name].description = definition
            if unit:
                table[name].unit = unit
    if form == "ecsv":
        text = io.StringIO()
        table.write(text, format="ascii.ecsv")
        return text.getvalue().encode()
    buffer = io.BytesIO()
    table.write(buffer, format=form)
    return buffer.getvalue()


def _for_votable(unit: str, definition: str) -> tuple[str, str]:
    """A unit as the standard of VOTables wants it; one it lacks moves to the definition."""
    from astropy import units

    try:
        return units.Unit(unit).to_string("vounit", deprecations="convert"), definition
    except (ValueError, TypeError):  # dex, and logarithms of units
        return "", f"{definition} [{unit}]"
