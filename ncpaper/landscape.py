r"""The loss (4) on the sphere :math:`\|W\|_F^2 + \|H\|_F^2 = \rho^2`: gradient, Hessian, minimum, descent directions.

A direction at θ = (W, H) is a pair ``dW (K, d)``, ``dH (d, M)``. Everywhere :math:`G = P - Y` is the derivative of the
loss in the logits and :math:`\lambda = -\langle\theta, \nabla\mathcal L\rangle / \rho^2`, so that θ is a critical point
on its sphere exactly when :math:`\nabla\mathcal L = -\lambda\,\theta`.
"""

import numpy as np
from scipy.optimize import least_squares, minimize

from ncpaper import etf, ulpm, validate


def squared_radius(W, H):
    r"""The number :math:`\rho^2 = \|W\|_F^2 + \|H\|_F^2 > 0` of the sphere through (W, H).

    Raises ``ValueError`` naming W and H if both are zero: the sphere is then a point, without directions.
    Source: Theorem 3.3, whose sphere has this squared radius.

    >>> squared_radius(np.eye(2), np.eye(2))
    4.0
    """
    rho2 = ulpm.squared_norm(W, H)
    if rho2 == 0:
        raise ValueError("W, H: expected a point other than the origin, whose sphere has no directions")
    return rho2


def project(W, H, dW, dH):
    r"""The orthogonal projection of (ΔW, ΔH) to the tangent space at θ = (W, H).

    Subtracts :math:`\frac{\langle\theta, \Delta\rangle}{\rho^2}\,\theta`. Returns ``(K, d)`` and ``(d, M)``.
    Raises ``ValueError`` at the origin. Source: Definition 3.2, eq. (12).

    >>> dW, dH = project(np.ones((1, 1)), np.ones((1, 1)), np.array([[2.0]]), np.array([[0.0]]))
    >>> float(dW[0, 0]), float(dH[0, 0])
    (1.0, -1.0)
    """
    s = (np.vdot(W, dW) + np.vdot(H, dH)) / squared_radius(W, H)
    return dW - s * np.asarray(W), dH - s * np.asarray(H)


def multiplier(W, H, y):
    r"""The multiplier :math:`\lambda = -\langle\theta, \nabla\mathcal L(\theta)\rangle / \rho^2`.

    By homogeneity :math:`\lambda = -2 \langle G, W H\rangle / \rho^2`.
    Raises ``ValueError`` for a bad (W, H, y) or the origin. Source: chapter on Theorem 3.4.
    """
    return -2 * float(np.vdot(ulpm.residual(W, H, y), np.matmul(W, H))) / squared_radius(W, H)


def gradient(W, H, y):
    r"""The gradient on the sphere, :math:`\nabla\mathcal L + \lambda\,\theta`, zero exactly at its critical points.

    Returns ``(K, d)`` and ``(d, M)``, a tangent direction.
    Raises ``ValueError`` for a bad (W, H, y) or the origin. Source: Definition 3.2.
    """
    return project(W, H, *ulpm.gradient(W, H, y))


def hessian_vector(W, H, y, dW, dH):
    r"""The Hessian on the sphere applied to a direction: :math:`\Pi\,(\nabla^2\mathcal L + \lambda)\,\Pi\,\Delta`.

    Π is :func:`project`; the term λ is what the curvature of the sphere adds.
    Returns ``(K, d)`` and ``(d, M)``. Raises ``ValueError`` for a bad point or direction.
    Source: the second derivative of :math:`\mathcal L` along great circles.
    """
    lam = multiplier(W, H, y)
    dW, dH = project(W, H, dW, dH)
    a, b = ulpm.hessian_vector(W, H, y, dW, dH)
    return project(W, H, a + lam * dW, b + lam * dH)


def flat_hessian(W, H, y):
    r"""The Hessian on the sphere as a symmetric matrix ``(D, D)``, D = Kd + dM, for W and H read row by row.

    It has the eigenvalue 0 at θ itself, which is no direction of the sphere.
    Raises ``ValueError`` for a bad (W, H, y) or the origin. Source: :func:`hessian_vector`, column by column.
    """
    W, H, y = validate.point(W, H, y)
    columns = [hessian_vector(W, H, y, *split(e, W.shape, H.shape)) for e in np.eye(W.size + H.size)]
    A = np.array([join(*c) for c in columns])
    return (A + A.T) / 2


def join(W, H):
    """The entries of W and H in one vector, ``(Kd + dM,)``, row by row. Source: plain definition, for linear algebra."""
    return np.concatenate([np.ravel(W), np.ravel(H)])


