"""Directives that render the ledger: claim cards, badges, the claims page, the errata, the gallery."""

import json
import re
import sys
from pathlib import Path

import citing
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective, SphinxRole

from ncpaper import claims

ROOT = claims.LEDGER.parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import errors  # noqa: E402

#: A sign beside each verdict, for those who do not see its colour.
GLYPHS = {
    "holds": "✓",
    "holds with a hypothesis": "✓+",
    "corrected": "△",
    "refuted": "✕",
    "vacuous": "○",
    "ambiguous": "◇",
    "observed": "●",
    "not observed": "◌",
    "not tested": "–",
}


def slug(verdict):
    return verdict.replace(" ", "-")


def place(claim):
    return claim.where + (
        f", line{'s' * ('-' in claim.lines or ',' in claim.lines)} {claim.lines.replace('-', '–')}"
        if claim.lines
        else ""
    )


def fold(title, text, kind="more"):
    """Text behind a summary."""
    return f"::::{{dropdown}} {title}\n:class-container: claim-{kind}\n\n{text}\n::::"


def tests(claim):
    """The tests, folded, each a link to its source: those of the printed statement first."""
    printed = [f"- {{test}}`{i}` (as printed)" for i in claim.refutes]
    listed = "\n".join([*printed, *(f"- {{test}}`{i}`" for i in claim.tests)])
    title = f"Tests: {len(claim.tests)}" + f", and {len(claim.refutes)} of the statement as printed" * bool(
        claim.refutes
    )
    return fold(title, listed, "tests")


class Rendered(SphinxDirective):
    """A directive whose content is MyST text made from the ledger."""

    def run(self):
        self.env.note_dependency(str(claims.LEDGER))
        box = nodes.container()
        text = StringList(self.text(claims.ledger()).split("\n"), source=str(claims.LEDGER))
        self.state.nested_parse(text, self.content_offset, box)
        return box.children

    @property
    def chapter(self):
        return Path(self.env.docname).name


class Card(Rendered):
    """Question and answer in one box: printed beside true, why, what follows; links; the rest folded."""

    required_arguments = 1

    def text(self, ledger):
        if self.arguments[0] not in ledger:
            raise self.error(f"no claim {self.arguments[0]!r} in {claims.LEDGER.name}")
        claim = ledger[self.arguments[0]]
        title = f"{place(claim)}: {claim.title} {{badge}}`{claim.id}`"
        head = f":::::::{{admonition}} {title}\n:class: claim-card verdict-{slug(claim.verdict)}"
        return "\n\n".join(
            [
                f"({claim.anchor})=\n{head}",
                "::::::{container} claim-halves",
                half("claim-printed", "Printed", claim.printed),
                half("verdict claim-true", HEADS.get(claim.verdict, "True"), answer(claim)),
                "::::::",
                f"**Why.** {claim.why}",
                f"**What follows.** {claim.follows}",
                " · ".join(links(claim)),
                fold("In full: statement, scope, tolerance", full(claim)),
                tests(claim),
                ":::::::",
            ]
        )


#: The head of a card's right half, where it is not "True".
HEADS = {
    "ambiguous": "Each reading",
    "observed": "Seen",
    "not observed": "Seen",
    "not tested": "What was run",
}


def half(classes, head, text):
    """One half of a card under its head."""
    return f":::::{{container}} {classes}\n:::{{container}} claim-head\n{head}\n:::\n\n{text}\n:::::"


def answer(claim):
    """The right half of a card: what is true, or a table of the readings with their verdicts."""
    if not claim.readings:
        return claim.true_short
    rows = [f"| {r.reading} | {r.verdict} |" for r in claim.readings]
    return "\n".join([claim.true_short, "", "| reading | verdict |", "|---|---|", *rows])


