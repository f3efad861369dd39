"""The measures of collapse: the criteria of section 2.1, exact, and the averages of section 4, term by term."""

import numpy as np
import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

from ncpaper import etf, flow, margin, measures, points, ulpm
from tests.strategies import collapsible_sizes, many, random_points, seeds

exact = 1e-11  # rounding of float64 in a few products of numbers of order one; residuals of what fails are far above


def orthogonal(d, rng):
    """A random orthogonal matrix (d, d)."""
    return np.linalg.qr(rng.standard_normal((d, d)))[0] * rng.choice([-1.0, 1.0], d)


def dual_point(sizes, C, seed, r=1.5):
    """Features collapsed to a randomly turned simplex ETF of length r, and w_k = C h̄_k with any real C."""
    K, n, d = sizes
    y = ulpm.balanced_labels(K, n)
    M = r * orthogonal(d, np.random.default_rng(seed)) @ etf.frame(K, d)
    return C * M.T, M[:, y], y


# ---- Definition 2.1


@many
@given(st.integers(2, 9), seeds)
def test_columns_of_equation_3_are_a_simplex_etf_for_every_orthogonal_Q(K, seed):
    M = etf.equation_3(orthogonal(K, np.random.default_rng(seed)))
    for j in range(K):
        for k in range(K):
            assert M[:, j] @ M[:, k] == pytest.approx(1 if j == k else -1 / (K - 1), abs=1e-12)


@pytest.mark.parametrize("K", [2, 3, 4, 5])
def test_gram_matrix_of_equation_3_is_exact_for_a_rational_Q(K):
    A = sympy.Matrix(K, K, lambda i, j: (j - i) * (1 + i * j))  # antisymmetric
    Q = (sympy.eye(K) - A) * (sympy.eye(K) + A).inv()  # Cayley: orthogonal, rational
    S = Q * (sympy.eye(K) - sympy.ones(K, K) / K)  # M without its square root
    gram = sympy.Rational(K, K - 1) * S.T * S
    assert gram == sympy.Matrix(K, K, lambda j, k: 1 if j == k else -sympy.Rational(1, K - 1))
    assert S != S.T  # and it is not symmetric


@many
@given(st.integers(2, 9), seeds)
def test_equation_3_is_not_symmetric_for_a_random_Q(K, seed):
    M = etf.equation_3(orthogonal(K, np.random.default_rng(seed)))
    assert measures.simplex_deviation(M) < exact  # a simplex ETF, which the printed definition leaves out
    distance = np.linalg.norm(M.sum(axis=0)) / np.sqrt(K)  # (M − Mᵀ) 1 = −Mᵀ 1, so M is at least this far from Mᵀ
    assert np.linalg.norm(M - M.T) >= distance - exact
    assert distance > 1e-6  # zero only where Q maps 1 to ±1: one point of a sphere


@many
@given(st.integers(2, 8), st.sampled_from([-1, 1]), seeds)
def test_equation_3_is_symmetric_for_a_splitting_of_the_centred_space(K, sign, seed):
    rng = np.random.default_rng(seed)
    P, J = np.eye(K) - np.ones((K, K)) / K, np.ones((K, K))
    basis = np.linalg.qr(P @ rng.standard_normal((K, K - 1)))[0]  # (K, K − 1) of the space of zero sum
    S = basis * rng.choice([-1.0, 1.0], K - 1) @ basis.T  # Π₊ − Π₋
    M = etf.equation_3(S + sign * J / K)
    assert np.abs(M - M.T).max() < exact
    assert np.allclose(M, np.sqrt(K / (K - 1)) * S, atol=exact)
    assert np.allclose((K - 1) / K * M @ M, P, atol=exact)  # what symmetry forces: a square root of P


