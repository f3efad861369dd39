"""Which revision files are of: ``manifest.json`` of the rendered book and of a release maps the hash of each file to it."""

import json
import subprocess
from pathlib import Path

from ncpaper import results

ROOT = Path(__file__).resolve().parents[2]
NAME = "manifest.json"


def git(*arguments):
    """What git says of this tree, or None where there is no git or the tree is no checkout of its own."""
    try:
        run = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def revision():
    """The revision of this tree, and whether files were changed since; ``unknown`` where git cannot tell."""
    top = git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != ROOT:
        return {"revision": "unknown"}
    return {"revision": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}


def hashes(folder):
    """The SHA-256 of every file under a folder, by its path there."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): results.sha256(path) for path in files}


def write(folder, about, **also):
    """Write the manifest of a folder: what ``about`` says, and where each file is, by its hash.

    ``also`` has further hashes by a name, for the files in archives that lie in the folder.
    """
    found = {}
    for name, files in {"": hashes(folder), **also}.items():
        for path, digest in files.items():
            if path != NAME or name:
                found.setdefault(digest, []).append(f"{name}/{path}".removeprefix("/"))
    results.write(Path(folder, NAME), json.dumps({**about, "files": dict(sorted(found.items()))}, indent=1) + "\n")
