r"""The unconstrained layer-peeled model, eq. (4).

Classifiers ``W (K, d)`` with rows :math:`w_k`, features ``H (d, M)`` with columns :math:`h_{k,i}`, class-major,
labels ``y (M,)`` in 0, …, K−1; in the balanced case ``M = K·n``. The loss is the **sum** over the samples, in nats.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper.validate import Classes, Count, door


@door
def balanced_labels(K: Classes, n: Count) -> Int[ndarray, " {K}*{n}"]:
    """Labels of n samples in each of K classes, class-major.

    Source
    ------
    Section 2.2.

    Examples
    --------
    >>> balanced_labels(3, 2)
    array([0, 0, 1, 1, 2, 2])
    """
    return np.repeat(np.arange(K), n)


@door
def one_hot(y: Int[ndarray, " M"], K: Classes) -> Float[ndarray, "{K} M"]:
    """The matrix Y of the labels: ``Y[k, m] = 1`` if y_m = k, else 0.

    Source
    ------
    Notation of the companion.

    Examples
    --------
    >>> one_hot([0, 1], 2)
    array([[1., 0.],
           [0., 1.]])
    """
    return (np.arange(K)[:, None] == y).astype(np.float64)


@door
def gaps(Z: Float[ndarray, "K M"], y: Int[ndarray, " M"]) -> Float[ndarray, "K M"]:
    r"""How far every class lies behind the true one: :math:`z_{y_m, m} - z_{j, m}`, zero in the rows of the true classes.

    Source
    ------
    The constraints of (5), with Z = W H.

    Examples
    --------
    >>> gaps([[2.0, 0.0], [-1.0, 1.0]], [0, 1])
    array([[0., 1.],
           [3., 0.]])
    """
    return Z[y, np.arange(y.size)] - Z  # (K, M)


@door
def sample_losses(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> Float[ndarray, " M"]:
    r"""The cross-entropy of each sample, :math:`\log\bigl(1 + \sum_{j \ne k} e^{z_j - z_k}\bigr)`, k its class.

    Keeps full relative accuracy when the loss is tiny, and does not overflow.

    Source
    ------
    Eq. (4).
    """
    E = -gaps(W @ H, y)  # (K, M)  zⱼ − zₖ
    E[y, np.arange(y.size)] = -np.inf  # the true class stands in the 1 +
    return np.logaddexp(0.0, np.logaddexp.reduce(E, axis=0))  # (M,)


@door
def loss(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The objective of (4): :math:`\mathcal L = -\sum_{k,i} \log \mathrm{softmax}(W h_{k,i})_k`, a sum.

    Source
    ------
    Eq. (4).

    Examples
    --------
    >>> W, H, y = np.zeros((3, 2)), np.zeros((2, 3)), balanced_labels(3, 1)
    >>> round(loss(W, H, y) / float(np.log(3)), 12)
    3.0
    """
    return float(sample_losses(W, H, y).sum())


