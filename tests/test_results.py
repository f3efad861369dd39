"""Recorded numbers: all of a file or nothing of it, with its provenance."""

import hashlib
import json
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncpaper import results

BIRTH = {"command": "python -m example", "settings": {"steps": 10}, "seed": 3}


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def killed(code, path):
    """Run code, in which ``path`` is defined, in a process that kills itself; check that it died of it."""
    head = "import os, signal\nfrom pathlib import Path\nfrom ncpaper import results\n"
    script = head + f"path = Path({str(path)!r})\n" + textwrap.dedent(code)
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert process.returncode == -9, process.stderr


def test_what_is_saved_is_loaded_with_its_certificate(tmp_path):
    data = {"margin": [0.1, 1 / 3, 1e-300, -5.0], "name": "Größe"}
    results.save(tmp_path / "new" / "run.json", data, **BIRTH, device="cpu")
    loaded, certificate = results.load(tmp_path / "new" / "run.json")
    assert loaded == data
    assert {k: certificate[k] for k in BIRTH} == BIRTH
    assert certificate["device"] == "cpu"
    assert certificate["versions"]["numpy"] == np.__version__.split("+")[0]
    assert names(tmp_path / "new") == ["run.json"]


def test_a_saved_file_is_plain_json_that_ends_with_a_line_end(tmp_path):
    results.save(tmp_path / "run.json", [1, 2], **BIRTH)
    text = (tmp_path / "run.json").read_text(encoding="utf8")
    assert set(json.loads(text)) == {"sha256", "certificate", "data"}
    assert text.endswith("}\n")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), np.float64("nan")])
@pytest.mark.parametrize("place", ["data", "settings"])
def test_nan_and_infinity_are_refused_before_anything_is_written(tmp_path, bad, place):
    data, birth = {"x": [1.0, bad]}, BIRTH
    if place == "settings":
        data, birth = {"x": [1.0]}, BIRTH | {"settings": {"rate": bad}}
    with pytest.raises(ValueError, match="JSON compliant"):
        results.save(tmp_path / "run.json", data, **birth)
    assert names(tmp_path) == []


@pytest.mark.parametrize("bad", [np.ones(3), {1, 2}, object()])
def test_data_that_json_cannot_hold_leaves_the_old_file(tmp_path, bad):
    results.save(tmp_path / "run.json", "old", **BIRTH)
    with pytest.raises(TypeError):
        results.save(tmp_path / "run.json", {"x": bad}, **BIRTH)
    assert results.load(tmp_path / "run.json")[0] == "old"
    assert names(tmp_path) == ["run.json"]


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_an_error_while_writing_leaves_the_old_file_and_no_part(tmp_path, monkeypatch, step):
    results.write(tmp_path / "run.txt", "old")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, step, full)
    with pytest.raises(OSError, match="no space left"):
        results.write(tmp_path / "run.txt", "new")
    monkeypatch.undo()
    assert (tmp_path / "run.txt").read_text() == "old"
    assert names(tmp_path) == ["run.txt"]


HALF = """
    def half(self, content):
        with open(self, "wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    Path.write_bytes = half
    results.save(path, list(range(1000)), command="c", settings={})
"""


def test_a_process_killed_in_the_middle_of_writing_leaves_the_old_file(tmp_path):
    results.save(tmp_path / "run.json", "old", **BIRTH)
    killed(HALF, tmp_path / "run.json")
    assert results.load(tmp_path / "run.json")[0] == "old"


def test_a_process_killed_in_the_middle_of_writing_makes_no_file_under_the_name(tmp_path):
    killed(HALF, tmp_path / "run.json")
    assert not (tmp_path / "run.json").exists()
    results.save(tmp_path / "run.json", "new", **BIRTH)  # what it left behind is in nobody's way
    assert results.load(tmp_path / "run.json")[0] == "new"


def test_a_process_killed_before_the_new_file_takes_its_place_leaves_the_old_one(tmp_path):
    results.save(tmp_path / "run.json", "old", **BIRTH)
    code = """
    Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    results.save(path, "new", command="c", settings={})
    """
    killed(code, tmp_path / "run.json")
    assert results.load(tmp_path / "run.json")[0] == "old"


