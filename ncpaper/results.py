"""Recorded numbers with their provenance: how they were made, and with which versions and settings."""

import hashlib
import json
import os
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from ncpaper import extras

#: Where the recorded runs lie: in the installed package, or in the checkout.
RECORDED = extras.located("figures/data")

PACKAGES = ("numpy", "scipy", "matplotlib", "torch", "numba")


def sha256(path):
    """The SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write(path, content):
    """Write text or bytes to ``path`` all at once: a reader sees the old file or the new one, never a part.

    Raises ``OSError`` naming the file where it cannot be written, on a full disk for one.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        with part.open("r+b") as file:
            os.fsync(file.fileno())  # on the disk before the name changes, should the power fail
        part.replace(path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def content_digest(data):
    """The SHA-256 of data that JSON can hold, however it is laid out in the file."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, allow_nan=False).encode()).hexdigest()


def versions():
    """The versions that a number may depend on, as a mapping from name to version.

    Without the tag of the build (``+cpu``, ``+cu130`` of PyTorch): the manifest of a figure is the same for every build.
    What a training ran on stands in its certificate, as ``hardware``.
    """
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):  # those of an extra
            found[name] = metadata.version(name).split("+")[0]
    return found


def save(path, data, *, command, settings, seed=None, **certificate):
    """Write ``data`` as JSON with its certificate: command, settings, seed, versions and what else is given.

    Raises ``ValueError`` where ``data`` holds NaN or infinity (JSON has neither), before anything is written.
    """
    made = {"command": command, "settings": settings, "seed": seed, "versions": versions(), **certificate}
    record = {"certificate": made, "data": data}
    text = json.dumps({"sha256": content_digest(record), **record}, indent=1, allow_nan=False)
    write(path, text + "\n")


def load(path):
    """The data and the certificate of a file written by :func:`save`.

    The certificate's ``checked`` says whether the file carries a digest of its content, which then is that of what is
    returned; records made before there were digests carry none. Raises ``FileNotFoundError``, or ``ValueError`` naming the
    file where it is no such file or its content was changed.
    """
    try:
        record = json.loads(extras.present(path).read_text(encoding="utf8"))
        digest, content = record.pop("sha256", None), {key: record.pop(key) for key in ("certificate", "data")}
        certificate, found = dict(content["certificate"]), content_digest(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: expected a file with 'data' and 'certificate', {said}") from error
    if record:
        raise ValueError(f"{path}: expected nothing but 'sha256', 'certificate' and 'data', got {', '.join(record)!r}")
    if digest not in (None, found):
        raise ValueError(
            f"{path}: expected the content of which it names the SHA-256, it was changed since it was written"
        )
    return content["data"], certificate | {"checked": digest is not None}
