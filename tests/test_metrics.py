"""The collapse measures of section 4: against loops, at collapse, under the symmetries, and the bounds between them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncpaper import etf, metrics, ulpm
from tests.strategies import collapsible_sizes, points

many = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 2**31)


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
        "a features": variation(hc),
        "a classifiers": variation(wc),
        "a classifiers, w_k": variation(w),
        "b features": within,
        "c features": angles(hc),
        "c features, printed": angles(h),
        "c classifiers": angles(wc),
        "c classifiers, w_k": angles(w),
        "d distance": distance(wc),
        "d distance, w_k": distance(w),
    }


@many
@given(points())
def test_every_measure_is_its_formula_term_by_term(point):
    expected = by_loops(*point)
    found = metrics.readings(*point)
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-9), name


@many
@given(collapsible_sizes(), st.floats(0.5, 20), seeds)
def test_every_measure_is_zero_at_collapse_and_at_no_random_point(sizes, q, seed):
    K, n, d = sizes
    W, H, y = etf.collapsed(K, n, d, q)
    assert max(metrics.readings(W, H, y).values()) < 1e-7  # a cosine of 1 − 1e-16 is an angle of 1e-8
    rng = np.random.default_rng(seed)
    noisy = metrics.readings(W + 0.1 * rng.standard_normal(W.shape), H + 0.1 * rng.standard_normal(H.shape), y)
    assert noisy["a classifiers, w_k"] > 1e-6
    assert noisy["d distance, w_k"] > 1e-6 or d == 1
    assert noisy["b features"] > 1e-6 or n == 1


@many
@given(points(d=(2, 7)), seeds)
def test_measures_do_not_see_rotations_and_scales(point, seed):
    W, H, y = point
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((W.shape[1],) * 2))[0]
    turned, plain = metrics.readings(3 * W @ Q.T, 0.5 * Q @ H, y), metrics.readings(W, H, y)
    for name in plain:
        assert turned[name] == pytest.approx(plain[name], rel=1e-6, abs=1e-6), name


@many
@given(points(d=(2, 7)), seeds)
def test_centred_measures_do_not_see_a_common_shift_of_the_classifiers(point, seed):
    W, H, y = point
    shifted = metrics.readings(W + np.random.default_rng(seed).standard_normal(W.shape[1]), H, y)
    for name, value in metrics.readings(W, H, y).items():
        if not name.endswith("w_k"):
            assert shifted[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


@many
@given(collapsible_sizes(K=(3, 6)), st.floats(0.1, 2), seeds)
def test_reading_w_k_sees_a_shift_that_changes_no_probability(sizes, size, seed):
    """So the measures as printed, with w_k for the undefined bar w_k, are no functions of the model's predictions."""
    K, n, d = sizes
    W, H, y = etf.collapsed(K, n, d, 5.0)
    c = np.random.default_rng(seed).standard_normal(d)
    shifted = W + size * np.linalg.norm(W[0]) * c / np.linalg.norm(c)
    np.testing.assert_allclose(ulpm.residual(shifted, H, y), ulpm.residual(W, H, y), rtol=1e-9, atol=1e-12)
    found = metrics.readings(shifted, H, y)
    assert found["d distance, w_k"] > 0.01
    assert found["d distance"] < 1e-7
    assert found["c classifiers"] < 1e-7


@many
@given(st.integers(2, 6), st.integers(1, 6), seeds)
def test_divisor_of_the_standard_deviation_is_a_constant_factor(K, d, seed):
    V = np.random.default_rng(seed).standard_normal((d, K))
    lengths = np.linalg.norm(V, axis=0)
    other = lengths.std(ddof=1) / lengths.mean()
    assert metrics.norm_variation(V) == pytest.approx(other * np.sqrt((K - 1) / K), rel=1e-12)


# ---------------------------------------------------------------- what the mean classifier forbids


@many
@given(points())
def test_norms_and_duality_cannot_all_be_small_beside_the_mean_classifier(point):
    W, H, y = point
    found = metrics.readings(W, H, y)
    total = found["a features"] + found["a classifiers, w_k"] + found["d distance, w_k"]
    assert total >= metrics.mean_classifier_floor(W) * (1 - 1e-12)


