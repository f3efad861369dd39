r"""Along the flow: how far the point is aligned with its gradient (Lemmas 3.2 and 3.3), and what that says about (5).

Notation: θ = (W, H), ρ = ‖θ‖_F, L the loss (a sum), :math:`m_{kij} = (w_k - w_j)^\top h_{k,i}` the gaps and
:math:`p_{kij}` the probability of the wrong class j for the sample (k, i). The logarithm of the loss that fits is
:math:`F = -\log(e^{\mathcal L} - 1)`, so that :func:`ncpaper.margin.smoothed_margin` is F/ρ².
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper import ulpm
from ncpaper.validate import Classes, Positive, Real, door


@door
def pull(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The pull away from the origin, :math:`\nu = \sum p_{kij} m_{kij}`.

    It is :math:`-\frac12 \langle \theta, \nabla \mathcal L \rangle`, and along the gradient flow
    :math:`d\rho^2/dt = 4 \nu`.

    Source
    ------
    Euler's identity for gaps that are homogeneous of degree two.

    Examples
    --------
    >>> round(pull(np.eye(2), np.eye(2), np.arange(2)) * (1 + np.e), 12)
    2.0
    """
    return float((ulpm.logit_gradient(W, H, y) * ulpm.gaps(W @ H, y)).sum())  # (K, M); the true rows have gap 0


@door
def gradient_norm(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The norm of the gradient of (4), :math:`\sqrt{\|\nabla_W \mathcal L\|_F^2 + \|\nabla_H \mathcal L\|_F^2}`.

    Raises
    ------
    ValueError
        Naming W and H, where it is zero: at a critical point, or by underflow far from the origin.

    Source
    ------
    Section 3.1.2.

    Examples
    --------
    >>> round((gradient_norm(np.eye(2), np.eye(2), np.arange(2)) * (1 + np.e)) ** 2, 12)
    8.0
    """
    gradient = ulpm.gradient(W, H, y)
    top = max(np.abs(part).max() for part in gradient)
    if top == 0:
        raise ValueError("W, H: expected a point where the gradient is not zero")
    return float(top * np.sqrt(ulpm.squared_norm(*(part / top for part in gradient))))  # squares do not underflow


@door
def alignment(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The alignment :math:`\beta = -\langle \theta, \nabla \mathcal L \rangle / (\rho\,\|\nabla \mathcal L\|_F)`.

    The cosine of the angle between the point and the direction in which the flow moves it, in [−1, 1].

    Raises
    ------
    ValueError
        Naming W and H, at a critical point.

    Source
    ------
    Lemma 3.2, with its sign and roots corrected.

    Examples
    --------
    >>> B = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]])  # Example 3.1
    >>> round(alignment(B, B, np.arange(4)), 12)
    1.0
    """
    return 2 * pull(W, H, y) / float(np.sqrt(ulpm.squared_norm(W, H)) * gradient_norm(W, H, y))


@door
def printed_beta(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The β of Lemma 3.2 as printed, sign and roots included: not an angle.

    .. math:: \frac{\mathrm{tr}(W^\top \nabla_W \mathcal L) + \mathrm{tr}(H^\top \nabla_H \mathcal L)}
                   {\bigl(\sqrt{\|W\|_F^2} + \|H\|_F^2\bigr)
                    \bigl(\sqrt{\|\nabla_W \mathcal L\|_F^2} + \|\nabla_H \mathcal L\|_F^2\bigr)}

    With both roots drawn over the whole sums it would be −:func:`alignment`.

    Raises
    ------
    ValueError
        Naming W and H, at a critical point.

    Source
    ------
    Lemma 3.2.
    """
    gradient_norm(W, H, y)
    gW, gH = ulpm.gradient(W, H, y)  # (K, d), (d, M)
    inner = np.trace(np.transpose(W) @ gW) + np.trace(np.transpose(H) @ gH)
    spread = np.linalg.norm(W) + np.linalg.norm(H) ** 2
    return float(inner / (spread * (np.linalg.norm(gW) + np.linalg.norm(gH) ** 2)))


@door
def epsilon(beta: Real, C: Positive) -> float:
    r"""The bound of the stationarity residual, :math:`\varepsilon = \sqrt{2 (1 - \beta) / C}`.

    With β = :func:`alignment` and C a lower bound of :math:`q_{\min}/\rho^2`, for example the smoothed margin at t₀.

    Raises
    ------
    ValueError
        Naming ``beta``, if it exceeds 1 by more than rounding.

    Source
    ------
    Lemma 3.2.

    Examples
    --------
    >>> epsilon(0.5, 4.0)
    0.5
    """
    if beta > 1 + 1e-12:  # a cosine, up to rounding
        raise ValueError(f"beta: expected a cosine, at most 1, got {beta!r}")
    return float(np.sqrt(2 * max(1 - beta, 0.0) / C))


@door
def delta(K: Classes, C: Positive, q: Positive) -> float:
    r"""The bound of each complementarity product, :math:`\delta = K / (2\,C\,q_{\min})`.

    Source
    ------
    Lemma 3.2.

    Examples
    --------
    >>> delta(4, 0.5, 8.0)
    0.5
    """
    return K / (2 * C * q)


@door
def multipliers(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> Float[ndarray, "K M"]:
    r"""The multipliers of (5) that the flow supplies: :math:`\lambda_{kij} = \rho\,p_{kij} / \|\nabla \mathcal L\|_F`.

    At the point scaled to margin one the stationarity residual is :math:`\sqrt{2 (1 - \beta)\,\rho^2 / q_{\min}}`.
    The layout is that of :func:`ncpaper.kkt.optimal_multipliers`.

    Raises
    ------
    ValueError
        Naming W and H, at a critical point.

    Source
    ------
    Proof of Lemma 3.2, its chapter.
    """
    P = ulpm.logit_gradient(W, H, y)  # (K, M)
    P[y, np.arange(y.size)] = 0.0
    return P * np.sqrt(ulpm.squared_norm(W, H)) / gradient_norm(W, H, y)


@door
def entropy_bound(loss: Positive) -> float:
    r"""The lower bound :math:`\varphi(\mathcal L) = -(1 - e^{-\mathcal L}) \log(e^{\mathcal L} - 1)` of :func:`pull`.

    It holds for :math:`\mathcal L < \log 2`, and φ/L decreases there.

    Source
    ------
    Chapter on Theorem 3.1, after Lyu and Li.

    Examples
    --------
    >>> round(entropy_bound(np.log(2.0)), 12) + 0.0
    0.0
    """
    return float(np.expm1(-loss) * (loss + np.log(-np.expm1(-loss))))  # log(eᴸ − 1) = L + log(1 − e⁻ᴸ)


@door
def steepness(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The steepness :math:`x = \rho\,\|\nabla \mathcal L\|_F / (2\,\varphi(\mathcal L))`.

    It is :math:`\|\nabla F\| / (2 \rho\,\tilde\gamma)`, at least :math:`1/\beta` and so at least 1, and it makes the
    smoothed margin grow: :math:`d \log \tilde\gamma / d \log \rho \ge 2 (x - 1)`.

    Raises
    ------
    ValueError
        Naming W and H, at a critical point, or for a loss of log 2 or more.

    Source
    ------
    Chapter on Theorem 3.1.
    """
    size = np.sqrt(ulpm.squared_norm(W, H)) * gradient_norm(W, H, y)
    bound = entropy_bound(ulpm.loss(W, H, y))
    if bound <= 0:
        raise ValueError("W, H: expected a loss below log 2")
    return float(size / (2 * bound))
