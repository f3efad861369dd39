"""The training program: what it computes, what it records, and what it survives."""

import copy
import hashlib
import io
import json
import math
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, reject
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from ncpaper import checkpoint, fashion, network, results, train, vgg
from tests import oracles, real, training

ROOT = Path(__file__).resolve().parents[1]
#: Seconds on one core; 300 = 4·64 + 44, so that the last batch of an epoch is a smaller one.
TINY = replace(train.PRESETS["smoke"], width=1 / 16, images=300, epochs=4, batch=64, evaluations=4, seed=3)
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["tests.test_train", "torch._dynamo"])  # imported once, for all these processes


@pytest.fixture(autouse=True, scope="module")
def the_program_is_quick():
    with pytest.MonkeyPatch.context() as patch:
        training.make_quick(patch.setattr)
        yield


@pytest.fixture(scope="module")
def data():
    real.folder()
    return train.load_data(TINY, "cpu")


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    """The checkpoint that a run of TINY leaves when nothing happens to it."""
    path = tmp_path_factory.mktemp("uninterrupted") / "run.pt"
    train.run(TINY, checkpoint=path, bar=False)
    return path


@pytest.fixture
def last_good(uninterrupted, tmp_path):
    """The path of a checkpoint of TINY after its first epoch."""
    path = tmp_path / "run.pt"
    assert in_a_fresh_process(run_and_die, path, "loss_and_errors", 8) == -signal.SIGKILL
    return path


def content(path):
    """The progress without its times, and the tensors, of a checkpoint."""
    state = checkpoint.read(path)
    progress = json.loads(state["progress"])
    momenta = [s["momentum_buffer"] for s in state["optimiser"]["state"].values()]
    return {k: progress[k] for k in ("epoch", *train.COLUMNS)}, [*state["net"].values(), *momenta]


def left_behind(folder):
    """The files in a folder but the lock of a killed process, which holds nothing."""
    return sorted(p.name for p in folder.iterdir() if p.name != ".run.pt.lock")


def assert_same_bits(path, other):
    (progress, tensors), (progress_2, tensors_2) = content(path), content(other)
    assert progress == progress_2
    assert len(tensors) == len(tensors_2) > 40
    assert all(torch.equal(a, b) for a, b in zip(tensors, tensors_2, strict=True))


def in_a_fresh_process(function, *words):
    """The exit code of ``function(*words)`` in a process of its own."""
    process = FRESH.Process(target=function, args=words)
    process.start()
    process.join()
    return process.exitcode


def run_tiny(path, settings=TINY):
    training.make_quick()
    train.run(settings, checkpoint=path, bar=False)


def at_call(number, before, function):
    """``function`` which runs ``before(*arguments)`` at the start of its call of this number."""
    calls = []

    def counting(*words):
        calls.append(words)
        if len(calls) == number:
            before(*words)
        return function(*words)

    return counting


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def write_half_and_die(path, written):
    with path.open("wb") as file:
        file.write(written[: len(written) // 2])
    die()


def run_and_die(path, place, call, settings=TINY):
    """Run; be killed at the start of a call of a function of the program, or while a checkpoint is written."""
    if place == "writing half of a checkpoint":
        Path.write_bytes = at_call(call, write_half_and_die, Path.write_bytes)
    elif place == "naming a written checkpoint":
        Path.replace = at_call(call, die, Path.replace)
    else:
        setattr(train, place, at_call(call, die, getattr(train, place)))
    run_tiny(path, settings)


def cli(*words, log):
    """The command line's exit code, with what it says written to ``log``."""
    with log.open("w") as sys.stderr:
        status = train.main([str(word) for word in words])
    sys.exit(status)


def tiny_words(folder, settings=TINY):
    words = train.command(settings, "cpu").split()[3:]
    return [*words, "--checkpoint", str(folder / "run.pt"), "--output", str(folder / "run.json")]


# Settings


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        *[(name, bad) for name in ("images", "epochs", "batch", "threads") for bad in (0, -1, 2.0, "5", True)],
        *[(name, bad) for name in ("width", "learning_rate") for bad in (0.0, -1.0, math.nan, math.inf)],
        *[("momentum", bad) for bad in (-0.1, 1.0, math.nan)],
        ("images", 60_001),
        ("evaluations", 1),
        ("seed", -1),
        ("seed", 0.5),
        ("precision", "float16"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field, bad):
    with pytest.raises(ValueError, match=f"{field}: expected"):
        replace(TINY, **{field: bad})


CHANGES = {
    "width": st.floats(1 / 16, 2),
    "images": st.integers(1, 60_000),
    "epochs": st.integers(1, 10_000),
    "seed": st.integers(0, 2**40),
    "batch": st.integers(1, 60_000),
    "learning_rate": st.floats(1e-8, 10),
    "momentum": st.floats(0, 0.999),
    "precision": st.sampled_from(["float32", "bfloat16"]),
    "evaluations": st.integers(2, 1000),
    "threads": st.integers(1, 64),
    "reading": st.sampled_from(sorted(vgg.READINGS)),
    "schedule": st.sampled_from(sorted(train.SCHEDULES)),
    "weight_decay": st.floats(0, 1),
    "fit": st.sampled_from(vgg.FITS),
}


def possible(preset, changes):
    """The settings, where the program has them: no epoch too few for a schedule, no batch of one image to normalise."""
    try:
        return replace(train.PRESETS[preset], **changes)
    except ValueError as error:
        if not str(error).startswith(("schedule: 'divided' never", "batch: expected no batch of one")):
            raise
        reject()


@hypothesis_settings(deadline=None, max_examples=50)
@given(preset=st.sampled_from(sorted(train.PRESETS)), changes=st.fixed_dictionaries({}, optional=CHANGES))
def test_the_recorded_command_gives_the_recorded_settings(preset, changes):
    settings = possible(preset, changes)
    words = vars(train.arguments(train.command(settings, "cpu").split()[3:]))
    given_fields = {f.name: words[f.name] for f in fields(settings)[1:] if words[f.name] is not None}
    assert replace(train.PRESETS[words["preset"]], **given_fields) == settings


def test_the_digest_depends_on_every_field():
    others = {"preset": "laptop", "precision": "float32", "momentum": 0.5, "weight_decay": 0.1}
    others |= {"reading": "normalised", "schedule": "divided", "fit": "resize"}
    changed = [{f.name: others.get(f.name) or getattr(TINY, f.name) * 2} for f in fields(TINY)]
    assert len({TINY.digest(), *(replace(TINY, **change).digest() for change in changed)}) == len(changed) + 1
    assert replace(TINY).digest() == TINY.digest()


@dataclass(frozen=True)
class Later(train.Settings):
    """The settings of a later version of the program, with one more."""

    dropout: float = 0.0


def test_a_setting_added_with_its_default_changes_no_digest_and_with_another_value_does():
    for settings in train.PRESETS.values():
        later = Later(**asdict(settings))
        assert later.digest() == settings.digest() != replace(later, dropout=0.5).digest()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 2**63}, "seed: expected at most 9223372036854775807, got 9223372036854775808"),
        ({"threads": 10**6}, "threads: expected at most 1024, got 1000000"),
        ({"width": 1e9}, r"width: expected at most 16, got 1000000000\.0"),
        ({"epochs": 10**12}, "epochs: expected at most 1000000, got 1000000000000"),
        ({"reading": "VGG16"}, "reading: expected one of plain, normalised, layer-peeled, got 'VGG16'"),
        ({"schedule": "cosine"}, "schedule: expected one of constant, divided, got 'cosine'"),
        ({"fit": "crop"}, "fit: expected one of pad, resize, got 'crop'"),
        ({"schedule": "divided", "epochs": 2}, "schedule: 'divided' never trains at the full learning rate in 2 < 3"),
        ({"weight_decay": -1e-4}, r"weight_decay: expected a finite number of at least 0, got -0\.0001"),
        ({"weight_decay": math.inf}, "weight_decay: expected a finite number of at least 0, got inf"),
        (
            {"reading": "normalised", "images": 129},
            "batch: expected no batch of one image.* 129 images in batches of 64",
        ),
    ],
)
def test_a_setting_that_no_run_can_have_is_refused_in_one_line_with_what_can_be(change, said):
    with pytest.raises(ValueError, match=f"^{said}[^\n]*$"):
        replace(TINY, **change)


