r"""Gradient descent and gradient flow, for *any* gradient; this module does not depend on the model.

A point is a tuple of arrays, ``theta = (W, H)`` for the model of the paper, and a gradient is a function
``gradient(*theta, *args)`` that returns a tuple of arrays of the same shapes. As in SciPy, ``args`` holds what the
gradient needs besides the point: ``flow.integrate(ulpm.gradient, (W, H), at, args=(y,))``.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.integrate import solve_ivp

from ncpaper import validate
from ncpaper.validate import Count, Positive, door


class Trajectory(NamedTuple):
    """A recorded path: ``t (T,)`` times (steps, or units of time), ``points`` the T points there, tuples of arrays."""

    t: ndarray
    points: list

    def observe(self, quantity, args=()):
        """The numbers ``quantity(*theta, *args)`` along the path, ``(T,)`` or ``(T, …)``."""
        return np.array([quantity(*theta, *args) for theta in self.points])


def join(*theta):
    """The entries of all arrays of a point in one vector, row by row."""
    return np.concatenate([np.ravel(part) for part in theta])


def split(x, theta):
    """The inverse of :func:`join`: the entries of the vector ``x`` in the shapes of the point ``theta``.

    Raises
    ------
    ValueError
        Naming ``x``, unless it has as many entries as ``theta``.

    Examples
    --------
    >>> split(np.arange(3.0), (np.zeros((1, 2)), np.zeros((1, 1))))
    (array([[0., 1.]]), array([[2.]]))
    """
    sizes = [np.size(part) for part in theta]
    if np.shape(x) != (sum(sizes),):
        raise ValueError(f"x: expected {sum(sizes)} entries, as theta has, got shape {np.shape(x)}")
    parts = np.split(x, np.cumsum(sizes)[:-1])
    return tuple(part.reshape(np.shape(like)) for part, like in zip(parts, theta, strict=True))


@door
def logarithmic_steps(steps: Count, points: Count) -> Int[ndarray, " T"]:
    """About ``points`` integers from 0 to ``steps``, 0, 1 and ``steps`` among them, equally spaced in the logarithm.

    Examples
    --------
    >>> logarithmic_steps(100, 3)
    array([  0,   1,  10, 100])
    """
    return np.unique(np.concatenate([[0], np.round(np.geomspace(1, steps, max(points, 2))).astype(int)]))


def step_numbers(at):
    """The numbers of the steps to record, as an integer array ``(T,)``.

    Raises
    ------
    ValueError
        Naming ``at``, unless it holds increasing integers from 0 on, one at least.

    Examples
    --------
    >>> step_numbers(range(0, 30, 10))
    array([ 0, 10, 20])
    """
    numbers = validate.array("at", at)
    whole = numbers.ndim == 1 and numbers.size > 0 and numbers.dtype.kind in "iu"
    if not whole or numbers[0] < 0 or (numbers[1:] <= numbers[:-1]).any():
        raise ValueError(f"at: expected increasing step numbers from 0 on, got {numbers.tolist()}")
    return numbers.astype(int)


def _start(gradient, theta, args):
    """The point as float64 arrays, with its gradient, which must be real, finite and of the same shapes."""
    theta = tuple(np.array(validate.finite("theta", part)) for part in theta)
    with validate.outside():  # the one time that the gradient checks its arguments
        first = gradient(*theta, *args)
    shapes = [np.shape(part) for part in first]
    if shapes != [part.shape for part in theta]:
        raise ValueError(f"gradient: expected the shapes {[part.shape for part in theta]} of theta, got {shapes}")
    return theta, tuple(validate.finite("gradient", part) for part in first)


def _finite(theta):
    """Whether every entry of a point is finite."""
    return all(np.isfinite(part).all() for part in theta)


@door
def follow(move: Callable, theta: tuple, at) -> Trajectory:
    r"""The steps :math:`\theta \leftarrow` ``move(*theta, t)``, t = 1, 2, …, recorded after the steps in ``at``.

    Raises
    ------
    FloatingPointError
        Naming the first step after which the point is no longer finite.
    ValueError
        For ``at`` not increasing from 0 on.

    Examples
    --------
    >>> follow(lambda x, t: (x + t,), (0,), [0, 3]).points
    [(0,), (6,)]
    """
    at, points = step_numbers(at), []
    with np.errstate(all="ignore"):
        for now, stop in zip([0, *at[:-1]], at, strict=True):
            for t in range(now + 1, stop + 1):
                theta = tuple(move(*theta, t))
                if not _finite(theta):
                    raise FloatingPointError(f"the point is not finite after {t} steps: the step size is too large")
            points.append(theta)
    return Trajectory(at, points)


@door
def descend(gradient: Callable, theta: tuple, step, at, args: tuple = ()) -> Trajectory:
    r"""Gradient descent :math:`\theta_{t+1} = \theta_t - \eta\,\nabla(\theta_t)`, recorded after the steps in ``at``.

    ``step`` is η, a positive number, or a function ``step(*theta, *args)`` of the point.

    Raises
    ------
    FloatingPointError
        Naming the first step after which the point is no longer finite.
    ValueError
        For an initial point that is not finite, a gradient of other shapes, a number η that is not positive, or ``at``
        not increasing from 0 on.
    """
    eta = step if callable(step) else validate.positive("step", step)
    theta, first = _start(gradient, theta, args)

    def move(*now):
        *theta, t = now
        size, slope = eta(*theta, *args) if callable(eta) else eta, gradient(*theta, *args) if t > 1 else first
        return (a - size * g for a, g in zip(theta, slope, strict=True))

    return follow(move, theta, at)


@door
def integrate(
    gradient: Callable,
    theta: tuple,
    at: Float[ndarray, " T"],
    args: tuple = (),
    rtol: Positive = 1e-10,
    atol: Positive = 1e-12,
) -> Trajectory:
    r"""Gradient flow :math:`\dot\theta = -\nabla(\theta)` in the clock :math:`\tau = \log(1 + t)`.

    The clock turns the flow into :math:`d\theta/d\tau = -e^{\tau}\,\nabla(\theta)`, whose right-hand side stays of the
    order of the point, so that large times cost little. ``at`` holds increasing times t ≥ 0, from the initial time on.

    Raises
    ------
    ValueError
        For bad times, an initial point that is not finite, or a gradient of other shapes.
    FloatingPointError
        Where the integrator (scipy's ``DOP853``) gives up.
    """
    if at.size < 2 or at[0] < 0 or (np.diff(at) <= 0).any():
        raise ValueError(f"at: expected at least two increasing times from 0 on, got {at.tolist()}")
    theta, _ = _start(gradient, theta, args)

    def right(tau, x):
        return -np.exp(tau) * join(*gradient(*split(x, theta), *args))

    clock = np.log1p(at)
    with np.errstate(
        all="ignore"
    ):  # a trial step may leave what float64 holds; the integrator then takes a smaller one
        answer = solve_ivp(right, clock[[0, -1]], join(*theta), method="DOP853", t_eval=clock, rtol=rtol, atol=atol)
    if not answer.success:
        reached = np.expm1(answer.t[-1]) if answer.t.size else at[0]
        raise FloatingPointError(f"the integrator stopped after the recorded time {reached:.6g}: {answer.message}")
    return Trajectory(at, [split(x, theta) for x in answer.y.T])


def _clock(log_loss, log_gradient, theta, args, most):
    """The right-hand side of the flow in the clock log(1 + L₀ t); it counts its calls and stops after ``most``."""
    calls, start = 0, log_loss(*theta, *args)

    def right(tau, x):
        nonlocal calls
        calls += 1
        if not np.isfinite(x).all():  # a trial step too long: the integrator takes a smaller one
            return np.full_like(x, np.nan)
        point = split(x, theta)
        level, slope = log_loss(*point, *args), join(*log_gradient(*point, *args))
        if calls > most:
            size = np.linalg.norm(slope)
            raise FloatingPointError(
                f"the clock stalls: {most} evaluations reached log t = {tau - start:.6g}, with log L = {level:.6g} and "
                f"|grad log L| = {size:.3g}; near a saddle log L does not move, elsewhere raise evaluations"
            )
        return -np.exp(tau + level - start) * slope

    return right


@door
def integrate_log(
    log_loss: Callable,
    log_gradient: Callable,
    theta: tuple,
    at: Float[ndarray, " T"],
    args: tuple = (),
    rtol: Positive = 1e-9,
    atol: Positive = 1e-10,
    evaluations: Count = 100_000,
) -> Trajectory:
    r"""Gradient flow :math:`\dot\theta = -\nabla L` from time zero, recorded at the *logarithms* ``at`` of the time.

    ``log_loss(*theta, *args)`` is log L, ``log_gradient(*theta, *args)`` its gradient, :math:`\nabla L / L`; L itself,
    and t, may lie far beyond float64. With :math:`ds = L\,dt` the flow is :math:`d\theta/ds = -\nabla \log L`. So that no
    time has to be searched for, it is integrated in :math:`\tau = \log(1 + L_0 t)`, :math:`L_0` the first loss, where

    .. math:: d\theta/d\tau = -\frac{ds}{d\tau}\,\nabla \log L, \qquad \frac{ds}{d\tau} = e^{\tau} L / L_0 .

    The two clocks start together; where L is of the order :math:`1/(t \log t)`, :math:`ds/d\tau` is of the order
    :math:`1/\log t`, and the cost is a few evaluations for each unit of log t, whatever the model.
    ``Trajectory.t`` holds the logarithms.

    Raises
    ------
    ValueError
        For times that do not increase, an initial point that is not finite, or a gradient of other shapes.
    FloatingPointError
        After ``evaluations`` gradients, with the place that was reached; or where the integrator gives up.

    Examples
    --------
    >>> path = integrate_log(lambda x: -x.sum(), lambda x: (-np.ones(1),), ([0.0],), [0.0, 9000.0])  # L = exp(-x)
    >>> [round(float(x), 6) for (x,), in path.points]  # log(1 + t)
    [0.693147, 9000.0]
    """
    if at.size == 0 or (np.diff(at) <= 0).any():
        raise ValueError(f"at: expected increasing logarithms of times, one at least, got {at.tolist()}")
    theta, _ = _start(log_gradient, theta, args)
    with validate.outside():
        level = validate.real("log_loss", log_loss(*theta, *args))
    clock, right = np.logaddexp(0, at + level), _clock(log_loss, log_gradient, theta, args, evaluations)
    with np.errstate(all="ignore"):
        answer = solve_ivp(right, (0, clock[-1]), join(*theta), method="DOP853", t_eval=clock, rtol=rtol, atol=atol)
    if not answer.success:
        raise FloatingPointError(f"the integrator stopped after {len(answer.t)} of the times: {answer.message}")
    return Trajectory(at, [split(x, theta) for x in answer.y.T])
