"""Archives whose bytes depend on nothing but names and contents: sorted, stored, with fixed times and modes."""

import io
import zipfile
from pathlib import Path

from ncpaper import results


def write(path, prefix, files):
    """Write an archive of ``files``, each a path, a content and whether it can be run, under a folder ``prefix``."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content, runs in sorted(files):
            entry = zipfile.ZipInfo(f"{prefix}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, (0o100755 if runs else 0o100644) << 16  # as Unix says it
            archive.writestr(entry, content)
    results.write(path, packed.getvalue())


def pack(folder, path, prefix):
    """Write an archive of all files under a folder."""
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    write(path, prefix, [(file.relative_to(folder).as_posix(), file.read_bytes(), False) for file in files])
