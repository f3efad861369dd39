"""VGG-13: its layers, its sizes, its start, and what it is given."""

import copy

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
