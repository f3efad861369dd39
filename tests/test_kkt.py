"""Problem (5): Remark 3.1, Theorem 3.2, and the two sentences on KKT conditions before it."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from ncpaper import etf, flow, kkt, margin, points, ulpm
from tests import oracles
from tests.strategies import collapsible_sizes, many, random_points, seeds


def random_multipliers(K, y, seed):
    """Positive numbers in the layout of the constraints, zero for the true classes."""
    return np.random.default_rng(seed).exponential(size=(K, y.size)) * (1 - ulpm.one_hot(y, K))


def random_start(K, n, d, seed):
    """A random point of these sizes with its labels."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((K, d)), rng.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)


def best_of_search(K, n, d, starts=6):
    """The lowest objective of (5) that sequential quadratic programming reaches from random starts."""
    return kkt.search(K, n, d, starts)[-1].min()


@st.composite
def separating_points(draw, **ranges):
    """A random feasible direction: features near the classifiers they belong to, any d ≥ 2."""
    W, H, y = draw(random_points(d=(2, 7), **ranges))
    W = W / np.linalg.norm(W, axis=1, keepdims=True)  # (K, d)  points of a sphere are extreme
    H = W[y].T + 1e-3 * H / np.linalg.norm(H)
    assume(margin.margin(W, H, y) > 1e-6)
    return W, H, y


# ---- the module against independent versions


@many
@given(random_points(), seeds)
def test_stationarity_is_the_gradient_of_the_lagrangian(point, seed):
    W, H, y = point
    lam = random_multipliers(W.shape[0], y, seed)
    expected = np.sqrt(ulpm.squared_norm(*oracles.autograd_lagrangian_gradient(W, H, y, lam)))
    assert kkt.residual(W, H, y, lam).stationarity == pytest.approx(expected, rel=1e-10, abs=1e-10)


@many
@given(random_points(), seeds)
def test_constraint_gradients_span_the_gradient_of_the_lagrangian(point, seed):
    W, H, y = point
    lam = random_multipliers(W.shape[0], y, seed)
    J = kkt.constraint_gradients(W, H, y)
    theta = flow.join(W, H)
    expected = np.concatenate([g.ravel() for g in oracles.autograd_lagrangian_gradient(W, H, y, lam)])
    assert np.allclose(theta - J.T @ lam[ulpm.one_hot(y, W.shape[0]) == 0], expected, rtol=1e-10, atol=1e-9)


@many
@given(random_points(), seeds)
def test_complementarity_and_feasibility_are_those_of_the_worst_constraint(point, seed):
    W, H, y = point
    lam = random_multipliers(W.shape[0], y, seed)
    pairs = [(j, m) for j in range(W.shape[0]) for m in range(y.size) if j != y[m]]
    gaps = {(j, m): (W[y[m]] - W[j]) @ H[:, m] for j, m in pairs}
    r = kkt.residual(W, H, y, lam)
    assert r.feasibility == pytest.approx(max(0, *(1 - g for g in gaps.values())), rel=1e-10, abs=1e-12)
    worst = max(abs(lam[c] * (g - 1)) for c, g in gaps.items())
    assert r.complementarity == pytest.approx(worst, rel=1e-10, abs=1e-12)


@many
@given(separating_points(), seeds)
def test_no_other_multipliers_come_closer_to_the_kkt_conditions(point, seed):
    W, H, y = point
    W, H = kkt.rescale(W, H, y)

    def distance(lam):
        products = lam * (ulpm.gaps(W @ H, y) - 1)
        return kkt.residual(W, H, y, lam).stationarity ** 2 + np.sum(products**2)

    best = kkt.best_multipliers(W, H, y)
    for size in (1e-3, 1e-1, 1.0):
        other = np.maximum(best + size * (random_multipliers(W.shape[0], y, seed) - 0.5), 0)
        other[y, np.arange(y.size)] = 0
        assert distance(best) <= distance(other) * (1 + 1e-12) + 1e-12


# ---- Remark 3.1


