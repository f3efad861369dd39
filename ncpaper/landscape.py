r"""The loss (4) on the sphere :math:`\|W\|_F^2 + \|H\|_F^2 = \rho^2`: gradient, Hessian, minimum, descent directions.

A direction at θ = (W, H) is a pair ``dW (K, d)``, ``dH (d, M)``. Everywhere :math:`G = P - Y` is the derivative of the
loss in the logits and :math:`\lambda = -\langle\theta, \nabla\mathcal L\rangle / \rho^2`, so that θ is a critical point
on its sphere exactly when :math:`\nabla\mathcal L = -\lambda\,\theta`. The origin has no sphere: a function of a point
raises ``ValueError`` there, naming W and H.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import least_squares, minimize

from ncpaper import flow, points, ulpm
from ncpaper.validate import Classes, Count, Positive, Real, door


@door
def project(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], dW: Float[ndarray, "K d"], dH: Float[ndarray, "d M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The orthogonal projection of (ΔW, ΔH) to the tangent space at θ = (W, H).

    Subtracts :math:`\frac{\langle\theta, \Delta\rangle}{\rho^2}\,\theta`.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    Definition 3.2, eq. (12).

    Examples
    --------
    >>> project([[1.0], [0.0]], [[1.0]], [[2.0], [3.0]], [[0.0]])
    (array([[1.],
           [3.]]), array([[-1.]]))
    """
    s = (np.vdot(W, dW) + np.vdot(H, dH)) / ulpm.squared_radius(W, H)
    return dW - s * W, dH - s * H


