"""Train VGG-13 on FashionMNIST and record how its last layer collapses.

    python -m ncpaper.train --preset laptop --seed 0

writes one JSON with its certificate, by default ``figures/data/vgg-laptop-0.json``. Every setting of a preset can be
given another value (``--learning-rate 0.05``); the file then carries it in its name.

The run survives being killed: started again, it continues after the last epoch that was written down. Nothing random
happens within an epoch (no dropout, no augmentation; order of the samples and learning rate are functions of seed and
epoch), so model, running statistics, momentum and epoch are its whole state, and on a CPU the continued run is the
uninterrupted one bit for bit. Ctrl-C and SIGTERM end it with a checkpoint. ``--record-so-far`` writes what a run has
measured up to its last checkpoint, marked as the part that it is, and trains nothing. ``--features N`` writes the
classifier and some features of the checkpoint, a file for ``python -m ncpaper measure``.

Training in bfloat16 is fast on processors and GPUs that have matrix units for it, and slower than float32 on others: there,
give ``--precision float32``. Measurements are made in float32 and float64 whatever the precision of the training. Nothing
is compiled: on a processor nine tenths of the time goes into the convolutions, which compilation leaves as they are.

Several processes, several GPUs, several hosts: the same program under ``torchrun``, which shares each batch among the
processes, so that the settings keep their meaning (``batch`` is the global batch)::

    torchrun --nproc-per-node 2 -m ncpaper.train --preset laptop
    torchrun --nproc-per-node 8 -m ncpaper.train --preset paper --device cuda
    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \\
        -m ncpaper.train --preset paper --device cuda

The last line is started on each of the two hosts, HOST being one of them. Each host needs the data (``NCPAPER_DATA``, or
its own download); process 0 alone measures, reads and writes the checkpoint, and writes the JSON. Sums over a batch are
then taken in another order, which changes last digits: several processes agree with one within rounding, not bit for bit.
"""

import argparse
import copy
import hashlib
import io
import json
import math
import os
import platform
import re
import signal
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ncpaper import checkpoint as checkpoints
from ncpaper import extras, fashion, flow, margin, measures, results, ulpm, validate, vgg

with extras.extra("train"):
    import torch
    from torch import distributed
    from torch.nn.functional import cross_entropy
    from torch.nn.parallel import DistributedDataParallel

