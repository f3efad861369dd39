"""Train VGG-13 on FashionMNIST without weight decay and record how its last layer collapses.

    python -m ncpaper.train --preset laptop --seed 0

writes one JSON with its certificate. The run survives being killed: started again it continues from its last epoch, on a
CPU bit for bit as if nothing had happened. Under ``torchrun`` the same program shares each batch among the processes.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import distributed
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from ncpaper import fashion, flow, metrics, results, vgg


@dataclass(frozen=True)
class Settings:
    """Everything that decides the numbers of a run: the configuration and the record of it.

    ``width`` multiplies the channels; ``images`` is how many of the 60,000, the first ones; ``batch`` is the global batch;
    ``learning_rate`` and ``momentum`` stay constant; ``precision`` is that of the convolutions in training ("float32" or
    "bfloat16"; weights and measurements are float32 and float64); ``evaluations`` is about how many epochs are measured,
    equally spaced in log(epoch); ``threads`` is fixed because sums depend on it.
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
    evaluations: int = 60
    threads: int = 1

    def __post_init__(self):
        """Check the fields."""
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision: expected 'float32' or 'bfloat16', got {self.precision!r}")
        if not 1 <= self.images <= 60_000:
            raise ValueError(f"images: expected 1 to 60000, got {self.images}")
        for name in ("width", "epochs", "batch", "learning_rate", "evaluations", "threads"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")

    def digest(self):
        """A hash of all fields: a checkpoint of other settings is refused."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


PRESETS = {
    "smoke": Settings("smoke", width=0.125, images=500, epochs=3, evaluations=3),
    "laptop": Settings("laptop", width=0.25, images=10_000, epochs=600),
    "paper": Settings("paper", width=1.0, images=60_000, epochs=600),
}


def order(settings, epoch):
    """The order of the samples in an epoch: a function of the seed and the epoch alone, so it needs no state."""
    return torch.from_numpy(np.random.default_rng((settings.seed, epoch)).permutation(settings.images))


def epochs_to_measure(settings):
    """The epochs after which the network is measured, 0 and the last among them."""
    return flow.logarithmic_steps(settings.epochs, max(settings.evaluations, 2)).tolist()


def batch_loss(net, x, y, settings, share, shares):
    """The share of this process in the mean loss of a batch, times ``shares``: averaging gradients gives the whole."""
    precision = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
    with torch.autocast(x.device.type, precision, enabled=settings.precision == "bfloat16"):
        _, logits = net(x[share::shares])
    return cross_entropy(logits.float(), y[share::shares], reduction="sum") * shares / y.numel()


def train_epoch(net, optimiser, x, y, settings, epoch, share=0, shares=1):
    """One pass over the samples; return the mean loss over the batches, as seen while training.

    Raises ``FloatingPointError`` naming the epoch where the loss is not finite.
    """
    total, batches = torch.zeros((), device=x.device), order(settings, epoch).to(x.device).split(settings.batch)
    for chosen in batches:
        loss = batch_loss(net, x[chosen], y[chosen], settings, share, shares)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.detach()
    if not torch.isfinite(total):
        raise FloatingPointError(f"the loss is not finite in epoch {epoch}: try a smaller learning_rate")
    return float(total) / len(batches)


@torch.no_grad()
def features(net, x, block=1000):
    """The features of all samples, ``(d, N)`` float64, computed in float32."""
    return np.concatenate([net(part)[0].double().cpu().numpy() for part in x.split(block)]).T


def measure(net, x, y):
    """The measures of section 4, NC4 and the margin, on all given samples, in float64.

    Section 4 has no bias; the loss, the accuracy and the margin use the bias that the network has.
    """
    H, y = features(net, x), y.cpu().numpy()  # (d, N), (N,)
    W = net.classifier.weight.detach().double().cpu().numpy()  # (K, d)
    b = net.classifier.bias.detach().double().cpu().numpy()  # (K,)
    return {name: float(quantity(W, b, H, y)) for name, quantity in metrics.NETWORK.items()}


def save_checkpoint(path, settings, net, optimiser, epoch, records, seconds):
    """Write everything a run needs to go on, all at once."""
    state = {
        "digest": settings.digest(),
        "epoch": epoch,
        "net": net.state_dict(),
        "optimiser": optimiser.state_dict(),
        "records": json.dumps(records),
        "seconds": seconds,
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    results.write(path, buffer.getvalue())


def load_checkpoint(path, settings, net, optimiser, device):
    """Restore a run; return its epoch, its records, its seconds so far.

    Nothing in the file is executed. Raises ``ValueError`` naming the file where it is not a checkpoint of these settings.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is not one of its own
        raise ValueError(f"{path}: expected a checkpoint, {error}; delete it to start again") from error
    if state.get("digest") != settings.digest():
        raise ValueError(f"{path}: expected a checkpoint of the same settings; delete it or name another file")
    net.load_state_dict(state["net"])
    optimiser.load_state_dict(state["optimiser"])
    return state["epoch"], json.loads(state["records"]), state["seconds"]


def run(settings, device="cpu", checkpoint=None, progress=True, share=0, shares=1):
    """Train and measure; return the records, one dictionary for each measured epoch, and the seconds it took.

    With ``checkpoint`` the run is written there after each epoch, and continues from there. Under several processes
    (``share`` of ``shares``) process 0 measures and writes. Raises what its parts raise; the last checkpoint stays.
    """
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(device == "cpu")
    pixels, y = (part[: settings.images] for part in fashion.load("train"))
    x, y = vgg.images(pixels, device), torch.tensor(y, dtype=torch.int64, device=device)
    net = vgg.VGG13(settings.width, seed=settings.seed).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), settings.learning_rate, settings.momentum)
    done, records, spent = 0, [{"epoch": 0, **measure(net, x, y)}], 0.0
    if checkpoint and Path(checkpoint).exists():
        done, records, spent = load_checkpoint(checkpoint, settings, net, optimiser, device)
    model, started = DistributedDataParallel(net) if shares > 1 else net, time.perf_counter() - spent
    epochs = range(done + 1, settings.epochs + 1)
    for epoch in tqdm(epochs, initial=done, total=settings.epochs, desc="epochs", disable=share or not progress):
        loss = train_epoch(model, optimiser, x, y, settings, epoch, share, shares)
        if share == 0 and epoch in epochs_to_measure(settings):
            records.append({"epoch": epoch, "training_loss": loss, **measure(net, x, y)})
        if share == 0 and checkpoint:
            save_checkpoint(checkpoint, settings, net, optimiser, epoch, records, time.perf_counter() - started)
    return records, time.perf_counter() - started