def test_the_presets_are_of_the_sizes_that_the_caption_needs_in_every_reading():
    sizes = ("smoke", "pocket", "laptop", "many", "wide", "paper")
    assert set(train.PRESETS) == {
        f"{size}{reading}" for size in sizes for reading in ("", "-normalised", "-layer-peeled")
    }
    assert all(name == s.preset for name, s in train.PRESETS.items())
    assert all(s.reading == name.partition("-")[2] or s.reading == "plain" for name, s in train.PRESETS.items())
    assert all(s.weight_decay == 0 for s in train.PRESETS.values())
    assert {s.epochs >= 500 for name, s in train.PRESETS.items() if not name.startswith("smoke")} == {True}
    for reading in ("", "-normalised", "-layer-peeled"):
        paper, many, wide = (train.PRESETS[size + reading] for size in ("paper", "many", "wide"))
        assert (paper.width, paper.images) == (wide.width, many.images) == (1.0, 60_000)
        assert paper.epochs >= 600


# What an epoch is


def test_the_divided_rate_is_a_tenth_after_a_third_of_the_epochs_and_a_hundredth_after_two():
    settings = replace(TINY, schedule="divided", epochs=9, learning_rate=0.1)
    rates = [train.learning_rate(settings, epoch) for epoch in range(1, 10)]
    assert rates == pytest.approx([0.1] * 3 + [0.01] * 3 + [0.001] * 3, rel=1e-12)


def test_a_step_with_weight_decay_shrinks_every_parameter_beside_the_step_without(data):
    settings, decayed = replace(TINY, batch=300), replace(TINY, batch=300, weight_decay=0.5)
    (net, optimiser), (other, shrinking) = train.start(settings, "cpu"), train.start(decayed, "cpu")
    before = [p.detach().clone() for p in net.parameters()]
    train.train_epoch(net, optimiser, *data, settings, 1)
    train.train_epoch(other, shrinking, *data, decayed, 1)
    for p, q, start in zip(net.parameters(), other.parameters(), before, strict=True):
        torch.testing.assert_close(q, p - settings.learning_rate * 0.5 * start)


@pytest.mark.parametrize("reading", ["normalised", "layer-peeled"])
def test_measuring_a_normalised_network_moves_neither_its_weights_nor_its_running_statistics(data, reading):
    settings = replace(TINY, reading=reading)
    net, _ = train.start(settings, "cpu")
    before = copy.deepcopy(net.state_dict())
    rows = train.measure_all(net, data, settings, 0)
    assert set(rows) == {"measured", "before_relu", "training_mode"}
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_in_training_mode_a_sample_is_normalised_by_its_own_batch(data):
    settings = replace(TINY, reading="normalised", precision="float32")
    net, _ = train.start(settings, "cpu")
    F = train.in_training_mode(net, data.x, settings)
    for batch in train.order(settings, 0).split(settings.batch):
        with torch.no_grad():
            torch.testing.assert_close(F[batch], copy.deepcopy(net).train().before(data.x[batch]), rtol=1e-4, atol=1e-5)


@hypothesis_settings(deadline=None, max_examples=25)
@given(images=st.integers(1, 500), seed=st.integers(0, 2**32), epoch=st.integers(0, 1000))
def test_an_epoch_visits_every_sample_once(images, seed, epoch):
    order = train.order(replace(TINY, images=images, seed=seed), epoch)
    assert sorted(order.tolist()) == list(range(images))
    assert torch.equal(order, train.order(replace(TINY, images=images, seed=seed), epoch))


