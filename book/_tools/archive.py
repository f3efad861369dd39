"""The sources as one archive: the committed files of HEAD, and nothing that depends on where or when it is made."""

import io
import subprocess
import tarfile
from pathlib import Path

import zips
from manifest import ROOT, revision

#: What a tree without git leaves out: what programs have built.
BUILT = {".git", ".venv", "_build", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints"}


def committed():
    """The committed files of HEAD: path, content, and whether it can be run."""
    tar = subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            if member.isfile():
                yield member.name, archive.extractfile(member).read(), bool(member.mode & 0o100)


def present():
    """The files of a tree without git, but for what programs have built."""
    for path in ROOT.rglob("*"):
        place = path.relative_to(ROOT)
        if path.is_file() and not BUILT & set(place.parts):
            yield place.as_posix(), path.read_bytes(), bool(path.stat().st_mode & 0o100)


def write(path):
    """Write the archive to ``path``."""
    files = present() if revision()["revision"] == "unknown" else committed()
    zips.write(Path(path), "ncpaper", files)
