"""The environment of this tree's programs: its own package, one thread, and nothing of the reader's configuration.

    python -I book/_tools/clean.py ARGUMENTS

runs this Python with the arguments, such as ``-m pytest``, in that environment.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: How the names of the variables begin through which a reader's own set-up would reach a chapter.
FOREIGN = ("PYTHON", "IPYTHON", "JUPYTER", "MATPLOTLIB", "MPL", "NUMBA")


def environment(given=os.environ):
    """``given`` without what is foreign, and with what makes every run the same.

    The folders for configuration lie in this tree, empty but for what the programs write there themselves. ``ncpaper`` is
    the package beside this file, whatever is installed.
    """
    configuration = ROOT / "_build" / "configuration"
    configuration.mkdir(parents=True, exist_ok=True)
    own = {
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "IPYTHONDIR": str(configuration / "ipython"),
        "JUPYTER_CONFIG_DIR": str(configuration / "jupyter"),
        "JUPYTER_DATA_DIR": str(configuration / "jupyter"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "MPLCONFIGDIR": str(configuration / "matplotlib"),
    }
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    return {name: value for name, value in given.items() if not name.startswith(FOREIGN)} | own | threads


if __name__ == "__main__":
    os.execve(sys.executable, [sys.executable, *sys.argv[1:]], environment())
