"""The stored notebook of each chapter holds the same cells as its text, all run, in order."""

import itertools
import re
import statistics
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import chapters  # noqa: E402

TEXTS = chapters.chapters()


def inputs(notebook):
    drop = {"execution", "collapsed"}
    return [
        (c.cell_type, c.source, {k: v for k, v in c.metadata.items() if k not in drop}, c.id) for c in notebook.cells
    ]


def stored(text):
    return nbformat.read(text.with_suffix(".ipynb"), as_version=4)


def code_cells(text):
    return [c for c in chapters.read(text).cells if c.cell_type == "code"]


def test_every_notebook_has_a_text_and_every_chapter_is_in_the_table_of_contents():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf8")
    assert TEXTS
    assert sorted(p.stem for p in (ROOT / "book").glob("*.ipynb")) == [t.stem for t in TEXTS]
    assert [t.stem for t in TEXTS if f"file: book/{t.stem}\n" not in toc] == []


@pytest.mark.parametrize("text", TEXTS, ids=lambda p: p.stem)
def test_notebook_and_text_hold_the_same_cells(text):
    assert inputs(chapters.read(text)) == inputs(stored(text)), "run: make outputs"


@pytest.mark.parametrize("text", TEXTS, ids=lambda p: p.stem)
def test_every_cell_of_the_notebook_ran_in_order(text):
    cells = [c for c in stored(text).cells if c.cell_type == "code"]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [o for c in cells for o in c.outputs if o.output_type == "error" or o.get("name") == "stderr"]


@pytest.mark.parametrize("text", TEXTS, ids=lambda p: p.stem)
def test_the_cells_of_a_chapter_are_short_and_have_prose_between_them(text):
    """What stands open on the page is shorter than what folds."""
    cells = chapters.read(text).cells
    lengths = {c.id: len(c.source.splitlines()) for c in cells if c.cell_type == "code"}
    shown = [lengths[c.id] for c in cells if c.cell_type == "code" and not c.metadata.get("tags")]
    assert max(lengths.values()) <= 25
    assert max(shown, default=0) <= 15
    assert statistics.median(shown or [0]) <= 8
    kinds = [c.cell_type for c in cells]
    assert ("code", "code") not in set(itertools.pairwise(kinds))


@pytest.mark.parametrize("text", TEXTS, ids=lambda p: p.stem)
def test_a_chapter_has_no_magics_no_absolute_paths_and_no_looks_of_its_own(text):
    source = "\n".join(c.source for c in code_cells(text))
    assert not re.findall(r"^\s*[%!]|[\"']/|figsize|fontsize|#[0-9a-f]{6}|subprocess|os\.system", source, re.M)


@pytest.mark.parametrize("text", TEXTS, ids=lambda p: p.stem)
def test_every_figure_of_a_chapter_is_captioned_described_and_published(text):
    for cell in code_cells(text):
        if "style.figure(" in cell.source:
            options = cell.metadata["mystnb"]
            assert options["figure"]["caption"].strip().endswith((".", ")"))
            assert options["image"]["alt"].strip().endswith(".")
            assert "style.publish(" in cell.source
            assert "hide-input" in cell.metadata["tags"]
