r"""Example 3.1 in exact arithmetic: four classes, one sample each, :math:`W = H = C\,B` with the B of (7).

Matrices are sympy matrices with W (4, 4), H (4, 4), the sample m of class m; K = 4 and n = 1 throughout.
Everything that depends on C depends on :math:`a = C^2`, and the probabilities are rational in :math:`x = e^{2a}`.
The functions do not use :func:`ncpaper.validate.door`, which converts arguments to float64. A scalar is a sympy
expression or a real number, and never a text, which sympy would evaluate. For anything else the functions raise
``ValueError``, naming the argument.
"""

import numbers

import sympy as sp

from ncpaper import validate

#: The scale of (7) and its square; the angle on the great circle; the parameter s = 1 + α of the family (10).
C, a, phi, s = sp.Symbol("C", real=True), *sp.symbols("a varphi s", positive=True)

#: The matrix B of (7) and the axis u, which tells the first pair of classes from the second.
B = sp.Matrix([[1, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]])
u = sp.Matrix([1, 1, -1, -1]) / 2


def _scalar(name, value):
    """Return ``value`` as a sympy expression; raise ``ValueError`` naming ``name`` unless it is an expression or real."""
    matrix = getattr(value, "is_Matrix", False)  # some matrices of sympy are expressions
    known = isinstance(value, (sp.Expr, numbers.Real)) and not (matrix or isinstance(value, bool))
    found = sp.sympify(value) if known else sp.nan
    if found.is_extended_real is False or found.has(sp.nan, sp.oo, -sp.oo, sp.zoo):
        raise ValueError(f"{name}: expected a finite real number or a sympy expression, got {value!r}")
    return found


def _matrix(name, value):
    """Return ``value``; raise ``ValueError`` naming ``name`` unless it is a sympy matrix."""
    if not isinstance(value, sp.MatrixBase):
        raise ValueError(f"{name}: expected a sympy matrix, got {type(value).__name__}")
    return value


def gaps(W, H):
    r"""How far every class lies behind the true one, :math:`z_{mm} - z_{jm}` with Z = W H.

    Returns
    -------
    sympy.Matrix
        ``(4, 4)``, zero on the diagonal.

    Source
    ------
    The constraints of (5).

    Examples
    --------
    >>> gaps(B, B)[:, 0].T
    Matrix([[0, 4, 2, 2]])
    """
    Z = _matrix("W", W) * _matrix("H", H)
    return sp.Matrix(*Z.shape, lambda j, m: Z[m, m] - Z[j, m])


def loss(W, H):
    r"""The loss (4), :math:`\sum_m \log \sum_j e^{-(z_{mm} - z_{jm})}`.

    Source
    ------
    Eq. (4).

    Examples
    --------
    >>> loss(0 * B, 0 * B)
    4*log(4)
    """
    E = gaps(W, H).applyfunc(lambda gap: sp.exp(-gap))
    return sp.Add(*(sp.log(sp.Add(*E[:, m])) for m in range(E.cols)))


def logit_gradient(W, H):
    r"""The derivative of the loss in the logits, G = P − Y.

    Returns
    -------
    sympy.Matrix
        ``(4, 4)``.

    Source
    ------
    Derivative of (4).

    Examples
    --------
    >>> logit_gradient(0 * B, 0 * B)[:, 0].T
    Matrix([[-3/4, 1/4, 1/4, 1/4]])
    """
    E = gaps(W, H).applyfunc(lambda gap: sp.exp(-gap))
    return sp.Matrix(*E.shape, lambda j, m: E[j, m] / sp.Add(*E[:, m])) - sp.eye(E.rows)


def gradient(W, H):
    r"""The gradient of (4): :math:`G H^\top` and :math:`W^\top G`.

    Returns
    -------
    tuple of sympy.Matrix
        Two of ``(4, 4)``.

    Source
    ------
    Derivative of (4).
    """
    G = logit_gradient(W, H)
    return G * H.T, W.T * G


def gradient_factor(c):
    r"""The factor λ of the gradient at scale c: :math:`\nabla_W \mathcal L = \nabla_H \mathcal L = -\lambda\,c\,B`.

    .. math:: \lambda = \frac{2}{1 + e^{2 c^2}} = 1 - \tanh c^2 .

    Source
    ------
    Eq. (9), corrected.

    Examples
    --------
    >>> gradient_factor(0)
    1
    """
    return 2 / (1 + sp.exp(2 * _scalar("c", c) ** 2))


def printed_gradient_factor(c):
    r"""The factor of eq. (9) as printed, :math:`(2 + 2e^{-2c^2}) / (2 + 2e^{-2c^2} + 2e^{2c^2})`: too small.

    Source
    ------
    Eq. (9).

    Examples
    --------
    >>> printed_gradient_factor(0)
    2/3
    """
    c = _scalar("c", c)
    up, down = sp.exp(2 * c**2), sp.exp(-2 * c**2)
    return (2 + 2 * down) / (2 + 2 * down + 2 * up)


