r"""Rates: slopes on the axes of Figure 2, bounds on what the flow reaches, rates of collapse with their constants."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper import conservation, ulpm, validate
from ncpaper.validate import Count, Positive, door


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
    r"""A bound on the margin that the gradient flow of (4) from (W, H) has at the times t, from any initial point.

    :math:`\log\Bigl[M (K-1) \Bigl(\frac1{\mathcal L} + 2 \rho^2 t + \frac4e M (K-1) t^2\Bigr)\Bigr]`, with the loss and
    :math:`\rho^2 = \|W\|_F^2 + \|H\|_F^2` of the initialisation, and M samples; :math:`2 \log t` up to a constant.

    Raises
    ------
    ValueError
        Naming ``t``, for a negative time; or where the initial loss is too small for a float64.

    Source
    ------
    Section 5.3, made precise in the chapter on the speed of collapse.
    """
    if not (t >= 0).all():
        raise ValueError(f"t: expected times from 0 on, got {t.min()}")
    wrong, start = y.size * (len(W) - 1), ulpm.loss(W, H, y)  # M (K − 1), the number of wrong logits
    if start == 0:
        raise ValueError("W, H: expected a point whose loss is not too small for a float64")
    return np.asarray(np.log(wrong * (1 / start + 2 * ulpm.squared_norm(W, H) * t + 4 * wrong * t**2 / np.e)))


class Collapse(NamedTuple):
    r"""What a collapsing flow tends to, and what it keeps: all that the constants of its rates depend on.

    ``frame (d, K)`` the simplex ETF of unit vectors :math:`e_k`, ``imbalance (d, d)`` and ``mean (d,)`` the conserved
    :math:`\Xi` and :math:`\bar w`, ``centre (d,)`` and ``deviations (d, M)`` the limits of the mean feature and of
    :math:`h_{k,i} - \bar h_k`, which are orthogonal to the frame.
    """

    frame: ndarray
    imbalance: ndarray
    mean: ndarray
    centre: ndarray
    deviations: ndarray


@door
def collapse(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> Collapse:
    r"""The limits of a collapsing flow as seen at the point (W, H), up to the order :math:`1/q`, q the margin there.

    The frame is the polar factor of the centred classifiers, :math:`\widetilde W = Q S O^\top` ↦ :math:`O Q^\top`.

    Raises
    ------
    ValueError
        Naming ``W``, unless the centred classifiers have the rank K − 1; or naming ``y``, for unbalanced classes.

    Source
    ------
    Chapter on Figure 2, rates with their constants.
    """
    K = len(W)
    validate.balanced(y, K)
    left, values, right = np.linalg.svd(W - W.mean(axis=0), full_matrices=False)
    if values.size < K - 1 or values[K - 2] <= 1e-9 * values[0]:
        raise ValueError(f"W: expected centred classifiers of the rank {K - 1}, got singular values {values.tolist()}")
    basis = right[: K - 1].T  # (d, K−1)
    across = H - basis @ (basis.T @ H)  # (d, M)
    return Collapse(
        basis @ left[:, : K - 1].T * np.sqrt(K / (K - 1)),
        conservation.imbalance(W, H),
        W.mean(axis=0),
        across.mean(axis=1),
        across - ulpm.class_means(across, y, K)[:, y],
    )


def _centred_constants(limit, n):
    """The limits of q times the centred measures, and the matrix of the cosines (K, K): parts of :func:`constants`."""
    e, Xi = limit.frame, limit.imbalance
    K, xi = e.shape[1], e.T @ Xi @ e  # (K, K)
    own = np.diag(xi)
    along = e @ (e.T @ Xi @ e) * (K - 1) / K  # (d, K)  P_V Ξ eₖ
    turn = (along - own * e) / 2 + Xi @ e - along  # (d, K)
    cosines = (xi / 2 + (own[:, None] + own) / (4 * (K - 1))) / np.sqrt(n)
    return own.std() / (4 * np.sqrt(n)), cosines, np.linalg.norm(turn, axis=0).mean() / np.sqrt(n)


@door
def constants(limit: Collapse, n: Count) -> dict[str, tuple[float, float]]:
    r"""The limits of :math:`q\,X` or :math:`\sqrt q\,X` for each measure X of section 4 along a collapsing flow.

    Of n samples of each class; by the names of :data:`ncpaper.measures.SECTION_4`, and
    ``distance_to_collapse``. Returns pairs (p, c): :math:`X \sim c\,q^{-p}`, and q may be replaced by log t.

    Raises
    ------
    ValueError
        Naming ``limit``, where it is no :class:`Collapse`.

    Source
    ------
    Chapter on Figure 2, rates with their constants.
    """
    if not isinstance(limit, Collapse):
        raise ValueError(f"limit: expected what collapse() returns, got {limit!r}")
    e, Xi, mean, centre, deviations = limit
    K = e.shape[1]
    off, part, root = ~np.eye(K, dtype=bool), K / (K - 1), n**0.25
    lengths, cosines, duality = _centred_constants(limit, n)
    x, outside = e.T @ mean, np.trace(Xi) - np.vdot(e, Xi @ e) / part  # (K,), tr P⊥ Ξ
    sums = np.abs(x[:, None] + x)[off].mean()
    angles = np.abs(cosines[off]).mean()
    uncentred = np.abs(cosines + part**2 * np.sqrt(n) * (centre @ centre))[off].mean()
    return {
        "class_mean_norms": (1.0, lengths),
        "centred_classifier_norms": (1.0, lengths),
        "classifier_norms": (0.5, np.linalg.norm(x) / (np.sqrt(K - 1) * root)),
        "within_class_variation": (0.5, root * np.sqrt(part) * np.linalg.norm(deviations, axis=0).mean()),
        "centred_class_mean_cosines": (1.0, angles),
        "class_mean_cosines": (1.0, uncentred),
        "centred_classifier_cosines": (1.0, angles),
        "classifier_cosines": (0.5, part**1.5 * sums / root),
        "centred_self_duality_distance": (1.0, duality),
        "self_duality_distance": (0.5, np.sqrt(part) * np.linalg.norm(mean[:, None] - x * e, axis=0).mean() / root),
        "distance_to_collapse": (0.5, np.sqrt(max(K * mean @ mean + outside, 0.0) / (2 * (K - 1) * np.sqrt(n)))),
    }


def _one_entry(x, z):
    """Raise ``ValueError`` naming both, unless x and z have one entry each."""
    if x.size != 1 or z.size != 1:
        raise ValueError(f"x, z: expected arrays of one entry, got the shapes {x.shape} and {z.shape}")


@door
def tilted_log_loss(x: Float[ndarray, "..."], z: Float[ndarray, "..."]) -> float:
    r"""log L at :math:`W = H = x\,\tfrac12 B + z\,u u^\top`, the symmetric perturbations of Example 3.1, at any size.

    Both are arrays of one entry.

    Raises
    ------
    ValueError
        Naming x and z, for more entries.

    Source
    ------
    Chapter on Example 3.1, theorem on the escape, with :math:`z = \tau x`.
    """
    _one_entry(x, z)
    inner = np.logaddexp(-(x**2), np.log(2) - (x**2 + z**2) / 2)  # log(p + 2 r)
    return float(np.log(4) + np.where(inner < -36, inner, np.log(np.logaddexp(0, np.maximum(inner, -36)))).item())


@door
def tilted_log_gradient(
    x: Float[ndarray, "..."], z: Float[ndarray, "..."]
) -> tuple[Float[ndarray, "..."], Float[ndarray, "..."]]:
    r"""Minus the velocity of (x, z) in the clock ds = L dt: the gradient of log L at these points, in their coordinates.

    :math:`\dot x = \lambda x`, :math:`\dot z = \sigma z` with :math:`p = e^{-x^2}`, :math:`r = e^{-(x^2 + z^2)/2}`,
    :math:`\lambda = 2 (p + r)/(1 + p + 2 r)` and :math:`\sigma = 4 r/(1 + p + 2 r)`. Returns two arrays of one entry.

    Raises
    ------
    ValueError
        Naming x and z, for more entries.

    Source
    ------
    Chapter on Example 3.1, theorem on the escape.
    """
    _one_entry(x, z)
    p, r = -(x**2), -(x**2 + z**2) / 2  # the logarithms of p and r
    scale = np.logaddexp(0, np.logaddexp(p, np.log(2) + r)) + tilted_log_loss(x, z)  # log((1 + p + 2 r) L)
    return -2 * np.exp(np.logaddexp(p, r) - scale) * x, -4 * np.exp(r - scale) * z
