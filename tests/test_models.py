"""The other models: their gradients, their minimisers, and what becomes of Lemma 3.1 and (5) with unequal classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncpaper import conservation, etf, flow, kkt, lpm, margin, models, points, ulpm

K, n, d = 4, 3, 6
SIZES = st.lists(st.integers(1, 12), min_size=2, max_size=5)


def normal(y, seed, scale=0.5, K=K, d=d):
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((K, d)), scale * rng.standard_normal((d, len(y)))


def labels(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def gram(W, H):
    """All inner products of a point, which determine it up to an orthogonal map."""
    X = np.vstack([W, H.T])
    return X @ X.T


@given(seed=st.integers(0, 10**6), sizes=SIZES)
@settings(max_examples=20, deadline=None)
def test_the_gradient_of_the_squared_loss_is_its_derivative(seed, sizes):
    y = labels(sizes)
    W, H = normal(y, seed, K=len(sizes))
    V, U = normal(y, seed + 1, K=len(sizes))
    gW, gH = models.squared_gradient(W, H, y)
    moved = [models.squared_loss(W + s * V, H + s * U, y) for s in (1e-5, -1e-5)]
    assert np.isclose((moved[0] - moved[1]) / 2e-5, np.sum(gW * V) + np.sum(gH * U), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("decay", [0.05, 0.7, 2.5])
def test_descent_on_the_squared_loss_with_decay_reaches_the_orthogonal_frame(decay):
    y = labels([9, 4, 2])
    gradient = models.decayed(models.squared_gradient, decay)
    [found] = flow.descend(gradient, normal(y, 0, K=3), 0.05, [8000], args=(y,)).points
    assert np.allclose(gram(*found), gram(*models.squared_optimum(y, 3, d, decay)), atol=1e-8)


def test_the_squared_optimum_drops_exactly_the_classes_whose_root_of_the_size_is_at_most_the_decay():
    W, _ = models.squared_optimum(labels([9, 4, 1]), 3, 3, 2.0)
    assert (np.linalg.norm(W, axis=1) > 0).tolist() == [True, False, False]


def test_with_a_free_bias_the_squared_loss_with_decay_has_the_simplex_of_the_theorem():
    y, decay = ulpm.balanced_labels(K, n), 0.4
    W, H = normal(y, 3)
    b = np.zeros(K)
    for _ in range(8000):
        E = W @ H + b[:, None] - ulpm.one_hot(y, K)
        W, H, b = W - 0.05 * (E @ H.T + decay * W), H - 0.05 * (W.T @ E + decay * H), b - 0.05 * E.sum(axis=1)
    assert np.allclose(W @ W.T, (np.sqrt(n) - decay) * (np.eye(K) - 1 / K), atol=1e-8)
    assert np.allclose(W.T[:, y], np.sqrt(n) * H, atol=1e-8)


def test_the_flow_of_the_squared_loss_ends_where_the_scatter_is_above_its_floor():
    y = labels([3, 3, 3])
    start = normal(y, 1, K=3, d=8)
    W, H = flow.integrate(models.squared_gradient, start, np.array([0.0, 200.0]), args=(y,)).points[-1]
    xi = start[1] @ start[1].T - start[0].T @ start[0]
    floor = np.maximum(np.linalg.eigvalsh(xi)[: 8 - 3], 0).sum()
    assert models.squared_loss(W, H, y) < 1e-12
    assert np.allclose(H @ H.T - W.T @ W, xi, atol=1e-7)
    assert 1e-3 < floor <= np.trace(conservation.within_class_scatter(H, y, 3))


def test_with_decay_the_flow_forgets_the_mean_classifier_and_the_imbalance_at_the_predicted_rates():
    y, decay, at = ulpm.balanced_labels(K, n), 0.2, np.array([0.0, 1.0, 4.0])
    path = flow.integrate(models.decayed(ulpm.gradient, decay), normal(y, 0), at, args=(y,))
    for t, (W, H) in zip(at, path.points, strict=True):
        W0, H0 = path.points[0]
        mean = np.exp(-decay * t) * conservation.mean_classifier(W0)
        assert np.allclose(conservation.mean_classifier(W), mean, atol=1e-8)
        assert np.allclose(
            conservation.imbalance(W, H), np.exp(-2 * decay * t) * conservation.imbalance(W0, H0), atol=1e-8
        )


@pytest.mark.parametrize(("K", "n", "d", "decay"), [(3, 2, 2, 0.3), (3, 4, 4, 1.0), (3, 4, 4, 1.9), (4, 3, 3, 1.5)])
def test_across_the_rotations_the_penalised_loss_curves_up_as_the_theorem_says(K, n, d, decay):
    q = lpm.decayed_margin(K, n, decay)
    W, H, y = points.collapsed(K, n, d, q)
    units = np.eye(W.size + H.size)
    hessian = [flow.join(*ulpm.hessian_vector(W, H, y, *flow.split(e, (W, H)))) + decay * e for e in units]
    found, rotations = np.linalg.eigvalsh(hessian), (K - 1) * (d - K + 1) + (K - 1) * (K - 2) // 2
    assert np.allclose(found[:rotations], 0, atol=1e-9)
    assert found[rotations] > decay * min(1, 2 * q / K) - 1e-9
    assert np.isclose(found, decay, atol=1e-9).sum() >= d  # the mean of the classifiers, in every direction


def test_a_projected_step_stays_within_the_bounds_and_is_a_plain_step_inside_them():
    y, eta = ulpm.balanced_labels(K, n), 0.5
    start = normal(y, 2)
    tight, wide = (models.projected(ulpm.gradient, eta, *bounds) for bounds in ((1.0, 2.0), (1e6, 1e6)))
    for W, H in flow.descend(tight, start, eta, [1, 5, 50], args=(y,)).points:
        assert np.sum(W**2) <= 2 + 1e-12
        assert np.sum(H**2) <= 4 + 1e-12
    assert np.allclose(gram(*flow.descend(wide, start, eta, [5], args=(y,)).points[0]),
                       gram(*flow.descend(ulpm.gradient, start, eta, [5], args=(y,)).points[0]))  # fmt: skip


def test_projected_descent_reaches_the_minimum_of_the_constrained_model():
    y = ulpm.balanced_labels(K, n)
    [(W, H)] = flow.descend(models.projected(ulpm.gradient, 0.1, 4.0, 9.0), normal(y, 0), 0.1, [6000], args=(y,)).points
    assert np.isclose(ulpm.loss(W, H, y) / y.size, lpm.minimum(K, n, 4.0, 9.0), rtol=1e-9)


@pytest.mark.parametrize("C", [3.0, 10.0, 30.0])
def test_at_the_constrained_minimiser_the_gradient_is_that_of_the_equivalent_decay(C):
    W, H, y = points.lpm_optimum(K, n, d, C, C)
    decay = models.equivalent_decay(K, n, C)
    assert np.allclose(flow.join(*ulpm.gradient(W, H, y)), -decay * flow.join(W, H), rtol=1e-9, atol=1e-12)


@given(sizes=SIZES, seed=st.integers(0, 10**6), scale=st.floats(0.1, 5))
@settings(max_examples=60, deadline=None)
def test_no_point_beats_the_margin_bound_of_its_class_sizes(sizes, seed, scale):
    y = labels(sizes)
    W, H = normal(y, seed, scale, K=len(sizes), d=3)
    assert margin.margin(W, H, y) <= models.margin_bound(W, H, y) * (1 + 1e-12)


@given(sizes=SIZES)
@settings(max_examples=40, deadline=None)
def test_the_separation_optimum_is_certified_by_its_multipliers(sizes):
    y, K = labels(sizes), len(sizes)
    W, H = models.separation_optimum(y, K, K)
    lam = models.separation_multipliers(y, K)
    assert max(kkt.residual(W, H, y, lam)) < 1e-10
    assert np.isclose(kkt.lower_bound(lam, y), kkt.objective(W, H), rtol=1e-10)
    assert np.isclose(models.margin_bound(W, H, y), margin.margin(W, H, y), rtol=1e-10)


@given(sizes=SIZES)
@settings(max_examples=40, deadline=None)
def test_the_multipliers_are_positive_at_all_wrong_classes(sizes):
    y, K = labels(sizes), len(sizes)
    wrong = ulpm.one_hot(y, K) == 0
    assert (models.separation_multipliers(y, K)[wrong] > 0).all()


@given(sizes=SIZES)
@settings(max_examples=40, deadline=None)
def test_at_the_separation_optimum_classifiers_and_class_means_have_the_grams_of_the_theorem(sizes):
    y, K = labels(sizes), len(sizes)
    W, H = models.separation_optimum(y, K, K)
    centring = np.eye(K) - 1 / K
    R, M = W @ W.T, ulpm.class_means(H, y, K)
    assert np.allclose(R @ R, centring @ np.diag(sizes) @ centring, atol=1e-9)
    assert np.allclose(M.T @ M, np.linalg.pinv(R, rcond=1e-9), atol=1e-9)
    assert np.allclose(W @ H, centring[:, y], atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_solver_finds_the_separation_optimum_of_unequal_classes(seed):
    y = labels([5, 2, 1])
    found = kkt.solve(*normal(y, seed, K=3, d=4), y)
    assert np.isclose(kkt.objective(*found), models.separation_value(y, 3), rtol=1e-7)
    assert np.allclose(gram(*found), gram(*models.separation_optimum(y, 3, 4)), atol=1e-4)


def test_with_balanced_classes_the_separation_optimum_is_collapsed():
    W, H, y = points.collapsed(K, n, d)
    assert np.allclose(gram(*models.separation_optimum(y, K, d)), gram(W, H), atol=1e-12)
    assert np.isclose(models.margin_bound(W, H, y), margin.bound(W, H, y), rtol=1e-12)


def test_with_unequal_classes_a_simplex_has_less_margin_than_the_bound():
    y = labels([20, 1, 1])
    frame = etf.frame(3, 2)
    W, H = frame.T * 22**0.25, frame[:, y] * 22**-0.25
    assert margin.margin(W, H, y) < 0.9 * models.margin_bound(W, H, y)


@pytest.mark.parametrize(("large", "small", "r"), [(1, 2, 5), (2, 3, 7), (3, 2, 100)])
def test_two_sizes_have_the_cosines_of_the_corollary(large, small, r):
    y, K = labels([r] * large + [1] * small), large + small
    W, H = models.separation_optimum(y, K, K)
    s = np.sqrt((large + r * small) / K)
    for (u, v), factor in ((W[-2:], s), (ulpm.class_means(H, y, K).T[-2:], 1 / s)):
        cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
        assert np.isclose(cosine, (large * factor - K) / (large * factor + K * (small - 1)), rtol=1e-9)


@pytest.mark.parametrize("decay", [0.3, 1.2, 1.5])
@pytest.mark.parametrize("sizes", [(9, 5, 2, 2), (2, 2, 2), (7, 3, 3, 2, 2)])
def test_classes_of_one_size_differ_by_the_predicted_probability(sizes, decay):
    y, K = labels(sizes), len(sizes)
    W, H = models.decayed_optimum(y, K, K + 1, decay)
    P = ulpm.logit_gradient(W, H, y) + ulpm.one_hot(y, K)
    assert np.isclose(P[-1, -1] - P[-2, -1], max(0, 1 - decay / np.sqrt(sizes[-1])), atol=1e-6)


@pytest.mark.parametrize(("decay", "merged"), [(1.35, False), (1.5, True)])
def test_small_classes_merge_exactly_above_the_root_of_their_size(decay, merged):
    y = labels([9, 5, 2, 2])
    W, H = models.decayed_optimum(y, 4, 5, decay)
    means = ulpm.class_means(H, y, 4)
    for u, v, w in ((*W[-2:], W[0]), (*means.T[-2:], means[:, 0])):
        assert (np.linalg.norm(u - v) < 1e-4 * np.linalg.norm(w)) == merged


@pytest.mark.parametrize(("factor", "origin"), [(0.95, False), (1.05, True)])
def test_the_minimiser_with_decay_is_the_origin_exactly_above_the_largest_root(factor, origin):
    y = labels([9, 5, 2])
    centring = np.eye(3) - 1 / 3
    limit = np.sqrt(np.linalg.eigvalsh(centring @ np.diag([9, 5, 2]) @ centring)[-1])
    assert (ulpm.squared_norm(*models.decayed_optimum(y, 3, 4, factor * limit)) < 1e-8) == origin


def test_with_balanced_classes_the_decayed_optimum_has_the_margin_of_the_closed_form():
    y = ulpm.balanced_labels(K, n)
    W, H = models.decayed_optimum(y, K, d, 0.2)
    assert np.isclose(margin.margin(W, H, y), lpm.decayed_margin(K, n, 0.2), rtol=1e-6)


def test_the_decayed_optimum_is_a_critical_point_of_the_whole_problem():
    y = labels([6, 3, 1])
    W, H = models.decayed_optimum(y, 3, 4, 0.1)
    assert np.linalg.norm(flow.join(*models.decayed(ulpm.gradient, 0.1)(W, H, y))) < 1e-5


def test_as_the_decay_vanishes_the_margin_of_the_minimiser_approaches_its_bound():
    y = labels([8, 4, 2, 1])
    found = [models.decayed_optimum(y, 4, 6, decay) for decay in (1e-1, 1e-3, 1e-6)]
    shares = [margin.margin(W, H, y) / models.margin_bound(W, H, y) for W, H in found]
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] < 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: models.separation_optimum([0, 0, 2], 3, 3),
            r"y: expected at least one sample in each of the 3 classes",
        ),
        (lambda: models.separation_optimum([0, 1, 2], 3, 1), "d: expected d ≥ K − 1 = 2"),
        (lambda: models.squared_optimum([0, 1, 2], 3, 2, 0.1), "d: expected d ≥ K = 3"),
        (lambda: models.decayed(ulpm.gradient, 0.0), "decay: expected a finite positive number"),
    ],
)
def test_a_bad_argument_of_a_model_is_refused_by_its_name(call, says):
    with pytest.raises(ValueError, match=says):
        call()
