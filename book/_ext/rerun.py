"""How to rerun: at the end of each chapter, and where the directive ``rerun`` stands for the whole book.

A folded block has the downloads (notebook, script, the archive of the sources with its size and checksum) and the
commands. What is downloaded lies in the staged folder ``offered``, which ``book.py`` has filled before pages are written.
"""

from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

BLOCK = """<details class="rerun d-print-none"><summary>{title}</summary>
<p>{downloads}</p>
<div class="highlight-sh notranslate"><div class="highlight"><pre>{commands}</pre></div></div>
<p>{needs}</p>{checksum}</details>"""

NEEDS = """The commands need Python 3.11 or newer and <code>make</code>. The first call of <code>make</code> sets up an
environment with locked versions. This takes a few minutes and needs a network once."""

INSTALLED = """ Notebook and script run anywhere in an environment where <code>pip install '.[book]'</code> has installed
the package from the unpacked folder."""


def sources(app):
    """Name, size and SHA-256 of the archive of the sources, or None where the book was made without one."""
    for path in Path(app.srcdir, "offered").glob("*.zip"):
        digest = path.with_name(f"{path.name}.sha256").read_text(encoding="utf8").split()[0]
        return path.name, path.stat().st_size, digest
    return None


def is_chapter(env, page):
    """Whether a page is a chapter with code."""
    return env.doc2path(page).endswith(".ipynb")


def block(app, page, chapter=None):
    """The block for a chapter, or for the whole book, as HTML."""
    up, found = "../" * page.count("/"), sources(app)
    links, commands, checksum = [], [], ""
    if chapter:
        links += [f'<a href="{up}_sources/book/{chapter}.ipynb" download>the notebook with its results</a>']
        links += [f'<a href="{up}scripts/{chapter}.py" download>a Python script</a>']
        commands += ["# this chapter alone", f"make chapter NAME={chapter}"]
    if found:
        name, size, digest = found
        links += [f'<a href="{up}{name}" download>the sources of the whole book</a> (ZIP, {size / 1e6:.1f} MB)']
        commands[:0] = [f"unzip {name}", f"cd {name.removesuffix('.zip')}"]
        checksum = f"""<p>SHA-256 of the archive, <a href="{up}{name}.sha256" download>as a file</a> for
<code>sha256sum -c</code>: <code>{digest}</code></p>"""
    commands += ["# every chapter", "make book"]
    return BLOCK.format(
        title="Rerun this chapter" if chapter else "Rerun this book",
        downloads=f"Download {', '.join(links[:-1])}{' or ' * (len(links) > 1)}{links[-1]}." if links else "",
        commands="\n".join(commands),
        needs=NEEDS + INSTALLED * bool(chapter),
        checksum=checksum,
    )


class Rerun(SphinxDirective):
    """The block for the whole book."""

    def run(self):
        return [nodes.raw("", block(self.env.app, self.env.docname), format="html")]


class RerunChapter(SphinxPostTransform):
    """Put the block at the end of each chapter."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs):
        page = self.env.docname
        if is_chapter(self.env, page):
            text = block(self.app, page, page.rpartition("/")[2])
            next(self.document.findall(nodes.section)).append(nodes.raw("", text, format="html"))


def add_button(app, pagename, templatename, context, doctree):
    """Offer the script beside the notebook, under the theme's button for downloads."""
    groups = [group for group in context.get("header_buttons", ()) if group.get("label") == "download-buttons"]
    if groups and is_chapter(app.env, pagename):
        address = context["pathto"](f"scripts/{pagename.rpartition('/')[2]}.py", 1)
        button = {"type": "link", "url": address, "text": ".py", "icon": "fas fa-file-code"}
        groups[0]["buttons"].insert(1, button | {"tooltip": "Download as a script", "label": "download-script-button"})


def setup(app):
    app.add_directive("rerun", Rerun)
    app.add_post_transform(RerunChapter)
    app.connect("html-page-context", add_button, priority=600)  # after the theme has made its buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
