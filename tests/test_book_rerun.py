"""How to rerun, as the rendered book says it: the archive with its checksum, notebook and script of each chapter."""

import ast
import hashlib
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import chapters  # noqa: E402

NAMES = [text.stem for text in chapters.chapters()]


def block(html, page):
    """The block of a page that says how to rerun it."""
    text = (html / "book" / f"{page}.html").read_text(encoding="utf8")
    [found] = re.findall(r'<details class="rerun.*?</details>', text, re.S)
    return found


@pytest.fixture
def archive(html):
    [path] = html.glob("ncpaper-*.zip")
    return path


@pytest.mark.parametrize("page", ["index", *NAMES])
def test_a_page_shows_size_and_checksum_of_the_archive_that_it_links(html, archive, page):
    said, content = block(html, page), archive.read_bytes()
    assert f'href="../{archive.name}"' in said
    assert f"{len(content) / 1e6:.1f} MB" in said
    assert hashlib.sha256(content).hexdigest() in said


def test_the_checksum_file_of_the_site_is_that_of_its_archive(archive):
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert archive.with_name(f"{archive.name}.sha256").read_text() == f"{digest}  {archive.name}\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_names_the_command_that_reruns_it(html, name):
    assert f"make chapter NAME={name}\n" in block(html, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_offers_its_notebook_with_results_and_a_script_of_the_same_code(html, name):
    page = (html / "book" / f"{name}.html").read_text(encoding="utf8")
    for address in (f"../_sources/book/{name}.ipynb", f"../scripts/{name}.py"):
        assert len(re.findall(rf'href="{address}"', page)) == 2, "once in the block, once under the button"
    cells = json.loads((html / "_sources" / "book" / f"{name}.ipynb").read_text(encoding="utf8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert any(cell["outputs"] for cell in code)
    script = (html / "scripts" / f"{name}.py").read_text(encoding="utf8")
    assert ast.dump(ast.parse(script)) == ast.dump(ast.parse("\n\n".join("".join(cell["source"]) for cell in code)))
