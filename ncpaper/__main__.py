"""The command line.

``python -m ncpaper whence FILE ...`` says which figure, data and code made a file; ``python -m ncpaper measure FILE``
measures the collapse of a network, from its classifier, its features and their labels.
"""

import argparse
import sys
import zipfile
from pathlib import Path

import numpy as np

from ncpaper import network, provenance, results, style

NEEDED, OPTIONAL = ("classifier", "features", "labels"), ("bias",)


def read(path):
    """The arrays of a saved network by name, from ``.npz`` of NumPy or ``.pt``, ``.pth`` of PyTorch.

    Raises ``ValueError`` naming the file: one that cannot be read, or has no ``classifier``, ``features``, ``labels``.
    """
    try:
        found = _tensors(path) if Path(path).suffix in (".pt", ".pth") else dict(np.load(path, allow_pickle=False))
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected an .npz or .pt file with {', '.join(NEEDED)}, got: {error}") from error
    if missing := [name for name in NEEDED if name not in found]:
        raise ValueError(f"{path}: expected {', '.join(NEEDED)} and, optional, bias; there is no {', '.join(missing)}")
    return {name: found[name] for name in (*NEEDED, *OPTIONAL) if name in found}


def _tensors(path):
    """The dictionary of tensors in a file of PyTorch; nothing else is loaded from it."""
    import pickle

    try:
        import torch

        found = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise ValueError("PyTorch is not installed, which .pt files need") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if not isinstance(found, dict):
        raise TypeError(f"not a dictionary but a {type(found).__name__}")
    return found


def measure(path, picture=None):
    """Print every measure of a saved network, and write its picture where one is asked for; return the exit status."""
    try:
        report = network.measure(**read(path))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(report)
    if picture:
        style.use()
        kind = Path(picture).suffix.removeprefix(".") or "png"
        try:
            results.write(Path(picture), style.drawn(report.picture(), kind))
        except (OSError, ValueError) as error:
            print(f"{picture}: expected a writable file ending in .svg, .pdf or .png, got: {error}", file=sys.stderr)
            return 1
    return 0


def main(arguments=None):
    """Read the command line; return the exit status: 0, or 1 where a file is foreign or damaged."""
    parser = argparse.ArgumentParser(prog="python -m ncpaper", description=__doc__.replace("``", ""))
    commands = parser.add_subparsers(dest="command", required=True)
    whence = commands.add_parser("whence", help="which figure, which data, which code made a file")
    whence.add_argument("files", nargs="+", metavar="FILE")
    whence.add_argument("--book", metavar="FOLDER", help="a folder of figures with its manifest, to compare with")
    asked = commands.add_parser("measure", help="every measure of neural collapse of a saved network")
    asked.add_argument("file", metavar="FILE", help=f".npz or .pt with {', '.join(NEEDED)} and, optional, bias")
    asked.add_argument("--picture", metavar="FILE", help="write a picture too: .svg, .pdf or .png")
    chosen = parser.parse_args(arguments)
    if chosen.command == "measure":
        return measure(chosen.file, chosen.picture)
    return provenance.whence(chosen.files, chosen.book)


if __name__ == "__main__":
    sys.exit(main())