def test_every_epoch_and_every_seed_has_its_own_order():
    orders = {tuple(train.order(replace(TINY, seed=s), e).tolist()) for s in range(5) for e in range(5)}
    assert len(orders) == 25


@hypothesis_settings(deadline=None, max_examples=25)
@given(epochs=st.integers(1, 2000), evaluations=st.integers(2, 100))
def test_the_start_the_end_and_the_epochs_of_the_caption_are_measured(epochs, evaluations):
    at = train.epochs_to_measure(replace(TINY, epochs=epochs, evaluations=evaluations))
    assert {0, 1, epochs} | {e for e in (100, 500) if e <= epochs} <= at
    assert max(at) == epochs
    assert len(at) <= evaluations + 3  # the start and the two of the caption


def test_an_epoch_is_stochastic_gradient_descent_with_momentum_on_the_mean_loss_without_decay(data):
    settings, (x, y) = replace(TINY, precision="float32", images=100, batch=40, learning_rate=0.02), data
    (net, optimiser), rows = train.start(settings, "cpu"), []
    plain, velocity = copy.deepcopy(net), [torch.zeros_like(p) for p in net.parameters()]
    for epoch in (1, 2):
        rows.append(train.train_epoch(net, optimiser, x, y, settings, epoch))
        order, losses, wrong = train.order(settings, epoch).tolist(), [], 0
        for batch in (order[:40], order[40:80], order[80:]):
            total = [torch.zeros_like(p) for p in plain.parameters()]
            for i in batch:  # one sample at a time
                _, z = plain(x[i : i + 1])
                loss = torch.logsumexp(z[0], 0) - z[0, y[i]]
                total = [t + g for t, g in zip(total, torch.autograd.grad(loss, plain.parameters()), strict=True)]
                losses.append(loss.item())
                wrong += int(z[0].argmax() != y[i])
            with torch.no_grad():
                velocity = [0.9 * v + t / len(batch) for v, t in zip(velocity, total, strict=True)]
                for p, v in zip(plain.parameters(), velocity, strict=True):
                    p -= 0.02 * v
        assert rows[-1]["mean_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert rows[-1]["errors"] == wrong
    for p, q in zip(net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)  # roundoff 6e-8 in sums of another order, six steps


@pytest.mark.parametrize("reading", vgg.READINGS)
def test_an_epoch_is_that_of_the_plain_recipe(data, reading):
    """DataLoader, one image at a time, the default layout, rectified before it is pooled: the opponent of the bench."""
    settings, pixels = replace(TINY, precision="float32", reading=reading), fashion.load("train")[0][: TINY.images]
    net, optimiser = train.start(settings, "cpu")
    plain = oracles.plain_network(settings.width, settings.seed, reading)
    plain_optimiser = torch.optim.SGD(plain.parameters(), settings.learning_rate, settings.momentum)
    images = oracles.OneImageAtATime(pixels, data.y.numpy())
    for epoch in (1, 2) if reading == "plain" else (1,):  # normalising by few values magnifies roundoff
        ours = train.train_epoch(net, optimiser, *data, settings, epoch)["mean_loss"]
        order = train.order(settings, epoch).tolist()
        theirs = oracles.plain_epoch(plain, plain_optimiser, images, order, settings.batch)
        assert ours == pytest.approx(theirs, rel=1e-4 if reading == "plain" else 1e-2)  # roundoff 6e-8, ten steps


def test_bfloat16_changes_the_loss_by_its_rounding_only(data):
    x, y = data
    net = vgg.VGG13(TINY.width)
    exact, coarse = (train.loss_and_errors(net, x, y, p)[0].item() for p in ("float32", "bfloat16"))
    assert exact != coarse
    assert coarse == pytest.approx(exact, rel=2**-8 * 11)  # eight bits, eleven layers


# What is recorded


def mean_of(pairs):
    return float(np.mean(list(pairs)))


def cosines(vectors):
    """The mean over pairs of different rows of |cos + 1/9|."""
    U = [v / np.sqrt(np.sum(v**2)) for v in vectors]
    return mean_of(abs(np.sum(U[k] * U[j]) + 1 / 9) for k in range(10) for j in range(10) if j != k)


def variation(vectors):
    norms = [np.sqrt(np.sum(v**2)) for v in vectors]
    return np.std(norms) / np.mean(norms)


def distance(A, B):
    return mean_of(np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b)) for a, b in zip(A, B, strict=True))


