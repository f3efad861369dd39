r"""Local minima on the sphere, proved in interval arithmetic: orthogonal simplices, and classes on a line.

An interval of ``mpmath.iv`` holds the exact number, so what is shown for the interval is shown for the number. All points
have one sample in each class; for n samples multiply every radius by :math:`n^{1/4}`. Sizes are the numbers of classes of
the groups; an interval of multipliers lies within (0, 1).
"""

import numpy as np
from mpmath import iv
from scipy.optimize import brentq


def positive_definite(A):
    """Whether elimination proves every symmetric matrix inside the interval matrix ``A (D, D)`` positive definite.

    ``False`` says only that this is not proved. A congruence with the rounded inverse of the Cholesky factor of the
    midpoints brings the matrix near the identity first; that is exact whatever the rounding.

    Source
    ------
    The pivots of a symmetric elimination.

    Examples
    --------
    >>> positive_definite([[2, 1], [1, 2]]), positive_definite([[1, 2], [2, 1]])
    (True, False)
    """
    A = _intervals(A)
    try:
        T = _intervals(np.linalg.inv(np.linalg.cholesky(_middle(A))))
    except np.linalg.LinAlgError:
        return False
    A = T @ A @ T.T
    for i in range(len(A)):
        if not A[i, i] > 0:
            return False
        A[i + 1 :, i + 1 :] -= np.outer(A[i + 1 :, i], A[i, i + 1 :]) / A[i, i]  # the Schur complement
    return True


def _intervals(A):
    """The array of intervals that hold the entries of A."""
    return np.frompyfunc(iv.mpf, 1, 1)(np.asarray(A, dtype=object))


def _middle(A):
    """The midpoints of an array of intervals, in float64."""
    return np.frompyfunc(lambda x: float(x.mid), 1, 1)(A).astype(float)


def _square(u):
    """The matrix of the quadratic form that squares the linear form u."""
    return np.outer(u, u)


def _product(u, v):
    """The matrix of the quadratic form that multiplies two linear forms."""
    return (np.outer(u, v) + np.outer(v, u)) / 2


def _require(proved):
    """Raise ``ArithmeticError`` where an enclosure is not proved."""
    if not proved:
        raise ArithmeticError("an enclosure is not proved: rounding is too coarse here")


# Orthogonal simplices


def group_multiplier(a, k, K):
    r"""The number :math:`1 + r - p` of a simplex of k among K classes, with Gram matrix :math:`a\,(I - J/k)`.

    It decreases in a, from 1 to 0.

    Source
    ------
    Chapter on Theorem 3.4.

    Examples
    --------
    >>> float(group_multiplier(0, 3, 5).mid)
    1.0
    """
    e = iv.exp(-iv.mpf(a) / k)
    return (K - k + k * e) / (K - k + (k - 1) * e + e * iv.exp(a))


def group_scale(lam, k, K):
    """An interval that holds the scale a of :func:`group_multiplier` for every multiplier in the interval λ.

    Two floats are found, and proved to lie on either side. A single class rests at the origin, with scale zero.

    Raises
    ------
    ValueError
        Naming ``lam``, unless it lies within (0, 1).

    Source
    ------
    Chapter on Theorem 3.4.
    """
    lam = iv.mpf(lam)
    if not 0 < lam < 1:
        raise ValueError(f"lam: expected an interval within (0, 1), got {lam}")
    if k == 1:
        return iv.mpf(0)
    ends = [brentq(lambda a, x=x: float(group_multiplier(a, k, K).mid) - x, 0, 700) for x in map(float, (lam.b, lam.a))]
    room = 1e-11 * (1 + ends[1])
    a = iv.mpf([ends[0] - room, ends[1] + room])
    _require(group_multiplier(a.a, k, K) > lam > group_multiplier(a.b, k, K))
    return a


