r"""Gradient descent and gradient flow, for *any* gradient: this module imports nothing from the package.

A point is a tuple of arrays, ``theta = (W, H)`` for the model of the paper, and a gradient is a function
``gradient(*theta)`` that returns a tuple of arrays of the same shapes.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp


class Trajectory(NamedTuple):
    """A recorded path: ``t (T,)`` times (steps, or units of time), ``points`` the T points there, tuples of arrays."""

    t: np.ndarray
    points: list

    def observe(self, quantity):
        """The numbers ``quantity(*theta)`` along the path, ``(T,)`` or ``(T, …)``."""
        return np.array([quantity(*theta) for theta in self.points])


def logarithmic_steps(steps, points):
    """About ``points`` integers from 0 to ``steps``, 0, 1 and ``steps`` among them, equally spaced in the logarithm.

    Returns a sorted integer array. Raises ``ValueError`` unless ``steps`` ≥ 1 and ``points`` ≥ 2.

    >>> logarithmic_steps(100, 3)
    array([  0,   1,  10, 100])
    """
    if steps < 1 or points < 2:
        raise ValueError(f"steps, points: expected steps ≥ 1 and points ≥ 2, got {steps}, {points}")
    return np.unique(np.concatenate([[0], np.round(np.geomspace(1, steps, points)).astype(int)]))


def step_numbers(at):
    """The numbers of the steps to record, as an integer array ``(T,)``.

    Raises ``ValueError`` naming ``at`` unless it holds increasing integers from 0 on, one at least.

    >>> step_numbers(range(0, 30, 10))
    array([ 0, 10, 20])
    """
    numbers = np.asarray(at)
    whole = numbers.ndim == 1 and numbers.size > 0 and numbers.dtype.kind in "iu"
    if not whole or numbers[0] < 0 or (numbers[1:] <= numbers[:-1]).any():
        raise ValueError(f"at: expected increasing step numbers from 0 on, got {numbers.tolist()}")
    return numbers.astype(int)


def descend(gradient, theta, step, at):
    r"""Gradient descent :math:`\theta_{t+1} = \theta_t - \eta\,\nabla(\theta_t)`, recorded after the steps in ``at``.

    ``step`` is η, a positive number, or a function ``step(*theta)`` of the point. Returns a :class:`Trajectory`.
    Raises ``FloatingPointError`` naming the first step after which the point is no longer finite, and ``ValueError``
    for a start that is not finite, a number η that is not positive, or ``at`` not increasing from 0 on.
    """
    if not (callable(step) or (isinstance(step, Real) and 0 < step < np.inf)):
        raise ValueError(f"step: expected a finite positive number, or a function of the point, got {step!r}")
    size = step if callable(step) else lambda *_: step
    at, theta, points = step_numbers(at), tuple(np.array(a, dtype=np.float64) for a in theta), []
    if not _finite(theta):
        raise ValueError("theta: expected a start with finite entries, got NaN or infinity")
    for now, stop in zip([0, *at[:-1]], at, strict=True):
        for t in range(now, stop):
            eta = size(*theta)
            theta = tuple(a - eta * g for a, g in zip(theta, gradient(*theta), strict=True))
            if not _finite(theta):
                raise FloatingPointError(f"the point is not finite after {t + 1} steps: the step size is too large")
        points.append(theta)
    return Trajectory(at, points)


def _finite(theta):
    """Whether every entry of a point is finite."""
    return all(np.isfinite(a).all() for a in theta)


def integrate(gradient, theta, at, rtol=1e-10, atol=1e-12):
    r"""Gradient flow :math:`\dot\theta = -\nabla(\theta)` in the clock :math:`\tau = \log(1 + t)`.

    The clock turns the flow into :math:`d\theta/d\tau = -e^{\tau}\,\nabla(\theta)`, whose right-hand side stays of the
    order of the point, so that large times cost little. ``at (T,)`` increasing times t ≥ 0, the first is the start.
    Returns a :class:`Trajectory`. Raises ``ValueError`` for bad times, ``FloatingPointError`` where the integrator
    (scipy's ``DOP853``) gives up.
    """
    at = np.asarray(at, dtype=np.float64)
    if at.size < 2 or at[0] < 0 or (np.diff(at) <= 0).any():
        raise ValueError(f"at: expected at least two increasing times from 0 on, got {at.tolist()}")
    shapes = [np.shape(a) for a in theta]
    cuts = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]

    def split(x):
        return tuple(part.reshape(s) for part, s in zip(np.split(x, cuts), shapes, strict=True))

    def right(tau, x):
        return -np.exp(tau) * np.concatenate([np.ravel(g) for g in gradient(*split(x))])

    clock, start = np.log1p(at), np.concatenate([np.ravel(a) for a in theta])
    answer = solve_ivp(right, clock[[0, -1]], start, method="DOP853", t_eval=clock, rtol=rtol, atol=atol)
    if not answer.success:
        last = np.expm1(answer.t[-1])
        raise FloatingPointError(f"the integrator stopped after the recorded time {last:.6g}: {answer.message}")
    return Trajectory(at, [split(x) for x in answer.y.T])