def test_a_measurement_is_that_of_the_definitions_one_sample_at_a_time(data):
    x, y = (part[:60] for part in data)
    net = vgg.VGG13(TINY.width, seed=1)
    with torch.no_grad():
        net.classifier.bias.copy_(torch.linspace(-0.5, 0.5, 10))
        exact = copy.deepcopy(net).double()
        H, Z = (part.numpy() for part in exact(x.double()))  # (N, d), (N, K)
        losses = [float(cross_entropy(torch.tensor(z)[None], k[None])) for z, k in zip(Z, y, strict=True)]
    W, b, y_ = *(p.detach().numpy() for p in exact.classifier.parameters()), y.numpy()
    means = np.array([np.mean([h for h, k in zip(H, y_, strict=True) if k == c], axis=0) for c in range(10)])
    nearest = [np.argmin([np.linalg.norm(h - m) for m in means]) for h in H]
    margin = min(z[k] - max(z[j] for j in range(10) if j != k) for z, k in zip(Z, y_, strict=True))
    bare = min(z[k] - max(z[j] for j in range(10) if j != k) for z, k in zip(Z - b, y_, strict=True))
    squares = np.sum(W**2) + np.sum(H**2)
    within = np.mean([np.linalg.norm(h - means[k]) for h, k in zip(H, y_, strict=True)])
    expected = {
        "errors": np.sum(Z.argmax(axis=1) != y_),
        "accuracy": np.mean(Z.argmax(axis=1) == y_),
        "loss": np.sum(losses),
        "mean_loss": np.mean(losses),
        "margin": margin,
        "normalized_margin": margin / squares,
        "margin_without_bias": bare,
        "normalized_margin_without_bias": bare / squares,
        "nc4_agreement": np.mean(Z.argmax(axis=1) == nearest),
        "within_class_variation": within / np.mean([np.linalg.norm(h - H.mean(axis=0)) for h in H]),
        "class_mean_norms": variation(means - H.mean(axis=0)),
        "classifier_norms": variation(W),
        "centred_classifier_norms": variation(W - W.mean(axis=0)),
        "class_mean_cosines": cosines(means),
        "centred_class_mean_cosines": cosines(means - H.mean(axis=0)),
        "classifier_cosines": cosines(W),
        "centred_classifier_cosines": cosines(W - W.mean(axis=0)),
        "self_duality_distance": distance(means - H.mean(axis=0), W),
        "centred_self_duality_distance": distance(means - H.mean(axis=0), W - W.mean(axis=0)),
        "mean_classifier_floor": np.linalg.norm(W.mean(axis=0)) / np.mean([np.linalg.norm(w) for w in W]),
        "norm_W": np.sqrt(np.sum(W**2)),
        "norm_H": np.sqrt(np.sum(H**2)),
        "norm_b": np.sqrt(np.sum(b**2)),
    }
    measured = train.measure(net, x, y)
    assert measured == pytest.approx(expected, rel=1e-4)  # features are float32


@hypothesis_settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), d=st.integers(3, 60), scale=st.sampled_from([1e-3, 1.0]))
def test_a_condensed_point_has_the_measures_of_the_whole_one(seed, d, scale):
    """Within classes of any sizes, spread widely or hardly, in more dimensions than it keeps or in fewer."""
    rng = np.random.default_rng(seed)
    K, y = 3, np.repeat(np.arange(3), rng.integers(1, 9, 3))
    W, H = rng.standard_normal((K, d)), rng.standard_normal((d, K))[:, y] + scale * rng.standard_normal((d, y.size))
    condensed = train.condense(W, torch.tensor(H.T), y, block=4)
    assert len(condensed[1]) <= 2 * K
    np.testing.assert_allclose(condensed[0] @ condensed[1], W @ H, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.sum(condensed[1] ** 2, axis=0) + condensed[2] ** 2, np.sum(H**2, axis=0), rtol=1e-12)
    point = train.twins(*condensed, y)
    for name, quantity in train.GEOMETRY.items():
        assert quantity(*point) == pytest.approx(quantity(W, H, y), rel=1e-9, abs=1e-9), name


def test_a_measure_that_a_point_does_not_have_is_none():
    H = np.array([[1.0, 1.0, 0.0, 0.0]])  # the second class mean is zero
    point = np.array([[1.0], [-1.0]]), H, np.array([0, 0, 1, 1])
    assert train.value(train.GEOMETRY["class_mean_cosines"], *point) is None
    assert train.value(train.GEOMETRY["norm_W"], *point) == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize(
    "name", ["vgg-laptop-0", "vgg-pocket-1", "vgg-pocket-batch=32-0", "vgg-pocket-precision=bfloat16-0"]
)
def test_a_record_made_before_there_were_readings_keeps_its_meaning_and_its_name(name):
    settings = train.Settings(**results.load(results.RECORDED / f"{name}.json")[1]["settings"])
    assert (settings.reading, settings.schedule, settings.weight_decay, settings.fit) == ("plain", "constant", 0, "pad")
    assert settings.name() == name


def test_a_record_made_before_there_were_readings_starts_as_a_run_does_today():
    real.folder()
    recorded, made = results.load(results.RECORDED / "vgg-pocket-1.json")
    settings = train.Settings(**made["settings"])
    measured = train.measure(train.start(settings, "cpu")[0], *train.load_data(settings, "cpu"))
    for name, column in recorded["measured"].items():
        if name != "epoch":
            assert measured[name] == pytest.approx(column[0], rel=1e-4, abs=1e-6), name  # features are float32


def test_a_network_that_is_switched_off_is_recorded_as_that(data, tmp_path, monkeypatch):
    def switch_off(net, *words, plain=train.train_epoch):
        row = plain(net, *words)
        with torch.no_grad():
            net.features[0].bias.fill_(-1e6)
        return row

    monkeypatch.setattr(train, "train_epoch", switch_off)
    assert train.main(tiny_words(tmp_path)) == 1
    recorded, made = results.load(tmp_path / "run.json")
    assert "the features of all images are equal" in made["ended"]
    assert recorded["measured"]["epoch"] == [0]


def test_everything_the_chapter_draws_is_measured(uninterrupted):
    progress, _ = content(uninterrupted)
    panels = ["class_mean_norms", "classifier_norms", "within_class_variation", "class_mean_cosines"]
    panels += ["classifier_cosines", "self_duality_distance", "centred_classifier_norms"]
    panels += ["centred_class_mean_cosines", "centred_classifier_cosines", "centred_self_duality_distance"]
    assert set(panels) <= set(progress["measured"])
    assert set(train.GEOMETRY) | set(train.DECISIONS) <= set(progress["measured"])
    assert {f"test_{name}" for name in ("accuracy", "errors", "mean_loss")} <= set(progress["measured"])
    assert {"epoch", *train.HEADLINE} == set(progress["before_relu"])
    assert progress["training_mode"] == {}  # it is evaluation mode where nothing is normalised
    assert {len(column) for part in ("measured", "before_relu") for column in progress[part].values()} == {5}
    assert progress["measured"]["epoch"] == [0, 1, 2, 3, 4]
    assert progress["training"]["epoch"] == [1, 2, 3, 4]


