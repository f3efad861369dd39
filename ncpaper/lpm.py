r"""The layer-peeled model with its norms constrained, eq. (1), penalised by weight decay, or divided out."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper import ulpm
from ncpaper.validate import Classes, Count, Positive, door


@door
def minimum(K: Classes, n: Count, C1: Positive, C2: Positive) -> float:
    r"""The least value of the layer-peeled model (1) with n samples in each of K classes, when d ≥ K − 1.

    :math:`\log\bigl(1 + (K-1) e^{-q}\bigr)` with :math:`q = \dfrac{2 \sqrt{C_1 C_2}}{(K-1) \sqrt n}`, in nats; a mean
    over the N = K·n samples, as in (1). It is attained at :func:`ncpaper.points.lpm_optimum`.

    Source
    ------
    Eq. (1) with the cross-entropy; the proof is in the chapter on the related models.

    Examples
    --------
    >>> bool(np.isclose(minimum(2, 1, 8.0, 2.0), np.log(1 + np.exp(-8))))
    True
    """
    q = 2 * np.sqrt(C1) * np.sqrt(C2) / ((K - 1) * np.sqrt(n))
    return float(np.log1p((K - 1) * np.exp(-q)))


@door
def decayed_margin(K: Classes, n: Count, decay: Positive) -> float:
    r"""The margin of the minimiser of :math:`\mathcal L + \frac\lambda2 (\|W\|_F^2 + \|H\|_F^2)`, when d ≥ K − 1.

    :math:`q = \log\bigl(\frac{K \sqrt n}{\lambda} - K + 1\bigr)` for a ``decay`` :math:`\lambda < \sqrt n`; from there
    on 0, the margin of the origin.

    Source
    ------
    The loss (4) with weight decay, as in section 5.2; the proof is in the chapter on weight decay.

    Examples
    --------
    >>> decayed_margin(3, 4, decay=2.0)
    0.0
    """
    return float(np.log(max(K * np.sqrt(n) / decay - K + 1, 1)))


@door
def normalized_gradient(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"], radius: Positive
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The gradient of the scale-invariant loss :math:`\theta \mapsto \mathcal L(r\,\theta/\|\theta\|)`, θ = (W, H).

    :math:`\frac{r}{\|\theta\|}\bigl(g - \hat\theta \langle\hat\theta, g\rangle\bigr)`, g the gradient of (4) at
    :math:`r\,\hat\theta`, and r the ``radius``.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    The networks of Li and Arora (2020), made from (4).
    """
    rho2 = ulpm.squared_radius(W, H)
    scale = radius / np.sqrt(rho2)
    gW, gH = ulpm.gradient(scale * W, scale * H, y)
    radial = (np.sum(gW * W) + np.sum(gH * H)) / rho2
    return scale * (gW - radial * W), scale * (gH - radial * H)
