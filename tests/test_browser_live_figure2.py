"""The live Figure 2 in a real browser, opened from a disk: its numbers beside the package, its words beside the ledger."""

import json
import re
import shutil
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from ncpaper import claims, compiled, flow, margin, measures, rates, ulpm
from tests.test_browser_live import STATIC, initial

sys.path.insert(0, str(STATIC.parents[1]))
import live

K, d, STEPS = 5, 20, 10**5
AT = flow.logarithmic_steps(STEPS, 41)
AT = AT[AT >= 10]
PAGE = """<!doctype html><html lang="en"><head><title>A page</title><meta charset="utf-8"><link rel="stylesheet"
href="custom.css"><link rel="stylesheet" href="live/live.css"><script src="citing.js" defer></script>
<script src="live/load.js" defer></script></head><body><main><h1>A page</h1><figure class="live live-figure-2" id="here">
<img alt="a still picture" src="favicon.svg"><figcaption>A caption.</figcaption></figure></main></body></html>"""

#: Settings, read from the address: samples of each class, scale, seed, learning rate.
SETTINGS = [(10, 0.3, 0, 5), (2, 1, 3, 5), (2, 0.01, 23, 10)]

#: The measures of the curves, as the figure reads them at first.
DRAWN = (
    *("class_mean_norms", "centred_classifier_norms", "within_class_variation", "centred_class_mean_cosines"),
    *("centred_classifier_cosines", "centred_self_duality_distance"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The static files, the recorded data and a page with the figure, on a disk."""
    where = tmp_path_factory.mktemp("live") / "site"
    shutil.copytree(STATIC.parent, where)
    (where / "live" / "figure_2_recorded.js").write_text(live.recorded_script(), encoding="utf8")
    (where / "page.html").write_text(PAGE, encoding="utf8")
    return where


@pytest.fixture
def visit(browser, folder):
    """Opens the page with a setting in its address; nothing is served."""
    contexts = []

    def opened(setting="", ready=True, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(f"{(folder / 'page.html').as_uri()}?live=figure_2&{setting}#here")
        page.wait_for_selector("figure.live[data-live=ready]")
        if ready:
            finished(page)
        return page

    yield opened
    for context in contexts:
        context.close()


def finished(page):
    page.wait_for_function("() => !live.stages.figure_2.values().running", timeout=30_000)
    return page.evaluate("() => live.stages.figure_2.values()")


def said(page):
    page.wait_for_function("() => { const s = live.stages.figure_2.stage; return s.said.textContent === s.text; }")
    return page.locator(".live-said").text_content()


def number(text):
    return float(text.replace("−", "-"))


@pytest.mark.parametrize(("n", "scale", "seed", "rate"), SETTINGS)
def test_the_live_figure_2_has_the_numbers_of_the_package_after_all_steps(visit, n, scale, seed, rate):
    W, H, y = initial(K, d, n, scale, seed)
    path = compiled.descend(W, H, y, rate / y.size, AT)
    page = visit(f"n={n}&scale={scale}&seed={seed}&rate={rate}")
    found = finished(page)
    expected = [measures.section_4(*point, y) for point in path.points]
    for name in measures.SECTION_4:
        X = np.array([row[name] for row in expected])
        assert [row[name] for row in found["rows"]] == pytest.approx(X, rel=1e-6), name
    assert found["margin"] == pytest.approx(margin.margin(*path.points[-1], y), rel=1e-9)
    assert found["bound"] == pytest.approx(margin.bound(*path.points[-1], y), rel=1e-9)
    notes = " ".join(page.locator(".live-note").all_text_contents())
    printed = [(number(value), float(spread)) for value, spread in re.findall(r"([+−]\d\.\d\d) \((\d\.\d\d)\)", notes)]
    fits = [rates.slope(AT, np.array([row[name] for row in expected]), 1e3) for name in DRAWN]
    assert np.allclose(printed, fits, rtol=0, atol=0.005001)  # two digits
    slopes = [fit.value for fit in fits]
    answers = [row.split(":")[0] for row in page.locator(".live-answers tbody td:nth-child(2)").all_text_contents()]
    flattest = [max(slopes[:2]), slopes[2], max(slopes[3:5]), slopes[5]]
    assert answers[1:5] == ["yes" if slope <= -0.8 else "no" for slope in flattest]
    assert page.faults == []


def test_the_live_figure_2_says_at_which_step_the_sum_overflows(visit):
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError) as first:
        flow.descend(ulpm.gradient, initial(K, d, 2, 0.3, 1)[:2], 5.0, [200], args=(ulpm.balanced_labels(K, 2),))
    step = re.search(r"\d+", str(first.value))[0]
    page = visit("loss=sum&n=2&scale=0.3&seed=1")
    assert f"overflows at step {step}," in said(page)
    assert f"1 + η√n = {1 + 5 * 2**0.5:.2f}" in said(page)
    assert page.locator(".live-answers tbody td:nth-child(2)").all_text_contents() == [
        f"no: it overflows at step {step}"
    ]
    assert page.locator(".live-note").first.text_content() == ""


def test_the_sentences_of_the_live_figure_2_are_those_of_the_ledger(visit):
    rows = visit("n=2").locator(".live-answers tbody td:nth-child(1)").all_text_contents()
    assert [row.split()[0] for row in rows] == [
        *("fig-2-settings", "fig-2a", "fig-2b", "fig-2c", "fig-2d", "fig-2-rates-wording"),
    ]
    for row in rows:
        claim, quoted = row.split(maxsplit=1)
        printed = re.sub(r"\\del|[\\${}`]", "", " ".join(claims.ledger()[claim].printed.split()))
        words = re.sub(r"^\([a-d]\) ", "", quoted.strip("“”")).replace("10⁵", "10^5")
        assert words in printed, claim


def test_the_recorded_exponents_are_those_of_the_flow_with_ten_samples_of_each_class_from_scale_three_tenths():
    data = json.loads(live.recorded_script().removeprefix("live.recorded = ").removesuffix(";\n"))
    rng, y = np.random.default_rng(0), ulpm.balanced_labels(K, 10)  # the chapter's initialisation
    point = 0.3 * rng.standard_normal((K, d)), 0.3 * rng.standard_normal((d, K * 10))
    log_t = np.array(data["log_t"][:12])
    path = flow.integrate_log(ulpm.log_loss, ulpm.log_loss_gradient, point, log_t, args=(y,))
    assert set(data["exponents"]) == set(measures.SECTION_4)
    for name, p in data["exponents"].items():
        X = path.observe(measures.SECTION_4[name].function, args=(y,))
        assert p[:11] == pytest.approx(-np.gradient(np.log(X), np.log(log_t))[:11], abs=1e-3), name


def test_the_live_figure_2_is_cancelled_run_again_and_replaced_from_the_keyboard(visit):
    page = visit("", ready=False)
    page.get_by_role("button", name="cancel").focus()
    page.keyboard.press("Space")
    assert "cancelled after" in said(page)
    assert "rows" not in finished(page)
    page.get_by_role("button", name="run again").press("Enter")
    page.get_by_label("N = 10 counts").select_option("2")  # while it runs
    assert finished(page)["sizes"]["n"] == 2
    page.get_by_label("seed").press("ArrowRight")
    assert finished(page)["seed"] == 1
    assert page.faults == []


def test_a_setting_of_the_live_figure_2_can_be_linked_and_cited(visit):
    page = visit("n=2&scale=0.25")
    assert said(page).startswith(
        "scale=0.25 in the address is not one of 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1; 0.3 is used."
    )
    page.get_by_label("classifiers", exact=True).select_option("printed")
    page.get_by_role("button", name="copy citation").click()
    cited = page.locator("button.copy").last.get_attribute("data-copy")
    assert cited.startswith("The ncpaper developers (")
    assert "n = 2, mean of the losses, scale 0.3, learning rate 5, seed 0; uncentred classifiers." in cited
    again = visit(cited.split("?live=figure_2&")[1].removesuffix("#here"))
    assert again.get_by_label("classifiers", exact=True).input_value() == "printed"


def test_the_page_of_figure_2_shows_its_live_figure_to_all(html, browser):
    """Served: light on a desktop, dark on a phone; with the cards and the figure that it leads to."""
    page = browser.new_page(viewport={"width": 1280, "height": 844})
    page.route("**/*", lambda route: route.fulfill(path=html / urlsplit(route.request.url).path[1:]))
    page.goto("http://book.test/book/figure_2.html?live=figure_2&n=2")
    page.locator("figure.live").scroll_into_view_if_needed()
    page.wait_for_selector("figure.live[data-live=ready]")
    finished(page)
    recorded = (html / "_static" / "live" / "figure_2_recorded.js").read_text(encoding="utf8")
    assert recorded == live.recorded_script()
    for link in page.locator(".live-stage a").all():
        assert page.locator(link.get_attribute("href")).count() == 1
    page.evaluate("() => document.querySelector('article').replaceChildren(document.querySelector('figure.live'))")
    for width, theme in ((1280, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.evaluate(f"() => {{ document.documentElement.dataset.theme = '{theme}'; }}")
        page.wait_for_timeout(300)  # colours fade in
        assert Axe().run(page, context="figure.live", options={"preload": False}).response["violations"] == []
    page.close()
