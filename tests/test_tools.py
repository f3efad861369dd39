"""The tools: the package of their own tree, none of the reader's configuration, one at a time, in a ready environment."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "book" / "_tools"
sys.path.insert(0, str(TOOLS))
import alone  # noqa: E402
import chapter  # noqa: E402
import clean  # noqa: E402
import ready  # noqa: E402

HEADER = (ROOT / "book" / "margin_bound.md").read_text(encoding="utf8").split("\n\n")[0]
FIGURE = "from ncpaper import style\n\nstyle.use()\nfig, ax = style.figure('wide')\nax.plot([0, 1])\nprint(__debug__)"


def copy_of_the_tree(place):
    """A copy of the package and the tools, as a function that runs a chapter of the given code there."""
    folder = place / "a copy"
    shutil.copytree(TOOLS, folder / "book" / "_tools")
    shutil.copytree(ROOT / "ncpaper", folder / "ncpaper")

    def run(code, **given):
        text = f"{HEADER}\n\n# Title\n\n```{{code-cell}} python\n{code}\n```\n"
        (folder / "book" / "small.md").write_text(text, encoding="utf8")
        command = [sys.executable, "-I", folder / "book" / "_tools" / "clean.py"]
        command += [folder / "book" / "_tools" / "chapters.py", place / "out"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | given)
        assert done.returncode == 0, done.stderr
        return (place / "out" / "small.ipynb").read_text(encoding="utf8"), done.stderr

    run.folder = folder
    return run


@pytest.fixture
def tree(tmp_path):
    return copy_of_the_tree(tmp_path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The notebook of a chapter with a figure, where the reader has configured nothing."""
    return copy_of_the_tree(tmp_path_factory.mktemp("plain"))(FIGURE)[0]


# The package of the tree


def test_a_copy_of_the_tree_runs_its_own_package_in_a_shared_environment(tree):
    (tree.folder / "ncpaper" / "__init__.py").write_text("CHANGED = 'a formula of the copy'\n", encoding="utf8")
    notebook, _ = tree("import ncpaper\n\nprint(ncpaper.CHANGED)")
    assert "a formula of the copy" in notebook


def test_the_tests_run_the_package_of_their_tree():
    import ncpaper

    assert Path(ncpaper.__file__).parent == ROOT / "ncpaper"


# The reader's configuration


def startup_file(home):
    (home / ".ipython" / "profile_default" / "startup").mkdir(parents=True)
    (home / ".ipython" / "profile_default" / "startup" / "mine.py").write_text("print('mine'); True_ = print\n")
    return {"IPYTHONDIR": str(home / ".ipython")}


def startup_of_python(home):
    (home / "mine.py").write_text("raise SystemExit('mine')\n")
    return {"PYTHONSTARTUP": str(home / "mine.py")}


def matplotlibrc(home):
    (home / "matplotlibrc").write_text("axes.facecolor: red\nlines.linestyle: :\nsavefig.facecolor: blue\n")
    return {"MATPLOTLIBRC": str(home)}


def matplotlibrc_at_home(home):
    (home / ".config" / "matplotlib").mkdir(parents=True)
    (home / ".config" / "matplotlib" / "matplotlibrc").write_text("axes.facecolor: red\nno such key: 1\n")
    return {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}


