"""Directives that render the ledger: claim and verdict boxes, badges, the claims page, the errata, the gallery."""

import json
from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective, SphinxRole

from ncpaper import claims

ROOT = claims.LEDGER.parents[1]
GALLERY = Path("figures/manifest.json")
ERRORS = (Path("tests/errors.yml"), Path("tests/errors.json"))


def slug(verdict):
    return verdict.replace(" ", "-")


def place(claim):
    return claim.where + (
        f", line{'s' * ('-' in claim.lines or ',' in claim.lines)} {claim.lines.replace('-', '–')}"
        if claim.lines
        else ""
    )


def tests(claim):
    """The names of the tests, folded: those of the printed statement first."""
    printed = [f"- {{test}}`{i}` (as printed)" for i in claim.refutes]
    listed = "\n".join([*printed, *(f"- {{test}}`{i}`" for i in claim.tests)])
    title = f"Tests: {len(claim.tests)}" + f", and {len(claim.refutes)} of the statement as printed" * bool(
        claim.refutes
    )
    return f":::{{dropdown}} {title}\n{listed}\n:::"


class Rendered(SphinxDirective):
    """A directive whose content is MyST text made from the ledger."""

    def run(self):
        self.env.note_dependency(str(claims.LEDGER))
        box = nodes.container()
        text = StringList(self.text(claims.read()).split("\n"), source=str(claims.LEDGER))
        self.state.nested_parse(text, self.content_offset, box)
        return box.children


class OneClaim(Rendered):
    required_arguments = 1

    def text(self, ledger):
        if self.arguments[0] not in ledger:
            raise self.error(f"no claim {self.arguments[0]!r} in {claims.LEDGER.name}")
        return self.box(ledger[self.arguments[0]])


def room(claim):
    """How much room the tests of a claim give to numbers, and why."""
    given = "; ".join(f"{entry.value:.3g}, {entry.why}" for entry in claim.tolerance)
    return f"tolerance: {given}" if given else "tolerance: none, all comparisons are exact or strict"


class ClaimBox(OneClaim):
    """What the paper prints, with the badge of its verdict."""

    def box(self, claim):
        return f"""({claim.anchor})=
:::{{admonition}} {place(claim)}: {claim.id} {{badge}}`{claim.id}`
:class: claim

{claim.printed}
:::"""


class VerdictBox(OneClaim):
    """The verdict in full: statement, consequence, evidence, tests."""

    def box(self, claim):
        parts = [f"**{claim.verdict.capitalize()}.** {claim.statement}"]
        if claim.consequence and claim.verdict != "holds":
            parts.append(f"*Consequence.* {claim.consequence}")
        known = f"*How it is known.* {claim.basis} Evidence: {', '.join(claim.evidence) or 'none'}"
        parts.append(f"{known}; proof: {claim.proof}; {room(claim)}.")
        body = "\n\n".join([*parts, tests(claim)])
        return (
            f"::::{{admonition}} Verdict on {claim.id}\n:class: verdict verdict-{slug(claim.verdict)}\n\n{body}\n::::"
        )


class ClaimsTable(Rendered):
    """The claims of one chapter, each with a link to its box, its place, its verdict and the state of its proof."""

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
    """The deliberate error of each claim, in words, and the test that sees it, or the reason why none does."""

    def text(self, ledger):
        for path in ERRORS:
            self.env.note_dependency(str(ROOT / path))
        entries, made = (yaml.safe_load((ROOT / path).read_text(encoding="utf8")) for path in ERRORS)  # JSON is YAML
        caught = {row["claim"]: row["caught"] for row in made}
        rows = [":::{list-table}", ":header-rows: 1", ":widths: 20 35 45", "", "* - claim\n  - error\n  - seen by"]
        for entry in entries:
            claim, test = ledger[entry["claim"]], caught[entry["claim"]]
            seen = f"`{test.partition('::')[2]}`" if test else entry["reason"]
            rows.append(f"* - {{ref}}`{claim.id} <{claim.anchor}>`\n  - {entry.get('words', 'none')}\n  - {seen}")
        return "\n".join([*rows, ":::"])


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
        path = ROOT / GALLERY
        self.env.note_dependency(str(path))
        entries = json.loads(path.read_text(encoding="utf8"))["figures"]
        return "\n\n---\n\n".join(picture(entry, ledger) for entry in entries)


def picture(entry, ledger):
    """A figure of the manifest, without a number: those are the chapters' own."""
    name = entry["name"]
    seen = ", ".join(f"{{ref}}`{c} <{ledger[c].anchor}>`" for c in entry["claims"])
    files = " · ".join(f"{{download}}`{k} </figures/{name}.{k}>`" for k in ("svg", "pdf", "png", "csv"))
    return f"""(gallery-{name})=
**{entry["title"]}** ({{doc}}`{entry["chapter"]}`)

:::{{image}} /figures/{name}.svg
:alt: {entry["alt"]}
:width: 80%
:::

{entry["caption"]}

Files: {files}. Claims: {seen}. Cite as: The ncpaper developers, *{entry["title"]}*, figure `{name}` of the ncpaper
companion, CC BY 4.0; data SHA-256 `{entry["sha256"][name + ".csv"][:16]}…`
"""


def indent(text):
    return text.replace("\n", "\n  ")


class Badge(SphinxRole):
    """The verdict of a claim as a small coloured word."""

    def run(self):
        ledger = claims.read()
        if self.text not in ledger:
            return [], [self.inliner.reporter.error(f"no claim {self.text!r} in the ledger", line=self.lineno)]
        verdict = ledger[self.text].verdict
        return [nodes.inline("", verdict, classes=["badge", f"verdict-{slug(verdict)}"])], []


def setup(app):
    for name, directive in {
        "claim": ClaimBox,
        "verdict": VerdictBox,
        "claims-table": ClaimsTable,
        "claims-summary": Summary,
        "errata": Errata,
        "errors-table": Errors,
        "gallery": Gallery,
    }.items():
        app.add_directive(name, directive)
    app.add_role("badge", Badge())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
