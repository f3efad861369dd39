"""The deliberate errors: one for each claim, each still fits its file, and its row names a test of the claim."""

import json
import sys
from pathlib import Path

import pytest

from ncpaper import claims

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import errors  # noqa: E402

LEDGER, ENTRIES = claims.read(), errors.read()
ERRORS = [entry for entry in ENTRIES if "old" in entry]
ROWS = json.loads(errors.TABLE.read_text(encoding="utf8"))
CAUGHT = {row["claim"]: row["caught"] for row in ROWS}


def test_every_claim_has_one_error_or_one_reason_in_the_order_of_the_ledger():
    assert [entry["claim"] for entry in ENTRIES] == list(LEDGER)
    assert all("old" in entry or entry["reason"].strip() for entry in ENTRIES)


def test_every_claim_has_its_row_once():
    assert [row["claim"] for row in ROWS] == list(LEDGER)


def test_every_row_was_made_with_the_present_error_and_the_present_tests():
    ledger = {name: vars(claim) for name, claim in LEDGER.items()}
    assert errors.outdated(ENTRIES, ledger, ROWS, ["error_sha256"]) == [], "run: make errors"


ENTRY, CLAIM = {"claim": "x", "file": "f.py", "old": "1", "new": "2"}, {"tests": ["t.py::a"], "refutes": ["r.py::b"]}


@pytest.mark.parametrize("change", [{"file": "g.py"}, {"new": "3"}, {"tests": ["t.py::c"]}, {"refutes": []}], ids=str)
def test_a_row_is_of_another_error_once_the_error_or_a_test_of_the_claim_is_another(tmp_path, change):
    for name in ("f.py", "g.py", "t.py", "r.py"):
        (tmp_path / name).write_text(name, encoding="utf8")
    entry, claim = ({**old, **{k: v for k, v in change.items() if k in old}} for old in (ENTRY, CLAIM))
    one, other = errors.digests(ENTRY, CLAIM, tmp_path), errors.digests(entry, claim, tmp_path)
    assert one == errors.digests(dict(ENTRY), dict(CLAIM), tmp_path)
    assert one["error_sha256"] != other["error_sha256"]


@pytest.mark.parametrize("name", ["f.py", "t.py", "r.py"])
def test_a_row_is_of_other_sources_once_the_spoiled_file_or_one_of_the_tests_changes(tmp_path, name):
    for other in ("f.py", "t.py", "r.py"):
        (tmp_path / other).write_text(other, encoding="utf8")
    before = errors.digests(ENTRY, CLAIM, tmp_path)
    (tmp_path / name).write_text("changed", encoding="utf8")
    after = errors.digests(ENTRY, CLAIM, tmp_path)
    assert before["sources_sha256"] != after["sources_sha256"]
    assert before["error_sha256"] == after["error_sha256"]


def test_what_was_made_from_another_error_or_other_sources_is_out_of_date_and_so_is_what_was_never_made():
    ledger = {name: vars(claim) for name, claim in LEDGER.items()}
    rows = [{"claim": e["claim"], **errors.digests(e, ledger[e["claim"]])} for e in ENTRIES]
    assert errors.outdated(ENTRIES, ledger, rows) == []
    rows[2]["error_sha256"] = rows[3]["sources_sha256"] = "0" * 64
    assert errors.outdated(ENTRIES, ledger, rows[:-1]) == [ENTRIES[i]["claim"] for i in (2, 3, -1)]


@pytest.mark.parametrize("entry", ERRORS, ids=lambda entry: entry["claim"])
def test_every_error_changes_its_file_in_one_place(entry):
    text = (ROOT / entry["file"]).read_text(encoding="utf8")
    assert errors.spoiled(text, entry) != text
    assert entry["words"].strip()


@pytest.mark.parametrize("entry", ERRORS, ids=lambda entry: entry["claim"])
def test_every_error_is_seen_by_a_test_of_its_claim_or_says_why_not(entry):
    claim, test = LEDGER[entry["claim"]], CAUGHT[entry["claim"]]
    if test is None:
        assert entry["reason"].strip()
    else:
        assert test in claim.tests + claim.refutes


@pytest.mark.parametrize("text", ["", "old, and again old"])
def test_an_error_that_does_not_fit_its_file_once_is_refused(text):
    with pytest.raises(ValueError, match=r"nc1: expected the text 'old' once in f\.py, found it [02] times"):
        errors.spoiled(text, {"claim": "nc1", "file": "f.py", "old": "old", "new": "new"})
