"""The book as one PDF: complete, linked within itself, tagged for screen readers.

The tests read the rendered book in ``_build/html`` and print a copy of it; they take minutes.
"""

import os
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pikepdf
import pytest
import yaml
from bs4 import BeautifulSoup
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import paper  # noqa: E402
import pdf as tool  # noqa: E402

BUILT = ROOT / "_build" / "html"
PARTS = paper.order(paper.load_toc(ROOT / "_toc.yml"))
#: Points from the lower edge of a page to the lowest line of text; the number of the page stands below.
ABOVE_NUMBER = 60
CHAPTERS = [name for _, names in PARTS for name in names]


def make_pdf(html, **given):
    """Run the program on a rendered book."""
    command = [sys.executable, ROOT / "book" / "_tools" / "pdf.py", html]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | given)


@pytest.fixture(scope="session")
def printed(tmp_path_factory):
    """A copy of the rendered book, with its PDF."""
    assert (BUILT / "book" / "index.html").is_file(), "make book renders the pages that are printed here"
    html = tmp_path_factory.mktemp("printed") / "html"
    shutil.copytree(BUILT, html, ignore=shutil.ignore_patterns("*.pdf"))
    run = make_pdf(html)
    assert run.returncode == 0, run.stdout + run.stderr
    return html


@pytest.fixture(scope="session")
def reader(printed):
    return PdfReader(printed / tool.NAME)


def read(page):
    """The text of a page, and how high its lowest line stands over the number of the page."""
    heights = []

    def look(text, now, line, *_):
        if text.strip():
            heights.append(line[5] * now[3] + now[5])

    text = page.extract_text(visitor_text=look)
    return text, min((height for height in heights if height > ABOVE_NUMBER), default=float(page.mediabox.height))


@pytest.fixture(scope="session")
def lines(reader):
    return [read(page) for page in reader.pages]


@pytest.fixture(scope="session")
def texts(lines):
    """The text of each page."""
    return [text for text, _ in lines]


@pytest.fixture(scope="session")
def pages():
    """The articles that are printed, as the site has them, by name."""
    soups = {
        n: BeautifulSoup((BUILT / "book" / f"{n}.html").read_text(encoding="utf8"), "html.parser") for n in CHAPTERS
    }
    return {name: soup.select_one("article.bd-article") for name, soup in soups.items()}


@pytest.fixture(scope="session")
def tags(printed):
    """The elements of the structure: kind and alternative text."""
    with pikepdf.open(printed / tool.NAME) as pdf:
        elements = [o for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and o.get("/Type") == "/StructElem"]
        return [(str(e.S), str(e.get("/Alt", ""))) for e in elements]


def annotations(reader):
    return [note.get_object() for page in reader.pages for note in page.get("/Annots", [])]


def chapter_places(reader):
    """The places at which the chapters begin, in their order."""
    return [reader.named_destinations[f"/{name}"] for name in CHAPTERS]


def flat(outline):
    """The bookmarks with their depths."""
    for item in outline:
        if isinstance(item, list):
            yield from ((depth + 1, entry) for depth, entry in flat(item))
        else:
            yield 0, item


