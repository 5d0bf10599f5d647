"""The documentation: it builds, its links lead somewhere, and what it says to type works."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import typer

from galam_explorer.cli.main import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [ROOT / "README.md", *PAGES]
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""What a browser fetches by itself, and the attribute that says from where."""


# -- the site --------------------------------------------------------------------------


class Page(HTMLParser):
    """Anchors of a page, where its links lead, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors, self.links, self.loads = set[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {str(found[name]) for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if tag in LOADS and found.get(LOADS[tag]):
            self.loads.append(str(found[LOADS[tag]]))
        if found.get("style"):
            self.loads += addresses(str(found["style"]))


def addresses(css: str) -> list[str]:
    """What a style sheet loads."""
    found = re.findall(r"url\(\s*['\"]?([^'\")]+)", css)
    return found + re.findall(r"@import\s+['\"]([^'\"]+)", css)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", str(out / "trees"), str(DOCS), str(out / "html")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return out / "html"


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def test_every_page_is_built_and_found_from_the_first(built: dict[Path, Page], site: Path) -> None:
    assert {path.stem for path in PAGES} <= {path.stem for path in built}
    first = {urlsplit(link).path for link in built[site / "index.html"].links}
    assert {f"{path.stem}.html" for path in PAGES} - {"index.html"} <= first


def test_links_within_the_site_lead_somewhere(built: dict[Path, Page]) -> None:
    checked, dead = 0, []
    for path, page in built.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = target in built if target.suffix == ".html" else target.is_file()
            anchor = unquote(parts.fragment)
            if not there or (anchor and target in built and anchor not in built[target].anchors):
                dead.append(f"{path.name}: {link}")
            checked += 1
    assert checked > 300
    assert dead == []


def test_pages_load_nothing_from_another_machine(built: dict[Path, Page], site: Path) -> None:
    asked = {path.name: page.loads for path, page in built.items()}
    for path in site.rglob("*.css"):
        asked[path.name] = addresses(path.read_text(encoding="utf-8"))
    loads = [(name, one) for name, found in asked.items() for one in found]
    assert len(loads) > 100
    assert [one for one in loads if urlsplit(one[1]).netloc] == []


def test_public_names_are_in_the_reference(built: dict[Path, Page], site: Path) -> None:
    import galam_explorer

    names = {f"galam_explorer.{one}" for one in galam_explorer.__all__ if one[0] != "_"}
    assert names <= built[site / "api.html"].anchors


def test_screenshots_are_small() -> None:
    large = {path.name: path.stat().st_size for path in (DOCS / "screenshots").glob("*.png")}
    assert large
    assert {name: size for name, size in large.items() if size > 150_000} == {}


# -- commands --------------------------------------------------------------------------


@cache
def command_line() -> Any:
    return typer.main.get_command(app)


def fences(path: Path) -> list[tuple[str, str, str]]:
    """Language, content and line before each block of code; text between them as ``text``."""
    found, kind, lines, before = [], "", [""], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        mark = re.match(r" *```+(\S*)", line)
        if mark is None:
            lines.append(line)
            continue
        found.append((kind or "text", "\n".join(lines), before))
        before = lines[-1] if not kind else ""
        kind, lines = ("" if kind else mark.group(1) or "plain"), [""]
    return [*found, ("text", "\n".join(lines), "")]


def quoted_commands(path: Path) -> list[str]:
    """``galam ...`` lines of code blocks, and those within sentences."""
    found = []
    for kind, text, _ in fences(path):
        if kind in ("sh", "plain"):
            for line in text.replace("\\\n", " ").splitlines():
                found += re.findall(r"(?:^|srun )(galam .+)", line.split("#")[0].strip())
        elif kind == "text":
            found += re.findall(r"`(galam [^`]+)`", text)
    return found


def unknown_parts(words: list[str]) -> list[str]:
    """Commands and options that there are not."""
    at: Any = command_line()
    for word in words:
        if hasattr(at, "commands") and not word.startswith("-"):
            if word not in at.commands:
                return [word] if word.islower() else []
            at = at.commands[word]
    options = {name for one in at.params for name in (*one.opts, *one.secondary_opts)}
    given = [re.sub(r"^\[+|\]+$", "", word).split("=")[0] for word in words]
    return [one for one in given if one.startswith("-") and one not in {*options, "--help"}]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_quoted_commands_exist(path: Path) -> None:
    wrong = []
    for line in quoted_commands(path):
        words = shlex.split(line.replace("…", ""))[1:]
        wrong += [f"{line}: {part}" for part in unknown_parts(words)]
    assert wrong == []


def test_commands_are_found_in_the_pages() -> None:
    counts = {path.name: len(quoted_commands(path)) for path in TEXTS}
    assert min(counts[name] for name in ("README.md", "tour.md", "scale.md", "install.md")) >= 5
    assert unknown_parts(["train", "S", "--no-such-option"]) == ["--no-such-option"]
    assert unknown_parts(["nonsense", "S"]) == ["nonsense"]


def test_make_targets_exist() -> None:
    made = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for path in TEXTS:
        quoted = re.findall(r"(?:`|^)make ([a-z]+)", path.read_text(), re.M)
        assert set(quoted) <= made, path.name


# -- Python ----------------------------------------------------------------------------

RUNNER = """
import json, sys, traceback
failed = 0
for page, blocks in json.load(sys.stdin).items():
    names = {"__name__": page}
    for number, block in enumerate(blocks, 1):
        try:
            exec(compile(block, f"{page} block {number}", "exec"), names)
        except Exception:
            traceback.print_exc()
            failed += 1
