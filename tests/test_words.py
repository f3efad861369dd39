"""The words of the book: each chapter on one template, short where it must be short, sentences that can be read."""

import re
import sys
from pathlib import Path

import pytest

from ncpaper import claims

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import chapters  # noqa: E402

CHAPTERS = chapters.chapters()
PAGES = sorted((ROOT / "book").glob("*.md"))
NAME = {"argvalues": CHAPTERS, "ids": lambda p: p.stem}


def prose(text):
    """The text of a page without code, proofs, tables and display formulas; an inline formula or role is one word."""
    text = re.sub(r"\A---\n.*?^---$", "", text, flags=re.M | re.S)
    text = re.sub(
        r"^(`{3,})\{(?:code-cell|prf:proof|math|list-table|claim|glance)\}.*?^\1$", "", text, flags=re.M | re.S
    )
    text = re.sub(r"^ *\$\$.*?\$\$.*?$", "", text, flags=re.M | re.S)
    text = re.sub(r"^(?:\|.*\||:::.*|```.*|\(.*\)=|:\w+:.*|#+ .*)$", "", text, flags=re.M)
    text = re.sub(r"\$[^$]+\$", "formula", text)
    return re.sub(r"\{[\w:]+\}`([^`<]*?)(?: <[^`]*>)?`", "reference", text)


def sentences(text):
    """The sentences of a prose, each as a list of words."""
    pieces = re.split(r"(?<=[.?!:])[*)\"]*\s+(?=[A-Z*\[\"(f])|\n\s*\n|^\s*[-*] |^\s*\d+\. ", text, flags=re.M)
    return [p.split() for p in pieces if p and p.split()]


def brief(text):
    """The words of a chapter's opening."""
    found = re.search(r"^```\{brief\}\n(.*?)^```$", text, re.M | re.S)
    assert found, "no {brief}"
    return found[1].split()


@pytest.mark.parametrize("text", **NAME)
def test_a_chapter_opens_in_brief(text):
    assert 40 <= len(brief(text.read_text(encoding="utf8"))) <= 120


@pytest.mark.parametrize("text", **NAME)
def test_a_chapter_goes_from_the_picture_over_the_claims_to_what_to_take_away(text):
    page = text.read_text(encoding="utf8")
    judged = ("```{glance}", "```{claim} ") if any(c.chapter == text.stem for c in claims.ledger().values()) else ()
    marks = ("```{brief}", "  figure:", *judged, "## What to take away")
    places = [page.index(mark) for mark in marks]
    assert places == sorted(places)
    assert re.findall(r"^## .*$", page, re.M)[-1] == "## What to take away"


@pytest.mark.parametrize("text", **NAME)
def test_every_proof_is_preceded_by_its_idea(text):
    """Between a theorem and its proof stands the idea of the proof, which is not folded."""
    page = text.read_text(encoding="utf8")
    for proof in re.finditer(r"^`{3,}\{prf:proof\}", page, re.M):
        before = re.split(r"^`{3,}$", page[: proof.start()], flags=re.M)[-1]
        assert "**Idea of the proof" in before, page[proof.start() : proof.start() + 120]


@pytest.mark.parametrize("text", **NAME)
def test_a_chapter_links_four_symbols_and_terms_or_more_and_each_of_them_once(text):
    links = re.findall(r"\{(?:sym|term)\}`(?:[^`]*<)?([^`>]*)>?`", text.read_text(encoding="utf8"))
    assert len(links) >= 4
    assert [link for link in links if links.count(link) > 1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_few_sentences_are_long(page):
    """At most one sentence in fifty has more than forty words, and none more than sixty."""
    lengths = [len(s) for s in sentences(prose(page.read_text(encoding="utf8")))]
    long = [n for n in lengths if n > 40]
    assert len(long) <= max(1, len(lengths) / 50), long
    assert max(lengths, default=0) <= 60


@pytest.mark.parametrize("text", **NAME)
def test_every_drawn_axis_of_a_chapter_is_labelled(text):
    """A cell that draws, or a function of the chapter that it calls, sets a label for x and for y, or hides the axes."""
    cells = [c.source for c in chapters.read(text).cells if c.cell_type == "code"]
    helpers = {name: cell for cell in cells for name in re.findall(r"^def (\w+)\(", cell, re.M)}
    for cell in cells:
        if "style.figure(" in cell:
            drawing = "\n".join([cell, *(helper for name, helper in helpers.items() if f"{name}(" in cell)])
            if "set_axis_off" not in drawing:
                assert "xlabel" in drawing, cell
                assert "ylabel" in drawing, cell
