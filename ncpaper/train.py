"""Train VGG-13 on FashionMNIST without weight decay and record how its last layer collapses.

    python -m ncpaper.train --preset laptop --seed 0

writes one JSON with its certificate, by default ``figures/data/vgg-laptop-0.json``. Every setting of a preset can be
given another value (``--learning-rate 0.05``); the file then carries it in its name.

The run survives being killed: started again, it continues after the last epoch that was written down. Nothing random
happens within an epoch (no dropout, no augmentation; the order of the samples is a function of seed and epoch), so model,
momentum and epoch are its whole state, and on a CPU the continued run is the uninterrupted one bit for bit.

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
import hashlib
import io
import json
import os
import platform
import re
import sys
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import distributed
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from ncpaper import fashion, flow, margin, measures, results, ulpm, validate, vgg


@dataclass(frozen=True)
class Settings:
    """Everything that decides the numbers of a run: the configuration and the record of it.

    ``width`` multiplies the channels; ``images`` is how many of the 60,000, the first ones; ``batch`` is the global batch;
    ``learning_rate`` and ``momentum`` stay constant; ``precision`` is that of the convolutions in training ("float32" or
    "bfloat16"; weights are float32); ``evaluations`` is about how many epochs are measured, equally spaced in log(epoch);
    ``threads`` is fixed because sums depend on it.
    Raises ``ValueError`` naming the field for a value out of range.
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

    def __post_init__(self):
        """Check the fields."""
        for name, least in {"images": 1, "epochs": 1, "seed": 0, "batch": 1, "evaluations": 2, "threads": 1}.items():
            validate.integer(name, getattr(self, name), least)
        for name in ("width", "learning_rate"):
            validate.positive(name, getattr(self, name))
        if self.images > 60_000:
            raise ValueError(f"images: expected at most 60000, got {self.images}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: expected a number from 0 to 1, 1 excluded, got {self.momentum}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision: expected 'float32' or 'bfloat16', got {self.precision!r}")

    def digest(self):
        """A hash of all fields: a checkpoint of other settings is refused."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def changes(self):
        """The fields, but the seed, that differ from the preset, as a mapping from name to value."""
        mine, preset = asdict(self), asdict(PRESETS[self.preset])
        return {name: mine[name] for name in mine if name != "seed" and mine[name] != preset[name]}


PRESETS = {
    "smoke": Settings("smoke", width=0.125, images=500, epochs=3, evaluations=3),
    "pocket": Settings("pocket", width=0.125, images=2_000, epochs=550, precision="float32"),
    "laptop": Settings("laptop", width=0.25, images=6_000, epochs=550, precision="float32"),
    "paper": Settings("paper", width=1.0, images=60_000, epochs=600),
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

#: Measures of classifiers W (K, d) and features H (d, N) alone, as in section 4: the paper's model has no bias.
GEOMETRY = {
    **{name: measure.function for name, measure in measures.SECTION_4.items()},
    "margin_without_bias": margin.margin,
    "normalized_margin_without_bias": margin.normalized_margin,
    "mean_classifier_floor": measures.mean_classifier_floor,
    "norm_W": lambda W, H, y: np.linalg.norm(W),
    "norm_H": lambda W, H, y: np.linalg.norm(H),
}


def order(settings, epoch):
    """The order of the samples in an epoch: a function of the seed and the epoch alone, so it needs no state."""
    return torch.from_numpy(np.random.default_rng((settings.seed, epoch)).permutation(settings.images))


def epochs_to_measure(settings):
    """The epochs after which the network is measured: 0, 1, the last, equally spaced in the logarithm, and ``CAPTION``.

    >>> sorted(epochs_to_measure(PRESETS["smoke"]))
    [0, 1, 2, 3]
    """
    return {*flow.logarithmic_steps(settings.epochs, settings.evaluations).tolist()} | {
        epoch for epoch in CAPTION if epoch <= settings.epochs
    }


def processes():
    """The rank of this process and how many there are."""
    return (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)


def loss_and_errors(net, x, y, precision):
    """The cross-entropy of a batch, a sum, and how many samples of it are misclassified."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        _, logits = net(x)
    return cross_entropy(logits.float(), y, reduction="sum"), (logits.argmax(dim=1) != y).sum()


