"""The rendered pages in a real browser: no error on the console, formulas set, nothing wider than its place."""

import pytest

#: Formulas on a page; whether one is not understood; the boxes of code, outputs and display formulas: needed, given, text.
FINDINGS = """() => [
  document.querySelectorAll('mjx-container').length,
  document.querySelectorAll('mjx-merror, [mathcolor=red]').length > 0,
  [...document.querySelectorAll('div.cell pre, mjx-container[display=true]')]
    .map(e => [e.scrollWidth, e.clientWidth, e.textContent.slice(0, 40)])]"""


@pytest.fixture(scope="session")
def visits(browser, html):
    """What the browser finds on each page, loaded once: faults, formulas, windows too narrow, boxes with their sizes."""
    found, context = {}, browser.new_context(viewport={"width": 1280, "height": 844})
    for path in sorted(p for p in html.rglob("*.html") if "_static" not in p.parts and p != html / "index.html"):
        page, faults = context.new_page(), []  # the index only leads on
        page.route("http*://**", lambda route, faults=faults: (faults.append(route.request.url), route.abort()))
        page.on("console", lambda m, faults=faults: faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e, faults=faults: faults.append(str(e)))
        page.goto(path.as_uri(), wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
        formulas, unknown, boxes = page.evaluate(FINDINGS)
        narrow = []
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 844})
            if page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                narrow.append(width)
        found[str(path.relative_to(html))] = {
            "faults": faults + ["a formula is not understood"] * unknown,
            "formulas": formulas,
            "narrow": narrow,
            "boxes": boxes,
        }
        page.close()
    context.close()
    return found


def all_of(visits, key):
    """What was found under ``key``, for the pages where something was."""
    return {page: visit[key] for page, visit in visits.items() if visit[key]}


def test_pages_open_without_errors_and_load_nothing_from_elsewhere(visits):
    assert len(visits) > 20
    assert all_of(visits, "faults") == {}


def test_formulas_are_set(visits):
    assert sum(all_of(visits, "formulas").values()) > 500


def test_pages_fit_the_window_of_a_desktop_and_of_a_phone(visits):
    assert all_of(visits, "narrow") == {}


def test_code_printed_outputs_and_formulas_fit_their_boxes_on_a_desktop(visits):
    boxes = [(page, *box) for page, found in all_of(visits, "boxes").items() for box in found]
    assert len(boxes) > 100
    assert [box for box in boxes if box[1] > box[2] + 1] == []
