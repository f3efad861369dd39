"""Theorem 3.1 beyond log 2: a loss of n log 2 is enough, and what the proof uses; limits of approximate KKT points."""

from fractions import Fraction
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ncpaper import alignment, flow, kkt, margin, points, ulpm
from tests import strategies as draws
from tests.strategies import many, seeds

few = settings(deadline=None, max_examples=8)
B = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]])  # Example 3.1 with C = 1


def run(W, H, y, at):
    return flow.integrate(lambda W, H: ulpm.gradient(W, H, y), (W, H), at)


def good(K, n, d):
    """A point of margin 12: collapsed, or a regular polygon in the plane."""
    if d >= K - 1:
        return points.collapsed(K, n, d, 12.0)
    turn, size = 2 * np.pi * np.arange(K) / K, np.sqrt(12 / (1 - np.cos(2 * np.pi / K)))
    W = size * np.stack([np.cos(turn), np.sin(turn)] + (d - 2) * [0 * turn], axis=1)  # (K, d)
    return W, np.repeat(W.T, n, axis=1), ulpm.balanced_labels(K, n)


def mixed(start, end, level):
    """The last point, on the way from a bad initialisation to a good end, at which the loss is the level."""
    y, low, high = start[2], 0.0, 1.0
    assume(ulpm.loss(*start) > level > ulpm.loss(*end))

    def at(s):
        return tuple((1 - s) * a + s * b for a, b in zip(start[:2], end[:2], strict=True))

    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if ulpm.loss(*at(middle), y) > level else (low, middle)
    return *at(high), y


def misplaced(K, n, d):
    """Collapsed, but for one sample at the mean of the next class: it carries the whole loss."""
    W, H, y = good(K, n, d)
    return W, np.where(np.arange(K * n) == 0, H[:, [n]], H), y


def spread(K, n, d):
    """Classes in random places, the samples of each far apart."""
    rng = np.random.default_rng(K * n * d)
    return rng.standard_normal((K, d)), 5 * rng.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)


MAKERS = {
    "merged": lambda K, n, d: points.merged(K, n, max(d, K - 2), 6.0),
    "centred": lambda K, n, d: points.centred(K, n, max(d, K - 2), 6.0),
    "between": lambda K, n, d: points.between(K, n, d, 20.0),
    "misplaced": misplaced,
    "spread": spread,
}


@st.composite
def below_n_log_two(draw, share=(0.9, 0.999)):
    """An initialisation made to fail: a trap or a misclassification, pushed a little, its loss just below n log 2."""
    K, n, d = draw(st.integers(3, 6)), draw(st.integers(2, 4)), draw(st.integers(2, 5))
    W, H, y = MAKERS[draw(st.sampled_from(sorted(MAKERS)))](K, n, d)
    rng, push = np.random.default_rng(draw(seeds)), 10 ** draw(st.floats(-6, -0.5))
    W, H = (a + push * rng.standard_normal(a.shape) for a in (W, H))
    return mixed((W, H, y), good(K, n, W.shape[1]), draw(st.floats(*share)) * n * np.log(2))


def gradient_norm(W, H, y):
    return np.sqrt(sum(np.sum(g**2) for g in ulpm.gradient(W, H, y)))


def pairs(y):
    """Every pair of samples of one class."""
    return [(i, j) for i, j in combinations(range(y.size), 2) if y[i] == y[j]]


def diameter(H, y):
    """The largest distance between two features of one class."""
    return max((np.linalg.norm(H[:, i] - H[:, j]) for i, j in pairs(y)), default=0.0)


# ---------------------------------------------------------------- samples of one class


@many
@given(draws.random_points(n=(2, 4)))
def test_features_of_one_class_move_no_farther_apart(point):
    W, H, y = point
    _, gH = ulpm.gradient(W, H, y)
    for i, j in pairs(y):
        assert (gH[:, i] - gH[:, j]) @ (H[:, i] - H[:, j]) >= -1e-12 * np.sum(H**2)


@few
@given(draws.random_points(K=(2, 4), n=(2, 4), d=(3, 5), scale=(0.1, 1.5)))
def test_largest_distance_within_a_class_never_grows_along_the_flow(point):
    W, H, y = point
    width = run(W, H, y, np.concatenate([[0], np.geomspace(1e-2, 1e3, 30)])).observe(lambda W, H: diameter(H, y))
    assert (np.diff(width) <= 1e-7 * width[0]).all()


@many
@given(draws.random_points(n=(2, 4)))
def test_losses_of_one_class_differ_by_at_most_the_gradient_times_the_distance(point):
    W, H, y = point
    loss, size = ulpm.sample_losses(W, H, y), gradient_norm(W, H, y)
    for i, j in pairs(y):
        assert abs(loss[i] - loss[j]) <= size * np.linalg.norm(H[:, i] - H[:, j]) * (1 + 1e-12)


