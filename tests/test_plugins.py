"""Networks and tabs from outside the package, by the examples of the documentation."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_survey import QUICK, TINY, make_training_survey
from typer.testing import CliRunner

import galam_explorer as ge
from galam_explorer import plugins
from galam_explorer.cli.main import app
from galam_explorer.config import presets as known_presets
from galam_explorer.errors import GalamError
from galam_explorer.networks import Network, Output, check_networks, register_preset
from galam_explorer.networks import presets as builders
from galam_explorer.survey import Survey
from galam_explorer.train.folder import RunFolder

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
TURNED = EXAMPLES / "turned_m3.py"
ONE_STAGE = QUICK.replace(stages=("m3",), epochs=1)


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No plugin before the test, and none of its own after it."""
    monkeypatch.setattr(known_presets, "_ADDED", {})
    own = {name: builders.BUILDERS[name] for name in ("compact", "paper")}
    for module in (builders, sys.modules[register_preset.__module__]):
        monkeypatch.setattr(module, "BUILDERS", own)
    monkeypatch.setattr(plugins, "_SOURCES", {})
    monkeypatch.delenv("GALAM_PLUGINS", raising=False)
    before = set(sys.modules)
    for name in ("turned_m3", "colour_profile", "compare_m3"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    for name in set(sys.modules) - before:
        if (
            getattr(sys.modules[name], "__file__", None)
            and EXAMPLES in Path(sys.modules[name].__file__).parents
        ):
            del sys.modules[name]


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return make_training_survey(tmp_path_factory.mktemp("plugins") / "tiny", n=40)


@pytest.fixture(scope="module")
def compared(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """What the example's comparison says, in a process of its own."""
    runs = tmp_path_factory.mktemp("runs")
    code = (
        "import json, sys; from pathlib import Path\n"
        f"sys.path[:0] = [{str(EXAMPLES)!r}, {str(Path(__file__).parent)!r}]\n"
        "from compare_m3 import compare\nfrom training_survey import QUICK\n"
        "import galam_explorer as ge\n"
        f"found = compare(ge.load_survey({str(survey.path)!r}), Path({str(runs)!r}), "
        "QUICK.replace(stages=('m3',), epochs=1), width=0.25)\n"
        "print(json.dumps({k: [v.value, v.low, v.high, v.galaxies] for k, v in found.items()}))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return runs, json.loads(run.stdout.splitlines()[-1])


# -- the example: a network ------------------------------------------------------------


def test_example_network_is_trained_and_compared(compared: tuple[Path, dict]) -> None:
    runs, found = compared
    assert set(found) == {"log_age", "m_h"}
    for value, low, high, galaxies in found.values():
        assert low <= value <= high
        assert galaxies >= 5
    for preset, plugin in (("turned", "turned_m3"), ("compact", None)):
        info = json.loads((runs / preset / "model" / "model.json").read_text())
        assert (info["network"]["preset"], info["plugin"]) == (preset, plugin)
    assert "turned_m3" in (runs / "turned/model/README.md").read_text()


def test_example_network_does_not_care_which_way_is_up(
    nothing_loaded: None, compared: tuple[Path, dict]
) -> None:
    ge.load_plugin(TURNED)
    image = np.random.default_rng(1).integers(0, 255, (1, 128, 128, 3), dtype=np.uint8)
    said = {}
    for preset in ("turned", "compact"):
        model = ge.load_model(compared[0] / preset, device="cpu")
        both = [model.predict(images=one) for one in (image, np.rot90(image, 1, (1, 2)).copy())]
        said[preset] = abs(float(both[0]["m3_log_age"].iloc[0] - both[1]["m3_log_age"].iloc[0]))
    assert said["turned"] < 1e-4
    assert said["compact"] > 1e-3


def test_model_without_its_plugin_is_refused_and_nothing_is_imported(
    nothing_loaded: None, compared: tuple[Path, dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Even where Python would find a module of that name.
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with pytest.raises(GalamError, match="plugin 'turned_m3', which is not loaded"):
        ge.load_model(compared[0] / "turned")
    assert "turned_m3" not in sys.modules
    assert ge.load_model(compared[0] / "compact").stages == ("m3",)


def test_commands_take_the_plugin(
    nothing_loaded: None, compared: tuple[Path, dict], survey: Survey, tmp_path: Path
) -> None:
    run, out = compared[0] / "turned", tmp_path / "table.csv"
    line = ["predict", str(run), str(survey.path), "--out", str(out)]
    refused = CliRunner().invoke(app, line)
    assert refused.exit_code == 1
    assert "--plugin turned_m3.py" in refused.output
    done = CliRunner().invoke(app, [*line, "--plugin", str(TURNED)])
    assert done.exit_code == 0, done.output
    assert "m3_log_age" in out.read_text()
    missing = CliRunner().invoke(app, [*line, "--plugin", "nowhere.py"])
    assert missing.exit_code == 1
    assert "there is no such plugin" in missing.output


def test_process_of_a_job_knows_the_plugin(
    nothing_loaded: None, survey: Survey, tmp_path: Path
) -> None:
    ge.load_plugin(TURNED)
    network = TINY.replace(preset="turned")
    job = ge.TrainingJob.start(survey, network, ONE_STAGE, run_dir=tmp_path / "job")
    assert job.wait(240)["state"] == "done", job.status()
    assert RunFolder(tmp_path / "job").info()["plugin"] == "turned_m3"
    assert ge.load_model(tmp_path / "job").stages == ("m3",)


# -- registering networks --------------------------------------------------------------


class Wrong(Network):
    """Gives whatever it is told to."""

    given: Any = None

    def __init__(self, config: ge.NetworkConfig) -> None:
        super().__init__()

    def forward(self, *inputs: torch.Tensor) -> Any:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def test_presets_are_checked_when_they_are_registered(nothing_loaded: None) -> None:
    for name, networks, base, plugin, words in (
        ("Mine!", {"m3": Wrong}, "compact", "p", "letters"),
        ("paper", {"m3": Wrong}, "compact", "p", "another name"),
        ("mine", {"m9": Wrong}, "compact", "p", "one or more of m1"),
        ("mine", {}, "compact", "p", "one or more of m1"),
        ("mine", {"m3": Wrong}, "huge", "p", "one of compact, paper"),
        ("mine", {"m3": Wrong}, "compact", "__main__", "file of its own"),
        ("mine", {"m3": 3}, "compact", "p", "cannot be called"),
    ):
        with pytest.raises(GalamError, match=words):
            register_preset(name, networks, base=base, plugin=plugin)
    with pytest.raises(GalamError, match="or of a plugin that is loaded"):
        ge.NetworkConfig(preset="mine")
    register_preset("mine", {"m3": Wrong}, plugin="p")
    register_preset("mine", {"m1": Wrong}, plugin="p")  # its own, again
    with pytest.raises(GalamError, match="the plugin p has it"):
        register_preset("mine", {"m3": Wrong}, plugin="q")
    assert ge.NetworkConfig(preset="mine").base == "compact"


def test_base_decides_the_defaults(nothing_loaded: None) -> None:
    register_preset("mine", {"m3": Wrong}, base="paper", plugin="p")
    assert ge.NetworkConfig.named("mine").attention == "single"
    assert ge.TrainConfig.named("mine").loss == "mse"
    with pytest.raises(GalamError, match="attention"):
        ge.NetworkConfig(preset="mine", attention="tokens")


def test_networks_that_give_something_else_are_refused(
    nothing_loaded: None, survey: Survey, tmp_path: Path
) -> None:
    mean, features = torch.zeros(2, 2), torch.zeros(2, 1024)
    good = Output(mean, mean, features, torch.zeros(2, 64, 7))
    for given, words in (
        (mean, "gives a Tensor"),
        (good._replace(mean=None), "gives mean None"),
        (good._replace(features=torch.zeros(2, 9)), r"features \(2, 9\) where \(2, 1024\)"),
        (good._replace(tokens=torch.zeros(2, 63, 7)), "tokens"),
        (good._replace(log_sigma=None), "must give a log_sigma"),
        (RuntimeError("shapes"), r"cannot be run \(shapes\)"),
    ):
        made = type("Given", (Wrong,), {"given": given})
        register_preset("mine", {"m3": made}, plugin="p")
        with pytest.raises(GalamError, match=words):
            check_networks(TINY.replace(preset="mine"))
    register_preset("mine", {"m3": lambda config: torch.nn.Identity()}, plugin="p")
    with pytest.raises(GalamError, match="no Network"):
        ge.train_run(survey, TINY.replace(preset="mine"), ONE_STAGE, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # The package's own M4 takes tokens of any width.
    register_preset("mine", {"m3": type("Good", (Wrong,), {"given": good})}, plugin="p")
    config = TINY.replace(preset="mine")
    assert check_networks(config) == {"m3": 0}
    assert builders.build_network("m4", config).token.in_features == 7


# -- loading ---------------------------------------------------------------------------


def test_plugins_that_cannot_be_loaded_say_why(nothing_loaded: None, tmp_path: Path) -> None:
    def plugin(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    for source, words in (
        (tmp_path / "nowhere.py", "no such plugin"),
        ("no_such_module_at_all", "no such module"),
        (plugin("bad-name.py", ""), "cannot be a module's"),
        (plugin("fails.py", "1 / 0"), "ZeroDivisionError: division by zero"),
        (plugin("needs.py", "import no_such_module_at_all"), "needs no_such_module_at_all"),
        (plugin("json.py", ""), "another module 'json'"),
        (plugin("clash.py", "raise_ = 1\nfrom galam_explorer.networks import *\n"
                "register_preset('paper', {}, plugin=__name__)"), "another name"),
    ):  # fmt: skip
        with pytest.raises(GalamError, match=words):
            ge.load_plugin(source)
    assert "fails" not in sys.modules


def test_plugins_are_run_once(
    nothing_loaded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "counts_itself.py"
    file.write_text(
        "from pathlib import Path\n"
        "with Path(__file__).with_suffix('.ran').open('a') as stream:\n"
        "    stream.write('x')\n"
    )
    monkeypatch.setenv("GALAM_PLUGINS", str(file))
    assert plugins.load_named_plugins([str(file)]) == [str(file)]
    assert ge.load_plugin(file) is sys.modules["counts_itself"]
    assert file.with_suffix(".ran").read_text() == "x"
    del sys.modules["counts_itself"]
