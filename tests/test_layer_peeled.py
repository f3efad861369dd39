"""Eq. (4) and its flow: sizes, infimum, sign, symmetries, conservation laws, within-class scatter, critical points."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from ncpaper import conservation, flow, margin, points, ulpm
from tests.strategies import collapsible_sizes, few, many, random_points, seeds


def ascent(W, H, y):
    """The right-hand side printed after eq. (4), as the gradient of a descent."""
    return tuple(-g for g in ulpm.gradient(W, H, y))


def scatter(W, H, y):
    """The trace of the within-class scatter."""
    return np.trace(conservation.within_class_scatter(H, y, W.shape[0]))


def circle(K, n):
    """A point of dimension 2 that separates any number of classes: w_k = h_{k,i} on the unit circle."""
    angles = 2 * np.pi * np.arange(K) / K
    W, y = np.stack([np.cos(angles), np.sin(angles)], axis=1), ulpm.balanced_labels(K, n)
    return W, W.T[:, y], y


@st.composite
def critical_points(draw):
    """W = 1cᵀ and equal class means, else random: a random critical point, with its sizes K, n, d."""
    K, n, d = draw(st.integers(2, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    rng, y = np.random.default_rng(draw(seeds)), ulpm.balanced_labels(K, n)
    H = rng.standard_normal((d, K * n)) * draw(st.floats(0, 2))
    H = H - ulpm.class_means(H, y, K)[:, y] + rng.standard_normal((d, 1))
    return np.tile(rng.standard_normal(d), (K, 1)), H, y


def hessian(W, H, y):
    """The (D, D) matrix of second derivatives, column by column."""
    unit = np.eye(W.size + H.size)
    return np.array([flow.join(*ulpm.hessian_vector(W, H, y, *flow.split(e, (W, H)))) for e in unit])


# ---------------------------------------------------------------- sizes


@many
@given(st.integers(2, 6), st.integers(1, 5), st.integers(1, 4))
def test_loss_at_the_origin_counts_n_samples_of_each_class(K, n, d):
    y = ulpm.balanced_labels(K, n)
    assert ulpm.loss(np.zeros((K, d)), np.zeros((d, n * K)), y) == pytest.approx(n * K * np.log(K), rel=1e-13)


@many
@given(collapsible_sizes())
def test_n_of_the_margin_bound_is_the_number_per_class_not_the_total(sizes):
    K, n, d = sizes
    W, H, y = points.collapsed(K, n, d)
    half = ulpm.squared_norm(W, H) / 2
    assert margin.margin(W, H, y) == pytest.approx(half / ((K - 1) * np.sqrt(n)), rel=1e-9)
    assert margin.margin(W, H, y) > 1.4 * half / ((K - 1) * np.sqrt(n * K))  # N = nK in its place: false by √K


# ---------------------------------------------------------------- eq. (4)


@many
@given(st.integers(2, 7), st.integers(1, 4), st.floats(1, 12))
def test_from_dimension_two_on_the_infimum_is_zero(K, n, s):
    W, H, y = circle(K, n)
    q = 1 - np.cos(2 * np.pi / K)
    assert 0 < ulpm.loss(s * W, s * H, y) <= n * K * (K - 1) * np.exp(-(s**2) * q) * (1 + 1e-12)


@many
@given(st.integers(1, 4), st.floats(1, 18))
def test_two_classes_reach_zero_in_one_dimension(n, s):
    y = ulpm.balanced_labels(2, n)
    W, H = np.array([[s], [-s]]), np.where(y == 0, s, -s)[None, :]
    assert 0 < ulpm.loss(W, H, y) <= 2 * n * np.exp(-2 * s**2) * (1 + 1e-12)


def infimum_in_one_dimension(K, n):
    return n * sum(np.log(min(r, K + 1 - r)) for r in range(1, K + 1))


@many
@given(random_points(K=(2, 7), d=(1, 1), scale=(0.1, 3.0)))  # so that no loss underflows to zero
def test_in_one_dimension_no_point_reaches_the_ranks(point):
    W, _, y = point
    assert ulpm.loss(*point) > infimum_in_one_dimension(W.shape[0], y.size // W.shape[0])


@pytest.mark.parametrize(("K", "n"), [(2, 1), (3, 1), (3, 2), (4, 3), (5, 1)])
def test_in_one_dimension_the_ranks_are_the_infimum(K, n):
    """Gaps growing by T² towards the middle; each class chooses h between the inverses of the gaps beside it."""
    T, y = 100.0, ulpm.balanced_labels(K, n)
    rank = np.minimum(np.arange(1, K + 1), np.arange(K, 0, -1))  # (K,)
    top = np.arange(1, K) <= (K + 1) // 2  # the middle class looks down
    gap = T ** (2 * np.where(top, np.arange(1, K), np.arange(K - 1, 0, -1)))  # (K−1,)
    w = -np.concatenate([[0.0], np.cumsum(gap)])
    sign = np.where(np.arange(1, K + 1) <= (K + 1) // 2, 1.0, -1.0)
    h = sign * T ** (1.0 - 2 * rank)
    excess = ulpm.loss(w[:, None], h[None, y], y) - infimum_in_one_dimension(K, n)
    assert 0 < excess + 1e-9 < n * K * K / T


@many
@given(random_points())
def test_below_every_point_there_is_a_lower_one(point):
    W, H, y = point
    dW, dH = ulpm.gradient(W, H, y)
    step = 1e-3 / (1 + np.sqrt(ulpm.squared_norm(W, H)))
    assume(ulpm.squared_norm(dW, dH) > 1e-8)
    assert ulpm.loss(W - step * dW, H - step * dH, y) < ulpm.loss(W, H, y)


@many
@given(critical_points())
def test_below_every_critical_point_there_is_a_lower_one(point):
    W, H, y = point
    K, n = W.shape[0], y.size // W.shape[0]
    u = np.linalg.svd(H)[0][:, -1]  # (d,)
    r = 0.1
    s = r * n * K / (K * n + np.sum((u @ H) ** 2))
    dW, dH = np.zeros_like(W), r * np.outer(u, (y == 0) * 1.0 - (y == 1) * 1.0)
    dW[0], dW[1] = s * u, -s * u
    assert ulpm.loss(W + dW, H + dH, y) < n * K * np.log(K) - 1e-6


@many
@given(random_points(scale=(0.05, 0.3)))
def test_loss_is_never_convex(point):
    """L(θ) = L(−θ), and some θ lies lower than the middle, 0."""
    W, H, y = point
    W[0], W[1:], H[:] = 1.0, 0.0, 0.0
    H[:, y == 0] = 1e-2
    middle = ulpm.loss(0 * W, 0 * H, y)
    assert ulpm.loss(W, H, y) == pytest.approx(ulpm.loss(-W, -H, y), rel=1e-12)
    assert (ulpm.loss(W, H, y) + ulpm.loss(-W, -H, y)) / 2 < middle - 1e-4 * W.shape[1]


# ---------------------------------------------------------------- the flow and its sign


@many
@given(random_points(scale=(0.3, 1.0)))
def test_flow_with_a_minus_lowers_the_loss_at_the_rate_of_the_squared_gradient(point):
    W, H, y = point
    h = 1e-4
    path = flow.integrate(ulpm.gradient, (W, H), [0.0, h, 2 * h], args=(y,))
    start, middle, end = path.observe(ulpm.loss, args=(y,))
    rate = ulpm.squared_norm(*ulpm.gradient(*path.points[1], y))
    assert (end - start) / (2 * h) == pytest.approx(-rate, rel=1e-4, abs=1e-7)
    assert end < middle < start


@many
@given(random_points(scale=(0.3, 1.0)))
def test_flow_as_printed_raises_the_loss(point):
    W, H, y = point
    loss = flow.integrate(ascent, (W, H), [0.0, 0.1, 0.2], args=(y,)).observe(ulpm.loss, args=(y,))
    assert (np.diff(loss) > 0).all()


@many
@given(collapsible_sizes(K=(2, 5)), st.floats(0.5, 4), seeds)
def test_a_separating_point_grows_along_the_flow_and_shrinks_along_the_printed_one(sizes, q, seed):
    W, H, y = points.collapsed(*sizes, q)
    rng = np.random.default_rng(seed)
    W, H = W + 0.02 * rng.standard_normal(W.shape), H + 0.02 * rng.standard_normal(H.shape)
    assume(margin.margin(W, H, y) > 0)
    norm = ulpm.squared_norm(W, H)
    assert ulpm.squared_norm(*flow.integrate(ulpm.gradient, (W, H), [0.0, 1e-3], args=(y,)).points[-1]) > norm
    assert ulpm.squared_norm(*flow.integrate(ascent, (W, H), [0.0, 1e-3], args=(y,)).points[-1]) < norm


# ---------------------------------------------------------------- symmetries


@many
@given(random_points(), seeds)
def test_loss_ignores_every_change_of_basis(point, seed):
    W, H, y = point
    d = W.shape[1]
    A = np.eye(d) + 0.3 * np.random.default_rng(seed).standard_normal((d, d)) / np.sqrt(d)
    assume(np.linalg.cond(A) < 100)
    assert ulpm.loss(W @ np.linalg.inv(A), A @ H, y) == pytest.approx(ulpm.loss(W, H, y), rel=1e-9)


@many
@given(random_points(), seeds)
def test_flow_commutes_with_rotations_shifts_and_permutations(point, seed):
    W, H, y = point
    rng, (K, d) = np.random.default_rng(seed), W.shape
    Q, c = np.linalg.qr(rng.standard_normal((d, d)))[0], rng.standard_normal(d)
    order, samples = rng.permutation(K), rng.permutation(y.size)
    there = W[order] @ Q.T + c, Q @ H[:, samples], np.argsort(order)[y[samples]]
    dW, dH = ulpm.gradient(W, H, y)
    assert ulpm.loss(*there) == pytest.approx(ulpm.loss(W, H, y), rel=1e-10)
    np.testing.assert_allclose(ulpm.gradient(*there)[0], dW[order] @ Q.T, atol=1e-9)
    np.testing.assert_allclose(ulpm.gradient(*there)[1], Q @ dH[:, samples], atol=1e-9)


def test_flow_does_not_commute_with_a_change_of_scale():
    rng, y = np.random.default_rng(0), ulpm.balanced_labels(3, 2)
    W, H = rng.standard_normal((3, 2)), rng.standard_normal((2, 6))
    dW, _ = ulpm.gradient(W, H, y)
    assert np.abs(ulpm.gradient(W / 2, 2 * H, y)[0] - dW / 2).max() > 0.1 * np.abs(dW).max()


# ---------------------------------------------------------------- conservation laws


@few
@given(random_points(K=(2, 4), n=(1, 3), d=(1, 5), scale=(0.3, 1.2)))
def test_flow_conserves_mean_classifier_and_imbalance(point):
    W, H, y = point
    path = flow.integrate(ulpm.gradient, (W, H), [0.0, 1.0, 10.0, 50.0], args=(y,))
    for law in (lambda W, _: conservation.mean_classifier(W), conservation.imbalance):
        values = path.observe(law)
        np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape), atol=1e-6)


@many
@given(random_points(), seeds)
def test_laws_hold_whatever_the_labels(point, seed):
    W, H, y = point
    y = np.random.default_rng(seed).integers(0, W.shape[0], y.size)
    dW, dH = ulpm.gradient(W, H, y)
    np.testing.assert_allclose(dW.sum(axis=0), 0, atol=1e-11)
    np.testing.assert_allclose(dH @ H.T, W.T @ dW, atol=1e-10)


@many
@given(random_points(), seeds)
def test_imbalance_ignores_a_common_shift_of_the_classifiers(point, seed):
    """Nor do the logits' gaps or the flow see it; with W in place of W − 1w̄ᵀ it would be seen."""
    W, H, _ = point
    shift = np.random.default_rng(seed).standard_normal(W.shape[1])
    size = 1 + ulpm.squared_norm(W + shift, H)
    np.testing.assert_allclose(conservation.imbalance(W + shift, H), conservation.imbalance(W, H), atol=1e-13 * size)


