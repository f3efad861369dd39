r"""The collapse measures of section 4: six printed quantities, and the centred readings beside them.

All take plain arrays, ``W (K, d)``, features ``H (d, M)`` and labels ``y (M,)``, so that the same function serves the
model and a network. Every standard deviation has the divisor K. The page writes :math:`h_k` for the class mean
:math:`\bar h_k` and does not say what :math:`\bar w_k` is: a function whose name begins with ``centred`` reads
:math:`w_k - \bar w` (for classifiers) or :math:`\bar h_k - \bar h` (for features), the others :math:`w_k` and
:math:`\bar h_k`. The global mean :math:`\bar h` is that of all samples.
"""

from typing import NamedTuple

import numpy as np

from ncpaper import ulpm, validate


class Slope(NamedTuple):
    """A slope fitted on a window, and half the difference between the slopes of the window's two halves."""

    value: float
    spread: float


def _norms(name, V):
    """The norms of the columns of V (d, K), (K,); raise ``ValueError`` naming ``name`` where one of them is zero."""
    norms = np.linalg.norm(V, axis=0)
    if not norms.all():
        raise ValueError(
            f"{name}: expected vectors with a direction, got zero at {np.flatnonzero(norms == 0).tolist()}"
        )
    return norms


def _classifiers(W):
    """The classifiers as columns (d, K), K ≥ 2, or ``ValueError`` naming ``W``."""
    W = validate.matrix("W", W)
    if W.shape[0] < 2:
        raise ValueError(f"W: expected K ≥ 2 rows, one for each class, got {W.shape[0]}")
    return W.T


