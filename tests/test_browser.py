"""The rendered pages in a real browser: no errors, formulas set, nothing wider than its place, light, open to all."""

import pytest
from axe_playwright_python.sync_playwright import Axe

#: Formulas set; sources of those not understood; kilobytes loaded; boxes of code, outputs and display formulas: needed,
#: given, text.
FINDINGS = """() => [
  document.querySelectorAll('.math .katex').length,
  [...document.querySelectorAll('.katex-error')].map(e => e.title),
  [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .reduce((sum, e) => sum + e.encodedBodySize, 0) / 1024,
  [...document.querySelectorAll('div.cell pre, .math-display')]
    .map(e => [e.scrollWidth, e.clientWidth, e.textContent.slice(0, 40)])]"""

#: Formulas waiting outside folded parts; display formulas that scroll; all of them.
ON_A_PHONE = """() => [
  [...document.querySelectorAll('.math:not([data-set])')].filter(e => !e.closest('details:not([open])')).length,
  [...document.querySelectorAll('article .math-display')].filter(e => e.scrollWidth > e.clientWidth + 3).length,
  document.querySelectorAll('article .math-display').length]"""

#: Pages of every kind: with a figure, with display formulas, with a ledger, with tables.
KINDS = ["book/index", "book/margin_bound", "book/figure_3", "book/claims", "book/notation"]


#: A folded part with a formula in it.
FOLD = r"""<details id="fold"><summary>Proof</summary><span class="math">\(x \ge \del{y} \ins{0}\)</span></details>"""


@pytest.fixture(scope="session")
def visits(browser, html, address):
    """What the browser finds on each page, loaded once, in one session as a reader's: what pages share is fetched once."""
    found, context = {}, browser.new_context()
    for path in sorted(p for p in html.rglob("*.html") if "_static" not in p.parts and p != html / "index.html"):
        name = str(path.relative_to(html))  # the index only leads on
        found[name] = visit(context, address, name)
    context.close()
    return found


def visit(context, address, name):
    """Faults, formulas, kilobytes, windows too narrow, boxes with their sizes, and the formulas on a phone."""
    page, faults, narrow = context.new_page(), [], []
    page.set_viewport_size({"width": 1280, "height": 844})
    page.on("request", lambda r: faults.append(r.url) if not r.url.startswith((address, "data:")) else None)
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.goto(f"{address}/{name}", wait_until="load")
    page.evaluate("() => document.fonts.ready")
    formulas, unknown, kilobytes, boxes = page.evaluate(FINDINGS)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        if page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            narrow.append(width)
    page.evaluate("() => window.formulas?.fit(document)")
    waiting, scrolling, displayed = page.evaluate(ON_A_PHONE)
    page.close()
    return {
        "faults": faults,
        "formulas": formulas,
        "unknown": unknown,
        "waiting": waiting,
        "kilobytes": kilobytes,
        "narrow": narrow,
        "boxes": boxes,
        "scrolling": scrolling,
        "displayed": displayed,
    }


def all_of(visits, key):
    """What was found under ``key``, for the pages where something was."""
    return {page: visit[key] for page, visit in visits.items() if visit[key]}


def test_pages_open_without_errors_and_load_nothing_from_elsewhere(visits):
    assert len(visits) > 20
    assert all_of(visits, "faults") == {}


def test_formulas_are_set(visits):
    assert sum(all_of(visits, "formulas").values()) > 500
    assert all_of(visits, "waiting") == {}


def test_every_formula_is_understood(visits):
    assert all_of(visits, "unknown") == {}


def test_a_chapter_loads_less_than_two_megabytes(visits):
    sizes = {page: size for page, size in all_of(visits, "kilobytes").items() if page != "book/api.html"}
    assert min(sizes.values()) > 400  # style sheets and scripts are counted
    assert {page: size for page, size in sizes.items() if page.startswith("book/") and size > 2000} == {}


def test_on_a_phone_at_most_one_display_formula_in_ten_scrolls(visits):
    displayed, scrolling = (sum(all_of(visits, key).values()) for key in ("displayed", "scrolling"))
    assert displayed > 100
    assert scrolling <= displayed / 10


def test_pages_fit_the_window_of_a_desktop_and_of_a_phone(visits):
    assert all_of(visits, "narrow") == {}


def test_code_printed_outputs_and_formulas_fit_their_boxes_on_a_desktop(visits):
    boxes = [(page, *box) for page, found in all_of(visits, "boxes").items() for box in found]
    assert len(boxes) > 100
    assert [box for box in boxes if box[1] > box[2] + 1] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_open_in_the_colours_the_reader_prefers(browser, address, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}/book/index.html")
    assert page.evaluate("() => document.documentElement.dataset.theme") == scheme
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_are_known_without_the_scripts_of_the_theme(browser, address, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.route("**/pydata-sphinx-theme.js*", lambda route: route.abort())
    page.goto(f"{address}/book/index.html")
    assert page.evaluate("() => document.documentElement.dataset.theme") == scheme
    context.close()


def test_the_fonts_of_the_formulas_are_asked_for_before_any_formula_is_set(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/formulas.js*", lambda route: route.abort())
    page.goto(f"{address}/book/margin_bound.html")
    page.evaluate("() => document.fonts.ready")
    loaded = "() => [...document.fonts].filter(f => f.status === 'loaded').map(f => f.family.replaceAll('\"', ''))"
    assert page.locator(".katex").count() == 0
    assert {"KaTeX_Main", "KaTeX_Math", "KaTeX_Size1"} <= set(page.evaluate(loaded))
    context.close()


def test_the_switch_of_the_folds_is_in_its_place_before_the_formulas_are_set(browser, address):
    """What is put before the sections later makes the browser style all formulas a second time."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("""Object.defineProperty(window, "formulas", {
        set(made) { window.early = document.querySelectorAll("button.fold-switch").length; this.made = made; },
        get() { return this.made; } });""")
    page.goto(f"{address}/book/margin_bound.html")
    assert page.evaluate("() => window.early") == 1
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", KINDS)
def test_pages_are_accessible(browser, address, name, scheme):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 844})
    page = context.new_page()
    page.goto(f"{address}/{name}.html")
    page.evaluate("() => document.fonts.ready")
    page.evaluate("() => Promise.allSettled(document.getAnimations().map(a => a.finished))")  # colours still fading in
    violations = Axe().run(page).response["violations"]
    context.close()
    assert {v["id"]: [n["html"][:200] for n in v["nodes"]][:3] for v in violations} == {}


def test_formulas_in_a_folded_part_are_set_when_it_is_opened_and_for_print(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/notation.html", lambda route: route.fulfill(
        body=route.fetch().text().replace("</article>", FOLD + "</article>", 1), content_type="text/html"))  # fmt: skip
    page.goto(f"{address}/book/notation.html")
    assert page.locator("#fold .katex").count() == 0
    page.locator("#fold summary").click()
    page.locator("#fold .katex .ins").wait_for()
    assert page.locator("#fold .katex .del").count() == 1
    page.reload()
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#fold .katex .del").count() == 1
    context.close()


def test_every_figure_of_a_chapter_is_drawn_in_the_page_and_named(browser, address):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/book/landscape.html")
    names = page.evaluate("() => [...document.querySelectorAll('svg.drawing')].map(e => e.getAttribute('aria-label'))")
    assert names
    assert all(names)
    assert page.locator("article img[src$='.svg']").count() == 0
    context.close()
