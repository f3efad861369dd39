"""Make the environment ready: ``python -I book/_tools/ready.py ENVIRONMENT [INDEX]``, with the standard library alone.

Makes a virtual environment where there is none, and installs in three steps: the locked packages, each file with a hash
of ``requirements.lock``; PyTorch, by the version of ``pyproject.toml`` from the index INDEX; this package. The marker
written last says where the environment lies, which tree it serves, and what is installed. Where it agrees nothing is done.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from alone import alone

ROOT = Path(__file__).resolve().parents[2]
TESTED = (3, 11)  # the newest Python with which everything is run
MARKER, LOCK = ".ncpaper-ready", ".ncpaper-lock"
NEEDS = ("requirements.lock", "pyproject.toml")


def expected(environment):
    """What the marker of a ready environment says."""
    needs = hashlib.sha256(b"\n".join((ROOT / name).read_bytes() for name in NEEDS)).hexdigest()
    return {"environment": str(environment), "tree": str(ROOT), "needs": needs}


def found(environment):
    """What the marker says, or nothing where there is no marker, or no Python beside it."""
    try:
        marker = json.loads((environment / MARKER).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) and (environment / "bin" / "python").exists() else {}


def remove_if_moved(environment, marker):
    """Empty a virtual environment that was made in another place, since its programs name that place."""
    if marker.get("environment", str(environment)) == str(environment):
        return
    if not (environment / "pyvenv.cfg").exists():
        sys.exit(f"{environment} was made as {marker['environment']} and cannot be moved or copied; make a new one")
    print(f"The environment was made as {marker['environment']} and cannot be moved or copied: it is made anew")
    for entry in environment.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


def check(version):
    """Stop at a Python that is too old; warn of one that is newer than the tested one."""
    version, tested = ".".join(map(str, version[:2])), ".".join(map(str, TESTED))
    if tuple(map(int, version.split("."))) < (3, 11):
        sys.exit(f"Python 3.11 or newer is needed, this is {version}; set PYTHON=")
    if tuple(map(int, version.split("."))) > TESTED:
        print(f"Warning: Python {version} is newer than {tested}, the newest with which everything is tested; where a")
        print(f"step fails, or a number differs, use PYTHON=python{tested}", flush=True)


def version(python):
    """The version of a Python interpreter, as a list of numbers."""
    code = "import json, sys; print(json.dumps(sys.version_info[:3]))"
    return json.loads(subprocess.run([python, "-I", "-c", code], check=True, capture_output=True).stdout)


def install(python, index):
    """Install with pip in three steps, all but this package from wheels, whose installation runs no code."""
    pip = [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--progress-bar", "off"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    torch = [r for r in project["optional-dependencies"]["train"] if r.startswith("torch==")]
    steps = (
        ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", "requirements.lock"],
        ["--only-binary", ":all:", *(["--index-url", index] if index else []), *torch],
        ["--no-deps", "--no-build-isolation", "--editable", "."],
    )
    for step in steps:
        subprocess.run([*pip, *step], cwd=ROOT, check=True, env={**os.environ, "PIP_USER": "0"})


def main(environment, index=""):
    """Make the environment ready; return the exit status."""
    environment = Path(os.path.abspath(environment))
    if found(environment) == expected(environment):
        return 0
    with alone(environment / LOCK, f"setting up {environment}"):
        remove_if_moved(environment, found(environment))
        unfinished = expected(environment) | {"needs": "unfinished"}
        (environment / MARKER).write_text(json.dumps(unfinished) + "\n", encoding="utf8")
        print(f"Setting up the environment in {environment} (once, a few minutes)", flush=True)
        python = environment / "bin" / "python"
        try:
            check(version(python) if python.exists() else sys.version_info)
            if not python.exists():
                subprocess.run([sys._base_executable, "-m", "venv", environment], check=True)
            install(python, index)
        except subprocess.CalledProcessError as error:
            print(f"The environment is not ready: {' '.join(map(str, error.cmd))} failed", file=sys.stderr)
            return 1
        (environment / MARKER).write_text(json.dumps(expected(environment), indent=1) + "\n", encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
