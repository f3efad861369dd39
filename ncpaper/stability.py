r"""Step sizes for which descent on :math:`\log \mathcal L` stays near a collapsed ray: the linear part of a step there.

A collapsed point of margin q with :math:`\|W\|_F = \|H\|_F` is an eigenvector of the Hessian of :math:`\log \mathcal L`,
and :math:`\nabla \log \mathcal L = -\mu\,\theta` there. A step s multiplies the ray by 1 + sμ and a deviation of
curvature κ by 1 − sκ, so the deviation shrinks, relative to the ray, iff −μ < κ and s (κ − μ) < 2.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import brentq
from scipy.special import exprel

from ncpaper import points, validate
from ncpaper.validate import Classes, Count, Positive, door


@door
def growth(K: Classes, n: Count, q: Positive) -> float:
    r"""The rate μ of the ray: :math:`\nabla \log \mathcal L = -\mu\,\theta` at the collapsed point of margin q.

    :math:`\mu = \dfrac{p}{\sqrt n\,\ell}` with :math:`p = \dfrac{1}{e^q + K - 1}` and
    :math:`\ell = \log\bigl(1 + (K-1) e^{-q}\bigr)`; it tends to :math:`\dfrac{1}{(K-1) \sqrt n}`, at any size of the loss.

    Source
    ------
    The gradient of (4) at a collapsed point, in the chapter on the speed of collapse.

    Examples
    --------
    >>> growth(3, 4, q=2000.0)
    0.25
    """
    return float(exprel(-np.log1p((K - 1) * np.exp(-q))) / ((K - 1) * np.sqrt(n)))  # (K−1) p = 1 − exp(−ℓ)


def _between(K, q):
    """The coupled between-class block, of a symmetric map and a common shift of the features, in units of μ/K."""
    r = -np.expm1(-q) / (1 + (K - 1) * np.exp(-q))  # 1 − K p
    mixed = q * r * np.sqrt(2 * (K - 2))
    return np.array([[2 * q * (1 + (K - 2) * r) - K, mixed], [mixed, q * (1 + r)]])  # (2, 2)


def _largest(K, q):
    """The largest curvature across the ray in units of μ/K: of a between-class direction, if it exceeds K."""
    block = _between(K, q)
    return max(float(np.linalg.eigvalsh(block)[-1]), 2 * q + K) if K > 2 else float(block[1, 1])


@door
def curvatures(K: Classes, n: Count, d: Count, q: Positive) -> tuple[Float[ndarray, " J"], Int[ndarray, " J"]]:
    r"""The eigenvalues of the Hessian of :math:`\log \mathcal L` across the collapsed ray, and their multiplicities.

    They belong to the orthogonal complement of the point, which has :math:`K d + K n d - 1` dimensions. In the order of
    the theorem's table: rotations; what leaves the logits as they are; the imbalance; the two kinds of between-class maps
    without a shift; within-class deviations across :math:`w_k` and along it; between-class maps with a shift.

    Raises
    ------
    ValueError
        Naming ``d``, for d < K − 1.

    Source
    ------
    The theorem on the curvatures across a collapsed ray, in the chapter on the speed of collapse.

    Examples
    --------
    >>> values, times = curvatures(3, 2, 4, q=1.0)
    >>> int(times.sum()), 3 * 4 + 3 * 2 * 4 - 1
    (35, 35)
    """
    validate.room(d, K)
    e, within, pairs, block = d - K + 1, K * (n - 1), (K - 1) * (K - 2) // 2, _between(K, q)
    low, high = np.linalg.eigvalsh(block) if K > 2 else (q, block[1, 1])  # two classes: the shift alone
    r = block[1, 1] / q - 1
    table = [
        (-K, (K - 1) * e + pairs),
        (0, d + e + within * e),
        (K, (K - 1) * e + K * (K - 1) // 2),
        (2 * q + K, pairs),
        (2 * q - K, max(K * (K - 3) // 2, 0)),
        (q, within * (K - 2)),
        (q * (1 + (K - 1) * r), within),
        (low, (K - 1) * (K > 2)),
        (high, K - 1),
    ]
    values, times = zip(*table, strict=True)
    return growth(K, n, q) / K * np.array(values, dtype=np.float64), np.array(times)


@door
def stable_step(K: Classes, n: Count, q: Positive) -> float:
    r"""The largest step s on :math:`\log \mathcal L` for which nothing grows, relative to the ray, at the margin q.

    :math:`\dfrac{2}{\kappa_{\max} - \mu}`, whatever d ≥ K − 1 is; infinity where no curvature exceeds the growth μ.

    Source
    ------
    The theorem on the direction that is lost first, in the chapter on the speed of collapse.
    """
    excess = max(_largest(K, q) - K, 0.0)
    return float(2 * K / (growth(K, n, q) * excess)) if excess > 0 else np.inf


@door
def stable_margin(K: Classes, n: Count, c: Positive) -> float:
    r"""The margin up to which steps :math:`c / \mathcal L` keep to the collapsed ray.

    The only q at which :func:`stable_step` is c; for small c about
    :math:`\frac12 \bigl(\Lambda + 1 - \sqrt{(1 - \frac2K) \Lambda^2 + 1}\bigr)` with
    :math:`\Lambda = K + 2 K (K-1) \sqrt n / c`.

    Source
    ------
    The corollary on the step limits, in the chapter on the speed of collapse.

    Examples
    --------
    >>> round(stable_margin(2, 1, 0.01), 6)
    201.0
    """
    most = 2 + 2 * K**2 * np.sqrt(n) * np.log(K) / c  # stable_step is at most c there
    return float(brentq(lambda q: 1 / stable_step(K, n, q) - 1 / c, 0.0, most, xtol=1e-12 * most))


@door
def step_limit(K: Classes, n: Count) -> float:
    r"""The largest c for which steps :math:`c / (\mathcal L \rho^2)` keep to the collapsed ray at every margin.

    :math:`c^\ast = 2 n (K-1)^2 \bigl(K - \sqrt{K^2 - 2K}\bigr)`.

    Source
    ------
    The corollary on the step limits, in the chapter on the speed of collapse.

    Examples
    --------
    >>> step_limit(2, 3)
    12.0
    """
    return float(2 * n * (K - 1) ** 2 * (K - np.sqrt(K * (K - 2))))


@door
def lost_first(
    K: Classes, n: Count, d: Count, q: Positive
) -> tuple[Float[ndarray, "{K} {d}"], Float[ndarray, "{d} {K}*{n}"]]:
    r"""The direction, of norm one, with the largest curvature of the coupled between-class block, at the collapsed point.

    :math:`(W S,\ S H + b \one^\top)` up to factors, with :math:`S = w_1 w_1^\top - w_2 w_2^\top` and b along
    :math:`w_1 - w_2`. There are K − 1 such directions; this one belongs to the first two classes.

    Raises
    ------
    ValueError
        Naming ``d``, for d < K − 1.

    Source
    ------
    The theorem on the curvatures across a collapsed ray, in the chapter on the speed of collapse.
    """
    W, H, _ = points.collapsed(K, n, d, q)
    x, z = np.linalg.eigh(_between(K, q))[1][:, -1] if K > 2 else (0.0, 1.0)
    S = np.outer(W[0], W[0]) - np.outer(W[1], W[1])  # (d, d)
    A, B, b = W @ S, S @ H, W[0] - W[1]
    size = np.sqrt(np.sum(A**2) + np.sum(B**2)) or 1.0  # zero for two classes
    b = b / (np.linalg.norm(b) * np.sqrt(K * n))
    return x * A / size, x * B / size + z * b[:, None]
