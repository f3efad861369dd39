r"""Along the flow: how far the point is aligned with its gradient (Lemmas 3.2 and 3.3), and what that says about (5).

Notation: θ = (W, H), ρ = ‖θ‖_F, L the loss (a sum), :math:`m_{kij} = (w_k - w_j)^\top h_{k,i}` the gaps and
:math:`p_{kij}` the probability of the wrong class j for the sample (k, i). The logarithm of the loss that fits is
:math:`F = -\log(e^{\mathcal L} - 1)`, so that :func:`ncpaper.margin.smoothed_margin` is F/ρ².
"""

import numpy as np

from ncpaper import etf, ulpm, validate


def pull(W, H, y):
    r"""The pull away from the origin, :math:`\nu = \sum p_{kij} m_{kij}`.

    It is :math:`-\frac12 \langle \theta, \nabla \mathcal L \rangle`, and along the gradient flow
    :math:`d\rho^2/dt = 4 \nu`. Raises ``ValueError`` for a bad (W, H, y).
    Source: Euler's identity for gaps that are homogeneous of degree two.

    >>> round(pull(np.eye(2), np.eye(2), np.arange(2)) * (1 + np.e), 12)
    2.0
    """
    W, H, y = validate.point(W, H, y)
    return float((ulpm.residual(W, H, y) * ulpm.gaps(W @ H, y)).sum())  # (K, M); the true rows have gap 0


def gradient_norm(W, H, y):
    r"""The norm of the gradient of (4), :math:`\sqrt{\|\nabla_W \mathcal L\|_F^2 + \|\nabla_H \mathcal L\|_F^2}`.

    Raises ``ValueError`` for a bad (W, H, y), and where it is zero: a critical point, or underflow far from the origin.
    Source: section 3.1.2.
    """
    gradient = ulpm.gradient(W, H, y)
    top = max(np.abs(part).max() for part in gradient)
    if top == 0:
        raise ValueError("W, H: expected a point where the gradient is not zero")
    return float(top * np.sqrt(ulpm.squared_norm(*(part / top for part in gradient))))  # squares do not underflow


def alignment(W, H, y):
    r"""The alignment :math:`\beta = -\langle \theta, \nabla \mathcal L \rangle / (\rho\,\|\nabla \mathcal L\|_F)`.

    The cosine of the angle between the point and the direction in which the flow moves it, in [−1, 1].
    Raises ``ValueError`` for a bad (W, H, y) or a critical point. Source: Lemma 3.2, with its sign and roots corrected.

    >>> B = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]])  # Example 3.1
    >>> round(alignment(B, B, np.arange(4)), 12)
    1.0
    """
    return 2 * pull(W, H, y) / float(np.sqrt(ulpm.squared_norm(W, H)) * gradient_norm(W, H, y))


def printed_beta(W, H, y):
    r"""The β of Lemma 3.2 as printed, sign and roots included: not an angle.

    .. math:: \frac{\mathrm{tr}(W^\top \nabla_W \mathcal L) + \mathrm{tr}(H^\top \nabla_H \mathcal L)}
                   {\bigl(\sqrt{\|W\|_F^2} + \|H\|_F^2\bigr)
                    \bigl(\sqrt{\|\nabla_W \mathcal L\|_F^2} + \|\nabla_H \mathcal L\|_F^2\bigr)}

    With both roots drawn over the whole sums it would be −:func:`alignment`.
    Raises ``ValueError`` for a bad (W, H, y) or a critical point. Source: Lemma 3.2.
    """
    gradient_norm(W, H, y)
    gW, gH = ulpm.gradient(W, H, y)  # (K, d), (d, M)
    inner = np.trace(np.transpose(W) @ gW) + np.trace(np.transpose(H) @ gH)
    spread = np.linalg.norm(W) + np.linalg.norm(H) ** 2
    return float(inner / (spread * (np.linalg.norm(gW) + np.linalg.norm(gH) ** 2)))


def epsilon(beta, C):
    r"""The bound of the stationarity residual, :math:`\varepsilon = \sqrt{2 (1 - \beta) / C}`.

    With β = :func:`alignment` and C a lower bound of :math:`q_{\min}/\rho^2`, for example the smoothed margin at t₀.
    Raises ``ValueError`` unless C > 0 and β ≤ 1. Source: Lemma 3.2.

    >>> epsilon(0.5, 4.0)
    0.5
    """
    if not beta <= 1 + 1e-12:  # a cosine, up to rounding
        raise ValueError(f"beta: expected a cosine, at most 1, got {beta!r}")
    return float(np.sqrt(2 * max(1 - beta, 0.0) / validate.positive("C", C)))


def delta(K, C, q):
    r"""The bound of each complementarity product, :math:`\delta = K / (2\,C\,q_{\min})`.

    Raises ``ValueError`` unless K ≥ 2, C > 0 and q > 0. Source: Lemma 3.2.

    >>> delta(4, 0.5, 8.0)
    0.5
    """
    return validate.integer("K", K, 2) / (2 * validate.positive("C", C) * validate.positive("q", q))


