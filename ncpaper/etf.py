"""The simplex equiangular tight frame."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import helmert

from ncpaper import validate
from ncpaper.validate import Classes, Count, door


@door
def frame(K: Classes, d: Count) -> Float[ndarray, "{d} {K}"]:
    r"""K unit vectors in :math:`\mathbb R^d` whose pairwise cosines are all :math:`-1/(K-1)`.

    The columns sum to zero and stand in fixed position (the last d − K + 1 rows are zero): any other simplex ETF is
    ``U @ frame(K, d)`` with ``U (d, d)`` orthogonal. Such a frame exists exactly for d ≥ K − 1.

    Raises
    ------
    ValueError
        Naming ``d``, for d < K − 1.

    Source
    ------
    Definition 2.1, freed of its words "symmetric" and "K × K"; the rows are those of Helmert's matrix.

    Examples
    --------
    >>> np.round(frame(2, 3), 6)
    array([[ 1., -1.],
           [ 0.,  0.],
           [ 0.,  0.]])
    """
    validate.room(d, K)
    M = np.zeros((d, K))
    M[: K - 1] -= np.sqrt(K / (K - 1)) * helmert(K)[::-1, ::-1]  # the first vector along the first axis
    return M


@door
def gram(K: Classes) -> Float[ndarray, "{K} {K}"]:
    r"""The Gram matrix of the simplex ETF, :math:`\frac{K}{K-1}\bigl(I - \frac1K \mathbf 1 \mathbf 1^\top\bigr)`.

    Source
    ------
    Eq. (3), :math:`M^\top M`.

    Examples
    --------
    >>> gram(2)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    return (K * np.eye(K) - 1) / (K - 1)


@door
def equation_3(Q: Float[ndarray, "K K"]) -> Float[ndarray, "K K"]:
    r"""The matrix of Definition 2.1, :math:`M = \sqrt{\tfrac{K}{K-1}}\,Q\,(I - \tfrac1K \mathbf 1 \mathbf 1^\top)`.

    Its columns are a simplex ETF for every orthogonal Q; it is symmetric for almost none.

    Raises
    ------
    ValueError
        Naming ``Q``, unless it is orthogonal (to 1e-9).

    Source
    ------
    Eq. (3).

    Examples
    --------
    >>> equation_3(np.eye(2)).round(6)
    array([[ 0.707107, -0.707107],
           [-0.707107,  0.707107]])
    """
    K = len(Q)
    if not np.allclose(Q.T @ Q, np.eye(K), rtol=0, atol=1e-9):
        raise ValueError("Q: expected an orthogonal matrix, and QᵀQ is not the identity")
    return np.sqrt(K / (K - 1)) * (Q - Q.mean(axis=1, keepdims=True))  # (K, K)  Q·11ᵀ/K repeats the mean of each row
