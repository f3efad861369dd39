r"""Figure 2 for many seeds: one run as a function of its settings, and what an ensemble of them says.

A run is gradient descent on the model (4) from a normal initialisation, measured at logarithmic steps. An ensemble is
many seeds of it: medians, quantile bands, slopes.

    python -m ncpaper.ensembles --workers 2

runs the ensembles that the book shows and writes ``figures/data/ensembles.json``; interrupted, it goes on.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ncpaper import compiled, flow, measures, rates, results, sweep, ulpm
from ncpaper.validate import Classes, Count, Natural, Positive, door, integer, positive

#: The measures of Figure 2 in every reading, by name.
MEASURES = tuple(measures.SECTION_4)

#: The settings that the caption leaves open, and the seeds: every combination is run. The last scale is 1/√d for d = 20.
OPEN = {"n": (10, 2), "loss": ("mean", "sum"), "scale": (1.0, 0.3, 0.1, 0.01, 20**-0.5)}
SEEDS = 100

#: What the caption of Figure 2 minimises with its learning rate: the paper writes a sum, and its step suits a mean.
LOSSES = OPEN["loss"]


@door
def initial(K: Classes, d: Count, n: Count, scale: Positive, seed: Natural):
    """A normal initialisation (W, H, y) of standard deviation ``scale``: n samples in each of K classes.

    Source
    ------
    Section 4, where the distribution is not named.
    """
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((K, d)), scale * rng.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)


def run(K=5, d=20, n=10, loss="mean", scale=1.0, seed=0, rate=5.0, steps=10**5, points=41):
    """One run of Figure 2: ``t (T,)`` and each measure ``(T,)`` by its name; ``ended`` is the step of an overflow, or 0.

    ``points`` is the number of logarithmic steps that are measured. A run that overflows has NaN from there on.

    Raises
    ------
    ValueError
        Naming the setting that is not as described.

    Source
    ------
    Figure 2; learning rate 5, K = 5, d = 20 and 10⁵ steps are the caption's.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {loss!r}")
    W, H, y = initial(K, d, n, scale, seed)
    rate = positive("rate", rate)
    at = flow.logarithmic_steps(integer("steps", steps, 10), integer("points", points, 2))
    step = rate / y.size if loss == "mean" else rate
    table, ended = {name: np.full(len(at), np.nan) for name in MEASURES}, 0
    try:
        with np.errstate(all="ignore"):
            path = compiled.descend(W, H, y, step, at)
    except FloatingPointError:
        path, ended = _until_overflow(W, H, y, step, at)
    for i, (W, H) in enumerate(path.points):
        for name, value in _measured(W, H, y).items():
            table[name][i] = value
    return {"t": at, "ended": ended, **table}


def _measured(W, H, y):
    """The measures of a point; none where a direction is undefined."""
    try:
        return measures.section_4(W, H, y)
    except ValueError:
        return {}


def _until_overflow(W, H, y, step, at):
    """The path up to the last measured step at which the point is finite, and the first at which it is not."""
    low, high = 0, len(at) - 1  # finite at at[low], not at at[high]
    while high - low > 1:
        middle = (low + high) // 2
        try:
            with np.errstate(all="ignore"):
                compiled.descend(W, H, y, step, at[: middle + 1])
            low = middle
        except FloatingPointError:
            high = middle
    return compiled.descend(W, H, y, step, at[: low + 1]), int(at[high])


class Ensemble(NamedTuple):
    """Many seeds of a setting: ``t (T,)``; by measure quantiles 0.1, 0.5, 0.9 ``(3, T)``, slopes ``(S,)``; survivors."""

    t: np.ndarray
    bands: dict
    slopes: dict
    survived: float


def gather(runs, start=10.0):
    """The :class:`Ensemble` of a list of results of :func:`run` with the same steps; slopes from step ``start`` on.

    Runs that overflow count in ``survived`` alone.

    Raises
    ------
    ValueError
        Naming ``runs`` where there is none, or where their steps differ.

    Source
    ------
    Quantiles over seeds; slopes as in the chapter on Figure 2.
    """
    if not runs or any(not np.array_equal(run["t"], runs[0]["t"]) for run in runs):
        raise ValueError(f"runs: expected runs measured at the same steps, one at least, got {len(runs)}")
    whole = [run for run in runs if not int(run["ended"])]
    t = np.asarray(runs[0]["t"], dtype=np.float64)
    bands = {name: np.quantile([r[name] for r in whole], (0.1, 0.5, 0.9), axis=0) for name in MEASURES if whole}
    slopes = {name: np.array([rates.slope(t, r[name], start)[0] for r in whole]) for name in MEASURES if whole}
    return Ensemble(t, bands, slopes, len(whole) / len(runs))


def interval(values, level=0.95, seed=0, draws=2000):
    """A bootstrap confidence interval of the median of ``values (S,)``, by the percentile method: ``(low, high)``.

    Raises
    ------
    ValueError
        Naming ``values`` where there is none.

    Source
    ------
    Efron's percentile bootstrap; the seeds are independent, the points of one run are not.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        raise ValueError("values: expected one at least, got none")
    picked = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    medians = np.median(values[picked], axis=1)
    return tuple(np.quantile(medians, [(1 - level) / 2, (1 + level) / 2]).tolist())


def _rounded(values):
    """Numbers with six significant digits, which JSON holds in little room."""
    return [float(f"{v:.6g}") for v in np.ravel(values)]


def record(output, folder, seeds=SEEDS, workers=1, cluster=None, **fixed):
    """Run every combination of :data:`OPEN` for ``seeds`` seeds, and write what they say to ``output``.

    For each combination: the share that ``survived``, and for each measure the quantiles 0.1, 0.5 and 0.9 at the measured
    steps, and the slope of every surviving seed on the tail from step 1000 on. ``folder`` keeps single runs, so that the
    recording can be interrupted; ``fixed`` are settings of :func:`run` that are to differ from the caption's.

    Source
    ------
    Figure 2.
    """
    settings = sweep.grid(**OPEN, **{k: [v] for k, v in fixed.items()}, seed=range(seeds))
    runs = sweep.run(run, settings, folder=folder, workers=workers, cluster=cluster)
    found = []
    for i, chosen in enumerate(sweep.grid(**OPEN)):
        e = gather(runs[i * seeds : (i + 1) * seeds], start=1e3)
        bands = {name: [_rounded(band) for band in three] for name, three in e.bands.items()}
        slopes = {name: _rounded(values) for name, values in e.slopes.items()}
        found.append({**chosen, "survived": e.survived, "bands": bands, "slopes": slopes})
    data = {"t": runs[0]["t"].tolist(), "ensembles": found}
    told = f"python -m ncpaper.ensembles --seeds {seeds}"
    results.save(output, data, command=told, settings={k: list(v) for k, v in OPEN.items()} | fixed | {"seeds": seeds})


def main(words=None):
    """Read the command line and record; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ncpaper.ensembles", description="Record Figure 2 for many seeds.")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of each setting (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--cluster", help="address of a Dask scheduler, in place of processes")
    parser.add_argument("--folder", type=Path, default=Path("_build", "sweep"), help="where single runs are kept")
    parser.add_argument("--output", type=Path, default=Path("figures", "data", "ensembles.json"))
    chosen = parser.parse_args(words)
    try:
        integer("seeds", chosen.seeds, 1)
        record(chosen.output, chosen.folder, chosen.seeds, chosen.workers, chosen.cluster)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"The record is in {chosen.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
