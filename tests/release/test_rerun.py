"""The book rerun by a stranger: from the unpacked archive without git, outside the repository, in an empty environment."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import archive  # noqa: E402
import ready  # noqa: E402

#: What the marker of a ready environment says, printed by the unpacked tool itself.
MARKER = """
import json, pathlib, sys
sys.path.insert(0, "book/_tools")
import ready
print(json.dumps(ready.expected(pathlib.Path(".venv").absolute())))
"""

#: The variables of these tests' own environment would lead a program back to this tree.
OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NCPAPER", "JUPYTER"))}


def run(*command, cwd, succeeds=True):
    """What a command says, in an environment without this tree; it has to succeed, or not to."""
    done = subprocess.run(command, cwd=cwd, env=OUTSIDE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (done.returncode == 0) == succeeds, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The folder of the archive that the rendered site offers, unpacked far from any checkout."""
    [path] = SITE.glob("ncpaper-*.zip")
    folder = tmp_path_factory.mktemp("a stranger")
    with zipfile.ZipFile(path) as packed:
        packed.extractall(folder)
    return folder / path.stem


def environment(folder, *options):
    """A new virtual environment; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", *options, folder], check=True, env=OUTSIDE)
    return folder / "bin" / "python"


def borrowing(folder):
    """A new virtual environment that finds what is installed for these tests, but for this package; returns its Python."""
    python = environment(folder, "--without-pip")
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture(scope="module")
def elsewhere(unpacked, tmp_path_factory):
    """A Python with the package installed from the unpacked folder, and an empty folder to work in."""
    folder = tmp_path_factory.mktemp("elsewhere")
    python = borrowing(folder / "environment")
    pip = [sys.executable, "-I", "-m", "pip", "--python", python, "install", "--quiet"]
    run(*pip, "--no-deps", "--no-build-isolation", unpacked, cwd=folder)
    (folder / "work").mkdir()
    where = run(python, "-I", "-c", "import ncpaper; print(ncpaper.__file__)", cwd=folder).strip()
    assert Path(where).is_relative_to(folder / "environment")
    return python, folder / "work"


# From the unpacked folder


def test_the_site_offers_the_archive_of_this_revision():
    [path] = SITE.glob("ncpaper-*.zip")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == archive.of(ROOT).sha256, "make book before this"


def test_a_chapter_is_rerun_by_make_in_the_unpacked_folder_without_git(unpacked):
    python = borrowing(unpacked / ".venv")  # made ready here, in place of an installation of minutes
    (unpacked / ".venv" / ready.MARKER).write_text(run(python, "-I", "-c", MARKER, cwd=unpacked))
    said = run("make", "chapter", "NAME=margin_bound", cwd=unpacked)
    page = unpacked / "_build" / "chapter" / "html" / "book" / "margin_bound.html"
    assert f"open {page}" in said
    text = page.read_text(encoding="utf8")
    assert archive.of(ROOT).sha256 in text, "the archive made again in the unpacked folder is the same"
    links = [link for link in re.findall(r'<a [^<>]*href="([^"#]+)', text) if ":" not in link]
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_a_changed_parameter_that_breaks_an_assertion_says_what_was_expected(unpacked, tmp_path):
    changed = tmp_path / "a lecture"
    shutil.copytree(unpacked / "ncpaper", changed / "ncpaper")
    shutil.copytree(unpacked / "book", changed / "book")
    chapter = changed / "book" / "geometry.md"
    text, given = chapter.read_text(encoding="utf8"), "scale, rate, seeds = 0.3, 0.1,"
    assert given in text
    chapter.write_text(text.replace(given, "scale, rate, seeds = 0.3, 0.0001,"), encoding="utf8")
    python = borrowing(changed / ".venv")
    command = [python, "-I", "book/_tools/clean.py", "book/_tools/chapters.py", tmp_path / "out", "geometry"]
    said = run(*command, cwd=changed, succeeds=False)
    assert re.search(r"expected residuals below half of those at initialisation, the largest ratio is \d", said)


def test_a_tool_of_the_unpacked_folder_makes_the_same_archive_again(unpacked, tmp_path):
    said = run(sys.executable, "-I", "book/_tools/archive.py", tmp_path, cwd=unpacked)
    assert archive.of(ROOT).sha256 in said


# Outside the repository, with the package installed


def test_a_downloaded_script_runs_outside_the_repository(elsewhere):
    python, work = elsewhere
    (work / "figure_3.py").write_bytes((SITE / "scripts" / "figure_3.py").read_bytes())  # it reads recorded runs
    run(python, "-I", "figure_3.py", cwd=work)


def test_a_downloaded_notebook_runs_outside_the_repository_with_the_same_printed_results(elsewhere):
    python, work = elsewhere
    (work / "stored.ipynb").write_bytes((SITE / "_sources" / "book" / "margin_bound.ipynb").read_bytes())
    code = """
