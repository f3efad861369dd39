"""Measure the speed: ``python tests/bench.py`` prints a table (``make bench``).

Times are processor times of this process, one thread, so that other programs disturb them little. The programs that are
compared run in turn within each repetition, and only ratios within one repetition are formed: median (least, greatest).
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from ncpaper import compiled, ensembles, fashion, flow, measures, sweep, train, ulpm, validate  # noqa: E402
from tests import oracles  # noqa: E402

STEPS, RATE, REPETITIONS, TIMES = 10**5, 5.0, 5, 2000


def timed(program):
    """The result of ``program()`` and the processor time it took, in seconds."""
    started = time.process_time()
    result = program()
    return result, time.process_time() - started


def spread(values):
    """Median, least and greatest as text."""
    return f"{np.median(values):8.2f}  ({np.min(values):.2f} to {np.max(values):.2f})"


def peak(A):
    """Operations per second of the product of a large matrix with itself: what one core reaches at its best."""
    return 2 * len(A) ** 3 / min(timed(lambda: A @ A)[1] for _ in range(10))


def race(programs):
    """Run the programs in turn, ``REPETITIONS`` times; return the seconds of each, and its first result."""
    runs = [{name: timed(program) for name, program in programs.items()} for _ in range(REPETITIONS)]
    seconds = {name: np.array([run[name][1] for run in runs]) for name in programs}
    return seconds, {name: runs[0][name][0] for name in programs}


def print_race(seconds, opponent, unit, scale):
    """Print the times of each program, and by how much it beats the first, the opponent."""
    first, *others = seconds
    for name, used in seconds.items():
        print(f"  {name:26s} {unit} {spread(used * scale)}")
    for name in others:
        print(f"  {opponent} / {name:26s} time ratio {spread(seconds[first] / seconds[name])}")


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
    seconds, points = race(programs)
    first, *_, last = programs

    print(f"\nFigure 2, K = {K}, n = {n}, d = {d}, mean loss, learning rate {RATE:g}")
    print(f"  {STEPS} steps by each program in turn, {REPETITIONS} repetitions: median (least to greatest)")
    print_race(seconds, "PyTorch", "microseconds per step", 1e6 / STEPS)
    for name in list(programs)[1:]:
        gap = max(np.abs(a - b).max() for a, b in zip(points[first], points[name], strict=True))
        print(f"  {name:26s} largest difference from PyTorch after the last step: {gap:.1e}")
    best = peak(rng.standard_normal((1000, 1000)))
    work, slowest = compiled.operations(K, d, M), np.median(seconds[first]) / STEPS
    reached = work * STEPS / np.median(seconds[last])
    print(f"  compilation, once: {compilation:.1f} s")
    print(f"  a step is {work} additions and multiplications (float64); {last} reaches {reached / 1e9:.1f} GFLOP/s,")
    print(
        f"  {reached / best:.0%} of the {best / 1e9:.1f} GFLOP/s of a large matrix product on the same core, at which"
    )
    print(
        f"  a step would take {work / best * 1e6:.2f} microseconds, {slowest * best / work:.0f} times less than PyTorch"
    )


def ensemble(n=10, seeds=100, workers=2):
    """Figure 2 for many seeds on several cores, measured as the book does, and one seed by PyTorch; wall-clock time."""
    settings = sweep.grid(n=[n], scale=[0.3], seed=range(seeds))
    W, H, y = ensembles.initial(5, 20, n, 0.3, 0)
    started = time.perf_counter()
    sweep.run(ensembles.run, settings, workers=workers, bar=False)
    ours = (time.perf_counter() - started) / seeds
    started = time.perf_counter()
    oracles.torch_descent(W, H, y, RATE, STEPS // 10)
    theirs = 10 * (time.perf_counter() - started)
    print(
        f"\nFigure 2 for {seeds} seeds, n = {n}, {STEPS} steps each, {workers} processes; wall-clock time, with their start"
    )
    print(
        f"  a seed takes {ours:.2f} s, measured at 41 steps; one seed by PyTorch {theirs:.1f} s; ratio {theirs / ours:.0f}"
    )


def operations_per_image(net):
    """Additions and multiplications of one training step on one image: forward, and backward twice as many."""
    products, image = [], torch.zeros(1, 1, 32, 32)
    hooks = [
        layer.register_forward_hook(lambda layer, _, out: products.append(out.numel() * layer.weight[0].numel()))
        for layer in net.modules()
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))
    ]
    net.eval()(image)
    for hook in hooks:
        hook.remove()
    return 3 * 2 * sum(products)


def training(preset, images):
    """Epochs of the training program and of the plain recipe, in turn, on as many images; prints their rows."""
    settings = replace(train.PRESETS[preset], images=images, fit="pad")
    (pixels, labels), programs, order = fashion.load("train"), {}, train.order(settings, 1).tolist()
    plain, data = (
        oracles.plain_network(settings.width, 0, settings.reading),
        oracles.OneImageAtATime(pixels[:images], labels[:images]),
    )
    plain_optimiser = torch.optim.SGD(plain.parameters(), settings.learning_rate, settings.momentum)
    programs["plain recipe, float32"] = lambda: oracles.plain_epoch(plain, plain_optimiser, data, order, settings.batch)
    x, y = train.load_data(settings, "cpu")
    for precision in ("float32", "bfloat16"):
        chosen = replace(settings, precision=precision)
        net, optimiser = train.start(chosen, "cpu")
        programs[f"ncpaper.train, {precision}"] = lambda n=net, o=optimiser, s=chosen: train.train_epoch(
            n, o, x, y, s, 1
        )
    for program in programs.values():
        program()
    seconds, _ = race(programs)
    best = {name: peak(torch.randn(2048, 2048, dtype=getattr(torch, name))) for name in ("float32", "bfloat16")}
    work, first = operations_per_image(net), next(iter(programs))
    print(f"\nTraining at the width of the preset {preset}, {images} images, batch {settings.batch}")
    print(f"  {REPETITIONS} epochs by each program in turn: median (least to greatest)")
    print_race(seconds, "plain recipe", "milliseconds per image", 1e3 / images)
    for name, used in seconds.items():
        reached, most = work * images / np.median(used), best[name.split(", ")[-1]]
        print(f"  {name:26s} {reached / 1e9:6.0f} GFLOP/s, {reached / most:.0%} of a matrix product's {most / 1e9:.0f}")
    limit = np.median(seconds[first]) / images / work * best["float32"]
    print(f"  the plain recipe takes {limit:.2f} times as long as float32 matrix products of as many operations would")


def measuring(preset):
    """What measuring costs beside training, with the recorded epochs' spacing; prints it."""
    settings = train.PRESETS[preset]
    data = train.load_data(settings, "cpu")
    net, optimiser = train.start(settings, "cpu")
    epoch = min(timed(lambda: train.train_epoch(net, optimiser, *data, settings, 1))[1] for _ in range(2))
    at, both = train.epochs_to_measure(settings), train.epochs_in_training_mode(settings)
    once, twice = (timed(lambda e=e: train.measure_all(net, data, settings, e))[1] for e in (min(at - both), 0))
    share = (once * len(at - both) + twice * len(both)) / (epoch * settings.epochs)
    print(
        f"  measuring {len(at)} of {settings.epochs} epochs of the preset {preset}: {share:.1%} of the time of training"
    )


