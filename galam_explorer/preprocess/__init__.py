"""Raw spectra and cutouts to network inputs, every step kept (paper Sect. 2.2).

The parts are loaded when first asked for. That is quicker, and safe: a package that
imports its own modules can be seen half made when two threads import it at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "images": ["prepare_cutout"],
        "prepare": ["prepare_survey"],
        "sample": ["PreparedSample", "load_prepared"],
        "spectra": ["prepare_spectrum"],
    },
)
