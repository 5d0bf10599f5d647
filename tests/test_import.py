"""Importing folders: what is matched with what, and what becomes of everything else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sdss_format import about, coadd_columns, picture, write_picture, write_spec, write_spspec
from typer.testing import CliRunner

from galam_explorer.errors import GalamError
from galam_explorer.survey import Survey, SurveyWriter
from galam_explorer.survey.local import ImportReport, import_folder, read_image_file


def run(folder: Path, out: Path, **options) -> tuple[ImportReport, Survey | None]:
    """Import, and check that every file is accounted for once."""
    report = import_folder(folder, out, **options)
    assert sum(report.outcomes.values()) == report.files
    assert report.outcomes["left over"] == len(report.left_over)
    assert report.outcomes["bad"] == len(report.bad)
    json.dumps(report.to_dict())
    survey = Survey(out) if (out / "survey.json").exists() else None
    if survey is not None:
        assert survey.problems == []
    return report, survey


def spec(folder: Path, fiber: int, **values) -> Path:
    """A spectrum file of plate 266 under its own name."""
    name = f"spec-0266-51602-{fiber:04d}.fits"
    return write_spec(folder / name, coadd_columns(seed=fiber), about(fiber=fiber, **values))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "survey"


def test_images_join_spectra_by_the_id_in_their_names(folder: Path, out: Path) -> None:
    for fiber in (1, 2, 3):
        spec(folder / "spectra", fiber)
    write_picture(folder / "images" / "image-0266-51602-0001.jpg", seed=1)
    write_picture(folder / "images" / "0266-51602-0002.png", seed=2)
    report, survey = run(folder, out)
    assert report.outcomes == {"spectrum": 3, "image by id": 2}
    assert (report.galaxies, report.with_spectrum, report.with_cutout) == (3, 3, 2)
    assert (survey.kind, survey.name, len(survey)) == ("local", "data", 3)
    first = survey["0266-51602-0001"]
    assert first.origin == "sdss"
    assert first.cutout.encoded == picture(seed=1)
    assert np.isnan(first.cutout.scale)
    assert survey["0266-51602-0002"].cutout.encoded == picture("PNG", seed=2)
    assert survey["0266-51602-0003"].cutout is None
    np.testing.assert_array_equal(
        survey["0266-51602-0003"].spectrum.flux, coadd_columns(seed=3)["flux"]
    )


def test_images_join_spectra_by_position(folder: Path, out: Path) -> None:
    spec(folder, 1, PLUG_RA=0.557, PLUG_DEC=14.9761)
    spec(folder, 2, PLUG_RA=359.9999, PLUG_DEC=-89.0)
    spec(folder, 3, PLUG_RA=10.0, PLUG_DEC=0.0)
    write_picture(folder / "0.5571_14.9762.jpg")  # 0.5 arcsec away
    write_picture(folder / "0.0001_-89.0001.jpg")  # across the meridian, near the pole
    write_picture(folder / "10.0007_0.0000.jpg")  # 2.5 arcsec: another object
    report, survey = run(folder, out)
    assert report.outcomes == {"spectrum": 3, "image by position": 2, "image alone": 1}
    assert survey["0266-51602-0001"].cutout is not None
    assert survey["0266-51602-0002"].cutout is not None
    assert survey["0266-51602-0003"].cutout is None
    alone = survey["10.0007_0.0000"]
    assert (alone.origin, alone.ra, alone.dec) == ("local", 10.0007, 0.0)


def test_two_spectra_of_one_galaxy_share_its_image(folder: Path, out: Path) -> None:
    for fiber, ra in ((1, 10.5), (2, 10.5001), (3, 20.5), (4, 20.5001)):
        spec(folder, fiber, PLUG_RA=ra, PLUG_DEC=1.25)
    write_picture(folder / "10.5000_1.2500.jpg")
    (folder / "20.5000_1.2500.jpg").write_bytes(b"\xff\xd8\xff damaged")
    report, survey = run(folder, out)
    assert report.outcomes == {"spectrum": 4, "image by position": 1, "bad": 1}
    assert [survey[f"0266-51602-000{f}"].cutout is not None for f in (1, 2, 3, 4)] == [
        True,
        True,
        False,
        False,
    ]


def test_an_image_that_names_another_spectrum_is_not_taken(folder: Path, out: Path) -> None:
    spec(folder, 1, PLUG_RA=10.5, PLUG_DEC=1.25)
    write_picture(folder / "0266-51602-0002_10.5000_1.2500.jpg")
    report, survey = run(folder, out)
    assert report.outcomes == {"spectrum": 1, "image alone": 1}
    assert survey["0266-51602-0001"].cutout is None


def test_images_join_spectra_by_a_catalogue(folder: Path, out: Path) -> None:
    spec(folder, 1)
    spec(folder, 2)
    spec(folder, 3, PLUG_RA=50.0, PLUG_DEC=5.0)
    for name in ("andromeda.jpg", "587722981741363294.jpg", "third.jpg", "lonely.jpg"):
        write_picture(folder / "pictures" / name)
    rows = [
        "plate,mjd,fiberid,objid,image,ra,dec,petroMag_r,scale",
        "266,51602,1,111,pictures/andromeda.jpg,,,15.5,0.396",
        "266,51602,2,587722981741363294,,,,16.5,",
        ",,,222,third.jpg,50.0002,5.0,17.5,0.2",
        ",,,333,lonely.jpg,80,8,,0.1",
    ]
    (folder / "list.csv").write_text("\n".join(rows))
    report, survey = run(folder, out, scale=0.5)
    expected = {"spectrum": 3, "image by catalogue": 3, "image alone": 1, "catalogue": 1}
    assert report.outcomes == expected
    galaxies = [survey[f"0266-51602-000{fiber}"] for fiber in (1, 2, 3)]
    assert [g.petro_mag_r for g in galaxies] == [15.5, 16.5, 17.5]
    assert [g.cutout.scale for g in galaxies] == pytest.approx([0.396, 0.5, 0.2])
    assert galaxies[0].ra == 146.7  # the spectrum's own value stays
    alone = survey["img-333"]
    assert (alone.ra, alone.dec, alone.cutout.scale) == pytest.approx((80, 8, 0.1))


def test_a_given_catalogue_replaces_those_in_the_folder(
    folder: Path, out: Path, tmp_path: Path
) -> None:
    write_picture(folder / "one.jpg")
    (folder / "inside.csv").write_text("file,ra,dec\none.jpg,1,1\n")
    given = tmp_path / "given.csv"
    given.write_text("file,ra,dec\none.jpg,2,2\n")
    report, survey = run(folder, out, catalog=given)
    assert survey["one"].ra == 2
    assert report.left_over == [("inside.csv", "another catalogue was given")]
    with pytest.raises(GalamError, match="cannot read this catalogue"):
        import_folder(folder, tmp_path / "other", catalog=tmp_path / "nowhere.csv")


def test_a_fits_catalogue_is_found_among_spectra(folder: Path, out: Path) -> None:
    from astropy.table import Table

    spec(folder, 1)
    write_spspec(folder / "spSpec-51602-0266-007.fit")
    write_picture(folder / "a.jpg")
    Table({"file": ["a.jpg"], "ra": [33.0], "dec": [3.0]}).write(folder / "objects.fits")
    report, survey = run(folder, out)
    assert report.outcomes == {"spectrum": 2, "image alone": 1, "catalogue": 1}
    assert survey["a"].ra == 33
    assert survey["0266-51602-0007"].spectrum is not None


def test_ids_of_lone_images_are_unique_text(folder: Path, out: Path) -> None:
    names = ["587722981741363294.jpg", "gz2-100561.jpg", "1e5.png", "a/same.jpg", "b/same.jpg"]
    names += ["c/x.jpg", "c/x.png", "nan.jpg", "0.557_14.9761.jpg", "with space [1].JPG"]
    for seed, name in enumerate(names):
        write_picture(folder / name, seed=seed)
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(picture(seed=99))
    report, survey = run(folder, out)
    assert report.outcomes == {"image alone": len(names) + 1}
    assert set(survey.ids) == {
        "img-587722981741363294",
        "gz2-100561",
        "img-1e5",
        "a-same",
        "b-same",
        "c-x.jpg",
        "c-x.png",
        "img-nan",
        "0.557_14.9761",
        "with space [1]",
        r"caf\udce9",
    }
    assert np.isnan(survey["gz2-100561"].ra)
    assert survey["b-same"].cutout.encoded == picture(seed=4)


def test_running_again_adds_what_is_new(folder: Path, out: Path) -> None:
    spec(folder, 1)
    spec(folder, 2, PLUG_RA=0.5, PLUG_DEC=1.5)
    spec(folder, 3)
    write_picture(folder / "0266-51602-0001.jpg")
    write_picture(folder / "0.500_1.500.jpg")
    write_picture(folder / "lone.jpg")
    first, survey = run(folder, out)
    assert first.galaxies == 4
    again, survey = run(folder, out, name="another name")
    assert again.outcomes == {"already there": 6}
    assert (again.galaxies, len(survey), survey.name) == (0, 4, "data")
    spec(folder, 4)
    write_picture(folder / "0266-51602-0004.jpg")
    write_picture(folder / "lone2.jpg")
    write_picture(folder / "0266-51602-0003.jpg")  # too late: its galaxy is written
    third, survey = run(folder, out)
    assert third.outcomes == {
        "already there": 6,
        "spectrum": 1,
        "image by id": 1,
        "image alone": 1,
        "left over": 1,
    }
    assert "0266-51602-0003 is in the survey without an image" in third.left_over[0][1]
    assert len(survey) == 6
    assert survey["0266-51602-0004"].cutout is not None


def test_a_run_that_was_stopped_is_completed_by_the_next(folder: Path, out: Path) -> None:
    for number in range(700):
        (folder / f"g-{number:04d}.jpg").write_bytes(picture(seed=number % 5))

    def stop(done: int, total: int) -> None:
        assert total == 700
        if done == 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_folder(folder, out, progress=stop)
    assert len(Survey(out)) == 500  # one whole shard
    report, survey = run(folder, out)
    assert report.outcomes == {"already there": 500, "image alone": 200}
    assert len(survey) == 700


def test_bad_files_are_reported_and_the_rest_is_imported(folder: Path, out: Path) -> None:
    for fiber in (1, 2, 3):
        spec(folder, fiber)
    cut = spec(folder, 4)
    cut.write_bytes(cut.read_bytes()[:5000])
    (folder / "spec-0266-51602-0005.fits").write_text("<html>not found</html>")
    fits.PrimaryHDU(np.ones(4300, np.float32)).writeto(folder / "template.fits")
    whole = picture(side=200)
    (folder / "0266-51602-0001.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "0266-51602-0002.jpg").write_bytes(picture("GIF"))
    write_picture(folder / "b-0266-51602-0002.jpg")  # takes the place of the bad one
    (folder / "empty.jpg").write_bytes(b"")
    write_picture(folder / "pixel.jpg", side=1)
    (folder / "huge.jpg").write_bytes(whole)
    os.truncate(folder / "huge.jpg", 65 * 2**20)
    (folder / "scan.tif").write_bytes(picture("TIFF"))
    (folder / "notes.txt").write_text("notes")
    (folder / "spec.fits.gz").write_bytes(b"\x1f\x8b")
    (folder / "table.csv").write_text("colour,size\nred,3\n")
    (folder / "broken.ecsv").write_text("# %ECSV 1.0\n# ---\n# datatype: [\n")
    write_picture(folder / "good.jpg")
    report, survey = run(folder, out)
    assert sorted(survey.ids) == [*(f"0266-51602-000{fiber}" for fiber in (1, 2, 3)), "good"]
    assert survey["0266-51602-0001"].cutout is None
    assert survey["0266-51602-0002"].cutout is not None
    bad = dict(report.bad)
    for name, what in {
        cut.name: "cut short",
        "spec-0266-51602-0005.fits": "not a FITS file",
        "0266-51602-0001.jpg": "cannot be decoded",
        "0266-51602-0002.jpg": "neither JPEG nor PNG",
        "empty.jpg": "empty",
        "pixel.jpg": "1×1 px",
        "huge.jpg": "too large",
        "broken.ecsv": "cannot read this ecsv",
    }.items():
        assert what in bad.pop(name)
    assert not bad
    left = dict(report.left_over)
    for name, what in {
        "template.fits": "not a galaxy spectrum",
        "scan.tif": "JPEG or PNG",
        "notes.txt": "not a spectrum, image or catalogue",
        "spec.fits.gz": "unpack",
        "table.csv": "no column",
    }.items():
        assert what in left.pop(name)
    assert not left


def test_duplicates_are_reported(folder: Path, out: Path) -> None:
    spec(folder / "full", 1)
    spec(folder / "lite", 1)
    write_picture(folder / "0266-51602-0001.jpg")
    write_picture(folder / "0266-51602-0001.png")
    (folder / "list.csv").write_text("id,file\nm31,x.jpg\nm31,y.jpg\nm32,y.jpg\n")
    write_picture(folder / "x.jpg")
    write_picture(folder / "m31.jpg")
    report, survey = run(folder, out)
    assert sorted(survey.ids) == ["0266-51602-0001", "m31"]
    left = dict(report.left_over)
    assert "full" in left[os.path.join("lite", "spec-0266-51602-0001.fits")]
    assert "has an image already (0266-51602-0001.jpg)" in left["0266-51602-0001.png"]
    assert "duplicate of id m31" in left["x.jpg"]
    assert "occurs again" in report.notes[0]


def test_pixels_and_redshifts_worth_a_note(folder: Path, out: Path) -> None:
    columns = coadd_columns()
    columns["flux"][:7] = np.nan
    write_spec(folder / "a.fits", columns, about(fiber=1))
    columns = coadd_columns()
    columns["ivar"][:] = 0
    write_spec(folder / "b.fits", columns, about(fiber=2, Z=None))
    report, survey = run(folder, out)
    assert report.notes == [
        "a.fits: 7 pixels without a finite flux, not used",
        "b.fits: no pixel carries information",
        "b.fits: gives no redshift",
    ]
    assert len(survey) == 2


def test_links_hidden_files_and_other_surveys(folder: Path, out: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write_picture(outside / "secret.jpg")
    write_picture(folder / "real.jpg")
    write_picture(folder / ".hidden.jpg")
    write_picture(folder / ".git" / "x.jpg")
    (folder / "inside-link.jpg").symlink_to(folder / "real.jpg")
    (folder / "outside-link.jpg").symlink_to(outside / "secret.jpg")
    (folder / "broken-link.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "folder-link").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    os.mkfifo(folder / "pipe.jpg")  # opening it would wait for ever
    SurveyWriter(folder / "old", "old", "local")
    report, survey = run(folder, out)
    assert sorted(survey.ids) == ["inside-link", "real"]
    assert len(report.left_over) == 4
    assert sum("not followed" in note for note in report.notes) == 2
    assert sum("a survey already" in note for note in report.notes) == 1


def test_the_survey_may_lie_inside_the_folder(folder: Path) -> None:
    write_picture(folder / "a.jpg")
    assert run(folder, folder / "s")[0].galaxies == 1
    assert run(folder, folder / "s")[0].files == 1
    with pytest.raises(GalamError, match="cannot be the folder itself"):
        import_folder(folder, folder)


def test_folders_and_outputs_that_cannot_be_used(folder: Path, out: Path, tmp_path: Path) -> None:
    with pytest.raises(GalamError, match="no such folder"):
        import_folder(tmp_path / "nowhere", out)
    with pytest.raises(GalamError, match="no files"):
        import_folder(folder, out)
    image = write_picture(folder / "a.jpg")
    with pytest.raises(GalamError, match="a file, not a folder"):
        import_folder(image, out)
    with pytest.raises(GalamError, match="a file, not a folder"):
        import_folder(folder, write_picture(tmp_path / "x" / "b.jpg"))
    with pytest.raises(GalamError, match="cannot write"):
        import_folder(folder, tmp_path / "x" / "b.jpg" / "s")
    with pytest.raises(GalamError, match="not empty"):
        import_folder(folder, tmp_path / "x")
    SurveyWriter(tmp_path / "sim", "sim", "simulated", {"seed": 1})
    with pytest.raises(GalamError, match="another kind"):
        import_folder(folder, tmp_path / "sim")
    for scale in (0, -1, float("nan")):
        with pytest.raises(GalamError, match="arcsec per pixel"):
            import_folder(folder, out, scale=scale)
    assert not out.exists()


def test_a_folder_without_anything_usable_makes_no_survey(folder: Path, out: Path) -> None:
    (folder / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    (folder / "notes.txt").write_text("x")
    report, survey = run(folder, out)
    assert (report.galaxies, survey) == (0, None)
    assert report.outcomes == {"bad": 1, "left over": 1}


def test_one_image_file(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png")
    cutout = read_image_file(path, 0.396)
    assert (cutout.encoded, cutout.scale) == (path.read_bytes(), 0.396)
    with pytest.raises(GalamError, match="cannot read"):
        read_image_file(tmp_path / "b.png")


REAL = [
    ("sdss/pairs", {"spectrum": 4, "image by id": 4}),
    ("sdss/spectra", {"spectrum": 9}),
    ("sdss/cutouts", {"image alone": 240}),
    ("sdss/imgcutout", {"image alone": 15}),
    ("legacy/pairs", {"spectrum": 5, "image by id": 5}),
    ("sdss", {"spectrum": 13, "image by id": 4, "image alone": 255}),
]


@pytest.mark.parametrize(("where", "expected"), REAL, ids=[where for where, _ in REAL])
def test_real_folders(shared_data: Path, out: Path, where: str, expected: dict) -> None:
    report, survey = run(shared_data / where, out)
    assert report.outcomes == expected
    assert (report.bad, report.left_over, report.notes) == ([], [], [])
    assert len(survey) == expected.get("spectrum", 0) + expected.get("image alone", 0)
    located = np.isfinite(survey.column("ra")).sum()
    assert located == expected.get("spectrum", 0) + 15 * (where in ("sdss", "sdss/imgcutout"))


def test_everything_real_at_once(shared_data: Path, out: Path) -> None:
    report, survey = run(shared_data, out)
    assert report.outcomes["spectrum"] == 18
    assert report.outcomes["image by id"] == 9
    assert report.outcomes["image alone"] == 255
    assert report.outcomes["catalogue"] == 1
    templates = [why for file, why in report.left_over if "miles_vazdekis" in file]
    assert len(templates) == 36
    assert all("not a galaxy spectrum" in why for why in templates)
    assert report.bad == []
    galaxy = survey["0389-51795-0269"]
    path = shared_data / "sdss" / "pairs" / "image-0389-51795-0269.jpg"
    assert galaxy.cutout.encoded == path.read_bytes()


def test_the_command(folder: Path, out: Path, tmp_path: Path) -> None:
    from galam_explorer.cli import app

    def galam(*words: object):
        return CliRunner().invoke(app, ["import", *map(str, words)])

    spec(folder, 1)
    write_picture(folder / "0266-51602-0001.jpg")
    (folder / "a[b].txt").write_text("x")
    done = galam(folder, "--out", out, "--scale", 0.396, "--json")
    assert done.exit_code == 0
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["outcomes"] == {"image by id": 1, "left over": 1, "spectrum": 1}
    assert "a[b].txt" in done.stderr
    assert Survey(out)["0266-51602-0001"].cutout.scale == pytest.approx(0.396)
    assert galam(folder, "--out", out).exit_code == 0
    empty = tmp_path / "useless"
    empty.mkdir()
    (empty / "x.txt").write_text("x")
    nothing = galam(empty, "--out", tmp_path / "s2")
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert "Nothing could be imported" in nothing.stderr
    missing = galam(tmp_path / "nowhere", "--out", tmp_path / "s3")
    assert missing.exit_code == 1
    assert "no such folder" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert galam(folder).exit_code == 2
    assert galam(folder, "--out", out, "--scale", "wide").exit_code == 2
