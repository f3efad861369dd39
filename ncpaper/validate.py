"""Arguments are checked once, when a user calls a public function, against the shapes and kinds in its signature.

A public function of the package has a signature that says what it takes, ``W: Float[ndarray, "K d"]``, and stands behind
:func:`door`, which reads that signature: arrays become float64 arrays of finite numbers, sizes of the same name must
agree, labels lie in 0, …, K−1, a number of steps is an integer. A function that is called by another one of the package
is not checked again, so a loop pays for its checks once.
"""

import inspect
import math
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import Annotated, get_args, get_origin

import numpy as np
from jaxtyping import AbstractArray, Bool, Int, jaxtyped

#: Whether a public function is at work, whose arguments have been checked.
_inside = ContextVar("inside", default=False)

#: The type checker that holds arguments and results against their annotations while the tests run; no cost otherwise.
typechecker = None

#: Sizes with another least value than one (there are at least two classes).
LEAST = {"K": 2}


def integer(name, value, least):
    """Return ``value`` as an ``int``; raise ``ValueError`` naming ``name`` unless it is an integer ≥ ``least``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")
    return int(value)


def real(name, value):
    """Return ``value`` as a ``float``; raise ``ValueError`` naming ``name`` unless it is a finite real number."""
    try:
        number = math.nan if isinstance(value, (bool, str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return number


def positive(name, value):
    """Return ``value`` as a ``float``; raise ``ValueError`` naming ``name`` unless it is finite and positive."""
    try:
        number = real(name, value)
    except ValueError:
        number = 0.0
    if number <= 0:
        raise ValueError(f"{name}: expected a finite positive number, got {value!r}")
    return number


# A number of classes, of things there must be one of, of things there may be none of; a number; a positive one.
Classes = Annotated[int, lambda name, value: integer(name, value, 2)]
Count = Annotated[int, lambda name, value: integer(name, value, 1)]
Natural = Annotated[int, lambda name, value: integer(name, value, 0)]
Real = Annotated[float, real]
Positive = Annotated[float, positive]


def array(name, value, kinds="biuf"):
    """Return ``value`` as an array; raise ``ValueError`` naming ``name`` for ragged rows or entries of another kind."""
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array, got rows of different lengths") from error
    if found.dtype.kind not in kinds:
        wanted = {"iu": "integers", "b": "True or False"}.get(kinds, "real numbers")
        raise ValueError(f"{name}: expected {wanted}, got entries of the type {found.dtype}")
    return found


def finite(name, value):
    """Return ``value`` as a float64 array; raise ``ValueError`` naming ``name`` unless its entries are real and finite."""
    plain = type(value) is np.ndarray and value.dtype == np.float64
    found = value if plain else array(name, value).astype(np.float64, copy=False)
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: expected finite entries, got NaN or infinity")
    return found


def labels(name, value, K=None):
    """Return ``value`` as integers; raise ``ValueError`` naming ``name`` unless they lie in 0, …, K−1."""
    found = array(name, value, "iu").astype(np.intp, copy=False)
    greatest = sys.maxsize if K is None else K - 1
    if found.size and found.view(np.uintp).max() > greatest:  # read without a sign, a negative label is huge
        limit = "from 0 on" if K is None else f"in 0, …, {K - 1}"
        raise ValueError(f"{name}: expected labels {limit}, got values from {found.min()} to {found.max()}")
    return found


def shape(name, found, wanted, sizes):
    """Hold the shape of an array against its named dimensions ``wanted``, and enter what it says into ``sizes``.

    Raises ``ValueError`` naming ``name``, the expected shape and the sizes already known.
    """
    known = dict(sizes)
    fits = len(wanted) == found.ndim
    for size, length in zip(wanted, found.shape, strict=True) if fits else ():
        fits = fits and length >= LEAST.get(size, 1) and known.setdefault(size, length) == length
    if not fits:
        told = [f"{size} = {sizes[size]}" if size in sizes else f"{size} ≥ {LEAST.get(size, 1)}" for size in wanted]
        noun = {1: "a vector", 2: "a matrix"}.get(len(wanted), "an array")
        raise ValueError(
            f"{name}: expected {noun} of shape ({', '.join(wanted)}), {', '.join(dict.fromkeys(told))}, got {found.shape}"
        )
    sizes.update(known)


def balanced(y, K):
    """Return n, the number of samples of each of the K classes; raise ``ValueError`` unless it is the same for all."""
    counts = np.bincount(y, minlength=K)
    if counts.min() != counts.max() or counts.min() == 0:
        raise ValueError(f"y: expected balanced classes, n ≥ 1 samples each, got class sizes {counts.tolist()}")
    return int(counts[0])


def room(d, K):
    """Raise ``ValueError`` naming ``d`` unless a simplex ETF of K vectors fits into dimension d."""
    if d < K - 1:
        raise ValueError(f"d: expected d ≥ K − 1 = {K - 1}, the least dimension of a simplex ETF, got {d}")


def _reader(annotation):
    """How an argument with this annotation is read, ``read(name, value, sizes)``, and when: sizes, arrays, labels."""
    if get_origin(annotation) is Annotated:
        check = get_args(annotation)[1]

        def number(name, value, sizes):
            sizes[name] = check(name, value)
            return sizes[name]

        return 0, number
    if not (inspect.isclass(annotation) and issubclass(annotation, AbstractArray)):
        return 3, lambda name, value, sizes: value

    wanted = annotation.dim_str.split()

    def read(name, value, sizes):
        found = convert(name, value, sizes)
        if wanted != ["..."]:
            shape(name, found, wanted, sizes)
        return found

    if annotation.dtypes == Int[np.ndarray, ""].dtypes:
        convert = lambda name, value, sizes: labels(name, value, sizes.get("K"))  # noqa: E731
        return 2, read
    kinds = "b" if annotation.dtypes == Bool[np.ndarray, ""].dtypes else None
    convert = (
        (lambda name, value, _: array(name, value, kinds)) if kinds else lambda name, value, _: finite(name, value)
    )
    return 1, read


@cache
def _typechecked(formula, checker):
    """The function with its annotations enforced by a type checker, if there is one."""
    return jaxtyped(formula, typechecker=checker) if checker else formula


def door(formula):
    """Let a public function check its arguments against its signature, where a user calls it.

    The arguments reach the function converted: real arrays as float64, labels and sizes as integers. A number that does
    not fit into a float64 on the way is an error too. Calls from within the package pass without checks.
    Raises ``ValueError`` naming the argument and what was expected; ``TypeError`` for a missing or an unknown argument.
    """
    signature = inspect.signature(formula)
    names = tuple(signature.parameters)
    readers = sorted(
        ((name, *_reader(p.annotation)) for name, p in signature.parameters.items()), key=lambda reader: reader[1]
    )

    @wraps(formula)
    def checked(*args, **kwargs):
        if _inside.get():
            return formula(*args, **kwargs)
        positional = not kwargs and len(args) == len(names)
        given, sizes = (
            dict(zip(names, args, strict=True)) if positional else signature.bind(*args, **kwargs).arguments,
            {},
        )
        for name, _, read in readers:
            if name in given:
                given[name] = read(name, given[name], sizes)
        token = _inside.set(True)
        try:
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                return _typechecked(formula, typechecker)(**given)
        except FloatingPointError as error:
            if "encountered in" not in str(error):  # raised by the formula itself, on purpose
                raise
            raise ValueError(f"{', '.join(given)}: the result does not fit into float64, {error}") from error
        finally:
            _inside.reset(token)

    return checked


@contextmanager
def outside():
    """Within this context the doors check again, as for a user: for calls of functions that a user has handed over."""
    token = _inside.set(False)
    try:
        yield
    finally:
        _inside.reset(token)
