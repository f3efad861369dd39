"""Many runs of one function: the same bits in one process, in several and on a cluster, whatever is interrupted."""

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

from ncpaper import sweep

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = sweep.grid(scale=[0.3, 1.0], seed=range(8))


def walk(scale, seed):
    """A run whose bits would show any difference: sums of random numbers, and what they do to a matrix."""
    x = scale * np.random.default_rng(seed).standard_normal((40, 40))
    return {"values": np.linalg.svd(x @ x.T, compute_uv=False), "trace": np.cumsum(x)[-1]}


def slow(x, folder):
    """A run that takes a moment, and leaves a trace of each call."""
    with open(Path(folder, "calls"), "a") as file:
        file.write(f"{os.getpid()} {x}\n")
    time.sleep(0.05)
    return {"x": x, "root": np.sqrt(np.arange(x, x + 3.0))}


def fails(x):
    raise ValueError(f"x: expected another, got {x}")


def same(a, b):
    """Whether two lists of results hold the same bits under the same names."""
    return [{k: v.tobytes() for k, v in r.items()} for r in a] == [{k: v.tobytes() for k, v in r.items()} for r in b]


@pytest.fixture(scope="module")
def here():
    return sweep.run(walk, SETTINGS, bar=False)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as running:
        yield running


def test_a_grid_has_every_combination_once():
    assert len(SETTINGS) == 16
    assert len({tuple(s.items()) for s in SETTINGS}) == 16


def test_an_axis_may_be_a_generator():
    assert sweep.grid(n=(i for i in range(2))) == [{"n": 0}, {"n": 1}]


@pytest.mark.parametrize("bad", [{"n": []}, {"n": 3}, {"n": "abc"}])
def test_an_axis_without_values_is_refused_by_name(bad):
    with pytest.raises(ValueError, match="n: expected a collection of values"):
        sweep.grid(**bad)


@pytest.mark.parametrize("bad", [{"settings": {"x": 1}}, {"settings": [1]}, {"settings": [], "workers": 0}])
def test_a_bad_argument_of_a_sweep_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"(settings|workers): expected"):
        sweep.run(walk, **bad)


def test_settings_that_have_no_key_are_refused():
    with pytest.raises(ValueError, match="settings: expected numbers"):
        sweep.run(walk, [{"n": object()}], bar=False)


def test_what_the_function_raises_reaches_the_caller():
    with pytest.raises(ValueError, match="x: expected another, got 3"):
        sweep.run(fails, sweep.grid(x=[3]), bar=False)


def test_a_result_that_is_no_mapping_is_refused():
    with pytest.raises(TypeError, match="function: expected a mapping"):
        sweep.run(lambda x: x, sweep.grid(x=[3]), bar=False)


@pytest.mark.parametrize("value", [object(), [[1], [1, 2]], None])
def test_a_result_that_is_no_array_is_refused_by_its_name(value):
    with pytest.raises(ValueError, match="function, result v: expected"):
        sweep.run(lambda x: {"v": value}, sweep.grid(x=[3]), bar=False)


@pytest.mark.parametrize("asked", [{"folder": "kept"}, {"workers": 2}])
def test_a_function_without_a_name_is_neither_kept_nor_sent_to_processes(asked, tmp_path, monkeypatch):
    """Two functions of one text with other values inside have the same name and text, so that their results would mix."""
    monkeypatch.chdir(tmp_path)

    def times(c):
        return lambda x: {"v": c * x}

    for function in (times(2), times(3), functools.partial(walk, 1.0), [].append):
        with pytest.raises(ValueError, match="function: expected one of a module"):
            sweep.run(function, sweep.grid(x=[1]), bar=False, **asked)
    assert not list(tmp_path.iterdir())


def names(x):
    """A result with names that NumPy's writer has for itself."""
    return {"file": x, "allow_pickle": 2 * x, "a/b": "text"}


def test_a_result_keeps_its_names_on_disk(tmp_path):
    fresh, kept = (sweep.run(names, [{"x": 1.5}], folder=tmp_path, bar=False) for _ in range(2))
    assert same(fresh, kept)
    assert set(kept[0]) == {"file", "allow_pickle", "a/b"}