@many
@given(random_points(), st.floats(0.01, 5))
def test_one_step_of_descent_moves_the_imbalance_by_its_square(point, step):
    W, H, y = point
    dW, dH = ulpm.gradient(W, H, y)
    moved = conservation.imbalance(W - step * dW, H - step * dH) - conservation.imbalance(W, H)
    size = 1 + ulpm.squared_norm(W, H) + step**2 * ulpm.squared_norm(dW, dH)
    np.testing.assert_allclose(moved, step**2 * (dH @ dH.T - dW.T @ dW), atol=1e-12 * size)
    kept = conservation.mean_classifier(W - step * dW) - conservation.mean_classifier(W)
    np.testing.assert_allclose(kept, 0, atol=1e-13 * size)


SIZES = [(2, 1, 1), (2, 1, 3), (2, 2, 1), (2, 2, 3), (2, 2, 5), (3, 2, 5), (3, 3, 1), (3, 3, 4), (3, 3, 6), (4, 3, 2)]


@pytest.mark.parametrize(("K", "M", "d"), SIZES)
def test_there_are_no_other_laws(K, M, d):
    """The flows of all losses move a random point in every direction but those of the laws."""
    rng = np.random.default_rng(K + 10 * M + 100 * d)
    W, H = rng.standard_normal((K, d)), rng.standard_normal((d, M))
    assert conservation.reachable_dimension(W, H) == W.size + H.size - conservation.laws(K, M, d)


