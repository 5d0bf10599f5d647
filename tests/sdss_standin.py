"""SDSS on this machine: a real HTTP server that answers as the real services do.

It gives real spectra (the two of the ``ppxf`` package, those beside the checkout
if there are any) and simulated ones under invented names, runs the SQL it is
sent in SQLite over tables and functions named as SkyServer's, and misbehaves on
demand.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from astropy.io import fits
from PIL import Image, ImageDraw
from sdss_format import row_table, table

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.records import Galaxy
from galam_explorer.survey import load_survey
from galam_explorer.survey.demo import ppxf_spectra
from galam_explorer.survey.images import decode_cutout
from galam_explorer.survey.sdss_files import read_spectrum_file

FAULTS = ("429", "500", "503", "hang", "truncated", "html", "type", "drip", "garbage", "closed")
"""What can go wrong and be right the next time."""
NEVER = threading.Event()
SKYSERVER_ERROR = (
    "<html><head>\n<title>Skyserver Error</title>\n</head><body bgcolor=white>\n"
    "<h2>An error occured</h2><H3 BGCOLOR=pink><font color=red><br>{}</font></H3></BODY></HTML>\n"
)


@dataclass(frozen=True)
class Entry:
    """One galaxy of the stand-in: its catalogue row, and where its bytes come from."""

    plate: int
    mjd: int
    fiber: int
    run2d: str
    ra: float
    dec: float
    z: float
    sn_r: float
    spec_class: str
    mag_r: float
    r90: float
    spectrum: Callable[[], bytes]
    cutout: Callable[[int], bytes]

    @property
    def id(self) -> str:
        return f"{self.plate:04d}-{self.mjd:05d}-{self.fiber:04d}"


@dataclass
class Request:
    """One request as the server saw it; `good` once the right answer went out whole."""

    at: float
    service: str
    key: str
    fault: str | None
    target: str
    good: bool = False


@cache
def _simulated(number: int) -> Galaxy:
    """One of a few galaxies of the embedded survey, which is simulated."""
    survey = load_survey("demo")
    return survey[survey.select(origin="simulated", has_spectrum=True, has_cutout=True)[number]]


_NAME = (11111, 22222, 33333)
"""Plate, MJD and fibre in the file that all simulated ones are made from."""


@cache
def _template(number: int) -> bytes:
    """A spec-lite file of a simulated spectrum."""
    spectrum = _simulated(number).spectrum
    columns = {
        "flux": spectrum.flux.astype(">f4"),
        "loglam": spectrum.loglam.astype(">f4"),
        "ivar": spectrum.ivar.astype(">f4"),
        "and_mask": spectrum.and_mask.astype(">i4"),
        "or_mask": spectrum.and_mask.astype(">i4"),
        "wdisp": spectrum.wdisp.astype(">f4"),
        "sky": np.ones(len(spectrum), ">f4"),
        "model": spectrum.flux.astype(">f4"),
    }
    about = dict(zip(("PLATE", "MJD", "FIBERID"), _NAME, strict=True))
    about |= {"PLUG_RA": 150.0, "PLUG_DEC": 2.0, "Z": 0.1, "ZWARNING": 0, "CLASS": "GALAXY"}
    row = row_table({key: np.array([value]) for key, value in about.items()}, "SPECOBJ")
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table(columns, "COADD"), row]).writeto(stream)
    return stream.getvalue()


def _spec_lite(number: int, *name: int) -> bytes:
    """The same under another name."""
    old, new = (struct.pack(">3q", *one) for one in (_NAME, name))
    assert _template(number).count(old) == 1
    return _template(number).replace(old, new)


@cache
def _drawn(number: int, size: int) -> bytes:
    return _jpeg(decode_cutout(_simulated(number).cutout), size)


def _jpeg(pixels: np.ndarray, size: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR).save(
        stream, "JPEG", quality=90
    )
    return stream.getvalue()


def outside(size: int) -> bytes:
    """What ImgCutout draws where SDSS has no images."""
    image = Image.new("RGB", (size, size))
    ImageDraw.Draw(image).text((2, 2), "Requested (ra, dec) is outside\nthe SDSS footprint.")
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return stream.getvalue()


def simulated_entry(number: int, **changes: object) -> Entry:
    """Galaxy `number` of an invented plate, drawn from a few simulated ones."""
    base = number % 3
    plate, mjd, fiber = 3100 + number // 640, 55000 + number // 640, number % 640 + 1
    rng = np.random.default_rng(number)
    z = round(float(rng.uniform(0.01, 0.29)), 5)
    values = {
        "plate": plate,
        "mjd": mjd,
        "fiber": fiber,
        "run2d": ("26", "103", "v5_13_2")[number % 3],
        "ra": round(130 + 0.02 * number, 6),
        "dec": round(float(rng.uniform(-5, 60)), 6),
        "z": z,
        "sn_r": round(float(rng.uniform(5, 60)), 3),
        "spec_class": "GALAXY",
        "mag_r": round(float(rng.uniform(14, 17.8)), 3),
        "r90": round(float(rng.uniform(2, 15)), 3),
        "spectrum": lambda: _spec_lite(base, plate, mjd, fiber),
        "cutout": lambda size: _drawn(base, size),
    } | changes
    return Entry(**values)


def real_entry(path: Path, image: Path | None = None) -> Entry:
    """A real spectrum file, with a real image if there is one, else a simulated one."""
    galaxy = read_spectrum_file(path)
    plate, mjd, fiber = (int(one) for one in galaxy.id.split("-"))
    pixels = image.read_bytes() if image else _simulated(0).cutout
    run2d = "26" if plate < 3510 else "v5_13_2"
    return Entry(
        plate, mjd, fiber, run2d, galaxy.ra, galaxy.dec, galaxy.z, galaxy.sn_r, galaxy.spec_class,
        -9999.0, -9999.0, path.read_bytes, lambda size: _jpeg(decode_cutout(pixels), size),
    )  # fmt: skip


def entries(simulated: int, shared: Path | None = None) -> list[Entry]:
    """The real galaxies that are here, and so many simulated ones."""
    found = [real_entry(path) for path in ppxf_paths()]
    if shared is not None:
        found += [
            real_entry(path, path.with_name(path.name.replace("spec-", "image-")[:-5] + ".jpg"))
            for path in sorted((shared / "sdss" / "pairs").glob("spec-*.fits"))
        ]
        found += [real_entry(path) for path in sorted((shared / "sdss/spectra").glob("*.fits"))]
    return found + [simulated_entry(number) for number in range(simulated)]


def ppxf_paths() -> list[Path]:
    """The real SDSS spectra that every install has."""
    import ppxf

    folder = Path(ppxf.__file__).parent / "spectra"
    paths = sorted(folder.glob("NGC3*_SDSS_DR18.fits"))
    assert len(paths) == len(ppxf_spectra()) == 2
    return paths


def random_faults(share: float, seed: int = 0, kinds: Iterable[str] = FAULTS) -> Callable:
    """A share of all requests goes wrong, the same ones every time."""
    kinds = tuple(kinds)

    def fault(service: str, key: str, attempt: int) -> str | None:
        digest = hashlib.sha256(f"{seed} {service} {key} {attempt}".encode()).digest()
        if int.from_bytes(digest[:4], "big") >= share * 2**32:
            return None
        return kinds[digest[4] % len(kinds)]

    return fault


@dataclass
class StandIn:
    """The server; use it in a ``with`` statement.

    Parameters
    ----------
    galaxies : list of Entry
    fault : callable
        ``fault(service, key, attempt)`` gives one of `FAULTS`, another word that
        `_misbehave` knows, or None. The services are "sql", "cutout", "spectrum"
        and "name"; the key is the query, the position, the file name or the name.
    names : dict
        What Sesame knows.
    hang : float
        Seconds of silence of a service that hangs.
    """

    galaxies: list[Entry]
    fault: Callable[[str, str, int], str | None] = lambda service, key, attempt: None
    names: dict[str, tuple[float, float]] = field(default_factory=dict)
    hang: float = 5.0
    no_image: set[str] = field(default_factory=set)
    no_spectrum: set[str] = field(default_factory=set)
    log: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_file = {f"spec-{one.id}.fits": one for one in self.galaxies}
        self.by_place = {(f"{one.ra:.6f}", f"{one.dec:.6f}"): one for one in self.galaxies}
        self._guard = threading.Lock()
        self._attempts: dict[tuple[str, str], int] = {}
        self._database = self._tables()
        self._closing = threading.Event()

    def __enter__(self) -> StandIn:
        outer = self

        class Handler(_Handler):
            standin = outer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
        self._database.close()

    def config(self, **changes: object) -> FetchConfig:
        """A configuration that points here, in a hurry."""
        quick = {"rate": 500.0, "archive_rate": 500.0, "backoff": 0.01, "retries": 8}
        quick |= {"read_timeout": 30.0, "body_timeout": 30.0, "connect_timeout": 30.0}
        here = {"skyserver": self.url, "archive": f"{self.url}/sas", "sesame": f"{self.url}/sesame"}
        return FetchConfig(**{**quick, **here, **changes})

    def attempts(self, service: str, good: bool | None = None) -> dict[str, int]:
        """Number of requests (that went right) for each key of a service."""
        counts: dict[str, int] = {}
        for one in list(self.log):
            if one.service == service and good in (None, one.good):
                counts[one.key] = counts.get(one.key, 0) + 1
        return counts

    def note(self, service: str, key: str, target: str) -> Request:
        """Log a request and decide whether it goes wrong."""
        with self._guard:
            attempt = self._attempts.get((service, key), 0)
            self._attempts[service, key] = attempt + 1
            request = Request(
                time.monotonic(), service, key, self.fault(service, key, attempt), target
            )
            self.log.append(request)
            return request

    def _tables(self) -> sqlite3.Connection:
        base = sqlite3.connect(":memory:", check_same_thread=False)
        base.create_function("floor", 1, lambda x: None if x is None else float(math.floor(x)))
        base.create_function("arcmin", 4, _arcmin, deterministic=True)
        base.executescript(
            "CREATE TABLE SpecObjAll (specObjID, bestObjID, sciencePrimary, plate, mjd, fiberID,"
            " run2d, ra, dec, z, zWarning, snMedian_r, class);"
            "CREATE TABLE PhotoObjAll (objID, mode, type, ra, dec, petroMag_r, petroR90_r);"
            "CREATE VIEW SpecObj AS SELECT * FROM SpecObjAll WHERE sciencePrimary = 1;"
            "CREATE VIEW PhotoPrimary AS SELECT * FROM PhotoObjAll WHERE mode = 1;"
            "CREATE VIEW SpecPhoto AS SELECT s.specObjID, p.petroMag_r FROM SpecObj AS s "
            "JOIN PhotoPrimary AS p ON p.objID = s.bestObjID;"
        )
        for number, one in enumerate(self.galaxies, 1):
            spec = (number, 10**18 + number, 1, one.plate, one.mjd, one.fiber, one.run2d)
            spec += (one.ra, one.dec, one.z, 0, one.sn_r, one.spec_class)
            base.execute(f"INSERT INTO SpecObjAll VALUES ({','.join('?' * 13)})", spec)
            photo = (10**18 + number, 1, 3, one.ra, one.dec, one.mag_r, one.r90)
            base.execute("INSERT INTO PhotoObjAll VALUES (?,?,?,?,?,?,?)", photo)
        return base

    def query(self, sql: str) -> str:
        """The CSV that SkyServer makes of a query, or its error page."""
        try:
            with self._guard:
                cursor = self._database.execute(_to_sqlite(sql))
                names = [column[0] for column in cursor.description]
                rows = cursor.fetchall()
        except sqlite3.Error as error:
            return SKYSERVER_ERROR.format(error)
        lines = ["#Table1", ",".join(names)]
        lines += [",".join("" if one is None else str(one) for one in row) for row in rows]
        return "\n".join(lines) + "\n"


def _arcmin(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    ra1, dec1, ra2, dec2 = (math.radians(one) for one in (ra1, dec1, ra2, dec2))
    a = math.sin((dec2 - dec1) / 2) ** 2
    a += math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(a))) * 60


def _to_sqlite(sql: str) -> str:
    """T-SQL as we use it, in SQLite's dialect."""
    for function, source, key in (
        ("fGetNearbySpecObjEq", "SpecObj", "specObjID"),
        ("fGetNearbyObjEq", "PhotoPrimary", "objID"),
    ):
        near = rf"dbo\.{function}\(([^,()]+),([^,()]+),([^,()]+)\)"
        part = rf"(SELECT {key}, arcmin(ra,dec,\1,\2) AS distance FROM {source} "
        sql = re.sub(near, part + r"WHERE arcmin(ra,dec,\1,\2) <= \3)", sql)
    if found := re.match(r"\s*SELECT TOP (\d+) ", sql):
        sql = f"SELECT {sql[found.end() :]} LIMIT {found[1]}"
    return sql


