"""The import rule: data walk from left to right and never back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "galam_explorer"
ROOMS = ["survey", "preprocess", "labels", "networks", "train", "evaluate", "app", "cli"]
SHARED = {"config", "records", "errors", "plugins", ""}
ONLY_IN = {
    "torch": ("labels/batched", "networks/", "train/", "evaluate/"),
    "panel": ("app/",),
    "panel_material_ui": ("app/",),
    "param": ("app/",),
    "requests": ("survey/sdss.py",),
    # labels/download.py is what `galam templates get` runs: an explicit command, never implicit.
    "urllib.request": ("survey/sdss.py", "labels/download.py"),
    "http.client": ("survey/sdss.py",),
    "aiohttp": ("survey/sdss.py",),
    "httpx": ("survey/sdss.py",),
    "astroquery": ("survey/sdss.py",),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[str]:
    """Every dotted name that a file imports, also inside functions."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def room_of(dotted: str) -> str:
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_from_the_left(path: Path) -> None:
    inside = path.relative_to(PACKAGE).as_posix()
    room = inside.split("/")[0].removesuffix(".py")
    for name in imports(path):
        if name.split(".")[0] != "galam_explorer":
            continue
        other = room_of(name)
        if room in SHARED and room != "":
            assert other in SHARED, f"{inside} imports {name}"
        elif room in ROOMS and other in ROOMS:
            assert ROOMS.index(other) <= ROOMS.index(room), f"{inside} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_and_networked_libraries_stay_in_their_rooms(path: Path) -> None:
    inside = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        for library, allowed in ONLY_IN.items():
            if f"{name}.".startswith(f"{library}."):
                assert inside.startswith(allowed), f"{inside} imports {name}"


def test_state_is_free_of_panel() -> None:
    names = imports(PACKAGE / "app" / "state.py")
    assert not [name for name in names if name.split(".")[0] in ("panel", "panel_material_ui")]
    assert [name for name in names if name.split(".")[0] == "param"]


def test_networks_import_nothing_of_ours_but_config() -> None:
    for path in (PACKAGE / "networks").rglob("*.py"):
        for name in imports(path):
            assert not name.startswith("galam_explorer.") or room_of(name) in ("config", "networks")
