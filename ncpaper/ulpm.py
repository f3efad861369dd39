r"""The unconstrained layer-peeled model, eq. (4).

Classifiers ``W (K, d)`` with rows :math:`w_k`, features ``H (d, M)`` with columns :math:`h_{k,i}`, class-major,
labels ``y (M,)`` in 0, …, K−1; in the balanced case ``M = K·n``. The loss is the **sum** over the samples.
"""

import numpy as np

from ncpaper import validate


def balanced_labels(K, n):
    """Labels of n samples in each of K classes, class-major.

    Returns ``y (K·n,)``. Raises ``ValueError`` unless K ≥ 2 and n ≥ 1. Source: section 2.2.

    >>> balanced_labels(3, 2)
    array([0, 0, 1, 1, 2, 2])
    """
    return np.repeat(np.arange(validate.integer("K", K, 2)), validate.integer("n", n, 1))


def one_hot(y, K):
    """The matrix Y of the labels: ``Y[k, m] = 1`` if y_m = k, else 0.

    Returns ``Y (K, M)``. Raises ``ValueError`` for K < 2 or labels that are not integers in 0, …, K−1.
    Source: notation of the companion.

    >>> one_hot(np.array([0, 1]), 2)
    array([[1., 0.],
           [0., 1.]])
    """
    y = validate.labels(y, validate.integer("K", K, 2), np.size(y))
    return (np.arange(K)[:, None] == y).astype(np.float64)


def gaps(Z, y):
    r"""How far every class lies behind the true one: :math:`z_{y_m, m} - z_{j, m}`.

    ``Z (K, M)``, ``y (M,)`` → ``(K, M)``, zero in the rows of the true classes.
    Raises ``ValueError`` for a matrix Z with NaN or infinity, or bad labels. Source: the constraints of (5).

    >>> gaps(np.array([[2.0, 0.0], [-1.0, 1.0]]), np.array([0, 1]))
    array([[0., 1.],
           [3., 0.]])
    """
    Z = validate.matrix("Z", Z)
    y = validate.labels(y, *Z.shape)
    return Z[y, np.arange(y.size)] - Z  # (K, M)


def sample_losses(W, H, y):
    r"""The cross-entropy of each sample, :math:`\log\bigl(1 + \sum_{j \ne k} e^{z_j - z_k}\bigr)`, k its class.

    Returns ``(M,)``, in nats; keeps full relative accuracy when the loss is tiny and does not overflow.
    Raises ``ValueError`` for a bad (W, H, y). Source: eq. (4).
    """
    W, H, y = validate.point(W, H, y)
    E = -gaps(W @ H, y)  # (K, M)  zⱼ − zₖ
    E[y, np.arange(y.size)] = -np.inf  # the true class stands in the 1 +
    return np.logaddexp(0.0, np.logaddexp.reduce(E, axis=0))  # (M,)


def loss(W, H, y):
    r"""The objective of (4): :math:`\mathcal L = -\sum_{k,i} \log \mathrm{softmax}(W h_{k,i})_k`, a sum, in nats.

    Raises ``ValueError`` for a bad (W, H, y). Source: eq. (4).

    >>> W, H, y = np.zeros((3, 2)), np.zeros((2, 3)), balanced_labels(3, 1)
    >>> round(float(loss(W, H, y) / np.log(3)), 12)
    3.0
    """
    return float(sample_losses(W, H, y).sum())


def log_sample_losses(W, H, y):
    r"""The logarithms of :func:`sample_losses`, also where these are too small for a float64 (margins beyond 745).

    Returns ``(M,)``. Raises ``ValueError`` for a bad (W, H, y). Source: eq. (4).
    """
    W, H, y = validate.point(W, H, y)
    E = -gaps(W @ H, y)  # (K, M)
    E[y, np.arange(y.size)] = -np.inf
    s = np.logaddexp.reduce(E, axis=0)  # (M,)  ℓ = log(1 + eˢ), eˢ to all digits for s < −36
    return np.where(s < -36, s, np.log(np.logaddexp(0, np.maximum(s, -36))))


def log_loss(W, H, y):
    r"""The logarithm of the loss (4), also where the loss itself is too small for a float64.

    Raises ``ValueError`` for a bad (W, H, y). Source: eq. (4).

    >>> W, H, y = 100 * np.eye(3), 100 * np.eye(3), balanced_labels(3, 1)
    >>> loss(W, H, y), round(log_loss(W, H, y), 3), round(float(np.log(6) - 1e4), 3)
    (0.0, -9998.208, -9998.208)
    """
    return float(np.logaddexp.reduce(log_sample_losses(W, H, y)))


