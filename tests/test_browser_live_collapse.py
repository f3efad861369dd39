"""The live figure of collapse: its numbers beside the package, and its habits in a real browser."""

import json
import re
from pathlib import Path
from urllib.parse import urlencode, urlparse

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from ncpaper import conservation, flow, margin, measures, ulpm
from tests.test_browser_live import initial

STATIC = Path(__file__).resolve().parents[1] / "book" / "_ext" / "static"
PAGE = """<!doctype html><html lang="en"><head><title>A page</title><link rel="stylesheet" href="/custom.css">
<link rel="stylesheet" href="/live/live.css"><script src="/citing.js" defer></script>
<script src="/live/load.js" defer></script></head><body><main><h1>A page</h1>
<figure class="live live-collapse" id="fig"><img alt="a still picture" src="/favicon.svg">
<figcaption>A caption.</figcaption></figure>
</main></body></html>"""

#: Settings in the address beside those that a setting leaves alone, and the step that is looked at.
FIRST = {"classes": "plane", "scale": 0.3, "n": 5, "rate": 0.1, "loss": "sum", "reading": "centred", "seed": 12}
SETTINGS = [
    ({}, 990),
    ({"classes": "space", "scale": 0.1, "n": 3, "rate": 1, "loss": "mean", "reading": "plain", "seed": 4}, 495),
    ({"classes": "space", "scale": 1, "n": 20, "rate": 0.03, "reading": "centred", "seed": 7}, 10_000),
]
PLAIN = ("class_mean_norms", "classifier_norms", "within_class_variation", "class_mean_cosines")
NAMES = {
    "plain": {*PLAIN, "classifier_cosines", "self_duality_distance"},
    "centred": {
        *("class_mean_norms", "centred_classifier_norms", "within_class_variation", "centred_class_mean_cosines"),
        *("centred_classifier_cosines", "centred_self_duality_distance"),
    },
}


def answer(route):
    """Answer a request for the page or for one of the book's static files; nothing else is there."""
    path = urlparse(route.request.url).path
    if path == "/":
        route.fulfill(body=PAGE, content_type="text/html")
    else:
        route.fulfill(path=STATIC / path[1:])


@pytest.fixture(scope="module")
def room(browser):
    """One page for all visits."""
    context = browser.new_context()
    context.route("**/*", answer)
    yield context.new_page()
    context.close()


@pytest.fixture
def visit(room):
    """A function that opens the page with the figure at some settings, ready; it must make no error."""
    faults = []

    def note(error):
        faults.append(str(error))

    room.on("pageerror", note)

    def opened(settings=()):
        room.goto("http://figure.test/?" + urlencode({"live": "collapse", **dict(settings)}))
        room.wait_for_selector("figure.live[data-live=ready]")
        return room

    yield opened
    room.remove_listener("pageerror", note)
    room.emulate_media(reduced_motion="no-preference")
    assert faults == []


def values(page):
    return page.evaluate("() => live.stages.collapse.values()")


def said(page):
    """The sentence below the figure, once it has said the last."""
    page.wait_for_function("() => { const s = live.stages.collapse.stage; return s.said.textContent === s.text; }")
    return page.locator(".live-said").text_content()


def expected(settings, step):
    """What the package says of the same run."""
    s = FIRST | settings
    K, d = {"plane": (3, 2), "space": (4, 3)}[s["classes"]]
    W0, H0, y = initial(K, d, s["n"], s["scale"], s["seed"])
    samples = len(y) if s["loss"] == "mean" else 1
    W, H = flow.descend(ulpm.gradient, (W0, H0), s["rate"] / samples, [step], args=(y,)).points[0]
    first, now = conservation.imbalance(W0, H0), conservation.imbalance(W, H)
    all_measures = measures.section_4(W, H, y)
    return {
        "step": step,
        "loss": ulpm.loss(W, H, y) / samples,
        "margin": margin.margin(W, H, y),
        "bound": margin.bound(W, H, y),
        "imbalanceDrift": np.linalg.norm(now - first) / np.linalg.norm(first),
        "growth": np.sqrt(ulpm.squared_norm(W, H) / ulpm.squared_norm(W0, H0)),
        "measures": {name: all_measures[name] for name in NAMES[s["reading"]]},
    }