class _Handler(BaseHTTPRequestHandler):
    standin: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {key: value[0] for key, value in parse_qs(address.query).items()}
        if found := re.fullmatch(r"/dr\d+/en/tools/search/x_results\.aspx", address.path):
            ok = found and query.get("searchtool") == "SQL" and query.get("format") == "csv"
            self._answer("sql", query["cmd"], 200 if ok else 400, "text/plain; charset=utf-8")
        elif re.fullmatch(r"/dr\d+/SkyServerWS/ImgCutout/getjpeg", address.path):
            self._cutout(query)
        elif address.path.startswith("/sas/"):
            self._answer("spectrum", address.path.rpartition("/")[2], 200, "application/fits")
        elif address.path.startswith("/sesame/"):
            self._answer("name", unquote(address.query), 200, "text/plain")
        else:
            self._send(404, "text/html", b"<html>Not Found</html>")

    def _cutout(self, query: dict[str, str]) -> None:
        sizes = int(query["width"]), int(query["height"])
        if not all(64 <= one <= 2048 for one in sizes) or not float(query["scale"]) > 0:
            self._send(400, "text/html", b"<html>Bad Request</html>")
            return
        self.size = sizes[0]
        self._answer("cutout", f"{query['ra']} {query['dec']}", 200, "image/jpeg")

    def _body(self, service: str, key: str) -> bytes | None:
        here = self.standin
        if service == "sql":
            return here.query(key).encode()
        if service == "name":
            place = here.names.get(key)
            text = "#!SIMBAD: No known catalog could be found\n"
            text = f"# {key}\n%J {place[0]:.8f} {place[1]:+.8f} = \n" if place else text
            return text.encode()
        if service == "spectrum":
            one = here.by_file.get(key)
            return None if one is None or one.id in here.no_spectrum else one.spectrum()
        one = here.by_place.get(tuple(key.split()))
        if one is None or one.id in here.no_image:
            return outside(self.size)
        return one.cutout(self.size)

    def _answer(self, service: str, key: str, status: int, kind: str) -> None:
        request = self.standin.note(service, key, self.path)
        if request.fault is not None and self._misbehave(request, kind):
            return
        body = self._body(service, key)
        if body is None:
            self._send(404, "text/html", b"<html><h1>404 Not Found</h1></html>")
        else:
            self._send(status, kind, body)
        request.good = True

    def _misbehave(self, request: Request, kind: str) -> bool:
        """Answer wrongly; False if this fault is none for this service."""
        fault = request.fault
        if fault in ("429", "500", "503"):
            wait = {"429": "0", "503": "Sun, 06 Nov 1994 08:49:37 GMT"}.get(fault)
            self._send(int(fault), "text/html", b"<html>busy</html>", retry_after=wait)
        elif fault == "hang":
            self.standin._closing.wait(self.standin.hang)
            self.close_connection = True
        elif fault == "html":
            self._send(200, "text/html", SKYSERVER_ERROR.format("Timeout expired.").encode())
        elif fault == "type":
            self._send(200, "text/plain", b"Service temporarily moved")
        elif fault == "closed":
            self.close_connection = True
        elif fault == "wait":
            self._send(429, "text/html", b"<html>busy</html>", retry_after="7200")
        elif fault == "quota":
            text = (
                '#Table1\n"ERROR: Maximum 60 queries allowed per minute. Rejected query: SELECT"\n'
            )
            self._send(200, kind, text.encode())
        elif fault == "footprint":
            self._send(404, "text/html", b"Requested (ra, dec) is outside the SDSS footprint.")
        elif fault == "huge":
            self._send(200, kind, b"\0" * (40 * 2**20))
        else:
            return self._spoil(fault, self._body(request.service, request.key) or b"", kind)
        return True

    def _spoil(self, fault: str, body: bytes, kind: str) -> bool:
        """Send the right body wrongly."""
        if fault == "truncated":
            self._send(200, kind, body[: len(body) // 2], length=len(body))
            self.close_connection = True
        elif fault == "drip":
            self._head(200, kind, len(body))
            end = time.monotonic() + self.standin.hang
            for place in range(len(body) - 1):
                if time.monotonic() > end or self.standin._closing.wait(0.05):
                    break
                self.wfile.write(body[place : place + 1])
            self.close_connection = True
        elif fault == "garbage":
            self._send(200, kind, bytes(len(body)))
        elif fault == "short":
            self._send(200, kind, body[: len(body) // 2])
        elif fault == "lying":
            self._send(200, kind, body.replace(b"NAXIS2  =         ", b"NAXIS2  =  99999999", 1))
        elif fault == "another":
            other = self.standin.galaxies[-1]
            self._send(200, kind, other.spectrum())
        else:
            return False
        return True

    def _head(self, status: int, kind: str, length: int, retry_after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()

    def _send(
        self,
        status: int,
        kind: str,
        body: bytes,
        retry_after: str | None = None,
        length: int | None = None,
    ) -> None:
        self._head(status, kind, len(body) if length is None else length, retry_after)
        self.wfile.write(body)
