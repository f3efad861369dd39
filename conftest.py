"""Shapes are checked while the tests run; nbval is strict, with room for the last digits of another processor."""

from beartype import beartype

from ncpaper import validate
from tests.comparison import Tolerant

validate.typechecker = beartype


def pytest_configure(config):
    """Give nbval's comparison the tolerant text, where nbval is in use."""
    from nbval.plugin import IPyNbCell

    plain = IPyNbCell.sanitize

    def sanitize(self, text):
        clean = plain(self, text)
        return Tolerant(clean) if isinstance(clean, str) else clean

    if plain.__name__ != "tolerant_sanitize":
        sanitize.__name__ = "tolerant_sanitize"
        IPyNbCell.sanitize = sanitize
