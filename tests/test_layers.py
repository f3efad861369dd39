"""The structure of the package: who may import whom, how long a body may be, what every public name tells."""

import ast
import re
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = [
    ["extras", "validate", "results"],
    ["provenance", "sweep"],
    ["flow", "style", "fashion", "checkpoint", "vgg", "symbolic", "certified"],
    ["ulpm", "etf"],
    ["points"],
    ["margin", "measures", "conservation", "compiled"],
    ["kkt", "landscape", "lpm", "models", "rates", "stability", "network", "train"],
    ["alignment", "ensembles", "schedules"],
    ["claims"],
]
LAYER = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(p for p in (ROOT / "ncpaper").glob("*.py") if not p.stem.startswith("__"))


def imports(tree):
    """The modules of the package that a syntax tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "ncpaper":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ncpaper."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("ncpaper."))


def functions():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.FunctionDef):
                yield path.stem, node


def statements(function):
    """How many statements a function holds, without its docstring."""
    inside = [n for n in ast.walk(function) if isinstance(n, ast.stmt) and n is not function]
    return len(inside) - (ast.get_docstring(function) is not None)


def test_every_module_has_a_layer():
    assert {p.stem for p in MODULES} == set(LAYER)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_imports_point_downwards(path):
    names = list(LAYER)
    used = set(imports(ast.parse(path.read_text(encoding="utf8"))))
    upward = {m for m in used if names.index(m) >= names.index(path.stem)}
    assert not upward


def test_of_the_package_the_flow_knows_only_the_door():
    assert set(imports(ast.parse((ROOT / "ncpaper" / "flow.py").read_text(encoding="utf8")))) == {"validate"}


def test_the_package_introduces_every_module_once():
    text = ast.get_docstring(ast.parse((ROOT / "ncpaper" / "__init__.py").read_text(encoding="utf8")))
    assert sorted(re.findall(r":mod:`~ncpaper\.(\w+)`", text)) == sorted(LAYER)


def test_the_reference_of_the_api_has_every_module_once_from_the_lowest_layer_up():
    text = (ROOT / "book" / "api.md").read_text(encoding="utf8")
    assert re.findall(r"automodule:: ncpaper\.(\w+)", text) == list(LAYER)


def test_every_test_file_is_named_after_a_module_or_a_chapter_or_a_part_of_the_project():
    """A chapter or part with more than one file names its topic after itself: ``test_<chapter>_<topic>``."""
    chapters = {p.stem for p in (ROOT / "book").glob("*.md")}
    parts = {
        "archive",
        "layers",
        "ledger",
        "pairs",
        "project",
        "book",
        "browser",
        "comparison",
        "figures",
        "tools",
        "errors",
        "words",
    }
    named = {p.stem.removeprefix("test_") for p in (ROOT / "tests").glob("test_*.py")}
    whole = set(LAYER) | chapters | parts
    assert [
        name for name in named if name not in whole and not any(name.startswith(f"{c}_") for c in chapters | parts)
    ] == []


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.stem not in ("checkpoint", "vgg", "train")], ids=lambda p: p.stem
)
def test_the_theory_does_not_need_torch(path):
    tree = ast.parse(path.read_text(encoding="utf8"))
    found = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    found |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert "torch" not in found


def test_bodies_are_formulas():
    sizes = {f"{module}.{node.name}": statements(node) for module, node in functions()}
    assert median(sizes.values()) <= 6
    assert {name: size for name, size in sizes.items() if size > 25} == {}


def test_every_public_function_has_a_docstring():
    silent = [f"{m}.{f.name}" for m, f in functions() if not f.name.startswith("_") and not ast.get_docstring(f)]
    nested = {
        f"{m}.{g.name}" for m, f in functions() for g in ast.walk(f) if g is not f and isinstance(g, ast.FunctionDef)
    }
    assert sorted(set(silent) - nested) == []
