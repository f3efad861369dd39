"""Pages that load no more than they show: icons from a small font, no style or index that is not used."""

import re
from pathlib import Path

from fontTools import subset, ttLib

SCRIPT = re.compile(r"\s*<script[^>]*scripts/fontawesome\.js[^>]*></script>")
SEARCH = re.compile(r"\s*<script[^>]*/?(?:searchtools|searchindex|language_data)\.js[^>]*></script>")
RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:before,?)+)\{content:"([^"]*)"\}')
FONT = re.compile(r'url\([^)]*\.woff2\) format\("woff2"\),(url\([^)]*fa-solid-900\.ttf\))')

#: Style sheets and scripts of directives, and what a page contains that uses one.
NEEDED = {"sphinx-thebe": "thebe", "sphinx-design": "sd-", "design-tabs": "sd-tab"}


def load_what_is_used(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    for kind in ("css_files", "script_files"):
        names = {f: str(getattr(f, "filename", f) or "") for f in context.get(kind, [])}
        context[kind][:] = [
            f for f, n in names.items() if all(k not in n or mark in body for k, mark in NEEDED.items())
        ]


def icons(sheet, used):
    """The style sheet without the icons that are not among the names ``used``; the characters of the others."""
    kept = set(re.findall(r'--pst-icon-[a-z-]+:"(.)"', sheet))

    def rule(match):
        if not used & set(re.findall(r"\.(fa-[a-z0-9-]+):", match[1])):
            return ""
        kept.add(chr(int(match[2].strip().removeprefix("\\"), 16)))
        return match[0]

    return FONT.sub(r"\1", RULE.sub(rule, sheet)), kept


def shrink(font, characters):
    """Leave in the font file ``font`` these characters, and of its names only copyright and licence."""
    options = subset.Options(name_IDs=[0, 13, 14], notdef_outline=True)
    loaded = ttLib.TTFont(font, recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(c) for c in characters])
    subsetter.subset(loaded)
    loaded.save(font)


def trim(app, exception):
    if exception or app.builder.name != "html":
        return
    used, out = set(), Path(app.outdir)
    for page in sorted(out.rglob("*.html")):
        old = page.read_text(encoding="utf8")
        used |= set(re.findall(r"\bfa-[a-z0-9-]+", old))
        new = SCRIPT.sub("", old) if page.name == "search.html" else SEARCH.sub("", SCRIPT.sub("", old))
        if new != old:
            page.write_text(new, encoding="utf8")
    sheet = out / "_static" / "styles" / "pydata-sphinx-theme.css"
    text, characters = icons(sheet.read_text(encoding="utf8"), used)
    sheet.write_text(text, encoding="utf8")
    shrink(out / "_static" / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf", characters)


def setup(app):
    app.connect("html-page-context", load_what_is_used, priority=950)
    app.connect("build-finished", trim)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
