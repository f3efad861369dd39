"""Bad input: every public function of the model, the margins and the simplex ETF names what is wrong with it."""

import inspect

import numpy as np
import pytest

from ncpaper import etf, margin, ulpm, validate

K, n, d = 3, 2, 4
RNG = np.random.default_rng(0)
W, H, Y = RNG.standard_normal((K, d)), RNG.standard_normal((d, K * n)), ulpm.balanced_labels(K, n)


def changed(array, value):
    """A copy of the array with one entry replaced."""
    array = array.astype(np.float64)
    array.flat[1] = value
    return array


#: Functions of a point (W, H, y), each as a function of the point alone.
OF_A_POINT = {
    ulpm.sample_losses: ulpm.sample_losses,
    ulpm.loss: ulpm.loss,
    ulpm.log_sample_losses: ulpm.log_sample_losses,
    ulpm.log_loss: ulpm.log_loss,
    ulpm.residual: ulpm.residual,
    ulpm.gradient: ulpm.gradient,
    ulpm.hessian_vector: lambda W_, H_, y: ulpm.hessian_vector(W_, H_, y, W, H),
    margin.sample_margins: margin.sample_margins,
    margin.margin: margin.margin,
    margin.bound: margin.bound,
    margin.normalized_margin: margin.normalized_margin,
    margin.smoothed_margin: margin.smoothed_margin,
}

BAD_POINTS = {
    "W is a vector": ((W[0], H, Y), "W"),
    "W holds NaN": ((changed(W, np.nan), H, Y), "W"),
    "W holds infinity": ((changed(W, np.inf), H, Y), "W"),
    "one class only": ((W[:1], H, 0 * Y), "W"),
    "no class": ((W[:0], H[:, :0], Y[:0]), "W"),
    "no sample": ((W, H[:, :0], Y[:0]), "H"),
    "W holds texts": ((W.astype(str), H, Y), "W"),
    "W holds complex numbers": ((W + 0j, H, Y), "W"),
    "W is nothing": ((None, H, Y), "W"),
    "H has rows of different lengths": ((W, [[1.0], *H.tolist()[1:]], Y), "H"),
    "y has rows of different lengths": ((W, H, [[0], [1, 2]]), "y"),
    "H is a vector": ((W, H[0], Y), "H"),
    "H has another dimension than W": ((W, H[:-1], Y), "H"),
    "H holds NaN": ((W, changed(H, np.nan), Y), "H"),
    "H holds minus infinity": ((W, changed(H, -np.inf), Y), "H"),
    "a label is missing": ((W, H, Y[:-1]), "y"),
    "a label is too many": ((W, H, np.append(Y, 0)), "y"),
    "a label is K": ((W, H, Y + 1), "y"),
    "a label is negative": ((W, H, Y - 1), "y"),
    "labels are floats": ((W, H, Y.astype(float)), "y"),
    "labels are one-hot": ((W, H, ulpm.one_hot(Y, K)), "y"),
}

