"""Independent, obvious versions of what the package computes: double loops, and PyTorch's autograd."""

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ncpaper import vgg


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


def autograd_lagrangian_gradient(W, H, y, lam):
    """The gradient in (W, H) of the Lagrangian of (5), its constraints added one by one, by autograd."""
    W, H = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (W, H))
    value = (W**2).sum() / 2 + (H**2).sum() / 2
    for j, m in np.ndindex(lam.shape):
        if j != y[m]:
            value = value + lam[j, m] * (1 - (W[y[m]] - W[j]) @ H[:, m])
    return tuple(g.numpy() for g in torch.autograd.grad(value, (W, H)))


def semidefinite_optimum(K, n):
    """Problem (5) without a limit on d, as the semidefinite program in the Gram matrix of all w_k and h_{k,i}.

    Returns the optimal value, the Gram matrix, and the multipliers in the layout of ``ncpaper.ulpm.gaps``.
    """
    import cvxpy

    M = K * n
    gram = cvxpy.Variable((K + M, K + M), PSD=True)
    pairs = [(j, m) for j in range(K) for m in range(M) if j != m // n]
    constraints = [gram[m // n, K + m] - gram[j, K + m] >= 1 for j, m in pairs]
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.trace(gram) / 2), constraints)
    problem.solve(solver=cvxpy.CLARABEL)
    lam = np.zeros((K, M))
    for (j, m), constraint in zip(pairs, constraints, strict=True):
        lam[j, m] = float(np.squeeze(constraint.dual_value))
    return problem.value, gram.value, lam


def torch_log_loss(W, H, y):
    """F = −log(eᴸ − 1) for torch tensors, L the loss of (4)."""
    return -torch.log(torch.expm1(torch_loss(W, H, y)))


def autograd_log_loss_derivatives(W, H, y):
    """Value, gradient and Hessian of F = −log(eᴸ − 1) in the stacked coordinates (W, H), by autograd."""
    split = W.size
    theta = torch.tensor(np.concatenate([W.ravel(), H.ravel()]), requires_grad=True)

    def F(x):
        return torch_log_loss(x[:split].reshape(W.shape), x[split:].reshape(H.shape), y)

    value = F(theta)
    (slope,) = torch.autograd.grad(value, theta)
    return value.item(), slope.numpy(), torch.autograd.functional.hessian(F, theta.detach()).numpy()


def curvature_bound(W, H, y):
    """What the chapter on Theorem 3.1 bounds the curvature of F by: the spectral norm of P − Y over 1 − e⁻ᴸ."""
    E = np.exp(W @ H)
    return np.linalg.norm(E / E.sum(axis=0) - np.eye(W.shape[0])[:, y], 2) / (1 - np.exp(-loss_by_loops(W, H, y)))


def lagrangian_by_loops(W, H, y, lam):
    """Stationarity residual of (5) and the list of complementarity products λ(g − 1), constraint by constraint."""
    left_W, left_H, products = W.copy(), H.copy(), []
    for m in range(H.shape[1]):
        for j in range(W.shape[0]):
            if j != y[m]:
                left_W[y[m]] -= lam[j, m] * H[:, m]
                left_W[j] += lam[j, m] * H[:, m]
                left_H[:, m] -= lam[j, m] * (W[y[m]] - W[j])
                products.append(lam[j, m] * ((W[y[m]] - W[j]) @ H[:, m] - 1))
    return np.sqrt(np.sum(left_W**2) + np.sum(left_H**2)), np.array(products)


def torch_descent(W, H, y, rate, steps):
    """Gradient descent on the mean of (4) as one writes it in PyTorch: autograd and ``torch.optim.SGD``, float64."""
    W, H = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (W, H))
    y = torch.as_tensor(y)
    optimizer = torch.optim.SGD([W, H], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy((W @ H).T, y)
        loss.backward()
        optimizer.step()
    return W.detach().numpy(), H.detach().numpy()


class OneImageAtATime(Dataset):
    """Images as one usually feeds them: each padded, made a tensor and standardised when it is asked for."""

    def __init__(self, pixels, labels):
        self.pixels, self.labels = pixels, labels
        self.mean, self.deviation = pixels.mean(), pixels.std(ddof=1)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        framed = Image.new("L", (32, 32))
        framed.paste(Image.fromarray(self.pixels[i]), (2, 2))
        image = torch.from_numpy(np.array(framed, dtype=np.float32))[None]
        return (image - self.mean) / self.deviation, int(self.labels[i])


def plain_network(width, seed, reading="plain"):
    """VGG-13 as tutorials write it, every convolution rectified before it is pooled, with the start of ``vgg.VGG13``."""
    layers, before, normalised = [], 1, reading != "plain"
    for c in vgg.CONFIGURATION_B:
        k = round(c * width)
        layers += [nn.Conv2d(before, k, 3, padding=1, bias=not normalised)] if c else [nn.MaxPool2d(2)]
        layers += [nn.BatchNorm2d(k)] * (normalised and c > 0) + [nn.ReLU()] * (c > 0)
        before = k or before
    layers += [nn.Flatten()]
    for k in [round(4096 * width)] * (2 if reading == "layer-peeled" else 0):
        layers += [nn.Linear(before, k, bias=False), nn.BatchNorm1d(k), nn.ReLU()]
        before = k
    net = nn.Sequential(*layers, nn.Linear(before, 10))
    with torch.no_grad():
        for p, q in zip(net.parameters(), vgg.VGG13(width, seed=seed, reading=reading).parameters(), strict=True):
            p.copy_(q)
    return net


def plain_epoch(net, optimiser, data, order, batch):
    """One epoch as tutorials write it: ``DataLoader``, float32, the default memory layout. Returns the mean loss."""
    total = 0.0
    for x, y in DataLoader(data, batch, sampler=order):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimiser.step()
        total += loss.item() * len(y)
    return total / len(data)