@many
@given(collapsible_sizes(), seeds)
def test_simplex_etfs_are_the_isometric_images_of_the_centred_space(sizes, seed):
    K, _, d = sizes
    rng = np.random.default_rng(seed)
    P = np.eye(K) - np.ones((K, K)) / K
    basis = np.linalg.qr(P @ rng.standard_normal((K, K - 1)))[0]
    U = orthogonal(d, rng)[:, : K - 1] @ basis.T  # (d, K)  an isometry on the space of zero sum
    M = np.sqrt(K / (K - 1)) * U @ P
    assert np.allclose(M.T @ M, etf.gram(K), atol=exact)
    N = orthogonal(d, rng) @ etf.frame(K, d)  # another simplex ETF, built without U
    V = np.sqrt((K - 1) / K) * N
    assert np.allclose(np.sqrt(K / (K - 1)) * V @ P, N, atol=exact)
    assert np.allclose(P @ V.T @ V @ P, P, atol=exact)


# ---- NC1


@many
@given(random_points())
def test_nc1_for_every_sample_is_the_largest_distance_to_a_class_mean(point):
    W, H, y = point
    worst = 0.0
    for k in range(W.shape[0]):
        columns = [H[:, m] for m in range(y.size) if y[m] == k]
        mean = sum(columns) / len(columns)
        worst = max([worst, *(np.sqrt(sum((h - mean) ** 2)) for h in columns)])
    assert measures.nc1_every_sample(W, H, y) == pytest.approx(worst, rel=1e-12, abs=1e-12)


@many
@given(collapsible_sizes(n=(3, 7)), seeds, st.floats(0.5, 3))
def test_nc1_for_some_sample_does_not_mean_collapse(sizes, seed, spread):
    W, H, y = dual_point(sizes, 1.0, seed)
    K, n, d = sizes
    E = np.random.default_rng(seed + 1).standard_normal((d, K, n))
    E[:, :, 0] = 0  # one sample of each class stays at the mean
    E[:, :, 1:] -= E[:, :, 1:].mean(axis=2, keepdims=True)
    H = H + spread * E.reshape(d, K * n)
    assert measures.nc1_some_sample(W, H, y) < exact
    assert measures.nc1_every_sample(W, H, y) > 1e-3
    assert measures.nc2_uncentred(W, H, y) < exact  # and NC2, NC3 do not see the difference
    assert measures.nc3_positive_factor(W, H, y) < exact


@many
@given(random_points(n=(1, 2)))
def test_readings_of_nc1_agree_for_one_or_two_samples(point):
    assert measures.nc1_some_sample(*point) == pytest.approx(measures.nc1_every_sample(*point), rel=1e-9, abs=exact)


@many
@given(random_points(n=(1, 1)))
def test_nc1_holds_everywhere_for_one_sample_per_class(point):
    assert measures.nc1_every_sample(*point) == 0


@many
@given(random_points())
def test_features_that_coincide_in_each_class_have_gradients_that_do(point):
    W, H, y = point
    K = W.shape[0]
    _, dH = ulpm.gradient(W, ulpm.class_means(H, y, K)[:, y], y)
    assert np.abs(dH - ulpm.class_means(dH, y, K)[:, y]).max() < exact * (1 + np.abs(dH).max())


# ---- NC2


@many
@given(collapsible_sizes(), seeds, st.floats(0.3, 3))
def test_shifted_frame_satisfies_the_words_of_nc2_and_not_its_formula(sizes, seed, shift):
    W, H, y = dual_point(sizes, 1.0, seed)
    c = np.random.default_rng(seed + 1).standard_normal((sizes[2], 1))
    H = H + shift * c / np.linalg.norm(c)
    assume(np.linalg.norm(H, axis=0).min() > 1e-6)  # a class mean at the origin has no angles
    assert measures.nc2_centred(W, H, y) < exact
    assert measures.nc2_uncentred(W, H, y) > 1e-3


