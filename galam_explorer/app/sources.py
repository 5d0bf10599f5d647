"""Surveys and models on offer, named by environment variables that are separated like PATH."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["find_model", "model_sources", "named_sources", "survey_sources"]

_PACKAGE = Path(__file__).resolve().parents[1]


def find_model(source: str) -> Path | None:
    """The folder with ``model.json`` that a name, model folder or run stands for, if any.

    As `galam_explorer.evaluate.predict.model_folder`, but without loading torch.
    """
    if source == "demo":
        places = [_PACKAGE.parent / "models" / "demo", _PACKAGE / "models" / "demo"]
    else:
        folder = Path(source).expanduser()
        places = [folder, folder / "model"]
    return next((place for place in places if (place / "model.json").is_file()), None)


def named_sources(text: str) -> dict[str, str]:
    """Short names for the sources in a text that is separated like PATH."""
    sources: dict[str, str] = {}
    for source in [part for part in text.split(os.pathsep) if part]:
        path = Path(source).expanduser().resolve()
        # A run keeps its model in RUN/model.
        base = path.parent.name if path.name == "model" else path.name
        base = source if source == "demo" else base
        name, number = base, 2
        while name in sources:
            name, number = f"{base}-{number}", number + 1
        sources[name] = source
    return sources


def survey_sources(text: str | None = None) -> dict[str, str]:
    """Surveys on offer, short name to source, from GALAM_SURVEY (the demo without it)."""
    text = os.environ.get("GALAM_SURVEY", "") if text is None else text
    return named_sources(text or "demo")


def model_sources(text: str | None = None) -> dict[str, str]:
    """Models on offer, from GALAM_MODEL; without it the released demo model, if it is here."""
    text = os.environ.get("GALAM_MODEL", "") if text is None else text
    if text:
        return named_sources(text)
    return {"demo": "demo"} if find_model("demo") else {}
