"""Figures to play with: a still picture until it is looked at, then a small program in its place.

    ```{live} collapse
    :still: /figures/collapse-path.svg
    :alt: what the picture shows
    :name: fig-index-collapse
    The caption.
    ```

is a figure as any other, numbered and cited. Where scripts run, ``load.js`` waits until the figure comes into view and
loads the program ``static/live/collapse.js``; on paper, and without scripts, the still picture stays.
"""

from pathlib import Path

from docutils.parsers.rst import directives
from sphinx.directives.patches import Figure

PROGRAMS = Path(__file__).parent / "static" / "live"


class Live(Figure):
    """A figure with a program; the argument is the program's name."""

    option_spec = Figure.option_spec | {"still": directives.uri}

    def run(self):
        name = self.arguments[0]
        if not (PROGRAMS / f"{name}.js").exists():
            raise self.error(f"no program {name!r} in static/live")
        if "still" not in self.options:
            raise self.error("the option 'still' is missing: the picture shown where scripts do not run")
        self.arguments[0] = self.options.pop("still")
        figure, *rest = super().run()
        env = self.state.document.settings.env
        figure["classes"] += ["live", f"live-{name.replace('_', '-')}"]
        env.metadata[env.docname]["live"] = True
        return [figure, *rest]


def add_scripts(app, pagename, templatename, context, doctree):
    """Load the loader where a page has a live figure."""
    if app.env.metadata.get(pagename, {}).get("live"):
        app.add_css_file("live/live.css")
        app.add_js_file("live/load.js", loading_method="defer")


def setup(app):
    app.add_directive("live", Live)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