@pytest.mark.parametrize(("K", "M", "d"), SIZES)
def test_the_laws_are_as_many_as_counted(K, M, d):
    """The rank of the differential of (mean classifier, imbalance), column by column from its bilinear formula."""
    rng = np.random.default_rng(K + 10 * M + 100 * d)
    W, H = rng.standard_normal((K, d)), rng.standard_normal((d, M))
    rows = []
    for e in np.eye(W.size + H.size):
        dW, dH = flow.split(e, (W, H))
        half = dH @ H.T - (dW - dW.mean(axis=0)).T @ (W - W.mean(axis=0))
        rows.append(np.concatenate([dW.mean(axis=0), (half + half.T).ravel()]))
    assert np.linalg.matrix_rank(np.array(rows), tol=1e-9) == conservation.laws(K, M, d)


@pytest.mark.parametrize(("K", "n", "d"), [(2, 1, 1), (2, 1, 2), (2, 1, 4), (2, 2, 1), (3, 1, 1), (3, 1, 2)])
def test_flows_of_balanced_labellings_reach_as_many_directions_as_those_of_all(K, n, d):
    """The rank of the map from times to the point that a chain of such flows reaches, by autograd through the chain."""
    rng, M, size = np.random.default_rng(0), K * n, K * d + d * K * n
    labellings = [torch.tensor(y) for y in sorted(set(itertools.permutations(ulpm.balanced_labels(K, n))))]
    chain, start = [labellings[i % len(labellings)] for i in range(3 * size)], torch.tensor(rng.standard_normal(size))

    def velocity(x, y):
        W, H = x[: K * d].reshape(K, d), x[K * d :].reshape(d, M)
        G = torch.softmax(W @ H, dim=0) - torch.nn.functional.one_hot(y, K).T
        return -torch.cat([(G @ H.T).ravel(), (W.T @ G).ravel()])

    def reached(times):
        x = start
        for time, y in zip(times, chain, strict=True):
            for _ in range(12):  # the midpoint rule, near enough to the flow for its rank to be seen
                x = x + time / 12 * velocity(x + time / 24 * velocity(x, y), y)
        return x

    J = torch.autograd.functional.jacobian(reached, torch.tensor(rng.uniform(-0.3, 0.3, len(chain))))
    singular = torch.linalg.svdvals(J).numpy()
    free = size - conservation.laws(K, M, d)
    assert singular[free - 1] > 1e-5 * singular[0]
    assert free == size or singular[free] < singular[free - 1] / 100