@many
@given(separating_points(), st.floats(-3, 3))
def test_scaled_point_is_feasible_exactly_from_the_inverse_root_of_the_margin_on(point, alpha):
    W, H, y = point
    threshold = margin.margin(W, H, y) ** -0.5
    alpha *= threshold
    assume(abs(abs(alpha) / threshold - 1) > 1e-9)
    leads = [alpha**2 * (W[k] - W[j]) @ H[:, m] for m, k in enumerate(y) for j in range(len(W)) if j != k]
    assert (min(leads) >= 1) == (abs(alpha) >= threshold)


@many
@given(separating_points())
def test_least_objective_on_a_ray_is_the_squared_norm_over_twice_the_margin(point):
    W, H, y = point
    q, rho2 = margin.margin(W, H, y), ulpm.squared_norm(W, H)
    alphas = np.geomspace(1e-2, 1e2, 401) * q**-0.5  # q^(-1/2) is the 201st
    least = min(
        kkt.objective(a * W, a * H) for a in alphas if margin.margin(a * W, a * H, y) >= 1 - 1e-6
    )  # fmt: skip
    assert least == pytest.approx(rho2 / (2 * q), rel=1e-9)
    assert kkt.objective(*kkt.rescale(W, H, y)) == pytest.approx(rho2 / (2 * q), rel=1e-12)


@many
@given(separating_points(), st.floats(1.5, 4))
def test_printed_value_along_a_ray_depends_on_the_representative(point, s):
    W, H, y = point

    def printed(W, H):
        return ulpm.squared_norm(W, H) / 2 / margin.margin(W, H, y) ** 0.5

    assert printed(s * W, s * H) == pytest.approx(s * printed(W, H), rel=1e-9)  # not a number of the ray
    least = kkt.objective(*kkt.rescale(W, H, y))
    assert kkt.objective(*kkt.rescale(s * W, s * H, y)) == pytest.approx(least, rel=1e-9)


@many
@given(separating_points(), separating_points(), st.floats(0.1, 10))
def test_directions_are_ordered_alike_by_margin_on_a_sphere_and_by_least_objective(one, two, C):
    def on_sphere(W, H, y):
        s = np.sqrt(C / ulpm.squared_norm(W, H))
        return margin.margin(s * W, s * H, y)

    least_one, least_two = kkt.objective(*kkt.rescale(*one)), kkt.objective(*kkt.rescale(*two))
    assert on_sphere(*one) == pytest.approx(C / (2 * least_one), rel=1e-9)
    assume(abs(least_one / least_two - 1) > 1e-9)
    assert (on_sphere(*one) > on_sphere(*two)) == (least_one < least_two)


@many
@given(separating_points(), st.floats(0.05, 0.95))
def test_margin_on_the_ball_is_largest_on_its_sphere(point, s):
    W, H, y = point
    assert margin.margin(s * W, s * H, y) < margin.margin(W, H, y)


@many
@given(collapsible_sizes(), st.floats(0.1, 10))
def test_maximiser_of_the_margin_on_a_ball_solves_the_problem_only_for_one_radius(sizes, factor):
    assume(abs(factor - 1) > 1e-3)
    K, n, d = sizes
    C = 2 * (K - 1) * np.sqrt(n) * factor
    W, H, y = points.collapsed(K, n, d, q=C / (2 * (K - 1) * np.sqrt(n)))  # largest margin on the ball, Lemma 3.1
    assert ulpm.squared_norm(W, H) == pytest.approx(C, rel=1e-12)
    assert margin.margin(W, H, y) == pytest.approx(margin.bound(W, H, y), rel=1e-12)
    solves = margin.margin(W, H, y) >= 1 and kkt.objective(W, H) <= (K - 1) * np.sqrt(n) * (1 + 1e-12)
    assert not solves  # the printed equivalence, read for the point itself
    assert kkt.objective(*kkt.rescale(W, H, y)) == pytest.approx((K - 1) * np.sqrt(n), rel=1e-12)


