"""Raw spectra and cutouts to network inputs, every step kept (paper Sect. 2.2)."""

from galam_explorer.preprocess.images import prepare_cutout
from galam_explorer.preprocess.prepare import prepare_survey
from galam_explorer.preprocess.sample import PreparedSample, load_prepared
from galam_explorer.preprocess.spectra import prepare_spectrum

__all__ = [
    "PreparedSample",
    "load_prepared",
    "prepare_cutout",
    "prepare_spectrum",
    "prepare_survey",
]
