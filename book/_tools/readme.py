"""Render the ledger into the README: ``python book/_tools/readme.py [--check]``.

Replaces what stands between the two marker lines by the counts of the verdicts; with ``--check`` only tells (exit status 1)
whether the README is out of date.
"""

import sys
from pathlib import Path

from ncpaper import claims, results

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- claims: written by make outputs -->", "<!-- end of claims -->"


def rendered(text):
    """``text`` with the counts of the ledger between the markers; raise ``ValueError`` where a marker is missing."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"README.md: expected one line {BEGIN!r} and one line {END!r}")
    before, rest = text.split(BEGIN)
    counts = claims.readme_counts(claims.read())
    return f"{before}{BEGIN}\n{counts}\n{END}{rest.split(END)[1]}"


def main(*options):
    """Write or check the README; return the exit status."""
    text = README.read_text(encoding="utf8")
    if options == ("--check",):
        return int(text != rendered(text))
    results.write(README, rendered(text))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
