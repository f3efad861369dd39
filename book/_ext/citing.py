"""How to cite: under each published figure, in chapters, on the landing page and in the gallery, and on each claim card.

A figure's block has its files under readable names, the claims it shows, how it was made, its licence, a link to this
place, and buttons that copy a citation as BibTeX, RIS or plain text (``citing.js``). The files lie in ``figures/`` of the
rendered book, beside the manifest. No address is invented: the link is that of the page in which it stands, and it is
absolute, and part of the citation, only once the site has an address.
"""

import json
import shutil
from functools import cache
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective, SphinxRole

import ncpaper
from ncpaper import claims, provenance, results

ROOT = claims.LEDGER.parents[1]
FIGURES = ROOT / "figures"
WORK = "the ncpaper companion to 'How Gradient Descent Separates Data with Neural Collapse'"
YEAR = 2026
FILES = {"svg": "SVG", "pdf": "PDF", "png": "PNG", "csv": "data (CSV)"}
GALLERY = "book/gallery"
#: Figures that draw a definition or a construction; every other one shows what a computation or a recorded run gave.
DIAGRAMS = {"geometry-criteria", "margin-bound-why", "related-optima", "separation-cone", "separation-optimum"}


@cache
def manifest():
    """The entries of the published figures by name."""
    entries = json.loads((FIGURES / "manifest.json").read_text(encoding="utf8"))["figures"]
    return {entry["name"]: entry for entry in entries}


#: The recorded runs that a chapter reads; most chapters compute all that they show.
RECORDED = {"figure_3": "vgg-*.json", "ensembles": "ensembles.json", "network": "features-*.npz"}


@cache
def records(chapter):
    """The certificates of the recorded runs that a chapter reads, by the name of the file, empty where it has none."""
    if chapter not in RECORDED:
        return {}
    files = sorted((FIGURES / "data").glob(RECORDED[chapter]))
    return {file.name: results.load(file)[1] if file.suffix == ".json" else {} for file in files}


def kind(entry):
    """What a figure is: a diagram, a picture of recorded runs, or of what its chapter computes."""
    if entry["name"] in DIAGRAMS:
        return "diagram"
    return "recorded runs" if records(entry["chapter"]) else "computation"


def citations(key, title, note, url=""):
    """One citation in three forms, by the name of the form; ``key`` says which figure or claim of the companion.

    ``url`` is the address of the place, and empty while the site has none.
    """
    where = f"{key} of {WORK}, version {ncpaper.__version__}"
    label = "ncpaper-" + key.lower().replace(" ", "-").replace(".", "-")
    fields = {
        "author": f"{{{provenance.AUTHORS}}}",
        "title": f"{{{title}}}",
        "howpublished": where,
        "year": YEAR,
        "note": note,
    } | ({"url": url} if url else {})
    bibtex = f"@misc{{{label},\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items()) + "\n}\n"
    tags = [("TY", "GEN"), ("AU", provenance.AUTHORS), ("TI", title), ("T2", where), ("PY", YEAR), ("N1", note)]
    tags += [("UR", url), ("ER", "")] if url else [("ER", "")]
    text = f"{provenance.AUTHORS} ({YEAR}). {title}. {where}. {note}."
    return {
        "BibTeX": bibtex,
        "RIS": "".join(f"{tag}  - {value}\n" for tag, value in tags),
        "text": f"{text} {url}" if url else text,
    }


def buttons(forms):
    """Buttons that copy the forms of a citation."""
    return " ".join(
        f'<button type="button" class="copy" data-copy="{escape(text)}">copy {name}</button>'
        for name, text in forms.items()
    )


class Block(nodes.General, nodes.Element):
    """The place under a figure where its files and citations go; ``name`` is the figure's, ``at`` the anchor here."""


def card_address(builder, page, name):
    """The address of a claim's card, seen from a page; raise ``KeyError`` where the book has no card of the claim."""
    document, anchor = builder.env.get_domain("std").anonlabels[f"claim-{name}".lower()][:2]  # as Sphinx writes labels
    return f"{builder.get_relative_uri(page, document)}#{anchor}"


def claim_links(builder, page, ids):
    """Links from a page to the cards of claims, as HTML."""
    return ", ".join(f'<a href="{card_address(builder, page, name)}">{escape(name)}</a>' for name in ids)


def run_in(path):
    """How long the chapter took and on what, where this book was made from a run and not from stored notebooks."""
    if not path.exists():
        return ""
    made = json.loads(path.read_text(encoding="utf8"))
    return f"The whole chapter took {made['seconds']:.1f} s on {made['processor']}. "


def hashes(title, files):
    """A list of files with their SHA-256, as HTML."""
    rows = "".join(f"<li>{escape(name)}: <code>{digest}</code></li>" for name, digest in files.items())
    return f"<p>{title}</p><ul>{rows}</ul>"


