"""Render the book: ``python book/_tools/book.py OUTPUT [NOTEBOOKS]``.

Copies the book's sources to ``OUTPUT/src``, puts the executed notebooks of the folder NOTEBOOKS in the place of the
chapters' texts, and renders them strictly into ``OUTPUT/html``: every warning is an error, every time. The archive of the
sources and a script of each chapter come with the pages. Without NOTEBOOKS every chapter is executed first, into
``OUTPUT/notebooks``. What an earlier call rendered is removed first, so that no old
page is taken for a new one when a call fails; a second call for the same OUTPUT is refused while one is at work.
"""

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "_ext"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import addresses
import archive
import clean
import jupytext
import manifest
from alone import alone
from chapters import BOOK, chapters
from chapters import main as execute

ROOT = BOOK.parent
OFFERED = "offered"  # the folder of what the site offers beside its pages, as _config.yml knows it
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # not its script, which names the place it was made in


def stage(notebooks, source):
    """Make ``source`` the tree that is rendered; raise ``FileNotFoundError`` where a chapter has no notebook."""
    shutil.rmtree(source, ignore_errors=True)
    texts = [t.name for t in chapters()]
    shutil.copytree(BOOK, source / "book", ignore=shutil.ignore_patterns("*.ipynb", "_tools", "__pycache__", *texts))
    shutil.copytree(ROOT / "figures", source / "figures")
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    cited = addresses.cited((ROOT / "CITATION.cff").read_text(encoding="utf8"), addresses.read(ROOT / "_config.yml"))
    (source / "CITATION.cff").write_text(cited, encoding="utf8")
    for text in chapters():
        shutil.copy(notebooks / f"{text.stem}.ipynb", source / "book" / f"{text.stem}.ipynb")
        if (ran := notebooks / f".{text.stem}.ran").exists():
            shutil.copy(ran, source / "book" / ran.name)
    offer(source / OFFERED, chapters())


def script(text):
    """A chapter as a Python script: the same cells, and its text as comments."""
    notebook = jupytext.read(text)
    notebook.metadata = {"jupytext": {"cell_metadata_filter": "-all", "notebook_metadata_filter": "-all"}}
    needs = "# Needs the package with its extra: pip install '.[book]' in the unpacked sources of the book.\n\n"
    return f"# The chapter {text.stem} of the ncpaper companion.\n{needs}" + jupytext.writes(notebook, "py:percent")


def offer(folder, texts):
    """Put the scripts of chapters and the archive of the sources into a folder; without an archive, say so."""
    (folder / "scripts").mkdir(parents=True)
    for text in texts:
        (folder / "scripts" / f"{text.stem}.py").write_text(script(text), encoding="utf8")
    if sources := archive.of(ROOT):
        sources.write(folder)
    said = sources.said if sources else "The book has no archive of its sources: this folder has neither git nor a list"
    print(said, end="\n" * bool(said))


def render(notebooks, output):
    """Stage and render; return the exit status of the renderer."""
    stage(notebooks, output / "src")
    shutil.rmtree(output / "_build", ignore_errors=True)
    build = [sys.executable, "-c", JUPYTER_BOOK, "build", output / "src", "--path-output", output]
    command = [*build, "--all", "--nitpick", "--warningiserror", "--keep-going"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean.environment())
    if run.returncode:
        print(run.stdout, file=sys.stderr)
        return run.returncode
    manifest.write(output / "_build" / "html", manifest.revision())
    (output / "_build" / "html").rename(output / "html")
    print(f"The book is rendered: open {output / 'html' / 'index.html'}")
    return 0


def main(output, notebooks=None):
    """Execute the chapters where no notebooks are given, and render; return the exit status."""
    output = Path(output).resolve()
    with alone(output / "book.lock", "rendering the book"):
        shutil.rmtree(output / "html", ignore_errors=True)
        if notebooks is None:
            notebooks = output / "notebooks"
            shutil.rmtree(notebooks, ignore_errors=True)
            if status := execute(notebooks):
                return status
        return render(Path(notebooks), output)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
