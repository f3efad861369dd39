"""Make a release: ``python book/_tools/release.py FOLDER``.

Everything in it is made from the committed files of HEAD, unpacked in an empty folder: the archive of the sources, the book
rendered from the stored notebooks, the figures with their data, and the notebooks. Beside them lie ``SHA256SUMS``,
``manifest.json``, which says of which revision each file is, and ``ro-crate-metadata.json``, which describes the files for
machines. The same revision and the same locked versions give the same bytes. FOLDER is replaced only when all is made.
"""

import io
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
from alone import alone  # noqa: E402

from ncpaper import provenance, results  # noqa: E402

CC_BY = provenance.LICENCE_ADDRESS
MIT = "https://spdx.org/licenses/MIT"
LICENCES = {
    CC_BY: ("Creative Commons Attribution 4.0 International", "For the text and the figures with their data."),
    MIT: ("MIT License", "For the code."),
}
KINDS = {"svg": "picture (SVG)", "pdf": "picture (PDF)", "png": "picture (PNG)", "csv": "data (CSV)"}
FORMATS = {
    ".ipynb": "application/x-ipynb+json",
    ".cff": "application/yaml",
    ".npz": "application/zip",
    "": "text/plain",
}


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


def described(name, description, licence, **more):
    """What is said of a file, in the words of the crate."""
    return {"name": name, "description": description, "license": licence, **more}


def recorded(file):
    """What is said of a file of recorded data."""
    if file.suffix != ".json":
        return described(f"Recorded data {file.name}", "Data that a training run recorded.", CC_BY)
    command = results.load(file)[1]["command"]
    told = f"What {command} measured, with its settings, versions and inputs."
    return described(f"Recorded training run {file.stem}", told, CC_BY)


def pictures(entry):
    """What is said of the files of a figure, by path; ``entry`` is that of the manifest."""
    more = {"keywords": ", ".join(entry["claims"]), "isPartOf": f"chapters/{entry['chapter']}.ipynb"}
    return {
        f"figures/{entry['name']}.{kind}": described(f"{entry['title']}: {said}", entry["alt"], CC_BY, **more)
        for kind, said in KINDS.items()
    }


def descriptions(release, version):
    """What each file of the release is, by path; what others are part of comes before them."""
    chapter = "A chapter of the book as a notebook with its outputs."
    found = {
        f"ncpaper-{version}.zip": described(
            "Sources", "Every committed file; make book renders the pages from them.", MIT
        ),
        f"ncpaper-{version}-site.zip": described("Rendered book", "Open index.html in a browser.", CC_BY),
        "manifest.json": described("Manifest", "The SHA-256 of each file, and the revision it is of.", CC_BY),
        "figures/manifest.json": described("Manifest of the figures", "Titles, claims, versions and hashes.", CC_BY),
        "CITATION.cff": described("Citation", "How to cite the companion.", CC_BY),
        "LICENSE": described("Licences", "The licences in full.", MIT),
    }
    for notebook in sorted((release / "chapters").iterdir()):
        found[f"chapters/{notebook.name}"] = described(title(notebook), chapter, CC_BY)
    for entry in json.loads((release / "figures" / "manifest.json").read_text(encoding="utf8"))["figures"]:
        found |= pictures(entry)
    return found | {
        f"figures/data/{file.name}": recorded(file) for file in sorted((release / "figures" / "data").iterdir())
    }


def root(crate, citation, public, revision):
    """Say in a crate what the whole is; return its author."""
    author = crate.add(ContextEntity(crate, "#developers", {"@type": "Organization", "name": provenance.AUTHORS}))
    for address, (name, told) in LICENCES.items():
        crate.add(ContextEntity(crate, address, {"@type": "CreativeWork", "name": name, "description": told}))
    crate.name, crate.description = citation["title"], " ".join(citation["abstract"].split())
    crate.datePublished = str(citation["date-released"])
    crate.license = [crate.get(address) for address in LICENCES]
    value = {"@type": "PropertyValue", "name": "revision", "propertyID": "git commit", "value": revision}
    about = {
        "author": author,
        "publisher": author,
        "version": citation["version"],
        "keywords": ", ".join(citation["keywords"]),
        "identifier": crate.add(ContextEntity(crate, "#revision", value)),
    }
    if known := [address for address in public.values() if address]:
        about["url"] = known
    for key, said in about.items():
        crate.root_dataset[key] = said
    return author


def describe(release, citation, public, revision):
    """Write the RO-Crate that describes every file of the release."""
    crate = ROCrate()
    author = root(crate, citation, public, revision)
    for path, said in descriptions(release, citation["version"]).items():
        file, suffix = release / path, Path(path).suffix
        kind = FORMATS.get(suffix) or mimetypes.guess_type(path)[0]
        facts = {"encodingFormat": kind, "contentSize": str(file.stat().st_size), "sha256": results.sha256(file)}
        entity = crate.add_file(dest_path=path, source=file, properties=facts | {"author": author})
        for key, value in said.items():
            entity[key] = crate.get(value) if key in ("license", "isPartOf") else value
    crate.metadata.write(release)


def unpacked(sources, folder):
    """Unpack the archive of the sources; return the tree."""
    with zipfile.ZipFile(io.BytesIO(sources.content)) as packed:
        packed.extractall(folder)
    return folder / sources.name.removesuffix(".zip")


def site(html, name):
    """The archive of the rendered pages, as bytes that depend on nothing else."""
    files = {path: (0o644, (html / path).read_bytes()) for path in manifest.hashes(html)}
    return archive.pack(files, name)


def make(sources, release, scratch):
    """Make the release of an archive of sources in an empty folder; return the revision."""
    tree = unpacked(sources, scratch)
    listed = manifest.hashes(tree)  # before programs build anything there
    citation = yaml.safe_load((tree / "CITATION.cff").read_text(encoding="utf8"))
    name, revision = f"ncpaper-{citation['version']}", manifest.revision()["revision"]
    html = render(tree, scratch / "book")
    manifest.write(html, {"revision": revision})
    results.write(release / f"{name}.zip", sources.content)
    results.write(release / f"{name}-site.zip", site(html, f"{name}-site"))
    lay_out(tree, release)
    about = {"revision": revision, "version": citation["version"]}
    manifest.write(release, about, source=listed, site=manifest.hashes(html))
    describe(release, citation, addresses.read(tree / "_config.yml"), revision)
    sums = manifest.hashes(release)
    results.write(release / "SHA256SUMS", "".join(f"{digest}  {path}\n" for path, digest in sums.items()))
    return revision


def main(target):
    """Make the release in the folder ``target``; return the exit status."""
    target = Path(target).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = alone(target.parent / "release.lock", "making a release")
    sources = archive.of(ROOT)
    if sources is None:
        sys.exit(f"{ROOT} is no git checkout with git at hand, and no unpacked archive of the sources")
    print(sources.said, end="\n" * bool(sources.said))
    with lock, tempfile.TemporaryDirectory(dir=target.parent, prefix=".release-") as scratch:
        fresh = Path(scratch, "release")
        fresh.mkdir()
        revision = make(sources, fresh, Path(scratch))
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    print(f"The release of revision {revision} is in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
