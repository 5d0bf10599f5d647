"""What the view for a user's own galaxies says in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.predicting import Judgement
from galam_explorer.app.views.base import escape
from galam_explorer.app.views.domain import domain_badge, domain_state
from galam_explorer.evaluate.figures.predictions import PREDICTORS, domain_warning
from galam_explorer.evaluate.figures.preprocess import STATUS_TEXT
from galam_explorer.records import Galaxy, Prediction
from galam_explorer.survey.sdss_targets import Candidate

__all__ = [
    "CANDIDATE_HEADS",
    "candidate_html",
    "files_html",
    "list_html",
    "outcome_html",
    "said_html",
]

_DOMAINS = {
    "outside": "outside",
    "inside": "inside",
    "unknown": "not known",
    "none": "no model",
}
_CELLS = "display:grid;grid-template-columns:54px 72px 60px 56px 60px;gap:0 8px;font-size:12.5px"
CANDIDATE_HEADS = (
    f'<div class="g soft" style="{_CELLS}">'
    + "".join(f"<span>{text}</span>" for text in ("distance", "r", "z", "class", "spectrum"))
    + "</div>"
)


def size_text(count: int) -> str:
    """A file's size in kB or MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count / 1e3, 0.1):.0f} kB"


def files_html(
    files: Mapping[str, bytes | str], coming: Sequence[str], refused: Sequence[str], limit: int
) -> str:
    """Which files are here, on their way, or too large.

    Parameters
    ----------
    files : mapping of str to bytes or str
    coming, refused : sequence of str
        Names.
    limit : int
        MB a file.
    """
    parts = [f"<b>{escape(name)}</b> ({size_text(len(body))})" for name, body in files.items()]
    parts += [f"{escape(name)} is on its way…" for name in coming]
    parts += [
        f'<span class="badge bad">{escape(name)}: not taken, at most two files of {limit} MB</span>'
        for name in refused
    ]
    text = ", ".join(parts)
    return f'<div class="g soft" data-here="{len(files)}" style="font-size:12px">{text}</div>'


def said_html(problem: object, notes: Sequence[str], tried: str = "could not be added") -> str:
    """Why nothing came, or what was said of what came; empty for neither."""
    if problem is not None:
        return (
            f'<div class="g" role="alert" data-problem="1"><span class="badge bad">{escape(tried)}'
            f"</span> {escape(problem)}</div>"
        )
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="g" data-notes="{len(notes)}"><ul style="margin:0">{items}</ul></div>'


def candidate_html(candidate: Candidate) -> str:
    """Distance, brightness, redshift, class and whether there is a spectrum."""
    row = candidate.row
    cells = (
        f"{candidate.distance:.1f}″",
        COLUMNS["petro_mag_r"].text(row.petro_mag_r),
        f"{row.z:.4f}" if math.isfinite(row.z) else "unknown",
        row.spec_class.lower() or "galaxy",
        "yes" if candidate.has_spectrum else "no",
    )
    spans = "".join(f"<span>{escape(cell)}</span>" for cell in cells)
    return f'<div class="g" data-candidate="{escape(candidate.id)}" style="{_CELLS}">{spans}</div>'


def outcome_html(galaxy: Galaxy, found: Judgement | None, waiting: str = "") -> str:
    """What came of the chosen galaxy: whether it is like the training's, then what it has.

    Parameters
    ----------
    galaxy : Galaxy
    found : Judgement, optional
        None: not worked out yet; then no number is shown.
    waiting : str
        What is being waited for.
    """
    state = "waiting" if found is None else domain_state(found.predictions)
    parts = [f"<h2>{escape(galaxy.id)}</h2>"]
    if found is None:
        parts.append(f'<span class="soft">{escape(waiting)}</span>')
        rows = ""
    else:
        parts.append(_flag(found, state))
        rows = _has(galaxy, found.predictions)
        if warning := domain_warning(found.predictions):
            rows = f'<p style="margin:4px 0 2px">{escape(warning)}</p>{rows}'
    return (
        f'<div class="g" data-mine="{escape(galaxy.id)}" data-domain="{state}">'
        f'<div style="display:flex;gap:10px;align-items:center;flex-wrap:wrap">{"".join(parts)}'
        f"</div>{rows}</div>"
    )


def _flag(found: Judgement, state: str) -> str:
    if state == "outside":
        return domain_badge(found.predictions)
    if state == "inside":
        return '<span class="badge good">like the training galaxies</span>'
    reason = found.problem or "no network could use it" if found.predictions else found.problem
    return f'<span class="badge waits">{escape(reason or "no model to compare with")}</span>'


def _has(galaxy: Galaxy, predictions: Mapping[str, Prediction]) -> str:
    spectrum, image = "none", "none"
    if galaxy.spectrum is not None:
        spectrum = f"{len(galaxy.spectrum):,} px, S/N {COLUMNS['sn_r'].text(galaxy.sn_r)}"
        if not math.isfinite(galaxy.z):
            spectrum += "; redshift unknown, so no pPXF fit and no lines"
    if galaxy.cutout is not None:
        image = f"{galaxy.cutout.scale:.3g}″/px"
    lines = [
        ("Spectrum", spectrum, predictions.get("m1")),
        ("Image", image, predictions.get("m3")),
    ]
    rows = []
    for name, text, one in lines:
        verdict = ""
        if one is not None and text != "none":
            good = one.status == "ok"
            said = "ready for the networks" if good else STATUS_TEXT.get(one.status, one.status)
            kind = "good" if good else "bad"
            verdict = (
                f'<span class="badge {kind}" title="{escape(one.reason)}">{escape(said)}</span>'
            )
        rows.append(f"<span>{name}</span><span>{escape(text)} {verdict}</span>")
    used = [PREDICTORS[key][0] for key in PREDICTORS if _ok(predictions.get(key))]
    if used:
        rows.append(f"<span>Predicted by</span><span>{escape(', '.join(used))}</span>")
    return (
        '<div style="display:grid;grid-template-columns:88px 1fr;gap:3px 8px;margin-top:6px;'
        f'font-size:12.5px">{"".join(rows)}</div>'
    )


def _ok(one: Prediction | None) -> bool:
    return one is not None and one.status == "ok"


def list_html(frame: pd.DataFrame, domains: Mapping[str, str]) -> str:
    """All galaxies of the session; whether each is like the training's stands before its numbers.

    Parameters
    ----------
    frame : DataFrame
        With ``id`` first.
    domains : mapping of str to str
        `domain_state` by id, where it is known.
    """
    names = ["id", "training domain", *list(frame.columns)[1:]]
    heads = "".join(f"<th style='text-align:left'>{escape(_head(one))}</th>" for one in names)
    rows = ""
    for first, *rest in frame.itertuples(index=False):
        domain = _DOMAINS.get(domains.get(first, ""), "not looked at")
        mark = f'<span class="badge bad">{domain}</span>' if domain == "outside" else domain
        cells = "".join(
            f"<td>{escape(_text(name, cell))}</td>"
            for name, cell in zip(names[2:], rest, strict=True)
        )
        rows += f"<tr><td>{escape(first)}</td><td>{mark}</td>{cells}</tr>"
    return (
        f'<div class="g" data-yours="{len(frame)}" style="font-size:12px"><h2>So far</h2>'
        f'<table style="width:100%"><tr>{heads}</tr>{rows}</table></div>'
    )


def _head(name: str) -> str:
    known = {"has_spectrum": "spectrum", "has_cutout": "image"}
    return COLUMNS[name].label if name in COLUMNS else known.get(name, name)


def _text(name: str, cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return COLUMNS[name].text(cell) if name in COLUMNS else str(cell)
