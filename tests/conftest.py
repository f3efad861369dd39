"""What all tests share: the shapes in the package's signatures are checked, and the rendered book is made once."""

import functools
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """The book rendered from the stored notebooks; a warning fails the build."""
    output = tmp_path_factory.mktemp("book")
    command = [sys.executable, ROOT / "book" / "_tools" / "book.py", output, ROOT / "book"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return output / "html"


class Quiet(SimpleHTTPRequestHandler):
    """A server that does not report what it serves."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address(html):
    """Where the rendered book is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=html)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        assert "CI" not in os.environ, "continuous integration must have Chromium"
        pytest.skip("needs Chromium on the PATH")
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield instance
        instance.close()
