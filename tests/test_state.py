"""The dashboard's state, without a browser and without panel."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import small_survey as small

from galam_explorer.app import first
from galam_explorer.app.colours import RESIDUALS, colour_groups
from galam_explorer.app.data import open_survey_data
from galam_explorer.app.fate import fate_counts
from galam_explorer.app.names import catalogue_name, find_name
from galam_explorer.app.state import ExplorerState, parse_position
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey import SurveyWriter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make_survey(tmp_path_factory.mktemp("state") / "small")


@pytest.fixture
def state(folder: Path) -> ExplorerState:
    state = ExplorerState({"small": str(folder)})
    assert state.open("small")
    return state


def test_state_needs_no_panel() -> None:
    code = "import sys, galam_explorer.app.state; sys.exit('panel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_open_chooses_a_galaxy_with_spectrum_and_image(state: ExplorerState) -> None:
    galaxy = state.data.survey[state.galaxy_id]
    assert galaxy.spectrum is not None
    assert galaxy.cutout is not None


def test_next_and_previous_go_round(state: ExplorerState) -> None:
    first = state.galaxy_id
    assert state.previous()
    assert state.galaxy_id == str(state.data.ids[-1])
    assert state.next()
    assert state.galaxy_id == first


def test_order_of_the_table_is_followed(state: ExplorerState) -> None:
    state.select("sim-000010")
    state.set_order(np.array([30, 10, 20]))
    state.next()
    assert state.galaxy_id == "sim-000020"
    state.next()
    assert state.galaxy_id == "sim-000030"


def test_next_from_outside_the_filtered_table_is_its_first_row(state: ExplorerState) -> None:
    state.select("sim-000010")
    state.set_order(np.array([40, 41]))
    state.next()
    assert state.galaxy_id == "sim-000040"


def test_empty_table_says_so(state: ExplorerState) -> None:
    state.set_order(np.array([], dtype=int))
    assert not state.next()
    assert state.message.kind == "info"


def test_random_stays_in_the_table(state: ExplorerState) -> None:
    state.set_order(np.array([7, 8, 9]))
    for _ in range(20):
        state.random()
        assert state.row in (7, 8, 9)


@pytest.mark.parametrize("wrong", ["", "sim-999999", "2994896774"])
def test_unknown_id_is_a_message_and_changes_nothing(state: ExplorerState, wrong: str) -> None:
    before = state.galaxy_id
    assert not state.select(wrong)
    assert state.galaxy_id == before
    assert state.message.kind == "error"


def test_search_by_id_prefix_and_part(state: ExplorerState) -> None:
    assert state.search("sim-000012")
    assert state.galaxy_id == "sim-000012"
    assert state.search("SIM-00002")
    assert state.galaxy_id == "sim-000020"
    assert "10" in state.message.text
    assert state.search("00033")
    assert state.galaxy_id == "sim-000033"


def test_search_by_position_finds_the_nearest(state: ExplorerState) -> None:
    row = 15
    ra, dec = state.data.ra[row], state.data.dec[row]
    assert state.search(f"{ra + 0.001:.5f} {dec:+.5f}")
    assert state.galaxy_id == "sim-000015"
    assert "″" in state.message.text


@pytest.mark.parametrize(
    ("text", "ra", "dec"),
    [
        ("146.714 -1.041", 146.714, -1.041),
        ("146.714, -1.041", 146.714, -1.041),
        ("09:46:51.36 -01:02:27.6", 146.714, -1.041),
        ("9h46m51.36s -1d02m27.6s", 146.714, -1.041),
        ("146.714d -1.041d", 146.714, -1.041),
        ("J094651.36-010227.6", 146.714, -1.041),
        ("SDSS J094651.36-010227.6", 146.714, -1.041),
    ],
)
def test_positions_in_many_forms(text: str, ra: float, dec: float) -> None:
    found = parse_position(text)
    assert found == pytest.approx((ra, dec), abs=1e-4)


@pytest.mark.parametrize("text", ["", "hello", "12", "400 95", "sim-000001", "a b"])
def test_what_is_no_position(text: str) -> None:
    assert parse_position(text) is None


def test_search_for_nonsense_gives_a_remedy(state: ExplorerState) -> None:
    before = state.galaxy_id
    assert not state.search("zzz")
    assert state.galaxy_id == before
    assert "position" in state.message.text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NGC 3073", "NGC 3073"),
        ("ngc3073", "NGC 3073"),
        (" Ngc  3073 ", "NGC 3073"),
        ("NGC-3073", "NGC 3073"),
        ("ngc_03073", "NGC 3073"),
        ("M31", "M 31"),
        ("messier 031", "M 31"),
        ("IC 10", "IC 10"),
        ("ngc 4676a", "NGC 4676A"),
        ("IC2431 ned2", "IC 2431 NED02"),
    ],
)
def test_names_in_many_spellings(text: str, name: str) -> None:
    assert catalogue_name(text) == name
    assert find_name(name).title.startswith(name)


@pytest.mark.parametrize(
    "text", ["", "NGC", "3073", "sim-000031", "0945-52652-0470", "NGC 3073\x00", "M 31; --", "M ³"]
)
def test_what_is_no_name(text: str) -> None:
    assert catalogue_name(text) is None


def test_names_are_told_with_what_they_are() -> None:
    assert find_name("NGC 3073").title == "NGC 3073"
    assert find_name("M 31").title == "M 31 (NGC 224)"
    assert find_name("M 42").title.startswith("M 42 (NGC 1976, ")
    assert find_name("NGC 3073")[1:] == pytest.approx((150.2170, 55.6188), abs=1e-4)


def test_search_by_name_finds_the_real_galaxies_of_the_demo() -> None:
    state = ExplorerState({"demo": "demo"})
    assert state.open("demo")
    for text, galaxy_id in [("NGC 3073", "0945-52652-0470"), ("ngc3522", "2488-54149-0001")]:
        assert state.search(text)
        assert state.galaxy_id == galaxy_id
        assert state.message.kind == "info"
        assert "″ away" in state.message.text


def test_search_by_a_name_that_is_not_in_the_survey_says_so(state: ExplorerState) -> None:
    known = find_name("M 31")
    nearest, distance = state.data.nearest(known.ra, known.dec)
    assert state.search("M31")
    # As a position does; but nobody shall take the galaxy for M 31.
    assert state.galaxy_id == nearest
    assert state.message.kind == "warning"
    assert "M 31 (NGC 224) is not in this survey" in state.message.text
    assert f"{nearest} is nearest to it: {distance:.2f}° away" in state.message.text


@pytest.mark.parametrize("text", ["NGC 9999", "NGC 99999", "M 999", "M 31A", "IC 1064"])
def test_unknown_names_are_messages_and_change_nothing(state: ExplorerState, text: str) -> None:
    before = state.galaxy_id
    assert not state.search(text)
    assert state.galaxy_id == before
    assert state.message.kind == "error"
    assert "OpenNGC has no" in state.message.text


def test_names_that_are_ids_come_first(tmp_path: Path) -> None:
    names = ["ngc3073", "IC 1011", "field-M31-7"]
    galaxies = small.galaxies(len(names))
    renamed = [replace(one, id=name) for one, name in zip(galaxies, names, strict=True)]
    SurveyWriter(tmp_path / "s", "Named", "local").append(renamed)
    state = ExplorerState({"s": str(tmp_path / "s")})
    state.open("s")
    for text, galaxy_id in [("NGC 3073", "ngc3073"), ("IC 10", "IC 1011"), ("M31", "field-M31-7")]:
        assert state.search(text)
        assert state.galaxy_id == galaxy_id
    assert state.message is None


def test_names_without_their_library_or_list_are_messages(
    state: ExplorerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_name.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr("pyongc.ongc.DBPATH", "/nonexistent/ongc.db")
        assert not state.search("NGC 3073")
        assert "cannot be read" in state.message.text
    monkeypatch.setitem(sys.modules, "pyongc.ongc", None)
    with pytest.raises(GalamError, match="need the package pyongc"):
        find_name("NGC 3073")


def test_names_cost_nothing_before_the_first() -> None:
    code = "import sys, galam_explorer.app.state; sys.exit('pyongc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_survey_without_positions(tmp_path: Path) -> None:
    small.make_survey(tmp_path / "s", n=8, positions=False)
    state = ExplorerState({"s": str(tmp_path / "s")})
    state.open("s")
    for text in ("180 0", "NGC 3073"):
        assert not state.search(text)
        assert "coordinates" in state.message.text
        state.message = None
    assert not state.data.located.any()


def test_cohort_keeps_known_ids(state: ExplorerState) -> None:
    state.set_cohort(["sim-000001", "nope", "sim-000002"])
    assert state.cohort == ["sim-000001", "sim-000002"]
    state.set_cohort([])
    assert state.cohort == []
    assert state.message.kind == "info"


def test_labels_become_colours_when_they_are_saved(tmp_path: Path) -> None:
    from galam_explorer.config import LabelConfig
    from galam_explorer.labels import label_survey, load_labels

    state = ExplorerState({"s": str(small.make_survey(tmp_path / "s", n=8))})
    state.open("s")
    assert "label_log_age" not in state.data.column_choices().values()
    assert np.isnan(state.data.labels()[0]).all()
    config = LabelConfig(mdegree=0, degree=4, draws=2)
    label_survey(state.data.survey, config, 1)
    assert "label_m_h" in state.data.column_choices().values()
    table = load_labels(state.data.survey, config).table.set_index("id")
    values, label = state.data.values("label_m_h")
    assert "dex" in label
    np.testing.assert_array_equal(values, table["m_h"].reindex(state.data.ids))
    assert np.isfinite(values).any()
    np.testing.assert_array_equal(
        state.data.labels(config)[1][:, 0], table["log_age_std"].reindex(state.data.ids)
    )
    # Others than those that exist: the newest.
    other = state.data.labels(LabelConfig(draws=7))[0]
    np.testing.assert_array_equal(other[:, 1], values)


def test_residuals_are_offered_with_a_model_only(state: ExplorerState) -> None:
    plain = colour_groups(state.data, "")
    assert list(plain) == ["Catalogue", "Simulated truth"]
    groups = colour_groups(state.data, "m", SimpleNamespace(predictors=("m3", "m4")))
    names = list(groups["Residual of the model"].values())
    assert "m4_minus_truth_m_h" in names
    # The survey has no labels, the model no M1.
    assert not [one for one in names if "label" in one or one.startswith("m1")]
    kept = colour_groups(state.data, "", None, "m1_minus_label_m_h")
    assert list(kept["Residual of the model"].values()) == ["m1_minus_label_m_h"]
    for name, one in RESIDUALS.items():
        assert one.name == name
        assert "dex" in one.title


def test_a_link_carries_a_residual(state: ExplorerState, folder: Path) -> None:
    state.color_by = "m3_minus_truth_log_age"
    other = ExplorerState({"small": str(folder)})
    other.restore(state.link())
    assert other.color_by == "m3_minus_truth_log_age"
    assert other.message is None


def test_the_first_galaxy_passes_the_preprocessing(tmp_path: Path) -> None:
    galaxies = small.galaxies(9)
    both = [one for one in galaxies if one.spectrum is not None and one.cutout is not None]
    rejected = next(one for one in both if one.id == small.REJECTED)
    good = next(one for one in both if one.id == small.WITH_BOTH)
    image_only = next(one for one in galaxies if one.id == small.IMAGE_ONLY)
    path = tmp_path / "s"
    SurveyWriter(path, "Rejected first", "simulated").append([image_only, rejected, good])
    state = ExplorerState({"s": str(path)})
    state.open("s")
    assert state.galaxy_id == small.WITH_BOTH
    only = tmp_path / "only"
    SurveyWriter(only, "Rejected only", "simulated").append([image_only, rejected])
    state = ExplorerState({"only": str(only)})
    state.open("only")
    assert state.galaxy_id == small.REJECTED


def test_the_first_galaxy_of_a_prepared_survey_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_survey_data(str(small.make_survey(tmp_path / "s", n=60)))
    tried = []
    monkeypatch.setattr(first, "_passes", lambda _d, one, _c: tried.append(one) or True)
    known = np.array(["blended"] * len(data), dtype=object)
    known[15] = "ok"
    data.statuses[PreprocessConfig().hash] = known
    assert first.first_galaxy(data, PreprocessConfig()) == "sim-000015"
    assert tried == ["sim-000015"]
    first.first_galaxy(data, PreprocessConfig())
    assert len(tried) == 1


def test_link_and_back(state: ExplorerState, folder: Path) -> None:
    state.select("sim-000023")
    state.tab, state.color_by = "preprocessing", "sn_r"
    other = ExplorerState({"small": str(folder)})
    other.restore(state.link())
    assert other.link() == state.link()
    assert other.message is None


@pytest.mark.parametrize(
    "query",
    [
        {"galaxy": "nope"},
        {"tab": "nope"},
        {"color": "nope"},
        {"survey": "../../etc"},
        {"model": "nope"},
        {"model": "../../etc/passwd"},
        {"galaxy": "x" * 5000},
        {"galaxy": "sim-000001\x00", "tab": "galaxy\n"},
        {"color": "true_log_age'); --"},
        {"galaxy": "<script>", "tab": "", "color": "id"},
    ],
)
def test_broken_links_open_something_and_say_what_is_wrong(folder: Path, query: dict) -> None:
    state = ExplorerState({"small": str(folder)})
    state.restore(query)
    assert state.data is not None
    assert state.galaxy_id in state.data.survey
    assert state.message.kind in ("error", "warning")


def test_link_cannot_open_a_path_that_is_not_on_offer(folder: Path, tmp_path: Path) -> None:
    small.make_survey(tmp_path / "other", n=6)
    state = ExplorerState({"small": str(folder)})
    state.restore({"survey": str(tmp_path / "other")})
    assert state.survey_id == "small"


def test_survey_that_is_not_there() -> None:
    state = ExplorerState({"gone": "/nonexistent/survey"})
    state.restore({})
    assert state.data is None
    assert state.message.kind == "error"
    assert not state.next()
    assert not state.search("x")


def test_colours_are_only_what_the_survey_has(state: ExplorerState) -> None:
    choices = state.data.column_choices()
    assert "true_m_h" in choices.values()
    assert all("truth" in label for label, name in choices.items() if name.startswith("true_"))
    for name in choices.values():
        values, label = state.data.values(name)
        assert len(values) == len(state.data)
        assert label


def test_content_of_galaxies(state: ExplorerState) -> None:
    values, _ = state.data.values("content")
    assert values[1] == "image only"
    assert values[2] == "spectrum only"
    assert values[0] == "spectrum and image"


def test_thumbnails_are_small_and_missing_ones_empty(state: ExplorerState) -> None:
    uri = state.data.thumbnail(small.WITH_BOTH, 18)
    assert uri.startswith("data:image/jpeg;base64,")
    assert len(uri) < 3000
    assert state.data.thumbnail(small.SPECTRUM_ONLY, 18) == ""


def test_data_are_shared_and_opened_again_when_the_survey_grew(tmp_path: Path) -> None:
    from galam_explorer.survey import SurveyWriter

    path = small.make_survey(tmp_path / "grows", n=6)
    first = open_survey_data(str(path))
    assert open_survey_data(str(path)) is first
    extra = small.galaxies(8)[6:]
    SurveyWriter(path, "Small survey", "simulated").append(extra)
    assert len(open_survey_data(str(path))) == 8


def test_fate_counts_put_accepted_first() -> None:
    counts = fate_counts(["blended", "ok", "", "ok", "no_cutout", "odd"])
    assert list(counts) == ["ok", "blended", "no_cutout", "odd"]
    assert counts["ok"] == 2
