"""Fetching template libraries from pPXF's data repository, on an explicit command only."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels.templates import DOWNLOADABLE, load_templates, templates_folder
from galam_explorer.survey.atomic import atomic_path

__all__ = ["LICENCES", "SOURCE", "get_templates"]

SOURCE = "https://raw.githubusercontent.com/micappe/ppxf_data/main/spectra_{name}_9.0.npz"
LICENCES = {
    "emiles": "E-MILES (Vazdekis et al. 2016, MNRAS 463, 3409): free for non-commercial use, "
    "no redistribution; say 'based on data from the MILES project'",
    "fsps": "FSPS (Conroy et al. 2009, ApJ 699, 486; Conroy & Gunn 2010, ApJ 712, 833): cite both",
    "galaxev": "GALAXEV (Bruzual & Charlot 2003, MNRAS 344, 1000; 2016 version): cite it",
    "xsl": "X-shooter Spectral Library SSPs (Verro et al. 2022, A&A 661, A50): cite it",
}
_BLOCK = 2**18
_MAX_BYTES = 512 * 2**20
_TIMEOUT = 60


def get_templates(
    name: str,
    sha256: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    source: str = SOURCE,
) -> tuple[Path, str]:
    """Download a template library, check it, and keep it for ``--templates NAME``.

    Parameters
    ----------
    name : {"emiles", "fsps", "galaxev", "xsl"}
    sha256 : str, optional
        What the file must hash to. Without it the file is checked to be whole
        (its length) and to hold a usable grid, and its hash is written beside it
        and compared on the next download.
    progress : callable, optional
        Called as ``progress(done, total)`` in bytes; total is 0 if not known.
    source : str
        Address with ``{name}`` in it.

    Returns
    -------
    path : Path
    sha256 : str
        Of the file.

    Raises
    ------
    GalamError
        If there is no such library, no network, or the file is not what it should be.
    """
    if name not in DOWNLOADABLE:
        raise GalamError(f"no templates {name!r}", remedy=f"known: {', '.join(DOWNLOADABLE)}")
    address = source.format(name=name)
    path = templates_folder() / f"spectra_{name}.npz"
    note = path.with_suffix(".sha256")
    with atomic_path(path) as temporary:
        found = _fetch(address, temporary, progress or (lambda done, total: None))
        known = sha256 or (note.read_text().strip() if note.is_file() else found)
        if found != known.lower():
            raise GalamError(
                f"its sha256 is {found}, not {known}",
                address,
                f"if a new version was published, remove {note} and fetch it again",
            )
        # The name must end in npz for numpy; the content decides.
        load_templates(LabelConfig(templates=str(temporary)))
    with atomic_path(note) as temporary:
        temporary.write_text(found + "\n", encoding="ascii")
    return path, found


def _fetch(address: str, path: Path, progress: Callable[[int, int], None]) -> str:
    """Write the file at `address` to `path`; its sha256."""
    digest, done = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer, open(path, "wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            while block := answer.read(_BLOCK):
                file.write(block)
                digest.update(block)
                done += len(block)
                if done > _MAX_BYTES:
                    raise GalamError("this file is too large for templates", address)
                progress(done, total)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise GalamError(f"cannot download ({reason})", address, "try again later") from error
    if total and done != total:
        raise GalamError(f"the download ended after {done} of {total} bytes", address, "try again")
    return digest.hexdigest()
