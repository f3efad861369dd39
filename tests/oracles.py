"""Independent, obvious versions of what the package computes: double loops, and PyTorch's autograd."""

import numpy as np
import torch


def loss_by_loops(W, H, y):
    """Eq. (4), term by term, as printed."""
    total = 0.0
    for m in range(H.shape[1]):
        z = [float(W[k] @ H[:, m]) for k in range(W.shape[0])]
        total -= np.log(np.exp(z[y[m]]) / sum(np.exp(v) for v in z))
    return total


def torch_loss(W, H, y):
    """The loss of (4) for torch tensors, by PyTorch's own cross-entropy."""
    return torch.nn.functional.cross_entropy((W @ H).T, torch.as_tensor(y), reduction="sum")


def autograd_gradient(W, H, y):
    """The gradient of (4) by autograd, as numpy arrays."""
    W, H = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (W, H))
    return tuple(g.numpy() for g in torch.autograd.grad(torch_loss(W, H, y), (W, H)))


def autograd_hessian_vector(W, H, y, dW, dH):
    """The Hessian of (4) applied to (dW, dH) by autograd, as numpy arrays."""
    point, direction = (tuple(torch.tensor(a, dtype=torch.float64) for a in pair) for pair in ((W, H), (dW, dH)))
    _, product = torch.autograd.functional.hvp(lambda w, h: torch_loss(w, h, y), point, direction)
    return tuple(p.numpy() for p in product)


def margin_by_loops(W, H, y):
    """Definition 3.1, term by term."""
    worst = np.inf
    for m in range(H.shape[1]):
        for j in range(W.shape[0]):
            if j != y[m]:
                worst = min(worst, (W[y[m]] - W[j]) @ H[:, m])
    return worst
