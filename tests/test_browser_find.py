"""References show what they refer to, and the search leads to places: in a real browser."""

import pytest


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 844})
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    page.close()
    assert page.faults == []


def results(page, address, query):
    """The addresses, names and snippets that a query finds, in their order."""
    page.goto(f"{address}/search.html")
    page.fill("#search-input, main input[name=q]", query)
    page.press("#search-input, main input[name=q]", "Enter")
    page.wait_for_function("() => /found/.test(document.querySelector('.search-summary')?.textContent)")
    snippets = "() => [...document.querySelectorAll('ul.search li')].slice(0, 25).every(e => e.children.length > 1)"
    if address.startswith("http"):  # a page opened as a file cannot read others
        page.wait_for_function(snippets)
    return page.eval_on_selector_all(
        "ul.search li",
        "es => es.map(e => [e.firstChild.getAttribute('href'), e.firstChild.textContent, e.children[1]?.textContent])",
    )


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("eq 9", "book/motivating_example.html#claim-ex-3-1-gradient"),
        ("(9)", "book/motivating_example.html#claim-ex-3-1-gradient"),
        ("equation (13)", "book/landscape.html#claim-theorem-3-4-13"),
        ("Theorem 3.4", "book/landscape.html#claim-theorem-3-4-"),
        ("Thm 3.4", "book/landscape.html#claim-theorem-3-4-"),
        ("lemma 3.1", "book/margin_bound.html#claim-lemma-3-1-"),
        ("fig-2a", "book/figure_2.html#claim-fig-2a"),
        ("neural collapse margin", "book/margin_bound.html#claim-def-3-1-margin"),
        ("upper bound on the margin", "book/margin_bound.html#claim-lemma-3-1-bound"),
        ("margin", "book/notation.html#term-margin"),
        ("smoothed margin", "book/notation.html#term-smoothed-margin"),
        ("rho", "book/notation.html#symbol-rho"),
    ],
)
def test_a_query_leads_first_to_the_card_or_the_definition_that_it_names(page, address, query, first):
    assert results(page, address, query)[0][0].startswith(first)


def test_a_word_leads_first_to_places_that_have_it_in_their_names(page, address):
    found = results(page, address, "KKT")
    assert all("#" in href and "KKT" in name for href, name, _ in found[:5])


@pytest.mark.parametrize("query", ["eq 9", "KKT", "neural collapse margin", "hessian sphere", "checkpoint"])
def test_snippets_have_words_and_no_tex(page, address, query):
    snippets = [text for _, _, text in results(page, address, query)[:25]]
    assert len(snippets) >= 3
    assert [s for s in snippets if not s or "\\" in s or "{" in s] == []


def test_every_address_that_a_query_finds_is_a_place_of_its_page(page, address, html):
    for href, _, _ in results(page, address, "margin")[:20]:
        path, _, anchor = href.partition("#")
        assert f'id="{anchor}"' in (html / path).read_text(encoding="utf8")


def test_the_search_finds_places_in_files_too(page, html):
    found = results(page, html.as_uri(), "Theorem 3.4")
    assert found[0][0].startswith("book/landscape.html#claim-theorem-3-4-")


CARD = "#hover-card:not([hidden])"


@pytest.mark.parametrize(
    ("where", "link", "says"),
    [
        ("margin_bound", "a.reference.internal[href='#thm-margin-bound']", "Margin bound"),
        ("margin_bound", "a.reference.internal[href^='#equation-']", "(M"),
        ("margin_bound", "a.reference.internal[href='#claim-lemma-3-1-bound']", "upper bound on the margin"),
        ("margin_bound", "a.reference.internal[href='motivating_example.html#chapter-motivating-example']", ""),
        ("claims", "a.reference.internal[href$='#claim-theorem-3-4-13']", "a tangent direction"),
        ("errata", "a.reference.internal[href$='#claim-def-3-1-margin']", "definition of the neural collapse margin"),
        ("margin_bound", "a.reference.internal[href='notation.html#symbol-q-min']", "margin of the data set"),
        ("margin_bound", "a.reference.internal[href='notation.html#term-gap']", "minus the logit of one wrong class"),
    ],
)
def test_a_reference_shows_what_it_refers_to_with_its_formulas_set(page, html, where, link, says):
    page.goto((html / "book" / f"{where}.html").as_uri())
    page.evaluate("() => document.querySelectorAll('details').forEach(e => { e.open = true })")
    page.locator(f"article {link}").first.hover()
    page.wait_for_selector(CARD)
    page.wait_for_function(f"() => !/\\\\[(\\[]/.test(document.querySelector('{CARD}').textContent)")
    assert says in page.locator(CARD).inner_text()
    left, right = page.locator(CARD).evaluate("e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]")
    assert left >= 0
    assert right <= 1280
    page.mouse.move(1, 1)
    page.wait_for_selector("#hover-card", state="hidden")


@pytest.mark.parametrize("start", ["#claim-", "notation.html#symbol-", "notation.html#term-"])
def test_a_reference_shows_itself_on_keyboard_focus_until_escape(page, html, start):
    page.goto((html / "book" / "margin_bound.html").as_uri())
    link = page.locator(f"article a.reference.internal[href^='{start}']").first
    link.evaluate("e => { e.focus({focusVisible: true}) }")
    page.wait_for_selector(CARD)
    assert link.get_attribute("aria-describedby") == "hover-card"
    assert page.locator(CARD).get_attribute("role") == "tooltip"
    page.keyboard.press("Escape")
    assert page.locator(CARD).count() == 0
    assert link.get_attribute("aria-describedby") is None


def test_what_a_reference_shows_stays_while_the_mouse_is_on_it(page, html):
    page.goto((html / "book" / "margin_bound.html").as_uri())
    page.locator("article a.reference.internal[href='#thm-margin-bound']").first.hover()
    page.wait_for_selector(CARD)
    page.locator(CARD).hover()
    page.wait_for_timeout(600)
    assert page.locator(CARD).count() == 1


def test_touch_opens_the_link_and_no_card(browser, html):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto((html / "book" / "margin_bound.html").as_uri())
    page.locator("article a.reference.internal[href^='#claim-']").first.tap()
    page.wait_for_timeout(500)
    assert "#claim-" in page.url
    assert page.locator(CARD).count() == 0
    context.close()