@pytest.mark.parametrize(("K", "M"), [(2, 1), (2, 3), (3, 2), (4, 3), (3, 4)])
def test_the_algebra_of_the_flows_is_that_of_the_indefinite_rotations(K, M):
    r = K - 1 + M
    A = conservation.lie_algebra(conservation.generators(K, M))
    assert A.shape[0] == r * (r - 1) // 2
    J = np.diag([1.0] * K + [-1.0] * M)
    np.testing.assert_allclose(A.swapaxes(1, 2) @ J + J @ A, 0, atol=1e-12)


@pytest.mark.parametrize(("K", "M", "d"), [(2, 3, 2), (3, 3, 2), (3, 2, 4), (4, 2, 1)])
def test_cross_entropies_of_all_labellings_push_in_all_directions(K, M, d):
    rng = np.random.default_rng(K)
    W, H = rng.standard_normal((K, d)), rng.standard_normal((d, M))
    pushes = [flow.join(*ulpm.gradient(W, H, np.array(y))) for y in itertools.product(range(K), repeat=M)]
    S = conservation.generators(K, M)
    all_of_them = [flow.join(s[:K, K:] @ H.T, W.T @ s[:K, K:]) for s in S]
    assert np.linalg.matrix_rank(pushes) == np.linalg.matrix_rank(all_of_them)
    assert np.linalg.matrix_rank(pushes + all_of_them) == np.linalg.matrix_rank(all_of_them)


