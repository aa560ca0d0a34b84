"""The process that does one job: told on standard input, telling on standard output in JSON lines.

It ends itself when the server is gone, which closes its input.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from recommender.errors import RecommenderError
from recommender.web import work
from recommender.web.texts import shown

_EVERY_S = 0.1  # nobody looks more often
_PATIENCE_S = 5.0
_NICENESS = 10


def main() -> None:
    """Do the job."""
    # A server in the background may have all its children ignore interrupts.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed is no answer
    os.nice(_NICENESS)  # pages and music come first
    with open(os.dup(0), "rb", buffering=0) as stream:
        line = stream.readline()
    if not line:  # the server was killed at this very moment
        return
    threading.Thread(target=_watch, daemon=True).start()
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        _do(json.loads(line), answers)
        # The server closes the input when all is read: nothing is left then that has to be ended.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except KeyboardInterrupt:
        sys.exit(130)


def _do(task: dict[str, Any], answers: Any) -> None:
    told_at = 0.0

    def step(done: int, total: int, text: str) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at >= _EVERY_S or done == total:
            told_at = now
            _tell(answers, {"done": done, "total": total, "text": shown(text)})

    home, page = (Path(os.fsdecode(bytes.fromhex(task[name]))) for name in ("home", "page"))
    try:
        result = work.KINDS[task["kind"]](home, task["arguments"], page, step)
    except RecommenderError as error:
        _tell(answers, {"error": shown(error)})
    else:
        _tell(answers, {"result": result})


def _interrupt(*_: object) -> None:
    """Have all be left as it is, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _tell(answers: Any, told: dict[str, Any]) -> None:
    try:
        answers.write(json.dumps(told) + "\n")
    except BrokenPipeError:  # the server was killed: as if this process had been, too
        os._exit(1)


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_S)
    os._exit(1)


if __name__ == "__main__":
    main()
