"""The ledger is complete, its tests exist, and the pages rendered from it are true."""

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ncpaper import claims

ROOT = Path(__file__).resolve().parents[1]
LEDGER = claims.read()
JUDGED = [c for c in LEDGER.values() if c.verdict != "not tested"]

#: Every statement to be judged: the ids, in the order of the paper.
IDS = """
abstract-landscape lpm-optimum bias-absorbed def-2.1-etf nc1 nc2 nc3 nc4 notation-N-n eq-4-loss gradient-flow
def-3.1-margin lemma-3.1-bound lemma-3.1-equality theorem-3.1 thm-3.1-norms max-margin-sentence remark-3.1-feasible
remark-3.1-value remark-3.1-set kkt-not-sufficient kkt-not-necessary theorem-3.2-kkt theorem-3.2-collapse
lemma-3.2-beta lemma-3.2-epsilon lemma-3.2-delta lemma-3.3 separation-rays ex-3.1-classifies ex-3.1-multiplier
ex-3.1-gradient ex-3.1-alignment ex-3.1-norms ex-3.1-descent ex-3.1-saddle ex-3.1-noise remark-3.3-sgd theorem-3.3
remark-3.2 def-3.2-tangent theorem-3.4-13 theorem-3.4-14 theorem-3.4-implies remark-3.3-hessian fig-2-settings
fig-2-definitions fig-2-rates-wording fig-2a fig-2b fig-2c fig-2d fig-2-axes fig-3a fig-3b fig-3c fig-3d fig-1
table-1-row sec-5.2-weight-decay sec-5.2-growing-features sec-5.3-slow sec-5.3-schedule only-along-nc
intro-26-max-margin lemma-3.2-limit sec-5.2-jensen fig-3-all-decrease
""".split()


def defined_tests():
    """The tests that exist, as pytest ids without parameters."""
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"tests/{path.name}::{node.name}"


TESTS = set(defined_tests())


def test_every_statement_of_the_paper_is_in_the_ledger_once():
    assert sorted(LEDGER) == sorted(IDS)


def test_only_figure_3_is_left_untested():
    untested = sorted(i for i, c in LEDGER.items() if c.verdict == "not tested")
    assert untested == ["fig-3-all-decrease", "fig-3a", "fig-3b", "fig-3d"]


@pytest.mark.parametrize("claim", LEDGER.values(), ids=lambda c: c.id)
def test_every_text_of_a_claim_is_written(claim):
    for text in (
        claim.printed,
        claim.statement,
        claim.consequence,
        claim.basis,
        *(entry.why for entry in claim.tolerance),
    ):
        assert text
        assert "TODO" not in text


@pytest.mark.parametrize("claim", LEDGER.values(), ids=lambda c: c.id)
def test_every_claim_has_a_short_plain_title(claim):
    assert 10 < len(claim.title) <= 70
    assert not re.search(r"[$\\`*{}|]|\.$", claim.title)


def test_no_two_claims_have_the_same_title():
    assert len({c.title for c in LEDGER.values()}) == len(LEDGER)


@pytest.mark.parametrize("claim", LEDGER.values(), ids=lambda c: c.id)
def test_every_claim_has_its_card_once_and_in_its_chapter(claim):
    card = rf"^```{{claim}} {re.escape(claim.id)}\s*$"
    pages = {p.stem: p.read_text(encoding="utf8") for p in (ROOT / "book").glob("*.md")}
    assert {name: n for name, page in pages.items() if (n := len(re.findall(card, page, re.M)))} == {claim.chapter: 1}


def cell_after(text, mark):
    """The code cell that a mark stands directly before, perhaps with other marks between."""
    found = re.search(
        rf"^\({re.escape(mark)}\)=\n(?:\([^\n]*\)=\n)*\n?(^```\{{code-cell\}}.*?^```$)", text, re.M | re.S
    )
    assert found, f"({mark})= stands before no code cell"
    return found[1]


@pytest.mark.parametrize("claim", JUDGED, ids=lambda c: c.id)
def test_every_judged_claim_has_a_cell_that_asserts_and_stands_before_its_card(claim):
    text = (ROOT / "book" / f"{claim.chapter}.md").read_text(encoding="utf8")
    cell = cell_after(text, f"check-{claim.id}")
    assert re.search(r"^ *assert ", cell, re.M)
    assert text.index(cell) < text.index(f"```{{claim}} {claim.id}\n")


def words(text):
    """The number of words; a formula and a role count as one each."""
    plain = re.sub(r"\$[^$]+\$", "formula", re.sub(r"\{[\w:]+\}`([^`]*)`", r"\1", text))
    return len(plain.split())


