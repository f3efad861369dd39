"""FashionMNIST: the four original files are used, and nothing else is ever taken for them."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import signal
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tqdm import tqdm

from ncpaper import fashion
from tests import real

NAMES = list(fashion.FILES)
quickly = settings(deadline=None, max_examples=40)


def idx(array, kind=8):
    """An array of bytes as a gzip file of the IDX format."""
    head = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return gzip.compress(head + array.tobytes())


@pytest.fixture
def made(monkeypatch):
    """Four small files that stand for the originals: their contents by name, their hashes expected."""
    rng = np.random.default_rng(0)
    shapes = {name: (100, 28, 28) if "images" in name else (100,) for name in NAMES}
    files = {name: idx(rng.integers(0, 256, shape, dtype=np.uint8)) for name, shape in shapes.items()}
    monkeypatch.setattr(fashion, "FILES", {n: hashlib.sha256(content).hexdigest() for n, content in files.items()})
    return files


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A folder with the small files that NCPAPER_DATA names; whoever asks the network fails."""
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("NCPAPER_DATA", str(tmp_path))
    monkeypatch.setattr(fashion, "download", lambda *_: pytest.fail("a download where none is allowed"))
    return tmp_path


@pytest.fixture
def cache(made, tmp_path, monkeypatch):
    """An empty cache of the user, NCPAPER_DATA not set."""
    monkeypatch.delenv("NCPAPER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ncpaper" / "fashion-mnist"


class Mirror(http.server.BaseHTTPRequestHandler):
    """A mirror that keeps ``server.files`` and, by its settings, breaks off, waits or answers an error."""

    def do_GET(self):
        server, name = self.server, self.path.rsplit("/", 1)[1]
        server.asked.append(name)
        content = server.files.get(name)
        if content is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: server.breaks_after])
        self.wfile.flush()
        server.pause.wait(server.seconds)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(made):
    """A function that starts a mirror and returns its server, with the address in ``server.url``."""
    servers = []

    def start(files=made, breaks_after=None, seconds=0):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
        server.files, server.breaks_after, server.seconds = files, breaks_after, seconds
        server.asked, server.pause = [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_address[1]}/data/"
        threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.pause.set()
        server.shutdown()
        server.server_close()


# The real files


def test_the_real_files_are_the_published_ones():
    here = real.folder()
    assert {name: hashlib.sha256((here / name).read_bytes()).hexdigest() for name in NAMES} == fashion.FILES


@pytest.mark.parametrize(("split", "n"), [("train", 6000), ("t10k", 1000)])
def test_the_real_data_are_balanced_pictures_of_28_by_28_bytes(split, n):
    real.folder()
    images, labels = fashion.load(split)
    assert (images.shape, images.dtype) == ((10 * n, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((10 * n,), np.uint8)
    assert np.bincount(labels).tolist() == [n] * 10
    assert (images.min(), images.max()) == (0, 255)


def test_continuous_integration_fails_without_the_real_files(monkeypatch, tmp_path):
    monkeypatch.setenv("NCPAPER_DATA", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="must have the real files"):
        real.folder()


def test_a_stranger_without_the_real_files_skips_and_is_told_why(monkeypatch, tmp_path):
    monkeypatch.setenv("NCPAPER_DATA", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="set NCPAPER_DATA"):
        real.folder()


# Files that are wrong


def test_good_files_are_loaded_from_the_folder(folder, made):
    images, labels = fashion.load("t10k")
    assert images.shape == (100, 28, 28)
    assert labels.tolist() == list(gzip.decompress(made["t10k-labels-idx1-ubyte.gz"])[8:])


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:20] + bytes([content[20] ^ 1]) + content[21:],
        lambda content: idx(np.zeros((5, 28, 28), dtype=np.uint8)),
        lambda content: b"<html>not found</html>",
    ],
    ids=["truncated by one byte", "half", "empty", "one bit", "another file", "a web page"],
)
def test_a_wrong_file_is_refused_by_name_with_what_was_expected_and_what_to_do(folder, name, damage):
    content = damage((folder / name).read_bytes())
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match="expected SHA-256") as error:
        fashion.load("train")
    for part in (str(folder / name), fashion.FILES[name], f"{len(content)} bytes", "put the original file there"):
        assert part in str(error.value)
    assert (folder / name).read_bytes() == content


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_missing_file_is_named_with_what_to_do(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match="put the original file there") as error:
        fashion.load("train")
    assert str(folder / name) in str(error.value)


def test_a_wrong_file_in_the_cache_is_reported_and_not_silently_replaced(cache, monkeypatch):
    monkeypatch.setattr(fashion, "download", lambda *_: pytest.fail("a silent download"))
    cache.mkdir(parents=True)
    (cache / NAMES[0]).write_bytes(b"wrong")
    with pytest.raises(ValueError, match="delete this one"):
        fashion.load("train")


@pytest.mark.parametrize("split", ["test", "", None])
def test_another_split_is_refused(split):
    with pytest.raises(ValueError, match="split"):
        fashion.load(split)


