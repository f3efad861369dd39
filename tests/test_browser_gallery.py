"""The gallery in a real browser: filtered with the keyboard, with the choice in the address; and what the buttons copy."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from pybtex.database import parse_string


@pytest.fixture
def gallery(address):
    """The address at which the gallery is served."""
    return f"{address}/book/gallery.html"


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 844})
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    context.close()
    assert page.faults == []


SHOWN = "es => es.filter(e => e.checkVisibility()).map(e => e.querySelector('details.citing').dataset)"


def shown(page):
    """What the blocks under the visible figures say of them."""
    return page.eval_on_selector_all(".gallery-entry", SHOWN)


def count(page):
    return page.get_by_role("status").inner_text()


def test_the_lists_filter_by_chapter_kind_and_claim_and_count(page, gallery):
    page.goto(gallery)
    every = shown(page)
    assert count(page) == f"{len(every)} of {len(every)} figures"
    page.get_by_label("Chapter").select_option("figure_3")
    assert {figure["chapter"] for figure in shown(page)} == {"figure_3"}
    page.get_by_role("button", name="show all").click()
    assert len(shown(page)) == len(every)
    page.get_by_label("Kind").select_option("diagram")
    assert {figure["kind"] for figure in shown(page)} == {"diagram"}
    page.get_by_label("Claim").select_option("nc1")
    assert [figure["figure"] for figure in shown(page)] == ["geometry-criteria"]
    assert count(page) == f"1 of {len(every)} figures"


def test_the_keyboard_alone_filters(page, gallery):
    page.goto(gallery)
    every = len(shown(page))
    page.get_by_label("Chapter").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert 0 < len(shown(page)) < every
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert len(shown(page)) == every


def test_the_address_holds_the_choice_and_brings_it_back_also_from_a_disk(page, html):
    gallery = (html / "book" / "gallery.html").as_uri()
    page.goto(gallery)
    page.get_by_label("Kind").select_option("recorded runs")
    page.get_by_label("Claim").select_option("fig-3a")
    assert page.url == f"{gallery}#kind=recorded+runs&claim=fig-3a"
    before = shown(page)
    page.goto("about:blank")
    page.goto(f"{gallery}#kind=recorded+runs&claim=fig-3a")
    assert shown(page) == before
    assert page.get_by_label("Claim").input_value() == "fig-3a"
    page.evaluate("() => { location.hash = 'chapter=geometry' }")
    page.wait_for_function("() => document.querySelector('select[name=chapter]').value === 'geometry'")
    assert {figure["chapter"] for figure in shown(page)} == {"geometry"}


def test_an_address_of_a_figure_shows_it_and_a_choice_of_nothing_shows_all(page, gallery):
    page.goto(f"{gallery}#gallery-separation-cone")
    assert page.locator("#gallery-separation-cone").is_visible()
    every = len(shown(page))
    page.goto("about:blank")
    page.goto(f"{gallery}#chapter=none")
    assert len(shown(page)) == every > 20


def test_without_scripts_every_figure_is_shown_and_no_list_is_dead(browser, gallery):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(gallery)
    assert page.locator(".gallery-entry:visible").count() == page.locator(".gallery-entry").count() > 20
    assert page.locator("article select").count() == 0
    context.close()


def test_a_button_copies_what_it_holds(page, gallery):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(gallery)
    page.locator("details.citing summary").first.click()
    button = page.get_by_role("button", name="copy BibTeX").first
    button.click()
    page.get_by_role("button", name="copied").wait_for()
    assert list(parse_string(page.evaluate("() => navigator.clipboard.readText()"), "bibtex").entries) == [
        "ncpaper-figure-collapse-path"
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_gallery_with_open_blocks_is_accessible_and_fits_a_phone(browser, html, scheme):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{(html / 'book' / 'gallery.html').as_uri()}#chapter=figure_3")
    page.evaluate(
        "() => document.querySelectorAll('details.citing, details.citing details').forEach(e => { e.open = true })"
    )
    page.evaluate("() => Promise.allSettled(document.getAnimations().map(a => a.finished))")
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    violations = Axe().run(page).response["violations"]
    context.close()
    assert {v["id"]: [n["html"][:200] for n in v["nodes"]][:3] for v in violations} == {}
