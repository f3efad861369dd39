"""The rendered pages in a real browser: no error on the console, formulas set, nothing wider than its place."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        assert "CI" not in os.environ, "continuous integration must have Chromium"
        pytest.skip("needs Chromium on the PATH")
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield instance
        instance.close()


@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_pages_open_without_errors_with_formulas_and_within_the_window(browser, html, width):
    context, faults, formulas = browser.new_context(viewport={"width": width, "height": 844}), [], 0
    context.route("http*://**", lambda route: (faults.append(route.request.url), route.abort()))
    pages = [
        p for p in html.rglob("*.html") if "_static" not in p.parts and p != html / "index.html"
    ]  # it only leads on
    for path in sorted(pages):
        page = context.new_page()
        page.on("console", lambda m, p=path: faults.append(f"{p.name}: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda e, p=path: faults.append(f"{p.name}: {e}"))
        page.goto(path.as_uri(), wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
        formulas += page.evaluate("() => document.querySelectorAll('mjx-container').length")
        if page.evaluate("() => document.querySelectorAll('mjx-merror, [mathcolor=red]').length"):
            faults.append(f"{path.name}: a formula is not understood")
        if page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults.append(f"{path.name}: wider than the window")
        page.close()
    context.close()
    assert faults == []
    assert formulas > 500


def test_code_printed_outputs_and_formulas_fit_their_boxes_on_a_desktop(browser, html):
    page, wide, boxes = browser.new_page(viewport={"width": 1280, "height": 844}), [], 0
    for path in sorted(html.glob("book/*.html")):
        page.goto(path.as_uri(), wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
        sizes = page.evaluate(
            "() => [...document.querySelectorAll('div.cell pre, mjx-container[display=true]')]"
            ".map(e => [e.scrollWidth, e.clientWidth, e.textContent.slice(0, 40)])"
        )
        boxes += len(sizes)
        wide += [(path.name, size) for size in sizes if size[0] > size[1] + 1]
    page.close()
    assert wide == []
    assert boxes > 100
