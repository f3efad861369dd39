"""What every test needs: shapes are checked, the surroundings are those of this tree, nbval is strict.

The comparison of nbval has room for the last digits that another processor changes. The kernels that it starts, and every
program that a test starts, run in the environment of this tree.
"""

import os
import sys
from pathlib import Path

from beartype import beartype

from ncpaper import validate
from tests.comparison import Tolerant

sys.path.insert(0, str(Path(__file__).parent / "book" / "_tools"))
import clean

validate.typechecker = beartype


def pytest_configure(config):
    """Leave the reader's configuration behind; give nbval's comparison the tolerant text, where nbval is in use."""
    surroundings = clean.environment()
    os.environ.clear()
    os.environ.update(surroundings)
    from nbval.plugin import IPyNbCell

    plain = IPyNbCell.sanitize

    def sanitize(self, text):
        clean = plain(self, text)
        return Tolerant(clean) if isinstance(clean, str) else clean

    if plain.__name__ != "tolerant_sanitize":
        sanitize.__name__ = "tolerant_sanitize"
        IPyNbCell.sanitize = sanitize
