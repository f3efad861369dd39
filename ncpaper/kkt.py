r"""The minimum-norm separation problem (5): constraints, optimality residuals, multipliers, lower bounds.

.. math::
    \min_{W, H} \tfrac12 \|W\|_F^2 + \tfrac12 \|H\|_F^2
    \quad \text{s.t.} \quad (w_k - w_j)^\top h_{k,i} \ge 1 \ \text{ for all } j \ne k,\ i.

Multipliers ``lam (K, M)`` have the layout of :func:`ncpaper.ulpm.gaps`: entry (j, m) belongs to the constraint that
sample m prefers its class to j; the entries in the rows of the true classes are zero.
"""

from contextlib import suppress
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize, nnls

from ncpaper import etf, margin, ulpm, validate


class Residual(NamedTuple):
    """How far (W, H, λ) is from the KKT conditions of (5); all three are zero exactly at a KKT point."""

    stationarity: float
    feasibility: float
    complementarity: float


def objective(W, H):
    r"""The objective of (5), :math:`\frac12 \|W\|_F^2 + \frac12 \|H\|_F^2`. Source: eq. (5).

    >>> objective(np.eye(2), np.eye(2))
    2.0
    """
    return ulpm.squared_norm(W, H) / 2


def rescale(W, H, y):
    r"""The feasible point of least norm on the ray through (W, H): :math:`(W, H) / \sqrt{q_{\min}(W, H)}`.

    Returns ``W (K, d)``, ``H (d, M)`` of margin 1 and objective :math:`(\|W\|_F^2 + \|H\|_F^2) / (2 q_{\min})`.
    Raises ``ValueError`` for a bad (W, H, y), or a margin that is not positive. Source: Remark 3.1, corrected.

    >>> W, H = rescale(2 * np.eye(3), 2 * np.eye(3), np.arange(3))
    >>> objective(W, H)
    3.0
    """
    q = margin.margin(W, H, y)
    if q <= 0:
        raise ValueError(f"W, H: expected a point that separates the classes, q_min > 0, got q_min = {q:.3g}")
    return np.asarray(W) / np.sqrt(q), np.asarray(H) / np.sqrt(q)


def _checked_multipliers(lam, y):
    r"""Return ``lam`` as multipliers ``(K, M)`` of the constraints of (5) for the labels ``y (M,)``.

    Raises ``ValueError`` naming ``lam`` unless it is a finite matrix with one column for each label, no negative entry
    and zeros in the rows of the true classes. Source: eq. (5).
    """
    lam = validate.matrix("lam", lam)
    y = validate.labels(y, lam.shape[0], lam.shape[1])
    if lam.min() < 0 or lam[y, np.arange(y.size)].any():
        raise ValueError("lam: expected no negative entry, and zeros in the rows of the true classes")
    return lam


def signed(lam, y):
    r"""The matrix S of the multipliers: :math:`\sum \lambda_{kij} (w_k - w_j)^\top h_{k,i} = \langle S, W H \rangle`.

    :math:`S_{jm} = -\lambda_{jm}` for the wrong classes j of sample m, and in the row of its class the sum
    :math:`\sum_j \lambda_{jm}`: columns sum to zero. ``(K, M)`` → ``(K, M)``.
    Raises ``ValueError`` for bad multipliers. Source: the Lagrangian of (5).

    >>> signed(np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([0, 1]))
    array([[ 1., -2.],
           [-1.,  2.]])
    """
    lam = _checked_multipliers(lam, y)
    return ulpm.one_hot(y, lam.shape[0]) * lam.sum(axis=0) - lam  # (K, M)


def residual(W, H, y, lam):
    r"""How far (W, H) with the multipliers ``lam (K, M)`` is from a KKT point of (5).

    With S = :func:`signed` (λ), stationarity is the Frobenius norm of the gradient of the Lagrangian,
    :math:`(W - S H^\top,\ H - W^\top S)`; feasibility is :math:`\max(0, 1 - q_{\min})`; complementarity is the largest
    :math:`|\lambda_{kij} ((w_k - w_j)^\top h_{k,i} - 1)|`. So (W, H) feasible is an (ε, δ)-approximate KKT point when
    stationarity ≤ ε and complementarity ≤ δ.
    Raises ``ValueError`` for a bad (W, H, y) or bad multipliers. Source: eq. (5); [8, 26] for (ε, δ).

    >>> r = residual(*etf.collapsed(4, 2, 3), etf.multipliers(4, 2))
    >>> max(r) < 1e-12
    True
    """
    W, H, y = validate.point(W, H, y)
    S = signed(lam, y)  # (K, M)
    Q = ulpm.gaps(W @ H, y)  # (K, M)
    return Residual(
        stationarity=float(np.sqrt(ulpm.squared_norm(W - S @ H.T, H - W.T @ S))),
        feasibility=max(0.0, 1 - margin.margin(W, H, y)),
        complementarity=float(np.abs(lam * (Q - 1)).max()),
    )


