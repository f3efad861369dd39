"""VGG-13 for FashionMNIST in three readings: configuration B of Simonyan and Zisserman, and what each adds."""

from dataclasses import dataclass

from ncpaper import extras, validate

with extras.extra("train"):
    import torch
    from torch import distributed, nn
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.utils import skip_init

#: Configuration B, as the channels of the 3×3 convolutions, and 0 for a 2×2 max-pooling. Source: Simonyan and Zisserman,
#: table 1.
CONFIGURATION_B = (64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)


@dataclass(frozen=True)
class Reading:
    """What a reading of "VGG-13" puts around the convolutions.

    ``normalised``: batch normalisation after each layer but the classifier; ``hidden``: the sizes of the layers between
    convolutions and classifier.
    """

    normalised: bool
    hidden: tuple[int, ...]


#: The first reading is that printed by Simonyan and Zisserman without their head, the second has batch normalisation, as
#: most public code has it, the third also the two hidden layers of the public code of the layer-peeled model (Fang, He,
#: Long and Su).
READINGS = {
    "plain": Reading(normalised=False, hidden=()),
    "normalised": Reading(normalised=True, hidden=()),
    "layer-peeled": Reading(normalised=True, hidden=(4096, 4096)),
}

#: How 28 × 28 pixels become the 32 × 32 that five poolings need.
FITS = ("pad", "resize")


class SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_, x):
        """The sum, the same in each process."""
        total = x.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_, gradient):
        """The sum enters the loss of each process, so that the derivatives of all of them add up."""
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class Normalisation(_BatchNorm):
    """Batch normalisation whose statistics are those of the whole batch, also where several processes share it.

    In one process it is PyTorch's own. Several processes sum their values by hand: PyTorch's layer for several processes,
    ``SyncBatchNorm``, needs a GPU.
    """

    def _check_input_dim(self, x):
        """Images and vectors alike."""

    def forward(self, x):
        """The values of each channel shifted and scaled to mean 0 and deviation 1, then by the layer's own parameters."""
        shared = distributed.is_initialized() and distributed.get_world_size() > 1
        if not (self.training and shared):
            return super().forward(x)
        h, axes, total = x.to(self.weight.dtype).movedim(1, -1), tuple(range(x.dim() - 1)), SumOverProcesses.apply
        count = total(h.new_tensor(h[..., 0].numel()))
        mean = total(h.sum(axes)) / count  # (C,), of h (B, …, C)
        variance = total(((h - mean) ** 2).sum(axes)) / count  # (C,)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        h = (h - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias
        return h.movedim(-1, 1).to(x.dtype)


@dataclass(frozen=True)
class Kind:
    """A kind of layer: how one is built from its sizes, and how many parameters it has."""

    build: object
    parameters: object


#: The kinds of layers. A bias before a normalisation changes nothing and is left out.
KINDS = {
    "convolution": Kind(
        lambda a, b, bias: skip_init(nn.Conv2d, a, b, 3, padding=1, bias=bias), lambda a, b, bias: 9 * a * b + b * bias
    ),
    "linear": Kind(lambda a, b, bias: skip_init(nn.Linear, a, b, bias=bias), lambda a, b, bias: a * b + b * bias),
    "normalisation": Kind(Normalisation, lambda c: 2 * c),
    "rectifier": Kind(lambda: nn.ReLU(inplace=True), lambda: 0),
    "pooling": Kind(lambda: nn.MaxPool2d(2), lambda: 0),
    "flattening": Kind(nn.Flatten, lambda: 0),
}


