"""Slopes on the axes of Figure 2, and bounds in time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncpaper import rates

many = settings(deadline=None, max_examples=25)


@many
@given(st.floats(0.1, 3), st.floats(0.01, 100), st.floats(2, 100))
def test_slope_of_a_power_of_the_logarithm_is_its_exponent(p, C, start):
    t = np.geomspace(2, 1e5, 60)
    found = rates.slope(t, C * np.log(t) ** -p, start)
    assert found.value == pytest.approx(-p, rel=1e-9)
    assert found.spread < 1e-8


@many
@given(st.floats(5, 100))
def test_spread_of_a_slope_sees_a_curve(shift):
    t = np.geomspace(10, 1e5, 60)
    assert rates.slope(t, 1 / (np.log(t) + shift), 10).spread > 0.005


@many
@given(st.floats(0.5, 1.5), st.floats(0.2, 1))
def test_spread_of_a_parabola_is_the_distance_of_the_centres_of_the_two_halves(left, width):
    """The least-squares slope of x² on a symmetric grid is twice its centre; half the difference of two such slopes."""
    x = np.linspace(left, left + width, 20)  # ten points in each half, their centres ten steps apart
    found = rates.slope(np.exp(np.exp(x)), np.exp(-(x**2)), 1.1)
    assert found.value == pytest.approx(-2 * (left + width / 2), rel=1e-6)
    assert found.spread == pytest.approx(10 * width / 19, rel=1e-6)


@pytest.mark.parametrize(
    ("t", "values", "start"),
    [(np.arange(2, 12), np.ones(10), 1), (np.arange(2, 12), np.ones(10), 9), (np.arange(2, 12), -np.ones(10), 2)],
)
def test_slope_refuses_what_has_none(t, values, start):
    with pytest.raises(ValueError, match="t, values: expected six positive values from start > 1 on"):
        rates.slope(t, values, start)


@pytest.mark.parametrize("t", [[10, *range(1000, 1005)], [*range(10, 15), 1000], [10] * 3 + [1000] * 3])
def test_slope_refuses_a_half_window_of_a_single_time(t):
    """A line through one point has no slope: the spread would be a number without meaning."""
    with pytest.raises(ValueError, match="t: expected two different times in each half of the window"):
        rates.slope(t, 1 / np.arange(1, 7), 2)


def test_slope_does_not_depend_on_the_order_of_the_points():
    t = np.geomspace(10, 1e5, 9)
    values, order = 1 / (np.log(t) + 5), np.random.default_rng(0).permutation(9)
    assert rates.slope(t[order], values[order], 10) == pytest.approx(rates.slope(t, values, 10), rel=1e-9)
