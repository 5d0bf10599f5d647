"""The embedded demo survey, and the two real spectra that ship inside ppxf."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from galam_explorer.records import Galaxy
from galam_explorer.survey.sdss_files import read_spectrum_file
from galam_explorer.survey.store import Survey

__all__ = ["DEMO_PATH", "load_demo", "ppxf_spectra"]

DEMO_PATH = Path(__file__).parent / "data" / "demo"


def ppxf_spectra() -> list[Path]:
    """The real SDSS spectra inside the installed ppxf package (found, never copied)."""
    found = find_spec("ppxf")
    if found is None or found.origin is None:
        return []
    return sorted((Path(found.origin).parent / "spectra").glob("NGC*_SDSS_*.fits"))


def load_demo() -> Survey:
    """The demo: simulated galaxies from the package, and two real ones from ppxf."""
    real: list[Galaxy] = [read_spectrum_file(path) for path in ppxf_spectra()]
    return Survey(DEMO_PATH, extra=real)
