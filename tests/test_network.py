"""Every published measure of collapse, on any network: at collapse, beside section 4, beside each other, in use."""

import dataclasses
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kowalski import neural_collapse as kowalski

from ncpaper import measures, network, points
from ncpaper.__main__ import main

ROOT = Path(__file__).resolve().parents[1]


def sample(seed, sizes=(4, 4, 4), d=5, spread=1.0):
    """A random classifier with bias, features and labels, class k with sizes[k] samples."""
    rng, y = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    F = rng.standard_normal((len(sizes), d))[y] + spread * rng.standard_normal((y.size, d))
    return rng.standard_normal((len(sizes), d)), F, y, rng.standard_normal(len(sizes))


seeds = st.integers(0, 2**32 - 1)


@given(K=st.integers(2, 6), n=st.integers(1, 4), extra=st.integers(0, 3), q=st.floats(0.1, 10))
def test_every_measure_has_at_a_collapsed_point_the_value_it_names(K, n, extra, q):
    W, H, y = points.collapsed(K, n, K - 1 + extra, q)
    report = network.measure(W, H.T, y)
    for name, measure in network.MEASURES.items():
        assert abs(report[name] - measure.at_collapse(K)) < 1e-9 * (1 + q), name


@given(seed=seeds)
def test_the_measures_of_section_4_are_those_of_the_paper(seed):
    W, F, y, _ = sample(seed)
    report, expected = network.measure(W, F, y), measures.section_4(W, F.T, y)
    for name in set(expected) & set(network.MEASURES):
        assert np.isclose(report[name], expected[name], rtol=1e-10), name
    for name in ("classifier_norms", "classifier_cosines", "self_duality_distance"):
        assert np.isclose(report.readings[name].centred, expected[f"centred_{name}"], rtol=1e-10)


def test_every_measure_of_section_4_is_among_the_published_ones():
    names = {name.removeprefix("centred_") for name in measures.SECTION_4}
    assert names <= {name.removeprefix("centred_") for name in network.MEASURES}


@given(seed=seeds, block=st.integers(1, 20))
def test_the_size_of_a_block_changes_nothing_but_rounding(seed, block):
    point = sample(seed, sizes=(2, 5, 9))
    whole, parts = network.measure(*point), network.measure(*point, block=block)
    assert np.allclose(list(whole.values()), list(parts.values()), rtol=1e-9, atol=1e-12)


def test_a_memory_map_and_tensors_are_measured_as_arrays_are(tmp_path):
    W, F, y, b = sample(0)
    np.save(tmp_path / "F.npy", F)
    expected = network.measure(W, F, y, b)
    assert network.measure(W, np.load(tmp_path / "F.npy", mmap_mode="r"), y, b) == expected
    assert network.measure(*(torch.tensor(part) for part in (W, F, y, b))) == expected
    half = torch.tensor(F).bfloat16()
    assert network.measure(W, half.requires_grad_(), y, b) == network.measure(W, half.detach().double().numpy(), y, b)


@given(seed=seeds)
def test_centring_the_classifiers_changes_no_decision(seed):
    report = network.statistics(*sample(seed))
    W, F, y, b = sample(seed)
    centred = network.statistics(W - W.mean(axis=0), F, y, b - b.mean())
    assert (report.errors, report.disagreement) == (centred.errors, centred.disagreement)
    assert np.isclose(report.margin, centred.margin, rtol=1e-9, atol=1e-12)


# -------------------------------------------------------------------------------------- how the measures hang together


@given(seed=seeds)
def test_the_squared_duality_is_twice_one_minus_the_cosine_of_the_matrices(seed):
    s = network.statistics(*sample(seed))
    cosine = np.sum(s.W.T * s.centred_means) / (np.linalg.norm(s.W) * np.linalg.norm(s.centred_means))
    assert np.isclose(network.MEASURES["self_duality_square"].function(s), 2 - 2 * cosine, rtol=1e-9)


@given(seed=seeds)
def test_for_unit_vectors_the_squared_duality_is_the_average_square_of_the_duality_by_class(seed):
    W, F, y, _ = sample(seed)
    s = network.statistics(W / np.linalg.norm(W, axis=1, keepdims=True), F, y)
    unit = (s.centred_means / np.linalg.norm(s.centred_means, axis=0)).T
    s = dataclasses.replace(s, means=s.centre + unit)
    by_class = np.linalg.norm(unit - s.W, axis=1)
    assert np.isclose(network.MEASURES["self_duality_distance"].function(s), by_class.mean(), rtol=1e-9)
    assert np.isclose(network.MEASURES["self_duality_square"].function(s), np.mean(by_class**2), rtol=1e-9)


@given(seed=seeds)
def test_the_divisor_of_torch_std_multiplies_the_variation_of_norms(seed):
    s = network.statistics(*sample(seed))
    K = len(s.W)
    norms = torch.tensor(s.centred_means).norm(dim=0)
    expected = np.sqrt(K / (K - 1)) * network.MEASURES["class_mean_norms"].function(s)
    assert np.isclose((norms.std() / norms.mean()).item(), expected, rtol=1e-9)
    assert np.isclose(network.IMPLEMENTATIONS["equinorm by torch.std"].function(s), expected, rtol=1e-9)


