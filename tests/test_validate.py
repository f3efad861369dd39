"""Bad input: every public function of the theory names what is wrong with it, tried as a user would call it."""

import inspect
import re
import warnings
from typing import Annotated, get_args, get_origin

import jaxtyping
import numpy as np
import pytest

from ncpaper import (
    alignment,
    compiled,
    conservation,
    etf,
    flow,
    kkt,
    landscape,
    lpm,
    margin,
    measures,
    models,
    points,
    rates,
    ulpm,
    validate,
)

MODULES = [
    ulpm, etf, points, measures, rates, lpm, models, margin, conservation, alignment, kkt, landscape, compiled, flow
]  # fmt: skip
K, n, d = 3, 2, 4
RNG = np.random.default_rng(0)
W, H, Y = RNG.standard_normal((K, d)), RNG.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)
SEPARATED = points.collapsed(K, n, d, 4.0)
SIZES = {"K": K, "n": n, "d": d, "M": K * n, "m": 3, "T": 20, "r": 3, "c": 2, "C": 1, "s": 3}

#: Good arguments by name, where a random array of the annotated shape or a small number would not do.
GOOD = {
    "y": Y,
    "lam": kkt.optimal_multipliers(K, n),
    "Q": np.eye(K),
    "matrices": conservation.generators(2, 1),
    "t": np.geomspace(10, 1e5, 20),
    "values": 1 / np.log(np.geomspace(10, 1e5, 20)),
    "start": 10.0,
    "beta": 0.5,
    "size": 2,
    "groups": 2,
    "scores": RNG.standard_normal((K, 3)),
    "step": 0.1,
    "at": [0, 1, 2],
    "gradient": ulpm.gradient,
    "move": lambda *now: now[:-1],
    "theta": (W, H),
    "limit": rates.collapse(*SEPARATED),
}

#: The same for one function.
GOOD_FOR = {
    "kkt.rescale": dict(zip("WHy", SEPARATED, strict=True)),
    "alignment.steepness": dict(zip("WHy", SEPARATED, strict=True)),
    "points.pairs_and_singles": {"K": 6, "d": 4},
    "measures.disagreement": {"A": np.ones((K, 3), bool), "B": np.ones((K, 3), bool)},
    "flow.descend": {"args": (Y,)},
    "flow.integrate_log": {
        "at": np.array([0.0, 1.0, 2.0]),
        "log_loss": ulpm.log_loss,
        "log_gradient": ulpm.log_loss_gradient,
        "args": (Y,),
    },
    "flow.integrate": {"at": np.array([0.0, 1.0, 2.0]), "args": (Y,)},
}

#: Bad values by the kind of the argument.
BAD_NUMBERS = [None, "abc", np.nan, np.inf, -1, 0.5 + 1j, [1, 2], 10**400, np.array([1.0, 2.0])]
BAD_SIZES = [*(value for value in BAD_NUMBERS if not isinstance(value, int) or value < 0), 2.5, True]


def bad_arrays(good, any_shape):
    """Arrays of another shape or kind than ``good``, or with entries that are no finite real numbers."""
    real = np.array(good, dtype=np.float64)
    for value in (np.nan, np.inf, -np.inf):
        yield np.where(np.arange(real.size).reshape(real.shape) == real.size - 1, value, real)
    yield from (None, "abc", real.astype(str), real + 1j, np.empty(real.shape, dtype=object), [[1.0], [2.0, 3.0]])
    if not any_shape:
        yield from (real[None], real[..., None, None])
        yield from (real[:0], real[0] if real.ndim > 1 else 1.0) if real.ndim else ()


def doors():
    """Every public function that stands behind the door, by its name."""
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and hasattr(function, "__wrapped__"):
                yield f"{module.__name__.split('.')[1]}.{name}", function


FUNCTIONS = dict(doors())


def is_array(annotation):
    return inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray)


def good_argument(name, annotation):
    """An argument that fits its annotation."""
    if is_array(annotation):
        shape = [SIZES[size] for size in annotation.dim_str.split() if size != "..."]
        return np.random.default_rng(len(name)).standard_normal(shape)
    return SIZES.get(name, 1)


def good_arguments(title):
    """Good arguments of a function by name, the optional ones left out."""
    parameters = inspect.signature(FUNCTIONS[title]).parameters.values()
    chosen = {p.name: good_argument(p.name, p.annotation) for p in parameters if p.default is p.empty}
    chosen |= {name: value for name, value in GOOD.items() if name in chosen}
    return chosen | GOOD_FOR.get(title, {})


def bad_values(annotation, good):
    """What must be refused in the place of ``good``."""
    if get_origin(annotation) is Annotated:
        return BAD_SIZES if get_args(annotation)[0] is int else BAD_NUMBERS if annotation is not validate.Real else []
    return list(bad_arrays(good, annotation.dim_str == "...")) if is_array(annotation) else []


CASES = [
    pytest.param(title, p.name, id=f"{title}-{p.name}")
    for title, function in FUNCTIONS.items()
    for p in inspect.signature(function).parameters.values()
    if p.name in good_arguments(title) and bad_values(p.annotation, 0.0)
]


