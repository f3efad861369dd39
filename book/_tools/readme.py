"""Render the ledger and the public addresses into the README, and the addresses into the citation file.

    python book/_tools/readme.py [--check]

replaces what stands between marker lines of the README by the counts of the verdicts and by links to the addresses that are
set; with ``--check`` only tells (exit status 1) whether one of the two files is out of date.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import addresses  # noqa: E402

from ncpaper import claims, results  # noqa: E402

README, CITATION, CONFIG = (ROOT / name for name in ("README.md", "CITATION.cff", "_config.yml"))


def filled(text, name, content):
    """``text`` with ``content`` between the markers of ``name``; raise ``ValueError`` where a marker is missing."""
    begin, end = f"<!-- {name}: written by make outputs -->", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"README.md: expected one line {begin!r} and one line {end!r}")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}{end}{rest.split(end)[1]}"


def links(public):
    """A line with links to the addresses that are set; empty where none is."""
    found = {"The rendered book": public["site"], "The repository": public["repository"]}
    said = " · ".join(f"[{name}]({address})" for name, address in found.items() if address)
    return f"{said}\n" if said else ""


def rendered():
    """What the README and the citation file should say, by file."""
    public, counts = addresses.read(CONFIG), claims.readme_counts(claims.read())
    text = filled(README.read_text(encoding="utf8"), "claims", f"{counts}\n")
    return {
        README: filled(text, "addresses", links(public)),
        CITATION: addresses.cited(CITATION.read_text(encoding="utf8"), public),
    }


def main(*options):
    """Write or check the two files; return the exit status."""
    files = rendered()
    if options == ("--check",):
        return int(any(path.read_text(encoding="utf8") != text for path, text in files.items()))
    for path, text in files.items():
        results.write(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
