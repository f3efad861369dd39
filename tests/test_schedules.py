"""Schedules: the rules are their formulas, the clocks are the predicted ones, and the orbit is one."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncpaper import flow, margin, measures, points, rates, schedules, stability, ulpm

K, n, d = 3, 4, 5


def normal(seed, scale=0.5):
    rng, y = np.random.default_rng(seed), ulpm.balanced_labels(K, n)
    return scale * rng.standard_normal((K, d)), scale * rng.standard_normal((d, K * n)), y


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_a_constant_step_is_gradient_descent_on_the_loss(seed):
    W, H, y = normal(seed)
    found = schedules.descend(W, H, y, schedules.constant(0.1), [40]).points[-1]
    expected = flow.descend(ulpm.gradient, (W, H), 0.1, [40], args=(y,)).points[-1]
    assert all(np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(found, expected, strict=True))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_a_normalised_step_has_its_length(seed):
    W, H, y = normal(seed)
    [(V, G)] = schedules.descend(W, H, y, schedules.normalised(0.3), [1]).points
    assert np.isclose(ulpm.squared_norm(V - W, G - H), 0.09, rtol=1e-9)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_momentum_and_adam_are_those_of_pytorch(name):
    W, H, y = normal(1)
    V, G, labels = (torch.tensor(part, requires_grad=part.dtype == float) for part in (W, H, y))
    chosen = torch.optim.Adam([V, G], lr=0.05) if name == "adam" else torch.optim.SGD([V, G], lr=0.02, momentum=0.9)
    for _ in range(30):
        chosen.zero_grad()
        total = torch.nn.functional.cross_entropy((V @ G).T, labels, reduction="mean" if name == "adam" else "sum")
        total.backward()
        chosen.step()
    if name == "adam":
        found = schedules.adam(W, H, y, 0.05, [30]).points[-1]
    else:
        found = schedules.descend(W, H, y, schedules.constant(0.02), [30], momentum=0.9).points[-1]
    assert np.allclose(found[0], V.detach().numpy(), rtol=1e-7, atol=1e-9)
    assert np.allclose(found[1], G.detach().numpy(), rtol=1e-7, atol=1e-9)


def test_along_the_collapsed_ray_a_normalised_step_adds_its_length_to_the_norm():
    W, H, y = points.collapsed(K, n, d, 4.0)
    [(V, G)] = schedules.descend(W, H, y, schedules.normalised(0.1), [50]).points
    assert np.isclose(np.sqrt(ulpm.squared_norm(V, G)), np.sqrt(ulpm.squared_norm(W, H)) + 5.0, rtol=1e-9)


def test_along_the_collapsed_ray_the_margin_grows_linearly_by_loss_and_norm():
    W, H, y = points.collapsed(K, n, d, 30.0)
    c = 0.5
    path = schedules.descend(W, H, y, schedules.by_loss_and_norm(c), [0, 400])
    grown = np.diff([margin.margin(*p, y) for p in path.points])[0] / 400
    assert np.isclose(grown, c / (n * (K - 1) ** 2), rtol=1e-2)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_normalised_steps_keep_to_the_ray_exactly_below_their_limit(factor):
    eta = 0.05
    rho2 = schedules.normalised_limit(K, n, eta) * factor**2
    q = rho2 / (2 * (K - 1) * np.sqrt(n))
    step = eta / (stability.growth(K, n, q) * np.sqrt(rho2))
    assert (step < stability.stable_step(K, n, q)) == (factor < 1)


def test_the_measures_of_two_schedules_agree_at_equal_margins():
    """The orbit is one: small steps of every kind give the same measure at the same margin."""
    W, H, y = normal(2)
    rules = [schedules.normalised(0.01), schedules.constant(0.005), schedules.by_loss(0.02)]
    rules.append(schedules.by_loss_and_norm(0.2))
    found = []
    for rule in rules:
        path = schedules.descend(W, H, y, rule, range(0, 1500, 10))
        q = [margin.margin(*p, y) for p in path.points]
        assert q[0] < 3 < q[-1]
        found.append(np.interp(3.0, q, [measures.centred_self_duality_distance(*p, y) for p in path.points]))
    assert np.allclose(found, found[0], rtol=0.01), found


def test_alternating_steps_keep_to_the_ray_with_almost_twice_the_growth_of_the_largest_stable_step():
    """The limit c* is one for equal steps; 0.95 times the two Chebyshev steps have the mean 1.9 c*."""
    W, H, y = points.collapsed(K, n, d, 200.0)
    rng, c = np.random.default_rng(0), stability.step_limit(K, n)
    W, H = (part + 1e-3 * rng.standard_normal(part.shape) for part in (W, H))
    turns = itertools.cycle([0.95 / (1 - np.sqrt(0.5)), 0.95 / (1 + np.sqrt(0.5))])
    path = schedules.descend(W, H, y, lambda W, H, g, log: next(turns) * c / ulpm.squared_norm(W, H), [0, 400])
    (q0, q1), share = (
        [margin.margin(*p, y) for p in path.points],
        [margin.margin(*p, y) / margin.bound(*p, y) for p in path.points],
    )
    assert np.isclose((q1 - q0) / 400, 1.9 * c / (n * (K - 1) ** 2), rtol=0.02)
    assert 1 - share[1] < 0.2 * (1 - share[0])


def test_a_normalised_descent_reaches_the_constants_of_the_flow():
    W, H, y = normal(0, scale=0.3)
    path = schedules.descend(W, H, y, schedules.normalised(0.02), [6000])
    W, H = path.points[-1]
    power, constant = rates.constants(rates.collapse(W, H, y), n)["within_class_variation"]
    q = margin.margin(W, H, y)
    assert np.isclose(measures.within_class_variation(W, H, y) * q**power, constant, rtol=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_adam_stays_away_from_self_duality_where_normalised_steps_arrive(seed):
    W, H, y = normal(seed)
    dual = measures.centred_self_duality_distance
    assert dual(*schedules.adam(W, H, y, 0.1, [3000]).points[-1], y) > 0.05
    assert dual(*schedules.descend(W, H, y, schedules.normalised(0.1), [1000]).points[-1], y) < 0.01


def test_the_number_of_evaluations_is_the_first_recorded_step_at_the_target():
    W, H, y = normal(0)
    path = schedules.descend(W, H, y, schedules.normalised(0.1), range(0, 200, 20))
    values = [measures.within_class_variation(*p, y) for p in path.points]
    assert schedules.evaluations(path, y, measures.within_class_variation, values[4]) == 80
    assert schedules.evaluations(path, y, measures.within_class_variation, 0.0) == np.inf


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: schedules.constant(0.0), "eta: expected"),
        (lambda p: schedules.by_loss(-1.0), "c: expected"),
        (lambda p: schedules.normalised(np.nan), "eta: expected"),
        (lambda p: schedules.descend(*p, schedules.by_loss(1.0), [1], momentum=1.0), r"momentum: expected a number in"),
        (lambda p: schedules.descend(*p, schedules.by_loss(1.0), [2, 1]), "at: expected"),
        (lambda p: schedules.adam(*p, 0.1, [1], beta2=1.0), r"beta2: expected a number in"),
    ],
)
def test_a_bad_argument_of_a_schedule_is_refused_by_its_name(call, says):
    with pytest.raises(ValueError, match=says):
        call(normal(0))


def test_steps_that_are_too_large_are_reported():
    with pytest.raises(FloatingPointError, match="not finite after"):
        schedules.descend(*normal(0), schedules.by_loss(1e300), [10])