def plan(width=1.0, classes=10, reading="plain"):
    """The layers of a network in turn, each as its kind and its sizes; the last is the classifier.

    Rectified is after the pooling where there is one, which is the same map with a quarter of the work, and at the very
    end of the features. Raises ``ValueError`` for a width that leaves a layer without channels, or an unknown reading.

    >>> plan(1 / 64)[-3:]
    [('flattening',), ('rectifier',), ('linear', 8, 10, True)]
    """
    if reading not in READINGS:
        raise ValueError(f"reading: expected one of {', '.join(READINGS)}, got {reading!r}")
    chosen = READINGS[reading]
    channels, hidden = (
        [round(c * validate.positive("width", width)) for c in row] for row in (CONFIGURATION_B, chosen.hidden)
    )
    if any(c and not k for c, k in zip(CONFIGURATION_B, channels, strict=True)):
        raise ValueError(f"width: expected at least one channel in every layer, got {width}")
    normalisation = (lambda c: [("normalisation", c)]) if chosen.normalised else lambda c: []
    layers, before = [], 1
    for c, following in zip(channels, [*channels[1:], 0], strict=True):
        layers += [("convolution", before, c, not chosen.normalised), *normalisation(c)] if c else [("pooling",)]
        layers += [("rectifier",)] if not c or following else []
        before = c or before
    layers.insert(-1, ("flattening",))
    for c in hidden:
        layers += [("linear", before, c, not chosen.normalised), *normalisation(c), ("rectifier",)]
        before = c
    return [*layers, ("linear", before, classes, True)]


class VGG13(nn.Module):
    """Ten convolutions and five poolings, what the reading adds, and one linear classifier on the features they leave.

    Images of 28 × 28 pixels do not survive five poolings: they come as 32 × 32, see :func:`images`, which leaves one pixel
    of ``512·width`` features, or ``4096·width`` after the hidden layers of a reading that has them; after the last ReLU,
    not negative, as eq. (2) has them.

    ``forward(x (B, 1, 32, 32))`` returns ``features (B, d)`` and ``logits (B, classes)``; ``before(x)`` the features before
    the last ReLU. Raises what :func:`plan` does.
    """

    def __init__(self, width=1.0, classes=10, seed=0, reading="plain"):
        """Draw He-normal convolutions and linear layers, zero biases, from ``seed``; normalisations start as 1 and 0."""
        super().__init__()
        *layers, classifier = (KINDS[kind].build(*sizes) for kind, *sizes in plan(width, classes, reading))
        self.features, self.classifier = nn.Sequential(*layers), classifier
        generator = torch.Generator().manual_seed(seed)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def before(self, x):
        """The features of a batch of images before the last ReLU."""
        return self.features[:-1](x)

    def forward(self, x):
        """The features and the logits of a batch of images."""
        h = self.features(x)
        return h, self.classifier(h)


def parameter_count(width=1.0, classes=10, reading="plain"):
    """The number of parameters by the formulas of :data:`KINDS`.

    That is ``9·c·c′ + c′`` for a convolution and ``d·d′ + d′`` for a linear layer; normalised, their c′ or d′ biases give
    way to as many scales and as many shifts.

    >>> parameter_count(), parameter_count(reading="normalised"), parameter_count(reading="layer-peeled")
    (9408970, 9411914, 28338506)
    """
    return sum(KINDS[kind].parameters(*sizes) for kind, *sizes in plan(width, classes, reading))


def images(x, device="cpu", fit="pad", like=None):
    """Unsigned bytes ``(N, 28, 28)`` as network input ``(N, 1, 32, 32)``, standardised.

    The mean and the deviation are those of all pixels of ``like``, by default of x itself. To 32 × 32 by a frame of raw
    black, standardised with the image (``fit="pad"``), or by bilinear interpolation (``fit="resize"``).
    Raises ``ValueError`` for another fit.
    """
    if fit not in FITS:
        raise ValueError(f"fit: expected one of {', '.join(FITS)}, got {fit!r}")
    deviation, mean = (number.item() for number in torch.std_mean(torch.tensor(x if like is None else like).double()))
    x = torch.tensor(x)[:, None].to(device).float().sub_(mean).div_(deviation)
    if fit == "resize":
        x = nn.functional.interpolate(x, size=(32, 32), mode="bilinear", align_corners=False)
    else:
        x = nn.functional.pad(x, (2, 2, 2, 2), value=-mean / deviation)
    return x.contiguous(memory_format=torch.channels_last)
