"""The published figures: complete, as the manifest says, and the same as those of a fresh run of the chapters."""

import csv
import json
import os
import re
import sys
from pathlib import Path

import pytest

from ncpaper import claims, provenance, results
from tests.comparison import Tolerant, sanitized

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import figures  # noqa: E402

FIGURES = ROOT / "figures"
FRESH = os.environ.get("NCPAPER_FRESH")
MANIFEST = json.loads((FIGURES / "manifest.json").read_text(encoding="utf8"))
ENTRIES = {e["name"]: e for e in MANIFEST["figures"]}
CAPTIONS = figures.captions()
SUFFIXES = (".svg", ".pdf", ".png", ".csv")


def test_the_folder_holds_what_the_manifest_names_and_nothing_else():
    named = {f"{name}{suffix}" for name in ENTRIES for suffix in SUFFIXES}
    assert {p.name for p in FIGURES.iterdir() if p.is_file()} - {"manifest.json"} == named


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_every_file_has_the_hash_of_the_manifest(entry):
    assert {f: results.sha256(FIGURES / f) for f in entry["sha256"]} == entry["sha256"]


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_every_figure_names_its_chapter_its_claims_and_its_command(entry):
    assert (ROOT / "book" / f"{entry['chapter']}.md").exists()
    assert entry["title"]
    assert entry["command"] == "make figures"
    assert entry["claims"]
    assert set(entry["claims"]) <= set(claims.read())


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_every_figure_has_the_caption_and_the_alternative_text_of_its_chapter(entry):
    assert {k: entry.get(k) for k in ("caption", "alt")} == CAPTIONS[entry["name"]], "run: make figures"


def rows(path):
    """The table of a CSV file, without the header that says where it comes from."""
    with path.open(encoding="utf8", newline="") as file:
        return list(csv.reader(line for line in file if not line.startswith("#")))


def drawing(path):
    """The text of an SVG, without what it says of itself: that has a test of its own."""
    return re.sub(r"<(title|desc|metadata)>.*?</\1>", "", path.read_text(encoding="utf8"), flags=re.S)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_file_says_which_figure_it_is_and_from_which_data(name, suffix):
    about, entry = provenance.read(FIGURES / f"{name}{suffix}"), ENTRIES[name]
    assert about["figure"] == name
    assert {key: about[key] for key in ("title", "claims", "chapter", "package", "data")} == {
        key: entry[key] for key in ("title", "claims", "chapter", "package", "data")
    }
    assert provenance.compare(about, FIGURES) == f"the same file is in {FIGURES}"


def close(x, y):
    """Equal as text, or as numbers to 1e-5 of their size: what another processor may change after 10⁵ steps."""
    try:
        return x == y or abs(float(x) - float(y)) <= 1e-5 * abs(float(x)) + 1e-9
    except ValueError:
        return False


@pytest.fixture(scope="module")
def fresh():
    """The folder of the figures of a fresh run, which `make test` makes first."""
    if not FRESH:
        assert "CI" not in os.environ, "the comparison of the notebooks has not left its figures"
        pytest.skip("needs the figures of a fresh run of the chapters, which `make test` makes first")
    return Path(FRESH)


def test_the_chapters_publish_the_figures_of_the_manifest_and_no_other(fresh):
    assert {p.stem for p in fresh.glob("*.json")} == set(ENTRIES), "run: make figures"


@pytest.mark.parametrize("name", ENTRIES)
def test_the_title_and_the_claims_of_a_figure_come_out_again(fresh, name):
    entry = json.loads((fresh / f"{name}.json").read_text(encoding="utf8"))
    assert {k: entry[k] for k in ("title", "claims")} == {k: ENTRIES[name][k] for k in ("title", "claims")}


@pytest.mark.parametrize("name", ENTRIES)
def test_the_picture_of_a_figure_comes_out_again(fresh, name):
    old, new = (sanitized(drawing(folder / f"{name}.svg")) for folder in (FIGURES, fresh))
    assert Tolerant(old) == Tolerant(new), f"{name}.svg is not what its chapter draws, run: make figures"


@pytest.mark.parametrize("name", ENTRIES)
def test_the_data_of_a_figure_come_out_again(fresh, name):
    old, new = rows(FIGURES / f"{name}.csv"), rows(fresh / f"{name}.csv")
    assert old[0] == new[0]
    assert len(old) == len(new)
    assert [r for r, s in zip(old, new, strict=True) if not all(map(close, r, s))] == []
