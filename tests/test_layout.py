"""The plan of the house: which room may import which, and how large its parts may be."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from alexbench.config.paths import PACKAGE

# A room imports from lower floors alone, never from its own floor or from one above.
FLOORS = (
    ("errors",),
    ("config",),
    ("kernels", "runs"),
    ("models", "data", "analysis"),
    ("parallel", "report"),
    ("training",),
    ("launch",),
    ("bench",),
    ("cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
TORCH_FREE = ("config", "runs", "analysis", "report", "cli")
DOORS = {"__init__", "__main__"}
MOST_PARAMETERS, LONGEST_FUNCTION, LEAST_DOCSTRINGS = 8, 60, 0.9


def modules(package: Path = PACKAGE) -> dict[str, ast.Module]:
    """The parsed modules by their dotted names below the package."""
    return {
        ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__"): (
            ast.parse(path.read_text())
        )
        for path in sorted(package.rglob("*.py"))
    }


def imported(module: ast.Module) -> list[str]:
    """Dotted names of what a module imports, at its top and inside its functions.

    ``from a.b import c`` counts as ``a.b.c``: c may be a module.
    """
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def room(name: str) -> str:
    return name.split(".")[0]


def wrong_arrows(package: Path = PACKAGE) -> list[str]:
    """Imports that lead to the same floor or upwards."""
    return [
        f"{name} imports {target}"
        for name, module in modules(package).items()
        if room(name) not in DOORS
        for target in imported(module)
        if target.startswith("alexbench.")
        and room(target.removeprefix("alexbench.")) != room(name)
        and FLOOR.get(room(target.removeprefix("alexbench.")), len(FLOORS)) >= FLOOR[room(name)]
    ]


def import_graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    parsed = modules(package)
    graph: dict[str, set[str]] = {}
    for name, module in parsed.items():
        targets = {target.removeprefix("alexbench.") for target in imported(module)}
        owners = {target if target in parsed else target.rpartition(".")[0] for target in targets}
        graph[name] = {owner for owner in owners if owner in parsed and owner != name}
    return graph


def torch_imports(package: Path = PACKAGE) -> list[str]:
    """Modules of the torch-free rooms that import torch or torchvision, at any depth."""
    return [
        f"{name} imports {target}"
        for name, module in modules(package).items()
        if room(name) in TORCH_FREE
        for target in imported(module)
        if target.split(".")[0] in ("torch", "torchvision")
    ]


def test_the_package_has_twelve_rooms_and_three_doors():
    entries = {path.name for path in PACKAGE.iterdir()} - {"__pycache__", "py.typed"}
    rooms = set(FLOOR) - {"errors"}
    assert entries == rooms | {"errors.py", "__init__.py", "__main__.py"}
    assert len(entries) <= 15


def test_every_import_leads_to_a_lower_floor():
    assert wrong_arrows() == []


def test_no_modules_import_each_other_in_a_circle():
    list(TopologicalSorter(import_graph()).static_order())  # raises CycleError for a circle


def test_the_rooms_that_read_records_never_import_torch():
    assert torch_imports() == []


@pytest.mark.parametrize("module", ["cli.app", "report.build", "analysis.comparison"])
def test_importing_a_torch_free_module_loads_no_torch(module):
    code = f"import sys, alexbench.{module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("room_", "line", "found"),
    [
        ("config", "from alexbench.runs import record", wrong_arrows),
        ("models", "def f():\n    import alexbench.data", wrong_arrows),
        ("report", "def f():\n    import torch", torch_imports),
    ],
)
def test_a_wrong_import_is_found(tmp_path, room_, line, found):
    (tmp_path / room_).mkdir()
    (tmp_path / room_ / "wrong.py").write_text(line)
    assert len(found(tmp_path)) == 1


def test_a_circle_is_found(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a.py").write_text("from alexbench.config.b import f")
    (tmp_path / "config" / "b.py").write_text("def f():\n    from alexbench.config import a")
    with pytest.raises(CycleError):
        list(TopologicalSorter(import_graph(tmp_path)).static_order())


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{name}.{node.name}", node)
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [arg.arg for arg in every if arg.arg not in ("self", "cls")]


def test_no_function_outside_the_command_line_has_more_than_eight_parameters():
    """The Triton kernels are exempt: a kernel has no other way to get its sizes."""
    assert [
        name
        for name, node in functions()
        if not name.startswith(("cli.", "kernels.triton"))
        and len(parameters(node)) > MOST_PARAMETERS
    ] == []


def test_no_function_is_longer_than_sixty_lines():
    assert [
        f"{name}: {length}"
        for name, node in functions()
        if not name.startswith(("cli.", "kernels.triton"))
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ] == []


def test_nine_of_ten_public_functions_have_a_docstring():
    public = [
        (name, node) for name, node in functions() if not name.rpartition(".")[2].startswith("_")
    ]
    bare = [name for name, node in public if not ast.get_docstring(node)]
    assert 1 - len(bare) / len(public) >= LEAST_DOCSTRINGS, bare


def test_no_two_public_classes_have_one_name():
    owners: dict[str, list[str]] = {}
    for name, module in modules().items():
        for node in module.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                owners.setdefault(node.name, []).append(name)
    assert {name: where for name, where in owners.items() if len(where) > 1} == {}


def test_every_module_begins_with_a_sentence():
    assert [
        name
        for name, module in modules().items()
        if not re.match(r"[A-Z`0-9].*[.:]", (ast.get_docstring(module) or "").partition("\n\n")[0])
    ] == []
