"""Figures: the files that are published, byte for byte the same each time, with their entry of the manifest."""

import csv
import difflib
import io
import json
import os
import re
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from ncpaper import results, style

DRAW = """
import matplotlib
matplotlib.use("agg")
import numpy as np
from ncpaper import style

style.use()
x = np.linspace(0, 1, 50)
fig, ax = style.figure("wide")
ax.plot(x, np.sin(9 * x), color=style.COLORS["feature"], label=r"$q_{\\min}$")
ax.fill_between(x, x, 1, color=style.COLORS["bound"], alpha=0.3)
ax.set(xlabel="t", title="ρ²")
ax.legend()
style.publish(fig, "sine", title="A sine", claims=["fig-1", "nc1"], data={"x": x, "y": np.sin(9 * x)})
"""

KINDS = ("csv", "json", "pdf", "png", "svg")
BAD_DATA = {
    "columns of two lengths": {"x": [1, 2, 3], "y": [1, 2]},
    "a matrix": {"x": np.ones((2, 2)), "y": np.ones((2, 2))},
    "numbers": {"x": 1.0, "y": 2.0},
    "no columns": {},
}


@pytest.fixture
def figure(monkeypatch, tmp_path):
    """A small figure and the folder where figures go."""
    monkeypatch.setenv("NCPAPER_FIGURES", str(tmp_path))
    monkeypatch.setenv("NCPAPER_CHAPTER", "discussion")
    with mpl.rc_context(style.RC):
        fig, ax = plt.subplots(figsize=(1, 1))
        ax.plot([0, 1], [0, 1])
        yield fig, tmp_path
        plt.close(fig)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """The same figure from two processes with other hash seeds and clocks, in two folders."""
    folders = [tmp_path_factory.mktemp("figures") for _ in range(2)]
    for folder, seed in zip(folders, ("1", "2"), strict=True):
        settings = {"NCPAPER_FIGURES": str(folder), "NCPAPER_CHAPTER": "discussion", "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", DRAW], env=os.environ | settings, check=True)
    return folders


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_write_the_same_bytes(two_runs, kind):
    first, second = (folder.joinpath(f"sine.{kind}").read_bytes() for folder in two_runs)
    assert first == second
    assert len(first) > 100


def test_a_figure_is_published_as_five_files(two_runs):
    assert sorted(p.name for p in two_runs[0].iterdir()) == [f"sine.{kind}" for kind in KINDS]


def test_the_manifest_entry_names_claims_chapter_command_and_the_hash_of_every_file(two_runs):
    entry = json.loads(two_runs[0].joinpath("sine.json").read_text(encoding="utf8"))
    assert entry["name"] == "sine"
    assert entry["title"] == "A sine"
    assert entry["chapter"] == "discussion"
    assert entry["claims"] == ["fig-1", "nc1"]
    assert entry["command"] == "make figures"
    assert entry["versions"] == results.versions()
    files = [f"sine.{kind}" for kind in KINDS if kind != "json"]
    assert entry["sha256"] == {file: results.sha256(two_runs[0] / file) for file in files}


def test_no_file_tells_when_it_was_made(two_runs):
    assert b"<dc:date>" not in two_runs[0].joinpath("sine.svg").read_bytes()
    assert b"CreationDate" not in two_runs[0].joinpath("sine.pdf").read_bytes()
    assert b"Software" not in two_runs[0].joinpath("sine.png").read_bytes()


def test_the_csv_holds_the_data_to_ten_digits(two_runs):
    text = two_runs[0].joinpath("sine.csv").read_text().split("\n", 3)[3]
    rows = list(csv.reader(io.StringIO(text)))
    x = np.linspace(0, 1, 50)
    assert rows[0] == ["x", "y"]
    assert np.allclose(np.array(rows[1:], dtype=float), np.column_stack([x, np.sin(9 * x)]), rtol=1e-9, atol=0)


def test_another_figure_gives_other_bytes(figure):
    fig, folder = figure
    style.publish(fig, "line", title="t", claims=[], data={"x": [0.0, 1.0]})
    before = {kind: (folder / f"line.{kind}").read_bytes() for kind in KINDS}
    fig.axes[0].plot([0, 1], [1, 0])
    style.publish(fig, "line", title="t", claims=[], data={"x": [0.0, 2.0]})
    assert all((folder / f"line.{kind}").read_bytes() != before[kind] for kind in KINDS)


@pytest.mark.parametrize("bad", BAD_DATA)
def test_bad_data_is_refused_and_leaves_nothing(figure, bad):
    fig, folder = figure
    with pytest.raises(ValueError, match=r"^data: expected columns of one length"):
        style.publish(fig, "line", title="t", claims=[], data=BAD_DATA[bad])
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("bad", BAD_DATA)
def test_bad_data_is_refused_even_where_nothing_is_written(monkeypatch, bad):
    monkeypatch.delenv("NCPAPER_FIGURES", raising=False)
    with pytest.raises(ValueError, match=r"^data: expected"):
        style.publish(None, "line", title="t", claims=[], data=BAD_DATA[bad])


