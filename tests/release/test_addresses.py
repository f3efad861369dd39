"""A second build, with both addresses set: buttons, canonical links, descriptions; still no request to another host."""

import functools
import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from pybtex.database import parse_string

from tests.test_book_addresses import SET, Head, lacking

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import hover  # noqa: E402

BUILT = (".git", ".venv", "_build", "__pycache__", ".hypothesis", ".*_cache")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The book of a copy of this tree with both addresses set, rendered from the stored notebooks."""
    folder = tmp_path_factory.mktemp("published")
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*BUILT))
    text = (tree / "_config.yml").read_text(encoding="utf8")
    for name, address in SET.items():
        text, number = re.subn(rf'(?m)^      {name}: ".*"$', f'      {name}: "{address}"', text)
        assert number == 1
    (tree / "_config.yml").write_text(text, encoding="utf8")
    tools = tree / "book" / "_tools"
    command = [sys.executable, "-I", tools / "clean.py", tools / "book.py", folder, tree / "book"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def site(published):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=published)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def pages(published):
    return {page.stem: page.read_text(encoding="utf8") for page in sorted((published / "book").glob("*.html"))}


def test_every_page_has_its_canonical_address(published):
    for name, text in pages(published).items():
        assert Head(text).canonical == [f"{SET['site']}book/{name}.html"]


def test_every_page_says_what_it_shows_where_it_is_shared(published):
    for name, text in pages(published).items():
        found = Head(text).properties
        assert found["og:url"] == f"{SET['site']}book/{name}.html"
        assert (published / found["og:image"].removeprefix(SET["site"])).is_file()
        assert all(found[f"og:{key}"] for key in ("title", "description", "type", "site_name", "image:alt"))


def test_a_chapter_is_described_by_its_own_words_in_brief(published):
    said = {name: Head(text).properties["og:description"] for name, text in pages(published).items()}
    brief = hover.soup(published / "book" / "geometry.html").select_one(".brief").get_text(" ")
    assert " ".join(brief.split()).removeprefix("In brief. ").startswith(said["geometry"][:60])
    assert said["geometry"][-1] in ".?!"
    assert said["geometry"] != said["gallery"]


def test_every_page_is_described_in_words_of_schema_org(published):
    kinds = {}
    for name, text in pages(published).items():
        [graph] = Head(text).graphs
        assert list(lacking(graph)) == [], name
        kinds[name] = [thing["@type"] for thing in graph["@graph"]]
    assert kinds["index"][:3] == ["Book", "SoftwareSourceCode", "Chapter"]
    figures = json.loads((published / "figures" / "manifest.json").read_text(encoding="utf8"))["figures"]
    assert kinds["gallery"].count("ImageObject") == len(figures)


def test_the_pictures_and_places_of_the_descriptions_exist(published):
    for text in pages(published).values():
        for thing in Head(text).graphs[0]["@graph"]:
            if thing["@type"] == "ImageObject":
                page, _, anchor = thing["url"].removeprefix(SET["site"]).partition("#")
                assert f'id="{anchor}"' in (published / page).read_text(encoding="utf8")
                assert (published / thing["contentUrl"].removeprefix(SET["site"])).is_file()


def buttons(page):
    """Where the buttons above a page lead."""
    soup = BeautifulSoup(page.read_text(encoding="utf8"), "html.parser")
    return [a["href"] for a in soup.select(".article-header-buttons a[href]")]


def test_the_buttons_lead_to_the_repository_the_text_to_edit_and_binder(published):
    links = buttons(published / "book" / "margin_bound.html")
    assert SET["repository"] in links
    assert f"{SET['repository']}/edit/main/book/margin_bound.md" in links
    assert any(link.startswith(f"{SET['repository']}/issues/new?") for link in links)
    assert any(
        re.fullmatch(
            r"https://mybinder\.org/v2/git/https%3A%2F%2F[^/]+/main\?urlpath=lab/tree/book/margin_bound\.ipynb", link
        )
        for link in links
    )


def test_the_address_to_edit_names_a_file_of_the_repository(published):
    links = [link for page in sorted((published / "book").glob("*.html")) for link in buttons(page)]
    edited = [link.partition("/edit/main/")[2] for link in links if "/edit/main/" in link]
    assert len(edited) == len(pages(published))
    assert [name for name in edited if not (ROOT / name).is_file()] == []


def test_citations_carry_the_permanent_link(published):
    soup = hover.soup(published / "book" / "gallery.html")
    block = soup.select_one("details.citing[data-figure=collapse-path]")
    link = f"{SET['site']}book/gallery.html#gallery-collapse-path"
    assert block.find("a", string="permanent link")["href"] == link
    [text] = [b["data-copy"] for b in block.select("button.copy") if b["data-copy"].startswith("@")]
    assert parse_string(text, "bibtex").entries["ncpaper-figure-collapse-path"].fields["url"] == link


def test_the_permanent_link_of_a_claim_leads_to_its_card(published):
    soup = hover.soup(published / "book" / "margin_bound.html")
    copied = [b["data-copy"] for b in soup.select(".citing-claim button") if b["data-copy"].startswith("TY")]
    links = re.findall(r"^UR  - (.*)$", "".join(copied), re.M)
    assert len(links) == len(copied) > 0
    for link in links:
        page, _, anchor = link.removeprefix(SET["site"]).partition("#")
        assert soup.find(id=anchor)
        assert page == "book/margin_bound.html"


def test_the_citation_file_of_the_site_names_both_addresses(published):
    cited = yaml.safe_load((published / "CITATION.cff").read_text(encoding="utf8"))
    assert (cited["repository-code"], cited["url"]) == tuple(SET.values())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_buttons_are_accessible_and_nothing_comes_from_another_host(browser, site, scheme):
    context, foreign = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 844}), []
    page = context.new_page()
    page.on("request", lambda r: foreign.append(r.url) if not r.url.startswith((site, "data:")) else None)
    page.goto(f"{site}/book/margin_bound.html")
    page.evaluate("() => document.fonts.ready")
    page.locator(".dropdown-launch-buttons button").click()
    page.evaluate("() => Promise.allSettled(document.getAnimations().map(a => a.finished))")
    violations = Axe().run(page).response["violations"]
    context.close()
    assert {v["id"]: [n["html"][:200] for n in v["nodes"]][:3] for v in violations} == {}
    assert foreign == []
