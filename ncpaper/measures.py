r"""The measures of collapse, one name each: exact criteria of section 2.1, and the averages of section 4.

Every measure is a function of a point, ``measure(W, H, y)`` with classifiers ``W (K, d)``, features ``H (d, M)`` and
labels ``y (M,)``: plain arrays, so that the same function serves the model and a network. :data:`CRITERIA` and
:data:`SECTION_4` list them by name; the columns of the recorded runs carry these names.

The criteria judge what section 2.1 prints and define "collapsed" for the companion: :func:`nc1_every_sample`,
:func:`nc2_uncentred` and :func:`nc3_positive_factor` are zero; :func:`nc4_largest` then follows. In the averages every
standard deviation has the divisor K. The page writes :math:`h_k` for the class mean :math:`\bar h_k` and does not say
what :math:`\bar w_k` is: a name that begins with ``centred`` reads :math:`w_k - \bar w` (for classifiers) or
:math:`\bar h_k - \bar h` (for features), the others :math:`w_k` and :math:`\bar h_k`; the global mean :math:`\bar h` is
that of all samples.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.linalg import orthogonal_procrustes

from ncpaper import points, ulpm, validate
from ncpaper.validate import door

# ---------------------------------------------------------------------------------------------- what is measured


def _nonzero(name, norms):
    """Return the norms (K,) of vectors; raise ``ValueError`` naming ``name`` where one is zero: it has no direction."""
    if not norms.all():
        raise ValueError(
            f"{name}: expected vectors with a direction, got zero at {np.flatnonzero(norms == 0).tolist()}"
        )
    return norms


@door
def centred_classifiers(W: Float[ndarray, "K d"]) -> Float[ndarray, "d K"]:
    r"""The classifiers about their mean, :math:`w_k - \bar w`, as columns.

    Source
    ------
    Section 4, a reading of :math:`\bar w_k`.

    Examples
    --------
    >>> centred_classifiers([[1.0, 0.0], [3.0, 2.0]])
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    return (W - W.mean(axis=0)).T


