"""Measure the speed: ``python book/_tools/bench.py`` prints a table (``make bench``).

Times are processor times of this process, one thread, so that other programs disturb them little. The programs that are
compared run in turn within each repetition, and only ratios within one repetition are formed: median (least, greatest).
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from ncpaper import compiled, flow, ulpm  # noqa: E402
from tests import oracles  # noqa: E402

STEPS, RATE, REPETITIONS = 10**5, 5.0, 5


def timed(program):
    """The result of ``program()`` and the processor time it took, in seconds."""
    started = time.process_time()
    result = program()
    return result, time.process_time() - started


def spread(values):
    """Median, least and greatest as text."""
    return f"{np.median(values):8.2f}  ({np.min(values):.2f} to {np.max(values):.2f})"


def peak(size=1000):
    """Operations per second of a large matrix product (BLAS) in float64: what one core reaches at its best."""
    A = np.random.default_rng(0).standard_normal((size, size))
    return 2 * size**3 / min(timed(lambda: A @ A)[1] for _ in range(10))


def figure_2(n, K=5, d=20):
    """Figure 2 in the reading of a mean loss, by three programs, in full and in turn; prints their rows."""
    rng, y = np.random.default_rng(0), ulpm.balanced_labels(K, n)
    W, H, M = rng.standard_normal((K, d)), rng.standard_normal((d, K * n)), K * n
    programs = {
        "PyTorch: autograd, SGD": lambda: oracles.torch_descent(W, H, y, RATE, STEPS),
        "numpy: flow.descend": lambda: flow.descend(
            lambda W, H: ulpm.gradient(W, H, y), (W, H), RATE / M, [STEPS]
        ).points[0],
        "compiled.descend": lambda: compiled.descend(W, H, y, RATE / M, [STEPS]).points[0],
    }
    _, compilation = timed(lambda: compiled.descend(W, H, y, RATE / M, [1]))
    oracles.torch_descent(W, H, y, RATE, 100)
    runs = [{name: timed(program) for name, program in programs.items()} for _ in range(REPETITIONS)]
    seconds = {name: np.array([run[name][1] for run in runs]) for name in programs}
    points = {name: runs[0][name][0] for name in programs}
    first, *_, last = programs

    print(f"\nFigure 2, K = {K}, n = {n}, d = {d}, mean loss, learning rate {RATE:g}")
    print(f"  {STEPS} steps by each program in turn, {REPETITIONS} repetitions: median (least to greatest)")
    for name, used in seconds.items():
        print(f"  {name:26s} microseconds per step {spread(used / STEPS * 1e6)}")
    for name in list(programs)[1:]:
        print(f"  PyTorch / {name:26s} time ratio {spread(seconds[first] / seconds[name])}")
    for name in list(programs)[1:]:
        gap = max(np.abs(a - b).max() for a, b in zip(points[first], points[name], strict=True))
        print(f"  {name:26s} largest difference from PyTorch after the last step: {gap:.1e}")
    work, best, slowest = compiled.operations(K, d, M), peak(), np.median(seconds[first]) / STEPS
    reached = work * STEPS / np.median(seconds[last])
    print(f"  compilation, once: {compilation:.1f} s")
    print(f"  a step is {work} additions and multiplications (float64); {last} reaches {reached / 1e9:.1f} GFLOP/s,")
    print(
        f"  {reached / best:.0%} of the {best / 1e9:.1f} GFLOP/s of a large matrix product on the same core, at which"
    )
    print(
        f"  a step would take {work / best * 1e6:.2f} microseconds, {slowest * best / work:.0f} times less than PyTorch"
    )


def doors():
    """The two commands of the README after the set-up, by the clock on the wall, and the slowest chapter."""
    print("\nThe README's commands, environment set up (seconds on the wall, this machine as busy as it is)")
    for target in ("book", "test"):
        started = time.perf_counter()
        run = subprocess.run(["make", target], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        outcome = "" if run.returncode == 0 else f"   FAILED, exit status {run.returncode}"
        print(f"  make {target:21s} {time.perf_counter() - started:8.1f}{outcome}")
        chapters = re.findall(r"^  (\w+): ([\d.]+) s$", run.stdout, re.M)
        if chapters:
            name, seconds = max(chapters, key=lambda chapter: float(chapter[1]))
            print(f"  slowest chapter, all cells {float(seconds):8.1f}   {name}")


def main():
    """Print every table."""
    torch.set_num_threads(1)
    for n in (10, 2):
        figure_2(n)
    doors()


if __name__ == "__main__":
    main()