def train_epoch(net, optimiser, x, y, settings, epoch):
    """One pass over the samples; return the mean loss and the number of errors, both as seen while training.

    Of each batch a process takes its share. Its loss is divided by the mean size of the shares, so that the mean of the
    gradients, which is what ``DistributedDataParallel`` takes, is the gradient of the mean loss of the batch.
    Raises ``FloatingPointError`` naming the epoch where the loss or a weight is not finite.
    """
    share, shares = processes()
    seen = torch.zeros(2, dtype=torch.float64).to(x.device)  # sum of the losses, errors
    for batch in order(settings, epoch).to(x.device).split(settings.batch):
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


@torch.inference_mode()
def features(net, x, block=125):
    """The features of all samples, ``(d, N)`` float64, computed in float32; a small block stays in the cache of a core."""
    return torch.cat([net(part)[0] for part in x.split(block)]).double().cpu().numpy().T


def measure(net, x, y):
    """``DECISIONS`` and ``GEOMETRY`` on all samples, in float64 from features computed in float32, with the bias's norm.

    Training and evaluation mode do not differ: the network has neither dropout nor batch normalisation. Raises
    ``FloatingPointError`` where all features are equal, as in a network that too large a step has switched off.
    """
    H, y = features(net, x), y.cpu().numpy()  # (d, N), (N,)
    if not np.ptp(H, axis=1).any():
        raise FloatingPointError("the features of all images are equal: try a smaller learning_rate")
    W, b = (p.detach().double().cpu().numpy() for p in net.classifier.parameters())  # (K, d), (K,)
    augmented = np.column_stack([W, b]), np.vstack([H, np.ones(y.size)])
    measured = {name: quantity(*augmented, y) for name, quantity in DECISIONS.items()}
    measured |= {name: quantity(W, H, y) for name, quantity in GEOMETRY.items()}
    measured["norm_b"] = np.linalg.norm(b)
    measured["normalized_margin"] = measured["margin"] / ulpm.squared_norm(W, H)
    return {name: int(value) if name == "errors" else float(value) for name, value in measured.items()}


def append(columns, row):
    """Add the values of ``row`` to the lists of the same names."""
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


def save_checkpoint(path, settings, net, optimiser, progress):
    """Write all that a run needs to go on, at once: whenever the process dies, a complete checkpoint is there.

    Raises ``OSError`` naming the file where it cannot be written, on a full disk for one.
    """
    buffer = io.BytesIO()
    state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "progress": json.dumps(progress)}
    torch.save({"digest": settings.digest(), **state}, buffer)
    try:
        results.write(path, buffer.getvalue())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def load_checkpoint(path, settings, net, optimiser):
    """Restore a network and its optimiser; return the progress saved with them.

    Nothing in the file is executed. Raises ``ValueError`` naming the file where it is not a checkpoint of these settings.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        same = state["digest"] == settings.digest()
    except Exception as error:  # a file that is no checkpoint fails in many ways
        raise ValueError(f"{path}: expected a checkpoint, {error!r}; delete it to start again") from error
    if not same:
        raise ValueError(f"{path}: expected a checkpoint of the same settings; delete it, or name another file")
    net.load_state_dict(state["net"])
    optimiser.load_state_dict(state["optimiser"])
    return json.loads(state["progress"])


def maker():
    """What makes the numbers of this process: the versions of the packages, and a hash of the modules that decide them."""
    files = [__file__, *(module.__file__ for module in (fashion, flow, margin, measures, ulpm, validate, vgg))]
    return {
        "versions": results.versions(),
        "sources": hashlib.sha256("".join(map(results.sha256, files)).encode()).hexdigest(),
    }


def load_data(settings, device):
    """The standardised images ``(N, 1, 32, 32)`` and the labels ``(N,)`` on the device.

    The first process of each host goes first: where the files must be downloaded, one process does it.
    """
    waits = os.environ.get("LOCAL_RANK", "0") != "0" and distributed.is_initialized()
    if waits:
        distributed.barrier()
    pixels, y = (part[: settings.images] for part in fashion.load("train"))
    if distributed.is_initialized() and not waits:
        distributed.barrier()
    return vgg.images(pixels, device), torch.tensor(y, dtype=torch.int64, device=device)


def resume(checkpoint, settings, net, optimiser):
    """What has been done so far, the same for all processes: the checkpoint's progress, or the empty one."""
    progress = {"epoch": -1, "seconds": 0.0, "measuring": 0.0, "made_by": [], "training": {}, "measured": {}}
    share, shares = processes()
    if checkpoint and share == 0:
        for part in checkpoint.parent.glob(f".{checkpoint.name}.*.part"):
            part.unlink()  # a process was killed while it wrote
        if checkpoint.exists():
            progress = load_checkpoint(checkpoint, settings, net, optimiser)
    if shares > 1:
        shared = [progress, optimiser.state_dict()]
        distributed.broadcast_object_list(shared)  # the weights are sent by DistributedDataParallel
        progress = shared[0]
        optimiser.load_state_dict(shared[1])
    if (made_by := maker()) not in progress["made_by"]:
        progress["made_by"].append(made_by)
    return progress