@door
def centred_class_means(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> Float[ndarray, "d K"]:
    r"""The class means about the mean of all samples, :math:`\bar h_k - \bar h`.

    Raises
    ------
    ValueError
        Naming ``y``, if a class is empty.

    Source
    ------
    Section 4.

    Examples
    --------
    >>> centred_class_means(np.eye(2)[:, :1], [[1.0, 3.0, 5.0, 7.0]], [0, 0, 1, 1])
    array([[-2.,  2.]])
    """
    return ulpm.class_means(H, y, len(W)) - H.mean(axis=1, keepdims=True)


@door
def cosines(V: Float[ndarray, "d K"]) -> Float[ndarray, "K K"]:
    r"""The cosines between the columns of a matrix, :math:`v_j^\top v_k / (\|v_j\| \|v_k\|)`.

    Raises
    ------
    ValueError
        Naming ``V``, for a column that is zero.

    Source
    ------
    (NC2).

    Examples
    --------
    >>> cosines([[1.0, 0.0, -2.0], [0.0, 3.0, 0.0]]).round(6) + 0.0
    array([[ 1.,  0., -1.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  1.]])
    """
    U = V / _nonzero("V", np.linalg.norm(V, axis=0))
    return U.T @ U


@door
def simplex_deviation(V: Float[ndarray, "d K"]) -> float:
    r"""How far K vectors are from a simplex ETF up to scale, the larger of two numbers.

    :math:`\max_{j \ne k} |\cos(v_j, v_k) + \tfrac{1}{K-1}|` and :math:`\max_k \|v_k\| / \min_k \|v_k\| - 1`.

    Raises
    ------
    ValueError
        Naming ``V``, for a column that is zero.

    Source
    ------
    The formula of (NC2).

    Examples
    --------
    >>> simplex_deviation(np.eye(3))
    0.5
    """
    norms, K = np.linalg.norm(V, axis=0), V.shape[1]
    angles = np.abs(cosines(V)[~np.eye(K, dtype=bool)] + 1 / (K - 1)).max()
    return float(max(angles, norms.max() / norms.min() - 1))


@door
def unit_distance(A: Float[ndarray, "r c"], B: Float[ndarray, "r c"]) -> float:
    r"""The distance of two directions, :math:`\| A / \|A\|_F - B / \|B\|_F \|_F`: zero iff A = C B with C > 0.

    Raises
    ------
    ValueError
        Naming ``A`` and ``B``, if one is zero.

    Source
    ------
    (NC3), up to rescaling.

    Examples
    --------
    >>> unit_distance(np.eye(4), -3 * np.eye(4))
    2.0
    """
    if not (A.any() and B.any()):
        raise ValueError("A, B: expected matrices other than zero, which have no direction")
    return float(np.linalg.norm(A / np.linalg.norm(A) - B / np.linalg.norm(B)))


@door
def norm_variation(V: Float[ndarray, "d K"]) -> float:
    r"""The variation of the lengths of the columns, :math:`\mathrm{Std}_k \|v_k\| / \mathrm{Avg}_k \|v_k\|`.

    Raises
    ------
    ValueError
        Naming ``V``, if it is zero.

    Source
    ------
    Section 4, (1).

    Examples
    --------
    >>> norm_variation(np.diag([1.0, 3.0]))
    0.5
    """
    norms = np.linalg.norm(V, axis=0)
    if not norms.any():
        raise ValueError("V: expected a column that is not zero")
    return float(norms.std() / norms.mean())


@door
def cosine_deviation(V: Float[ndarray, "d K"]) -> float:
    r"""How far the angles are from a simplex: :math:`\mathrm{Avg}_{k \ne j} |\cos(v_k, v_j) + \frac{1}{K-1}|`.

    Raises
    ------
    ValueError
        Naming ``V``, for a column of zeros.

    Source
    ------
    Section 4, (3).

    Examples
    --------
    >>> cosine_deviation(np.eye(3))
    0.5
    """
    K = V.shape[1]
    return float(np.abs(cosines(V)[~np.eye(K, dtype=bool)] + 1 / (K - 1)).mean())


@door
def direction_distance(U: Float[ndarray, "d K"], V: Float[ndarray, "d K"]) -> float:
    r"""The mean distance of directions, :math:`\mathrm{Avg}_k \bigl\| u_k/\|u_k\| - v_k/\|v_k\| \bigr\|`.

    Raises
    ------
    ValueError
        Naming U or V, for a column of zeros.

    Source
    ------
    Section 4, (4), with the norm of a vector where the page prints :math:`|\cdot|`.

    Examples
    --------
    >>> round(direction_distance(np.eye(2), 3 * np.eye(2)[:, ::-1]) ** 2, 9)
    2.0
    """
    u, v = (X / _nonzero(name, np.linalg.norm(X, axis=0)) for name, X in (("U", U), ("V", V)))
    return float(np.linalg.norm(u - v, axis=0).mean())


# ------------------------------------------------------------------------------------------- criteria of section 2.1


@door
def deviations(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> Float[ndarray, " M"]:
    r"""The distance of each sample from its class mean, :math:`\|h_{k,i} - \bar h_k\|`.

    Source
    ------
    (NC1).
    """
    return np.linalg.norm(H - ulpm.class_means(H, y, len(W))[:, y], axis=0)


@door
def nc1_every_sample(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""(NC1) for every i: :math:`\max_{k,i} \|h_{k,i} - \bar h_k\|`, zero iff each class is a single point.

    Source
    ------
    (NC1), with the quantifier over i that the page leaves out.
    """
    return float(deviations(W, H, y).max())


@door
def nc1_some_sample(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""(NC1) for some i of each class: :math:`\max_k \min_i \|h_{k,i} - \bar h_k\|`, which does not mean collapse.

    Source
    ------
    (NC1), the other reading of its free index i.

    Examples
    --------
    >>> W, H, y = np.eye(2)[:, :1], [[1.0, 2.0, 3.0, -1.0, -2.0, -3.0]], [0, 0, 0, 1, 1, 1]
    >>> nc1_some_sample(W, H, y), nc1_every_sample(W, H, y)
    (0.0, 1.0)
    """
    distances = deviations(W, H, y)
    return float(max(distances[y == k].min() for k in range(len(W))))


@door
def nc2_uncentred(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""(NC2) as its formula is printed: :func:`simplex_deviation` of the class means :math:`\bar h_k`.

    Zero iff the means are a simplex ETF up to scale; then they sum to zero.

    Source
    ------
    (NC2), formula.
    """
    return simplex_deviation(ulpm.class_means(H, y, len(W)))


@door
def nc2_centred(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""(NC2) as its words say: :func:`simplex_deviation` of the means about their mean.

    Source
    ------
    (NC2), "after centering by their global-mean".
    """
    means = ulpm.class_means(H, y, len(W))
    return simplex_deviation(means - means.mean(axis=1, keepdims=True))


@door
def dual_factor(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The real C with :math:`C\,\bar H^\top` closest to W: :math:`\langle W, \bar H^\top \rangle / \|\bar H\|_F^2`.

    Raises
    ------
    ValueError
        Naming ``H``, if all class means are zero.

    Source
    ------
    (NC3).
    """
    means = ulpm.class_means(H, y, len(W))  # (d, K)
    if not means.any():
        raise ValueError("H: expected a class mean other than zero")
    return float(np.sum(W * means.T) / np.sum(means**2))


@door
def nc3_any_factor(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""(NC3) as printed, with any real C: :math:`\min_C \|W - C\,\bar H^\top\|_F`; also zero if C ≤ 0.

    Source
    ------
    (NC3).
    """
    return float(np.linalg.norm(W - dual_factor(W, H, y) * ulpm.class_means(H, y, len(W)).T))


@door
def nc3_positive_factor(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""(NC3) with C > 0: :func:`unit_distance` of W and :math:`\bar H^\top`.

    Source
    ------
    (NC3), with the sign of C that the page leaves out.
    """
    return unit_distance(W, ulpm.class_means(H, y, len(W)).T)


@door
def nc3_centred(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""(NC3) with C > 0 between the classifiers and the class means, each about their mean.

    Source
    ------
    (NC3), centred as the words of (NC2).
    """
    means = ulpm.class_means(H, y, len(W))
    return unit_distance(centred_classifiers(W), means - means.mean(axis=1, keepdims=True))


@door
def choices(scores: Float[ndarray, "K m"]) -> Bool[ndarray, "K m"]:
    """All classes of largest score, for each column: a mask, so that ties are kept.

    Scores are tied within 1e-9 of the largest magnitude of the column.

    Source
    ------
    (NC4), its arg min and arg max.

    Examples
    --------
    >>> choices([[1.0, 2.0], [1.0, 0.0]]).astype(int)
    array([[1, 1],
           [1, 0]])
    """
    room = 1e-9 * np.abs(scores).max(axis=0)
    return scores >= scores.max(axis=0) - room


@door
def nearest_means(V: Float[ndarray, "d K"], X: Float[ndarray, "d m"]) -> Bool[ndarray, "K m"]:
    r"""The set :math:`\arg\min_k \|x - v_k\|` of each column x: the decision of the nearest class mean.

    Source
    ------
    (NC4), right-hand side.
    """
    return choices(V.T @ X - np.sum(V**2, axis=0)[:, None] / 2)  # (K, m)  (‖x‖² − ‖x − vₖ‖²) / 2


@door
def disagreement(A: Bool[ndarray, "K m"], B: Bool[ndarray, "K m"]) -> float:
    """The share of columns in which two masks of classes differ.

    Source
    ------
    (NC4), which asks two sets of classes to agree at every feature.
    """
    return float((A != B).any(axis=0).mean())


@door
def nc4_smallest(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"], X: Float[ndarray, "d m"]
) -> float:
    r"""(NC4) as printed: the share of the columns x of X where the sets :math:`\arg\min_k w_k^\top x` and
    :math:`\arg\min_k \|x - \bar h_k\|` differ.

    Source
    ------
    (NC4).
    """
    return disagreement(choices(-W @ X), nearest_means(ulpm.class_means(H, y, len(W)), X))


@door
def nc4_largest(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"], X: Float[ndarray, "d m"]
) -> float:
    r"""(NC4) as meant: the share of the columns x of X where the sets :math:`\arg\max_k w_k^\top x` and
    :math:`\arg\min_k \|x - \bar h_k\|` differ.

    Source
    ------
    (NC4), argmin read as argmax.
    """
    return nc4_smallest(-W, H, y, X)


class Criteria(NamedTuple):
    """How far a point is from collapse: three numbers without unit, all zero exactly at the collapsed points."""

    within: float
    frame: float
    duality: float


@door
def criteria(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> Criteria:
    r"""How far (W, H) is from collapse, as :class:`Criteria`.

    ``within`` is :func:`nc1_every_sample` over the root mean square norm of the class means, ``frame`` is
    :func:`nc2_uncentred`, ``duality`` is :func:`nc3_positive_factor`.

    All three vanish iff :math:`h_{k,i} = r\,m_k` and :math:`w_k = C\,r\,m_k` with r, C > 0 and a simplex ETF
    :math:`m_k`; they do not change under rotations or separate positive scalings of W and H.

    Raises
    ------
    ValueError
        Where a direction is missing: W is zero, or a class mean.

    Source
    ------
    Section 2.1 as corrected in its chapter.

    Examples
    --------
    >>> max(criteria(*points.collapsed(4, 3, 5))) < 1e-12
    True
    """
    frame, means = nc2_uncentred(W, H, y), ulpm.class_means(H, y, len(W))
    scale = np.linalg.norm(means) / np.sqrt(len(W))
    return Criteria(nc1_every_sample(W, H, y) / scale, frame, nc3_positive_factor(W, H, y))


@door
def distance_to_collapse(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The distance of the direction θ/‖θ‖ to the nearest direction of a collapsed solution, θ = (W, H).

    :math:`\min_U \bigl\|\theta/\|\theta\| - (W_0 U^\top, U H_0)/\|\theta_0\|\bigr\|` over orthogonal U ``(d, d)``, with
    :math:`\theta_0` = :func:`ncpaper.points.collapsed`: an orthogonal Procrustes problem. Between 0 and √2.

    Raises
    ------
    ValueError
        For unbalanced classes, d < K − 1, or the origin, which has no direction.

    Source
    ------
    Theorem 3.3, whose minimisers on a sphere these directions are.

    Examples
    --------
    >>> distance_to_collapse(*points.lpm_optimum(4, 2, 3, C1=1.0, C2=1.0)) < 1e-14
    True
    """
    (K, d), n = W.shape, validate.balanced(y, len(W))
    W0, H0, _ = points.collapsed(K, n, d)
    theta = _stacked(*points.scale_to(W, H, 1.0))  # (K + M, d), of norm one
    theta0 = _stacked(*points.scale_to(W0, H0[:, ::n][:, y], 1.0))  # columns in the order of y
    U, _ = orthogonal_procrustes(theta0, theta)
    return float(np.linalg.norm(theta - theta0 @ U))


def _stacked(W, H):
    """W over the transpose of H, (K + M, d): an orthogonal map of the features' space acts from the right."""
    return np.vstack([W, H.T])


# ---------------------------------------------------------------------------------------------- averages of section 4


@door
def class_mean_norms(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (a), blue: :math:`\mathrm{Std}_k \|\bar h_k - \bar h\| / \mathrm{Avg}_k \|\bar h_k - \bar h\|`.

    Source
    ------
    Section 4, (1).

    Examples
    --------
    >>> class_mean_norms([[1.0], [3.0]], [[1.0, 3.0]], [0, 1])
    0.0
    """
    return norm_variation(centred_class_means(W, H, y))


@door
def classifier_norms(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (a), red, with :math:`w_k` for :math:`\bar w_k`: :math:`\mathrm{Std}_k \|w_k\| / \mathrm{Avg}_k \|w_k\|`.

    Source
    ------
    Section 4, (1).

    Examples
    --------
    >>> classifier_norms([[1.0], [3.0]], [[1.0, 3.0]], [0, 1])
    0.5
    """
    return norm_variation(W.T)


@door
def centred_classifier_norms(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (a), red, with :math:`w_k - \bar w` for :math:`\bar w_k`.

    Source
    ------
    Section 4, (1).
    """
    return norm_variation(centred_classifiers(W))


@door
def within_class_variation(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (b): :math:`\mathrm{Avg}_{k,i} \|h_{k,i} - \bar h_k\| / \mathrm{Avg}_{k,i} \|h_{k,i} - \bar h\|`.

    Raises
    ------
    ValueError
        Naming ``H``, for samples that are all equal.

    Source
    ------
    Section 4, (2).

    Examples
    --------
    >>> within_class_variation([[1.0], [3.0]], [[1.0, 3.0, 5.0, 7.0]], [0, 0, 1, 1])
    0.5
    """
    total = np.linalg.norm(H - H.mean(axis=1, keepdims=True), axis=0).mean()
    if total == 0:
        raise ValueError("H: expected samples that are not all equal")
    return float(deviations(W, H, y).mean() / total)


@door
def class_mean_cosines(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (c), blue, as printed: :math:`\mathrm{Avg}_{k \ne j} |\cos(\bar h_k, \bar h_j) + \frac{1}{K-1}|`.

    Source
    ------
    Section 4, (3).

    Examples
    --------
    >>> class_mean_cosines([[1.0], [3.0]], [[1.0, 3.0]], [0, 1])
    2.0
    """
    return cosine_deviation(ulpm.class_means(H, y, len(W)))


@door
def centred_class_mean_cosines(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (c), blue, of the centred means :math:`\bar h_k - \bar h`, as NC2 says in words.

    Source
    ------
    Section 4, (3).
    """
    return cosine_deviation(centred_class_means(W, H, y))


@door
def classifier_cosines(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (c), red, with :math:`w_k` for :math:`\bar w_k`.

    Source
    ------
    Section 4, (3).
    """
    return cosine_deviation(W.T)


@door
def centred_classifier_cosines(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (c), red, with :math:`w_k - \bar w` for :math:`\bar w_k`.

    Source
    ------
    Section 4, (3).
    """
    return cosine_deviation(centred_classifiers(W))


@door
def self_duality_distance(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (d), with :math:`w_k` for :math:`\bar w_k`, beside the centred class mean as printed.

    :math:`\mathrm{Avg}_k \bigl\| (\bar h_k - \bar h)/\|\bar h_k - \bar h\| - w_k/\|w_k\| \bigr\|`.

    Source
    ------
    Section 4, (4).

    Examples
    --------
    >>> self_duality_distance([[1.0], [3.0]], [[1.0, 3.0]], [0, 1])
    1.0
    """
    return direction_distance(centred_class_means(W, H, y), W.T)


@door
def centred_self_duality_distance(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""Panel (d), with :math:`w_k - \bar w` for :math:`\bar w_k`: "normalized centered classifier".

    Source
    ------
    Section 4, (4).

    Examples
    --------
    >>> centred_self_duality_distance([[1.0], [3.0]], [[1.0, 3.0]], [0, 1])
    0.0
    """
    return direction_distance(centred_class_means(W, H, y), centred_classifiers(W))


@door
def mean_classifier_floor(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""What panels (a) and (d), read with :math:`w_k`, cannot both go below: :math:`\|\bar w\| / \mathrm{Avg}_k \|w_k\|`.

    A lower bound of :func:`class_mean_norms` + :func:`classifier_norms` + :func:`self_duality_distance` for balanced
    classes; gradient descent does not move its numerator.

    Raises
    ------
    ValueError
        Naming ``W``, if it is zero.

    Source
    ------
    Chapter on Figure 2.

    Examples
    --------
    >>> mean_classifier_floor([[1.0], [3.0]], [[1.0, 3.0]], [0, 1])
    1.0
    """
    if not W.any():
        raise ValueError("W: expected a matrix that is not zero")
    return float(np.linalg.norm(W.mean(axis=0)) / np.linalg.norm(W, axis=1).mean())


# ------------------------------------------------------------------------------------------------------- the tables


class Measure(NamedTuple):
    """A measure of Figure 2: its panel, what it says in words, how it reads the classifiers ("" where it has none)."""

    panel: str
    label: str
    classifiers: str
    function: Callable


#: The criteria of section 2.1 that take a point alone, by name.
CRITERIA = {
    function.__name__: function
    for function in (
        nc1_every_sample,
        nc1_some_sample,
        nc2_uncentred,
        nc2_centred,
        nc3_any_factor,
        nc3_positive_factor,
        nc3_centred,
    )
}

#: Every measure of Figure 2 in every reading, by name.
SECTION_4 = {
    measure.function.__name__: measure
    for measure in (
        Measure("a", "norms of class means", "", class_mean_norms),
        Measure("a", "norms of classifiers, centred", "centred", centred_classifier_norms),
        Measure("a", "norms of classifiers", "uncentred", classifier_norms),
        Measure("b", "within-class variation", "", within_class_variation),
        Measure("c", "angles of class means, centred", "", centred_class_mean_cosines),
        Measure("c", "angles of class means", "", class_mean_cosines),
        Measure("c", "angles of classifiers, centred", "centred", centred_classifier_cosines),
        Measure("c", "angles of classifiers", "uncentred", classifier_cosines),
        Measure("d", "self-duality, centred", "centred", centred_self_duality_distance),
        Measure("d", "self-duality", "uncentred", self_duality_distance),
    )
}


@door
def section_4(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> dict[str, float]:
    """Every measure of :data:`SECTION_4` at a point, by name.

    Raises
    ------
    ValueError
        For an empty class, or where a direction is undefined.

    Source
    ------
    Figure 2.

    Examples
    --------
    >>> len(section_4(np.eye(3), np.eye(3), np.arange(3)))
    10
    """
    return {name: measure.function(W, H, y) for name, measure in SECTION_4.items()}