def hardware(device):
    """What the run was made on, in words."""
    return torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()} CPU"


def arguments(words):
    """The command line: preset, seed, device, where to write."""
    parser = argparse.ArgumentParser(prog="python -m ncpaper.train", description=__doc__.split("\n")[0])
    parser.add_argument("--preset", choices=PRESETS, default="smoke", help="size of the run (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="start and order of the samples (default: 0)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--output", type=Path, help="JSON to write (default: figures/data/vgg-PRESET-SEED.json)")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint (default: _build/checkpoints/PRESET-SEED.pt)")
    return parser.parse_args(words)


def main(words=None):
    """Run the program; return its exit status."""
    chosen = arguments(words)
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print("--device cuda: no GPU is available to PyTorch here; use --device cpu", file=sys.stderr)
        return 2
    settings = replace(PRESETS[chosen.preset], seed=chosen.seed)
    name = f"{chosen.preset}-{chosen.seed}"
    output = chosen.output or Path("figures", "data", f"vgg-{name}.json")
    checkpoint = chosen.checkpoint or Path("_build", "checkpoints", f"{name}.pt")
    shares, share = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    if shares > 1:
        distributed.init_process_group("nccl" if chosen.device == "cuda" else "gloo")
    try:
        records, seconds = run(settings, chosen.device, checkpoint, share=share, shares=shares)
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"{error}\nThe last checkpoint, if there is one, is {checkpoint}", file=sys.stderr)
        return 1
    finally:
        if shares > 1:
            distributed.destroy_process_group()
    if share == 0:
        save(output, records, settings, chosen.device, seconds, shares)
    return 0


def save(output, records, settings, device, seconds, processes):
    """Write the records with their certificate."""
    results.save(
        output,
        records,
        command=f"python -m ncpaper.train --preset {settings.preset} --seed {settings.seed} --device {device}",
        settings=asdict(settings),
        seed=settings.seed,
        hardware=hardware(device),
        processes=processes,
        seconds=round(seconds, 1),
        inputs={n: fashion.FILES[n] for n in fashion.FILES if n.startswith("train")},
    )
    print(f"{output}: {len(records)} measured epochs in {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
