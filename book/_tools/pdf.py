"""The rendered book as one PDF: ``python book/_tools/pdf.py [HTML]``; ``HTML`` is ``_build/html`` where it is not given.

``paper.py`` puts the pages together, Chromium sets and prints them, and the file then
names title, authors and licence, and no date. It is checked, and only then becomes ``ncpaper-companion-VERSION.pdf`` in the
folder of the book, with a link on the landing page.
"""

import io
import re
import shutil
import sys
from pathlib import Path

import matplotlib
import pikepdf
import yaml

TOOLS = Path(__file__).resolve().parent
sys.path[:0] = [str(TOOLS), str(TOOLS.parents[1])]
import paper  # noqa: E402
from alone import alone  # noqa: E402

import ncpaper  # noqa: E402
from ncpaper import provenance, results  # noqa: E402

ROOT = TOOLS.parents[1]
NAME = f"ncpaper-companion-{ncpaper.__version__}.pdf"
FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
ORIGIN = "http://book.invalid"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--font-render-hinting=none"]  # fmt: skip
#: The width of the text on an A4 page with the margins of ``paper.css``, in pixels, rounded down.
WIDTH = 627
#: The first version of Chromium that prints the margins of a page as the style sheet says, and how long it may take, in ms.
OLDEST, PATIENCE = 131, 600_000

#: Fonts are there, and every formula has been fitted to the width.
READY = "() => document.fonts.ready.then(() => window.formulas?.fit(document))"

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
    """Tell the reader at once."""
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


def answer(route, html, text):
    """Give the page what it asks for: the document, files of the book, fonts; nothing from elsewhere."""
    path = route.request.url.removeprefix(ORIGIN).split("?")[0]
    if path == "/":
        route.fulfill(body=text, content_type="text/html; charset=utf-8")
        return
    file = FONTS / path.removeprefix("/fonts/") if path.startswith("/fonts/") else html / path.lstrip("/")
    if file.is_file():
        route.fulfill(path=file)
    else:
        route.abort()


def printed(browser, html, text, final):
    """The bytes of the document on paper, with bookmarks and tags where ``final``, and what is wrong with it."""
    page, faults = browser.new_page(viewport={"width": WIDTH, "height": 950}), []
    page.on("requestfailed", lambda r: faults.append(f"cannot be loaded: {r.url}"))
    page.on("pageerror", lambda e: faults.append(f"error of a script: {e}"))
    page.route("**/*", lambda route: answer(route, html, text))
    page.emulate_media(media="print", color_scheme="light")
    page.set_default_timeout(PATIENCE)
    page.goto(f"{ORIGIN}/", wait_until="load")
    page.evaluate(READY)
    faults += [f"a formula is not set: {source}" for source in page.evaluate(NOT_SET)]
    page.evaluate(PREPARE)
    faults += [f"wider than the page: {found}" for found in page.evaluate(TOO_WIDE)]
    pdf = page.pdf(outline=final, tagged=final, prefer_css_page_size=True)
    page.close()
    return pdf, faults


def places(pdf):
    """The page, counted from one, of each place that a link of the PDF leads to, by its name."""
    pages = {page.obj.objgen: number for number, page in enumerate(pdf.pages, start=1)}
    return {str(name)[1:]: pages[place[0].objgen] for name, place in pdf.Root.get("/Dests", {}).items()}