def residual(W, H, y):
    r"""The derivative of the loss in the logits, :math:`G = P - Y`.

    Returns ``G (K, M)``: columns sum to zero; G_jm is the probability of the wrong class j, and in the row of the
    true class minus their sum, never ``p − 1``, so nothing is lost far from the origin.
    Raises ``ValueError`` for a bad (W, H, y). Source: derivative of (4).

    >>> residual(np.zeros((2, 1)), np.zeros((1, 2)), np.array([0, 1]))
    array([[-0.5,  0.5],
           [ 0.5, -0.5]])
    """
    W, H, y = validate.point(W, H, y)
    Z = W @ H
    P = np.exp(Z - Z.max(axis=0))  # (K, M)
    P /= P.sum(axis=0)
    P[y, np.arange(y.size)] = 0.0
    P[y, np.arange(y.size)] = -P.sum(axis=0)
    return P


def gradient(W, H, y):
    r"""The gradient of (4): :math:`\nabla_W \mathcal L = G H^\top`, :math:`\nabla_H \mathcal L = W^\top G`.

    Returns ``(K, d)`` and ``(d, M)``. Raises ``ValueError`` for a bad (W, H, y). Source: derivative of (4).
    """
    G = residual(W, H, y)  # (K, M)
    return G @ np.transpose(H), np.transpose(W) @ G


def hessian_vector(W, H, y, dW, dH):
    r"""The Hessian of (4) applied to the direction (ΔW, ΔH).

    With :math:`\Delta Z = \Delta W\,H + W\,\Delta H` and :math:`\Delta G = P \odot \Delta Z - P\,(P \odot \Delta Z)`
    summed over classes: returns :math:`\Delta G\,H^\top + G\,\Delta H^\top` ``(K, d)`` and
    :math:`W^\top \Delta G + \Delta W^\top G` ``(d, M)``.
    Raises ``ValueError`` for a bad point, or a direction of another shape. Source: second derivative of (4).
    """
    W, H, y = validate.point(W, H, y)
    dW, dH = validate.matrix("dW", dW), validate.matrix("dH", dH)
    if dW.shape != W.shape or dH.shape != H.shape:
        raise ValueError(f"dW, dH: expected the shapes {W.shape}, {H.shape} of W and H, got {dW.shape}, {dH.shape}")
    G = residual(W, H, y)  # (K, M)
    P = G + one_hot(y, W.shape[0])  # (K, M)
    dZ = dW @ H + W @ dH  # (K, M)
    dZ = dZ - dZ[y, np.arange(y.size)]  # a common shift of a column changes nothing
    dG = P * (dZ - (G * dZ).sum(axis=0))  # (K, M)
    dG[y, np.arange(y.size)] = 0.0
    dG[y, np.arange(y.size)] = -dG.sum(axis=0)
    return dG @ H.T + G @ dH.T, W.T @ dG + dW.T @ G


def class_means(H, y, K):
    r"""The class means :math:`\bar h_k = \frac{1}{n_k}\sum_i h_{k,i}`.

    ``H (d, M)`` → ``(d, K)``. Raises ``ValueError`` naming ``y`` if a class is empty. Source: section 2.1.

    >>> class_means(np.array([[1.0, 3.0, 5.0]]), np.array([0, 0, 1]), 2)
    array([[2., 5.]])
    """
    H = validate.matrix("H", H)
    y = validate.labels(y, K, H.shape[1])
    counts = np.bincount(y, minlength=K)
    if counts.min() == 0:
        raise ValueError(
            f"y: expected at least one sample in each of the {K} classes, got class sizes {counts.tolist()}"
        )
    return H @ one_hot(y, K).T / counts  # (d, K)


def squared_norm(W, H):
    r"""The squared distance from the origin, :math:`\|W\|_F^2 + \|H\|_F^2`.

    Raises ``ValueError`` unless W and H are matrices of finite numbers. Source: Lemma 3.1.

    >>> squared_norm(np.eye(3), np.eye(3))
    6.0
    """
    W, H = validate.matrix("W", W), validate.matrix("H", H)
    return float(np.sum(np.square(W)) + np.sum(np.square(H)))
