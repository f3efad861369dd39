"""Theorems 3.3 and 3.4: the loss on a sphere."""

import operator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import eigh

from ncpaper import certified, etf, flow, landscape, margin, measures, points, ulpm
from tests import oracles
from tests.strategies import collapsible_sizes, few, many, random_points, seeds

radii = st.floats(0.5, 5.0)
SQUARE_AND_CENTRE = np.array([[1.0, 0.0, -1.0, 0.0, 0.0], [0.0, 1.0, 0.0, -1.0, 0.0]])
PENTAGON = np.array([np.cos(2 * np.pi * np.arange(5) / 5), np.sin(2 * np.pi * np.arange(5) / 5)])


def norm(W, H):
    return np.sqrt(ulpm.squared_norm(W, H))


def inner(a, b):
    return np.vdot(a[0], b[0]) + np.vdot(a[1], b[1])


def rayleigh(point, direction):
    return inner(direction, landscape.hessian_vector(*point, *direction)) / ulpm.squared_norm(*direction)


def spectral(point):
    return np.linalg.norm(ulpm.logit_gradient(*point), 2)


def random_direction(W, H, seed):
    rng = np.random.default_rng([seed, 1])  # not the stream of the point itself
    return landscape.project(W, H, rng.standard_normal(W.shape), rng.standard_normal(H.shape))


def flat_point(K, n, d, seed):
    """A random critical point of L itself: equal classifiers, equal class means."""
    rng = np.random.default_rng(seed)
    y, H = ulpm.balanced_labels(K, n), rng.standard_normal((d, K * n))
    H += rng.standard_normal((d, 1)) - ulpm.class_means(H, y, K)[:, y]
    return np.outer(np.ones(K), rng.standard_normal(d)), H, y


@st.composite
def saddles(draw):
    """Critical points with λ > 0 other than the minimum, in a dimension d ≥ K − 1 where the theorem speaks."""
    groups, size = draw(st.sampled_from([(2, 2), (2, 3), (3, 2)]))
    n = draw(st.integers(1, 2))
    d = groups * size - 1 + draw(st.integers(0, 2))
    build = draw(st.sampled_from([points.merged_classes, points.orthogonal_groups]))
    return points.self_dual(build(groups, size, d), n, draw(radii))


# Definition 3.2


@many
@given(random_points(), seeds)
def test_directions_orthogonal_to_the_point_are_the_velocities_on_the_sphere(point, seed):
    W, H, _ = point
    v = random_direction(W, H, seed)
    step, rho = 1e-5, norm(W, H)
    there, back = (landscape.great_circle(W, H, *v, s) for s in (step, -step))
    assert norm(*there) == pytest.approx(rho, rel=1e-12)
    velocity = [(a - b) / (2 * step) * norm(*v) / rho for a, b in zip(there, back, strict=True)]
    for a, b in zip(velocity, v, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8 * norm(*v))  # central differences err by step²/6
    assert inner((W, H), v) == pytest.approx(0, abs=1e-10 * rho * norm(*v))


@many
@given(st.integers(2, 4), st.integers(1, 2), st.integers(1, 3), st.sampled_from([0.0, 1e-3, 1.0]), seeds)
def test_orthogonal_directions_have_one_dimension_less_than_the_space_except_at_the_origin(K, n, d, scale, seed):
    rng = np.random.default_rng(seed)
    theta = scale * flow.join(rng.standard_normal((K, d)), rng.standard_normal((d, K * n)))
    _, s, V = np.linalg.svd(theta[None])
    orthogonal = V[(s > 0).sum() :]  # an orthonormal basis of (12)
    assert len(orthogonal) == K * d + d * K * n - (scale > 0)
    assert np.abs(orthogonal @ theta).max(initial=0) <= 1e-12 * scale * np.sqrt(theta.size)


def test_at_the_origin_there_is_no_sphere():
    W, H = np.zeros((3, 2)), np.zeros((2, 3))
    with pytest.raises(ValueError, match="W, H: expected a point other than the origin"):
        landscape.project(W, H, W, H)


@many
@given(random_points(scale=(0.2, 1.5)), seeds)
def test_gradient_and_hessian_on_the_sphere_are_the_derivatives_along_great_circles(point, seed):
    W, H, y = point
    v = random_direction(W, H, seed)
    unit = [a * norm(W, H) / norm(*v) for a in v]
    (tW, tH), (tA, tB) = ([torch.as_tensor(a) for a in pair] for pair in ((W, H), unit))
    phi = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    value = oracles.torch_loss(tW * torch.cos(phi) + tA * torch.sin(phi), tH * torch.cos(phi) + tB * torch.sin(phi), y)
    (first,) = torch.autograd.grad(value, phi, create_graph=True)
    (second,) = torch.autograd.grad(first, phi)
    size = 1 + float(ulpm.loss(W, H, y)) + norm(W, H) ** 4  # the derivatives are sums of terms of this order
    assert inner(unit, landscape.gradient(*point)) == pytest.approx(first.item(), abs=1e-10 * size)
    assert inner(unit, landscape.hessian_vector(*point, *unit)) == pytest.approx(second.item(), abs=1e-10 * size)


@few
@given(random_points(K=(2, 4), n=(1, 2), d=(1, 3)), seeds)
def test_spectrum_is_that_of_the_hessian_restricted_to_the_tangent_space(point, seed):
    W, H, _ = point
    values = landscape.spectrum(*point)
    assert values.size == W.size + H.size - 1
    assert values[0] - 1e-9 <= rayleigh(point, random_direction(W, H, seed)) <= values[-1] + 1e-9
    diagonal = np.trace(landscape.flat_hessian(*point))
    assert values.sum() == pytest.approx(diagonal, abs=1e-9 * (1 + np.abs(values).sum()))


