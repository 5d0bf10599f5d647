"""The review queue, tables in every format, and SAMP."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("panel")

from galam_explorer.app import samp
from galam_explorer.app.export import table_bytes
from galam_explorer.app.review import MAX_NOTE, ReviewQueue, review_of
from galam_explorer.errors import GalamError


@pytest.fixture
def queue(tmp_path: Path) -> ReviewQueue:
    return ReviewQueue(tmp_path / "review" / "marks.json")


def test_marks_are_there_after_a_crash(queue: ReviewQueue) -> None:
    queue.put("sim-000001")
    queue.put("sim-000002", "two sources?\n<b>α</b>")
    queue.put("sim-000001", "a ring")
    # Nothing was closed or flushed: another process finds the same.
    again = ReviewQueue(queue.path)
    assert [(m.id, m.note) for m in again.marks] == [
        ("sim-000001", "a ring"),
        ("sim-000002", "two sources?\n<b>α</b>"),
    ]
    assert again.note("sim-000001") == "a ring"
    queue.remove(["sim-000001", "never there"])
    assert "sim-000001" not in queue
    assert len(ReviewQueue(queue.path)) == 1
    assert [path.name for path in queue.path.parent.iterdir()] == ["marks.json"]


def test_changes_of_another_process_are_kept(queue: ReviewQueue) -> None:
    queue.put("a")
    other = ReviewQueue(queue.path)
    other.put("b", "theirs")
    os.utime(queue.path, ns=(1, 1))
    queue.put("c", "ours")
    assert [mark.id for mark in ReviewQueue(queue.path).marks] == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"marks": [{"id": 1}]}', "\x00\xff"])
def test_damaged_file_is_put_aside_and_not_lost(queue: ReviewQueue, text: str) -> None:
    queue.path.parent.mkdir(parents=True)
    queue.path.write_text(text)
    again = ReviewQueue(queue.path)
    assert len(again) == 0
    assert "cannot be read" in again.problem
    again.put("x")
    kept = [path for path in queue.path.parent.iterdir() if "damaged" in path.name]
    assert [path.read_text() for path in kept] == [text]
    assert json.loads(queue.path.read_text())["marks"][0]["id"] == "x"


def test_mark_that_cannot_be_written_is_an_error_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "review").write_text("a file where the folder should be")
    queue = ReviewQueue(tmp_path / "review" / "marks.json")
    with pytest.raises(GalamError):
        queue.put("a")
    assert "a" not in queue


def test_long_notes_are_cut_and_the_table_joins_the_catalogue(queue: ReviewQueue) -> None:
    queue.put("a", "x" * (MAX_NOTE + 50))
    queue.put("gone", "not in the survey any more")
    frame = queue.table(pd.DataFrame({"id": ["b", "a"], "z": [0.1, 0.2]}))
    assert frame["id"].tolist() == ["a", "gone"]
    assert frame["z"].iat[0] == 0.2
    assert np.isnan(frame["z"].iat[1])
    assert len(frame["note"].iat[0]) == MAX_NOTE
    assert queue.table().columns.tolist() == ["id", "note", "time"]


def test_one_queue_for_all_sessions(tmp_path: Path) -> None:
    assert review_of(tmp_path) is review_of(tmp_path)


@pytest.mark.parametrize(
    ("form", "name"),
    [("fits", "fits"), ("votable", "votable"), ("ecsv", "ascii.ecsv"), ("csv", "ascii.csv")],
)
def test_tables_open_again_with_units(form: str, name: str) -> None:
    from astropy.table import Table

    frame = pd.DataFrame(
        {
            "id": pd.Series(["sim-1", "0389-51795-0269"], dtype=object),
            "ra": [1.5, np.nan],
            "flag": [True, False],
            "note": pd.Series(["α", None], dtype=object),
        }
    )
    about = {"ra": ("deg", "Right ascension"), "absent": ("m", "")}
    content = table_bytes(frame, about, form)
    where = io.BytesIO(content) if form in ("fits", "votable") else content.decode()
    table = Table.read(where, format=name)
    if form == "fits":
        assert table["note"][0] == "\\u03b1"  # FITS knows ASCII only
    assert [str(one) for one in table["id"]] == ["sim-1", "0389-51795-0269"]
    assert table["ra"][0] == 1.5
    if form != "csv":
        assert str(table["ra"].unit) == "deg"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    from pyvo.samp import SAMPHubServer, conf

    monkeypatch.setattr(conf, "use_internet", False)
    lock = tmp_path / "samp"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")
    server = SAMPHubServer(web_profile=False, lockfile=str(lock), addr="127.0.0.1")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def listener(hub: object) -> Iterator[object]:
    from pyvo.samp import SAMPIntegratedClient

    client = SAMPIntegratedClient("listener", addr="127.0.0.1")
    client.connect()
    yield client
    client.disconnect()


def test_table_arrives_at_a_samp_client(listener: Any) -> None:
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    from astropy.table import Table

    got = []

    def take(_key: str, _sender: str, number: str, _type: str, params: Any, _more: Any) -> None:
        got.append(params)
        listener.ereply(number, "samp.ok", result={})

    listener.bind_receive_call("table.load.votable", take)
    frame = pd.DataFrame({"id": pd.Series(["a"], dtype=object), "ra": [10.0]})
    assert samp.send_table(frame, {"ra": ("deg", "")}, "chosen") == 1
    table = Table.read(url2pathname(urlparse(got[0]["url"]).path), format="votable")
    assert float(table["ra"][0]) == 10.0
    assert samp.send_position(10.0, -1.0) == 0


def test_a_samp_client_that_takes_its_time_has_the_message(
    listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samp, "_ANSWER_SECONDS", 1)
    got = []
    listener.bind_receive_call("coord.pointAt.sky", lambda *params: got.append(params[4]))
    assert samp.send_position(10.0, -1.0) == 1
    assert got == [{"ra": "10.0000000", "dec": "-1.0000000"}]


def test_a_samp_client_that_refuses_is_quoted(listener: Any) -> None:
    def refuse(_key: str, _sender: str, number: str, *_rest: Any) -> None:
        listener.ereply(number, "samp.error", error={"samp.errortxt": "no room"})

    listener.bind_receive_call("coord.pointAt.sky", refuse)
    with pytest.raises(GalamError, match="no room"):
        samp.send_position(10.0, -1.0)


def test_without_a_hub_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    with pytest.raises(GalamError, match="TOPCAT"):
        samp.send_position(1.0, 2.0)
