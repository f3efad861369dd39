"""Write every published figure: ``python book/_tools/figures.py FOLDER``.

Executes all chapters with ``NCPAPER_FIGURES`` naming a fresh folder, gathers the entries into ``manifest.json``, each with
the caption and the alternative text of the cell that draws it, and only when every chapter has succeeded puts the files
into FOLDER, removing figures that no chapter draws any more.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
sys.path[:0] = [str(TOOLS), str(TOOLS.parents[1])]
import chapters  # noqa: E402
from alone import alone  # noqa: E402

from ncpaper import results  # noqa: E402

KINDS = ("svg", "pdf", "png", "csv")


def captions():
    """The caption and the alternative text of every figure that a chapter publishes, by the figure's name."""
    found = {}
    for text in chapters.chapters():
        for cell in chapters.read(text).cells:
            for name in re.findall(r"style\.publish\(\s*\w+,\s*\"([^\"]+)\"", cell.source):
                look = cell.metadata["mystnb"]
                found[name] = {
                    "caption": " ".join(look["figure"]["caption"].split()),
                    "alt": " ".join(look["image"]["alt"].split()),
                }
    return found


def gather(folder):
    """Replace the entries ``<name>.json`` in ``folder`` by one ``manifest.json``; return the manifest."""
    entries, described = [json.loads(p.read_text(encoding="utf8")) for p in sorted(folder.glob("*.json"))], captions()
    for entry in entries:
        entry |= described[entry["name"]]
        (folder / f"{entry['name']}.json").unlink()
    manifest = {"licence": "CC BY 4.0", "author": "The ncpaper developers", "figures": entries}
    results.write(folder / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return manifest


def main(target):
    """Make the figures; return the exit status."""
    target = Path(target)
    lock = alone(TOOLS.parents[1] / "_build" / "figures.lock", "making the figures")
    with lock, tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch, "figures")
        fresh.mkdir()
        os.environ["NCPAPER_FIGURES"] = str(fresh)
        if status := chapters.main(Path(scratch, "notebooks")):
            return status
        manifest = gather(fresh)
        target.mkdir(parents=True, exist_ok=True)
        for old in [p for kind in KINDS for p in target.glob(f"*.{kind}") if not (fresh / p.name).exists()]:
            old.unlink()
        for file in sorted(fresh.iterdir()):
            part = target / f".{file.name}.part"
            shutil.copyfile(file, part)
            part.replace(target / file.name)
    print(f"{len(manifest['figures'])} figures are in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
