"""nbval, strict on every word and shape, with room for the last digits that another processor changes."""

from tests.comparison import Tolerant


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
