"""Runs a notebook as a user would, without a network and in a folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import matplotlib
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))

# Python imports this in the kernel and in every process that it starts.
_OFFLINE = """
import socket


def _refuse(address):
    host = address[0] if isinstance(address, tuple) else "localhost"
    if host not in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", None):
        raise OSError(101, f"no network in tests ({host})")


def _guard(kind, name):
    real = getattr(kind, name)

    def guarded(self, address, *rest):
        _refuse(address)
        return real(self, address, *rest)

    setattr(kind, name, guarded)


class Socket(socket.socket):
    pass


for _name in ("connect", "connect_ex"):
    _guard(Socket, _name)
socket.socket = Socket
_real = socket.getaddrinfo


def _getaddrinfo(host, *rest, **more):
    _refuse((host.decode() if isinstance(host, bytes) else host, 0))
    return _real(host, *rest, **more)


socket.getaddrinfo = _getaddrinfo
"""


def run(name: str, folder: Path, last: str = "") -> nbformat.NotebookNode:
    """Execute a notebook on a fresh kernel.

    Parameters
    ----------
    name : str
        Without its suffix.
    folder : Path
        Empty; the kernel works in ``folder/work``.
    last : str
        Code to run after its last cell.

    Returns
    -------
    NotebookNode
        With outputs.
    """
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(_CHECK))
    if last:
        notebook.cells.append(nbformat.v4.new_code_cell(last))
    for part in ("site", "work", "cache"):
        (folder / part).mkdir()
    (folder / "site" / "sitecustomize.py").write_text(_OFFLINE, encoding="utf-8")
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(ROOT)]),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "MPLCONFIGDIR": matplotlib.get_cachedir(),
    }
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder / "work")}},
    )
    return asyncio.run(client.async_execute(env=env))


_CHECK = """import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    assert "no network in tests" in str(error), error
else:
    raise AssertionError("the network is open")"""


def complaints(notebook: nbformat.NotebookNode) -> list[str]:
    """Everything that a notebook wrote to stderr, and its errors."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                found.append(f"{output.ename}: {output.evalue}")
            elif output.output_type == "stream" and output.name == "stderr":
                found.append(output.text)
    return found


def printed(notebook: nbformat.NotebookNode) -> str:
    """Everything that a notebook printed or showed as text."""
    parts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream" and output.name == "stdout":
                parts.append(output.text)
            elif "data" in output:
                parts.append(output.data.get("text/plain", ""))
    return "\n".join(parts)


def checkout(root: Path = ROOT / "galam_explorer" / "survey" / "data") -> dict[str, tuple]:
    """Files of the embedded demo, to see that nothing was written beside it."""
    return {
        str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def cleared(name: str) -> list[str]:
    """What is left of a run in the notebook's file; empty if it is clean."""
    found = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    left = []
    for cell in found["cells"]:
        if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None):
            left.append(cell["id"])
    return left