# ---------------------------------------------------------------- the within-class scatter


@many
@given(random_points(K=(2, 4), n=(1, 5), d=(1, 14)))
def test_scatter_lies_above_the_imbalance_eigenvalue_by_eigenvalue(point):
    W, H, y = point
    K, d = W.shape
    within = np.linalg.eigvalsh(conservation.within_class_scatter(H, y, K))[::-1]
    imbalance = np.linalg.eigvalsh(conservation.imbalance(W, H))[::-1]
    size = 1e-12 * (1 + ulpm.squared_norm(W, H))
    assert (within[: max(d - K, 0)] >= imbalance[K:] - size).all()
    assert within.sum() >= conservation.scatter_floor(W, H) - size


@many
@given(st.integers(2, 4), st.integers(2, 4), st.integers(1, 6), seeds)
def test_scatter_floor_for_equal_classifiers_is_the_squared_distance_of_the_features_to_rank_K(K, n, extra, seed):
    """By Eckart and Young: what the singular values of H after the first K leave."""
    rng, d = np.random.default_rng(seed), K + extra
    W, H = np.tile(rng.standard_normal(d), (K, 1)), rng.standard_normal((d, K * n))
    distance = np.sum(np.linalg.svd(H, compute_uv=False)[K:] ** 2)
    assert conservation.scatter_floor(W, H) == pytest.approx(distance, rel=1e-9)


@many
@given(st.integers(2, 4), st.integers(2, 5), st.integers(0, 5), st.floats(0.1, 3), seeds)
def test_scatter_floor_is_positive_from_dimension_two_K_on(K, n, extra, ratio, seed):
    rng, d = np.random.default_rng(seed), 2 * K + extra
    W, H = ratio * rng.standard_normal((K, d)), rng.standard_normal((d, K * n))
    assert conservation.scatter_floor(W, H) > 1e-8  # rank H ≥ 2K with probability one


@many
@given(random_points(K=(2, 5), n=(1, 4), d=(1, 9)))
def test_scatter_floor_is_zero_up_to_dimension_K_and_for_one_sample(point):
    W, H, y = point
    K, d = W.shape
    assume(d <= K or y.size == K)
    assert conservation.scatter_floor(W, H) <= 1e-12 * ulpm.squared_norm(W, H)