def printed_multipliers():
    r"""The matrix Λ of (8); the entry (j, m) belongs to the constraint of sample m against class j.

    Source
    ------
    Eq. (8).
    """
    return sp.kronecker_product(sp.Matrix([[0, 1], [1, 0]]), sp.ones(2)) / 2


def stationarity(W, H, Lam):
    r"""What the stationarity of (5) leaves: :math:`W - S H^\top` and :math:`H - W^\top S`.

    S has the entries :math:`-\lambda_{jm}` off the diagonal and columns that sum to zero. Both are zero exactly where
    (W, H) is stationary with the multipliers Λ.

    Source
    ------
    Lagrangian of (5).

    Examples
    --------
    >>> any(any(r) for r in stationarity(B / sp.sqrt(2), B / sp.sqrt(2), printed_multipliers()))
    False
    """
    W, H, Lam = _matrix("W", W), _matrix("H", H), _matrix("Lam", Lam)
    S = sp.diag(*(sum(Lam[:, m]) for m in range(Lam.cols))) - Lam
    return W - S * H.T, H - W.T * S


def printed_family(c, s):
    r"""The matrix :math:`W' = H'` of (10) at α = s − 1, :math:`\beta = -\sqrt{s (2 - s) / 2}`, for 0 < s < 1.

    At s = 0 it is c B.

    Source
    ------
    Eq. (10).

    Examples
    --------
    >>> printed_family(1, 0) == B
    True
    """
    c, s = _scalar("c", c), _scalar("s", s)
    near = sp.Matrix([[1, s - 1], [s - 1, 1]])  # within a pair of classes
    return c * (sp.kronecker_product(sp.eye(2), near) - sp.sqrt(s * (2 - s) / 2) * (sp.ones(4) - abs(B)))


def great_circle(c, phi):
    r"""The matrix :math:`W = H = c\,(\cos\varphi\,B + \sqrt8 \sin\varphi\,u u^\top)`: of the norm of c B, columns centred.

    At φ = 0 it is c B, at :math:`\tan\varphi = 1/\sqrt2` a simplex ETF, and the loss falls strictly in between.
    Source
    ------
    Chapter on Example 3.1, in place of eq. (10).

    Examples
    --------
    >>> 2 * great_circle(1, sp.atan(1 / sp.sqrt(2))).T.col(0).T / sp.sqrt(6)
    Matrix([[1, -1/3, -1/3, -1/3]])
    """
    c, phi = _scalar("c", c), _scalar("phi", phi)
    return c * (sp.cos(phi) * B + sp.sqrt(8) * sp.sin(phi) * u * u.T)


def margin_ratio(tau):
    r"""The margin over the bound of Lemma 3.1 at :math:`W = H = x\,(B/2 + \tau\,u u^\top)`, 0 ≤ τ ≤ 1.

    .. math:: \frac{3}{2} \cdot \frac{1 + \tau^2}{2 + \tau^2}

    It rises from 3/4 at Example 3.1 to 1 at the simplex ETF.

    Source
    ------
    Chapter on Example 3.1.

    Examples
    --------
    >>> margin_ratio(0), margin_ratio(1)
    (3/4, 1)
    """
    tau = _scalar("tau", tau)
    return sp.Rational(3, 2) * (1 + tau**2) / (2 + tau**2)


def clock(a):
    r"""The time of the gradient flow along the ray, up to a constant: :math:`t = \frac14 (\log a + \mathrm{Ei}(2a))`.

    It solves :math:`\dot a = 2 \lambda a`, a = C².

    Source
    ------
    Chapter on Example 3.1.

    Examples
    --------
    >>> sp.expand(4 * a * sp.diff(clock(a), a))  # 2 / λ
    exp(2*a) + 1
    """
    a = _scalar("a", a)
    return (sp.log(a) + sp.Ei(2 * a)) / 4