@many
@given(random_points(K=(2, 6), d=(1, 8)))
def test_equal_lengths_and_the_printed_cosines_make_the_class_means_sum_to_zero(point):
    M = point[0].T / np.linalg.norm(point[0], axis=1)  # (d, K)  any unit vectors
    K = M.shape[1]
    excess = sum(measures.cosines(M)[j, k] + 1 / (K - 1) for j in range(K) for k in range(K) if j != k)
    assert np.sum(M.sum(axis=1) ** 2) == pytest.approx(excess, abs=exact)  # zero where every cosine is −1/(K−1)


@many
@given(collapsible_sizes(), seeds)
def test_formula_of_nc2_implies_its_words(sizes, seed):
    W, H, y = dual_point(sizes, 1.0, seed)
    assert measures.nc2_uncentred(W, H, y) < exact
    assert np.abs(H.sum(axis=1)).max() < exact * H.size
    assert measures.nc2_centred(W, H, y) < exact


@many
@given(random_points(), st.booleans())
def test_features_after_relu_or_sigmoid_never_satisfy_the_formula_of_nc2(point, relu):
    W, H, y = point
    H = np.maximum(H, 0) if relu else 1 / (1 + np.exp(-H))
    H = H + 1e-12  # no class mean is zero, where the formula is undefined
    assert measures.nc2_uncentred(W, H, y) >= 1 / (W.shape[0] - 1)  # no cosine is negative


@many
@given(collapsible_sizes(), seeds)
def test_features_after_relu_or_sigmoid_can_satisfy_nc2_once_centred(sizes, seed):
    W, H, y = dual_point(sizes, 1.0, seed, r=0.4)
    H = H + 0.5
    assert H.min() > 0
    assert H.max() < 1
    assert measures.nc2_centred(W, H, y) < exact


@many
@given(random_points(K=(2, 7), d=(1, 8)))
def test_no_vectors_are_farther_apart_than_a_simplex_etf(point):
    K, d = point[0].shape
    off = ~np.eye(K, dtype=bool)
    assert measures.cosines(point[0].T)[off].max() >= -1 / (K - 1) - exact
    if d >= K - 1:
        assert measures.cosines(etf.frame(K, d))[off].max() == pytest.approx(-1 / (K - 1), abs=exact)


@many
@given(st.integers(3, 8), seeds, st.data())
def test_below_dimension_K_minus_1_some_cosine_is_far_from_that_of_nc2(K, seed, data):
    d = data.draw(st.integers(1, K - 2))
    gram = measures.cosines(np.random.default_rng(seed).standard_normal((d, K)))
    assert np.abs(gram - etf.gram(K)).max() >= K / (K - 1) ** 2


def test_class_mean_at_the_origin_has_no_cosines():
    W, H, y = np.eye(2), np.array([[0.0, 1.0], [0.0, 1.0]]), np.arange(2)
    with pytest.raises(ValueError, match="V: expected vectors with a direction"):
        measures.nc2_uncentred(W, H, y)


# ---- NC3


@many
@given(collapsible_sizes(), seeds, st.floats(-3, 0))
def test_printed_nc3_admits_zero_and_opposite_classifiers(sizes, seed, C):
    W, H, y = dual_point(sizes, C, seed)
    assert measures.nc3_any_factor(W, H, y) < exact
    assert measures.dual_factor(W, H, y) == pytest.approx(C, abs=exact)
    assert margin.sample_margins(W, H, y).max() <= exact  # and not one sample is classified


@many
@given(collapsible_sizes(), seeds, st.floats(0.1, 3))
def test_nc3_with_a_positive_factor_admits_only_classifiers_that_separate(sizes, seed, C):
    W, H, y = dual_point(sizes, C, seed)
    assert measures.nc3_positive_factor(W, H, y) < exact
    assert margin.margin(W, H, y) == pytest.approx(C * 1.5**2 * sizes[0] / (sizes[0] - 1), rel=1e-9)
    assert measures.nc3_positive_factor(-W, H, y) == pytest.approx(2)
    with pytest.raises(ValueError, match="A, B: expected matrices other than zero"):
        measures.nc3_positive_factor(0 * W, H, y)


