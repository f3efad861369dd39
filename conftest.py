"""nbval, strict on every word and shape, with room for the last digits that another processor changes."""

import re

DECIMAL = re.compile(r"(-?\d+\.\d+(?:e[-+]?\d+)?)")
ANY_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)")


class Tolerant(str):
    """A text equal to another when the words agree and the decimals are close.

    Printed decimals may differ by one unit of their last printed digit (at most the sixth), coordinates in an SVG by
    0.05 points; both by 1e-5 of their size. Integers outside pictures, labels and signs must agree.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other):
        svg = "<svg" in self
        number = ANY_NUMBER if svg else DECIMAL
        a, b = number.split(self), number.split(other)
        if len(a) != len(b) or a[::2] != b[::2]:
            return False
        return all(near(x, y, svg) for x, y in zip(a[1::2], b[1::2], strict=True))

    def __ne__(self, other):
        return not self == other


def near(x, y, svg):
    """Whether two numbers, as printed, are equal within the room that :class:`Tolerant` states."""
    return abs(float(x) - float(y)) <= max(0.05 if svg else last_digit(x), 1e-5 * abs(float(x)))


def last_digit(x):
    """One unit of the last printed digit of a decimal, at most its sixth, and a hundredth more for rounding.

    >>> round(last_digit("0.25"), 4), round(last_digit("1.50e-03"), 7)
    (0.0101, 1.01e-05)
    """
    mantissa, _, exponent = x.partition("e")
    return 1.01 * 10.0 ** (int(exponent or 0) - min(len(mantissa.split(".")[1]), 6))


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
