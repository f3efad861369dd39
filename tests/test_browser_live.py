"""The mathematics of the live figures, in a real browser, beside the package."""

import json
from pathlib import Path

import numpy as np
import pytest

from ncpaper import conservation, flow, margin, measures, ulpm

STATIC = Path(__file__).resolve().parents[1] / "book" / "_ext" / "static" / "live"
SIZES = [(2, 1, 1), (3, 2, 4), (4, 3, 2), (5, 20, 10)]  # K, d, n


def uniform(seed):
    """The numbers of ``uniform`` in model.js: splitmix32."""
    state, mask = seed, 0xFFFFFFFF
    while True:
        state = (state + 0x9E3779B9) & mask
        z = state
        z = (z ^ (z >> 16)) * 0x21F0AAAD & mask
        z = (z ^ (z >> 15)) * 0x735A2D97 & mask
        yield (z ^ (z >> 15)) / 2**32


def normal(seed, count):
    """The first numbers of ``normal`` in model.js."""
    numbers = uniform(seed)
    u = np.array([next(numbers) for _ in range(count + count % 2)])
    radius, angle = np.sqrt(-2 * np.log1p(-u[::2])), 2 * np.pi * u[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:count]


def initial(K, d, n, scale, seed):
    """The initialisation of a live figure with its labels."""
    x = scale * normal(seed, K * d + d * K * n)
    return x[: K * d].reshape(K, d), x[K * d :].reshape(d, K * n), ulpm.balanced_labels(K, n)


@pytest.fixture(scope="module")
def model(browser):
    """A page that knows model.js: a function that evaluates an expression in which ``model`` is its mathematics."""
    page = browser.new_page()
    page.add_script_tag(path=STATIC / "model.js")
    page.evaluate("() => { window.model = ncpaperModel(); }")
    yield lambda expression: page.evaluate(f"() => JSON.parse(JSON.stringify({expression}))")
    page.close()


def point(K, d, n, scale=1.0, seed=3):
    """The same initialisation as an expression of the page, and as arrays."""
    return f"model.initial({json.dumps({'K': K, 'd': d, 'n': n})}, {scale}, {seed})", initial(K, d, n, scale, seed)


def test_normal_numbers_of_a_live_figure_are_normal():
    x = normal(0, 20_000)
    assert abs(x.mean()) < 0.03
    assert abs(x.std() - 1) < 0.03
    assert abs((x**4).mean() - 3) < 0.2


@pytest.mark.parametrize(("K", "d", "n"), SIZES)
def test_a_live_figure_has_the_loss_margin_bound_and_measures_of_the_package(model, K, d, n):
    there, (W, H, y) = point(K, d, n)
    sizes = json.dumps({"K": K, "d": d, "n": n})
    found = model(f"((p) => [model.loss(p, {sizes}), model.margin(p, {sizes}), model.bound(p, {sizes})])({there})")
    assert np.allclose(found, [ulpm.loss(W, H, y), margin.margin(W, H, y), margin.bound(W, H, y)], rtol=1e-12)
    assert np.allclose(model(f"model.imbalance({there}, {sizes})"), conservation.imbalance(W, H), rtol=0, atol=1e-12)
    expected = measures.section_4(W, H, y)
    found = model(f"model.measures({there}, {sizes})")
    assert set(found) == set(expected)
    assert np.allclose([found[name] for name in expected], list(expected.values()), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("K", "d", "n"), SIZES)
def test_a_live_figure_descends_as_the_package(model, K, d, n):
    there, (W, H, y) = point(K, d, n, scale=0.5)
    sizes = json.dumps({"K": K, "d": d, "n": n})
    run = f"((p) => {{ model.descent({sizes})(p, 0.1, 50); return [Array.from(p.W), Array.from(p.H)]; }})({there})"
    W_found, H_found = model(run)
    W_end, H_end = flow.descend(ulpm.gradient, (W, H), 0.1, [50], args=(y,)).points[-1]
    assert np.allclose(W_found, W_end.ravel(), rtol=1e-10, atol=1e-12)
    assert np.allclose(H_found, H_end.ravel(), rtol=1e-10, atol=1e-12)
