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
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import minimize, nnls

from ncpaper import flow, margin, ulpm
from ncpaper.validate import Classes, Count, Natural, door


class Residual(NamedTuple):
    """How far (W, H, λ) is from the KKT conditions of (5); all three are zero exactly at a KKT point."""

    stationarity: float
    feasibility: float
    complementarity: float


@door
def objective(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"]) -> float:
    r"""The objective of (5), :math:`\frac12 \|W\|_F^2 + \frac12 \|H\|_F^2`.

    Source
    ------
    Eq. (5).

    Examples
    --------
    >>> objective(np.eye(2), np.eye(2))
    2.0
    """
    return ulpm.squared_norm(W, H) / 2


@door
def rescale(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The feasible point of least norm on the ray through (W, H): :math:`(W, H) / \sqrt{q_{\min}(W, H)}`.

    It has margin 1 and objective :math:`(\|W\|_F^2 + \|H\|_F^2) / (2 q_{\min})`.

    Raises
    ------
    ValueError
        Naming W and H, if the margin is not positive.

    Source
    ------
    Remark 3.1, corrected.

    Examples
    --------
    >>> W, H = rescale(2 * np.eye(3), 2 * np.eye(3), np.arange(3))
    >>> objective(W, H)
    3.0
    """
    q = margin.margin(W, H, y)
    if q <= 0:
        raise ValueError(f"W, H: expected a point that separates the classes, q_min > 0, got q_min = {q:.3g}")
    return W / np.sqrt(q), H / np.sqrt(q)


def _checked_multipliers(lam, y):
    """Return the multipliers (K, M); raise ``ValueError`` naming ``lam`` for what the shape does not say.

    They have no negative entry, and zeros in the rows of the true classes.
    """
    if lam.min() < 0 or lam[y, np.arange(y.size)].any():
        raise ValueError("lam: expected no negative entry, and zeros in the rows of the true classes")
    return lam


@door
def signed(lam: Float[ndarray, "K M"], y: Int[ndarray, " M"]) -> Float[ndarray, "K M"]:
    r"""The matrix S of the multipliers: :math:`\sum \lambda_{kij} (w_k - w_j)^\top h_{k,i} = \langle S, W H \rangle`.

    :math:`S_{jm} = -\lambda_{jm}` for the wrong classes j of sample m, and in the row of its class the sum
    :math:`\sum_j \lambda_{jm}`: columns sum to zero.

    Raises
    ------
    ValueError
        Naming ``lam``, for a negative entry, or one other than zero in the row of a true class.

    Source
    ------
    The Lagrangian of (5).

    Examples
    --------
    >>> signed([[0.0, 2.0], [1.0, 0.0]], [0, 1])
    array([[ 1., -2.],
           [-1.,  2.]])
    """
    lam = _checked_multipliers(lam, y)
    return ulpm.one_hot(y, lam.shape[0]) * lam.sum(axis=0) - lam  # (K, M)


@door
def residual(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"], lam: Float[ndarray, "K M"]
) -> Residual:
    r"""How far (W, H) with the multipliers λ is from a KKT point of (5).

    With S = :func:`signed` (λ), stationarity is the Frobenius norm of the gradient of the Lagrangian,
    :math:`(W - S H^\top,\ H - W^\top S)`; feasibility is :math:`\max(0, 1 - q_{\min})`; complementarity is the largest
    :math:`|\lambda_{kij} ((w_k - w_j)^\top h_{k,i} - 1)|`. So (W, H) feasible is an (ε, δ)-approximate KKT point when
    stationarity ≤ ε and complementarity ≤ δ.

    Raises
    ------
    ValueError
        Naming ``lam``, for a negative entry, or one other than zero in the row of a true class.

    Source
    ------
    Eq. (5); [8, 26] for (ε, δ).

    Examples
    --------
    >>> from ncpaper import points
    >>> max(residual(*points.collapsed(4, 2, 3), optimal_multipliers(4, 2))) < 1e-12
    True
    """
    S = signed(lam, y)  # (K, M)
    Q = ulpm.gaps(W @ H, y)  # (K, M)
    return Residual(
        stationarity=float(np.sqrt(ulpm.squared_norm(W - S @ H.T, H - W.T @ S))),
        feasibility=max(0.0, 1 - margin.margin(W, H, y)),
        complementarity=float(np.abs(lam * (Q - 1)).max()),
    )


@door
def constraint_gradients(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> Float[ndarray, "(K-1)*M K*d+d*M"]:
    r"""The gradients of the constraint functions :math:`(w_k - w_j)^\top h_{k,i}` in (W, H), one in each row.

    Rows are the pairs (j, m), j not the class of m, in the order of ``np.nonzero``; columns are W, then H, row-major,
    as :func:`ncpaper.flow.join` orders them.

    Source
    ------
    Eq. (5).
    """
    (K, d), M = W.shape, H.shape[1]
    j, m = np.nonzero(1 - ulpm.one_hot(y, K))  # wrong class, sample
    c = np.arange(m.size)
    in_W, in_H = np.zeros((m.size, K, d)), np.zeros((m.size, d, M))
    in_W[c, y[m]], in_W[c, j] = H.T[m], -H.T[m]  # ∂/∂w_k = h, ∂/∂w_j = −h
    in_H[c, :, m] = W[y[m]] - W[j]  # ∂/∂h = w_k − w_j
    return np.hstack([in_W.reshape(m.size, -1), in_H.reshape(m.size, -1)])


@door
def best_multipliers(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> Float[ndarray, "K M"]:
    r"""The multipliers that come closest to the KKT conditions of (5) at (W, H).

    Minimises stationarity² plus the sum of all squared complementarity products over :math:`\lambda \ge 0`,

    .. math:: \|(W, H) - \textstyle\sum \lambda_c \nabla g_c\|^2 + \sum \lambda_c^2 (g_c - 1)^2,

    one nonnegative least-squares problem with no threshold for what counts as active; zero exactly at a KKT point.
    The point should be scaled first, see :func:`rescale`.

    Source
    ------
    Eq. (5); scipy's ``nnls``.

    Examples
    --------
    >>> from ncpaper import points
    >>> bool(np.allclose(best_multipliers(*points.collapsed(4, 2, 3)), optimal_multipliers(4, 2)))
    True
    """
    wrong = ulpm.one_hot(y, W.shape[0]) == 0  # (K, M)
    J = constraint_gradients(W, H, y)  # ((K−1)·M, K·d + d·M)
    slack = ulpm.gaps(W @ H, y)[wrong] - 1  # ((K−1)·M,)
    lam = np.zeros(wrong.shape)
    lam[wrong] = nnls(np.vstack([J.T, np.diag(slack)]), flow.join(W, H, np.zeros(slack.size)))[0]
    return lam


@door
def lower_bound(lam: Float[ndarray, "K M"], y: Int[ndarray, " M"]) -> float:
    r"""A lower bound of the optimal value of (5), for every d: :math:`\sum \lambda_{kij} / \|S(\lambda)\|_2`.

    Holds for any multipliers other than zero: after division by the spectral norm of S = :func:`signed` (λ) the
    Lagrangian :math:`\frac12\|W\|^2 + \frac12\|H\|^2 - \langle S, W H\rangle + \sum\lambda` is nowhere below
    :math:`\sum \lambda`. So the bound does not change when λ is multiplied by a positive number.

    Raises
    ------
    ValueError
        Naming ``lam``, if it is zero, has a negative entry, or one other than zero in the row of a true class.

    Source
    ------
    Lagrangian duality.

    Examples
    --------
    >>> round(lower_bound(optimal_multipliers(5, 4), ulpm.balanced_labels(5, 4)), 12)
    8.0
    """
    norm = np.linalg.norm(signed(lam, y), 2)
    if norm == 0:
        raise ValueError("lam: expected multipliers other than zero")
    return float(np.sum(lam) / norm)


@door
def lagrangian_hessian(lam: Float[ndarray, "K M"], y: Int[ndarray, " M"]) -> Float[ndarray, "K+M K+M"]:
    r"""The Hessian of the Lagrangian of (5) in one coordinate, :math:`\begin{pmatrix} I & -S \\ -S^\top & I \end{pmatrix}`.

    S is :func:`signed` (λ), and the whole Hessian is this matrix once for each of the d coordinates. It is positive
    semidefinite exactly when :math:`\|S\|_2 \le 1`, and then Σλ is a lower bound of the optimal value: a dual
    certificate.

    Raises
    ------
    ValueError
        Naming ``lam``, for a negative entry, or one other than zero in the row of a true class.

    Source
    ------
    Lagrangian duality.

    Examples
    --------
    >>> lagrangian_hessian([[0.0, 2.0], [1.0, 0.0]], [0, 1])
    array([[ 1.,  0., -1.,  2.],
           [ 0.,  1.,  1., -2.],
           [-1.,  1.,  1.,  0.],
           [ 2., -2.,  0.,  1.]])
    """
    S = signed(lam, y)  # (K, M)
    return np.block([[np.eye(S.shape[0]), -S], [-S.T, np.eye(S.shape[1])]])


@door
def solve(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""A local solution of (5), scaled to margin 1, from the initial point (W, H), by sequential quadratic programming.

    Nothing in it knows the simplex ETF.

    Raises
    ------
    FloatingPointError
        Where no separating point was found.

    Source
    ------
    Eq. (5); scipy's ``SLSQP``.
    """
    wrong = ulpm.one_hot(y, W.shape[0]) == 0  # (K, M)
    constraint = {
        "type": "ineq",
        "fun": lambda x: ulpm.gaps(np.matmul(*flow.split(x, (W, H))), y)[wrong] - 1,
        "jac": lambda x: constraint_gradients(*flow.split(x, (W, H)), y),
    }
    with np.errstate(all="ignore"):  # where nothing separates, the points tried leave what float64 holds
        answer = minimize(
            lambda x: (x @ x / 2, x), flow.join(W, H), jac=True, method="SLSQP", constraints=[constraint],
            options={"maxiter": 500, "ftol": 1e-13},
        )  # fmt: skip
        W, H = flow.split(answer.x, (W, H))
        q = margin.margin(W, H, y)
    if not q > 0:  # not a number is no margin either
        raise FloatingPointError(f"no separating point was found from this initial point: {answer.message}")
    return rescale(W, H, y)


@door
def search(
    K: Classes, n: Count, d: Count, starts: Count, seed: Natural = 0
) -> tuple[
    Float[ndarray, "{K} {d}"], Float[ndarray, "{d} {K}*{n}"], Int[ndarray, " {K}*{n}"], Float[ndarray, " {starts}"]
]:
    r"""The best of several local solutions of (5), from standard normal starting points.

    Returns
    -------
    W, H, y, values
        The best point with its labels, and the objective reached from each initialisation: infinity where one led to no
        separating point.

    Raises
    ------
    FloatingPointError
        Where every initialisation failed.

    Source
    ------
    The search of the chapter on Theorem 3.2; nothing in it knows the simplex ETF.

    Examples
    --------
    >>> W, H, y, values = search(3, 1, 2, starts=2)
    >>> round(float(values.min()), 6)
    2.0
    """
    y, rng, found = ulpm.balanced_labels(K, n), np.random.default_rng(seed), {}
    values = np.full(starts, np.inf)
    for s in range(starts):
        start = rng.standard_normal((K, d)), rng.standard_normal((d, K * n))
        with suppress(FloatingPointError):
            found[s] = solve(*start, y)
            values[s] = objective(*found[s])
    if not found:
        raise FloatingPointError(f"no separating point was found from {starts} initialisations")
    return *found[int(values.argmin())], y, values


@door
def optimal_multipliers(K: Classes, n: Count) -> Float[ndarray, "{K} {K}*{n}"]:
    r"""The multipliers of (5) at its optimum: :math:`\lambda_{kij} = \frac{1}{K \sqrt n}` for every :math:`j \ne k`.

    Zero in the rows of the true classes. They sum to the optimal value :math:`(K-1)\sqrt n`.

    Source
    ------
    Theorem 3.2, its chapter.

    Examples
    --------
    >>> float(optimal_multipliers(3, 4).sum())
    4.0
    """
    y = ulpm.balanced_labels(K, n)
    return (1 - ulpm.one_hot(y, K)) / (K * np.sqrt(n))
