"""The map of the statements: an inline SVG of which statement rests on which, and the tables of what falls and stands.

Columns are layers: a statement stands right of everything that it rests on (longest paths). Bands are the parts of the
paper. Inside a band and a column the order is that of the mean height of the neighbours (barycentres). An arrow that
passes a column runs through a gap between its boxes, and the arrows out of one box share a lane between two columns.
"""

import re
import textwrap
from dataclasses import dataclass, field
from html import escape

from citing import card_address
from docutils import nodes
from docutils.parsers.rst import directives
from ledger import GLYPHS, Rendered, slug
from sphinx.util.docutils import SphinxDirective

from ncpaper import claims

#: What becomes of a statement, by its own verdict; the other verdicts leave it open.
FATES = {
    "holds": "stands",
    "holds with a hypothesis": "stands with a hypothesis",
    "observed": "stands",
    "corrected": "stands as corrected",
    "refuted": "falls",
    "vacuous": "falls as worded",
    "not observed": "falls",
}

#: The verdicts whose statements carry nothing that rests on them.
BROKEN = ("refuted", "vacuous", "not observed")

#: The bands from top to bottom, with the chapters that judge their statements.
BANDS = {
    "Definitions and model": ("geometry", "layer_peeled"),
    "Margin": ("margin_bound",),
    "Separation": ("separation",),
    "Flow": ("dynamics",),
    "Example": ("motivating_example",),
    "Landscape": ("landscape",),
    "Experiments": ("figure_2", "figure_3"),
    "Practice": ("related_models", "discussion"),
}

#: Statements that belong to another part of the paper than the chapter that judges them.
MOVED = {
    "abstract-landscape": "Landscape",
    "remark-3.3-sgd": "Landscape",
    "bias-absorbed": "Definitions and model",
    "lpm-optimum": "Definitions and model",
}

#: The statements of the small map.
MAIN = (
    "def-2.1-etf eq-4-loss gradient-flow def-3.1-margin lemma-3.1-equality lemma-3.3 theorem-3.1 max-margin-sentence "
    "theorem-3.2-collapse ex-3.1-saddle ex-3.1-noise theorem-3.3 theorem-3.4-13 theorem-3.4-14 abstract-landscape "
    "remark-3.3-sgd only-along-nc fig-2-rates-wording fig-3-all-decrease"
).split()

WIDTH, GUTTER, GAP, LINE, HEADER, PAD, MARGIN = 120, 24, 16, 14, 20, 7, 8  # pixels
CHARACTERS = 19  # of 11 pixels, which fit the width of a box
HEAD_OF_ARROW = (
    '<marker id="{id}" class="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" '
    'markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker>'
)
HEAD = ' class="head"'  # of the lines that say where a statement stands

ABBREVIATIONS = [
    (r"(?:§4, )?(?:caption of Figure (\d)|Fig\. (\d) caption)", r"Fig. \1\2"),
    (r"from \((\d+)\) to \((\d+)\)", r"(\1) to (\2)"),
    (r"Example ", "Ex. "),
    (r"Remark ", "Rem. "),
    (r"Lemma ", "Lem. "),
    (r"\beqs?\.? ", ""),
]


def band(claim):
    """The band of a claim; raise ``ValueError`` for a chapter that belongs to none."""
    found = [name for name, chapters in BANDS.items() if claim.chapter in chapters]
    if not found:
        raise ValueError(f"{claim.id}: expected a chapter of one of the bands of the map, got {claim.chapter!r}")
    return MOVED.get(claim.id, found[0])


def short_place(claim):
    """Where a statement stands in the paper, in few letters."""
    where = claim.where
    for long, short in ABBREVIATIONS:
        where = re.sub(long, short, where)
    criterion, figure = re.match(r"nc\d$", claim.id), re.match(r"fig-(\d)", claim.id)
    if criterion:
        return claim.id.upper()
    return f"{where}, Fig. {figure[1]}" if figure and "Fig" not in where else where


def users(uses):
    """Who rests directly on each statement."""
    return {name: [other for other, used in uses.items() if name in used] for name in uses}


def contracted(uses, kept):
    """What each kept statement rests on among the kept ones, directly or through others, without what is implied."""

    def through(name):
        for used in uses[name]:
            yield from (used,) if used in kept else through(used)

    direct = {name: list(dict.fromkeys(through(name))) for name in uses if name in kept}

    def all_below(name):
        return set(direct[name]).union(*(all_below(used) for used in direct[name]))

    return {n: [u for u in used if not any(u in all_below(v) for v in used)] for n, used in direct.items()}


