"""Section 5.2: what convexity in the logits gives for other losses than the cross-entropy, and what it does not."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ncpaper import kkt, margin, points, ulpm
from tests import strategies as draws
from tests.strategies import many, seeds

positive = st.floats(0.2, 10)

#: Convex, symmetric, nonincreasing functions of the K − 1 margins of a sample, m (K−1, M) → (M,).
LOSSES = {
    "cross-entropy": lambda m: np.logaddexp(0, np.logaddexp.reduce(-m, axis=0)),
    "one against one": lambda m: np.logaddexp(0, -m).sum(axis=0),
    "exponential": lambda m: np.exp(-m).sum(axis=0),
    "hinge": lambda m: np.maximum(0, 1 - m.min(axis=0)),
    "squared hinge": lambda m: (np.maximum(0, 1 - m) ** 2).sum(axis=0),
    "reciprocal": lambda m: np.where(m > 0, 1 / (1 + np.abs(m)), 1 - m).sum(axis=0),  # a polynomial tail
}
losses = st.sampled_from(sorted(LOSSES))


def margins(W, H, y):
    """The margins m_kij of each sample over the wrong classes, (K−1, M)."""
    Q = ulpm.gaps(W @ H, y)  # (K, M)
    wrong = np.arange(W.shape[0])[:, None] != y
    return Q.T[wrong.T].reshape(y.size, -1).T


def mean_loss(name, W, H, y):
    return LOSSES[name](margins(W, H, y)).mean()


def least(name, K, q):
    """The loss of a sample whose margins are all q."""
    return float(LOSSES[name](np.full((K - 1, 1), q))[0])


def on_the_boundary(W, H, C1, C2):
    return W * np.sqrt(2 * C1) / np.linalg.norm(W), H * np.sqrt(2 * C2) / np.linalg.norm(H)


def largest(K, n, C1, C2):
    """The margin of the simplex ETF under the constraints of (1)."""
    return 2 * np.sqrt(C1 * C2) / ((K - 1) * np.sqrt(n))


@many
@given(losses, draws.random_points(), positive, positive)
def test_no_loss_that_is_convex_symmetric_and_decreasing_in_the_margins_is_lower_than_at_the_simplex_etf(
    name, p, C1, C2
):
    W, H, y = p
    W, H = on_the_boundary(W, H + W[y].T, C1, C2)
    K, n = W.shape[0], y.size // W.shape[0]
    assert mean_loss(name, W, H, y) >= least(name, K, largest(K, n, C1, C2)) * (1 - 1e-12)


@many
@given(losses, draws.collapsible_sizes(), positive, positive)
def test_simplex_etf_attains_the_minimum_of_every_such_loss(name, size, C1, C2):
    W, H, y = points.collapsed(*size)
    W, H = on_the_boundary(W, H, C1, C2)
    assert mean_loss(name, W, H, y) == pytest.approx(
        least(name, size[0], largest(*size[:2], C1, C2)), rel=1e-9, abs=1e-12
    )


@many
@given(st.sampled_from(["cross-entropy", "one against one", "exponential"]), draws.collapsible_sizes(K=(3, 6)), seeds)
def test_other_points_of_equal_norms_have_a_higher_loss_if_it_is_strictly_convex(name, size, seed):
    K, n, d = size
    W, H, y = points.collapsed(K, n, d, 2.0)
    noise = np.random.default_rng(seed).standard_normal(H.shape)
    V, U = on_the_boundary(W, H + 0.3 * noise, np.sum(W**2) / 2, np.sum(H**2) / 2)
    assert mean_loss(name, V, U, y) > mean_loss(name, W, H, y) * (1 + 1e-9)


@many
@given(draws.collapsible_sizes(K=(3, 6), n=(2, 4)), seeds)
def test_hinge_loss_is_least_at_points_of_equal_norms_that_are_not_collapsed_too(size, seed):
    K, n, d = size
    W, H, y = points.collapsed(K, n, d, 2.0)
    V, U = on_the_boundary(
        W, H + 0.05 * np.random.default_rng(seed).uniform(-1, 1, H.shape), np.sum(W**2) / 2, np.sum(H**2) / 2
    )
    assume(margin.margin(V, U, y) >= 1)
    assert mean_loss("hinge", V, U, y) == mean_loss("hinge", W, H, y) == 0
    assert np.abs(U - ulpm.class_means(U, y, K)[:, y]).max() > 1e-3  # not collapsed


@many
@given(draws.collapsible_sizes(K=(3, 5), n=(1, 3)), seeds)
def test_hinge_loss_is_zero_in_directions_that_are_no_kkt_directions(size, seed):
    W, H, y = points.collapsed(*size)
    H = H + 0.2 * np.random.default_rng(seed).standard_normal(H.shape) * np.abs(H).mean()
    assume(margin.margin(W, H, y) > 0.1)
    W, H = kkt.rescale(W, H, y)
    assert mean_loss("hinge", W, H, y) <= 1e-12
    assert max(kkt.residual(W, H, y, kkt.best_multipliers(W, H, y))) > 1e-3


def squared(W, H, y):
    """The mean squared error, half the squared distance of the logits from the one-hot labels."""
    return np.sum((W @ H - ulpm.one_hot(y, W.shape[0])) ** 2) / (2 * y.size)


@many
@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 2), st.floats(0.5, 2.0), st.floats(0.0, 5.0))
def test_squared_error_is_zero_at_orthogonal_means_and_never_at_a_simplex_etf(K, n, extra, s, q):
    """It is convex in the logits, strictly even."""
    y, E = ulpm.balanced_labels(K, n), np.eye(K, K + extra)
    assert squared(s * E, E.T[:, y] / s, y) <= 1e-28
    V, U, _ = points.collapsed(K, n, K + extra, q) if q > 0 else (0 * E, 0 * E.T[:, y], y)
    assert squared(V, U, y) >= 1 / (2 * K) - 1e-12


@many
@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 2))
def test_squared_error_at_the_best_simplex_etf_is_one_over_2k(K, n, extra):
    V, U, y = points.collapsed(K, n, K + extra, 1.0)  # logits I − J/K
    assert squared(V, U, y) == pytest.approx(1 / (2 * K), rel=1e-12)
    assert squared(V, U, y) > squared(np.eye(K), np.eye(K)[:, y], y)


# ---------------------------------------------------------------- the landscape with decay


def ridge(W, H, Y, decay):
    return np.sum((W @ H - Y) ** 2) / 2 + decay / 2 * ulpm.squared_norm(W, H)


@many
@given(st.integers(2, 4), st.integers(1, 3), st.integers(1, 2), st.floats(0.05, 0.9), seeds)
def test_critical_points_of_a_decayed_convex_loss_are_global_minima_or_curve_down_along_an_unused_dimension(
    K, n, more, share, seed
):
    """Squared error: the critical points keep some of the singular pairs of Y, and all of them at the minimum."""
    y, rng = ulpm.balanced_labels(K, n), np.random.default_rng(seed)
    Y, d, decay = ulpm.one_hot(y, K), K + more, share * np.sqrt(n)
    kept = rng.random(K) < 0.6
    R = np.linalg.qr(rng.standard_normal((K, K)))[0]  # any left singular vectors
    left, right, root = R[:, kept], (R.T @ Y / np.sqrt(n))[kept], np.sqrt(np.sqrt(n) - decay)
    W, H = np.zeros((K, d)), np.zeros((d, y.size))
    W[:, : kept.sum()], H[: kept.sum()] = root * left, root * right
    G = W @ H - Y  # gradient in the logits
    assert np.abs(G @ H.T + decay * W).max() < 1e-12
    assert np.abs(W.T @ G + decay * H).max() < 1e-12
    U, sigma, Vt = np.linalg.svd(G)
    if kept.all():
        assert sigma[0] <= decay * (1 + 1e-12)
        V, J = rng.standard_normal(W.shape), rng.standard_normal(H.shape)
        assert ridge(W, H, Y, decay) <= min(ridge(s * V, s * J, Y, decay) for s in (0.01, 0.1, 0.5, 1.0)) + 1e-12
        return
    assert sigma[0] > decay
    a, e = np.eye(d)[-1], 1e-3
    up = ridge(W + e * np.outer(U[:, 0], a), H - e * np.outer(a, Vt[0]), Y, decay) - ridge(W, H, Y, decay)
    assert up / e**2 == pytest.approx(decay - sigma[0], rel=1e-4)


@many
@given(draws.random_points(), st.floats(0.05, 1.0), seeds)
def test_a_dual_certificate_of_a_decayed_convex_loss_bounds_it_everywhere(point, decay, seed):
    """For any convex g and any Z₀ with ‖∇g(Z₀)‖ ≤ λ: f ≥ g(Z₀) − ⟨∇g(Z₀), Z₀⟩. Here g is the cross-entropy."""
    W, H, y = point
    rng = np.random.default_rng(seed)
    V, U = rng.standard_normal(W.shape), rng.standard_normal(H.shape) + 3 * W[y].T
    G, Z = ulpm.logit_gradient(V, U, y), V @ U
    size = np.linalg.norm(G, 2)
    decay = max(decay, size)
    f = ulpm.loss(W, H, y) + decay / 2 * ulpm.squared_norm(W, H)
    assert f >= ulpm.loss(V, U, y) - np.sum(G * Z) - 1e-9