def test_between_checkpoints_at_least_the_pause_goes_by_and_the_last_epoch_has_one(data, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(train, "PAUSE", 1e6)
    monkeypatch.setattr(train, "save_checkpoint", lambda path, s, n, o, progress: saved.append(progress["epoch"]))
    train.run(TINY, checkpoint=tmp_path / "run.pt", bar=False)
    assert saved == [0, TINY.epochs]


def test_measuring_does_not_disturb_the_training(data):
    often, seldom = (train.run(replace(TINY, evaluations=e), bar=False) for e in (4, 2))
    assert often["training"] == seldom["training"]
    assert len(often["measured"]["epoch"]) > len(seldom["measured"]["epoch"])


def test_the_paper_preset_can_be_rehearsed_on_a_processor(data, tmp_path):
    """Full width, 60,000 images replaced by sixty, one epoch: as many parameters as the formula says are kept."""
    rehearsal = replace(train.PRESETS["paper"], images=60, epochs=1, batch=30)
    assert train.main(tiny_words(tmp_path, rehearsal)) == 0
    recorded, made = results.load(tmp_path / "run.json")
    assert (made["settings"]["width"], recorded["measured"]["epoch"]) == (1.0, [0, 1])
    state = checkpoint.read(tmp_path / "run.pt")["net"]
    assert sum(p.numel() for p in state.values()) == vgg.parameter_count(1.0)


def test_the_smoke_preset_writes_a_record_that_says_how_it_was_made(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train.main(["--preset", "smoke", "--seed", "1", "--learning-rate", "0.02"]) == 0
    recorded, made = results.load("figures/data/vgg-smoke-learning_rate=0.02-1.json")
    settings = replace(train.PRESETS["smoke"], seed=1, learning_rate=0.02)
    assert made["settings"] == asdict(settings)
    assert made["command"] == train.command(settings, "cpu")
    assert made["inputs"] == fashion.FILES
    assert (made["checked"], made["complete"], made["epochs_reached"], made["ended"]) == (True, True, 3, None)
    assert 0 < made["seconds_measuring"] < made["seconds"]
    assert (made["processes"], made["seed"]) == (1, 1)
    assert made["made_by"] == [train.maker()]
    assert sum(recorded["class_sizes"]) == 500
    assert recorded["training"]["epoch"] == [1, 2, 3]
    assert recorded["measured"]["epoch"] == [0, 1, 2, 3]


# What it survives: SIGKILL


@pytest.mark.parametrize(
    ("place", "call"),
    [
        ("measure_all", 1),  # before the first checkpoint
        ("loss_and_errors", 8),  # within the second epoch
        ("measure_all", 4),  # after the third epoch
        ("save_checkpoint", 5),  # after the last one
        ("writing half of a checkpoint", 1),
        ("writing half of a checkpoint", 3),
        ("naming a written checkpoint", 4),
    ],
)
def test_a_run_killed_and_started_again_is_the_uninterrupted_one_bit_for_bit(uninterrupted, tmp_path, place, call):
    path = tmp_path / "run.pt"
    assert in_a_fresh_process(run_and_die, path, place, call) == -signal.SIGKILL
    assert in_a_fresh_process(run_tiny, path) == 0
    assert_same_bits(path, uninterrupted)
    assert left_behind(tmp_path) == ["run.pt"]


#: Batch normalisation has running statistics, and a schedule its place in it, which the continued run must find again.
NORMALISED = replace(TINY, reading="normalised", schedule="divided", epochs=6, fit="resize", weight_decay=1e-4)


def test_a_normalised_run_killed_at_any_moments_is_the_uninterrupted_one_bit_for_bit(data, tmp_path):
    train.run(NORMALISED, checkpoint=tmp_path / "calm.pt", bar=False)
    rng, kills, status = np.random.default_rng(), 0, None
    while status != 0:
        process = FRESH.Process(target=run_tiny, args=(tmp_path / "run.pt", NORMALISED))
        process.start()
        process.join(rng.uniform(0, 0.5 * (1 + kills)))  # more and more time, so that it comes to an end
        process.kill()
        process.join()
        kills, status = kills + (process.exitcode == -signal.SIGKILL), process.exitcode
    assert kills > 0
    assert_same_bits(tmp_path / "run.pt", tmp_path / "calm.pt")


@hypothesis_settings(deadline=None, max_examples=2)
@given(call=st.integers(2, 25))
def test_a_run_that_is_asked_to_stop_continues_bit_for_bit(uninterrupted, tmp_path_factory, call):
    path, asked = tmp_path_factory.mktemp("asked") / "run.pt", iter(range(10**6))
    with pytest.raises(train.Stopped):
        train.run(TINY, checkpoint=path, bar=False, stop=lambda: next(asked) >= call - 1)
    assert content(path)[0]["epoch"] < TINY.epochs
    train.run(TINY, checkpoint=path, bar=False)
    assert_same_bits(path, uninterrupted)


def quick_cli(words, log):
    training.make_quick()
    cli(*words, log=log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_stopped_by_a_signal_says_how_to_go_on_and_its_record_so_far_that_it_is_a_part(data, tmp_path, number):
    settings, log = replace(TINY, epochs=5000), tmp_path / "log"
    process = FRESH.Process(target=quick_cli, args=(tiny_words(tmp_path, settings), log))
    process.start()
    while process.is_alive() and not (tmp_path / "run.pt").exists():
        time.sleep(0.01)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 128 + number
    epoch = content(tmp_path / "run.pt")[0]["epoch"]
    assert f"stopped after epoch {epoch}, start again to continue" in log.read_text()
    assert not (tmp_path / "run.json").exists()
    assert train.main([*tiny_words(tmp_path, settings), "--record-so-far"]) == 0
    recorded, made = results.load(tmp_path / "run.json")
    assert (made["complete"], made["epochs_reached"], made["ended"]) == (False, epoch, None)
    assert made["command"] == train.command(settings, "cpu")  # it continues it
    assert recorded["training"].get("epoch", []) == list(range(1, epoch + 1))


def test_the_command_line_killed_from_outside_continues_and_records_the_same(data, tmp_path):
    settings, folders = replace(TINY, epochs=12), [tmp_path / "calm", tmp_path / "killed"]
    assert train.main(tiny_words(folders[0], settings)) == 0
    words = [sys.executable, "-m", "tests.training", *tiny_words(folders[1], settings)]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (folders[1] / "run.pt").exists():
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert content(folders[1] / "run.pt")[0]["epoch"] < 12
    assert train.main(tiny_words(folders[1], settings)) == 0
    assert_same_bits(*(folder / "run.pt" for folder in folders))
    (calm, made), (killed, made_2) = (results.load(folder / "run.json") for folder in folders)
    assert calm == killed
    assert made["settings"] == made_2["settings"]


def test_features_of_a_checkpoint_are_written_as_the_network_makes_them(data, uninterrupted, tmp_path, capsys):
    shutil.copy(uninterrupted, tmp_path / "run.pt")
    assert train.main([*tiny_words(tmp_path), "--features", "2", "--output", str(tmp_path / "f.npz")]) == 0
    found = np.load(tmp_path / "f.npz")
    net, optimiser = train.start(TINY, "cpu")
    train.load_checkpoint(tmp_path / "run.pt", TINY, net, optimiser)
    y = found["labels"]
    assert y.tolist() == [k for k in range(10) for _ in range(2)]
    x, labels = train.load_data(TINY, "cpu")
    first = [np.flatnonzero(labels.numpy() == k)[i] for k in range(10) for i in range(2)]
    with torch.no_grad():
        assert np.allclose(
            found["features"] @ found["classifier"].T + found["bias"], net.eval()(x[first])[1], atol=1e-5
        )
    about = json.loads(found["about"].item())
    assert (about["epochs_reached"], about["settings"]["seed"]) == (TINY.epochs, TINY.seed)
    assert network.measure(found["classifier"], found["features"], y, found["bias"])
    assert train.main([*tiny_words(tmp_path), "--features", "10000"]) == 1
    assert "features: expected 1 to " in capsys.readouterr().err


def test_a_run_continued_by_other_sources_says_so(last_good, monkeypatch):
    first, other = train.maker(), train.maker() | {"sources": "0" * 64}
    monkeypatch.setattr(train, "maker", lambda device: other)
    assert train.run(TINY, checkpoint=last_good, bar=False)["made_by"] == [first, other]


def test_a_finished_run_started_again_trains_no_more(uninterrupted, monkeypatch):
    monkeypatch.setattr(train, "train_epoch", lambda *_: pytest.fail("trained again"))
    progress = train.run(TINY, checkpoint=uninterrupted, bar=False)
    assert progress["epoch"] == TINY.epochs


# What it survives: numbers that are not finite, a full disk, no GPU


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(last_good, monkeypatch):
    def broken(*words, plain=train.loss_and_errors):
        loss, errors = plain(*words)
        return loss * math.nan, errors

    before = last_good.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(train, "loss_and_errors", broken)
        ended = train.run(TINY, checkpoint=last_good, bar=False)["ended"]
    assert ended == "the loss is not finite in epoch 2: try a smaller learning_rate"
    assert last_good.read_bytes() == before
    assert content(last_good)[0]["epoch"] == 1


def test_weights_that_the_last_step_makes_infinite_are_not_kept(data, tmp_path):
    settings = replace(TINY, batch=300, learning_rate=3e38)
    assert "not finite in epoch 1" in train.run(settings, checkpoint=tmp_path / "run.pt", bar=False)["ended"]
    assert all(torch.isfinite(t).all() for t in content(tmp_path / "run.pt")[1])


def test_a_network_whose_features_do_not_tell_images_apart_is_not_measured(data):
    x, y = data
    net = vgg.VGG13(TINY.width)
    with torch.no_grad():
        net.features[0].bias.fill_(-1e6)  # every unit of the first layer is off
    with pytest.raises(FloatingPointError, match="features of all images are equal: try a smaller learning_rate"):
        train.measure(net, x, y)


def test_a_learning_rate_too_large_is_reported_by_the_command_line(data, tmp_path, capsys):
    assert train.main(tiny_words(tmp_path, replace(TINY, learning_rate=1e30))) == 1
    said = capsys.readouterr().err
    assert "error: the loss is not finite in epoch 1: try a smaller learning_rate" in said
    assert f"The last checkpoint is kept: {tmp_path / 'run.pt'}" in said
    recorded, made = results.load(tmp_path / "run.json")  # how far it came, and why no farther
    assert (recorded["measured"]["epoch"], made["epochs_reached"], made["complete"]) == ([0], 0, False)
    assert made["ended"] == "the loss is not finite in epoch 1: try a smaller learning_rate"


def cli_with_little_room(words, log):
    """The command line; from its third checkpoint on the kernel refuses to write more than 1000 bytes to any file."""
    import resource

    def no_room(*_):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    training.make_quick()
    train.save_checkpoint = at_call(3, no_room, train.save_checkpoint)
    cli(*words, log=log)


def test_where_a_checkpoint_cannot_be_written_the_last_one_is_kept_and_continued(uninterrupted, tmp_path):
    pytest.importorskip("resource")
    folder, log = tmp_path / "run", tmp_path / "log"
    assert in_a_fresh_process(cli_with_little_room, tiny_words(folder), log) == 1
    assert re.search(r"error: .*File too large: '.*run\.pt'", log.read_text())
    assert f"The last checkpoint is kept: {folder / 'run.pt'}" in log.read_text()
    assert left_behind(folder) == ["run.pt"]
    assert content(folder / "run.pt")[0]["epoch"] == 1
    assert in_a_fresh_process(run_tiny, folder / "run.pt") == 0
    assert_same_bits(folder / "run.pt", uninterrupted)


def test_without_a_gpu_cuda_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train.main(["--device", "cuda", "--checkpoint", str(tmp_path / "run.pt")]) == 1
    assert capsys.readouterr().err == "error: device: expected a GPU for 'cuda', and PyTorch finds none here; " + (
        "use --device cpu\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["--seed", "9" * 30], ["--threads", "9" * 9], ["--width", "1e300"], ["--batch", "0"]]
)
def test_a_number_out_of_reach_on_the_command_line_is_refused_in_one_line(capsys, words):
    assert train.main(words) == 1
    assert re.fullmatch(rf"error: {words[0][2:]}: expected [^\n]*\n", capsys.readouterr().err)


def test_memory_that_is_not_there_is_reported_in_one_line(data, tmp_path, capsys, monkeypatch):
    def much(*_):
        return torch.empty(2**60)  # refused by the allocator

    monkeypatch.setattr(train, "start", much)
    assert train.main(tiny_words(tmp_path)) == 1
    assert re.fullmatch(
        r"error: out of memory, [^\n]*; free some, or use a smaller width, then start again\n",
        (capsys.readouterr().err),
    )


def test_a_wrong_setting_on_the_command_line_is_named(capsys):
    assert train.main(["--epochs", "0"]) == 1
    assert capsys.readouterr().err.startswith("error: epochs: expected an integer of at least 1, got 0")


# Checkpoints that are not ours


@pytest.mark.parametrize("change", [{"seed": 4}, {"learning_rate": 0.02}, {"epochs": 5}, {"precision": "float32"}])
def test_a_checkpoint_of_other_settings_is_refused_and_kept(uninterrupted, change):
    before = uninterrupted.read_bytes()
    with pytest.raises(ValueError, match="expected a checkpoint of the same settings") as error:
        train.run(replace(TINY, **change), checkpoint=uninterrupted, bar=False)
    assert str(uninterrupted) in str(error.value)
    assert uninterrupted.read_bytes() == before


class Attack:
    """An object whose pickle makes a folder when it is loaded."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("way", ["pickle", "torch", "torch within a checkpoint"])
def test_code_in_a_checkpoint_is_not_executed(uninterrupted, tmp_path, way):
    path, mark = tmp_path / "run.pt", tmp_path / "executed"
    if way == "pickle":
        path.write_bytes(pickle.dumps({"digest": TINY.digest(), "progress": Attack(mark)}, protocol=2))
    else:
        state = checkpoint.read(uninterrupted) if way.endswith("checkpoint") else {}
        torch.save({**state, "digest": TINY.digest(), "progress": Attack(mark)}, path)
    harmful = path.read_bytes()
    if way.endswith("checkpoint"):  # in the form of one, with the digest of its content
        head = b"%s %s\n" % (checkpoint.HEAD, hashlib.sha256(harmful).hexdigest().encode())
        path.write_bytes(head + harmful)
    with pytest.raises(ValueError, match="expected a checkpoint"):
        train.run(TINY, checkpoint=path, bar=False)
    assert not mark.exists()
    torch.load(io.BytesIO(harmful), weights_only=False) if way != "pickle" else pickle.loads(harmful)
    assert mark.exists()  # it is a real attack


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_damaged_checkpoint_is_refused_by_name(uninterrupted, tmp_path, share):
    whole = uninterrupted.read_bytes()
    path = tmp_path / "run.pt"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"run\.pt: expected a checkpoint [^\n]*; delete it to start again$"):
        train.run(TINY, checkpoint=path, bar=False)


@hypothesis_settings(deadline=None, max_examples=30)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_checkpoint_with_a_flipped_bit_is_refused_by_name(uninterrupted, tmp_path_factory, place, bit):
    path, damaged = tmp_path_factory.getbasetemp() / "flipped.pt", bytearray(uninterrupted.read_bytes())
    damaged[int(place * len(damaged))] ^= 1 << bit
    path.write_bytes(damaged)
    with pytest.raises(
        ValueError, match=r"^[^\n]*flipped\.pt: expected a checkpoint [^\n]*; delete it to start again$"
    ):
        train.read_checkpoint(path, TINY)


WRONG = {
    "no weights": lambda state: state.pop("net"),
    "no progress": lambda state: state.pop("progress"),
    "no settings": lambda state: state.pop("settings"),
    "a weight too few": lambda state: state["net"].pop("classifier.bias"),
    "a weight of another shape": lambda state: state["net"].update({"classifier.bias": torch.zeros(9)}),
    "a weight that is not finite": lambda state: state["net"]["classifier.bias"].fill_(math.nan),
    "a momentum of another shape": lambda state: state["optimiser"]["state"][0].update(momentum_buffer=torch.zeros(1)),
    "a momentum too few": lambda state: state["optimiser"]["state"].popitem(),
    "a momentum that is not finite": lambda state: state["optimiser"]["state"][0]["momentum_buffer"].fill_(math.inf),
    "progress that is a list": lambda state: state.update(progress="[]"),
    "progress without its epoch": lambda state: state.update(progress="{}"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_checkpoint_of_the_right_settings_with_wrong_content_is_refused_by_name(uninterrupted, tmp_path, wrong):
    state, path = checkpoint.read(uninterrupted), tmp_path / "run.pt"
    WRONG[wrong](state)
    checkpoint.write(path, state)
    with pytest.raises(ValueError, match=r"^[^\n]*run\.pt: [^\n]*; delete it to start again$"):
        train.load_checkpoint(path, TINY, *train.start(TINY, "cpu"))


# One process at a time


def test_a_checkpoint_that_has_lost_all_momenta_is_refused(uninterrupted, tmp_path):
    state = checkpoint.read(uninterrupted)
    checkpoint.write(tmp_path / "run.pt", state | {"optimiser": state["optimiser"] | {"state": {}}})
    with pytest.raises(ValueError, match=r"run\.pt: .*a momentum of the shape of each parameter"):
        train.run(TINY, checkpoint=tmp_path / "run.pt", bar=False)


def test_a_second_process_on_a_run_is_refused_and_told_who_is_first_and_since_when(data, tmp_path, capsys):
    with checkpoint.lock(tmp_path / "run.pt"):
        assert train.main(tiny_words(tmp_path)) == 1
    who = rf"process {os.getpid()} on [^\n]+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    said = capsys.readouterr().err
    assert re.fullmatch(rf"error: [^\n]*run\.pt: expected no other process on this run, {who} is; [^\n]*\n", said)
    assert list(tmp_path.iterdir()) == []


def take_and_die(path):
    with checkpoint.lock(path):
        die()


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    assert in_a_fresh_process(take_and_die, tmp_path / "run.pt") == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == [".run.pt.lock"]
    with checkpoint.lock(tmp_path / "run.pt"):
        assert f"process {os.getpid()} on" in (tmp_path / ".run.pt.lock").read_text()
    assert list(tmp_path.iterdir()) == []


# Several processes


#: The last batch of an epoch has one sample, 257 = 4·64 + 1: the second process has nothing to do there. With a small
#: learning rate roundoff grows little in fifteen steps.
SHARED = replace(TINY, precision="float32", images=257, learning_rate=0.001, epochs=3)
#: With batch normalisation roundoff grows to 1e-2 in fifteen steps (one process with the samples within each batch in
#: reverse order), so there are two steps here, the second by two processes.
SHARED_NORMALISED = replace(SHARED, reading="normalised", batch=300, images=300, epochs=2)
#: Roundoff alone is 6e-8 and stays below 1e-6; a unit or a maximum that it switches changes measures by up to 2e-4 (one
#: process with the samples within each batch in reverse order). A gradient shared wrongly changes the second digit.
ROUNDOFF = 1e-3


def normalise_a_share(rank, folder):
    """In one of two processes: the layer on a share of a batch; its running statistics and gradients go to a file."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    x, g = torch.load(folder / "batch.pt")
    x = x[rank::2].clone().requires_grad_()
    layer = vgg.Normalisation(x.shape[1]).train()
    h = layer(x)
    (h * g[rank::2]).sum().backward()
    torch.save([h.detach(), x.grad, layer.weight.grad, layer.bias.grad, *layer.buffers()], folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("shape", [(14, 3), (7, 3, 4, 4)], ids=str)
def test_the_layer_shared_by_two_processes_is_that_of_pytorch_on_the_whole_batch(tmp_path, shape):
    """Shares of equal and of different sizes; the gradients of the parameters are those of the shares, to be summed."""
    generator = torch.Generator().manual_seed(0)
    x, g = 3 + 2 * torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
    torch.save([x, g], tmp_path / "batch.pt")
    both = [FRESH.Process(target=normalise_a_share, args=(rank, tmp_path)) for rank in (0, 1)]
    [process.start() for process in both]
    [process.join() for process in both]
    shares = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    x.requires_grad_()
    whole = (torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d)(3).train()
    h = whole(x)
    (h * g).sum().backward()
    for rank, (mine, gradient, *_, mean, variance, _) in enumerate(shares):
        torch.testing.assert_close(mine, h[rank::2].detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gradient, x.grad[rank::2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close([mean, variance], [whole.running_mean, whole.running_var], rtol=1e-4, atol=1e-5)
    for i, parameter in ((2, whole.weight), (3, whole.bias)):
        torch.testing.assert_close(shares[0][i] + shares[1][i], parameter.grad, rtol=1e-4, atol=1e-5)


def by_torchrun(words, folder):
    """Two processes as a user starts them."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "tests.training", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr


def one_of_two(rank, port, words, log):
    """The command line with the variables that ``torchrun`` gives to a process."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(address, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2")
    training.make_quick()
    cli(*words, log=log)


def by_forks(words, folder):
    """Two processes that need not import PyTorch again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logs = [folder / f"{rank}.log" for rank in (0, 1)]
    both = [FRESH.Process(target=one_of_two, args=(rank, port, words, logs[rank])) for rank in (0, 1)]
    [process.start() for process in both]
    [process.join() for process in both]
    assert [process.exitcode for process in both] == [0, 0], [log.read_text() for log in logs]


@pytest.mark.parametrize(
    ("settings", "start"),
    [(SHARED, by_torchrun), (SHARED_NORMALISED, by_forks)],
    ids=lambda given: getattr(given, "reading", None) or given.__name__.replace("_", " "),
)
def test_two_processes_continue_one_with_the_same_measures(data, tmp_path, settings, start):
    one = train.run(settings, bar=False)
    path = tmp_path / "run.pt"
    assert (
        in_a_fresh_process(run_and_die, path, "loss_and_errors", 8 if settings is SHARED else 2, settings)
        == -signal.SIGKILL
    )
    start(tiny_words(tmp_path, settings), tmp_path)
    two, made = results.load(tmp_path / "run.json")
    assert made["processes"] == 2
    one_sample = {"errors": 1, "accuracy": 1 / 257, "nc4_agreement": 1 / 257}
    one_sample |= {"test_errors": 1, "test_accuracy": 1 / training.TEST_IMAGES}
    for part in train.COLUMNS:
        assert two[part].keys() == one[part].keys()
        for name in one[part]:
            room = 1.01 * one_sample.get(name, 0)
            assert two[part][name] == pytest.approx(one[part][name], rel=ROUNDOFF, abs=room), name