@given(seed=seeds, K=st.integers(2, 5))
def test_for_class_means_on_a_simplex_the_normalised_variance_is_a_multiple_of_the_ratio_of_traces(seed, K):
    rng, (_, H, y) = np.random.default_rng(seed), points.collapsed(K, 6, K + 2, 1.0)
    noise = rng.standard_normal((K, 3, K + 2))
    F = H.T + 0.3 * np.concatenate([noise, -noise], axis=1).reshape(6 * K, K + 2)  # the class means stay
    s = network.statistics(np.eye(K, K + 2), F, y)
    value = {name: network.MEASURES[name].function(s) for name in ("cdnv", "trace_ratio")}
    assert np.isclose(value["cdnv"], (K - 1) / (2 * K) * value["trace_ratio"], rtol=1e-9)


@given(seed=seeds)
def test_the_averages_of_distances_are_at_most_the_roots_of_the_traces(seed):
    """Measure (b) averages distances, the traces average their squares."""
    W, F, y, _ = sample(seed)
    s = network.statistics(W, F, y)
    assert s.to_mean**2 <= np.trace(s.within) * (1 + 1e-12)
    assert s.to_centre**2 <= np.trace(s.total) * (1 + 1e-12)


# ------------------------------------------------------------------------------------------ what public programs compute


def covariance_pinv(M, V_intra, m_G):
    """The measure NC1 of rhubarbwu/neural-collapse, restated: the between-class covariance has the divisor d."""
    (K, d), M_centred = M.shape, M - m_G
    V_inter = M_centred.T @ M_centred / d
    return np.trace(np.linalg.pinv(V_inter) @ V_intra) / K


@given(seed=seeds)
def test_neural_collapse_on_github_differs_by_the_factor_d_over_k(seed):
    s = network.statistics(*sample(seed, d=7))
    published = network.MEASURES["covariance_trace"].function(s)
    assert np.isclose(covariance_pinv(s.means, s.within, s.centre), published * 7 / 3, rtol=1e-8)
    assert np.isclose(network.IMPLEMENTATIONS["neural-collapse, covariance_pinv"].function(s), published * 7 / 3)


@given(seed=seeds)
def test_kowalski_computes_what_is_restated(seed):
    W, F, y, _ = sample(seed, sizes=(6, 7, 8), d=5)
    by_class = [torch.tensor(F[y == k]) for k in range(3)]
    s = network.statistics(W, F, y)
    restated = network.IMPLEMENTATIONS["kowalski 0.0.2, within_class_variability"].function(s)
    assert np.isclose(kowalski.within_class_variability(by_class).item(), restated, rtol=1e-8)
    assert np.isclose(
        kowalski.class_distance_normalized_variance(by_class).item(), network.MEASURES["cdnv"].function(s)
    )
    assert np.isclose(
        kowalski.self_duality(by_class, torch.tensor(W)).item(), network.MEASURES["product_simplex"].function(s)
    )
    assert np.isclose(
        kowalski.classifier_etf_convergence(torch.tensor(W)).item(), network.MEASURES["classifier_simplex"].function(s)
    )


@given(seed=seeds, K=st.integers(2, 4), extra=st.integers(1, 3))
def test_the_trace_with_the_total_scatter_does_not_vanish_at_collapse(seed, K, extra):
    """Its limit is the number of directions of scatter outside the class means, over M; the published trace vanishes."""
    d, n = K - 1 + extra, 10
    rng, (W, H, y) = np.random.default_rng(seed), points.collapsed(K, n, d, 1.0)
    noise = rng.standard_normal(H.T.shape)
    at = [network.statistics(W, H.T + scale * noise, y) for scale in (1e-2, 1e-4)]
    restated = network.IMPLEMENTATIONS["kowalski 0.0.2, within_class_variability"].function
    limit = (np.linalg.matrix_rank(at[0].total) - (K - 1)) / (n * K)
    assert abs(restated(at[1]) - limit) < 1e-4
    assert limit > 0
    values = [network.MEASURES["covariance_trace"].function(s) for s in at]
    assert values[1] < 1e-3 * values[0]


@given(seed=seeds, d=st.integers(2, 6), ranks=st.tuples(st.integers(1, 4), st.integers(0, 4)), size=st.floats(1e-4, 10))
def test_the_trace_with_the_total_scatter_lies_between_its_bounds(seed, d, ranks, size):
    """Between r and r + rank B · σ/(λ + σ), with λ the least positive eigenvalue of B and σ the largest of S."""
    rng, (b, s) = np.random.default_rng(seed), (min(rank, d) for rank in ranks)
    # The ranges of B and S are random spaces, which share the fewest directions that their dimensions allow.
    P, Q = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    eigenvalues = rng.uniform(0.5, 2, b), size * rng.uniform(0.5, 2, s)
    B, S = (P[:, :b] * eigenvalues[0]) @ P[:, :b].T, (Q[:, :s] * eigenvalues[1]) @ Q[:, :s].T
    r = min(b + s, d) - b
    found = np.trace(S @ np.linalg.pinv(B + S, rcond=1e-12, hermitian=True))
    sigma = eigenvalues[1].max(initial=0.0)
    assert r - 1e-6 <= found <= r + b * sigma / (eigenvalues[0].min() + sigma) + 1e-6


