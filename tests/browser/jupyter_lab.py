"""A JupyterLab of its own, offline, and a notebook that is open in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from conftest import PATIENCE_MS, free_port, start_visit

TOKEN = "for-tests"
OPEN = """(path) => window.jupyterapp.commands.execute('docmanager:open',
  {path, factory: 'Notebook'}).then(() => true)"""


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of code cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(made, path)


@dataclass
class Lab:
    """A running JupyterLab."""

    address: str
    folder: Path

    def ask(self, what: str, method: str = "GET") -> Any:
        """Ask the server's interface."""
        request = urllib.request.Request(
            f"{self.address}/api/{what}",
            method=method,
            headers={"Authorization": f"token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")


@contextmanager
def start_lab(folder: Path, **environment: str) -> Iterator[Lab]:
    """JupyterLab in `folder`, with settings of nobody and no questions to anyone."""
    port, home = free_port(), folder / ".jupyter"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    command += [f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True"]
    command += ["--LabApp.news_url=None", "--LabApp.extension_manager=readonly"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    own = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        **environment,
    }
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT
        )
    lab = Lab(f"http://127.0.0.1:{port}", folder)
    try:
        _wait_for(lab, process, home / "log")
        yield lab
        for kernel in lab.ask("kernels"):
            lab.ask(f"kernels/{kernel['id']}", "DELETE")
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_for(lab: Lab, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(960):
        if process.poll() is not None:
            raise RuntimeError(f"JupyterLab ended: {log.read_text()}")
        try:
            lab.ask("status")
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
        else:
            return
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()}")


class Notebook:
    """A notebook on the page."""

    def __init__(self, browser: Any, lab: Lab, name: str) -> None:
        self.lab = lab
        self.visit = start_visit(browser, f"{lab.address}/lab?token={TOKEN}&reset")
        self.page = self.visit.page
        self.page.goto(self.visit.address)
        self.page.wait_for_function("window.jupyterapp?.shell", timeout=2 * PATIENCE_MS)
        self.page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        self.page.evaluate(OPEN, name)
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Wait until cells can be run."""
        self.page.wait_for_function(
            """() => window.jupyterapp.shell.currentWidget?.context?.sessionContext
              ?.session?.kernel?.status === 'idle'""",
            timeout=2 * PATIENCE_MS,
        )

    def restart(self) -> None:
        """Restart the kernel."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session"
            ".kernel.restart()"
        )
        self.wait_for_kernel()

    def run(self, index: int) -> None:
        """Run one cell and wait until it is done; fails if it raised."""
        code = """async (index) => {
          const {content, context} = window.jupyterapp.shell.currentWidget
          content.activeCellIndex = index
          await window.jupyterapp.commands.execute('notebook:run-cell')
          const outputs = content.widgets[index].model.outputs.toJSON()
          return outputs.filter((one) => one.output_type === 'error')
            .map((one) => one.ename + ': ' + one.evalue + '\\n' + one.traceback.join('\\n'))
        }"""
        errors = self.page.evaluate(code, index)
        assert errors == []

    def close(self) -> None:
        self.page.context.close()
