"""Age and metallicity by full-spectrum fitting, with their dispersion."""

from galam_explorer.labels.ppxf_fit import fit_ppxf
from galam_explorer.labels.templates import TemplateLibrary, load_templates

__all__ = ["TemplateLibrary", "fit_ppxf", "load_templates"]