def hessian(a, x):
    r"""The Hessian on the sphere at C B, before the projection: :math:`\nabla^2 \mathcal L + \lambda I`.

    For ``x`` = :math:`e^{2a}`; kept apart from a = C², every entry is rational in both. W and H are read row by row.

    Returns
    -------
    sympy.Matrix
        ``(32, 32)``.

    Source
    ------
    Second derivative of (4).
    """
    a, x = _scalar("a", a), _scalar("x", x)
    P = sp.Matrix([[x**2, 1, x, x], [1, x**2, x, x], [x, x, x**2, 1], [x, x, 1, x**2]]) / (1 + x) ** 2
    I4, G = sp.eye(4), P - sp.eye(4)
    dZ = sp.Matrix.hstack(sp.kronecker_product(I4, B), sp.kronecker_product(B, I4))  # (16, 32)  ΔZ = C dZ (ΔW, ΔH)
    F = sp.Matrix(16, 16, lambda r, c: (P[r] if r == c else 0) - (P[r] * P[c] if r % 4 == c % 4 else 0))
    mixed = sp.Matrix(16, 16, lambda r, c: G[r // 4, c % 4] if r % 4 == c // 4 else 0)  # ⟨G, ΔW ΔH⟩
    bend = sp.Matrix(sp.BlockMatrix([[sp.zeros(16), mixed], [mixed.T, sp.zeros(16)]]))
    return a * dZ.T * F * dZ + bend + 2 / (1 + x) * sp.eye(32)


def eigenpairs(a, x):
    r"""The 27 eigenpairs of :func:`hessian` on the tangent space that are rational in a and :math:`x = e^{2a}`.

    Pairwise orthogonal, not normalised. The four that are left come from :func:`inner_block`, twice.

    Yields
    ------
    tuple
        ``(eigenvalue, dW, dH)``.

    Source
    ------
    Chapter on Example 3.1, theorem on the spectrum.
    """
    a, x = _scalar("a", a), _scalar("x", x)
    o, e, f, v = sp.ones(4, 1), sp.Matrix([1, -1, 0, 0]), sp.Matrix([0, 0, 1, -1]), 2 * u
    T = (x - 1) / (x + 1)
    lam, sigma = 1 - T, 1 - T**2
    for c in (o, v):  # coordinates outside the plane: the eigenvectors of G, in pairs
        for r, g in ((v, -sigma), (e, -lam), (f, -lam), (o, 0)):
            yield lam + g, r * c.T, c * r.T
            yield lam - g, r * c.T, -c * r.T
    for S in (e * e.T + f * f.T, e * e.T - f * f.T, e * f.T + f * e.T):
        yield 2 * lam, S, -S
    for S in (e * e.T - f * f.T, e * f.T + f * e.T):
        yield 2 * a * sigma, S, S
    S = e * f.T - f * e.T
    yield sp.S.Zero, S, -S  # the rotation of the plane
    yield 2 * lam + 2 * a * sigma, S, S
    for c, r in ((e, v), (f, -v)):  # exchanging the pairs exchanges e and f and changes the sign of u
        yield lam, o * c.T, sp.zeros(4)
        yield lam + a * sigma, sp.zeros(4), c * ((a * T - 1) * o - a * T * r).T


def inner_block(a, x):
    r"""The block of :func:`hessian` on the directions :math:`(u c^\top, 0), (0, c o^\top), (0, c u^\top)`.

    Here c is one of the two coordinates of the plane and :math:`o = \frac12 \mathbf 1`, all normalised; rational in a
    and :math:`x = e^{2a}`.

    Returns
    -------
    sympy.Matrix
        ``(3, 3)``.

    Source
    ------
    Chapter on Example 3.1, theorem on the spectrum.
    """
    a, x = _scalar("a", a), _scalar("x", x)
    T = (x - 1) / (x + 1)
    lam, sigma = 1 - T, 1 - T**2
    top, to_o, to_u = lam + a * sigma * (1 + T**2), a * sigma * T, sigma * (a * T - 1)
    return sp.Matrix([[top, to_o, to_u], [to_o, lam + a * sigma, 0], [to_u, 0, lam + a * sigma]])


def spectrum(a, d):
    r"""The spectrum of the Hessian on the sphere at Example 3.1 in dimension d: eigenvalue → multiplicity.

    For d ≠ 4 the point is B in coordinates of its plane, with d − 2 zero columns of W and zero rows of H.
    The multiplicities add up to the 8 d − 1 dimensions of the tangent space.

    Raises
    ------
    ValueError
        Naming the argument, unless a = C² is positive and d an integer of at least 2.

    Source
    ------
    Chapter on Example 3.1, theorem on the spectrum.

    Examples
    --------
    >>> sum(spectrum(a, 4).values())
    31
    """
    a, spare = _scalar("a", a), validate.integer("d", d, 2) - 2
    if not a.is_positive:
        raise ValueError(f"a: expected a positive number, C² with C ≠ 0, got {a}")
    T = sp.tanh(a)
    lam, sigma = 1 - T, 1 - T**2
    plane = [
        (2 * lam, 3),
        (2 * a * sigma, 2),
        (lam + a * sigma, 2),
        (2 * lam + 2 * a * sigma, 1),
        (lam, 2),
        (sp.S.Zero, 1),
    ]
    middle, root = lam + a * sigma * (1 + T**2 / 2), sigma * sp.sqrt(a**2 * T**4 / 4 + a**2 * T**2 + (a * T - 1) ** 2)
    plane += [(middle + root, 2), (middle - root, 2)]
    outside = [(lam - sigma, 1), (sp.S.Zero, 2), (lam, 2), (2 * lam, 2), (lam + sigma, 1)]
    multiplicities = {}
    for mu, count in plane + [(mu, spare * count) for mu, count in outside if spare]:
        multiplicities[mu] = multiplicities.get(mu, 0) + count
    return multiplicities
