r"""What every flow of a layer-peeled loss conserves, and what that forbids.

The laws use only :math:`\mathbf 1^\top G = 0`, where G (K, M) is the derivative of the loss in the logits: they hold
for the cross-entropy of any labels, and do not see which of them is descended.
"""

import numpy as np

from ncpaper import ulpm, validate


def mean_classifier(W):
    r"""The mean of the classifiers, :math:`\bar w = \frac1K W^\top \mathbf 1`; neither flow nor descent moves it.

    ``W (K, d)`` → ``(d,)``. Raises ``ValueError`` naming ``W`` unless it is a finite matrix.
    Source: chapter on the layer-peeled model, theorem on the conservation laws.

    >>> mean_classifier([[1.0, 0.0], [3.0, 2.0]])
    array([2., 1.])
    """
    return validate.matrix("W", W).mean(axis=0)


def imbalance(W, H):
    r"""The imbalance :math:`\Xi = H H^\top - \widetilde W^\top \widetilde W`, :math:`\widetilde w_k = w_k - \bar w`.

    ``W (K, d)``, ``H (d, M)`` → ``(d, d)``, symmetric; constant along the flow.
    Raises ``ValueError`` naming the argument that is no matrix or does not fit.
    Source: chapter on the layer-peeled model, theorem on the conservation laws.

    >>> imbalance([[1.0], [-1.0]], [[2.0, -1.0]])
    array([[3.]])
    """
    W, H = validate.matrix("W", W), validate.matrix("H", H)
    if H.shape[0] != W.shape[1]:
        raise ValueError(f"H: expected {W.shape[1]} rows, as W has columns, got shape {H.shape}")
    centred = W - mean_classifier(W)  # (K, d)
    return H @ H.T - centred.T @ centred  # (d, d)


def within_class_scatter(H, y, K):
    r"""The scatter of the features within their classes, :math:`\sum_{k,i} (h_{k,i}-\bar h_k)(h_{k,i}-\bar h_k)^\top`.

    ``H (d, M)`` → ``(d, d)``, a sum, not divided by M. Raises ``ValueError`` for bad H or y, or an empty class.
    Source: chapter on the layer-peeled model, theorem on the within-class scatter.

    >>> within_class_scatter([[1.0, 3.0, 5.0]], np.array([0, 0, 1]), 2)
    array([[2.]])
    """
    H = validate.matrix("H", H)
    deviation = H - ulpm.class_means(H, y, K)[:, y]  # (d, M)
    return deviation @ deviation.T  # (d, d)


def scatter_floor(W, H):
    r"""What the trace of the within-class scatter never falls below: :math:`\sum_{i > K} \max(\lambda_i(\Xi), 0)`.

    :math:`\lambda_1 \ge \dots \ge \lambda_d` are the eigenvalues of the imbalance Ξ of (W, H). The sum is empty for
    d ≤ K. Raises ``ValueError`` as :func:`imbalance` does.
    Source: chapter on the layer-peeled model, theorem on the within-class scatter.

    >>> W, H = np.zeros((2, 3)), np.diag([1.0, 2.0, 3.0])
    >>> round(scatter_floor(W, H), 9)
    1.0
    """
    eigenvalues = np.linalg.eigvalsh(imbalance(W, H))[::-1]  # (d,), descending
    return float(np.maximum(eigenvalues[np.shape(W)[0] :], 0).sum())


def laws(K, M, d):
    r"""How many independent conservation laws there are: d for :math:`\bar w`, and the rank of Ξ as a function.

    With :math:`r = K - 1 + M` that rank is :math:`d(d+1)/2` for d ≤ r and :math:`rd - r(r-1)/2` for d ≥ r.
    Raises ``ValueError`` for K < 2, M < 1 or d < 1.
    Source: chapter on the layer-peeled model, theorem on the conservation laws.

    >>> laws(2, 2, 1), laws(3, 3, 2)
    (2, 5)
    """
    r = validate.integer("K", K, 2) - 1 + validate.integer("M", M, 1)
    d = validate.integer("d", d, 1)
    m = min(d, r)
    return d + m * d - m * (m - 1) // 2


def generators(K, M):
    r"""The linear maps of the stacked point :math:`X = (W; H^\top)` that drive every flow.

    :math:`\dot X = -S X` with :math:`S = \begin{pmatrix} 0 & G \\ G^\top & 0 \end{pmatrix}`, G running over a basis of
    the (K, M) matrices whose columns sum to zero. Returns ``((K−1)·M, K+M, K+M)``.
    Raises ``ValueError`` for K < 2 or M < 1. Source: chapter on the layer-peeled model, conservation laws.

    >>> generators(2, 1)[0]
    array([[ 0.,  0.,  1.],
           [ 0.,  0., -1.],
           [ 1., -1.,  0.]])
    """
    K, M = validate.integer("K", K, 2), validate.integer("M", M, 1)
    S = np.zeros(((K - 1) * M, K + M, K + M))
    for index, (k, m) in enumerate(np.ndindex(K - 1, M)):
        S[index, [0, k + 1], K + m] = 1.0, -1.0  # G = (e₀ − eₖ₊₁) eₘᵀ
    return S + S.transpose(0, 2, 1)


def lie_algebra(matrices):
    r"""An orthonormal basis of the Lie algebra that square matrices generate, by brackets :math:`[A, B] = AB - BA`.

    ``(·, s, s)`` → ``(dimension, s, s)``; brackets are added until they give nothing new.
    Raises ``ValueError`` naming ``matrices`` unless it is a non-empty stack of square matrices.
    Source: definition of a generated Lie algebra; knows nothing of the theorem it is used to check.

    >>> lie_algebra(generators(2, 2)).shape[0]  # so(1, 2)
    3
    """
    A = np.asarray(matrices, dtype=np.float64)
    if A.ndim != 3 or A.shape[1] != A.shape[2] or A.shape[0] == 0:
        raise ValueError(f"matrices: expected a stack of square matrices, got shape {A.shape}")
    basis = _orthonormal(A)
    while True:
        AB = np.einsum("aij,bjk->abik", basis, basis)
        grown = _orthonormal(np.concatenate([basis, (AB - AB.swapaxes(0, 1)).reshape(-1, *A.shape[1:])]))
        if grown.shape[0] == basis.shape[0]:
            return basis
        basis = grown


def _orthonormal(matrices):
    """An orthonormal basis of the span of a stack of matrices."""
    _, values, rows = np.linalg.svd(matrices.reshape(matrices.shape[0], -1), full_matrices=False)
    return rows[values > 1e-9 * values[0]].reshape(-1, *matrices.shape[1:])


def reachable_dimension(W, H):
    r"""The dimension in which the flows of all losses, run one after another, can move the point (W, H).

    The rank of the vectors A X, A in the Lie algebra of :func:`generators`, X = (W; Hᵀ); singular values below
    :math:`10^{-9}` of the largest count as zero. Raises ``ValueError`` for bad W or H.
    Source: chapter on the layer-peeled model, conservation laws.

    >>> reachable_dimension(np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]]))  # of 4 coordinates, 2 laws
    2
    """
    W, H = validate.matrix("W", W), validate.matrix("H", H)
    A = lie_algebra(generators(W.shape[0], H.shape[1]))  # (·, K+M, K+M)
    moves = A @ np.concatenate([W, H.T])  # (·, K+M, d)
    values = np.linalg.svd(moves.reshape(A.shape[0], -1), compute_uv=False)
    return int(np.sum(values > 1e-9 * values[0]))
