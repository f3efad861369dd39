"""The project around the book: environments agree, commands exist, nothing of this machine is named."""

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
LOCK = dict(
    line.split("==") for line in (ROOT / "requirements.lock").read_text(encoding="utf8").splitlines() if line[0] != "#"
)
LOCKED = {canonicalize_name(name): version for name, version in LOCK.items()}
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")[:-1]


def requirements():
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(r) for r in [*PROJECT["dependencies"], *(r for extra in extras for r in extra)]]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_requirement_is_locked_at_a_version_it_allows(requirement):
    assert LOCKED[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_lock_is_what_is_installed():
    installed = {name: metadata.version(name).split("+")[0] for name in LOCKED}
    assert installed == LOCKED


def test_the_lock_names_no_cuda_package():
    assert [name for name in LOCKED if re.match(r"nvidia|cuda|triton", name)] == []


def test_conda_users_get_the_locked_versions_and_the_same_python():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf8"))
    *packages, pip = environment["dependencies"]
    assert f"python{PROJECT['requires-python']}" in packages
    assert "--requirement requirements.lock" in pip["pip"]
    index = re.search(r"^TORCH_INDEX \?= (\S+)$", (ROOT / "Makefile").read_text(encoding="utf8"), re.M)[1]
    assert f"--extra-index-url {index}" in pip["pip"]


@pytest.mark.parametrize("path", ["README.md", "book/index.md", "book/reproducibility.md", "environment.yml"])
def test_every_make_command_that_is_written_down_is_a_target(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.M))
    text = (ROOT / path).read_text(encoding="utf8")
    commands = set(re.findall(r"make ([a-z]+)(?=`|\s*$|\s+#|\s+[A-Z_]+=)", text, re.M))
    assert commands
    assert commands <= targets


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)[1].split()
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^make (\w+)", shown, re.M) == phony


def test_continuous_integration_calls_the_readmes_test_command():
    assert re.search(r"^make test\b", (ROOT / ".ci" / "run").read_text(encoding="utf8"), re.M)


@pytest.mark.parametrize("path", [p for p in TRACKED if not p.endswith((".png", ".pdf"))])
def test_no_file_names_a_path_of_one_machine(path):
    text = (ROOT / path).read_text(encoding="utf8")
    assert not re.search(r"(?<![\w.])/(work|root|home|Users)/\w", text)


def test_code_is_clean():
    assert subprocess.run(["make", "--silent", "lint"], cwd=ROOT).returncode == 0
