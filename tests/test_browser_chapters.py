"""A chapter as a reader meets it in a real browser: picture first, printed beside true, folds that open when needed."""

import sys
from pathlib import Path

import pytest

from ncpaper import claims

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import chapters  # noqa: E402

CHAPTERS = [path.stem for path in chapters.chapters()]

#: Where the first picture stands, in screens of 900 pixels.
FIRST_PICTURE = """() => Math.min(...[...document.querySelectorAll('article svg.drawing')]
    .map(e => e.getBoundingClientRect().top + scrollY)) / 900"""

#: For each card: whether it is one box with what is printed, what is true, and the badge of its verdict.
CARDS = """() => Object.fromEntries([...document.querySelectorAll('article .claim-card')].map(card => [card.id,
    [card.querySelectorAll('.claim-printed').length, card.querySelectorAll('.claim-true').length,
     card.querySelector('.admonition-title .badge')?.textContent.replace(/^\\S+ /, '')]]))"""

FOLDS = "() => [...document.querySelectorAll('details.proof-fold, div.cell details')].map(e => e.open)"


@pytest.fixture(scope="module")
def page(browser):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_first_picture_is_within_one_and_a_half_screens(page, html, name):
    page.goto((html / "book" / f"{name}.html").as_uri())
    assert page.evaluate(FIRST_PICTURE) <= 1.5


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_card_has_printed_and_true_side_by_side_with_the_verdict(page, html, name):
    page.goto((html / "book" / f"{name}.html").as_uri())
    wanted = {
        c.anchor.lower().replace(".", "-"): [1, 1, c.verdict] for c in claims.ledger().values() if c.chapter == name
    }
    assert page.evaluate(CARDS) == wanted


@pytest.mark.parametrize(("name", "wide"), [("layer_peeled", 1), ("figure_2", 1), ("landscape", 0)])
def test_on_a_phone_three_panels_side_by_side_scroll_in_their_own_box(browser, html, name, wide):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto((html / "book" / f"{name}.html").as_uri())
    boxes = page.eval_on_selector_all(
        ":not(figure.live) > .drawing-box", "es => es.map(e => [e.clientWidth, e.scrollWidth])"
    )
    assert len(boxes) == wide
    assert all(shown < 390 and width > 500 for shown, width in boxes)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    context.close()


def test_a_link_into_a_folded_proof_opens_it(page, html):
    page.goto((html / "book" / "margin_bound.html").as_uri())
    assert not any(page.evaluate(FOLDS))
    page.evaluate("() => { location.hash = '#equation-eq-margin-bound-steps'; }")
    page.wait_for_function("() => document.querySelector('details.proof-fold').open")
    assert page.evaluate(FOLDS).count(True) == 1
    assert page.evaluate("() => document.querySelector('details.proof-fold .math .katex') !== null")


def test_a_link_to_a_cell_that_checks_leads_to_it_from_another_page(page, html):
    page.goto((html / "book" / "margin_bound.html").as_uri() + "#check-lemma-3-1-bound")
    assert page.evaluate(
        "() => Math.abs(document.querySelector('#check-lemma-3-1-bound').getBoundingClientRect().top) < 900"
    )


def test_one_switch_opens_and_closes_all_proofs_and_all_code(page, html):
    page.goto((html / "book" / "margin_bound.html").as_uri())
    switch = page.locator("button.fold-switch")
    assert switch.inner_text() == "Proofs and code: open all"
    switch.click()
    assert all(page.evaluate(FOLDS))
    assert switch.inner_text() == "Proofs and code: close all"
    switch.press("Enter")
    assert not any(page.evaluate(FOLDS))


def test_print_opens_every_fold_and_closes_it_again(page, html):
    page.goto((html / "book" / "margin_bound.html").as_uri())
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    assert all(page.evaluate("() => [...document.querySelectorAll('article details')].map(e => e.open)"))
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert not any(page.evaluate(FOLDS))


def test_a_citation_is_copied_by_its_button(page, html):
    page.goto((html / "book" / "margin_bound.html").as_uri())
    page.evaluate(
        "() => { window.copied = []; document.execCommand = () => copied.push(document.activeElement.value); }"
    )
    page.evaluate("() => { navigator.clipboard.writeText = async (text) => { copied.push(text); }; }")
    page.locator("#claim-lemma-3-1-bound button.copy").first.click()
    page.wait_for_function("() => window.copied.length > 0")
    assert page.evaluate("() => copied[0]").startswith("@misc{ncpaper-claim-lemma-3-1-bound,")
