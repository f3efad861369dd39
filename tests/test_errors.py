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
CAUGHT = {row["claim"]: row["caught"] for row in json.loads(errors.TABLE.read_text(encoding="utf8"))}


def test_every_claim_has_one_error_or_one_reason_in_the_order_of_the_ledger():
    assert [entry["claim"] for entry in ENTRIES] == list(LEDGER)
    assert all("old" in entry or entry["reason"].strip() for entry in ENTRIES)


def test_every_claim_has_its_row_once():
    rows = [row["claim"] for row in json.loads(errors.TABLE.read_text(encoding="utf8"))]
    assert rows == list(LEDGER)


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
