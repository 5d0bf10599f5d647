"""Training: one split, the stages M1 to M4, the run folder, jobs and released models.

The parts are loaded when first asked for: torch and Lightning take seconds to import.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data": ["LabelScaling", "TrainingData", "load_training_data"],
        "jobs": ["TrainingJob", "list_runs"],
        "release": ["ModelFiles", "read_model_folder", "write_model_folder"],
        "runner": ["train_run"],
        "split": ["Split", "make_split"],
    },
)
