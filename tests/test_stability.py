"""The linear part of a descent step at a collapsed ray, and what loss-dependent steps do near it."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq

from ncpaper import flow, margin, measures, points, stability, ulpm
from tests.strategies import collapsible_sizes, many, seeds

sizes = collapsible_sizes(K=(2, 5), n=(1, 3), extra=(0, 2))
margins = st.floats(0.05, 25)


def log_hessian_across(W, H, y):
    """The Hessian of log L on the orthogonal complement of the point, column by column, and the image of the point."""
    x, value = flow.join(W, H), ulpm.loss(W, H, y)
    g = flow.join(*ulpm.gradient(W, H, y)) / value
    columns = [flow.join(*ulpm.hessian_vector(W, H, y, *flow.split(e, (W, H)))) for e in np.eye(x.size)]
    A = np.array(columns) / value - np.outer(g, g)
    across = np.linalg.svd(x[None])[2][1:]  # orthonormal rows, orthogonal to the point
    return across @ A @ across.T, across @ A @ x


@many
@given(sizes, margins)
def test_curvatures_across_a_collapsed_ray_are_those_of_the_dense_hessian(size, q):
    K, n, d = size
    dense, mixed = log_hessian_across(*points.collapsed(K, n, d, q))
    values, times = stability.curvatures(K, n, d, q)
    assert np.allclose(np.linalg.eigvalsh(dense), np.sort(np.repeat(values, times)), rtol=1e-8, atol=1e-9)
    assert np.allclose(mixed, 0, atol=1e-9)  # the point itself is an eigenvector


def test_determinants_of_the_coupled_block_for_every_number_of_classes():
    K, q, r, L = sp.symbols("K q r Lambda", positive=True)
    mixed = q * r * sp.sqrt(2 * (K - 2))
    block = sp.Matrix([[2 * q * (1 + (K - 2) * r) - K, mixed], [mixed, q * (1 + r)]])
    within = q * (1 + (K - 1) * r)
    factored = {
        2 * q + K: 2 * (K * (q + K) - q * r * ((K - 2) * (q + K) + K)),
        within: -q * r * (K - 2) * (within - K),
        -K: 2 * q**2 * (1 + (K - 1) * r) + 2 * q * K * (1 + (K - 2) * r),
    }
    for value, expected in factored.items():
        assert sp.expand((block - value * sp.eye(2)).det() - expected) == 0
    far = (block.subs(r, 1) - L * sp.eye(2)).det()
    assert sp.expand(far - K * (2 * q**2 - 2 * (L + 1) * q + L * (L + K) / K)) == 0
    slope = sp.Matrix([[2 * (K - 1), sp.sqrt(2 * (K - 2))], [sp.sqrt(2 * (K - 2)), 2]])
    assert sp.simplify((slope - (K + sp.sqrt(K**2 - 2 * K)) * sp.eye(2)).det()) == 0


@many
@given(sizes, st.floats(0.05, 600))
def test_growth_of_the_collapsed_ray_is_that_of_the_log_loss_gradient(size, q):
    W, H, y = points.collapsed(*size, q)
    for g, part in zip(ulpm.log_loss_gradient(W, H, y), (W, H), strict=True):
        assert np.allclose(g, -stability.growth(*size[:2], q) * part, rtol=1e-9, atol=1e-10)


@many
@given(sizes, margins)
def test_direction_that_is_lost_first_has_the_largest_curvature_of_the_coupled_block(size, q):
    K, n, d = size
    W, H, y = points.collapsed(K, n, d, q)
    A, B = stability.lost_first(K, n, d, q)
    image = ulpm.hessian_vector(W, H, y, A, B)
    value = stability.curvatures(K, n, d, q)[0][-1]
    assert np.sum(A**2) + np.sum(B**2) == pytest.approx(1, rel=1e-9)
    for found, part in zip(image, (A, B), strict=True):
        assert np.allclose(found / ulpm.loss(W, H, y), value * part, rtol=1e-8, atol=1e-9)


@many
@given(sizes, st.floats(0.05, 200))
def test_nothing_grows_relative_to_the_ray_exactly_below_the_stable_step(size, q):
    K, n, d = size
    values, times = stability.curvatures(K, n, d, q)
    mu, largest = stability.growth(K, n, q), stability.stable_step(K, n, q)
    moving = values[(times > 0) & (values > -mu * (1 - 1e-12))]  # all but rotations, which keep their size
    for factor in (0.99, 1.01) if np.isfinite(largest) else (1e3,):
        s = factor * min(largest, 1e6)
        assert (np.abs(1 - s * moving) < 1 + s * mu).all() == (factor == 0.99 or np.isinf(largest))


@many
@given(st.integers(2, 9), st.integers(2, 4), st.floats(0.05, 300))
def test_within_class_deviation_is_never_lost_before_a_between_class_one(K, n, q):
    (*_, within, _, between), mu = stability.curvatures(K, n, K, q)[0], stability.growth(K, n, q)
    if K == 2:
        assert within == pytest.approx(between, rel=1e-12)
    elif within > mu:  # else no step is too long for it
        assert between > within
        assert stability.stable_step(K, n, q) < 2 / (within - mu)


@many
@given(st.integers(2, 9), st.integers(1, 4), st.floats(1e-3, 10))
def test_stable_margin_is_where_the_stable_step_is_the_step(K, n, c):
    q = stability.stable_margin(K, n, c)
    assert stability.stable_step(K, n, q) == pytest.approx(c, rel=1e-9)
    assert stability.stable_step(K, n, 1.01 * q) < c < stability.stable_step(K, n, 0.99 * q)
    if q > 50:  # exp(−50) is below rounding
        big = K + 2 * K * (K - 1) * np.sqrt(n) / c
        assert q == pytest.approx((big + 1 - np.sqrt((1 - 2 / K) * big**2 + 1)) / 2, rel=1e-9)


@many
@given(st.integers(2, 9), st.integers(1, 4), st.floats(0.05, 500))
def test_steps_over_loss_and_squared_norm_keep_to_the_ray_up_to_the_step_limit(K, n, q):
    c, rho2 = stability.step_limit(K, n), 2 * (K - 1) * np.sqrt(n) * q
    assert c / rho2 < stability.stable_step(K, n, q)  # at every margin
    far = 2000.0
    assert 1.01 * c / (2 * (K - 1) * np.sqrt(n) * far) > stability.stable_step(K, n, far)  # and no more than that
    assert c <= 4 * n * (K - 1) ** 2 * (1 if K == 2 else 0.8)  # what the within-class deviation would allow, or less


@pytest.mark.parametrize(("K", "n", "d"), [(2, 1, 1), (3, 2, 4), (4, 3, 5), (6, 1, 5)])
def test_deviation_that_is_lost_first_turns_at_the_stable_margin(K, n, d):
    c = 0.03
    q = stability.stable_margin(K, n, c)
    W, H, y = points.collapsed(K, n, d, 0.85 * q)
    A, B = stability.lost_first(K, n, d, q)
    path = flow.descend(ulpm.log_loss_gradient, (W + 1e-6 * A, H + 1e-6 * B), c, range(60), args=(y,))
    size = path.observe(lambda W, H: abs(np.sum(W * A) + np.sum(H * B)) / np.sqrt(ulpm.squared_norm(W, H)))
    turn = path.observe(margin.margin, args=(y,))[np.argmin(size)]
    assert turn == pytest.approx(q, rel=2 * c)  # one step multiplies the margin by about 1 + 2 c / ((K − 1) √n)


def over_square(c):
    return lambda W, H, y: c / ulpm.squared_norm(W, H)


def near_collapse(K, n, d, seed):
    """A start at distance of the order one from a collapsed point of margin 20."""
    rng = np.random.default_rng(seed)
    W, H, y = points.collapsed(K, n, d, 20.0)
    return W + 0.3 * rng.standard_normal(W.shape), H + 0.3 * rng.standard_normal(H.shape), y


def in_the_row_space(W, H):
    """The point with centred classifiers and features projected on their row space."""
    W = W - W.mean(axis=0)
    E = np.linalg.svd(W)[2][: len(W) - 1]  # (K − 1, d)
    return W, E.T @ (E @ H)


def spread(W, H, y):
    gaps = ulpm.gaps(W @ H, y)
    return gaps.max() - margin.margin(W, H, y)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("K", "n", "d"), [(2, 3, 4), (3, 2, 4), (4, 3, 5), (5, 1, 4)])
def test_margins_become_equal_below_the_step_limit_and_not_above(K, n, d, seed):
    W, H, y = near_collapse(K, n, d, seed)
    ends = []
    for factor in (0.97, 1.03):
        step = over_square(factor * stability.step_limit(K, n))
        path = flow.descend(ulpm.log_loss_gradient, (W, H), step, [1500], args=(y,))
        ends.append(spread(*path.points[0], y))
    assert ends[0] < 1e-3
    assert 0.1 < ends[1] < 10


@pytest.mark.parametrize("factor", [0.5, 0.97, 1.03, 4.0])
@pytest.mark.parametrize(("K", "n", "d"), [(2, 3, 4), (3, 2, 4), (4, 3, 5)])
def test_margin_grows_by_the_same_amount_in_every_step_over_loss_and_squared_norm(K, n, d, factor):
    W, H, y = near_collapse(K, n, d, 0)
    c = factor * stability.step_limit(K, n)
    path = flow.descend(ulpm.log_loss_gradient, (W, H), over_square(c), [500, 2500], args=(y,))
    growth = np.diff(path.observe(margin.margin, args=(y,)))[0] / 2000
    assert growth == pytest.approx(c / (n * (K - 1) ** 2), rel=5e-3)


@pytest.mark.parametrize("factor", [0.5, 0.97, 1.03])
@pytest.mark.parametrize(("K", "n", "d"), [(2, 3, 4), (3, 2, 4), (4, 3, 5), (4, 2, 3)])
def test_distance_times_norm_tends_to_what_the_steps_conserve(K, n, d, factor):
    W, H, y = near_collapse(K, n, d, 1)
    c = factor * stability.step_limit(K, n)
    path = flow.descend(ulpm.log_loss_gradient, (W, H), over_square(c), [3000], args=(y,))
    W, H = path.points[0]
    across = H - in_the_row_space(W, H)[1]
    expected = np.sqrt(K * np.sum(W.mean(axis=0) ** 2) + np.sum(across**2))
    far = measures.distance_to_collapse(W, H, y) * np.sqrt(ulpm.squared_norm(W, H))
    assert far == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize("factor", [0.5, 0.97, 1.03])
@pytest.mark.parametrize(("K", "n", "d"), [(2, 3, 4), (3, 2, 4), (4, 3, 5), (5, 1, 4)])
def test_distance_falls_like_one_over_t_when_the_features_lie_in_the_row_space(K, n, d, factor):
    W, H, y = near_collapse(K, n, d, 1)
    c = factor * stability.step_limit(K, n)
    path = flow.descend(ulpm.log_loss_gradient, in_the_row_space(W, H), over_square(c), [750, 3000], args=(y,))
    far = path.observe(measures.distance_to_collapse, args=(y,))
    assert np.log(far[1] / far[0]) / np.log(4) == pytest.approx(-1, abs=0.05)
    W, H = path.points[1]
    assert np.linalg.norm(H - in_the_row_space(W, H)[1]) < 1e-8 * np.linalg.norm(H)  # the row space is kept


@pytest.mark.parametrize("factor", [4.0, 40.0])
@pytest.mark.parametrize(("K", "n", "d"), [(2, 3, 4), (3, 2, 4), (4, 3, 5)])
def test_direction_still_collapses_far_above_the_step_limit_while_the_spread_stays_bounded(K, n, d, factor):
    W, H, y = near_collapse(K, n, d, 2)
    c = factor * stability.step_limit(K, n)
    path = flow.descend(ulpm.log_loss_gradient, (W, H), over_square(c), [1000, 4000], args=(y,))
    far, width = (path.observe(f, args=(y,)) for f in (measures.distance_to_collapse, spread))
    assert far[1] < 0.75 * far[0]  # t^(−1/2) alone would give 0.5
    assert width[1] < 3 * width[0]
    assert width[1] > 1


@many
@given(collapsible_sizes(K=(2, 5), n=(1, 3), extra=(0, 2)), seeds)
def test_point_of_given_spread_and_imbalance_is_nearer_to_collapse_the_larger_its_margin(size, seed):
    K, n, d = size
    excess = []
    for q in (1e4, 16e4):
        rng = np.random.default_rng(seed)
        W, H, y = points.collapsed(K, n, d, q)
        W, H = (part + rng.standard_normal(part.shape) / np.sqrt(q) for part in (W, H))  # spread and imbalance O(1)
        W, H = in_the_row_space(W, H)
        excess.append(measures.distance_to_collapse(W, H, y) * np.sqrt(ulpm.squared_norm(W, H)))
    assert excess[1] == pytest.approx(excess[0] / 4, rel=0.05)  # O((g + Δ) / √q)


@many
@given(collapsible_sizes(K=(2, 5), n=(1, 3), extra=(1, 3)), seeds, st.floats(0.1, 10))
def test_imbalance_bounds_the_features_across_the_row_space(size, seed, scale):
    K, n, d = size
    rng = np.random.default_rng(seed)
    W, H = rng.standard_normal((K, d)), scale * rng.standard_normal((d, K * n))
    W = W - W.mean(axis=0)
    across = H - in_the_row_space(W, H)[1]
    assert np.linalg.norm(across @ across.T) <= np.linalg.norm(W.T @ W - H @ H.T) * (1 + 1e-9)


@many
@given(collapsible_sizes(), seeds)
def test_norm_is_bounded_while_a_point_near_a_collapsed_direction_is_not_separated(sizes, seed):
    W, H, y = points.collapsed(*sizes, 1.0)
    rng = np.random.default_rng(seed)
    W, H = (part + 0.1 * rng.standard_normal(part.shape) / np.sqrt(part.size) for part in (W, H))
    norm = np.sqrt(ulpm.squared_norm(W, H))
    W, H, best = W / norm, H / norm, 1 / (2 * (sizes[0] - 1) * np.sqrt(sizes[1]))  # of unit vectors
    assume(margin.margin(W, H, y) >= best / 2)
    ceiling = np.sqrt(2 / best * np.log(y.size * (sizes[0] - 1) / np.log(2)))
    radius = brentq(lambda s: ulpm.log_loss(s * W, s * H, y) - np.log(np.log(2)), 0, 10 * ceiling)
    assert radius <= ceiling  # beyond it the loss is below log 2


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: stability.growth(1, 1, 1.0), "K"),
        (lambda: stability.curvatures(4, 1, 2, 1.0), "d"),
        (lambda: stability.curvatures(4, 1, 3, -1.0), "q"),
        (lambda: stability.stable_step(3, 0, 1.0), "n"),
        (lambda: stability.stable_margin(3, 1, 0.0), "c"),
        (lambda: stability.step_limit(2, 1.5), "n"),
        (lambda: stability.lost_first(4, 1, 2, 1.0), "d"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        call()