def split(x, shape_W, shape_H):
    """The inverse of :func:`join` for the given shapes. Source: plain definition."""
    cut = shape_W[0] * shape_W[1]
    return x[:cut].reshape(shape_W), x[cut:].reshape(shape_H)


def spectrum(W, H, y):
    r"""The eigenvalues of the Hessian on the sphere, increasing, ``(Kd + dM − 1,)``.

    Raises ``ValueError`` for a bad (W, H, y) or the origin. Source: chapter on Theorem 3.4.
    """
    A, theta = flat_hessian(W, H, y), join(W, H)
    Q = np.linalg.qr(theta[:, None], mode="complete")[0][:, 1:]  # (D, D−1)  tangent basis
    return np.linalg.eigvalsh(Q.T @ A @ Q)


def minimum(K, n, radius):
    r"""The least loss on the sphere: :math:`nK \log\bigl(1 + (K-1)\,e^{-\rho^2 / (2 (K-1) \sqrt n)}\bigr)`.

    Attained for d ≥ K − 1 only. Raises ``ValueError`` for K < 2, n < 1 or a radius that is not positive.
    Source: Theorem 3.3, in closed form.

    >>> bool(abs(minimum(3, 4, 1e-8) - 12 * np.log(3)) < 1e-12)  # the loss of random guessing
    True
    """
    K, n, rho = validate.integer("K", K, 2), validate.integer("n", n, 1), validate.positive("radius", radius)
    return float(n * K * np.log1p((K - 1) * np.exp(-(rho**2) / (2 * (K - 1) * np.sqrt(n)))))


def minimiser(K, n, d, radius):
    r"""The collapsed point on the sphere of the given radius ρ: the one of margin :math:`\rho^2/(2(K-1)\sqrt n)`.

    Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``.
    Raises ``ValueError`` for bad sizes, d < K − 1, or a radius that is not positive. Source: Theorem 3.3.
    """
    W, H, y = etf.collapsed(K, n, d)
    return *scale_to(W, H, radius), y


def scale_to(W, H, radius):
    r"""The multiple of (W, H) with :math:`\|W\|_F^2 + \|H\|_F^2` equal to the square of the given radius.

    Raises ``ValueError`` at the origin, or for a radius that is not positive. Source: Theorem 3.3, its sphere.
    """
    s = validate.positive("radius", radius) / np.sqrt(squared_radius(W, H))
    return s * np.asarray(W), s * np.asarray(H)


def saddle_direction(W, H, y):
    r"""The direction of the proof of the strict saddle theorem, with its curvature.

    The best combination (Rayleigh–Ritz) of three explicit tangent directions: :math:`(-W, H)`, :math:`(u a^\top, 0)`
    and :math:`(0, -a v^\top)`, where :math:`G v = \|G\|_2\,u` and a is the least eigenvector of :math:`H H^\top`. At
    every critical point other than a minimum, for d ≥ K − 1, its curvature is the least eigenvalue of the Hessian,
    which is :math:`\lambda - \|G\|_2` where λ ≠ 0.

    Returns ``curvature, dW (K, d), dH (d, M)``, the direction tangent and of norm 1.
    Raises ``ValueError`` for a bad (W, H, y) or the origin. Source: chapter on Theorem 3.4.
    """
    W, H, y = validate.point(W, H, y)
    U, _, Vt = np.linalg.svd(ulpm.residual(W, H, y), full_matrices=False)
    a = np.linalg.eigh(H @ H.T)[1][:, 0]  # (d,)
    trial = [(-W, H), (np.outer(U[:, 0], a), 0 * H), (0 * W, -np.outer(a, Vt[0]))]
    B = np.array([join(*project(W, H, *v)) for v in trial]).T  # (D, 3)
    Q, s, _ = np.linalg.svd(B, full_matrices=False)
    Q = Q[:, s > 1e-9 * s[0]]  # the three may be dependent
    AQ = np.array([join(*hessian_vector(W, H, y, *split(q, W.shape, H.shape))) for q in Q.T]).T
    values, vectors = np.linalg.eigh(Q.T @ AQ)
    return (float(values[0]), *split(Q @ vectors[:, 0], W.shape, H.shape))


def great_circle(W, H, dW, dH, angle):
    r"""The point :math:`\cos\varphi\;\theta + \sin\varphi\;\rho\,\Delta/\|\Delta\|` of the sphere through θ = (W, H).

    Returns ``W (K, d)``, ``H (d, M)``. Raises ``ValueError`` at the origin, or naming dW and dH where the projection of
    the direction is zero. Source: the geodesics of the sphere.
    """
    dW, dH = project(W, H, dW, dH)
    norm = np.sqrt(ulpm.squared_norm(dW, dH))
    if norm == 0:
        raise ValueError("dW, dH: expected a direction that is not a multiple of the point")
    s = np.sin(angle) * np.sqrt(squared_radius(W, H)) / norm
    return np.cos(angle) * np.asarray(W) + s * dW, np.cos(angle) * np.asarray(H) + s * dH