def constraint_gradients(W, H, y):
    r"""The gradients of the constraint functions :math:`(w_k - w_j)^\top h_{k,i}` in (W, H), one in each row.

    Rows are the pairs (j, m), j not the class of m, in the order of ``np.nonzero``; columns are W, then H, row-major.
    Returns ``((K−1)·M, K·d + d·M)``. Raises ``ValueError`` for a bad (W, H, y). Source: eq. (5).
    """
    W, H, y = validate.point(W, H, y)
    (K, d), M = W.shape, H.shape[1]
    j, m = np.nonzero(1 - ulpm.one_hot(y, K))  # wrong class, sample
    c = np.arange(m.size)
    in_W, in_H = np.zeros((m.size, K, d)), np.zeros((m.size, d, M))
    in_W[c, y[m]], in_W[c, j] = H.T[m], -H.T[m]  # ∂/∂w_k = h, ∂/∂w_j = −h
    in_H[c, :, m] = W[y[m]] - W[j]  # ∂/∂h = w_k − w_j
    return np.hstack([in_W.reshape(m.size, -1), in_H.reshape(m.size, -1)])


def best_multipliers(W, H, y):
    r"""The multipliers that come closest to the KKT conditions of (5) at (W, H).

    Minimises stationarity² plus the sum of all squared complementarity products over :math:`\lambda \ge 0`,

    .. math:: \|(W, H) - \textstyle\sum \lambda_c \nabla g_c\|^2 + \sum \lambda_c^2 (g_c - 1)^2,

    one nonnegative least-squares problem with no threshold for what counts as active; zero exactly at a KKT point.
    The point should be scaled first, see :func:`rescale`. Returns ``lam (K, M)``.
    Raises ``ValueError`` for a bad (W, H, y). Source: eq. (5); scipy's ``nnls``.

    >>> bool(np.allclose(best_multipliers(*etf.collapsed(4, 2, 3)), etf.multipliers(4, 2)))
    True
    """
    W, H, y = validate.point(W, H, y)
    wrong = ulpm.one_hot(y, W.shape[0]) == 0  # (K, M)
    J = constraint_gradients(W, H, y)  # ((K−1)·M, K·d + d·M)
    slack = ulpm.gaps(W @ H, y)[wrong] - 1  # ((K−1)·M,)
    theta = np.concatenate([W.ravel(), H.ravel()])
    lam = np.zeros(wrong.shape)
    lam[wrong] = nnls(np.vstack([J.T, np.diag(slack)]), np.concatenate([theta, np.zeros(slack.size)]))[0]
    return lam


def lower_bound(lam, y):
    r"""A lower bound of the optimal value of (5), for every d: :math:`\sum \lambda_{kij} / \|S(\lambda)\|_2`.

    Holds for any multipliers other than zero: after division by the spectral norm of S = :func:`signed` (λ) the
    Lagrangian :math:`\frac12\|W\|^2 + \frac12\|H\|^2 - \langle S, W H\rangle + \sum\lambda` is nowhere below
    :math:`\sum \lambda`. Raises ``ValueError`` for bad multipliers or zero ones. Source: Lagrangian duality.

    >>> round(lower_bound(etf.multipliers(5, 4), ulpm.balanced_labels(5, 4)), 12)
    8.0
    """
    norm = np.linalg.norm(signed(lam, y), 2)
    if norm == 0:
        raise ValueError("lam: expected multipliers other than zero")
    return float(np.sum(lam) / norm)


def certificate(lam, y):
    r"""The dual certificate :math:`\begin{pmatrix} I & -S \\ -S^\top & I \end{pmatrix}`, S = :func:`signed` (λ).

    The Hessian of the Lagrangian of (5) is this matrix once for each of the d coordinates.

    Returns ``(K + M, K + M)``; positive semidefinite exactly when :math:`\|S\|_2 \le 1`, and then Σλ is a lower bound
    of the optimal value. Raises ``ValueError`` for bad multipliers. Source: Lagrangian duality.
    """
    S = signed(lam, y)  # (K, M)
    return np.block([[np.eye(S.shape[0]), -S], [-S.T, np.eye(S.shape[1])]])


