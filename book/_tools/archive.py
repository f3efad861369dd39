"""The archive of the sources: ``python book/_tools/archive.py FOLDER`` writes it there, with its checksum beside it.

``ncpaper-VERSION.zip`` holds the committed files of HEAD under one folder, not compressed, with fixed times and modes,
sorted by name. Its bytes depend on nothing else. Its file ``SOURCES`` lists mode, SHA-256 and name of every other file. In
the unpacked folder, where there is no git, that list says what belongs to the archive, and the same bytes come out again.
"""

import hashlib
import io
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = "SOURCES"
MODES = {"100755": 0o755, "100644": 0o644}  # the modes of git that are files


@dataclass(frozen=True)
class Archive:
    """The bytes of an archive with its name, and ``said``, what has to be known of how it was made, or nothing."""

    name: str
    content: bytes
    said: str

    @property
    def sha256(self):
        """The checksum as hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    def write(self, folder):
        """Write the archive and its checksum, in the format of ``sha256sum -c``, into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        checksum = f"{self.sha256}  {self.name}\n".encode()
        for name, content in ((self.name, self.content), (f"{self.name}.sha256", checksum)):
            part = folder / f".{name}.part"
            part.write_bytes(content)
            part.replace(folder / name)


def git(root, *arguments, given=None):
    """What git answers about the checkout ``root``, whoever owns it; None where git is missing or refuses."""
    command = ["git", "-c", f"safe.directory={root}", "-C", root, *arguments]
    try:
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def is_checkout(root):
    """Whether ``root`` is the top of a git checkout, and not a folder somewhere in one."""
    top = git(root, "rev-parse", "--show-toplevel")
    return top is not None and Path(top.decode().rstrip("\n")) == root


def committed(root):
    """Mode and content of the committed files of HEAD by name; raise ``ValueError`` for what is no file."""
    rows = [row.split("\t", 1) for row in git(root, "ls-tree", "-r", "-z", "HEAD").decode().split("\0")[:-1]]
    if others := [name for about, name in rows if about.split()[0] not in MODES]:
        raise ValueError(f"expected files only in HEAD, got a link or a submodule: {', '.join(others)}")
    blobs = io.BytesIO(git(root, "cat-file", "--batch", given="".join(f"{a.split()[2]}\n" for a, _ in rows).encode()))
    found = {}
    for about, name in rows:
        size = int(blobs.readline().split()[2])
        found[name] = (MODES[about.split()[0]], blobs.read(size))
        blobs.read(1)  # the end of the line after each file
    return found


def names(root=ROOT):
    """The names of the files of a checkout or of an unpacked archive; raise ``ValueError`` for a folder that is neither."""
    if is_checkout(root):
        return git(root, "ls-files", "-z").decode().split("\0")[:-1]
    if not (root / LIST).exists():
        raise ValueError(f"{root}: expected a git checkout, with git at hand, or an unpacked archive of the sources")
    return [row.split(" ", 2)[2] for row in (root / LIST).read_text(encoding="utf8").splitlines()]


def listed(root):
    """Mode and content of the files that the list of an unpacked archive names, and the names of those that changed.

    Raises ``FileNotFoundError`` naming a file of the list that is not there.
    """
    found, changed = {}, []
    for row in (root / LIST).read_text(encoding="utf8").splitlines():
        mode, digest, name = row.split(" ", 2)
        content = (root / name).read_bytes()
        found[name] = (int(mode, 8), content)
        if hashlib.sha256(content).hexdigest() != digest:
            changed.append(name)
    return found, changed


def pack(files, folder):
    """The bytes of a ZIP archive of ``files``, mode and content by name, and of their list, in one folder."""
    rows = [
        f"{mode:o} {hashlib.sha256(content).hexdigest()} {name}\n" for name, (mode, content) in sorted(files.items())
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, (mode, content) in sorted((files | {LIST: (0o644, "".join(rows).encode())}).items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, (0o100000 | mode) << 16  # Unix: a regular file
            archive.writestr(entry, content)
    return packed.getvalue()


def of(root=ROOT):
    """The archive of a checkout or of an unpacked archive; None for a folder that is neither."""
    if is_checkout(root):
        files, dirty = committed(root), git(root, "status", "--porcelain")
        said = "The checkout has changes that are not committed: the archive holds HEAD" if dirty else ""
    elif (root / LIST).exists():
        files, changed = listed(root)
        said = f"Changed since the archive was unpacked, and packed as changed: {', '.join(changed)}" if changed else ""
    else:
        return None
    files.pop(LIST, None)  # where somebody has committed an unpacked archive
    version = tomllib.loads(files["pyproject.toml"][1].decode())["project"]["version"]
    folder = f"ncpaper-{version}"
    return Archive(f"{folder}.zip", pack(files, folder), said)


def main(folder):
    """Write the archive; return the exit status."""
    archive = of()
    if archive is None:
        print(f"No archive: {ROOT} is no git checkout with git at hand, and no unpacked archive", file=sys.stderr)
        return 1
    archive.write(Path(folder))
    print(archive.said, end="\n" * bool(archive.said))
    print(f"{Path(folder) / archive.name}: {len(archive.content):,} bytes, SHA-256 {archive.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
