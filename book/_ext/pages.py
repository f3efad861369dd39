"""Small repairs of the theme's HTML: no third-party hosts, no script twice, names that screen readers can use."""

import re
from pathlib import Path

#: An argument's kind with the function that checks it, which Python shows by its place in memory.
CHECKED = re.compile(r"~?(?:typing\.)?Annotated\[(\w+), <function \S+ at 0x[0-9a-f]+>\]")

THIRD_PARTY = ("unpkg.com", "cdn.jsdelivr.net", "cdnjs.cloudflare.com")

#: The colours the reader prefers, known before anything is drawn: set later, they style the whole page a second time.
THEME = (
    'document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";',
    "document.documentElement.dataset.theme = { light: 'light', dark: 'dark' }[document.documentElement.dataset.mode]"
    " || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');",
)

SWAPS = [
    THEME,
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    ('<span class="search-button__kbd-shortcut">', '<span class="search-button__kbd-shortcut" aria-hidden="true">'),
    ('<i class="theme-switch ', '<i aria-hidden="true" class="theme-switch '),
    ('pst-js-only" title="Search" aria-label="Search"', 'pst-js-only" title="Search"'),
    ('data-mode="light" title="Light"', 'data-mode="light"'),
    ('data-mode="dark"  title="Dark"', 'data-mode="dark"'),
    ('data-mode="auto"  title="System Settings"', 'data-mode="auto"'),
    ('role="doc-biblioentry"', 'role="listitem"'),
    (
        '<div id="pst-primary-sidebar" class="',
        '<div id="pst-primary-sidebar" role="region" aria-label="Book contents" class="',
    ),
]


def signature(app, what, name, obj, options, arguments, returns):
    """The signature of a function without the functions that check its arguments."""
    return tuple(text and CHECKED.sub(r"\1", text) for text in (arguments, returns))


def drop_scripts(app, pagename, templatename, context, doctree):
    """Keep each script once, none of another host, none of the kernel launcher the book does not use."""
    seen, kept = set(), []
    for script in context.get("script_files", []):
        body = (getattr(script, "attributes", {}) or {}).get("body") or ""
        name = str(getattr(script, "filename", script) or "")
        foreign = any(host in text for host in THIRD_PARTY for text in (body, name))
        if not foreign and "sphinx-thebe" not in name and (name, body) not in seen:
            seen.add((name, body))
            kept.append(script)
    context["script_files"][:] = kept


def repair(app, exception):
    """Apply :data:`SWAPS` to every page; raise ``ValueError`` where one is found on no page of the whole book."""
    if exception or app.builder.name != "html":
        return
    unused = {before for before, _ in SWAPS}
    for page in sorted(Path(app.outdir).rglob("*.html")):
        old = page.read_text(encoding="utf8")
        unused -= {before for before in unused if before in old}
        new = old
        for before, after in SWAPS:
            new = new.replace(before, after)
        if new != old:
            page.write_text(new, encoding="utf8")
    if unused and not app.config.alone:
        raise ValueError(f"the theme has changed, nothing to repair in any page: {'; '.join(sorted(unused))}")


def setup(app):
    app.add_config_value("alone", False, "")  # whether one chapter is written, and no other page
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", signature)
    app.connect("html-page-context", drop_scripts, priority=900)
    app.connect("build-finished", repair)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