def layers(uses):
    """The column of each statement: right of all it rests on; one that rests on nothing stands just left of its users."""
    found = {}

    def layer(name):
        if name not in found:
            found[name] = max((layer(used) + 1 for used in uses[name]), default=0)
        return found[name]

    for name in uses:
        layer(name)
    used_by = users(uses)
    sources = [name for name in uses if not uses[name] and used_by[name]]
    return found | {name: min(found[u] for u in used_by[name]) - 1 for name in sources}


@dataclass
class Box:
    """One statement of the map with its place, in pixels."""

    claim: claims.Claim
    column: int
    lines: list = field(default_factory=list)
    bold: int = 0
    x: float = 0
    y: float = 0

    def __post_init__(self):
        """Break the place and the title into lines."""
        head = textwrap.wrap(f"{GLYPHS[self.claim.verdict]} {short_place(self.claim)}", CHARACTERS - 1)
        self.bold, self.lines = len(head), head + textwrap.wrap(self.claim.title, CHARACTERS)
        self.x = MARGIN + self.column * (WIDTH + GUTTER)

    @property
    def height(self):
        return len(self.lines) * LINE + 2 * PAD

    @property
    def middle(self):
        return self.y + self.height / 2


@dataclass
class Layout:
    """The boxes by id, the arrows (source, target, points), the bands (name, top, bottom), and the size of it all."""

    boxes: dict
    arrows: list
    lanes: dict
    bands: list
    width: float
    height: float


def place(boxes, order):
    """Stack each cell of the map in its order, centred in its band; return the bands with their tops and bottoms."""
    top, bands = MARGIN, []
    for name in dict.fromkeys(name for name in (*BANDS, "") if any(key[0] == name for key in order)):
        cells = {key[1]: [boxes[i] for i in ids] for key, ids in order.items() if key[0] == name}
        heights = {c: sum(b.height + GAP for b in cell) - GAP for c, cell in cells.items()}
        room, start = max(heights.values()), top + (HEADER if name else GAP / 2)
        for column, cell in cells.items():
            y = start + (room - heights[column]) / 2
            for box in cell:
                box.y, y = y, y + box.height + GAP
        bands.append((name, top, start + room + GAP))
        top = start + room + GAP
    return bands


def ordered(boxes, uses, grouped, sweeps=12):
    """Place the boxes, again and again in the order of the mean heights of their neighbours; return the bands."""
    near = {name: [*uses[name], *used_by] for name, used_by in users(uses).items()}
    order = {}
    for name, box in boxes.items():
        order.setdefault((band(box.claim) if grouped else "", box.column), []).append(name)
    bands = place(boxes, order)
    for _ in range(sweeps):
        for cell in order.values():
            cell.sort(key=lambda i: sum(boxes[j].middle for j in near[i]) / len(near[i]))
        bands = place(boxes, order)
    return bands


def free_height(wished, column, source, boxes, taken, height):
    """The height nearest to the wished one at which an arrow passes a column: through no box, beside no other arrow."""
    walls = [(b.y - 4, b.y + b.height + 4) for b in boxes.values() if b.column == column]

    def free(y):
        clear = all(y < low or y > high for low, high in walls)
        alone = all(abs(y - other) >= 4 for s, other in taken.get(column, []) if s != source)
        return MARGIN < y < height - MARGIN and clear and alone

    y = next(y for k in range(2 * int(height)) for y in (wished + k, wished - k) if free(y))
    taken.setdefault(column, []).append((source, y))
    return y


def arrow(source, target, end, boxes, taken, height):
    """The points of an arrow: out of its source in the middle, through the columns between, into its target."""
    start, points = source.middle, [(source.x + WIDTH, source.middle)]
    for column in range(source.column + 1, target.column):
        share = (column - source.column) / (target.column - source.column)
        y = free_height(start + share * (end - start), column, source.claim.id, boxes, taken, height)
        x = MARGIN + column * (WIDTH + GUTTER)
        points += [(x, y), (x + WIDTH, y)]
    return [*points, (target.x, end)]


def between(arrows):
    """The parts of the arrows between two columns: for each gutter's left edge and each source their pairs of heights."""
    found = {}
    for source, _, points in arrows:
        for (x, y0), (_, y1) in zip(points[::2], points[1::2], strict=True):
            found.setdefault(x, {}).setdefault(source, []).append((y0, y1))
    return found


