"""Make one deliberate error for each claim, in a copy of the tree, and see which of its tests fails.

    python book/_tools/errors.py [--all | CLAIM ...]

The errors are those of ``tests/errors.yml``; ``make test`` shows that the same tests pass without them. The table is
written to ``tests/errors.json``. The rows of the claims named are made again, or all; without either, those that were made
with another error, or from other files, than the present ones.
"""

import contextlib
import hashlib
import importlib
import io
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
ERRORS, TABLE = ROOT / "tests" / "errors.yml", ROOT / "tests" / "errors.json"
#: What every run of the tests needs, imported once: a run is a fork of this process, which never imports the package.
LIBRARIES = ("beartype", "cvxpy", "hypothesis", "jaxtyping", "matplotlib", "nbval.plugin", "numba", "pytest",
             "scipy.integrate", "scipy.optimize", "sympy", "torch")  # fmt: skip
#: Seconds for the tests of one claim.
LIMIT = 150
#: What the copy leaves out: pictures and what programs have built.
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", ".hypothesis", "*.png", "*.pdf", "*.svg")


def read(path=ERRORS):
    """The entries of the list of errors, in its order."""
    return yaml.safe_load(Path(path).read_text(encoding="utf8"))


def spoiled(text, entry):
    """The text of a file with the error of an entry in it; ``ValueError`` unless the old text is there exactly once."""
    found = text.count(entry["old"])
    if found != 1:
        raise ValueError(
            f"{entry['claim']}: expected the text {entry['old']!r} once in {entry['file']}, found it {found} times"
        )
    return text.replace(entry["old"], entry["new"])


def claims_of(path=ROOT / "book" / "claims.yml"):
    """The claims of the ledger by id, without the package, which the forks alone may import."""
    return {claim["id"]: claim for claim in read(path)}


def tests_of(claim):
    """The tests of a claim: those of what is true, then those of what is printed."""
    return [*claim["tests"], *claim["refutes"]]


def digests(entry, claim, root=ROOT):
    """Two SHA-256 of what a row is made from: the error with the claim's tests by name, and the contents of their files."""
    spoiled_file = {entry["file"]} if "file" in entry else set()
    files = sorted(spoiled_file | {test.partition("::")[0] for test in tests_of(claim)})
    error = json.dumps([entry, tests_of(claim)], sort_keys=True).encode()
    sources = b"".join(hashlib.sha256((root / name).read_bytes()).digest() for name in files)
    return {"error_sha256": hashlib.sha256(error).hexdigest(), "sources_sha256": hashlib.sha256(sources).hexdigest()}


def outdated(entries, ledger, made, kinds=("error_sha256", "sources_sha256")):
    """The claims without a row, or whose row was made from something else than the present state, of the given kinds."""
    found, old = {row["claim"]: row for row in made}, []
    for entry in entries:
        row, state = found.get(entry["claim"], {}), digests(entry, ledger[entry["claim"]])
        if any(row.get(kind) != state[kind] for kind in kinds):
            old.append(entry["claim"])
    return old


def run_tests(tree, tests, report):
    """In a process of its own: run the tests in a tree, and write what pytest prints to a file."""
    os.chdir(tree)
    others = [path for path in sys.path if Path(path or ".").resolve() not in (ROOT, Path(__file__).parent)]
    sys.path[:] = [str(tree), *others]
    hypothesis = importlib.import_module("hypothesis")
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # whether a test fails, not its smallest failure
    plain = hypothesis.settings.get_profile("ci")  # derandomised
    hypothesis.settings.register_profile("errors", plain, phases=phases)
    os.environ["PYTHONPATH"], sys.dont_write_bytecode = str(tree), True
    options = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-profile=errors"]
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        status = importlib.import_module("pytest").main([*options, *tests])
    Path(report).write_text(f"{text.getvalue()}\nstatus {int(status)}", encoding="utf8")


def caught(tree, tests):
    """The first of the tests that fails in a tree, or None where none does in time; ``RuntimeError`` where none can run."""
    report = tree / "report.txt"
    report.unlink(missing_ok=True)
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(tree, tests, report))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        return None
    text = report.read_text(encoding="utf8") if report.is_file() else "no report"
    failed = re.search(r"^FAILED (tests/\w+\.py::\w+)", text, re.M)
    if not text.endswith(("status 0", "status 1")) or (text.endswith("1") and not failed):
        raise RuntimeError(f"the tests did not run: {text[-1000:]}")
    return failed[1] if failed else None


def attempt(tree, entry, tests):
    """Make the error of an entry in the tree, run the tests, take the error back; the first test that sees it."""
    path = tree / entry["file"]
    sound = path.read_text(encoding="utf8")
    path.write_text(spoiled(sound, entry), encoding="utf8")
    try:
        return caught(tree, tests)
    finally:
        path.write_text(sound, encoding="utf8")


def rows(entries, ledger, made):
    """The rows of the table, printed as they come; an error that could not be judged ends the run."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder).resolve() / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        for number, entry in enumerate(entries, 1):
            claim, earlier = ledger[entry["claim"]], made.get(entry["claim"], {}).get("caught")
            state = digests(entry, claim)
            tests = sorted(tests_of(claim), key=lambda name: name != earlier)  # the one that saw it before comes first
            test = attempt(tree, entry, tests) if "old" in entry else None
            seen = test or entry.get("reason", "SURVIVED")
            print(f"{number:3d}/{len(entries)} {entry['claim']}: {entry.get('words', 'no error')}: {seen}", flush=True)
            yield {"claim": entry["claim"], "caught": test, **state}


def main(chosen):
    """Make the rows of the chosen claims, or all, or those out of date; fail for a survivor without a reason."""
    ledger, entries = claims_of(), read()
    if unknown := set(chosen) - set(ledger) - {"--all"}:
        raise SystemExit(f"no claim {', '.join(sorted(unknown))} in the ledger")
    table = json.loads(TABLE.read_text(encoding="utf8")) if TABLE.is_file() else []
    wanted = set(ledger) if "--all" in chosen else set(chosen or outdated(entries, ledger, table))
    for name in LIBRARIES if wanted else ():
        importlib.import_module(name)
    made = {row["claim"]: row for row in table}
    for row in rows([entry for entry in entries if entry["claim"] in wanted], ledger, made):
        made[row["claim"]] = row
        write([made[entry["claim"]] for entry in entries if entry["claim"] in made])
    survivors = [
        e["claim"] for e in entries if "reason" not in e and made.get(e["claim"], {}).get("caught", "not run") is None
    ]
    if survivors:
        raise SystemExit(f"no test sees the errors of {', '.join(survivors)}")


def write(table):
    """The rows as the table, whole or not at all: it is written after each row, so that a run can be interrupted."""
    temporary = TABLE.with_suffix(".partial")
    temporary.write_text(json.dumps(table, indent=1) + "\n", encoding="utf8")
    temporary.replace(TABLE)


if __name__ == "__main__":
    main(sys.argv[1:])
