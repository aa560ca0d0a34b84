"""The command line in a process that is killed just before one of its steps."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from recommender import cli


def killed_before(step: int, folder: Path, *words: object) -> bool:
    """Run a command that is killed just before the nth change of names below a folder.

    Returns
    -------
    bool
        Whether it was killed; ``False``: it makes fewer changes, and has ended well.
    """
    done = subprocess.run(
        [sys.executable, __file__, str(step), str(folder), *map(str, words)],
        capture_output=True,
        timeout=120,
    )
    assert done.returncode in (0, -signal.SIGKILL), done
    return done.returncode != 0


def _changed(event: str, args: tuple[Any, ...]) -> str:
    """Tell which file is about to begin, or to get or lose its name; empty: none."""
    names = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}
    is_written = event == "open" and bool(args[2] & (os.O_WRONLY | os.O_RDWR))
    if not (is_written or event in names) or isinstance(args[0], int):
        return ""
    name = os.fsdecode(args[0])
    if event in ("os.remove", "os.rmdir") and args[1] >= 0:  # in an open folder
        return str(Path(f"/proc/self/fd/{args[1]}").readlink() / name)
    return name


def _main(step: int, folder: str, *words: str) -> None:
    n_changes = 0

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal n_changes
        if _changed(event, args).startswith(folder):
            n_changes += 1
            if n_changes == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    sys.argv[1:] = words
    cli.main()


if __name__ == "__main__":
    _main(int(sys.argv[1]), *sys.argv[2:])
