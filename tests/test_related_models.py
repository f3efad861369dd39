"""Eqs (1) and (2) and Table 1: the constrained model, the bias, what the landscape results compare."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from ncpaper import etf, lpm, margin, measures, points, ulpm
from tests import oracles
from tests.strategies import collapsible_sizes, flat, many, normal, random_points, seeds

positive = st.floats(0.2, 10)


def rescaled(W, H, C1, C2):
    """The point on the boundary of both constraints of (1) in the direction of each matrix."""
    return W * np.sqrt(2 * C1) / np.linalg.norm(W), H * np.sqrt(2 * C2) / np.linalg.norm(H)


def descended(W, H, y, C1, C2, steps):
    """Projected gradient descent on the mean loss of (1), written without the package's closed forms."""
    for _ in range(steps):
        gW, gH = ulpm.gradient(W, H, y)
        W, H = W - 2 * gW / y.size, H - 2 * gH / y.size
        W = W * min(1, np.sqrt(2 * C1) / np.linalg.norm(W))
        H = H * min(1, np.sqrt(2 * C2) / np.linalg.norm(H))
    return W, H


# eq. (1)


@many
@given(random_points(), positive, positive)
def test_no_point_of_the_constraint_set_lies_below_the_lpm_minimum(point, C1, C2):
    W, H, y = point
    W, H = rescaled(W, H, C1, C2)
    assert oracles.loss_by_loops(W, H, y) / y.size >= lpm.minimum(W.shape[0], y.size // W.shape[0], C1, C2)


@many
@given(collapsible_sizes(), positive, positive, seeds)
def test_simplex_etf_attains_the_lpm_minimum_under_every_rotation(sizes, C1, C2, seed):
    W, H, y = points.lpm_optimum(*sizes, C1, C2)
    U, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((sizes[2], sizes[2])))
    value = oracles.loss_by_loops(W @ U.T, U @ H, y) / y.size
    assert value == pytest.approx(lpm.minimum(*sizes[:2], C1, C2), rel=1e-9)  # rounding of e^(-margin)
    assert np.linalg.norm(W) ** 2 / 2 == pytest.approx(C1)
    assert np.linalg.norm(H) ** 2 / 2 == pytest.approx(C2)


@many
@given(collapsible_sizes(), positive, positive)
def test_lpm_optimum_is_a_simplex_etf_with_classifiers_proportional_to_the_features(sizes, C1, C2):
    W, H, y = points.lpm_optimum(*sizes, C1, C2)
    K, n, _ = sizes
    assert np.allclose(W[y].T, np.sqrt(n * C1 / C2) * H, rtol=1e-9, atol=1e-12)
    assert np.allclose(H.T @ H, 2 * C2 / (n * K) * etf.gram(K)[np.ix_(y, y)], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("K", "n", "d"), [(2, 3, 1), (3, 2, 2), (4, 3, 5)])
def test_descent_on_the_lpm_ends_at_its_minimum_and_collapsed(K, n, d):
    C1, C2 = 3.0, 4.0
    W, H, y = normal(1, K, n, d)
    W, H = descended(W, H, y, C1, C2, 4000)
    assert ulpm.loss(W, H, y) / y.size == pytest.approx(lpm.minimum(K, n, C1, C2), abs=1e-7)
    assert measures.distance_to_collapse(*rescaled(W, H, 1, 1), y) < 1e-2  # unique: what attains the value is the ETF


@pytest.mark.parametrize("sizes", [(4, 2, 2), (5, 3, 1, 2), (1, 1, 2)])
def test_simplex_etf_is_not_the_lpm_optimum_of_unbalanced_classes(sizes):
    K, y = len(sizes), np.repeat(np.arange(len(sizes)), sizes)
    W, H = rescaled(etf.frame(K, K).T, etf.frame(K, K)[:, y], 2.0, 3.0)
    lower = descended(W, H, y, 2.0, 3.0, 200)
    assert ulpm.loss(*lower, y) < ulpm.loss(W, H, y) * (1 - 1e-4)  # projected descent keeps both constraints


@many
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), seeds)
def test_two_unbalanced_classes_still_have_the_simplex_etf_as_lpm_optimum(n1, n2, d, seed):
    y, rng = np.repeat([0, 1], [n1, n2]), np.random.default_rng(seed)
    W, H = rescaled(etf.frame(2, d).T, etf.frame(2, d)[:, y], 2.0, 3.0)
    best = ulpm.loss(W, H, y)
    assert best / y.size == pytest.approx(np.log1p(np.exp(-2 * np.sqrt(2.0 * 3.0 / (y.size / 2)))))
    other = rescaled(W + rng.standard_normal(W.shape), H + rng.standard_normal(H.shape), 2.0, 3.0)
    assert ulpm.loss(*other, y) >= best * (1 - 1e-12)


