"""Each module imports only from those above it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from recommender import errors

# From the bottom of everything to the top of it; a package counts as one module.
ORDER = [
    "errors",
    "files",
    "extras",
    "cluster",
    "parameters",
    "_native",
    "audio",
    "spectrogram",
    "timbre",
    "checkpoint",
    "dataset",
    "networks",
    "training",
    "preprocessor",
    "genres",
    "schema",
    "library",
    "analysis",
    "playlist",
    "profile",
    "ranking",
    "evaluation",
    "plots",
    "reports",
    "demo",
    "distributed",
    "servers",
    "web",
    "cli",
]

PACKAGE = Path(errors.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Modules of this project that a file imports anywhere, also within functions."""
    dotted: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            dotted += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            dotted += [f"{node.module}.{alias.name}" for alias in node.names]
    parts = [name.split(".") for name in dotted]
    return {names[1] for names in parts if names[0] == "recommender" and len(names) > 1}


def test_every_file_is_in_the_order() -> None:
    found = {module_of(path) for path in FILES} - {"__init__", "__main__"}
    assert found <= set(ORDER)
    assert {"audio", "library", "cli"} <= found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_from_above(path: Path) -> None:
    if (module := module_of(path)) in ("__init__", "__main__"):
        assert imported(path) <= {"cli"}
        return
    own = ORDER.index(module)
    below = {name for name in imported(path) if ORDER.index(name) > own}
    assert not below, f"{module} imports {sorted(below)}, which stand above it"


def test_sees_every_kind_of_import(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "import recommender.audio\n"
        "from recommender import errors, plots as p\n"
        "from recommender.cli.console import say\n"
        "import numpy\n"
        "def f():\n    from recommender.library import Library\n"
    )
    assert imported(path) == {"audio", "errors", "plots", "cli", "library"}


TORCH = {"networks", "training", "genres"}
DESCENT = PACKAGE / "profile/descent.py"  # which is itself imported within a function


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_what_needs_torch_imports_it_at_once(path: Path) -> None:
    """Elsewhere it is imported within functions: torch takes seconds."""
    names: set[str] = set()
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    assert "torch" not in names or module_of(path) in TORCH or path == DESCENT


def test_profiles_are_imported_without_torch() -> None:
    code = "import sys, recommender.ranking; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