@pytest.mark.parametrize(("settings", "step"), SETTINGS)
def test_the_figure_of_collapse_shows_the_numbers_of_the_package(visit, settings, step):
    page = visit(settings | {"step": step})
    found, there = values(page), expected(settings, step)
    assert found["step"] == step
    assert found["measures"].keys() == there["measures"].keys()
    assert found["measures"] == pytest.approx(there["measures"], rel=1e-7, abs=1e-12)
    for name in ("loss", "margin", "bound", "imbalanceDrift", "growth"):
        assert found[name] == pytest.approx(there[name], rel=1e-7), name
    assert found["meanClassifierDrift"] < 1e-11  # descent does not move the mean classifier
    text = said(page)
    for words, share in (
        (r"is (\S+) % of its bound", there["margin"] / there["bound"]),
        (r"drift by (\S+) %", there["imbalanceDrift"]),
    ):
        printed = re.search(words, text)[1]
        assert printed == f"{100 * share:.{len(printed.partition('.')[2])}f}"
    assert "NaN" not in page.locator(".live-stage").inner_html()


def test_the_curves_are_those_of_the_run(visit):
    """The last point of every curve, read from the plots, is the value at the last step."""
    page = visit({"step": 10_000})
    found = values(page)
    last = page.evaluate("() => live.stages.collapse.stage.plots.map((p) => p.data.map((list) => list.at(-1)))")
    assert last[0] == [10_000, found["margin"], found["bound"]]
    assert last[1] == [10_000, found["imbalanceDrift"], found["meanClassifierDrift"], found["growth"]]
    shown = sorted(value for plot in last[2:] for value in plot[1:])
    assert shown == sorted(found["measures"].values())


def test_a_learning_rate_that_is_too_large_is_said_and_ends_the_run(visit):
    s = FIRST | {"rate": 3}
    page = visit({"rate": 3})
    burst, text = values(page)["burst"], said(page)
    W, H, y = initial(3, 2, s["n"], s["scale"], s["seed"])
    path = flow.descend(ulpm.gradient, (W, H), 3, range(burst + 1), args=(y,))
    longer = np.sqrt(path.observe(ulpm.squared_norm) / ulpm.squared_norm(W, H)) > 1e6
    assert np.flatnonzero(longer).tolist() == [burst]
    assert f"at step {burst} the point is more than a million times as long" in text
    page.get_by_label("gradient descent").press("End")
    assert values(page)["step"] < burst
    assert not re.search("NaN|Infinity|undefined", page.locator(".live-stage").inner_html())


def test_what_the_address_asks_in_vain_is_said_and_replaced(visit):
    page = visit({"scale": 7, "classes": "five", "step": "soon"})
    text, shown = said(page), values(page)
    assert "scale=7 in the address is not one of 0.01, 0.03, 0.1, 0.3, 1, 3; 0.3 is used." in text
    assert "classes=five in the address is not one of plane, space; plane is used." in text
    assert "step=soon in the address is no whole number from 0 to 10000; 0 is used." in text
    slider = page.get_by_label("gradient descent")
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    assert said(page).count("scale=7") == 1
    assert shown == values(visit())


def test_the_copied_link_leads_back_to_the_same_state(visit):
    page = visit({"classes": "space", "seed": 5})
    page.get_by_label("gradient descent").fill("60")
    page.get_by_label("turn").fill("100")
    page.get_by_role("button", name="copy link").click()
    link = urlparse(page.get_by_role("button", name=re.compile("cop")).get_attribute("data-copy"))
    assert link.fragment == "fig"
    shown = values(page)
    visit(dict(pair.split("=") for pair in link.query.split("&")))
    assert values(page) == shown
    assert page.get_by_label("turn").input_value() == "100"


