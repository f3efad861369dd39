"""Recorded numbers with their birth certificate: how and with what they were made."""

import hashlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path

#: Where the recorded runs lie in a checkout of the companion.
RECORDED = Path(__file__).resolve().parents[1] / "figures" / "data"

PACKAGES = ("numpy", "scipy", "matplotlib", "torch", "numba")


def sha256(path):
    """The SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write(path, content):
    """Write text or bytes to ``path`` all at once: a reader sees the old file or the new one, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        with part.open("r+b") as file:
            os.fsync(file.fileno())  # on the disk before the name changes, should the power fail
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def versions():
    """The versions that a number may depend on, as a mapping from name to version.

    Without the tag of the build (``+cpu``, ``+cu130`` of PyTorch): the manifest of a figure is the same for every build.
    What a training ran on stands in its certificate, as ``hardware``.
    """
    return {"python": platform.python_version(), **{p: metadata.version(p).split("+")[0] for p in PACKAGES}}


def save(path, data, *, command, settings, seed=None, **certificate):
    """Write ``data`` as JSON with its certificate: command, settings, seed, versions and what else is given.

    Raises ``ValueError`` where ``data`` holds NaN or infinity (JSON has neither), before anything is written.
    """
    made = {"command": command, "settings": settings, "seed": seed, "versions": versions(), **certificate}
    text = json.dumps({"certificate": made, "data": data}, indent=1, allow_nan=False)
    write(path, text + "\n")


def load(path):
    """The data and the certificate of a file written by :func:`save`.

    Raises ``FileNotFoundError``, or ``ValueError`` naming the file where it is no such file.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf8"))
        return record["data"], record["certificate"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a file with 'data' and 'certificate', {error!r}") from error
