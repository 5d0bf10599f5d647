"""What training starts from: the split, label scaling, batches, which rows are usable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from training_survey import QUICK, make_training_survey

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels import label_survey
from galam_explorer.survey import Survey, load_survey
from galam_explorer.train import LabelScaling, Split, load_training_data, make_split
from galam_explorer.train.augment import dihedral
from galam_explorer.train.batches import Batches
from galam_explorer.train.data import stage_rows


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return make_training_survey(tmp_path_factory.mktemp("train") / "s", 24)


def sky(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"g{index:05d}" for index in range(n)],
            "ra": rng.uniform(0, 360, n),
            "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        }
    )


def test_split_has_the_shares_and_every_galaxy_once() -> None:
    catalog = sky(1000)
    split = make_split(catalog)
    assert split.counts == {"train": 800, "validation": 100, "test": 100}
    everyone = np.concatenate([split.train, split.validation, split.test])
    assert sorted(everyone) == catalog["id"].tolist()
    assert set(split.names(catalog["id"])) == {"train", "validation", "test"}
    assert split.names(["nobody"])[0] == ""
    assert make_split(catalog, seed=1).hash != split.hash


def test_split_does_not_depend_on_the_order_of_the_catalogue() -> None:
    catalog = sky(300)
    assert make_split(catalog.sample(frac=1, random_state=1)).hash == make_split(catalog).hash


def test_repeat_observations_stay_together() -> None:
    catalog = sky(300)
    again = catalog.assign(id="again-" + catalog["id"], dec=catalog["dec"] + 1.0 / 3600)
    far = catalog.assign(id="far-" + catalog["id"], dec=catalog["dec"] - 5.0 / 3600)
    split = make_split(pd.concat([catalog, again, far], ignore_index=True))
    first = split.names(catalog["id"])
    assert (first == split.names(again["id"])).all()
    assert (first != split.names(far["id"])).any()


def test_repeats_across_the_meridian_are_found() -> None:
    catalog = sky(50)
    catalog.loc[0, ["ra", "dec"]] = (359.9999, 10.0)
    catalog.loc[1, ["ra", "dec"]] = (0.0001, 10.0)
    names = {
        tuple(make_split(catalog, seed=seed).names(["g00000", "g00001"])) for seed in range(20)
    }
    assert all(one == other for one, other in names)
    assert len(names) > 1


def test_cells_of_the_sky_stay_together() -> None:
    rng = np.random.default_rng(2)
    centres = sky(60, 3)
    catalog = pd.concat(
        [
            centres.assign(
                id=f"{k}-" + centres["id"], dec=centres["dec"] + rng.normal(0, 1e-2, len(centres))
            )
            for k in range(5)
        ],
        ignore_index=True,
    )
    plain, cells = make_split(catalog), make_split(catalog, spatial_degrees=4.0)

    def torn(split: Split) -> float:
        names = split.names(catalog["id"]).reshape(5, 60)
        return float((names != names[0]).any(axis=0).mean())

    assert torn(plain) > 0.5
    # Only galaxies at the edge of a cell are apart from their neighbours.
    assert torn(cells) < 0.1


def test_galaxies_without_positions_are_split_alone() -> None:
    split = make_split(sky(100).assign(ra=np.nan, dec=np.nan))
    assert split.counts == {"train": 80, "validation": 10, "test": 10}


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_set_that_stays_empty_is_an_error(n: int) -> None:
    with pytest.raises(GalamError, match="leaves no"):
        make_split(sky(n))


def test_one_cell_for_all_is_an_error() -> None:
    one_place = sky(100).assign(ra=150.0, dec=2.0)
    with pytest.raises(GalamError, match="in 1 groups leaves no"):
        make_split(one_place)


def test_split_file_and_its_hash(tmp_path: Path) -> None:
    split, path = make_split(sky(50)), tmp_path / "split.json"
    split.write(path)
    back = Split.read(path)
    assert back.hash == split.hash
    assert back.counts == split.counts
    assert back.fractions == (0.8, 0.1, 0.1)
    moved = path.read_text().replace(split.test[0], "someone", 1)
    path.write_text(moved)
    with pytest.raises(GalamError, match="do not match its hash"):
        Split.read(path)
    path.write_text("[]")
    with pytest.raises(GalamError, match="not a split"):
        Split.read(path)
    with pytest.raises(GalamError, match="no set 'valid'"):
        split.ids("valid")


def test_label_scaling() -> None:
    labels = np.array([[9.0, -0.5], [10.0, 0.1], [np.nan, np.nan], [9.5, 0.3]], np.float32)
    scaling = LabelScaling.fit(labels)
    assert scaling.low == pytest.approx((9.0, -0.5))
    assert scaling.high == pytest.approx((10.0, 0.3))
    assert scaling.scale(np.array([9.5, -0.1])) == pytest.approx([0.5, 0.5])
    assert scaling.scale(np.array([11.0, 1.1])) == pytest.approx([2.0, 2.0])
    tensor = torch.tensor([[9.25, 0.1]])
    assert torch.allclose(scaling.unscale(scaling.scale(tensor)), tensor)


def test_labels_that_teach_nothing_are_errors() -> None:
    with pytest.raises(GalamError, match=r"m_h is -0\.1 for all 2"):
        LabelScaling.fit(np.array([[9.0, -0.1], [10.0, -0.1]]))
    with pytest.raises(GalamError, match="no training galaxy has a label"):
        LabelScaling.fit(np.full((3, 2), np.nan))


def test_batches_cover_an_epoch_once_and_depend_on_the_epoch_alone() -> None:
    rows, now = np.arange(100, 150), [0]
    batches = Batches(rows, 10, (1, 2), lambda: now[0])
    first = [one.tolist() for one in batches]
    assert sorted(row for one in first for row in one) == rows.tolist()
    assert [one.tolist() for one in batches] == first
    now[0] = 1
    assert [one.tolist() for one in batches] != first
    now[0] = 0
    assert [one.tolist() for one in Batches(rows, 10, (1, 2), lambda: 0)] == first
    assert [one.tolist() for one in Batches(rows, 10, (1, 3), lambda: 0)] != first


def test_batches_shared_by_processes_are_disjoint_and_equally_many() -> None:
    rows = np.arange(53)
    parts = [list(Batches(rows, 5, (0,), part=part, parts=2)) for part in range(2)]
    assert len(parts[0]) == len(parts[1]) == 5
    seen = torch.cat([torch.cat(part) for part in parts])
    assert len(seen.unique()) == len(seen) == 50


def test_batches_larger_than_the_sample_and_without_order() -> None:
    assert [one.tolist() for one in Batches(np.arange(3), 8, (0,))] != []
    assert torch.cat(list(Batches(np.arange(7), 3))).tolist() == list(range(7))


def test_dihedral_gives_all_eight_symmetries() -> None:
    image = torch.arange(48, dtype=torch.uint8).reshape(1, 4, 4, 3)
    turned = dihedral(image.expand(16, -1, -1, -1))
    assert turned.shape == (16, 4, 4, 3)
    assert len({tuple(one.flatten().tolist()) for one in turned}) == 8
    assert (turned.flatten(1).sort().values == image.flatten().sort().values).all()


def test_training_data_of_a_survey(survey: Survey) -> None:
    data = load_training_data(survey, "robust", QUICK)
    assert data.ids.tolist() == survey.ids
    assert data.images.shape == (24, 128, 128, 3)
    assert data.spectra.shape == (24, 4171)
    assert data.label is None
    assert data.has_label.all()
    assert data.labels[:, 0] == pytest.approx(survey.column("true_log_age"), rel=1e-6)
    split = make_split(survey.catalog, QUICK.fractions)
    rows = stage_rows(data, split, "m4_real", "train")
    assert set(data.ids[rows]) <= set(split.train)
    assert (data.has_image & data.has_spectrum & data.has_label)[rows].all()


def test_training_data_with_labels_of_a_fit(survey: Survey) -> None:
    with pytest.raises(GalamError, match="no labels"):
        load_training_data(survey)
    labels = label_survey(survey, LabelConfig(draws=0, mdegree=2), 1)
    data = load_training_data(survey)
    good = (labels.table["status"] == "ok").to_numpy()
    assert good.any()
    assert (data.has_label == good).all()
    assert data.labels[good, 0] == pytest.approx(labels.table["log_age"][good])
    assert data.label.hash == labels.config.hash
    assert load_training_data(survey, label=labels.config.hash).label == data.label
    assert load_training_data(survey, label=labels.config).label == data.label
    assert data.truth[:, 1] == pytest.approx(survey.column("true_m_h"), rel=1e-6)


def test_surveys_that_cannot_be_trained_on(survey: Survey, tmp_path: Path) -> None:
    with pytest.raises(GalamError, match="not prepared"):
        load_training_data(survey, "paper", QUICK)
    data = load_training_data(survey, "robust", QUICK)
    split = Split(*(data.ids[part] for part in (slice(3, 20), slice(0, 1), slice(1, 3))))
    with pytest.raises(GalamError, match="m3 has 1 validation galaxies and needs at least 2"):
        stage_rows(data, split, "m3", "validation")
    bare = make_training_survey(tmp_path / "bare", 3, prepare=False)
    bare.catalog = bare.catalog.drop(columns=["true_m_h"])
    from galam_explorer.preprocess import prepare_survey

    prepare_survey(bare, "robust", 1)
    with pytest.raises(GalamError, match="only simulated surveys have a truth"):
        load_training_data(bare, "robust", QUICK)
    empty = load_survey(tmp_path / "bare")
    empty.catalog = empty.catalog.iloc[:0]
    with pytest.raises(GalamError, match="no galaxies"):
        load_training_data(empty, "robust", QUICK)