def recorded(runs):
    """What recorded runs were made from, with which seeds, how long they took and on what, as HTML; empty for none."""
    if not runs:
        return ""
    files = {f"figures/data/{name}": results.sha256(FIGURES / "data" / name) for name in runs}
    inputs = {name: digest for made in runs.values() for name, digest in made.get("inputs", {}).items()}
    seeds = sorted({made["seed"] for made in runs.values() if made.get("seed") is not None})
    seconds = sum(made.get("seconds", 0) for made in runs.values())
    machines = [made["hardware"] for made in runs.values() if "hardware" in made]
    said = f"The chapter reads {len(runs)} recorded {'run' if len(runs) == 1 else 'runs'}"
    said += f" with the seeds {', '.join(map(str, seeds))}. " if seeds else ". "
    said += f"Together they took {seconds / 3600:.1f} hours. " if seconds else ""
    said += f"The machine: {escape('; '.join(dict.fromkeys(machines)))}." if machines else ""
    origin = hashes("SHA-256 of the images and labels, as the records give it:", inputs) if inputs else ""
    return f"<p>{said}</p>{hashes('SHA-256 of the records:', files)}{origin}"


def made(entry, ran):
    """How a figure was made, as HTML: the command, what it is computed from, versions, seeds, time and machine."""
    chapter, runs = f"book/{entry['chapter']}.md", records(entry["chapter"])
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    files = {chapter: results.sha256(ROOT / chapter), "the figure's data": entry["data"]}
    return f"""<details><summary>How it was made</summary>
<p>Made by <code>{entry["command"]}</code> with {entry["package"]}; {versions}. {ran}The text of the chapter holds the
code and the seeds of what it computes.</p>{hashes("SHA-256:", files)}{recorded(runs)}</details>"""


def visit_block(self, node):
    entry, page, site = manifest()[node["name"]], self.builder.current_docname, self.config.addresses["site"]
    folder = "../" * page.count("/") + "figures"
    files = " · ".join(
        f'<a href="{folder}/{entry["name"]}.{suffix}" download>{label}</a>' for suffix, label in FILES.items()
    )
    note = f"{provenance.LICENCE}; data SHA-256 {entry['data']}"
    url = f"{site}{page}.html#{node['at']}" if site else ""
    forms = citations(f"Figure {entry['name']}", entry["title"], note, url)
    ran = run_in(Path(self.builder.srcdir, "book", f".{entry['chapter']}.ran"))
    about = {
        "figure": entry["name"],
        "chapter": entry["chapter"],
        "kind": kind(entry),
        "claims": " ".join(entry["claims"]),
    }
    data = " ".join(f'data-{name}="{escape(value)}"' for name, value in about.items())
    self.body.append(f"""<details class="citing" {data}><summary>Cite and download</summary>
<p>{files} · <a href="{url or "#" + node["at"]}">{"permanent link" if url else "link to this place"}</a></p>
<p>{buttons(forms | ({"link": url} if url else {}))}</p>
<p>Shows {claim_links(self.builder, page, entry["claims"])}. {provenance.AUTHORS},
<a href="{provenance.LICENCE_ADDRESS}">{provenance.LICENCE}</a>.</p>
{made(entry, ran)}</details>""")
    raise nodes.SkipNode


class Blocks(SphinxPostTransform):
    """Put a block under every published figure: by its label ``fig-NAME``, or by the file that it shows."""

    default_priority = 800
    formats = ("html",)

    def run(self, **_):
        figures = manifest()
        for figure in list(self.document.findall(nodes.figure)):
            shown = {Path(image["uri"]).stem for image in figure.findall(nodes.image)}
            names = [i.removeprefix("fig-") for i in figure["ids"]] + sorted(shown)
            name = next((n for n in names if n in figures), None)
            if name:
                block = Block(name=name, at=figure["ids"][0])
                figure.parent.insert(figure.parent.index(figure) + 1, block)


class Cite(SphinxDirective):
    """The block of a figure by its name, where the figure is only an image."""

    required_arguments = 1
    option_spec = {"at": directives.unchanged_required}  # noqa: RUF012

    def run(self):
        if self.arguments[0] not in manifest():
            raise self.error(f"no figure {self.arguments[0]!r} in the manifest")
        return [Block(name=self.arguments[0], at=self.options["at"])]


class CiteClaim(SphinxRole):
    """Buttons that copy a citation of one claim; its id is promised to stay."""

    def run(self):
        claim = claims.ledger().get(self.text)
        if claim is None:
            return [], [self.inliner.reporter.error(f"no claim {self.text!r} in the ledger", line=self.lineno)]
        site = self.config.addresses["site"]
        url = f"{site}{self.env.docname}.html#{nodes.make_id(claim.anchor)}" if site else ""
        title = f"{claim.where}: {claim.title}, {claim.verdict}"
        forms = citations(f"Claim {claim.id}", title, provenance.LICENCE, url)
        html = f'<span class="citing-claim">{buttons(forms)}</span>'
        return [nodes.raw("", html, format="html")], []


def copy_files(app, exception):
    """Lay the files of the figures and their manifest beside the pages."""
    if exception is None and app.builder.name == "html":
        target = Path(app.outdir, "figures")
        target.mkdir(exist_ok=True)
        for file in sorted(FIGURES.iterdir()):
            if file.is_file():
                shutil.copyfile(file, target / file.name)


def scripts(app, pagename, templatename, context, doctree):
    """The gallery has the script that filters it."""
    if pagename == GALLERY:
        app.add_js_file("gallery.js", loading_method="defer")


def setup(app):
    app.add_node(Block, html=(visit_block, None))
    app.add_post_transform(Blocks)
    app.add_directive("cite-figure", Cite)
    app.add_role("cite-claim", CiteClaim())
    app.add_js_file("citing.js", defer="defer")
    app.connect("html-page-context", scripts)
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