#: By what the learning rate is multiplied in an epoch, of so many.
SCHEDULES = {
    "constant": lambda epoch, epochs: 1.0,
    "divided": lambda epoch, epochs: 0.1 ** ((epoch > epochs // 3) + (epoch > 2 * epochs // 3)),
}

#: The settings that choose by name, and the names.
CHOICES = {
    "precision": ("float32", "bfloat16"),
    "reading": tuple(vgg.READINGS),
    "schedule": tuple(SCHEDULES),
    "fit": vgg.FITS,
}

#: The least and the largest value of the settings that are integers.
INTEGERS = {
    "images": (1, 60_000),
    "epochs": (1, 10**6),
    "seed": (0, 2**63 - 1),
    "batch": (1, 60_000),
    "evaluations": (2, 10_000),
    "threads": (1, 1024),
}

#: The largest value of the settings that are positive numbers.
POSITIVE = {"width": 16.0, "learning_rate": math.inf}


@dataclass(frozen=True)
class Settings:
    """Everything that decides the numbers of a run: the configuration and the record of it.

    ``width`` multiplies the channels and the sizes of hidden layers; ``images`` is how many of the 60,000, the first ones;
    ``batch`` is the global batch; ``precision`` is that of the convolutions in training ("float32" or "bfloat16"; weights
    are float32); ``evaluations`` is about how many epochs are measured, equally spaced in log(epoch); ``threads`` is fixed
    because sums depend on it; ``reading`` is a row of :data:`ncpaper.vgg.READINGS`; ``schedule`` is "constant", or
    "divided" by 10 after a third of the epochs and again after two thirds; ``weight_decay`` is that of all parameters;
    ``fit`` is how 28 pixels become 32. Raises ``ValueError`` naming the field for a value out of range.

    A field that is added must have the default that the program did before: older records and checkpoints keep their
    meaning by it.
    """

    preset: str
    width: float
    images: int
    epochs: int
    seed: int = 0
    batch: int = 128
    learning_rate: float = 0.01
    momentum: float = 0.9
    precision: str = "bfloat16"
    evaluations: int = 48
    threads: int = 1
    reading: str = "plain"
    schedule: str = "constant"
    weight_decay: float = 0.0
    fit: str = "pad"

    def __post_init__(self):
        """Check the fields."""
        for name, (least, most) in INTEGERS.items():
            if validate.integer(name, getattr(self, name), least) > most:
                raise ValueError(f"{name}: expected at most {most}, got {getattr(self, name)}")
        for name, most in POSITIVE.items():
            if validate.positive(name, getattr(self, name)) > most:
                raise ValueError(f"{name}: expected at most {most:g}, got {getattr(self, name)}")
        for name, names in CHOICES.items():
            if getattr(self, name) not in names:
                raise ValueError(f"{name}: expected one of {', '.join(names)}, got {getattr(self, name)!r}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: expected a number from 0 to 1, 1 excluded, got {self.momentum}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay: expected a finite number of at least 0, got {self.weight_decay}")
        self._check_together()

    def _check_together(self):
        """Check the fields that depend on each other."""
        if self.schedule == "divided" and self.epochs < 3:
            raise ValueError(f"schedule: 'divided' never trains at the full learning rate in {self.epochs} < 3 epochs")
        if vgg.READINGS[self.reading].normalised and self.images % self.batch == 1 % self.batch:
            raise ValueError(
                f"batch: expected no batch of one image, which has no deviation to normalise by, got {self.images} images "
                f"in batches of {self.batch}"
            )

    def chosen(self):
        """The fields without a default, and those that differ from it: they decide the numbers, whatever is added later."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default or f.default is MISSING}

    def digest(self):
        """A hash of :meth:`chosen`: other settings have another, settings made before a field was added have the same."""
        return hashlib.sha256(json.dumps(self.chosen(), sort_keys=True).encode()).hexdigest()

    def changes(self):
        """The fields, but the seed, that differ from the preset, as a mapping from name to value."""
        mine, preset = asdict(self), asdict(PRESETS[self.preset])
        return {name: mine[name] for name in mine if name != "seed" and mine[name] != preset[name]}

    def name(self):
        """The name of the run, which its files carry.

        >>> replace(PRESETS["pocket"], seed=2, batch=32).name()
        'vgg-pocket-batch=32-2'
        """
        return "-".join(["vgg", self.preset, *(f"{k}={v}" for k, v in self.changes().items()), str(self.seed)])


#: The sizes of a run, first those of seconds, minutes and an hour, then two edges of the square of width and images, and
#: its corner.
SIZES = {
    "smoke": {"width": 0.125, "images": 500, "epochs": 3, "evaluations": 3},
    "pocket": {"width": 0.125, "images": 2_000, "epochs": 550, "precision": "float32"},
    "laptop": {"width": 0.25, "images": 6_000, "epochs": 550, "precision": "float32"},
    "many": {"width": 0.25, "images": 60_000, "epochs": 600, "evaluations": 40},
    "wide": {"width": 1.0, "images": 6_000, "epochs": 600, "evaluations": 40},
    "paper": {"width": 1.0, "images": 60_000, "epochs": 600},
}

#: How each reading is trained. The second is trained as the first, the third as the public code of the layer-peeled model
#: trains it, but for its weight decay (5e-4), which the paper excludes.
RECIPES = {
    "plain": {},
    "normalised": {"reading": "normalised"},
    "layer-peeled": {"reading": "layer-peeled", "learning_rate": 0.1, "schedule": "divided", "fit": "resize"},
}

#: A size alone is the plain reading; ``many-normalised``, ``paper-layer-peeled`` and so on are the others.
PRESETS = {
    preset: Settings(preset, **of_size | of_reading)
    for size, of_size in SIZES.items()
    for reading, of_reading in RECIPES.items()
    for preset in [size if reading == "plain" else f"{size}-{reading}"]
}

#: Seconds between two checkpoints, and so the most that a killed run has to do again; the last epoch always has one.
PAUSE = 10.0

#: Epochs that the caption of Figure 3 names; they are measured besides those equally spaced in the logarithm.
CAPTION = {100, 500}

#: Measures of the network's decisions. Its bias is the last column of W (K, d+1), and H (d+1, N) ends in a row of ones.
DECISIONS = {
    "accuracy": lambda W, H, y: np.mean((W @ H).argmax(axis=0) == y),
    "errors": lambda W, H, y: np.sum((W @ H).argmax(axis=0) != y),
    "loss": ulpm.loss,
    "mean_loss": lambda W, H, y: ulpm.loss(W, H, y) / y.size,
    "margin": margin.margin,
    "nc4_agreement": lambda W, H, y: 1 - measures.nc4_largest(W, H, y, H),
}

#: Measures of classifiers W (K, d) and features H (d, N) alone, as in section 4, since the paper's model has no bias.
GEOMETRY = {
    **{name: measure.function for name, measure in measures.SECTION_4.items()},
    "margin_without_bias": margin.margin,
    "mean_classifier_floor": measures.mean_classifier_floor,
    "norm_W": lambda W, H, y: np.linalg.norm(W),
}

#: The measures of the features that are recorded before the last ReLU and in training mode too.
HEADLINE = (
    "class_mean_norms",
    "within_class_variation",
    "class_mean_cosines",
    "centred_class_mean_cosines",
    "self_duality_distance",
    "centred_self_duality_distance",
)


class Stopped(Exception):
    """The run was asked to stop, has its checkpoint, and goes on from there when it is started again."""


def order(settings, epoch):
    """The order of the samples in an epoch: a function of the seed and the epoch alone, so it needs no state."""
    return torch.from_numpy(np.random.default_rng((settings.seed, epoch)).permutation(settings.images))


def learning_rate(settings, epoch):
    """The learning rate of an epoch: a function of the settings and the epoch alone, so it needs no state."""
    return settings.learning_rate * SCHEDULES[settings.schedule](epoch, settings.epochs)


def epochs_to_measure(settings):
    """The epochs after which the network is measured: 0, 1, the last, equally spaced in the logarithm, and ``CAPTION``.

    >>> sorted(epochs_to_measure(PRESETS["smoke"]))
    [0, 1, 2, 3]
    """
    return {*flow.logarithmic_steps(settings.epochs, settings.evaluations).tolist()} | {
        epoch for epoch in CAPTION if epoch <= settings.epochs
    }


def epochs_in_training_mode(settings):
    """The epochs that are measured in training mode too: 0, every fourth of those measured, ``CAPTION`` and the last.

    >>> sorted(epochs_in_training_mode(PRESETS["smoke"]))
    [0, 3]
    """
    at = epochs_to_measure(settings)
    return {*sorted(at)[::4], settings.epochs} | (CAPTION & at)


def processes():
    """The rank of this process and how many there are."""
    return (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)


def loss_and_errors(net, x, y, precision):
    """The cross-entropy of a batch, a sum, and how many samples of it are misclassified."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        _, logits = net(x)
    return cross_entropy(logits.float(), y, reduction="sum"), (logits.argmax(dim=1) != y).sum()


def train_epoch(net, optimiser, x, y, settings, epoch, interrupted=bool):
    """One pass over the samples; return the mean loss and the number of errors, both as seen while training.

    Of each batch a process takes its share. Its loss is divided by the mean size of the shares, so that the mean of the
    gradients, which is what ``DistributedDataParallel`` takes, is the gradient of the mean loss of the batch.
    Raises ``FloatingPointError`` naming the epoch where the loss or a weight is not finite, and :class:`Stopped` between
    two batches where ``interrupted()``.
    """
    net.train()
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(settings, epoch)
    share, shares = processes()
    seen = torch.zeros(2, dtype=torch.float64).to(x.device)  # sum of the losses, errors
    for batch in order(settings, epoch).to(x.device).split(settings.batch):
        if interrupted():
            raise Stopped(epoch - 1)
        mine = batch[share::shares]
        loss, errors = loss_and_errors(net, x[mine], y[mine], settings.precision)
        optimiser.zero_grad()
        (loss * shares / len(batch)).backward()
        optimiser.step()
        seen += torch.stack([loss.detach(), errors])
    if shares > 1:
        distributed.all_reduce(seen)
    if not all(torch.isfinite(number).all() for number in (seen, *net.parameters())):
        raise FloatingPointError(f"the loss is not finite in epoch {epoch}: try a smaller learning_rate")
    return {"epoch": epoch, "mean_loss": seen[0].item() / settings.images, "errors": int(seen[1])}


# What is measured


@torch.no_grad()
def features(net, batches, count):
    """The features before the last ReLU, ``(N, d)`` float32, from batches with the places of their samples."""
    F = None
    for places, part in batches:
        found = net.before(part).cpu()
        F = torch.empty(count, found.shape[1]) if F is None else F
        F[places] = found
    return F


def evaluated(net, x, block=125):
    """The features before the last ReLU in evaluation mode; a small block stays in the cache of a core."""
    places = torch.arange(len(x)).split(block)
    return features(net.eval(), ((at, x[at[0] : at[-1] + 1]) for at in places), len(x))


def in_training_mode(net, x, settings):
    """The features before the last ReLU in training mode: normalised by the statistics of shuffled batches.

    The network and its running statistics stay as they are.
    """
    other = copy.deepcopy(net).eval()
    for layer in other.modules():
        if isinstance(layer, vgg.Normalisation):
            layer.running_mean = layer.running_var = None  # without them the layer takes those of the batch
    return features(other, ((at, x[at]) for at in order(settings, 0).split(settings.batch)), len(x))


def condense(W, F, y, block=2048):
    r"""Classifiers and features in coordinates that keep every inner product with classifiers and class means.

    ``W (K, d)``, ``F (N, d)`` → ``W (K, s)``, ``H (s, N)`` and ``(N,)``: the coordinates in an orthonormal basis of the
    span of all :math:`w_k` and :math:`\bar h_k`, s ≤ 2K, and the norm of what of each feature is orthogonal to it. Never
    more than ``block`` features are there in float64 at once.
    """
    K, N = len(W), len(F)
    parts = [slice(i, min(i + block, N)) for i in range(0, N, block)]
    sums = np.zeros(W.shape)
    for part in parts:
        sums += np.eye(K)[:, y[part]] @ F[part].double().numpy()
    means = sums / np.bincount(y, minlength=K)[:, None]  # (K, d)
    basis, _ = np.linalg.qr(np.vstack([W, means]).T)  # (d, s)
    H, rest = np.empty((basis.shape[1], N)), np.empty(N)
    for part in parts:
        h = F[part].double().numpy()  # (block, d)
        H[:, part] = (h @ basis).T
        rest[part] = np.linalg.norm(h - h @ basis @ basis.T, axis=1)
    return W @ basis, H, rest


def twins(W, H, rest, y):
    """A point in few dimensions with the means, norms and distances of the whole one, every sample of it twice.

    The two copies differ in the sign of the last coordinate, ``rest``, so that the class means have none of it.
    """
    return (
        np.column_stack([W, np.zeros(len(W))]),
        np.hstack([np.vstack([H, rest]), np.vstack([H, -rest])]),
        np.tile(y, 2),
    )


def value(quantity, *point):
    """The value of a measure as a number, None where the point has none: a zero vector has no direction."""
    try:
        number = quantity(*point)
    except ValueError:
        return None
    return number.item() if isinstance(number, np.generic) else number


def classifier(net):
    """The classifier ``(K, d)`` and the bias ``(K,)`` of a network, float64."""
    return tuple(p.detach().double().cpu().numpy() for p in net.classifier.parameters())


def quantities(net, F, y):
    """``DECISIONS`` and ``GEOMETRY`` of the features ``F (N, d)``, with the norms and the normalised margins.

    Raises ``FloatingPointError`` where features are not finite, or all are equal, as in a network that too large a step
    has switched off.
    """
    if not F.isfinite().all():
        raise FloatingPointError("the features are not finite: try a smaller learning_rate")
    if torch.equal(F.amax(dim=0), F.amin(dim=0)):
        raise FloatingPointError("the features of all images are equal: try a smaller learning_rate")
    (W, b), y = classifier(net), y.cpu().numpy()
    condensed = *_, H, rest = condense(W, F, y)
    augmented = np.column_stack([condensed[0], b]), np.vstack([H, np.ones(y.size)]), y
    measured = {name: value(quantity, *augmented) for name, quantity in DECISIONS.items()}
    measured |= {name: value(quantity, *twins(*condensed, y)) for name, quantity in GEOMETRY.items()}
    squares = np.sum(W**2) + np.sum(H**2) + np.sum(rest**2)
    measured |= {"norm_b": float(np.linalg.norm(b)), "norm_H": float(np.sqrt(np.sum(H**2) + np.sum(rest**2)))}
    measured["normalized_margin"] = measured["margin"] / squares
    measured["normalized_margin_without_bias"] = measured["margin_without_bias"] / squares
    return measured


def headline(net, F, y):
    """The measures ``HEADLINE`` of the features ``F (N, d)``."""
    (W, _), y = classifier(net), y.cpu().numpy()
    point = twins(*condense(W, F, y), y)
    return {name: value(GEOMETRY[name], *point) for name in HEADLINE}


def measure(net, x, y):
    """All measures of a network on samples, in evaluation mode, in float64 from features computed in float32.

    Raises what :func:`quantities` does.
    """
    return quantities(net, evaluated(net, x).relu_(), y)


def decisions(net, F, y):
    """Accuracy, errors and mean loss of the features ``F (N, d)``."""
    with torch.no_grad():
        logits, y = torch.nn.functional.linear(F, *(p.cpu() for p in net.classifier.parameters())).double(), y.cpu()
        errors = int((logits.argmax(dim=1) != y).sum())
    return {"accuracy": 1 - errors / len(y), "errors": errors, "mean_loss": cross_entropy(logits, y).item()}


def measure_all(net, data, settings, epoch):
    """A row for each of the columns of a record: ``measured``, ``before_relu``, and ``training_mode`` where it differs."""
    F = evaluated(net, data.x)
    rows = {"before_relu": {"epoch": epoch, **headline(net, F, data.y)}}
    rows["measured"] = {"epoch": epoch, **quantities(net, F.relu_(), data.y)}
    test = decisions(net, evaluated(net, data.x_test).relu_(), data.y_test)
    rows["measured"] |= {f"test_{name}": number for name, number in test.items()}
    if vgg.READINGS[settings.reading].normalised and epoch in epochs_in_training_mode(settings):
        F = in_training_mode(net, data.x, settings).relu_()
        rows["training_mode"] = {"epoch": epoch, **decisions(net, F, data.y), **headline(net, F, data.y)}
    return rows


def append(columns, row):
    """Add the values of ``row`` to the lists of the same names."""
    for name, number in row.items():
        columns.setdefault(name, []).append(number)


# What is kept


def new_progress():
    """The progress of a run that has not begun."""
    return {
        "epoch": -1,
        "seconds": 0.0,
        "measuring": 0.0,
        "peak_memory_mib": 0,
        "class_sizes": [],
        "made_by": [],
        **{part: {} for part in COLUMNS},
    }


#: The parts of a record that are columns of numbers, each with its own epochs.
COLUMNS = ("training", "measured", "before_relu", "training_mode")


def save_checkpoint(path, settings, net, optimiser, progress):
    """Write all that a run needs to go on. Raises what :func:`ncpaper.checkpoint.write` does."""
    state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "progress": json.dumps(progress)}
    checkpoints.write(path, {"digest": settings.digest(), "settings": json.dumps(settings.chosen()), **state})


def read_checkpoint(path, settings):
    """The state in a checkpoint of these settings, and its progress.

    Raises ``ValueError`` naming the file where it is no checkpoint, or not one of these settings.
    """
    state = checkpoints.read(path)
    try:
        same, theirs, progress = (
            state["digest"] == settings.digest(),
            json.loads(state["settings"]),
            json.loads(state["progress"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a checkpoint of this program, {error!r}; delete it to start again"
        ) from error
    if not same:
        mine = settings.chosen()
        others = ", ".join(f"{k} = {theirs.get(k)}" for k in sorted({*mine, *theirs}) if mine.get(k) != theirs.get(k))
        raise ValueError(
            f"{path}: expected a checkpoint of the same settings, it is one of {others}; delete it, or name another file"
        )
    return state, progress


def contradiction(state, progress, net, optimiser):
    """What of a checkpoint does not fit the network, its optimiser and the columns of a run; "" where all does."""
    wanted, got = ({k: v.shape for k, v in tensors.items()} for tensors in (net.state_dict(), state["net"]))
    for name in sorted({*wanted, *got}):
        if wanted.get(name) != got.get(name):
            return f"{name} of the shape {wanted.get(name)}, got {got.get(name)}"
    momenta = {
        i: s["momentum_buffer"] for i, s in state["optimiser"]["state"].items() if s["momentum_buffer"] is not None
    }
    moved = progress["epoch"] > 0 and optimiser.param_groups[0]["momentum"] > 0
    shapes = dict(enumerate(p.shape for p in net.parameters())) if moved else {}
    if {i: m.shape for i, m in momenta.items()} != shapes:
        return "a momentum of the shape of each parameter"
    if not all(t.isfinite().all() for t in (*state["net"].values(), *momenta.values())):
        return "finite numbers"
    if progress.keys() != new_progress().keys() or any(len({*map(len, progress[c].values())}) > 1 for c in COLUMNS):
        return "columns of one length"
    return ""


def load_checkpoint(path, settings, net, optimiser):
    """Restore a network and its optimiser; return the progress saved with them.

    Raises ``ValueError`` naming the file where it is not a checkpoint of these settings, or its content does not fit them.
    """
    state, progress = read_checkpoint(path, settings)
    try:
        if wrong := contradiction(state, progress, net, optimiser):
            raise ValueError(f"expected {wrong}")
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
    except Exception as error:  # wrong content fails in many ways
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path}: its content does not fit the settings, {first}; delete it to start again") from error
    return progress


def maker(device="cpu"):
    """What makes the numbers of this process: versions, hardware, processes, and a hash of the modules that decide them."""
    files = [__file__, *(module.__file__ for module in (fashion, flow, margin, measures, ulpm, validate, vgg))]
    return {
        "versions": results.versions(),
        "hardware": hardware(device),
        "processes": processes()[1],
        "sources": hashlib.sha256("".join(map(results.sha256, files)).encode()).hexdigest(),
    }


@dataclass(frozen=True)
class Data:
    """Standardised images ``(N, 1, 32, 32)`` and labels ``(N,)`` to train on, and those to test on."""

    x: torch.Tensor
    y: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor

    def __iter__(self):
        """The images and labels to train on."""
        return iter((self.x, self.y))


def images_to_test(settings):
    """How many of the 10,000 images to test on are looked at, the first ones: testing is to cost less than measuring."""
    return min(10_000, settings.images // 3)


def load_data(settings, device):
    """The :class:`Data` of a run on the device, all standardised by the images that are trained on.

    The first process of each host goes first: where the files must be downloaded, one process does it.
    Raises ``ValueError`` where a class has no image among the first ones.
    """
    waits = os.environ.get("LOCAL_RANK", "0") != "0" and distributed.is_initialized()
    if waits:
        distributed.barrier()
    pixels, y = (part[: settings.images] for part in fashion.load("train"))
    pixels_test, y_test = (part[: images_to_test(settings)] for part in fashion.load("t10k"))
    if distributed.is_initialized() and not waits:
        distributed.barrier()
    if len(np.unique(y)) < 10:
        raise ValueError(f"images: expected enough for one of each class, got {settings.images}")
    labels = (torch.tensor(part, dtype=torch.int64, device=device) for part in (y, y_test))
    x, x_test = (vgg.images(part, device, settings.fit, like=pixels) for part in (pixels, pixels_test))
    return Data(x, next(labels), x_test, next(labels))


def resume(path, settings, net, optimiser, device):
    """The progress so far, shared by all processes; network and optimiser are as they were when it was saved."""
    progress = new_progress()
    share, shares = processes()
    if path and share == 0:
        for part in path.parent.glob(f".{path.name}.*.part"):
            part.unlink()  # a process was killed while it wrote
        if path.exists():
            progress = load_checkpoint(path, settings, net, optimiser)
    if shares > 1:
        shared = [progress, optimiser.state_dict()]
        distributed.broadcast_object_list(shared)  # the weights are sent by DistributedDataParallel
        progress = shared[0]
        optimiser.load_state_dict(shared[1])
    if (made_by := maker(device)) not in progress["made_by"]:
        progress["made_by"].append(made_by)
    return progress


def start(settings, device):
    """The network with its random initialisation, and its optimiser: gradient descent with momentum."""
    net = vgg.VGG13(settings.width, seed=settings.seed, reading=settings.reading)
    net = net.to(device, memory_format=torch.channels_last)
    rates = {"lr": settings.learning_rate, "momentum": settings.momentum, "weight_decay": settings.weight_decay}
    return net, torch.optim.SGD(net.parameters(), **rates)


def agreed(wish, device):
    """Whether one of the processes wishes it: all of them do the same."""
    if processes()[1] == 1:
        return wish
    wishes = torch.tensor(float(wish), device=device)
    distributed.all_reduce(wishes)
    return bool(wishes > 0)


def set_up(settings, device):
    """Fix what PyTorch lets a program choose and numbers depend on."""
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(device == "cpu")
    torch.backends.cudnn.benchmark = device != "cpu"
    torch.backends.cudnn.allow_tf32 = False  # measurements are float32; training is made fast by bfloat16


def run(settings, device="cpu", checkpoint=None, bar=True, stop=bool):
    """Train and measure; return the progress.

    That is the last epoch done, the seconds in all and those spent measuring, the class sizes, what the run was made by
    (:func:`maker`; more than one entry where it was continued with other versions, sources or machines), and columns of
    numbers: ``training`` for each epoch as seen while training, ``measured`` for the epochs to measure, with the
    initialisation as epoch 0, ``before_relu`` and ``training_mode`` beside it. Where numbers stop being finite, or
    the features of all images are equal, the run is over: ``ended`` says why, else it is None.

    With ``checkpoint``, a path, the run is written there every ``PAUSE`` seconds and continues from there. Where
    ``stop()``, raises :class:`Stopped` as soon as the last whole epoch is written down. Raises what its parts raise; the
    last checkpoint stays.
    """
    set_up(settings, device)
    with checkpoints.lock(checkpoint) if checkpoint and processes()[0] == 0 else nullcontext():
        data = load_data(settings, device)
        net, optimiser = start(settings, device)
        progress = resume(checkpoint, settings, net, optimiser, device)
        progress["class_sizes"] = torch.bincount(data.y).tolist()
        try:
            train_on(settings, device, data, net, optimiser, progress, checkpoint, bar, stop)
        except FloatingPointError as error:
            return progress | {"ended": str(error)}
    return progress | {"ended": None}


def train_on(settings, device, data, net, optimiser, progress, checkpoint, bar, stop):
    """Train from where ``progress`` is to the last epoch, and keep ``progress``. Raises as :func:`run` says."""
    share, shares = processes()
    model = DistributedDataParallel(net, broadcast_buffers=False) if shares > 1 else net
    at, epochs = epochs_to_measure(settings), range(progress["epoch"] + 1, settings.epochs + 1)
    started, saved, kept = time.perf_counter(), -PAUSE, progress["epoch"]
    look = {
        "initial": epochs.start,
        "mininterval": 0.1 if sys.stderr.isatty() else 60,
        "disable": bool(share) or not bar,
    }
    for epoch in tqdm(epochs, "epochs", settings.epochs + 1, **look):
        if epoch > 0:
            row = train_epoch(
                model, optimiser, *data, settings, epoch, lambda at=kept == epoch - 1: shares == 1 and at and stop()
            )
            append(progress["training"], row)
        trained = time.perf_counter()
        if epoch in at and share == 0:
            for part, row in measure_all(net, data, settings, epoch).items():
                append(progress[part], row)
        now = time.perf_counter()
        progress |= {"epoch": epoch, "peak_memory_mib": max(progress["peak_memory_mib"], peak_memory() or 0)}
        progress["measuring"] += now - trained
        progress["seconds"] += now - started
        started, stopping = now, agreed(stop(), device)
        if checkpoint and (now - saved >= PAUSE or epoch == settings.epochs or stopping):
            if share == 0:
                save_checkpoint(checkpoint, settings, net, optimiser, progress)
            saved, kept = now, epoch
        if stopping and epoch < settings.epochs:
            raise Stopped(epoch)


def hardware(device):
    """What the run was made on, in words."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} processor, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"


def peak_memory():
    """The largest memory of this process so far, in MiB; None where the system does not tell."""
    status = Path("/proc/self/status")
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) // 1024 if status.exists() else None


# The command line


def start_processes(device):
    """Join the processes that ``torchrun`` started, if it did; return the device of this one.

    Raises ``ValueError`` for ``"cuda"`` where there is no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: expected a GPU for 'cuda', and PyTorch finds none here; use --device cpu")
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        torch.cuda.set_device(device)
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("gloo" if device == "cpu" else "nccl")
    return device


def arguments(words):
    """The command line: preset, what to change in it, device, where to write."""
    parser = argparse.ArgumentParser(prog="python -m ncpaper.train", description=__doc__.split("\n")[0])
    parser.add_argument("--preset", choices=PRESETS, default="smoke", help="size of the run (default: %(default)s)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--output", type=Path, help="JSON to write (default: figures/data/vgg-NAME.json)")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint (default: _build/checkpoints/vgg-NAME.pt)")
    so_far = "record what the checkpoint holds, as a part (default: figures/data/partial-vgg-NAME.json); train nothing"
    parser.add_argument("--record-so-far", action="store_true", help=so_far)
    keep = (
        "write classifier and features of the first N images of each class, as the checkpoint has them; train nothing"
    )
    parser.add_argument("--features", type=int, metavar="N", help=keep)
    for field in fields(Settings)[1:]:
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, help="in place of the preset's value")
    return parser.parse_args(words)


def command(settings, device):
    """The command line of a run with these settings.

    >>> command(replace(PRESETS["laptop"], seed=2, learning_rate=0.05), "cpu")
    'python -m ncpaper.train --preset laptop --seed 2 --learning-rate 0.05 --device cpu'
    """
    changed = [f"--{name.replace('_', '-')} {value}" for name, value in settings.changes().items()]
    words = ["python -m ncpaper.train", f"--preset {settings.preset}", f"--seed {settings.seed}", *changed]
    return " ".join([*words, f"--device {device}"])


def save(path, progress, settings, device, ended=None):
    """Write the columns of a run with their certificate.

    The certificate says how far it came: ``epochs_reached``, whether that is all (``complete``), and where it is not, why
    it ``ended``, or None where ``command`` continues it.
    """
    results.save(
        path,
        {name: progress[name] for name in ("class_sizes", *COLUMNS)},
        command=command(settings, device.split(":")[0]),
        settings=asdict(settings),
        seed=settings.seed,
        complete=progress["epoch"] == settings.epochs,
        epochs_reached=progress["epoch"],
        ended=ended,
        hardware=progress["made_by"][-1]["hardware"],
        processes=progress["made_by"][-1]["processes"],
        made_by=progress["made_by"],
        seconds=round(progress["seconds"], 1),
        seconds_measuring=round(progress["measuring"], 1),
        peak_memory_mib=progress["peak_memory_mib"],
        images_tested=images_to_test(settings),
        inputs=fashion.FILES,
    )


@contextmanager
def signals():
    """While the context lasts, Ctrl-C and SIGTERM are noted in the list it gives; a second Ctrl-C is at once."""
    noted = []

    def note(number, _):
        if noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        noted.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def finish(settings, device, checkpoint, output):
    """Train to the end and write the record; return the exit status."""
    with signals() as noted:
        try:
            progress = run(settings, device, checkpoint, stop=lambda: bool(noted))
        except (Stopped, KeyboardInterrupt) as stopped:
            after = f"after epoch {stopped}" if isinstance(stopped, Stopped) else "at once"
            print(f"stopped {after}, start again to continue; the checkpoint is {checkpoint}", file=sys.stderr)
            return 128 + (noted or [signal.SIGINT])[0]
    if processes()[0] == 0:
        save(output, progress, settings, device, progress["ended"])
        print(f"The record is in {output}")
    if progress["ended"]:
        raise FloatingPointError(progress["ended"])
    return 0


def record_so_far(settings, device, checkpoint, output):
    """Write the record of the epochs that a checkpoint holds; return the exit status. Raises as reading it does."""
    progress = read_checkpoint(checkpoint, settings)[1]
    save(output, progress, settings, device)
    print(f"{progress['epoch']} of {settings.epochs} epochs: the record so far is in {output}")
    return 0


def save_features(settings, checkpoint, output, count):
    """Write what a network makes of ``count`` images of each class, for :func:`ncpaper.network.measure`.

    The file has ``classifier (10, d)``, ``bias (10,)``, ``features (10·count, d)`` after the last ReLU in evaluation mode,
    ``labels``, and ``about``, a JSON text with the settings and the epoch. Returns the exit status. Raises as reading the
    checkpoint does, and ``ValueError`` naming ``features`` unless each class has that many images.
    """
    set_up(settings, "cpu")
    net, optimiser = start(settings, "cpu")
    progress = load_checkpoint(checkpoint, settings, net, optimiser)
    x, y = load_data(settings, "cpu")
    most = int(torch.bincount(y).min())
    if not 1 <= count <= most:
        raise ValueError(f"features: expected 1 to {most} images of each class, got {count}")
    first = torch.cat([(y == k).nonzero()[:count, 0] for k in range(10)])
    about = {"settings": asdict(settings), "epochs_reached": progress["epoch"], "command": command(settings, "cpu")}
    content = io.BytesIO()
    W, b = (part.detach().numpy() for part in net.classifier.parameters())
    F = evaluated(net, x[first]).relu_().numpy()
    np.savez_compressed(content, classifier=W, bias=b, features=F, labels=y[first].numpy(), about=json.dumps(about))
    results.write(output, content.getvalue())
    print(f"{len(first)} features of epoch {progress['epoch']} are in {output}")
    return 0


def out_of_memory(error):
    """Whether an error is that of a processor or a GPU without room."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def said(error):
    """What to tell the user about an error, in one line."""
    if out_of_memory(error):
        return f"out of memory, {str(error).partition(chr(10))[0]}; free some, or use a smaller width, then start again"
    if isinstance(error, torch.AcceleratorError):
        return f"the GPU failed, {str(error).partition(chr(10))[0]}; start again to continue"
    return str(error)


def main(words=None):
    """Run the program; return its exit status."""
    chosen = vars(arguments(words))
    preset, device, output, checkpoint = (chosen.pop(name) for name in ("preset", "device", "output", "checkpoint"))
    so_far, count = chosen.pop("record_so_far"), chosen.pop("features")
    try:
        settings = replace(PRESETS[preset], **{name: number for name, number in chosen.items() if number is not None})
        checkpoint = checkpoint or Path("_build", "checkpoints", f"{settings.name()}.pt")
        if count is not None:
            name = f"features-{settings.name()}.npz"
            return save_features(settings, checkpoint, output or Path("figures", "data", name), count)
        output = output or Path("figures", "data", f"{'partial-' * so_far}{settings.name()}.json")
        device = start_processes(device)
        return (record_so_far if so_far else finish)(settings, device, checkpoint, output)
    except (ValueError, FloatingPointError, OSError, MemoryError, RuntimeError) as error:
        if type(error) is RuntimeError and not out_of_memory(error):
            raise
        print(f"error: {said(error)}", file=sys.stderr)
        if checkpoint and checkpoint.exists():
            print(f"The last checkpoint is kept: {checkpoint}", file=sys.stderr)
        return 1
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
