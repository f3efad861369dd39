r"""Your own network: every published measure of neural collapse, from its classifier, its features and their labels.

>>> import numpy as np
>>> from ncpaper import network
>>> rng = np.random.default_rng(0)
>>> features, labels, classifier = rng.standard_normal((60, 5)), np.arange(60) % 3, rng.standard_normal((3, 5))
>>> report = network.measure(classifier, features, labels)
>>> 0 < report["within_class_variation"] < 1
True

Shapes are those of PyTorch's layers: the classifier is ``(K, d)``, the features are ``(M, d)``, one row a sample; both may
be NumPy arrays or tensors. :data:`MEASURES` lists the measures by name, each with its definition, its source and the
value that it approaches at collapse.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.spatial.distance import cdist

from ncpaper import measures, style, validate

# ------------------------------------------------------------------------------------------------- what is measured on


@dataclass(frozen=True)
class Statistics:
    r"""What the measures need of a network: its classifier, and sums over its samples.

    ``W (K, d)`` the classifier, ``b (K,)`` its bias; ``counts (K,)`` the sizes of the classes, ``means (K, d)`` the class
    means, ``centre (d,)`` the mean of all samples; ``within (d, d)`` the within-class covariance
    :math:`\Sigma_W = \mathrm{Avg}_i (h_i - \bar h_{y_i})(h_i - \bar h_{y_i})^\top`; ``variances (K,)`` its trace class by
    class; ``to_mean`` and ``to_centre`` the averages of :math:`\|h_i - \bar h_{y_i}\|` and :math:`\|h_i - \bar h\|`;
    ``disagreement`` and ``errors`` the shares of samples where the classifier contradicts the nearest class mean and the
    label; ``margin`` the least margin, ``squares`` :math:`\|W\|_F^2 + \|H\|_F^2`.
    """

    W: ndarray
    b: ndarray
    counts: ndarray
    means: ndarray
    centre: ndarray
    within: ndarray
    variances: ndarray
    to_mean: float
    to_centre: float
    disagreement: float
    errors: float
    margin: float
    squares: float

    @property
    def centred_means(self):
        """The class means about the mean of all samples, as columns ``(d, K)``."""
        return (self.means - self.centre).T

    @property
    def between(self):
        r"""The between-class covariance :math:`\Sigma_B = \mathrm{Avg}_k (\bar h_k - \bar h)(\bar h_k - \bar h)^\top`."""
        return self.centred_means @ self.centred_means.T / len(self.W)

    @property
    def total(self):
        r"""The total covariance :math:`\Sigma_T = \mathrm{Avg}_i (h_i - \bar h)(h_i - \bar h)^\top`."""
        weighted = self.centred_means * np.sqrt(self.counts / self.counts.sum())  # (d, K)
        return self.within + weighted @ weighted.T

    @property
    def with_centred_classifiers(self):
        r"""The same with :math:`w_k - \bar w` for :math:`w_k`, which changes no decision of the classifier."""
        return replace(self, W=self.W - self.W.mean(axis=0), b=self.b - self.b.mean())


def _numbers(part):
    """An array or a tensor as NumPy has it; a tensor in float64, since NumPy does not know every type of PyTorch."""
    if not hasattr(part, "detach"):
        return part
    part = part.detach().cpu()
    return (part.double() if part.is_floating_point() else part).numpy()


def _checked(classifier, features, labels, bias):
    """W, b and the labels as arrays; raise ``ValueError`` naming what does not fit."""
    W, sizes = validate.finite("classifier", _numbers(classifier)), {}
    validate.shape("classifier", W, ("K", "d"), sizes)
    b = validate.finite("bias", np.zeros(len(W)) if bias is None else _numbers(bias))
    validate.shape("bias", b, ("K",), sizes)
    y = validate.labels("labels", _numbers(labels), len(W))
    validate.shape("labels", y, ("M",), sizes)
    if not hasattr(features, "shape"):
        features = validate.finite("features", features)
    validate.shape("features", features, ("M", "d"), sizes)
    if empty := np.flatnonzero(np.bincount(y, minlength=len(W)) == 0).tolist():
        raise ValueError(f"labels: expected samples of every class 0, …, {len(W) - 1}, got none of {empty}")
    return W, b, features, y


def _decisions(F, own, W, b, means):
    """Of features F (B, d) with classes ``own``: where classifier and nearest mean differ, errors, least margin."""
    scores, rows = F @ W.T + b, np.arange(len(F))  # (B, K)
    decided, nearest = scores.argmax(axis=1), (F @ means.T - np.sum(means**2, axis=1) / 2).argmax(axis=1)
    lead = scores[rows, own][:, None] - scores
    lead[rows, own] = np.inf
    return (decided != nearest).sum(), (decided != own).sum(), lead.min()


def statistics(classifier, features, labels, bias=None, block=4096):
    """The :class:`Statistics` of a network, in float64, from blocks of at most ``block`` features.

    ``classifier (K, d)``, ``features (M, d)``, ``labels (M,)`` in 0, …, K−1, ``bias (K,)``: arrays, memory maps or tensors.

    Raises
    ------
    ValueError
        Naming the argument whose shape, kind or entries do not fit, and for a class without samples.

    Source
    ------
    The definitions of :data:`MEASURES`.
    """
    W, b, features, y = _checked(classifier, features, labels, bias)
    block, counts, M = validate.integer("block", block, 1), np.bincount(y), len(y)
    parts = [slice(i, min(i + block, M)) for i in range(0, M, block)]
    read = lambda part: validate.finite("features", _numbers(features[part]))  # noqa: E731
    sums, within, variances = np.zeros(W.shape), np.zeros((W.shape[1],) * 2), np.zeros(len(W))
    for part in parts:
        np.add.at(sums, y[part], read(part))
    means, centre, totals, least = sums / counts[:, None], sums.sum(axis=0) / M, np.zeros(5), np.inf
    for part in parts:
        F, own = read(part), y[part]  # (B, d), (B,)
        deviation = F - means[own]
        within += deviation.T @ deviation / M
        variances += np.bincount(own, np.sum(deviation**2, axis=1), len(W)) / counts
        *wrong, margin = _decisions(F, own, W, b, means)
        distances = np.linalg.norm(deviation, axis=1).sum(), np.linalg.norm(F - centre, axis=1).sum()
        totals += (*distances, *wrong, np.sum(F**2))
        least = min(least, margin)
    shares = (totals[:4] / M).tolist()
    return Statistics(
        W, b, counts, means, centre, within, variances, *shares, float(least), float(np.sum(W**2) + totals[4])
    )


# ------------------------------------------------------------------------------------------------------- the measures


def _simplex_distance(A):
    r""":math:`\|A/\|A\|_F - \frac{1}{\sqrt{K-1}}(I - \frac1K \mathbf 1 \mathbf 1^\top)\|_F`, for A (K, K)."""
    K = len(A)
    return np.linalg.norm(A / np.linalg.norm(A) - (np.eye(K) - 1 / K) / np.sqrt(K - 1))


def _off_diagonal(A):
    """The entries of a square matrix off its diagonal."""
    return A[~np.eye(len(A), dtype=bool)]


def _squared_distances(V):
    """The squared distances of the columns of V (d, K), as (K, K)."""
    return cdist(V.T, V.T, "sqeuclidean")


def _cdnv(s):
    """The class-distance normalised variance of each pair of classes."""
    return _off_diagonal(s.variances[:, None] + s.variances) / (2 * _off_diagonal(_squared_distances(s.means.T)))


def _uniformity(V):
    """The average over pairs of log 1/‖u_k − u_j‖, for the unit vectors along the columns of V (d, K)."""
    return -np.log(_off_diagonal(_squared_distances(V / np.linalg.norm(V, axis=0)))).mean() / 2


def _sample_variation(x):
    """The standard deviation with divisor K − 1 over the mean, as ``torch.std`` takes it."""
    return x.std(ddof=1) / x.mean()


class Measure(NamedTuple):
    """A measure: the condition it tests, its words and formula, who published it, its value at collapse, its function.

    ``at_collapse`` is a function of the number of classes K.
    """

    condition: str
    label: str
    definition: str
    source: str
    function: Callable
    at_collapse: Callable = lambda K: 0.0


#: Who published a measure. In the definitions S is (I − 11ᵀ/K)/√(K−1), the columns of Ṁ are h̄ₖ − h̄, ⁺ is the pseudoinverse.
SECTION_4, PAPYAN, ZHU = "section 4", "Papyan, Han and Donoho (2020)", "Zhu et al. (2021)"

#: Every published measure by name; where section 4 has it, the name of :data:`ncpaper.measures.SECTION_4`. Averages over k
#: count each class once.
MEASURES = {
    "within_class_variation": Measure(
        "NC1", "within-class variation", "Avg ‖h − h̄ₖ‖ / Avg ‖h − h̄‖", f"{SECTION_4} (b)",
        lambda s: s.to_mean / s.to_centre),
    "covariance_trace": Measure(
        "NC1", "trace of the covariances", "Tr(Σ_W Σ_B⁺) / K", f"{PAPYAN}; {ZHU}",
        lambda s: np.trace(s.within @ np.linalg.pinv(s.between, hermitian=True)) / len(s.W)),
    "trace_ratio": Measure(
        "NC1", "ratio of the traces", "Tr Σ_W / Tr Σ_B", "Hui, Belkin and Nakkiran (2022)",
        lambda s: np.trace(s.within) / np.trace(s.between)),
    "cdnv": Measure(
        "NC1", "class-distance normalised variance", "Avg over k ≠ j of (σₖ² + σⱼ²) / (2 ‖h̄ₖ − h̄ⱼ‖²)",
        "Galanti, György and Hutter (2022)", lambda s: _cdnv(s).mean()),
    "class_mean_norms": Measure(
        "NC2", "norms of class means", "Std ‖h̄ₖ − h̄‖ / Avg ‖h̄ₖ − h̄‖", f"{SECTION_4} (a); {PAPYAN}",
        lambda s: measures.norm_variation(s.centred_means)),
    "classifier_norms": Measure(
        "NC2", "norms of classifiers", "Std ‖wₖ‖ / Avg ‖wₖ‖", f"{SECTION_4} (a); {PAPYAN}",
        lambda s: measures.norm_variation(s.W.T)),
    "class_mean_cosines": Measure(
        "NC2", "angles of class means, as printed", "Avg over k ≠ j of |cos(h̄ₖ, h̄ⱼ) + 1/(K−1)|", f"{SECTION_4} (c)",
        lambda s: measures.cosine_deviation(s.means.T)),
    "centred_class_mean_cosines": Measure(
        "NC2", "angles of class means, centred", "Avg over k ≠ j of |cos(h̄ₖ − h̄, h̄ⱼ − h̄) + 1/(K−1)|", PAPYAN,
        lambda s: measures.cosine_deviation(s.centred_means)),
    "classifier_cosines": Measure(
        "NC2", "angles of classifiers", "Avg over k ≠ j of |cos(wₖ, wⱼ) + 1/(K−1)|", f"{SECTION_4} (c); {PAPYAN}",
        lambda s: measures.cosine_deviation(s.W.T)),
    "class_mean_cosine_spread": Measure(
        "NC2", "spread of the angles of class means", "Std over k ≠ j of cos(h̄ₖ − h̄, h̄ⱼ − h̄)", PAPYAN,
        lambda s: _off_diagonal(measures.cosines(s.centred_means)).std()),
    "classifier_cosine_spread": Measure(
        "NC2", "spread of the angles of classifiers", "Std over k ≠ j of cos(wₖ, wⱼ)", PAPYAN,
        lambda s: _off_diagonal(measures.cosines(s.W.T)).std()),
    "classifier_simplex": Measure(
        "NC2", "classifiers and the simplex", "‖WWᵀ/‖WWᵀ‖ − S‖", ZHU, lambda s: _simplex_distance(s.W @ s.W.T)),
    "class_mean_simplex": Measure(
        "NC2", "class means and the simplex", "‖ṀᵀṀ/‖ṀᵀṀ‖ − S‖", "Kothapalli (2023)",
        lambda s: _simplex_distance(s.centred_means.T @ s.centred_means)),
    "class_mean_uniformity": Measure(
        "NC2", "hyperspherical uniformity of class means", "Avg over k ≠ j of −log ‖uₖ − uⱼ‖, uₖ along h̄ₖ − h̄",
        "Liu et al. (2023)", lambda s: _uniformity(s.centred_means), lambda K: -np.log(2 * K / (K - 1)) / 2),
    "self_duality_distance": Measure(
        "NC3", "self-duality, class by class", "Avg ‖(h̄ₖ − h̄)/‖h̄ₖ − h̄‖ − wₖ/‖wₖ‖‖", f"{SECTION_4} (d)",
        lambda s: measures.direction_distance(s.centred_means, s.W.T)),
    "self_duality_square": Measure(
        "NC3", "self-duality of the matrices, squared", "‖Wᵀ/‖W‖ − Ṁ/‖Ṁ‖‖²", PAPYAN,
        lambda s: measures.unit_distance(s.W.T, s.centred_means) ** 2),
    "product_simplex": Measure(
        "NC3", "product and the simplex", "‖WṀ/‖WṀ‖ − S‖", ZHU, lambda s: _simplex_distance(s.W @ s.centred_means)),
    "bias": Measure(
        "bias", "bias and the mean feature", "‖b + W h̄‖", ZHU, lambda s: np.linalg.norm(s.b + s.W @ s.centre)),
    "disagreement": Measure(
        "NC4", "classifier against nearest mean", "share of samples where they differ", PAPYAN,
        lambda s: s.disagreement),
}  # fmt: skip

#: What public programs compute under the same names, by program: restated from their sources, for their default options
#: and classes of at least two samples (kowalski leaves out the others).
IMPLEMENTATIONS = {
    "equinorm by torch.std": Measure(
        "NC2", "norms of class means, divisor K − 1", "√(K/(K−1)) · Std ‖h̄ₖ − h̄‖ / Avg ‖h̄ₖ − h̄‖",
        "notebooks after Papyan, Han and Donoho", lambda s: _sample_variation(np.linalg.norm(s.centred_means, axis=0))),
    "trace by svds": Measure(
        "NC1", "trace of the covariances, not over K", "Tr(Σ_W Σ_B⁺)", "notebooks after Papyan, Han and Donoho",
        lambda s: np.trace(s.within @ np.linalg.pinv(s.between, hermitian=True))),
    "neural-collapse, covariance_pinv": Measure(
        "NC1", "trace of the covariances, divisor d", "Tr(Σ_W (K Σ_B / d)⁺) / K", "rhubarbwu/neural-collapse on GitHub",
        lambda s: np.trace(s.within @ np.linalg.pinv(s.between * len(s.W) / len(s.between), hermitian=True)) / len(s.W)),
    "kowalski 0.0.2, within_class_variability": Measure(
        "NC1", "trace with the total scatter for Σ_B", "Tr(Σ_W (M Σ_T / K)⁺) / K", "kowalski 0.0.2 on PyPI",
        lambda s: np.trace(s.within @ np.linalg.pinv(s.total * s.counts.sum() / len(s.W), hermitian=True)) / len(s.W)),
}  # fmt: skip


class Reading(NamedTuple):
    """The value of a measure with the classifiers as they are, and centred; equal where it has no classifiers."""

    given: float
    centred: float


def _width(text):
    """How many columns a text takes: a bar above a letter takes none."""
    return sum(not unicodedata.combining(c) for c in text)


def _value(measure, s):
    """The value of a measure, NaN where it has none: a zero vector has no direction."""
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(measure.function(s))
    except (ValueError, ZeroDivisionError):
        return float("nan")


class Report(dict):
    """The measures of a network by name; ``str`` gives a table, a notebook shows it, :meth:`picture` draws it.

    ``report[name]`` is the value with the classifiers as they are, ``report.readings[name]`` holds both values,
    ``report.statistics`` what they were computed from.
    """

    def __init__(self, found):
        """Evaluate every measure on the :class:`Statistics` ``found``."""
        self.statistics, other = found, found.with_centred_classifiers
        self.readings = {name: Reading(_value(m, found), _value(m, other)) for name, m in MEASURES.items()}
        super().__init__({name: reading.given for name, reading in self.readings.items()})

    def lines(self):
        """The rows of the table: condition, measure, value, value with centred classifiers, definition, source."""
        for name, measure in MEASURES.items():
            given, centred = (f"{value:.4g}" for value in self.readings[name])
            centred = "" if centred == given else centred
            yield measure.condition, name, given, centred, measure.definition, measure.source

    @property
    def summary(self):
        """What else is worth knowing, as a sentence: classes, samples, errors, margin."""
        s = self.statistics
        K, M, sizes = len(s.W), int(s.counts.sum()), f"{s.counts.min()} to {s.counts.max()} samples a class"
        return f"{K} classes, {M} samples ({sizes}), {s.errors:.2%} training errors, least margin {s.margin:.4g}."

    def __str__(self):
        """The summary and the table, in columns."""
        rows = [("", "measure", "value", "centred", "definition", "source"), *self.lines()]
        widths = [max(_width(row[i]) for row in rows) for i in range(6)]
        lines = ("  ".join(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=True)) for row in rows)
        return "\n".join([self.summary, "", *(line.rstrip() for line in lines)])

    def _repr_markdown_(self):
        head = ["| | measure | value | centred classifiers | definition | source |", "|---|---|---|---|---|---|"]
        cells = ([condition, f"`{name}`", *rest] for condition, name, *rest in self.lines())
        rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
        return "\n".join([self.summary, "", *head, *rows])

    def picture(self):
        """A matplotlib figure: how far each measure is from its value at collapse, on a logarithmic axis."""
        fig, ax = style.figure("panels")
        K, rows = len(self.statistics.W), list(MEASURES.items())
        looks = {"as defined": ("feature", "o"), "with centred classifiers": ("classifier", "|")}
        for column, (label, (role, marker)) in enumerate(looks.items()):
            far = [abs(self.readings[name][column] - m.at_collapse(K)) for name, m in rows]
            ax.plot(
                far, range(len(rows)), marker, color=style.COLORS[role], markersize=7, markeredgewidth=2, label=label
            )
        ax.set(xscale="log", xlabel="distance from the value at collapse (a measure that is there has no mark)")
        ax.set_yticks(range(len(rows)), [f"{m.label} ({m.condition})" for _, m in rows])
        ax.invert_yaxis()
        fig.legend(loc="outside upper right", ncols=2)
        return fig


def measure(classifier, features, labels, bias=None, block=4096):
    """Every measure of neural collapse of a network, as a :class:`Report`.

    ``classifier (K, d)``, ``features (M, d)`` what the classifier is applied to, one row a sample, ``labels (M,)`` in
    0, …, K−1, ``bias (K,)``: NumPy arrays, memory maps or tensors; classes may differ in size. Features are read in blocks
    of ``block`` rows and measured in float64.

    Raises
    ------
    ValueError
        Naming the argument whose shape, kind or entries do not fit, and for a class without samples.

    Source
    ------
    :data:`MEASURES`.

    Examples
    --------
    >>> print(measure(np.eye(2), np.eye(2), [0, 1]).summary)
    2 classes, 2 samples (1 to 1 samples a class), 0.00% training errors, least margin 1.
    """
    return Report(statistics(classifier, features, labels, bias, block))
