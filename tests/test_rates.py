"""Slopes on the axes of Figure 2, bounds in time, the clock that reaches the far limit, and the rates of collapse."""

from functools import cache
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncpaper import conservation, flow, margin, measures, points, rates, symbolic, ulpm, validate
from tests.strategies import many, seeds


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


# ---------------------------------------------------------------- far

few = settings(deadline=None, max_examples=8)
FAR = np.array([600.0, 1250.0, 2500.0, 5000.0])
SIZES = [
    (4, 2, 6, 0.5, 0),
    (4, 2, 3, 0.5, 1),
    (3, 3, 5, 0.3, 2),
    (3, 1, 4, 0.3, 0),
    (2, 2, 3, 0.5, 0),
    (5, 10, 20, 0.3, 0),
]


def start(K, n, d, scale, seed):
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((K, d)), scale * rng.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)


def follow(W, H, y, at):
    return flow.integrate_log(ulpm.log_loss, ulpm.log_loss_gradient, (W, H), at, args=(y,))


def margins(W, H, y):
    """All K(K−1)n margins."""
    return ulpm.gaps(W @ H, y)[ulpm.one_hot(y, len(W)) == 0]


def spread(W, H, y):
    return np.ptp(margins(W, H, y))


@cache
def far(K, n, d, scale, seed):
    """The flow to log t = 5000, its mean margins, the number of gradients, and the seconds it took."""
    W, H, y = start(K, n, d, scale, seed)
    calls, begin = [], process_time()

    def gradient(*point):
        calls.append(1)
        return ulpm.log_loss_gradient(*point)

    path = flow.integrate_log(ulpm.log_loss, gradient, (W, H), FAR, args=(y,))
    q = path.observe(lambda W, H: margins(W, H, y).mean())
    return W, H, y, path, q, len(calls), process_time() - begin


# ---------------------------------------------------------------- the clock


@pytest.mark.parametrize("size", SIZES)
def test_log_t_of_5000_is_reached_within_20000_gradients_and_10_seconds(size):
    *_, calls, seconds = far(*size)
    assert calls <= 20_000
    assert seconds < 10


@pytest.mark.parametrize("size", SIZES)
def test_conserved_quantities_are_kept_to_eight_digits_up_to_log_t_of_5000(size):
    W, H, _, path, *_ = far(*size)
    for law in (lambda W, H: conservation.mean_classifier(W), conservation.imbalance):
        first, values = law(W, H), path.observe(law)
        assert np.linalg.norm(values[-1] - first) <= 1e-8 * np.linalg.norm(first)
        assert max(np.linalg.norm(v - first) for v in values) <= 1e-8 * np.linalg.norm(first)


@few
@given(seeds, st.integers(2, 4), st.integers(1, 3), st.integers(1, 5), st.floats(0.1, 1.5))
def test_far_clock_agrees_with_the_flow_where_both_reach(seed, K, n, d, scale):
    W, H, y = start(K, n, d, scale, seed)
    times = np.array([0.3, 10.0, 1e3])
    near = flow.integrate(ulpm.gradient, (W, H), np.concatenate([[0.0], times]), args=(y,)).points[1:]
    for (a, b), (c, e) in zip(near, follow(W, H, y, np.log(times)).points, strict=True):
        np.testing.assert_allclose(c, a, atol=1e-5)
        np.testing.assert_allclose(e, b, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 2, 6, 0.5, 0), (3, 3, 5, 0.3, 2)])
