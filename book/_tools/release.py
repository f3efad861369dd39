"""Make a release: ``python book/_tools/release.py FOLDER``.

Everything in it is made from the committed files of HEAD, unpacked in an empty folder: the archive of the sources, the book
rendered from the stored notebooks, the figures with their data, and the notebooks. Beside them lie ``SHA256SUMS``,
``manifest.json``, which says of which revision each file is, and ``ro-crate-metadata.json``, which describes the files for
machines. The same revision and the same locked versions give the same bytes. FOLDER is replaced only when all is made.
"""

import json
import mimetypes
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parents[1]
sys.path[:0] = [str(TOOLS), str(ROOT), str(ROOT / "book" / "_ext")]
import addresses  # noqa: E402
import archive  # noqa: E402
import manifest  # noqa: E402
import zips  # noqa: E402
from alone import alone  # noqa: E402

from ncpaper import provenance, results  # noqa: E402

CC_BY = provenance.LICENCE_ADDRESS
MIT = "https://spdx.org/licenses/MIT"
LICENCES = {CC_BY: "Creative Commons Attribution 4.0 International", MIT: "MIT License"}
KINDS = {"svg": "picture (SVG)", "pdf": "picture (PDF)", "png": "picture (PNG)", "csv": "data (CSV)"}
FORMATS = {".ipynb": "application/x-ipynb+json", ".cff": "application/yaml", "": "text/plain"}


def render(tree, folder):
    """Render the book of a tree from its stored notebooks; return the folder of the pages, or leave the program."""
    tools = tree / "book" / "_tools"
    command = [sys.executable, "-I", tools / "clean.py", tools / "book.py", folder, tree / "book"]
    run = subprocess.run(command, stdout=subprocess.DEVNULL)
    if run.returncode:
        sys.exit("the book of the committed files could not be rendered")
    return folder / "html"


def lay_out(tree, release):
    """Put what is described file by file into the release: figures, data, notebooks, citation, licence."""
    (release / "chapters").mkdir()
    shutil.copytree(tree / "figures", release / "figures")
    for notebook in sorted((tree / "book").glob("*.ipynb")):
        shutil.copyfile(notebook, release / "chapters" / notebook.name)
    shutil.copyfile(tree / "LICENSE", release / "LICENSE")
    cited = addresses.cited((tree / "CITATION.cff").read_text(encoding="utf8"), addresses.read(tree / "_config.yml"))
    results.write(release / "CITATION.cff", cited)


def title(notebook):
    """The first heading of a notebook."""
    cells = nbformat.read(notebook, as_version=4).cells
    lines = (line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


def descriptions(release, version):
    """What each file of the release is: its name, its licence, and what else is known, by its path."""
    found = {
        f"ncpaper-{version}-source.zip": {"name": "The sources: every committed file", "license": MIT},
        f"ncpaper-{version}-site.zip": {"name": "The rendered book", "license": CC_BY},
        "manifest.json": {"name": "The SHA-256 of each file, and the revision it is of", "license": CC_BY},
        "figures/manifest.json": {"name": "The figures: titles, claims, versions and hashes", "license": CC_BY},
        "CITATION.cff": {"name": "How to cite the companion", "license": CC_BY},
        "LICENSE": {"name": "The licences in full", "license": MIT},
    }
    for entry in json.loads((release / "figures" / "manifest.json").read_text(encoding="utf8"))["figures"]:
        for kind, said in KINDS.items():
            found[f"figures/{entry['name']}.{kind}"] = {
                "name": f"{entry['title']}: {said}",
                "description": entry["alt"],
                "keywords": ", ".join(entry["claims"]),
                "isPartOf": f"chapters/{entry['chapter']}.ipynb",
                "license": CC_BY,
            }
    for record in sorted((release / "figures" / "data").iterdir()):
        found[f"figures/data/{record.name}"] = {"name": f"Recorded training run {record.stem}", "license": CC_BY}
    for notebook in sorted((release / "chapters").iterdir()):
        found[f"chapters/{notebook.name}"] = {"name": f"Chapter: {title(notebook)}", "license": CC_BY}
    return found


def root(crate, citation, public, revision):
    """Say in a crate what the whole is; return its author."""
    author = crate.add(ContextEntity(crate, "#developers", {"@type": "Organization", "name": provenance.AUTHORS}))
    for address, name in LICENCES.items():
        crate.add(ContextEntity(crate, address, {"@type": "CreativeWork", "name": name}))
    crate.name, crate.description = citation["title"], " ".join(citation["abstract"].split())
    crate.datePublished = str(citation["date-released"])
    crate.license = [crate.get(address) for address in LICENCES]
    about = {"author": author, "version": citation["version"], "keywords": ", ".join(citation["keywords"])}
    about |= {"identifier": f"ncpaper {citation['version']}, revision {revision}"}
    about |= {"url": public["site"]} if public["site"] else {}
    about |= {"isBasedOn": public["repository"]} if public["repository"] else {}
    for key, value in about.items():
        crate.root_dataset[key] = value
    return author


def describe(release, citation, public, revision):
    """Write the RO-Crate that describes every file of the release."""
    crate = ROCrate()
    author = root(crate, citation, public, revision)
    entities = {}
    for path, said in descriptions(release, citation["version"]).items():
        file, suffix = release / path, Path(path).suffix
        kind = FORMATS.get(suffix) or mimetypes.guess_type(path)[0]
        facts = {"encodingFormat": kind, "contentSize": str(file.stat().st_size), "sha256": results.sha256(file)}
        entities[path] = crate.add_file(dest_path=path, source=file, properties=facts | {"author": author})
        for key, value in said.items():
            entities[path][key] = crate.get(value) if key in ("license", "isPartOf") else value
    crate.metadata.write(release)


def make(release, scratch):
    """Make the release in an empty folder."""
    source = scratch / "source.zip"
    archive.write(source)
    with zipfile.ZipFile(source) as packed:
        packed.extractall(scratch)
    tree = scratch / "ncpaper"
    sources = manifest.hashes(tree)  # before programs build anything there
    citation = yaml.safe_load((tree / "CITATION.cff").read_text(encoding="utf8"))
    name, revision = f"ncpaper-{citation['version']}", manifest.revision()["revision"]
    shutil.copyfile(source, release / f"{name}-source.zip")
    html = render(tree, scratch / "book")
    manifest.write(html, {"revision": revision})
    zips.pack(html, release / f"{name}-site.zip", f"{name}-site")
    lay_out(tree, release)
    about = {"revision": revision, "version": citation["version"]}
    manifest.write(release, about, source=sources, site=manifest.hashes(html))
    describe(release, citation, addresses.read(tree / "_config.yml"), revision)
    sums = manifest.hashes(release)
    results.write(release / "SHA256SUMS", "".join(f"{digest}  {path}\n" for path, digest in sums.items()))
    return revision


def main(target):
    """Make the release in the folder ``target``; return the exit status."""
    target = Path(target).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = alone(target.parent / "release.lock", "making a release")
    with lock, tempfile.TemporaryDirectory(dir=target.parent, prefix=".release-") as scratch:
        fresh = Path(scratch, "release")
        fresh.mkdir()
        revision = make(fresh, Path(scratch))
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    print(f"The release of revision {revision} is in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
