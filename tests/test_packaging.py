"""pyproject.toml, constraints.txt and environment.yml declare the same set."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared() -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def conda() -> dict[str, Requirement]:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    names = [e for e in entries if isinstance(e, str) and e != "pip"]
    names += next(e for e in entries if isinstance(e, dict))["pip"]
    found = map(Requirement, [n for n in names if not n.startswith("--")])
    return {canonicalize_name(r.name): r for r in found}


def test_conda_has_the_same_ranges_as_pip() -> None:
    environment = conda()
    assert str(environment.pop("python").specifier) == PROJECT["requires-python"]
    assert {k: str(v.specifier) for k, v in environment.items()} == {
        k: str(v.specifier) for k, v in declared().items()
    }


def test_pins_satisfy_the_ranges() -> None:
    pins = pinned()
    extras = [Requirement(r) for group in PROJECT["optional-dependencies"].values() for r in group]
    for requirement in [*declared().values(), *extras]:
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not pinned in constraints.txt"
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]}"
    assert pins["torch"] == "2.13.0"


@pytest.mark.parametrize(
    "file", [*ROOT.glob("galam_explorer/**/*.py"), *ROOT.glob("tools/*.py"), ROOT / "app.py"]
)
def test_every_third_party_import_is_declared(file: Path) -> None:
    modules = set(re.findall(r"^\s*(?:import|from)\s+([A-Za-z_]\w*)", file.read_text(), re.M))
    modules -= {"galam_explorer", *sys.stdlib_module_names}
    provides = {
        "cv2": "opencv-python-headless",
        "PIL": "pillow",
        "yaml": "pyyaml",
        "sklearn": "scikit-learn",
    }
    names = {canonicalize_name(provides.get(module, module)) for module in modules}
    # click comes with typer, pyviz_comms with Panel; IPython is there where notebooks are.
    known = set(declared()) | {"click", "ipython", "pyviz-comms"}
    if "tools" in file.parts:
        test = PROJECT["optional-dependencies"]["test"]
        known |= {canonicalize_name(Requirement(r).name) for r in test} | {"matplotlib", "fastar"}
    assert names <= known


def test_version_and_help_are_quick_to_reach() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "galam_explorer", "--help"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    for command in ("serve", "simulate", "import", "prepare", "info"):
        assert command in run.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, galam_explorer, galam_explorer.survey.store; "
        "heavy = {'torch', 'panel', 'bokeh', 'holoviews', 'cv2', 'photutils', 'galsim', 'ppxf'}; "
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
