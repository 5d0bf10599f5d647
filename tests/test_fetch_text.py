"""What `galam fetch` asks, to the letter, and how it reads answers: no network at all."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote_plus

import numpy as np
import pytest
from sdss_standin import SKYSERVER_ERROR, outside

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_answers import OUTSIDE, check_cutout, parse_table, spec_rows
from galam_explorer.survey.sdss_plan import (
    EXAMPLE,
    check_disk,
    estimate_fetch,
    planned_sql,
    planned_urls,
)
from galam_explorer.survey.sdss_queries import (
    COLUMNS,
    KEY_PRIME,
    SpecRow,
    count_sql,
    cutout_url,
    histogram_sql,
    id_sql,
    nearby_photo_sql,
    nearby_sql,
    sample_key,
    selection_sql,
    spectrum_url,
)
from galam_explorer.survey.sdss_retry import (
    BadBodyError,
    FetchStoppedError,
    NotThereError,
    ServiceError,
    Throttle,
    retry_after,
    with_retries,
)
from galam_explorer.survey.sdss_targets import parse_target, position_id

PAPER = FetchConfig()
WHERE = "s.class = 'GALAXY' AND s.z BETWEEN 0.002 AND 0.3 AND s.zWarning = 0 AND s.snMedian_r >= 5"
SELECT = (
    "s.plate, s.mjd, s.fiberID, s.run2d, s.ra, s.dec, s.z, s.zWarning, s.snMedian_r, s.class, "
    "p.petroMag_r, p.petroR90_r"
)
KEY = (
    "(s.plate*CAST(982451653 AS bigint)+s.mjd*CAST(1500450271 AS bigint)"
    "+s.fiberID*CAST(2038074743 AS bigint)+1213239915)%2147483647"
)


def row(plate: int, mjd: int, fiber: int, run2d: str) -> SpecRow:
    return EXAMPLE._replace(plate=plate, mjd=mjd, fiber=fiber, run2d=run2d)


def test_the_sql_is_the_papers_selection() -> None:
    assert count_sql(PAPER) == f"SELECT COUNT(*) AS n FROM SpecObj AS s WHERE {WHERE}"
    assert selection_sql(PAPER, 0, 13421773) == (
        f"SELECT {SELECT} FROM SpecObj AS s LEFT JOIN PhotoObjAll AS p ON p.objID = s.bestObjID "
        f"WHERE {WHERE} AND (({KEY})*({KEY}))%2147483647 BETWEEN 0 AND 13421772"
    )
    assert histogram_sql(PAPER, "z") == (
        "SELECT FLOOR(s.z/0.01) AS bin, COUNT(*) AS n FROM SpecObj AS s "
        f"WHERE {WHERE} GROUP BY FLOOR(s.z/0.01)"
    )
    assert histogram_sql(PAPER, "petro_mag_r") == (
        "SELECT FLOOR(p.petroMag_r/0.2) AS bin, COUNT(*) AS n FROM SpecObj AS s "
        "JOIN SpecPhoto AS p ON p.specObjID = s.specObjID "
        f"WHERE {WHERE} GROUP BY FLOOR(p.petroMag_r/0.2)"
    )


def test_the_sql_of_one_galaxy() -> None:
    photo = "LEFT JOIN PhotoObjAll AS p ON p.objID = s.bestObjID"
    assert id_sql(266, 51602, 1) == (
        f"SELECT {SELECT} FROM SpecObjAll AS s {photo} WHERE s.plate = 266 AND s.mjd = 51602 "
        "AND s.fiberID = 1 ORDER BY s.sciencePrimary DESC"
    )
    assert nearby_sql(146.71421, -1.0413043, 6.0) == (
        f"SELECT TOP 50 {SELECT}, n.distance FROM "
        "dbo.fGetNearbySpecObjEq(146.714210,-1.041304,0.100000) AS n "
        f"JOIN SpecObj AS s ON s.specObjID = n.specObjID {photo} ORDER BY n.distance"
    )
    assert nearby_photo_sql(146.71421, -1.0413043, 6.0) == (
        "SELECT TOP 50 p.ra, p.dec, p.petroMag_r, p.petroR90_r, n.distance FROM "
        "dbo.fGetNearbyObjEq(146.714210,-1.041304,0.100000) AS n "
        "JOIN PhotoPrimary AS p ON p.objID = n.objID WHERE p.type = 3 ORDER BY n.distance"
    )


def test_queries_fit_into_an_address() -> None:
    """SkyServer's pages take query strings of at most 2048 characters (astroquery #2211)."""
    config = FetchConfig(z_min=0.0123456789, z_max=0.2987654321, sn_min=12.3456789)
    longest = selection_sql(config.replace(seed=2**31 - 1), KEY_PRIME - 10, KEY_PRIME)
    assert len(quote_plus(longest)) + len("cmd=&format=csv&searchtool=SQL") < 2048


