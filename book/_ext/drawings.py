"""Figures as part of the page: an SVG is written into the HTML, and its colours follow the reader's colour scheme."""

import html
import re
from itertools import count
from pathlib import Path

from ncpaper import style

IMAGE = re.compile(r'<img\b(?=[^>]*\bsrc="[^"]*_images/([^"/]+\.svg)")[^>]*?/?>')
ATTRIBUTE = re.compile(r'\b(alt|style|class)="([^"]*)"')
PROLOGUE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<(title|desc|metadata|style)\b.*?</\1>", re.DOTALL)
GLYPH = re.compile(r'<path id="(DejaVu[^"]*|STIX[^"]*|Cm[^"]*)".*?/>', re.DOTALL)
AXES = re.compile(r'<g id="axes_\d+">\s*<g id="patch_\d+">\s*<path d="M ([\d.]+) \S+\s+L ([\d.]+) ')
SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
ID, REFERENCE = re.compile(r'\bid="([^"]*)"'), re.compile(r'(?:url\(|href=")#([^")]*)')

GALLERY = "book/gallery"

#: The colours of the figures, and the names of the variables of the style sheet in their place.
COLORS = {
    "#000000": "currentColor",
    "#ffffff": "var(--figure-ground)",
    "#b0b0b0": "var(--figure-grid)",
    **{color: f"var(--figure-{role})" for role, color in style.COLORS.items()},
}


def drawing(svg, number, alt, look, classes, glyphs):
    """The text of an SVG file as an element of a page.

    ``number`` makes its identifiers unique on the page; glyphs whose identifiers are in the set ``glyphs`` are not drawn
    again, the others are added to it.
    """
    text = PROLOGUE.sub("", svg)

    def once(match):
        known = match[1] in glyphs
        glyphs.add(match[1])
        return "" if known else match[0]

    text = GLYPH.sub(once, text)
    used = {name for name in REFERENCE.findall(text) if name not in glyphs}
    names = dict(zip(sorted(used), (f"d{number}-{i}" for i in count()), strict=False))
    text = ID.sub(lambda m: f'id="{names.get(m[1], m[1])}"' if m[1] in used | glyphs else "", text)
    text = REFERENCE.sub(lambda m: m[0].replace(f"#{m[1]}", f"#{names.get(m[1], m[1])}"), text)
    text = re.sub("#[0-9a-f]{6}", lambda m: COLORS.get(m[0], m[0]), text)
    text = (
        re.sub(r"\s*\n\s*", " ", re.sub(r">\s+<", "><", text)).replace("<defs></defs>", "").replace(" >", ">").strip()
    )
    text = re.sub(
        r'<svg [^>]*?(width="[^"]*") (height="[^"]*") (viewBox="[^"]*")[^>]*>', r"<svg \1 \2 \3>", text, count=1
    )
    shape = f' style="{look}"' if look else ""
    return text.replace(
        "<svg ", f'<svg class="{" ".join(["drawing", *classes])}" role="img" aria-label="{alt}"{shape} ', 1
    )


def is_in_columns(svg):
    """Whether a figure has three panels or more side by side, so that the screen of a phone is too narrow for them."""
    if [round(float(x)) for x in SIZE.search(svg).groups()] == [round(72 * inches) for inches in style.SIZES["row"]]:
        return True
    columns, right = 0, 0.0
    for start, end in sorted((float(a), float(b)) for a, b in AXES.findall(svg)):
        if start > right and end - start > 40:  # to the right of the column before, and wider than a colour bar
            columns, right = columns + 1, end
    return columns >= 3


def inline(app, pagename, templatename, context, doctree):
    """Put each SVG of the page in the place of the image that shows it."""
    if pagename == GALLERY:  # many pictures, loaded as they come into view
        context["body"] = context["body"].replace("<img ", '<img loading="lazy" ')
        return
    sources = {name: Path(app.srcdir, uri) for uri, name in app.builder.images.items()}
    glyphs, numbers = set(), count(1)

    def put(match):
        source = sources.get(html.unescape(match[1]))
        if source is None:
            return match[0]
        given = dict(ATTRIBUTE.findall(match[0]))
        svg = source.read_text(encoding="utf8")
        text = drawing(
            svg, next(numbers), given.get("alt", ""), given.get("style"), given.get("class", "").split(), glyphs
        )
        return f'<span class="drawing-box" tabindex="0">{text}</span>' if is_in_columns(svg) else text

    if "body" in context:
        context["body"] = IMAGE.sub(put, context["body"])


def setup(app):
    app.connect("html-page-context", inline)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