@validate.door
def many_times(function: Callable, arguments: tuple, times: validate.Count):
    """Call a function of the package as its own loops do: behind the door."""
    for _ in range(times):
        function(*arguments)


def bare(function, arguments):
    """The result without a single door: what the function and all that it calls would cost if nothing were checked."""
    modules = [module for name, module in sys.modules.items() if name.startswith("ncpaper.")]
    kept = [(m, name, f) for m in modules for name, f in vars(m).items() if hasattr(f, "__wrapped__")]
    table = dict(measures.SECTION_4)
    try:
        for module, name, entered in kept:
            setattr(module, name, entered.__wrapped__)
        for name, measure in table.items():
            measures.SECTION_4[name] = measure._replace(function=measure.function.__wrapped__)
        return timed(lambda: [function.__wrapped__(*arguments) for _ in range(TIMES)])[1]
    finally:
        for module, name, entered in kept:
            setattr(module, name, entered)
        measures.SECTION_4.update(table)


def checks():
    """How much of the time goes into the checks of arguments, at the size of Figure 2; prints it."""
    rng, y = np.random.default_rng(0), ulpm.balanced_labels(5, 10)
    W, H = rng.standard_normal((5, 20)), rng.standard_normal((20, 50))
    print("\nThe checks of arguments, K = 5, n = 10, d = 20: share of the time")
    for function, arguments in (
        (ulpm.gradient, (W, H, y)),
        (ulpm.hessian_vector, (W, H, y, W, H)),
        (measures.section_4, (W, H, y)),
    ):
        runs = []
        for _ in range(REPETITIONS):
            least = bare(function, arguments)
            loop = timed(lambda f=function, a=arguments: many_times(f, a, TIMES))[1]
            called = timed(lambda f=function, a=arguments: [f(*a) for _ in range(TIMES)])[1]
            runs.append((1 - least / loop, 1 - least / called))
        within, single = np.median(runs, axis=0)
        print(
            f"  {function.__name__:16s} in a loop of the package {within:5.1%}, in a single call by a user {single:5.1%}"
        )


def doors():
    """The two commands of the README after the set-up in wall-clock time, and the slowest chapter."""
    print("\nThe README's commands, environment set up (wall-clock seconds, other programs may be running)")
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
    ensemble()
    checks()
    sizes = {"pocket": 1280, "laptop": 1280, "laptop-normalised": 1280, "laptop-layer-peeled": 1280, "paper": 256}
    for preset, images in sizes.items():
        training(preset, images)
    for preset in ("laptop", "laptop-normalised"):
        measuring(preset)
    doors()


if __name__ == "__main__":
    main()
