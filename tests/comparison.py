"""When two printed texts, or two pictures, count as the same: strict on words and shapes, with room for last digits."""

import configparser
import re
from pathlib import Path

DECIMAL = re.compile(r"(-?\d+\.\d+(?:e[-+]?\d+)?)")
ANY_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)")
SANITIZE = Path(__file__).with_name("sanitize.cfg")
POINTS = 0.05  # the room of a coordinate in a picture


class Tolerant(str):
    """A text equal to another when the words agree and the decimals are close.

    Printed decimals may differ by one unit of their last printed digit (at most the sixth), coordinates in an SVG by
    0.05 points; both by 1e-5 of their size. Where only one of two numbers has a minus sign, both must be zero: printed
    as 0.00 and -0.00, or, in an SVG, nearer to zero than 0.05 points. Integers outside pictures and labels must agree.
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
    a, b = float(x), float(y)
    if (x[0] == "-") != (y[0] == "-") and max(abs(a), abs(b)) > (POINTS if svg else 0):
        return False
    return abs(a - b) <= max(POINTS if svg else last_digit(x), 1e-5 * abs(a))


def last_digit(x):
    """One unit of the last printed digit of a decimal, at most its sixth, and a hundredth more for rounding."""
    mantissa, _, exponent = x.partition("e")
    return 1.01 * 10.0 ** (int(exponent or 0) - min(len(mantissa.split(".")[1]), 6))


def sanitized(text):
    """A text without what ``sanitize.cfg`` removes before a comparison, such as addresses in memory."""
    rules = configparser.ConfigParser(interpolation=None)
    rules.read(SANITIZE, encoding="utf8")
    for rule in rules.values():
        if "regex" in rule:
            text = re.sub(rule["regex"], rule["replace"], text)
    return text
