"""What a reference shows and what the search finds, made from small pages; and that the book's pages stay light."""

import json
import re
import sys
from pathlib import Path

import pytest

from ncpaper import claims

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import hover  # noqa: E402
import places  # noqa: E402

PAGE = """<html><body><a id="outside">x</a><article>
<section id="first"><span id="label"></span><h2>First<a class="headerlink" href="#">#</a></h2>
<p>One.</p><p>Two.</p></section>
<div class="proof theorem admonition" id="thm">
<p class="admonition-title"><span class="caption-number">Theorem M1 </span> (Bound)</p>
<section id="proof-content"><p>Let <a href="#first">it</a> be <span class="math">\\(K \\ge 2\\)</span>.</p></section></div>
<div class="math" id="equation-e"><span class="eqno">(M1)<a class="headerlink" href="#">#</a></span>\\[x = y\\]</div>
<div class="cell" id="check"><details><div class="highlight"><pre><span></span><span class="c1"># What is checked,</span>
<span class="c1"># in words.</span>
<span class="n">x</span></pre></div></details></div>
<table><tr><td><span id="symbol-rho"></span><span class="math">\\(\\rho\\)</span></td>
<td>norm of a point</td><td>code</td></tr>
<tr id="row"><td>q</td><td>the margin</td><td>code</td></tr></table>
<dl class="glossary"><dt id="term-KKT">KKT</dt><dd><p>First-order conditions.</p><p>More.</p></dd></dl>
<div class="claim-card admonition" id="card"><p>Printed.</p>
<p>Proof: <a href="#check-x">cell</a></p><details>all</details></div>
<div id="long"><p>Short.</p><p>LONG</p></div></article></body></html>""".replace("LONG", "word " * 1000)


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE, encoding="utf8")
    return path


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        ("first", "First One."),
        ("label", "First One."),
        ("thm", r"Theorem M1 (Bound) Let it be \(K \ge 2\) ."),
        ("equation-e", r"(M1) \[x = y\]"),
        ("check", "What is checked, in words."),
        ("row", "q the margin"),
        ("symbol-rho", r"\(\rho\) norm of a point"),
        ("term-KKT", "KKT First-order conditions."),
        ("card", "Printed."),
        ("long", "Short."),
        ("outside", ""),
        ("nowhere", ""),
    ],
)
def test_a_reference_shows_what_its_place_is_about(page, anchor, words):
    html = hover.shown(page, anchor)
    assert " ".join(re.sub(r"<[^>]+>", " ", html).split()) == words
    assert not re.search(r"<a |\bid=|<details", html)


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("Thm 3.4, eq. (13)", ["theorem 3.4", "eq 13"]),
        ("Example 3.1, eqs (10), (11)", ["example 3.1", "eq 10", "eq 11"]),
        ("Def. 2.1, eq. (3)", ["definition 2.1", "eq 3"]),
        ("§4, Fig. 3 caption", ["section 4", "figure 3"]),
        ("Table 1", ["table 1"]),
    ],
)
def test_a_place_of_the_paper_has_its_names(where, names):
    claim = next(iter(claims.read().values()))
    object.__setattr__(claim, "where", where)
    assert places.names(claim) == names


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("Eq. (9)", "eq 9"),
        ("(9)", "eq 9"),
        ("equation 9", "eq 9"),
        ("Thm. 3.4", "theorem 3.4"),
        ("§2.1", "section 2.1"),
        ("Neural Collapse", "neural collapse"),
    ],
)
def test_spellings_of_a_query_are_one(query, name):
    assert places.spelled(query) == name


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\(K \ge 2\)", "K ≥ 2"),
        (r"\(\theta \in \R^d\)", "θ ∈ ℝ^d"),
        (r"\(\norm{W}_F\)", "‖W‖_F"),
        (r"\(\lambda_{kij}\)", "λ_kij"),
        (r"\[\begin{cases} 1 \end{cases}\]", "…"),
    ],
)
def test_a_short_formula_of_a_snippet_is_plain_text(tex, text):
    assert places.said(tex) == text


def test_places_of_a_page_are_found_by_kind(page):
    assert list(places.found(page, "book/page", {})) == []  # it has no title
    text = PAGE.replace("<article>", "<article><h1>Title</h1>").replace("claim-card", "other")
    other = page.with_name("other.html")
    other.write_text(text, encoding="utf8")
    found = {place[2]: (place[0], place[3], place[5]) for place in places.found(other, "book/other", {})}
    assert found == {
        "first": ("section", "First", ["first"]),
        "thm": ("result", "Theorem M1 (Bound)", ["theorem m1"]),
        "equation-e": ("equation", "Equation (M1)", ["eq m1"]),
        "term-KKT": ("word", "KKT", ["kkt"]),
        "symbol-rho": ("word", "ρ", ["rho", "ρ"]),
    }


def test_every_claim_is_a_place_that_the_search_knows(html):
    text = (html / "_static" / "places.js").read_text(encoding="utf8")
    found = json.loads(text.removeprefix("window.ncpaperPlaces = ").removesuffix(";\n"))["places"]
    assert sum(kind == "card" for kind, *_ in found) == len(claims.read())
    for _, page, anchor, *_ in found:
        assert anchor in hover.places(html / f"{page}.html")


def test_what_references_show_adds_little_to_a_page(html):
    for path in html.glob("book/*.html"):
        templates = re.findall(r"<template data-for=.*?</template>", path.read_text(encoding="utf8"), re.S)
        assert sum(len(t.encode()) for t in templates) < 150_000, path.name