sys.exit(failed)
"""


def blocks_of(path: Path) -> list[str]:
    """Python blocks that a reader can run: all but those marked ``% not run``."""
    return [
        text
        for kind, text, before in fences(path)
        if kind == "python" and not before.startswith("% not run")
    ]


def test_python_in_the_pages_runs() -> None:
    """Each page by itself, its blocks one after another, from the checkout."""
    # What teachers do needs a folder of answers; tests/test_quiz.py has one.
    own = [path for path in TEXTS if path.name != "teaching.md"]
    pages = {path.name: blocks for path in own if (blocks := blocks_of(path))}
    assert sum(map(len, pages.values())) >= 10
    run = subprocess.run(
        [sys.executable, "-c", RUNNER], input=json.dumps(pages), cwd=ROOT, text=True,
        capture_output=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


# -- facts -----------------------------------------------------------------------------

COLUMNS = ("log_age against label", "log_age against truth", "m_h against label")
COLUMNS += ("m_h against truth",)


def test_numbers_of_the_released_model_are_its_own() -> None:
    metrics = json.loads((ROOT / "models/demo/model.json").read_text())["metrics"]
    text = (DOCS / "evaluation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \|((?: -?\d\.\d+ \|){4})$", text, re.M)
    assert [name for name, _ in rows] == [
        "mean", "photometry", "m3", "image_only", "m4", "m4_real", "m1",
    ]  # fmt: skip
    for name, cells in rows:
        kept = metrics.get(f"{name}, mean", metrics.get(name))
        wanted = [f"{kept[f'RMSE {column}']:.3f}" for column in COLUMNS]
        assert cells.replace("|", "").split() == wanted, name


def test_sizes_of_the_networks_are_right() -> None:
    from galam_explorer.config import NetworkConfig
    from galam_explorer.networks import build_network, count_parameters

    text = (DOCS / "models.md").read_text(encoding="utf-8")
    for config in (NetworkConfig(), NetworkConfig.paper()):
        row = re.search(rf"^\| `{config.preset}` \|(.+)\|$", text, re.M).group(1)
        said = [int(re.sub(r"\s", "", cell)) for cell in row.split("|")]
        stages = ("m1", "m2", "m3", "m4")
        assert said == [count_parameters(build_network(stage, config)) for stage in stages]


def test_named_notebooks_are_there() -> None:
    text = (DOCS / "notebooks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    assert named == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