def test_problem_is_infeasible_exactly_for_three_or_more_classes_on_a_line():
    for K in range(2, 7):
        W, H, y = random_start(K, 1, 1, K)
        if K == 2:
            assert kkt.objective(*kkt.solve(W, H, y)) == pytest.approx(1, rel=1e-6)
            continue
        middle = np.argsort(W[:, 0])[1]  # neither the least nor the greatest of the classifiers
        assert max(margin.sample_margins(W, s * np.ones((1, K)), y)[middle] for s in (-1.0, 0.0, 1.0)) <= 0
        with pytest.raises(FloatingPointError, match="no separating point"):
            kkt.solve(W, H, y)
    for K in range(3, 9):
        assert margin.margin(*points.polygon(K, 2, 2)) == pytest.approx(1, rel=1e-12)


# ---- KKT conditions of (5): necessary in every dimension, not sufficient


@many
@given(separating_points())
def test_the_point_itself_is_a_strictly_feasible_direction_for_every_constraint(point):
    W, H, y = point
    W, H = kkt.rescale(W, H, y)
    theta = flow.join(W, H)
    rates = kkt.constraint_gradients(W, H, y) @ theta
    gaps = ulpm.gaps(W @ H, y)[ulpm.one_hot(y, W.shape[0]) == 0]
    assert np.allclose(rates, 2 * gaps, rtol=1e-9)
    assert rates.min() > 1.999  # the Mangasarian-Fromovitz condition, with room 2


@pytest.mark.parametrize(("K", "n", "d"), [(2, 2, 1), (3, 1, 2), (4, 1, 2), (4, 2, 3), (5, 1, 2), (5, 2, 3), (6, 1, 3)])
def test_largest_margins_found_without_multipliers_are_kkt_points_in_every_dimension(K, n, d):
    """The search maximises the margin on a sphere and knows neither constraints nor multipliers; by Remark 3.1 its
    optima are those of (5). It ends within 1e-3 or so of a sharp corner, which the tolerance allows for."""
    W, H, y = max((margin.attack(K, n, d, seed) for seed in range(4)), key=lambda p: margin.normalized_margin(*p))
    W, H = kkt.rescale(W, H, y)
    lam = kkt.best_multipliers(W, H, y)
    assert max(kkt.residual(W, H, y, lam)) < 5e-3
    assert lam.sum() == pytest.approx(kkt.objective(W, H), rel=1e-2)


@many
@given(separating_points())
def test_point_that_is_no_local_optimum_has_no_multipliers(point):
    W, H, y = point
    W, H = kkt.rescale(1.5 * W, H / 1.5, y)  # rebalancing the norms lowers the objective
    assume(abs(np.linalg.norm(W) - np.linalg.norm(H)) > 0.1)
    assert max(kkt.residual(W, H, y, kkt.best_multipliers(W, H, y))) > 1e-3


def test_objective_at_a_kkt_point_is_the_sum_of_its_multipliers():
    for point in (points.collapsed(5, 2, 6), points.polygon(6, 3, 2), points.pairs_and_singles(7, 2, 5)):
        lam = kkt.best_multipliers(*point)
        assert max(kkt.residual(*point, lam)) < 1e-12
        assert lam.sum() == pytest.approx(kkt.objective(*point[:2]), rel=1e-12)


def test_example_3_1_is_a_kkt_point_and_not_a_global_optimum():
    B, y = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]]) / np.sqrt(2), np.arange(4)
    lam = np.kron([[0, 1], [1, 0]], np.full((2, 2), 0.5))  # eq. (8)
    assert max(kkt.residual(B, B, y, lam)) < 1e-15
    W, H, _ = points.collapsed(4, 1, 4)
    assert margin.margin(W, H, y) == pytest.approx(1, rel=1e-12)
    assert kkt.objective(W, H) == pytest.approx(3, rel=1e-12)
    assert kkt.objective(B, B) == pytest.approx(4, rel=1e-12)


