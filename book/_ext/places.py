"""What the search finds first: the places of the book (``find.js``), from its written pages.

A place is a claim card, a section, a numbered result or equation, a term of the glossary, or a symbol. Each has names,
as "theorem 3.4" and "eq 14" for a card, by which a query in any usual spelling finds it, and a snippet without formulas.
"""

import json
import re
import unicodedata
from pathlib import Path

import hover
from docutils import nodes

from ncpaper import claims

#: How a name of a place is spelled in queries and here: what is on the left is written as what is on the right.
SPELLINGS = (
    (r"\b(?:equations?|eqns?|eqs?)\b\.?", "eq"),
    (r"\b(?:theorems?|thms?)\b\.?", "theorem"),
    (r"\b(?:definitions?|defs?)\b\.?", "definition"),
    (r"\b(?:figures?|figs?)\b\.?", "figure"),
    (r"\b(?:sections?|secs?)\b\.?|§", "section "),
    (r"\b(?:lemmas?|lem)\b\.?", "lemma"),
    (r"\b(?:remarks?|rem)\b\.?", "remark"),
    (r"(?:\beq\s*)?\(([a-z]?\d+)\)", r" eq \1 "),
)


def spelled(text):
    """A text in the spelling of names."""
    text = text.lower()
    for pattern, word in SPELLINGS:
        text = re.sub(pattern, word, text)
    return " ".join(re.findall(r"[^\W_]+(?:\.\d+)*", text))


def names(claim):
    """The names of the place of a claim: "Thm 3.4, eqs (10), (11)" has "theorem 3.4", "eq 10" and "eq 11"."""
    kinds = "theorem|lemma|definition|remark|example|section|figure|table|eq"
    return list(dict.fromkeys(re.findall(rf"\b(?:{kinds}) \w+(?:\.\d+)*", spelled(claim.where))))


#: Names in TeX, other than those of Greek letters, that have a sign in plain text.
SIGNS = {"le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "in": "∈", "to": "→", "infty": "∞"}
SIGNS |= {"times": "×", "cdot": "·", "nabla": "∇", "dots": "…", "top": "ᵀ", "R": "ℝ", "cL": "L"}
SIGNS |= {name: name for name in ("log", "exp", "min", "max", "rank", "tr")}


def sign(match):
    """A sign or a Greek letter for its name in TeX; the name itself where there is none."""
    name = match[1]
    kind = "SMALL" if name.islower() else "CAPITAL"
    try:
        return SIGNS.get(name) or unicodedata.lookup(f"GREEK {kind} LETTER {name.replace('lambda', 'lamda')}")
    except KeyError:
        return match[0]


def said(tex):
    """A short formula as plain text; an ellipsis for one that needs TeX to be read."""
    tex = re.sub(r"\\[()\[\],;! ]|~", " ", tex)
    tex = re.sub(r"\\norm\{([^{}]*)\}", r"‖\1‖", tex)
    tex = re.sub(r"\\([A-Za-z]+)", sign, re.sub(r"\\(?:tilde|bar|big[lr]?|left|right|mathbf|quad)\b", "", tex))
    tex = " ".join(re.sub(r"\{(\w+)\}", r"\1", tex).split())
    return tex if re.fullmatch(r"[^\\{}&]{1,60}", tex) else "…"


def plain(element):
    """The text of an element on one line."""
    element = hover.copied(element)
    for formula in element.select(".math"):
        formula.string = said(formula.get_text())
    return re.sub(r"\s+([.,;:)])", r"\1", " ".join(element.get_text(" ").split())).replace("( ", "(")


def short(text, room=240):
    """The beginning of a text, up to the end of a word."""
    return text if len(text) <= room else text[:room].rsplit(" ", 1)[0] + " …"


def card(element, ledger):
    """A claim card: found by the paper's numbers, by its title, by its id, and by all it says."""
    claim = ledger[element["id"]]
    true = element.select_one(".claim-true")
    answer = plain(true).removeprefix(plain(true.select_one(".claim-head"))).strip()
    title = f"{claim.where}: {claim.title}"
    return (
        "card",
        title,
        [*names(claim), spelled(claim.id)],
        plain(element),
        short(f"{claim.verdict.capitalize()}. {answer}".strip()),
    )


def section(element, _):
    """A section: found by its heading and by the paragraphs that stand directly in it."""
    heading = element.find(["h1", "h2", "h3", "h4", "h5"], recursive=False)
    words = [plain(p) for p in element.find_all("p", recursive=False)] or [""]
    return ("section", plain(heading), [spelled(plain(heading))], " ".join(words), short(words[0]))


def result(element, _):
    """A theorem, lemma or the like: found by its number and its name."""
    title = plain(element.select_one(".admonition-title"))
    number = element.select_one(".caption-number")
    words = plain(element).removeprefix(title).strip()
    return ("result", title, [spelled(plain(number))], words, short(words))


def equation(element, _):
    """A numbered equation: found by its number."""
    number = plain(element.select_one(".eqno"))
    return ("equation", f"Equation {number}", [spelled(number)], "", short(plain(element.find_previous("p"))))


def word(element, _):
    """A term of the glossary."""
    words = plain(element.find_next_sibling("dd"))
    return ("word", plain(element), [spelled(plain(element))], words, short(words))


def symbol(element, _):
    """A symbol of the notation page: found by its name in TeX, as "rho", and by its sign."""
    sign, meaning = (plain(cell) for cell in element.find_parent("tr").find_all("td")[:2])
    name = element["id"].removeprefix("symbol-").replace("-", " ")
    return ("word", sign, list(dict.fromkeys([spelled(name), spelled(sign)])), meaning, short(meaning))


KINDS = {
    ".claim-card[id]": card,
    "article section[id]:has(> h1, > h2, > h3, > h4, > h5)": section,
    ".proof.admonition[id]:has(.caption-number)": result,
    "div.math[id^='equation-']": equation,
    "dl.glossary dt[id]": word,
    "td span[id^='symbol-']": symbol,
}


def found(path, page, ledger):
    """The places of a written page, in its order of kinds."""
    if not (title := hover.soup(path).find("h1")):
        return
    title = plain(title)
    for pattern, kind in KINDS.items():
        for element in hover.soup(path).select(pattern):
            name, heading, known, text, snippet = kind(element, ledger)
            yield [name, page, element["id"], heading, title, known, spelled(text), snippet]


def write(app, exception):
    """Write the places of all pages for the script of the search page, with the spellings it needs."""
    if exception or app.builder.name != "html":
        return
    outdir, ledger = Path(app.outdir), {nodes.make_id(claim.anchor): claim for claim in claims.ledger().values()}
    every = [p for path in sorted((outdir / "book").glob("*.html")) for p in found(path, f"book/{path.stem}", ledger)]
    spellings = [[pattern, word.replace("\\1", "$1")] for pattern, word in SPELLINGS]
    text = json.dumps({"spellings": spellings, "places": every}, ensure_ascii=False, separators=(",", ":"))
    (outdir / "_static" / "places.js").write_text(f"window.ncpaperPlaces = {text};\n", encoding="utf8")


def scripts(app, pagename, templatename, context, doctree):
    """The search page has the places and the script that finds them."""
    if pagename == "search":
        app.add_js_file("places.js", loading_method="defer")
        app.add_js_file("find.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", scripts)
    app.connect("build-finished", write, priority=550)  # before the pages get their templates
    return {"parallel_read_safe": True, "parallel_write_safe": True}