def lane_order(heights):
    """Where a source stands among the lanes of a gutter: of those that go down, the lower one turns first."""
    start, drift = heights[0][0], sum(y1 - y0 for y0, y1 in heights)
    return (drift > 0, -start if drift > 0 else start)


def lanes(arrows):
    """Where the arrows out of each source turn between two columns, by the gutter's left edge and the source."""
    found = {}
    for x, sources in between(arrows).items():
        turning = [s for s, heights in sources.items() if any(y0 != y1 for y0, y1 in heights)]
        turning.sort(key=lambda s: lane_order(sources[s]))
        for i, source in enumerate(turning, start=1):
            found[x, source] = x + 1 + (GUTTER - 9) * i / (len(turning) + 1)  # 8 pixels are the heads'
    return found


def layout(ledger, uses, grouped=True):
    """The map of the statements ``uses`` that rest on others or carry others, in bands where it is grouped."""
    used_by, columns = users(uses), layers(uses)
    boxes = {name: Box(ledger[name], columns[name]) for name in uses if uses[name] or used_by[name]}
    bands = ordered(boxes, uses, grouped)
    height = bands[-1][2] + MARGIN
    width = max(b.x for b in boxes.values()) + WIDTH + MARGIN
    arrows, taken = [], {}
    for name, box in boxes.items():
        sources = sorted(uses[name], key=lambda i: boxes[i].middle)
        for i, source in enumerate(sources, start=1):
            end = box.y + box.height * i / (len(sources) + 1)
            arrows.append((source, name, arrow(boxes[source], box, end, boxes, taken, height)))
    return Layout(boxes, arrows, lanes(arrows), bands, width, height)


def turn(x, start, end):
    """The path from one point to another with one step at ``x``, its corners round."""
    (_, y0), (x1, y1) = start, end
    if y0 == y1:
        return f"H{x1:.0f}"
    r = min(5, abs(y1 - y0) / 2)
    down = r if y1 > y0 else -r
    first, second = f"H{x - r:.1f}Q{x:.1f} {y0:.1f} {x:.1f} {y0 + down:.1f}", f"V{y1 - down:.1f}"
    return f"{first}{second}Q{x:.1f} {y1:.1f} {x + r:.1f} {y1:.1f}H{x1:.0f}"


def path(source, points, lanes):
    """The path of an arrow: straight beside the boxes, one step between two columns."""
    parts = [f"M{points[0][0]:.0f} {points[0][1]:.1f}"]
    for start, end in zip(points[::2], points[1::2], strict=True):
        parts.append(f"H{start[0]:.0f}{turn(lanes.get((start[0], source), 0), start, end)}")
    return "".join(parts)


def style_of(verdict):
    """The class of the arrows out of a statement with this verdict."""
    return "broken" if verdict in BROKEN else "mended" if verdict == "corrected" else "sound"


def drawn_box(box, href, uses):
    """A box as SVG: a link with the place, the verdict's sign and the title."""
    c = box.claim
    rests = f", rests on {len(uses)} other{'s' * (len(uses) > 1)}" if uses else ""
    label = escape(f"{c.where}: {c.title}. Verdict: {c.verdict}{rests}.", quote=True)
    text = "".join(
        f'<tspan x="{box.x + PAD + 3:.0f}" y="{box.y + PAD + 11 + k * LINE:.1f}"{HEAD * (k < box.bold)}>'
        f"{escape(line)}</tspan>"
        for k, line in enumerate(box.lines)
    )
    shape = f'x="{box.x:.0f}" y="{box.y:.1f}" height="{box.height}"'
    return (
        f'<a class="verdict-{slug(c.verdict)}" data-id="{c.id}" href="{escape(href, quote=True)}" aria-label="{label}">'
        f'<rect class="box" {shape} width="{WIDTH}" rx="6"/><rect class="edge-bar" {shape} width="5" rx="2"/>'
        f"<text>{text}</text></a>"
    )


def drawn_arrow(source, target, where, verdict, name):
    """An arrow as SVG, in the style of its source's verdict."""
    kind = style_of(verdict)
    ends = f'data-from="{source}" data-to="{target}"'
    return f'<path class="arrow {kind}" {ends} d="{where}" marker-end="url(#{name}-{kind})"/>'


