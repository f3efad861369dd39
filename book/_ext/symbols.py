"""The symbols of the notation page as places that chapters refer to, with the role ``sym``.

On the notation page the symbol that a row defines, which is the left side of a formula in its first cell, names a place:
``\\rho`` names ``symbol-rho``. In a chapter ``{sym}`\\rho``` is the same formula as a link to that place, and
``{sym}`\\norm{\\theta} <\\rho>``` is another formula that leads to it.
"""

import re

from docutils import nodes
from sphinx.roles import XRefRole

PAGE = "book/notation"


def name(tex):
    r"""The name of a symbol in an address: ``q-min`` for ``q_{\min}``; upper and lower case differ."""
    return re.sub(r"[^A-Za-z0-9]+", "-", tex).strip("-")


class Symbol(XRefRole):
    """A formula that is a link to the row of its symbol; an unknown symbol is a warning of the build."""

    def process_link(self, env, refnode, has_explicit_title, title, target):
        return title, name(target)


def mark(app, doctree):
    """Give the symbols that begin the rows of the notation page their places."""
    if app.env.docname != PAGE:
        return
    domain = app.env.get_domain("std")
    for row in doctree.findall(nodes.row):
        for formula in list(row[0].findall(nodes.math)):
            symbol = name(formula.astext().split(" = ")[0])
            place = nodes.target("", "", ids=[f"symbol-{symbol}"])
            formula.parent.insert(formula.parent.index(formula), place)
            domain.note_object("symbol", symbol, f"symbol-{symbol}", location=formula)


def say(app, pagename, templatename, context, doctree):
    """Name the links that hold only a formula for screen readers: "symbol q min"."""
    link = re.compile(r'(<a class="reference internal" href="[^"]*#symbol-([^"]+)")')
    if "body" in context:
        context["body"] = link.sub(lambda m: f'{m[1]} aria-label="symbol {m[2].replace("-", " ")}"', context["body"])


def setup(app):
    app.add_object_type("symbol", "sym")
    app.add_role_to_domain("std", "sym", Symbol(innernodeclass=nodes.math, warn_dangling=True), override=True)
    app.connect("doctree-read", mark)
    app.connect("html-page-context", say)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
