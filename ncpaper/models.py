r"""The other models: weight decay, bounded norms, the squared loss, and classes of different sizes.

Gradients are functions for :func:`ncpaper.flow.descend`, losses are sums over the samples, as in (4). Class sizes come
with the labels: :math:`D = \mathrm{diag}(n_1, \dots, n_K)`, and :math:`\Pi = I - \frac1K \mathbf 1 \mathbf 1^\top`.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import minimize

from ncpaper import flow, ulpm, validate
from ncpaper.validate import Classes, Count, Natural, Positive, door


@door
def decayed(gradient: Callable, decay: Positive) -> Callable:
    r"""The gradient of a loss with weight decay, :math:`\nabla \mathcal L + \lambda\,\theta`.

    Source
    ------
    The regularised model of Zhu et al. (2021), without bias.
    """
    return lambda W, H, *args: tuple(g + decay * part for g, part in zip(gradient(W, H, *args), (W, H), strict=True))


@door
def projected(gradient: Callable, step: Positive, C1: Positive, C2: Positive) -> Callable:
    r"""What makes :func:`ncpaper.flow.descend` with this ``step`` a projected descent on model (1).

    The difference :math:`(\theta - \theta^+) / \eta`, where :math:`\theta^+` is the step of plain descent, moved to the
    nearest point with :math:`\frac12 \|W\|_F^2 \le C_1` and :math:`\frac12 \|H\|_F^2 \le C_2`.

    Source
    ------
    Eq. (1).
    """

    def mapping(W, H, *args):
        moved = zip((W, H), gradient(W, H, *args), (C1, C2), strict=True)
        return tuple((part - _shortened(part - step * g, np.sqrt(2 * C))) / step for part, g, C in moved)

    return mapping


def _shortened(part, longest):
    """The array, divided so that its Frobenius norm is at most ``longest``."""
    return part * min(1.0, longest / max(np.linalg.norm(part), np.finfo(float).tiny))


@door
def equivalent_decay(K: Classes, n: Count, C: Positive) -> float:
    r"""The weight decay whose minimiser is that of model (1) with :math:`C_1 = C_2 = C`, when d ≥ K − 1.

    :math:`\lambda = K \sqrt n / (e^q + K - 1)` with :math:`q = 2 C / ((K-1) \sqrt n)`. At that minimiser the projection
    of model (1) shortens the point as fast as this decay does.

    Source
    ------
    Chapter on the other models, proposition on the laws with decay.

    Examples
    --------
    >>> from ncpaper import lpm
    >>> round(lpm.decayed_margin(4, 9, equivalent_decay(4, 9, C=18.0)), 9)  # q = 2 · 18 / (3 · 3)
    4.0
    """
    q = 2 * C / ((K - 1) * np.sqrt(n))
    return float(K * np.sqrt(n) * np.exp(-q) / (1 + (K - 1) * np.exp(-q)))


@door
def squared_loss(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The squared loss of the one-hot labels, :math:`\frac12 \|W H - Y\|_F^2`, a sum over the samples.

    Source
    ------
    The models of Mixon et al. (2020) and of Han et al. (2021), without bias and decay.

    Examples
    --------
    >>> squared_loss(np.zeros((2, 1)), np.zeros((1, 4)), [0, 0, 1, 1])
    2.0
    """
    return float(np.sum(np.square(W @ H - ulpm.one_hot(y, len(W)))) / 2)


