"""Formulas by KaTeX, which sets a page at once; and text that stays beside the formula or badge it belongs to.

The macros stand in ``_config.yml`` under ``formula_macros``, with their replacements; ``#1`` is the first argument.
``katex/`` among the static files is KaTeX 0.16.40 as published, its style sheet without the fonts in older formats.
"""

import json
import re

from docutils import nodes
from myst_parser.sphinx_ext.mathjax import html_visit_displaymath
from sphinx.ext.mathjax import html_visit_math
from sphinx.transforms.post_transforms import SphinxPostTransform

#: What may not stand apart from a formula or badge: what touches it, up to a blank or a dash.
BEFORE, AFTER = re.compile(r"[^\s—–]{1,12}$"), re.compile(r"^[^\s—–]{1,12}")


def visit_displaymath(self, node):
    """What Sphinx writes for MathJax, in a box that can be told from a formula in the text."""
    start = len(self.body)
    try:
        html_visit_displaymath(self, node)
    finally:
        self.body[start] = self.body[start].replace('class="math ', 'class="math math-display ', 1)


def is_atom(node):
    """Whether a node is a formula, a badge, or a symbol that is a link."""
    if isinstance(node, nodes.reference):
        return any("std-sym" in child["classes"] for child in node.findall(nodes.math))
    return isinstance(node, nodes.math) or (isinstance(node, nodes.inline) and "badge" in node["classes"])


def cut(node, pattern):
    """Take from the text ``node`` what ``pattern`` matches; return it, or the empty string, and what is left."""
    found = pattern.search(node.astext()) if isinstance(node, nodes.Text) else None
    if not found:
        return "", node
    text = node.astext()
    return found[0], nodes.Text(text[: found.start()] + text[found.end() :])


class Together(SphinxPostTransform):
    """Wrap each formula or badge with the text that touches it, which then never starts or ends a line alone."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_):
        for parent in {id(n.parent): n.parent for n in self.document.findall(is_atom)}.values():
            if isinstance(parent, nodes.TextElement):
                self.wrap(parent)

    @staticmethod
    def wrap(parent):
        rest, done = list(parent.children), []
        while rest:
            child = rest.pop(0)
            if is_atom(child):
                before, after = "", ""
                if done:
                    before, done[-1] = cut(done[-1], BEFORE)
                if rest:
                    after, rest[0] = cut(rest[0], AFTER)
                if before or after:
                    child = nodes.inline("", "", nodes.Text(before), child, nodes.Text(after), classes=["together"])
            done.append(child)
        parent.children = []
        parent.extend(done)


#: The fonts that most pages with formulas need. They are asked for before the formulas are set: each font that comes
#: later makes the browser lay out the whole page again.
FONTS = ["1em KaTeX_Main", "italic 1em KaTeX_Math"]
FONTS += [f"1em KaTeX_{name}" for name in ("Caligraphic", "AMS", "Size1", "Size2", "Size3", "Size4")]


def add_scripts(app, pagename, templatename, context, doctree):
    """Load KaTeX where the page has a formula, or shows one of another page on hover."""
    formulas = app.env.get_domain("math")
    if 'class="math ' not in context.get("body", "") and not formulas.has_equations(pagename):
        return
    macros = {f"\\{name}": tex for name, tex in app.config.formula_macros.items()}
    app.add_css_file("katex/katex.min.css")
    app.add_js_file("katex/katex.min.js", loading_method="defer")
    app.add_js_file(None, body=f"window.formulaMacros = {json.dumps(macros)}")
    app.add_js_file(None, body=f"{json.dumps(FONTS)}.forEach((font) => document.fonts.load(font))")
    app.add_js_file("formulas.js", loading_method="defer")


def setup(app):
    app.add_config_value("formula_macros", {}, "html")
    app.add_html_math_renderer("katex", (html_visit_math, None), (visit_displaymath, None))
    app.add_post_transform(Together)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