def multipliers(W, H, y):
    r"""The multipliers of (5) that the flow supplies: :math:`\lambda_{kij} = \rho\,p_{kij} / \|\nabla \mathcal L\|_F`.

    At the point scaled to margin one the stationarity residual is :math:`\sqrt{2 (1 - \beta)\,\rho^2 / q_{\min}}`.
    Returns ``(K, M)`` in the layout of :func:`ncpaper.etf.multipliers`.
    Raises ``ValueError`` for a bad (W, H, y) or a critical point. Source: proof of Lemma 3.2, its chapter.
    """
    W, H, y = validate.point(W, H, y)
    P = ulpm.residual(W, H, y)  # (K, M)
    P[y, np.arange(y.size)] = 0.0
    return P * np.sqrt(ulpm.squared_norm(W, H)) / gradient_norm(W, H, y)


def entropy_bound(loss):
    r"""The lower bound :math:`\varphi(\mathcal L) = -(1 - e^{-\mathcal L}) \log(e^{\mathcal L} - 1)` of :func:`pull`.

    It holds for :math:`\mathcal L < \log 2`, and φ/L decreases there.
    Raises ``ValueError`` unless the loss is positive.
    Source: chapter on Theorem 3.1, after Lyu and Li.

    >>> round(entropy_bound(np.log(2.0)), 12) + 0.0
    0.0
    """
    loss = validate.positive("loss", loss)
    return float(np.expm1(-loss) * (loss + np.log(-np.expm1(-loss))))  # log(eᴸ − 1) = L + log(1 − e⁻ᴸ)


def steepness(W, H, y):
    r"""The steepness :math:`x = \rho\,\|\nabla \mathcal L\|_F / (2\,\varphi(\mathcal L))`.

    It is :math:`\|\nabla F\| / (2 \rho\,\tilde\gamma)`, at least :math:`1/\beta` and so at least 1, and it makes the
    smoothed margin grow: :math:`d \log \tilde\gamma / d \log \rho \ge 2 (x - 1)`.
    Raises ``ValueError`` for a bad (W, H, y), a critical point, or a loss of log 2 or more.
    Source: chapter on Theorem 3.1.
    """
    bound = entropy_bound(ulpm.loss(W, H, y))
    if bound <= 0:
        raise ValueError("W, H: expected a loss below log 2")
    return float(np.sqrt(ulpm.squared_norm(W, H)) * gradient_norm(W, H, y) / (2 * bound))


def merged(K, n, d, q):
    r"""A start from which the flow never separates: :math:`w_0 = w_1` and :math:`h_{0,i} = h_{1,i}`.

    The K − 1 different classes are collapsed with margin q. The loss exceeds :math:`2 n \log 2` for ever; at the start
    it is as close to it as one likes, for q large. Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``.
    Raises ``ValueError`` for K < 3, n < 1, d < K − 2 or q ≤ 0. Source: chapter on Theorem 3.1.
    """
    W, H, _ = etf.collapsed(validate.integer("K", K, 3) - 1, n, d, q)
    rows, columns = np.maximum(np.arange(K) - 1, 0), np.maximum(np.arange(K * n) - n, np.arange(K * n) % n)
    return W[rows], H[:, columns], ulpm.balanced_labels(K, n)


def centred(K, n, d, q):
    r"""A start from which the flow never separates: :math:`w_0 = 0`, :math:`h_{0,i} = 0`, in the centre of the others.

    The other K − 1 classes are collapsed with margin q. The loss exceeds :math:`n \log K` for ever; at the start it is
    as close to it as one likes, for q large. Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``.
    Raises ``ValueError`` for K < 3, n < 1, d < K − 2 or q ≤ 0. Source: chapter on Theorem 3.1.
    """
    W, H, _ = etf.collapsed(validate.integer("K", K, 3) - 1, n, d, q)
    return np.vstack([np.zeros((1, d)), W]), np.hstack([np.zeros((d, n)), H]), ulpm.balanced_labels(K, n)


def between(K, n, d, T):
    r"""A start from which the flow never separates: class 1 stands on an axis between class 0 and all the others.

    The others are mirror images of each other in the axis, in pairs but for at most one on it. The loss exceeds
    :math:`n \log 2` for ever; at the start it is as close to it as one likes, for T large.
    Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``. Raises ``ValueError`` for K < 3, n < 1, d < 2 or T ≤ 0.
    Source: chapter on Theorem 3.1.
    """
    K, d, T = validate.integer("K", K, 3), validate.integer("d", d, 2), validate.positive("T", T)
    phi = np.linspace(-1, 1, K - 2) if K > 3 else np.zeros(1)  # (K−2,)
    W, F, y = np.zeros((K, d)), np.zeros((K, d)), ulpm.balanced_labels(K, n)  # rows of F: one feature for each class
    W[1, 0], F[:2, 0] = -1 / T, (T**2, 1.0)
    W[2:, 0], W[2:, 1] = -1 / T - T - T * np.cos(phi), T * np.sin(phi)
    F[2:, 0], F[2:, 1] = -T * np.cos(phi), T * np.sin(phi)
    return W, F.T[:, y], y
