"""`galam templates get`, against a file on this machine instead of the network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from galam_explorer.cli.main import app
from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels import load_templates
from galam_explorer.labels.download import get_templates


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    kept = tmp_path / "kept"
    for module in ("templates", "download"):
        monkeypatch.setattr(f"galam_explorer.labels.{module}.templates_folder", lambda: kept)
    lam = np.arange(3500, 7500, 2.0)
    flux = 1 + np.random.default_rng(1).random((len(lam), 2, 2))
    np.savez(
        tmp_path / "spectra_xsl.npz", templates=flux, masses=np.ones((2, 2)),
        ages=[1.0, 10.0], metals=[-0.4, 0.0], lam=lam, fwhm=np.full(len(lam), 2.5),
    )  # fmt: skip
    return (tmp_path / "spectra_{name}.npz").as_uri().replace("%7B", "{").replace("%7D", "}")


def test_a_download_is_checked_and_then_found_by_name(source: str, tmp_path: Path) -> None:
    path, found = get_templates("xsl", source=source)
    assert found == hashlib.sha256((tmp_path / "spectra_xsl.npz").read_bytes()).hexdigest()
    assert path.with_suffix(".sha256").read_text().strip() == found
    assert load_templates(LabelConfig(templates="xsl", mdegree=3)).shape == (2, 2)


def test_other_bytes_than_expected_are_refused_and_nothing_is_left(source: str) -> None:
    with pytest.raises(GalamError, match="its sha256 is"):
        get_templates("xsl", sha256="0" * 64, source=source)
    path, _ = get_templates("xsl", source=source)
    path.with_suffix(".sha256").write_text("1" * 64)
    kept = path.read_bytes()
    with pytest.raises(GalamError, match="a new version"):
        get_templates("xsl", source=source)
    assert path.read_bytes() == kept
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "spectra_xsl.npz", "spectra_xsl.sha256",
    ]  # fmt: skip


def test_what_is_no_library_is_refused(source: str, tmp_path: Path) -> None:
    (tmp_path / "spectra_fsps.npz").write_bytes(b"<html>not found</html>")
    with pytest.raises(GalamError, match="not an npz"):
        get_templates("fsps", source=source)
    with pytest.raises(GalamError, match="cannot download"):
        get_templates("emiles", source=source)
    with pytest.raises(GalamError, match="Known: emiles"):
        get_templates("other", source=source)


def test_the_command_names_the_licence(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_templates, "__defaults__", (None, None, source))
    run = CliRunner().invoke(app, ["templates", "get", "xsl", "--json"])
    assert run.exit_code == 0, run.output
    assert "Verro" in run.output
    assert "sha256" in run.output
