"""What users bring: files and single galaxies become a survey of their own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import ppxf
import pytest
from bad_files import gzip_bomb, huge_png, lying_fits
from PIL import Image

from galam_explorer.app.inbox import Inbox, safe_name
from galam_explorer.errors import GalamError
from galam_explorer.survey import load_survey

SPECTRA = Path(ppxf.__file__).parent / "spectra"
NGC3073 = SPECTRA / "NGC3073_SDSS_DR18.fits"


def image(side: int = 128, form: str = "JPEG") -> bytes:
    y, x = np.mgrid[:side, :side] - side / 2
    light = 20 + 220 * np.exp(-(x**2 + y**2) / (2 * (side / 8) ** 2))
    stream = io.BytesIO()
    Image.fromarray(np.repeat(light[..., None], 3, 2).astype(np.uint8)).save(stream, form)
    return stream.getvalue()


@pytest.fixture
def inbox():
    made = Inbox()
    yield made
    made.close()
    assert not made.path.parent.exists()


def spectrum_bytes() -> bytes:
    return NGC3073.read_bytes()


def test_a_spectrum_and_an_image_are_one_galaxy(inbox: Inbox) -> None:
    ids, problems = inbox.add_files({"a.fits": spectrum_bytes(), "b.jpg": image()})
    assert problems == []
    galaxy = load_survey(inbox.path)[ids[0]]
    assert len(ids) == 1
    assert galaxy.spectrum is not None
    assert galaxy.cutout.scale == pytest.approx(0.396)
    assert galaxy.z == pytest.approx(0.0038, abs=0.001)


def test_an_image_alone_takes_its_place_from_the_form(inbox: Inbox) -> None:
    ids, _ = inbox.add_files({"my galaxy.png": image(form="PNG")}, 0.5, 0.1, (150.0, 2.0))
    galaxy = load_survey(inbox.path)[ids[0]]
    assert ids == ["my_galaxy"]
    assert (galaxy.ra, galaxy.dec, galaxy.z) == (150.0, 2.0, 0.1)
    assert galaxy.cutout.scale == 0.5


def test_the_same_file_again_gets_another_name(inbox: Inbox) -> None:
    first, _ = inbox.add_files({"a.jpg": image()})
    second, _ = inbox.add_files({"a.jpg": image(64)})
    assert (first, second) == (["a"], ["a-2"])
    assert load_survey(inbox.path).ids == ["a", "a-2"]


def test_one_bad_file_is_told_and_the_other_is_used(inbox: Inbox) -> None:
    ids, problems = inbox.add_files({"a.jpg": image(), "broken.fits": b"SIMPLE  = nonsense"})
    assert ids == ["a"]
    assert len(problems) == 1
    assert "broken.fits" in problems[0]
    assert str(inbox.path.parent) not in problems[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"hello"),
        ("empty.jpg", b""),
        ("cut.jpg", image()[:200]),
        ("page.jpg", b"<html>not found</html>"),
        ("cut.fits", NGC3073.read_bytes()[:6000]),
        ("huge.jpg", b"\xff\xd8\xff" + bytes(65 * 2**20)),
        ("bomb.fits.gz", gzip_bomb()),
        ("bomb.fits", gzip_bomb(16)),
        ("wide.png", huge_png()),
        ("lying.fits", lying_fits()),
        ("liar.fits", lying_fits(2)),
    ],
)
def test_files_that_cannot_be_used_are_one_clear_error(
    inbox: Inbox, name: str, content: bytes
) -> None:
    with pytest.raises(GalamError, match=name):
        inbox.add_files({name: content})
    assert not inbox.path.exists()
    assert list(inbox.path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd.jpg", "..\\x.jpg", "/tmp/x.jpg", "..", "a\0b"])
def test_names_never_leave_the_folder(name: str) -> None:
    made = safe_name(name)
    assert made
    assert not set(made) & set("/\\\0")
    assert not made.startswith(".")
