"""Citations of figures and claims: in three forms that parse, under every figure, with the files of the manifest."""

import hashlib
import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from pybtex.database import parse_string

import ncpaper
from ncpaper import claims, results

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import chapters  # noqa: E402
import citing  # noqa: E402
import hover  # noqa: E402
import licences  # noqa: E402
import manifest  # noqa: E402

LEDGER = claims.read()


class Copies(HTMLParser):
    """What the buttons of a page copy."""

    def __init__(self, path):
        super().__init__()
        self.texts = []
        self.feed(path.read_text(encoding="utf8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "button" and "data-copy" in values:
            self.texts.append(values["data-copy"])


@cache
def copies(path):
    """The texts that the buttons of a page copy."""
    return Copies(path).texts


@cache
def cited(path):
    """The keys of the citations in BibTeX, and what those in RIS cite, on the buttons of a page."""
    texts = copies(path)
    keys = {key for text in texts if text.startswith("@") for key in parse_string(text, "bibtex").entries}
    return keys, {ris_fields(text)["T2"].partition(" of ")[0] for text in texts if text.startswith("TY")}


def ris_fields(text):
    """The fields of a citation in RIS, read strictly: a tag, its value, one each, from the type to the end."""
    assert text.endswith("\n")
    lines = [re.fullmatch(r"([A-Z][A-Z0-9])  - (.*)", line) for line in text[:-1].split("\n")]
    assert all(lines)
    fields = {line[1]: line[2] for line in lines}
    assert len(fields) == len(lines)
    assert (lines[0][0], lines[-1][0]) == ("TY  - GEN", "ER  - ")
    return fields


@pytest.mark.parametrize("name", citing.manifest())
def test_the_citation_of_a_figure_parses_in_each_form(name):
    entry = citing.manifest()[name]
    forms = citing.citations(f"Figure {name}", entry["title"], f"CC BY 4.0; data SHA-256 {entry['data']}")
    [(key, cited)] = parse_string(forms["BibTeX"], "bibtex").entries.items()
    assert key == f"ncpaper-figure-{name}"
    assert cited.fields["title"].strip("{}") == entry["title"]
    assert str(cited.persons["author"][0]).strip("{}") == "The ncpaper developers"
    assert entry["data"] in cited.fields["note"]
    fields = ris_fields(forms["RIS"])
    assert fields["TI"] == entry["title"]
    assert fields["AU"] == "The ncpaper developers"
    assert "UR" not in fields
    assert "url" not in cited.fields
    assert entry["title"] in forms["text"]
    assert name in forms["text"]


def test_a_citation_names_the_address_of_the_place_once_there_is_one():
    url = "https://example.org/book/book/gallery.html#gallery-collapse-path"
    forms = citing.citations("Figure collapse-path", "Title", "CC BY 4.0", url)
    [(_, cited)] = parse_string(forms["BibTeX"], "bibtex").entries.items()
    assert cited.fields["url"] == url
    assert ris_fields(forms["RIS"])["UR"] == url
    assert forms["text"].endswith(url)


def test_every_figure_of_the_manifest_can_be_cited_in_its_chapter_and_in_the_gallery(html):
    for name, entry in citing.manifest().items():
        for page in (entry["chapter"], "gallery"):
            copied = copies(html / "book" / f"{page}.html")
            assert any(f"ncpaper-figure-{name}," in text for text in copied), (name, page)


def test_every_claim_can_be_cited_by_its_id_on_its_card(html):
    for claim in LEDGER.values():
        keys, places = cited(html / "book" / f"{claim.chapter}.html")
        assert f"ncpaper-claim-{claim.id.replace('.', '-').lower()}" in keys
        assert f"Claim {claim.id}" in places


def blocks(page):
    """The blocks under the figures of a page, by the name of the figure."""
    return {block["data-figure"]: block for block in hover.soup(page).select("details.citing")}


def test_under_every_figure_stands_the_hash_of_the_text_that_made_it(html):
    for name, block in blocks(html / "book" / "gallery.html").items():
        chapter = f"book/{citing.manifest()[name]['chapter']}.md"
        assert f"{chapter}: {results.sha256(ROOT / chapter)}" in block.get_text()


def test_under_a_figure_of_recorded_runs_stand_their_hashes_seeds_and_inputs(html):
    said = blocks(html / "book" / "figure_3.html")["figure-3-panels"].get_text()
    records = sorted((ROOT / "figures" / "data").glob("vgg-*.json"))
    assert len(records) > 5
    for record in records:
        made = results.load(record)[1]
        assert f"figures/data/{record.name}: {results.sha256(record)}" in said
        assert all(f"{file}: {digest}" in said for file, digest in made["inputs"].items())
        assert re.search(rf"seeds [\d, ]*\b{made['seed']}\b", said)


def test_the_chapter_on_figure_3_reads_every_record_that_its_figures_name():
    text = (ROOT / "book" / "figure_3.md").read_text(encoding="utf8")
    for part in ('RECORDED / f"vgg-{name}.json"', 'f"{preset}-{seed}"', '("laptop", "pocket")', "range(3)"):
        assert part in text
    assert 'RECORDED.glob("vgg-pocket-*.json")' in text
    read = ("vgg-laptop-[0-2].json", "vgg-pocket-*.json")
    assert [name for name in citing.records("figure_3") if not any(fnmatch(name, pattern) for pattern in read)] == []


def test_a_chapter_is_said_to_read_records_where_its_text_does():
    for chapter in {e["chapter"] for e in citing.manifest().values()}:
        text = (ROOT / "book" / f"{chapter}.md").read_text(encoding="utf8")
        assert bool(citing.records(chapter)) == ("results.RECORDED" in text), chapter


def test_time_and_machine_stand_under_a_figure_only_where_the_book_was_made_from_a_run(html, tmp_path):
    assert "The whole chapter took" not in (html / "book" / "margin_bound.html").read_text(encoding="utf8")
    chapters.note(tmp_path, "margin_bound", 3.14)
    assert re.match(
        r"The whole chapter took 3\.1 s on one core of an \S+ processor", citing.run_in(tmp_path / ".margin_bound.ran")
    )


def test_no_time_is_written_beside_the_committed_notebooks():
    chapters.note(chapters.BOOK, "no_chapter", 1.0)
    assert not (chapters.BOOK / ".no_chapter.ran").exists()


def test_every_figure_is_of_one_kind():
    assert set(citing.manifest()) >= citing.DIAGRAMS
    kinds = {citing.kind(entry) for entry in citing.manifest().values()}
    assert kinds == {"computation", "diagram", "recorded runs"}


def test_the_manifest_of_the_rendered_book_names_every_file_and_its_revision(html):
    found = json.loads((html / "manifest.json").read_text(encoding="utf8"))
    files = {path: digest for digest, paths in found["files"].items() for path in paths}
    there = {p.relative_to(html).as_posix() for p in html.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(files) == there
    for path in ("figures/collapse-path.svg", "book/geometry.html"):
        assert results.sha256(html / path) == files[path]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert found["revision"] == (head or "unknown")


def test_a_folder_without_git_is_of_an_unknown_revision(tmp_path):
    assert manifest.revision(tmp_path) == {"revision": "unknown"}


SCHEMA = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format"]


def test_the_citation_file_fits_its_schema_and_a_broken_one_does_not(tmp_path):
    assert subprocess.run([*SCHEMA, ROOT / "CITATION.cff"]).returncode == 0
    broken = tmp_path / "CITATION.cff"
    broken.write_text((ROOT / "CITATION.cff").read_text(encoding="utf8") + "doi: none\n", encoding="utf8")
    assert subprocess.run([*SCHEMA, broken], capture_output=True).returncode == 1


def test_the_citation_file_names_version_and_date_of_the_changelog_and_nothing_invented():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    assert cited["version"] == cited["preferred-citation"]["version"] == ncpaper.__version__
    assert f", {cited['version']}, {cited['date-released']}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf8")
    assert cited["preferred-citation"]["year"] == cited["date-released"].year == citing.YEAR
    assert not {"doi", "identifiers"} & (set(cited) | set(cited["preferred-citation"]))


def test_every_licence_of_what_others_made_is_listed_with_its_text(html):
    rows = hover.soup(html / "book" / "licences.html").select("table.third-party tbody tr")
    texts = {row.select("td")[0].get_text(): html / "book" / row.a["href"] for row in rows}
    assert all(re.search("licen[cs]e|copyright", text.read_text(encoding="utf8"), re.I) for text in texts.values())
    vendored = {file.parent.name for file in (ROOT / "book" / "_ext" / "static").rglob("LICENSE")}
    assert {"katex", "sphinx-book-theme", "DejaVu fonts"} <= set(texts)
    assert vendored <= set(texts)


#: The files among the static ones that each package brings; every other one is this project's own.
BRINGS = {
    "sphinx": "basic.css doctools.js documentation_options.js file.png language_data.js minus.png plus.png searchtools.js "
    "sphinx_highlight.js",
    "pygments": "pygments.css",
    "sphinx-copybutton": "check-solid.svg clipboard.min.js copy-button.svg copybutton*",
    "sphinx-design": "design-tabs.js sphinx-design.min.css",
    "sphinx-proof": "proof.css",
    "sphinx-thebe": "sphinx-thebe.css sphinx-thebe.js",
    "sphinx-togglebutton": "play-solid.svg togglebutton.css togglebutton.js",
    "myst-nb": "mystnb.*.css",
    "pydata-sphinx-theme": "scripts/bootstrap* scripts/fontawesome* scripts/pydata* styles/pydata* styles/theme.css "
    "vendor/* webpack-macros.html",
    "sphinx-book-theme": "scripts/sphinx-book-theme* styles/sphinx-book-theme* images/* sbt-webpack-macros.html locales/*",
}


def test_every_static_file_is_the_projects_own_or_belongs_to_a_listed_package(html):
    assert set(BRINGS) == set(licences.PACKAGES)
    own = {p.relative_to(licences.STATIC).as_posix() for p in licences.STATIC.rglob("*") if p.is_file()} | {
        "places.js",
        "live/figure_2_recorded.js",
    }
    patterns = [pattern for files in BRINGS.values() for pattern in files.split()] + [f"{licences.FOLDER}/*"]
    there = {p.relative_to(html / "_static").as_posix() for p in (html / "_static").rglob("*") if p.is_file()} - own
    assert [name for name in sorted(there) if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_the_downloads_are_the_files_of_the_manifest(html):
    manifest = json.loads((html / "figures" / "manifest.json").read_text(encoding="utf8"))
    hashes = {file: digest for entry in manifest["figures"] for file, digest in entry["sha256"].items()}
    assert {f: hashlib.sha256((html / "figures" / f).read_bytes()).hexdigest() for f in hashes} == hashes


def test_no_two_claims_have_the_same_key():
    assert len({i.replace(".", "-").lower() for i in LEDGER}) == len(LEDGER)