@pytest.mark.parametrize(
    ("release", "name", "path"),
    [
        ("dr17", row(266, 51602, 1, "26"), "dr17/sdss/spectro/redux/26/spectra/lite/0266"),
        ("dr17", row(1960, 53287, 5, "103"), "dr17/sdss/spectro/redux/103/spectra/lite/1960"),
        ("dr17", row(3586, 55181, 16, "v5_13_2"),
         "dr17/eboss/spectro/redux/v5_13_2/spectra/lite/3586"),
        ("dr12", row(3586, 55181, 16, "v5_7_0"),
         "dr12/boss/spectro/redux/v5_7_0/spectra/lite/3586"),
        ("dr18", row(10000, 57346, 1, "v5_13_2"),
         "dr18/spectro/sdss/redux/v5_13_2/spectra/lite/10000"),
        ("dr19", row(266, 51602, 1, "26"), "dr19/spectro/sdss/redux/26/spectra/lite/0266"),
    ],
)  # fmt: skip
def test_archive_paths(release: str, name: SpecRow, path: str) -> None:
    url = spectrum_url(FetchConfig(release=release), name)
    assert url == f"https://data.sdss.org/sas/{path}/spec-{name.id}.fits"


@pytest.mark.parametrize("run2d", ["v6_0_4", "", "../../etc", "26/..", "v5_13_2\n"])
def test_reductions_that_are_no_path(run2d: str) -> None:
    with pytest.raises(GalamError, match="not one of SDSS-I to IV"):
        spectrum_url(PAPER, row(266, 51602, 1, run2d))


def test_cutout_addresses() -> None:
    base = "https://skyserver.sdss.org/dr17/SkyServerWS/ImgCutout/getjpeg?"
    place = "ra=146.714210&dec=-1.041304&"
    usual = f"{base}{place}scale=0.396127&width=128&height=128"
    assert cutout_url(PAPER, 146.71421, -1.0413043) == usual
    scaled = FetchConfig(cutout_r90=8.5, cutout_size=256)
    assert cutout_url(scaled, 146.71421, -1.0413043, 12.0) == (
        f"{base}{place}scale=0.398438&width=256&height=256"
    )
    assert "scale=0.396127" in cutout_url(scaled, 1, 2, float("nan"))


def test_a_plan_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = planned_sql(FetchConfig(n=50_000))
    assert queries[0] == count_sql(PAPER)
    assert queries[-3:] == [histogram_sql(PAPER, name) for name in ("z", "sn_r", "petro_mag_r")]
    spans = [query.rpartition("BETWEEN ")[2].split(" AND ") for query in queries[1:-3]]
    assert len(spans) == 10
    assert spans[0][0] == "0"
    assert all(int(a[1]) + 1 == int(b[0]) for a, b in pairwise(spans))
    assert len(planned_urls(PAPER)) == 2
    estimate = estimate_fetch(FetchConfig(n=50_000), 50_000, len(queries))
    assert estimate.requests == 100_014
    assert estimate.seconds == 50_014
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**6))
    with pytest.raises(GalamError, match="1 MB are free"):
        check_disk(Path("/somewhere/else"), estimate)


def test_the_sample_is_random() -> None:
    """Chosen fibres spread over plates and over a plate as independent ones would."""
    share = 1 / 16
    for seed in (1, 2, 3):
        keys = np.array(
            [[sample_key(p, 51602 + p % 997, f, seed) for f in range(1, 641)]
             for p in range(266, 466)]
        )  # fmt: skip
        assert keys.min() >= 0
        assert keys.max() < KEY_PRIME
        chosen = keys < share * KEY_PRIME
        assert abs(chosen.mean() - share) < 5 * np.sqrt(share / chosen.size)
        for axis, size in ((0, 200), (1, 640)):
            ratio = chosen.sum(axis).var() / (size * share * (1 - share))
            assert 0.6 < ratio < 1.5
        neighbours = np.corrcoef(chosen[:, 1:].ravel(), chosen[:, :-1].ravel())[0, 1]
        assert abs(neighbours) < 0.02
    assert sample_key(266, 51602, 1, 1) != sample_key(266, 51602, 1, 2)