# Theorem 3.3 and Remark 3.2


@many
@given(random_points())
def test_no_point_lies_below_the_closed_form_minimum_of_its_sphere(point):
    W, H, y = point
    assert ulpm.loss(*point) > landscape.minimum(W.shape[0], y.size // W.shape[0], norm(W, H)) * (1 - 1e-12)


@many
@given(collapsible_sizes(), radii, seeds)
def test_every_collapsed_point_of_equal_norms_attains_the_minimum(sizes, radius, seed):
    W, H, y = points.minimiser(*sizes, radius)
    U, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((sizes[2], sizes[2])))
    assert norm(W, H) == pytest.approx(radius, rel=1e-12)
    assert ulpm.loss(W @ U.T, U @ H, y) == pytest.approx(landscape.minimum(*sizes[:2], radius), rel=1e-10)


@pytest.mark.parametrize("sizes", [(2, 2, 1), (3, 2, 2), (4, 1, 3), (4, 1, 5), (5, 1, 4)])
@pytest.mark.parametrize("radius", [1.5, 4.0])
def test_descent_on_the_sphere_ends_at_the_collapsed_minimum_for_d_at_least_K_minus_1(sizes, radius):
    K, n, d = sizes
    rng, y = np.random.default_rng(7), ulpm.balanced_labels(K, n)
    start = points.scale_to(rng.standard_normal((K, d)), rng.standard_normal((d, K * n)), radius)
    W, H = landscape.local_minimum(*start, y)
    assert ulpm.loss(W, H, y) == pytest.approx(landscape.minimum(K, n, radius), rel=1e-9)
    M = ulpm.class_means(H, y, K)
    near = 1e-3 * radius  # the loss is quadratic at its minimum: 1e-9 there is about 1e-4 here
    np.testing.assert_allclose(W, np.sqrt(n) * M.T, atol=near)
    np.testing.assert_allclose(H, M[:, y], atol=near)
    np.testing.assert_allclose(M.T @ M, etf.gram(K) * np.trace(M.T @ M) / K, atol=near)


@pytest.mark.parametrize("sizes", [(3, 1, 1), (4, 1, 2), (5, 1, 2), (5, 1, 3)])
def test_closed_form_minimum_is_out_of_reach_below_dimension_K_minus_1(sizes):
    K, n, d = sizes
    rng, y = np.random.default_rng(3), ulpm.balanced_labels(K, n)
    starts = (points.scale_to(rng.standard_normal((K, d)), rng.standard_normal((d, K * n)), 3.0) for _ in range(3))
    ends = [landscape.local_minimum(*start, y) for start in starts]
    assert min(ulpm.loss(*end, y) for end in ends) > 1.01 * landscape.minimum(K, n, 3.0)  # nearest: about 1.025


@many
@given(collapsible_sizes(), st.floats(0.1, 10), st.floats(0.1, 10), st.sampled_from([1, -1]))
def test_collapsed_point_is_optimal_on_its_sphere_only_with_equal_norms(sizes, alpha, beta, sign):
    W, H, y = points.collapsed(*sizes)
    W, H = sign * alpha * W, sign * beta * H
    excess = ulpm.loss(W, H, y) - landscape.minimum(*sizes[:2], norm(W, H))
    assert excess >= -1e-12 * sizes[0] * sizes[1]
    equal = (W, alpha / beta * H)
    assert ulpm.loss(*equal, y) == pytest.approx(landscape.minimum(*sizes[:2], norm(*equal)), rel=1e-9)
    if abs(np.log(alpha / beta)) > 0.1:
        q, least = alpha * beta, (alpha**2 + beta**2) / 2  # the margin there, and at the minimum
        assert excess > 0.9 * sizes[0] * sizes[1] * (least - q) * (sizes[0] - 1) / (np.exp(least) + sizes[0] - 1)


@many
@given(collapsible_sizes(), st.floats(0.1, 10), st.floats(0.1, 10))
def test_opposite_signs_turn_a_collapsed_point_into_one_that_misclassifies_everything(sizes, alpha, beta):
    W, H, y = points.collapsed(*sizes)
    assert margin.sample_margins(alpha * W, beta * H, y).min() > 0  # NC4 with argmax
    assert margin.sample_margins(-alpha * W, -beta * H, y).min() > 0
    assert margin.sample_margins(-alpha * W, beta * H, y).max() < 0
    assert margin.sample_margins(alpha * W, -beta * H, y).max() < 0
    assert (np.argmin(-alpha * W @ H, axis=0) == y).all()  # NC4 as printed would hold for exactly one of the two signs
    assert not (np.argmin(alpha * W @ H, axis=0) == y).any()


def test_a_zero_factor_destroys_collapse():
    W, H, y = points.collapsed(4, 2, 3)
    assert measures.nc4_largest(W, H, y, H) == 0
    assert measures.nc4_largest(0 * W, H, y, H) == 1  # every score ties, at every feature; its nearest mean is one
    with pytest.raises(ValueError, match="V: expected"):
        measures.nc2_uncentred(W, 0 * H, y)
    assert ulpm.loss(0 * W, H, y) > landscape.minimum(4, 2, norm(0 * W, H)) * 1.01
    assert ulpm.loss(W, 0 * H, y) > landscape.minimum(4, 2, norm(W, 0 * H)) * 1.01


# Theorem 3.4: what was meant