@many
@given(st.integers(2, 4), st.integers(2, 4), st.integers(1, 12), seeds)
def test_scatter_floor_is_attained_by_another_point_with_the_same_imbalance(K, n, d, seed):
    """So no larger number can be a bound that depends on the imbalance alone."""
    rng, y = np.random.default_rng(seed), ulpm.balanced_labels(K, n)
    W, H = rng.standard_normal((K, d)), rng.standard_normal((d, K * n))
    values, V = np.linalg.eigh(conservation.imbalance(W, H))
    values, V = values[::-1], V[:, ::-1]
    root = V * np.sqrt(np.abs(values))  # (d, d)
    negative, positive = root[:, values < -1e-9], root[:, values > 1e-9]
    Q = np.linalg.qr(np.eye(K) - 1 / K)[0][:, : K - 1]  # (K, K−1), columns sum to zero
    within = np.linalg.qr(np.eye(K * n) - ulpm.one_hot(y, K).T @ ulpm.one_hot(y, K) / n)[0]
    within = [q for q in within.T if np.abs(ulpm.one_hot(y, K) @ q).max() < 1e-9]
    best_W = Q[:, : negative.shape[1]] @ negative.T
    means, rest = positive[:, :K], positive[:, K:]
    best_H = means @ ulpm.one_hot(y, K)[: means.shape[1]] / np.sqrt(n)
    if rest.shape[1]:
        best_H = best_H + rest @ np.array(within)[: rest.shape[1]]
    np.testing.assert_allclose(
        conservation.imbalance(best_W, best_H), conservation.imbalance(W, H), atol=1e-8 * (1 + abs(values[0]))
    )
    assert scatter(best_W, best_H, y) == pytest.approx(conservation.scatter_floor(W, H), rel=1e-8, abs=1e-8)


@few
@given(st.integers(2, 3), st.integers(2, 3), seeds)
def test_flow_from_a_generic_start_never_collapses_absolutely(K, n, seed):
    rng, d, y = np.random.default_rng(seed), 2 * K + 1, ulpm.balanced_labels(K, n)
    start = rng.standard_normal((K, d)), rng.standard_normal((d, K * n))
    floor = conservation.scatter_floor(*start)
    path = flow.integrate(ulpm.gradient, start, [0.0, 1.0, 1e3, 1e6, 1e9], args=(y,))
    deviation = path.observe(scatter, args=(y,))
    norm = path.observe(lambda W, H: np.linalg.norm(H))
    assert floor > 0
    assert (deviation >= floor - 1e-6).all()
    for (_, H), size in zip(path.points, norm, strict=True):
        M = ulpm.class_means(H, y, K)
        within = np.linalg.norm(H - M[:, y], axis=0).mean()
        total = np.linalg.norm(H - H.mean(axis=1, keepdims=True), axis=0).mean()
        assert within / total >= np.sqrt(floor / y.size) / size * (1 - 1e-6)  # Figure 2 (b)


def balanced_start(K, n, d, rng):
    """A random start with imbalance zero: H = Wᵀ R with W centred, R (K, Kn) with orthonormal rows."""
    W = rng.standard_normal((K, d))
    W = W - W.mean(axis=0)
    return W, W.T @ np.linalg.qr(rng.standard_normal((K * n, K)))[0].T


@pytest.mark.parametrize("seed", range(3))
def test_flow_from_a_balanced_start_may_collapse_absolutely(seed):
    K, n, d = 3, 4, 10
    y, start = ulpm.balanced_labels(K, n), balanced_start(K, n, d, np.random.default_rng(seed))
    path = flow.integrate(ulpm.gradient, start, [0.0, 1e4, 1e8, 1e12], args=(y,))
    deviation = path.observe(scatter, args=(y,))
    assert conservation.scatter_floor(*start) < 1e-12
    assert (np.diff(deviation) < 0).all()
    assert deviation[-1] < 0.05 * deviation[0]


