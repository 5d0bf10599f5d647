"""The `galam fetch` process itself: faults, kill -9, the stated rate, and what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from sdss_standin import Request, StandIn, entries, random_faults
from test_fetch import keys_of, selected
from typer.testing import CliRunner

from galam_explorer.cli.main import app
from galam_explorer.survey import Survey
from galam_explorer.survey.sdss_folder import FetchFolder
from galam_explorer.survey.sdss_queries import count_sql, histogram_sql

RATE, WORKERS, N = 40.0, 6, 300
PATIENCE = 300


def command(server: StandIn, out: Path) -> list[str]:
    config = server.config()
    return [
        sys.executable, "-m", "galam_explorer", "fetch", "--n", str(N), "--seed", "5",
        "--out", str(out), "--rate", str(RATE), "--archive-rate", str(RATE),
        "--workers", str(WORKERS), "--retries", "10", "--backoff", "0.02", "--timeout", "3",
        "--skyserver", server.url, "--archive", config.archive, "--json",
    ]  # fmt: skip


def kill_when(process: subprocess.Popen, ledger: Path, lines: int) -> None:
    """kill -9 as soon as so many spectra and cutouts are done."""
    end = time.monotonic() + PATIENCE
    while not ledger.is_file() or ledger.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def check_rate(requests: list[Request]) -> None:
    """Never more arrivals in any stretch of time than slots, and what was on its way."""
    times = sorted(one.at for one in requests)
    assert len(times) > 50
    stretches = [
        (last - first + 1, RATE * (times[last] - times[first]) + 1)
        for first in range(len(times))
        for last in range(first + 1, len(times))
    ]
    assert all(number <= slots + WORKERS + 1e-6 for number, slots in stretches)
    mean = (len(times) - 1) / (times[-1] - times[0])
    print(f"{len(times)} requests at {mean:.1f} a second, {RATE:g} are allowed")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_faults_and_two_kills(tmp_path: Path) -> None:
    galaxies = entries(312)
    chosen = selected(galaxies, N, seed=5)
    out = tmp_path / "s"
    ledger = out / "fetch" / "ledger.jsonl"
    faults = random_faults(0.2, seed=11)
    with StandIn(
        galaxies, faults, hang=20.0, no_image=set(chosen[:4]), no_spectrum=set(chosen[2:5])
    ) as server:
        started, done = [], []
        for lines in (120, 390):
            started.append(len(server.log))
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            kill_when(subprocess.Popen(command(server, out), **pipes), ledger, lines)
            done.append(set(FetchFolder(out).items))
        started.append(len(server.log))
        last = subprocess.run(
            command(server, out), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        log = list(server.log)
    assert last.returncode == 0, last.stderr
    report = json.loads(last.stdout.splitlines()[-1])

    # Complete, each galaxy once.
    survey = Survey(out)
    assert survey.problems == []
    assert sorted(survey.ids) == sorted(chosen)
    assert report["complete"] is True
    assert report["missing"] == {
        "spectrum: the archive has no such file": 3,
        "cutout: outside the SDSS imaging footprint": 4,
    }
    assert (report["with_spectrum"], report["with_cutout"]) == (N - 3, N - 4)

    # A fifth of the requests went wrong.
    wrong = sum(one.fault is not None for one in log)
    assert 0.1 < wrong / len(log) < 0.3

    # Nothing that was done before a kill was asked for after it.
    for settled, start in zip(done, started[1:], strict=True):
        assert len(settled) >= 100
        assert keys_of(log[start:]).isdisjoint(keys_of(galaxies, settled))
    assert len(done[0]) < len(done[1]) < 2 * N
    queries = [one for one in log if one.service == "sql" and one.good]
    assert len(queries) == len({one.key for one in queries})

    print(
        f"{len(log)} requests, {wrong} of them spoilt; {len(done[0])} and {len(done[1])} of "
        f"{2 * N} done at the kills; {[b - a for a, b in pairwise([*started, len(log)])]} a run"
    )

    # Politely.
    for start, end in pairwise([*started, len(log)]):
        for services in (("sql", "cutout"), ("spectrum",)):
            check_rate([one for one in log[start:end] if one.service in services])


def test_dry_run(tmp_path: Path) -> None:
    """It prints exactly what is asked, and asks nobody."""
    run = CliRunner().invoke(app, ["fetch", "--dry-run", "--n", "50000"])
    assert run.exit_code == 0, run.output
    with StandIn([]) as server:
        config = server.config(n=50_000)
    lines = run.stdout.splitlines()
    assert lines[0] == (
        "# https://skyserver.sdss.org/dr17/en/tools/search/x_results.aspx"
        "?searchtool=SQL&format=csv&cmd=..."
    )
    assert count_sql(config) in lines
    assert histogram_sql(config, "sn_r") in lines
    assert (
        "https://data.sdss.org/sas/dr17/sdss/spectro/redux/26/spectra/lite/0266/"
        "spec-0266-51602-0001.fits"
    ) in lines
    assert (
        "https://skyserver.sdss.org/dr17/SkyServerWS/ImgCutout/getjpeg?ra=146.714210&dec=-1.041304"
        "&scale=0.396127&width=128&height=128"
    ) in lines
    assert "50000 galaxies: 100014 requests, about 13.9 h" in run.output
    said = CliRunner().invoke(app, ["fetch", "--dry-run", "--n", "10", "--json"]).stdout
    assert len(json.loads(said)["sql"]) == 5
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--n", "10"], "no survey folder"),
        (["--n", "0", "--out", "x"], "FetchConfig.n: must be"),
        (["--release", "dr7", "--out", "x"], "FetchConfig.release"),
        (["--rate", "5", "--out", "x"], "at most 1 per second"),
        (["--cutout-size", "30000", "--out", "x"], "FetchConfig.cutout_size"),
        (["--dry-run", "--galaxy", "M 87"], "Leave one of them out"),
    ],
)
def test_wrong_options(options: list[str], says: str) -> None:
    run = CliRunner().invoke(app, ["fetch", *options])
    assert run.exit_code == 1
    assert says in run.output
    assert "Traceback" not in run.output