def kernel(home):
    (home / "kernels" / "python3").mkdir(parents=True)
    spec = {"argv": ["false", "{connection_file}"], "display_name": "mine", "language": "python"}
    (home / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    return {"JUPYTER_PATH": str(home), "JUPYTER_DATA_DIR": str(home)}


def package(home):
    (home / "ncpaper").mkdir()
    (home / "ncpaper" / "__init__.py").write_text("raise ImportError('mine')\n")
    return {"PYTHONPATH": str(home), "PYTHONOPTIMIZE": "1", "MPLBACKEND": "agg"}


READERS = (startup_file, startup_of_python, matplotlibrc, matplotlibrc_at_home, kernel, package)


@pytest.mark.parametrize("configure", READERS, ids=lambda f: f.__name__.replace("_", " "))
def test_a_chapter_does_not_see_the_readers_configuration(tree, plain, tmp_path, configure):
    home = tmp_path / "home"
    home.mkdir()
    found, said = tree(FIGURE, **configure(home))
    assert found == plain
    assert "mine" not in said


@pytest.mark.parametrize(
    "name", ["PYTHONSTARTUP", "PYTHONPATH", "IPYTHONDIR", "JUPYTER_PATH", "MATPLOTLIBRC", "NUMBA_DISABLE_JIT"]
)
def test_no_foreign_variable_reaches_a_program(name):
    assert clean.environment({name: "foreign", "PATH": "kept"}).get(name) != "foreign"
    assert clean.environment({name: "foreign", "PATH": "kept"})["PATH"] == "kept"


def test_what_a_kernel_says_is_passed_on_but_for_the_line_on_encryption(tree):
    assert tree("1 + 1")[1] == ""
    assert tree("import os\n\nos.write(2, b'a true warning\\n')")[1] == "a true warning\n"


# One at a time

HOLD = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from alone import alone
with alone(pathlib.Path(sys.argv[2]), "work"):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock, and the lock's path."""
    path = tmp_path / "new folder" / "a.lock"
    command = [sys.executable, "-c", HOLD, TOOLS, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "in\n"
        yield child, path
        child.kill()


def test_a_second_program_is_refused_and_told_who_holds_the_lock_and_since_when(holder):
    child, path = holder
    with pytest.raises(SystemExit) as stopped, alone.alone(path, "rendering"):
        pass
    assert re.match(
        rf"rendering: .*process {child.pid} on .*, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d; wait", stopped.value.code
    )


def test_a_lock_ends_with_its_block(holder, capsys):
    child, path = holder
    child.communicate("")
    with alone.alone(path, "rendering"):
        assert f"process {os.getpid()} " in path.read_text(encoding="utf8")
    assert capsys.readouterr() == ("", "")
    assert path.read_text(encoding="utf8") == ""


def test_the_lock_of_a_killed_program_is_stale_and_said_so(holder, capsys):
    child, path = holder
    child.send_signal(signal.SIGKILL)
    child.wait()
    with alone.alone(path, "rendering"):
        pass
    assert f"left by a process that has ended: process {child.pid} on" in capsys.readouterr().err


def test_a_second_book_in_one_tree_is_refused(tmp_path):
    with alone.alone(tmp_path / "book.lock", "rendering the book"):
        run = subprocess.run([sys.executable, TOOLS / "book.py", tmp_path], capture_output=True, text=True)
    assert run.returncode == 1
    assert f"process {os.getpid()} on" in run.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["book.lock"]


# The environment


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment that is ready, and the list of later installations into it."""
    folder, installed = tmp_path / "env", []
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "pyvenv.cfg").write_text("")
    monkeypatch.setattr(ready, "install", lambda python, index: installed.append((str(python), index)))
    assert ready.main(folder) == 0
    installed.clear()
    return folder, installed


def remark(folder, **changes):
    marker = folder / ready.MARKER
    marker.write_text(json.dumps(json.loads(marker.read_text()) | changes))


def test_a_ready_environment_is_left_as_it_is(environment):
    folder, installed = environment
    assert ready.main(folder) == 0
    assert installed == []


@pytest.mark.parametrize("change", [{"tree": "/another/clone"}, {"needs": "other versions"}], ids=["tree", "versions"])
def test_an_environment_that_served_another_tree_or_other_versions_is_set_up_for_this_one(environment, change):
    folder, installed = environment
    remark(folder, **change)
    assert ready.main(folder, "an index") == 0
    assert installed == [(str(folder / "bin" / "python"), "an index")]
    assert ready.found(folder) == ready.expected(folder)


def test_a_moved_virtual_environment_is_made_anew(environment, tmp_path, monkeypatch, capsys):
    folder, installed = environment
    moved, made = tmp_path / "moved", []
    (folder / "bin" / "program").write_text(f"#!{folder}/bin/python\n")
    folder.rename(moved)
    monkeypatch.setattr(ready, "version", lambda python: made.append("old") or [3, 11, 0])
    assert ready.main(moved) == 0
    assert f"was made as {folder} and cannot be moved" in capsys.readouterr().out
    assert not (moved / "bin" / "program").exists()
    assert (moved / "bin" / "python").exists()
    assert made == []
    assert len(installed) == 1


def test_a_ready_environment_needs_no_other_python(environment):
    folder, _ = environment
    command = ["make", f"ENV={folder}", "PYTHON=none", f"{folder}/{ready.MARKER}"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


def test_a_moved_conda_environment_stops_with_a_clear_word(environment):
    folder, installed = environment
    (folder / "pyvenv.cfg").unlink()
    remark(folder, environment="/elsewhere")
    with pytest.raises(SystemExit, match="was made as /elsewhere and cannot be moved or copied; make a new one"):
        ready.main(folder)
    assert installed == []


def test_an_installation_that_fails_is_named_and_begun_again_next_time(environment, monkeypatch, capsys):
    folder, installed = environment
    remark(folder, needs="older")

    def fail(python, index):
        raise subprocess.CalledProcessError(1, ["pip", "install"])

    with monkeypatch.context() as patch:
        patch.setattr(ready, "install", fail)
        assert ready.main(folder) == 1
    assert "not ready: pip install failed" in capsys.readouterr().err
    assert ready.main(folder) == 0
    assert len(installed) == 1


def test_a_python_newer_than_the_tested_ones_is_named_in_a_warning(capsys):
    ready.check((*ready.TESTED, 99))
    assert capsys.readouterr().out == ""
    newer = (ready.TESTED[0], ready.TESTED[1] + 1, 0)
    ready.check(newer)
    assert f"Warning: Python {newer[0]}.{newer[1]} is newer than" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer is needed, this is 3\.10"):
        ready.check((3, 10, 4))


def test_the_tested_python_is_that_of_continuous_integration_and_of_the_lock():
    tested = ".".join(map(str, ready.TESTED))
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        steps = [s for job in yaml.safe_load(path.read_text(encoding="utf8"))["jobs"].values() for s in job["steps"]]
        assert [s["with"]["python-version"] for s in steps if "setup-python" in s.get("uses", "")] == [tested]
    assert f"--python-version {tested}" in (ROOT / "Makefile").read_text(encoding="utf8")


def test_pip_checks_hashes_runs_no_code_of_others_and_takes_torch_from_its_index_alone(monkeypatch):
    commands = []
    monkeypatch.setattr(ready.subprocess, "run", lambda command, **_: commands.append(command[9:]))
    ready.install("python", "an index")
    packages, torch, own = commands
    assert packages == ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", "requirements.lock"]
    assert torch == ["--only-binary", ":all:", "--index-url", "an index", "torch==2.13.0"]
    assert own == ["--no-deps", "--no-build-isolation", "--editable", "."]


# One chapter alone


def test_an_unknown_chapter_is_refused_with_the_names_of_the_chapters(capsys):
    assert chapter.main("figure 2") == 2
    said = capsys.readouterr().err
    names = ", ".join(text.stem for text in chapter.chapters())
    assert f"NAME: expected one of {names}, got 'figure 2'" in said


def test_a_link_of_a_lone_chapter_leads_to_the_whole_book_or_is_plain_text(tmp_path):
    alone, whole = tmp_path / "alone" / "book", tmp_path / "whole"
    for page in (alone / "this.html", whole / "book" / "other page.html"):
        page.parent.mkdir(parents=True)
        page.write_text("")
    links = {
        "this.html#a": 'href="this.html#a"',
        "#b": 'href="#b"',
        "https://example.org/c": 'href="https://example.org/c"',
        "other%20page.html#d": 'href="../../whole/book/other%20page.html#d"',
        "none.html#e": 'title="in the whole book: make book"',
    }
    text = "".join(f'<a class="x" href="{target}">t</a>' for target in links)
    assert chapter.lead_on(text, alone, whole) == "".join(f'<a class="x" {found}>t</a>' for found in links.values())


@pytest.mark.parametrize(("display", "opened"), [("", 0), (":0", 1)], ids=["no display", "a display"])
def test_the_page_of_a_lone_chapter_is_opened_where_there_is_a_display(monkeypatch, tmp_path, display, opened):
    pages = []
    monkeypatch.setattr(chapter, "BUILD", tmp_path)
    monkeypatch.setattr(chapter, "gather", lambda name, output: 0)

    def render(name, output):
        (output / "html" / "book").mkdir(parents=True)
        (output / "html" / "book" / f"{name}.html").write_text("")
        return 0, []

    monkeypatch.setattr(chapter, "render", render)
    monkeypatch.setattr(chapter.webbrowser, "open", pages.append)
    monkeypatch.setattr(chapter.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert chapter.main("figure_2") == 0
    assert pages == [(tmp_path / "chapter" / "html" / "book" / "figure_2.html").as_uri()] * opened
