"""VGG-13: its layers, its sizes, its initialisation, and its input."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ncpaper import vgg

WIDTHS = st.sampled_from([1 / 64, 1 / 32, 1 / 16, 0.1, 1 / 8, 0.3])
quickly = settings(deadline=None, max_examples=12)


def batch(size=3, seed=0):
    return torch.randn(size, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


def layers(net, kind):
    return [layer for layer in net.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize("width", [1.0, 0.25, 0.1])
@pytest.mark.parametrize("classes", [2, 10])
def test_parameters_are_as_many_as_the_formula_says(width, classes):
    net = vgg.VGG13(width, classes)
    assert sum(p.numel() for p in net.parameters()) == vgg.parameter_count(width, classes)


CHANNELS = [1, 64, 64, 128, 128, 256, 256, 512, 512, 512, 512]
CONVOLUTIONS = list(pairwise(CHANNELS))
COUNTS = {  # in words: 9 weights for each pair of channels, then a bias each, or a scale and a shift; then what is dense
    "plain": sum(9 * a * b + b for a, b in CONVOLUTIONS) + 512 * 10 + 10,
    "normalised": sum(9 * a * b + 2 * b for a, b in CONVOLUTIONS) + 512 * 10 + 10,
    "layer-peeled": sum(9 * a * b + 2 * b for a, b in CONVOLUTIONS)
    + (512 * 4096 + 2 * 4096)
    + (4096 * 4096 + 2 * 4096)
    + (4096 * 10 + 10),
}


@pytest.mark.parametrize("reading", vgg.READINGS)
def test_every_reading_has_as_many_parameters_as_its_words_say(reading):
    assert vgg.parameter_count(reading=reading) == COUNTS[reading]
    for width in (1 / 64, 0.1):
        net = vgg.VGG13(width, reading=reading)
        assert sum(p.numel() for p in net.parameters()) == vgg.parameter_count(width, reading=reading)


@pytest.mark.parametrize("reading", vgg.READINGS)
def test_features_are_signed_before_the_last_rectifier_and_not_negative_after_it(reading):
    net, x = vgg.VGG13(1 / 16, reading=reading), batch(8)
    before, (after, _) = net.before(x), net(x)
    assert before.min() < 0 < before.max()
    assert torch.equal(after, before.clamp(min=0))


def test_an_unknown_reading_or_fit_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="reading: expected one of plain, normalised, layer-peeled, got 'VGG16'"):
        vgg.VGG13(reading="VGG16")
    with pytest.raises(ValueError, match="fit: expected one of pad, resize, got 'crop'"):
        vgg.images(np.zeros((1, 28, 28), dtype=np.uint8), fit="crop")


def test_normalised_layers_have_mean_zero_and_deviation_one_over_the_batch():
    layer, x = vgg.Normalisation(6), 3 + 2 * torch.randn(40, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    h = layer.train()(x).transpose(0, 1).flatten(1)  # (C, B·…)
    torch.testing.assert_close(h.mean(dim=1), torch.zeros(6), rtol=0, atol=1e-5)
    torch.testing.assert_close(h.std(dim=1, correction=0), torch.ones(6), rtol=0, atol=1e-4)


def test_with_the_head_and_the_colours_of_the_original_the_parameters_are_the_133_million_of_its_table():
    features = vgg.parameter_count(classes=10) - (512 * 10 + 10)
    colours = 9 * 2 * 64
    head = (25088 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 1000 + 1000)
    assert round((features + colours + head) / 1e6) == 133


def test_the_layers_are_those_of_configuration_b():
    net = vgg.VGG13(1 / 32)
    pattern = ["C" if isinstance(layer, nn.Conv2d) else "P" for layer in layers(net, (nn.Conv2d, nn.MaxPool2d))]
    assert "".join(pattern) == "CCPCCPCCPCCPCCP"
    assert all(c.kernel_size == (3, 3) and c.padding == (1, 1) and c.stride == (1, 1) for c in layers(net, nn.Conv2d))
    assert len(layers(net, nn.ReLU)) == 10
    assert len(layers(net, nn.Linear)) == 1


@quickly
@given(width=WIDTHS, seed=st.integers(0, 2**31))
def test_rectifying_after_the_pooling_is_the_same_map_with_the_same_gradient(width, seed):
    """Against the order of the original, every convolution rectified before it is pooled."""
    net, x = vgg.VGG13(width, seed=seed), batch(seed=seed)
    convolutions, h = iter(layers(net, nn.Conv2d)), x
    for c in vgg.CONFIGURATION_B:
        h = torch.relu(next(convolutions)(h)) if c else torch.max_pool2d(h, 2)
    features, _ = net(x)
    assert torch.equal(features, h.flatten(1))
    ours, original = (torch.autograd.grad((f**2).sum(), [*net.features.parameters()]) for f in (features, h.flatten(1)))
    assert all(torch.equal(g, o) for g, o in zip(ours, original, strict=True))


@quickly
@given(width=WIDTHS, size=st.integers(1, 5), classes=st.integers(2, 12))
def test_the_width_multiplies_the_features(width, size, classes):
    features, logits = vgg.VGG13(width, classes)(batch(size))
    assert features.shape == (size, round(512 * width))
    assert logits.shape == (size, classes)


@quickly
@given(width=WIDTHS, seed=st.integers(0, 2**31))
def test_the_logits_are_affine_in_features_that_are_not_negative(width, seed):
    net = vgg.VGG13(width, seed=seed)
    features, logits = net(batch(seed=seed))
    assert (features >= 0).all()
    torch.testing.assert_close(logits, features @ net.classifier.weight.T + net.classifier.bias)


def test_images_of_28_pixels_do_not_survive_five_poolings():
    with pytest.raises(RuntimeError, match="too small"):
        vgg.VGG13(1 / 32)(batch()[:, :, :28, :28])


def test_training_and_evaluation_do_not_differ():
    net = vgg.VGG13(1 / 16)
    x, evaluated = batch(), copy.deepcopy(net).eval()
    torch.testing.assert_close(net.train()(x), evaluated(x), rtol=0, atol=0)
    assert list(net.buffers()) == []


def test_the_seed_decides_the_start():
    first, again, other = (vgg.VGG13(1 / 16, seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(not torch.equal(first[name], other[name]) for name in first if name.endswith("weight"))


def test_the_start_uses_no_global_random_numbers():
    before = torch.get_rng_state()
    vgg.VGG13(1 / 32, seed=5)
    assert torch.equal(before, torch.get_rng_state())


def test_the_start_is_he_normal_with_zero_biases():
    for layer in layers(vgg.VGG13(1 / 4), (nn.Conv2d, nn.Linear)):
        n, fan = layer.weight.numel(), layer.weight[0].numel()
        squares = (layer.weight.detach().double() ** 2).mean().item() * fan / 2  # mean 1, deviation √(2/n)
        assert abs(squares - 1) < 5 * np.sqrt(2 / n)
        assert not layer.bias.any()


@pytest.mark.parametrize("width", [1 / 1000, 0, -0.25, float("nan"), float("inf")])
def test_a_width_without_channels_is_refused(width):
    with pytest.raises(ValueError, match="width"):
        vgg.VGG13(width)


def test_images_are_standardised_and_framed_in_black():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    pixels[0, 0, 0] = 0
    x = vgg.images(pixels)
    inner = x[:, :, 2:-2, 2:-2].double()
    frame = torch.ones(32, 32, dtype=torch.bool)
    frame[2:-2, 2:-2] = False
    assert x.shape == (7, 1, 32, 32)
    assert x.dtype == torch.float32
    assert abs(inner.mean()) < 1e-6  # float32 has 7 digits
    assert abs(inner.std() - 1) < 1e-6
    assert (x[:, 0, frame] == x[0, 0, 2, 2]).all()
    np.testing.assert_allclose(inner[:, 0], (pixels - pixels.mean()) / pixels.std(ddof=1), rtol=0, atol=1e-5)


def test_images_are_standardised_by_those_they_are_to_be_like():
    rng = np.random.default_rng(1)
    trained, tested = (
        rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        rng.integers(0, 100, (5, 28, 28), dtype=np.uint8),
    )
    inner = vgg.images(tested, like=trained)[:, 0, 2:-2, 2:-2].double()
    np.testing.assert_allclose(inner, (tested - trained.mean()) / trained.std(ddof=1), rtol=0, atol=1e-5)


def test_resized_images_are_interpolated_linearly_between_the_centres_of_the_pixels():
    """Of a ramp, resizing makes the ramp at the centres of the new pixels, constant beyond the outermost old centre."""
    ramp = np.tile(np.arange(28, dtype=np.uint8), (1, 28, 1))
    centres = np.clip((np.arange(32) + 0.5) * 28 / 32 - 0.5, 0, 27)
    x = vgg.images(ramp, fit="resize")
    assert x.shape == (1, 1, 32, 32)
    expected = (centres - ramp.mean()) / ramp.std(ddof=1)
    np.testing.assert_allclose(x[0, 0], np.tile(expected, (32, 1)), rtol=0, atol=1e-5)
