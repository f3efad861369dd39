"""Figure 2 for many seeds: a run is the run of the chapter, an ensemble says what its seeds say."""

import json

import numpy as np
import pytest

from ncpaper import compiled, ensembles, flow, measures, rates, results, sweep, ulpm

SHORT = {"K": 3, "d": 4, "n": 2, "steps": 2000, "points": 20}


def test_a_run_measures_the_descent_of_the_chapter():
    found = ensembles.run(**SHORT, scale=0.3, seed=5)
    rng = np.random.default_rng(5)
    W, H, y = 0.3 * rng.standard_normal((3, 4)), 0.3 * rng.standard_normal((4, 6)), ulpm.balanced_labels(3, 2)
    path = compiled.descend(W, H, y, 5.0 / 6, flow.logarithmic_steps(2000, 20))
    assert np.array_equal(found["t"], path.t)
    assert found["ended"] == 0
    for i, (W, H) in enumerate(path.points):
        assert all(found[name][i] == value for name, value in measures.section_4(W, H, y).items())


def test_a_run_on_the_sum_takes_steps_as_many_times_as_large():
    summed = ensembles.run(**SHORT, loss="sum", rate=5.0 / 6, scale=0.3)
    mean = ensembles.run(**SHORT, loss="mean", scale=0.3)
    assert all(np.array_equal(summed[name], mean[name]) for name in ensembles.MEASURES)


def test_a_run_that_overflows_says_when_and_has_no_numbers_from_there_on():
    found = ensembles.run(loss="sum", scale=1.0, steps=1000, points=20)
    assert 0 < found["ended"] <= 1000
    at = found["t"].tolist().index(found["ended"])
    values = np.array([found[name] for name in ensembles.MEASURES])
    assert np.isnan(values[:, at:]).all()
    assert np.isfinite(values[:, :at]).all()


@pytest.mark.parametrize(
    "bad",
    [{"loss": "median"}, {"n": 0}, {"K": 1}, {"scale": -1.0}, {"seed": -1}, {"steps": 3}, {"points": 1}, {"rate": 0.0}],
)
def test_a_bad_setting_is_refused_by_its_name(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}: expected"):
        ensembles.run(**bad)


@pytest.fixture(scope="module")
def runs():
    return sweep.run(
        ensembles.run, sweep.grid(**{k: [v] for k, v in SHORT.items()}, scale=[0.3], seed=range(9)), bar=False
    )


def test_the_bands_are_quantiles_over_seeds_and_the_slopes_those_of_the_chapter(runs):
    e = ensembles.gather(runs)
    for name in ensembles.MEASURES:
        values = np.array([r[name] for r in runs])
        assert np.allclose(e.bands[name][1], np.median(values, axis=0), rtol=1e-12)
        assert (e.bands[name][0] <= e.bands[name][2]).all()
        assert e.slopes[name][3] == rates.slope(runs[3]["t"].astype(float), runs[3][name], 10.0).value
    assert e.survived == 1.0


def test_runs_of_other_steps_are_not_gathered(runs):
    with pytest.raises(ValueError, match="runs: expected runs measured at the same steps"):
        ensembles.gather([*runs, {**runs[0], "t": runs[0]["t"][:-1]}])
    with pytest.raises(ValueError, match="one at least, got 0"):
        ensembles.gather([])


def test_runs_that_overflow_count_among_the_survivors_alone(runs):
    ended = {**runs[0], "ended": 5} | {name: np.full(len(runs[0]["t"]), np.nan) for name in ensembles.MEASURES}
    e = ensembles.gather([*runs, ended])
    assert e.survived == 0.9
    assert all(np.array_equal(e.bands[name], ensembles.gather(runs).bands[name]) for name in ensembles.MEASURES)
    assert all(len(e.slopes[name]) == 9 for name in ensembles.MEASURES)


def test_no_values_have_no_interval():
    with pytest.raises(ValueError, match="values: expected one at least"):
        ensembles.interval([])


def test_the_interval_of_a_median_covers_it_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(0), 0
    for seed in range(200):
        low, high = ensembles.interval(rng.standard_normal(60), seed=seed, draws=400)
        covered += low <= 0 <= high
    assert 0.88 <= covered / 200 <= 0.995


def test_the_record_of_a_few_seeds_holds_the_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ensembles, "OPEN", {"n": (2,), "loss": ("mean",), "scale": (0.3,)})
    ensembles.record(tmp_path / "e.json", tmp_path / "kept", seeds=3, steps=20_000, points=41)
    data, made = results.load(tmp_path / "e.json")
    assert made["settings"]["seeds"] == 3
    [one] = data["ensembles"]
    run = ensembles.run(n=2, scale=0.3, seed=1, steps=20_000)
    name = "within_class_variation"
    assert np.isclose(one["slopes"][name][1], rates.slope(run["t"].astype(float), run[name], 1e3).value, rtol=1e-5)
    assert json.loads((tmp_path / "e.json").read_text())["certificate"]["command"].endswith("--seeds 3")
    assert ensembles.main(["--seeds", "0"]) == 1
    assert "seeds: expected" in capsys.readouterr().err