import nbclient, nbformat
stored = nbformat.read("stored.ipynb", 4)
rerun = nbclient.NotebookClient(nbformat.read("stored.ipynb", 4), kernel_name="python3").execute()
printed = [[o.text for cell in b.cells for o in cell.get("outputs", []) if "text" in o] for b in (stored, rerun)]
assert printed[0] and printed[0] == printed[1], printed
"""
    run(python, "-I", "-c", code, cwd=work)


# In an empty environment


@pytest.fixture(scope="module")
def light(unpacked, tmp_path_factory):
    """A Python in whose environment there is nothing but the package and what it needs."""
    folder = tmp_path_factory.mktemp("light")
    python = environment(folder / "environment")
    pip = [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    run(*pip, "--no-binary", "ncpaper", unpacked, cwd=folder)
    return python, folder


def test_an_empty_environment_gets_no_torch_no_numba_and_no_tool_of_the_book(light):
    python, folder = light
    listed = run(python, "-I", "-m", "pip", "list", "--format", "freeze", cwd=folder).lower()
    names = {line.partition("==")[0] for line in listed.split("\n") if "==" in line}
    assert {"ncpaper", "numpy", "sympy"} <= names
    assert not names & {"torch", "numba", "pooch", "ipykernel", "sphinx", "jupyter-book", "pytest"}


def test_the_package_computes_and_finds_ledger_and_records_in_an_empty_environment(light):
    python, folder = light
    code = """
import pkgutil, importlib, sys
import ncpaper
from ncpaper import claims, margin, points, results
heavy = {"__main__", "compiled", "ensembles", "vgg", "train", "checkpoint"}
modules = {m.name for m in pkgutil.iter_modules(ncpaper.__path__)} - heavy
for name in modules:
    importlib.import_module(f"ncpaper.{name}")
assert {"margin", "kkt", "fashion", "network", "sweep"} <= modules and not {"torch", "numba"} & set(sys.modules)
W, H, y = points.collapsed(4, 3, 4)
assert margin.sample_margins(W, H, y).min() > 0
assert len(claims.read()) > 60
assert len(list(results.RECORDED.glob("*.json"))) > 5
for path in results.RECORDED.glob("*.json"):
    results.load(path)
for path in (claims.LEDGER, results.RECORDED):
    assert path.is_relative_to(sys.prefix)
"""
    run(python, "-I", "-c", code, cwd=folder)


@pytest.mark.parametrize(
    ("module", "extra"),
    [("compiled", "fast"), ("ensembles", "fast"), ("train", "train"), ("vgg", "train"), ("checkpoint", "train")],
)
def test_a_module_of_an_extra_says_how_to_install_it(light, module, extra):
    python, folder = light
    said = run(python, "-I", "-c", f"import ncpaper.{module}", cwd=folder, succeeds=False)
    last = said.strip().split("\n")[-1]
    assert re.fullmatch(rf"ImportError: \w+ is not installed; .* pip install 'ncpaper\[{extra}\]'", last)


def test_the_command_of_the_message_installs_the_extra_and_leaves_the_package(light):
    python, folder = light
    said = run(python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "ncpaper[fast]", cwd=folder)
    assert "Successfully installed" in said
    assert "ncpaper-" not in said
    run(python, "-I", "-c", "from ncpaper import compiled; assert compiled.exponential(0.0) == 1", cwd=folder)