def test_two_processes_give_the_same_bits_as_one(here):
    assert same(here, sweep.run(walk, SETTINGS, workers=2, bar=False))


def test_what_is_on_disk_is_not_computed_again(tmp_path):
    settings = sweep.grid(x=range(5), folder=[str(tmp_path)])
    first = sweep.run(slow, settings[:3], folder=tmp_path / "kept", bar=False)
    whole = sweep.run(slow, settings, folder=tmp_path / "kept", bar=False)
    assert same(first, whole[:3])
    assert len((tmp_path / "calls").read_text().splitlines()) == 5


def test_a_damaged_result_is_computed_again(tmp_path):
    settings = sweep.grid(x=[1], folder=[str(tmp_path)])
    first = sweep.run(slow, settings, folder=tmp_path / "kept", bar=False)
    [file] = (tmp_path / "kept").glob("*.npz")
    whole = file.read_bytes()
    damaged = [
        whole[:-40],
        b"",
        *(whole[:i] + bytes(b ^ 0xFF for b in whole[i : i + 8]) + whole[i + 8 :] for i in (0, 60, 75, 90)),
    ]
    for content in damaged:
        file.write_bytes(content)
        assert same(first, sweep.run(slow, settings, folder=tmp_path / "kept", bar=False))
    assert len((tmp_path / "calls").read_text().splitlines()) == 1 + len(damaged)


def test_other_settings_functions_and_sources_have_other_keys(monkeypatch):
    keys = [sweep.key(slow, {"x": 1}), sweep.key(slow, {"x": 2}), sweep.key(fails, {"x": 1})]
    monkeypatch.setattr(sweep, "sources", lambda: "other")
    assert len({*keys, sweep.key(slow, {"x": 1})}) == 4
    assert sweep.key(slow, {"a": 1, "b": np.float64(2)}) == sweep.key(slow, {"b": 2.0, "a": 1})


def test_a_sweep_killed_from_outside_goes_on_with_what_is_missing(tmp_path):
    code = (
        "from tests.test_sweep import slow; from ncpaper import sweep; import sys; f = sys.argv[1]; "
        "sweep.run(slow, sweep.grid(x=range(40), folder=[f]), folder=f + '/kept', bar=False)"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, cwd=ROOT, env=environment)
    while process.poll() is None and len(list(tmp_path.glob("kept/*.npz"))) < 3:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = len(list((tmp_path / "kept").glob("*.npz")))
    assert 3 <= done < 40
    before = len((tmp_path / "calls").read_text().splitlines())
    found = sweep.run(slow, sweep.grid(x=range(40), folder=[str(tmp_path)]), folder=tmp_path / "kept", bar=False)
    assert len((tmp_path / "calls").read_text().splitlines()) - before == 40 - done
    assert [r["x"] for r in found] == list(range(40))


def test_a_cluster_gives_the_same_bits_as_this_process(here, cluster):
    assert same(here, sweep.run(walk, SETTINGS, cluster=cluster.scheduler_address, bar=False))


def test_a_worker_killed_in_mid_sweep_loses_nothing(tmp_path, cluster):
    settings = sweep.grid(x=range(40), folder=[str(tmp_path)])
    with Client(cluster.scheduler_address) as client:
        first, *_ = client.run(os.getpid).values()
        killer = subprocess.Popen(
            ["sh", "-c", f"while [ ! -s {tmp_path}/calls ]; do sleep 0.01; done; sleep 0.3; kill -9 {first}"]
        )
        found = sweep.run(slow, settings, folder=tmp_path / "kept", cluster=cluster.scheduler_address, bar=False)
        assert killer.wait() == 0
    assert [int(r["x"]) for r in found] == list(range(40))
    assert all(np.array_equal(r["root"], np.sqrt(np.arange(i, i + 3.0))) for i, r in enumerate(found))
    workers = {line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()}
    assert len(workers) >= 2
    assert str(first) in workers


def test_a_cluster_that_does_not_answer_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setattr(sweep, "PATIENCE", "1s")
    with pytest.raises(OSError, match=r"127\.0\.0\.1:9"):
        sweep.run(fails, sweep.grid(x=[1]), cluster="tcp://127.0.0.1:9", bar=False)
