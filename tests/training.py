"""The training program as its tests run it: a checkpoint after every epoch, and few images to test on.

``python -m tests.training`` takes the words of ``python -m ncpaper.train``.
"""

import sys

from ncpaper import fashion, train

#: Of the 10,000: enough to be measured, and measured in no time.
TEST_IMAGES = 100


def few_test_images(part, load=fashion.load):
    """The data set as it is, but for the test images: the first ones."""
    return tuple(array[: TEST_IMAGES if part == "t10k" else None] for array in load(part))


def make_quick(setattr=setattr):
    """Change the program so; ``setattr`` may be that of a patch which undoes it."""
    setattr(train, "PAUSE", 0.0)
    setattr(fashion, "load", few_test_images)


if __name__ == "__main__":
    make_quick()
    sys.exit(train.main())
