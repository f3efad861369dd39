"""Example 3.1: what is exact in it, what its second family of points does, and what noise can do to it."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expi
from sympy.polys.matrices import DomainMatrix

from ncpaper import flow, kkt, landscape, margin, points, symbolic, ulpm
from tests.strategies import many, random_points, seeds

B = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]])
U = np.outer([1, 1, -1, -1], [1, 1, -1, -1]) / 4
Y = np.arange(4)
C, a, x, s, phi = symbolic.C, symbolic.a, sp.Symbol("x", positive=True), symbolic.s, symbolic.phi

scales = st.floats(0.05, 2.5)


def digits(expression):
    """The number behind an exact expression, good enough to compare losses that differ in the fortieth digit."""
    return sp.N(expression, 60)


def loss_of(M):
    """The loss at W = H = M in sixty digits, by its definition."""
    M = M.evalf(60)
    Z = M * M
    return digits(sum(sp.log(sum(sp.exp(Z[j, m] - Z[m, m]) for j in range(4))) for m in range(4)))


def exact(number):
    """A float as the rational number it is."""
    return sp.Rational(*float(number).as_integer_ratio())


def ratio(W, H):
    return margin.margin(W, H, Y) / margin.bound(W, H, Y)


def gradient(W, H):
    return ulpm.gradient(W, H, Y)


# ------------------------------------------------------------------------------------------- the printed example


@given(random_points(K=(4, 4), n=(1, 1), d=(4, 4)))
@many
def test_exact_and_floating_formulas_of_the_loss_and_its_gradient_agree(point):
    W, H, y = point
    SW, SH = sp.Matrix(W), sp.Matrix(H)
    assert np.isclose(float(symbolic.loss(SW, SH)), ulpm.loss(W, H, y), rtol=1e-10)
    for ours, theirs in zip(symbolic.gradient(SW, SH), ulpm.gradient(W, H, y), strict=True):
        assert np.allclose(np.array(ours, dtype=float), theirs, rtol=1e-9, atol=1e-12)


def test_example_3_1_classifies_perfectly_exactly_when_c_is_not_zero():
    gaps = symbolic.gaps(C * symbolic.B, C * symbolic.B)
    off = {sp.expand(gaps[j, m]) for j in range(4) for m in range(4) if j != m}
    assert off == {2 * C**2, 4 * C**2}  # positive for C ≠ 0, ties at C = 0
    assert margin.margin(0 * B, 0 * B, Y) == 0


def test_lambda_of_8_is_the_only_multiplier_of_example_3_1():
    names = sp.symbols("l0:16")
    unknown = sp.Matrix(
        4, 4, lambda j, m: names[4 * j + m] if j // 2 != m // 2 else 0
    )  # the other constraints are slack
    point = symbolic.B / sp.sqrt(2)
    assert sorted(set(symbolic.gaps(point, point)), key=float) == [0, 1, 2]
    equations = [entry for part in symbolic.stationarity(point, point, unknown) for entry in part]
    answer = sp.solve(equations, [l for l in unknown if l != 0], dict=True)
    assert len(answer) == 1
    assert unknown.subs(answer[0]) == symbolic.printed_multipliers()


def test_lambda_of_8_makes_the_kkt_residuals_vanish_at_c_squared_one_half_only():
    lam = np.array(symbolic.printed_multipliers(), dtype=float)
    assert max(map(abs, kkt.residual(B / np.sqrt(2), B / np.sqrt(2), Y, lam))) < 1e-14  # rounding
    assert max(map(abs, kkt.residual(B, B, Y, lam))) > 0.4  # slack constraints with a positive multiplier
    assert max(map(abs, kkt.residual(B / 2, B / 2, Y, lam))) > 0.4  # infeasible


def test_gradient_of_example_3_1_is_minus_lambda_times_the_point():
    W, H = sp.Matrix(4, 4, sp.symbols("w0:16")), sp.Matrix(4, 4, sp.symbols("h0:16"))
    at = dict(zip([*W, *H], [*(C * symbolic.B), *(C * symbolic.B)], strict=True))
    value = symbolic.loss(W, H)
    for variable, entry in at.items():
        slope = sp.diff(value, variable).subs(at).subs(C**2, sp.log(x) / 2)  # x = e^{2C²}
        factor = symbolic.gradient_factor(C).subs(C**2, sp.log(x) / 2)
        assert sp.cancel(sp.expand(slope + factor * entry)) == 0


def test_printed_gradient_9_is_too_short_for_every_c():
    share = (symbolic.printed_gradient_factor(C) / symbolic.gradient_factor(C)).subs(C**2, sp.log(x) / 2)
    assert sp.cancel(share - (1 + x) ** 2 / (2 * (1 + x + x**2))) == 0
    share = sp.cancel(share)  # from 2/3 at C = 0, x = 1, strictly down to 1/2
    assert share.subs(x, 1) == sp.Rational(2, 3)
    assert sp.limit(share, x, sp.oo) == sp.Rational(1, 2)
    assert sp.factor(sp.diff(share, x)) == sp.factor((1 - x**2) / (2 * (1 + x + x**2) ** 2))


@given(scales, st.floats(0.01, 3.0), st.sampled_from([-1, 1]))
@many
def test_descent_from_example_3_1_with_any_step_only_grows_the_norm(c, step, sign):
    path = flow.descend(gradient, (sign * c * B, sign * c * B), step, range(8))
    size = sign * path.observe(lambda W, H: W[0, 0])
    assert (np.diff(size) > 0).all()
    for number, (W, H) in zip(size, path.points, strict=True):
        assert np.allclose(W, sign * number * B, rtol=1e-13, atol=1e-13 * number)  # rounding of eight steps
        assert np.allclose(H, W, rtol=1e-13, atol=1e-13 * number)


@given(st.floats(0.3, 1.5))
@settings(deadline=None, max_examples=8)
def test_flow_along_the_ray_keeps_the_time_of_the_exponential_integral(c):
    at = np.array([0.0, 1.0, 30.0, 1e4])
    squares = flow.integrate(gradient, (c * B, c * B), at).observe(lambda W, H: W[0, 0] ** 2)
    assert np.allclose((np.log(squares / c**2) + expi(2 * squares) - expi(2 * c**2)) / 4, at, rtol=1e-6)
    assert float(symbolic.clock(exact(c) ** 2)) == pytest.approx(
        (2 * np.log(c) + expi(2 * c**2)) / 4, rel=1e-10, abs=1e-12
    )


# ------------------------------------------------------------------------------------------- the second family


def test_family_10_is_the_printed_one_and_keeps_the_norm():
    M = symbolic.printed_family(C, s)
    alpha, beta = sp.expand(M[0, 1] / C), M[0, 2] / C
    assert sp.expand(alpha**2 + 2 * beta**2) == 1
    assert alpha == s - 1
    assert {sp.simplify(entry / C) for entry in M} == {1, sp.simplify(alpha), sp.simplify(beta)}
    assert sp.expand(sum(entry**2 for entry in M)) == sp.expand(sum(entry**2 for entry in C * symbolic.B))


def test_distance_of_family_10_from_the_point_is_16_c_squared_s():
    shift = symbolic.printed_family(C, s) - C * symbolic.B
    assert sp.expand(2 * sum(entry**2 for entry in shift)) == sp.expand(16 * C**2 * s)


@given(st.floats(0.05, 2.0), st.floats(0.001, 0.999))
@many
def test_family_10_starts_by_raising_the_loss(c, share):
    s0 = exact(share) * sp.Rational(9, 16) * sp.exp(-4 * exact(c) ** 2)
    assert loss_of(symbolic.printed_family(exact(c), s0)) > loss_of(symbolic.printed_family(exact(c), 0))


@given(st.floats(1.0, 2.0))
@many
def test_family_10_has_a_lower_loss_within_64_c_squared_exp_of_the_point_from_c_1_on(c):
    s0 = 4 * sp.exp(-4 * exact(c) ** 2)
    assert loss_of(symbolic.printed_family(exact(c), s0)) < loss_of(symbolic.printed_family(exact(c), 0))


def critical_scale():
    """The C at which the member of (10) with equal gaps has the loss of the point."""
    gap = (1 + 1 / sp.sqrt(3)) ** 2
    return sp.sqrt(sp.nsolve(3 * sp.exp(-gap * a) - sp.exp(-4 * a) - 2 * sp.exp(-2 * a), a, 0.45, prec=30))


def test_member_of_10_with_equal_gaps_has_the_lower_loss_exactly_above_the_critical_scale():
    equal, first = 1 - 1 / sp.sqrt(3), critical_scale()
    assert abs(first - sp.Rational(6747, 10000)) < sp.Rational(1, 10000)
    for factor in (sp.Rational(1, 10), sp.Rational(1, 2), sp.Rational(999, 1000)):
        assert loss_of(symbolic.printed_family(factor * first, equal)) > loss_of(
            symbolic.printed_family(factor * first, 0)
        )
    for factor in (sp.Rational(1001, 1000), sp.Integer(2), sp.Integer(4)):
        assert loss_of(symbolic.printed_family(factor * first, equal)) < loss_of(
            symbolic.printed_family(factor * first, 0)
        )


@given(st.floats(0.02, 0.674), st.floats(1e-3, 1 - 1e-9))
@settings(deadline=None, max_examples=200)
def test_no_member_of_10_has_a_lower_loss_below_the_critical_scale(c, share):
    square, beta = c**2, -np.sqrt(share * (2 - share) / 2)
    partner = np.exp(-4 * square) * np.expm1(square * share * (4 - share))  # e^{−a(2−s)²} − e^{−4a}
    others = 2 * np.exp(-2 * square) * np.expm1(2 * square * beta * share)  # 2e^{−2a+2aβs} − 2e^{−2a}
    assert partner + others > 0


def test_great_circle_keeps_the_norm_and_meets_the_point_and_the_simplex():
    M = symbolic.great_circle(C, phi)
    assert sp.simplify(sum(entry**2 for entry in M)) == 8 * C**2
    assert symbolic.great_circle(C, 0) == C * symbolic.B
    end = symbolic.great_circle(1, sp.atan(1 / sp.sqrt(2)))
    assert sp.simplify(end.T * end - 2 * (4 * sp.eye(4) - sp.ones(4)) / 3) == sp.zeros(4)  # ‖m_k‖² = 2, cosines −1/3


@given(scales, st.floats(1e-6, 1.0), st.floats(1e-6, 1.0))
@many
def test_loss_falls_strictly_along_the_great_circle_to_the_simplex(c, one, other):
    end = sp.atan(1 / sp.sqrt(2))
    near, far = sorted([exact(one) * end, exact(other) * end])
    values = [loss_of(symbolic.great_circle(exact(c), angle)) for angle in (0, near, far)]
    assert values[0] > values[1]
    assert values[1] > values[2] or near == far


@given(scales, st.floats(1e-12, 1e-2))
@many
def test_corrected_11_holds_for_every_c_and_every_epsilon(c, epsilon):
    angle = min(sp.sqrt(exact(epsilon)) / (8 * exact(c)), sp.Rational(1, 2))  # chords are shorter than arcs, 4Cφ
    M, start = symbolic.great_circle(exact(c), angle), exact(c) * symbolic.B
    assert digits(2 * sum(entry**2 for entry in M - start)) < epsilon
    assert loss_of(M) < loss_of(start)


# ------------------------------------------------------------------------------------------- the saddle


def column(dW, dH):
    return sp.Matrix([*dW, *dH])


def field(*matrices):
    """Matrices over one field of rational functions in a and x."""
    domain = sp.QQ.frac_field(a, x)
    return [DomainMatrix.from_Matrix(m).convert_to(domain) for m in matrices]


def test_hessian_of_example_3_1_is_the_second_derivative_of_the_loss():
    H = symbolic.hessian(sp.Rational(7, 10), sp.exp(sp.Rational(7, 5)))
    lam = float(symbolic.gradient_factor(sp.sqrt(sp.Rational(7, 10))))
    point = np.sqrt(0.7) * B
    for k, e in enumerate(np.eye(32)):
        dW, dH = ulpm.hessian_vector(point, point, Y, e[:16].reshape(4, 4), e[16:].reshape(4, 4))
        theirs = np.concatenate([dW.ravel(), dH.ravel()]) + lam * e
        assert np.allclose(np.array(H[:, k].evalf(), dtype=float).ravel(), theirs, atol=1e-14)  # rounding


def test_rational_eigenpairs_of_example_3_1_are_exact_and_orthogonal_to_each_other_and_to_the_point():
    pairs = list(symbolic.eigenpairs(a, x))
    H, V, L = field(
        symbolic.hessian(a, x),
        sp.Matrix.hstack(*(column(dW, dH) for _, dW, dH in pairs)),
        sp.diag(*(value for value, _, _ in pairs)),
    )
    assert H * V == V * L
    (theta,) = field(column(symbolic.B, symbolic.B))
    assert (theta.transpose() * V).is_zero_matrix
    gram = V.transpose() * V
    assert gram.is_diagonal
    assert len(pairs) == 27
    assert all(gram[k, k].element != 0 for k in range(27))


def test_other_four_eigenvectors_of_example_3_1_span_two_equal_blocks():
    o = sp.ones(4, 1) / 2
    for c, axis in ((sp.Matrix([1, -1, 0, 0]), symbolic.u), (sp.Matrix([0, 0, 1, -1]), -symbolic.u)):
        directions = [(axis * c.T, sp.zeros(4)), (sp.zeros(4), c * o.T), (sp.zeros(4), c * axis.T)]
        V = sp.Matrix.hstack(*(column(*pair) for pair in directions))
        H, V, block = field(symbolic.hessian(a, x), V, symbolic.inner_block(a, x))
        assert V * block == H * V


def test_closed_form_of_the_spectrum_is_what_the_eigenpairs_and_the_block_give():
    rational = {sp.cancel(value): 0 for value, _, _ in symbolic.eigenpairs(a, x)}
    for value, _, _ in symbolic.eigenpairs(a, x):
        rational[sp.cancel(value)] += 1
    tanh = (x - 1) / (x + 1)
    closed = {value.subs(sp.tanh(a), tanh): count for value, count in symbolic.spectrum(a, 4).items()}
    roots = [value for value in closed if any(power.exp == sp.Rational(1, 2) for power in value.atoms(sp.Pow))]
    assert {sp.cancel(v): n for v, n in closed.items() if v not in roots} == rational
    block, one = symbolic.inner_block(a, x), symbolic.inner_block(a, x)[1, 1]
    assert [closed[r] for r in roots] == [2, 2]
    assert sp.cancel(sp.expand(sum(roots)) - (block.trace() - one)) == 0
    assert sp.cancel(sp.expand(roots[0] * roots[1]) - block.det() / one) == 0


@given(scales, st.integers(2, 6), seeds)
@many
def test_spectrum_of_example_3_1_in_every_dimension(c, d, seed):
    E = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) / np.sqrt(2)  # B = 2 E Eᵀ
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    W = 2 * c * E @ Q[:2]  # (4, d)  the point, in a random position
    found = landscape.spectrum(W, W.T, Y)
    closed = symbolic.spectrum(exact(c) ** 2, d)
    assert len(found) == sum(closed.values()) == 8 * d - 1
    expected = np.sort(np.concatenate([[float(value)] * count for value, count in closed.items()]))
    assert np.allclose(found, expected, rtol=1e-10, atol=1e-10)  # rounding of a matrix of norm about one


@given(st.floats(1e-3, 5.0), st.integers(2, 7))
@many
def test_example_3_1_has_exactly_d_minus_2_descent_directions_of_curvature_minus_lambda_tanh(c, d):
    square = exact(c) ** 2
    numbers = {value: digits(value) for value in symbolic.spectrum(square, d)}
    negative = [value for value, number in numbers.items() if number < 0]
    if d == 2:
        assert negative == []
        assert symbolic.spectrum(square, d)[sp.S.Zero] == 1  # the rotations of the plane: a minimum up to them
    else:
        assert [symbolic.spectrum(square, d)[value] for value in negative] == [d - 2]
        assert abs(numbers[negative[0]] + digits(symbolic.gradient_factor(exact(c)) * sp.tanh(square))) < 1e-40


def test_product_of_the_last_two_eigenvalues_is_positive():
    T = sp.Symbol("T", positive=True)
    product = (symbolic.inner_block(a, x).det() / symbolic.inner_block(a, x)[1, 1]).subs(x, (1 + T) / (1 - T))
    bound = T * (1 + T) * (2 + 2 * T + 3 * T**2) - T * (2 + T)  # a > T in the middle term
    claim = -T * (2 + T) + a * (1 + T) * (2 + 2 * T + 3 * T**2) + a**2 * (1 + T) ** 2 * (1 - T**2)
    assert sp.cancel(product / (1 - T) ** 2 - claim) == 0
    assert all(coefficient > 0 for coefficient in sp.Poly(bound, T).coeffs())


@given(scales)
@many
def test_first_step_of_family_10_has_positive_curvature(c):
    X = 1 - np.kron(np.eye(2), np.ones((2, 2)))
    dW, dH = landscape.hessian_vector(c * B, c * B, Y, X, X)
    lam = 2 / (1 + np.exp(2 * c**2))
    assert np.isclose((np.vdot(X, dW) + np.vdot(X, dH)) / 16, lam**2 / 2, rtol=1e-10, atol=1e-14)  # ‖(X, X)‖² = 16


@given(scales, st.floats(0.001, 0.999))
@many
def test_no_member_of_family_10_is_a_critical_point_on_the_sphere(c, share):
    M = np.array(symbolic.printed_family(exact(c), exact(share)).evalf(), dtype=float)
    slope = np.linalg.norm(landscape.gradient(M, M, Y))
    o = np.full((4, 1), 0.5)
    # the gradient has no component along 1, the point has: the two are not parallel
    assert np.abs(gradient(M, M)[0] @ o).max() < 1e-12
    assert np.linalg.norm(M @ o) > 0.4 * c * share**0.5  # √(4 − 2s) − √s ≥ √2 − 1
    assert slope > 0


# ------------------------------------------------------------------------------------------- noise


@given(random_points(), st.integers(1, 6), seeds)
@many
def test_no_weighting_of_samples_or_labels_moves_a_point_out_of_the_span_of_its_rows_and_columns(point, r, seed):
    W, H, y = point
    rng, d = np.random.default_rng(seed), W.shape[1]
    V = np.linalg.qr(rng.standard_normal((d, d)))[0][:, : min(r, d)]  # (d, r) an orthonormal basis
    W, H = W @ V @ V.T, V @ V.T @ H  # a point in the span
    for _ in range(5):
        drawn = rng.integers(0, W.shape[0], y.size)  # random labels
        G = ulpm.logit_gradient(W, H, drawn) * rng.standard_normal(y.size)  # (K, M) random weights, of either sign
        W, H = 0.9 * W - 0.1 * G @ H.T, 0.9 * H - 0.1 * W.T @ G
    scale = max(np.abs(W).max(), np.abs(H).max(), 1)
    assert np.abs(W - W @ V @ V.T).max() < 1e-12 * scale  # rounding
    assert np.abs(H - V @ V.T @ H).max() < 1e-12 * scale


@given(st.floats(0.3, 1.5), st.floats(0.05, 1.5), st.integers(1, 3), seeds)
@many
def test_stochastic_gradient_descent_from_example_3_1_never_leaves_its_plane_nor_beats_three_quarters(
    c, step, batch, seed
):
    rng = np.random.default_rng(seed)

    def sampled(W, H):
        weight = np.bincount(rng.choice(4, batch, replace=False), minlength=4) * 4 / batch
        G = ulpm.logit_gradient(W, H, Y) * weight
        return G @ H.T, W.T @ G

    path = flow.descend(sampled, (c * B, c * B), step, range(0, 300, 10))
    outside = np.array([[1, 1, 0, 0], [0, 0, 1, 1]]).T / np.sqrt(2)
    for W, H in path.points:
        size = max(np.abs(W).max(), np.abs(H).max())  # a long step may send the point far away
        assert max(np.abs(W @ outside).max(), np.abs(outside.T @ H).max()) < 1e-12 * size
        assert ratio(W, H) <= 0.75 + 1e-12
    W, H = path.points[-1]
    assert np.abs(W - np.vdot(W, B) / 8 * B).max() > 1e-9  # it does leave the ray, inside the plane


@given(st.floats(0.3, 1.5), st.integers(1, 3), seeds)
@many
def test_gradient_of_each_sample_is_orthogonal_to_the_descent_directions(c, k, seed):
    v = np.random.default_rng(seed).standard_normal(2) @ np.array([[1, 1, 0, 0], [0, 0, 1, 1]])  # in the kernel of B
    axis = np.array([1, 1, -1, -1]) / 2
    G = ulpm.logit_gradient(c * B, c * B, Y)
    G[:, np.arange(4) != k] = 0
    assert abs(np.vdot(G @ (c * B), np.outer(axis, v)) + np.vdot(c * B @ G, np.outer(v, axis))) < 1e-14
    assert np.linalg.norm(G @ B) > 1e-3  # the noise itself is not zero


@given(st.integers(2, 3), st.integers(2, 3), st.integers(1, 3), st.integers(0, 2), st.floats(0.5, 4.0))
@many
def test_sampling_noise_at_a_saddle_is_orthogonal_to_every_direction_in_the_kernel(groups, size, n, extra, radius):
    d = groups * (size - 1) + 1 + extra
    W, H, y = points.self_dual(points.orthogonal_groups(groups, size, d), n, radius)
    assert np.abs(flow.join(*landscape.gradient(W, H, y))).max() < 1e-12  # a critical point, to rounding
    c = np.linalg.svd(W)[2][-1]  # (d,) in the kernel of W
    for m in range(y.size):
        G = ulpm.logit_gradient(W, H, y)
        G[:, np.arange(y.size) != m] = 0
        assert np.linalg.norm(G) > 0
        assert max(np.abs(G @ H.T @ c).max(), np.abs(c @ W.T @ G).max()) < 1e-14


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_methods_that_scale_each_coordinate_stay_in_the_printed_plane_too(power):
    rng, theta, first, second = np.random.default_rng(3), [B.copy(), B.copy()], [0 * B, 0 * B], [0 * B, 0 * B]
    for _ in range(200):
        G = ulpm.logit_gradient(*theta, Y) * 4 * (np.arange(4) == rng.integers(4))
        for k, g in enumerate((G @ theta[1].T, theta[0].T @ G)):
            first[k], second[k] = 0.9 * first[k] + 0.1 * g, 0.99 * second[k] + 0.01 * g**2
        steps = [f / (np.abs(f) ** (1 - 2 * power) * v**power + 1e-8) for f, v in zip(first, second, strict=True)]
        theta = [part - 0.01 * step for part, step in zip(theta, steps, strict=True)]
    outside = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])
    assert max(np.abs(theta[0] @ outside.T).max(), np.abs(outside @ theta[1]).max()) < 1e-6  # rounding over 1e-8
    assert np.abs(theta[0] - np.vdot(theta[0], B) / 8 * B).max() > 1e-2


def test_flow_in_the_tilted_family_is_the_flow_of_two_numbers():
    size, height, p, r, q = sp.symbols("x z p r q", positive=True)
    axis = symbolic.u * symbolic.u.T
    M = size * symbolic.B / 2 + height * axis
    names = {sp.exp(-(size**2)): p, sp.exp(-(size**2) / 2 - height**2 / 2): r}  # the two probability ratios
    G = symbolic.logit_gradient(M, M).replace(sp.exp, lambda power: sp.exp(sp.expand(power))).subs(names)
    assert G.free_symbols == {p, r}
    lam, sigma = 2 * (p + r) / (1 + p + 2 * r), 4 * r / (1 + p + 2 * r)
    assert (G * symbolic.B + lam * symbolic.B).applyfunc(sp.cancel) == sp.zeros(4)
    assert (G * axis + sigma * axis).applyfunc(sp.cancel) == sp.zeros(4)
    excess = ((sigma - lam) / lam).subs(r, p * q**2)  # q = exp((x² − z²)/4)
    assert sp.cancel(excess - (q - 1 / q) / (q + 1 / q)) == 0  # its hyperbolic tangent


@given(st.floats(0.01, 1.0))
@many
def test_margin_ratio_of_the_tilted_family(tau):
    M = B / 2 + tau * U
    assert np.isclose(ratio(M, M), float(symbolic.margin_ratio(exact(tau))), rtol=1e-12)


def tilt(W, H):
    """The tilt τ and the size x of W = H = x (B/2 + τ u uᵀ)."""
    size = np.vdot(W, B) / 4
    return np.vdot(W, U) / size, size


@given(st.floats(0.5, 3.0), st.floats(0.01, 0.9), st.floats(0.05, 3.0))
@many
def test_tilt_grows_under_descent_with_any_step_but_no_faster_than_the_norm(size, tau, step):
    start = size * (B / 2 + tau * U)
    tilts, sizes = flow.descend(gradient, (start, start), step, range(20)).observe(tilt).T
    stays = tilts < 1  # a step that is too long may jump over the simplex
    assert (np.diff(tilts)[stays[:-1]] > 0).all()
    assert (np.diff(tilts / sizes) < 1e-14).all()


@given(st.floats(1.0, 3.0), st.floats(0.1, 0.8), st.floats(0.1, 8.0))
@settings(deadline=None, max_examples=10)
def test_flow_needs_at_least_the_time_of_the_ray_to_tilt(size, tau, decades):
    start, at = size * (B / 2 + tau * U), np.array([0.0, 10**decades])
    tilts, _ = flow.integrate(gradient, (start, start), at).observe(tilt).T
    first, last = size**2 / 4, size**2 / 4 * (tilts[1] / tilts[0]) ** 2
    assert tilts[0] < tilts[1] < 1
    waited = (np.log(last / first) + expi(2 * last) - expi(2 * first)) / 4
    assert at[1] >= waited * (1 - 1e-6)  # the accuracy of the integrator


def test_flow_of_the_tilted_family_ends_at_the_simplex():
    start = B + 2 * 0.6 * U
    at = np.concatenate([[0], np.geomspace(1, 1e200, 6)])
    ratios = flow.integrate(gradient, (start, start), at, rtol=1e-8).observe(ratio)
    assert (np.diff(ratios) > -1e-9).all()  # the accuracy of the integrator
    assert ratios[0] < 0.87
    assert ratios[-1] > 0.999


def test_ten_per_cent_of_noise_in_every_coordinate_is_not_escaped_from_in_a_hundred_thousand_steps():
    rng = np.random.default_rng(0)
    for _ in range(5):
        start = tuple(B + 0.1 * rng.standard_normal((4, 4)) for _ in range(2))
        W, H = flow.integrate(gradient, start, [0, 1e5]).points[-1]
        assert 0.7 < ratio(W, H) < 0.8  # a collapsed point has 1


def test_multiplicities_add_up_where_eigenvalues_coincide_in_floating_point():
    assert sum(symbolic.spectrum(50.0, 5).values()) == 8 * 5 - 1  # tanh 50 = 1 in fifteen digits


def test_spectrum_refuses_the_origin_and_the_line():
    with pytest.raises(ValueError, match=r"^a: expected"):
        symbolic.spectrum(0, 4)
    with pytest.raises(ValueError, match=r"^d: expected"):
        symbolic.spectrum(1, 1)


SCALARS = {  # for each argument a call that hands it on
    "symbolic.gradient_factor, c": ("c", symbolic.gradient_factor),
    "symbolic.printed_gradient_factor, c": ("c", symbolic.printed_gradient_factor),
    "symbolic.printed_family, c": ("c", lambda v: symbolic.printed_family(v, s)),
    "symbolic.printed_family, s": ("s", lambda v: symbolic.printed_family(C, v)),
    "symbolic.great_circle, c": ("c", lambda v: symbolic.great_circle(v, phi)),
    "symbolic.great_circle, phi": ("phi", lambda v: symbolic.great_circle(C, v)),
    "symbolic.margin_ratio, tau": ("tau", symbolic.margin_ratio),
    "symbolic.clock, a": ("a", symbolic.clock),
    "symbolic.hessian, a": ("a", lambda v: symbolic.hessian(v, x)),
    "symbolic.hessian, x": ("x", lambda v: symbolic.hessian(a, v)),
    "symbolic.eigenpairs, a": ("a", lambda v: list(symbolic.eigenpairs(v, x))),
    "symbolic.eigenpairs, x": ("x", lambda v: list(symbolic.eigenpairs(a, v))),
    "symbolic.inner_block, a": ("a", lambda v: symbolic.inner_block(v, x)),
    "symbolic.inner_block, x": ("x", lambda v: symbolic.inner_block(a, v)),
    "symbolic.spectrum, a": ("a", lambda v: symbolic.spectrum(v, 4)),
}
REFUSED = [np.nan, np.inf, -np.inf, 1j, 1 + sp.I, sp.nan, sp.oo, sp.zoo, True, None, [1], np.ones(2), symbolic.B]


@pytest.mark.parametrize(("name", "call"), SCALARS.values(), ids=SCALARS)
def test_anything_but_an_expression_or_a_real_number_is_refused_by_name(name, call):
    for value in [*REFUSED, sp.ImmutableMatrix([[1]])]:
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            call(value)


@pytest.mark.parametrize(("name", "call"), SCALARS.values(), ids=SCALARS)
def test_a_text_is_refused_and_not_evaluated(name, call, tmp_path):
    mark = tmp_path / "evaluated"
    for text in ("2", f"open({str(mark)!r}, 'w').close()"):
        for value in (text, text.encode(), np.str_(text)):
            with pytest.raises(ValueError, match=f"^{name}: expected"):
                call(value)
    assert not mark.exists()


@given(st.fractions(0, 3, max_denominator=50))
@many
def test_every_kind_of_real_number_means_the_same(number):
    expected = symbolic.gradient_factor(sp.Rational(number.numerator, number.denominator))
    assert symbolic.gradient_factor(number) == expected
    for value in (float(number), np.float64(number)):
        assert float(symbolic.gradient_factor(value)) == pytest.approx(float(expected), rel=1e-13)


def test_arrays_are_not_taken_for_sympy_matrices():
    for call in (symbolic.gaps, symbolic.loss, symbolic.logit_gradient, symbolic.gradient):
        with pytest.raises(ValueError, match=r"^W: expected"):
            call(B, symbolic.B)
        with pytest.raises(ValueError, match=r"^H: expected"):
            call(symbolic.B, B)
    with pytest.raises(ValueError, match=r"^Lam: expected"):
        symbolic.stationarity(symbolic.B, symbolic.B, B)
