"""The simplex equiangular tight frame, and the collapsed solution built on it."""

import numpy as np

from ncpaper import ulpm, validate


def frame(K, d):
    r"""K unit vectors in :math:`\mathbb R^d` whose pairwise cosines are all :math:`-1/(K-1)`.

    Returns ``(d, K)``, columns summing to zero, in fixed position (the last d − K + 1 rows are zero): any other simplex
    ETF is ``U @ frame(K, d)`` with ``U (d, d)`` orthogonal. Such a frame exists exactly for d ≥ K − 1.
    Raises ``ValueError`` for K < 2 or d < K − 1. Source: Definition 2.1, freed of its words "symmetric" and "K × K".

    >>> np.round(frame(2, 3), 6)
    array([[ 1., -1.],
           [ 0.,  0.],
           [ 0.,  0.]])
    """
    K, d = validate.integer("K", K, 2), validate.integer("d", d, 1)
    if d < K - 1:
        raise ValueError(f"d: expected d ≥ K − 1 = {K - 1}, the least dimension of a simplex ETF, got {d}")
    M = np.zeros((d, K))
    for k in range(K - 1):  # Cholesky factor of the Gram matrix: row k sums to zero
        M[k, k] = np.sqrt(K * (K - k - 1) / ((K - 1) * (K - k)))
        M[k, k + 1 :] = -M[k, k] / (K - k - 1)
    return M


def gram(K):
    r"""The Gram matrix of the simplex ETF, :math:`\frac{K}{K-1}\bigl(I - \frac1K \mathbf 1 \mathbf 1^\top\bigr)`.

    Returns ``(K, K)``. Raises ``ValueError`` for K < 2. Source: eq. (3), :math:`M^\top M`.

    >>> gram(2)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    K = validate.integer("K", K, 2)
    return (K * np.eye(K) - 1) / (K - 1)


def collapsed(K, n, d, q=1.0):
    r"""The collapsed solution of least norm with margin q.

    :math:`w_k = \sqrt n\,h_{k,i}`, a simplex ETF, with :math:`w_k^\top h_{k,i} - w_j^\top h_{k,i} = q` for every
    :math:`j \ne k`; then :math:`\|W\|_F^2 = \|H\|_F^2 = (K-1) \sqrt n\,q`: equality in Lemma 3.1.
    With q = 1 it solves problem (5).

    Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``.
    Raises ``ValueError`` for K < 2, n < 1, d < K − 1 or q ≤ 0. Source: Lemma 3.1, Theorem 3.2.

    >>> W, H, y = collapsed(4, 9, 5, q=2.0)
    >>> round(ulpm.squared_norm(W, H), 9) == 2 * (4 - 1) * 3 * 2
    True
    """
    y, M = ulpm.balanced_labels(K, n), frame(K, d)  # (K·n,), (d, K)
    scale = np.sqrt(validate.positive("q", q) * (K - 1) / K)  # ‖w_k‖ ‖h_k‖ K/(K−1) = q
    return scale * n**0.25 * M.T, scale * n**-0.25 * M[:, y], y


def multipliers(K, n):
    r"""The multipliers of (5) at its optimum: :math:`\lambda_{kij} = \frac{1}{K \sqrt n}` for every :math:`j \ne k`.

    Returns ``(K, K·n)`` in the layout of :func:`ncpaper.ulpm.gaps`: entry (j, m) belongs to the constraint that
    sample m prefers its class to j; zero where j is the class of m. They sum to the optimal value
    :math:`(K-1)\sqrt n`. Raises ``ValueError`` for K < 2 or n < 1. Source: Theorem 3.2, its chapter.

    >>> float(multipliers(3, 4).sum())
    4.0
    """
    y = ulpm.balanced_labels(K, n)
    return (1 - ulpm.one_hot(y, K)) / (K * np.sqrt(n))
