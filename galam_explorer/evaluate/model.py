"""A trained model that is ready to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from galam_explorer.config import NetworkConfig, PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.calibration import Calibration
from galam_explorer.evaluate.domain import Domain
from galam_explorer.evaluate.domain_image import ImageDomain
from galam_explorer.evaluate.metrics_features import r2_per_galaxy
from galam_explorer.evaluate.predict_forward import Raw, predictors_of, run_networks
from galam_explorer.evaluate.predict_inputs import (
    Inputs,
    array_inputs,
    galaxy_inputs,
    sample_batches,
)
from galam_explorer.evaluate.predict_table import prediction_columns, records
from galam_explorer.networks.blocks import Network
from galam_explorer.preprocess import PreparedSample
from galam_explorer.records import CutoutStages, Galaxy, Prediction
from galam_explorer.survey.store import Survey
from galam_explorer.train.data import LabelScaling
from galam_explorer.train.split import Split

if TYPE_CHECKING:
    from galam_explorer.evaluate.explain import AttentionMaps

__all__ = ["BATCH", "FeatureComparison", "Model"]

Progress = Callable[[int, int], None]
BATCH = 128
"""Galaxies that go through the networks together."""


@dataclass(frozen=True, eq=False)
class FeatureComparison:
    """Real and simulated features of one galaxy (paper Sect. 4.1, Fig. 13).

    Parameters
    ----------
    id : str
    real : ndarray, float32 (1024,), optional
        M1's, min-max normalised; None without a spectrum or without M1.
    simulated : ndarray, float32 (1024,), optional
        M2's, clipped at 0; None without an image or without M2.
    mean : ndarray, float32 (1024,), optional
        Mean normalised M1 features of training galaxies.
    r2, r2_mean : float
        R² within the galaxy of `simulated`, and of `mean` in its place; NaN where
        unknown.
    feature_r2 : ndarray, float32 (1024,), optional
        R² of each feature across validation galaxies.
    spectrum_status, image_status : str
    reason : str
        Why there is no comparison; empty where there is.
    """

    id: str
    real: np.ndarray | None
    simulated: np.ndarray | None
    mean: np.ndarray | None
    r2: float
    r2_mean: float
    feature_r2: np.ndarray | None
    spectrum_status: str
    image_status: str
    reason: str = ""


class Model:
    """Networks, calibration and statistics of one training.

    `galam_explorer.evaluate.predict.load_model` makes it.

    Parameters
    ----------
    path : Path
        Its folder.
    info : dict
        Contents of ``model.json``.
    networks : mapping of str to Network
    statistics : mapping of str to ndarray
    model_hash : str
    split : Split, optional
    device : str
    """

    def __init__(
        self,
        path: Path,
        info: dict[str, Any],
        networks: dict[str, Network],
        statistics: dict[str, np.ndarray],
        model_hash: str,
        split: Split | None = None,
        device: str = "cpu",
    ) -> None:
        self.path = Path(path)
        self.info = info
        self.name: str = info["name"]
        self.hash = model_hash
        self.network = NetworkConfig.from_dict(info["network"])
        self.preprocess = PreprocessConfig.from_dict(info["preprocess"])
        scaling = info["label_scaling"]
        self.scaling = LabelScaling(tuple(scaling["low"]), tuple(scaling["high"]))
        self.split = split
        self.device = device
        self.networks = {
            name: network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
            for name, network in networks.items()
        }
        self.stages = tuple(self.networks)
        self.predictors = predictors_of(self.networks)
        fields = info.get("calibration")
        self.calibration = None if fields is None else Calibration.from_json(fields, self.path)
        found = {
            "spectrum": Domain.from_tensors("spectrum", statistics),
            "image": ImageDomain.from_tensors(statistics),
        }
        self.domains = {name: one for name, one in found.items() if one is not None}
        self.mean_features = statistics.get("mean_features")
        self.feature_r2 = statistics.get("feature_r2")

    def __repr__(self) -> str:
        return (
            f"<Model {self.name!r} ({self.network.preset}), predicts {', '.join(self.predictors)}>"
        )

    def require(self, *stages: str) -> None:
        """Raise `GalamError` unless the model has these networks."""
        if missing := [stage for stage in stages if stage not in self.networks]:
            raise GalamError(
                f"this model has no network {missing[0]}",
                self.path,
                f"it has {', '.join(self.stages)}; train it with --stages",
            )

    def splits_of(self, survey: Survey) -> np.ndarray:
        """The set that each galaxy of a survey was in, shape (n,), str; empty for none.

        Ids of simulated and local galaxies mean something in their own survey
        only; SDSS's are the same everywhere.
        """
        if self.split is None:
            return np.full(len(survey), "", dtype="<U10")
        names = self.split.names(survey.ids)
        trained = self.info.get("survey") or {}
        made = (trained.get("provenance") or {}).get("simulation")
        same = trained.get("fingerprint") == survey.fingerprint
        same |= made is not None and made == survey.provenance.get("simulation")
        if same:
            return names
        return np.where(survey.column("origin").astype(str) == "sdss", names, "")

    # -- prediction --------------------------------------------------------------

    def raw(self, inputs: Inputs, keep_attention: bool = False) -> Raw:
        """What the networks say of prepared inputs, uncalibrated."""
        return run_networks(
            self.networks, self.network, self.scaling, inputs, self.device, keep_attention
        )

    def batches(
        self, sample: PreparedSample, sn_r: np.ndarray, rows: np.ndarray | None = None
    ) -> Iterator[tuple[Inputs, Raw]]:
        """Inputs and raw results of a prepared sample's rows, `BATCH` at a time."""
        chosen = np.arange(len(sample)) if rows is None else rows
        for inputs in sample_batches(sample, sn_r, chosen, BATCH):
            yield inputs, self.raw(inputs)

    def columns(self, inputs: Inputs, raw: Raw) -> dict[str, np.ndarray]:
        """Columns of the table of predictions."""
        return prediction_columns(raw, inputs, self.calibration, self.domains, self.mean_features)

    def predict(
        self,
        what: Galaxy | Sequence[Galaxy] | Survey | PreparedSample | None = None,
        *,
        images: np.ndarray | None = None,
        spectra: np.ndarray | None = None,
        sn_r: np.ndarray | None = None,
        ids: Sequence[str] | None = None,
        preprocess: PreprocessConfig | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Prediction] | pd.DataFrame:
        """Predict age and metallicity with every network that can.

        Parameters
        ----------
        what : Galaxy, sequence of Galaxy, Survey or PreparedSample, optional
            A survey is prepared first where it is not yet; its predictions are
            kept beside it and made again only where it has changed.
        images : ndarray, uint8 (n, 128, 128, 3), optional
            Prepared images, instead of `what`.
        spectra : ndarray, float (n, 4171), optional
            Prepared spectra, instead of `what` or with `images`.
        sn_r : ndarray, shape (n,), optional
            Signal-to-noise of `spectra`, or of the galaxies of a sample.
        ids : sequence of str, optional
            Of the rows of `images` and `spectra`.
        preprocess : PreprocessConfig, optional
            For galaxies: another preprocessing than the one of the training.
        workers : int, optional
            Processes that prepare a survey; all cores by default.
        progress : callable, optional
            Called as ``progress(done, total)`` in galaxies.

        Returns
        -------
        dict of str to Prediction
            For one galaxy, by predictor: ``m1``, ``m3``, ``m4`` …
        DataFrame
            For anything else: one row a galaxy (columns as in
            `galam_explorer.evaluate.predict_table.prediction_columns`, and
            ``split``).

        Raises
        ------
        GalamError
            On arrays of another shape, or nothing to predict from.
        """
        if isinstance(what, Galaxy):
            return self._one(what, preprocess)
        if isinstance(what, Survey):
            from galam_explorer.evaluate.predict_survey import predict_survey

            return predict_survey(self, what, workers, progress)
        if isinstance(what, PreparedSample):
            self._check_sample(what)
            noise = np.full(len(what), np.nan) if sn_r is None else np.asarray(sn_r, float)
            parts = [pd.DataFrame(self.columns(*pair)) for pair in self.batches(what, noise)]
            return self._frame(parts)
        if what is not None:
            galaxies = list(what)
            groups = [galaxies[i : i + BATCH] for i in range(0, len(galaxies), BATCH)]
            made = (galaxy_inputs(group, preprocess or self.preprocess) for group in groups)
            return self._frame([pd.DataFrame(self.columns(one, self.raw(one))) for one in made])
        inputs = array_inputs(images, spectra, sn_r, ids)
        return self._frame(
            [pd.DataFrame(self.columns(one, self.raw(one))) for one in inputs.parts(BATCH)]
        )

    def predict_stages(self, galaxy: Galaxy, stages: CutoutStages) -> dict[str, Prediction]:
        """Predict one galaxy whose cutout is prepared already (the dashboard's live strip)."""
        return self._one(galaxy, None, stages)

    def _one(
        self,
        galaxy: Galaxy,
        preprocess: PreprocessConfig | None,
        stages: CutoutStages | None = None,
    ) -> dict[str, Prediction]:
        inputs = galaxy_inputs([galaxy], preprocess or self.preprocess, stages)
        raw = self.raw(inputs)
        return records(self.columns(inputs, raw), inputs, raw, 0, self.predictors)

    def _check_sample(self, sample: PreparedSample) -> None:
        if sample.config.hash != self.preprocess.hash:
            raise GalamError(
                "this sample was prepared with another configuration than the model's training",
                sample.path,
                "predict the survey itself, or prepare it with the model's `preprocess`",
            )

    @staticmethod
    def _frame(parts: list[pd.DataFrame]) -> pd.DataFrame:
        if not parts:
            raise GalamError("there is nothing to predict from", "predict")
        table = pd.concat(parts, ignore_index=True)
        table.insert(1, "split", "")
        return table

    # -- what is inside ----------------------------------------------------------

    def features(self, galaxy: Galaxy) -> FeatureComparison:
        """Real and simulated features of a galaxy, with what the mean vector would do.

        Raises
        ------
        GalamError
            If the model has neither M1 nor M2.
        """
        if not {"m1", "m2"} & set(self.networks):
            self.require("m1", "m2")
        inputs = galaxy_inputs([galaxy], self.preprocess)
        raw = self.raw(inputs)
        real = None if raw.real is None else raw.real[0]
        simulated = None if raw.simulated is None else raw.simulated[0]
        r2 = r2_mean = float("nan")
        if real is not None and simulated is not None:
            r2 = float(r2_per_galaxy(real[None], simulated)[0])
        if real is not None and self.mean_features is not None:
            r2_mean = float(r2_per_galaxy(real[None], self.mean_features)[0])
        reasons = []
        if real is None:
            reasons.append(inputs.spectrum_reason[0] or "the model has no M1")
        if simulated is None:
            reasons.append(inputs.image_reason[0] or "the model has no M2")
        return FeatureComparison(
            galaxy.id,
            real,
            simulated,
            self.mean_features,
            r2,
            r2_mean,
            self.feature_r2,
            inputs.spectrum_status[0],
            inputs.image_status[0],
            "; ".join(reasons),
        )

    def attention(self, galaxy: Galaxy, predictor: str = "m4") -> AttentionMaps:
        """See `galam_explorer.evaluate.explain.attention_maps`."""
        from galam_explorer.evaluate.explain import attention_maps

        return attention_maps(self, galaxy, predictor)
