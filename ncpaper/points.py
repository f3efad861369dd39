r"""The named points of the theory: where the loss is least, where descent gets stuck, where a statement fails.

Most are given by their class vectors, one column for each class: :func:`balanced` makes a point (W, H, y) of them.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper import etf, ulpm
from ncpaper.validate import Classes, Count, Positive, door, integer

#: Classifiers, features and labels of n samples in each of K classes.
Point = tuple[Float[ndarray, "{K} {d}"], Float[ndarray, "{d} {K}*{n}"], Int[ndarray, " {K}*{n}"]]


@door
def balanced(
    A: Float[ndarray, "d K"], B: Float[ndarray, "d K"], n: Count
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d K*{n}"], Int[ndarray, " K*{n}"]]:
    r"""The point with classifiers along the columns of A, features along those of B: n equal samples in each class.

    :math:`w_k = n^{1/4} a_k` and :math:`h_{k,i} = n^{-1/4} b_k`; then :math:`\|W\|_F = \|H\|_F` for A = B.

    Source
    ------
    The shape of every point with :math:`W^\top W = H H^\top` and features at their class means.

    Examples
    --------
    >>> W, H, y = balanced(np.eye(2), np.eye(2), 16)
    >>> float(W[0, 0]), float(H[0, 0])
    (2.0, 0.5)
    """
    y = ulpm.balanced_labels(A.shape[1], n)
    return n**0.25 * A.T, n**-0.25 * B[:, y], y


@door
def scale_to(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], radius: Positive
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The multiple of (W, H) with :math:`\|W\|_F^2 + \|H\|_F^2` equal to the square of the given radius.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    Theorem 3.3, its sphere.
    """
    s = radius / np.sqrt(ulpm.squared_radius(W, H))
    return s * W, s * H


@door
def collapsed(K: Classes, n: Count, d: Count, q: Positive = 1.0) -> Point:
    r"""The collapsed solution of least norm with margin q; with q = 1 it solves problem (5).

    :math:`w_k = \sqrt n\,h_{k,i}`, a simplex ETF, with :math:`w_k^\top h_{k,i} - w_j^\top h_{k,i} = q` for every
    :math:`j \ne k`; then :math:`\|W\|_F^2 = \|H\|_F^2 = (K-1) \sqrt n\,q`: equality in Lemma 3.1.

    Raises
    ------
    ValueError
        Naming ``d``, for d < K − 1.

    Source
    ------
    Lemma 3.1, Theorem 3.2.

    Examples
    --------
    >>> W, H, y = collapsed(4, 9, 5, q=2.0)
    >>> round(ulpm.squared_norm(W, H), 9) == 2 * (4 - 1) * 3 * 2
    True
    """
    M = np.sqrt(q * (K - 1) / K) * etf.frame(K, d)  # (d, K)  ‖w_k‖ ‖h_k‖ K/(K−1) = q
    return balanced(M, M, n)


