"""The project around the book: environments agree, commands exist, nothing of this machine is named."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
import archive  # noqa: E402

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))
PROJECT, TOOL = PYPROJECT["project"], PYPROJECT["tool"]
LOCK = [
    Requirement(line.removesuffix("\\"))
    for line in (ROOT / "requirements.lock").read_text(encoding="utf8").splitlines()
    if line[0] not in "# "
]
LOCKED = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in LOCK}
TRACKED = archive.names(ROOT)


def requirements():
    extras = PROJECT["optional-dependencies"].values()
    every = [Requirement(r) for r in [*PROJECT["dependencies"], *(r for extra in extras for r in extra)]]
    return [r for r in every if r.name != PROJECT["name"]]  # the extra that includes others names the package itself


def installed(name):
    """The version that is installed, without the tag of PyTorch's build."""
    return metadata.version(name).split("+")[0]


def needed(name, extras=("",)):
    """The names of the packages that an installed one needs on this machine, itself included, through all of them."""
    found, open_ends = set(), [(name, frozenset(extras))]
    while open_ends:
        name, extras = open_ends.pop()
        found.add((name, extras))
        for r in map(Requirement, metadata.requires(name) or []):
            if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in extras):
                open_ends += {(canonicalize_name(r.name), frozenset({"", *r.extras}))} - found
    return {name for name, _ in found}


@pytest.mark.parametrize("requirement", [r for r in requirements() if r.name != "torch"], ids=str)
def test_every_requirement_is_locked_at_a_version_it_allows(requirement):
    assert LOCKED[canonicalize_name(requirement.name)] in requirement.specifier


def test_torch_alone_is_not_locked_and_is_given_as_one_version():
    assert [str(r) for r in requirements() if canonicalize_name(r.name) not in LOCKED] == [
        f"torch=={installed('torch')}"
    ]


def test_every_locked_version_has_hashes():
    text = (ROOT / "requirements.lock").read_text(encoding="utf8")
    files = re.findall(r"^\S+==.*\\((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)$", text, re.M)
    assert len(files) == len(LOCK) == len(LOCKED)


def test_what_is_locked_is_what_is_installed():
    here = {canonicalize_name(r.name) for r in LOCK if r.marker is None or r.marker.evaluate()}
    assert {name: installed(name) for name in here} == {name: LOCKED[name] for name in here}


def test_what_is_needed_is_locked_but_for_torch_and_what_its_build_for_a_gpu_brings():
    excluded = {canonicalize_name(name) for name in TOOL["uv"]["exclude-dependencies"]}
    unlocked = needed("ncpaper", extras=PROJECT["optional-dependencies"]) - set(LOCKED)
    assert {name for name in unlocked if not re.match(r"nvidia|cuda", name)} - excluded == {"ncpaper", "torch"}


def test_the_lock_names_no_cuda_package():
    assert [name for name in LOCKED if re.match(r"nvidia|cuda|triton", name)] == []


def test_conda_brings_python_pip_and_make_and_leaves_every_package_to_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf8"))
    assert environment["dependencies"] == [f"python{PROJECT['requires-python']}", "pip", "make"]


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda p: p.stem)
def test_a_skipped_test_says_why(path):
    skips = re.findall(
        r"pytest\.(?:mark\.)?(?:skip|skipif|xfail)\b(?!\.Exception)(.*)", path.read_text(encoding="utf8")
    )
    assert not [rest for rest in skips if not re.search(r"\(f?\"\w|reason=f?\"\w", rest)]


def test_binder_sets_up_the_environment_as_everyone_does():
    text = (ROOT / "postBuild").read_text(encoding="utf8")
    assert os.access(ROOT / "postBuild", os.X_OK)
    assert "\nmake ready ENV=" in text


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_a_workflow_may_only_read_but_for_the_job_that_publishes_and_pins_every_action_by_its_commit(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf8"))
    actions = re.findall(r"uses: (.+)", path.read_text(encoding="utf8"))
    assert workflow["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert more == ({"pages": {"pages": "write", "id-token": "write"}} if path.stem == "publish" else {})
    assert actions
    assert not [a for a in actions if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", a)]


def test_every_workflow_fits_the_schema_of_workflows():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS]
    assert subprocess.run(command).returncode == 0


def test_a_weekly_run_tests_and_writes_everything_anew_and_reports_a_difference():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text(encoding="utf8"))
    commands = "\n".join(step.get("run", "") for step in workflow["jobs"]["drift"]["steps"])
    assert re.fullmatch(r"\d+ \d+ \* \* \d", workflow[True]["schedule"][0]["cron"])
    for command in ("make test", "make outputs figures", "git diff > drift.patch\n", "::warning title=drift::"):
        assert command in commands


@pytest.mark.parametrize(
    "path", ["README.md", "book/index.md", "book/reproducibility.md", "environment.yml", "postBuild"]
)
def test_every_make_command_that_is_written_down_is_a_target(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.M))
    text = (ROOT / path).read_text(encoding="utf8")
    commands = set(re.findall(r"make ([a-z-]+)(?=`|\s*$|\s+#|\s+[A-Z_]+=)", text, re.M))
    assert commands
    assert commands <= targets


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)[1].split()
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^make (\S+)", shown, re.M) == phony


def test_continuous_integration_calls_the_readmes_test_command():
    assert re.search(r"^make test\b", (ROOT / ".ci" / "run").read_text(encoding="utf8"), re.M)


@pytest.mark.parametrize("path", [p for p in TRACKED if not p.endswith((".png", ".pdf", ".woff2", ".npz"))])
def test_no_file_names_a_path_of_one_machine(path):
    text = (ROOT / path).read_text(encoding="utf8")
    assert not re.search(r"(?<![\w.])/(work|root|home|Users)/\w", text)


def test_code_is_clean():
    assert subprocess.run(["make", "--silent", "lint"], cwd=ROOT).returncode == 0
