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

import csv
import json
from pathlib import Path

import citing
from docutils.parsers.rst import directives
from sphinx.directives.patches import Figure

from ncpaper import claims, provenance, results

PROGRAMS = Path(__file__).parent / "static" / "live"
FAR = claims.LEDGER.parents[1] / "figures" / "figure-2-exponents.csv"


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


def recorded_script():
    """A script with the exponents of a recorded flow by measure, for ``figure_2.js``, and the beginning of its citation.

    A script, because a page opened from a disk may fetch nothing else.
    """
    lines = (line for line in FAR.read_text(encoding="utf8").splitlines() if not line.startswith("#"))
    exponents = {}
    for row in csv.DictReader(lines):
        exponents.setdefault(row["measure"], {})[float(row["log_t"])] = round(float(row["exponent"]), 4)
    data = {
        "citation": citing.citations("Figure 2, live", "Figure 2 at full length", provenance.LICENCE)["text"],
        "log_t": list(next(iter(exponents.values()))),
        "exponents": {name: list(values.values()) for name, values in exponents.items()},
    }
    return f"live.recorded = {json.dumps(data)};\n"


def write_recorded(app, exception):
    """Lay the recorded data beside the programs."""
    if exception is None and app.builder.format == "html":
        results.write(Path(app.outdir, "_static", "live", "figure_2_recorded.js"), recorded_script())


def setup(app):
    app.add_directive("live", Live)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_recorded)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