@few
@given(st.integers(2, 4), st.integers(1, 3), st.integers(0, 3), seeds)
def test_norm_grows_no_faster_than_the_logarithm_allows(K, n, extra, seed):
    rng, d = np.random.default_rng(seed), K - 1 + extra
    W, H, y = points.collapsed(K, n, d, 6.0)
    W, H = W + 0.2 * rng.standard_normal(W.shape), H + 0.2 * rng.standard_normal(H.shape)
    assume(ulpm.loss(W, H, y) < np.log(2))
    at = np.array([0.0, 1.0, 1e3, 1e6, 1e9])
    path = flow.integrate(ulpm.gradient, (W, H), at, args=(y,))
    loss = path.observe(ulpm.loss, args=(y,))
    norm = path.observe(ulpm.squared_norm)
    gamma = margin.smoothed_margin(W, H, y)
    assert (np.diff(norm) > 0).all()
    assert (norm <= -np.log(loss) / gamma * (1 + 1e-9)).all()
    assert (1 / loss <= (1 / loss[0] + 2 * at * norm) * (1 + 1e-9)).all()


# ---------------------------------------------------------------- critical points


@many
@given(critical_points())
def test_constant_classifiers_with_equal_class_means_are_critical(point):
    W, _, y = point
    assert max(np.abs(g).max() for g in ulpm.gradient(*point)) < 1e-12
    assert ulpm.loss(*point) == pytest.approx(y.size * np.log(W.shape[0]), rel=1e-12)


@many
@given(random_points(scale=(0.1, 1.5)), seeds)
def test_descent_pulls_the_features_of_an_outermost_classifier_further_out(point, seed):
    """So the features rest only where no classifier is outermost in any direction: where all are equal."""
    W, H, y = point
    u = np.random.default_rng(seed).standard_normal(W.shape[1])
    _, dH = ulpm.gradient(W, H, y)
    assert (u @ dH[:, y == np.argmax(W @ u)] < 0).all()
    assert (u @ dH[:, y == np.argmin(W @ u)] > 0).all()


@many
@given(random_points(), seeds)
def test_equal_classifiers_rest_only_if_the_class_means_are_equal(point, seed):
    """At W = 1cᵀ row k of the gradient in W is n times the mean of all features less that of class k."""
    W, H, y = point
    K, n = W.shape[0], y.size // W.shape[0]
    dW, dH = ulpm.gradient(np.tile(W[0], (K, 1)), H, y)
    np.testing.assert_allclose(dW.T, n * (H.mean(axis=1, keepdims=True) - ulpm.class_means(H, y, K)), atol=1e-10)
    np.testing.assert_allclose(dH, 0, atol=1e-12)


@few
@given(critical_points(), seeds)
def test_critical_points_found_by_search_have_constant_classifiers_and_equal_means(point, seed):
    W, H, y = point
    K = W.shape[0]
    rng = np.random.default_rng(seed)

    def gradient(x):
        return flow.join(*ulpm.gradient(*flow.split(x, (W, H)), y))

    start = flow.join(W, H) + 0.3 * rng.standard_normal(W.size + H.size)
    found = least_squares(gradient, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=100).x
    assume(np.abs(gradient(found)).max() < 1e-11)
    W, H = flow.split(found, (W, H))
    assume(ulpm.squared_norm(W, H) < 1e3)  # elsewhere the gradient is small because the loss is
    M = ulpm.class_means(H, y, K)
    assert np.abs(W - W.mean(axis=0)).max() < 1e-6
    assert np.abs(M - M.mean(axis=1, keepdims=True)).max() < 1e-6


@many
@given(critical_points())
def test_every_critical_point_is_a_strict_saddle_with_this_spectrum(point):
    """σ²/(2K) ± √(σ⁴/(4K²) + n) for each eigenvalue σ² of HHᵀ, K − 1 times each, and zero for the rest."""
    W, H, y = point
    K, n = W.shape[0], y.size // W.shape[0]
    a = np.linalg.eigvalsh(H @ H.T) / (2 * K)  # (d,)
    moving = np.repeat(np.concatenate([a - np.sqrt(a**2 + n), a + np.sqrt(a**2 + n)]), K - 1)
    expected = np.sort(np.concatenate([moving, np.zeros(W.size + H.size - moving.size)]))
    found = np.linalg.eigvalsh(hessian(W, H, y))
    np.testing.assert_allclose(found, expected, atol=1e-10 * (1 + abs(expected[-1])))
    assert found[0] < 0


