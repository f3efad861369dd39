"""VGG-13 for FashionMNIST: configuration B of Simonyan and Zisserman whose forward gives features and logits."""

import torch
from torch import nn
from torch.nn.utils import skip_init

from ncpaper import validate

#: Configuration B: channels of the 3×3 convolutions, 0 for a 2×2 max-pooling. Source: Simonyan and Zisserman, table 1.
CONFIGURATION_B = (64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)


class VGG13(nn.Module):
    """Ten convolutions and five poolings, then one linear classifier on the features they leave.

    Images of 28 × 28 pixels do not survive five poolings: they are padded with zeros to 32 × 32, which leaves one pixel
    of ``512·width`` features, not negative as eq. (2) has them. The two hidden layers of 4096 of the original head, made
    for 25,088 features of a photograph, are left out; so is batch normalisation, which the original does not have.

    ``forward(x (B, 1, 32, 32))`` returns ``features (B, d)`` and ``logits (B, classes)``.
    Raises ``ValueError`` for a width that leaves a layer without channels.
    """

    def __init__(self, width=1.0, classes=10, seed=0):
        """Draw He-normal convolutions, zero biases, from ``seed``."""
        super().__init__()
        channels = [round(c * validate.positive("width", width)) for c in CONFIGURATION_B]
        if any(c and not k for c, k in zip(CONFIGURATION_B, channels, strict=True)):
            raise ValueError(f"width: expected at least one channel in every layer, got {width}")
        layers, before = [], 1
        for c, following in zip(channels, [*channels[1:], 0], strict=True):
            layers += [skip_init(nn.Conv2d, before, c, 3, padding=1)] if c else [nn.MaxPool2d(2)]
            layers += [nn.ReLU(inplace=True)] if not c or following else []  # after the pooling, where there is one
            before = c or before
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.classifier = skip_init(nn.Linear, before, classes)
        generator = torch.Generator().manual_seed(seed)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        """The features and the logits of a batch of images."""
        h = self.features(x)
        return h, self.classifier(h)


def parameter_count(width=1.0, classes=10):
    """The number of parameters by the formula: ``9·c·c′ + c′`` for each convolution, ``d·classes + classes`` at the end.

    >>> parameter_count()
    9408970
    """
    channels = [round(c * width) for c in CONFIGURATION_B if c]
    pairs = zip([1, *channels], channels, strict=False)
    return sum(9 * a * b + b for a, b in pairs) + channels[-1] * classes + classes


def images(x, device="cpu"):
    """Unsigned bytes ``(N, 28, 28)`` as network input ``(N, 1, 32, 32)``: mean 0, deviation 1 over all, padded by zeros.

    The padding is that of the raw image, black, and is standardised with it.
    """
    x = torch.nn.functional.pad(torch.tensor(x)[:, None].to(device), (2, 2, 2, 2)).float()
    inner = x[:, :, 2:-2, 2:-2]
    return ((x - inner.mean()) / inner.std()).contiguous(memory_format=torch.channels_last)