@many
@given(random_points())
def test_printed_nc3_leaves_the_least_distance_over_all_factors(point):
    W, H, y = point
    M = ulpm.class_means(H, y, W.shape[0]).T
    best, C = measures.nc3_any_factor(W, H, y), measures.dual_factor(W, H, y)
    for other in (C - 0.1, C + 0.1):
        assert np.linalg.norm(W - other * M) >= best


@many
@given(collapsible_sizes(), seeds, st.floats(0.1, 3))
def test_common_shifts_are_seen_by_nc3_and_not_by_its_centred_form(sizes, seed, C):
    W, H, y = dual_point(sizes, C, seed)
    a, c = np.random.default_rng(seed + 1).standard_normal((2, sizes[2]))
    W, H = W + a, H + c[:, None]
    assert measures.nc3_centred(W, H, y) < exact
    assert measures.nc3_positive_factor(W, H, y) > 1e-6


# ---- NC4


def generic(d, seed):
    """Features anywhere, small, of order one and large."""
    return np.random.default_rng(seed + 2).standard_normal((d, 60)) * np.repeat([0.01, 1.0, 100.0], 20)


@many
@given(random_points())
def test_nearest_means_are_those_at_least_distance(point):
    W, H, y = point
    M = ulpm.class_means(H, y, W.shape[0])
    for m in range(y.size):
        distances = [np.sqrt(sum((H[:, m] - M[:, k]) ** 2)) for k in range(W.shape[0])]
        assert measures.nearest_means(M, H)[:, m].tolist() == [v == min(distances) for v in distances]


@many
@given(collapsible_sizes(), seeds, st.floats(0.1, 3))
def test_printed_nc4_fails_wherever_a_collapsed_classifier_decides(sizes, seed, C):
    W, H, y = dual_point(sizes, C, seed)
    assert measures.nc4_smallest(W, H, y, H) == 1
    assert measures.nc4_smallest(W, H, y, generic(sizes[2], seed)) == 1
    chosen = measures.choices(-W @ H)  # the printed rule at a training feature: every class but its own
    assert (chosen == (ulpm.one_hot(y, sizes[0]) == 0)).all()


@many
@given(collapsible_sizes(), seeds, st.floats(0.1, 3))
def test_nc4_with_argmax_follows_from_the_other_three(sizes, seed, C):
    W, H, y = dual_point(sizes, C, seed)
    X = np.concatenate([H, generic(sizes[2], seed), np.zeros((sizes[2], 1))], axis=1)
    assert measures.nc4_largest(W, H, y, X) == 0


@many
@given(collapsible_sizes(), seeds, st.floats(0.1, 3))
def test_four_printed_criteria_hold_together_where_every_sample_is_misclassified(sizes, seed, C):
    X = generic(sizes[2], seed)
    for factor in (C, 0.0, -C):
        W, H, y = dual_point(sizes, factor, seed)
        first_three = (f(W, H, y) for f in (measures.nc1_every_sample, measures.nc2_uncentred, measures.nc3_any_factor))
        assert max(first_three) < exact
        both = [measures.nc4_smallest(W, H, y, H), measures.nc4_smallest(W, H, y, X)]
        assert both == ([0, 0] if factor < 0 else [1, 1])
        assert (margin.sample_margins(W, H, y).max() < -1e-3) == (factor < 0)


@many
@given(collapsible_sizes(), seeds, st.floats(0.1, 3))
def test_nc4_with_argmax_forces_the_factor_of_nc3_to_be_positive(sizes, seed, C):
    for factor in (C, 0.0, -C):
        W, H, y = dual_point(sizes, factor, seed)
        assert measures.nc4_largest(W, H, y, H) == (0 if factor > 0 else 1)


