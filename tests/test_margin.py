"""Definition 3.1 and Lemma 3.1."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncpaper import etf, margin, points, ulpm
from tests import oracles
from tests.strategies import collapsible_sizes, random_points, seeds

many = settings(deadline=None, max_examples=50)


@many
@given(random_points())
def test_margin_is_the_smallest_lead_over_another_class(point):
    assert margin.margin(*point) == pytest.approx(oracles.margin_by_loops(*point), rel=1e-12, abs=1e-12)


@many
@given(random_points(), st.floats(0, 1))
def test_margin_never_exceeds_the_bound(point, noise):
    """From random points, of which few separate, to features near the classifiers they belong to."""
    W, H, y = point
    H = noise * H + (1 - noise) * W[y].T
    assert margin.margin(W, H, y) <= margin.bound(W, H, y)


@pytest.mark.parametrize(("K", "n", "d"), [(2, 1, 1), (2, 3, 2), (3, 2, 2), (3, 1, 5), (4, 1, 3), (5, 2, 4), (6, 1, 7)])
def test_search_for_the_largest_ratio_reaches_the_bound_and_does_not_pass_it(K, n, d):
    ratios = [margin.margin(*p) / margin.bound(*p) for p in (margin.attack(K, n, d, seed) for seed in range(2))]
    assert 0.999 < max(ratios) <= 1 + 1e-12


@many
@given(random_points())
def test_margin_never_exceeds_the_product_of_the_norms(point):
    W, H, y = point
    K, n = W.shape[0], y.size // W.shape[0]
    assert margin.margin(W, H, y) <= np.linalg.norm(W) * np.linalg.norm(H) / ((K - 1) * np.sqrt(n))


@many
@given(collapsible_sizes(), st.floats(0.1, 10), seeds)
def test_simplex_etf_attains_the_margin_bound(sizes, q, seed):
    W, H, y = points.collapsed(*sizes, q)
    U, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((sizes[2], sizes[2])))
    W, H = W @ U.T, U @ H  # any orthogonal transformation of it
    assert margin.margin(W, H, y) == pytest.approx(q, rel=1e-9)
    assert margin.bound(W, H, y) == pytest.approx(q, rel=1e-9)


@pytest.mark.parametrize(("K", "n", "d"), [(3, 1, 2), (4, 2, 3), (3, 4, 5)])
def test_points_that_attain_the_bound_are_collapsed(K, n, d):
    W, H, y = margin.attack(K, n, d, seed=1)
    gap = 1 - margin.margin(W, H, y) / margin.bound(W, H, y)
    assert 0 <= gap < 1e-4
    M = ulpm.class_means(H, y, K)
    near = 10 * np.sqrt(gap) + 1e-9  # the bound is lost to second order in the distance from collapse
    assert np.abs(H - M[:, y]).max() < near
    assert np.abs(W - np.sqrt(n) * M.T).max() < near
    assert np.abs(M.T @ M - etf.gram(K) * np.trace(M.T @ M) / K).max() < near


def test_origin_attains_the_bound_but_has_no_angles():
    W, H, y = np.zeros((3, 2)), np.zeros((2, 6)), ulpm.balanced_labels(3, 2)
    assert margin.margin(W, H, y) == margin.bound(W, H, y) == 0
    with pytest.raises(ValueError, match="W, H: expected a point other than the origin"):
        margin.normalized_margin(W, H, y)


@many
@given(collapsible_sizes(), st.floats(1.1, 5))
def test_collapsed_point_with_unequal_norms_misses_the_bound(sizes, alpha):
    W, H, y = points.collapsed(*sizes)
    ratio = margin.margin(alpha * W, H / alpha, y) / margin.bound(alpha * W, H / alpha, y)
    assert ratio == pytest.approx(2 / (alpha**2 + alpha**-2), rel=1e-9)
    product = np.linalg.norm(alpha * W) * np.linalg.norm(H / alpha) / ((sizes[0] - 1) * np.sqrt(sizes[1]))
    assert margin.margin(alpha * W, H / alpha, y) == pytest.approx(product, rel=1e-9)  # the sharper bound is attained


@pytest.mark.parametrize(("K", "n", "d"), [(3, 1, 1), (4, 1, 2), (5, 2, 3), (6, 1, 4), (7, 2, 3)])
def test_bound_is_not_attained_below_dimension_K_minus_1(K, n, d):
    best = max(margin.margin(*p) / margin.bound(*p) for p in (margin.attack(K, n, d, s) for s in range(5)))
    assert best < 0.95  # far from 1: the best known ratio of these sizes is below 0.9


@many
@given(collapsible_sizes(), st.floats(1e-3, 1), seeds)
def test_collapse_does_not_minimise_the_margin(sizes, size, seed):
    W, H, y = points.collapsed(*sizes)
    rng, norm = np.random.default_rng(seed), np.sqrt(ulpm.squared_norm(W, H))
    V, U = (a + size * rng.standard_normal(a.shape) for a in (W, H))
    V, U = (a * norm / np.sqrt(ulpm.squared_norm(V, U)) for a in (V, U))  # another point of the same norm
    assert margin.margin(-W, H, y) < 0  # smaller: the printed sentence fails
    assert margin.margin(V, U, y) < margin.margin(W, H, y) * (1 + 1e-12)  # the corrected one: collapse maximises


def test_example_3_1_reaches_three_quarters_of_the_bound():
    B = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]])
    assert margin.margin(B, B, np.arange(4)) / margin.bound(B, B, np.arange(4)) == pytest.approx(0.75, rel=1e-15)


@many
@given(random_points(scale=(1.0, 4.0)))
def test_smoothed_margin_lies_below_the_normalized_margin(point):
    assert margin.smoothed_margin(*point) <= margin.normalized_margin(*point) + 1e-12


@many
@given(collapsible_sizes(), st.floats(600, 1e6), seeds)
def test_smoothed_margin_lies_below_the_normalized_margin_where_the_loss_underflows(sizes, q, seed):
    """By no more than the logarithm of the number of wrong logits, from margins that do not underflow to enormous ones."""
    W, H, y = points.collapsed(*sizes, q)
    H = H * np.random.default_rng(seed).uniform(0.9, 1.1, y.size)
    gap = (margin.normalized_margin(W, H, y) - margin.smoothed_margin(W, H, y)) * ulpm.squared_norm(W, H)
    assert -1e-12 * q <= gap <= np.log(y.size * (sizes[0] - 1)) + 1e-12 * q


@many
@given(collapsible_sizes(), st.floats(700, 750))
def test_smoothed_margin_of_a_collapsed_point_is_its_margin_less_the_logarithm_of_the_number_of_wrong_logits(sizes, q):
    """Around the least float64: e^L − 1 is M (K − 1) e^{−q} there, to all digits."""
    W, H, y = points.collapsed(*sizes, q)
    expected = (q - np.log(y.size * (sizes[0] - 1))) / ulpm.squared_norm(W, H)
    assert margin.smoothed_margin(W, H, y) == pytest.approx(expected, rel=1e-12)


@many
@given(random_points(), st.floats(0.1, 10))
def test_margin_and_bound_are_homogeneous_of_degree_two(point, s):
    W, H, y = point
    assert margin.margin(s * W, s * H, y) == pytest.approx(s**2 * margin.margin(W, H, y), rel=1e-9, abs=1e-9)
    assert margin.bound(s * W, s * H, y) == pytest.approx(s**2 * margin.bound(W, H, y), rel=1e-9)


def test_unbalanced_classes_have_no_bound():
    with pytest.raises(ValueError, match="y: expected balanced classes"):
        margin.bound(np.eye(2), np.ones((2, 3)), np.array([0, 0, 1]))