@many
@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 4), seeds)
def test_points_with_zero_gradient_have_the_hessian_spectrum_in_closed_form(K, n, d, seed):
    W, H, y = flat_point(K, n, d, seed)
    assert max(np.abs(part).max() for part in ulpm.gradient(W, H, y)) < 1e-12
    b = np.linalg.eigvalsh(H @ H.T) / K  # (d,)
    roots = np.sqrt(b**2 + 4 * n)
    zeros = np.zeros(W.size + H.size - 1 - 2 * d * (K - 1))
    expected = np.sort(np.concatenate([np.repeat([(b - roots) / 2, (b + roots) / 2], K - 1), zeros], axis=None))
    np.testing.assert_allclose(landscape.spectrum(W, H, y), expected, atol=1e-10 * (1 + b.max()))
    assert landscape.saddle_direction(W, H, y)[0] == pytest.approx(expected[0], rel=1e-8)


@many
@given(saddles())
def test_negative_multiplier_gives_curvature_of_twice_the_multiplier(point):
    W, H, y = point
    turned = (-W, H, y)
    lam = landscape.multiplier(*turned)
    assert norm(*landscape.gradient(*turned)) < 1e-10 * spectral(turned) * norm(W, H)
    assert lam < 0
    assert rayleigh(turned, (W, H)) == pytest.approx(2 * lam, rel=1e-9)
    assert landscape.spectrum(*turned)[0] == pytest.approx(lam - spectral(turned), rel=1e-9)
    assert landscape.saddle_direction(*turned)[0] == pytest.approx(lam - spectral(turned), rel=1e-9)


@many
@given(saddles())
def test_least_eigenvalue_at_a_saddle_is_lambda_minus_sigma(point):
    lam, sigma = landscape.multiplier(*point), spectral(point)
    assert norm(*landscape.gradient(*point)) < 1e-10 * sigma * norm(*point[:2])
    assert 0 < lam < sigma
    curvature, dW, dH = landscape.saddle_direction(*point)
    assert landscape.spectrum(*point)[0] == pytest.approx(lam - sigma, abs=1e-9 * sigma)
    assert curvature == pytest.approx(lam - sigma, abs=1e-9 * sigma)
    assert rayleigh(point, (dW, dH)) == pytest.approx(curvature, rel=1e-9)


@many
@given(saddles())
def test_index_is_at_least_kernel_dimension_times_number_of_large_singular_values(point):
    W, _, _ = point
    kernel = W.shape[1] - np.linalg.matrix_rank(W, tol=1e-9)
    large = (np.linalg.svd(ulpm.logit_gradient(*point), compute_uv=False) > landscape.multiplier(*point) + 1e-9).sum()
    assert kernel * large >= 1
    assert (landscape.spectrum(*point) < -1e-9).sum() >= kernel * large


@pytest.mark.parametrize(
    ("K", "n", "d", "rank"), [(4, 1, 3, 1), (4, 1, 4, 2), (5, 1, 4, 3), (4, 2, 3, 2), (3, 2, 2, 1)]
)
def test_minima_within_a_subspace_are_strict_saddles_of_the_whole_sphere(K, n, d, rank):
    rng, y = np.random.default_rng(rank), ulpm.balanced_labels(K, n)
    W, H = points.scale_to(rng.standard_normal((K, rank)), rng.standard_normal((rank, K * n)), 3.0)
    W, H = landscape.local_minimum(W, H, y)
    point = np.pad(W, ((0, 0), (0, d - rank))), np.pad(H, ((0, d - rank), (0, 0))), y
    assert landscape.spectrum(W, H, y)[0] > -1e-8  # a minimum in its subspace
    assert norm(*landscape.gradient(*point)) < 1e-8
    lam, sigma = landscape.multiplier(*point), spectral(point)
    assert 0 < lam < sigma
    assert landscape.spectrum(*point)[0] == pytest.approx(lam - sigma, abs=1e-7)  # the point is found to about 1e-8


@pytest.mark.parametrize("K", [2, 3, 4, 5])
def test_critical_points_found_from_random_starts_are_strict_saddles_or_the_minimum(K):
    """The least eigenvalue is that of the theorem, also where the gradient is zero: case 2 is the one met most often."""
    arrived = 0
    for rho in (0.05, 0.5, 1.5, 4.0):
        for seed in range(max(1, 4 - K // 2)):
            rng, y = np.random.default_rng([K, seed, 1]), ulpm.balanced_labels(K, 1)
            W, H = points.scale_to(rng.standard_normal((K, K - 1)), rng.standard_normal((K - 1, K)), rho)
            point = (*landscape.critical_point(W, H, y), y)
            lam, sigma = landscape.multiplier(*point), spectral(point)
            if norm(*landscape.gradient(*point)) > 1e-9 * sigma * rho:
                continue  # the search has not arrived at a critical point
            arrived += 1
            expected = lam - sigma
            if norm(*ulpm.gradient(*point)) < 1e-7 * sigma * rho:
                b = np.linalg.eigvalsh(point[1] @ point[1].T)[0] / K
                expected = (b - np.sqrt(b**2 + 4)) / 2
            least = landscape.spectrum(*point)[0]
            assert least < -1e-9 * sigma or lam == pytest.approx(sigma, rel=1e-7)
            if lam != pytest.approx(sigma, rel=1e-7):
                assert least == pytest.approx(expected, abs=1e-9 * sigma)
    assert arrived >= 2


@many
@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 4), seeds)
def test_with_zero_classifiers_the_point_is_critical_exactly_for_equal_class_means(K, n, d, seed):
    W, H, y = flat_point(K, n, d, seed)
    W = np.zeros((K, d))
    assert norm(*ulpm.gradient(W, H, y)) < 1e-12 * norm(W, H)
    b = np.linalg.eigvalsh(H @ H.T)[0] / K
    assert landscape.spectrum(W, H, y)[0] == pytest.approx((b - np.sqrt(b**2 + 4 * n)) / 2, rel=1e-8)
    H = np.random.default_rng([seed, 1]).standard_normal(H.shape)
    means = ulpm.class_means(H, y, K)
    gradient = landscape.gradient(W, H, y)
    np.testing.assert_allclose(gradient[0], -n * (means - means.mean(axis=1, keepdims=True)).T, atol=1e-10)
    assert norm(*gradient) > 0
    assert ulpm.loss(*landscape.great_circle(W, H, -gradient[0], -gradient[1], 1e-4), y) < ulpm.loss(W, H, y)