@many
@given(st.integers(3, 9), st.integers(1, 4), st.integers(0, 8))
def test_regular_polygon_is_a_kkt_point_and_optimal_only_for_three_classes(K, n, extra):
    W, H, y = points.polygon(K, n, 2 + extra)
    lam = kkt.best_multipliers(W, H, y)
    assert max(kkt.residual(W, H, y, lam)) < 1e-11
    assert lam.max() == pytest.approx(1 / (2 * np.sqrt(n) * (1 - np.cos(2 * np.pi / K))), rel=1e-9)
    value = kkt.objective(W, H)
    assert value == pytest.approx(np.sqrt(n) * K / (1 - np.cos(2 * np.pi / K)), rel=1e-12)
    assert (value > (K - 1) * np.sqrt(n) * (1 + 1e-9)) == (K > 3)
    assert (np.linalg.norm(kkt.signed(lam, y), 2) > 1 + 1e-9) == (K > 3)


def test_polygon_with_an_apex_beats_the_polygon_from_dimension_3_on():
    def value(K):
        return K / (1 - np.cos(2 * np.pi / K))

    for K in range(5, 40):
        assert value(K - 1) + np.sqrt((K - 1) / K) < value(K)
    for K, n, d in [(4, 1, 3), (5, 1, 3), (5, 2, 4), (6, 1, 3), (7, 1, 3)]:
        assert best_of_search(K, n, d) < np.sqrt(n) * value(K) - 0.1


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("K", [5, 6, 9])
def test_apex_over_a_polygon_is_feasible_and_lower_than_the_polygon(K, n):
    p, u = K - 1, ((K - 1) / K) ** 0.75
    V, _, _ = points.polygon(p, 1, 2)
    W = np.block([[V, np.full((p, 1), -u / p)], [np.zeros((1, 2)), np.full((1, 1), u)]])  # (K, 3)
    H = np.vstack([np.hstack([V, np.zeros((p, 1))]), [0, 0, p / (K * u)]]).T  # (3, K)
    y = ulpm.balanced_labels(K, n)
    W, H = n**0.25 * W, n**-0.25 * H[:, y]
    value = np.sqrt(n) * (p / (1 - np.cos(2 * np.pi / p)) + np.sqrt(p / K))
    assert margin.margin(W, H, y) == pytest.approx(1, rel=1e-12)
    assert kkt.objective(W, H) == pytest.approx(value, rel=1e-12)
    assert value < kkt.objective(*points.polygon(K, n, 3)[:2])


def kkt_root(K, n, d, seed):
    """A root of W = S Hᵀ, H = Wᵀ S, g − 1 = b², λ = a², a b = 0, and the sum of squares left: any KKT point of (5),
    minimum or saddle, since nothing descends."""
    rng, y = np.random.default_rng(seed), ulpm.balanced_labels(K, n)
    wrong = ulpm.one_hot(y, K) == 0
    W = rng.standard_normal((K, d))

    def leads(W, H):
        """The constraints of (5), without the checks of the package: a search calls this some ten thousand times."""
        Z = W @ H
        return (Z[y, np.arange(y.size)] - Z)[wrong]

    H, cuts = W[y].T, np.cumsum([K * d, d * y.size, wrong.sum()])

    def equations(x):
        W, H, a, b = np.split(x, cuts)
        W, H, lam = W.reshape(K, d), H.reshape(d, -1), np.zeros(wrong.shape)
        lam[wrong] = a**2
        S = ~wrong * lam.sum(axis=0) - lam
        return np.concatenate([(W - S @ H.T).ravel(), (H - W.T @ S).ravel(), leads(W, H) - 1 - b**2, a * b])

    b = np.sqrt(np.maximum(leads(W, H) - 1, 0.01))
    start = np.concatenate([W.ravel(), H.ravel(), rng.uniform(0.1, 0.8, b.size), b])
    found = least_squares(equations, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=300)
    W, H, _, _ = np.split(found.x, cuts)
    return W.reshape(K, d), H.reshape(d, -1), 2 * found.cost


def kkt_values(K, n, d, starts):
    """The objectives of the KKT points that are found."""
    roots = [kkt_root(K, n, d, seed) for seed in range(starts)]
    return np.array([kkt.objective(W, H) for W, H, left in roots if left < 1e-20])