@many
@given(critical_points(), st.floats(-2, 2), st.floats(-2, 2), seeds)
def test_second_variation_that_pulls_two_classes_apart(point, s, r, seed):
    W, H, y = point
    K, n = W.shape[0], y.size // W.shape[0]
    u = np.random.default_rng(seed).standard_normal(W.shape[1])
    dW, dH = np.zeros_like(W), r * np.outer(u, (y == 0) * 1.0 - (y == 1) * 1.0)
    dW[0], dW[1] = s * u, -s * u
    second = flow.join(dW, dH) @ flow.join(*ulpm.hessian_vector(W, H, y, dW, dH))
    exact = 2 / K * s**2 * np.sum((u @ H) ** 2) - 4 * n * s * r * (u @ u)
    assert second == pytest.approx(exact, rel=1e-9, abs=1e-9)


@many
@given(collapsible_sizes(), st.floats(0.1, 10))
def test_collapsed_points_are_not_critical(sizes, q):
    """Their gradient is a negative multiple of the point itself: growing lowers the loss."""
    W, H, y = points.collapsed(*sizes, q)
    K, n, _ = sizes
    dW, dH = ulpm.gradient(W, H, y)
    slope = np.sum(W * dW) + np.sum(H * dH)
    assert slope == pytest.approx(-2 * n * K * (K - 1) * q / (np.exp(q) + K - 1), rel=1e-9)
    assert ulpm.loss(1.1 * W, 1.1 * H, y) < ulpm.loss(W, H, y)


@few
@given(st.integers(2, 4), st.integers(1, 3), st.integers(1, 4), seeds)
def test_flow_whose_imbalance_has_a_negative_eigenvalue_stays_away_from_every_critical_point(K, n, d, seed):
    """Near a critical point the imbalance is HHᵀ; so ‖W − 1w̄ᵀ‖² ≥ −λ for every negative eigenvalue λ of it."""
    rng, y = np.random.default_rng(seed), ulpm.balanced_labels(K, n)
    start = 2 * rng.standard_normal((K, d)), 0.3 * rng.standard_normal((d, K * n))
    least = np.linalg.eigvalsh(conservation.imbalance(*start))[0]
    assume(least < -0.1)
    path = flow.integrate(ulpm.gradient, start, [0.0, 1.0, 10.0, 50.0], args=(y,))
    assert (path.observe(lambda W, H: np.sum((W - W.mean(axis=0)) ** 2)) >= -least - 1e-6).all()


# ---------------------------------------------------------------- bad input


def test_bad_input_is_refused_by_name():
    W, H = np.ones((3, 2)), np.ones((2, 6))
    for call, name in [
        (lambda: conservation.mean_classifier(W[0]), "W"),
        (lambda: conservation.imbalance(W, H.T), "H"),
        (lambda: conservation.scatter_floor(W, H * np.nan), "H"),
        (lambda: conservation.reachable_dimension(W, H.T), "H"),
        (lambda: conservation.within_class_scatter(H, np.zeros(6, dtype=int), 3), "y"),
        (lambda: conservation.laws(2, 0, 1), "M"),
        (lambda: conservation.generators(1, 2), "K"),
        (lambda: conservation.lie_algebra(np.ones((2, 3))), "matrices"),
        (lambda: conservation.lie_algebra(np.ones((2, 3, 2))), "matrices"),
        (lambda: conservation.lie_algebra(np.ones((0, 2, 2))), "matrices"),
        (lambda: conservation.lie_algebra(np.full((1, 2, 2), np.nan)), "matrices"),
    ]:
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            call()


def test_zero_matrices_generate_the_zero_algebra():
    assert conservation.lie_algebra(np.zeros((2, 3, 3))).shape == (0, 3, 3)
