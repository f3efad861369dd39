"""Execute chapters: every ``book/<subject>.md`` with code, from its text, in a fresh kernel.

    python book/_tools/chapters.py FOLDER [SUBJECT ...]

writes ``FOLDER/<subject>.ipynb`` with its outputs, two chapters at a time, and prints a line for each. Nothing in a
notebook changes from run to run; how long the run took, and on what, goes to
``FOLDER/.<subject>.ran``. A cell that fails ends the program with exit status 1, every time.
"""

import json
import platform
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

sys.path.insert(0, str(Path(__file__).resolve().parent))
import clean
from alone import alone

BOOK = Path(__file__).resolve().parents[1]
NOISE = "Kernel is running over TCP without encryption"  # on this machine only; kernels over IPC die more often
starting = threading.Lock()  # kernels start one after another: each picks free ports


def chapters(book=BOOK):
    """The texts that hold code, sorted by name."""
    return sorted(p for p in book.glob("*.md") if "{code-cell}" in p.read_text(encoding="utf8"))


def read(text):
    """The notebook of a chapter's text, not executed, with cell ids that do not change from run to run."""
    notebook = jupytext.read(text)
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"{text.stem.replace('_', '-')}-{i:03d}"
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook


def execute(text, folder):
    """Run one chapter and write its notebook into ``folder``; return an error message, or None."""
    notebook, started = read(text), time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=120,
        startup_timeout=180,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(text.parent)}},
    )
    environment = clean.environment() | {"NCPAPER_CHAPTER": text.stem}
    with tempfile.TemporaryFile("w+", encoding="utf8", errors="replace") as said:
        try:
            with starting:
                client.create_kernel_manager()
                client.start_new_kernel(env=environment, stderr=said)
                client.start_new_kernel_client()
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as error:  # the last: no start
            return f"{text.name}: {error}"
        finally:
            said.seek(0)
            print("".join(line for line in said if NOISE not in line), end="", file=sys.stderr, flush=True)
    part = folder / f".{text.stem}.part"
    nbformat.write(notebook, part)
    part.replace(folder / f"{text.stem}.ipynb")
    seconds = time.perf_counter() - started
    note(folder, text.stem, seconds)
    print(f"  {text.stem}: {seconds:.1f} s", flush=True)
    return None


def note(folder, subject, seconds):
    """Write how long a chapter took and on what, but not beside the committed notebooks, which say nothing of it."""
    if folder.resolve() != BOOK:
        said = {"seconds": round(seconds, 1), "processor": f"one core of an {platform.machine()} processor"}
        (folder / f".{subject}.ran").write_text(json.dumps(said), encoding="utf8")


def main(folder, *subjects):
    """Execute the named chapters, or all; return the exit status."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = [BOOK / f"{s}.md" for s in subjects] or chapters()
    if missing := [t.name for t in texts if t not in chapters()]:
        print(f"no chapter with code: {', '.join(missing)}", file=sys.stderr)
        return 2
    with alone(folder / ".chapters.lock", "executing the chapters"), ThreadPoolExecutor(2) as pool:
        errors = [e for e in pool.map(lambda t: execute(t, folder), texts) if e]
    print("\n".join(errors), file=sys.stderr, end="\n" if errors else "")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
