"""Figure 2 at full length: what each reading of the settings gives, and what holds beyond the last step."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncpaper import compiled, conservation, flow, margin, measures, rates, ulpm
from tests.strategies import few, seeds

K, d, STEPS, RATE, STARTS = 5, 20, 10**5, 5.0, 6
AT = flow.logarithmic_steps(STEPS, 41)
READINGS = [(n, scale) for n in (10, 2) for scale in (1.0, 0.3, 0.1)]


def start(n, scale, seed):
    rng = np.random.default_rng(1000 + seed)  # not the initialisations of the chapter
    return scale * rng.standard_normal((K, d)), scale * rng.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)


@cache
def descent(n, scale, seed=0):
    """The printed setting at full length, learning rate 5 on the mean loss: the path, and every measure along it."""
    W, H, y = start(n, scale, seed)
    path = compiled.descend(W, H, y, RATE / y.size, AT)
    rows = [measures.section_4(W, H, y) for W, H in path.points]
    return path, y, {name: np.array([row[name] for row in rows]) for name in rows[0]}


@cache
def far(n, scale):
    """Every measure along the flow to t = 1e200, without the start."""
    W, H, y = start(n, scale, 0)
    at = np.concatenate([[0.0], 10 ** np.geomspace(1, 200, 60)])
    path = flow.integrate(ulpm.gradient, (W, H), at, rtol=1e-9, atol=1e-11, args=(y,))
    rows = [measures.section_4(W, H, y) for W, H in path.points[1:]]
    return at[1:], {name: np.array([row[name] for row in rows]) for name in rows[0]}


def slope(n, scale, name, seed):
    return rates.slope(AT, descent(n, scale, seed)[2][name], 1e3).value


def mean_slope(n, scale, name):
    return np.mean([slope(n, scale, name, seed) for seed in range(STARTS)])


# ---------------------------------------------------------------- the settings


@pytest.mark.parametrize("n", [10, 2])
@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_printed_setting_read_as_a_sum_overflows(n, scale, seed):
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="not finite"):
        compiled.descend(*start(n, scale, seed), RATE, AT)


def sum_survivors(n, scale, seeds):
    """Margin over its bound after 1000 and all steps, (runs, 2), of the runs in which the sum does not overflow."""
    ends = []
    for seed in seeds:
        W, H, y = start(n, scale, seed)
        try:
            with np.errstate(all="ignore"):
                points = compiled.descend(W, H, y, RATE, [50, 1000, STEPS]).points[1:]
            ends.append([margin.margin(*p, y) / margin.bound(*p, y) for p in points])
        except FloatingPointError:
            pass
    return np.array(ends).reshape(-1, 2)


def test_sum_overflows_from_nearly_every_start_of_scale_three_tenths():
    assert len(sum_survivors(2, 0.3, range(40))) <= 4


def test_sum_survives_from_some_starts_of_scale_three_hundredths_and_creeps_on_far_from_collapse():
    """n = 2. Which runs survive depends on rounding; the margin over its bound rises by about a tenth from step 1000."""
    early, late = sum_survivors(2, 0.03, range(12)).T
    assert 2 <= late.size <= 11
    assert late.max() < 0.8
    assert 0.05 < np.median(late - early) < 0.15


def test_sum_with_ten_samples_of_each_class_overflows_from_scale_one_tenth_and_survives_from_some_smaller_starts():
    assert len(sum_survivors(10, 0.1, range(10))) == 0
    few_survive = sum_survivors(10, 1e-4, range(12))
    assert 1 <= len(few_survive) <= 10
    assert few_survive.max() < 0.6


@pytest.mark.parametrize("n", [10, 2])
def test_the_mean_comes_near_its_margin_bound_from_scale_three_hundredths_but_not_from_scale_one(n):
    shares = {}
    for scale in (0.03, 1.0):
        path, y, _ = descent(n, scale)
        shares[scale] = margin.margin(*path.points[-1], y) / margin.bound(*path.points[-1], y)
    assert 0.2 < shares[1.0] < 0.6 < 0.9 < shares[0.03]


@few
@given(st.integers(2, 5), st.integers(1, 6), st.integers(1, 6), st.floats(0.01, 5), seeds)
def test_one_step_near_the_origin_multiplies_a_leading_direction_by_one_plus_step_root_n(K, n, d, step, seed):
    """The leading directions: W = u aᵀ and H = a uᵀ Y / √n with u orthogonal to the ones."""
    rng, y = np.random.default_rng(seed), ulpm.balanced_labels(K, n)
    u, a = rng.standard_normal(K), rng.standard_normal(d)
    u, a = u - u.mean(), 1e-5 * a / np.linalg.norm(a)
    W, H = np.outer(u, a), np.outer(a, u @ ulpm.one_hot(y, K)) / np.sqrt(n)
    dW, dH = ulpm.gradient(W, H, y)
    size = np.abs(W).max() + np.abs(H).max()
    np.testing.assert_allclose(W - step * dW, (1 + step * np.sqrt(n)) * W, atol=1e-6 * size * (1 + step * np.sqrt(n)))
    np.testing.assert_allclose(H - step * dH, (1 + step * np.sqrt(n)) * H, atol=1e-6 * size * (1 + step * np.sqrt(n)))


@pytest.mark.parametrize(("n", "scale"), READINGS)
def test_printed_setting_read_as_a_mean_separates_the_data_and_lowers_panels_b_c_d(n, scale):
    for seed in range(STARTS):
        path, y, table = descent(n, scale, seed)
        assert margin.margin(*path.points[-1], y) > 10
        for name, X in table.items():
            assert measures.SECTION_4[name].panel == "a" or X[-1] < X[AT >= 1000][0], name


def test_panel_a_rises_on_the_tail_from_a_few_normal_starts():
    """A standard deviation of five lengths need not fall on the way: a sweep of 24 initialisations, n = 10, scale 1."""
    at = np.unique(np.round(np.geomspace(1e3, STEPS, 11)).astype(int))
    slopes, labels = [], ulpm.balanced_labels(K, 10)
    for seed in range(4000, 4024):
        path = compiled.descend(*start(10, 1.0, seed), RATE / (10 * K), at)
        slopes.append(rates.slope(at, path.observe(measures.class_mean_norms, args=(labels,)), 1e3).value)
    assert 1 <= np.sum(np.array(slopes) > 0) <= 6


@pytest.mark.parametrize("name", ["centred_class_mean_cosines", "class_mean_cosines", "centred_classifier_cosines"])
@pytest.mark.parametrize("n", [10, 2])
def test_slopes_of_the_cosines_depend_on_the_scale_of_the_start(n, name):
    """In the mean over starts by more than a factor of two between the scales 1 and 0.1, with −1 in between."""
    steep, flat = mean_slope(n, 0.1, name), mean_slope(n, 1.0, name)
    assert steep < 2 * flat < 0
    assert steep < -1 < flat


@pytest.mark.parametrize("name", ["class_mean_norms", "centred_classifier_norms"])
@pytest.mark.parametrize("n", [10, 2])
def test_slopes_of_the_norms_depend_on_the_scale_of_the_start(n, name):
    assert mean_slope(n, 0.1, name) < mean_slope(n, 1.0, name) - 0.3


@pytest.mark.parametrize("n", [10, 2])
@pytest.mark.parametrize("name", ["centred_classifier_norms", "centred_self_duality_distance"])
def test_slopes_depend_on_the_reading_of_the_classifiers(n, name):
    assert mean_slope(n, 0.3, name.removeprefix("centred_")) > mean_slope(n, 0.3, name) + 0.1


@pytest.mark.parametrize(
    "name",
    [
        "centred_class_mean_cosines",
        "class_mean_cosines",
        "centred_classifier_cosines",
        "classifier_cosines",
        "centred_self_duality_distance",
        "self_duality_distance",
    ],
)
def test_two_samples_of_each_class_behave_like_ten_at_small_scales_and_have_flatter_slopes_at_scale_one(name):
    one, *small = (mean_slope(2, scale, name) / mean_slope(10, scale, name) for scale in (1.0, 0.3, 0.1))
    assert 0.4 < one < 0.95
    assert all(2 / 3 < ratio < 3 / 2 for ratio in small)


def test_from_scale_one_hundredth_panel_d_rises_in_some_runs_and_the_reading_w_k_of_panel_a_is_steep():
    """n = 10: what holds from scales of 0.1 to 1 does not hold from every start; panel (b) stays flat."""
    d_slopes = [slope(10, 0.01, "centred_self_duality_distance", seed) for seed in range(STARTS)]
    assert max(d_slopes) > 0
    assert sum(s > 0 for s in d_slopes) >= 2
    assert mean_slope(10, 0.01, "classifier_norms") < -0.8
    assert all(-0.5 < slope(10, 0.01, "within_class_variation", seed) < 0 for seed in range(STARTS))


# ---------------------------------------------------------------- the wording


@pytest.mark.parametrize(("n", "scale"), READINGS)
def test_logarithms_of_the_measures_do_not_tend_to_zero(n, scale):
    """Literally, "the logarithm decreases at rate O(1/log t)" bounds |log X| log t."""
    table = descent(n, scale)[2]
    for name in (
        "within_class_variation",
        "centred_class_mean_cosines",
        "centred_classifier_cosines",
        "centred_self_duality_distance",
    ):
        X = table[name]
        late = np.abs(np.log(X[AT >= 1000]))
        assert late[-1] > late[0], name
        assert (late * np.log(AT[AT >= 1000]))[-1] > 1.5 * (late * np.log(AT[AT >= 1000]))[0], name


@pytest.mark.parametrize("n", [10, 2])
def test_measures_are_bounded_by_a_power_of_the_logarithm_of_time(n):
    """The corrected wording: X = O((log t)^−p); the products X (log t)^p settle far out, with p = 1/2 or 1."""
    t, table = far(n, 0.3)
    late = t > 1e40
    for name, X in table.items():
        reading = measures.SECTION_4[name]
        p = 0.5 if reading.classifiers == "uncentred" or reading.panel == "b" else 1.0
        product = (X * np.log(t) ** p)[late]
        assert product.max() < 1.25 * product.min(), name
        assert (X * np.log(t) ** (p + 0.5))[late][-1] > 1.7 * (X * np.log(t) ** (p + 0.5))[late][0], name


# ---------------------------------------------------------------- the panels up to 1e5


@pytest.mark.parametrize(("n", "scale"), READINGS)
def test_within_class_variation_falls_slower_than_the_inverse_root_of_the_logarithm(n, scale):
    for seed in range(STARTS):
        assert -0.5 < slope(n, scale, "within_class_variation", seed) < 0


@pytest.mark.parametrize(("n", "scale"), READINGS)
def test_within_class_variation_stays_above_the_floor_of_the_conservation_law(n, scale):
    path, y, table = descent(n, scale)
    floor = path.observe(lambda W, H: np.sqrt(conservation.scatter_floor(W, H) / y.size) / np.linalg.norm(H))
    assert (table["within_class_variation"] >= floor).all()
    assert floor[-1] > 0


@pytest.mark.parametrize(("n", "scale"), READINGS)
def test_self_duality_falls_slower_than_the_inverse_logarithm(n, scale):
    """In both readings, also where panels (a) and (c) fall faster."""
    for name in ("centred_self_duality_distance", "self_duality_distance"):
        assert -0.75 < mean_slope(n, scale, name) < 0
        assert all(-0.9 < slope(n, scale, name, seed) < 0 for seed in range(STARTS))


@pytest.mark.parametrize(("n", "scale"), READINGS)
def test_norms_of_the_classifiers_read_as_w_k_fall_slower_than_the_inverse_logarithm(n, scale):
    assert -0.7 < mean_slope(n, scale, "classifier_norms") < 0


def test_no_measure_falls_like_the_inverse_logarithm_from_a_normal_start():
    """n = 10, the reading of section 2.2: in the mean over starts every slope is flatter than −0.8."""
    for name in descent(10, 1.0)[2]:
        assert mean_slope(10, 1.0, name) > -0.8, name


@pytest.mark.parametrize(("n", "scale"), READINGS)
def test_descent_keeps_the_mean_classifier_for_all_steps(n, scale):
    path, _, _ = descent(n, scale)
    first = path.points[0][0].mean(axis=0)
    assert max(np.abs(W.mean(axis=0) - first).max() for W, _ in path.points) < 1e-9


# ---------------------------------------------------------------- beyond


@pytest.mark.parametrize("n", [10, 2])
@pytest.mark.parametrize(
    "name", ["within_class_variation", "classifier_norms", "classifier_cosines", "self_duality_distance"]
)
def test_far_flow_has_the_exponent_one_half(n, name):
    t, table = far(n, 0.3)
    assert rates.slope(t, table[name], 1e60).value == pytest.approx(-0.5, abs=0.05)


@pytest.mark.parametrize("n", [10, 2])
@pytest.mark.parametrize(
    "name",
    [
        "class_mean_norms",
        "centred_classifier_norms",
        "centred_class_mean_cosines",
        "class_mean_cosines",
        "centred_classifier_cosines",
        "centred_self_duality_distance",
    ],
)
def test_far_flow_has_the_exponent_one_in_the_centred_readings(n, name):
    t, table = far(n, 0.3)
    assert rates.slope(t, table[name], 1e60).value == pytest.approx(-1.0, abs=0.1)


# ---------------------------------------------------------------- the axes


@few
@given(st.floats(0.2, 3), st.floats(0.01, 10))
def test_power_of_the_logarithm_has_one_slope_on_these_axes(p, C):
    """The same in both halves of any window."""
    t = np.geomspace(10, 1e5, 50)
    for begin in (10, 1e3):
        fit = rates.slope(t, C * np.log(t) ** -p, begin)
        assert fit.value == pytest.approx(-p, abs=1e-9)
        assert fit.spread < 1e-9


@pytest.mark.parametrize("law", [lambda t: 1 / (np.log(t) + 20), lambda t: t**-0.1, lambda t: 0.5 + t**-0.1])
def test_law_that_is_no_power_of_the_logarithm_has_no_single_slope(law):
    """The converse: on these axes two halves of a window differ, so that a line all along is a power."""
    t = np.geomspace(10, 1e5, 50)
    assert rates.slope(t, law(t), 10).spread > 0.02
    assert rates.slope(t, law(t), 1e3).spread > 1e-3


@pytest.mark.parametrize("law", [lambda t: 1 / (np.log(t) + 20), lambda t: t**-0.1, lambda t: 0.5 + t**-0.1])
def test_other_laws_look_straight_on_the_tail_of_these_axes(law):
    t = np.geomspace(1e3, 1e5, 50)
    assert np.corrcoef(np.log(np.log(t)), np.log(law(t)))[0, 1] ** 2 > 0.99


def test_slope_on_these_axes_is_not_the_exponent_of_the_limit():
    """1/(log t + 20) is of the exact order 1/log t; a power of t is of no order (log t)^−p."""
    t = np.geomspace(1e3, 1e5, 50)
    assert rates.slope(t, 1 / (np.log(t) + 20), 1e3).value > -0.4
    assert -1.0 < rates.slope(t, t**-0.1, 1e3).value < -0.8


def test_slope_on_these_axes_depends_on_the_unit_of_time():
    """The same curve, counted in steps and in the time of the flow, one unit for ten steps."""
    X = descent(10, 0.3)[2]["within_class_variation"]
    in_steps, in_time = rates.slope(AT, X, 1e3).value, rates.slope(AT[AT >= 1000] / 10, X[AT >= 1000], 99).value
    assert abs(in_time) < 0.85 * abs(in_steps)
