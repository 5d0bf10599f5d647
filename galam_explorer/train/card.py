"""The model card: what a released model is, in words made from its own facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["model_card"]

_ROLES = {
    "m1": "spectrum → age, [M/H] and 1024 features",
    "m2": "image → simulated features",
    "m3": "image → age, [M/H] and tokens",
    "m4": "image alone: simulated features attend to tokens → age, [M/H]",
    "m4_real": "image and spectrum: real features attend to tokens → age, [M/H]",
    "image_only": "image → age, [M/H]; as large as M2, M3 and M4 together",
}


def model_card(info: Mapping[str, Any]) -> str:
    """Markdown of a model's ``model.json``."""
    survey = info.get("survey") or {}
    train, network = info["train"], info["network"]
    learned = "the simulation's truth" if info.get("label") is None else "full-spectrum fits"
    lines = [
        f"# {info['name']}",
        "",
        f"Ages (log10 yr) and metallicities ([M/H], dex) of galaxies, learned from {learned}.",
        "",
        f"- model {info.get('hash', '')}, made {info.get('created', '')}",
        f"- networks: `{network['preset']}`, bands {network['bands']}, "
        f"{network['resolution']} px, attention over {network['attention']}{_plugin(info)}",
        f"- training survey: {survey.get('name', 'unknown')} ({survey.get('kind', 'unknown')}), "
        f"fingerprint {survey.get('fingerprint', 'unknown')}",
        f"- seed {train['seed']}, split seed {train['split_seed']}, at most {train['epochs']} "
        f"epochs a stage, {info['precision']} weights",
    ]
    if split := info.get("split"):
        counts = ", ".join(f"{count} {name}" for name, count in split["counts"].items())
        lines.append(f"- galaxies: {counts} (split {split['hash']})")
    lines += ["", "| network | does | parameters | size (MB) |", "|---|---|---:|---:|"]
    for stage, entry in info["networks"].items():
        size = entry["bytes"] / 1e6
        lines.append(f"| {stage} | {_ROLES.get(stage, '')} | {entry['parameters']} | {size:.2f} |")
    lines += _metrics(info.get("metrics"))
    lines += [
        "",
        "Limits: a label is the result of one fit with one set of templates; images reach "
        "beyond the fibre that the label belongs to; galaxies unlike the training survey are "
        "flagged by the domain score, not corrected.",
        "",
    ]
    return "\n".join(lines)


def _plugin(info: Mapping[str, Any]) -> str:
    name = info.get("plugin")
    return f"; they come from the plugin `{name}`, which loading needs" if name else ""


def _metrics(metrics: Any) -> list[str]:
    """A table of numbers by model, of whichever metrics there are."""
    rows = {name: one for name, one in (metrics or {}).items() if isinstance(one, Mapping)}
    numbers = {
        name: {k: v for k, v in one.items() if isinstance(v, int | float)}
        for name, one in rows.items()
    }
    columns = list(dict.fromkeys(key for one in numbers.values() for key in one))
    if not columns:
        return []
    lines = ["", f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name, one in numbers.items():
        cells = [f"{one[key]:.4g}" if key in one else "" for key in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