@many
@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 4), seeds)
def test_with_zero_features_the_point_is_critical_exactly_for_equal_classifiers(K, n, d, seed):
    rng, y = np.random.default_rng(seed), ulpm.balanced_labels(K, n)
    H, c = np.zeros((d, K * n)), rng.standard_normal(d)
    equal = (np.outer(np.ones(K), c), H, y)
    assert norm(*ulpm.gradient(*equal)) < 1e-12 * norm(*equal[:2])
    assert landscape.spectrum(*equal)[0] == pytest.approx(-np.sqrt(n), rel=1e-8)
    other = (rng.standard_normal((K, d)), H, y)
    assert norm(*landscape.gradient(*other)) > 1e-3


@many
@given(saddles(), st.floats(0.02, 4))
def test_curvature_at_a_saddle_is_at_most_half_the_squared_radius_where_the_multiplier_is_positive(point, radius):
    W, H, y = point
    point = (*points.scale_to(W, H, radius), y)  # the ray of these points is critical
    lam, sigma = landscape.multiplier(*point), spectral(point)
    assert norm(*landscape.gradient(*point)) < 1e-10 * sigma * radius
    n = y.size // W.shape[0]
    assert max(abs(lam - np.sqrt(n)), abs(sigma - np.sqrt(n))) <= radius**2 / 4 + 1e-12
    assert -(radius**2) / 2 - 1e-9 <= landscape.spectrum(*point)[0] < 0


@pytest.mark.parametrize("C", [0.01, 0.03, 0.1])
def test_curvature_at_example_3_1_vanishes_like_the_square_of_its_scale(C):
    point = points.self_dual(points.orthogonal_groups(2, 2, 3), 1, 4 * C)
    assert landscape.spectrum(*point)[0] == pytest.approx(-(C**2), rel=2 * C**2)


@pytest.mark.parametrize("radius", [0.01, 0.1])
def test_on_small_spheres_the_curvature_of_the_other_saddles_does_not_vanish(radius):
    W, H, y = points.self_dual(points.orthogonal_groups(2, 2, 3), 2, radius)
    assert landscape.spectrum(-W, H, y)[0] == pytest.approx(-2 * np.sqrt(2), abs=radius**2)  # negative multiplier
    W, H, y = flat_point(4, 2, 3, 0)
    W, H = points.scale_to(W, H, radius)
    assert landscape.spectrum(W, H, y)[0] == pytest.approx(-np.sqrt(2), abs=radius**2)  # zero gradient


@many
@given(collapsible_sizes(K=(2, 5), n=(1, 3)), radii)
def test_at_the_minimum_the_residual_has_spectral_norm_lambda_in_closed_form(sizes, radius):
    K, n, d = sizes
    point = points.minimiser(K, n, d, radius)
    lam = K * np.sqrt(n) / (np.exp(radius**2 / (2 * (K - 1) * np.sqrt(n))) + K - 1)
    assert landscape.multiplier(*point) == pytest.approx(lam, rel=1e-10)
    assert np.linalg.svd(ulpm.logit_gradient(*point), compute_uv=False)[: K - 1] == pytest.approx(
        [lam] * (K - 1), rel=1e-10
    )


@few
@given(collapsible_sizes(K=(2, 4), n=(1, 3), extra=(0, 2)), radii)
def test_hessian_at_the_minimum_vanishes_exactly_on_the_rotations(sizes, radius):
    K, n, d = sizes
    values = landscape.spectrum(*points.minimiser(K, n, d, radius))
    rotations = (K - 1) * (K - 2) // 2 + (K - 1) * (d - K + 1)
    assert np.abs(values[:rotations]).max(initial=0) < 1e-10
    assert values[rotations] > 1e-6  # the least non-zero eigenvalue of these sizes and radii is above 1e-4


@many
@given(random_points(scale=(0.2, 1.0)))
def test_away_from_critical_points_the_gradient_on_the_sphere_already_descends(point):
    W, H, y = point
    g = landscape.gradient(*point)
    lower = landscape.great_circle(W, H, -g[0], -g[1], 1e-4)
    assert norm(*lower) == pytest.approx(norm(W, H), rel=1e-12)
    assert ulpm.loss(*lower, y) < ulpm.loss(*point)


@many
@given(saddles())
def test_at_saddles_the_sphere_holds_strictly_lower_points_arbitrarily_near(point):
    W, H, y = point
    _, dW, dH = landscape.saddle_direction(*point)
    losses = [ulpm.loss(*landscape.great_circle(W, H, dW, dH, angle), y) for angle in (1e-1, 1e-2, 1e-3)]
    assert losses[0] < losses[1] < losses[2] < ulpm.loss(*point)


# Theorem 3.4: what is printed


def inequality_13(point, direction, below):
    W, H, y = point
    moved = (ulpm.loss(W + delta * direction[0], H + delta * direction[1], y) for delta in (1e-1, 1e-2, 1e-3))
    tangent = abs(inner((W, H), direction)) <= 1e-12 * norm(W, H) * norm(*direction)
    return tangent and all(below(value, ulpm.loss(*point)) for value in moved)


def inequality_14(point, other, below):
    W, H, y = point
    near = norm(other[0] - W, other[1] - H) <= 1e-1 * norm(W, H)
    same = abs(norm(*other) - norm(W, H)) <= 1e-12 * norm(W, H)
    return near and same and bool(below(ulpm.loss(*other, y), ulpm.loss(*point)))