def test_far_clock_agrees_with_the_flow_at_the_last_time_of_a_float(size):
    W, H, y = start(*size)
    near = flow.integrate(ulpm.gradient, (W, H), [0.0, 1e300], args=(y,), rtol=1e-9, atol=1e-11).points[-1]
    late = follow(W, H, y, np.log([1e300])).points[-1]
    for a, b in zip(near, late, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@few
@given(seeds, st.floats(0.05, 0.9), st.floats(0.5, 2.0))
def test_reduced_flow_of_example_3_1_is_the_flow_of_all_coordinates(seed, tilt, C):
    B, y, at = np.array(symbolic.B, dtype=float), np.arange(4), np.array([0.0, 5.0, 40.0])
    uu = np.outer([1, 1, -1, -1], [1, 1, -1, -1]) / 4

    def point(x, z):
        return x * B / 2 + z * uu

    reduced = flow.integrate_log(
        rates.tilted_log_loss, rates.tilted_log_gradient, (np.array([2 * C]), np.array([2 * C * tilt])), at
    )
    full = follow(point(2 * C, 2 * C * tilt), point(2 * C, 2 * C * tilt), y, at)
    for small, (W, H) in zip(reduced.points, full.points, strict=True):
        np.testing.assert_allclose(point(*small), W, atol=1e-5)
        np.testing.assert_allclose(W, H, atol=1e-6)


def test_tilt_of_a_fiftieth_leaves_example_3_1_only_beyond_the_times_of_a_float():
    """τ/τ₀ ≤ x/x₀ all along; at log t = 700 the tilt is below 0.4, at 10⁴ above 0.95."""
    start = np.array([2.0]), np.array([0.04])
    path = flow.integrate_log(rates.tilted_log_loss, rates.tilted_log_gradient, start, [10.0, 700.0, 5000.0, 1e4])
    x, z = path.observe(lambda x, z: x[0]), path.observe(lambda x, z: z[0])
    assert (z / x / 0.02 <= x / 2 + 1e-6).all()
    assert (z / x)[1] < 0.4
    assert (z / x)[3] > 0.95


@pytest.mark.parametrize("at", [[], [1.0, 1.0], [2.0, 1.0], [np.nan], [0.0, np.inf]])
def test_far_clock_refuses_times_that_do_not_increase(at):
    with pytest.raises(ValueError, match=r"^at: expected"):
        flow.integrate_log(lambda x: -x.sum(), lambda x: (-np.ones(1),), (np.zeros(1),), at)


def test_far_clock_refuses_a_start_that_is_not_finite():
    with pytest.raises(ValueError, match="theta: expected finite entries"):
        flow.integrate_log(lambda x: -x.sum(), lambda x: (-np.ones(1),), (np.array([np.nan]),), [1.0])


def test_far_clock_says_where_it_stalls():
    """Two merged classes stay merged: the loss tends to 2 log 2 and the steps of the flow stay bounded in t."""
    W, H, y = np.array([[1.0, 0], [1, 0], [-2, 0]]), np.array([[1.0, 1, -2], [0, 0, 0]]), np.arange(3)
    with pytest.raises(FloatingPointError, match=r"the clock stalls: 5000 evaluations reached log t = \d"):
        flow.integrate_log(ulpm.log_loss, ulpm.log_loss_gradient, (W, H), [100.0], args=(y,), evaluations=5000)


# ---------------------------------------------------------------- rates and constants


@pytest.mark.parametrize("size", SIZES)
def test_margin_of_a_collapsing_flow_solves_q_minus_log_q(size):
    """q − log q = log t + log(2K√n) − 1/q + O(q⁻²)."""
    K, n, *_ = size
    *_, q, _, _ = far(*size)
    np.testing.assert_allclose(q - np.log(q) + 1 / q, FAR + np.log(2 * K * np.sqrt(n)), atol=3e-4)


@pytest.mark.parametrize("size", SIZES)
def test_loss_of_a_collapsing_flow_times_t_and_q_has_its_constant(size):
    K, n, *_ = size
    _, _, y, path, q, *_ = far(*size)
    log_loss = path.observe(ulpm.log_loss, args=(y,))
    np.testing.assert_allclose(log_loss + FAR + np.log(2 * q / ((K - 1) * np.sqrt(n))) - 1 / q, 0, atol=3e-4)


@pytest.mark.parametrize("size", SIZES)
def test_measures_of_a_collapsing_flow_have_the_constants_of_the_conserved_quantities(size):
    """To three digits, extrapolated in q^(−1/2); Ξ and w̄ are taken at the start."""
    W, H, y, path, q, *_ = far(*size)
    limit = rates.collapse(*path.points[-1], y)
    limit = limit._replace(imbalance=conservation.imbalance(W, H), mean=W.mean(axis=0))
    functions = {name: m.function for name, m in measures.SECTION_4.items()}
    functions["distance_to_collapse"] = measures.distance_to_collapse
    table = rates.constants(limit, y.size // len(W))
    assert set(table) == set(functions)
    for name, (p, constant) in table.items():
        X = path.observe(functions[name], args=(y,)) * q**p
        if constant > 1e-9:
            assert np.polyfit(q**-0.5, X, 3)[-1] == pytest.approx(constant, rel=1e-3), name
        else:
            assert X[-1] < 0.01, name
            assert X[-1] <= max(0.6 * X[0], 1e-10), name


@pytest.mark.parametrize("size", [(4, 2, 6, 0.5, 0), (3, 3, 5, 0.3, 2), (3, 1, 4, 0.3, 0)])
def test_margins_of_a_collapsing_flow_agree_up_to_the_power_three_halves(size):
    _, _, y, path, q, *_ = far(*size)
    products = path.observe(spread, args=(y,)) * q**1.5
    assert products.max() < 1.1 * products.min()


@pytest.mark.parametrize("d", [4, 5, 7])
def test_deviations_within_classes_survive_also_in_dimensions_from_K_to_2K(d):
    """K = 4: √q times the within-class variation settles at a positive number; P⊥ΞP⊥ = M h̄h̄ᵀ + Σ δδᵀ."""
    W, H, y, path, q, *_ = far(4, 2, d, 0.5, d)
    limit = rates.collapse(*path.points[-1], y)
    X = path.observe(measures.within_class_variation, args=(y,)) * np.sqrt(q)
    assert X[-1] > 0.1
    assert X[-1] == pytest.approx(X[-2], rel=1e-3)
    P = np.eye(d) - limit.frame @ limit.frame.T * 3 / 4
    left = y.size * np.outer(limit.centre, limit.centre) + limit.deviations @ limit.deviations.T
    np.testing.assert_allclose(left, P @ conservation.imbalance(W, H) @ P, atol=1e-2)


@pytest.mark.parametrize("d", [4, 6])
def test_limit_of_the_deviations_is_one_to_one_where_only_they_are_changed(d):
    """The step that makes the constant of panel (b) positive for almost every start: δ∞ moves as δ does."""
    W, H, y = start(4, 2, d, 0.3, 0)
    (W, H), rng = follow(W, H, y, [150.0]).points[-1], np.random.default_rng(1)
    D = rng.standard_normal(H.shape)
    D = D - ulpm.class_means(D, y, 4)[:, y]
    V = np.linalg.svd(W - W.mean(axis=0))[2][:3].T  # (d, K−1)
    D = 0.3 * (D - V @ (V.T @ D))
    ends = [rates.collapse(*follow(W, H + s * D, y, [1e3]).points[-1], y).deviations for s in (0, 1)]
    assert np.linalg.norm(ends[1] - ends[0] - D) < 0.1 * np.linalg.norm(D)


@pytest.mark.parametrize(("K", "n"), [(2, 3), (3, 2), (4, 2)])
def test_within_class_variation_is_a_power_of_time_for_d_equal_K_minus_1(K, n):
    """Exponent 1/(2K) for K ≥ 3, where every deviation has a part of the slowest kind; 1/2 for K = 2."""
    W, H, y = start(K, n, K - 1, 0.3, 0)
    at = np.linspace(15, 25, 6) * (K if K > 2 else 1)
    X = follow(W, H, y, at).observe(measures.within_class_variation, args=(y,))
    slope = np.polyfit(at, np.log(X * np.sqrt(at)), 1)[0]
    assert slope == pytest.approx(-1 / (2 * K) if K > 2 else -0.5, abs=0.1 / K)


@pytest.mark.parametrize(("K", "n", "d"), [(3, 2, 4), (4, 2, 4)])
def test_centred_measures_from_a_balanced_start_are_powers_of_time(K, n, d):
    """Ξ = 0: no constant is left, and all fall like t^(−1/(2K)) or faster."""
    rng, y = np.random.default_rng(0), ulpm.balanced_labels(K, n)
    W = rng.standard_normal((K, d))
    W -= W.mean(axis=0)
    H = W.T @ np.linalg.qr(rng.standard_normal((K * n, K)))[0].T
    assert np.abs(conservation.imbalance(W, H)).max() < 1e-12
    at = np.linspace(12, 22, 6) * K
    path = follow(W, H, y, at)
    for name in ("class_mean_norms", "within_class_variation", "centred_class_mean_cosines"):
        X = path.observe(measures.SECTION_4[name].function, args=(y,))
        assert np.polyfit(at, np.log(X), 1)[0] < -0.9 / (2 * K), name


# ---------------------------------------------------------------- who collapses


@few
@given(seeds, st.integers(2, 4), st.integers(1, 3), st.integers(0, 3))
def test_point_with_a_large_margin_and_nearly_equal_margins_is_caught(seed, K, n, extra):
    """Features may be moved by numbers of order one across the simplex; margins by a third."""
    d, rng = K - 1 + extra, np.random.default_rng(seed)
    W, H, y = points.collapsed(K, n, d, q=100.0)
    V = np.linalg.svd(W)[2][: K - 1].T  # (d, K−1)
    N = rng.standard_normal(H.shape)
    H = H + 0.5 * (N - V @ (V.T @ N)) + 0.3 * V @ (V.T @ N) / np.linalg.norm(W)
    path = follow(W, H, y, [400.0, 1600.0])
    assert path.observe(spread, args=(y,))[-1] < 0.02
    assert margin.margin(*path.points[-1], y) > 1500


@pytest.mark.parametrize(("K", "n", "d"), [(3, 2, 3), (4, 2, 8)])
def test_margins_are_equal_by_log_t_of_300_from_all_of_ten_normal_starts_in_dimension_K_or_more(K, n, d):
    ends = [follow(*start(K, n, d, 0.3, seed), [300.0]).points[-1] for seed in range(10)]
    assert max(spread(*end, ulpm.balanced_labels(K, n)) for end in ends) < 0.1


def test_some_normal_starts_are_still_near_another_direction_at_log_t_of_300():
    """K = 4, n = 1, d = 3, scale 1: the waiting time of Example 3.1, not a proof that they never leave."""
    ends = [follow(*start(4, 1, 3, 1.0, seed), [300.0]).points[-1] for seed in range(12)]
    away = [end for end in ends if spread(*end, np.arange(4)) > 1]
    assert 1 <= len(away) <= 5
    assert min(margin.margin(*p, np.arange(4)) / margin.bound(*p, np.arange(4)) for p in away) < 0.9


def test_what_is_no_limit_of_a_collapsing_flow_is_refused(monkeypatch):
    monkeypatch.setattr(validate, "typechecker", None)
    with pytest.raises(ValueError, match=r"limit: expected what collapse\(\) returns, got \(1, 2\)"):
        rates.constants((1, 2), 1)


@pytest.mark.parametrize("function", [rates.tilted_log_loss, rates.tilted_log_gradient])
def test_a_tilt_is_a_number_for_each_direction(function):
    with pytest.raises(ValueError, match=r"x, z: expected arrays of one entry, got the shapes \(2,\) and \(1,\)"):
        function([1.0, 2.0], [1.0])