@pytest.mark.parametrize(("field", "most"), [("true_short", 40), ("why", 30), ("follows", 30)])
@pytest.mark.parametrize("claim", LEDGER.values(), ids=lambda c: c.id)
def test_what_a_card_says_at_a_glance_is_short(claim, field, most):
    text = getattr(claim, field)
    assert text.endswith((".", ".`", "$")), text
    assert 2 <= words(text) <= most, (words(text), text)


@pytest.mark.parametrize("claim", LEDGER.values(), ids=lambda c: c.id)
def test_an_ambiguous_claim_and_no_other_has_readings_with_their_verdicts(claim):
    assert (len(claim.readings) >= 2) == (claim.verdict == "ambiguous")
    assert "ambiguous" not in {r.verdict for r in claim.readings}


@pytest.mark.parametrize("claim", [c for c in JUDGED if c.verdict == "corrected"], ids=lambda c: c.id)
def test_a_correction_marks_what_it_puts_in(claim):
    """What is wrong in print is struck too, but for what is only missing there."""
    assert re.search(r"\{ins\}`|\\ins\{", claim.true_short)
    assert re.search(r"\{del\}`|\\del\{", claim.printed) or claim.id in ("nc3", "gradient-flow")


@pytest.mark.parametrize("claim", JUDGED, ids=lambda c: c.id)
def test_every_verdict_names_tests_and_evidence(claim):
    assert claim.tests
    assert claim.evidence


@pytest.mark.parametrize("claim", LEDGER.values(), ids=lambda c: c.id)
def test_every_test_that_a_claim_names_exists(claim):
    assert set(claim.tests) | set(claim.refutes) <= TESTS


def definitions(path):
    """The functions of a file by name, and the numbers its module gives names to."""
    functions, numbers = {}, {}
    for node in ast.parse((ROOT / path).read_text(encoding="utf8")).body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = node
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant):
                numbers[target.id] = node.value.value
    return functions, numbers


def numbers_in(name, functions, numbers, seen=()):
    """The numbers in the source of a function, and in that of the functions and constants of its file that it uses."""
    for node in ast.walk(functions[name]):
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            yield float(node.value)
        elif isinstance(node, ast.Name) and node.id in numbers:
            yield numbers[node.id]
        elif isinstance(node, ast.Name) and node.id in functions and node.id not in (name, *seen):
            yield from numbers_in(node.id, functions, numbers, (name, *seen))


@pytest.mark.parametrize("claim", [c for c in LEDGER.values() if c.tolerance], ids=lambda c: c.id)
def test_every_tolerance_stands_in_the_test_that_it_names(claim):
    for entry in claim.tolerance:
        path, name = entry.test.split("::")
        assert entry.test in claim.tests + claim.refutes or path.startswith("ncpaper/")
        assert entry.value in set(numbers_in(name, *definitions(path))), entry


@pytest.mark.parametrize("bad", [{"value": 1}, {"why": 1}, {"test": None}, {"more": "x"}])
def test_a_tolerance_without_number_reason_or_test_is_refused(tmp_path, bad):
    path = tmp_path / "claims.yml"
    path.write_text(
        yaml.safe_dump([sound_entry() | {"tolerance": [{"value": 0.1, "why": "x", "test": "x"} | bad]}]),
        encoding="utf8",
    )
    with pytest.raises(
        ValueError, match="x: tolerance: expected a mapping of value: a number, why: a text, test: a text"
    ):
        claims.read(path)


@pytest.mark.parametrize("bad", [{"reading": 1}, {"verdict": None}, {"more": "x"}, {"verdict": "true"}])
def test_a_reading_without_text_or_known_verdict_is_refused(tmp_path, bad):
    path, reading = tmp_path / "claims.yml", {"reading": "x", "verdict": "holds"}
    path.write_text(yaml.safe_dump([sound_entry() | {"readings": [reading | bad]}]), encoding="utf8")
    with pytest.raises(
        ValueError, match=r"verdict: expected one of holds|readings: expected a mapping of reading: a text"
    ):
        claims.read(path)


@pytest.mark.parametrize("claim", LEDGER.values(), ids=lambda c: c.id)
def test_no_test_is_counted_for_what_is_printed_and_for_what_is_true(claim):
    assert set(claim.tests).isdisjoint(claim.refutes)


@pytest.mark.parametrize("claim", [c for c in JUDGED if c.verdict in ("corrected", "refuted")], ids=lambda c: c.id)
def test_a_correction_names_a_test_in_which_the_printed_statement_fails(claim):
    assert claim.refutes


