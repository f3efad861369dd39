"""Checkpoints of a running program: written atomically, checked by a digest, and used by one process at a time."""

import fcntl
import hashlib
import io
import os
import platform
import time
from contextlib import contextmanager
from pathlib import Path

from ncpaper import extras, results

with extras.extra("train"):
    import torch

#: The first word of a checkpoint; the SHA-256 of all that follows the first line comes after it.
HEAD = b"ncpaper-checkpoint-1"


def write(path, state):
    """Write ``state``, tensors and text in dictionaries and lists, at once: whenever the process dies, a file is whole.

    Raises ``OSError`` naming the file where it cannot be written, on a full disk for one.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    results.write(path, b"%s %s\n%s" % (HEAD, hashlib.sha256(content).hexdigest().encode(), content))


def read(path):
    """What :func:`write` wrote. Nothing in the file is executed.

    Raises ``ValueError`` naming the file where it is no checkpoint, or not as it was written.
    """
    head, _, content = Path(path).read_bytes().partition(b"\n")
    if head.split(b" ")[0] != HEAD:
        raise ValueError(f"{path}: expected a checkpoint of this program; delete it to start again")
    if head != b"%s %s" % (HEAD, hashlib.sha256(content).hexdigest().encode()):
        raise ValueError(
            f"{path}: expected a checkpoint as it was written, its SHA-256 is wrong; delete it to start again"
        )
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a file that is no checkpoint fails in many ways
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path}: expected a checkpoint, {first}; delete it to start again") from error


@contextmanager
def lock(path):
    """Hold the lock of ``path``, a hidden file beside it, while the context lasts.

    The lock is the operating system's, and ends with the process however it ends: a file that a dead process left behind
    holds nothing and is taken over. Raises ``ValueError`` that says who holds it, and since when.
    """
    path = Path(path)
    name = path.with_name(f".{path.name}.lock")
    name.parent.mkdir(parents=True, exist_ok=True)
    file = name.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not name.exists() or name.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise BlockingIOError  # its holder was just taking it away
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise ValueError(
            f"{path}: expected no other process on this run, {holder} is; wait for it, or stop it"
        ) from error
    with file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        try:
            yield
        finally:
            name.unlink(missing_ok=True)