@door
def log_sample_losses(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> Float[ndarray, " M"]:
    r"""The logarithms of :func:`sample_losses`, also where these are too small for a float64 (margins beyond 745).

    Source
    ------
    Eq. (4).
    """
    E = -gaps(W @ H, y)  # (K, M)
    E[y, np.arange(y.size)] = -np.inf
    s = np.logaddexp.reduce(E, axis=0)  # (M,)  ℓ = log(1 + eˢ), eˢ to all digits for s < −36
    return np.where(s < -36, s, np.log(np.logaddexp(0, np.maximum(s, -36))))


@door
def log_loss(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The logarithm of the loss (4), also where the loss itself is too small for a float64.

    Source
    ------
    Eq. (4).

    Examples
    --------
    >>> W, H, y = 100 * np.eye(3), 100 * np.eye(3), balanced_labels(3, 1)
    >>> loss(W, H, y), round(log_loss(W, H, y), 3), round(float(np.log(6) - 1e4), 3)
    (0.0, -9998.208, -9998.208)
    """
    return float(np.logaddexp.reduce(log_sample_losses(W, H, y)))


@door
def logit_gradient(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> Float[ndarray, "K M"]:
    r"""The derivative of the loss in the logits, :math:`G = P - Y`, whose columns sum to zero.

    G_jm is the probability of the wrong class j, and in the row of the true class minus their sum, never ``p − 1``:
    nothing is lost far from the origin.

    Source
    ------
    Derivative of (4).

    Examples
    --------
    >>> logit_gradient(np.zeros((2, 1)), np.zeros((1, 2)), [0, 1])
    array([[-0.5,  0.5],
           [ 0.5, -0.5]])
    """
    Z = W @ H
    P = np.exp(Z - Z.max(axis=0))  # (K, M)
    P /= P.sum(axis=0)
    P[y, np.arange(y.size)] = 0.0
    P[y, np.arange(y.size)] = -P.sum(axis=0)
    return P


@door
def gradient(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The gradient of (4): :math:`\nabla_W \mathcal L = G H^\top`, :math:`\nabla_H \mathcal L = W^\top G`.

    Source
    ------
    Derivative of (4), G = :func:`logit_gradient`.
    """
    G = logit_gradient(W, H, y)  # (K, M)
    return G @ H.T, W.T @ G


@door
def log_loss_gradient(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The gradient of :math:`\log \mathcal L`, that is :math:`\nabla\mathcal L / \mathcal L`, at any size of the loss.

    A step η/L along the gradient of (4) is a step η along this one.

    Source
    ------
    The step sizes of Ji and Telgarsky (2021), for the loss (4).
    """
    logs, behind = log_sample_losses(W, H, y), gaps(W @ H, y)  # (M,), (K, M)
    behind[y, np.arange(y.size)] = np.inf
    G = np.exp(-behind - np.exp(logs) - np.logaddexp.reduce(logs))  # (K, M)  pⱼ / L, zero for the true class
    G[y, np.arange(y.size)] = -G.sum(axis=0)
    return G @ H.T, W.T @ G


@door
def hessian_vector(
    W: Float[ndarray, "K d"],
    H: Float[ndarray, "d M"],
    y: Int[ndarray, " M"],
    dW: Float[ndarray, "K d"],
    dH: Float[ndarray, "d M"],
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The Hessian of (4) applied to the direction (ΔW, ΔH).

    With :math:`\Delta Z = \Delta W\,H + W\,\Delta H` and :math:`\Delta G = P \odot \Delta Z - P\,(P \odot \Delta Z)`
    summed over classes: :math:`\Delta G\,H^\top + G\,\Delta H^\top` and :math:`W^\top \Delta G + \Delta W^\top G`.

    Source
    ------
    Second derivative of (4).
    """
    G = logit_gradient(W, H, y)  # (K, M)
    P = G + one_hot(y, len(W))  # (K, M)
    dZ = dW @ H + W @ dH  # (K, M)
    dZ = dZ - dZ[y, np.arange(y.size)]  # a common shift of a column changes nothing
    dG = P * (dZ - (G * dZ).sum(axis=0))  # (K, M)
    dG[y, np.arange(y.size)] = 0.0
    dG[y, np.arange(y.size)] = -dG.sum(axis=0)
    return dG @ H.T + G @ dH.T, W.T @ dG + dW.T @ G


@door
def class_means(H: Float[ndarray, "d M"], y: Int[ndarray, " M"], K: Classes) -> Float[ndarray, "d {K}"]:
    r"""The class means :math:`\bar h_k = \frac{1}{n_k}\sum_i h_{k,i}`.

    Raises
    ------
    ValueError
        Naming ``y``, if a class is empty.

    Source
    ------
    Section 2.1.

    Examples
    --------
    >>> class_means([[1.0, 3.0, 5.0]], [0, 0, 1], 2)
    array([[2., 5.]])
    """
    counts = np.bincount(y, minlength=K)
    if counts.min() == 0:
        raise ValueError(
            f"y: expected at least one sample in each of the {K} classes, got class sizes {counts.tolist()}"
        )
    return H @ one_hot(y, K).T / counts  # (d, K)


@door
def squared_norm(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"]) -> float:
    r"""The squared distance from the origin, :math:`\rho^2 = \|W\|_F^2 + \|H\|_F^2`.

    Source
    ------
    Lemma 3.1.

    Examples
    --------
    >>> squared_norm(np.eye(3), np.eye(3))
    6.0
    """
    return float(np.sum(np.square(W)) + np.sum(np.square(H)))


@door
def squared_radius(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"]) -> float:
    r"""The squared radius :math:`\rho^2 > 0` of the sphere through (W, H): :func:`squared_norm` of a direction.

    Raises
    ------
    ValueError
        Naming W and H, if both are zero: the origin has no direction, and its sphere is a point.

    Source
    ------
    Theorem 3.3, whose sphere has this squared radius.

    Examples
    --------
    >>> squared_radius(np.eye(2), np.eye(2))
    4.0
    """
    rho2 = squared_norm(W, H)
    if rho2 == 0:
        raise ValueError("W, H: expected a point other than the origin, which has no direction")
    return rho2


@door
def absorb(
    W: Float[ndarray, "K d"], b: Float[ndarray, " K"], H: Float[ndarray, "d M"]
) -> tuple[Float[ndarray, "K d+1"], Float[ndarray, "d+1 M"]]:
    r"""The bias b as one more column of W, a 1 as one more entry of each feature: :math:`(W\;b)\binom{h}{1} = Wh + b`.

    Source
    ------
    Section 2.1, after eq. (2).

    Examples
    --------
    >>> W, H = absorb(np.eye(2), [5.0, 7.0], [[1.0], [2.0]])
    >>> W @ H
    array([[6.],
           [9.]])
    """
    return np.column_stack([W, b]), np.vstack([H, np.ones(H.shape[1])])
