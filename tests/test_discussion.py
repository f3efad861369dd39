"""Sections 5.2 and 5.3: weight decay, growing features, the speed of collapse and schedules for the step size."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from ncpaper import flow, lpm, margin, measures, points, rates, ulpm
from tests import oracles
from tests.strategies import collapsible_sizes, flat, many, normal, random_points, seeds


def with_decay(gradient, decay):
    return lambda *theta: tuple(g + decay * part for g, part in zip(gradient(*theta), theta, strict=True))


# weight decay, section 5.2


@many
@given(random_points(K=(2, 4), d=(1, 4)), st.floats(0.5, 5))
def test_normalized_gradient_is_the_derivative_of_the_scale_invariant_loss(point, radius):
    torch = pytest.importorskip("torch")
    W, H, y = point
    w, h = (torch.tensor(a, requires_grad=True) for a in (W, H))
    scale = radius / torch.sqrt((w**2).sum() + (h**2).sum())
    expected = torch.autograd.grad(oracles.torch_loss(scale * w, scale * h, y), (w, h))
    for g, e in zip(lpm.normalized_gradient(W, H, y, radius), expected, strict=True):
        assert np.allclose(g, e.numpy(), rtol=1e-9, atol=1e-11)


@many
@given(seeds, st.floats(0.01, 0.3), st.floats(0.1, 2))
def test_weight_decay_on_a_scale_invariant_loss_is_descent_with_growing_steps(seed, eta, decay):
    W, H, y = normal(seed, 3, 2, 3)
    theta, phi, keep = (W, H), (W, H), 1 - eta * decay
    for t in range(20):
        g = lpm.normalized_gradient(*theta, y, radius=4.0)
        theta = tuple(keep * a - eta * b for a, b in zip(theta, g, strict=True))
        g = lpm.normalized_gradient(*phi, y, radius=4.0)
        phi = tuple(a - eta * keep ** (-2 * t - 1) * b for a, b in zip(phi, g, strict=True))
        assert np.allclose(flat(theta), keep ** (t + 1) * flat(phi), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_no_step_sizes_follow_the_decayed_path_of_the_layer_peeled_model(seed):
    W, H, y = normal(seed, 4, 3, 5)
    eta, decay = 0.05, 1.0
    first = tuple((1 - eta * decay) * a - eta * g for a, g in zip((W, H), ulpm.gradient(W, H, y), strict=True))
    alone = tuple(part / (1 - eta * decay) for part in first)
    vectors = [flat(v) for v in (first, ulpm.gradient(*first, y), ulpm.gradient(*alone, y))]
    least = np.linalg.svd(np.stack([v / np.linalg.norm(v) for v in vectors]), compute_uv=False)[-1]
    assert least > 1e-3  # linearly independent, far beyond rounding
    g = flat(ulpm.gradient(W, H, y))  # and so are the start and its gradient, which fixes the first step
    assert abs(g @ flat((W, H))) < 0.99 * np.linalg.norm(g) * np.linalg.norm(flat((W, H)))
    g = lpm.normalized_gradient(*first, y, 4.0), lpm.normalized_gradient(*alone, y, 4.0)
    vectors = [flat(first), flat(g[0]), flat(g[1])]  # the criterion does allow it for the scale-invariant loss
    least = np.linalg.svd(np.stack([v / np.linalg.norm(v) for v in vectors]), compute_uv=False)[-1]
    assert least < 1e-12


@pytest.mark.parametrize(("K", "n", "d", "decay"), [(2, 1, 2, 0.1), (4, 3, 5, 0.1), (3, 4, 2, 1.0)])
def test_descent_with_weight_decay_ends_collapsed_at_the_closed_form_margin(K, n, d, decay):
    W, H, y = normal(3, K, n, d)
    objective = with_decay(lambda W, H: ulpm.gradient(W, H, y), decay)
    W, H = flow.descend(objective, (W, H), 0.05, [6000]).points[0]
    assert margin.margin(W, H, y) == pytest.approx(lpm.decayed_margin(K, n, decay), abs=1e-6)
    assert measures.distance_to_collapse(W, H, y) < 1e-6


@many
@given(random_points(), st.floats(0.02, 4))
def test_no_point_lies_below_the_minimum_with_weight_decay(point, decay):
    W, H, y = point
    K, n = W.shape[0], y.size // W.shape[0]
    q = lpm.decayed_margin(K, n, decay)
    least = K * n * np.log1p((K - 1) * np.exp(-q)) + decay * (K - 1) * np.sqrt(n) * q
    assert ulpm.loss(W, H, y) + decay / 2 * ulpm.squared_norm(W, H) >= least * (1 - 1e-12)
    if q > 0:
        W, H, y = points.collapsed(K, n, K - 1, q)  # attains it
        assert oracles.loss_by_loops(W, H, y) + decay / 2 * ulpm.squared_norm(W, H) == pytest.approx(least, rel=1e-9)


@many
@given(st.integers(2, 6), st.integers(1, 6), st.floats(1.0, 3.0))
def test_weight_decay_from_the_root_of_n_on_leaves_only_the_origin(K, n, factor):
    assert lpm.decayed_margin(K, n, factor * np.sqrt(n) * (1 + 1e-12)) == 0
    assert lpm.decayed_margin(K, n, 0.99 / factor * np.sqrt(n)) > 0
    W, H, y = normal(0, K, n, K)
    least = ulpm.loss(0 * W, 0 * H, y)
    assert ulpm.loss(W, H, y) + factor * np.sqrt(n) / 2 * ulpm.squared_norm(W, H) > least


# growing features, section 5.2


@many
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(0.1, 50))
def test_softmax_approximates_the_max_to_log_K_over_the_scale(z, s):
    z = np.array(z)
    error = np.log(np.exp(s * (z - z.max())).sum()) / s
    assert 0 <= error <= np.log(z.size) / s * (1 + 1e-12)


@many
@given(collapsible_sizes(), st.floats(0.5, 2), st.floats(1, 100), seeds)
def test_logarithm_of_the_loss_approximates_the_margin_of_a_separated_point(sizes, q, s, seed):
    W, H, y = points.collapsed(*sizes, q)
    H = H + 0.05 * np.random.default_rng(seed).standard_normal(H.shape)
    least = margin.margin(W, H, y)
    assume(least >= 0)
    error = -ulpm.log_loss(s * W, s * H, y) - s**2 * least
    room = 1e-12 * s**2 * (1 + least)  # rounding of s² q
    assert -np.log(y.size * (sizes[0] - 1)) - room <= error <= -np.log(np.log(2)) + room


@many
@given(collapsible_sizes(), st.floats(0.5, 5))
def test_logarithm_of_the_loss_does_not_give_the_margin_of_a_point_that_is_not_separated(sizes, q):
    W, H, y = points.collapsed(*sizes, q)
    s = 200.0
    assert margin.margin(-W, H, y) <= -q / 2
    assert abs(ulpm.log_loss(-s * W, s * H, y)) / s**2 < 1e-3  # tends to 0, not to q


@many
@given(random_points(scale=(0.1, 8.0)))
def test_log_loss_is_the_logarithm_of_the_loss(point):
    assert ulpm.log_loss(*point) == pytest.approx(np.log(ulpm.loss(*point)), rel=1e-10, abs=1e-10)


@many
@given(random_points(scale=(0.1, 2.0)))
def test_log_loss_gradient_is_the_gradient_over_the_loss(point):
    value, norm = ulpm.loss(*point), np.sqrt(ulpm.squared_norm(*point[:2]))
    for g, e in zip(ulpm.log_loss_gradient(*point), oracles.autograd_gradient(*point), strict=True):
        assert np.allclose(g, e / value, rtol=1e-8, atol=1e-10 + 1e-14 * norm / value)  # rounding in autograd's p − 1


def test_log_loss_gradient_survives_where_the_loss_underflows():
    W, H, y = points.collapsed(3, 2, 2, q=2000.0)
    g = flat(ulpm.log_loss_gradient(W, H, y))
    assert ulpm.loss(W, H, y) == 0.0
    assert np.allclose(g, -flat((W, H)) / (2 * np.sqrt(2)), rtol=1e-9)  # −μ θ with μ → 1/((K−1)√n)


# how slow, section 5.3


@settings(deadline=None, max_examples=8)
@given(random_points(K=(2, 4), n=(1, 3), d=(1, 4), scale=(0.3, 2.0)))
def test_margin_of_every_gradient_flow_stays_below_its_ceiling(point):
    W, H, y = point
    at = np.concatenate([[0], np.geomspace(0.1, 300, 10)])  # short: where d = 1 < K − 1 the flow is stiff
    path = flow.integrate(ulpm.gradient, (W, H), at, args=(y,))
    reached = path.observe(margin.margin, args=(y,))
    assert (reached <= rates.margin_ceiling(at, W, H, y) + 1e-6).all()  # error of the integration


@many
@given(random_points(scale=(0.3, 2.0)), st.floats(0, 100))
def test_margin_ceiling_integrates_the_bounds_on_norm_and_gradient(point, t):
    W, H, y = point
    wrong = y.size * (W.shape[0] - 1)

    def square(s):
        return ulpm.squared_norm(W, H) + 4 / np.e * wrong * s  # the bound on ρ²

    middles = t * (np.arange(100) + 0.5) / 100  # of 100 short intervals
    inverse = 1 / oracles.loss_by_loops(W, H, y) + t * np.mean([2 * square(s) for s in middles])  # the bound on 1 / L
    assert rates.margin_ceiling(t, W, H, y) == pytest.approx(np.log(wrong * inverse), rel=1e-9, abs=1e-9)


def test_margin_grows_like_the_logarithm_of_the_time():
    W, H, y = normal(0, 4, 3, 5)
    at = np.array([0, 1e10, 1e20, 1e40])
    path = flow.integrate(ulpm.gradient, (W, H), at, args=(y,))
    q = path.observe(margin.margin, args=(y,))
    slopes = np.diff(q[1:]) / np.diff(np.log(at[1:]))
    assert (slopes < 1.15).all()  # not 2, the factor of the proved ceiling
    assert (slopes > 1).all()
    assert slopes[1] < slopes[0]


@pytest.mark.parametrize("seed", range(3))
def test_distance_to_collapse_is_held_up_by_the_conserved_mean_of_the_classifiers(seed):
    W, H, y = normal(seed, 4, 3, 5)
    at = np.concatenate([[0], np.geomspace(1, 1e12, 7)])
    path = flow.integrate(ulpm.gradient, (W, H), at, args=(y,))
    far = path.observe(measures.distance_to_collapse, args=(y,))
    floor = 2 * np.linalg.norm(W.mean(axis=0)) / np.sqrt(path.observe(ulpm.squared_norm))
    assert (far >= floor).all()
    after = path.observe(ulpm.loss, args=(y,)) < np.log(2)
    gamma = path.observe(margin.smoothed_margin, args=(y,))[after][0]
    q = path.observe(margin.margin, args=(y,))[after]
    assert (far[after] >= 2 * np.linalg.norm(W.mean(axis=0)) * np.sqrt(gamma / q) * (1 - 1e-9)).all()
    assert far[-1] > 0.1  # after 10¹² units of time


@many
@given(collapsible_sizes(extra=(1, 2)), st.floats(1e-3, 1e-2))
def test_floor_from_the_mean_of_the_classifiers_is_sharp(sizes, shift):
    W, H, y = points.collapsed(*sizes)
    W = W + shift * np.eye(sizes[2])[-1]  # orthogonal to all classifiers
    floor = np.sqrt(sizes[0]) * np.linalg.norm(W.mean(axis=0)) / np.sqrt(ulpm.squared_norm(W, H))
    assert floor <= measures.distance_to_collapse(W, H, y) <= floor * (1 + floor**2)


@many
@given(random_points(scale=(0.1, 3.0)))
def test_gradient_is_at_most_root_two_times_loss_times_norm(point):
    g = flat(ulpm.gradient(*point))
    assert np.linalg.norm(g) <= np.sqrt(2) * ulpm.loss(*point) * np.sqrt(ulpm.squared_norm(*point[:2]))


def test_factor_root_two_between_gradient_and_loss_times_norm_is_sharp():
    W, H, y = np.array([[-100.0], [100.0]]), np.array([[-0.05, 0.1]]), np.array([0, 1])  # margins 10 and 20
    ratio = np.linalg.norm(flat(ulpm.gradient(W, H, y))) / (ulpm.loss(W, H, y) * np.sqrt(ulpm.squared_norm(W, H)))
    assert ratio == pytest.approx(np.sqrt(2), rel=1e-3)  # up to terms of the order exp(-10)


@many
@given(random_points(scale=(0.1, 3.0)))
def test_growth_of_the_squared_norm_is_at_most_four_over_e_per_wrong_logit(point):
    W, H, y = point
    g = flat(ulpm.gradient(W, H, y))
    assert -2 * g @ flat((W, H)) <= 4 / np.e * y.size * (W.shape[0] - 1)
    W, H, y = points.collapsed(2, 3, 1, q=1.278)  # where q / (1 + exp(q)) is largest
    assert -2 * flat(ulpm.gradient(W, H, y)) @ flat((W, H)) > 3 / np.e * y.size


# loss-dependent steps, section 5.3


def test_loss_dependent_steps_give_one_over_t_in_linear_classification():
    X = np.array([[1.0, 1.0], [1.0, -3.0], [2.0, 0.5]])  # labels times samples
    best = minimize(lambda w: w @ w, [1.0, 0.1], constraints={"type": "ineq", "fun": lambda w: X @ w - 1}).x
    best /= np.linalg.norm(best)  # the largest-margin direction, by a general solver

    def classify(w):
        p = np.exp(-X @ w - np.logaddexp.reduce(-X @ w))
        return (-p @ X,)

    at = np.array([100, 1000, 10000])
    directions = flow.descend(classify, (np.array([0.0, 1.0]),), 0.2, at).observe(lambda w: w / np.linalg.norm(w))
    error = np.abs(directions @ np.array([-best[1], best[0]]))
    assert (error * at < 3 * error[0] * at[0]).all()
    assert error[2] < 2e-2 * error[0]  # a rate of log t or t^(-1/2) would leave 0.1 or more


@many
@given(st.floats(0.01, 10), st.floats(0.01, 0.99))
def test_loss_dependent_steps_do_not_converge_in_linear_regression(c, fraction):
    x = fraction * np.sqrt(c)  # near the minimum of x²/2
    for _ in range(50):
        after = x - c / (x**2 / 2) * x  # a step c / loss along the gradient x
        if abs(x) < np.sqrt(c):
            assert abs(after) > np.sqrt(c)  # thrown out again
        x = after if after != 0 else x


def slope(start, y, gradient, step, steps=4000):
    """The power of t in the distance to collapse, over the last factor of four."""
    at = np.array([steps // 4, steps])
    far = flow.descend(gradient, start, step, at).observe(measures.distance_to_collapse, args=(y,))
    return np.log(far[1] / far[0]) / np.log(4)


def over_square(W, H):
    return 8 / ulpm.squared_norm(W, H)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("K", "n", "d"), [(4, 3, 5), (3, 2, 4)])
def test_steps_over_loss_and_squared_norm_give_root_t_from_a_generic_start(K, n, d, seed):
    W, H, y = normal(seed, K, n, d)
    power = slope((W, H), y, lambda W, H: ulpm.log_loss_gradient(W, H, y), over_square)
    assert power == pytest.approx(-0.5, abs=0.1)  # observed at this length; at least −1/2 is proved


def power_from_a_balanced_start(K, n, d, seed):
    """The slope from an initialisation with 1ᵀW = 0 and WᵀW = H Hᵀ."""
    W, _, y = normal(seed, K, n, d)
    W = W - W.mean(axis=0)
    mixing, _ = np.linalg.qr(np.random.default_rng([seed, 1]).standard_normal((K * n, K)))
    return slope((W, W.T @ mixing.T), y, lambda W, H: ulpm.log_loss_gradient(W, H, y), over_square)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("K", "n", "d"), [(4, 3, 5), (3, 2, 4)])
def test_steps_over_loss_and_squared_norm_give_one_over_t_from_a_balanced_start(K, n, d, seed):
    assert power_from_a_balanced_start(K, n, d, seed) == pytest.approx(-1, abs=0.1)


def test_with_six_classes_some_balanced_starts_are_near_a_saddle_still_and_show_no_power_minus_one():
    powers = [power_from_a_balanced_start(6, 2, 6, seed) for seed in (0, 3)]
    assert max(abs(power + 1) for power in powers) > 0.25


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("K", "n", "d", "expected"), [(3, 2, 2, -1), (4, 3, 3, -1), (3, 2, 4, -0.5), (4, 3, 5, -0.5)])
def test_centring_the_start_gives_one_over_t_in_the_least_dimension_only(K, n, d, expected, seed):
    W, H, y = normal(seed, K, n, d)
    power = slope((W - W.mean(axis=0), H), y, lambda W, H: ulpm.log_loss_gradient(W, H, y), over_square)
    assert power == pytest.approx(expected, abs=0.1)  # observed at this length


@pytest.mark.parametrize("c", [0.1, 0.05])
def test_steps_over_the_loss_alone_stall_while_the_margin_explodes(c):
    W, H, y = normal(0, 4, 3, 5)
    path = flow.descend(ulpm.log_loss_gradient, (W, H), c, np.arange(2000, 4001, 100), args=(y,))
    far = path.observe(measures.distance_to_collapse, args=(y,))
    assert margin.margin(*path.points[-1], y) > 1e10
    assert far.min() > c / 2  # chaotic from then on, but never closer


@settings(deadline=None, max_examples=10)
@given(seeds, st.floats(0.1, 20))
def test_distance_to_collapse_cannot_fall_faster_than_root_t(seed, c):
    W, H, y = normal(seed, 3, 2, 3)
    at = np.array([0, 10, 100, 400])
    path = flow.descend(ulpm.log_loss_gradient, (W, H), lambda W, H, y: c / ulpm.squared_norm(W, H), at, args=(y,))
    square = 3 * np.linalg.norm(W.mean(axis=0)) ** 2  # of the component of W along the vector of ones
    ceiling = ulpm.squared_norm(W, H) + (2 * np.sqrt(2) * c + 2 * c**2 / square) * at
    assert (path.observe(ulpm.squared_norm) <= ceiling * (1 + 1e-12)).all()
    far = path.observe(measures.distance_to_collapse, args=(y,))
    assert (far >= np.sqrt(square / ceiling) * (1 - 1e-12)).all()


@many
@given(collapsible_sizes(n=(2, 4)), st.floats(1, 200), st.floats(0.01, 1))
def test_one_step_multiplies_a_within_class_deviation_by_the_closed_form(sizes, q, s):
    W, H, y = points.collapsed(*sizes, q)
    K, n, _ = sizes
    H = H.copy()
    E = 1e-4 * H[:, 0] / np.sqrt(q)
    H[:, 0] += E
    H[:, 1] -= E
    gW, gH = ulpm.log_loss_gradient(W, H, y)
    after = (H - s * gH)[:, 0] - (H - s * gH)[:, 1]
    p, loss = 1 / (np.exp(q) + K - 1), np.log1p((K - 1) * np.exp(-q))
    mu = p / (np.sqrt(n) * loss)
    kappa = (1 - (K - 1) * p) * q * mu
    assert np.allclose(after, (1 - s * kappa) * 2 * E, rtol=1e-4, atol=1e-5 * np.linalg.norm(E))  # second order in E
    assert np.allclose(W - s * gW, (1 + s * mu) * W, rtol=1e-6, atol=1e-6 * np.linalg.norm(W))
    for factor in (0.9, 1.1) if kappa > 1.1 * mu else ():  # the two sides of the threshold
        s = 2 * factor / (kappa - mu)
        after = (H - s * gH)[:, 0] - (H - s * gH)[:, 1]
        assert (np.linalg.norm(after) < (1 + s * mu) * np.linalg.norm(2 * E)) == (factor < 1)
    if q > 40:  # exp(-40) is below rounding
        assert kappa - mu == pytest.approx((q - 1) / ((K - 1) * np.sqrt(n)), rel=1e-9)  # the limit for large margins


# the distance


@many
@given(collapsible_sizes(n=(1, 3), extra=(0, 1)), seeds)
def test_distance_to_collapse_is_invariant_and_at_most_that_of_any_rotation(sizes, seed):
    rng = np.random.default_rng(seed)
    K, n, d = sizes
    W, H, y = normal(seed, K, n, d)
    far = measures.distance_to_collapse(W, H, y)
    W0, H0, _ = points.collapsed(K, n, d)
    theta = flat((W, H)) / np.linalg.norm(flat((W, H)))
    for _ in range(5):
        U, _ = np.linalg.qr(rng.standard_normal((d, d)))
        other = flat((W0 @ U.T, U @ H0))
        assert far <= np.linalg.norm(theta - other / np.linalg.norm(other)) + 1e-12
    shuffle = rng.permutation(y.size)
    assert measures.distance_to_collapse(3 * W @ U.T, 3 * U @ H[:, shuffle], y[shuffle]) == pytest.approx(far, rel=1e-9)


@many
@given(collapsible_sizes(), st.floats(0.1, 9), seeds)
def test_distance_to_collapse_vanishes_at_collapse_only(sizes, q, seed):
    W, H, y = points.collapsed(*sizes, q)
    rng = np.random.default_rng(seed)
    assert measures.distance_to_collapse(W, H, y) < 1e-12
    assert measures.distance_to_collapse(W + 0.1 * np.sqrt(q), H, y) > 1e-3  # a common shift of the classifiers
    noise = rng.standard_normal(H.shape)
    noise *= 0.1 * np.linalg.norm(H) / np.linalg.norm(noise)
    assert measures.distance_to_collapse(W, H + noise, y) > 0
    assert measures.distance_to_collapse(-W, H, y) > 0.5


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: lpm.decayed_margin(2, 1, 0.0), "decay"),
        (lambda: lpm.normalized_gradient(np.eye(2), np.eye(2), np.array([0, 1]), -1.0), "radius"),
        (lambda: lpm.normalized_gradient(np.zeros((2, 2)), np.zeros((2, 2)), np.array([0, 1]), 1.0), "W, H"),
        (lambda: ulpm.log_loss(np.eye(2), np.eye(2), np.array([0, 2])), "y"),
        (lambda: ulpm.log_loss_gradient(np.eye(2), np.full((2, 2), np.inf), np.array([0, 1])), "H"),
        (lambda: rates.margin_ceiling(-1.0, np.eye(2), np.eye(2), np.array([0, 1])), "t"),
        (lambda: measures.distance_to_collapse(np.eye(2), np.eye(2), np.array([0, 0])), "y"),
        (lambda: measures.distance_to_collapse(np.ones((4, 2)), np.ones((2, 4)), np.arange(4)), "d"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        call()
