r"""The four criteria of neural collapse as exact conditions on a point: one residual for each reading, zero iff true.

They judge the printed criteria of section 2.1 and define "collapsed" for the companion
(:func:`nc1_every_sample`, :func:`nc2_uncentred`, :func:`nc3_positive_factor`; :func:`nc4_largest` then follows).
"""

from typing import NamedTuple

import numpy as np

from ncpaper import ulpm, validate


class Residuals(NamedTuple):
    """How far a point is from collapse: three numbers without unit, all zero exactly at the collapsed points."""

    within: float
    frame: float
    duality: float


def equation_3(Q):
    r"""The matrix of Definition 2.1, :math:`M = \sqrt{\tfrac{K}{K-1}}\,Q\,(I - \tfrac1K \mathbf 1 \mathbf 1^\top)`.

    ``Q (K, K)`` orthogonal → M ``(K, K)``. Its columns are a simplex ETF for every such Q;
    it is symmetric for almost none.
    Raises ``ValueError`` naming ``Q`` unless it is orthogonal (to 1e-9) with K ≥ 2. Source: eq. (3).

    >>> equation_3(np.eye(2)).round(6)
    array([[ 0.707107, -0.707107],
           [-0.707107,  0.707107]])
    """
    Q = validate.matrix("Q", Q)
    K = Q.shape[0]
    if K < 2 or Q.shape != (K, K) or not np.allclose(Q.T @ Q, np.eye(K), rtol=0, atol=1e-9):
        raise ValueError(f"Q: expected an orthogonal K × K matrix with K ≥ 2, got shape {Q.shape}")
    return np.sqrt(K / (K - 1)) * (Q - Q.mean(axis=1, keepdims=True))  # (K, K)  Q·11ᵀ/K repeats the mean of each row


def deviations(W, H, y):
    r"""The distance of each sample from its class mean, :math:`\|h_{k,i} - \bar h_k\|`.

    Returns ``(M,)``. Raises ``ValueError`` for a bad (W, H, y) or an empty class. Source: (NC1).
    """
    W, H, y = validate.point(W, H, y)
    return np.linalg.norm(H - ulpm.class_means(H, y, W.shape[0])[:, y], axis=0)


def nc1_every_sample(W, H, y):
    r"""(NC1) for every i: :math:`\max_{k,i} \|h_{k,i} - \bar h_k\|`, zero iff each class is a single point.

    Raises ``ValueError`` for a bad (W, H, y) or an empty class. Source: (NC1), with the quantifier over i that the page
    leaves out.
    """
    return float(deviations(W, H, y).max())


def nc1_some_sample(W, H, y):
    r"""(NC1) for some i of each class: :math:`\max_k \min_i \|h_{k,i} - \bar h_k\|`, which does not mean collapse.

    Raises ``ValueError`` for a bad (W, H, y) or an empty class. Source: (NC1), the other reading of its free index i.

    >>> H, y = np.array([[1.0, 2.0, 3.0, -1.0, -2.0, -3.0]]), np.array([0, 0, 0, 1, 1, 1])
    >>> nc1_some_sample(np.eye(2)[:, :1], H, y), nc1_every_sample(np.eye(2)[:, :1], H, y)
    (0.0, 1.0)
    """
    d = deviations(W, H, y)
    return float(max(d[y == k].min() for k in range(np.shape(W)[0])))


def cosines(M):
    r"""The cosines between the columns of a matrix, :math:`m_j^\top m_k / (\|m_j\| \|m_k\|)`.

    ``M (d, K)`` → ``(K, K)``. Raises ``ValueError`` naming ``M`` for a column that is zero. Source: (NC2).

    >>> cosines(np.array([[1.0, 0.0, -2.0], [0.0, 3.0, 0.0]])).round(6) + 0.0
    array([[ 1.,  0., -1.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  1.]])
    """
    M = validate.matrix("M", M)
    norms = np.linalg.norm(M, axis=0)
    if (norms == 0).any():
        raise ValueError("M: expected columns other than zero, which has no angle to another vector")
    return (M / norms).T @ (M / norms)