def test_configuration_is_checked() -> None:
    for wrong, field in (
        ({"release": "dr11"}, "release"),
        ({"release": "17"}, "release"),
        ({"n": 0}, "n"),
        ({"n": 2.5}, "n"),
        ({"seed": -1}, "seed"),
        ({"rate": 2.0}, "rate"),
        ({"archive_rate": 100.0}, "archive_rate"),
        ({"z_min": 0.5}, "z_max"),
        ({"spec_class": "GALAXY' OR 1=1"}, "spec_class"),
        ({"cutout_size": 32}, "cutout_size"),
        ({"spectra": False, "cutouts": False}, "cutouts"),
        ({"skyserver": "ftp://skyserver.sdss.org"}, "skyserver"),
        ({"archive": "https://data.sdss.org/sas/"}, "archive"),
        ({"backoff": float("nan")}, "backoff"),
    ):
        with pytest.raises(GalamError, match=rf"FetchConfig\.{field}: "):
            FetchConfig(**wrong)
    assert FetchConfig.from_json(PAPER.to_json()) == PAPER
    assert FetchConfig(rate=100, skyserver="http://127.0.0.1:1").rate == 100
    assert FetchConfig(n=5).provenance == FetchConfig(n=7).provenance


LINE = "266,51602,1,26,146.71421,-1.0413043,0.02128,0,38.1,GALAXY,-9999,7.5"
TABLE = f"#Table1\n{','.join(COLUMNS)}\n{LINE}\n"


def test_tables_are_read() -> None:
    found = spec_rows(parse_table(TABLE + LINE + "\n", COLUMNS, "here"), "here")
    assert [one.id for one in found] == ["0266-51602-0001"]
    assert found[0].petro_r90_r == 7.5
    assert np.isnan(found[0].petro_mag_r)
    upper = TABLE.replace("plate,", "PLATE,")
    assert parse_table(upper, COLUMNS, "here")[0]["plate"] == "266"
    for empty in ("No objects have been found\n", f"#Table1\n{','.join(COLUMNS)}\n"):
        assert parse_table(empty, COLUMNS, "here") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SKYSERVER_ERROR.format("Timeout expired."), "An error occured Timeout expired."),
        ('{"ErrorCode": 400, "ErrorMessage": "Incorrect syntax near"}', "Incorrect syntax near"),
        ("#Table1\nerror_message\n\"Invalid column name 'x'\"\n", "Invalid column name"),
        ("", "an empty page"),
        ("  \n\n", "an empty page"),
        (TABLE.replace(",petroR90_r", ""), "no column petroR90_r"),
        (TABLE[:-30], "cut short"),
        (TABLE.replace("51602", "NaN"), "no usable numbers"),
        (TABLE.replace("146.71421", "446.71421"), "impossible"),
        (TABLE.replace("266,", "-1,"), "impossible"),
        ("plate\n1\n", "no column mjd"),
    ],
)
def test_answers_that_are_none(text: str, says: str) -> None:
    with pytest.raises(ServiceError, match=says):
        spec_rows(parse_table(text, COLUMNS, "here"), "here")


def test_a_quota_says_how_long_to_wait() -> None:
    text = '#Table1\n"ERROR: Maximum 60 queries allowed per minute. Rejected query: SELECT \n'
    with pytest.raises(ServiceError, match="too many queries") as raised:
        parse_table(text, COLUMNS, "here")
    assert raised.value.wait == 60


def test_black_images_are_no_images() -> None:
    for size in (64, 128, 256):
        with pytest.raises(NotThereError, match=OUTSIDE):
            check_cutout(outside(size), size, "here")
    with pytest.raises(BadBodyError, match="128×128 px came"):
        check_cutout(outside(128), 64, "here")
    with pytest.raises(BadBodyError, match="cannot be decoded"):
        check_cutout(b"\xff\xd8\xff" + bytes(100), 128, "here")


def test_real_images_are_images(shared_data: Path) -> None:
    paths = sorted((shared_data / "sdss" / "imgcutout").glob("*.jpg"))
    assert len(paths) == 15
    for path in paths:
        check_cutout(path.read_bytes(), 120, path.name)


def test_slots_are_apart() -> None:
    now = [100.0]
    throttle = Throttle(4.0, clock=lambda: now[0])
    waits = [throttle.reserve() for _ in range(5)]
    assert waits == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    now[0] += 60  # nothing is saved up
    assert [throttle.reserve() for _ in range(3)] == pytest.approx([0, 0.25, 0.5])
    throttle.pause(10)
    assert throttle.reserve() == pytest.approx(10)
    assert throttle.reserve() == pytest.approx(10.25)
    throttle.stop.set()
    with pytest.raises(FetchStoppedError):
        throttle.wait()


