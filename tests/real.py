"""The real data set for tests that need it: never downloaded by a test, never missing in continuous integration."""

import os

import pytest

from ncpaper import fashion


def folder():
    """The folder with the four original files; a failure under CI, a skip elsewhere, where they are not all there."""
    here = fashion.folder()
    missing = [name for name in fashion.FILES if not (here / name).is_file()]
    if missing and os.environ.get("CI"):
        pytest.fail(f"continuous integration must have the real files: {here} lacks {missing}; set NCPAPER_DATA")
    if missing:
        pytest.skip(f"the real files are not in {here}; set NCPAPER_DATA to a folder that has them")
    return here
