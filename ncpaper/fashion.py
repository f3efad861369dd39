"""FashionMNIST from its four original files, checked before use."""

import gzip
import hashlib
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from ncpaper import extras

#: The files with their SHA-256, from the data set's own repository by Xiao, Rasul and Vollgraf (MIT licence).
FILES = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}

#: Where the files are published, tried in turn.
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)


def folder():
    """Where the files are looked for: the folder ``NCPAPER_DATA`` names, else the user's cache."""
    if given := os.environ.get("NCPAPER_DATA"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ncpaper" / "fashion-mnist"


def verify(path):
    """Return the bytes of a file after comparing its SHA-256.

    Raises ``FileNotFoundError`` or ``ValueError`` naming the file, what was expected and what to do.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: not found; put the original file there, or unset NCPAPER_DATA to have it downloaded"
        )
    content, expected = path.read_bytes(), FILES[path.name]
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        raise ValueError(
            f"{path}: expected SHA-256 {expected}, got {found} ({len(content)} bytes); put the original file there, "
            "or delete this one and unset NCPAPER_DATA to have it downloaded"
        )
    return content


def download(name, target, mirrors=MIRRORS):
    """Fetch the file ``name`` into the folder ``target``, with a progress bar: complete and checked, or not there at all.

    Raises ``ConnectionError`` naming the file and every mirror's answer when none delivers it.
    """
    with extras.extra("train"):  # here, for a notebook that only reads: pooch warns of widgets that are not installed
        import pooch
        from tqdm import tqdm

    pooch.get_logger().setLevel("WARNING")  # else a line for each attempt beside the bar
    answers = []
    for mirror in mirrors:
        with tqdm(desc=name, total=1, unit="B", unit_scale=True, leave=False) as bar:  # pooch sets the total
            fetch = pooch.HTTPDownloader(bar, chunk_size=1 << 16, timeout=30, headers={"Accept-Encoding": "identity"})
            try:
                return Path(pooch.retrieve(mirror + name, FILES[name], name, target, downloader=fetch))
            except (OSError, ValueError) as error:  # no answer, or another file
                answers.append(f"{mirror}: {error}")
    raise ConnectionError(f"{name}: no mirror delivered it to {target}\n" + "\n".join(answers))


def decode(content, name):
    """The array in a gzip-compressed file of the IDX format, as unsigned bytes.

    Raises ``ValueError`` naming ``name`` for a truncated, corrupted or different file. Source: the format's own page.
    """
    try:
        raw = gzip.decompress(content)
        zero, kind, dimensions = struct.unpack_from(">HBB", raw)
        shape = struct.unpack_from(f">{dimensions}I", raw, 4)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise ValueError(f"{name}: expected a gzip file of the IDX format, {error}") from error
    data = raw[4 + 4 * dimensions :]
    if zero or kind != 8 or len(data) != math.prod(shape):
        raise ValueError(f"{name}: expected an IDX file of {shape} unsigned bytes, got kind {kind}, {len(data)} bytes")
    return np.frombuffer(data, np.uint8).reshape(shape)


def load(split="train"):
    """The images ``(N, 28, 28)`` and the labels ``(N,)``, unsigned bytes, of ``"train"`` or ``"t10k"``.

    Reads the folder ``NCPAPER_DATA`` names; where the variable is not set, the user's cache, filled by a download when a
    file is missing there. Raises ``ValueError`` for another split or a wrong file, ``FileNotFoundError`` for a missing
    one, ``ConnectionError`` when no mirror answers. Source: section 4, FashionMNIST.
    """
    if split not in ("train", "t10k"):
        raise ValueError(f"split: expected 'train' or 't10k', got {split!r}")
    arrays = []
    for name in (f"{split}-images-idx3-ubyte.gz", f"{split}-labels-idx1-ubyte.gz"):
        path = folder() / name
        if not path.exists() and not os.environ.get("NCPAPER_DATA"):
            download(name, folder())
        arrays.append(decode(verify(path), path))
    return tuple(arrays)
