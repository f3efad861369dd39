r"""Schedules: how large the steps of descent on the model (4) are, and how fast each lets a network collapse.

A rule is given the point, the gradient of :math:`\log \mathcal L` and :math:`\log \mathcal L`, so that it works at any
size of the loss, and returns the factor of that gradient. :func:`descend` follows a rule, with momentum or without, and
:func:`adam` follows Adam; each step is one evaluation of the gradient.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ncpaper import flow, stability, ulpm, validate
from ncpaper.validate import Classes, Count, Positive, Real, door


def constant(eta):
    """Steps η on the loss itself: the factor η L."""
    eta = validate.positive("eta", eta)
    return lambda W, H, g, log_loss: eta * np.exp(log_loss)


def by_loss(c):
    """Steps c/L on the loss."""
    c = validate.positive("c", c)
    return lambda W, H, g, log_loss: c


def by_loss_and_norm(c):
    r"""Steps :math:`c / (\mathcal L \rho^2)`, :math:`\rho^2 = \|W\|_F^2 + \|H\|_F^2`."""
    c = validate.positive("c", c)
    return lambda W, H, g, log_loss: c / ulpm.squared_norm(W, H)


def largest_stable(K, n):
    """Steps by loss and norm with the largest c that keeps to a collapsed ray, :func:`ncpaper.stability.step_limit`."""
    return by_loss_and_norm(stability.step_limit(K, n))


def normalised(eta):
    """Steps of length η, whatever the gradient."""
    eta = validate.positive("eta", eta)
    return lambda W, H, g, log_loss: eta / np.sqrt(ulpm.squared_norm(*g))


@door
def descend(
    W: Float[ndarray, "K d"], H: Float[ndarray, "d M"], y: Int[ndarray, " M"], rule: Callable, at, momentum: Real = 0.0
) -> flow.Trajectory:
    r"""Descent by a rule, recorded after the steps in ``at``.

    :math:`v \leftarrow m\,v + s\,\nabla \log \mathcal L`, :math:`\theta \leftarrow \theta - v`, with the momentum m in
    [0, 1) and the factor s of the rule.

    Raises
    ------
    ValueError
        Naming ``momentum``, outside [0, 1), or ``at``, unless it holds increasing integers from 0 on.
    FloatingPointError
        Naming the first step after which the point is no longer finite.

    Source
    ------
    Section 5.3; heavy ball.
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum: expected a number in [0, 1), got {momentum}")
    velocity = (0.0, 0.0)

    def move(W, H, t):
        nonlocal velocity
        g = ulpm.log_loss_gradient(W, H, y)
        s = rule(W, H, g, ulpm.log_loss(W, H, y))
        velocity = tuple(momentum * v + s * part for v, part in zip(velocity, g, strict=True))
        return W - velocity[0], H - velocity[1]

    return flow.follow(move, (W, H), at)


@door
def adam(
    W: Float[ndarray, "K d"],
    H: Float[ndarray, "d M"],
    y: Int[ndarray, " M"],
    rate: Positive,
    at,
    beta1: Real = 0.9,
    beta2: Real = 0.999,
    eps: Positive = 1e-8,
) -> flow.Trajectory:
    """Adam on the mean loss, with PyTorch's defaults, recorded after the steps in ``at``.

    Raises
    ------
    ValueError
        Naming ``beta1`` or ``beta2``, outside [0, 1), or ``at``, unless it holds increasing integers from 0 on.
    FloatingPointError
        Naming the first step after which the point is no longer finite.

    Source
    ------
    Kingma and Ba (2015).
    """
    for name, beta in (("beta1", beta1), ("beta2", beta2)):
        if not 0 <= beta < 1:
            raise ValueError(f"{name}: expected a number in [0, 1), got {beta}")
    first, second = [0.0, 0.0], [0.0, 0.0]

    def move(W, H, t):
        theta = [W, H]
        for i, g in enumerate(part / y.size for part in ulpm.gradient(W, H, y)):
            first[i] = beta1 * first[i] + (1 - beta1) * g
            second[i] = beta2 * second[i] + (1 - beta2) * g * g
            size = np.sqrt(second[i] / (1 - beta2**t)) + eps
            theta[i] = theta[i] - rate * first[i] / (1 - beta1**t) / size
        return theta

    return flow.follow(move, (W, H), at)


@door
def normalised_limit(K: Classes, n: Count, eta: Positive) -> float:
    r"""The squared norm up to which steps of length η keep to a collapsed ray.

    :math:`\rho_\ast^2 = \bigl(c^\ast / (\eta (K-1) \sqrt n)\bigr)^2` with the step limit :math:`c^\ast` of
    :func:`ncpaper.stability.step_limit`: there a step of length η is one by loss and norm with :math:`c = c^\ast`.

    Source
    ------
    Chapter on schedules, proposition on the clocks.

    Examples
    --------
    >>> normalised_limit(2, 1, eta=0.5)
    64.0
    """
    return float((stability.step_limit(K, n) / (eta * (K - 1) * np.sqrt(n))) ** 2)


def evaluations(path, y, measure, target):
    """After how many of the recorded steps of a path ``measure(W, H, y)`` is at most ``target``; infinity if never."""
    for t, (W, H) in zip(path.t, path.points, strict=True):
        if measure(W, H, y) <= target:
            return int(t)
    return np.inf