def start(settings, device):
    """The network with its random start, and its optimiser: gradient descent with momentum, without weight decay."""
    net = vgg.VGG13(settings.width, seed=settings.seed).to(device, memory_format=torch.channels_last)
    return net, torch.optim.SGD(net.parameters(), settings.learning_rate, settings.momentum)


def run(settings, device="cpu", checkpoint=None, bar=True):
    """Train and measure; return the progress.

    That is the last epoch done, the seconds in all and those spent measuring, the class sizes, what the run was made by
    (:func:`maker`; more than one entry where it was continued with other versions or sources), and columns of numbers:
    ``training`` for each epoch as seen while training, ``measured`` for the epochs to measure (0, the start, among them).
    With ``checkpoint``, a path, the run is written there every ``PAUSE`` seconds and continues from there. Raises what its
    parts raise; the last checkpoint stays.
    """
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(device == "cpu")
    torch.backends.cudnn.benchmark = device != "cpu"
    torch.backends.cudnn.allow_tf32 = False  # measurements are float32; training is made fast by bfloat16
    x, y = load_data(settings, device)
    net, optimiser = start(settings, device)
    progress, (share, shares) = resume(checkpoint, settings, net, optimiser), processes()
    model = DistributedDataParallel(net) if shares > 1 else net
    at, epochs = epochs_to_measure(settings), range(progress["epoch"] + 1, settings.epochs + 1)
    started, saved = time.perf_counter(), -PAUSE
    for epoch in tqdm(epochs, "epochs", settings.epochs + 1, initial=epochs.start, disable=bool(share) or not bar):
        if epoch > 0:
            append(progress["training"], train_epoch(model, optimiser, x, y, settings, epoch))
        trained = time.perf_counter()
        if epoch in at and share == 0:
            append(progress["measured"], {"epoch": epoch, **measure(net, x, y)})
        now = time.perf_counter()
        progress["epoch"] = epoch
        progress["measuring"] += now - trained
        progress["seconds"] += now - started
        started = now
        if checkpoint and share == 0 and (now - saved >= PAUSE or epoch == settings.epochs):
            save_checkpoint(checkpoint, settings, net, optimiser, progress)
            saved = now
    return progress | {"class_sizes": torch.bincount(y).tolist()}


def hardware(device):
    """What the run was made on, in words."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} processor, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"


def peak_memory():
    """The largest memory of this process so far, in MiB; None where the system does not tell."""
    status = Path("/proc/self/status")
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) // 1024 if status.exists() else None


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


def save(path, progress, settings, device):
    """Write the columns of a finished run with their certificate."""
    results.save(
        path,
        {name: progress[name] for name in ("class_sizes", "training", "measured")},
        command=command(settings, device.split(":")[0]),
        settings=asdict(settings),
        seed=settings.seed,
        hardware=hardware(device),
        processes=processes()[1],
        made_by=progress["made_by"],
        seconds=round(progress["seconds"], 1),
        seconds_measuring=round(progress["measuring"], 1),
        peak_memory_mib=peak_memory(),
        inputs={name: digest for name, digest in fashion.FILES.items() if name.startswith("train")},
    )


def main(words=None):
    """Run the program; return its exit status."""
    chosen = vars(arguments(words))
    preset, device, output, checkpoint = (chosen.pop(name) for name in ("preset", "device", "output", "checkpoint"))
    try:
        settings = replace(PRESETS[preset], **{name: value for name, value in chosen.items() if value is not None})
        changed = [f"{name}={value}" for name, value in settings.changes().items()]
        name = "-".join(["vgg", preset, *changed, str(settings.seed)])
        checkpoint = checkpoint or Path("_build", "checkpoints", f"{name}.pt")
        device = start_processes(device)
        progress = run(settings, device, checkpoint)
        if processes()[0] == 0:
            output = output or Path("figures", "data", f"{name}.json")
            save(output, progress, settings, device)
            print(f"The record is in {output}")
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        if checkpoint and checkpoint.exists():
            print(f"The last checkpoint is kept: {checkpoint}", file=sys.stderr)
        return 1
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
