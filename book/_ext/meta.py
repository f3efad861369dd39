"""What machines read in the head of a page once the site has an address: Open Graph, and JSON-LD in words of schema.org."""

import html
import json
import re
from pathlib import Path

import yaml
from citing import Block, manifest
from docutils import nodes

from ncpaper import provenance

COMPANION = "The ncpaper companion to 'How Gradient Descent Separates Data with Neural Collapse'"
PAPER = "How Gradient Descent Separates Data with Neural Collapse: A Layer-Peeled Perspective"
CODE_LICENCE = "https://spdx.org/licenses/MIT.html"
#: The picture of a page that has none of its own.
PICTURE = "collapse-path"


def plain(markup):
    """Markup as text on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def described(doctree, default):
    """What a page is about: its part in brief, up to the end of a sentence, or the description of the book."""
    brief = next((box for box in doctree.findall(nodes.container) if "brief" in box["classes"]), None)
    if brief is None:
        return default
    text = " ".join(brief.astext().split()).removeprefix("In brief. ")
    return re.match(r".{0,280}[.?!](?=\s|$)|.{0,280}", text)[0]


def licensed():
    """What every part of the book says of its author and licence."""
    author = {"@type": "Organization", "name": provenance.AUTHORS}
    return {"author": author, "license": provenance.LICENCE_ADDRESS, "inLanguage": "en"}


def work(addresses, citation):
    """The companion as a book and as software, in words of schema.org; ``citation`` holds the citation file."""
    site, released = (
        addresses["site"],
        {"version": citation["version"], "datePublished": str(citation["date-released"])},
    )
    book = {
        "@type": "Book",
        "@id": f"{site}#book",
        "name": COMPANION,
        "url": f"{site}book/index.html",
        "description": " ".join(citation["abstract"].split()),
        "about": {"@type": "ScholarlyArticle", "name": PAPER},
        "image": f"{site}figures/{PICTURE}.png",
        **licensed(),
        **released,
    }
    code = {
        "@type": "SoftwareSourceCode",
        "@id": f"{site}#code",
        "name": "ncpaper",
        "description": citation["title"],
        "programmingLanguage": "Python",
        **licensed(),
        "license": CODE_LICENCE,
        **released,
    }
    if addresses["repository"]:
        code["codeRepository"] = addresses["repository"]
    return [book, code]


def chapter(site, page, title, description):
    """A page of the book, as schema.org describes it."""
    url = f"{site}{page}.html"
    return {"@type": "Chapter", "@id": url, "url": url, "name": title, "description": description,
            "isPartOf": {"@id": f"{site}#book"}, **licensed()}  # fmt: skip


def picture(site, page, entry, anchor):
    """A figure at its place in a page, as schema.org describes it; ``entry`` is that of the manifest."""
    files = f"{site}figures/{entry['name']}"
    return {
        "@type": "ImageObject",
        "@id": f"{site}{page}.html#{anchor}",
        "url": f"{site}{page}.html#{anchor}",
        "name": entry["title"],
        "description": entry["alt"],
        "contentUrl": f"{files}.svg",
        "thumbnailUrl": f"{files}.png",
        "encodingFormat": "image/svg+xml",
        "creator": {"@type": "Organization", "name": provenance.AUTHORS},
        "creditText": provenance.AUTHORS,
        "copyrightNotice": f"{provenance.AUTHORS}, {provenance.LICENCE}",
        "license": provenance.LICENCE_ADDRESS,
        "acquireLicensePage": f"{site}book/gallery.html#gallery-{entry['name']}",
        "isPartOf": {"@id": f"{site}{page}.html"},
    }


def graph(things):
    """Things of schema.org as the script element of a page."""
    text = json.dumps({"@context": "https://schema.org", "@graph": things}, ensure_ascii=False)
    text = text.replace("</", "<\\/")  # no tag ends the element
    return f'<script type="application/ld+json">{text}</script>'


def open_graph(site, page, title, description, entry):
    """What a page shows where its address is shared: title, description, picture."""
    said = {
        "type": "article",
        "site_name": COMPANION,
        "url": f"{site}{page}.html",
        "title": title,
        "description": description,
        "image": f"{site}figures/{entry['name']}.png",
        "image:alt": entry["alt"],
    }
    return "\n".join(f'<meta property="og:{key}" content="{html.escape(value)}" />' for key, value in said.items())


def head(app, pagename, templatename, context, doctree):
    """Write into the head of a page what machines read, once the site has an address."""
    site = app.config.addresses["site"]
    if not site or doctree is None:
        return
    figures = {node["name"]: node["at"] for node in doctree.findall(Block)}
    title = plain(context["title"])
    description = described(doctree, app.config.myst_html_meta["description"])
    things = [chapter(site, pagename, title, description)]
    if pagename == app.config.root_doc:
        citation = yaml.safe_load(Path(app.srcdir, "CITATION.cff").read_text(encoding="utf8"))
        things = work(app.config.addresses, citation) + things
    things += [picture(site, pagename, manifest()[name], anchor) for name, anchor in figures.items()]
    shown = manifest()[next(iter(figures), PICTURE)]
    context["metatags"] += "\n".join(["", open_graph(site, pagename, title, description, shown), graph(things)])


def setup(app):
    app.connect("html-page-context", head)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
