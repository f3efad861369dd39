"""One look for every figure, by role; and the export of a figure with its data and its provenance.

Chapters call :func:`use` once, take axes from :func:`figure`, colours from :data:`COLORS`, and hand each finished
figure to :func:`publish`. The files are written only where the environment variable ``NCPAPER_FIGURES`` names a folder
(``make figures`` sets it), so reading and testing a chapter writes nothing.
"""

import csv
import io
import json
import os
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from ncpaper import provenance, results

#: Colours by role; features blue, as in the paper, classifiers orange-red. Distinct to colour-blind readers.
COLORS = {
    "feature": "#0072b2",
    "classifier": "#d55e00",
    "printed": "#cc79a7",
    "corrected": "#009e73",
    "bound": "#555555",
    "neutral": "#999999",
    "reference": "#e69f00",
}

#: Colours and markers of the classes, in their order; mid-tones that stand on white and on black.
CLASS_COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P")

#: Sizes in inches by role.
SIZES = {"wide": (6.4, 3.4), "square": (4.2, 4.0), "pair": (7.2, 3.2), "panels": (7.2, 5.6), "row": (7.2, 2.7)}

RC = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.size": 10,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "path.simplify": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "ncpaper",
}

#: A legend of the whole figure below it, and words within a picture: both in small type.
LEGEND = {"loc": "outside lower center", "fontsize": 8}
SMALL = {"fontsize": 8}

#: What a format must not record, so that the same figure gives the same bytes.
METADATA = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}


#: An identifier that matplotlib hashes from coordinates; the attributes of an SVG that hold coordinates; a decimal.
HASHED = re.compile(r"(?<=[\"#])(?:C[0-9a-f]+_[0-9a-f]+_|image|[a-z])[0-9a-f]{10}(?=[\")])")
COORDINATES = re.compile(r"(?<=\s)(?:d|x|y|width|height|viewBox)=\"[^\"]*\"|translate\([^)]*\)")
DECIMAL = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def use():
    """Give every figure of this process the book's look, whatever was set before; in a notebook, show figures as SVG."""
    mpl.rcdefaults()
    mpl.rcParams.update(RC)
    if "inline" in mpl.get_backend():
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")
        get_ipython().display_formatter.formatters["image/svg+xml"].for_type(plt.Figure, shown)


def shown(fig):
    """The figure as a notebook shows it: the text of an SVG, cut to what is drawn."""
    return svg(fig, bbox_inches="tight", facecolor=fig.get_facecolor(), dpi=fig.dpi)


def svg(fig, **options):
    """The figure as SVG, so that a difference of two texts can be seen in the two pictures.

    Identifiers are numbered in the order of drawing, after the name under which the figure is published; coordinates are
    rounded to a hundredth of a point. As matplotlib writes them, a change of one coordinate in its last digit would
    change an identifier everywhere.
    """
    drawn, numbers = io.BytesIO(), {}
    fig.savefig(drawn, format="svg", metadata=METADATA["svg"], **options)
    text = drawn.getvalue().decode()
    named = HASHED.sub(lambda m: numbers.setdefault(m[0], f"{fig.get_label()}-{len(numbers) + 1}"), text)
    return COORDINATES.sub(lambda m: DECIMAL.sub(rounded, m[0]), named)


def rounded(number):
    """A matched decimal, rounded to two places, without trailing zeros and without a minus before zero."""
    return f"{round(float(number[0]), 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def figure(size, rows=1, columns=1, **axes):
    """A figure of a named size with its axes, as ``matplotlib.pyplot.subplots`` returns them.

    Raises ``ValueError`` for a size not in :data:`SIZES`.
    """
    if size not in SIZES:
        raise ValueError(f"size: expected one of {', '.join(SIZES)}, got {size!r}")
    return plt.subplots(rows, columns, figsize=SIZES[size], **axes)


def table(data):
    """``data``, a mapping from column name to equally long one-dimensional columns, as CSV text.

    Numbers are written with 10 significant digits. Raises ``ValueError`` naming ``data`` for anything else.
    """
    columns = {name: np.asarray(values) for name, values in data.items()}
    shapes = {c.shape for c in columns.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ValueError(f"data: expected columns of one length, got { ({n: c.shape for n, c in columns.items()}) }")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(f"{v:.10g}" if isinstance(v, (float, np.floating)) else v for v in row)
    return text.getvalue()


def saved(fig, kind):
    """The bytes of a figure as PDF or PNG, the same each time."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format=kind, metadata=METADATA[kind], dpi=200)
    return buffer.getvalue()


def drawn(fig, kind):
    """The bytes of a figure as ``svg``, ``pdf`` or ``png``; raises ``ValueError`` naming ``kind`` for another format."""
    if kind not in METADATA:
        raise ValueError(f"kind: expected one of {', '.join(METADATA)}, got {kind!r}")
    return svg(fig).encode() if kind == "svg" else saved(fig, kind)


def publish(fig, name, *, title, claims, data):
    """Hand over a finished figure: its name, its title, the ids of the claims it shows, the data behind it.

    Where ``NCPAPER_FIGURES`` names a folder, writes ``name.svg``, ``.pdf``, ``.png`` and ``.csv`` there, each with its
    record (:mod:`ncpaper.provenance`), and the entry ``name.json`` of the manifest; elsewhere it only checks its arguments.
    Returns nothing, so that a cell ends quietly. Raises ``ValueError`` naming ``data`` where it is not a table of equally
    long columns.
    """
    text, folder = table(data), os.environ.get("NCPAPER_FIGURES")
    fig.set_label(name)
    if not folder:
        return
    chapter = os.environ.get("NCPAPER_CHAPTER", "")
    drawing, pdf, png = svg(fig, dpi=200), saved(fig, "pdf"), saved(fig, "png")
    about = provenance.record(name, title=title, claims=claims, chapter=chapter, table=text)
    files = {
        f"{name}.csv": provenance.into_csv(text, about).encode(),
        f"{name}.svg": provenance.into_svg(drawing, about).encode(),
        f"{name}.pdf": provenance.into_pdf(pdf, about),
        f"{name}.png": provenance.into_png(png, about),
    }
    for file, content in files.items():
        results.write(Path(folder, file), content)
    entry = {
        "name": name,
        "title": title,
        "chapter": chapter,
        "claims": list(claims),
        **{key: about[key] for key in ("command", "package", "data")},
        "sha256": {file: results.sha256(Path(folder, file)) for file in sorted(files)},
        "versions": results.versions(),
    }
    results.write(Path(folder, f"{name}.json"), json.dumps(entry, indent=1) + "\n")
