"""The comparison of stored and fresh outputs: what it forgives is a last digit, and nothing that a reader would notice."""

import pytest

from tests.comparison import Tolerant, last_digit, sanitized

#: A small picture: a line in a colour, a label drawn as a glyph and named in a comment, a tick at a coordinate.
PICTURE = """<svg>
<path d="M 10.5 20.25 L 30.75 -0.02" style="stroke: #0072b2; stroke-width: 1.6"/>
<!-- loss -->
<use xlink:href="#DejaVuSans-6c" transform="scale(0.1 -0.1)"/>
<text>K = 4</text>
</svg>"""

#: Pairs that a comparison must tell apart.
DIFFERENT = {
    "a word": ("margin holds 0.25", "margin fails 0.25"),
    "a sign": ("slope 0.25", "slope -0.25"),
    "a sign beside zero": ("slope -0.01", "slope 0.00"),
    "a sign of a last digit": ("slope 0.01", "slope -0.01"),
    "a sign of a power": ("gap 1.00e-03", "gap 1.00e+03"),
    "an integer": ("20 of 20 runs", "19 of 20 runs"),
    "a count of steps": ("t = 100000", "t = 100001"),
    "two last digits": ("ratio 0.25", "ratio 0.27"),
    "a digit that is not the last": ("ratio 0.251", "ratio 0.261"),
    "a decimal for an integer": ("ratio 1.0", "ratio 1"),
    "one number more": ("0.25 0.50", "0.25 0.50 0.75"),
    "a line less": ("0.25\n0.50\n", "0.25\n"),
}

#: Pairs that another processor may make.
SAME = {
    "the last digit": ("ratio 0.25", "ratio 0.26"),
    "the last digit of a power": ("gap 1.50e-03", "gap 1.51e-03"),
    "two zeros": ("slope -0.00", "slope 0.00"),
    "a negative number": ("slope -0.25", "slope -0.26"),
    "a large number": ("norm 123456.7", "norm 123456.9"),
    "zero and one unit": ("gap 0.00", "gap 0.01"),
}

#: Changes of the picture: text to replace, its replacement.
REDRAWN = {
    "a colour": ("#0072b2", "#0073b2"),
    "a letter of a label": ("DejaVuSans-6c", "DejaVuSans-6d"),
    "the text of a label": ("K = 4", "K = 5"),
    "the comment of a label": ("<!-- loss -->", "<!-- gain -->"),
    "the number of points": (" L 30.75 -0.02", " L 30.75 -0.02 L 40 5"),
    "a coordinate": ("20.25", "20.35"),
    "the sign of a coordinate": ("10.5 ", "-10.5 "),
    "a flipped axis": ("scale(0.1 -0.1)", "scale(0.1 0.1)"),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_texts_that_say_something_else_differ(pair):
    a, b = map(Tolerant, pair)
    assert a != b
    assert b != a


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_texts_that_differ_in_a_last_digit_are_equal(pair):
    a, b = map(Tolerant, pair)
    assert a == b
    assert b == a


@pytest.mark.parametrize("change", REDRAWN.values(), ids=REDRAWN)
def test_pictures_that_show_something_else_differ(change):
    assert PICTURE.count(change[0]) == 1
    assert Tolerant(PICTURE) != Tolerant(PICTURE.replace(*change))


@pytest.mark.parametrize("change", [("20.25", "20.29"), ("-0.02", "0.02")], ids=["near", "around zero"])
def test_pictures_with_a_coordinate_moved_by_less_than_a_twentieth_of_a_point_are_equal(change):
    assert Tolerant(PICTURE) == Tolerant(PICTURE.replace(*change))


def test_the_last_digit_counts_from_the_point_and_with_the_power():
    assert last_digit("0.25") == pytest.approx(0.0101)
    assert last_digit("1.50e-03") == pytest.approx(1.01e-5)
    assert last_digit("0.123456789") == pytest.approx(1.01e-6)


def test_addresses_are_not_compared_and_identifiers_are():
    assert sanitized('<use xlink:href="#sine-1"/> at 0x7f00deadbeef') == '<use xlink:href="#sine-1"/> at 0xADDRESS'
    assert Tolerant('<svg><use xlink:href="#sine-1"/>') != Tolerant('<svg><use xlink:href="#sine-2"/>')
