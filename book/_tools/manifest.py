"""Which revision files are of: ``manifest.json`` of the rendered book and of a release maps the hash of each file to it."""

import json
from pathlib import Path

import archive

from ncpaper import results

ROOT = Path(__file__).resolve().parents[2]
NAME = "manifest.json"


def revision(root=ROOT):
    """The revision of a checkout, and whether files were changed since; ``unknown`` where git cannot tell."""
    if not archive.is_checkout(root):
        return {"revision": "unknown"}
    said = archive.git(root, "rev-parse", "HEAD").decode().strip()
    return {"revision": said, "changed": bool(archive.git(root, "status", "--porcelain"))}


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