def plain(text):
    """Letters and digits alone, in one case and with the ligatures of the fonts taken apart."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).casefold())


# Complete and in order


def test_every_chapter_of_the_contents_has_a_bookmark_under_its_part(reader, pages):
    found = [(depth, plain(entry.title)) for depth, entry in flat(reader.outline)]
    expected = []
    for caption, names in PARTS:
        expected += [(0, plain(caption))] if caption else []
        for name in names:
            for link in pages[name].h1.select("a.headerlink"):
                link.decompose()
            expected.append((1 if caption else 0, plain(pages[name].h1.get_text())))
    assert [entry for entry in found if entry in expected] == expected


def test_bookmarks_lead_to_the_pages_on_which_their_headings_stand(reader, texts):
    for _, entry in flat(reader.outline):
        number = reader.get_destination_page_number(entry)
        assert plain(entry.title) in plain(texts[number]), entry.title


def test_the_contents_give_the_pages_on_which_the_chapters_begin(reader, texts):
    begins = [reader.get_destination_page_number(place) + 1 for place in chapter_places(reader)]
    contents = "\n".join(texts[1 : begins[0] - 1])  # between the title and the first chapter
    assert [int(n) for n in re.findall(r"(?m)(\d+)\s*$", contents)] == begins == sorted(begins)


def test_every_numbered_result_and_figure_of_the_pages_is_in_the_pdf(texts, pages):
    whole = plain("".join(texts))
    numbers = {n.get_text().strip() for article in pages.values() for n in article.select(".caption-number")}
    assert len(numbers) > 100
    assert {n for n in numbers if plain(n) not in whole} == set()


def test_proofs_are_open(texts, pages):
    whole, proofs = (
        plain("".join(texts)),
        [p for article in pages.values() for p in article.select("details.proof-fold")],
    )
    assert len(proofs) > 80
    pieces = [
        max((str(s) for s in p.find_all(string=True) if not s.find_parent(class_="math")), key=len) for p in proofs
    ]
    pieces = [" ".join(piece.split())[:60] for piece in pieces]
    assert [piece for piece in pieces if plain(piece) not in whole] == []


def test_hardly_a_page_is_half_empty_but_the_last_of_a_chapter(reader, lines):
    """Where a picture does not fit below its text a page stays half empty: at most one page in a hundred."""
    begins = {reader.get_destination_page_number(place) for place in chapter_places(reader)}
    empty = []
    for number, (page, (_, lowest)) in enumerate(zip(reader.pages, lines, strict=True)):
        portrait, last = page.mediabox.height > page.mediabox.width, number + 1 in {*begins, len(reader.pages)}
        if portrait and not last and lowest > page.mediabox.height / 2:
            empty.append(number + 1)
    assert len(empty) <= len(reader.pages) / 100, empty


# Links


def test_links_inside_the_book_lead_to_places_in_it(reader):
    inside = [str(note["/Dest"]).removeprefix("/") for note in annotations(reader) if "/Dest" in note]
    known = {name.removeprefix("/") for name in reader.named_destinations}
    assert len(inside) > 1000
    assert set(inside) <= known
    assert all(reader.get_destination_page_number(place) is not None for place in reader.named_destinations.values())


def test_links_to_elsewhere_are_public_addresses(reader):
    outside = [note["/A"]["/URI"] for note in annotations(reader) if "/Dest" not in note]
    assert len(outside) > 3
    assert [address for address in outside if not re.match(r"https://[\w.-]+\.[a-z]{2,}/", address)] == []


def test_the_landing_page_links_the_pdf(printed):
    landing = BeautifulSoup((printed / "book" / "index.html").read_text(encoding="utf8"), "html.parser")
    place = landing.select_one("#pdf-edition")
    assert "hidden" not in place.attrs
    assert (printed / "book" / place.a["href"]).resolve() == (printed / tool.NAME).resolve()


def test_the_landing_page_shows_a_link_exactly_where_there_is_a_pdf():
    landing = BeautifulSoup((BUILT / "book" / "index.html").read_text(encoding="utf8"), "html.parser")
    assert ("hidden" in landing.select_one("#pdf-edition").attrs) == (not (BUILT / tool.NAME).exists())


# For every reader


def test_fonts_are_in_the_file(reader):
    fonts = {}
    for page in reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            inner = font.get_object().get("/DescendantFonts", [font])[0].get_object()
            fonts[inner["/BaseFont"]] = set(inner["/FontDescriptor"]) & {"/FontFile", "/FontFile2", "/FontFile3"}
    assert len(fonts) > 10
    assert [name for name, file in fonts.items() if not file] == []
    assert {name for name in fonts if not re.search("STIX|DejaVu|KaTeX", name)} == set()  # nothing of this machine


def test_the_file_says_what_it_is(reader):
    root = reader.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert "Neural Collapse" in reader.metadata.title
    assert reader.metadata.author == "The ncpaper developers"
    assert "CC BY 4.0" in str(reader.xmp_metadata.dc_rights)
    assert reader.metadata.creation_date is None


def test_the_structure_has_headings_tables_lists_and_links(reader, tags):
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    kinds = [kind for kind, _ in tags]
    for kind, least in {
        "/H1": 5,
        "/H2": 20,
        "/H3": 100,
        "/P": 3000,
        "/Table": 50,
        "/TH": 100,
        "/LI": 300,
        "/Link": 1000,
    }.items():
        assert kinds.count(kind) >= least, kind


def test_pictures_have_their_alternative_texts(tags, pages):
    told = [alt for kind, alt in tags if kind == "/Figure"]
    for article in pages.values():
        for picture in article.select("svg.drawing"):
            assert picture["aria-label"] in told


def test_formulas_are_tagged_with_their_source(tags, pages):
    told = {" ".join(alt.split()) for kind, alt in tags if kind == "/Formula"}
    sources = [
        f.get_text().strip()
        for article in pages.values()
        for f in article.select("span.math")
        if not f.find_parent("svg")
    ]
    sources = {" ".join(source[2:-2].split()) for source in sources}
    assert len(sources) > 1000
    assert sources - told == set()


# The program


def test_what_is_printed_is_the_same_document_each_time(printed):
    """Printing twice would take minutes more; the pages of two prints were compared by hand."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    first, second = (paper.Paper(printed, paper.load_toc(ROOT / "_toc.yml"), citation, "").text({}) for _ in range(2))
    assert first == second


def test_without_chromium_the_program_says_what_to_install(printed, tmp_path):
    run = make_pdf(printed, PATH=str(tmp_path))
    assert run.returncode != 0
    assert "Install the package chromium" in run.stderr


def test_without_a_rendered_book_the_program_says_what_renders_it(tmp_path):
    run = make_pdf(tmp_path)
    assert run.returncode != 0
    assert "make book" in run.stderr


def test_what_is_wider_than_the_page_is_found(browser):
    _, faults = tool.printed(browser, BUILT, "<main><p style='width: 900px'>wide</p></main>", final=False)
    assert len(faults) == 1
    assert "wide" in faults[0]


def test_a_link_to_no_place_of_the_document_is_refused(tmp_path):
    (tmp_path / "book").mkdir()
    page = "<html><head></head><article class='bd-article'><section id='x'><h1>X</h1><a href='#y'>y</a></section></article>"
    (tmp_path / "book" / "x.html").write_text(page, encoding="utf8")
    citation = {
        "title": "ncpaper: a companion to 'P'",
        "authors": [{"name": "A"}],
        "version": 1,
        "abstract": "",
        "license": "MIT",
    }
    with pytest.raises(ValueError, match="x--y"):
        paper.Paper(tmp_path, {"root": "book/x", "parts": [{"caption": "P", "chapters": []}]}, citation, "")