def centred_classifiers(W):
    r"""The classifiers about their mean, :math:`w_k - \bar w`, as columns.

    ``W (K, d)`` → ``(d, K)``. Raises ``ValueError`` naming ``W`` unless it is a finite matrix of at least two rows.
    Source: section 4, a reading of :math:`\bar w_k`.

    >>> centred_classifiers([[1.0, 0.0], [3.0, 2.0]])
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    V = _classifiers(W)
    return V - V.mean(axis=1, keepdims=True)


def centred_class_means(H, y, K):
    r"""The class means about the mean of all samples, :math:`\bar h_k - \bar h`.

    ``H (d, M)``, ``y (M,)`` → ``(d, K)``. Raises ``ValueError`` for bad H or y, K < 2 or an empty class.
    Source: section 4.

    >>> centred_class_means(np.array([[1.0, 3.0, 5.0, 7.0]]), np.array([0, 0, 1, 1]), 2)
    array([[-2.,  2.]])
    """
    means = ulpm.class_means(H, y, validate.integer("K", K, 2))
    return means - np.mean(H, axis=1, keepdims=True)


def norm_variation(V):
    r"""The variation of the lengths of the columns, :math:`\mathrm{Std}_k \|v_k\| / \mathrm{Avg}_k \|v_k\|`.

    ``V (d, K)``. Raises ``ValueError`` naming ``V`` unless it is a finite matrix with a column that is not zero.
    Source: section 4, (1).

    >>> norm_variation(np.diag([1.0, 3.0]))
    0.5
    """
    norms = np.linalg.norm(validate.matrix("V", V), axis=0)
    if not norms.any():
        raise ValueError("V: expected a column that is not zero")
    return float(norms.std() / norms.mean())


def cosine_deviation(V):
    r"""How far the angles are from a simplex: :math:`\mathrm{Avg}_{k \ne j} |\cos(v_k, v_j) + \frac{1}{K-1}|`.

    ``V (d, K)``. Raises ``ValueError`` naming ``V`` for fewer than two columns, or a column of zeros.
    Source: section 4, (3).

    >>> cosine_deviation(np.eye(3))
    0.5
    """
    V = validate.matrix("V", V)
    K = validate.integer("columns of V", V.shape[1], 2)
    U = V / _norms("V", V)
    return float(np.abs((U.T @ U)[~np.eye(K, dtype=bool)] + 1 / (K - 1)).mean())


def direction_distance(U, V):
    r"""The mean distance of directions, :math:`\mathrm{Avg}_k \bigl\| u_k/\|u_k\| - v_k/\|v_k\| \bigr\|`.

    ``U, V (d, K)``. Raises ``ValueError`` naming U or V for a column of zeros or a shape that differs.
    Source: section 4, (4), with the norm of a vector where the page prints :math:`|\cdot|`.

    >>> round(direction_distance(np.eye(2), 3 * np.eye(2)[:, ::-1]) ** 2, 9)
    2.0
    """
    U, V = validate.matrix("U", U), validate.matrix("V", V)
    if U.shape != V.shape:
        raise ValueError(f"V: expected the shape {U.shape} of U, got {V.shape}")
    return float(np.linalg.norm(U / _norms("U", U) - V / _norms("V", V), axis=0).mean())


def class_mean_norms(H, y, K):
    r"""Panel (a), blue: :math:`\mathrm{Std}_k \|\bar h_k - \bar h\| / \mathrm{Avg}_k \|\bar h_k - \bar h\|`.

    Raises ``ValueError`` as :func:`centred_class_means` and :func:`norm_variation` do. Source: section 4, (1).

    >>> class_mean_norms(np.array([[1.0, 3.0]]), np.array([0, 1]), 2)
    0.0
    """
    return norm_variation(centred_class_means(H, y, K))


def classifier_norms(W):
    r"""Panel (a), red, with :math:`w_k` for :math:`\bar w_k`: :math:`\mathrm{Std}_k \|w_k\| / \mathrm{Avg}_k \|w_k\|`.

    Raises ``ValueError`` naming the matrix for a bad W, or zero. Source: section 4, (1).

    >>> classifier_norms([[1.0], [3.0]])
    0.5
    """
    return norm_variation(_classifiers(W))


def centred_classifier_norms(W):
    r"""Panel (a), red, with :math:`w_k - \bar w` for :math:`\bar w_k`.

    Raises ``ValueError`` naming the matrix for a bad W, or equal rows. Source: section 4, (1).

    >>> centred_classifier_norms([[1.0], [3.0]])
    0.0
    """
    return norm_variation(centred_classifiers(W))


def within_class_variation(H, y, K):
    r"""Panel (b): :math:`\mathrm{Avg}_{k,i} \|h_{k,i} - \bar h_k\| / \mathrm{Avg}_{k,i} \|h_{k,i} - \bar h\|`.

    Raises ``ValueError`` for bad H or y, an empty class, or samples that are all equal. Source: section 4, (2).

    >>> within_class_variation(np.array([[1.0, 3.0, 5.0, 7.0]]), np.array([0, 0, 1, 1]), 2)
    0.5
    """
    H = validate.matrix("H", H)
    within = np.linalg.norm(H - ulpm.class_means(H, y, K)[:, y], axis=0).mean()
    total = np.linalg.norm(H - H.mean(axis=1, keepdims=True), axis=0).mean()
    if total == 0:
        raise ValueError("H: expected samples that are not all equal")
    return float(within / total)


def class_mean_cosines(H, y, K):
    r"""Panel (c), blue, as printed: :math:`\mathrm{Avg}_{k \ne j} |\cos(\bar h_k, \bar h_j) + \frac{1}{K-1}|`.

    Raises ``ValueError`` for bad H or y, an empty class, or a class mean of zero. Source: section 4, (3).

    >>> class_mean_cosines(np.array([[1.0, 3.0]]), np.array([0, 1]), 2)
    2.0
    """
    return cosine_deviation(ulpm.class_means(H, y, validate.integer("K", K, 2)))


def centred_class_mean_cosines(H, y, K):
    r"""Panel (c), blue, of the centred means :math:`\bar h_k - \bar h`, as NC2 says in words.

    Raises ``ValueError`` for bad H or y, an empty class, or a centred class mean of zero. Source: section 4, (3).

    >>> centred_class_mean_cosines(np.array([[1.0, 3.0]]), np.array([0, 1]), 2)
    0.0
    """
    return cosine_deviation(centred_class_means(H, y, K))


def classifier_cosines(W):
    r"""Panel (c), red, with :math:`w_k` for :math:`\bar w_k`.

    Raises ``ValueError`` naming the matrix for a bad W, or a row of zeros. Source: section 4, (3).

    >>> classifier_cosines([[1.0], [3.0]])
    2.0
    """
    return cosine_deviation(_classifiers(W))


def centred_classifier_cosines(W):
    r"""Panel (c), red, with :math:`w_k - \bar w` for :math:`\bar w_k`.

    Raises ``ValueError`` naming the matrix for a bad W, or a row that is the mean. Source: section 4, (3).

    >>> centred_classifier_cosines([[1.0], [3.0]])
    0.0
    """
    return cosine_deviation(centred_classifiers(W))


def self_duality_distance(W, H, y):
    r"""Panel (d), with :math:`w_k` for :math:`\bar w_k`, beside the centred class mean as printed.

    :math:`\mathrm{Avg}_k \bigl\| (\bar h_k - \bar h)/\|\bar h_k - \bar h\| - w_k/\|w_k\| \bigr\|`.
    Raises ``ValueError`` for a bad (W, H, y), or where a direction is undefined. Source: section 4, (4).

    >>> self_duality_distance([[1.0], [3.0]], [[1.0, 3.0]], np.array([0, 1]))
    1.0
    """
    W, H, y = validate.point(W, H, y)
    return direction_distance(centred_class_means(H, y, W.shape[0]), W.T)


def centred_self_duality_distance(W, H, y):
    r"""Panel (d), with :math:`w_k - \bar w` for :math:`\bar w_k`: "normalized centered classifier".

    Raises ``ValueError`` for a bad (W, H, y), or where a direction is undefined. Source: section 4, (4).

    >>> centred_self_duality_distance([[1.0], [3.0]], [[1.0, 3.0]], np.array([0, 1]))
    0.0
    """
    W, H, y = validate.point(W, H, y)
    return direction_distance(centred_class_means(H, y, W.shape[0]), centred_classifiers(W))


def readings(W, H, y):
    """Every measure of Figure 2 in every reading, by name: the panel, what is measured, and how it is read.

    Raises ``ValueError`` for a bad (W, H, y), an empty class, or where a direction is undefined. Source: Figure 2.

    >>> len(readings(np.eye(3), np.eye(3), np.arange(3)))
    10
    """
    K = np.shape(W)[0]
    return {
        "a features": class_mean_norms(H, y, K),
        "a classifiers": centred_classifier_norms(W),
        "a classifiers, w_k": classifier_norms(W),
        "b features": within_class_variation(H, y, K),
        "c features": centred_class_mean_cosines(H, y, K),
        "c features, printed": class_mean_cosines(H, y, K),
        "c classifiers": centred_classifier_cosines(W),
        "c classifiers, w_k": classifier_cosines(W),
        "d distance": centred_self_duality_distance(W, H, y),
        "d distance, w_k": self_duality_distance(W, H, y),
    }


def mean_classifier_floor(W):
    r"""What panels (a) and (d), read with :math:`w_k`, cannot both go below: :math:`\|\bar w\| / \mathrm{Avg}_k \|w_k\|`.

    A lower bound of :func:`class_mean_norms` + :func:`classifier_norms` + :func:`self_duality_distance` for balanced
    classes; gradient descent does not move its numerator.
    Raises ``ValueError`` naming ``W`` for a bad matrix, or zero. Source: chapter on Figure 2.

    >>> mean_classifier_floor([[1.0], [3.0]])
    1.0
    """
    V = _classifiers(W)
    if not V.any():
        raise ValueError("W: expected a matrix that is not zero")
    return float(np.linalg.norm(V.mean(axis=1)) / np.linalg.norm(V, axis=0).mean())


def slope(t, values, start):
    r"""The slope of :math:`\log X` against :math:`\log \log t` over the points with t ≥ ``start``, by least squares.

    ``t (T,)``, ``values (T,)`` → :class:`Slope`; a slope −p is that of :math:`X = C (\log t)^{-p}`. The points of one
    run are not independent, so no standard error is given: the spread says how much the slope changes within the window.
    Raises ``ValueError`` unless ``start`` > 1, at least six points lie in the window, their values are positive, and
    each half of the window, cut in the middle of its :math:`\log \log t`, holds two different times.
    Source: the axes of Figure 2.

    >>> t = np.geomspace(10, 1e5, 9)
    >>> [round(v, 6) + 0 for v in slope(t, 3 / np.log(t), 10)]
    [-1.0, 0.0]
    """
    t, values = np.asarray(t, dtype=np.float64), np.asarray(values, dtype=np.float64)
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
