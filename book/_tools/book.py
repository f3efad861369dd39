"""Render the book: ``python book/_tools/book.py NOTEBOOKS OUTPUT``.

Copies the book's sources to ``OUTPUT/src``, puts the executed notebooks of the folder NOTEBOOKS in the place of the
chapters' texts, and renders them strictly into ``OUTPUT/html``: every warning is an error, every time. What an earlier call
rendered is removed first, so that no old page is taken for a new one when a call fails.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from chapters import BOOK, chapters

ROOT = BOOK.parent


def stage(notebooks, source):
    """Make ``source`` the tree that is rendered; raise ``FileNotFoundError`` where a chapter has no notebook."""
    shutil.rmtree(source, ignore_errors=True)
    texts = [t.name for t in chapters()]
    shutil.copytree(BOOK, source / "book", ignore=shutil.ignore_patterns("*.ipynb", "_tools", "__pycache__", *texts))
    shutil.copytree(ROOT / "figures", source / "figures")
    for name in ("_config.yml", "_toc.yml", "CITATION.cff"):
        shutil.copy(ROOT / name, source / name)
    for text in chapters():
        shutil.copy(notebooks / f"{text.stem}.ipynb", source / "book" / f"{text.stem}.ipynb")


def main(notebooks, output):
    """Stage and render; return the exit status of the renderer."""
    output = Path(output).resolve()
    shutil.rmtree(output / "html", ignore_errors=True)
    stage(Path(notebooks), output / "src")
    shutil.rmtree(output / "_build", ignore_errors=True)
    build = [Path(sys.executable).parent / "jupyter-book", "build", output / "src", "--path-output", output]
    command = [*build, "--all", "--nitpick", "--warningiserror", "--keep-going"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        print(run.stdout, file=sys.stderr)
        return run.returncode
    (output / "_build" / "html").rename(output / "html")
    print(f"The book is rendered: open {output / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
