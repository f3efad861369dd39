"""Checks of arguments: a clear error that names the argument and what was expected."""

import numpy as np


def _array(name, value):
    """Return ``value`` as an array; raise ``ValueError`` naming ``name`` where its rows have different lengths."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array, got rows of different lengths") from error


def matrix(name, value):
    """Return ``value`` as a float64 matrix.

    Raises ``ValueError`` naming ``name`` unless ``value`` is two-dimensional, real and finite.
    """
    array = _array(name, value)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected a matrix, got an array of shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected real numbers, got entries of the type {array.dtype}")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite entries, got NaN or infinity")
    return array


def integer(name, value, least):
    """Return ``value`` as an ``int``; raise ``ValueError`` naming ``name`` unless it is an integer ≥ ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")
    return int(value)


def positive(name, value):
    """Return ``value`` as a ``float``; raise ``ValueError`` naming ``name`` unless it is finite and positive."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not (np.isfinite(number) and number > 0):
        raise ValueError(f"{name}: expected a finite positive number, got {value!r}")
    return number


def labels(y, K, samples):
    """Return the labels ``y`` of ``samples`` samples as integers in 0, …, K−1, or raise ``ValueError``."""
    y = _array("y", y)
    if y.shape != (samples,) or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(
            f"y: expected {samples} integer labels, one for each column of H, got {y.dtype} of shape {y.shape}"
        )
    if samples and not (y.min() >= 0 and y.max() < K):
        raise ValueError(f"y: expected labels in 0, …, {K - 1}, got values from {y.min()} to {y.max()}")
    return y


def point(W, H, y):
    """Return (W, H, y) with W (K, d), H (d, M), y (M,) checked against each other, K ≥ 2, M ≥ 1.

    Raises ``ValueError`` naming the argument for a wrong shape, a label out of range, NaN, K < 2 or M < 1.
    """
    W, H = matrix("W", W), matrix("H", H)
    if W.shape[0] < 2:
        raise ValueError(f"W: expected K ≥ 2 rows, one for each class, got {W.shape[0]}")
    if H.shape[0] != W.shape[1]:
        raise ValueError(f"H: expected {W.shape[1]} rows, as W has columns, got shape {H.shape}")
    if H.shape[1] < 1:
        raise ValueError("H: expected at least one column, one for each sample, got none")
    return W, H, labels(y, W.shape[0], H.shape[1])


def balanced(y, K):
    """Return n, the number of samples of each of the K classes; raise ``ValueError`` unless it is the same for all."""
    counts = np.bincount(y, minlength=K)
    if counts.min() != counts.max() or counts.min() == 0:
        raise ValueError(f"y: expected balanced classes, n ≥ 1 samples each, got class sizes {counts.tolist()}")
    return int(counts[0])
