"""Margins: Definition 3.1, the bound of Lemma 3.1, and the smoothed margin of the convergence proof."""

import numpy as np
from scipy.optimize import minimize

from ncpaper import ulpm, validate


def sample_margins(W, H, y):
    r"""The margin of each sample, :math:`q_{k,i} = w_k^\top h_{k,i} - \max_{j \ne k} w_j^\top h_{k,i}`.

    Returns ``(M,)``. Raises ``ValueError`` for a bad (W, H, y). Source: section 3.1.1.
    """
    W, H, y = validate.point(W, H, y)
    Q = ulpm.gaps(W @ H, y)  # (K, M)
    Q[y, np.arange(y.size)] = np.inf
    return Q.min(axis=0)


def margin(W, H, y):
    r"""The neural collapse margin :math:`q_{\min}(W, H) = \min_{k,i} q_{k,i}(W, H)`.

    Raises ``ValueError`` for a bad (W, H, y). Source: Definition 3.1.

    >>> margin(np.eye(3), np.eye(3), np.arange(3))
    1.0
    """
    return float(sample_margins(W, H, y).min())


def bound(W, H, y):
    r"""The right-hand side of Lemma 3.1, :math:`\dfrac{\|W\|_F^2 + \|H\|_F^2}{2 (K-1) \sqrt n}`.

    Raises ``ValueError`` for a bad (W, H, y) or unbalanced classes. Source: Lemma 3.1.

    >>> bound(np.eye(3), np.eye(3), np.arange(3))
    1.5
    """
    W, H, y = validate.point(W, H, y)
    K, n = W.shape[0], validate.balanced(y, W.shape[0])
    return float(ulpm.squared_norm(W, H) / (2 * (K - 1) * np.sqrt(n)))


def normalized_margin(W, H, y):
    r"""The margin of the direction, :math:`q_{\min} / (\|W\|_F^2 + \|H\|_F^2)`.

    Raises ``ValueError`` for a bad (W, H, y), or naming W and H if both are zero. Source: [26], homogeneity 2.
    """
    norm = ulpm.squared_norm(W, H)
    if norm == 0:
        raise ValueError("W, H: expected a point other than the origin, which has no direction")
    return margin(W, H, y) / norm


def smoothed_margin(W, H, y):
    r"""The smoothed margin :math:`\tilde\gamma = -\log(e^{\mathcal L} - 1) / (\|W\|_F^2 + \|H\|_F^2)`.

    A lower bound of :func:`normalized_margin` that the gradient flow never decreases once :math:`\mathcal L < \log 2`.
    Below the least normal float64 :math:`\log(e^{\mathcal L} - 1)` is :func:`ncpaper.ulpm.log_loss` to all digits.
    Raises ``ValueError`` for a bad (W, H, y), or naming W and H if both are zero.
    Source: chapter on Theorem 3.1, after Lyu and Li.
    """
    norm = ulpm.squared_norm(W, H)
    if norm == 0:
        raise ValueError("W, H: expected a point other than the origin, which has no direction")
    loss = ulpm.loss(W, H, y)
    if loss < np.finfo(np.float64).tiny:
        return -ulpm.log_loss(W, H, y) / norm
    return float(-(loss + np.log(-np.expm1(-loss))) / norm)  # log(eᴸ − 1) = L + log(1 − e⁻ᴸ)


def attack(K, n, d, seed):
    r"""Search for a point that beats Lemma 3.1: maximise ``margin / bound`` from a random start.

    The ratio is not smooth, so each round minimises :math:`\log \mathcal L(s\,\theta/\|\theta\|)` by L-BFGS, where
    :math:`-\log \mathcal L(s\,\theta)/s^2 \to q_{\min}(\theta)` as s grows.

    Returns the last ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``, of norm 1. Raises ``ValueError`` for bad sizes.
    Source: the search of the chapter on Lemma 3.1; nothing in it knows the bound.
    """
    y, d = ulpm.balanced_labels(K, n), validate.integer("d", d, 1)
    theta = np.random.default_rng(seed).standard_normal(K * d + d * K * n)

    def split(x):
        return x[: K * d].reshape(K, d), x[K * d :].reshape(d, K * n)

    def objective(x, s):
        norm = np.linalg.norm(x)
        W, H = split(s * x / norm)
        value = ulpm.loss(W, H, y)
        g = np.concatenate([part.ravel() for part in ulpm.gradient(W, H, y)]) * s / (norm * value)
        return np.log(value), g - x * (x @ g) / norm**2  # the derivative of x/‖x‖ projects

    for s in np.sqrt([1, 10, 100, 1000]):  # e^{−s²/2}, the least possible loss, is still far from underflow
        theta = minimize(objective, theta / np.linalg.norm(theta), args=(s,), jac=True, method="L-BFGS-B").x
    return *split(theta / np.linalg.norm(theta)), y
