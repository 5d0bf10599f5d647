"""Reading catalogues: names of columns, exact ids, and rows that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from galam_explorer.errors import GalamError
from galam_explorer.survey.catalogs import NotACatalogError, read_catalog

OBJID = 1237648720693755918  # a float64 holds ...755904
SPECOBJID = 9455557138841884672  # above 2**63


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def galaxies() -> Table:
    """Two galaxies under the names that SDSS and VizieR use."""
    return Table(
        {
            "specObjID": np.array([299489676975171584, SPECOBJID], np.uint64),
            "objID": np.array([OBJID, OBJID + 1], np.int64),
            "_RAJ2000": [146.71421, 218.73],
            "_DEJ2000": [-1.0413, 57.395],
            "z": [0.0213, 0.1754],
            "petroMag_r": [15.5, -9999.0],
            "petroR90_r": [12.0, 5.0],
            "snMedian_r": [45.5, 20.9],
            "class": ["GALAXY", "QSO"],
        }
    )


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".csv", "ascii.csv"), (".ecsv", "ascii.ecsv"), (".vot", "votable"), (".fits", "fits")],
)
def test_every_format_gives_the_same(tmp_path: Path, suffix: str, kind: str) -> None:
    table = galaxies()
    if suffix == ".vot":  # has no unsigned 64-bit type
        table["specObjID"] = table["specObjID"].astype(str)
    table.write(tmp_path / f"c{suffix}", format=kind)
    catalog = read_catalog(tmp_path / f"c{suffix}")
    assert catalog.problems == []
    first, second = catalog.entries
    assert first.keys == ("0266-51602-0001", "299489676975171584", str(OBJID))
    assert second.keys == ("8398-57870-0908", str(SPECOBJID), str(OBJID + 1))
    assert (first.ra, first.dec, first.z) == pytest.approx((146.71421, -1.0413, 0.0213))
    assert (first.petro_mag_r, first.petro_r90_r, first.sn_r) == pytest.approx((15.5, 12.0, 45.5))
    assert np.isnan(second.petro_mag_r)
    assert (first.spec_class, second.spec_class) == ("GALAXY", "QSO")
    assert catalog.find("anything.jpg", "8398-57870-0908") is second
    assert catalog.find(f"{OBJID}.jpg") is first
    assert catalog.find("other.jpg") is None


def test_skyserver_and_european_csv(tmp_path: Path) -> None:
    skyserver = write(tmp_path / "a.csv", "#Table1\nplate,mjd,fiberID,z\n266,51602,1,0.02\n")
    assert read_catalog(skyserver).entries[0].keys == ("0266-51602-0001",)
    semicolons = write(tmp_path / "b.csv", "\ufeffName;RA;Dec\nA 1;10.5;-3\n")
    entry = read_catalog(semicolons).entries[0]
    assert (entry.keys, entry.ra, entry.dec) == (("A 1",), 10.5, -3.0)


def test_rows_that_cannot_be_used_are_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = [
        "id,ra,dec,z,scale",
        "a,10,20,0.1,0.4",
        "b,ten,20,0.1,0.4",
        "c,10,20",
        ",,,0.3,",
        "d,400,20,0.1,0",
        "a,11,21,0.2,0.4",
        "e,null,--,NaN,",
        '"f",12,-95,inf,0.2',
    ]
    catalog = read_catalog(write(tmp_path / "c.csv", "\n".join(rows)))
    assert [entry.keys[0] for entry in catalog.entries] == ["a", "b", "d", "e", "f"]
    assert [entry.row for entry in catalog.entries] == [1, 2, 5, 7, 8]
    text = "\n".join(catalog.problems)
    assert "row 2, ra: 'ten' is not a number" in text
    assert "row 3: 3 values for 5 columns" in text
    assert "row 4: no id, file name or position" in text
    assert "row 5: (400, 20) is no position" in text
    assert "row 6: id 'a' occurs again; row 1 is used" in text
    assert "row 8: (12, -95) is no position" in text
    assert len(catalog.problems) == 6
    assert catalog.by_key["a"].ra == 10
    assert np.isnan([catalog.by_key["d"].ra, catalog.by_key["d"].scale]).all()


@pytest.mark.parametrize("number", ["1.23764872069375e+18", "1237648720693755918.0"])
def test_rounded_ids_are_refused(tmp_path: Path, number: str) -> None:
    catalog = read_catalog(write(tmp_path / "c.csv", f"objid,ra,dec\n{number},1,2\n"))
    assert catalog.entries[0].keys == ()
    assert "rounded number" in catalog.problems[0]
    Table({"objid": [float(OBJID)], "ra": [1.0], "dec": [2.0]}).write(tmp_path / "c.fits")
    catalog = read_catalog(tmp_path / "c.fits")
    assert catalog.entries[0].keys == ()
    assert "rounded number" in catalog.problems[0]


def test_z_beside_ugri_is_a_magnitude(tmp_path: Path) -> None:
    text = "id,u,g,r,i,z\na,19,18,17,16.5,16.2\n"
    assert np.isnan(read_catalog(write(tmp_path / "a.csv", text)).entries[0].z)
    text = "id,u,g,r,i,z,redshift\na,19,18,17,16.5,16.2,0.08\n"
    assert read_catalog(write(tmp_path / "b.csv", text)).entries[0].z == 0.08


def test_masked_values_bands_and_angles(tmp_path: Path) -> None:
    from astropy import units
    from astropy.table import MaskedColumn

    table = Table({"id": ["a", "b"], "ra": [1.0, 2.0] * units.hourangle, "dec": [0.1, 0.2]})
    table["dec"].unit = "rad"
    table["z"] = MaskedColumn([0.1, 0.2], mask=[False, True])
    table["PETROMAG"] = [[20.0, 19, 18, 17, 16], [21.0, 20, 19, 18, 17]]
    table.write(tmp_path / "c.ecsv")
    first, second = read_catalog(tmp_path / "c.ecsv").entries
    assert (first.ra, first.dec) == pytest.approx((15.0, np.degrees(0.1)))
    assert (first.z, first.petro_mag_r) == (0.1, 18)
    assert np.isnan(second.z)


def test_file_names_lose_their_folders(tmp_path: Path) -> None:
    text = "image,ra,dec\nimg/a/one.jpg,1,2\nC:\\pictures\\two.jpg,3,4\n"
    catalog = read_catalog(write(tmp_path / "c.csv", text))
    assert catalog.find("one.jpg").ra == 1
    assert catalog.find("two.jpg").ra == 3


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.csv", "colour,size\nred,3\n", "no column"),
        ("a.csv", "", "no column"),
        ("a.csv", 'id,ra\n"a,1\n' + "x" * 200_000, "not a CSV catalogue"),
        ("a.ecsv", "# %ECSV 1.0\n# ---\n# datatype: [\n", "cannot read"),
        ("a.vot", "<VOTABLE><RESOURCE>", "cannot read"),
        ("a.xml", "<html/>", "cannot read"),
        ("a.fits", "SIMPLE  = nonsense", "cannot read"),
        ("a.txt", "id\n1\n", "unknown catalogue format"),
    ],
)
def test_files_that_are_no_catalogues(tmp_path: Path, name: str, text: str, what: str) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(GalamError, match=what) as caught:
        read_catalog(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_catalogue(tmp_path: Path) -> None:
    for suffix in (".csv", ".ecsv", ".vot", ".fits"):
        with pytest.raises(GalamError, match="cannot read"):
            read_catalog(tmp_path / f"nowhere{suffix}")


def test_a_table_without_useful_columns_is_told_apart(tmp_path: Path) -> None:
    Table({"flux": [1.0], "loglam": [3.58]}).write(tmp_path / "c.fits")
    with pytest.raises(NotACatalogError):
        read_catalog(tmp_path / "c.fits")
