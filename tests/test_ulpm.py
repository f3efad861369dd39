"""The model (4): its loss, gradient and Hessian, near the origin and far from it."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncpaper import ulpm
from tests import oracles
from tests.strategies import many, random_points, seeds


@st.composite
def unbalanced_points(draw):
    """A random (W, H, y) whose labels are any labels: classes of unequal size, some of them empty."""
    K, M, d = draw(st.integers(2, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(seeds))
    return rng.standard_normal((K, d)), rng.standard_normal((d, M)), rng.integers(0, K, M)


@many
@given(random_points() | unbalanced_points())
def test_loss_is_the_printed_sum(point):
    assert ulpm.loss(*point) == pytest.approx(oracles.loss_by_loops(*point), rel=1e-11)


@many
@given(random_points() | unbalanced_points())
def test_loss_is_the_sum_of_the_sample_losses(point):
    W, H, y = point
    one_by_one = [oracles.loss_by_loops(W, H[:, [m]], y[[m]]) for m in range(y.size)]
    np.testing.assert_allclose(ulpm.sample_losses(W, H, y), one_by_one, rtol=1e-10, atol=1e-13)


@many
@given(random_points() | unbalanced_points())
def test_gradient_is_the_derivative_by_autograd(point):
    for ours, theirs in zip(ulpm.gradient(*point), oracles.autograd_gradient(*point), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@many
@given(random_points(scale=(0.1, 1.5)) | unbalanced_points(), seeds)
def test_hessian_vector_product_is_the_second_derivative_by_autograd(point, seed):
    W, H, y = point
    rng = np.random.default_rng(seed)
    dW, dH = rng.standard_normal(W.shape), rng.standard_normal(H.shape)
    theirs = oracles.autograd_hessian_vector(W, H, y, dW, dH)
    for a, b in zip(ulpm.hessian_vector(W, H, y, dW, dH), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@many
@given(random_points() | unbalanced_points())
def test_residual_is_probability_minus_label(point):
    W, H, y = point
    E = np.exp(W @ H)
    np.testing.assert_allclose(ulpm.logit_gradient(W, H, y), E / E.sum(axis=0) - np.eye(W.shape[0])[:, y], atol=1e-13)


@many
@given(st.integers(2, 5), seeds)
def test_logits_of_ten_thousand_keep_every_digit_of_loss_and_gradient(K, seed):
    """Integer logits near ±1e4, gaps up to 300: exact in float64, so that only the formulas can lose digits."""
    rng = np.random.default_rng(seed)
    z = (rng.choice([-10_000, 10_000]) + rng.integers(-150, 150, K)).astype(float)
    W, H, y = z[:, None], np.ones((1, 1)), np.array([0])
    with mpmath.workdps(400):
        e = [mpmath.exp(mpmath.mpf(v)) for v in z]
        loss, wrong = -mpmath.log(e[0] / sum(e)), [float(v / sum(e)) for v in e[1:]]
        true = float(-sum(e[1:]) / sum(e))
    assert ulpm.loss(W, H, y) == pytest.approx(float(loss), rel=1e-12, abs=0)
    np.testing.assert_allclose(ulpm.gradient(W, H, y)[0][:, 0], [true, *wrong], rtol=1e-12, atol=0)


def test_logits_of_ten_thousand_keep_the_hessian():
    """Two classes, z₀ − z₁ = 100: the second derivative along (ΔW, 0) is p₀ p₁ (Δw₀ − Δw₁)², about e⁻¹⁰⁰."""
    W, H, y = np.array([[10_000.0], [9_900.0]]), np.ones((1, 1)), np.array([0])
    dW = np.array([[1.0], [-1.0]])
    image, _ = ulpm.hessian_vector(W, H, y, dW, np.zeros((1, 1)))
    np.testing.assert_allclose(image, [[2 * np.exp(-100)], [-2 * np.exp(-100)]], rtol=1e-12, atol=0)


def test_a_sample_ten_thousand_on_the_wrong_side_costs_ten_thousand():
    W, H, y = np.array([[-5_000.0], [5_000.0]]), np.ones((1, 1)), np.array([0])
    assert ulpm.loss(W, H, y) == 10_000.0
    np.testing.assert_array_equal(ulpm.gradient(W, H, y)[0], [[-1.0], [1.0]])


@many
@given(unbalanced_points())
def test_gaps_are_the_leads_of_the_true_class(point):
    W, H, y = point
    Z = W @ H
    by_loops = [[Z[y[m], m] - Z[j, m] for m in range(y.size)] for j in range(W.shape[0])]
    np.testing.assert_array_equal(ulpm.gaps(Z, y), by_loops)


@many
@given(random_points())
def test_class_means_are_the_averages_over_each_class(point):
    W, H, y = point
    K = W.shape[0]
    by_loops = np.array([np.mean([H[:, m] for m in range(y.size) if y[m] == k], axis=0) for k in range(K)]).T
    np.testing.assert_allclose(ulpm.class_means(H, y, K), by_loops, rtol=1e-12, atol=1e-14)


@many
@given(random_points())
def test_labels_are_class_major_with_n_of_each(point):
    W, _, y = point
    K = W.shape[0]
    assert ulpm.balanced_labels(K, y.size // K).tolist() == [k for k in range(K) for _ in range(y.size // K)]
    np.testing.assert_array_equal(ulpm.one_hot(y, K), np.eye(K)[:, y])


@many
@given(random_points())
def test_squared_norm_is_the_sum_of_all_squares(point):
    W, H, _ = point
    assert ulpm.squared_norm(W, H) == pytest.approx(sum(v * v for v in [*W.flat, *H.flat]), rel=1e-12)


def test_a_class_without_samples_has_no_mean():
    with pytest.raises(ValueError, match=r"y: expected at least one sample in each of the 3 classes.*\[1, 2, 0\]"):
        ulpm.class_means(np.ones((2, 3)), np.array([0, 1, 1]), 3)
