r"""The frame of the paper: the norm-constrained model (1), the bias of (2), weight decay, and loss-dependent steps.

Everything here is about the statements around the theorems: eqs (1) and (2), Table 1 and section 5.
"""

import numpy as np

from ncpaper import etf, ulpm, validate


def lpm_minimum(K, n, C1, C2):
    r"""The least value of the layer-peeled model (1) with n samples in each of K classes, when d ≥ K − 1.

    :math:`\log\bigl(1 + (K-1) e^{-q}\bigr)` with :math:`q = \dfrac{2 \sqrt{C_1 C_2}}{(K-1) \sqrt n}`, in nats; a mean
    over the N = K·n samples, as in (1). Raises ``ValueError`` for K < 2, n < 1 or a constant that is not positive.
    Source: eq. (1) with the cross-entropy; the proof is in the chapter on the frame of the paper.

    >>> bool(np.isclose(lpm_minimum(2, 1, 8.0, 2.0), np.log(1 + np.exp(-8))))
    True
    """
    K, n = validate.integer("K", K, 2), validate.integer("n", n, 1)
    q = 2 * np.sqrt(validate.positive("C1", C1) * validate.positive("C2", C2)) / ((K - 1) * np.sqrt(n))
    return float(np.log1p((K - 1) * np.exp(-q)))


def lpm_optimum(K, n, d, C1, C2):
    r"""The minimiser of (1), unique up to an orthogonal map of :math:`\mathbb R^d`: a simplex ETF.

    :math:`w_k = \sqrt{n C_1 / C_2}\;h_{k,i}`, with both constraints active. Returns ``W (K, d)``, ``H (d, K·n)``,
    ``y (K·n,)``. Raises ``ValueError`` for K < 2, n < 1, d < K − 1 or a constant that is not positive.
    Source: eq. (1), balanced classes.

    >>> W, H, y = lpm_optimum(3, 4, 2, C1=0.5, C2=2.0)
    >>> bool(np.isclose(ulpm.loss(W, H, y) / 12, lpm_minimum(3, 4, 0.5, 2.0)))
    True
    """
    W, H, y = etf.collapsed(K, n, d)
    C1, C2 = validate.positive("C1", C1), validate.positive("C2", C2)
    return W * np.sqrt(2 * C1) / np.linalg.norm(W), H * np.sqrt(2 * C2) / np.linalg.norm(H), y


def absorb(W, b, H):
    r"""The bias b as one more column of W, a 1 as one more entry of each feature: :math:`(W\;b)\binom{h}{1} = Wh + b`.

    ``W (K, d)``, ``b (K,)``, ``H (d, M)`` → ``(K, d + 1)``, ``(d + 1, M)``.
    Raises ``ValueError`` naming an argument of a wrong shape or with NaN. Source: section 2.1, after eq. (2).

    >>> W, H = absorb(np.eye(2), np.array([5.0, 7.0]), np.array([[1.0], [2.0]]))
    >>> W @ H
    array([[6.],
           [9.]])
    """
    W, H, b = validate.matrix("W", W), validate.matrix("H", H), np.asarray(b, dtype=np.float64)
    if b.shape != W.shape[:1] or not np.isfinite(b).all():
        raise ValueError(f"b: expected {W.shape[0]} finite entries, one for each row of W, got {b.tolist()}")
    if H.shape[0] != W.shape[1]:
        raise ValueError(f"H: expected {W.shape[1]} rows, as W has columns, got shape {H.shape}")
    return np.column_stack([W, b]), np.vstack([H, np.ones(H.shape[1])])


def decayed_margin(K, n, decay):
    r"""The margin of the minimiser of :math:`\mathcal L + \frac\lambda2 (\|W\|_F^2 + \|H\|_F^2)`, when d ≥ K − 1.

    :math:`q = \log\bigl(\frac{K \sqrt n}{\lambda} - K + 1\bigr)` for :math:`\lambda < \sqrt n`; from there on 0, the
    margin of the origin. Raises ``ValueError`` for K < 2, n < 1 or a ``decay`` λ that is not positive.
    Source: the loss (4) with weight decay, as in section 5.2; the proof is in the chapter on the frame of the paper.

    >>> decayed_margin(3, 4, decay=2.0)
    0.0
    """
    K, n, decay = validate.integer("K", K, 2), validate.integer("n", n, 1), validate.positive("decay", decay)
    return float(np.log(max(K * np.sqrt(n) / decay - K + 1, 1)))


