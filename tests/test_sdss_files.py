"""Reading SDSS spectrum files: every layout, and every way in which one can be broken."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sdss_format import about, coadd_columns, row_table, table, write_spec, write_spspec

from galam_explorer.errors import GalamError
from galam_explorer.survey.demo import ppxf_spectra
from galam_explorer.survey.sdss_files import NotASpectrumError, read_spectrum_file
from galam_explorer.survey.sdss_ids import id_from_name, id_from_specobjid


def test_all_of_a_spec_file(tmp_path: Path) -> None:
    columns = coadd_columns()
    galaxy = read_spectrum_file(write_spec(tmp_path / "spec.fits", columns))
    assert galaxy.id == "0266-51602-0001"  # from the table, not from the header's other night
    assert (galaxy.origin, galaxy.spec_class, galaxy.z_warning) == ("sdss", "GALAXY", 0)
    assert (galaxy.ra, galaxy.dec) == (146.7, -1.04)  # the object, not the plate's centre
    assert galaxy.z == pytest.approx(0.0213)
    assert galaxy.sn_r == pytest.approx(45.0)
    assert np.isnan(galaxy.petro_mag_r)
    assert galaxy.cutout is None
    spectrum = galaxy.spectrum
    assert spectrum.loglam0 == 3.58  # not the header's COEFF0
    assert spectrum.wavelength[-1] == pytest.approx(10 ** (3.58 + 1e-4 * 399))
    for name in ("flux", "ivar", "and_mask", "wdisp"):
        values = getattr(spectrum, name)
        assert values.dtype.isnative
        np.testing.assert_array_equal(values, columns[name])
    assert spectrum.flux.dtype == np.float32
    assert spectrum.and_mask.dtype == np.int32


def test_full_files_are_like_lite_ones(tmp_path: Path) -> None:
    lite = read_spectrum_file(write_spec(tmp_path / "lite.fits"))
    full = read_spectrum_file(write_spec(tmp_path / "full.fits", exposures=6))
    assert full.id == lite.id
    np.testing.assert_array_equal(full.spectrum.flux, lite.spectrum.flux)


def test_boss_files_say_more_of_the_photometry(tmp_path: Path) -> None:
    photometry = {"PETROMAG": [19.0, 18.0, 17.1, 17.0, 16.8]}
    photometry["PETROTH90"] = [4.0, 4.2, 4.5, 4.4, 4.3]
    row = about(4055, 55359, 6, **photometry)
    upper = {name.upper(): values for name, values in coadd_columns(4605, 3.5529).items()}
    path = write_spec(tmp_path / "spec-4055-55359-0006.fits", upper, row, "SPALL")
    galaxy = read_spectrum_file(path)
    assert galaxy.id == "4055-55359-0006"
    assert galaxy.petro_mag_r == pytest.approx(17.1)
    assert galaxy.petro_r90_r == pytest.approx(4.5)
    assert (len(galaxy.spectrum), galaxy.spectrum.loglam0) == (4605, 3.5529)


def test_unknown_values_are_nan(tmp_path: Path) -> None:
    row = about(PETROMAG=[-9999.0] * 5, PETROTH90=[-9999.0] * 5, Z=-9999.0, ZWARNING=-1)
    galaxy = read_spectrum_file(write_spec(tmp_path / "a.fits", row=row))
    assert np.isnan([galaxy.petro_mag_r, galaxy.petro_r90_r, galaxy.z]).all()
    assert galaxy.z_warning == -1


def test_signal_to_noise_is_computed_where_the_table_lacks_it(tmp_path: Path) -> None:
    columns = coadd_columns(2600, 3.5800)
    columns["flux"][:] = 30.0
    columns["ivar"][:] = 0.25
    columns["and_mask"][:] = 0
    path = write_spec(tmp_path / "a.fits", columns, about(SN_MEDIAN=None))
    assert read_spectrum_file(path).sn_r == pytest.approx(15.0)
    short = write_spec(tmp_path / "b.fits", coadd_columns(), about(SN_MEDIAN=None))
    assert np.isnan(read_spectrum_file(short).sn_r)  # ends at 4170 Å, before the r band


def test_an_object_table_is_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "spec-0266-51602-0013.fits"
    hdus = [fits.PrimaryHDU(), table(coadd_columns(), "COADD")]
    fits.HDUList(hdus).writeto(path)
    galaxy = read_spectrum_file(path)
    assert galaxy.id == "0266-51602-0013"  # from the name
    assert np.isnan([galaxy.z, galaxy.ra, galaxy.dec]).all()
    other = path.rename(tmp_path / "my galaxy.fits")
    assert read_spectrum_file(other).id == "my galaxy"


def test_pixels_that_are_no_numbers_get_no_weight(tmp_path: Path) -> None:
    columns = coadd_columns()
    columns["flux"][[3, 4]] = np.nan, np.inf
    columns["ivar"][[5, 6, 7, 8]] = np.nan, np.inf, -1.0, 0.0
    spectrum = read_spectrum_file(write_spec(tmp_path / "a.fits", columns)).spectrum
    assert not spectrum.ivar[3:9].any()
    assert np.isfinite(spectrum.ivar).all()
    assert np.isnan(spectrum.flux[3])
    assert spectrum.ivar[9] == columns["ivar"][9]
    assert not spectrum.good[3:9].any()


def test_a_spectrum_without_any_information_is_still_read(tmp_path: Path) -> None:
    columns = coadd_columns()
    columns["ivar"][:] = 0
    galaxy = read_spectrum_file(write_spec(tmp_path / "a.fits", columns, about(SN_MEDIAN=None)))
    assert not galaxy.spectrum.good.any()
    assert np.isnan(galaxy.sn_r)


def test_dr7_files(tmp_path: Path) -> None:
    galaxy = read_spectrum_file(write_spspec(tmp_path / "spSpec-51602-0266-007.fit"))
    assert galaxy.id == "0266-51602-0007"
    assert (galaxy.ra, galaxy.dec, galaxy.z) == (146.5, -0.9, 0.05)
    assert (galaxy.spec_class, galaxy.z_warning, galaxy.sn_r) == ("GALAXY", 0, 21.5)
    spectrum = galaxy.spectrum
    assert spectrum.loglam0 == 3.581
    assert not spectrum.ivar[:10].any()
    np.testing.assert_allclose(spectrum.ivar[10:], 4.0)
    assert spectrum.and_mask[5] == 2**18
    assert spectrum.wdisp is None


@pytest.mark.parametrize(
    "cards", [{"COEFF1": 0.0002}, {"COEFF1": "wide"}, {"COEFF0": -1.0}, {"COEFF0": 1e30}]
)
def test_dr7_files_on_another_grid(tmp_path: Path, cards: dict) -> None:
    with pytest.raises(GalamError, match="wavelength"):
        read_spectrum_file(write_spspec(tmp_path / "a.fit", **cards))


def test_a_dr7_image_with_too_few_rows(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.zeros((2, 100), np.float32))
    hdu.header["COEFF0"], hdu.header["COEFF1"] = 3.58, 1e-4
    hdu.writeto(tmp_path / "a.fit")
    with pytest.raises(GalamError, match="at least 4 rows"):
        read_spectrum_file(tmp_path / "a.fit")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spec-0266-51602-0001.fits", "0266-51602-0001"),
        ("spSpec-51602-0266-001.fit", "0266-51602-0001"),
        ("image-1291-52735-0285.jpg", "1291-52735-0285"),
        ("0266-51630-0215.png", "0266-51630-0215"),
        ("spec-266-51602-1.fits", "0266-51602-0001"),
        ("spec-015000-59146-4375786564.fits", "015000-59146-4375786564"),
        ("NGC3073_SDSS_DR18.fits", None),
        ("0.557_14.9761.jpg", None),
        ("2019-01-02.jpg", None),
    ],
)
def test_ids_in_names(name: str, expected: str | None) -> None:
    assert id_from_name(name) == expected


def test_ids_in_specobjids() -> None:
    assert id_from_specobjid("299489676975171584") == "0266-51602-0001"
    assert id_from_specobjid("9455557138841884672") == "8398-57870-0908"  # needs 64 bits
    assert id_from_specobjid("75094093037830144") == "0266-51630-0017"  # DR7's packing
    for text in ("", "12", "-5", "abc", str(2**64), "587722981741363294x"):
        assert id_from_specobjid(text) is None


def broken(tmp_path: Path, how: str) -> Path:
    """A spectrum file with one thing wrong."""
    path = tmp_path / "spec-0266-51602-0001.fits"
    columns = coadd_columns()
    if how == "missing":
        return path
    if how == "folder":
        path.mkdir()
        return path
    if how in ("empty", "text", "gzip"):
        real = write_spec(path).read_bytes()
        path.write_bytes({"empty": b"", "text": b"<html>404", "gzip": gzip.compress(real)}[how])
        return path
    if how == "no rows":
        columns = {name: values[:0] for name, values in columns.items()}
    elif how == "one row":
        columns = {name: values[:1] for name, values in columns.items()}
    elif how == "no flux":
        del columns["flux"]
    elif how == "text flux":
        columns["flux"] = np.full(400, "bright")
    elif how == "linear grid":
        columns["loglam"] = np.log10(np.linspace(3800, 4200, 400)).astype(">f4")
    elif how == "gap":
        columns = {n: np.delete(v, slice(50, 60)) for n, v in columns.items()}
    elif how == "NaN grid":
        columns["loglam"][3] = np.nan
    elif how == "radio":
        columns["loglam"] = columns["loglam"] + np.float32(4)
    write_spec(path, columns)
    raw = path.read_bytes()
    if how == "cut":
        path.write_bytes(raw[: len(raw) // 2 + 7])
    elif how == "cut in the spectrum":
        path.write_bytes(raw[: raw.index(b"XTENSION") // 2880 * 2880 + 3 * 2880])
    elif how == "cut in the object":
        path.write_bytes(raw[: raw.index(b"SPECOBJ") // 2880 * 2880 + 2880])
    elif how.startswith("claims"):
        count = how.split()[1]
        old, new = (f"NAXIS2  = {text:>20}".encode() for text in ("400", count))
        path.write_bytes(raw.replace(old, new))
    elif how == "garbled header":
        path.write_bytes(raw.replace(b"TFIELDS ", b"\xff\xfe\x00\x01DS ", 1))
    return path


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("missing", "cannot read"),
        ("folder", "cannot read"),
        ("empty", "empty"),
        ("text", "not a FITS file"),
        ("gzip", "compressed"),
        ("no rows", "0 pixels"),
        ("one row", "1 pixels"),
        ("no flux", "no column flux"),
        ("text flux", "'flux' is not one number a pixel"),
        ("linear grid", "not a grid"),
        ("gap", "not a grid"),
        ("NaN grid", "not a grid"),
        ("radio", "not optical"),
        ("cut", "cut short"),
        ("cut in the spectrum", "ends inside HDU COADD"),
        ("cut in the object", "ends inside HDU SPECOBJ"),
        ("claims 400000 rows", "ends inside HDU COADD"),
        ("claims 4000000 rows", "too much for one spectrum"),
        ("claims 40000000000000 rows", "."),
        ("claims -400 rows", "."),
        ("garbled header", "."),
    ],
)
def test_broken_files_give_one_clear_error(tmp_path: Path, how: str, what: str) -> None:
    path = broken(tmp_path, how)
    with pytest.raises(GalamError, match=what) as caught:
        read_spectrum_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_fits_files_are_told_apart_from_broken_ones(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.ones(4300, np.float32)).writeto(tmp_path / "template.fits")
    row_table(about(), "CAT").writeto(tmp_path / "catalogue.fits")
    for name in ("template.fits", "catalogue.fits"):
        with pytest.raises(NotASpectrumError, match="not a galaxy spectrum"):
            read_spectrum_file(tmp_path / name)


def test_an_endless_file_is_not_read(tmp_path: Path) -> None:
    path = write_spec(tmp_path / "a.fits")
    os.truncate(path, 2880 * 200_000)  # sparse: takes no room
    with pytest.raises(GalamError, match="too large"):
        read_spectrum_file(path)


def test_random_damage_never_gives_anything_but_a_clear_error(tmp_path: Path) -> None:
    raw = write_spec(tmp_path / "a.fits").read_bytes()
    rng = np.random.default_rng(1)
    outcomes = set()
    for _ in range(120):
        damaged = bytearray(raw)
        for place in rng.integers(0, len(raw), rng.integers(1, 40)):
            damaged[place] = rng.integers(32, 127)
        (tmp_path / "b.fits").write_bytes(damaged)
        try:
            galaxy = read_spectrum_file(tmp_path / "b.fits")
            outcomes.add("read")
            assert len(galaxy.spectrum.flux) == len(galaxy.spectrum.ivar)
        except GalamError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_no_file_stays_open(tmp_path: Path) -> None:
    path = write_spec(tmp_path / "a.fits")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    galaxies = [read_spectrum_file(path) for _ in range(5)]
    path.write_bytes(b"")  # a memory map would crash on the next look
    assert np.isfinite([galaxy.spectrum.flux.sum() for galaxy in galaxies]).all()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before


def test_the_spectra_inside_ppxf() -> None:
    galaxies = {galaxy.id: galaxy for galaxy in map(read_spectrum_file, ppxf_spectra())}
    assert set(galaxies) == {"0945-52652-0470", "2488-54149-0001"}
    ngc3522 = galaxies["2488-54149-0001"]
    assert ngc3522.z == pytest.approx(0.00402, abs=1e-4)
    assert (ngc3522.ra, ngc3522.dec) == pytest.approx((166.6686, 20.0856), abs=1e-3)
    assert ngc3522.sn_r > 40
    assert ngc3522.spectrum.wavelength[0] == pytest.approx(3826.5, abs=1)


def test_real_files_say_what_their_list_says(shared_data: Path) -> None:
    with open(shared_data / "spectra.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 18
    for row in rows:
        galaxy = read_spectrum_file(shared_data / row["file"])
        assert galaxy.id == row["id"]
        assert galaxy.ra == pytest.approx(float(row["ra"]), abs=1e-4)
        assert galaxy.dec == pytest.approx(float(row["dec"]), abs=1e-4)
        assert galaxy.z == pytest.approx(float(row["z"]), abs=1e-4)
        assert galaxy.sn_r > 5
        assert galaxy.spectrum.good.sum() > 2000
        assert galaxy.spectrum.loglam0 == round(galaxy.spectrum.loglam0, 4)