def test_within_the_span_of_the_class_means_the_trace_with_the_total_scatter_vanishes():
    """In dimension K − 1 there is no other direction, so that its limit is zero."""
    rng, (W, H, y) = np.random.default_rng(0), points.collapsed(3, 10, 2, 1.0)
    s = network.statistics(W, H.T + 1e-4 * rng.standard_normal(H.T.shape), y)
    assert network.IMPLEMENTATIONS["kowalski 0.0.2, within_class_variability"].function(s) < 1e-6


# ---------------------------------------------------------------------------------------------------------- in use


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classifier": np.ones((1, 5))}, r"classifier: expected a matrix of shape \(K, d\), K ≥ 2"),
        ({"classifier": np.full((3, 5), np.nan)}, "classifier: expected finite entries"),
        (
            {"features": np.ones((12, 4))},
            r"features: expected a matrix of shape \(M, d\), M = 12, d = 5, got \(12, 4\)",
        ),
        ({"features": np.full((12, 5), np.inf)}, "features: expected finite entries"),
        ({"labels": np.arange(12)}, "labels: expected labels in 0, …, 2"),
        ({"labels": np.zeros(12, int)}, r"labels: expected samples of every class 0, …, 2, got none of \[1, 2\]"),
        ({"labels": np.zeros(12)}, "labels: expected integers"),
        ({"bias": np.zeros(4)}, r"bias: expected a vector of shape \(K\), K = 3, got \(4,\)"),
        ({"block": 0}, "block: expected an integer of at least 1"),
    ],
)
def test_a_bad_argument_of_a_network_is_refused_by_its_name(change, says):
    W, F, y, b = sample(0)
    with pytest.raises(ValueError, match=says):
        network.measure(**{"classifier": W, "features": F, "labels": y, "bias": b} | change)


def test_a_measure_without_a_value_is_no_number_and_the_others_stay():
    W, F, y, _ = sample(0)
    report = network.measure(np.zeros_like(W), F, y)
    assert np.isnan(report["classifier_norms"])
    assert np.isfinite(report["class_mean_norms"])


def test_features_that_are_all_the_same_have_no_measure_of_within_class_collapse():
    report = network.measure(np.eye(2), np.ones((4, 2)), [0, 0, 1, 1])
    assert all(np.isnan(report[name]) for name in ("within_class_variation", "trace_ratio", "cdnv"))
    assert np.isfinite(report["classifier_norms"])


def test_many_classes_take_no_array_of_pairs_of_classes_in_every_dimension():
    K, d = 200, 300
    rng = np.random.default_rng(0)
    found = network.statistics(rng.standard_normal((K, d)), rng.standard_normal((2 * K, d)), np.arange(2 * K) % K)
    tracemalloc.start()
    network.Report(found)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * K * K * d / 4


def saved(folder):
    W, F, y, b = sample(0)
    np.savez(folder / "network.npz", classifier=W, features=F, labels=y, bias=b)
    return network.measure(W, F, y, b)


def test_the_command_prints_the_table_of_a_saved_network(tmp_path, capsys):
    report = saved(tmp_path)
    assert main(["measure", str(tmp_path / "network.npz")]) == 0
    assert capsys.readouterr().out == f"{report}\n"
    W, F, y, b = map(torch.tensor, sample(0))
    torch.save({"classifier": W, "features": F, "labels": y, "bias": b}, tmp_path / "network.pt")
    assert main(["measure", str(tmp_path / "network.pt")]) == 0
    assert capsys.readouterr().out == f"{report}\n"


def test_the_command_runs_as_a_module_and_writes_a_picture(tmp_path):
    saved(tmp_path)
    command = [sys.executable, "-m", "ncpaper", "measure", tmp_path / "network.npz", "--picture", tmp_path / "x.png"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.npz", None, "No such file"),
        ("text.npz", b"classifier", "expected an .npz or .pt file"),
        ("text.pt", b"classifier", "expected an .npz or .pt file"),
        ("empty.npz", {}, "there is no classifier, features, labels"),
    ],
)
def test_a_file_that_is_no_network_is_refused_by_its_name(tmp_path, capsys, name, content, says):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    assert main(["measure", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{path}: ")
    assert says in said


def test_a_picture_of_another_kind_is_refused_and_nothing_is_written(tmp_path, capsys):
    saved(tmp_path)
    assert main(["measure", str(tmp_path / "network.npz"), "--picture", str(tmp_path / "x.gif")]) == 1
    assert "expected a writable file ending in .svg, .pdf or .png" in capsys.readouterr().err
    assert not (tmp_path / "x.gif").exists()
