"""Example 3.1, live, in a real browser, beside the package."""

import numpy as np
import pytest
import sympy as sp
from axe_playwright_python.sync_playwright import Axe

from ncpaper import flow, margin, symbolic, ulpm
from tests.test_browser_live import STATIC, normal, uniform

B, y = np.array(symbolic.B, dtype=float), np.arange(4)
OUTSIDE = np.array([[1, 1, 0, 0], [0, 0, 1, 1]]) / np.sqrt(2)  # the complement of the plane of the example


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens a page of nothing but the figure, at an address with settings."""
    (tmp_path / "page.html").write_text(
        '<!doctype html><meta charset="utf-8"><style>* { box-sizing: border-box } body, figure { margin: 0 }</style>'
        f'<link rel="stylesheet" href="{STATIC.as_uri()}/live.css">'
        f'<script defer src="{STATIC.as_uri()}/load.js"></script><figure class="live live-saddle" id="example"></figure>'
    )
    contexts = []

    def at(settings="", **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.goto((tmp_path / "page.html").as_uri() + settings)
        page.locator("figure[data-live=ready]").wait_for(state="attached")
        return page

    yield at
    for context in contexts:
        context.close()


def shown(page):
    return page.evaluate("() => JSON.parse(JSON.stringify(live.stages.saddle.values()))")


def change(M, C):
    """The change of the loss from the example to W = H = M, in thirty digits."""
    return (symbolic.loss(M, M) - symbolic.loss(C * symbolic.B, C * symbolic.B)).evalf(30)


@pytest.mark.parametrize(("C", "s"), [("1", "0.005"), ("1.5", "0.0001"), ("0.5", "0.5")])
def test_the_live_paths_have_the_losses_of_the_package(opened, C, s):
    found = shown(opened(f"?live=saddle&C={C}&s={s}"))
    C, s = sp.Rational(C), sp.Rational(s)
    simplex = sp.atan(1 / sp.sqrt(2))
    phi = min(2 * sp.asin(sp.sqrt(s) / 2), simplex).evalf(40)
    printed, corrected = symbolic.printed_family(C, s), symbolic.great_circle(C, phi)
    assert np.isclose(found["printed"], float(change(printed, C)), rtol=1e-10)
    assert np.isclose(found["corrected"], float(change(corrected, C)), rtol=1e-10)
    distance = 2 * sum(v**2 for v in printed - C * symbolic.B)
    assert np.isclose(found["squaredDistance"], float(distance), rtol=1e-12)
    if found["C"] == 0.5:  # below the threshold: no point of the path is as low as the example
        assert found["epsilon"] is None
        assert all(change(symbolic.printed_family(C, sp.Rational(k, 100)), C) > 0 for k in range(5, 100, 5))
    else:  # the only sign change between the two points of the chapter's proposition
        above, below = (k * sp.exp(-4 * C**2).evalf() for k in (sp.Rational(9, 16), 4))
        root = sp.nsolve(change(symbolic.printed_family(C, symbolic.s), C), symbolic.s, (above, below), solver="bisect")
        assert np.isclose(found["epsilon"], float(16 * C**2 * root), rtol=1e-10)


def test_the_live_path_serves_no_epsilon_exactly_below_the_threshold(opened):
    page = opened("?live=saddle&C=0.7")
    assert shown(page)["epsilon"] > 0
    page.get_by_label("scale of the example, C").press("ArrowLeft")
    assert shown(page)["C"] == 0.65
    assert shown(page)["epsilon"] is None
    page.get_by_text("satisfies (11) for no ε").wait_for()


def descended(kind, C, rate, size, seed, steps):
    """The end of one run in numpy, with the random numbers of the figure."""
    noise = iter(size * normal(seed, 32 * steps).reshape(-1, 2, 4, 4))
    numbers = uniform(seed) if kind == "batch" else noise

    def gradient(W, H):
        weights = 4 * (np.arange(4) == int(4 * next(numbers))) if kind == "batch" else 1  # of the samples
        G = ulpm.logit_gradient(W, H, y) * weights
        extra = next(numbers) if kind == "gauss" else np.zeros((2, 4, 4))
        return G @ H.T + extra[0], W.T @ G + extra[1]

    push = next(numbers) if kind == "push" else np.zeros((2, 4, 4))
    return flow.descend(gradient, (C * B + push[0], C * B + push[1]), rate, [steps]).points[-1]


@pytest.mark.parametrize(
    ("kind", "C", "rate", "size"), [("batch", 1, 0.1, 0.1), ("gauss", 0.5, 0.3, 0.05), ("push", 1.5, 1, 0.3)]
)
def test_the_live_noise_is_that_of_the_package(opened, kind, C, rate, size):
    found = shown(opened(f"?live=saddle&C={C}&noise={kind}&rate={rate}&size={size}&seed=3&step=100"))
    for i, (ratio, outside) in enumerate(zip(found["ratios"], found["outside"], strict=True)):
        W, H = descended(kind, C, rate, size, 3 + i, found["step"])
        assert np.isclose(ratio, margin.margin(W, H, y) / margin.bound(W, H, y), rtol=1e-9)
        part = ulpm.squared_norm(W @ OUTSIDE.T, OUTSIDE @ H) / ulpm.squared_norm(W, H)
        assert np.isclose(outside, np.sqrt(part), rtol=1e-9, atol=1e-15)


def test_live_mini_batch_noise_keeps_the_plane_to_the_last_digit(opened):
    for settings in ("", "?live=saddle&C=0.4&rate=0.3"):
        found = shown(opened(settings))
        assert (found["step"], found["outside"]) == (10_000, [0] * 5)
        assert max(found["ratios"]) <= 0.75


def test_the_live_saddle_is_played_with_the_keyboard_alone(opened):
    page = opened("?live=saddle&step=0")
    play = page.get_by_role("button", name="play", exact=True)
    play.focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => live.stages.saddle.values().step > 0")
    page.keyboard.press("Space")
    assert play.is_visible()
    page.get_by_label("noise", exact=True).select_option("gauss")
    assert min(shown(page)["outside"]) > 0
    page.get_by_label("point of the path").press("ArrowRight")
    assert shown(page)["s"] == 0.0063
    page.wait_for_function("() => location.search.includes('s=0.0063') && location.search.includes('noise=gauss')")


def test_the_live_saddle_says_what_it_does_not_understand_in_the_address(opened):
    page = opened("?live=saddle&C=7&step=minus")
    assert (shown(page)["C"], shown(page)["step"]) == (1, 10_000)
    text = page.locator(".live-said").last.inner_text()
    assert "C=7 in the address" in text
    assert "step=minus in the address" in text


def test_a_live_run_that_diverges_is_said_and_ends(opened):
    page = opened("?live=saddle&C=0.4&rate=1")
    assert shown(page)["step"] < 10_000
    assert np.isfinite(shown(page)["ratios"]).all()
    assert f"a run diverges after step {shown(page)['step']}" in page.locator(".live-said").last.inner_text()


def test_the_live_saddle_fits_a_phone(opened):
    page = opened("?live=saddle&noise=gauss&size=0.5&rate=1", viewport={"width": 390, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_in_its_chapter_the_live_saddle_is_accessible_in_both_themes_and_a_picture_in_print(browser, html):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    chapter = (html / "book" / "motivating_example.html").as_uri()
    page.goto(f"{chapter}?live=saddle&noise=gauss&seed=1#fig-motivating-example-live")
    page.locator("figure.live-saddle[data-live=ready]").wait_for()
    for scheme in ("light", "dark"):
        page.evaluate("(scheme) => { document.documentElement.dataset.theme = scheme; }", scheme)
        page.evaluate("() => Promise.allSettled(document.getAnimations().map(a => a.finished))")  # colours fading in
        found = Axe().run(page, context="figure.live-saddle")
        assert [v["id"] for v in found.response["violations"]] == [], scheme
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.emulate_media(media="print")
    assert page.locator("figure.live-saddle > svg.drawing").is_visible()
    assert not page.locator(".live-stage").is_visible()
    page.close()