# ---------------------------------------------------------------- what the proof adds up


@many
@given(draws.random_points())
def test_pull_is_at_least_the_sum_of_the_entropy_bounds_of_all_samples_wherever_the_point_is(point):
    bounds = [alignment.entropy_bound(ell) for ell in ulpm.sample_losses(*point)]
    assert alignment.pull(*point) >= sum(bounds) - 1e-12 * sum(map(abs, bounds))


@many
@given(draws.collapsible_sizes(K=(2, 5), n=(2, 6)), st.floats(0.5, 3.0), seeds)
def test_gradient_is_at_least_the_loss_over_the_norm_where_no_sample_loses_log_two(size, q, seed):
    """The sum of the losses may be above log 2."""
    K, n, d = size
    W, H, y = points.collapsed(K, n, d, q + np.log(K - 1))
    H = H + 0.1 * np.random.default_rng(seed).standard_normal(H.shape)
    worst = ulpm.sample_losses(W, H, y).max()
    assume(worst < np.log(2))
    factor = 2 * alignment.entropy_bound(worst) / worst
    assert gradient_norm(W, H, y) * np.sqrt(ulpm.squared_norm(W, H)) >= factor * ulpm.loss(W, H, y) * (1 - 1e-12)


@few
@given(below_n_log_two())
def test_where_the_gradient_is_small_no_sample_of_a_flow_from_below_n_log_two_loses_log_two(point):
    W, H, y = point
    n, width = y.size // W.shape[0], diameter(H, y)
    path = run(W, H, y, np.concatenate([[0], np.geomspace(1e-3, 1e4, 60)]))
    for V, U in path.points:
        bound = ulpm.loss(W, H, y) / n + gradient_norm(V, U, y) * width
        assert ulpm.sample_losses(V, U, y).max() <= bound + 1e-9
        assert bound >= np.log(2) or margin.margin(V, U, y) > 0


# ---------------------------------------------------------------- the threshold


@settings(deadline=None, max_examples=40)
@given(below_n_log_two())
def test_flow_separates_from_every_loss_below_n_log_two(point):
    W, H, y = point
    ends = run(W, H, y, [0, 1e5, 1e9]).points[1:]
    losses = [ulpm.loss(*end, y) for end in ends]
    assert losses[1] < losses[0] / 100
    assert losses[1] < np.log(2) / 100
    assert margin.margin(*ends[1], y) > 0


@few
@given(below_n_log_two())
def test_multipliers_of_a_flow_from_below_n_log_two_come_near_the_kkt_conditions(point):
    W, H, y = point
    ends = run(W, H, y, [0, 1e4, 1e60]).points[1:]
    early, late = (kkt.residual(*kkt.rescale(*end, y), y, alignment.multipliers(*end, y)) for end in ends)
    C, q = margin.smoothed_margin(*ends[0], y), margin.margin(*ends[1], y)  # Lemma 3.2 from t₁ = 1e4 on
    assert late.stationarity < early.stationarity
    assert late.complementarity <= 1 / (np.e * C * q)