#: Everything else: the function, its bad arguments, the argument to name.
OTHERS = [
    (ulpm.balanced_labels, (1, 2), "K"),
    (ulpm.balanced_labels, (2.5, 2), "K"),
    (ulpm.balanced_labels, (True, 2), "K"),
    (ulpm.balanced_labels, (2, 0), "n"),
    (ulpm.balanced_labels, (2, np.nan), "n"),
    (ulpm.one_hot, (Y, K - 1), "y"),
    (ulpm.one_hot, (Y - 1, K), "y"),
    (ulpm.one_hot, (Y.astype(float), K), "y"),
    (ulpm.one_hot, (0 * Y, 1), "K"),
    (ulpm.gaps, (W[0], Y), "Z"),
    (ulpm.gaps, (changed(W @ H, np.nan), Y), "Z"),
    (ulpm.gaps, (W @ H, Y[:-1]), "y"),
    (ulpm.gaps, (W @ H, Y + 1), "y"),
    (ulpm.hessian_vector, (W, H, Y, W[:-1], H), "dW"),
    (ulpm.hessian_vector, (W, H, Y, W, H[:, :-1]), "dW, dH"),
    (ulpm.hessian_vector, (W, H, Y, W, changed(H, np.nan)), "dH"),
    (ulpm.class_means, (H[0], Y, K), "H"),
    (ulpm.class_means, (changed(H, np.nan), Y, K), "H"),
    (ulpm.class_means, (H, Y[:-1], K), "y"),
    (ulpm.class_means, (H, Y, K - 1), "y"),
    (ulpm.class_means, (H, Y, K + 1), "y"),  # a class without samples
    (ulpm.squared_norm, (changed(W, np.nan), H), "W"),
    (ulpm.squared_norm, (W, H[0]), "H"),
    (margin.bound, (W, H, np.array([0, 0, 0, 1, 1, 2])), "y"),
    (margin.bound, (W, H, np.array([0, 0, 0, 1, 1, 1])), "y"),  # balanced, but a class is empty
    (margin.normalized_margin, (0 * W, 0 * H, Y), "W, H"),
    (margin.smoothed_margin, (0 * W, 0 * H, Y), "W, H"),
    (margin.attack, (1, 1, 1, 0), "K"),
    (margin.attack, (2, 0, 1, 0), "n"),
    (margin.attack, (2, 1, 0, 0), "d"),
    (etf.frame, (1, 3), "K"),
    (etf.frame, (4, 0), "d"),
    (etf.frame, (4, 2), "d"),  # d < K − 1
    (etf.gram, (1,), "K"),
    (etf.gram, (2.0,), "K"),
    (etf.collapsed, (1, 1, 1), "K"),
    (etf.collapsed, (3, 0, 2), "n"),
    (etf.collapsed, (3, 1, 1), "d"),
    (etf.collapsed, (3, 1, 2, 0.0), "q"),
    (etf.collapsed, (3, 1, 2, -1.0), "q"),
    (etf.collapsed, (3, 1, 2, np.nan), "q"),
    (etf.collapsed, (3, 1, 2, np.inf), "q"),
    (etf.collapsed, (3, 1, 2, None), "q"),
    (etf.collapsed, (3, 1, 2, "abc"), "q"),
    (etf.collapsed, (3, 1, 2, 10**400), "q"),
    (etf.multipliers, (1, 1), "K"),
    (etf.multipliers, (3, 0), "n"),
]


def flat(answer):
    return np.concatenate([np.ravel(part) for part in (answer if isinstance(answer, tuple) else (answer,))])


def label(value):
    return getattr(value, "__qualname__", None)


@pytest.mark.parametrize("bad", BAD_POINTS)
@pytest.mark.parametrize("function", OF_A_POINT, ids=label)
def test_a_bad_point_is_refused_by_name(function, bad):
    point, name = BAD_POINTS[bad]
    with pytest.raises(ValueError, match=f"^{name}[,:].*expected"):
        OF_A_POINT[function](*point)


@pytest.mark.parametrize(("function", "arguments", "name"), OTHERS, ids=label)
def test_a_bad_argument_is_refused_by_name(function, arguments, name):
    with pytest.raises(ValueError, match=f"^{name}[,:].*expected"):
        function(*arguments)


@pytest.mark.parametrize("module", [ulpm, margin, etf], ids=lambda m: m.__name__)
def test_bad_input_of_every_public_function_is_tried(module):
    functions = inspect.getmembers(module, lambda f: inspect.isfunction(f) and f.__module__ == module.__name__)
    tried = {*OF_A_POINT, *(function for function, _, _ in OTHERS)}
    assert [name for name, f in functions if not name.startswith("_") and f not in tried] == []


@pytest.mark.parametrize("function", OF_A_POINT, ids=label)
def test_a_good_point_is_accepted_as_lists_too_and_left_as_it_was(function):
    before = W.copy(), H.copy(), Y.copy()
    arrays, lists = (flat(OF_A_POINT[function](*point)) for point in (before, [a.tolist() for a in before]))
    OF_A_POINT[function](W, H, Y)
    assert np.array_equal(arrays, lists)
    assert all(np.array_equal(a, b) for a, b in zip(before, (W, H, Y), strict=True))


def test_an_error_says_what_was_expected_and_what_came():
    with pytest.raises(ValueError, match=r"expected labels in 0, …, 2, got values from 1 to 3"):
        validate.labels(Y + 1, K, Y.size)
    with pytest.raises(ValueError, match=r"expected balanced classes, n ≥ 1 samples each, got class sizes \[3, 2, 1\]"):
        validate.balanced(np.array([0, 0, 0, 1, 1, 2]), K)
    with pytest.raises(ValueError, match=r"expected a matrix, got an array of shape \(2, 3, 1\)"):
        validate.matrix("W", np.zeros((2, 3, 1)))


def test_the_checks_return_what_they_checked():
    assert validate.integer("K", np.int64(5), 2) == 5
    assert validate.positive("q", 3) == 3.0
    assert validate.balanced(Y, K) == n
    assert validate.matrix("W", [[1, 2]]).dtype == np.float64
    assert np.array_equal(validate.labels(Y.tolist(), K, Y.size), Y)
