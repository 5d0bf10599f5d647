"""The choices of a fit: saved labels of the survey, or live parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError

__all__ = ["LIVE", "START", "FitControls", "describe"]

LIVE = ""
"""The choice of live parameters among the saved labels."""
_DRAWS = (0, 20, 50, 100, 200)
_TEMPLATES = {"36 embedded": "embedded", "225 embedded": "embedded-full"}
START = LabelConfig(draws=50)
"""The parameters that a live fit starts from."""
_ABOUT = {
    "engine": "batched is fast and agrees with pPXF, which is the reference",
    "templates": "Stellar populations that are mixed",
    "mdegree": "mdegree of pPXF: degree of the multiplicative polynomials; 0 for none",
    "degree": "degree of pPXF: degree of the additive polynomials; -1 for none. They change line "
    "strengths",
    "emission": "Leave out emission lines, fit them too, or do nothing about them",
    "draws": "Noise realisations for the dispersion",
}
_LABELS = {
    "engine": "Engine",
    "templates": "Templates",
    "mdegree": "Poly ×",
    "degree": "Poly +",
    "emission": "Lines",
    "draws": "Draws",
}


def describe(config: LabelConfig) -> str:
    """A configuration in a few words."""
    parts = [config.engine, config.templates.rstrip("/").split("/")[-1], f"m{config.mdegree}"]
    if config.degree >= 0:
        parts.append(f"a{config.degree}")
    if config.emission != "mask":
        parts.append(f"lines {config.emission}")
    return ", ".join([*parts, f"{config.draws} draws"])


def _here() -> dict[str, str]:
    """Templates on offer: the embedded ones and those that were downloaded."""
    from galam_explorer.labels.templates import DOWNLOADABLE, templates_folder

    folder = templates_folder()
    there = [name for name in DOWNLOADABLE if (folder / f"spectra_{name}.npz").is_file()]
    return _TEMPLATES | {name: name for name in there}


class FitControls(pn.viewable.Viewer):
    """Which labels are shown, and the parameters of a live fit.

    Parameters
    ----------
    changed : callable
        Called when another set of labels or another parameter was chosen.
    fit_now : callable
        Called by the button.
    problem : callable
        Gets the `GalamError` of parameters that do not go together.
    """

    def __init__(
        self,
        changed: Callable[[], None],
        fit_now: Callable[[], None],
        problem: Callable[[GalamError], None],
    ) -> None:
        super().__init__()
        self._changed, self._problem = changed, problem
        self._quiet = False
        self.config = START
        self._saved: dict[str, LabelConfig] = {}
        self._fields = self._make_fields()
        self._labels = pmui.Select(
            label="Labels", options={"live fit": LIVE}, value=LIVE, **_share(138, 106),
            description="Saved labels of the survey, or a fit with the parameters beside",
        )  # fmt: skip
        self._labels.param.watch(self._chose_labels, "value")
        self.follow = pmui.Switch(
            label="fit what I open", value=True, size="small", margin=0,
            description="Fit every galaxy that is opened, and again when a parameter changes",
        )  # fmt: skip
        self.button = pmui.Button(
            label="Fit now", icon="play_arrow", size="small", variant="contained", margin=0,
            on_click=lambda _e: fit_now(),
        )  # fmt: skip
        # A Row would be at least as wide as all of them, and wrap nothing.
        self._layout = pn.Column(
            self._labels, *self._fields.values(), sizing_mode="stretch_width", stylesheets=[_WRAP]
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout

    def _make_fields(self) -> dict[str, Any]:
        templates = _here()
        options = {
            "engine": {"batched": "batched", "pPXF": "ppxf"},
            "templates": templates,
            "emission": ["mask", "fit", "none"],
            "draws": list(_DRAWS),
        }
        widths = {
            "engine": (104, 84),
            "templates": (122, 96),
            "emission": (86, 86),
            "draws": (78, 72),
        }
        fields: dict[str, Any] = {}
        for name in ("engine", "templates", "mdegree", "degree", "emission", "draws"):
            common = {
                "label": _LABELS[name],
                "description": _ABOUT[name],
                **_share(*widths.get(name, (88, 78))),
            }
            value = getattr(START, name)
            if name in options:
                fields[name] = pmui.Select(options=options[name], value=value, **common)
            else:
                low = 0 if name == "mdegree" else -1
                fields[name] = pmui.IntInput(start=low, end=40, value=value, **common)
            fields[name].param.watch(lambda e, name=name: self._set(name, e.new), "value")
        return fields

    # -- what is chosen --------------------------------------------------------------

    @property
    def saved(self) -> tuple[str, LabelConfig] | None:
        """Hash and configuration of the chosen saved labels; None for a live fit."""
        name = self._labels.value
        return (name, self._saved[name]) if name in self._saved else None

    def offer(self, saved: Mapping[str, LabelConfig], first: bool) -> None:
        """Put saved labels on offer; the newest is chosen the first time."""
        if saved == self._saved and not first:
            return
        self._saved = dict(saved)
        names = {f"saved {name[:6]}: {describe(one)}": name for name, one in saved.items()}
        self._quiet = True
        kept = self._labels.value if self._labels.value in saved else LIVE
        self._labels.options = {**names, "live fit": LIVE}
        self._labels.value = next(iter(saved), LIVE) if first else kept
        self._quiet = False
        self._follow_saved()

    def go_live(self) -> None:
        """Leave the saved labels; their parameters stay."""
        self._quiet = True
        self._labels.value = LIVE
        self._quiet = False

    def _chose_labels(self, _event: Any) -> None:
        if not self._quiet:
            self._follow_saved()
            self._changed()

    def _follow_saved(self) -> None:
        """Let the fields say what the chosen saved labels were made with."""
        if self.saved is None:
            return
        self.config = self.saved[1].replace(template_digest="")
        self._quiet = True
        for name, field in self._fields.items():
            value = getattr(self.config, name)
            if isinstance(field, pmui.Select):
                options = field.options
                known = options.values() if isinstance(options, dict) else options
                if value not in known:
                    field.options = (
                        {**options, str(value).rstrip("/").split("/")[-1]: value}
                        if isinstance(options, dict)
                        else sorted([*options, value])
                    )
            field.value = value
        self._quiet = False

    def _set(self, name: str, value: Any) -> None:
        if self._quiet or value is None:
            return
        try:
            self.config = self.config.replace(**{name: value})
        except GalamError as error:
            self._quiet = True
            self._fields[name].value = getattr(self.config, name)
            self._quiet = False
            self._problem(error)
            return
        self._quiet = True
        if name == "engine" and value == "ppxf" and self.config.draws:
            self.follow.value = False  # half a minute a galaxy: only when asked for
        self._quiet = False
        self.go_live()
        self._changed()


_NARROW = "@media (max-width: 1300px)"


def _share(width: int, share: int) -> dict[str, Any]:
    """Looks of a field, as wide as it should be or its share of less: all stay in one row."""
    tight = {"paddingLeft": "8px !important", "paddingRight": "20px !important"}
    return {
        "size": "small",
        "margin": 0,
        "variant": "outlined",
        "sizing_mode": "stretch_width",
        "styles": {"flex": f"{share} 1 0", "min-width": "0", "max-width": f"{width}px"},
        "sx": {
            "& .MuiInputBase-input": {_NARROW: {"fontSize": "12px", **tight}},
            "& .MuiSelect-icon": {_NARROW: {"right": "0"}},
            # A number can be typed, and needs the room of plus and minus.
            "& .MuiInputBase-root .MuiIconButton-root": {_NARROW: {"display": "none"}},
        },
    }


_WRAP = """
:host { display: flex !important; flex-direction: row !important; flex-wrap: wrap !important;
  gap: 10px 8px; align-items: center; padding: 10px 0 2px; flex: 0 0 auto !important;
  min-width: 0 !important; }
@media (max-width: 1300px) { :host { flex-wrap: nowrap !important; gap: 4px; } }
"""