def on_a_line(K, n, T):
    """One feature and one classifier for each class on a line, near the infimum of the loss there for T large."""
    rank = np.arange(1, K + 1)
    near = np.minimum(rank, K + 1 - rank)  # (K,) from the nearer end
    gaps = T ** (2.0 * np.where(rank <= (K + 1) // 2, rank, K - rank)[:-1])  # (K−1,)
    w = -np.concatenate([[0.0], np.cumsum(gaps)])
    h = np.where(rank <= (K + 1) // 2, 1.0, -1.0) * T ** (1.0 - 2.0 * near)
    return w[:, None], np.repeat(h, n)[None], ulpm.balanced_labels(K, n)


@many
@given(st.integers(3, 8), st.integers(1, 3))
def test_least_loss_on_a_line_is_n_times_the_logarithm_of_two_factorials(K, n):
    least = n * np.log(factorial(K // 2) * factorial((K + 1) // 2))
    assert least < ulpm.loss(*on_a_line(K, n, 50.0)) < least + 0.1 * n * K
    assert margin.margin(*on_a_line(K, n, 50.0)) <= 0


@many
@given(draws.random_points(K=(3, 9), d=(1, 1)), st.floats(0, 5))
def test_no_point_on_a_line_has_a_smaller_loss(point, pull):
    W, H, y = point
    K, H = W.shape[0], H + pull * (W - W.mean(axis=0))[y].T
    assert ulpm.loss(W, H, y) > y.size / K * np.log(factorial(K // 2) * factorial((K + 1) // 2))
    assert margin.margin(W, H, y) <= 0


@pytest.mark.parametrize("n", [1, 3])
def test_on_a_line_a_mean_loss_below_log_two_exists_for_three_to_six_classes_and_for_no_more(n):
    for K in range(3, 7):
        start = on_a_line(K, n, 50.0)
        assert ulpm.loss(*start) / (n * K) < np.log(2)
        assert margin.margin(*start) <= 0
    assert [K for K in range(3, 40) if factorial(K // 2) * factorial((K + 1) // 2) < 2**K] == [3, 4, 5, 6]


@many
@given(st.integers(3, 8), st.integers(1, 4), st.integers(2, 4))
def test_a_mean_loss_above_log_two_over_k_does_not_separate_from_the_plane_on(K, n, d):
    W, H, y = points.between(K, n, d, 1000.0)
    assert np.log(2) / K < ulpm.loss(W, H, y) / y.size < np.log(2) / K * (1 + 1 / 500)
    assert margin.margin(W, H, y) < 0


# ---------------------------------------------------------------- limits of approximate KKT points


@many
@given(draws.random_points(), seeds)
def test_multipliers_of_an_approximate_kkt_point_are_bounded_by_the_point_and_the_residual(point, seed):
    W, H, y = point
    H = H + 3 * W[y].T
    assume(margin.margin(W, H, y) > 0.1)
    W, H = kkt.rescale(W, H, y)
    lam = np.random.default_rng(seed).exponential(size=(W.shape[0], y.size)) * (np.arange(W.shape[0])[:, None] != y)
    size, epsilon = np.sqrt(ulpm.squared_norm(W, H)), kkt.residual(W, H, y, lam).stationarity
    assert 2 * lam.sum() <= (size**2 + epsilon * size) * (1 + 1e-9)


@few
@given(draws.collapsible_sizes(K=(3, 5), n=(1, 2), extra=(0, 1)), seeds)
def test_points_that_tend_to_a_kkt_point_are_approximate_kkt_points_with_residuals_that_vanish(size, seed):
    W, H, y = points.collapsed(*size)
    rng = np.random.default_rng(seed)
    V, U = rng.standard_normal(W.shape), rng.standard_normal(H.shape)
    worst = []
    for r in (0.1, 0.01, 0.001, 0.0):
        near = kkt.rescale(W + r * V / np.linalg.norm(V), H + r * U / np.linalg.norm(U), y)
        worst.append(max(kkt.residual(*near, y, kkt.best_multipliers(*near, y))))
    assert worst[3] < 1e-7
    assert worst[0] > worst[1] > worst[2] > worst[3]


def test_limit_of_approximate_kkt_points_need_not_be_one_without_a_constraint_qualification():
    """Minimise x subject to x³ ≥ 0: exact multipliers at 1/r, none at the limit 0."""
    for r in (1, 10, 10**6):
        x = Fraction(1, r)
        lam = 1 / (3 * x**2)
        assert 1 - lam * 3 * x**2 == 0  # stationarity
        assert lam * x**3 == Fraction(1, 3 * r)  # complementarity
    assert all(1 - lam * 3 * 0**2 == 1 for lam in (0, 1, 10**9))


# ---------------------------------------------------------------- directions that do not maximise the margin


@many
@given(st.floats(0.6, 1.5), st.floats(0.01, 2.0))
def test_descent_below_log_two_can_grow_for_ever_along_a_direction_with_three_quarters_of_the_largest_margin(C, eta):
    y = np.arange(4)
    assume(ulpm.loss(C * B, C * B, y) < np.log(2))
    path = flow.descend(lambda W, H: ulpm.gradient(W, H, y), (C * B, C * B), eta, [0, 10, 100, 200])
    size = np.sqrt(path.observe(ulpm.squared_norm))
    assert (np.diff(size) > 0).all()
    for (W, H), length in zip(path.points, size, strict=True):
        assert pytest.approx(B / 4, abs=1e-9) == W / length
        assert margin.margin(W, H, y) == pytest.approx(3 / 4 * margin.bound(W, H, y), rel=1e-9)


@many
@given(st.floats(0.1, 3.0), st.floats(1e-4, 1.0), st.floats(1e-4, 1.0))
def test_margin_rises_at_equal_norm_along_a_great_circle_from_example_3_1_to_the_simplex(C, a, b):
    """So its direction is not even a local maximiser of the margin."""
    y, u = np.arange(4), np.array([1.0, 1.0, -1.0, -1.0]) / 2
    assume(a < 0.99 * b)
    first, second = (
        C * (np.cos(phi) * B + np.sqrt(8) * np.sin(phi) * np.outer(u, u))
        for phi in np.arctan(np.sqrt(0.5)) * np.array([a, b])
    )
    low, high = (margin.margin(M, M, y) for M in (first, second))
    assert ulpm.squared_norm(first, first) == pytest.approx(ulpm.squared_norm(second, second), rel=1e-12)
    assert 2 * C**2 < low < high <= margin.bound(second, second, y) * (1 + 1e-12)