@many
@given(collapsible_sizes(extra=(1, 3)), seeds, st.floats(0.3, 3))
def test_centred_criteria_give_nc4_only_with_a_bias_or_an_orthogonal_mean(sizes, seed, shift):
    K, _, d = sizes
    W, H, y = dual_point(sizes, 1.0, seed)
    _, _, span = np.linalg.svd(W)  # the first K − 1 rows span the frame
    aside, along = shift * span[K - 1][:, None], shift * span[0][:, None]
    X = generic(d, seed)
    assert measures.nc4_largest(W, H + aside, y, X + aside) == 0
    ties = (W.T[:, :, None] + W.T[:, None, :]).reshape(d, K * K)  # wⱼ + w_k: classes j and k are tied there
    assert measures.nc4_largest(W, H + along, y, ties) > 0
    with_bias = measures.choices(W @ X - W @ along)
    assert (with_bias == measures.nearest_means(W.T + along, X)).all()


@many
@given(collapsible_sizes(extra=(1, 3)), seeds, st.floats(0.3, 3))
def test_words_of_nc2_admit_points_of_less_margin_than_the_formula(sizes, seed, shift):
    K, n, d = sizes
    W, H, y = dual_point(sizes, np.sqrt(n), seed)  # attains Lemma 3.1
    aside = shift * np.linalg.svd(W)[2][K - 1]  # orthogonal to the frame
    V, F = W + np.sqrt(n) * aside, H + aside[:, None]
    assert measures.nc1_every_sample(V, F, y) < exact
    assert measures.nc2_centred(V, F, y) < exact
    assert measures.nc3_positive_factor(V, F, y) < exact
    assert measures.nc4_largest(V, F, y, generic(d, seed)) == 0
    assert margin.margin(W, H, y) == pytest.approx(margin.bound(W, H, y), rel=1e-9)
    assert margin.margin(V, F, y) < 0.99 * margin.bound(V, F, y)


def test_centred_criteria_admit_features_that_are_misclassified():
    W, H, y = dual_point((3, 1, 2), 1.0, 0)
    H = H - 3 * H[:, :1]
    assert measures.nc2_centred(W, H, y) < exact
    assert measures.nc3_centred(W, H, y) < exact
    assert margin.margin(W, H, y) < 0


# ---- the four together


@many
@given(collapsible_sizes(), seeds, st.floats(0.1, 10), st.floats(0.1, 10))
def test_residuals_vanish_at_collapsed_points_of_every_scale_and_position(sizes, seed, a, b):
    W, H, y = points.collapsed(*sizes)
    U = orthogonal(sizes[2], np.random.default_rng(seed))
    assert max(measures.criteria(a * W @ U.T, b * U @ H, y)) < exact


@many
@given(random_points(K=(2, 5), d=(1, 6)), seeds, st.floats(0.1, 10), st.floats(0.1, 10))
def test_residuals_do_not_change_under_rotations_and_separate_scalings(point, seed, a, b):
    W, H, y = point
    U = orthogonal(W.shape[1], np.random.default_rng(seed))
    moved = measures.criteria(a * W @ U.T, b * U @ H, y)
    assert moved == pytest.approx(measures.criteria(W, H, y), rel=1e-9, abs=1e-9)


@many
@given(collapsible_sizes(n=(2, 4)), seeds, st.floats(0.01, 0.1))
def test_residuals_see_every_way_of_leaving_collapse(sizes, seed, size):
    W, H, y = points.collapsed(*sizes)
    rng = np.random.default_rng(seed)
    E, F = rng.standard_normal(W.shape), rng.standard_normal(H.shape)
    within = F - ulpm.class_means(F, y, sizes[0])[:, y]
    assert measures.criteria(W, H + size * within, y).within > 1e-4
    assert measures.criteria(W, H + size * E.T[:, y], y).frame > 1e-6
    assert measures.criteria(W + size * E, H, y).duality > 1e-6