@many
@given(collapsible_sizes(K=(2, 5)), radii)
def test_inequality_13_as_printed_holds_at_the_minimum_too_by_the_zero_direction(sizes, radius):
    point = points.minimiser(*sizes, radius)
    zero = np.zeros_like(point[0]), np.zeros_like(point[1])
    assert inequality_13(point, zero, operator.le)
    assert not inequality_13(point, zero, operator.lt)  # it is the ≤ that admits it


@many
@given(collapsible_sizes(K=(2, 5)), radii)
def test_inequality_14_as_printed_holds_at_the_minimum_too_by_the_point_itself(sizes, radius):
    point = points.minimiser(*sizes, radius)
    assert inequality_14(point, point[:2], operator.le)
    assert not inequality_14(point, point[:2], operator.lt)


@many
@given(collapsible_sizes(K=(3, 5)), radii, seeds)
def test_strict_13_holds_at_the_minimum_along_rotations(sizes, radius, seed):
    W, H, y = points.minimiser(*sizes, radius)
    B = np.random.default_rng(seed).standard_normal((sizes[2], sizes[2]))
    A = (B - B.T) / np.linalg.norm(B - B.T)
    dW, dH = -W @ A, A @ H
    if np.linalg.norm(dH) > 1e-2 * np.linalg.norm(H):
        assert inequality_13((W, H, y), (10 * dW, 10 * dH), operator.lt)


@many
@given(collapsible_sizes(K=(2, 5)), radii, seeds, st.floats(0.01, 3))
def test_strict_14_fails_at_the_minimum(sizes, radius, seed, angle):
    W, H, y = points.minimiser(*sizes, radius)
    there = landscape.great_circle(W, H, *random_direction(W, H, seed), angle)
    assert ulpm.loss(*there, y) >= ulpm.loss(W, H, y) * (1 - 1e-12)


@many
@given(random_points(d=(2, 6), scale=(0.2, 1.0)))
def test_strict_13_holds_at_ordinary_points_as_well(point):
    g = landscape.gradient(*point)
    assert inequality_13(point, (-1e-2 * g[0], -1e-2 * g[1]), operator.lt)


@many
@given(st.integers(1, 4), radii, seeds, st.floats(0.01, 2))
def test_strict_13_fails_at_the_minimum_when_d_is_one(n, radius, seed, delta):
    W, H, y = points.minimiser(2, n, 1, radius)
    dW, dH = random_direction(W, H, seed)
    assert ulpm.loss(W + delta * dW, H + delta * dH, y) >= ulpm.loss(W, H, y) * (1 - 1e-12)


@many
@given(collapsible_sizes(K=(3, 5), n=(1, 2)), radii)
def test_hessian_of_the_loss_on_the_tangent_space_is_indefinite_even_at_the_minimum(sizes, radius):
    W, H, y = points.minimiser(*sizes, radius)
    A = np.zeros((sizes[2], sizes[2]))
    A[0, 1], A[1, 0] = 1.0, -1.0
    v = (-W @ A, A @ H)
    flat = inner(v, ulpm.hessian_vector(W, H, y, *v)) / ulpm.squared_norm(*v)
    assert flat == pytest.approx(-landscape.multiplier(W, H, y), rel=1e-9)  # negative
    assert rayleigh((W, H, y), v) == pytest.approx(0, abs=1e-10)  # the term λ of the sphere restores zero


@many
@given(st.floats(0.5, 4.0))
def test_opposite_of_the_minimum_is_critical_and_a_local_maximum_not_a_saddle(radius):
    W, H, y = points.minimiser(2, 1, 1, radius)
    assert norm(*landscape.gradient(-W, H, y)) < 1e-12 * radius * (1 + ulpm.loss(-W, H, y))
    assert landscape.spectrum(-W, H, y)[-1] < -1e-3  # every direction falls


# The scope in d


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("square", [1.0, 4.0, 10.0])
def test_square_and_centre_is_a_spurious_local_minimum_for_five_classes_in_the_plane(n, square):
    point = points.self_dual(SQUARE_AND_CENTRE, n, np.sqrt(square))
    assert norm(*landscape.gradient(*point)) < 1e-12
    values = landscape.spectrum(*point)
    assert abs(values[0]) < 1e-12  # the rotation of the plane
    assert values[1] > 1e-4  # every other direction rises; the least of these nine is above 4e-4
    pentagon = ulpm.loss(*points.self_dual(PENTAGON, n, np.sqrt(square)))
    assert landscape.minimum(5, n, np.sqrt(square)) < pentagon < ulpm.loss(*point)


@many
@given(st.floats(0.1, 20))
def test_square_and_centre_and_pentagon_have_their_losses_in_closed_form(square):
    s = square / 8
    expected = 4 * np.log(1 + 3 * np.exp(-s) + np.exp(-2 * s)) + np.log(5)
    assert ulpm.loss(*points.self_dual(SQUARE_AND_CENTRE, 1, np.sqrt(square))) == pytest.approx(expected, rel=1e-12)
    steps = np.cos(2 * np.pi * np.arange(5) / 5) - 1
    expected = 5 * np.log(np.exp(square / 10 * steps).sum())
    assert ulpm.loss(*points.self_dual(PENTAGON, 1, np.sqrt(square))) == pytest.approx(expected, rel=1e-12)


@many
@given(seeds, st.floats(1e-3, 0.2))
def test_strict_13_holds_and_strict_14_fails_at_the_square_with_its_centre_which_is_not_optimal(seed, angle):
    W, H, y = point = points.self_dual(SQUARE_AND_CENTRE, 1, 2.0)
    A = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert ulpm.loss(*points.self_dual(PENTAGON, 1, 2.0)) < ulpm.loss(*point)
    assert inequality_13(point, (-W @ A, A @ H), operator.lt)  # along the rotation
    there = landscape.great_circle(W, H, *random_direction(W, H, seed), angle)
    assert ulpm.loss(*there, y) > ulpm.loss(*point)