@pytest.mark.parametrize(("K", "n", "d"), [(2, 1, 1), (2, 2, 3), (3, 1, 2), (3, 1, 4), (3, 2, 2)])
def test_kkt_points_of_up_to_three_classes_are_global_optima(K, n, d):
    """Every root of the KKT system, saddles included, has the optimal value."""
    values = kkt_values(K, n, d, starts=12)
    assert values.size >= 3
    assert values == pytest.approx((K - 1) * np.sqrt(n), rel=1e-8)


def test_among_kkt_points_of_four_classes_there_are_others_than_global_optima():
    values = kkt_values(4, 2, 3, starts=12) / np.sqrt(2)
    optimal, square = np.isclose(values, 3, rtol=1e-8), np.isclose(values, 4, rtol=1e-8)
    assert optimal.any()
    assert square.any()
    assert (optimal | square).all()


@pytest.mark.parametrize("K", [4, 5, 6])
def test_kkt_points_in_the_plane_that_are_found_are_polygons(K):
    values = kkt_values(K, 1, 2, starts=12)
    assert values.size >= 4
    assert values == pytest.approx(K / (1 - np.cos(2 * np.pi / K)), rel=1e-8)


# ---- Theorem 3.2


def test_signed_multipliers_square_to_the_centring_projection_for_symbolic_sizes():
    K, n = sp.symbols("K n", positive=True)
    mu = 1 / (K * sp.sqrt(n))
    own, other = mu * (K - 1), -mu  # entries of S: row of the true class, the other K − 1
    diagonal = n * own**2 + n * (K - 1) * other**2  # (S Sᵀ)_kk: n samples of class k, (K−1) n others
    off = 2 * n * own * other + n * (K - 2) * other**2  # (S Sᵀ)_jk
    assert sp.simplify(diagonal - (1 - 1 / K)) == 0
    assert sp.simplify(off + 1 / K) == 0
    assert sp.simplify(K * n * (K - 1) * mu - (K - 1) * sp.sqrt(n)) == 0  # Σλ is the optimal value


@many
@given(collapsible_sizes())
def test_signed_multipliers_have_spectral_norm_one_and_the_certificate_is_positive(sizes):
    K, n, _ = sizes
    y, lam = ulpm.balanced_labels(K, n), kkt.optimal_multipliers(K, n)
    singular = np.linalg.svd(kkt.signed(lam, y), compute_uv=False)
    assert np.allclose(singular, [1.0] * (K - 1) + [0.0], atol=1e-12)
    assert np.linalg.eigvalsh(kkt.lagrangian_hessian(lam, y)).min() > -1e-12
    assert np.linalg.eigvalsh(kkt.lagrangian_hessian(1.01 * lam, y)).min() < -5e-3  # and not a larger multiple


@many
@given(collapsible_sizes(), seeds)
def test_collapsed_solution_and_its_rotations_are_kkt_points(sizes, seed):
    K, n, d = sizes
    W, H, y = points.collapsed(K, n, d)
    U, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))
    assert max(kkt.residual(W @ U.T, U @ H, y, kkt.optimal_multipliers(K, n))) < 1e-12
    assert np.allclose(kkt.best_multipliers(W @ U.T, U @ H, y), kkt.optimal_multipliers(K, n), atol=1e-9)  # no others


@many
@given(separating_points(), seeds)
def test_no_feasible_point_lies_below_the_bound_of_any_multipliers(point, seed):
    W, H, y = point
    lam = random_multipliers(W.shape[0], y, seed)
    value = kkt.objective(*kkt.rescale(W, H, y))
    K, n = W.shape[0], y.size // W.shape[0]
    assert kkt.lower_bound(lam, y) <= value * (1 + 1e-9)
    assert kkt.lower_bound(lam, y) <= kkt.lower_bound(kkt.optimal_multipliers(K, n), y) * (
        1 + 1e-9
    )  # the best of bounds
    assert value >= (K - 1) * np.sqrt(n) * (1 - 1e-9)


@many
@given(random_points(), seeds, st.floats(0.01, 100))
def test_lower_bound_does_not_change_when_the_multipliers_are_rescaled(point, seed, factor):
    W, _, y = point
    lam = random_multipliers(W.shape[0], y, seed)
    assert kkt.lower_bound(factor * lam, y) == pytest.approx(kkt.lower_bound(lam, y), rel=1e-12)