def test_a_figure_that_cannot_be_drawn_leaves_nothing(figure, monkeypatch):
    fig, folder = figure

    def fail(buffer, *, format, **_):
        if format == "png":  # the last of the formats
            raise RuntimeError("cannot draw")
        buffer.write(b"drawn")

    monkeypatch.setattr(fig, "savefig", fail)
    with pytest.raises(RuntimeError, match="cannot draw"):
        style.publish(fig, "line", title="t", claims=[], data={"x": [1.0]})
    assert list(folder.iterdir()) == []


def test_nothing_is_written_without_a_folder_to_write_to(figure, monkeypatch):
    fig, folder = figure
    monkeypatch.delenv("NCPAPER_FIGURES")
    monkeypatch.chdir(folder)
    assert style.publish(fig, "line", title="t", claims=[], data={"x": [1.0]}) is None
    assert list(folder.iterdir()) == []


def test_a_table_keeps_words_and_integers_and_ten_digits_of_a_number():
    text = style.table({"name": ["a", "b, c"], "n": np.array([1, 10**12]), "x": [1 / 3, 1e-20]})
    assert text == 'name,n,x\na,1,0.3333333333\n"b, c",1000000000000,1e-20\n'


def test_a_size_without_a_name_is_refused():
    with pytest.raises(ValueError, match=r"^size: expected one of .*wide.*, got 'huge'"):
        style.figure("huge")


@pytest.mark.parametrize("size", style.SIZES)
def test_a_named_size_is_that_of_the_figure(size):
    fig, axes = style.figure(size, columns=2)
    assert tuple(fig.get_size_inches()) == style.SIZES[size]
    assert len(axes) == 2
    plt.close(fig)


def test_every_role_has_a_colour_of_its_own():
    assert len({mpl.colors.to_rgb(c) for c in style.COLORS.values()}) == len(style.COLORS)


def drawn(shift=0.0, other=False):
    """The SVG of lines, markers, a clipped image and a collection, their data moved by ``shift``."""
    t = np.linspace(0, 3, 40) * (1 + shift)
    with mpl.rc_context(style.RC):
        fig, axes = style.figure("pair", columns=2)
        axes[0].plot(t, np.exp(-t) * (1 + shift), "o-", label="a")
        axes[0].plot(t, np.sin(t), "s" if other else "^")
        axes[0].set(xlim=(0, 4), ylim=(-2, 2))
        axes[1].scatter(np.cos(t), np.sin(t), c=t, vmin=0, vmax=3)
        style.publish(fig, "lines", title="t", claims=[], data={"t": t})
        text = style.svg(fig)
        plt.close(fig)
    return text


@pytest.mark.parametrize("shift", [1e-9, -1e-9, 1e-12, 1e-15])
def test_data_moved_by_less_than_the_eye_can_see_give_the_same_picture_byte_for_byte(shift):
    assert drawn(shift) == drawn()


def test_data_moved_by_a_thousandth_give_another_picture():
    assert drawn(1e-3) != drawn()


def test_the_identifiers_of_a_picture_are_numbered_in_the_order_of_drawing_and_each_is_used_and_defined():
    text = drawn()
    defined = re.findall(r' id="(lines-\d+)"', text)
    used = set(re.findall(r'(?:href="#|url\(#)(lines-\d+)[")]', text))
    first_seen = list(dict.fromkeys(re.findall(r"lines-\d+", text)))
    assert len(defined) == len(set(defined)) >= 4
    assert set(defined) == used
    assert first_seen == [f"lines-{i + 1}" for i in range(len(defined))]


def test_no_identifier_of_a_picture_is_hashed_and_no_coordinate_has_a_third_decimal():
    text = drawn()
    assert not re.findall(r'(?:id="|href="#|url\(#)[^")]*[0-9a-f]{10}[")]', text)
    assert not re.findall(r'\b(?:d|x|y)="[^"]*\d\.\d{3}', text)


def test_another_marker_changes_its_definition_and_none_of_its_uses():
    lines = difflib.ndiff(drawn().splitlines(), drawn(other=True).splitlines())
    changed = [line for line in lines if line[0] in "+-"]
    assert changed
    assert not [line for line in changed if '"#lines-' in line]


LOOK = "import matplotlib as mpl; mpl.use('agg'); from ncpaper import style; style.use(); print(dict(mpl.rcParams))"


def test_a_readers_matplotlibrc_does_not_change_the_look(tmp_path):
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nlines.linestyle: :\nsavefig.bbox: tight\n")
    environment = {k: v for k, v in os.environ.items() if k != "MATPLOTLIBRC"}
    looks = [
        subprocess.run([sys.executable, "-c", LOOK], env=environment | given, check=True, capture_output=True).stdout
        for given in ({}, {"MATPLOTLIBRC": str(tmp_path)})
    ]
    assert looks[0] == looks[1]