def frame_residual(M):
    r"""How far K vectors are from a simplex ETF up to scale, the larger of two numbers.

    :math:`\max_{j \ne k} |\cos(m_j, m_k) + \tfrac{1}{K-1}|` and :math:`\max_k \|m_k\| / \min_k \|m_k\| - 1`, for the
    columns of ``M (d, K)``. Raises ``ValueError`` naming ``M`` for fewer than two columns or one that is zero.
    Source: the formula of (NC2).

    >>> frame_residual(np.eye(3))
    0.5
    """
    gram, K = cosines(M), np.shape(M)[1]
    if K < 2:
        raise ValueError(f"M: expected at least two columns, got {K}")
    norms = np.linalg.norm(M, axis=0)
    return float(max(np.abs(gram[~np.eye(K, dtype=bool)] + 1 / (K - 1)).max(), norms.max() / norms.min() - 1))


def nc2_uncentred(W, H, y):
    r"""(NC2) as its formula is printed: :func:`frame_residual` of the class means :math:`\bar h_k`.

    Zero iff the means are a simplex ETF up to scale; then they sum to zero.
    Raises ``ValueError`` for a bad (W, H, y), an empty class or a class mean that is zero. Source: (NC2), formula.
    """
    return frame_residual(ulpm.class_means(H, y, np.shape(W)[0]))


def nc2_centred(W, H, y):
    r"""(NC2) as its words say: :func:`frame_residual` of the centred means :math:`\bar h_k - \bar h`.

    Raises ``ValueError`` for a bad (W, H, y), an empty class or a class mean equal to the global one.
    Source: (NC2), "after centering by their global-mean".
    """
    M = ulpm.class_means(H, y, np.shape(W)[0])
    return frame_residual(M - M.mean(axis=1, keepdims=True))


def dual_factor(W, H, y):
    r"""The real C with :math:`C\,\bar H^\top` closest to W: :math:`\langle W, \bar H^\top \rangle / \|\bar H\|_F^2`.

    Raises ``ValueError`` for a bad (W, H, y), or naming ``H`` if all class means are zero. Source: (NC3).
    """
    W, H, y = validate.point(W, H, y)
    M = ulpm.class_means(H, y, W.shape[0])  # (d, K)
    if not M.any():
        raise ValueError("H: expected a class mean other than zero")
    return float(np.sum(W * M.T) / np.sum(M**2))


def nc3_any_factor(W, H, y):
    r"""(NC3) as printed, with any real C: :math:`\min_C \|W - C\,\bar H^\top\|_F`; also zero if C ≤ 0.

    Raises ``ValueError`` for a bad (W, H, y), or naming ``H`` if all class means are zero. Source: (NC3).
    """
    C = dual_factor(W, H, y)
    return float(np.linalg.norm(W - C * ulpm.class_means(H, y, np.shape(W)[0]).T))


def unit_distance(A, B):
    r"""The distance of two directions, :math:`\| A / \|A\|_F - B / \|B\|_F \|_F`: zero iff A = C B with C > 0.

    Raises ``ValueError`` naming ``A`` and ``B`` if one is zero or the shapes differ. Source: (NC3), up to rescaling.

    >>> unit_distance(np.eye(4), -3 * np.eye(4))
    2.0
    """
    A, B = validate.matrix("A", A), validate.matrix("B", B)
    if A.shape != B.shape or not (A.any() and B.any()):
        raise ValueError(f"A, B: expected nonzero matrices of one shape, got shapes {A.shape}, {B.shape}")
    return float(np.linalg.norm(A / np.linalg.norm(A) - B / np.linalg.norm(B)))


def nc3_positive_factor(W, H, y):
    r"""(NC3) with C > 0: the distance of the directions of W and of :math:`\bar H^\top`.

    Raises ``ValueError`` for a bad (W, H, y), an empty class, or where W or all class means are zero.
    Source: (NC3), with the sign of C that the page leaves out.
    """
    return unit_distance(W, ulpm.class_means(H, y, np.shape(W)[0]).T)