@many
@given(collapsible_sizes(), st.floats(0.01, 100))
def test_lower_bound_of_every_multiple_of_the_optimal_multipliers_is_the_optimal_value(sizes, factor):
    K, n, _ = sizes
    lam, y = factor * kkt.optimal_multipliers(K, n), ulpm.balanced_labels(K, n)
    assert kkt.lower_bound(lam, y) == pytest.approx((K - 1) * np.sqrt(n), rel=1e-12)


@many
@given(separating_points())
def test_excess_of_a_feasible_point_is_the_identity_of_the_proof(point):
    W, H, y = point
    W, H = kkt.rescale(W, H, y)
    K, n = W.shape[0], y.size // W.shape[0]
    lam = kkt.optimal_multipliers(K, n)
    S, slack = kkt.signed(lam, y), ulpm.gaps(W @ H, y) - 1
    E = W - S @ H.T
    excess = (np.sum(E**2) + np.sum(H**2) - np.sum((S @ H.T) ** 2)) / 2 + np.sum(lam * slack)
    assert kkt.objective(W, H) - (K - 1) * np.sqrt(n) == pytest.approx(excess, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("K", "n"), [(2, 1), (2, 3), (3, 1), (3, 2), (4, 1), (4, 2), (5, 2)])
def test_semidefinite_program_finds_the_same_value_gram_matrix_and_multipliers(K, n):
    value, gram, lam = oracles.semidefinite_optimum(K, n)
    W, H, _ = points.collapsed(K, n, K)
    expected = np.vstack([W, H.T]) @ np.hstack([W.T, H])
    assert value == pytest.approx((K - 1) * np.sqrt(n), rel=1e-6)  # Clarabel stops at gaps of 1e-8
    assert np.abs(gram - expected).max() < 1e-4
    assert np.abs(lam - kkt.optimal_multipliers(K, n)).max() < 1e-4


@pytest.mark.parametrize(("K", "n", "d"), [(2, 1, 1), (3, 1, 2), (3, 2, 4), (4, 1, 3), (4, 2, 5), (5, 1, 4)])
def test_search_from_dimension_K_minus_1_on_finds_the_collapsed_solution(K, n, d):
    _, _, y = start = random_start(K, n, d, 1)
    W, H = kkt.solve(*start)
    assert kkt.objective(W, H) == pytest.approx((K - 1) * np.sqrt(n), rel=1e-6)
    assert np.abs(W[y].T - np.sqrt(n) * H).max() < 1e-3
    assert np.abs(W @ W.T - np.sqrt(n) * (K - 1) / K * etf.gram(K)).max() < 1e-3


@pytest.mark.parametrize(("K", "n", "d"), [(4, 1, 2), (4, 3, 2), (5, 1, 2), (5, 1, 3), (6, 1, 3), (6, 2, 4), (7, 1, 5)])
def test_optimum_below_dimension_K_minus_1_is_not_collapsed(K, n, d):
    W, H, y = random_start(K, n, d, 0)
    W, H = kkt.solve(W, H, y)
    assert margin.margin(W, H, y) == pytest.approx(1, rel=1e-9)
    assert kkt.objective(W, H) > 1.05 * (K - 1) * np.sqrt(n)  # the best known ratio is 1.09 or more
    means = ulpm.class_means(H, y, K)
    cosines = (means.T @ means) / np.outer(np.linalg.norm(means, axis=0), np.linalg.norm(means, axis=0))
    assert np.abs(cosines - etf.gram(K)).max() > 0.1
    assert np.abs(H - means[:, y]).max() < 1e-4  # within-class collapse survives


@many
@given(separating_points())
def test_least_feature_norm_for_given_classifiers_is_the_inverse_distance_to_the_other_hull(point):
    import cvxpy

    W, _, _ = point
    w, others = W[0], W[1:]
    p = cvxpy.Variable(len(others), nonneg=True)
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(w - p @ others)), [cvxpy.sum(p) == 1]).solve(solver=cvxpy.CLARABEL)
    step = w - p.value @ others
    assume(np.linalg.norm(step) > 1e-2)
    h = cvxpy.Variable(W.shape[1])
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(h)), [(w - others) @ h >= 1]).solve(solver=cvxpy.CLARABEL)
    assert np.linalg.norm(h.value) == pytest.approx(1 / np.linalg.norm(step), rel=1e-4)  # Clarabel's gaps are 1e-8


