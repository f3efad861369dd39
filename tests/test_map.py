"""The map of the statements: every dependency is drawn once, nothing lies on anything else, every box is a link."""

import re
import sys
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ncpaper import claims

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import statement_map  # noqa: E402

LEDGER = claims.read()
WHOLE = {c.id: c.uses for c in LEDGER.values()}
SMALL = statement_map.contracted(WHOLE, statement_map.MAIN)
MAPS = {"map-whole": WHOLE, "map-small": SMALL}
CONNECTED = {
    name: {i for i, used in uses.items() if used} | {u for v in uses.values() for u in v} for name, uses in MAPS.items()
}
LAYOUTS = {name: statement_map.layout(LEDGER, uses, grouped=name == "map-whole") for name, uses in MAPS.items()}
SVG = "{http://www.w3.org/2000/svg}"


def drawn(name):
    """The map as a tree of its elements."""
    text = statement_map.drawn(LEDGER, MAPS[name], {i: f"page.html#{i}" for i in LEDGER}, name)
    return ElementTree.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))


def ancestors(uses, name):
    """Every statement that one rests on, through any number of others."""
    return set(uses[name]).union(*(ancestors(uses, used) for used in uses[name]))


@pytest.mark.parametrize("name", MAPS)
def test_every_dependency_is_drawn_once(name):
    arrows = [(a.get("data-from"), a.get("data-to")) for a in drawn(name).iter(f"{SVG}path") if a.get("data-from")]
    assert sorted(arrows) == sorted((used, i) for i, uses in MAPS[name].items() for used in uses)


@pytest.mark.parametrize("name", MAPS)
def test_every_statement_with_a_dependency_is_one_named_link_to_its_card(name):
    links = {a.get("data-id"): a for a in drawn(name).iter(f"{SVG}a")}
    assert set(links) == CONNECTED[name]
    assert sum(1 for _ in drawn(name).iter(f"{SVG}a")) == len(links)
    for i, link in links.items():
        assert link.get("href") == f"page.html#{i}"
        assert link.get("aria-label").startswith(f"{LEDGER[i].where}: {LEDGER[i].title}. Verdict: {LEDGER[i].verdict}")


@pytest.mark.parametrize("name", MAPS)
def test_no_two_boxes_overlap(name):
    for a, b in combinations(LAYOUTS[name].boxes.values(), 2):
        beside = a.x + statement_map.WIDTH < b.x or b.x + statement_map.WIDTH < a.x
        assert beside or a.y + a.height < b.y or b.y + b.height < a.y


@pytest.mark.parametrize("name", MAPS)
def test_every_arrow_leads_from_left_to_right_and_through_no_box(name):
    made = LAYOUTS[name]
    for source, target, points in made.arrows:
        assert all(x0 < x1 for (x0, _), (x1, _) in pairwise(points))
        for (x0, y), _ in zip(points[1::2], points[2::2], strict=False):
            column = [box for box in made.boxes.values() if box.x == x0]
            assert all(y < box.y or y > box.y + box.height for box in column), (source, target)


@pytest.mark.parametrize("name", MAPS)
def test_arrows_of_two_sources_turn_in_two_lanes(name):
    lanes = LAYOUTS[name].lanes
    for gutter in {x for x, _ in lanes}:
        found = [lane for (x, _), lane in lanes.items() if x == gutter]
        assert len(set(found)) == len(found)
        assert all(gutter < lane < gutter + statement_map.GUTTER for lane in found)


def test_the_whole_map_groups_every_statement_in_the_band_of_its_part():
    for box in LAYOUTS["map-whole"].boxes.values():
        found = [n for n, top, bottom in LAYOUTS["map-whole"].bands if top <= box.y and box.y + box.height <= bottom]
        assert found == [statement_map.band(box.claim)]


def test_the_small_map_keeps_who_rests_on_whom_and_repeats_nothing():
    for i in statement_map.MAIN:
        assert ancestors(SMALL, i) == ancestors(WHOLE, i) & set(statement_map.MAIN)
        assert not any(u in ancestors(SMALL, v) for u in SMALL[i] for v in SMALL[i])


def test_every_verdict_has_its_own_sign():
    assert list(statement_map.GLYPHS) == list(claims.VERDICTS)
    assert len(set(statement_map.GLYPHS.values())) == len(claims.VERDICTS)


def test_what_a_refuted_statement_carries_is_drawn_broken_and_a_corrected_one_mended():
    for arrow in drawn("map-whole").iter(f"{SVG}path"):
        if source := arrow.get("data-from"):
            broken = LEDGER[source].verdict in ("refuted", "vacuous", "not observed")
            assert ("broken" in arrow.get("class")) == broken
            assert ("mended" in arrow.get("class")) == (LEDGER[source].verdict == "corrected")


def test_the_tables_and_the_list_have_every_statement_that_belongs_there_once(html):
    page = (html / "book" / "map.html").read_text(encoding="utf8")
    below = page[page.index("What rests on a statement that is refuted") :]
    first = re.findall(r'<tr class="row-\w+"><td><p><a class="reference[^"]*" href="\w+\.html#claim-([\w-]+)"', below)
    used = {u for uses in WHOLE.values() for u in uses}
    kinds = [
        [c.id for c in LEDGER.values() if statement_map.style_of(c.verdict) == kind and c.id in used]
        for kind in ("broken", "mended")
    ]
    assert first == [i.replace(".", "-").lower() for i in [*kinds[0], *kinds[1]]]
    alone = [i for i in LEDGER if not WHOLE[i] and i not in used]
    listed = re.findall(r'href="\w+\.html#claim-([\w-]+)"', below[below.index("Statements that stand alone") :])
    assert [i for i in listed if i in {j.replace(".", "-").lower() for j in alone}] == [
        i.replace(".", "-").lower() for i in alone
    ]


def test_a_chapter_outside_the_bands_is_refused():
    class Elsewhere:
        id, chapter = "x", "elsewhere"

    with pytest.raises(ValueError, match="x: expected a chapter of one of the bands of the map, got 'elsewhere'"):
        statement_map.band(Elsewhere)


@pytest.mark.parametrize("path", ["README.md", "CITATION.cff", "book/index.md", "book/errata.md"])
def test_it_is_said_which_text_is_judged_and_which_was_not_compared(path):
    text = " ".join((ROOT / path).read_text(encoding="utf8").split())
    assert re.search(r"an early anonymous version (of the paper, )?without its appendix", text)
    assert re.search(r"2110\.02796.*was not compared", text)