def numbers(data, names):
    """The pages on which the chapters ``names`` begin, in a PDF given as bytes."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        return {name: page for name, page in places(pdf).items() if name in names}


def bookmarks(parent):
    """The bookmarks under a node of the outline of a PDF, those inside others included, in the order of the text."""
    item = parent.get("/First")
    while item is not None:
        yield item
        yield from bookmarks(item)
        item = item.get("/Next")


def finished(data, citation, headings):
    """The PDF with title, authors and licence, formulas tagged as such, and no date.

    Chromium writes some headings twice into their bookmarks, or without blanks where a line ends; ``headings`` are right.
    """
    found = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        for thing in pdf.objects:
            if isinstance(thing, pikepdf.Dictionary) and "/Alt" in thing and str(thing.Alt).startswith(r"\("):
                thing.S, thing.Alt = pikepdf.Name.Formula, pikepdf.String(str(thing.Alt)[2:-2])
        marks = list(bookmarks(pdf.Root.Outlines))
        if len(marks) != len(headings):
            raise ValueError(f"expected a bookmark for each of {len(headings)} headings, got {len(marks)}")
        for bookmark, heading in zip(marks, headings, strict=True):
            bookmark.Title = pikepdf.String(heading)
        for page in pdf.pages:
            page.obj.Tabs = pikepdf.Name.S  # the keyboard goes from link to link in the order of the text
        pdf.Root.PageMode = pikepdf.Name.UseOutlines
        rights = f"{provenance.LICENCE} (text and figures), {citation['license']} (code)"
        producer = str(pdf.docinfo.Producer)
        pdf.docinfo = pdf.make_indirect(
            pikepdf.Dictionary(
                Title=citation["title"],
                Author=provenance.AUTHORS,
                Subject=" ".join(citation["abstract"].split()),
                Keywords=rights,
                Creator=f"ncpaper {ncpaper.__version__}",
                Producer=producer,
            )
        )
        with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as about:
            about["dc:title"], about["dc:creator"] = citation["title"], [provenance.AUTHORS]
            about["dc:language"], about["dc:rights"] = {"en"}, f"{rights}, {provenance.LICENCE_ADDRESS}"
            about["xmpRights:WebStatement"] = provenance.LICENCE_ADDRESS
            about["xmp:CreatorTool"], about["pdf:Producer"] = f"ncpaper {ncpaper.__version__}", producer
        pdf.save(found, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return found.getvalue()


def faults_of(data, begins):
    """What is wrong with the finished PDF, whose contents say that the chapters begin on the pages ``begins``."""
    faults = []
    with pikepdf.open(io.BytesIO(data)) as pdf:
        known = places(pdf)
        links = [note for page in pdf.pages for note in page.obj.get("/Annots", []) if note.Subtype == "/Link"]
        for link in links:
            goal = str(link.Dest)[1:] if "/Dest" in link else str(link.A.get("/URI", link.A))
            if goal not in known if "/Dest" in link else not paper.ADDRESS.match(goal) or goal.startswith(ORIGIN):
                faults.append(f"a link leads to no place: {goal}")
        if wrong := {name: known.get(name) for name, page in begins.items() if known.get(name) != page}:
            faults.append(f"the contents give wrong pages, right would be {wrong}")
        fonts = [o for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and o.get("/Type") == "/FontDescriptor"]
        bare = {str(f.get("/FontName")) for f in fonts if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(f.keys())}
        if bare or not fonts:
            faults.append(f"fonts that are not in the file: {sorted(bare)}")
        if (
            not pdf.Root.get("/MarkInfo", {}).get("/Marked")
            or "/StructTreeRoot" not in pdf.Root
            or "/Lang" not in pdf.Root
        ):
            faults.append("the file is not tagged, or does not name its language")
    return faults


#: The place on the landing page that waits for the link, hidden until it is there.
PLACE = re.compile(r'(<p id="pdf-edition")[^>]*>.*?</p>', re.DOTALL)


def link(landing, pages, size):
    """Name the PDF on the landing page."""
    told = f'The whole book as <a href="../{NAME}">one PDF</a>, {pages} pages on A4, {size / 1e6:.0f} MB.'
    results.write(landing, PLACE.sub(rf"\1>{told}</p>", landing.read_text(encoding="utf8"), count=1))


def make(html):
    """The finished PDF of the rendered book as bytes; leave the program where something is wrong with it."""
    from playwright.sync_api import sync_playwright

    toc, style = paper.load_toc(ROOT / "_toc.yml"), (TOOLS / "paper.css").read_text(encoding="utf8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    say("Assembling the pages")
    assembled = paper.Paper(html, toc, citation, style)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        if int(browser.version.split(".")[0]) < OLDEST:
            sys.exit(f"make pdf needs Chromium {OLDEST} or newer, which numbers pages; this is {browser.version}")
        say(f"Typesetting {len(assembled.titles)} chapters, to learn their pages; this takes a minute or more")
        draft, faults = printed(browser, html, assembled.text({}), final=False)
        begins = numbers(draft, assembled.titles)
        say("Printing, with the contents, bookmarks and tags; this takes as long again")
        text = assembled.text(begins)
        data, more = printed(browser, html, text, final=True)
        browser.close()
    say("Checking links, bookmarks, fonts and tags")
    data = finished(data, citation, assembled.headings())
    if faults := [*dict.fromkeys(faults + more), *faults_of(data, begins)]:
        sys.exit("The PDF is not written:\n" + "\n".join(faults))
    return data


def main(html=ROOT / "_build" / "html"):
    """Write the PDF into the folder of the rendered book and link it from the landing page."""
    html = Path(html).resolve()
    landing = html / "book" / "index.html"
    if not landing.is_file() or not PLACE.search(landing.read_text(encoding="utf8")):
        sys.exit(f"{html}: expected the rendered book, with a place for the link to the PDF; make book renders it")
    chromium()
    with alone(html.parent / "book.lock", "printing the book"):
        data = make(html)
        with pikepdf.open(io.BytesIO(data)) as pdf:
            pages = len(pdf.pages)
        results.write(html / NAME, data)
        link(landing, pages, len(data))
    say(f"The book is printed, {pages} pages: open {html / NAME}")


if __name__ == "__main__":
    main(*sys.argv[1:])