# The scope in d: orthogonal simplices, proved in interval arithmetic


def simplices(sizes, radius):
    """The orthogonal simplices of these sizes as a point of one sample in each class, from their proved scales."""
    K, M, lam = (
        sum(sizes),
        np.zeros((sum(sizes) - len(sizes), sum(sizes))),
        certified.simplices_multiplier(sizes, radius),
    )
    row = column = 0
    for k in sizes:
        if k > 1:
            scale = np.sqrt(float(certified.group_scale(lam, k, K).mid) * (1 - 1 / k))
            M[row : row + k - 1, column : column + k] = scale * etf.frame(k, k - 1)
        row, column = row + k - 1, column + k
    return M.T, M, ulpm.balanced_labels(K, 1)


def square_pyramid(radius, n=1):
    """Four classes along a square and a fifth above its centre, W and H of equal norm but not of equal shape."""
    s, alpha, beta = radius * np.sqrt(19 / 192), radius / np.sqrt(12), radius * np.sqrt(3 / 32)
    A, B = np.zeros((3, 5)), np.zeros((3, 5))
    A[:2], B[:2] = s * SQUARE_AND_CENTRE, s * SQUARE_AND_CENTRE
    A[2], B[2] = alpha * np.array([-0.25] * 4 + [1]), beta * np.array([-1 / 6] * 4 + [1])
    return points.balanced(A, B, n)


@pytest.mark.parametrize("sizes", [(3, 2), (2, 2, 1), (4, 2), (3, 3), (2, 2), (3, 2, 2), (4, 3, 1)])
@pytest.mark.parametrize("radius", [1.0, 4.0, 8.0])
def test_orthogonal_simplices_are_critical_with_the_hessian_of_their_blocks(sizes, radius):
    point, lam = simplices(sizes, radius), certified.simplices_multiplier(sizes, radius)
    assert norm(*landscape.gradient(*point)) < 1e-9
    assert landscape.multiplier(*point) == pytest.approx(float(lam.mid), rel=1e-8)
    assert ulpm.loss(*point) == pytest.approx(float(certified.simplices_loss(sizes, lam).mid), rel=1e-9)
    d, negative, values = point[0].shape[1], 0, landscape.spectrum(*point)
    for h, k in enumerate(sizes):
        if k > 1:
            B = np.array([[float(x.mid) for x in row] for row in certified.simplices_block(sizes, lam, h)])
            squares = np.array([*sizes, *sizes, (1 - 2 / k) / 2])[: len(B)]  # ‖Δ‖² in these coordinates
            found = eigh(B, np.diag(squares), eigvals_only=True)
            assert max(np.abs(values - value).min() for value in found) < 1e-8 * values[-1]
            negative += (k - 1) * (found < 0).sum()
    assert (values < -1e-9 * values[-1]).sum() == negative  # Sylvester: the index of the blocks is that of the Hessian
    if not negative and 1 not in sizes:
        assert (np.abs(values) < 1e-9 * values[-1]).sum() == d * (d - 1) // 2  # the rotations


@pytest.mark.parametrize(
    ("sizes", "radius"),
    [
        *(((3, 2), radius) for radius in (1, 2, 4, 7.6, 8, 8.5)),
        *(((2, 2, 1), radius) for radius in (1, 2, 10**0.5, 12.6**0.5)),
        *((sizes, radius) for sizes in ((3, 3), (4, 2)) for radius in (2, 4, 6, 8)),
        *((sizes, 4) for sizes in ((4, 3), (5, 2), (4, 4), (5, 3))),
    ],
)
def test_orthogonal_simplices_are_proved_strict_local_minima(sizes, radius):
    lam = certified.simplices_multiplier(sizes, radius)
    assert certified.simplices_are_minimal(sizes, lam)
    assert not certified.simplices_descend(sizes, lam, 0)


@pytest.mark.parametrize(("sizes", "radius"), [((3, 2), 8.501), ((2, 2, 1), 12.69**0.5)])
def test_orthogonal_simplices_are_proved_saddles_on_larger_spheres(sizes, radius):
    lam = certified.simplices_multiplier(sizes, radius)
    assert certified.simplices_descend(sizes, lam, 0)
    assert not certified.simplices_are_minimal(sizes, lam)


@pytest.mark.parametrize("radius", [7.6, 8.0, 8.5])
def test_a_square_pyramid_is_below_the_strict_local_minimum_of_three_and_two_classes(radius):
    exact = certified.simplices_loss((3, 2), certified.simplices_multiplier((3, 2), radius))
    pyramid = square_pyramid(radius)
    assert norm(*pyramid[:2]) == pytest.approx(radius, rel=1e-14)
    assert ulpm.loss(*pyramid) + 1e-10 < exact.a  # the sum of five terms of float64 errs by less
    assert landscape.minimum(5, 1, radius) < ulpm.loss(*pyramid)


@pytest.mark.parametrize(
    ("upper", "lower", "radius"),
    [((4, 2), (3, 3), 4), ((3, 3), (4, 2), 6), ((3, 3), (4, 2), 8), ((5, 2), (4, 3), 4), ((5, 3), (4, 4), 4)],
)
def test_of_two_splits_in_dimension_K_minus_2_one_is_a_proved_spurious_minimum(upper, lower, radius):
    losses = [certified.simplices_loss(s, certified.simplices_multiplier(s, radius)) for s in (lower, upper)]
    assert losses[0] < losses[1]