def test_the_figure_is_worked_with_the_keyboard_alone(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "play"
    page.keyboard.press("Space")
    page.wait_for_function("() => live.stages.collapse.values().step > 0")
    page.keyboard.press("Space")
    stopped = values(page)["step"]
    assert page.evaluate("() => document.activeElement.textContent") == "play"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert values(page)["step"] > stopped
    page.keyboard.press("Tab")
    page.keyboard.press("f")  # four, in space
    assert len(values(page)["measures"]) == 6
    assert page.get_by_label("turn").is_visible()


def test_the_play_stands_still_while_the_figure_is_out_of_view(visit):
    page = visit()
    page.evaluate("() => document.body.append(Object.assign(document.createElement('p'), {style: 'height: 3000px'}))")
    page.get_by_role("button", name="play").click()
    page.wait_for_function("() => live.stages.collapse.values().step > 0")
    page.evaluate("() => scrollTo(0, 3000)")
    page.wait_for_timeout(200)
    gone = values(page)["step"]
    page.wait_for_timeout(500)
    assert values(page)["step"] == gone
    page.evaluate("() => scrollTo(0, 0)")
    page.wait_for_function(f"() => live.stages.collapse.values().step > {gone}")


def test_the_drawing_turns_with_the_mouse(visit):
    page = visit({"classes": "space"})
    box = page.locator(".live-drawing svg").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 10)
    page.mouse.up()
    assert [page.get_by_label(name, exact=True).input_value() for name in ("turn", "tilt")] == ["50", str(90 + 35)]


def test_with_reduced_motion_the_play_jumps_and_nothing_turns(visit):
    page = visit({"classes": "space"})
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("""() => { window.seen = new Set(); const shown = document.querySelector(".live-player output");
      new MutationObserver(() => seen.add(shown.textContent)).observe(shown, { childList: true }); }""")
    page.get_by_role("button", name="play").click()
    page.wait_for_function("() => live.stages.collapse.values().step > 0")
    page.get_by_role("button", name="pause").click()
    assert page.evaluate("() => seen.size") <= 3  # the first frame and a jump or two, of more than a hundred frames
    assert page.get_by_label("turn").input_value() == "20"


def start(html):
    """The address of the first page of the book on the disk."""
    return (html / "book" / "index.html").as_uri()


def test_in_the_book_the_figure_is_accessible_in_both_themes_fits_a_phone_and_is_a_picture_in_print(browser, html):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{start(html)}?live=collapse&classes=space&n=3#fig-index-collapse")
    page.wait_for_selector("figure.live[data-live=ready]")
    assert not page.locator("figure.live svg.drawing").is_visible()  # the program stands in the place of the picture
    for scheme in ("light", "dark"):
        page.evaluate("(scheme) => { document.documentElement.dataset.theme = scheme; }", scheme)
        page.evaluate("() => Promise.allSettled(document.getAnimations().map(a => a.finished))")  # colours fading in
        found = Axe().run(page, context="figure.live")
        assert [v["id"] for v in found.response["violations"]] == [], scheme
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    wide = "() => [...document.querySelectorAll('.live-stage *')].filter(e => e.getBoundingClientRect().right > 390).length"
    assert page.evaluate(wide) == 0
    page.emulate_media(media="print")
    assert page.locator("figure.live svg.drawing").is_visible()
    assert not page.locator(".live-stage").is_visible()
    context.close()


def test_the_still_picture_stays_where_scripts_are_off_and_the_program_waits_until_it_is_looked_at(browser, html):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(start(html))
    assert page.locator("figure.live svg.drawing").is_visible()
    context.close()
    context = browser.new_context(viewport={"width": 1280, "height": 200})
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(start(html), wait_until="networkidle")
    assert [url for url in asked if "uPlot" in url or "collapse.js" in url] == []
    page.locator("figure.live").scroll_into_view_if_needed()
    page.wait_for_selector("figure.live[data-live=ready]")
    assert json.dumps(asked).count("collapse.js") == 1
    context.close()


def test_with_seed_10_four_classes_stay_near_two_opposite_pairs():
    """What the chapter on the geometry says of this run: two cosines near −1, the others near 0."""
    W0, H0, y = initial(4, 3, 5, 0.3, 10)
    W, H = flow.descend(ulpm.gradient, (W0, H0), 0.1, [10_000], args=(y,)).points[0]
    cosines = measures.cosines(measures.centred_class_means(W, H, y))
    pairs = np.sort(cosines[np.triu_indices(4, 1)])
    assert np.allclose(pairs, [-1, -1, 0, 0, 0, 0], atol=0.01)