@door
def self_dual(
    M: Float[ndarray, "d K"], n: Count, radius: Positive
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d K*{n}"], Int[ndarray, " K*{n}"]]:
    r"""The point with class vectors M: :math:`w_k = \sqrt n\,h_{k,i}` along the columns of M, of radius ρ.

    Raises
    ------
    ValueError
        If M is zero.

    Source
    ------
    The shape of every point with :math:`W^\top W = H H^\top` and features at their class means.
    """
    W, H, y = balanced(M, M, n)
    return *scale_to(W, H, radius), y


@door
def minimiser(K: Classes, n: Count, d: Count, radius: Positive) -> Point:
    r"""The collapsed point on the sphere of the given radius ρ: the one of margin :math:`\rho^2/(2(K-1)\sqrt n)`.

    Raises
    ------
    ValueError
        Naming ``d``, for d < K − 1.

    Source
    ------
    Theorem 3.3.
    """
    return self_dual(etf.frame(K, d), n, radius)


@door
def lpm_optimum(K: Classes, n: Count, d: Count, C1: Positive, C2: Positive) -> Point:
    r"""The minimiser of (1), unique up to an orthogonal map of :math:`\mathbb R^d`: a simplex ETF.

    :math:`w_k = \sqrt{n C_1 / C_2}\;h_{k,i}`, with both constraints active.

    Raises
    ------
    ValueError
        Naming ``d``, for d < K − 1.

    Source
    ------
    Eq. (1), balanced classes.

    Examples
    --------
    >>> W, H, y = lpm_optimum(3, 4, 2, C1=0.5, C2=2.0)
    >>> [round(float(np.sum(part**2)) / 2, 12) for part in (W, H)]
    [0.5, 2.0]
    """
    W, H, y = collapsed(K, n, d)
    return W * np.sqrt(2 * C1) / np.linalg.norm(W), H * np.sqrt(2 * C2) / np.linalg.norm(H), y


@door
def polygon(K: Classes, n: Count, d: Count) -> Point:
    r"""The regular polygon, a KKT point of (5) for every K ≥ 3 and d ≥ 2: :math:`w_k = \sqrt n\,h_{k,i}` on a circle.

    The constraints of nearest neighbours are active, with the multipliers
    :math:`1 / (2 \sqrt n\,(1 - \cos(2\pi/K)))`; the objective is :math:`\sqrt n\,K / (1 - \cos(2\pi/K))`.

    Raises
    ------
    ValueError
        Naming the argument, for K < 3 or d < 2.

    Source
    ------
    Chapter on Theorem 3.2.

    Examples
    --------
    >>> W, H, y = polygon(4, 9, 2)
    >>> round(ulpm.squared_norm(W, H) / 2, 12), round(float(ulpm.gaps(W @ H, y)[1, 0]), 12)
    (12.0, 1.0)
    """
    integer("K", K, 3), integer("d", d, 2)
    angle, C = 2 * np.pi / K * np.arange(K), np.zeros((d, K))
    C[:2] = np.cos(angle), np.sin(angle)
    C /= np.sqrt(1 - np.cos(2 * np.pi / K))  # unit gap to the neighbours
    return balanced(C, C, n)


@door
def pairs_and_singles(K: Classes, n: Count, d: Count) -> Point:
    r"""The best point known to us of (5) for :math:`K/2 \le d \le K - 2`: K − d opposite pairs, and single classes.

    The pairs form a cross-polytope in K − d dimensions; its centre and the 2d − K single classes form a simplex in the
    other 2d − K. The objective is :math:`\sqrt n\,\bigl(K - 1 + \sqrt{2 (K - d)/K}\bigr)`.

    Raises
    ------
    ValueError
        Naming ``d``, outside that range.

    Source
    ------
    Chapter on Theorem 3.2.

    Examples
    --------
    >>> W, H, y = pairs_and_singles(8, 1, 6)  # 7 + √(1/2)
    >>> round(ulpm.squared_norm(W, H) / 2, 6)
    7.707107
    """
    r, s = K - d, 2 * d - K
    if r < 2 or s < 0:
        raise ValueError(f"d: expected K/2 ≤ d ≤ K − 2 for K = {K}, got {d}")
    A, B = np.zeros((d, K)), np.zeros((d, K))  # columns w_k, h_k
    A[:r, : 2 * r] = B[:r, : 2 * r] = np.kron(np.eye(r), [1, -1])
    if s > 0:
        u, f = (2 * r / K) ** 0.75 / np.sqrt(s), etf.frame(s, s - 1) if s > 1 else np.zeros((0, 1))
        A[r, : 2 * r], A[r, 2 * r :], B[r, 2 * r :] = -s * u / (2 * r), u, 2 * r / (s * K * u)
        A[r + 1 :, 2 * r :] = B[r + 1 :, 2 * r :] = np.sqrt((s - 1) / s) * f
    return balanced(A, B, n)


@door
def merged_classes(groups: Classes, size: Count, d: Count) -> Float[ndarray, "{d} {groups}*{size}"]:
    """Class vectors of a simplex ETF of ``groups`` groups, each shared by ``size`` classes.

    Raises
    ------
    ValueError
        Naming ``d``, for d < groups − 1.

    Source
    ------
    Chapter on Theorem 3.4.

    Examples
    --------
    >>> np.round(merged_classes(2, 2, 1), 6)
    array([[ 1.,  1., -1., -1.]])
    """
    return np.repeat(etf.frame(groups, d), size, axis=1)


@door
def orthogonal_groups(groups: Count, size: Classes, d: Count) -> Float[ndarray, "{d} {groups}*{size}"]:
    """Class vectors of ``groups`` simplex ETFs of ``size`` classes in orthogonal subspaces.

    With size 2 and two groups this is the point of Example 3.1.

    Raises
    ------
    ValueError
        Naming ``d``, for d < groups·(size − 1).

    Source
    ------
    Chapter on Theorem 3.4, after Example 3.1.

    Examples
    --------
    >>> np.round(orthogonal_groups(2, 2, 2), 6) + 0.0
    array([[ 1., -1.,  0.,  0.],
           [ 0.,  0.,  1., -1.]])
    """
    M = np.kron(np.eye(groups), etf.frame(size, size - 1))
    if d < M.shape[0]:
        raise ValueError(f"d: expected d ≥ {M.shape[0]} = groups·(size − 1), got {d}")
    return np.vstack([M, np.zeros((d - M.shape[0], M.shape[1]))])


@door
def merged(K: Classes, n: Count, d: Count, q: Positive) -> Point:
    r"""An initialisation from which the flow never separates: :math:`w_0 = w_1` and :math:`h_{0,i} = h_{1,i}`.

    The K − 1 different classes are collapsed with margin q. The loss exceeds :math:`2 n \log 2` for ever. For large q the
    initial loss is as close to it as one likes.

    Raises
    ------
    ValueError
        Naming the argument, for K < 3 or d < K − 2.

    Source
    ------
    Chapter on Theorem 3.1.
    """
    integer("K", K, 3)
    W, H, _ = collapsed(K - 1, n, d, q)
    rows, columns = np.maximum(np.arange(K) - 1, 0), np.maximum(np.arange(K * n) - n, np.arange(K * n) % n)
    return W[rows], H[:, columns], ulpm.balanced_labels(K, n)


@door
def centred(K: Classes, n: Count, d: Count, q: Positive) -> Point:
    r"""An initialisation from which the flow never separates: :math:`w_0 = 0`, :math:`h_{0,i} = 0`, in the centre.

    The other K − 1 classes are collapsed with margin q. The loss exceeds :math:`n \log K` for ever. For large q the initial
    loss is as close to it as one likes.

    Raises
    ------
    ValueError
        Naming the argument, for K < 3 or d < K − 2.

    Source
    ------
    Chapter on Theorem 3.1.
    """
    integer("K", K, 3)
    W, H, _ = collapsed(K - 1, n, d, q)
    return np.vstack([np.zeros((1, d)), W]), np.hstack([np.zeros((d, n)), H]), ulpm.balanced_labels(K, n)


@door
def between(K: Classes, n: Count, d: Count, T: Positive) -> Point:
    r"""An initialisation from which the flow never separates: class 1 on an axis between class 0 and all the others.

    The others are mirror images of each other in the axis, in pairs but for at most one on it. The loss exceeds
    :math:`n \log 2` for ever. For large T the initial loss is as close to it as one likes.

    Raises
    ------
    ValueError
        Naming the argument, for K < 3 or d < 2.

    Source
    ------
    Chapter on Theorem 3.1.
    """
    integer("K", K, 3), integer("d", d, 2)
    phi = np.linspace(-1, 1, K - 2) if K > 3 else np.zeros(1)  # (K−2,)
    W, F, y = np.zeros((K, d)), np.zeros((K, d)), ulpm.balanced_labels(K, n)  # rows of F: one feature for each class
    W[1, 0], F[:2, 0] = -1 / T, (T**2, 1.0)
    W[2:, 0], W[2:, 1] = -1 / T - T - T * np.cos(phi), T * np.sin(phi)
    F[2:, 0], F[2:, 1] = -T * np.cos(phi), T * np.sin(phi)
    return W, F.T[:, y], y
