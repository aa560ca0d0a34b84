import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from recommender.cli import app

ROOT = typer.main.get_command(app)


def walk(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands and groups of commands, with their names."""
    yield names, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*names, name))


COMMANDS = dict(walk(ROOT))


def words(text: str) -> str:
    """Text without a terminal's frames and line breaks."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_the_commands() -> None:
    found = {" ".join(names) for names in COMMANDS}
    assert found >= {
        "demo",
        "rank",
        "explain",
        "profile build",
        "profile list",
        "profile show",
        "profile like",
        "profile dislike",
        "profile forget",
        "profile undo",
        "profile delete",
        "dataset build",
        "dataset info",
        "library scan",
        "library status",
        "library errors",
        "library prune",
        "library retry",
        "library forget",
        "never add",
        "never list",
        "never remove",
        "genre networks",
        "genre train",
        "genre evaluate",
        "genre predict",
        "genre cut",
        "genre tune",
        "evaluate",
        "experiment close",
        "experiment mixed",
    }


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(names: tuple[str, ...]) -> None:
    command = COMMANDS[names]
    result = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    shown = words(result.output)
    assert " ".join(["Usage: recommender", *names]) in shown
    assert command.help
    assert words(command.help.splitlines()[0]) in shown
    for line in (command.epilog or "").splitlines():
        assert words(line) in shown
    for child in getattr(command, "commands", {}):
        assert child in shown
    for parameter in command.params:
        for option in getattr(parameter, "opts", []):
            if option.startswith("--") and option != "--help":
                assert option in shown


EXAMPLES = [
    re.sub(r"^Example: ", "", line).split()
    for command in COMMANDS.values()
    for line in (command.epilog or "").splitlines()
    if re.match(r"(Example: )?recommender ", line)
]


@pytest.mark.parametrize("example", EXAMPLES, ids=" ".join)
def test_examples_can_be_typed(example: list[str]) -> None:
    """Names of commands and options exist, and values are of their types."""
    _, *arguments = [word.strip("'") for word in example]
    command: Any = ROOT
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]
    command.make_context(command.name, arguments)  # raises on wrong usage, and runs nothing


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10
    shown = {example[1] for example in EXAMPLES}
    assert shown >= {"profile", "rank", "dataset"}


def test_wrong_usage_is_told() -> None:
    result = CliRunner().invoke(app, ["rank", "mine", ".", "--nonsense"])
    assert result.exit_code == 2
    assert "--nonsense" in result.output


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (
        0,
        f"recommender {metadata.version('recommender')}\n",
    )


@pytest.mark.parametrize("names", [("rank",), ("demo",)])
def test_paragraphs_flow(names: tuple[str, ...]) -> None:
    """On a terminal of 80 columns no line ends before the next one's first word would not fit."""
    shown = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "80"}).output
    lines = shown[: shown.index("╭")].splitlines()
    for line, following in itertools.pairwise(lines[2:]):
        if line.strip() and following.strip():
            assert len(line.rstrip()) + 1 + len(following.split()[0]) > 79, line


@pytest.mark.parametrize("arguments", [["--help"], ["rank", "--help"], ["dataset", "build", "x"]])
def test_start_up_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from recommender.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('loaded:', *(m for m in ('numpy', 'torch', 'matplotlib') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]
    assert "Usage" in done.stdout + done.stderr