def test_example_3_1_fails_the_angles_alone():
    B, y = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]]), np.arange(4)
    assert measures.nc1_every_sample(B, B, y) == 0
    assert measures.nc3_positive_factor(B, B, y) == 0
    assert measures.nc4_largest(B, B, y, generic(4, 0)) == 0
    assert measures.nc2_uncentred(B, B, y) == pytest.approx(2 / 3)  # cosines −1 and 0 instead of −1/3


# ---- Figure 1


@pytest.mark.parametrize("seed", range(3))
def test_gradient_descent_on_three_classes_approaches_the_picture_of_figure_1(seed):
    K, n, d = 3, 4, 2
    y, rng = ulpm.balanced_labels(K, n), np.random.default_rng(seed)
    start = 0.3 * rng.standard_normal((K, d)), 0.3 * rng.standard_normal((d, K * n))
    path = flow.descend(ulpm.gradient, start, 0.1, [0, 1000, 5000], args=(y,))
    first, middle, last = (np.array(measures.criteria(*p, y)) for p in path.points)
    assert (last < 0.5 * first).all()  # far from the start, and still on the way
    assert last.sum() < middle.sum()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: etf.equation_3(np.ones((2, 2))), "Q"),
        (lambda: etf.equation_3(np.eye(1)), "Q"),
        (lambda: measures.simplex_deviation(np.ones((3, 1))), "V"),
        (lambda: measures.dual_factor(np.eye(2), np.zeros((2, 2)), np.arange(2)), "H"),
        (lambda: measures.unit_distance(np.eye(2), np.eye(3)), "B"),
        (lambda: measures.nc4_smallest(np.eye(2), np.eye(2), np.arange(2), np.ones(2)), "X"),
        (lambda: measures.criteria(np.eye(2), np.eye(2), np.zeros(2, dtype=int)), "y"),
    ],
)
def test_points_that_cannot_be_judged_are_refused_by_name(call, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        call()


# ---------------------------------------------------------------- the averages of section 4


def norm(v):
    return sum(float(x) ** 2 for x in v) ** 0.5


def cosine(u, v):
    return sum(float(a) * float(b) for a, b in zip(u, v, strict=True)) / (norm(u) * norm(v))


def by_loops(W, H, y):
    """Section 4, term by term: the measures with the printed symbols repaired, in both readings of w̄ₖ."""
    K, M = W.shape[0], y.size
    h = [sum(H[:, m] for m in range(M) if y[m] == k) / sum(y == k) for k in range(K)]
    g = sum(H[:, m] for m in range(M)) / M
    hc, w = [v - g for v in h], list(W)
    wc = [v - sum(w) / K for v in w]

    def variation(vectors):
        lengths = [norm(v) for v in vectors]
        mean = sum(lengths) / K
        return (sum((x - mean) ** 2 for x in lengths) / K) ** 0.5 / mean

    def angles(vectors):
        pairs = [(j, k) for j in range(K) for k in range(K) if j != k]
        return sum(abs(cosine(vectors[j], vectors[k]) + 1 / (K - 1)) for j, k in pairs) / len(pairs)

    def distance(vectors):
        return sum(norm(a / norm(a) - b / norm(b)) for a, b in zip(hc, vectors, strict=True)) / K

    within = sum(norm(H[:, m] - h[y[m]]) for m in range(M)) / sum(norm(H[:, m] - g) for m in range(M))
    return {
        "class_mean_norms": variation(hc),
        "centred_classifier_norms": variation(wc),
        "classifier_norms": variation(w),
        "within_class_variation": within,
        "centred_class_mean_cosines": angles(hc),
        "class_mean_cosines": angles(h),
        "centred_classifier_cosines": angles(wc),
        "classifier_cosines": angles(w),
        "centred_self_duality_distance": distance(wc),
        "self_duality_distance": distance(w),
    }


@many
@given(random_points())
def test_every_measure_is_its_formula_term_by_term(point):
    expected = by_loops(*point)
    found = measures.section_4(*point)
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-9), name