@pytest.mark.parametrize(("K", "d"), [(4, 2), (5, 2), (5, 3), (6, 4)])
def test_value_grows_with_the_root_of_the_samples_per_class_in_every_dimension(K, d):
    assert best_of_search(K, 4, d, starts=3) == pytest.approx(2 * best_of_search(K, 1, d, starts=3), rel=1e-6)


@many
@given(st.floats(0, 0.5), seeds)
def test_four_classes_in_the_plane_cannot_beat_the_square(size, seed):
    rng = np.random.default_rng(seed)
    W = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]]) + size * rng.uniform(-1, 1, (4, 2))
    phi = np.linspace(0, 2 * np.pi, 721)
    directions = np.array([np.cos(phi), np.sin(phi)])  # (2, 721)  of a feature, by brute force
    leads = [(np.delete(w - W, k, axis=0) @ directions).min(axis=0).max() for k, w in enumerate(W)]
    assume(min(leads) > 1e-3)
    W = W - W.mean(axis=0)
    value = np.sqrt(np.sum(W**2) * np.sum(np.power(leads, -2.0)))
    assert value >= 4 * (1 - 1e-9)


@pytest.mark.parametrize(("K", "d"), [(4, 2), (5, 3), (6, 3), (6, 4), (7, 4), (7, 5), (8, 5), (8, 6)])
def test_pairs_and_singles_attain_their_formula_and_search_finds_nothing_better(K, d):
    point = points.pairs_and_singles(K, 3, d)
    value = K - 1 + np.sqrt(2 * (K - d) / K)
    assert margin.margin(*point) == pytest.approx(1, rel=1e-12)
    assert kkt.objective(*point[:2]) == pytest.approx(np.sqrt(3) * value, rel=1e-12)
    assert max(kkt.residual(*point, kkt.best_multipliers(*point))) < 1e-12
    assert best_of_search(K, 1, d) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("K", [4, 5, 6, 7, 8])
def test_search_in_the_plane_finds_the_regular_polygon(K):
    assert best_of_search(K, 1, 2) == pytest.approx(K / (1 - np.cos(2 * np.pi / K)), rel=1e-6)


# ---- refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kkt.rescale(np.eye(2), -np.eye(2), np.arange(2)), "W, H: expected a point that separates"),
        (lambda: kkt.signed(-np.ones((2, 2)) + np.eye(2), np.arange(2)), "lam: expected no negative entry"),
        (lambda: kkt.signed(np.ones((2, 2)), np.arange(2)), "lam: expected no negative entry, and zeros"),
        (lambda: kkt.signed(np.array([[0, np.nan], [1, 0]]), np.arange(2)), "lam: expected finite"),
        (lambda: kkt.lower_bound(np.zeros((2, 2)), np.arange(2)), "lam: expected multipliers other than zero"),
        (lambda: kkt.signed(np.zeros((2, 3)), np.arange(2)), "y: expected"),
        (lambda: kkt.lower_bound(np.ones(3), np.arange(3)), "lam: expected"),
        (lambda: kkt.residual(np.eye(2), np.eye(2), np.arange(2), np.zeros((3, 2))), "lam: expected"),
        (lambda: kkt.constraint_gradients(np.eye(2), np.eye(3), np.arange(3)), "H: expected"),
        (lambda: kkt.search(3, 1, 2, starts=0), "starts: expected"),
        (lambda: kkt.search(3, 1, 2, starts=1, seed=-1), "seed: expected"),
        (lambda: points.polygon(2, 1, 2), "K: expected"),
        (lambda: points.polygon(4, 1, 1), "d: expected"),
        (lambda: points.pairs_and_singles(6, 1, 2), "d: expected K/2"),
        (lambda: points.pairs_and_singles(6, 1, 5), "d: expected K/2"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