@door
def multiplier(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> float:
    r"""The multiplier :math:`\lambda = -\langle\theta, \nabla\mathcal L(\theta)\rangle / \rho^2`.

    By homogeneity :math:`\lambda = -2 \langle G, W H\rangle / \rho^2`.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    Chapter on Theorem 3.4.
    """
    return -2 * float(np.vdot(ulpm.logit_gradient(W, H, y), np.matmul(W, H))) / ulpm.squared_radius(W, H)


@door
def gradient(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The gradient on the sphere, :math:`\nabla\mathcal L + \lambda\,\theta`, zero exactly at its critical points.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    Definition 3.2.
    """
    return project(W, H, *ulpm.gradient(W, H, y))


@door
def hessian_vector(
    W: Float[ndarray, "K d"],
    H: Float[ndarray, "d M"],
    y: Int[ndarray, " M"],
    dW: Float[ndarray, "K d"],
    dH: Float[ndarray, "d M"],
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The Hessian on the sphere applied to a direction: :math:`\Pi\,(\nabla^2\mathcal L + \lambda)\,\Pi\,\Delta`.

    Π is :func:`project`; the term λ is what the curvature of the sphere adds.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    The second derivative of :math:`\mathcal L` along great circles.
    """
    lam = multiplier(W, H, y)
    dW, dH = project(W, H, dW, dH)
    a, b = ulpm.hessian_vector(W, H, y, dW, dH)
    return project(W, H, a + lam * dW, b + lam * dH)


@door
def flat_hessian(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> Float[ndarray, "K*d+d*M K*d+d*M"]:
    r"""The Hessian on the sphere as a symmetric matrix, for W and H read row by row as in :func:`ncpaper.flow.join`.

    It has the eigenvalue 0 at θ itself, which is no direction of the sphere.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    :func:`hessian_vector`, column by column.
    """
    columns = [hessian_vector(W, H, y, *flow.split(e, (W, H))) for e in np.eye(W.size + H.size)]
    A = np.array([flow.join(*c) for c in columns])
    return (A + A.T) / 2


@door
def spectrum(W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]) -> Float[ndarray, " K*d+d*M-1"]:
    r"""The eigenvalues of the Hessian on the sphere, increasing.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    Chapter on Theorem 3.4.

    Examples
    --------
    >>> W, H, y = points.minimiser(3, 1, 2, 2.0)  # one rotation of the plane leaves the least loss as it is
    >>> int(np.isclose(spectrum(W, H, y), 0, atol=1e-12).sum())
    1
    """
    A, theta = flat_hessian(W, H, y), flow.join(W, H)
    Q = np.linalg.qr(theta[:, None], mode="complete")[0][:, 1:]  # (D, D−1)  tangent basis
    return np.linalg.eigvalsh(Q.T @ A @ Q)


@door
def minimum(K: Classes, n: Count, radius: Positive) -> float:
    r"""The least loss on the sphere: :math:`nK \log\bigl(1 + (K-1)\,e^{-\rho^2 / (2 (K-1) \sqrt n)}\bigr)`.

    Attained for d ≥ K − 1 only.

    Source
    ------
    Theorem 3.3, in closed form.

    Examples
    --------
    >>> bool(abs(minimum(3, 4, 1e-8) - 12 * np.log(3)) < 1e-12)  # the loss of random guessing
    True
    """
    return float(n * K * np.log1p((K - 1) * np.exp(-(radius**2) / (2 * (K - 1) * np.sqrt(n)))))


@door
def saddle_direction(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[float, Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The direction of the proof of the strict saddle theorem, with its curvature.

    The best combination (Rayleigh–Ritz) of three explicit tangent directions: :math:`(-W, H)`, :math:`(u a^\top, 0)`
    and :math:`(0, -a v^\top)`, where :math:`G v = \|G\|_2\,u` and a is the least eigenvector of :math:`H H^\top`. At
    every critical point other than a minimum, for d ≥ K − 1, its curvature is the least eigenvalue of the Hessian,
    which is :math:`\lambda - \|G\|_2` where λ ≠ 0.

    Returns
    -------
    curvature, dW, dH
        The direction is tangent and has norm 1.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    Chapter on Theorem 3.4.
    """
    U, _, Vt = np.linalg.svd(ulpm.logit_gradient(W, H, y), full_matrices=False)
    a = np.linalg.eigh(H @ H.T)[1][:, 0]  # (d,)
    trial = [(-W, H), (np.outer(U[:, 0], a), 0 * H), (0 * W, -np.outer(a, Vt[0]))]
    B = np.array([flow.join(*project(W, H, *v)) for v in trial]).T  # (D, 3)
    Q, s, _ = np.linalg.svd(B, full_matrices=False)
    Q = Q[:, s > 1e-9 * s[0]]  # the three may be dependent
    AQ = np.array([flow.join(*hessian_vector(W, H, y, *flow.split(q, (W, H)))) for q in Q.T]).T
    values, vectors = np.linalg.eigh(Q.T @ AQ)
    return (float(values[0]), *flow.split(Q @ vectors[:, 0], (W, H)))


@door
def great_circle(
    W: Float[ndarray, "K d"],
    H: Float[ndarray, "d M"],
    dW: Float[ndarray, "K d"],
    dH: Float[ndarray, "d M"],
    angle: Real,
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""The point :math:`\cos\varphi\;\theta + \sin\varphi\;\rho\,\Delta/\|\Delta\|` of the sphere through θ = (W, H).

    Raises
    ------
    ValueError
        Naming W and H, at the origin; naming dW and dH, where the projection of the direction is zero.

    Source
    ------
    The geodesics of the sphere.

    Examples
    --------
    >>> V, F = great_circle([[1.0], [0.0]], [[0.0]], [[0.0], [0.0]], [[5.0]], np.pi / 2)  # a quarter of the way round
    >>> V.round(6), F.round(6)
    (array([[0.],
           [0.]]), array([[1.]]))
    """
    dW, dH = project(W, H, dW, dH)
    norm = np.sqrt(ulpm.squared_norm(dW, dH))
    if norm == 0:
        raise ValueError("dW, dH: expected a direction that is not a multiple of the point")
    s = np.sin(angle) * np.sqrt(ulpm.squared_radius(W, H)) / norm
    return np.cos(angle) * W + s * dW, np.cos(angle) * H + s * dH


@door
def local_minimum(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""A local minimum of the loss on the sphere through (W, H), from that initial point, by L-BFGS.

    Minimises :math:`\log\mathcal L(\rho\,x/\|x\|)`; :func:`critical_point` improves the end.

    Raises
    ------
    ValueError
        Naming W and H, at the origin, or where the loss on the way is too small for a float64.

    Source
    ------
    Scipy's ``L-BFGS-B``.
    """
    rho = np.sqrt(ulpm.squared_radius(W, H))

    def objective(x):
        s = rho / np.linalg.norm(x)
        P = flow.split(s * x, (W, H))
        value = ulpm.loss(*P, y)
        return np.log(value), s * flow.join(*gradient(*P, y)) / value

    options = {"maxiter": 5000, "gtol": 1e-7, "ftol": 1e-15, "maxfun": 20000}
    x = minimize(objective, flow.join(W, H), jac=True, method="L-BFGS-B", options=options).x
    return critical_point(*points.scale_to(*flow.split(x, (W, H)), rho), y)


@door
def critical_point(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"]
) -> tuple[Float[ndarray, "K d"], Float[ndarray, "d M"]]:
    r"""A critical point of the loss on the sphere through (W, H), of any kind, near that initial point.

    Solves :math:`\nabla\mathcal L + \lambda\theta = 0` by least squares (Levenberg–Marquardt), so that saddles attract
    as minima do; a last step of Newton's method, kept where it leads nearer, ends at rounding. Whether it succeeded is
    for the caller to see in :func:`gradient`.

    Raises
    ------
    ValueError
        Naming W and H, at the origin.

    Source
    ------
    Scipy's ``least_squares``.
    """
    rho = np.sqrt(ulpm.squared_radius(W, H))

    def at(x):
        return points.scale_to(*flow.split(x, (W, H)), rho)

    def residual(x):
        return flow.join(*gradient(*at(x), y))

    found = least_squares(
        residual,
        flow.join(W, H),
        jac=lambda x: flat_hessian(*at(x), y),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=300,
    ).x
    found = flow.join(*at(found))  # on the sphere, of which the Hessian is
    newton = found - np.linalg.lstsq(flat_hessian(*at(found), y), residual(found), rcond=1e-6)[0]
    return at(min(found, newton, key=lambda x: np.linalg.norm(residual(x))))