def links(claim):
    """Links to the proofs the basis names, the cell that checks, the erratum."""
    proofs = dict.fromkeys(re.findall(r"{prf:ref}`([^`<>]+)`", claim.basis))
    found = [f"Proof: {', '.join(f'{{prf:ref}}`{label}`' for label in proofs)}"] if proofs else []
    if claim.verdict != "not tested":
        found.append(f"{{ref}}`the cell that checks it <check-{claim.id}>`")
    if claim.verdict in claims.ERRATA:
        found.append(f"{{ref}}`erratum <erratum-{claim.id}>`")
    return [*found, f"`{claim.id}` {{cite-claim}}`{claim.id}`"]


def room(claim):
    """How much room the tests of a claim give to numbers, and why."""
    given = "; ".join(f"{entry.value:.3g}, {entry.why}" for entry in claim.tolerance)
    return f"Tolerance: {given}." if given else "Tolerance: none, all comparisons are exact or strict."


def full(claim):
    """What a card folds: statement, consequence, and how they are known."""
    parts = [f"**{claim.verdict.capitalize()}.** {claim.statement}", f"**Consequence.** {claim.consequence}"]
    evidence = f"Evidence: {', '.join(claim.evidence) or 'none'}; proof: {claim.proof}."
    return "\n\n".join([*parts, f"**How it is known.** {claim.basis} {evidence} {room(claim)}"])


class Brief(Rendered):
    """The chapter in brief, after a line that says which places of the paper it judges."""

    has_content = True

    def text(self, ledger):
        places = dict.fromkeys(c.where for c in ledger.values() if c.chapter == self.chapter)
        letter = self.config.chapter_letters.get(self.env.docname)
        judged = f"Judges {'; '.join(places)} of the paper." if places else "Judges no statement of the paper."
        judged += f" The chapter's own results carry the letter {letter}."
        said = "\n".join(self.content)
        return f":::{{container}} judges\n{judged}\n:::\n\n:::{{container}} brief\n**In brief.** {said}\n:::"


class Glance(Rendered):
    """The claims of this chapter, one row each: in a few words, the verdict, linked to the card."""

    def text(self, ledger):
        rows = [":::{list-table}", ":header-rows: 1", ":class: glance", "", "* - claim\n  - where\n  - verdict"]
        for c in ledger.values():
            if c.chapter == self.chapter:
                rows.append(f"* - {{ref}}`{c.title} <{c.anchor}>`\n  - {c.where}\n  - {{badge}}`{c.id}`")
        return "\n".join([*rows, ":::"])


class ClaimsTable(Rendered):
    """The claims of one chapter, each with a link to its card, its place, its verdict and the state of its proof."""

    required_arguments = 1

    def text(self, ledger):
        rows = [
            ":::{list-table}",
            ":header-rows: 1",
            ":widths: 45 20 22 13",
            "",
            "* - claim\n  - where\n  - verdict\n  - proof",
        ]
        for c in ledger.values():
            if c.chapter == self.arguments[0]:
                said = f"{{ref}}`{c.title} <{c.anchor}>` (`{c.id}`)"
                rows.append(f"* - {said}\n  - {place(c)}\n  - {{badge}}`{c.id}`\n  - {c.proof}")
        return "\n".join([*rows, ":::"])


class Summary(Rendered):
    """How many claims have each verdict."""

    def text(self, ledger):
        rows = [":::{list-table}", ":header-rows: 1", "", "* - verdict\n  - meaning\n  - claims"]
        for verdict, number in claims.count(ledger).items():
            rows.append(f"* - {verdict}\n  - {claims.VERDICTS[verdict]}\n  - {number}")
        return "\n".join([*rows, ":::"])