@few
@given(st.sampled_from([(3, 2), (2, 2, 1), (4, 2)]), st.integers(2, 4), radii)
def test_more_samples_in_a_class_multiply_radius_multiplier_and_spectrum(sizes, n, radius):
    W, H, y = simplices(sizes, radius)
    more = points.balanced(W.T, H, n)
    assert norm(*more[:2]) == pytest.approx(n**0.25 * radius, rel=1e-12)
    assert ulpm.loss(*more) == pytest.approx(n * ulpm.loss(W, H, y), rel=1e-12)
    lam, values = landscape.multiplier(*more), landscape.spectrum(*more)
    assert lam == pytest.approx(np.sqrt(n) * landscape.multiplier(W, H, y), rel=1e-10)
    negative = np.sqrt(n) * landscape.spectrum(W, H, y)
    for value in negative:
        assert np.abs(values - value).min() < 1e-9 * values[-1]
    assert (values < -1e-8).sum() == (negative < -1e-8).sum()


# The scope in d: dimension one

PARTED = [2.08, 1.4, -4.88, 5.5, 0.318, -1.23, 0.0055]  # near the point of 1 + 2 + 1 classes at ρ = 8
HALVED = [3.138, 2.48, -2.48, -3.138, 3.973, 0.465, -0.465, -3.973, 0.0113]


@pytest.mark.parametrize("radius", [6.146, 6.5, 7, 8, 10, 20])
def test_on_a_line_four_classes_have_a_proved_strict_local_minimum_with_the_middle_pair_merged(radius):
    x = certified.line_point((1, 2, 1), PARTED, radius)
    assert certified.line_is_minimal((1, 2, 1), x)
    assert all(x[:2] > 0)
    assert x[2] < 0
    assert all(x[3:5] > 0)
    assert x[5] < 0  # three features on one side, one on the other


def test_on_a_line_the_merged_pair_parts_below_radius_6_145():
    x = certified.line_point((1, 2, 1), PARTED, 6.144)
    assert certified.line_equations((1, 2, 1), x, 6.144)[2][1] < 0  # proved: a negative curvature
    assert not certified.line_is_minimal((1, 2, 1), x)


def test_on_a_line_at_radius_8_four_classes_have_two_proved_strict_local_minima_of_different_loss():
    pair = [((1, 2, 1), PARTED), ((1, 1, 1, 1), HALVED)]
    proved = [(sizes, certified.line_point(sizes, guess, 8)) for sizes, guess in pair]
    assert all(certified.line_is_minimal(*each) for each in proved)
    high, low = (certified.line_equations(*each, 8)[3] for each in proved)
    assert low < 1.9985 < 2.4816 < high


@pytest.mark.parametrize(("sizes", "guess"), [((1, 2, 1), PARTED), ((1, 1, 1, 1), HALVED)])
def test_line_equations_are_the_gradient_and_the_hessian_on_the_sphere(sizes, guess):
    found = np.array([float(v.mid) for v in certified.line_point(sizes, guess, 8)])
    w, h = (np.repeat(half, sizes) for half in np.split(found[:-1], 2))
    point = w[:, None], h[None], ulpm.balanced_labels(4, 1)
    assert norm(*landscape.gradient(*point)) < 1e-10
    assert landscape.multiplier(*point) == pytest.approx(found[-1], rel=1e-9)
    assert landscape.spectrum(*point)[0] == pytest.approx(found[-1], rel=1e-7)  # the shift of all classifiers
    _, _, apart, loss = certified.line_equations(sizes, certified.line_point(sizes, guess, 8), 8)
    assert float(loss.mid) == pytest.approx(ulpm.loss(*point), rel=1e-9)
    if 2 in sizes:  # the least eigenvalues of the block of the pair
        dW, dH = np.array([[0.0], [1.0], [-1.0], [0.0]]), np.array([[0.0, 1.0, -1.0, 0.0]])
        part, zero = (dW, 0 * dH), (0 * dW, dH)
        block = [[inner(a, landscape.hessian_vector(*point, *b)) / 2 for a in (part, zero)] for b in (part, zero)]
        assert np.linalg.det(block) == pytest.approx(float(apart[1].mid), rel=1e-8)


@many
@given(st.integers(2, 6), st.floats(0.1, 4), seeds)
def test_on_a_line_a_class_with_zero_score_costs_log_K_and_one_side_of_p_classes_log_p_factorial(K, scale, seed):
    rng = np.random.default_rng(seed)
    w, h = scale * rng.standard_normal(K), scale * rng.standard_normal(K)
    h[0] = 0.0
    losses = np.log(np.exp(h[:, None] * (w - w[:, None])).sum(axis=1))
    assert losses[0] == pytest.approx(np.log(K))
    for side in (h > 0, h < 0):
        assert losses[side].sum() > sum(np.log(np.arange(1, side.sum() + 1))) - 1e-12


def test_on_a_line_three_classes_against_one_pass_below_their_wall_from_radius_40_on():
    W, H = np.array([[8.9], [8.77], [6.7], [-24.4]]), np.array([[28.2, 1.25, 0.06, -0.45]])
    y = ulpm.balanced_labels(4, 1)
    assert norm(W, H) < 40
    assert 3 * np.log(2) > 2.07 > ulpm.loss(W, H, y) > np.log(6) > 2 * np.log(2)
    farther = W + np.sqrt((60**2 - norm(W, H) ** 2 + W.sum() ** 2 / 4) / 4) - W.sum() / 4  # a shift of all classifiers
    assert norm(farther, H) == pytest.approx(60)
    assert ulpm.loss(farther, H, y) == pytest.approx(ulpm.loss(W, H, y), rel=1e-12)


def test_on_a_line_two_classes_on_each_side_pass_below_log_6_at_radius_40():
    W, H = np.array([[14.3], [14.0], [-14.0], [-14.3]]), np.array([[19.8, 0.2, -0.2, -19.8]])
    assert norm(W, H) < 40
    assert ulpm.loss(W, H, ulpm.balanced_labels(4, 1)) < np.log(6)


