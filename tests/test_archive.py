"""The archive of the sources: the committed files, and the same bytes wherever it is made."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import archive  # noqa: E402

FILES = {"pyproject.toml": '[project]\nversion = "1.2.3"\n', "b/größe.txt": "eins\n", "a.sh": "#!/bin/sh\n"}
AUTHOR = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")


@pytest.fixture
def checkout(tmp_path):
    """A checkout of three committed files, one of them a program."""
    folder = tmp_path / "checkout"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf8")
    (folder / "a.sh").chmod(0o755)
    for command in (["init", "--quiet"], ["add", "."], [*AUTHOR, "commit", "--quiet", "--message", "three files"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def unpacked(made, folder):
    """The folder into which an archive is unpacked, by a program that forgets the modes."""
    zipfile.ZipFile(io.BytesIO(made.content)).extractall(folder)
    return folder / made.name.removesuffix(".zip")


def test_the_archive_is_the_same_in_another_checkout_with_other_times_and_permissions(checkout, tmp_path):
    subprocess.run(["git", "clone", "--quiet", checkout, tmp_path / "clone"], check=True)
    os.utime(tmp_path / "clone" / "a.sh", (0, 0))
    (tmp_path / "clone" / "pyproject.toml").chmod(0o600)
    assert archive.of(tmp_path / "clone").content == archive.of(checkout).content


def test_the_archive_holds_the_committed_files_and_their_list_under_one_folder(checkout):
    (checkout / "untracked.txt").write_text("left out")
    packed = zipfile.ZipFile(io.BytesIO(archive.of(checkout).content))
    assert packed.namelist() == [f"ncpaper-1.2.3/{name}" for name in sorted([*FILES, "SOURCES"])]
    assert {name: packed.read(f"ncpaper-1.2.3/{name}").decode() for name in FILES} == FILES


def test_every_entry_is_stored_with_the_first_time_of_the_format_and_the_mode_of_git(checkout):
    entries = zipfile.ZipFile(io.BytesIO(archive.of(checkout).content)).infolist()
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    modes = {entry.filename.partition("/")[2]: entry.external_attr >> 16 for entry in entries}
    assert modes == {name: 0o100755 if name == "a.sh" else 0o100644 for name in [*FILES, "SOURCES"]}


def test_a_change_that_is_not_committed_is_not_packed_and_is_said(checkout):
    before = archive.of(checkout)
    (checkout / "a.sh").write_text("changed")
    after = archive.of(checkout)
    assert after.content == before.content
    assert (before.said, "not committed" in after.said) == ("", True)


def test_the_unpacked_archive_packs_to_the_same_bytes_without_git(checkout, tmp_path):
    made = archive.of(checkout)
    again = archive.of(unpacked(made, tmp_path / "elsewhere"))
    assert (again.content, again.name, again.said) == (made.content, made.name, "")


def test_an_archive_unpacked_within_a_checkout_is_not_taken_for_that_checkout(checkout):
    made = archive.of(checkout)
    assert archive.of(unpacked(made, checkout / "_build")).content == made.content


def test_a_file_changed_after_unpacking_is_packed_and_named(checkout, tmp_path):
    folder = unpacked(archive.of(checkout), tmp_path)
    (folder / "a.sh").write_text("changed")
    again = archive.of(folder)
    assert again.said.endswith("packed as changed: a.sh")
    assert zipfile.ZipFile(io.BytesIO(again.content)).read("ncpaper-1.2.3/a.sh") == b"changed"


def test_a_listed_file_that_is_gone_is_named(checkout, tmp_path):
    folder = unpacked(archive.of(checkout), tmp_path)
    (folder / "b" / "größe.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"größe\.txt"):
        archive.of(folder)


def test_a_folder_without_git_and_without_a_list_has_no_archive(tmp_path):
    assert archive.of(tmp_path) is None
    with pytest.raises(ValueError, match="expected a git checkout"):
        archive.names(tmp_path)


def test_a_link_in_the_checkout_is_refused_by_name(checkout):
    (checkout / "link").symlink_to("a.sh")
    subprocess.run(["git", "add", "."], cwd=checkout, check=True)
    subprocess.run(["git", *AUTHOR, "commit", "--quiet", "--message", "a link"], cwd=checkout, check=True)
    with pytest.raises(ValueError, match="got a link or a submodule: link"):
        archive.of(checkout)


def test_the_checksum_beside_the_archive_is_what_sha256sum_checks(checkout, tmp_path):
    archive.of(checkout).write(tmp_path / "site")
    digest = hashlib.sha256((tmp_path / "site" / "ncpaper-1.2.3.zip").read_bytes()).hexdigest()
    assert (tmp_path / "site" / "ncpaper-1.2.3.zip.sha256").read_text() == f"{digest}  ncpaper-1.2.3.zip\n"
    if program := shutil.which("sha256sum"):
        command = [program, "--check", "--strict", "--status", "ncpaper-1.2.3.zip.sha256"]
        assert subprocess.run(command, cwd=tmp_path / "site").returncode == 0


def test_this_repository_has_an_archive_of_less_than_25_megabytes():
    made = archive.of(ROOT)
    assert made is not None
    assert len(made.content) < 25e6
