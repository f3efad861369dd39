"""Gradient descent and gradient flow, for any gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncpaper import flow, ulpm
from tests.strategies import many, seeds


def quadratic(seed):
    """The gradient of a random convex quadratic in (X, y), X (2, 3), y (4,), and a start."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((10, 10))
    A = A @ A.T / 10

    def gradient(X, y):
        g = A @ np.concatenate([X.ravel(), y])
        return g[:6].reshape(2, 3), g[6:]

    return A, gradient, (rng.standard_normal((2, 3)), rng.standard_normal(4))


@many
@given(seeds, st.lists(st.integers(0, 30), min_size=1, max_size=5, unique=True))
def test_descent_of_any_gradient_is_the_plain_loop(seed, at):
    A, gradient, theta = quadratic(seed)
    x, states = np.concatenate([theta[0].ravel(), theta[1]]), []
    for _ in range(31):
        states.append(x)
        x = x - 0.05 * (A @ x)
    path = flow.descend(gradient, theta, 0.05, sorted(at))
    assert path.t.tolist() == sorted(at)
    for t, (X, y) in zip(path.t, path.points, strict=True):
        np.testing.assert_allclose(np.concatenate([X.ravel(), y]), states[t], rtol=1e-12, atol=1e-14)


@many
@given(seeds)
def test_descent_of_the_model_is_the_plain_loop(seed):
    rng = np.random.default_rng(seed)
    W, H, y = rng.standard_normal((3, 2)), rng.standard_normal((2, 6)), ulpm.balanced_labels(3, 2)
    path = flow.descend(ulpm.gradient, (W, H), 0.1, [0, 1, 7], args=(y,))
    for _ in range(7):
        P = np.exp(W @ H) / np.exp(W @ H).sum(axis=0)
        G = P - np.eye(3)[:, y]
        W, H = W - 0.1 * G @ H.T, H - 0.1 * W.T @ G
    np.testing.assert_allclose(path.points[-1][0], W, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(path.points[-1][1], H, rtol=1e-11, atol=1e-12)


def test_step_size_may_depend_on_the_point():
    """θ ← θ − (1/θ²)·θ³ = 0 in one step for the gradient θ³."""
    path = flow.descend(lambda x: (x**3,), (np.array([2.0]),), lambda x: float(x[0] ** -2), [0, 1])
    assert [p[0].tolist() for p in path.points] == [[2.0], [0.0]]


def test_descent_leaves_its_start_alone():
    start = np.ones((2, 2))
    path = flow.descend(lambda x: (x,), (start,), 0.5, [0, 3])
    assert (start == 1).all()
    assert path.points[0][0] is not start


def test_descent_with_too_large_a_step_names_the_step_that_left_the_numbers():
    """x ← x − x³ from 10 passes −990 and about 1e9, 1e27, 1e81 and 1e243."""
    run = (lambda x: (x**3,), (np.array([10.0]),), 1.0)
    assert abs(flow.descend(*run, [5]).points[0][0][0]) > 1e240
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(FloatingPointError, match="not finite after 6 st"):
        flow.descend(*run, [0, 600])


@pytest.mark.parametrize("step", [1e160, 1e200, 1e308])
def test_descent_of_the_model_with_too_large_a_step_says_so(step):
    """The gradient of the model refuses a point that is not finite; the step that led there comes first."""
    rng, y = np.random.default_rng(0), ulpm.balanced_labels(3, 2)
    start = rng.standard_normal((3, 2)), rng.standard_normal((2, 6))
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(FloatingPointError, match="the step size is too"):
        flow.descend(ulpm.gradient, start, step, [0, 10], args=(y,))


@pytest.mark.parametrize("at", [[], [3, 3], [2, 1], [-1, 2], [0.5], [0.0, 2.0], [[0, 1]], 3, None, ["1"]])
def test_descent_refuses_steps_that_do_not_increase_from_zero(at):
    with pytest.raises(ValueError, match="at: expected"):
        flow.descend(lambda x: (x,), (np.ones(1),), 0.1, at)


def test_descent_counts_unsigned_step_numbers_too():
    with pytest.raises(ValueError, match="at: expected increasing step numbers"):
        flow.step_numbers(np.array([2, 1], dtype=np.uint8))
    assert flow.step_numbers(np.array([1, 2], dtype=np.uint8)).tolist() == [1, 2]


@pytest.mark.parametrize("step", [0, -1, np.nan, np.inf, None, "1", np.ones(1)])
def test_descent_refuses_a_step_that_is_not_positive(step):
    with pytest.raises(ValueError, match="step: expected a finite positive number"):
        flow.descend(lambda x: (x,), (np.ones(1),), step, [1])


def test_descent_refuses_a_start_that_is_not_finite():
    with pytest.raises(ValueError, match="theta: expected finite entries"):
        flow.descend(lambda x: (x,), (np.array([1.0, np.nan]),), 0.1, [0])


@many
@given(seeds)
def test_flow_of_a_quadratic_is_the_matrix_exponential(seed):
    A, gradient, theta = quadratic(seed)
    values, vectors = np.linalg.eigh(A)
    x = vectors.T @ np.concatenate([theta[0].ravel(), theta[1]])
    at = [0.0, 0.3, 2.0, 20.0]
    path = flow.integrate(gradient, theta, at)
    for t, (X, y) in zip(at, path.points, strict=True):
        exact = vectors @ (np.exp(-values * t) * x)
        np.testing.assert_allclose(np.concatenate([X.ravel(), y]), exact, atol=1e-8)  # asked: 1e-10 for each step


@many
@given(st.floats(-3, 3))
def test_flow_reaches_enormous_times(x):
    """ẋ = e⁻ˣ has the solution log(eˣ⁽⁰⁾ + t): the motion of a margin, here up to t = 1e12."""
    at = np.concatenate([[0], np.geomspace(1e-3, 1e12, 7)])
    path = flow.integrate(lambda x: (-np.exp(-x),), (np.array([x]),), at)
    np.testing.assert_allclose(path.observe(lambda x: x[0]), np.log(np.exp(x) + at), atol=1e-8)


def test_flow_of_a_field_that_is_no_gradient_turns_round():
    at = np.linspace(0, 6, 7)
    path = flow.integrate(lambda x, v: (-v, x), (np.array([1.0]), np.array([0.0])), at)
    np.testing.assert_allclose(path.observe(lambda x, v: x[0]), np.cos(at), atol=1e-8)
    np.testing.assert_allclose(path.observe(lambda x, v: v[0]), -np.sin(at), atol=1e-8)


def test_flow_may_start_later_than_zero():
    path = flow.integrate(lambda x: (x,), (np.array([1.0]),), [5.0, 7.0])
    assert path.points[-1][0][0] == pytest.approx(np.exp(-2.0), rel=1e-8)


def test_flow_that_leaves_in_finite_time_says_so():
    """ẋ = x² from 1 is 1/(1 − t)."""
    with pytest.raises(FloatingPointError, match=r"stopped after the recorded time 0\.5"), np.errstate(all="ignore"):
        flow.integrate(lambda x: (-(x**2),), (np.array([1.0]),), [0.0, 0.5, 2.0])


@pytest.mark.parametrize("at", [[], [0.0], [1.0, 1.0], [2.0, 1.0], [-1.0, 1.0]])
def test_flow_refuses_times_that_do_not_increase_from_zero(at):
    with pytest.raises(ValueError, match="at: expected"):
        flow.integrate(lambda x: (x,), (np.ones(1),), at)


@many
@given(st.integers(1, 10**6), st.integers(2, 60))
def test_logarithmic_steps_increase_from_zero_to_the_last(steps, points):
    at = flow.logarithmic_steps(steps, points)
    assert at[0] == 0
    assert 1 in at
    assert at[-1] == steps
    assert (np.diff(at) > 0).all()
    assert at.size <= points + 1


@pytest.mark.parametrize(("steps", "points"), [(0, 5), (10, 0)])
def test_logarithmic_steps_refuses_nothing_to_do(steps, points):
    with pytest.raises(ValueError, match=r"(steps|points): expected"):
        flow.logarithmic_steps(steps, points)


@pytest.mark.parametrize("at", [[0.0, np.inf], [0.0, np.nan], [np.nan, 1.0], [-np.inf, 1.0]])
def test_flow_refuses_times_that_are_not_finite_at_once(at):
    with pytest.raises(ValueError, match="at: expected finite entries"):
        flow.integrate(lambda x: (x,), (np.ones(1),), at)


@pytest.mark.parametrize(
    "run", [lambda f, x: flow.descend(f, x, 0.1, [1]), lambda f, x: flow.integrate(f, x, [0.0, 1.0])]
)
@pytest.mark.parametrize(
    ("gradient", "theta", "says"),
    [
        (lambda x: (x[:1],), (np.ones(2),), r"gradient: expected the shapes \[\(2,\)\]"),
        (lambda x: (x[None],), (np.ones(2),), "gradient: expected the shapes"),
        (lambda x: (x, x), (np.ones(2),), "gradient: expected the shapes"),
        (lambda x: (x * np.nan,), (np.ones(2),), "gradient: expected finite entries"),
        (lambda x: (x * 1j,), (np.ones(2),), "gradient: expected real numbers"),
        (lambda x: (x,), (np.ones(2) * 1j,), "theta: expected real numbers"),
    ],
)
def test_what_is_no_gradient_is_refused_before_the_first_step(run, gradient, theta, says):
    with pytest.raises(ValueError, match=says):
        run(gradient, theta)


def test_what_the_gradient_needs_besides_the_point_is_checked_once():
    """The first gradient names a bad label; the later ones do not look again."""
    W, H, y = np.eye(2), np.eye(2), np.array([0, 2])
    with pytest.raises(ValueError, match=r"y: expected labels in 0, …, 1"):
        flow.descend(ulpm.gradient, (W, H), 0.1, [3], args=(y,))


def test_split_undoes_join():
    theta = (np.arange(6.0).reshape(2, 3), np.arange(4.0))
    assert all((a == b).all() for a, b in zip(flow.split(flow.join(*theta), theta), theta, strict=True))
    with pytest.raises(ValueError, match="x: expected 10 entries"):
        flow.split(np.zeros(9), theta)