def solve(W, H, y):
    r"""A local solution of (5), from the starting point (W, H), by sequential quadratic programming.

    Returns ``W (K, d)``, ``H (d, M)``, scaled to margin 1. Nothing in it knows the simplex ETF.
    Raises ``ValueError`` for a bad (W, H, y), ``FloatingPointError`` where no separating point was found.
    Source: eq. (5); scipy's ``SLSQP``.
    """
    W, H, y = validate.point(W, H, y)
    wrong = ulpm.one_hot(y, W.shape[0]) == 0  # (K, M)

    def split(x):
        return x[: W.size].reshape(W.shape), x[W.size :].reshape(H.shape)

    constraint = {
        "type": "ineq",
        "fun": lambda x: ulpm.gaps(np.matmul(*split(x)), y)[wrong] - 1,
        "jac": lambda x: constraint_gradients(*split(x), y),
    }
    start = np.concatenate([W.ravel(), H.ravel()])
    answer = minimize(
        lambda x: (x @ x / 2, x), start, jac=True, method="SLSQP", constraints=[constraint],
        options={"maxiter": 500, "ftol": 1e-13},
    )  # fmt: skip
    if margin.margin(*split(answer.x), y) <= 0:
        raise FloatingPointError(f"no separating point was found from this start: {answer.message}")
    return rescale(*split(answer.x), y)


def search(K, n, d, starts, seed=0):
    r"""The best of several local solutions of (5), from standard normal starting points.

    Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)`` and the objectives ``(starts,)`` reached, infinity where a start
    led to no separating point. Raises ``ValueError`` for bad sizes, ``FloatingPointError`` where every start failed.
    Source: the search of the chapter on Theorem 3.2; nothing in it knows the simplex ETF.

    >>> W, H, y, values = search(3, 1, 2, starts=2)
    >>> round(float(values.min()), 6)
    2.0
    """
    y, d = ulpm.balanced_labels(K, n), validate.integer("d", d, 1)
    rng, found = np.random.default_rng(seed), {}
    values = np.full(validate.integer("starts", starts, 1), np.inf)
    for s in range(starts):
        start = rng.standard_normal((K, d)), rng.standard_normal((d, K * n))
        with suppress(FloatingPointError):
            found[s] = solve(*start, y)
            values[s] = objective(*found[s])
    if not found:
        raise FloatingPointError(f"no separating point was found from {starts} starts")
    return *found[int(values.argmin())], y, values


def polygon(K, n, d):
    r"""The regular polygon, a KKT point of (5) for every K ≥ 3 and d ≥ 2: :math:`w_k = \sqrt n\,h_{k,i}` on a circle.

    The constraints of nearest neighbours are active, with the multipliers
    :math:`1 / (2 \sqrt n\,(1 - \cos(2\pi/K)))`; the objective is :math:`\sqrt n\,K / (1 - \cos(2\pi/K))`.
    Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``.
    Raises ``ValueError`` for K < 3, n < 1 or d < 2. Source: chapter on Theorem 3.2.

    >>> W, H, y = polygon(4, 9, 2)
    >>> round(objective(W, H), 12), round(margin.margin(W, H, y), 12)
    (12.0, 1.0)
    """
    K, d = validate.integer("K", K, 3), validate.integer("d", d, 2)
    y, angle = ulpm.balanced_labels(K, n), 2 * np.pi / K * np.arange(K)
    C = np.zeros((d, K))
    C[:2] = np.cos(angle), np.sin(angle)
    C /= np.sqrt(1 - np.cos(2 * np.pi / K))  # unit gap to the neighbours
    return n**0.25 * C.T, n**-0.25 * C[:, y], y


def pairs_and_singles(K, n, d):
    r"""The best point known to us of (5) for :math:`K/2 \le d \le K - 2`: K − d opposite pairs, and single classes.

    The pairs form a cross-polytope in K − d dimensions; its centre and the 2d − K single classes form a simplex in the
    other 2d − K. The objective is :math:`\sqrt n\,\bigl(K - 1 + \sqrt{2 (K - d)/K}\bigr)`.
    Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``.
    Raises ``ValueError`` naming ``d`` outside that range, or for n < 1. Source: chapter on Theorem 3.2.

    >>> W, H, y = pairs_and_singles(8, 1, 6)  # 7 + √(1/2)
    >>> round(objective(W, H), 6), round(margin.margin(W, H, y), 12)
    (7.707107, 1.0)
    """
    y, d = ulpm.balanced_labels(K, n), validate.integer("d", d, 1)
    r, s = K - d, 2 * d - K
    if r < 2 or s < 0:
        raise ValueError(f"d: expected K/2 ≤ d ≤ K − 2 for K = {K}, got {d}")
    A, B = np.zeros((d, K)), np.zeros((d, K))  # columns w_k, h_k
    A[:r, : 2 * r] = B[:r, : 2 * r] = np.kron(np.eye(r), [1, -1])
    if s > 0:
        u, f = (2 * r / K) ** 0.75 / np.sqrt(s), etf.frame(s, s - 1) if s > 1 else np.zeros((0, 1))
        A[r, : 2 * r], A[r, 2 * r :], B[r, 2 * r :] = -s * u / (2 * r), u, 2 * r / (s * K * u)
        A[r + 1 :, 2 * r :] = B[r + 1 :, 2 * r :] = np.sqrt((s - 1) / s) * f
    return n**0.25 * A.T, n**-0.25 * B[:, y], y