def simplices_radius(sizes, lam):
    r"""The radii of orthogonal simplices with multiplier in the interval λ: :math:`\rho^2 = 2 \sum_g (k_g - 1)\,a_g`.

    Source
    ------
    Chapter on Theorem 3.4.
    """
    return iv.sqrt(2 * sum((k - 1) * group_scale(lam, k, sum(sizes)) for k in sizes))


def simplices_loss(sizes, lam):
    """The losses of orthogonal simplices with multiplier in the interval λ.

    Source
    ------
    Chapter on Theorem 3.4.
    """
    K = sum(sizes)
    a = [group_scale(lam, k, K) for k in sizes]
    return sum(
        k * iv.log((k - 1) * iv.exp(-s) + 1 + (K - k) * iv.exp(s / k - s)) for k, s in zip(sizes, a, strict=True)
    )


def simplices_multiplier(sizes, radius):
    """An interval that holds the multiplier λ of the orthogonal simplices on the sphere of the given radius.

    The radius decreases in λ; it is proved to lie between the radii of the ends.

    Source
    ------
    Chapter on Theorem 3.4.
    """
    far = brentq(lambda t: float(simplices_radius(sizes, iv.exp(t)).mid) - radius, -60, -1e-6, xtol=1e-14)
    lam = iv.exp(far) * iv.mpf([1 - 1e-10, 1 + 1e-10])
    _require(simplices_radius(sizes, lam.a) > radius > simplices_radius(sizes, lam.b))
    return lam


def simplices_block(sizes, lam, h):
    r"""The block :math:`B_h` of the Hessian at orthogonal simplices, over an interval of multipliers.

    Coordinates :math:`X_1, \dots, X_m, Y_1, \dots, Y_m` and, for a group of three classes or more, ζ.
    Returns an interval matrix ``(2m + 1, 2m + 1)``, or ``(2m, 2m)`` for a pair.

    Source
    ------
    Chapter on Theorem 3.4.
    """
    K, m, k = sum(sizes), len(sizes), sizes[h]
    a = [group_scale(lam, s, K) for s in sizes]
    o = [1 / (K - s + (s - 1) * iv.exp(-b / s) + iv.exp(b - b / s)) for s, b in zip(sizes, a, strict=True)]
    p, r = iv.exp(a[h] - a[h] / k) * o[h], iv.exp(-a[h] / k) * o[h]
    unit = _intervals(np.eye(2 * m + 1, dtype=int))
    X, Y, zeta = unit[:m], unit[m:-1], unit[-1]  # linear forms, as rows of coefficients
    c, e = Y[h] - zeta / k, X[h] - zeta / k
    f, total = c + e + zeta, sum(X[g] * sizes[g] for g in range(m))
    mean = f * p + e * (r * (k - 1)) - c * r + (total - X[h] * k) * o[h]
    B = _square(f) * p + ((_square(c) + _square(e)) * (k - 1) - 2 * _product(c, e)) * r - _square(mean)
    B += sum(_square(X[g]) * (o[h] * sizes[g]) for g in range(m) if g != h)
    B = B * a[h] + sum(_square(Y[g]) * (a[h] * o[g] * sizes[g]) for g in range(m) if g != h)
    for g in range(m):
        B += ((_square(X[g]) + _square(Y[g])) * lam + 2 * _product(Y[g], total - X[g] * K) * o[g]) * sizes[g]
    return B if k > 2 else B[:-1, :-1]


def simplices_are_minimal(sizes, lam):
    """Whether orthogonal simplices with any multiplier in the interval λ are proved strict local minima, rotations apart.

    ``False`` says only that this is not proved: see :func:`simplices_descend`.

    Source
    ------
    Chapter on Theorem 3.4: all blocks are positive definite.
    """
    return all(positive_definite(simplices_block(sizes, lam, h)) for h, k in enumerate(sizes) if k > 1)