class Errors(Rendered):
    """The deliberate error of each claim, in words, and the test that sees it, or the reason why none does.

    Above them stands which rows were made from the files as they are now.
    """

    def text(self, ledger):
        for path in (errors.ERRORS, errors.TABLE):
            self.env.note_dependency(str(path))
        entries, made = errors.read(), json.loads(errors.TABLE.read_text(encoding="utf8"))
        old = errors.outdated(entries, {name: vars(claim) for name, claim in ledger.items()}, made)
        caught = {row["claim"]: row["caught"] for row in made}
        rows = [":::{list-table}", ":header-rows: 1", ":widths: 20 35 45", "", "* - claim\n  - error\n  - seen by"]
        for entry in entries:
            claim, test = ledger[entry["claim"]], caught[entry["claim"]]
            seen = f"{{test}}`{test}`" if test else entry["reason"]
            rows.append(f"* - {{ref}}`{claim.id} <{claim.anchor}>`\n  - {entry.get('words', 'none')}\n  - {seen}")
        return "\n".join([age(len(made), old), "", *rows, ":::"])


def age(number, old):
    """How many rows of the table of the errors were made from the present files, and which were not."""
    if not old:
        return f"All {number} rows were made from the present files."
    names = ", ".join(f"`{name}`" for name in old)
    return (
        f"{number - len(old)} of {number} rows were made from the present files, and these from earlier ones: {names}."
    )


class Errata(Rendered):
    """Printed, corrected, consequence, test: one entry for each statement that does not simply hold."""

    def text(self, ledger):
        entries, links = [], {}
        for c in ledger.values():
            if c.verdict not in claims.ERRATA:
                continue
            links.setdefault(c.chapter, []).append(f"{{ref}}`{c.id} <erratum-{c.id}>`")
            entries.append(f"""(erratum-{c.id})=
**{place(c)}**, {{ref}}`{c.id} <{c.anchor}>` {{badge}}`{c.id}`

Printed
: {indent(c.printed)}

What is true
: {indent(c.statement)}

Consequence
: {indent(c.consequence or "None for the paper's other statements.")}

{tests(c)}
""")
        index = "\n".join(f"- {{doc}}`{chapter}`: {', '.join(found)}" for chapter, found in links.items())
        return index + "\n\n---\n\n" + "\n---\n\n".join(entries)


class Gallery(Rendered):
    """Every published figure with its files and how to cite it."""

    def text(self, ledger):
        self.env.note_dependency(str(citing.FIGURES / "manifest.json"))
        return "\n\n".join(picture(entry) for entry in citing.manifest().values())


def picture(entry):
    """A figure of the manifest, without a number: those are the chapters' own."""
    name = entry["name"]
    return f"""(gallery-{name})=
::::{{container}} gallery-entry
**{entry["title"]}** ({{doc}}`{entry["chapter"]}`)

:::{{image}} /figures/{name}.svg
:alt: {entry["alt"]}
:width: 80%
:::

{entry["caption"]}

:::{{cite-figure}} {name}
:at: gallery-{name}
:::
::::
"""


def indent(text):
    return text.replace("\n", "\n  ")


class Badge(SphinxRole):
    """The verdict of a claim as a small coloured word."""

    def run(self):
        ledger = claims.ledger()
        if self.text not in ledger:
            return [], [self.inliner.reporter.error(f"no claim {self.text!r} in the ledger", line=self.lineno)]
        verdict = ledger[self.text].verdict
        said = f"{GLYPHS[verdict]} {verdict}"
        return [nodes.inline("", said, classes=["badge", f"verdict-{slug(verdict)}"])], []


class Mark(SphinxRole):
    """Words of the printed statement that are wrong (``del``), or those that replace them (``ins``)."""

    def run(self):
        node = nodes.inline("", "", classes=[self.name])
        children, messages = self.inliner.parse(self.text, self.lineno, None, node)
        node.extend(children)
        return [node], messages


def setup(app):
    for name, directive in {
        "brief": Brief,
        "glance": Glance,
        "claim": Card,
        "claims-table": ClaimsTable,
        "claims-summary": Summary,
        "errata": Errata,
        "errors-table": Errors,
        "gallery": Gallery,
    }.items():
        app.add_directive(name, directive)
    app.add_role("badge", Badge())
    app.add_role("del", Mark())
    app.add_role("ins", Mark())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
