"""The provenance of figure files: the record that each file carries, and how to read it.

Each file of a published figure (SVG, PDF, PNG, CSV) carries one record: the figure, its title, the claims it shows,
authors, licence, the version of the package, the command that makes it, and the SHA-256 of its data. The record names no
revision, date or device, so that the same figure gives the same bytes.
"""

import hashlib
import io
import json
import re
from pathlib import Path
from xml.sax.saxutils import escape, unescape

import ncpaper
from ncpaper import extras, results

AUTHORS = "The ncpaper developers"
LICENCE = "CC BY 4.0"
LICENCE_ADDRESS = "https://creativecommons.org/licenses/by/4.0/"

#: The keys of a record, in their order.
KEYS = ("figure", "title", "claims", "chapter", "authors", "licence", "package", "command", "data")

#: The first line of the header of a CSV file; the record follows, then the data.
HEADER = "# A figure's data from the ncpaper companion; what follows the lines with # is the table.\n"

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{authors}</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">{licence}</rdf:li></rdf:Alt></dc:rights>
<dc:source>{record}</dc:source>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""

_SVG = """
 <title>{title}</title>
 <desc>{told}</desc>
 <metadata><rdf:RDF xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description><dc:title>{title}</dc:title><dc:creator>{authors}</dc:creator><dc:rights>{licence}</dc:rights>
  <dc:source>{record}</dc:source></rdf:Description></rdf:RDF></metadata>"""


def record(figure, *, title, claims, chapter, table):
    """What the files of a figure say of themselves, as a mapping; ``table`` is the text of its data.

    Examples
    --------
    >>> record("x", title="T", claims=["nc1"], chapter="geometry", table="a\\n1\\n")["licence"]
    'CC BY 4.0'
    """
    values = (figure, title, list(claims), chapter, AUTHORS, LICENCE, f"ncpaper {ncpaper.__version__}", "make figures",
              hashlib.sha256(table.encode()).hexdigest())  # fmt: skip
    return dict(zip(KEYS, values, strict=True))


def told(about):
    """A record in words."""
    return (
        f"Figure {about['figure']} of the ncpaper companion, chapter {about['chapter']}; it shows "
        f"{', '.join(about['claims']) or 'no claim'}. Made by {about['command']} with {about['package']} "
        f"from data with the SHA-256 {about['data']}. {about['authors']}, {about['licence']}, {LICENCE_ADDRESS}"
    )


def _fields(about):
    text = {key: escape(str(about[key])) for key in ("title", "authors")}
    licence = f"{about['licence']}, {LICENCE_ADDRESS}"
    return text | {"licence": licence, "told": escape(told(about)), "record": escape(json.dumps(about))}


def into_csv(table, about):
    """The text of a table with the record in lines that begin with ``#``."""
    return f"{HEADER}# {told(about)}\n# {json.dumps(about)}\n{table}"


def into_svg(svg, about):
    """The text of an SVG with title, description and metadata, in the place of what matplotlib says of itself."""
    bare = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, count=1, flags=re.S)
    return re.sub(r"<svg [^>]*>", lambda m: m[0] + _SVG.format(**_fields(about)), bare, count=1)


def into_png(png, about):
    """The bytes of a PNG with the record in chunks of text; the image data stay as they are."""
    from PIL import Image, PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    for key, text in (("Title", about["title"]), ("Author", about["authors"]), ("Copyright", about["licence"]),
                      ("Description", told(about)), ("Source", json.dumps(about))):  # fmt: skip
        chunks.add_itxt(key, text)
    found, image = io.BytesIO(), Image.open(io.BytesIO(png))
    image.save(found, format="png", pnginfo=chunks, dpi=image.info.get("dpi"))
    return found.getvalue()


