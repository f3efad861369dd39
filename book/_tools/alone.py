"""One program at a time: a lock that says who holds it and since when, and that ends with its holder, however it ends."""

import contextlib
import fcntl
import os
import platform
import sys
import time


@contextlib.contextmanager
def alone(path, what):
    """Hold the lock ``path`` while the block runs; leave the program, naming the holder, where another has it.

    The system releases the lock of a process that has ended. What such a process left written in the file is therefore
    known to be stale, and said so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            sys.exit(f"{what}: at work here already is {file.read() or 'another process'}; wait for its end, or end it")
        file.seek(0)
        if left := file.read():
            print(f"{what}: the lock {path} was left by a process that has ended: {left}", file=sys.stderr)
        rewrite(file, f"process {os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        try:
            yield
        finally:
            rewrite(file, "")


def rewrite(file, text):
    """Replace what the file says."""
    file.truncate(0)
    file.write(text)
    file.flush()
