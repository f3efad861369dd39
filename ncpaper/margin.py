"""Margins: Definition 3.1, the bound of Lemma 3.1, and the smoothed margin of the convergence proof."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import minimize

from ncpaper import flow, ulpm, validate
from ncpaper.points import Point
from ncpaper.validate import Classes, Count, Natural, door


@door
def sample_margins(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> Float[ndarray, " M"]:
    r"""The margin of each sample, :math:`q_{k,i} = w_k^\top h_{k,i} - \max_{j \ne k} w_j^\top h_{k,i}`.

    Source
    ------
    Section 3.1.1.
    """
    Q = ulpm.gaps(W @ H, y)  # (K, M)
    Q[y, np.arange(y.size)] = np.inf
    return Q.min(axis=0)


@door
def margin(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The neural collapse margin :math:`q_{\min}(W, H) = \min_{k,i} q_{k,i}(W, H)`.

    Source
    ------
    Definition 3.1.

    Examples
    --------
    >>> margin(np.eye(3), np.eye(3), np.arange(3))
    1.0
    """
    return float(sample_margins(W, H, y).min())


@door
def bound(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The right-hand side of Lemma 3.1, :math:`\dfrac{\|W\|_F^2 + \|H\|_F^2}{2 (K-1) \sqrt n}`.

    Raises
    ------
    ValueError
        Naming ``y``, for unbalanced classes.

    Source
    ------
    Lemma 3.1.

    Examples
    --------
    >>> bound(np.eye(3), np.eye(3), np.arange(3))
    1.5
    """
    K, n = len(W), validate.balanced(y, len(W))
    return float(ulpm.squared_norm(W, H) / (2 * (K - 1) * np.sqrt(n)))


@door
def normalized_margin(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The normalised margin, :math:`q_{\min} / (\|W\|_F^2 + \|H\|_F^2)`.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    [26], homogeneity 2.
    """
    return margin(W, H, y) / ulpm.squared_radius(W, H)


@door
def smoothed_margin(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The smoothed margin :math:`\tilde\gamma = -\log(e^{\mathcal L} - 1) / (\|W\|_F^2 + \|H\|_F^2)`.

    A lower bound of :func:`normalized_margin` that the gradient flow never decreases once :math:`\mathcal L < \log 2`.
    Below the least normal float64 :math:`\log(e^{\mathcal L} - 1)` is :func:`ncpaper.ulpm.log_loss` to all digits.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    Chapter on Theorem 3.1, after Lyu and Li.
    """
    rho2, loss = ulpm.squared_radius(W, H), ulpm.loss(W, H, y)
    if loss < np.finfo(np.float64).tiny:
        return -ulpm.log_loss(W, H, y) / rho2
    return float(-(loss + np.log(-np.expm1(-loss))) / rho2)  # log(eᴸ − 1) = L + log(1 − e⁻ᴸ)


@door
def attack(K: Classes, n: Count, d: Count, seed: Natural) -> Point:
    r"""Search for a point that beats Lemma 3.1: maximise ``margin / bound`` from a random initialisation.

    The ratio is not smooth, so each round minimises :math:`\log \mathcal L(s\,\theta/\|\theta\|)` by L-BFGS, where
    :math:`-\log \mathcal L(s\,\theta)/s^2 \to q_{\min}(\theta)` as s grows.

    Returns
    -------
    Point
        The last (W, H, y), of norm 1.

    Source
    ------
    The search of the chapter on Lemma 3.1; nothing in it knows the bound.
    """
    y, like = ulpm.balanced_labels(K, n), (np.empty((K, d)), np.empty((d, K * n)))
    theta = np.random.default_rng(seed).standard_normal(K * d + d * K * n)

    def objective(x, s):
        norm = np.linalg.norm(x)
        W, H = flow.split(s * x / norm, like)
        value = ulpm.loss(W, H, y)
        g = flow.join(*ulpm.gradient(W, H, y)) * s / (norm * value)
        return np.log(value), g - x * (x @ g) / norm**2  # the derivative of x/‖x‖ projects

    for s in np.sqrt([1, 10, 100, 1000]):  # e^{−s²/2}, the least possible loss, is still far from underflow
        theta = minimize(objective, theta / np.linalg.norm(theta), args=(s,), jac=True, method="L-BFGS-B").x
    return *flow.split(theta / np.linalg.norm(theta), like), y
