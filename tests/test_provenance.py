"""What the files of a figure say of themselves, and reading it again, also from renamed, foreign and damaged files."""

import hashlib
import io
import json
import shutil
import xml.etree.ElementTree as ET

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

import ncpaper
from ncpaper import __main__ as command_line
from ncpaper import provenance, style

KINDS = ("svg", "pdf", "png", "csv")
TITLE = 'Lengths < 1 & "angles", ρ²'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of figures with one figure in it and its manifest."""
    path = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch, mpl.rc_context(style.RC):
        patch.setenv("NCPAPER_FIGURES", str(path))
        patch.setenv("NCPAPER_CHAPTER", "geometry")
        fig, ax = plt.subplots(figsize=(2, 1))
        ax.plot([0, 1], [0, 1])
        style.publish(fig, "line", title=TITLE, claims=["nc1", "nc2"], data={"x": [0.0, 1 / 3]})
        plt.close(fig)
    manifest = {"figures": [json.loads((path / "line.json").read_text(encoding="utf8"))]}
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf8")
    return path


@pytest.fixture(scope="module")
def bare():
    """A small figure as SVG, PDF and PNG without a record, and a record."""
    with mpl.rc_context(style.RC):
        fig, ax = plt.subplots(figsize=(2, 1))
        ax.plot([0, 1], [0, 1])
        files = {"svg": style.svg(fig), "pdf": style.saved(fig, "pdf"), "png": style.saved(fig, "png")}
        plt.close(fig)
    return files, provenance.record("line", title=TITLE, claims=[], chapter="geometry", table="x\n1\n")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_tells_the_same_of_itself_also_under_another_name(folder, tmp_path, kind):
    shutil.copy(folder / f"line.{kind}", tmp_path / "renamed.dat")
    about = provenance.read(tmp_path / "renamed.dat")
    assert about["figure"] == "line"
    assert about["title"] == TITLE
    assert about["claims"] == ["nc1", "nc2"]
    assert about["chapter"] == "geometry"
    assert about["authors"] == "The ncpaper developers"
    assert about["licence"] == "CC BY 4.0"
    assert about["package"] == f"ncpaper {ncpaper.__version__}"
    assert about["command"] == "make figures"
    assert about["data"] == hashlib.sha256(b"x\n0\n0.3333333333\n").hexdigest()
    assert about["kind"] == kind.upper()
    assert about["file"] == hashlib.sha256((folder / f"line.{kind}").read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_names_a_date_or_the_place_where_it_was_made(folder, kind):
    content = (folder / f"line.{kind}").read_bytes()
    assert b"CreationDate" not in content
    assert b"dc:date" not in content
    assert str(folder).encode() not in content


def test_the_picture_of_a_png_is_not_touched(bare):
    files, about = bare
    found, plain = (Image.open(io.BytesIO(png)) for png in (provenance.into_png(files["png"], about), files["png"]))
    assert np.array_equal(found, plain)
    assert found.info["dpi"] == plain.info["dpi"]


def test_the_drawing_of_a_pdf_is_not_touched_and_its_metadata_are_read_by_others(bare):
    files, about = bare
    found = provenance.into_pdf(files["pdf"], about)
    assert found.startswith(files["pdf"].rstrip())
    metadata = PdfReader(io.BytesIO(found)).xmp_metadata
    assert metadata.dc_title == {"x-default": TITLE}
    assert metadata.dc_creator == ["The ncpaper developers"]


def test_the_drawing_of_an_svg_is_not_touched_and_it_is_sound_xml_with_a_title(bare):
    files, about = bare
    found, plain = (ET.fromstring(svg.encode()) for svg in (provenance.into_svg(files["svg"], about), files["svg"]))
    space = "{http://www.w3.org/2000/svg}"
    assert found.find(f"{space}title").text == TITLE
    for root in (found, plain):
        for name in ("title", "desc", "metadata"):
            for child in root.findall(f"{space}{name}"):
                root.remove(child)
    assert [ET.tostring(e).split() for e in found] == [ET.tostring(e).split() for e in plain]


def test_the_table_of_a_csv_is_what_stands_below_its_header(folder):
    lines = (folder / "line.csv").read_text(encoding="utf8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["x", "0", "0.3333333333"]
    assert np.array_equal(np.genfromtxt(folder / "line.csv", names=True, skip_header=3)["x"], [0.0, 0.3333333333])


def test_a_table_that_was_changed_is_found_out(folder, tmp_path):
    path = tmp_path / "line.csv"
    path.write_text((folder / "line.csv").read_text(encoding="utf8").replace("0.3333333333", "0.3"), encoding="utf8")
    with pytest.raises(ValueError, match=r"line\.csv: the table is not the one that the record names"):
        provenance.read(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "expected a figure's SVG, PDF, PNG or CSV, got another kind of file"),
        (b"x,y\n1,2\n", "expected a figure's SVG, PDF, PNG or CSV, got another kind of file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "this SVG file carries no record"),
        (b"<svg><dc:source>a photograph</dc:source></svg>", "the SVG file is damaged"),
        (b"<svg><dc:source>{}</dc:source></svg>", "this SVG file carries no record"),
        (b"%PDF-1.4\n", "this PDF file carries no record"),
        (b"\x89PNG\r\n\x1a\n", "the PNG file is damaged"),
        (b"# A figure's data fro\n", "this CSV file carries no record"),
    ],
)
def test_foreign_and_damaged_files_are_told_apart(tmp_path, content, says):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"file: .*{says}"):
        provenance.read(path)


@pytest.mark.parametrize("kind", ["svg", "png", "csv"])
def test_half_a_file_is_damaged(folder, tmp_path, kind):
    content = (folder / f"line.{kind}").read_bytes()
    kept = {"svg": 400, "png": len(content) // 2, "csv": len(content) - 5}[kind]
    (tmp_path / "half").write_bytes(content[:kept])
    with pytest.raises(ValueError, match="half: "):
        provenance.read(tmp_path / "half")


def test_the_command_compares_each_file_with_a_folder_of_figures(folder, tmp_path, capsys):
    other = tmp_path / "manifest.json"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf8"))
    manifest["figures"][0] |= {"data": "0" * 64, "package": "ncpaper 9.9", "sha256": {}}
    other.write_text(json.dumps(manifest), encoding="utf8")
    assert command_line.main(["whence", str(folder / "line.svg"), "--book", str(folder)]) == 0
    assert f"the same file is in {folder}" in capsys.readouterr().out
    assert command_line.main(["whence", str(folder / "line.svg"), "--book", str(tmp_path)]) == 0
    assert "has another file of this figure, drawn from other data, made with ncpaper 9.9" in capsys.readouterr().out
    manifest["figures"] = []
    other.write_text(json.dumps(manifest), encoding="utf8")
    assert command_line.main(["whence", str(folder / "line.svg"), "--book", str(tmp_path)]) == 0
    assert "has no figure line" in capsys.readouterr().out


def test_the_command_goes_on_after_a_foreign_file_and_says_so_in_the_end(folder, tmp_path, capsys):
    (tmp_path / "foreign.txt").write_text("x", encoding="utf8")
    files = [str(tmp_path / "foreign.txt"), str(tmp_path / "missing.svg"), str(folder / "line.png")]
    assert command_line.main(["whence", *files, "--book", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "foreign.txt: expected a figure's" in said
    assert "No such file" in said
    assert "line.png: Figure line of the ncpaper companion" in said


def test_a_folder_without_a_manifest_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"folder: expected a folder with the manifest of the figures"):
        provenance.compare(provenance.read(folder / "line.svg"), tmp_path)