def test_a_reader_never_sees_a_part_of_a_file(tmp_path):
    path, done = tmp_path / "run.txt", threading.Event()
    versions = [letter * 200_000 for letter in "abcdefgh"]
    results.write(path, versions[0])
    seen = set()

    def read():
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions * 20:
        results.write(path, version)
    done.set()
    reader.join()
    assert seen <= set(versions)


def test_bytes_and_text_are_written_as_they_are(tmp_path):
    results.write(tmp_path / "a" / "b" / "bytes", b"\x00\r\n\xff")
    results.write(tmp_path / "text", "ρ\n")
    assert (tmp_path / "a" / "b" / "bytes").read_bytes() == b"\x00\r\n\xff"
    assert (tmp_path / "text").read_bytes() == "ρ\n".encode()


def test_sha256_is_that_of_the_bytes_of_the_file(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert results.sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    (tmp_path / "file").write_bytes(b"abd")
    assert results.sha256(tmp_path / "file") != hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("text", ["", "{", '{"data": 1}', '{"certificate": {}}', "[1, 2]", "3"])
def test_a_file_that_is_no_record_is_refused_by_its_name(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=r"other\.json: expected a file with 'data' and 'certificate'"):
        results.load(tmp_path / "other.json")


@settings(deadline=None, max_examples=100)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_record_with_a_flipped_bit_is_refused_by_name_or_says_the_same(tmp_path_factory, place, bit):
    """The same where the bit is that between 1e-05 and 1E-05, or in a digit beyond the 53 bits of a number."""
    path, data = (
        tmp_path_factory.getbasetemp() / "flipped.json",
        {"margin": [0.1, 1 / 3, 1e-300, -5.0], "name": "Größe"},
    )
    results.save(path, data, **BIRTH)
    whole, damaged = results.load(path), bytearray(path.read_bytes())
    damaged[int(place * len(damaged))] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        found = results.load(path)
    except ValueError as error:
        found, said = whole, str(error)
    else:
        said = "flipped.json: expected nothing"
    assert found == whole
    assert re.fullmatch(r"[^\n]*flipped\.json: expected [^\n]{1,200}", said)


def test_a_changed_number_in_a_record_is_refused_by_its_name(tmp_path):
    results.save(tmp_path / "run.json", {"margin": [0.25]}, **BIRTH)
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text.replace("0.25", "0.75"))
    with pytest.raises(ValueError, match=r"run\.json: expected the content of which it names the SHA-256"):
        results.load(tmp_path / "run.json")


def test_a_record_without_a_digest_is_loaded_and_says_so(tmp_path):
    results.save(tmp_path / "run.json", [1, 2], **BIRTH)
    record = json.loads((tmp_path / "run.json").read_text())
    del record["sha256"]
    (tmp_path / "old.json").write_text(json.dumps(record))
    (new, made), (old, made_2) = (results.load(tmp_path / f"{name}.json") for name in ("run", "old"))
    assert new == old
    assert made | {"checked": False} == made_2 != made


def test_nan_in_a_record_without_a_digest_is_refused_by_its_name(tmp_path):
    (tmp_path / "old.json").write_text('{"data": [NaN], "certificate": {}}')
    with pytest.raises(ValueError, match=r"old\.json: expected a file"):
        results.load(tmp_path / "old.json")


def test_a_full_disk_is_reported_with_the_name_of_the_file(tmp_path, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")

    def to_the_full_device(self, content, write_bytes=Path.write_bytes):
        return write_bytes(Path("/dev/full"), content)

    monkeypatch.setattr(Path, "write_bytes", to_the_full_device)
    with pytest.raises(OSError, match=r"No space left on device: '[^\n]*run\.json'$"):
        results.save(tmp_path / "run.json", [1], **BIRTH)
    assert names(tmp_path) == []


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        results.load(tmp_path / "missing.json")
