"""What an installation may lack is named, with the way to get it."""

import re

import pytest

from ncpaper import claims, extras, results

MISSING = {
    "ledger": lambda: claims.read(extras.PACKAGE / "book" / "claims.yml"),
    "record": lambda: results.load(results.RECORDED / "none.json"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_ledger_or_record_that_is_missing_is_named_with_the_way_to_get_it(name):
    expected = r"(claims\.yml|none\.json): not found; .*pip install \. there installs"
    with pytest.raises(FileNotFoundError, match=expected):
        MISSING[name]()


def test_another_file_that_is_missing_is_named_alone(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(str(tmp_path / 'mine.json'))}: not found$"):
        results.load(tmp_path / "mine.json")


def test_a_module_that_is_missing_is_named_with_its_extra():
    message = r"no_such_module is not installed; .*pip install 'ncpaper\[fast\]'"
    with pytest.raises(ImportError, match=message), extras.extra("fast"):
        import no_such_module  # noqa: F401


def test_ledger_and_records_of_a_checkout_are_those_of_the_repository():
    assert claims.LEDGER == extras.CHECKOUT / "book" / "claims.yml"
    assert results.RECORDED == extras.CHECKOUT / "figures" / "data"