def simplices_descend(sizes, lam, h):
    """Whether block h is proved to have a negative direction, for every multiplier in the interval λ.

    Source
    ------
    The direction tried is the first eigenvector at the midpoint, rounded.
    """
    B = simplices_block(sizes, lam, h)
    v = _intervals(np.linalg.eigh(_middle(B))[1][:, 0])
    return bool(v @ B @ v < 0)


# Classes on a line


def line_equations(sizes, x, radius):
    r"""The equations of a critical point for d = 1, where groups of classes share their w and h, and what follows.

    ``x (2m + 1,)`` lists w and h of the m groups, then λ. Returns the left sides ``(2m + 1,)``; their derivative
    ``(2m + 1, 2m + 1)``, the Hessian bordered by the point; the numbers ``(m,)`` that decide whether a group stays
    together; and the loss.

    Source
    ------
    Chapter on Theorem 3.4.
    """
    m, k, radius = len(sizes), np.array(sizes, dtype=object), iv.mpf(radius)
    w, h, lam = x[:m], x[m:-1], x[-1]
    E = np.frompyfunc(iv.exp, 1, 1)(h[:, None] * (w - w[:, None]))  # (sample, class), with 1 for the true class
    P = E / (E @ k)[:, None]
    gap = w - (P @ (k * w))[:, None]  # w_j − E_m w
    variance = (gap * gap * P) @ k
    theta, h2 = np.tile(k, 2) * x[:-1], k * h * h
    F = np.concatenate(
        [k * ((k * h) @ P - h + w * lam), k * (h * lam - np.diag(gap)), [(theta @ x[:-1] - radius**2) / 2]]
    )
    A = np.zeros((2 * m + 1, 2 * m + 1), dtype=object)
    A[:m, :m] = np.diag(k * (h2 @ P + lam)) - (P * k).T @ (h2[:, None] * P * k)
    A[m:-1, m:-1] = np.diag(k * (variance + lam))
    A[m:-1, :m] = k[:, None] * P * k * (h[:, None] * gap + 1) - np.diag(k)
    A[:m, m:-1] = A[m:-1, :m].T
    A[-1, :-1] = A[:-1, -1] = theta
    loss = k @ np.frompyfunc(iv.log, 1, 1)(E @ k)
    return F, _intervals(A), (h2 @ P + lam) * (variance + lam) - 1, loss


def line_point(sizes, guess, radius):
    """Intervals ``(2m + 1,)`` that are proved to hold exactly one critical point on the sphere; ``None`` if they are not.

    Newton's method leads there from the guess; then Krawczyk's operator maps a box around into its own inside.

    Source
    ------
    Interval analysis.
    """
    x = np.asarray(guess, dtype=float)
    for _ in range(60):
        F, A, *_ = line_equations(sizes, _intervals(x), radius)
        step = np.linalg.solve(_middle(A), _middle(F))
        x = x - step * min(1, 0.3 / np.abs(step).max())
    C = _intervals(np.linalg.inv(_middle(A)))
    move = C @ line_equations(sizes, _intervals(x), radius)[0]
    box = move * iv.mpf([-4, 4]) + iv.mpf([-1e-13, 1e-13])
    J = line_equations(sizes, box + x, radius)[1]
    image = -move + (_intervals(np.eye(len(x), dtype=int)) - C @ J) @ box
    return box + x if all(b.a < i.a and i.b < b.b for i, b in zip(image, box, strict=True)) else None


def line_is_minimal(sizes, x):
    """Whether the critical point held by the intervals ``x (2m + 1,)`` is proved a strict local minimum on its sphere.

    Source
    ------
    Chapter on Theorem 3.4: λ > 0, the Hessian is positive where groups stay together, and no group gains by parting.
    """
    _, A, apart, _ = line_equations(sizes, x, 1)
    together = all(part > 0 for part, k in zip(apart, sizes, strict=True) if k > 1)
    return bool(x[-1] > 0) and together and positive_definite(A[:-1, :-1] + _square(A[:-1, -1]))
