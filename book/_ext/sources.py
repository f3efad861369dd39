"""The tests that the ledger names, as pages of the book: highlighted from their files, nothing imported.

The role ``test`` links to one of them, ``{test}`tests/test_margin.py::test_simplex_etf_attains_the_margin_bound` ``;
the text of the link is the sentence that the name of the test is. Another extension calls :func:`link`.
"""

import ast
import html
import re
from functools import cache
from posixpath import basename

from citing import claim_links
from docutils import nodes
from sphinx.util.docutils import SphinxRole

from ncpaper import claims

ROOT = claims.LEDGER.parents[1]
FOLDER = "_tests"

#: Words that a name of a test writes small, and what stands for them in a sentence: the first that fits, in this order.
WORDS = (
    (r"\b(etf|kkt|lpm|nc[1-4])\b", lambda m: m[0].upper()),
    (r"\b(hessian|frobenius|figure|(?:example|theorem|lemma|remark|definition)(?= \d))\b", lambda m: m[0].capitalize()),
    (r"(?<=[a-z] )(\d) (\d)\b", r"\1.\2"),  # example 3 1
    (r"\b(equation|inequality|gradient|family|strict|corrected|member of|lambda of) (\d+)\b", r"\1 (\2)"),
    (r"\bw k\b", "w_k"),
    (r"(?<![_\w])(2?)k\b", r"\1K"),
)


@cache
def functions(path):
    """First and last line of every function of a file, decorators included, by name."""
    found = [n for n in ast.parse((ROOT / path).read_text(encoding="utf8")).body if isinstance(n, ast.FunctionDef)]
    return {n.name: (min(d.lineno for d in (n, *n.decorator_list)), n.end_lineno) for n in found}


def docstring(path):
    """What a file says of itself."""
    return ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf8"))) or ""


def sentence(test):
    """The sentence that the name of a test is."""
    text = test.partition("::")[2].partition("[")[0].removeprefix("test_").replace("_", " ")
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    return text


def named(ledger):
    """The ids of the claims by the test that they name, in the order of the ledger."""
    found = {}
    for claim in ledger.values():
        for test in dict.fromkeys([*claim.tests, *claim.refutes, *(entry.test for entry in claim.tolerance)]):
            found.setdefault(test, []).append(claim.id)
    return found


@cache
def paths():
    """The files of which a claim names tests."""
    return sorted({test.partition("::")[0] for test in named(claims.ledger()) if test.startswith("tests/")})


def place(test):
    """Page and anchor of a test, or of a function of the package; raise ``ValueError`` where the book has none."""
    path, _, name = test.partition("[")[0].partition("::")
    if test.startswith("ncpaper/") and (ROOT / path).is_file() and name in functions(path):
        return f"_modules/{path.removesuffix('.py')}", name
    if path not in paths() or name not in functions(path):
        raise ValueError(f"expected a test, tests/FILE.py::NAME, in a file of which a claim names tests, got {test!r}")
    return f"{FOLDER}/{basename(path).removesuffix('.py')}", name


def link(builder, docname, test):
    """A reference node from a page to the source of a test: its text is the sentence, its title the test's id."""
    page, anchor = place(test)
    uri = f"{builder.get_relative_uri(docname, page)}#{anchor}"
    return nodes.reference("", sentence(test), internal=True, refuri=uri, reftitle=test, classes=["test"])


class Test(SphinxRole):
    """A link to the source of a test."""

    def run(self):
        try:
            return [link(self.env.app.builder, self.env.docname, self.text)], []
        except ValueError as error:
            return [], [self.inliner.reporter.warning(str(error), line=self.lineno)]


def body(app, page, path, tests):
    """The page of a file of tests: what it is, its tests as sentences, and its source."""
    source, spans = (ROOT / path).read_text(encoding="utf8"), functions(path)
    lines = app.builder.highlighter.highlight_block(source, "python", linenos="inline").splitlines()
    before, first = lines[0].split("<pre>")
    lines[0] = first
    for name, (start, end) in spans.items():
        back = claim_links(app.builder, page, tests.get(f"{path}::{name}", []))
        back = f'<span class="checks">checks {back}</span>' if back else ""
        lines[start - 1] = f'<span class="test" id="{name}">{back}{lines[start - 1]}'
        lines[end - 1] += "</span>\0"  # a block ends its line by itself
    about = html.escape(docstring(path))
    overview = app.builder.get_relative_uri(page, f"{FOLDER}/index")
    sentences = "".join(
        f'<li><a href="#{name}">{html.escape(sentence(f"{path}::{name}"))}</a></li>'
        for name in spans
        if name.startswith("test_")
    )
    return f"""<h1>{path}</h1>
<p>{about}</p>
<p>This is the source of tests of this book, as <code>make test</code> runs it. The name of a test is the sentence it
checks; beside it stand the claims that rest on it. <a href="{overview}">All files of tests</a>.</p>
<ul class="sentences">{sentences}</ul>
{before}<pre>{chr(10).join(lines).replace(chr(0) + chr(10), "").replace(chr(0), "")}"""


def collect(app):
    """A page for every file of tests that a claim names, and their overview."""
    tests = named(claims.ledger())
    rows = []
    for path in paths():
        page = f"{FOLDER}/{basename(path).removesuffix('.py')}"
        yield page, {"title": path, "body": body(app, page, path, tests)}, "page.html"
        about = html.escape(docstring(path).split("\n")[0])
        rows.append(f'<li><a href="{app.builder.get_relative_uri(f"{FOLDER}/index", page)}">{path}</a>: {about}</li>')
    top = f"<h1>The tests that claims name</h1><ul>{''.join(rows)}</ul>"
    yield f"{FOLDER}/index", {"title": "Tests", "body": top}, "page.html"


def setup(app):
    app.add_role("test", Test())
    app.connect("html-collect-pages", collect)
    app.add_css_file("sources.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