@pytest.mark.parametrize(("K", "n", "d"), [(4, 1, 2), (5, 2, 3), (3, 2, 1)])
def test_lpm_minimum_is_not_reached_below_dimension_K_minus_1(K, n, d):
    values = []
    for seed in range(4):
        W, H, y = normal(seed, K, n, d)
        values.append(ulpm.loss(*descended(W, H, y, 4.0, 4.0, 2000), y) / y.size)
    assert min(values) > 1.02 * lpm.minimum(K, n, 4.0, 4.0)  # descent reaches it to 1e-7 where d ≥ K − 1


# the bias of eq. (2)


@many
@given(random_points(), seeds)
def test_appending_one_to_each_feature_absorbs_the_bias(point, seed):
    W, H, _ = point
    b = np.random.default_rng(seed).standard_normal(W.shape[0])
    wide, tall = ulpm.absorb(W, b, H)
    for k in range(W.shape[0]):
        for m in range(H.shape[1]):
            assert wide[k] @ tall[:, m] == pytest.approx(W[k] @ H[:, m] + b[k], rel=1e-12, abs=1e-12)


@many
@given(random_points(), seeds)
def test_features_with_an_absorbed_bias_never_satisfy_the_printed_nc2(point, seed):
    W, H, y = point
    K = W.shape[0]
    _, tall = ulpm.absorb(W, np.zeros(K), H)
    means = ulpm.class_means(tall, y, K)
    unit = means / np.linalg.norm(means, axis=0)
    worst = max(abs(unit[:, j] @ unit[:, k] + 1 / (K - 1)) for j in range(K) for k in range(j))
    spread = np.ptp(np.linalg.norm(means, axis=0)) / np.linalg.norm(means, axis=0).max()
    # the means sum to a vector with last entry K; cosines and norms off by e at most allow K + 1 times e R² / K
    largest = np.linalg.norm(means, axis=0).max()
    assert max(worst, spread) >= K / (K + 1) / largest**2


@many
@given(collapsible_sizes(), st.floats(0.2, 5))
def test_absorbing_a_bias_shifts_the_cosines_of_a_collapsed_point(sizes, q):
    W, H, y = points.collapsed(*sizes, q)
    K = sizes[0]
    means = ulpm.class_means(ulpm.absorb(W, np.zeros(K), H)[1], y, K)
    square = np.linalg.norm(H[:, 0]) ** 2
    cosine = means[:, 0] @ means[:, 1] / (np.linalg.norm(means[:, 0]) * np.linalg.norm(means[:, 1]))
    assert cosine == pytest.approx((-square / (K - 1) + 1) / (square + 1), rel=1e-9, abs=1e-12)
    assert cosine > -1 / (K - 1) + 1e-3
    centred = means - means.mean(axis=1, keepdims=True)  # as the words of (NC2) ask: the appended entries cancel
    assert np.allclose(centred.T @ centred, square * etf.gram(K), rtol=1e-9, atol=1e-12 * square)


@many
@given(collapsible_sizes(), st.floats(0.2, 5))
def test_collapsed_point_misses_the_margin_bound_once_a_one_is_appended(sizes, q):
    W, H, y = points.collapsed(*sizes, q)  # without the bias it attains the bound
    absorbed = (*ulpm.absorb(W, np.zeros(sizes[0]), H), y)
    assert margin.margin(*absorbed) < margin.bound(*absorbed) * (1 - 1e-3)


@settings(deadline=None, max_examples=15)
@given(random_points(K=(2, 4), n=(1, 2), d=(1, 4)), seeds)
def test_margin_bound_is_strict_with_an_absorbed_bias(point, seed):
    """For every W, b, H: random ones, and those that an ascent of a smooth margin over the bound makes of them."""
    W, H, y = point
    K, d = W.shape

    def absorbed(x):
        W, b, H = np.split(x, [K * d, K * d + K])
        return (*ulpm.absorb(W.reshape(K, d), b, H.reshape(d, -1)), y)

    def ratio(x):
        return margin.margin(*absorbed(x)) / margin.bound(*absorbed(x))

    def objective(x):
        """log L over the bound, which tends to −margin over bound on a ray, and its gradient."""
        value, bound = ulpm.log_loss(*absorbed(x)), margin.bound(*absorbed(x))
        gW, gH = ulpm.log_loss_gradient(*absorbed(x))
        slope = np.concatenate([gW[:, :d].ravel(), gW[:, d], gH[:d].ravel()])
        constant = ulpm.squared_norm(*absorbed(x)[:2]) / bound
        return value / bound, slope / bound - value * 2 * x / (constant * bound**2)

    start = np.concatenate([W.ravel(), np.random.default_rng(seed).standard_normal(K), H.ravel()])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
    assert objective(found)[0] <= objective(start)[0]
    assert max(ratio(start), ratio(found)) < 1


