"""The command line: ``python -m ncpaper whence FILE ...`` says which figure, data and code made a file."""

import argparse
import sys

from ncpaper import provenance


def main(arguments=None):
    """Read the command line; return the exit status: 0, or 1 where a file is foreign or damaged."""
    parser = argparse.ArgumentParser(prog="python -m ncpaper", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    whence = commands.add_parser("whence", help="which figure, which data, which code made a file")
    whence.add_argument("files", nargs="+", metavar="FILE")
    whence.add_argument("--book", metavar="FOLDER", help="a folder of figures with its manifest, to compare with")
    chosen = parser.parse_args(arguments)
    return provenance.whence(chosen.files, chosen.book)


if __name__ == "__main__":
    sys.exit(main())
