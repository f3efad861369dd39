"""What others made and the rendered book carries: the directive ``third-party`` lists it, with the texts of its licences.

The texts are copied into ``_static/licences`` of the rendered book, from the packages that bring them and from the folders
of what is vendored, each of which has its licence beside it.
"""

import shutil
from importlib import metadata
from pathlib import Path

import matplotlib as mpl
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

STATIC = Path(__file__).parent / "static"
FOLDER = "licences"
#: Packages of which the rendered pages carry files: what these are, and under which licence.
PACKAGES = {
    "myst-nb": ("style of the cells", "BSD 3-Clause"),
    "pydata-sphinx-theme": (
        "scripts and style; with Bootstrap (MIT) and Font Awesome Free (icons CC BY 4.0, fonts SIL OFL 1.1, code MIT)",
        "BSD 3-Clause",
    ),
    "pygments": ("colours of the code", "BSD 2-Clause"),
    "sphinx": ("scripts of the search, and style", "BSD 2-Clause"),
    "sphinx-book-theme": ("scripts, style and icons", "BSD 3-Clause"),
    "sphinx-copybutton": ("the button that copies code, with clipboard.js (MIT)", "MIT"),
    "sphinx-design": ("cards and folds", "MIT"),
    "sphinx-proof": ("style of theorems and proofs", "BSD 3-Clause"),
    "sphinx-thebe": ("a style sheet and a script that no page loads", "MIT"),
    "sphinx-togglebutton": ("folds", "MIT"),
}
#: Folders among the static files that hold what others made: what it is, and under which licence.
VENDORED = {
    "katex": ("KaTeX 0.16.40, which sets the formulas, and its fonts", "MIT; fonts SIL OFL 1.1"),
    "uplot": ("uPlot 1.6.32, which draws the plots of the live figures", "MIT"),
}
#: Fonts whose outlines the pictures contain.
FONTS = {
    "LICENSE_DEJAVU": ("DejaVu fonts", "outlines of letters in the figures", "Bitstream Vera and Arev licences"),
    "LICENSE_STIX": ("STIX fonts", "outlines of signs in the figures", "SIL OFL 1.1"),
}


def text_of(package):
    """The file with the licence of an installed package; raise ``FileNotFoundError`` where it has none."""
    for file in metadata.files(package) or []:
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            return Path(file.locate())
    raise FileNotFoundError(f"{package}: expected the package to bring the text of its licence")


def rows():
    """What is carried, what it is for, its licence, and the file with the text; sorted by name."""
    found = [(name, *said, text_of(name)) for name, said in PACKAGES.items()]
    for file in sorted(STATIC.rglob("LICENSE")):
        name = file.parent.name
        what, licence = VENDORED.get(name, ("vendored", file.read_text(encoding="utf8").split("\n")[0]))
        found.append((name, what, licence, file))
    fonts = Path(mpl.get_data_path(), "fonts", "ttf")
    return sorted(found + [(*said, fonts / file) for file, said in FONTS.items()], key=lambda row: row[0].lower())


def target(name):
    """The name of the copy of a licence's text."""
    return f"{name.lower().replace(' ', '-')}.txt"


class ThirdParty(SphinxDirective):
    """The list of what others made, each with a link to the text of its licence."""

    def run(self):
        up = "../" * self.env.docname.count("/")
        body = "".join(
            f'<tr><td>{name}</td><td>{what}</td><td><a href="{up}_static/{FOLDER}/{target(name)}">{licence}</a></td></tr>'
            for name, what, licence, _ in rows()
        )
        head = "<thead><tr><th>from</th><th>what the book carries</th><th>licence</th></tr></thead>"
        return [nodes.raw("", f'<table class="table third-party">{head}<tbody>{body}</tbody></table>', format="html")]


def copy_texts(app, exception):
    """Lay the texts of the licences into the rendered book."""
    if exception is None and app.builder.name == "html":
        folder = Path(app.outdir, "_static", FOLDER)
        folder.mkdir(exist_ok=True)
        for name, *_, file in rows():
            shutil.copyfile(file, folder / target(name))


def setup(app):
    app.add_directive("third-party", ThirdParty)
    app.connect("build-finished", copy_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
