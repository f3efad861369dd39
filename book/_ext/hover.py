"""What a reference refers to, shown on hover and on keyboard focus (``hover.js``).

When the book is written, every page gets what its references show, each in a ``<template>``: a claim card without what it
folds, a theorem without its proof, an equation, the first paragraph of a section. A browser neither shows nor typesets
a template before it is used, and needs no second file for it.
"""

import copy
import re
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from bs4 import BeautifulSoup

#: What is left out of what is shown: all that folds, links to evidence, pictures, what only works in its place.
LEFT_OUT = "details, .dropdown, .headerlink, script, style, template, button, svg, img, p:has(a[href^='#check-'])"
LONG = 2500  # letters; of what is longer the first paragraph is shown


@cache
def soup(path):
    """The article of a written page, parsed, without its pictures and without the marks inside its code."""
    text = re.search(r"<article.*</article>|$", path.read_text(encoding="utf8"), re.S)[0]
    text = re.sub(r"<svg.*?</svg>", "", text, flags=re.S)
    code = re.compile(r"(<div class=\"highlight\"><pre>)(.*?)(</pre>)", re.S)
    return BeautifulSoup(code.sub(lambda m: m[1] + re.sub(r"<[^>]*>", "", m[2]) + m[3], text), "html.parser")


@cache
def places(path):
    """The elements of a written page that have an id, by it."""
    return {element["id"]: element for element in soup(path).find_all(id=True)}


def comment(cell):
    """The words with which the code of a cell begins, as a paragraph."""
    lines = [line.strip() for line in cell.select_one(".highlight").get_text().strip().split("\n")]
    said = [line.lstrip("# ") for line in lines[: next((i for i, t in enumerate(lines) if t[:1] != "#"), None)]]
    page = BeautifulSoup("<p></p>", "html.parser")
    page.p.string = " ".join(said)
    return [page.p] if said else []


def parts(element):
    """The elements that show what an element of a page is about."""
    if element.name == "span" and not element.get_text(strip=True):  # a label, before what it names or at its beginning
        element = element.parent if element.parent.name == "section" else element.find_next_sibling() or element
    if element.name == "section":
        return [e for e in (element.find(["h1", "h2", "h3", "h4"]), element.find("p", recursive=False)) if e]
    if element.name == "dt":
        about = element.find_next_sibling("dd")
        return [element, *([about.find("p") or about] if about else [])]
    if row := element.find_parent("tr") or (element if element.name == "tr" else None):
        return row.find_all(["th", "td"])[:2]
    if "cell" in element.get("class", []):
        return comment(element)
    return [element.figcaption] if element.name == "figure" and element.figcaption else [element]


def copied(element):
    """A copy of an element without what is left out."""
    element = copy.copy(element)
    for other in element.select(LEFT_OUT):
        other.decompose()
    return element


def clean(element):
    """A copy of an element without what is left out, without ids and without links."""
    element = copied(element)
    for other in [element, *element.find_all(True)]:
        for name in [n for n in other.attrs if n in ("id", "name", "tabindex") or n.startswith("aria-")]:
            del other[name]
    for link in element.find_all("a"):
        link.unwrap()
    if element.name == "dt" and "sig" in element.get("class", []):
        element.string = element.get_text()  # without a mark for each of its words
    if element.name in ("td", "th", "dt", "dd", "figcaption", "h1", "h2", "h3", "h4"):
        element.attrs = {"class": "hover-head" if element.name in ("dt", "h1", "h2", "h3", "h4") else "hover-part"}
        element.name = "div"
    return element


@cache
def shown(path, anchor):
    """What a reference to an anchor of a written page shows, as HTML; nothing for an unknown or empty anchor."""
    element = places(path).get(anchor)
    found = [clean(part) for part in parts(element)] if element else []
    if sum(len(part.get_text()) for part in found) > LONG:
        found = [part.find("p") or part for part in found[:1]]
    return "".join(str(part) for part in found if part.get_text(strip=True))


def templates(outdir, page):
    """The templates of a page of the book, one for each place that it refers to."""
    for href in dict.fromkeys(link["href"] for link in soup(outdir / page).find_all("a", class_="internal")):
        path, _, anchor = href.partition("#")
        target = normpath(join(dirname(page), unquote(path))) if path else page
        written = target.startswith("book/") and (outdir / target).exists()  # not so where one chapter is made alone
        if anchor and written and (html := shown(outdir / target, unquote(anchor))):
            yield f'<template data-for="{href}">{html}</template>'


def write(app, exception):
    """Give every page of the book its templates."""
    if exception or app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    for path in sorted((outdir / "book").glob("*.html")):
        found = "\n".join(templates(outdir, path.relative_to(outdir).as_posix()))
        text = path.read_text(encoding="utf8")
        path.write_text(text.replace("</body>", f"{found}\n</body>"), encoding="utf8")


def formulas(app, pagename, templatename, context, doctree):
    """A page that refers to places loads what sets formulas, though it may have none before a reference shows one."""
    if pagename.startswith("book/") and '<a class="reference internal" href="' in context.get("body", ""):
        app.env.get_domain("math").data["has_equations"][pagename] = True


def setup(app):
    app.connect("html-page-context", formulas, priority=400)  # before the scripts for formulas are chosen
    app.connect("build-finished", write, priority=600)  # after the repairs of the theme's pages
    app.add_js_file("hover.js", loading_method="defer")
    app.add_css_file("hover.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
