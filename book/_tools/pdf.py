"""The rendered book as one PDF: ``python book/_tools/pdf.py [HTML]``; ``HTML`` is ``_build/html`` where it is not given.

``paper.py`` puts the pages together, Chromium sets and prints them, and the file is then made the same from run to run: it
names title, authors and licence, and no date. It is checked, and only then becomes ``ncpaper-companion-VERSION.pdf`` in the
folder of the book, with a link on the landing page.
"""

import hashlib
import io
import os
import re
import shutil
import sys
from pathlib import Path

import matplotlib
import yaml

TOOLS = Path(__file__).resolve().parent
sys.path[:0] = [str(TOOLS), str(TOOLS.parents[1])]
import paper  # noqa: E402
from alone import alone  # noqa: E402

import ncpaper  # noqa: E402
from ncpaper import provenance  # noqa: E402

ROOT = TOOLS.parents[1]
NAME = f"ncpaper-companion-{ncpaper.__version__}.pdf"
FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
ORIGIN = "http://book.invalid"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--font-render-hinting=none"]  # fmt: skip
#: The width of the text on an A4 page with the margins of ``paper.css``, in pixels, rounded down.
WIDTH = 627

#: Each formula becomes one picture with its source as alternative text: the marks are taken off again in the file.
PREPARE = r"""() => {
  for (const formula of document.querySelectorAll('.math[data-set]')) {
    const set = formula.querySelector('.katex');
    const source = formula.querySelector('annotation')?.textContent.trim();
    if (!set || !source) throw new Error('a formula is not set: ' + formula.textContent.slice(0, 80));
    formula.querySelector('.katex-mathml').remove();
    formula.querySelector('.katex-html').removeAttribute('aria-hidden');
    for (const part of set.querySelectorAll('*')) part.setAttribute('role', 'none');
    set.setAttribute('role', 'img');
    set.setAttribute('aria-label', '\\(' + source + '\\)');
  }
  for (const output of document.querySelectorAll('div.cell_output pre')) {
    const share = output.clientWidth / output.scrollWidth;
    if (share < 1) output.style.setProperty('font-size', Math.max(5, 7.4 * share - 0.05) + 'pt', 'important');
  }
}"""

#: What is wider than its place: the page that it is on, and how it begins.
TOO_WIDE = """() => [...document.querySelectorAll('main *')].filter((e) => !e.closest('svg') && !e.closest('.cut')
    && !e.parentElement.closest('.katex') && e.getClientRects().length
    && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((e) => [e.closest('.chapter')?.id, e.tagName, String(e.className), e.textContent.trim().slice(0, 60)])"""

#: Formulas that are not understood, and those that are not set at all.
NOT_SET = """() => [...document.querySelectorAll('.katex-error, .math:not([data-set])')]
  .map((e) => e.title || e.textContent.trim().slice(0, 80))"""


def say(text):
    print(text, flush=True)


def chromium():
    """The path of Chromium; leave the program where there is none."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        sys.exit(
            f"make pdf needs Chromium, and none of {', '.join(CHROMIUM)} is on the PATH. "
            "Install the package chromium of your system, version 131 or newer."
        )
    return found


def answer(route, html, document):
    """Give the page what it asks for: the document, files of the book, fonts; nothing from elsewhere."""
    path = route.request.url.removeprefix(ORIGIN).split("?")[0]
    if path == "/":
        route.fulfill(body=document(), content_type="text/html; charset=utf-8")
        return
    file = FONTS / path.removeprefix("/fonts/") if path.startswith("/fonts/") else html / path.lstrip("/")
    if file.is_file():
        route.fulfill(path=file)
    else:
        route.abort()


def typeset(browser, html, text):
    """The bytes of the document, printed, and what is wrong with it: failed requests, formulas, what is too wide."""
    page, faults = browser.new_page(viewport={"width": WIDTH, "height": 950}), []
    page.on("requestfailed", lambda r: faults.append(f"cannot be loaded: {r.url}"))
    page.on("pageerror", lambda e: faults.append(f"error of a script: {e}"))
    page.route("**/*", lambda route: answer(route, html, lambda: text))
    page.emulate_media(media="print", color_scheme="light")
    page.set_default_timeout(300_000)
    page.goto(f"{ORIGIN}/", wait_until="load")
    page.evaluate("() => document.fonts.ready.then(() => window.formulas.fit(document))")
    faults += [f"formula: {source}" for source in page.evaluate(NOT_SET)]
    import time; T=time.time(); print("loaded")
    page.evaluate(PREPARE); print("prep",time.time()-T)
    faults += [f"wider than the page: {found}" for found in page.evaluate(TOO_WIDE)]
    print("wide",time.time()-T)
    page.pdf(path="/tmp/pdf/untagged.pdf",tagged=False,prefer_css_page_size=True); print("untagged",time.time()-T)
    pdf = page.pdf(outline=True, tagged=True, prefer_css_page_size=True)
    page.close()
    return pdf, faults


def main(html=None):
    t=__import__("time").time()
    from playwright.sync_api import sync_playwright
    html = Path(html or ROOT / "_build" / "html").resolve()
    toc = paper.load_toc(ROOT / "_toc.yml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    style = (TOOLS / "paper.css").read_text(encoding="utf8")
    text, titles = paper.assemble(html, toc, citation, style)
    Path("/tmp/pdf/book.html").write_text(text)
    print(len(text), __import__("time").time()-t)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        pdf, faults = typeset(browser, html, text)
        print(*faults[:40], len(faults), sep="\n")
        Path("/tmp/pdf/raw.pdf").write_bytes(pdf)
        print(len(pdf), __import__("time").time()-t)

if __name__ == "__main__":
    main(*sys.argv[1:])
