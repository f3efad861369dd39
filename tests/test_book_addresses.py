"""The two public addresses: checked, and all that follows from them, or nothing; and the workflow that publishes."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ncpaper import provenance

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import addresses  # noqa: E402
import citing  # noqa: E402
import meta  # noqa: E402

CONFIG = ROOT / "_config.yml"
EMPTY = {"repository": "", "site": ""}
SET = {"repository": "https://github.example.org/group/companion", "site": "https://example.org/book/"}
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
PUBLISH = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf8")


def configured(given):
    """The configuration that Sphinx has after the extension has seen the addresses."""
    config = SimpleNamespace(addresses=dict(given), html_theme_options={}, html_context={}, html_baseurl="")
    addresses.configure(None, config)
    return config


def test_the_committed_addresses_are_well_formed():
    assert set(addresses.read(CONFIG)) == {"repository", "site"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"site": ""}, "repository and site"),
        ("https://example.org", "repository and site"),
        ({"repository": "", "site": "example.org"}, "addresses.site: .*https://"),
        ({"repository": "", "site": "http://example.org"}, "addresses.site: .*https://"),
        ({"repository": "https://example.org/a/b", "site": ""}, "addresses.repository: .*GitHub or a GitLab"),
        ({"repository": "https://github.com/a", "site": ""}, "addresses.repository: .*OWNER/NAME"),
        ({"repository": 'https://github.com/a/b"', "site": ""}, "addresses.repository"),
    ],
)
def test_an_address_that_is_none_is_refused_by_its_name(given, named):
    with pytest.raises(ValueError, match=named):
        addresses.checked(given)


def test_without_addresses_the_theme_gets_nothing():
    config = configured(EMPTY)
    assert (config.html_theme_options, config.html_context, config.html_baseurl) == ({}, {}, "")


def test_the_repository_alone_brings_buttons_and_no_address_of_pages():
    config = configured(SET | {"site": ""})
    assert config.html_theme_options["repository_url"] == SET["repository"]
    assert config.html_theme_options["use_issues_button"]
    assert config.html_baseurl == ""


def test_the_site_alone_brings_canonical_links_and_no_buttons():
    config = configured(SET | {"repository": ""})
    assert config.html_baseurl == SET["site"]
    assert config.html_theme_options == {}


@pytest.mark.parametrize(
    ("repository", "place"),
    [
        ("https://github.com/group/companion", "gh/group/companion"),
        ("https://gitlab.com/group/part/companion", "gl/group%2Fpart%2Fcompanion"),
        (SET["repository"], "git/https%3A%2F%2Fgithub.example.org%2Fgroup%2Fcompanion"),
    ],
)
def test_binder_opens_the_notebook_of_the_page(repository, place):
    address = addresses.binder(repository, "book/geometry")
    assert address == f"https://mybinder.org/v2/{place}/main?urlpath=lab/tree/book/geometry.ipynb"
    assert (ROOT / "book" / "geometry.ipynb").exists()


def test_the_citation_file_names_the_addresses_that_are_set_and_forgets_them_again():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf8")
    given = yaml.safe_load(addresses.cited(text, SET))
    assert given["url"] == SET["site"]
    assert given["repository-code"] == SET["repository"]
    assert addresses.cited(addresses.cited(text, SET), EMPTY) == addresses.cited(text, EMPTY)
    assert not {"url", "repository-code"} & set(yaml.safe_load(addresses.cited(text, EMPTY)))


class Head(HTMLParser):
    """What machines read in the head of a page: canonical link, properties, JSON-LD."""

    def __init__(self, text):
        super().__init__()
        self.canonical, self.properties, self.graphs, self.reading = [], {}, [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "link" and values.get("rel") == "canonical":
            self.canonical.append(values["href"])
        if tag == "meta" and "property" in values:
            self.properties[values["property"]] = values["content"]
        self.reading = tag == "script" and values.get("type") == "application/ld+json"

    def handle_data(self, data):
        if self.reading:
            self.graphs.append(json.loads(data))
            self.reading = False


#: What search engines ask of each kind of thing.
REQUIRED = {
    "Book": {"name", "author", "url", "license", "version", "datePublished", "inLanguage"},
    "SoftwareSourceCode": {"name", "author", "license", "version", "programmingLanguage", "description"},
    "Chapter": {"name", "author", "url", "license", "isPartOf", "description"},
    "ImageObject": {"contentUrl", "license", "creator", "creditText", "copyrightNotice", "name", "description"},
}


def lacking(graph):
    """What a graph lacks of what is required, and the addresses in it that are not absolute."""
    assert graph["@context"] == "https://schema.org"
    keys = ("@id", "url", "contentUrl", "thumbnailUrl", "license", "image", "codeRepository")
    for thing in graph["@graph"]:
        yield from ((thing["@type"], key) for key in REQUIRED[thing["@type"]] if not thing.get(key))
        yield from (thing[key] for key in keys if key in thing and not thing[key].startswith("https://"))


def test_the_work_is_described_as_a_book_and_as_software():
    text = meta.graph(meta.work(SET, CITATION))
    [graph] = Head(text).graphs
    assert list(lacking(graph)) == []
    assert [thing["@type"] for thing in graph["@graph"]] == ["Book", "SoftwareSourceCode"]
    assert graph["@graph"][1]["codeRepository"] == SET["repository"]
    assert "codeRepository" not in meta.work(SET | {"repository": ""}, CITATION)[1]


@pytest.mark.parametrize("name", citing.manifest())
def test_a_figure_is_described_with_licence_author_and_files(name):
    thing = meta.picture(SET["site"], "book/gallery", citing.manifest()[name], f"gallery-{name}")
    [graph] = Head(meta.graph([thing])).graphs
    assert list(lacking(graph)) == []
    assert thing["contentUrl"] == f"{SET['site']}figures/{name}.svg"
    assert thing["license"] == provenance.LICENCE_ADDRESS


def test_no_text_ends_the_script_that_describes_a_page():
    said = 'a </script> and "quotes" & more'
    [graph] = Head(meta.graph([meta.chapter(SET["site"], "book/x", said, said)])).graphs
    assert graph["@graph"][0]["name"] == said


def test_what_a_shared_page_shows_survives_quotes():
    entry = citing.manifest()["collapse-path"]
    properties = Head(meta.open_graph(SET["site"], "book/x", 'a "title" & more', "said", entry)).properties
    assert properties["og:title"] == 'a "title" & more'
    assert properties["og:url"] == f"{SET['site']}book/x.html"
    assert properties["og:image"] == f"{SET['site']}figures/collapse-path.png"
    assert properties["og:image:alt"] == entry["alt"]


@pytest.mark.skipif(any(addresses.read(CONFIG).values()), reason="an address is set")
def test_while_no_address_is_set_no_page_names_one(html):
    traces = r'rel="canonical"|property="og:|ld\+json|mybinder|>permanent link<'
    traces += r"|source-repository|launch-buttons|source-issues"
    pages = {page.name: re.findall(traces, page.read_text(encoding="utf8")) for page in html.rglob("*.html")}
    assert {name: found for name, found in pages.items() if found} == {}
    assert not {"url", "repository-code"} & set(yaml.safe_load((html / "CITATION.cff").read_text(encoding="utf8")))


def site_of(config, tmp_path):
    """What the workflow's own command finds in the text of a configuration."""
    [command] = re.findall(r"run: (sed .*)$", PUBLISH, re.M)
    (tmp_path / "_config.yml").write_text(config, encoding="utf8")
    output = tmp_path / "output"
    output.unlink(missing_ok=True)
    subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env={"GITHUB_OUTPUT": str(output), "PATH": "/usr/bin:/bin"}, check=True
    )
    return output.read_text(encoding="utf8").strip().partition("site=")[2]


def test_the_workflow_that_publishes_runs_only_where_the_site_has_an_address(tmp_path):
    text, jobs = CONFIG.read_text(encoding="utf8"), yaml.safe_load(PUBLISH)["jobs"]
    assert site_of(text, tmp_path) == addresses.read(CONFIG)["site"].rstrip("/")
    given = re.sub(r'(?m)^      site: ".*"$', '      site: "https://example.org"', text)
    assert site_of(given, tmp_path) == "https://example.org"
    assert addresses.read(tmp_path / "_config.yml")["site"] == "https://example.org/"
    assert jobs["book"]["if"] == "needs.address.outputs.site != ''"
    assert jobs["book"]["needs"] == "address"
    assert jobs["pages"]["needs"] == "book"
    assert "if" not in jobs["pages"]  # a job runs only after those that it needs