@pytest.fixture(autouse=True)
def _as_a_user_calls(monkeypatch):
    """Without the type checker of the tests."""
    monkeypatch.setattr(validate, "typechecker", None)


def test_the_door_is_where_every_public_function_of_the_theory_is_entered():
    """Left out: the flow's bookkeeping, which takes any arrays, and what numba compiles."""
    free = {"flow.join", "flow.split", "flow.step_numbers", "compiled.exponential"}
    public = {
        f"{module.__name__.split('.')[1]}.{name}"
        for module in MODULES
        for name, function in inspect.getmembers(module, callable)
        if getattr(function, "__module__", "") == module.__name__
        and not name.startswith("_")
        and not inspect.isclass(function)
    }
    assert public - set(FUNCTIONS) <= free


@pytest.mark.parametrize("title", FUNCTIONS)
def test_good_arguments_give_an_answer(title):
    """Else the tests below would see errors of another origin."""
    FUNCTIONS[title](**good_arguments(title))


@pytest.mark.parametrize(("title", "name"), CASES)
def test_a_bad_argument_is_refused_by_its_name(title, name):
    good, annotation = good_arguments(title), inspect.signature(FUNCTIONS[title]).parameters[name].annotation
    for bad in bad_values(annotation, good[name]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises((ValueError, TypeError)) as refused:
                FUNCTIONS[title](**{**good, name: bad})
        assert re.match(rf"(\w+, )*{name}(, \w+)*: expected", str(refused.value)), (bad, str(refused.value))


OF_A_POINT = [title for title, f in FUNCTIONS.items() if list(inspect.signature(f).parameters)[:2] == ["W", "H"]]


@pytest.mark.parametrize("title", OF_A_POINT)
def test_numbers_that_overflow_are_refused_or_give_a_finite_answer(title):
    for scale in (1e154, 1e200, 1e308):
        arguments = good_arguments(title)
        arguments |= {"W": np.sign(arguments["W"]) * scale, "H": np.sign(arguments["H"]) * scale}
        said = ""
        try:
            answer = FUNCTIONS[title](**arguments)
        except (ValueError, FloatingPointError) as error:
            said = str(error)
        if said:
            assert re.match(r"[\w, ]+: |.*not finite|no separating", said)
        else:
            parts = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, tuple) else (answer,)
            assert all(np.isfinite(np.asarray(part, dtype=np.float64)).all() for part in parts)


@pytest.mark.parametrize("title", ["ulpm.loss", "ulpm.gradient", "margin.margin", "measures.criteria"])
def test_a_point_is_accepted_as_lists_too_and_left_as_it_was(title):
    function, before = FUNCTIONS[title], (W.copy(), H.copy(), Y.copy())
    arrays, lists = function(W, H, Y), function(W.tolist(), H.tolist(), Y.tolist())
    pairs = zip(arrays, lists, strict=True) if isinstance(arrays, tuple) else [(arrays, lists)]
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert all(np.array_equal(a, b) for a, b in zip(before, (W, H, Y), strict=True))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (Y[:-1], r"y: expected a vector of shape \(M\), M = 6, got \(5,\)"),
        (Y + 1, r"y: expected labels in 0, …, 2, got values from 1 to 3"),
        (Y - 1, r"y: expected labels in 0, …, 2, got values from -1 to 1"),
        (Y.astype(float), "y: expected integers, got entries of the type float64"),
        (ulpm.one_hot(Y, K).astype(int), r"y: expected a vector of shape \(M\)"),
    ],
)
def test_bad_labels_are_described(labels, says):
    with pytest.raises(ValueError, match=says):
        ulpm.loss(W, H, labels)


def test_an_error_says_what_was_expected_and_what_came():
    with pytest.raises(ValueError, match=r"H: expected a matrix of shape \(d, M\), d = 4, M ≥ 1, got \(3, 6\)"):
        ulpm.loss(W, H[:-1], Y)
    with pytest.raises(ValueError, match=r"W: expected a matrix of shape \(K, d\), K ≥ 2, d ≥ 1, got \(1, 4\)"):
        ulpm.loss(W[:1], H, 0 * Y)
    with pytest.raises(ValueError, match=r"expected balanced classes, n ≥ 1 samples each, got class sizes \[3, 2, 1\]"):
        margin.bound(W, H, [0, 0, 0, 1, 1, 2])


def test_the_result_of_an_inner_call_is_not_checked_again():
    """A function that another one calls trusts its arguments: the loop pays for its checks once."""
    seen = []

    @validate.door
    def inner(q: validate.Positive):
        return q

    @validate.door
    def outer(q: validate.Positive):
        seen.append(inner(-q))
        with validate.outside(), pytest.raises(ValueError, match="q: expected"):
            inner(-q)
        return seen[0]

    assert outer(2) == -2.0
    with pytest.raises(ValueError, match="q: expected a finite positive number, got -1"):
        inner(-1)