@pytest.mark.parametrize("square", [1.0, 4.0, 10.0, 12.6])
def test_a_pentagon_is_below_the_square_with_its_centre(square):
    exact = certified.simplices_loss((2, 2, 1), certified.simplices_multiplier((2, 2, 1), np.sqrt(square)))
    assert ulpm.loss(*points.self_dual(PENTAGON, 1, np.sqrt(square))) + 1e-10 < exact.a


@pytest.mark.parametrize(("K", "d", "radius"), [(3, 1, 2), (3, 1, 8), (4, 2, 2), (4, 2, 5), (4, 1, 3), (4, 1, 6)])
def test_where_no_spurious_minimum_is_known_descents_end_at_one_value(K, d, radius):
    """Not a proof: eight descents in each case."""
    ends, y = [], ulpm.balanced_labels(K, 1)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        W, H = points.scale_to(rng.standard_normal((K, d)), rng.standard_normal((d, K)), radius)
        ends.append(ulpm.loss(*landscape.local_minimum(W, H, y), y))
    assert max(ends) < min(ends) + 1e-8


@pytest.mark.parametrize("lam", [0.0, 1.0, [-0.1, 0.5]])
def test_a_multiplier_outside_zero_and_one_is_refused(lam):
    with pytest.raises(ValueError, match="lam: expected an interval within"):
        certified.group_scale(lam, 3, 5)


def test_the_same_configuration_is_a_saddle_in_dimension_K_minus_1():
    M = np.vstack([SQUARE_AND_CENTRE, np.zeros((2, 5))])
    point = points.self_dual(M, 1, 2.0)
    assert landscape.spectrum(*point)[0] == pytest.approx(landscape.multiplier(*point) - spectral(point), rel=1e-9)
    assert landscape.spectrum(*point)[0] < -0.1


# Only along neural collapse directions


@many
@given(random_points(K=(3, 6), d=(3, 6), scale=(0.2, 1.0)), st.floats(0.01, 0.5), seeds)
def test_gradient_descent_with_batches_and_momentum_never_leaves_a_subspace(point, step, seed):
    W, H, y = point
    W[:, 1:], H[1:] = 0.0, 0.0  # every classifier and every feature on one line
    rng, velocity = np.random.default_rng(seed), [0 * W, 0 * H]
    for _ in range(20):
        G = ulpm.logit_gradient(W, H, y) * rng.integers(0, 2, y.size)  # a random batch
        velocity = [0.9 * v + g for v, g in zip(velocity, (G @ H.T, W.T @ G), strict=True)]
        W, H = W - step * velocity[0], H - step * velocity[1]
    assert not W[:, 1:].any()
    assert not H[1:].any()
    assert H[0].any()


@pytest.mark.parametrize("seed", range(3))
def test_gradient_flow_from_a_plane_tends_to_at_most_three_quarters_of_the_margin_bound(seed):
    rng, y = np.random.default_rng(seed), ulpm.balanced_labels(4, 1)
    W, H = rng.standard_normal((4, 4)) / 2, rng.standard_normal((4, 4)) / 2
    W0, H0 = W * [1, 1, 0, 0], H * [[1], [1], [0], [0]]

    def ratio(*start):
        path = flow.integrate(ulpm.gradient, start, [0, 1e6, 1e14], args=(y,), rtol=1e-8)
        return path.observe(lambda W, H: margin.margin(W, H, y) / margin.bound(W, H, y))[-1]

    assert 0.7 < ratio(W0, H0) <= 0.75 + 1e-6  # the square of Example 3.1
    assert ratio(W, H) > 0.95  # the same start before its projection to the plane


def test_great_circle_accepts_lists_as_the_projection_does():
    W, H, dW, dH = np.random.default_rng(0).standard_normal((4, 2, 2))
    lists = [a.tolist() for a in (W, H, dW, dH)]
    for function, more in ((landscape.project, ()), (landscape.great_circle, (0.3,))):
        for one, other in zip(function(W, H, dW, dH, *more), function(*lists, *more), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_and_does_not_pass_through(bad):
    E, B = np.eye(2), np.array([[bad, 0.0], [0.0, 1.0]])
    for place, name in enumerate(("W", "H", "dW", "dH")):
        four = [B if place == i else E[::-1] for i in range(4)]
        for function, more in ((landscape.project, ()), (landscape.great_circle, (0.3,))):
            with pytest.raises(ValueError, match=rf"^{name}: expected finite"):
                function(*four, *more)
    with pytest.raises(ValueError, match=r"^angle: expected"):
        landscape.great_circle(E, E, E[::-1], E, bad)


def test_directions_of_other_shapes_are_refused_and_not_broadcast():
    E = np.eye(2)
    with pytest.raises(ValueError, match=r"^dW: expected"):
        landscape.project(E, E, np.ones((1, 2)), E)
    with pytest.raises(ValueError, match=r"^dH: expected"):
        landscape.great_circle(E, E, E, np.ones((2, 1)), 0.3)
    with pytest.raises(ValueError, match=r"^dH: expected"):
        landscape.hessian_vector(E, E, np.arange(2), E, 1.0)


def test_arguments_are_checked_by_name():
    with pytest.raises(ValueError, match="radius: expected a finite positive number"):
        landscape.minimum(3, 1, 0.0)
    with pytest.raises(ValueError, match="dW, dH: expected a direction"):
        landscape.great_circle(np.eye(2), np.eye(2), np.eye(2), np.eye(2), 0.1)
    with pytest.raises(ValueError, match="d: expected d ≥ 4"):
        points.orthogonal_groups(2, 3, 3)
    with pytest.raises(ValueError, match="d: expected d ≥ K − 1"):
        points.minimiser(4, 1, 2, 1.0)
