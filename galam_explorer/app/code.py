"""The Python that makes a view's figure in a notebook; tests run every piece."""

from __future__ import annotations

from galam_explorer.app.colours import Residual
from galam_explorer.app.population import found_code

__all__ = ["filmstrip_code", "galaxy_code", "sky_code", "strip_code", "table_code"]

_HEAD = """import holoviews as hv
from galam_explorer.survey import load_survey

hv.extension("bokeh")
survey = load_survey({source!r})
"""


def sky_code(
    source: str,
    color_by: str,
    view: str,
    galaxy_id: str,
    cohort: list[str],
    residual: Residual | None = None,
    model: str = "",
) -> str:
    """The sky map; with a `residual` the survey is predicted first."""
    set_line = f"cohort = [survey.row(one) for one in {cohort!r}]\n" if cohort else ""
    extra = "    cohort=cohort,\n" if cohort else ""
    current = f"    current=survey.row({galaxy_id!r}),\n" if galaxy_id else ""
    if residual is None:
        values = (
            _HEAD.format(source=source)
            + "\nfrom galam_explorer.app.data import SurveyData\n"
            + f"\nvalues, label = SurveyData(survey, {source!r}).values({color_by!r})\n"
        )
    else:
        one = residual
        values = (
            found_code(source, model)
            + f"\nvalues = found.residual{(one.predictor, one.reference, one.quantity)!r}\n"
            + f"label = {one.title!r}\n"
        )
        extra += "    centred=True,\n"
    return (
        values
        + "\nfrom galam_explorer.evaluate.figures.sky import SkyView, sky_figure\n\n"
        + set_line
        + "figure = sky_figure(\n"
        + '    survey.column("ra"),\n    survey.column("dec"),\n    values,\n    label,\n'
        + f"    view={view},\n{current}{extra})\nfigure\n"
    )


def table_code(source: str, ids: list[str] | None) -> str:
    """The table."""
    pick = f'table = table[table["id"].isin({ids!r})]\n' if ids is not None else ""
    return (
        f"from galam_explorer.survey import load_survey\n\n"
        f"survey = load_survey({source!r})\ntable = survey.catalog\n{pick}table\n"
    )


def galaxy_code(source: str, galaxy_id: str, rest_frame: bool, image: bool, spectrum: bool) -> str:
    """Cutout and spectrum of a galaxy, as far as it has them."""
    lines = [_HEAD.format(source=source) + f"galaxy = survey[{galaxy_id!r}]\n"]
    names = []
    if image:
        lines.append(
            "from galam_explorer.evaluate.figures.cutout import cutout_figure\n"
            "from galam_explorer.survey.images import decode_cutout\n\n"
            "image = cutout_figure(decode_cutout(galaxy.cutout), galaxy.cutout.scale)\n"
        )
        names.append("image")
    if spectrum:
        lines.append(
            "from galam_explorer.evaluate.figures.spectrum import spectrum_figure\n\n"
            f"spectrum = spectrum_figure(galaxy.spectrum, galaxy.z, rest_frame={rest_frame})\n"
        )
        names.append("spectrum")
    lines.append(f"figure = {' + '.join(names) or 'None'}\nfigure\n")
    return "\n".join(lines)


def filmstrip_code(source: str, galaxy_id: str, config: str) -> str:
    """Every step of the preprocessing of a cutout."""
    return (
        _HEAD.format(source=source)
        + "\nfrom galam_explorer.config import PreprocessConfig\n"
        + "from galam_explorer.evaluate.figures.preprocess import filmstrip_figure\n"
        + "from galam_explorer.preprocess import prepare_cutout\n\n"
        + f"config = {config}\n"
        + f"stages = prepare_cutout(survey[{galaxy_id!r}].cutout, config)\n"
        + "print(stages.status, stages.reason)\n"
        + "figure = filmstrip_figure(stages)\nfigure\n"
    )


def strip_code(
    source: str, galaxy_id: str, model: str, labelled: bool, truths: dict[str, float]
) -> str:
    """What every network of a model says of a galaxy, beside label and simulated truth."""
    if model:
        predict = (
            "from galam_explorer.evaluate.predict import load_model\n\n"
            f"predictions = load_model({model!r}).predict(galaxy)\n"
        )
    else:
        predict = "predictions = {}\n"
    label = "population = None\n"
    if labelled:
        label = (
            "from galam_explorer.labels import load_label, saved_labels\n\n"
            "newest = next(iter(saved_labels(survey)))\n"
            "population = load_label(survey, newest, galaxy.id)\n"
        )
    lines = []
    for quantity in ("log_age", "m_h"):
        truth = f", {truths[quantity]}" if quantity in truths else ""
        lines.append(f'strip_figure(predictions, "{quantity}", population{truth})')
    return (
        _HEAD.format(source=source)
        + f"galaxy = survey[{galaxy_id!r}]\n\n"
        + "from galam_explorer.evaluate.figures.predictions import strip_figure\n"
        + predict
        + label
        + f"figure = (\n    {lines[0]}\n    + {lines[1]}\n)\nfigure\n"
    )