@door
def squared_gradient(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The gradient of :func:`squared_loss`: :math:`E H^\top` and :math:`W^\top E` with :math:`E = W H - Y`.

    Source
    ------
    Derivative of the squared loss.
    """
    E = W @ H - ulpm.one_hot(y, len(W))  # (K, M)
    return E @ H.T, W.T @ E


def _sizes(y, K):
    """The class sizes as floats ``(K,)``; raise ``ValueError`` naming ``y`` for an empty class."""
    counts = np.bincount(y, minlength=K)
    if counts.min() == 0:
        raise ValueError(
            f"y: expected at least one sample in each of the {K} classes, got class sizes {counts.tolist()}"
        )
    return counts.astype(float)


def _padded(A, d):
    """The columns of A and zero columns after them, d in all."""
    return np.pad(A, ((0, 0), (0, d - A.shape[1])))


@door
def squared_optimum(
    y: Int[ndarray, " M"], K: Classes, d: Count, decay: Positive
) -> tuple[Float[ndarray, "{K} {d}"], Float[ndarray, "{d} M"]]:
    r"""A minimiser of :math:`\frac12 \|W H - Y\|_F^2 + \frac\lambda2 (\|W\|_F^2 + \|H\|_F^2)`, when d ≥ K.

    :math:`w_k = a_k e_k` and :math:`h_{k,i} = a_k e_k / \sqrt{n_k}` with orthonormal :math:`e_k` and
    :math:`a_k^2 = \max(\sqrt{n_k} - \lambda, 0)`. All others are its images under orthogonal maps.

    Raises
    ------
    ValueError
        Naming ``y``, for an empty class, or ``d``, for d < K.

    Source
    ------
    Chapter on the other models, theorem on the squared loss.

    Examples
    --------
    >>> W, H = squared_optimum([0, 0, 0, 0, 1], 2, 2, decay=0.5)
    >>> W @ H
    array([[0.75, 0.75, 0.75, 0.75, 0.  ],
           [0.  , 0.  , 0.  , 0.  , 0.5 ]])
    """
    if d < K:
        raise ValueError(f"d: expected d ≥ K = {K}, the least dimension of K orthogonal vectors, got {d}")
    roots = np.sqrt(_sizes(y, K))
    A = _padded(np.diag(np.sqrt(np.maximum(roots - decay, 0))), d)  # (K, d)
    return A, (A / roots[:, None]).T[:, y]


def _spectrum(y, K):
    """The positive eigenvalues ``(K−1,)`` of Π D Π, and the eigenvectors ``(K, K−1)``."""
    centring = np.eye(K) - 1 / K
    values, vectors = np.linalg.eigh(centring * _sizes(y, K) @ centring)
    return values[1:], vectors[:, 1:]


@door
def separation_value(y: Int[ndarray, " M"], K: Classes) -> float:
    r"""The least value of (5) for any class sizes, when d ≥ K − 1: :math:`\mathrm{tr}\,(\Pi D \Pi)^{1/2}`.

    Raises
    ------
    ValueError
        Naming ``y``, for an empty class.

    Source
    ------
    Chapter on the other models, theorem on unequal classes; Thrampoulidis et al. (2022).

    Examples
    --------
    >>> round(separation_value(ulpm.balanced_labels(4, 9), 4), 9)  # (K − 1) √n
    9.0
    """
    return float(np.sqrt(_spectrum(y, K)[0]).sum())


@door
def separation_optimum(
    y: Int[ndarray, " M"], K: Classes, d: Count
) -> tuple[Float[ndarray, "{K} {d}"], Float[ndarray, "{d} M"]]:
    r"""A minimiser of (5) for any class sizes, when d ≥ K − 1.

    :math:`W H = \Pi Y`, :math:`W W^\top = (\Pi D \Pi)^{1/2}`, and the features of class k all equal :math:`\bar h_k` with
    :math:`\bar H^\top \bar H = ((\Pi D \Pi)^{1/2})^+`. All others are its images under orthogonal maps.

    Raises
    ------
    ValueError
        Naming ``y``, for an empty class, or ``d``, for d < K − 1.

    Source
    ------
    Chapter on the other models, theorem on unequal classes; Thrampoulidis et al. (2022).

    Examples
    --------
    >>> W, H = separation_optimum([0, 0, 0, 1], 2, 3)
    >>> (W @ H).round(9)
    array([[ 0.5,  0.5,  0.5, -0.5],
           [-0.5, -0.5, -0.5,  0.5]])
    """
    validate.room(d, K)
    values, vectors = _spectrum(y, K)
    return _padded(vectors * values**0.25, d), _padded(vectors * values**-0.25, d).T[:, y]


@door
def separation_multipliers(y: Int[ndarray, " M"], K: Classes) -> Float[ndarray, "{K} M"]:
    r"""The multipliers of (5) for any class sizes: minus the entries of :math:`((\Pi D \Pi)^{1/2})^+ Y` at wrong classes.

    They have the layout of :mod:`ncpaper.kkt` and are positive at all wrong classes.

    Raises
    ------
    ValueError
        Naming ``y``, for an empty class.

    Source
    ------
    Chapter on the other models, theorem on unequal classes.

    Examples
    --------
    >>> separation_multipliers([0, 1], 2).round(9)
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    values, vectors = _spectrum(y, K)
    root = vectors * values**-0.5 @ vectors.T  # (K, K)
    np.fill_diagonal(root, 0.0)
    return (0.0 - root)[:, y]


@door
def margin_bound(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The bound of Lemma 3.1 for any class sizes, :math:`(\|W\|_F^2 + \|H\|_F^2) / (2\,\mathrm{tr}\,(\Pi D \Pi)^{1/2})`.

    Raises
    ------
    ValueError
        Naming ``y``, for an empty class.

    Source
    ------
    Chapter on the other models, theorem on unequal classes.

    Examples
    --------
    >>> round(margin_bound(np.eye(3), np.eye(3), [0, 1, 2]), 9)
    1.5
    """
    return ulpm.squared_norm(W, H) / (2 * separation_value(y, len(W)))


@door
def decayed_optimum(
    y: Int[ndarray, " M"], K: Classes, d: Count, decay: Positive, seed: Natural = 0
) -> tuple[Float[ndarray, "{K} {d}"], Float[ndarray, "{d} M"]]:
    r"""A minimiser of (4) with weight decay, for any class sizes, found by L-BFGS from a normal initialisation.

    All features of a class are equal at a minimiser, so the unknowns are W and :math:`\sqrt{n_k}\,\bar h_k`. For d > K
    every local minimum is a global one (chapter on weight decay).

    Raises
    ------
    ValueError
        Naming ``y``, for an empty class.

    Source
    ------
    The loss (4) with weight decay; nothing in it knows the geometry of the minimiser.
    """
    sizes, classes, rng = _sizes(y, K), np.arange(K), np.random.default_rng(seed)
    first = rng.standard_normal((K, d)), rng.standard_normal((d, K))

    def objective(x):
        W, B = flow.split(x, first)
        H = B / np.sqrt(sizes)  # (d, K)
        G = ulpm.logit_gradient(W, H, classes) * sizes  # (K, K)
        value = ulpm.sample_losses(W, H, classes) @ sizes + decay / 2 * (x @ x)
        return value, flow.join(G @ H.T, W.T @ G / np.sqrt(sizes)) + decay * x

    options = {"maxiter": 20000, "maxfun": 40000, "ftol": 0.0, "gtol": 1e-10 * decay}
    W, B = flow.split(minimize(objective, flow.join(*first), jac=True, method="L-BFGS-B", options=options).x, first)
    return W, (B / np.sqrt(sizes))[:, y]
