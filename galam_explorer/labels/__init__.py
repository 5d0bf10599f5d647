"""Age and metallicity by full-spectrum fitting, with their dispersion.

The parts are loaded when first asked for: the batched engine imports torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batched": ["BatchedFitter", "fit_batched"],
        "ppxf_fit": ["fit_ppxf"],
        "survey": ["SurveyLabels", "label_survey", "load_label", "load_labels", "saved_labels"],
        "templates": ["TemplateLibrary", "load_templates"],
        "unit": ["fit_galaxy"],
    },
)
