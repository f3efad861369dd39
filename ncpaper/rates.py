r"""How fast: slopes on the axes of Figure 2, and bounds on what the flow can reach by a given time."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper import ulpm
from ncpaper.validate import Positive, door


class Slope(NamedTuple):
    """A slope fitted on a window, and half the difference between the slopes of the window's two halves."""

    value: float
    spread: float


@door
def slope(t: Float[ndarray, " T"], values: Float[ndarray, " T"], start: Positive) -> Slope:
    r"""The slope of :math:`\log X` against :math:`\log \log t` over the points with t ≥ ``start``, by least squares.

    A slope −p is that of :math:`X = C (\log t)^{-p}`. The points of one run are not independent, so no standard error
    is given: the spread says how much the slope changes within the window.

    Raises
    ------
    ValueError
        Unless ``start`` > 1, at least six points lie in the window, their values are positive, and each half of the
        window, cut in the middle of its :math:`\log \log t`, holds two different times.

    Source
    ------
    The axes of Figure 2.

    Examples
    --------
    >>> t = np.geomspace(10, 1e5, 9)
    >>> [round(v, 6) + 0 for v in slope(t, 3 / np.log(t), 10)]
    [-1.0, 0.0]
    """
    keep = t >= start
    if start <= 1 or keep.sum() < 6 or not (values[keep] > 0).all():
        raise ValueError(f"t, values: expected six positive values from start > 1 on, got {keep.sum()} from {start}")
    x, z = np.log(np.log(t[keep])), np.log(values[keep])
    middle = (x.min() + x.max()) / 2
    halves = [x <= middle, x >= middle]
    if min(np.unique(x[half]).size for half in halves) < 2:
        raise ValueError(f"t: expected two different times in each half of the window, got {t[keep].tolist()}")
    early, late = (np.polyfit(x[half], z[half], 1)[0] for half in halves)
    return Slope(float(np.polyfit(x, z, 1)[0]), float(abs(late - early) / 2))


@door
def margin_ceiling(
    t: Float[ndarray, "..."], W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> Float[ndarray, "..."]:
    r"""A bound on the margin that the gradient flow of (4) from (W, H) has at the times t, whatever the start and d.

    :math:`\log\Bigl[M (K-1) \Bigl(\frac1{\mathcal L} + 2 \rho^2 t + \frac4e M (K-1) t^2\Bigr)\Bigr]`, with the loss and
    :math:`\rho^2 = \|W\|_F^2 + \|H\|_F^2` of the start, and M samples; :math:`2 \log t` up to a constant.

    Raises
    ------
    ValueError
        Naming ``t``, for a negative time; or where the loss of the start is too small for a float64.

    Source
    ------
    Section 5.3, made precise in the chapter on the frame of the paper.
    """
    if not (t >= 0).all():
        raise ValueError(f"t: expected times from 0 on, got {t.min()}")
    wrong, start = y.size * (len(W) - 1), ulpm.loss(W, H, y)  # M (K − 1), the number of wrong logits
    if start == 0:
        raise ValueError("W, H: expected a start whose loss is not too small for a float64")
    return np.asarray(np.log(wrong * (1 / start + 2 * ulpm.squared_norm(W, H) * t + 4 * wrong * t**2 / np.e)))