@many
@given(collapsible_sizes(), st.floats(0.5, 20), seeds)
def test_every_measure_is_zero_at_collapse_and_at_no_random_point(sizes, q, seed):
    K, n, d = sizes
    W, H, y = points.collapsed(K, n, d, q)
    assert max(measures.section_4(W, H, y).values()) < 1e-7  # a cosine of 1 − 1e-16 is an angle of 1e-8
    rng = np.random.default_rng(seed)
    noisy = measures.section_4(W + 0.1 * rng.standard_normal(W.shape), H + 0.1 * rng.standard_normal(H.shape), y)
    assert noisy["classifier_norms"] > 1e-6
    assert noisy["self_duality_distance"] > 1e-6 or d == 1
    assert noisy["within_class_variation"] > 1e-6 or n == 1


@many
@given(random_points(d=(2, 7)), seeds)
def test_measures_do_not_see_rotations_and_scales(point, seed):
    W, H, y = point
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((W.shape[1],) * 2))[0]
    turned, plain = measures.section_4(3 * W @ Q.T, 0.5 * Q @ H, y), measures.section_4(W, H, y)
    for name in plain:
        assert turned[name] == pytest.approx(plain[name], rel=1e-6, abs=1e-6), name


@many
@given(random_points(d=(2, 7)), seeds)
def test_centred_measures_do_not_see_a_common_shift_of_the_classifiers(point, seed):
    W, H, y = point
    shifted = measures.section_4(W + np.random.default_rng(seed).standard_normal(W.shape[1]), H, y)
    for name, value in measures.section_4(W, H, y).items():
        if measures.SECTION_4[name].classifiers != "uncentred":
            assert shifted[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


@many
@given(collapsible_sizes(K=(3, 6)), st.floats(0.1, 2), seeds)
def test_reading_w_k_sees_a_shift_that_changes_no_probability(sizes, size, seed):
    """So the measures as printed, with w_k for the undefined bar w_k, are no functions of the model's predictions."""
    K, n, d = sizes
    W, H, y = points.collapsed(K, n, d, 5.0)
    c = np.random.default_rng(seed).standard_normal(d)
    shifted = W + size * np.linalg.norm(W[0]) * c / np.linalg.norm(c)
    np.testing.assert_allclose(ulpm.logit_gradient(shifted, H, y), ulpm.logit_gradient(W, H, y), rtol=1e-9, atol=1e-12)
    found = measures.section_4(shifted, H, y)
    assert found["self_duality_distance"] > 0.01
    assert found["centred_self_duality_distance"] < 1e-7
    assert found["centred_classifier_cosines"] < 1e-7


@many
@given(st.integers(2, 6), st.integers(1, 6), seeds)
def test_divisor_of_the_standard_deviation_is_a_constant_factor(K, d, seed):
    V = np.random.default_rng(seed).standard_normal((d, K))
    lengths = np.linalg.norm(V, axis=0)
    other = lengths.std(ddof=1) / lengths.mean()
    assert measures.norm_variation(V) == pytest.approx(other * np.sqrt((K - 1) / K), rel=1e-12)


# ---------------------------------------------------------------- what the mean classifier forbids


@many
@given(random_points())
def test_norms_and_duality_cannot_all_be_small_beside_the_mean_classifier(point):
    W, H, y = point
    found = measures.section_4(W, H, y)
    total = found["class_mean_norms"] + found["classifier_norms"] + found["self_duality_distance"]
    assert total >= measures.mean_classifier_floor(W, H, y) * (1 - 1e-12)


@many
@given(st.floats(0.01, 0.99), st.integers(1, 4))
def test_floor_of_norms_and_duality_is_attained_for_two_classes(x, n):
    """w₁ = 1 + x and w₂ = −(1 − x): the directions are dual, the lengths carry all of the mean."""
    W, H, y = np.array([[1 + x], [x - 1]]), np.repeat([[1.0, -1.0]], n, axis=1), ulpm.balanced_labels(2, n)
    found = measures.section_4(W, H, y)
    total = found["class_mean_norms"] + found["classifier_norms"] + found["self_duality_distance"]
    assert total == pytest.approx(measures.mean_classifier_floor(W, H, y), rel=1e-12)


@many
@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 6), st.floats(0.01, 0.5), seeds)
def test_descent_does_not_move_the_mean_classifier(K, n, d, step, seed):
    rng, y = np.random.default_rng(seed), ulpm.balanced_labels(K, n)
    W, H = rng.standard_normal((K, d)), rng.standard_normal((d, K * n))
    mean = W.mean(axis=0)
    for _ in range(20):
        dW, dH = ulpm.gradient(W, H, y)
        W, H = W - step * dW, H - step * dH
    np.testing.assert_allclose(W.mean(axis=0), mean, atol=1e-12 * (1 + np.abs(W).max()))


