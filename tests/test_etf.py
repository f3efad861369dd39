"""The simplex ETF, the collapsed solution and its multipliers, in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncpaper import etf, kkt, points, ulpm
from tests.strategies import collapsible_sizes, many


@many
@given(collapsible_sizes())
def test_frame_vectors_are_unit_equiangular_and_sum_to_zero(sizes):
    K, _, d = sizes
    M = etf.frame(K, d)
    for k in range(K):
        for j in range(K):
            assert M[:, k] @ M[:, j] == pytest.approx(1 if j == k else -1 / (K - 1), abs=1e-14)
    assert np.abs(M.sum(axis=1)).max() < 1e-14


@many
@given(st.integers(2, 12))
def test_gram_matrix_of_the_frame_is_that_of_equation_3(K):
    Q, _ = np.linalg.qr(np.random.default_rng(K).standard_normal((K, K)))
    M = np.sqrt(K / (K - 1)) * Q @ (np.eye(K) - np.ones((K, K)) / K)  # eq. (3) without its word "symmetric"
    assert np.allclose(M.T @ M, etf.gram(K), atol=1e-13)
    assert np.allclose(etf.frame(K, K).T @ etf.frame(K, K), etf.gram(K), atol=1e-13)


@pytest.mark.parametrize("K", range(3, 9))
def test_no_simplex_etf_fits_below_dimension_K_minus_1(K):
    assert np.linalg.matrix_rank(etf.gram(K)) == K - 1  # d vectors of R^d have a Gram matrix of rank d at most
    with pytest.raises(ValueError, match=f"d: expected d ≥ K − 1 = {K - 1}"):
        etf.frame(K, K - 2)


@many
@given(collapsible_sizes(), st.floats(0.01, 100))
def test_collapsed_solution_is_collapsed_dual_and_has_every_gap_equal_to_q(sizes, q):
    K, n, d = sizes
    W, H, y = points.collapsed(K, n, d, q)
    assert np.allclose(W[y].T, np.sqrt(n) * H, rtol=1e-12, atol=1e-12)  # w_k = √n h_{k,i} for every i
    wrong = ulpm.one_hot(y, K) == 0
    assert np.allclose(ulpm.gaps(W @ H, y)[wrong], q, rtol=1e-12)
    assert np.sum(W**2) == pytest.approx((K - 1) * np.sqrt(n) * q, rel=1e-12)
    assert np.sum(H**2) == pytest.approx((K - 1) * np.sqrt(n) * q, rel=1e-12)


@many
@given(collapsible_sizes())
def test_multipliers_are_equal_and_sum_to_the_optimal_value(sizes):
    K, n, _ = sizes
    lam, y = kkt.optimal_multipliers(K, n), ulpm.balanced_labels(K, n)
    assert (lam[y, np.arange(K * n)] == 0).all()
    assert np.allclose(lam[ulpm.one_hot(y, K) == 0], 1 / (K * np.sqrt(n)), rtol=1e-15)
    assert lam.sum() == pytest.approx((K - 1) * np.sqrt(n), rel=1e-13)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: etf.frame(1, 3), "K"),
        (lambda: etf.frame(3, 1), "d"),
        (lambda: etf.gram(1), "K"),
        (lambda: points.collapsed(3, 0, 2), "n"),
        (lambda: points.collapsed(3, 1, 2, q=0.0), "q"),
        (lambda: kkt.optimal_multipliers(2.5, 1), "K"),
    ],
)
def test_impossible_sizes_are_refused_by_name(call, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        call()