@quickly
@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 2**32 - 1))
def test_decoding_inverts_encoding(shape, seed):
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(fashion.decode(idx(array), "file"), array)


@quickly
@given(data=st.data())
def test_a_truncated_file_is_never_decoded(data):
    content = idx(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ValueError, match=r"some\.gz: expected"):
        fashion.decode(content[:cut], "some.gz")


@quickly
@given(data=st.data())
def test_a_file_with_a_wrong_byte_is_refused_or_decoded_to_the_same(data):
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    content = bytearray(idx(array))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ValueError):
        assert np.array_equal(fashion.decode(bytes(content), "some.gz"), array)  # e.g. the time in gzip's header


@pytest.mark.parametrize("kind", [9, 13])
def test_numbers_of_another_kind_are_refused(kind):
    with pytest.raises(ValueError, match=f"got kind {kind}"):
        fashion.decode(idx(np.zeros((2, 2), dtype=np.uint8), kind), "some.gz")


# Downloads, from servers of this test


def test_a_missing_file_is_downloaded_into_the_cache_once(cache, mirror, made, monkeypatch):
    server = mirror()
    monkeypatch.setattr(fashion.download, "__defaults__", ((server.url,),))
    first, again = fashion.load("train"), fashion.load("train")
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len(server.asked) == 2
    assert sorted(p.name for p in cache.iterdir()) == sorted(NAMES[:2])


def test_a_download_that_broke_off_is_refused_and_leaves_nothing(mirror, made, tmp_path):
    name, breaks = NAMES[0], 100
    with pytest.raises(ConnectionError, match=f"{breaks} bytes read, {len(made[name]) - breaks} more expected"):
        fashion.download(name, tmp_path, (mirror(breaks_after=breaks).url,))
    assert list(tmp_path.iterdir()) == []


def test_mirrors_are_tried_in_turn_until_one_delivers(mirror, made, tmp_path):
    name = NAMES[0]
    empty, broken, other, good, unused = (
        mirror(files={}),
        mirror(breaks_after=50),
        mirror(files={name: b"something else"}),
        mirror(),
        mirror(),
    )
    path = fashion.download(name, tmp_path, [m.url for m in (empty, broken, other, good, unused)])
    assert [m.asked for m in (empty, broken, other, good, unused)] == [[name]] * 4 + [[]]
    assert path == tmp_path / name
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {name: made[name]}


def test_when_no_mirror_delivers_the_error_lists_every_one_and_nothing_is_left(mirror, tmp_path):
    bad, empty = mirror(files={NAMES[0]: b"something else"}), mirror(files={})
    closed = "http://127.0.0.1:9/"
    with pytest.raises(ConnectionError, match=f"^{NAMES[0]}: no mirror delivered it to {tmp_path}") as error:
        fashion.download(NAMES[0], tmp_path, (bad.url, empty.url, closed))
    answers = str(error.value).split("\n")[1:]
    for answer, mark in zip(answers, ("hash", "404", "refused"), strict=True):
        assert mark in answer
    assert [answer.split(": ")[0] for answer in answers] == [bad.url, empty.url, closed]
    assert list(tmp_path.iterdir()) == []


def test_a_bar_shows_the_name_and_the_size_and_nothing_else_is_printed(mirror, made, tmp_path, capsys):
    fashion.download(NAMES[0], tmp_path, (mirror().url,))
    out, err = capsys.readouterr()
    assert out == ""
    assert f"/{tqdm.format_sizeof(len(made[NAMES[0]]))} [" in err
    assert all(line.startswith(NAMES[0]) for line in err.replace("\n", "\r").split("\r") if line.strip())


def test_a_server_that_offers_to_unpack_is_asked_for_the_file_as_it_is(mirror, tmp_path):
    server = mirror()
    asked = []
    server.RequestHandlerClass = type(
        "Listening",
        (Mirror,),
        {"do_GET": lambda self: (asked.append(self.headers["Accept-Encoding"]), Mirror.do_GET(self))},
    )
    fashion.download(NAMES[0], tmp_path, (server.url,))
    assert asked == ["identity"]


def test_a_process_killed_while_it_downloads_leaves_no_file_under_the_name(mirror, made, tmp_path):
    name = NAMES[0]
    slow = mirror(breaks_after=70_000, seconds=60)
    code = (
        "import sys, pathlib; from ncpaper import fashion; fashion.FILES = {sys.argv[1]: sys.argv[2]}; "
        "fashion.download(sys.argv[1], pathlib.Path(sys.argv[3]), (sys.argv[4],))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, name, fashion.FILES[name], str(tmp_path), slow.url])
    for _ in range(600):
        if child.poll() is not None or any(p.stat().st_size for p in tmp_path.iterdir()):
            break
        time.sleep(0.05)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert not (tmp_path / name).exists()
    fashion.download(name, tmp_path, (mirror().url,))
    assert (tmp_path / name).read_bytes() == made[name]