def nc3_centred(W, H, y):
    r"""(NC3) with C > 0 between the centred classifiers :math:`w_k - \bar w` and the centred means.

    Raises ``ValueError`` for a bad (W, H, y), an empty class, or where one side is zero.
    Source: (NC3), centred as the words of (NC2).
    """
    M = ulpm.class_means(H, y, np.shape(W)[0])
    return unit_distance(W - np.mean(W, axis=0), (M - M.mean(axis=1, keepdims=True)).T)


def choices(scores):
    """All classes of largest score, for each column: a mask, so that ties are kept.

    ``scores (K, m)`` → boolean ``(K, m)``; scores are tied within 1e-9 of the largest magnitude of the column.

    >>> choices(np.array([[1.0, 2.0], [1.0, 0.0]])).astype(int)
    array([[1, 1],
           [1, 0]])
    """
    room = 1e-9 * np.abs(scores).max(axis=0)
    return scores >= scores.max(axis=0) - room


def nearest_means(M, X):
    r"""The set :math:`\arg\min_k \|x - m_k\|` of each column x: the decision of the nearest class mean.

    ``M (d, K)``, ``X (d, m)`` → boolean ``(K, m)``. Source: (NC4), right-hand side.
    """
    return choices(M.T @ X - np.sum(M**2, axis=0)[:, None] / 2)  # (K, m)  (‖x‖² − ‖x − mₖ‖²) / 2


def disagreement(A, B):
    """The share of columns in which two masks ``(K, m)`` of classes differ.

    Source: (NC4), which asks two sets of classes to agree at every feature.
    """
    return float((A != B).any(axis=0).mean())


def nc4_smallest(W, H, y, X):
    r"""(NC4) as printed: the share of the columns x of X where the sets :math:`\arg\min_k w_k^\top x` and
    :math:`\arg\min_k \|x - \bar h_k\|` differ.

    ``X (d, m)``. Raises ``ValueError`` for a bad (W, H, y), X, or an empty class. Source: (NC4).
    """
    W, H, y = validate.point(W, H, y)
    X = validate.matrix("X", X)
    return disagreement(choices(-W @ X), nearest_means(ulpm.class_means(H, y, W.shape[0]), X))


def nc4_largest(W, H, y, X):
    r"""(NC4) as meant: the share of the columns x of X where the sets :math:`\arg\max_k w_k^\top x` and
    :math:`\arg\min_k \|x - \bar h_k\|` differ.

    ``X (d, m)``. Raises ``ValueError`` for a bad (W, H, y), X, or an empty class. Source: (NC4), argmin read as argmax.
    """
    return nc4_smallest(-np.asarray(W), H, y, X)


def residuals(W, H, y):
    r"""How far (W, H) is from collapse, as :class:`Residuals`.

    ``within`` is :func:`nc1_every_sample` over the root mean square norm of the class means, ``frame`` is
    :func:`nc2_uncentred`, ``duality`` is :func:`nc3_positive_factor`.

    All three vanish iff :math:`h_{k,i} = r\,m_k` and :math:`w_k = C\,r\,m_k` with r, C > 0 and a simplex ETF
    :math:`m_k`; they do not change under rotations or separate positive scalings of W and H.
    Raises ``ValueError`` for a bad (W, H, y), an empty class, W = 0 or a class mean that is zero.
    Source: section 2.1 as corrected in its chapter.

    >>> from ncpaper import etf
    >>> max(residuals(*etf.collapsed(4, 3, 5))) < 1e-12
    True
    """
    M = ulpm.class_means(H, y, np.shape(W)[0])
    frame, scale = nc2_uncentred(W, H, y), np.linalg.norm(M) / np.sqrt(M.shape[1])
    return Residuals(nc1_every_sample(W, H, y) / scale, frame, nc3_positive_factor(W, H, y))