@many
@given(collapsible_sizes(K=(3, 6)), seeds)
def test_measures_with_a_mean_classifier_fall_like_one_over_the_norm(sizes, seed):
    """The three limits of the proposition on the exponent one half, at r = 1e6, where the next order is 1e-6."""
    K, _, d = sizes
    rng, r = np.random.default_rng(seed), 1e6
    E = np.linalg.qr(rng.standard_normal((d, d)))[0] @ etf.frame(K, d)  # (d, K)
    mean = rng.standard_normal(d)
    W = r * E.T + mean
    x = mean @ E
    P = E @ E.T * (K - 1) / K  # the projection onto the span of the simplex
    pairs = np.abs(x[:, None] + x)[~np.eye(K, dtype=bool)]
    assert r * measures.norm_variation(W.T) == pytest.approx(
        np.linalg.norm(P @ mean) / np.sqrt(K - 1), rel=1e-3, abs=1e-4
    )
    assert r * measures.cosine_deviation(W.T) == pytest.approx(K / (K - 1) * pairs.mean(), rel=1e-3, abs=1e-4)
    rest = np.linalg.norm(mean[:, None] - x * E, axis=0).mean()
    assert r * measures.direction_distance(E, W.T) == pytest.approx(rest, rel=1e-3, abs=1e-4)
    assert rest > 0


def test_cosines_of_two_classes_see_no_mean_classifier_to_first_order():
    """Why the proposition asks for K ≥ 3."""
    W = 1e4 * np.array([[1.0, 0.0], [-1.0, 0.0]]) + np.array([1.0, 1.0])
    assert 1e4 * measures.cosine_deviation(W.T) < 1e-3


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: measures.norm_variation(np.zeros((2, 3))), "V: expected a column that is not zero"),
        (lambda: measures.cosine_deviation(np.diag([1.0, 0.0])), "V: expected vectors with a direction, got zero at"),
        (lambda: measures.cosine_deviation(np.ones((2, 1))), "V: expected a matrix of shape"),
        (lambda: measures.direction_distance(np.eye(2), np.eye(3)), "V: expected a matrix of shape"),
        (lambda: measures.direction_distance(np.eye(2), np.zeros((2, 2))), "V: expected vectors with a direction"),
        (lambda: measures.classifier_norms(np.ones((1, 2)), np.ones((2, 1)), [0]), "W: expected a matrix of shape"),
        (lambda: measures.classifier_cosines([[np.nan], [1.0]], [[1.0, 2.0]], [0, 1]), "W: expected finite entries"),
        (
            lambda: measures.within_class_variation(np.ones((2, 1)), np.ones((1, 2)), [0, 1]),
            "H: expected samples that are",
        ),
        (
            lambda: measures.centred_class_means(np.ones((2, 1)), np.ones((1, 2)), [0, 0]),
            "y: expected at least one sample",
        ),
        (
            lambda: measures.mean_classifier_floor(np.zeros((2, 2)), np.eye(2), [0, 1]),
            "W: expected a matrix that is not zero",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
