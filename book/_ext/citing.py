"""How to cite: under each published figure, in chapters, on the landing page and in the gallery, and on each claim card.

A figure's block has its files under readable names, the claims it shows, how it was made, its licence, a link to this
place, and buttons that copy a citation as BibTeX, RIS or plain text (``citing.js``). The files lie in ``figures/`` of the
rendered book, beside the manifest. No address is invented: the link is that of the page in which it stands.
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
from ncpaper import claims, provenance

FIGURES = claims.LEDGER.parents[1] / "figures"
WORK = "the ncpaper companion to 'How Gradient Descent Separates Data with Neural Collapse'"
YEAR = 2026
KINDS = {"svg": "SVG", "pdf": "PDF", "png": "PNG", "csv": "data (CSV)"}


@cache
def manifest():
    """The entries of the published figures by name."""
    entries = json.loads((FIGURES / "manifest.json").read_text(encoding="utf8"))["figures"]
    return {entry["name"]: entry for entry in entries}


def citations(key, title, note):
    """One citation in three forms, by the name of the form; ``key`` says which figure or claim of the companion."""
    where = f"{key} of {WORK}, version {ncpaper.__version__}"
    label = "ncpaper-" + key.lower().replace(" ", "-").replace(".", "-")
    bibtex = (
        f"@misc{{{label},\n  author = {{{{{provenance.AUTHORS}}}}},\n  title = {{{{{title}}}}},\n"
        f"  howpublished = {{{where}}},\n  year = {{{YEAR}}},\n  note = {{{note}}}\n}}\n"
    )
    ris = f"TY  - GEN\nAU  - {provenance.AUTHORS}\nTI  - {title}\nT2  - {where}\nPY  - {YEAR}\nN1  - {note}\nER  - \n"
    return {"BibTeX": bibtex, "RIS": ris, "text": f"{provenance.AUTHORS} ({YEAR}). {title}. {where}. {note}."}


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


def visit_block(self, node):
    entry, page = manifest()[node["name"]], self.builder.current_docname
    folder = "../" * page.count("/") + "figures"
    files = " · ".join(
        f'<a href="{folder}/{entry["name"]}.{kind}" download>{label}</a>' for kind, label in KINDS.items()
    )
    note = f"{provenance.LICENCE}; data SHA-256 {entry['data']}"
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    self.body.append(f"""<details class="citing"><summary>Cite and download</summary>
<p>{files} · <a href="#{node["at"]}">link to this place</a></p>
<p>{buttons(citations(f"Figure {entry['name']}", entry["title"], note))}</p>
<p>Shows {claim_links(self.builder, page, entry["claims"])}. Made by <code>{entry["command"]}</code> with
{entry["package"]}; {versions}. SHA-256 of the data: <code>{entry["data"]}</code>. {provenance.AUTHORS},
<a href="{provenance.LICENCE_ADDRESS}">{provenance.LICENCE}</a>.</p></details>""")
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
        forms = citations(f"Claim {claim.id}", f"{claim.where}: {claim.title}, {claim.verdict}", provenance.LICENCE)
        html = f'<span class="citing-claim">{buttons({k: forms[k] for k in ("BibTeX", "text")})}</span>'
        return [nodes.raw("", html, format="html")], []


def copy_files(app, exception):
    """Lay the files of the figures and their manifest beside the pages."""
    if exception is None and app.builder.name == "html":
        target = Path(app.outdir, "figures")
        target.mkdir(exist_ok=True)
        for file in sorted(FIGURES.iterdir()):
            if file.is_file():
                shutil.copyfile(file, target / file.name)


def setup(app):
    app.add_node(Block, html=(visit_block, None))
    app.add_post_transform(Blocks)
    app.add_directive("cite-figure", Cite)
    app.add_role("cite-claim", CiteClaim())
    app.add_js_file("citing.js", defer="defer")
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
