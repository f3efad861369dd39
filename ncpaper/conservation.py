r"""What every flow of a layer-peeled loss conserves, and what that forbids.

The laws use only :math:`\mathbf 1^\top G = 0`, where G (K, M) is the derivative of the loss in the logits: they hold
for the cross-entropy of any labels, and are the same for all labels.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper import ulpm
from ncpaper.validate import Classes, Count, door


@door
def mean_classifier(W: Float[ndarray, "K d"]) -> Float[ndarray, " d"]:
    r"""The mean of the classifiers, :math:`\bar w = \frac1K W^\top \mathbf 1`; neither flow nor descent moves it.

    Source
    ------
    Chapter on the layer-peeled model, theorem on the conservation laws.

    Examples
    --------
    >>> mean_classifier([[1.0, 0.0], [3.0, 2.0]])
    array([2., 1.])
    """
    return W.mean(axis=0)


@door
def imbalance(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"]) -> Float[ndarray, "d d"]:
    r"""The imbalance :math:`\Xi = H H^\top - \widetilde W^\top \widetilde W`, :math:`\widetilde w_k = w_k - \bar w`.

    Symmetric, and constant along the flow.

    Source
    ------
    Chapter on the layer-peeled model, theorem on the conservation laws.

    Examples
    --------
    >>> imbalance([[3.0], [1.0]], [[2.0, -1.0]])
    array([[3.]])
    """
    centred = W - mean_classifier(W)  # (K, d)
    return H @ H.T - centred.T @ centred  # (d, d)


@door
def within_class_scatter(H: Float[ndarray, "d M"], y: Int[ndarray, " M"], K: Classes) -> Float[ndarray, "d d"]:
    r"""The scatter of the features within their classes, :math:`\sum_{k,i} (h_{k,i}-\bar h_k)(h_{k,i}-\bar h_k)^\top`.

    A sum, not divided by M.

    Raises
    ------
    ValueError
        Naming ``y``, if a class is empty.

    Source
    ------
    Chapter on the layer-peeled model, theorem on the within-class scatter.

    Examples
    --------
    >>> within_class_scatter([[1.0, 3.0, 5.0]], [0, 0, 1], 2)
    array([[2.]])
    """
    deviation = H - ulpm.class_means(H, y, K)[:, y]  # (d, M)
    return deviation @ deviation.T  # (d, d)


@door
def scatter_floor(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"]) -> float:
    r"""What the trace of the within-class scatter never falls below: :math:`\sum_{i > K} \max(\lambda_i(\Xi), 0)`.

    :math:`\lambda_1 \ge \dots \ge \lambda_d` are the eigenvalues of the imbalance Ξ of (W, H). The sum is empty for
    d ≤ K.

    Source
    ------
    Chapter on the layer-peeled model, theorem on the within-class scatter.

    Examples
    --------
    >>> W, H = np.zeros((2, 3)), np.diag([1.0, 2.0, 3.0])
    >>> round(scatter_floor(W, H), 9)
    1.0
    """
    eigenvalues = np.linalg.eigvalsh(imbalance(W, H))[::-1]  # (d,), descending
    return float(np.maximum(eigenvalues[len(W) :], 0).sum())


@door
def laws(K: Classes, M: Count, d: Count) -> int:
    r"""How many independent conservation laws there are: d for :math:`\bar w`, and the rank of Ξ as a function.

    With :math:`r = K - 1 + M` that rank is :math:`d(d+1)/2` for d ≤ r and :math:`rd - r(r-1)/2` for d ≥ r.

    Source
    ------
    Chapter on the layer-peeled model, theorem on the conservation laws.

    Examples
    --------
    >>> laws(2, 2, 1), laws(3, 3, 2)
    (2, 5)
    """
    r = K - 1 + M
    m = min(d, r)
    return d + m * d - m * (m - 1) // 2


@door
def generators(K: Classes, M: Count) -> Float[ndarray, "({K}-1)*{M} {K}+{M} {K}+{M}"]:
    r"""The linear maps of the stacked point :math:`X = (W; H^\top)` that drive every flow.

    :math:`\dot X = -S X` with :math:`S = \begin{pmatrix} 0 & G \\ G^\top & 0 \end{pmatrix}`, G running over a basis of
    the (K, M) matrices whose columns sum to zero.

    Source
    ------
    Chapter on the layer-peeled model, conservation laws.

    Examples
    --------
    >>> generators(2, 1)[0]
    array([[ 0.,  0.,  1.],
           [ 0.,  0., -1.],
           [ 1., -1.,  0.]])
    """
    S = np.zeros(((K - 1) * M, K + M, K + M))
    for index, (k, m) in enumerate(np.ndindex(K - 1, M)):
        S[index, [0, k + 1], K + m] = 1.0, -1.0  # G = (e₀ − eₖ₊₁) eₘᵀ
    return S + S.transpose(0, 2, 1)


@door
def lie_algebra(matrices: Float[ndarray, "m s s"]) -> Float[ndarray, "dimension s s"]:
    r"""An orthonormal basis of the Lie algebra that square matrices generate, by brackets :math:`[A, B] = AB - BA`.

    Brackets are added until they give nothing new.

    Source
    ------
    Definition of a generated Lie algebra; independent of the theorem that it is used to check.

    Examples
    --------
    >>> lie_algebra(generators(2, 2)).shape[0]  # so(1, 2)
    3
    """
    basis = _orthonormal(matrices)
    while True:
        AB = np.einsum("aij,bjk->abik", basis, basis)
        brackets = (AB - AB.swapaxes(0, 1)).reshape(len(basis) ** 2, *matrices.shape[1:])
        grown = _orthonormal(np.concatenate([basis, brackets]))
        if grown.shape[0] == basis.shape[0]:
            return basis
        basis = grown


def _orthonormal(matrices):
    """An orthonormal basis of the span of a stack of matrices; empty where all are zero."""
    m, s, _ = matrices.shape
    _, values, rows = np.linalg.svd(matrices.reshape(m, s * s), full_matrices=False)
    basis = rows[values > 1e-9 * values.max(initial=0)]
    return basis.reshape(len(basis), s, s)


@door
def reachable_dimension(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"]) -> int:
    r"""The dimension in which the flows of all losses, run one after another, can move the point (W, H).

    The rank of the vectors A X, A in the Lie algebra of :func:`generators`, X = (W; Hᵀ); singular values below
    :math:`10^{-9}` of the largest count as zero.

    Source
    ------
    Chapter on the layer-peeled model, conservation laws.

    Examples
    --------
    >>> reachable_dimension(np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]]))  # of 4 coordinates, 2 laws
    2
    """
    A = lie_algebra(generators(W.shape[0], H.shape[1]))  # (·, K+M, K+M)
    moves = A @ np.concatenate([W, H.T])  # (·, K+M, d)
    values = np.linalg.svd(moves.reshape(A.shape[0], -1), compute_uv=False)
    return int(np.sum(values > 1e-9 * values[0]))