def local_minimum(W, H, y):
    r"""A local minimum of the loss on the sphere through (W, H), from that start, by L-BFGS.

    Minimises :math:`\log\mathcal L(\rho\,x/\|x\|)`. Returns ``W (K, d)``, ``H (d, M)``, improved at the end by
    :func:`critical_point`. Raises ``ValueError`` for a bad (W, H, y) or the origin. Source: scipy's ``L-BFGS-B``.
    """
    W, H, y = validate.point(W, H, y)
    rho = np.sqrt(squared_radius(W, H))

    def objective(x):
        s = rho / np.linalg.norm(x)
        P = split(s * x, W.shape, H.shape)
        value = ulpm.loss(*P, y)
        return np.log(value), s * join(*gradient(*P, y)) / value

    options = {"maxiter": 5000, "gtol": 1e-7, "ftol": 1e-15, "maxfun": 20000}
    x = minimize(objective, join(W, H), jac=True, method="L-BFGS-B", options=options).x
    return critical_point(*scale_to(*split(x, W.shape, H.shape), rho), y)


def critical_point(W, H, y):
    r"""A critical point of the loss on the sphere through (W, H), of any kind, near that start.

    Solves :math:`\nabla\mathcal L + \lambda\theta = 0` by least squares (Levenberg–Marquardt), so that saddles attract
    as minima do; a last step of Newton's method, kept where it leads nearer, ends at rounding.
    Returns ``W (K, d)``, ``H (d, M)``; whether it succeeded is for the caller to see in :func:`gradient`.
    Raises ``ValueError`` for a bad (W, H, y) or the origin. Source: scipy's ``least_squares``.
    """
    W, H, y = validate.point(W, H, y)
    rho = np.sqrt(squared_radius(W, H))

    def at(x):
        return scale_to(*split(x, W.shape, H.shape), rho)

    def residual(x):
        return join(*gradient(*at(x), y))

    found = least_squares(
        residual,
        join(W, H),
        jac=lambda x: flat_hessian(*at(x), y),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=300,
    ).x
    found = join(*at(found))  # on the sphere, of which the Hessian is
    newton = found - np.linalg.lstsq(flat_hessian(*at(found), y), residual(found), rcond=1e-6)[0]
    return at(min(found, newton, key=lambda x: np.linalg.norm(residual(x))))


def self_dual(M, n, radius):
    r"""The point with class vectors M: :math:`w_k = \sqrt n\,h_{k,i}` along the columns of ``M (d, K)``, of radius ρ.

    Returns ``W (K, d)``, ``H (d, K·n)``, ``y (K·n,)``. Raises ``ValueError`` for a bad M, n or radius.
    Source: the shape of every point with :math:`W^\top W = H H^\top` and features at their class means.
    """
    M = validate.matrix("M", M)
    y = ulpm.balanced_labels(M.shape[1], n)
    return *scale_to(n**0.25 * M.T, n**-0.25 * M[:, y], radius), y


def merged_classes(groups, size, d):
    """Class vectors of a simplex ETF of ``groups`` groups, each shared by ``size`` classes: ``(d, groups·size)``.

    Raises ``ValueError`` for fewer than 2 groups, an empty group, or d < groups − 1. Source: chapter on Theorem 3.4.

    >>> np.round(merged_classes(2, 2, 1), 6)
    array([[ 1.,  1., -1., -1.]])
    """
    return np.repeat(etf.frame(groups, d), validate.integer("size", size, 1), axis=1)


def orthogonal_groups(groups, size, d):
    """Class vectors of ``groups`` simplex ETFs of ``size`` classes in orthogonal subspaces: ``(d, groups·size)``.

    With size 2 and two groups this is the point of Example 3.1. Raises ``ValueError`` for no group, groups of fewer
    than 2 classes, or d < groups·(size − 1). Source: chapter on Theorem 3.4, after Example 3.1.

    >>> np.round(orthogonal_groups(2, 2, 2), 6)
    array([[ 1., -1.,  0., -0.],
           [ 0., -0.,  1., -1.]])
    """
    size = validate.integer("size", size, 2)
    M = np.kron(np.eye(validate.integer("groups", groups, 1)), etf.frame(size, size - 1))
    if validate.integer("d", d, 1) < M.shape[0]:
        raise ValueError(f"d: expected d ≥ {M.shape[0]} = groups·(size − 1), got {d}")
    return np.vstack([M, np.zeros((d - M.shape[0], M.shape[1]))])
