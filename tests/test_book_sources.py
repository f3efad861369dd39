"""Tests as pages of the book: their names read as sentences, every link leads to the lines of its test."""

import ast
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from ncpaper import claims

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import sources  # noqa: E402

NAMED = sources.named(claims.read())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("simplex_etf_attains_the_margin_bound", "simplex ETF attains the margin bound"),
        ("example_3_1_is_a_kkt_point_and_not_a_global_optimum", "Example 3.1 is a KKT point and not a global optimum"),
        ("distance_of_family_10_is_16_c_squared_s", "distance of family (10) is 16 c squared s"),
        ("readings_of_nc1_agree_for_one_or_two_samples", "readings of NC1 agree for one or two samples"),
        ("bound_is_not_attained_below_dimension_K_minus_1", "bound is not attained below dimension K minus 1"),
        ("reading_w_k_sees_a_shift_that_changes_no_probability", "reading w_k sees a shift that changes no probability"),
        ("squared_error_at_the_best_simplex_etf_is_one_over_2k", "squared error at the best simplex ETF is one over 2K"),
    ],
)  # fmt: skip
def test_the_name_of_a_test_reads_as_a_sentence(name, sentence):
    assert sources.sentence(f"tests/test_x.py::test_{name}") == sentence
    assert sources.sentence(f"tests/test_x.py::test_{name}[3-4]") == sentence


def test_no_two_tests_of_a_claim_read_the_same():
    for claim in claims.read().values():
        tests = claim.tests + claim.refutes
        assert len({sources.sentence(test) for test in tests}) == len(tests), claim.id


@pytest.mark.parametrize("test", ["tests/test_margin.py::test_nothing", "tests/test_none.py::test_x", "test_x", ""])
def test_a_test_that_does_not_exist_has_no_place(test):
    with pytest.raises(ValueError, match=r"expected a test, tests/FILE\.py::NAME, in a file"):
        sources.place(test)


def test_a_link_to_a_test_that_does_not_exist_fails_the_build(tmp_path):
    conf = f"import sys\nsys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"
    (tmp_path / "conf.py").write_text(f"{conf}extensions = ['myst_parser', 'sources']\n", encoding="utf8")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "dummy", tmp_path, tmp_path / "out"]
    for name, status in (("test_nothing", 2), ("test_simplex_etf_attains_the_margin_bound", 0)):
        (tmp_path / "index.md").write_text(f"# Title\n\n{{test}}`tests/test_margin.py::{name}`\n", encoding="utf8")
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == status, run.stderr
        assert ("got 'tests/test_margin.py::test_nothing'" in run.stderr) == bool(status)


def lines_of(page, anchor):
    """The text that stands in the element of a page of tests with this id, without the claims beside it."""
    block = re.search(rf'<span class="test" id="{anchor}">(.*?)(?=<span class="test"|</pre>)', page, re.S)[1]
    plain = re.sub(r'<span class="checks">.*?</span>|<span class="linenos">.*?</span>', "", block)
    return unescape(re.sub(r"<[^>]+>", "", plain))


@pytest.mark.parametrize("test", NAMED)
def test_the_page_of_a_test_shows_its_lines_at_its_anchor_and_names_its_claims(html, test):
    page, name = sources.place(test)
    text = (html / f"{page}.html").read_text(encoding="utf8")
    if not test.startswith("tests/"):
        assert f'id="{name}"' in text
        return
    source = (ROOT / test.partition("::")[0]).read_text(encoding="utf8")
    node = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == name)
    assert ast.get_source_segment(source, node) in lines_of(text, name)
    back = re.search(rf'id="{name}"><span class="checks">(.*?)</span>', text)[1]
    assert re.findall(r">([^<]+)</a>", back) == NAMED[test]


def test_the_claims_link_to_each_of_their_tests(html):
    for claim in claims.read().values():
        text = (html / "book" / f"{claim.chapter}.html").read_text(encoding="utf8")
        for test in claim.tests + claim.refutes:
            page, name = sources.place(test)
            assert f'href="../{page}.html#{name}"' in text, claim.id
