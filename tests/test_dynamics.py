"""Theorem 3.1 and Lemmas 3.2 and 3.3: what the gradient flow does once the loss is below log 2."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ncpaper import alignment, conservation, flow, kkt, margin, points, ulpm
from tests import oracles
from tests.strategies import collapsible_sizes, few, many, random_points, seeds

B = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]])  # Example 3.1 with C = 1


@st.composite
def separated(draw, least=0.0):
    """A random (W, H, y) with loss below log 2: a noisy collapsed direction, scaled until its margin is large."""
    K, n, d = draw(collapsible_sizes(K=(2, 5), n=(1, 4), extra=(0, 2)))
    rng = np.random.default_rng(draw(seeds))
    noise, alpha, excess = draw(st.floats(0.0, 0.5)), draw(st.floats(0.5, 2.0)), draw(st.floats(0.01, 20.0))
    W, H, y = points.collapsed(K, n, d)
    W = alpha * (W + noise * rng.standard_normal(W.shape) * np.linalg.norm(W) / np.sqrt(W.size))
    H = (H + noise * rng.standard_normal(H.shape) * np.linalg.norm(H) / np.sqrt(H.size)) / alpha
    q = margin.margin(W, H, y)
    assume(q > 0.02)
    size = np.sqrt((np.log(K * n * (K - 1) / np.log(2)) + least + excess) / q)  # L ≤ nK(K−1) exp(−q) < log 2
    return size * W, size * H, y


def within_reach_of_autograd(point):
    """Autograd forms p − 1: below this loss it loses the digits that the tolerances ask for."""
    assume(ulpm.loss(*point) > 1e-4)
    return point


def constraints(W, y):
    return y.size * (W.shape[0] - 1)


def run(W, H, y, at):
    return flow.integrate(ulpm.gradient, (W, H), at, args=(y,))


def generic_run(K, n, d, seed, at):
    rng = np.random.default_rng(seed)
    y = ulpm.balanced_labels(K, n)
    return run(rng.standard_normal((K, d)), rng.standard_normal((d, K * n)), y, at), y


# ---------------------------------------------------------------- the threshold log 2


@many
@given(random_points(scale=(0.5, 3.0)), st.floats(0.0, 3.0))
def test_loss_is_at_least_log_two_where_a_sample_is_not_classified(point, mix):
    W, H, y = point
    H = H + mix * W[y].T  # a pull towards the right answer
    assume(margin.margin(W, H, y) <= 0)
    assert ulpm.loss(W, H, y) >= np.log(2)


@many
@given(collapsible_sizes())
def test_log_two_is_the_largest_threshold_that_implies_separation(size):
    K, n, d = size
    W, H, y = points.collapsed(K, n, d, q=60.0)
    H[:, 0] = W[0] + W[1]  # the tie of classes 0 and 1; it beats every other class by a multiple of ‖w‖²
    W, H = 3 * W, 3 * H
    assert margin.margin(W, H, y) <= 1e-9
    assert np.log(2) * (1 - 1e-9) < ulpm.loss(W, H, y) < np.log(2) + 1e-6


@many
@given(random_points(K=(2, 2)))
def test_two_classes_lose_at_least_the_squared_gap_of_the_classifiers(point):
    W, H, y = point
    sigma = np.abs(ulpm.logit_gradient(W, H, y)[0])  # (M,) probability of the wrong class
    gap = np.sum((W[0] - W[1]) ** 2)
    assert alignment.gradient_norm(W, H, y) ** 2 >= gap * np.sum(sigma**2) * (1 - 1e-12)


@few
@given(st.integers(1, 4), st.integers(1, 4), seeds)
def test_two_classes_separate_from_every_loss_below_two_n_log_two(n, d, seed):
    rng = np.random.default_rng(seed)
    W, H, y = rng.standard_normal((2, d)), rng.standard_normal((d, 2 * n)), ulpm.balanced_labels(2, n)
    H = H + 0.3 * (W[y] - W[1 - y]).T
    assume(np.log(2) < ulpm.loss(W, H, y) < 0.99 * 2 * n * np.log(2))
    assert ulpm.loss(*run(W, H, y, [0, 1e6]).points[-1], y) < np.log(2)


@many
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_two_equal_classifiers_without_features_lose_two_n_log_two_and_never_move(n, d, seed):
    w, y = np.random.default_rng(seed).standard_normal(d), ulpm.balanced_labels(2, n)
    W, H = np.stack([w, w]), np.zeros((d, 2 * n))
    assert ulpm.loss(W, H, y) == pytest.approx(2 * n * np.log(2), rel=1e-12)
    assert not any(g.any() for g in ulpm.gradient(W, H, y))
    assert margin.margin(W, H, y) == 0


@many
@given(st.integers(3, 6), st.integers(1, 4), st.integers(0, 2), st.floats(0.1, 8.0))
def test_merged_classes_stay_merged_under_the_flow(K, n, extra, q):
    W, H, y = points.merged(K, n, K - 2 + extra, q)
    gW, gH = ulpm.gradient(W, H, y)
    assert gW[0] == pytest.approx(gW[1], rel=1e-12, abs=1e-12)
    assert gH[:, :n] == pytest.approx(gH[:, n : 2 * n], rel=1e-12, abs=1e-12)
    assert margin.margin(W, H, y) == 0
    assert ulpm.loss(W, H, y) > 2 * n * np.log(2)


@many
@given(st.integers(3, 6), st.integers(1, 4), st.integers(0, 2), st.floats(0.1, 8.0))
def test_a_class_in_the_centre_stays_in_the_centre_under_the_flow(K, n, extra, q):
    W, H, y = points.centred(K, n, K - 2 + extra, q)
    gW, gH = ulpm.gradient(W, H, y)
    assert gW[0] == pytest.approx(0, abs=1e-12)
    assert gH[:, :n] == pytest.approx(0, abs=1e-12)
    assert margin.margin(W, H, y) == 0
    assert ulpm.loss(W, H, y) > n * np.log(K)


@many
@given(st.integers(3, 7), st.integers(1, 4))
def test_no_threshold_above_n_times_the_smaller_of_log_k_and_log_four_is_enough(K, n):
    starts = [make(K, n, K, 60.0) for make in (points.merged, points.centred)]
    least = min(ulpm.loss(*start) for start in starts)
    assert least == pytest.approx(n * min(np.log(K), np.log(4)), rel=1e-12)


def mirrored(gW, gH, n):
    """A direction with classes 2, …, K − 1 in reverse order, reflected in the first axis."""
    K, sign = gW.shape[0], np.where(np.arange(gW.shape[1]) == 1, -1.0, 1.0)
    order = np.concatenate([[0, 1], np.arange(K - 1, 1, -1)])
    columns = (order[:, None] * n + np.arange(n)).ravel()
    return gW[order] * sign, gH[:, columns] * sign[:, None]


@many
@given(st.integers(3, 8), st.integers(1, 4), st.integers(2, 4), st.floats(1.0, 50.0))
def test_a_class_between_another_and_mirrored_pairs_stays_on_the_axis_and_loses_more_than_log_two(K, n, d, T):
    W, H, y = points.between(K, n, d, T)
    gW, gH = ulpm.gradient(W, H, y)
    for moved, image in zip((gW, gH), mirrored(gW, gH, n), strict=True):
        assert moved == pytest.approx(image, rel=1e-9, abs=1e-9)
    assert gW[:2, 1:] == pytest.approx(0, abs=1e-9)
    assert gH[1:, : 2 * n] == pytest.approx(0, abs=1e-9)
    assert margin.margin(W, H, y) < 0
    assert ulpm.sample_losses(W, H, y)[n : 2 * n].min() > np.log(2)


@many
@given(st.integers(4, 8), st.integers(1, 3), st.integers(0, 1), seeds)
def test_an_axis_class_that_meets_a_mirrored_pair_loses_at_least_log_three(K, n, k, seed):
    """So below n log 3 neither of the two axis classes can change sides with a pair."""
    rng = np.random.default_rng(seed)
    W, H, y = points.between(K, n, 2, 3.0)
    W = W + rng.standard_normal(W.shape)
    W[:2, 1], W[-1] = 0, W[2] * [1, -1]
    H[:, y < 2] = rng.standard_normal((1, 2 * n)) * [[3.0], [0.0]]  # on the axis
    W[k, 0] = W[2, 0]
    assert ulpm.sample_losses(W, H, y)[y == k].min() >= np.log(3) * (1 - 1e-12)  # an equality where the rest is far


@many
@given(st.integers(3, 8), st.integers(1, 4))
def test_no_threshold_above_n_log_two_is_enough_for_three_classes_or_more(K, n):
    excess = [ulpm.loss(*points.between(K, n, 2, T)) - n * np.log(2) for T in (10.0, 100.0, 1000.0)]
    assert excess[2] < excess[1] < excess[0]
    assert 0 < excess[2] < n / 1000  # the gap to class 0 is 1/T, and log(1 + e^x) − log 2 ≤ x


@many
@given(st.integers(3, 7), st.integers(1, 4))
def test_for_three_classes_or_more_a_mean_loss_below_log_two_does_not_separate(K, n):
    W, H, y = points.merged(K, n, K, 20.0)
    assert ulpm.loss(W, H, y) / y.size < np.log(2)
    assert margin.margin(W, H, y) == 0


# ---------------------------------------------------------------- the inequalities behind the proof


@many
@given(random_points())
def test_pull_is_half_the_descent_along_the_point(point):
    W, H, y = within_reach_of_autograd(point)
    gW, gH = oracles.autograd_gradient(W, H, y)
    expected = -(np.sum(W * gW) + np.sum(H * gH)) / 2
    assert alignment.pull(W, H, y) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@many
@given(separated())
def test_pull_is_at_least_the_entropy_bound(point):
    assert alignment.pull(*point) >= alignment.entropy_bound(ulpm.loss(*point)) * (1 - 1e-12)


def test_pull_equals_the_entropy_bound_for_one_constraint():
    W, H, y = np.array([[1.0], [-1.0]]), np.array([[1.5, -40.0]]), np.array([0, 1])
    # the second sample weighs e⁻⁸⁰
    assert alignment.pull(W, H, y) == pytest.approx(alignment.entropy_bound(ulpm.loss(W, H, y)), rel=1e-12)


@many
@given(st.floats(1e-6, 0.69), st.floats(1e-6, 0.69))
def test_entropy_bound_over_loss_decreases(a, b):
    assume(a < 0.999 * b)
    assert alignment.entropy_bound(a) / a > alignment.entropy_bound(b) / b


@many
@given(random_points())
def test_smoothed_margin_is_the_one_at_which_a_single_constraint_has_the_same_loss(point):
    W, H, y = within_reach_of_autograd(point)
    F = margin.smoothed_margin(W, H, y) * (np.sum(W**2) + np.sum(H**2))
    assert np.log1p(np.exp(-F)) == pytest.approx(oracles.loss_by_loops(W, H, y), rel=1e-9)


@many
@given(separated())
def test_smoothed_margin_lies_below_the_margin_by_a_bounded_gap(point):
    W, H, y = point
    F = margin.smoothed_margin(W, H, y) * ulpm.squared_norm(W, H)
    q = margin.margin(W, H, y)
    assert q >= F * (1 - 1e-12)
    assert q - F <= np.log(constraints(W, y) / np.log(2)) + 1e-9


@many
@given(separated())
def test_smoothed_margin_grows_at_least_with_the_steepness_along_the_flow(point):
    W, H, y = within_reach_of_autograd(point)
    F, slope, _ = oracles.autograd_log_loss_derivatives(W, H, y)
    velocity = -np.concatenate([g.ravel() for g in oracles.autograd_gradient(W, H, y)])
    theta = np.concatenate([W.ravel(), H.ravel()])
    log_rho = theta @ velocity / (theta @ theta)
    log_margin = slope @ velocity / F - 2 * log_rho
    x = alignment.steepness(W, H, y)
    assert x >= 1 - 1e-12
    assert log_margin / log_rho >= 2 * (x - 1) - 1e-7 * x


@many
@given(separated())
def test_steepness_is_at_least_one_over_the_alignment(point):
    assert alignment.steepness(*point) * alignment.alignment(*point) >= 1 - 1e-12


@many
@given(separated())
def test_steepness_is_the_slope_of_the_log_loss(point):
    W, H, y = within_reach_of_autograd(point)
    F, slope, _ = oracles.autograd_log_loss_derivatives(W, H, y)
    expected = np.linalg.norm(slope) * np.sqrt(ulpm.squared_norm(W, H)) / (2 * F)
    assert alignment.steepness(W, H, y) == pytest.approx(expected, rel=1e-6)


@many
@given(random_points(K=(2, 4), n=(1, 3), d=(1, 4), scale=(0.1, 2.0)))
def test_curvature_of_the_log_loss_is_bounded_above(point):
    *_, hessian = oracles.autograd_log_loss_derivatives(*within_reach_of_autograd(point))
    bound = oracles.curvature_bound(*point)
    loss = ulpm.loss(*point)
    assert np.linalg.eigvalsh(hessian).max() <= bound * (1 + 1e-8)
    assert bound <= np.sqrt(2) * loss / -np.expm1(-loss) * (1 + 1e-12)


@many
@given(st.integers(2, 4), st.integers(1, 3), st.integers(1, 3))
def test_curvature_bound_is_attained_at_the_origin(K, n, d):
    W, H, y = np.zeros((K, d)), np.zeros((d, K * n)), ulpm.balanced_labels(K, n)
    *_, hessian = oracles.autograd_log_loss_derivatives(W, H, y)
    assert np.linalg.eigvalsh(hessian).max() == pytest.approx(oracles.curvature_bound(W, H, y), rel=1e-10)


# ---------------------------------------------------------------- Lemma 3.2


@many
@given(random_points())
def test_alignment_is_the_cosine_between_the_point_and_the_descent(point):
    W, H, y = within_reach_of_autograd(point)
    theta = np.concatenate([W.ravel(), H.ravel()])
    step = -np.concatenate([g.ravel() for g in oracles.autograd_gradient(W, H, y)])
    cosine = theta @ step / np.linalg.norm(theta) / np.linalg.norm(step)
    assert alignment.alignment(W, H, y) == pytest.approx(cosine, abs=1e-9)


@many
@given(separated())
def test_printed_beta_is_negative_below_log_two_and_cannot_tend_to_one(point):
    assert alignment.printed_beta(*point) < 0 < alignment.alignment(*point) <= 1 + 1e-12


@many
@given(st.floats(0.001, 0.1), st.floats(0.2, 3.0))
def test_printed_beta_is_no_cosine_even_where_point_and_gradient_are_parallel(small, large):
    """It depends on the length of the point, between −2 and 0, and passes −1 on the way."""
    y = np.arange(4)
    for C in (small, large):
        assert alignment.alignment(C * B, C * B, y) == pytest.approx(1, abs=1e-12)
    assert (
        -2 < alignment.printed_beta(small * B, small * B, y) < -1 < alignment.printed_beta(large * B, large * B, y) < 0
    )


@many
@given(random_points())
def test_printed_beta_is_the_printed_formula(point):
    W, H, y = within_reach_of_autograd(point)
    gW, gH = oracles.autograd_gradient(W, H, y)
    a = np.sqrt(np.sum(W**2)) + np.sum(H**2)
    b = np.sqrt(np.sum(gW**2)) + np.sum(gH**2)
    expected = (np.sum(W * gW) + np.sum(H * gH)) / (a * b)
    assert alignment.printed_beta(W, H, y) == pytest.approx(expected, rel=1e-8, abs=1e-10)


@many
@given(separated())
def test_flow_multipliers_leave_the_stationarity_residual_of_the_alignment(point):
    W, H, y = point
    q, norm, beta = margin.margin(W, H, y), ulpm.squared_norm(W, H), alignment.alignment(W, H, y)
    residual, _ = oracles.lagrangian_by_loops(W / np.sqrt(q), H / np.sqrt(q), y, alignment.multipliers(W, H, y))
    assert residual**2 == pytest.approx(2 * (1 - beta) * norm / q, rel=1e-9, abs=1e-12)


@many
@given(separated())
def test_epsilon_bounds_the_stationarity_with_the_smoothed_margin_for_c(point):
    W, H, y = point
    r = kkt.residual(*kkt.rescale(W, H, y), y, alignment.multipliers(W, H, y))
    eps = alignment.epsilon(alignment.alignment(W, H, y), margin.smoothed_margin(W, H, y))
    assert r.stationarity <= eps + 1e-7  # the square root of rounding


@many
@given(separated())
def test_epsilon_fails_for_every_constant_above_the_normalized_margin(point):
    W, H, y = point
    assume(1 - alignment.alignment(W, H, y) > 1e-6)
    r = kkt.residual(*kkt.rescale(W, H, y), y, alignment.multipliers(W, H, y))
    C = 1.01 * margin.normalized_margin(W, H, y)
    assert r.stationarity > alignment.epsilon(alignment.alignment(W, H, y), C)


@many
@given(separated())
def test_epsilon_with_the_printed_sign_stays_away_from_zero(point):
    C = margin.smoothed_margin(*point)
    K, n = point[0].shape[0], point[2].size // point[0].shape[0]
    assert alignment.epsilon(-alignment.alignment(*point), C) > np.sqrt(2 / C) >= 2 * np.sqrt((K - 1) * np.sqrt(n))


@many
@given(st.integers(2, 9), st.floats(0.01, 1), st.floats(0.1, 99))
def test_delta_is_the_printed_formula(K, C, q):
    assert alignment.delta(K, C, q) * 2 * C * q == pytest.approx(K, rel=1e-12)


@many
@given(separated())
def test_delta_bounds_every_complementarity_product(point):
    W, H, y = point
    q, C = margin.margin(W, H, y), margin.smoothed_margin(W, H, y)
    _, products = oracles.lagrangian_by_loops(W / np.sqrt(q), H / np.sqrt(q), y, alignment.multipliers(W, H, y))
    assert products.min() >= -1e-9
    assert products.max() <= 1 / (np.e * C * q) + 1e-12
    assert products.max() <= alignment.delta(W.shape[0], C, q)
    assert alignment.delta(len(W), C, q) * np.e * C * q == pytest.approx(
        np.e * len(W) / 2
    )  # so often the sharper bound


def test_complementarity_products_can_reach_a_third_of_their_bound():
    q, y = 200.0, np.arange(2)
    u = (2 * (q**2 + (q + 1) ** 2)) ** 0.25  # ‖W‖ = ‖H‖
    W, H = np.array([[u / 2], [-u / 2]]), np.array([[q / u, -(q + 1) / u]])  # margins q and q + 1
    C = margin.smoothed_margin(W, H, y)
    r = kkt.residual(*kkt.rescale(W, H, y), y, alignment.multipliers(W, H, y))
    assert 1 / (3 * np.e * C * q) < r.complementarity < 1 / (np.e * C * q)


@many
@given(separated())
def test_sum_of_the_complementarity_products_is_below_its_logarithmic_bound(point):
    W, H, y = point
    q, C = margin.margin(W, H, y), margin.smoothed_margin(W, H, y)
    _, products = oracles.lagrangian_by_loops(W / np.sqrt(q), H / np.sqrt(q), y, alignment.multipliers(W, H, y))
    assert products.sum() <= np.log(2 * constraints(W, y)) / (2 * C * q)


def test_delta_does_not_bound_the_sum_of_the_products_for_many_samples():
    n, q = 3000, 300.0
    y = ulpm.balanced_labels(2, n)
    m = np.full(2 * n, q + 3.0)
    m[0] = q
    u = (2 * np.sum(m**2)) ** 0.25  # ‖W‖ = ‖H‖
    W, H = np.array([[u / 2], [-u / 2]]), (np.where(y == 0, 1, -1) * m / u)[None]
    lam = alignment.multipliers(W, H, y)
    total = np.sum(lam * (ulpm.gaps(W @ H, y) / q - 1))
    assert ulpm.loss(W, H, y) < np.log(2)
    assert total > 1.2 * alignment.delta(2, margin.smoothed_margin(W, H, y), q)


@many
@given(random_points())
def test_alignment_is_limited_by_the_mean_classifier(point):
    W, H, y = point
    conserved = W.shape[0] * np.sum(conservation.mean_classifier(W) ** 2) / ulpm.squared_norm(W, H)
    assert alignment.alignment(W, H, y) ** 2 <= 1 - conserved + 1e-12


# ---------------------------------------------------------------- Lemma 3.3 and Theorem 3.1


@few
@given(st.integers(2, 4), st.integers(1, 2), st.integers(0, 10**6))
def test_alignment_tends_to_one_and_the_margin_to_infinity(K, n, seed):
    rng = np.random.default_rng(seed)
    W, H, y = points.collapsed(K, n, K + 1, q=4.0)
    start = W + 0.3 * rng.standard_normal(W.shape), H + 0.3 * rng.standard_normal(H.shape)  # passes no saddle
    path = run(*start, y, [0, 1e3, 1e30, 1e90])
    _, early, middle, late = 1 - path.observe(alignment.alignment, args=(y,))
    assert middle < early / 3  # 1 − β falls at least like 1/log t: by 10 here
    assert late < middle / 1.5  # and by 3 here
    q = path.observe(margin.margin, args=(y,))
    assert q[2] - q[1] == pytest.approx(27 * np.log(10), rel=0.1)  # q_min ~ log t
    assert q[3] - q[2] == pytest.approx(60 * np.log(10), rel=0.1)


@few
@given(st.integers(2, 4), st.integers(1, 2), st.integers(0, 10**6))
def test_printed_beta_tends_to_zero_like_one_over_the_norm(K, n, seed):
    rng = np.random.default_rng(seed)
    W, H, y = points.collapsed(K, n, K + 1, q=4.0)
    start = W + 0.3 * rng.standard_normal(W.shape), H + 0.3 * rng.standard_normal(H.shape)
    path = run(*start, y, [0, 1e30, 1e90])
    printed = path.observe(alignment.printed_beta, args=(y,))
    gap = printed * np.sqrt(path.observe(ulpm.squared_norm)) + 2 * np.sqrt(2)
    assert abs(gap[2]) < 0.25  # √2 ‖W‖/‖H‖² is left of the first sum: a tenth at these norms
    assert abs(gap[2]) < abs(gap[1]) < abs(gap[0])


@few
@given(st.integers(2, 4), st.integers(1, 2), st.integers(0, 10**6))
def test_steepness_rises_no_faster_than_its_bound_along_a_generic_flow(K, n, seed):
    path, y = generic_run(K, n, K + 1, seed, np.concatenate([[0], np.geomspace(1, 1e60, 40)]))
    below = [theta for theta in path.points if ulpm.loss(*theta, y) < np.log(2)]
    x, beta, soft = (
        np.array([f(*theta, y) for theta in below])
        for f in (alignment.steepness, alignment.alignment, margin.smoothed_margin)
    )
    sigma = np.array([np.log(ulpm.squared_norm(*theta)) / 2 for theta in below])
    assert (x * beta >= 1 - 1e-12).all()
    assert (np.diff(np.log(x)) <= np.sqrt(2) * np.log(2) / soft[:-1] * np.diff(sigma) + 1e-9).all()


@few
@given(st.integers(2, 4), st.integers(1, 2), st.integers(0, 10**6))
def test_normalized_margins_share_their_limit_and_never_pass_the_bound(K, n, seed):
    path, y = generic_run(K, n, K, seed, np.concatenate([[0], np.geomspace(1, 1e60, 40)]))
    soft = path.observe(margin.smoothed_margin, args=(y,))
    hard = path.observe(margin.normalized_margin, args=(y,))
    below = path.observe(ulpm.loss, args=(y,)) < np.log(2)
    assert (np.diff(soft[below]) > 0).all()
    assert (soft[below] <= hard[below]).all()
    assert (hard <= 1 / (2 * (K - 1) * np.sqrt(n))).all()
    assert hard[-1] - soft[-1] < 0.05 * hard[-1]


@few
@given(st.integers(2, 4), st.integers(1, 2), st.integers(0, 10**6))
def test_flow_multipliers_bring_the_scaled_point_to_a_kkt_point_of_the_separation_problem(K, n, seed):
    path, y = generic_run(K, n, K + 1, seed, [0, 1e3, 1e20, 1e90])
    early, middle, late = (
        kkt.residual(*kkt.rescale(W, H, y), y, alignment.multipliers(W, H, y)) for W, H in path.points[1:]
    )
    assert late.stationarity < middle.stationarity < early.stationarity
    assert late.stationarity < 0.45 * early.stationarity  # (log t)^−1/2 would give 0.18
    assert late.complementarity < 0.3 * early.complementarity
    assert late.feasibility < 1e-12


@few
@given(st.integers(2, 4), st.integers(1, 2), st.integers(0, 10**6))
def test_loss_falls_like_one_over_four_gamma_t_log_t(K, n, seed):
    t = 1e90
    path, y = generic_run(K, n, K + 1, seed, [0, t])
    W, H = path.points[-1]
    ratio = 4 * margin.smoothed_margin(W, H, y) * t * np.log(t) * ulpm.loss(W, H, y)
    assert ratio == pytest.approx(1, abs=0.3)  # corrections of the order log log t / log t and of 1 − β


@many
@given(separated())
def test_spectral_and_frobenius_normalisation_give_the_same_feasible_point(point):
    W, H, y = point
    spectral = np.hypot(np.linalg.norm(W, 2), np.linalg.norm(H, 2))
    frobenius = np.sqrt(ulpm.squared_norm(W, H))
    one, other = (kkt.rescale(W / size, H / size, y) for size in (spectral, frobenius))
    assert 1 - 1e-12 <= frobenius / spectral <= np.sqrt(W.shape[1]) + 1e-12
    assert one[0] == pytest.approx(other[0], rel=1e-9, abs=1e-12)
    assert one[1] == pytest.approx(other[1], rel=1e-9, abs=1e-12)


@many
@given(collapsible_sizes())
def test_spectrally_normalised_collapse_has_frobenius_norm_root_k_minus_one(size):
    K, n, d = size
    W, H, _ = points.collapsed(K, n, d)
    spectral = np.hypot(np.linalg.norm(W, 2), np.linalg.norm(H, 2))
    assert ulpm.squared_norm(W, H) / spectral**2 == pytest.approx(K - 1, rel=1e-12)


@many
@given(st.floats(0.1, 4.0))
def test_a_flow_can_stay_on_a_kkt_ray_with_three_quarters_of_the_largest_margin(C):
    y = np.arange(4)
    gW, gH = ulpm.gradient(C * B, C * B, y)
    speed = -np.sum(gW * B) / np.sum(B * B)
    assert speed > 0
    assert np.allclose(gW, -speed * B, rtol=1e-12)
    assert np.allclose(gH, -speed * B, rtol=1e-12)
    V, _ = kkt.rescale(C * B, C * B, y)
    lam = (1 - np.kron(np.eye(2), np.ones((2, 2)))) / 2  # eq. (8)
    assert max(kkt.residual(V, V, y, lam)) < 1e-12
    assert margin.margin(C * B, C * B, y) / margin.bound(C * B, C * B, y) == pytest.approx(3 / 4, rel=1e-12)


# ---------------------------------------------------------------- rays


@many
@given(separated(), st.floats(1.001, 1.5))
def test_loss_decreases_strictly_along_a_separating_ray(point, t):
    W, H, y = point
    assert 0 < ulpm.loss(t * W, t * H, y) < ulpm.loss(W, H, y)


@many
@given(separated())
def test_speed_along_a_separating_ray_is_its_normalized_margin(point):
    W, H, y = point
    W, H = (a / np.sqrt(margin.margin(W, H, y)) for a in (W, H))  # margin 1
    for t in (5.0, 10.0, 20.0):
        assert abs(-np.log(ulpm.loss(t * W, t * H, y)) / t**2 - 1) <= np.log(constraints(W, y)) / t**2 + 1e-12


@many
@given(random_points(scale=(0.5, 2.0)))
def test_loss_grows_without_bound_along_a_ray_that_misclassifies(point):
    W, H, y = point
    q = margin.margin(W, H, y)
    assume(q < -0.01)
    t = np.sqrt(1000 / -q)
    assert ulpm.loss(t * W, t * H, y) >= 1000 * (1 - 1e-12)


@many
@given(separated(), st.floats(1.0, 20.0))
def test_no_direction_is_faster_than_the_collapsed_one(point, t):
    W, H, y = point
    K, d = W.shape
    V, U, _ = points.collapsed(K, y.size // K, d)
    scale = np.sqrt(ulpm.squared_norm(W, H) / ulpm.squared_norm(V, U))
    assert margin.normalized_margin(V, U, y) >= margin.normalized_margin(W, H, y) * (1 - 1e-12)
    small = t / np.sqrt(ulpm.squared_norm(W, H))
    assert ulpm.loss(small * scale * V, small * scale * U, y) <= ulpm.loss(small * W, small * H, y) * (1 + 1e-12)


# ---------------------------------------------------------------- arguments


def test_bad_arguments_are_named():
    W, H, y = np.eye(3), np.eye(3), np.arange(3)
    for call, name in [
        (lambda: alignment.alignment(0 * W, 0 * H, y), "W, H"),
        (lambda: alignment.steepness(0.1 * W, 0.1 * H, y), "W, H"),
        (lambda: alignment.steepness(100 * W, 100 * H, y), "W, H"),  # the loss is 0 in float64
        (lambda: alignment.gradient_norm(W, np.eye(4), y), "H"),
        (lambda: alignment.pull(W, H, y + 1), "y"),
        (lambda: alignment.epsilon(1.5, 1.0), "beta"),
        (lambda: alignment.epsilon(np.nan, 1.0), "beta"),
        (lambda: alignment.epsilon(0.5, 0.0), "C"),
        (lambda: alignment.delta(2, 1.0, -1.0), "q"),
        (lambda: alignment.entropy_bound(0.0), "loss"),
        (lambda: points.merged(2, 1, 2, 1.0), "K"),
        (lambda: points.centred(4, 1, 1, 1.0), "d"),
        (lambda: points.between(4, 1, 1, 1.0), "d"),
    ]:
        with pytest.raises(ValueError, match=f"^{name}: .*expected"):
            call()