def test_the_claims_page_has_a_table_for_every_chapter_in_the_order_of_the_ledger():
    text = (ROOT / "book" / "claims.md").read_text(encoding="utf8")
    heads = re.findall(r"^## \{doc\}`(.+) <(\w+)>`\n\n```\{claims-table\} (\w+)\n```$", text, re.M)
    chapters = list(dict.fromkeys(c.chapter for c in LEDGER.values()))
    titles = [re.search(r"^# (.+)$", (ROOT / "book" / f"{c}.md").read_text(encoding="utf8"), re.M)[1] for c in chapters]
    assert heads == list(zip(titles, chapters, chapters, strict=True))


def sound_entry():
    """An entry of the right types and values, for a test to spoil."""
    entry = {f.name: ["x"] if f.type is list else "x" for f in dataclasses.fields(claims.Claim)}
    empty = {"tolerance": [], "readings": [], "uses": []}
    return entry | {"verdict": "holds", "evidence": ["exact"], "proof": "none"} | empty


@pytest.mark.parametrize("field", dataclasses.fields(claims.Claim), ids=lambda f: f.name)
def test_an_ill_typed_field_of_a_claim_is_refused_by_name(tmp_path, field):
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump([sound_entry()]), encoding="utf8")
    assert list(claims.read(path)) == ["x"]
    for bad in [None, 12, True, {"x": "x"}, "x" if field.type is list else ["x"], [12], [None]]:
        path.write_text(yaml.safe_dump([sound_entry() | {field.name: bad}]), encoding="utf8")
        with pytest.raises(
            ValueError, match=rf": {field.name}: expected a (list of texts|text|list of mappings.*|mapping .*), got"
        ):
            claims.read(path)


@pytest.mark.parametrize("text", ["", "12", "id: x", "- x", "- 12", "- [id]", "-"])
def test_a_ledger_that_is_no_list_of_mappings_is_refused(tmp_path, text):
    path = tmp_path / "claims.yml"
    path.write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=r"claims\.yml: expected a list of mappings"):
        claims.read(path)


def test_a_claim_with_an_unknown_verdict_is_refused(tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump([sound_entry() | {"verdict": "true"}]), encoding="utf8")
    with pytest.raises(ValueError, match="x: verdict: expected one of holds"):
        claims.read(path)


@pytest.mark.parametrize("more", ["", "  1: 2\n"])
def test_a_claim_with_missing_or_unknown_fields_is_refused(tmp_path, more):
    path = tmp_path / "claims.yml"
    path.write_text("- id: x\n" + more, encoding="utf8")
    with pytest.raises(ValueError, match="x: expected the fields"):
        claims.read(path)


def test_an_id_that_comes_twice_is_refused(tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump([sound_entry(), sound_entry()]), encoding="utf8")
    with pytest.raises(ValueError, match="x: the id comes twice"):
        claims.read(path)


def ledger_of(tmp_path, uses):
    """The path of a ledger whose claims, sound otherwise, use each other as given."""
    path = tmp_path / "claims.yml"
    entries = [sound_entry() | {"id": name, "uses": used} for name, used in uses.items()]
    path.write_text(yaml.safe_dump(entries), encoding="utf8")
    return path


@pytest.mark.parametrize("used", ["x", "z"])
def test_a_claim_that_uses_itself_or_an_unknown_one_is_refused(tmp_path, used):
    with pytest.raises(ValueError, match=f"x: uses: expected ids of other claims, got '{used}'"):
        claims.read(ledger_of(tmp_path, {"x": ["y", used], "y": []}))


def test_claims_that_use_each_other_in_a_circle_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"uses: expected no circle, got (x → z → y → x|z → y → x → z|y → x → z → y)"):
        claims.read(ledger_of(tmp_path, {"x": ["y"], "y": ["z"], "z": ["x"]}))


def reached(name):
    """Every claim that one rests on, through any number of others."""
    return set(LEDGER[name].uses).union(*(reached(used) for used in LEDGER[name].uses))


@pytest.mark.parametrize("claim", LEDGER.values(), ids=lambda c: c.id)
def test_a_claim_uses_directly_nothing_that_it_uses_through_another(claim):
    assert len(set(claim.uses)) == len(claim.uses)
    assert set(claim.uses).isdisjoint(set().union(*(reached(used) for used in claim.uses)))


def test_the_counts_of_the_readme_are_rendered_from_the_ledger():
    command = [sys.executable, ROOT / "book" / "_tools" / "readme.py", "--check"]
    assert subprocess.run(command).returncode == 0, "run: make outputs"


def test_the_readme_fits_one_screen_and_leaves_the_statements_to_the_claims_page():
    text = (ROOT / "README.md").read_text(encoding="utf8")
    assert len(text.splitlines()) <= 50
    assert [i for i in LEDGER if f"`{i}`" in text] == []
    assert "](book/claims.md)" in text
