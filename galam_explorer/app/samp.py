"""Tables and positions for TOPCAT, Aladin and others through SAMP, where a hub runs.

SAMP is local: the hub is on this machine, and tables travel as files.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from galam_explorer.app.export import table_bytes
from galam_explorer.errors import GalamError

__all__ = ["send_position", "send_table"]

_START = "start TOPCAT or Aladin, which bring a hub, and try again"
_ANSWER_SECONDS = 20


def _broadcast(mtype: str, params: dict[str, str]) -> int:
    """Tell all listening clients, and wait for their answers; the number of clients."""
    # Astropy 8 hands its SAMP package over to PyVO, which astroquery brings.
    from pyvo.samp import SAMPHubError, SAMPIntegratedClient, SAMPProxyError, conf

    conf.use_internet = False
    client = SAMPIntegratedClient("GalAM Explorer")
    try:
        client.connect()
    except (SAMPHubError, OSError) as error:
        raise GalamError("no SAMP hub is running", "SAMP", _START) from error
    try:
        listening = client.get_subscribed_clients(mtype)
        for one in listening:
            # Not a notification: hubs drop those of a client that leaves at once.
            _call(client, one, {"samp.mtype": mtype, "samp.params": params})
        return len(listening)
    except (SAMPHubError, SAMPProxyError, OSError) as error:
        raise GalamError(f"the SAMP hub did not take it ({error})", "SAMP", _START) from error
    finally:
        if client.is_connected:
            client.disconnect()


def _call(client: Any, recipient: str, message: dict[str, Any]) -> None:
    from pyvo.samp import SAMPProxyError

    try:
        answer = client.call_and_wait(recipient, message, str(_ANSWER_SECONDS))
    except SAMPProxyError as error:
        if "timeout" not in str(error).lower():
            raise
        return  # it has the message, and takes its time
    if answer.get("samp.status") == "samp.error":
        said = answer.get("samp.error", {}).get("samp.errortxt", "no reason given")
        name = client.get_metadata(recipient).get("samp.name", recipient)
        raise GalamError(f"{name} did not take it ({said})", "SAMP")


def send_table(frame: pd.DataFrame, about: dict[str, tuple[str, str]], name: str) -> int:
    """Send a table (as VOTable) to every client that takes tables; the number of them.

    Raises
    ------
    GalamError
        If no hub runs, or a client answers with an error.
    """
    folder = Path(tempfile.mkdtemp(prefix="galam-samp-"))
    path = folder / f"{name}.vot"
    path.write_bytes(table_bytes(frame, about, "votable"))
    params = {"url": path.as_uri(), "table-id": path.as_uri(), "name": name}
    return _broadcast("table.load.votable", params)


def send_position(ra: float, dec: float) -> int:
    """Let sky viewers point at a position, degrees; the number of clients.

    Raises
    ------
    GalamError
        If no hub runs, or a client answers with an error.
    """
    return _broadcast("coord.pointAt.sky", {"ra": f"{ra:.7f}", "dec": f"{dec:.7f}"})