def normalized_gradient(W, H, y, radius):
    r"""The gradient of the scale-invariant loss :math:`\theta \mapsto \mathcal L(r\,\theta/\|\theta\|)`, θ = (W, H).

    :math:`\frac{r}{\|\theta\|}\bigl(g - \hat\theta \langle\hat\theta, g\rangle\bigr)`, g the gradient of (4) at
    :math:`r\,\hat\theta`. Returns ``(K, d)`` and ``(d, M)``.
    Raises ``ValueError`` for a bad (W, H, y), a radius that is not positive, or naming W and H if both are zero.
    Source: the networks of Li and Arora (2020), made from (4).
    """
    W, H, y = validate.point(W, H, y)
    norm = np.sqrt(ulpm.squared_norm(W, H))
    if norm == 0:
        raise ValueError("W, H: expected a point other than the origin, which has no direction")
    scale = validate.positive("radius", radius) / norm
    gW, gH = ulpm.gradient(scale * W, scale * H, y)
    radial = (np.sum(gW * W) + np.sum(gH * H)) / norm**2
    return scale * (gW - radial * W), scale * (gH - radial * H)


def log_loss_gradient(W, H, y):
    r"""The gradient of :math:`\log \mathcal L`, that is :math:`\nabla\mathcal L / \mathcal L`, at any size of the loss.

    A step η/L along the gradient of (4) is a step η along this one. Returns ``(K, d)`` and ``(d, M)``.
    Raises ``ValueError`` for a bad (W, H, y). Source: the step sizes of Ji and Telgarsky (2021), for the loss (4).
    """
    W, H, y = validate.point(W, H, y)
    logs, gaps = ulpm.log_sample_losses(W, H, y), ulpm.gaps(W @ H, y)  # (M,), (K, M)
    gaps[y, np.arange(y.size)] = np.inf
    G = np.exp(-gaps - np.exp(logs) - np.logaddexp.reduce(logs))  # (K, M)  pⱼ / L, zero for the true class
    G[y, np.arange(y.size)] = -G.sum(axis=0)
    return G @ H.T, W.T @ G


def margin_ceiling(t, W, H, y):
    r"""A bound on the margin that the gradient flow of (4) from (W, H) has at time t, whatever the start and d.

    :math:`\log\Bigl[M (K-1) \Bigl(\frac1{\mathcal L} + 2 \rho^2 t + \frac4e M (K-1) t^2\Bigr)\Bigr]`, with the loss and
    :math:`\rho^2 = \|W\|_F^2 + \|H\|_F^2` of the start, and M samples; :math:`2 \log t` up to a constant.
    ``t``: a time or an array of times. Raises ``ValueError`` for a bad (W, H, y) or a negative time.
    Source: section 5.3, made precise in the chapter on the frame of the paper.
    """
    t = np.asarray(t, dtype=np.float64)
    if not (t >= 0).all():
        raise ValueError(f"t: expected times from 0 on, got {t.min()}")
    wrong = np.size(y) * (len(W) - 1)  # M (K − 1), the number of wrong logits
    return np.log(wrong * (1 / ulpm.loss(W, H, y) + 2 * ulpm.squared_norm(W, H) * t + 4 * wrong * t**2 / np.e))


def distance_to_collapse(W, H, y):
    r"""The distance of the direction θ/‖θ‖ to the nearest direction of a collapsed solution, θ = (W, H).

    :math:`\min_U \bigl\|\theta/\|\theta\| - (W_0 U^\top, U H_0)/\|\theta_0\|\bigr\|` over orthogonal U ``(d, d)``, with
    :math:`\theta_0` = :func:`ncpaper.etf.collapsed`. A Procrustes problem: U is the orthogonal factor in the polar
    decomposition of :math:`W^\top W_0 + H H_0^\top`. Between 0 and √2.
    Raises ``ValueError`` for a bad (W, H, y), unbalanced classes, d < K − 1, or naming W and H if both are zero.
    Source: Theorem 3.3, whose minimisers on a sphere these directions are.

    >>> distance_to_collapse(*lpm_optimum(4, 2, 3, C1=1.0, C2=1.0)) < 1e-14
    True
    """
    W, H, y = validate.point(W, H, y)
    norm = np.sqrt(ulpm.squared_norm(W, H))
    if norm == 0:
        raise ValueError("W, H: expected a point other than the origin, which has no direction")
    (K, d), n = W.shape, validate.balanced(y, len(W))
    W0, H0, _ = etf.collapsed(K, n, d)
    W0, H0 = (part / np.sqrt(ulpm.squared_norm(W0, H0)) for part in (W0, H0[:, ::n][:, y]))  # columns in the order of y
    A, _, B = np.linalg.svd(W.T @ W0 + H @ H0.T)  # (d, d)
    U = A @ B
    return float(np.sqrt(ulpm.squared_norm(W / norm - W0 @ U.T, H / norm - U @ H0)))
