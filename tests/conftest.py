"""What all tests share: the shapes in the package's signatures are checked, and the rendered book is made once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """The book rendered from the stored notebooks; a warning fails the build."""
    output = tmp_path_factory.mktemp("book")
    command = [sys.executable, ROOT / "book" / "_tools" / "book.py", output, ROOT / "book"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return output / "html"
