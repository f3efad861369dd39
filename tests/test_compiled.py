"""Compiled gradient descent gives the numbers of the plain one, and of PyTorch."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncpaper import compiled, flow, ulpm
from tests import oracles
from tests.strategies import few, seeds

SIZES = [(2, 1, 1), (3, 5, 4), (4, 7, 9), (5, 20, 50)]  # K, d, M: a program is compiled for each


def start(K, d, M, seed, scale=1.0):
    """A random point; the labels in any order, and not balanced."""
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((K, d)), scale * rng.standard_normal((d, M)), rng.integers(0, K, M)


def plain(W, H, y, step, at):
    return flow.descend(ulpm.gradient, (W, H), step, at, args=(y,))


def largest_difference(one, other):
    return max(
        np.abs(a - b).max() for p, q in zip(one.points, other.points, strict=True) for a, b in zip(p, q, strict=True)
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
@few
@given(seed=seeds, step=st.floats(0.001, 0.2), scale=st.floats(0.01, 1.5))
def test_compiled_descent_is_the_plain_descent(size, seed, step, scale):
    W, H, y = start(*size, seed, scale)
    at = [0, 1, 2, 25]
    one, other = compiled.descend(W, H, y, step, at), plain(W, H, y, step, at)
    assert one.t.tolist() == at
    assert largest_difference(one, other) < 1e-9


def test_compiled_descent_is_the_plain_descent_after_all_steps_of_figure_2():
    """One hundred thousand steps: rounding does not add up, because the descent contracts towards its path."""
    rng, y = np.random.default_rng(0), ulpm.balanced_labels(5, 10)
    W, H = rng.standard_normal((5, 20)), rng.standard_normal((20, 50))
    at = [1000, 10**5]
    assert largest_difference(compiled.descend(W, H, y, 5 / 50, at), plain(W, H, y, 5 / 50, at)) < 1e-9


@pytest.mark.parametrize("seed", range(2))
def test_compiled_descent_is_the_loop_of_pytorch(seed):
    """Learning rate 5 on the mean loss is the step 5/M on the sum."""
    W, H, y = start(5, 20, 50, seed)
    expected = oracles.torch_descent(W, H, y, 5.0, 1000)
    found = compiled.descend(W, H, y, 5 / 50, [1000]).points[0]
    assert max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True)) < 1e-9


def test_compiled_step_keeps_its_accuracy_far_from_the_origin():
    """At margins of several hundred the step is 1e-200 of a point: seen as the change of a feature that is zero."""
    W, H, y = np.diag([30.0, 30.0, 30.0]), 15.0 * np.eye(3), np.arange(3)
    H[2, 0] = 0.0
    one, other = (f(W, H, y, 1.0, [1]).points[0][1] for f in (compiled.descend, plain))
    assert 0 < abs(other[2, 0]) < 1e-100
    assert one[2, 0] == pytest.approx(other[2, 0], rel=1e-11)


def test_logits_that_would_overflow_do_not():
    W, H, y = np.array([[1e3], [-1e3]]), np.array([[1.0, -1.0]]), np.array([1, 0])  # every sample on the wrong side
    assert largest_difference(compiled.descend(W, H, y, 1.0, [1]), plain(W, H, y, 1.0, [1])) < 1e-9


@few
@given(st.lists(st.floats(-708, 0), min_size=1, max_size=50))
def test_exponential_is_right_to_two_units_of_the_last_digit(values):
    for x in values:
        assert compiled.exponential(x) == pytest.approx(math.exp(x), rel=2 * np.finfo(float).eps)


@pytest.mark.parametrize("x", [-709.0, -745.0, -1e6, -np.inf])
def test_exponential_of_less_than_the_least_argument_is_the_least_normal_number(x):
    assert compiled.exponential(x) == pytest.approx(math.exp(-708.0), rel=1e-15)


def test_compiled_descent_leaves_its_start_alone():
    W, H, y = start(3, 5, 4, 0)
    before = W.copy(), H.copy()
    path = compiled.descend(W, H, y, 0.1, [0, 3])
    assert (before[0] == W).all()
    assert (before[1] == H).all()
    assert not (path.points[0][0] == path.points[1][0]).all()


def test_compiled_descent_takes_arrays_in_any_memory_order():
    W, H, y = start(3, 5, 4, 1)
    one = compiled.descend(np.asfortranarray(W), np.asfortranarray(H), y.astype(np.int8), 0.1, [5])
    assert largest_difference(one, compiled.descend(W, H, y, 0.1, [5])) == 0


def test_compiled_descent_with_too_large_a_step_says_so():
    W, H, y = start(3, 5, 4, 2)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="not finite after 1000 steps"):
        compiled.descend(1e3 * W, 1e3 * H, y, 1e3, [0, 1000])


@pytest.mark.parametrize("at", [[], [3, 3], [2, 1], [-1, 2], [0.5]])
def test_compiled_descent_refuses_steps_that_do_not_increase_from_zero(at):
    with pytest.raises(ValueError, match=r"^at: expected"):
        compiled.descend(*start(3, 5, 4, 0), 0.1, at)


@pytest.mark.parametrize("step", [0.0, -1.0, np.nan, np.inf])
def test_compiled_descent_refuses_a_step_that_is_not_positive(step):
    with pytest.raises(ValueError, match=r"^step: expected"):
        compiled.descend(*start(3, 5, 4, 0), step, [1])


def test_compiled_descent_refuses_a_bad_point():
    with pytest.raises(ValueError, match=r"^H: expected"):
        compiled.descend(np.ones((2, 2)), np.ones((3, 2)), np.array([0, 1]), 0.1, [1])


class Counted:
    """A number that counts the additions and multiplications it takes part in."""

    total = 0

    def __init__(self, value):
        self.value = float(value)

    def _count(self, other, result):
        Counted.total += 1
        return Counted(result(self.value, float(getattr(other, "value", other))))

    def __add__(self, other):
        return self._count(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._count(other, lambda a, b: a - b)

    def __rsub__(self, other):
        return self._count(other, lambda a, b: b - a)

    def __mul__(self, other):
        return self._count(other, lambda a, b: a * b)

    __radd__, __rmul__ = __add__, __mul__

    def __rtruediv__(self, other):
        return Counted(other / self.value)

    def __gt__(self, other):
        return self.value > float(getattr(other, "value", other))

    def __lt__(self, other):
        return self.value < float(getattr(other, "value", other))

    def __float__(self):
        return self.value


@pytest.mark.parametrize(("K", "d", "M"), [(2, 4, 3), (5, 20, 50), (3, 8, 4)])
def test_stated_operations_are_those_of_the_loops(K, d, M, monkeypatch):
    """The loops run as plain Python on numbers that count; the first term of each sum is an addition to zero."""

    def counted(*shape):
        return np.array([Counted(x) for x in np.random.default_rng(0).uniform(size=shape).ravel()]).reshape(shape)

    W, H, Y, Z, G, D = counted(K, d), counted(d, M), counted(K, M), counted(K, M), counted(K, M), counted(K, d)
    top, total, wrong = counted(M), counted(M), counted(M)
    monkeypatch.setattr(compiled, "exponential", lambda x: exponential(x))
    series = len(compiled.SERIES) - 1

    def exponential(x):
        Counted.total += 2 + 1 + 4 + 2 * series + 1  # shift, round, reduce, Horner, scale
        return Counted(math.exp(float(x)))

    Counted.total = 0
    compiled._logits.py_func(W, H, K, d, M, Z, top)
    compiled._residual.py_func(Z, Y, top, 0.1, K, M, total, wrong, G)
    compiled._classifier_gradient.py_func(G, H, K, d, M, D)
    compiled._subtract_feature_gradient.py_func(W, G, K, d, M, H)
    assert Counted.total + K * d == compiled.operations(K, d, M)  # K·d for W ← W − D