def into_pdf(pdf, about):
    """The bytes of a PDF with the record as XMP, appended, so that the drawing before it stays byte for byte."""
    with extras.extra("book"):
        from pypdf import PdfWriter
        from pypdf.generic import NameObject

    writer, found = PdfWriter(io.BytesIO(pdf), incremental=True), io.BytesIO()
    writer.xmp_metadata = _XMP.format(**_fields(about)).encode()
    stream = writer.root_object["/Metadata"].get_object()
    stream |= {NameObject("/Type"): NameObject("/Metadata"), NameObject("/Subtype"): NameObject("/XML")}
    writer.write(found)
    return found.getvalue()


def _png_text(content):
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.text.get("Source", "")


def _source(content):
    """The record in the metadata of an SVG or PDF, where the text is not compressed."""
    found = re.findall(rb"<dc:source>(.*?)</dc:source>", content, re.S)
    return unescape(found[-1].decode()) if found else ""


def _csv_text(content):
    lines = content.decode().split("\n", 3)
    return lines[2].removeprefix("# ") if content.startswith(HEADER.encode()) and len(lines) == 4 else ""


#: How each kind begins, and how its record is read.
KINDS = {
    "PNG": (rb"\x89PNG\r\n", _png_text),
    "PDF": (rb"%PDF-", _source),
    "SVG": (rb"(?:<\?xml.*?\?>\s*)?(?:<!DOCTYPE.*?>\s*)?<svg\b", _source),
    "CSV": (re.escape(HEADER[:20].encode()), _csv_text),
}


def read(path):
    """The record of a file of a figure, with its ``kind`` and ``file``, the SHA-256 of the whole file.

    Raises ``FileNotFoundError``, and ``ValueError`` naming the file where it is none of this companion's or is damaged:
    for a CSV also where its table is not the one that the record names.
    """
    content = Path(path).read_bytes()
    kind = next((k for k, (start, _) in KINDS.items() if re.match(start, content, re.S)), None)
    if kind is None:
        raise ValueError(f"{path}: expected a figure's SVG, PDF, PNG or CSV, got another kind of file")
    try:
        text = KINDS[kind][1](content)
        about = json.loads(text) if text else None
    except (ValueError, OSError, SyntaxError) as error:
        raise ValueError(f"{path}: the {kind} file is damaged, {error}") from error
    if not isinstance(about, dict) or tuple(about) != KEYS:
        raise ValueError(f"{path}: expected a file of the ncpaper companion, this {kind} file carries no record of it")
    if kind == "CSV" and hashlib.sha256(content.split(b"\n", 3)[3]).hexdigest() != about["data"]:
        raise ValueError(f"{path}: the table is not the one that the record names, it was changed since it was written")
    return about | {"kind": kind, "file": hashlib.sha256(content).hexdigest()}


def compare(about, folder):
    """Whether a folder of figures has the file that ``about`` describes, or another one of the same figure, in words.

    Raises ``ValueError`` naming ``folder`` where it holds no manifest.
    """
    path = Path(folder, "manifest.json")
    try:
        figures = {entry["name"]: entry for entry in json.loads(path.read_text(encoding="utf8"))["figures"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"folder: expected a folder with the manifest of the figures, {path}: {error}") from error
    entry = figures.get(about["figure"])
    if entry is None:
        return f"{folder} has no figure {about['figure']}"
    if entry["sha256"].get(f"{about['figure']}.{about['kind'].lower()}") == about["file"]:
        return f"the same file is in {folder}"
    same = "the same data" if entry["data"] == about["data"] else "other data"
    return f"{folder} has another file of this figure, drawn from {same}, made with {entry['package']}"


def whence(paths, folder=None):
    """Print what each file says of itself, and how it compares with a folder of figures; return the exit status.

    Without a folder the one of this checkout serves, where there is one.
    """
    status = 0
    default = results.RECORDED.parent
    folder = folder or (default if (default / "manifest.json").exists() else None)
    for path in paths:
        try:
            about = read(path)
            print(f"{path}: {told(about)}")
            if folder:
                print(f"  {compare(about, folder)}")
        except (ValueError, OSError) as error:
            status = 1
            print(error if str(path) in str(error) else f"{path}: {error}")
    return status
