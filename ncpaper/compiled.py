r"""Gradient descent on the model (4), compiled: the numbers of :func:`ncpaper.flow.descend` at the speed of the core.

The loops below are the formulas of :mod:`ncpaper.ulpm`. They are fast for three reasons, and each is written down where
it happens: the sizes are constants of the compiled program, every inner loop runs over the samples (contiguous in
memory) and can be vectorised, and no array is made within a step. The compiled functions do not check
their arguments: numba compiles plain functions only, and :func:`descend`, which calls them, has checked the arguments.
"""

import math
from functools import cache

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper import extras, flow, ulpm
from ncpaper.validate import Classes, Count, Positive, door

with extras.extra("fast"):
    from numba import njit

#: Sums may be reordered and fused with products; infinities and NaN keep their meaning.
FORMULA = {"fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy"}

#: Coefficients of the exponential series; for arguments up to log(2)/2 the first term left out is below 1e-17.
SERIES = tuple(1 / math.factorial(i) for i in range(14))
LOG2_E = 1 / math.log(2)
LOG2_HIGH, LOG2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")  # their sum is log 2
TO_INTEGER = 1.5 * 2.0**52  # x + this rounds x to an integer, which then stands in the lowest bits


@njit(fastmath={"contract"}, forceinline=True)
def exponential(x):
    r"""The exponential of x ≤ 0, by :math:`e^x = 2^n e^r`, :math:`|r| \le \tfrac12 \log 2`: a body without branches.

    Within two units of the last digit for x ≥ −708, the least normal number below.

    Source
    ------
    Cody and Waite's reduction.

    Examples
    --------
    >>> exponential(0.0), exponential(-1.0) == math.exp(-1.0)
    (1.0, True)
    """
    x = max(x, -708.0)
    shifted = x * LOG2_E + TO_INTEGER
    n = shifted - TO_INTEGER
    r = (x - n * LOG2_HIGH) - n * LOG2_LOW
    p = SERIES[13]
    for i in range(12, -1, -1):
        p = p * r + SERIES[i]
    exponent = np.float64(shifted).view(np.int64) + np.int64(1023)  # n + 1023 in its lowest bits
    return p * np.int64(exponent << np.int64(52)).view(np.float64)  # moved into place, it reads 2ⁿ


@njit(**FORMULA, inline="always")
def _logits(W, H, K, d, M, Z, top):
    """Z = W H (K, M), and its largest entry in each column, top (M,)."""
    top[:] = -np.inf
    for k in range(K):
        for m in range(M):
            z = 0.0
            for a in range(d):
                z += W[k, a] * H[a, m]
            Z[k, m] = z
            top[m] = max(top[m], z)


@njit(**FORMULA, inline="always")
def _residual(Z, Y, top, step, K, M, total, wrong, G):
    """G = step · (P − Y) (K, M), the true row minus the sum of the others, as in :func:`ncpaper.ulpm.logit_gradient`."""
    total[:] = 0.0
    wrong[:] = 0.0
    for k in range(K):
        for m in range(M):
            e = exponential(Z[k, m] - top[m])
            total[m] += e
            G[k, m] = (1.0 - Y[k, m]) * e
            wrong[m] += G[k, m]
    for m in range(M):
        total[m] = step / total[m]  # one division for each sample
    for k in range(K):
        for m in range(M):
            G[k, m] = total[m] * (G[k, m] - Y[k, m] * wrong[m])


@njit(**FORMULA, inline="always")
def _classifier_gradient(G, H, K, d, M, D):
    """D = G Hᵀ (K, d), four features at a time; past the last feature the last is computed again."""
    for k in range(K):
        for a in range(0, d, 4):
            b, c, e = min(a + 1, d - 1), min(a + 2, d - 1), min(a + 3, d - 1)
            p = q = r = s = 0.0
            for m in range(M):
                p += G[k, m] * H[a, m]
                q += G[k, m] * H[b, m]
                r += G[k, m] * H[c, m]
                s += G[k, m] * H[e, m]
            D[k, a], D[k, b], D[k, c], D[k, e] = p, q, r, s


@njit(**FORMULA, inline="always")
def _subtract_feature_gradient(W, G, K, d, M, H):
    """H ← H − Wᵀ G (d, M)."""
    for a in range(d):
        for m in range(M):
            g = 0.0
            for k in range(K):
                g += W[k, a] * G[k, m]
            H[a, m] -= g


@cache
def _program(K, d, M):
    """The compiled descent for one choice of sizes; its first call takes the compiler about a second."""

    @njit(**FORMULA)
    def advance(W, H, Y, step, steps):
        Z, G, D = np.empty((K, M)), np.empty((K, M)), np.empty((K, d))
        top, total, wrong = np.empty(M), np.empty(M), np.empty(M)
        for _ in range(steps):
            _logits(W, H, K, d, M, Z, top)
            _residual(Z, Y, top, step, K, M, total, wrong, G)
            _classifier_gradient(G, H, K, d, M, D)
            _subtract_feature_gradient(W, G, K, d, M, H)
            for k in range(K):
                for a in range(d):
                    W[k, a] -= D[k, a]

    return advance


@door
def descend(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"], step: Positive, at
) -> flow.Trajectory:
    r"""Gradient descent on (4) with step size ``step``, recorded after the steps in ``at``.

    The loss is the sum; learning rate η on the mean loss is ``step = η / M``. The points (W, H) are those of
    :func:`ncpaper.flow.descend` with :func:`ncpaper.ulpm.gradient`, up to rounding.

    Raises
    ------
    ValueError
        Naming ``at``, unless it holds increasing integers from 0 on, one at least.
    FloatingPointError
        Naming the first recorded step at which the point is no longer finite.

    Source
    ------
    Section 4.

    Examples
    --------
    >>> W, H, y = np.eye(2), np.eye(2), np.array([0, 1])
    >>> [p[0].round(3).tolist() for p in descend(W, H, y, 1.0, [0, 1]).points]
    [[[1.0, 0.0], [0.0, 1.0]], [[1.269, -0.269], [-0.269, 1.269]]]
    """
    at = flow.step_numbers(at)
    W, H, Y, points = W.copy(order="C"), H.copy(order="C"), ulpm.one_hot(y, W.shape[0]), []
    advance = _program(*W.shape, y.size)
    for steps in np.diff(at, prepend=0):
        advance(W, H, Y, step, steps)
        if not (np.isfinite(W).all() and np.isfinite(H).all()):
            raise FloatingPointError(f"the point is not finite after {at[len(points)]} steps: the step is too large")
        points.append((W.copy(), H.copy()))
    return flow.Trajectory(at, points)


@door
def operations(K: Classes, d: Count, M: Count) -> int:
    r"""How many additions and multiplications of float64 numbers one step needs: those of the loops above, 4 dividing d.

    Three matrix products :math:`2KdM` each, the update :math:`d(K + M)`, and 42 for each of the KM probabilities, of
    which 34 are the exponential. Divisions (M) and comparisons are not counted.

    Source
    ------
    This module.

    Examples
    --------
    >>> operations(5, 20, 50)
    41600
    """
    return 6 * K * d * M + d * (K + M) + 42 * K * M