@many
@given(st.floats(0.01, 0.99), st.integers(1, 4))
def test_floor_of_norms_and_duality_is_attained_for_two_classes(x, n):
    """w₁ = 1 + x and w₂ = −(1 − x): the directions are dual, the lengths carry all of the mean."""
    W, H, y = np.array([[1 + x], [x - 1]]), np.repeat([[1.0, -1.0]], n, axis=1), ulpm.balanced_labels(2, n)
    found = metrics.readings(W, H, y)
    total = found["a features"] + found["a classifiers, w_k"] + found["d distance, w_k"]
    assert total == pytest.approx(metrics.mean_classifier_floor(W), rel=1e-12)


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
    assert r * metrics.classifier_norms(W) == pytest.approx(
        np.linalg.norm(P @ mean) / np.sqrt(K - 1), rel=1e-3, abs=1e-4
    )
    assert r * metrics.classifier_cosines(W) == pytest.approx(K / (K - 1) * pairs.mean(), rel=1e-3, abs=1e-4)
    rest = np.linalg.norm(mean[:, None] - x * E, axis=0).mean()
    assert r * metrics.direction_distance(E, W.T) == pytest.approx(rest, rel=1e-3, abs=1e-4)
    assert rest > 0


def test_cosines_of_two_classes_see_no_mean_classifier_to_first_order():
    """Why the proposition asks for K ≥ 3."""
    W = 1e4 * np.array([[1.0, 0.0], [-1.0, 0.0]]) + np.array([1.0, 1.0])
    assert 1e4 * metrics.classifier_cosines(W) < 1e-3


# ---------------------------------------------------------------- slopes


@many
@given(st.floats(0.1, 3), st.floats(0.01, 100), st.floats(2, 100))
def test_slope_of_a_power_of_the_logarithm_is_its_exponent(p, C, start):
    t = np.geomspace(2, 1e5, 60)
    found = metrics.slope(t, C * np.log(t) ** -p, start)
    assert found.value == pytest.approx(-p, rel=1e-9)
    assert found.spread < 1e-8


@many
@given(st.floats(5, 100))
def test_spread_of_a_slope_sees_a_curve(shift):
    t = np.geomspace(10, 1e5, 60)
    assert metrics.slope(t, 1 / (np.log(t) + shift), 10).spread > 0.005


@many
@given(st.floats(0.5, 1.5), st.floats(0.2, 1))
def test_spread_of_a_parabola_is_the_distance_of_the_centres_of_the_two_halves(left, width):
    """The least-squares slope of x² on a symmetric grid is twice its centre; half the difference of two such slopes."""
    x = np.linspace(left, left + width, 20)  # ten points in each half, their centres ten steps apart
    found = metrics.slope(np.exp(np.exp(x)), np.exp(-(x**2)), 1.1)
    assert found.value == pytest.approx(-2 * (left + width / 2), rel=1e-6)
    assert found.spread == pytest.approx(10 * width / 19, rel=1e-6)


@pytest.mark.parametrize(
    ("t", "values", "start"),
    [(np.arange(2, 12), np.ones(10), 1), (np.arange(2, 12), np.ones(10), 9), (np.arange(2, 12), -np.ones(10), 2)],
)
def test_slope_refuses_what_has_none(t, values, start):
    with pytest.raises(ValueError, match="t, values: expected six positive values from start > 1 on"):
        metrics.slope(t, values, start)


@pytest.mark.parametrize("t", [[10, *range(1000, 1005)], [*range(10, 15), 1000], [10] * 3 + [1000] * 3])
def test_slope_refuses_a_half_window_of_a_single_time(t):
    """A line through one point has no slope: the spread would be a number without meaning."""
    with pytest.raises(ValueError, match="t: expected two different times in each half of the window"):
        metrics.slope(t, 1 / np.arange(1, 7), 2)


def test_slope_does_not_depend_on_the_order_of_the_points():
    t = np.geomspace(10, 1e5, 9)
    values, order = 1 / (np.log(t) + 5), np.random.default_rng(0).permutation(9)
    assert metrics.slope(t[order], values[order], 10) == pytest.approx(metrics.slope(t, values, 10), rel=1e-9)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.norm_variation(np.zeros((2, 3))), "V: expected a column that is not zero"),
        (lambda: metrics.cosine_deviation(np.diag([1.0, 0.0])), "V: expected vectors with a direction, got zero at"),
        (lambda: metrics.cosine_deviation(np.ones((2, 1))), "columns of V: expected an integer of at least 2"),
        (lambda: metrics.direction_distance(np.eye(2), np.eye(3)), "V: expected the shape"),
        (lambda: metrics.direction_distance(np.eye(2), np.zeros((2, 2))), "V: expected vectors with a direction"),
        (lambda: metrics.classifier_norms(np.ones((1, 2))), "W: expected K ≥ 2 rows"),
        (lambda: metrics.classifier_cosines(np.array([[np.nan], [1.0]])), "W: expected finite entries"),
        (lambda: metrics.within_class_variation(np.ones((1, 2)), np.array([0, 1]), 2), "H: expected samples that are"),
        (lambda: metrics.centred_class_means(np.ones((1, 2)), np.array([0, 0]), 2), "y: expected at least one sample"),
        (lambda: metrics.mean_classifier_floor(np.zeros((2, 2))), "W: expected a matrix that is not zero"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
