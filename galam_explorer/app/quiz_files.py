"""Answers of a lesson as files: JSON to collect and restore, Markdown and HTML to read."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pandas as pd

from galam_explorer.errors import GalamError

__all__ = ["FORMATS", "as_html", "as_json", "as_markdown", "collect_answers", "read_answers"]

FORMATS = (".html", ".md", ".json")
_MAX_BYTES = 2_000_000
_VERDICTS = {True: "right", False: "not right", None: "written"}
_STYLE = (
    "body { font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; "
    "padding: 0 1em } blockquote { border-left: 3px solid #99a; margin-left: 0; "
    "padding-left: 1em; white-space: pre-wrap } .soft { color: #556 }"
)


def as_json(found: dict[str, Any]) -> str:
    """What `AnswerSheet.to_dict` gives, as text."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def read_answers(path: Path) -> dict[str, Any]:
    """Read back a file that `as_json` made.

    Raises
    ------
    GalamError
        If it cannot be read or holds something else.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("far too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != "galam-answers" or found["version"] != 1:
            raise ValueError("another format or version")
        if not (isinstance(found["lesson"], str) and isinstance(found["name"], str)):
            raise TypeError("lesson and name must be text")
        for row in found["answers"]:
            if not all(isinstance(row[name], str) for name in ("key", "question", "given", "when")):
                raise TypeError("an answer is not text")
            row["choice"], row["right"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalamError(f"these are no answers to a lesson ({error})", path) from error
    return found


def collect_answers(folder: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """What a class handed in: every JSON file of a folder.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    (DataFrame, list of str)
        One row an answer: ``name``, ``lesson``, ``key``, ``question``, ``given``, ``right``
        (missing for written answers), ``when``, ``file``; and what could not be read.

    Raises
    ------
    GalamError
        If there is no such folder.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise GalamError("there is no such folder", folder)
    columns = ["name", "lesson", "key", "question", "given", "right", "when", "file"]
    rows, problems = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            found = read_answers(path)
        except GalamError as error:
            problems.append(str(error))
            continue
        about = {"name": found["name"], "lesson": found["lesson"], "file": path.name}
        rows += [{**about, **{n: one[n] for n in columns[2:7]}} for one in found["answers"]]
    return pd.DataFrame(rows, columns=columns).astype({"right": "boolean"}), problems


def as_markdown(found: dict[str, Any]) -> str:
    """Answers as Markdown; what the student wrote is quoted and cannot become markup."""
    lines = [f"# {_inline(found['lesson'])}", "", f"Answers of {_inline(found['name'])}", ""]
    for number, row in enumerate(found["answers"], 1):
        lines += [f"## {number}. {_inline(row['question'])}", ""]
        lines += [f"> {_inline(line)}" for line in row["given"].splitlines() or [""]]
        lines += ["", f"{_VERDICTS[row['right']]}, {row['when']}", ""]
    return "\n".join([*lines, *_left(found), ""])


def as_html(found: dict[str, Any]) -> str:
    """Answers as a page that needs nothing else."""
    title, name = html.escape(found["lesson"]), html.escape(found["name"])
    parts = [f"<h1>{title}</h1><p>Answers of <b>{name}</b></p>"]
    for row in found["answers"]:
        parts.append(
            f"<h2>{html.escape(row['question'])}</h2>"
            f"<blockquote>{html.escape(row['given'])}</blockquote>"
            f'<p class="soft">{_VERDICTS[row["right"]]}, {html.escape(row["when"])}</p>'
        )
    parts += [f"<p>{html.escape(line)}</p>" for line in _left(found)]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}: {name}'
        f"</title><style>{_STYLE}</style></head>\n<body>{''.join(parts)}</body></html>\n"
    )


def _left(found: dict[str, Any]) -> list[str]:
    left = found["unanswered"]
    return [f"Not answered: {', '.join(left)}"] if left else []


def _inline(text: str) -> str:
    """One line of text in which nothing is markup."""
    plain = " ".join(text.split())
    return "".join(f"\\{one}" if one in "\\`*_[]<>#|" else one for one in plain)
