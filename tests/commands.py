"""The command line as tests use it: in a process of its own, or in this one if that will do."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from recommender import cli

# Ctrl-C may come right after a folder was opened, before anything could close it.
_WARNINGS = ("-W", "error", "-W", "ignore:unclosed scandir iterator:ResourceWarning")
COMMAND = (sys.executable, *_WARNINGS, "-m", "recommender")


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*words: object, cwd: Path | None = None, prefix: Sequence[str] = ()) -> Answer:
    """Run the command in a process of its own."""
    command = [*prefix, *COMMAND, *map(str, words)]
    done = subprocess.run(command, capture_output=True, timeout=120, cwd=cwd)
    return _answer(done.returncode, done.stdout, done.stderr)


def start(*words: object) -> subprocess.Popen[bytes]:
    """Begin the command in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where the tests run in the background of a shell, Ctrl-C is switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: subprocess.Popen[bytes]) -> Answer:
    """Wait for what `start` began."""
    out, err = process.communicate(timeout=120)
    return _answer(process.returncode, out, err)


def call(*words: object) -> Answer:
    """Run the command in this process."""
    code: object = None
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        mock.patch.object(sys, "argv", ["recommender", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    for stream in (out, err):
        stream.flush()
    assert isinstance(code, int)
    return _answer(code, out.buffer.getvalue(), err.buffer.getvalue())


def refused(answer: Answer, *words: object) -> None:
    """Check that an error was explained, in one line that names all these."""
    assert answer.code == 2, answer
    assert answer.out == ""
    line = answer.err.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    for word in words:
        assert str(word) in line


def misused(answer: Answer, *words: object) -> None:
    """Check that wrong usage was explained, naming all these; the box around may break lines."""
    assert answer.code == 2, answer
    assert answer.out == ""
    text = " ".join(answer.err.replace("│", " ").split()).casefold()
    for word in ("Usage:", *words):
        assert str(word).casefold() in text


def _answer(code: int, out: bytes, err: bytes) -> Answer:
    answer = Answer(code, os.fsdecode(out), err.decode())
    assert "Traceback" not in answer.err
    return answer