@many
@given(collapsible_sizes(n=(1, 3), extra=(0, 1)), seeds)
def test_a_free_bias_does_not_lower_the_lpm_minimum_of_balanced_classes(sizes, seed):
    W, H, y = points.lpm_optimum(*sizes, 2.0, 2.0)
    rng = np.random.default_rng(seed)
    b = rng.standard_normal(sizes[0])
    E = rescaled(W + 0.3 * rng.standard_normal(W.shape), H + 0.3 * rng.standard_normal(H.shape), 2.0, 2.0)
    value = lpm.minimum(*sizes[:2], 2.0, 2.0)
    assert ulpm.loss(*ulpm.absorb(E[0], b, E[1]), y) / y.size >= value
    assert ulpm.loss(*ulpm.absorb(W, b, H), y) / y.size > value * (1 + 1e-9)  # b is not constant
    assert ulpm.loss(*ulpm.absorb(W, np.full(sizes[0], b[0]), H), y) / y.size == pytest.approx(value, rel=1e-9)


def test_descent_with_a_free_bias_ends_with_a_constant_bias_and_a_simplex_etf():
    K, n, d, C = 3, 2, 3, 3.0
    W, H, y = normal(2, K, n, d)
    b = np.array([1.0, -0.5, 0.2])
    for _ in range(4000):
        G = ulpm.logit_gradient(*ulpm.absorb(W, b, H), y) / y.size
        W, H, b = W - 2 * G @ H.T, H - 2 * W.T @ G, b - 2 * G.sum(axis=1)
        W, H = (part * min(1, np.sqrt(2 * C) / np.linalg.norm(part)) for part in (W, H))
    assert np.ptp(b) < 1e-6
    assert b.sum() == pytest.approx(0.7, abs=1e-9)  # the columns of G sum to zero: the sum of the start is conserved
    assert measures.distance_to_collapse(W, H, y) < 1e-4


def test_a_free_bias_does_lower_the_lpm_minimum_of_unbalanced_classes():
    y = np.repeat([0, 1], [6, 1])
    W, H = rescaled(etf.frame(2, 1).T, etf.frame(2, 1)[:, y], 0.2, 0.2)  # without a bias it is the minimiser
    values = [ulpm.loss(*ulpm.absorb(W, np.array([b, -b]), H), y) for b in (0.0, 0.3)]
    assert values[1] < values[0] * 0.95


# Table 1


@many
@given(collapsible_sizes(), st.floats(0.1, 8))
def test_collapsed_points_are_critical_on_their_sphere_but_not_for_the_unconstrained_loss(sizes, q):
    W, H, y = points.collapsed(*sizes, q)
    g, theta = flat(oracles.autograd_gradient(W, H, y)), flat((W, H))
    radial = (g @ theta) / (theta @ theta)
    assert np.linalg.norm(g - radial * theta) < 1e-12 * np.linalg.norm(theta)  # rounding
    assert radial == pytest.approx(-sizes[0] * np.sqrt(sizes[1]) / (np.exp(q) + sizes[0] - 1), rel=1e-9)


@many
@given(collapsible_sizes(), st.floats(0.1, 8), st.floats(1.1, 2))
def test_the_unconstrained_loss_has_no_collapsed_minimiser(sizes, q, s):
    W, H, y = points.collapsed(*sizes, q)
    assert ulpm.loss(s * W, s * H, y) < ulpm.loss(W, H, y)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: lpm.minimum(1, 1, 1.0, 1.0), "K"),
        (lambda: lpm.minimum(2, 0, 1.0, 1.0), "n"),
        (lambda: lpm.minimum(2, 1, -1.0, 1.0), "C1"),
        (lambda: points.lpm_optimum(4, 1, 2, 1.0, 1.0), "d"),
        (lambda: points.lpm_optimum(2, 1, 2, 1.0, np.nan), "C2"),
        (lambda: ulpm.absorb(np.eye(2), np.zeros(3), np.eye(2)), "b"),
        (lambda: ulpm.absorb(np.eye(2), np.array([0.0, np.nan]), np.eye(2)), "b"),
        (lambda: ulpm.absorb(np.eye(2), np.zeros(2), np.eye(3)), "H"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        call()