def drawn(ledger, uses, links, name):
    """The map as an inline SVG; ``links`` gives the address of each card, ``name`` says which map it is."""
    made = layout(ledger, uses, grouped=name == "map-whole")
    rows = [
        f'<rect class="band" x="0" y="{top:.1f}" width="{made.width:.0f}" height="{bottom - top - 4:.1f}" rx="6"/>'
        f'<text class="band-name" x="{MARGIN}" y="{top + 14:.1f}">{escape(band_name)}</text>'
        for band_name, top, bottom in made.bands
    ]
    rows += [drawn_arrow(a, b, path(a, points, made.lanes), ledger[a].verdict, name) for a, b, points in made.arrows]
    rows += [drawn_box(box, links[i], uses[i]) for i, box in made.boxes.items()]
    heads = "".join(HEAD_OF_ARROW.format(id=f"{name}-{kind}", kind=kind) for kind in ("sound", "mended", "broken"))
    hover = "".join(
        f'.{name}:has([data-id="{i}"]:is(:hover,:focus-visible)) :is([data-from="{i}"],[data-to="{i}"])'
        "{opacity:1;stroke-width:2.4}"
        for i in made.boxes
    )
    size = f'width="{made.width:.0f}" height="{made.height:.0f}" viewBox="0 0 {made.width:.0f} {made.height:.0f}"'
    title = "Map of the statements: each box is a statement, each arrow leads to a statement that rests on it"
    return (
        f'<div class="statement-map" role="region" aria-label="{title}" tabindex="0"><svg class="{name}" {size} '
        f'role="group" aria-label="{title}"><style>{hover}</style><defs>{heads}</defs>{"".join(rows)}</svg></div>'
    )


class statement_map(nodes.General, nodes.Element):
    """Where the map goes once the addresses of the cards are known."""


class StatementMap(SphinxDirective):
    """The map of all statements, or with ``:small:`` of the main ones."""

    option_spec = {"small": directives.flag}  # noqa: RUF012

    def run(self):
        self.env.note_dependency(str(claims.LEDGER))
        return [statement_map(small="small" in self.options)]


def resolve(app, doctree, docname):
    """Draw the maps of a page."""
    for node in list(doctree.findall(statement_map)):
        ledger = claims.ledger()
        uses = {c.id: c.uses for c in ledger.values()}
        kept = contracted(uses, MAIN) if node["small"] else uses
        links = {name: card_address(app.builder, docname, name) for name in kept}
        text = drawn(ledger, kept, links, "map-small" if node["small"] else "map-whole")
        node.replace_self(nodes.raw("", text, format="html"))


def reference(claim):
    """A link to a claim with its verdict, as MyST text."""
    return f"{{ref}}`{claim.title} <{claim.anchor}>`, {short_place(claim)} {{badge}}`{claim.id}`"


class Fallout(Rendered):
    """What becomes of the statements that rest on a broken or a corrected one: its argument says which."""

    required_arguments = 1

    def text(self, ledger):
        used_by = users({c.id: c.uses for c in ledger.values()})
        rows = [
            ":::{list-table}",
            ":header-rows: 1",
            ":widths: 24 40 36",
            "",
            "* - statement\n  - what rests on it\n  - what follows, from its card",
        ]
        for c in ledger.values():
            if style_of(c.verdict) == self.arguments[0] and used_by[c.id]:
                fates = "\n\n    ".join(
                    f"**{FATES.get(ledger[i].verdict, 'open')}**: {reference(ledger[i])}" for i in used_by[c.id]
                )
                rows.append(f"* - {reference(c)}\n  - {fates}\n  - {c.follows}")
        return "\n".join([*rows, ":::"])


class Isolated(Rendered):
    """The statements that rest on no other printed one and carry none, as a list."""

    def text(self, ledger):
        used_by = users({c.id: c.uses for c in ledger.values()})
        alone = [c for c in ledger.values() if not c.uses and not used_by[c.id]]
        return "\n".join(f"- {GLYPHS[c.verdict]} {reference(c)}" for c in alone)


class Legend(Rendered):
    """The signs of the verdicts that occur."""

    def text(self, ledger):
        signs = [f"{GLYPHS[verdict]}\N{NO-BREAK SPACE}{verdict}" for verdict in claims.count(ledger)]
        return "Signs: " + "\N{NO-BREAK SPACE}· ".join(signs)


def setup(app):
    app.add_node(statement_map)
    app.add_directive("statement-map", StatementMap)
    app.add_directive("statement-fallout", Fallout)
    app.add_directive("statement-isolated", Isolated)
    app.add_directive("statement-legend", Legend)
    app.add_css_file("map.css")
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
