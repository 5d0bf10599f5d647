"""SDSS over the network: the only file of the package that asks it anything.

Three services: SkyServer's SQL page (through `astroquery.sdss`), its ImgCutout,
and the Science Archive Server with the spectra; and CDS's Sesame for names
(through `astropy.coordinates`). Everything that can be decided without the
network is in ``sdss_*.py`` beside this file; what users call is in
`galam_explorer.survey.sdss_fetch`.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter

from galam_explorer.config.fetch import SESAME, FetchConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_answers import OUTSIDE, describe_error_page, parse_table
from galam_explorer.survey.sdss_retry import (
    NotThereError,
    ServiceError,
    Throttle,
    retry_after,
    with_retries,
)

__all__ = ["SdssClient"]

T = TypeVar("T")
MAX_BODY = {"sql": 64 * 2**20, "image": 16 * 2**20, "spectrum": 8 * 2**20}
_BLOCK = 2**16
_OFFLINE = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError)
_OFFLINE_REMEDY = "without a network, import your own files or use the demo"
_TYPES = {"image": ("image/",), "spectrum": ("application/", "binary/", "image/")}


def _user_agent() -> str:
    from galam_explorer import __version__

    return f"galam-explorer/{__version__}"


class _PoliteAdapter(HTTPAdapter):
    """Waits for a slot, and reads bodies whole but bounded in size and time."""

    def __init__(self, throttle: Throttle, limit: int, timeout: float, count: Any) -> None:
        super().__init__()
        self.throttle, self.limit, self.timeout, self.count = throttle, limit, timeout, count

    def send(self, request: Any, stream: bool = False, **options: Any) -> requests.Response:
        self.throttle.wait()
        self.count()
        response = super().send(request, stream=True, **options)
        try:
            body = self._read(response)
        except urllib3.exceptions.HTTPError as error:
            raise requests.exceptions.ConnectionError(error, request=request) from error
        finally:
            response.raw.close()
        response.raw = io.BytesIO(body)
        return response

    def _read(self, response: requests.Response) -> bytes:
        """The decoded body; `ServiceError` if it is too large, too slow or too short."""
        end = time.monotonic() + self.timeout
        parts, size = [], 0
        # read1 returns what is there, so that a slow drip cannot hold us.
        while part := response.raw.read1(_BLOCK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > self.limit:
                raise ServiceError(f"the answer is larger than {self.limit} bytes", response.url)
            if time.monotonic() > end:
                text = f"only {size} bytes came in {self.timeout:g} s"
                raise ServiceError(text, response.url)
        length = response.headers.get("Content-Length", "")
        plain = response.headers.get("Content-Encoding", "identity") == "identity"
        if plain and length.isdecimal() and size != int(length):
            raise ServiceError(f"the answer ended after {size} of {length} bytes", response.url)
        return b"".join(parts)


class _Service:
    """One service: a throttle for all threads, a session for each."""

    def __init__(
        self,
        config: FetchConfig,
        kind: str,
        rate: float,
        stop: threading.Event,
        patient: bool,
    ) -> None:
        self.config, self.kind, self.patient = config, kind, patient
        self.throttle = Throttle(rate, stop)
        self.requests = 0
        self.bytes = 0
        self._local = threading.local()
        self._guard = threading.Lock()

    def _count(self) -> None:
        with self._guard:
            self.requests += 1

    def mount(self, session: requests.Session, kind: str, timeout: float) -> requests.Session:
        """Make a session wait for our slots."""
        adapter = _PoliteAdapter(self.throttle, MAX_BODY[kind], timeout, self._count)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.headers["User-Agent"] = _user_agent()
        return session

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = self.mount(requests.Session(), self.kind, self.config.body_timeout)
            session.headers["Accept-Encoding"] = "identity"
            self._local.session = session
        return self._local.session

    def retried(self, action: Callable[[], T]) -> tuple[T, int]:
        """Do `action` with the configured retries."""
        config = self.config
        pauses = (config.retries, config.backoff, config.max_wait)
        return with_retries(action, self.throttle, *pauses, patient=self.patient)

    def get(self, url: str, use: Callable[[bytes], T]) -> tuple[T, int]:
        """What `use` makes of the body at `url`, and the number of attempts.

        Raises
        ------
        NotThereError
            If the service says that it has nothing there.
        ServiceError
            If it does not answer as it should, after all retries.
        BadBodyError
            If `use` raises it, after some retries.
        """
        return self.retried(lambda: use(self._body(url)))

    def _body(self, url: str) -> bytes:
        timeouts = (self.config.connect_timeout, self.config.read_timeout)
        response = _translated(lambda: self._session().get(url, timeout=timeouts), url)
        if response.status_code in (404, 410):
            said = f"{response.reason} {response.text[:500]}".lower()
            gone = OUTSIDE if "footprint" in said else "the archive has no such file"
            raise NotThereError(gone, url)
        _check_status(response, url)
        kind = response.headers.get("Content-Type", "").lower()
        start = response.content[:500].lstrip().lower()
        if kind.startswith("text/") or start.startswith((b"<", b"{")):
            text = describe_error_page(response.content[:2000].decode("utf-8", "replace"))
            raise ServiceError(f"no {self.kind} came, but: {text}", url)
        if kind and not kind.startswith(_TYPES[self.kind]):
            raise ServiceError(f"no {self.kind} came, but {kind}", url)
        with self._guard:
            self.bytes += len(response.content)
        return response.content


def _translated(action: Callable[[], requests.Response], where: str) -> requests.Response:
    """Run a request; what `requests` raises becomes a `ServiceError`."""
    try:
        return action()
    except requests.exceptions.ConnectTimeout as error:
        trouble = ServiceError("no connection in time", where, _OFFLINE_REMEDY)
        trouble.offline = True
        raise trouble from error
    except requests.exceptions.Timeout as error:
        raise ServiceError("no answer in time", where) from error
    except requests.exceptions.ConnectionError as error:
        reason = error.args[0] if error.args else error
        reason = getattr(reason, "reason", reason)
        trouble = ServiceError(f"no connection ({type(reason).__name__})", where, _OFFLINE_REMEDY)
        trouble.offline = isinstance(reason, _OFFLINE)
        raise trouble from error
    except requests.exceptions.RequestException as error:
        raise ServiceError(f"the request failed ({type(error).__name__})", where) from error


def _check_status(response: requests.Response, where: str) -> None:
    if response.status_code < 300:
        return
    text = f"status {response.status_code} ({response.reason or 'no reason given'})"
    error = ServiceError(text, where)
    error.wait = retry_after(response.headers.get("Retry-After"))
    raise error


# astroquery and astropy keep the addresses of services in global settings.
_SETTINGS = threading.Lock()


class SdssClient:
    """The network as fetching needs it; safe to use from several threads.

    Parameters
    ----------
    config : FetchConfig
        Addresses, rates, timeouts, retries.
    stop : threading.Event, optional
        Ends all waiting when set.
    patient : bool
        Whether to try again where there is no way to a service.
    """

    def __init__(
        self, config: FetchConfig, stop: threading.Event | None = None, patient: bool = True
    ) -> None:
        self.config = config
        self.stop = stop or threading.Event()
        self.skyserver = _Service(config, "image", config.rate, self.stop, patient)
        rate = config.archive_rate
        self.archive = _Service(config, "spectrum", rate, self.stop, patient)

    @property
    def requests(self) -> dict[str, int]:
        """Requests sent so far."""
        return {"skyserver": self.skyserver.requests, "archive": self.archive.requests}

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes of images and spectra received so far."""
        return {"skyserver": self.skyserver.bytes, "archive": self.archive.bytes}

    def table(self, sql: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        """Rows of a SkyServer query, by astroquery's SDSS.

        Raises
        ------
        ServiceError
            If no table with these columns comes, after all retries.
        """
        return self.skyserver.retried(lambda: parse_table(self._sql(sql), columns, "SkyServer"))[0]

    def _sql(self, sql: str) -> str:
        from astroquery.sdss import SDSSClass, conf

        config, asker = self.config, SDSSClass()
        self.skyserver.mount(asker._session, "sql", config.sql_timeout)
        with _SETTINGS, conf.set_temp("skyserver_baseurl", config.skyserver):
            response = _translated(
                lambda: asker.query_sql_async(
                    sql,
                    timeout=(config.connect_timeout, config.sql_timeout),
                    data_release=config.release_number,
                    cache=False,
                ),
                config.skyserver,
            )
        _check_status(response, config.skyserver)
        response.encoding = "utf-8"
        return response.text

    def resolve(self, name: str) -> tuple[float, float]:
        """J2000 position of a name in degrees, by Sesame (SIMBAD, NED, VizieR).

        Raises
        ------
        ServiceError
            If Sesame does not answer.
        GalamError
            If nobody knows the name.
        """
        from astropy.coordinates import SkyCoord
        from astropy.coordinates.name_resolve import NameResolveError, sesame_url
        from astropy.utils.data import conf

        usual = sesame_url.get()
        addresses = usual if self.config.sesame == SESAME else [self.config.sesame]
        try:
            with (
                _SETTINGS,
                sesame_url.set(addresses),
                conf.set_temp("remote_timeout", self.config.connect_timeout),
            ):
                found = SkyCoord.from_name(name, cache=False)
        except NameResolveError as error:
            if "Unable to find" in str(error):
                text = "neither SIMBAD, NED nor VizieR knows this name"
                raise GalamError(text, name, "check it, or give a position") from error
            trouble = ServiceError("Sesame does not answer", name, _REMEDY)
            trouble.offline = True
            raise trouble from error
        except (OSError, ValueError) as error:
            raise ServiceError(f"Sesame's answer is no use ({error})", name, _REMEDY) from error
        return float(found.ra.deg), float(found.dec.deg)


_REMEDY = "give a position instead, upload a file, or use the demo"