def test_slots_are_apart_for_many_threads() -> None:
    throttle = Throttle(1000.0, clock=lambda: 0.0)
    waits: list[float] = []
    threads = [
        threading.Thread(target=lambda: waits.extend(throttle.reserve() for _ in range(50)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == pytest.approx([k / 1000 for k in range(400)])


def test_retry_after() -> None:
    now = datetime(1994, 11, 6, 8, 49, 0, tzinfo=UTC)
    assert retry_after("120") == 120
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now) == 37
    assert retry_after("Sun, 06 Nov 1994 08:48:37 GMT", now) == 0
    assert retry_after("soon") == retry_after(None) == retry_after("") == 0


class Pauses(threading.Event):
    """Notes how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        return self.is_set()


def failing(times: int, error: GalamError):
    left = [times]

    def action() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return "done"

    return action


def test_pauses_grow_with_a_jitter() -> None:
    throttle = Throttle(1.0, Pauses())
    action = failing(5, ServiceError("busy"))
    assert with_retries(action, throttle, 6, 1.0, 10.0, random.Random(1)) == ("done", 6)
    pauses = throttle.stop.asked
    for pause, middle in zip(pauses, (1, 2, 4, 8, 10), strict=True):
        assert 0.5 * middle <= pause <= 1.5 * middle
    assert len({round(p / m, 6) for p, m in zip(pauses, (1, 2, 4, 8, 10), strict=True)}) == 5


def test_when_to_give_up() -> None:
    throttle = Throttle(1.0, Pauses(), clock=lambda: 0.0)
    with pytest.raises(ServiceError, match="busy"):
        with_retries(failing(9, ServiceError("busy")), throttle, 3, 1.0, 10.0)
    assert len(throttle.stop.asked) == 3
    throttle.stop.asked.clear()
    with pytest.raises(BadBodyError):
        with_retries(failing(9, BadBodyError("damaged")), throttle, 6, 1.0, 10.0)
    assert len(throttle.stop.asked) == 2
    throttle.stop.asked.clear()
    with pytest.raises(NotThereError):
        with_retries(failing(9, NotThereError("gone")), throttle, 6, 1.0, 10.0)
    assert throttle.stop.asked == []
    later = ServiceError("busy")
    later.wait = 5.0
    with_retries(failing(1, later), throttle, 6, 1.0, 10.0)
    assert throttle.reserve() == 5.0  # everybody waits
    later.wait = 11.0
    with pytest.raises(ServiceError):
        with_retries(failing(1, later), throttle, 6, 1.0, 10.0)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("0266-51602-0001", "spectrum", (266, 51602, 1)),
        ("266-51602-1", "spectrum", (266, 51602, 1)),
        ("spec-0266-51602-0001.fits", "spectrum", (266, 51602, 1)),
        ("299489676975171584", "spectrum", (266, 51602, 1)),
        ("146.71421 -1.0413", "position", (146.71421, -1.0413)),
        ("146.71421, -1.0413", "position", (146.71421, -1.0413)),
        ("146.71421d -1.0413d", "position", (146.71421, -1.0413)),
        ("360 +90", "position", (0.0, 90.0)),
        ("09:46:51.4 -01:02:28.7", "position", (146.714167, -1.041306)),
        ("09h46m51.4s -01d02m28.7s", "position", (146.714167, -1.041306)),
        ("09 46 51.4 -01 02 28.7", "position", (146.714167, -1.041306)),
        ("NGC 3073", "name", "NGC 3073"),
        ("  M  87 ", "name", "M 87"),
        ("../../etc/passwd", "name", "../../etc/passwd"),
        ("SDSS J094651.41-010228.5", "name", "SDSS J094651.41-010228.5"),
    ],
)
def test_what_somebody_means(text: str, kind: str, value: object) -> None:
    target = parse_target(text)
    assert target.kind == kind
    if kind == "spectrum":
        assert target.spectrum == value
    elif kind == "position":
        assert (target.ra, target.dec) == pytest.approx(value, abs=1e-5)
    else:
        assert target.text == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "x" * 201,
        "NGC\x00 3073",
        "a\x1b[31m",
        "370 10",
        "10 -91",
        "1 2 3 4 5 6 7",
        "25:61:99 1:2:3",
    ],
)
def test_what_nobody_means(text: str) -> None:
    with pytest.raises(GalamError):
        parse_target(text)


def test_ids_of_positions() -> None:
    assert position_id(146.71421, -1.0413043) == "SDSS-J094651.41-010228.6"
    assert position_id(0.0, 0.05) == "SDSS-J000000.00+000300.0"
    assert position_id(359.99999, 89.99999) == "SDSS-J235959.99+895959.9"
