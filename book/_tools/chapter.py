"""Rerun one chapter: ``python book/_tools/chapter.py NAME`` executes it and shows its page, in ``_build/chapter``.

The other chapters are read from their stored notebooks, so that every number and reference is that of the book, and are
not written. A link to one of them leads to the whole book where ``make book`` has made it, and is plain text elsewhere.
"""

import contextlib
import io
import os
import re
import shutil
import sys
import webbrowser
from pathlib import Path
from urllib.parse import quote, unquote

sys.path.insert(0, str(Path(__file__).resolve().parent))
import yaml
from alone import alone
from chapters import BOOK, chapters
from chapters import main as execute

import book

BUILD = BOOK.parent / "_build"
LEFT_OUT = "book/api"  # it takes longer than all other pages, and chapters link to it by names of code only


def gather(name, output):
    """Execute the chapter, and put the stored notebooks of the others beside it; return the exit status."""
    if status := execute(output / "notebooks", name):
        return status
    for other in [text.stem for text in chapters() if text.stem != name]:
        shutil.copy2(BOOK / f"{other}.ipynb", output / "notebooks")
    book.stage(output / "notebooks", output / "src")
    contents = yaml.safe_load((output / "src" / "_toc.yml").read_text(encoding="utf8"))
    for part in contents["parts"]:
        part["chapters"] = [entry for entry in part["chapters"] if entry["file"] != LEFT_OUT]
    (output / "src" / "_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf8")
    return 0


def render(name, output):
    """Write the page of the chapter alone; return the exit status and the lines that warn of it."""
    from jupyter_book.sphinx import build_sphinx

    for old in ("html", "doctrees"):
        shutil.rmtree(output / old, ignore_errors=True)
    config, page = output / "src" / "_config.yml", output / "src" / "book" / f"{name}.ipynb"
    text = config.read_text(encoding="utf8").replace(", sphinx.ext.viewcode]", "]")  # pages of code link to the API
    config.write_text(text, encoding="utf8")
    changes = {"external_toc_path": str(output / "src" / "_toc.yml"), "latex_individualpages": False, "alone": True}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        status = build_sphinx(output / "src", output / "html", noconfig=True, path_config=config, confoverrides=changes,
                              doctreedir=output / "doctrees", filenames=[str(page)])  # fmt: skip
    warnings = [line for line in said.getvalue().splitlines() if status or f"{page.name}:" in line]
    return bool(status), warnings


def lead_on(text, folder, whole):
    """The text of a page in ``folder``: a link to a page that is not there leads to the ``whole`` book, or nowhere."""

    def repaired(match):
        path, mark, anchor = match[2].partition("#")
        if not path or ":" in path or (folder / unquote(path)).exists():
            return match[0]
        there = Path(os.path.normpath(whole / folder.name / unquote(path)))
        if there.exists():
            return f'{match[1]}href="{quote(os.path.relpath(there, folder))}{mark}{anchor}"'
        return f'{match[1]}title="in the whole book: make book"'

    return re.sub(r'(<a [^<>]*?)href="([^"]*)"', repaired, text)


def main(name=""):
    """Rerun the chapter; return the exit status."""
    if name not in (names := [text.stem for text in chapters()]):
        print(f"NAME: expected one of {', '.join(names)}, got {name!r}", file=sys.stderr)
        return 2
    output = BUILD / "chapter"
    with alone(BUILD / "chapter.lock", "rerunning a chapter"):
        if status := gather(name, output):
            return status
        status, warnings = render(name, output)
        print("\n".join(warnings), file=sys.stderr, end="\n" if warnings else "")
        if status:
            return 1
        page = output / "html" / "book" / f"{name}.html"
        page.write_text(lead_on(page.read_text(encoding="utf8"), page.parent, BUILD / "html"), encoding="utf8")
    print(f"The chapter is rendered: open {page}")
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(page.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
