"""Citations of figures and claims: in three forms that parse, under every figure, with the files of the manifest."""

import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pybtex.database import parse_string

from ncpaper import claims

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import citing  # noqa: E402

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


def ris_fields(text):
    return dict(re.findall(r"^([A-Z][A-Z0-9])  - (.*)$", text, re.M))


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
    assert next(iter(fields)) == "TY"
    assert list(fields)[-1] == "ER"
    assert entry["title"] in forms["text"]
    assert name in forms["text"]


def test_every_figure_of_the_manifest_can_be_cited_in_its_chapter_and_in_the_gallery(html):
    for name, entry in citing.manifest().items():
        for page in (entry["chapter"], "gallery"):
            copied = Copies(html / "book" / f"{page}.html").texts
            assert any(f"ncpaper-figure-{name}," in text for text in copied), (name, page)


def test_every_claim_can_be_cited_by_its_id_on_its_card(html):
    for claim in LEDGER.values():
        copied = Copies(html / "book" / f"{claim.chapter}.html").texts
        keys = [key for text in copied if text.startswith("@") for key in parse_string(text, "bibtex").entries]
        assert f"ncpaper-claim-{claim.id.replace('.', '-').lower()}" in keys


def test_the_downloads_are_the_files_of_the_manifest(html):
    manifest = json.loads((html / "figures" / "manifest.json").read_text(encoding="utf8"))
    hashes = {file: digest for entry in manifest["figures"] for file, digest in entry["sha256"].items()}
    assert {f: hashlib.sha256((html / "figures" / f).read_bytes()).hexdigest() for f in hashes} == hashes


def test_no_two_claims_have_the_same_key():
    assert len({i.replace(".", "-").lower() for i in LEDGER}) == len(LEDGER)
