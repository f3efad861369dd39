"""The rendered book: strict build, links that lead somewhere, chapters that fail when an assertion fails."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "book" / "_tools"
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import pages as pages_of_the_theme  # noqa: E402


class Page(HTMLParser):
    """The links, the ids and the images without alternative text of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.unnamed, self.uncaptioned = [], set(), [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values[k] for k in ("id", "name") if values.get(k)}
        self.links += [values[k] for k in ("href", "src") if values.get(k)]
        if tag == "img" and not values.get("alt"):
            self.unnamed.append(values.get("src"))


def pages(html):
    found = {p: Page(p.read_text(encoding="utf8")) for p in sorted(html.rglob("*.html")) if "_static" not in p.parts}
    assert len(found) > 10
    return found


def test_every_name_of_the_table_of_symbols_is_in_the_package():
    """A code span of the column "code" that starts with a module of the package names something in it."""
    text = (ROOT / "book" / "notation.md").read_text(encoding="utf8")
    code = [row.split(" | ")[2] for row in re.findall(r"^\|.*\|$", text, re.M) if row.count(" | ") == 4]
    modules = {p.stem for p in (ROOT / "ncpaper").glob("*.py")}
    names = [n for n in re.findall(r"`(\w+)\.?(\w*)", "\n".join(code)) if n[0] in modules]
    assert len(names) >= 10
    assert [n for n in names if n[1] and not hasattr(importlib.import_module(f"ncpaper.{n[0]}"), n[1])] == []


def test_every_row_of_the_tables_of_symbols_is_a_place(html):
    text = (html / "book" / "notation.html").read_text(encoding="utf8")
    rows = re.findall(r"<tr class=\"row-\w+\"><td>(.*?)</td>", text)
    assert len(rows) > 25
    assert [row for row in rows if '<span class="target" id="symbol-' not in row] == []


def test_every_internal_link_leads_to_a_page_and_an_anchor(html):
    found, broken = pages(html), []
    for path, page in found.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc or link.startswith("data:"):
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            missing = url.fragment and target in found and unquote(url.fragment) not in found[target].ids
            if not target.exists() or missing:
                broken.append(f"{path.relative_to(html)} -> {link}")
    assert broken == []


def test_every_picture_has_an_alternative_text(html):
    assert {str(p.name): page.unnamed for p, page in pages(html).items() if page.unnamed} == {}


def test_every_figure_has_a_caption(html):
    for path in html.glob("book/*.html"):
        text = path.read_text(encoding="utf8")
        assert text.count("<figure ") == text.count("<figcaption>"), path.name


def test_no_page_shows_a_place_in_memory(html):
    shown = {p.name for p in html.rglob("*.html") if re.search(r"\bat 0x[0-9a-f]+", p.read_text(encoding="utf8"))}
    assert shown == set()


def test_no_page_loads_anything_from_another_host(html):
    pattern = r"<(?:script|img)[^>]+src=\"(https?:[^\"]+)|<link[^>]+stylesheet[^>]+href=\"(https?:[^\"]+)"
    loaded = {p.name: re.findall(pattern, p.read_text(encoding="utf8")) for p in pages(html)}
    assert {name: found for name, found in loaded.items() if found} == {}


def test_a_repair_that_finds_nothing_stops_the_build(tmp_path):
    config = SimpleNamespace(alone=False)
    app = SimpleNamespace(builder=SimpleNamespace(name="html"), outdir=tmp_path, config=config)
    page, texts = tmp_path / "index.html", [before for before, _ in pages_of_the_theme.SWAPS]
    page.write_text("\n".join(texts), encoding="utf8")
    pages_of_the_theme.repair(app, None)
    assert page.read_text(encoding="utf8") == "\n".join(after for _, after in pages_of_the_theme.SWAPS)
    page.write_text("\n".join(texts[1:]), encoding="utf8")
    with pytest.raises(ValueError, match=re.escape(texts[0])):
        pages_of_the_theme.repair(app, None)


def test_a_book_that_cannot_be_rendered_leaves_no_older_pages(tmp_path):
    old = tmp_path / "html" / "index.html"
    old.parent.mkdir()
    old.write_text("old", encoding="utf8")
    command = [sys.executable, TOOLS / "book.py", tmp_path, tmp_path / "no notebooks"]
    assert subprocess.run(command, capture_output=True).returncode != 0
    assert not old.exists()


@pytest.fixture
def small_book(tmp_path):
    """A copy of the tools beside a book of one chapter."""
    shutil.copytree(TOOLS, tmp_path / "book" / "_tools")
    header = (ROOT / "book" / "margin_bound.md").read_text(encoding="utf8").split("\n\n")[0]

    def write(code):
        text = f"{header}\n\n# Title\n\n```{{code-cell}} python\n{code}\n```\n"
        (tmp_path / "book" / "small.md").write_text(text, encoding="utf8")
        command = [sys.executable, tmp_path / "book" / "_tools" / "chapters.py", tmp_path / "out"]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NCPAPER_FIGURES": ""})

    return write


def test_a_chapter_whose_assertion_fails_stops_the_build_every_time(small_book, tmp_path):
    for _ in range(2):
        run = small_book("assert 1 + 1 == 3")
        assert run.returncode == 1
        assert "AssertionError" in run.stderr
        assert not list((tmp_path / "out").glob("*.ipynb"))
    assert small_book("assert 1 + 1 == 2").returncode == 0


def test_executing_a_chapter_twice_gives_the_same_bytes(small_book, tmp_path):
    notebook, seen = tmp_path / "out" / "small.ipynb", []
    for _ in range(2):
        assert small_book("from ncpaper import style\nstyle.use()\nfig, ax = style.figure('wide')").returncode == 0
        seen.append(notebook.read_bytes())
    assert b"<svg" in seen[0]
    assert seen[0] == seen[1]
