"""Contenders in processes of their own, which take turns.

A contender that cannot be set up, fails, dies or hangs ends its own process and nothing else.
"""

import contextlib
import itertools
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

from peers.contender import Absent
from peers.processes import children_cpu_s

TIMEOUT_S = 300.0
GRACE_S = 5.0  # for a process that is not needed any more
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Environment that contenders need: parallel are their copies, not what each of them does."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one piece of work took; CPU time includes all processes that it used.

    `core` is the first of those that it had.
    """

    path: Path
    core: int
    cpu_s: float
    wall_s: float


@dataclass(kw_only=True)
class Result:
    """All that was measured of a contender; `absent` or `error` say why there is nothing."""

    taken: list[Taken] = field(default_factory=list)
    absent: str = ""
    error: str = ""


class Runner:
    """A contender's process, pinned to cores and told one path at a time."""

    def __init__(self, key: str, cores: Sequence[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._process = context.Process(target=_serve, args=(key, cores, theirs, self._log.name))
        self._process.start()
        theirs.close()

    def start(self) -> str:
        """Wait until it is set up; returns what is absent, if something is."""
        answer = self.answer()
        assert isinstance(answer, str)
        return answer

    def ask(self, path: Path) -> None:
        """Hand it the next piece of work."""
        self.connection.send(path)

    def answer(self) -> Taken | str:
        """Wait for what `ask` asked for.

        Raises
        ------
        RuntimeError
            If the contender failed, died or took too long; it is of no use any more.
        """
        if not self.connection.poll(TIMEOUT_S):
            raise RuntimeError(f"no answer within {TIMEOUT_S:.0f} s")
        try:
            answer: Taken | str = self.connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            lines = Path(self._log.name).read_text(errors="replace").split("\n")
            code = self._process.exitcode or 0
            what = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            last = next((line for line in reversed(lines) if line.strip()), "")
            raise RuntimeError(last if code == 1 and last else what) from None
        return answer

    def close(self) -> None:
        """End the process and its descendants."""
        self.connection.close()
        self._process.join(GRACE_S)
        if self._process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid or 0, signal.SIGKILL)
            self._process.join()
        self._log.close()


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A contender and where it sits.

    Attributes
    ----------
    key : str
    copies : tuple of tuple of int
        The cores of each copy; copies share a turn's paths and work at the same time.
    """

    key: str
    copies: tuple[tuple[int, ...], ...]


def take_turns(seats: Sequence[Seat], turns: Sequence[Sequence[Path]]) -> list[Result]:
    """Measure contenders in turns: each does the first turn's paths, then each the second's, ...

    Each copy has done the very first path once before anything is timed.

    Returns
    -------
    list of Result
        One for each seat.
    """
    results = [Result() for _ in seats]
    with contextlib.ExitStack() as stack:
        teams = []
        for seat, result in zip(seats, results, strict=True):
            teams.append([Runner(seat.key, cores) for cores in seat.copies])
            for runner in teams[-1]:
                stack.callback(runner.close)
                _warm_up(runner, turns[0][0], result)
        for paths in turns:
            for team, result in zip(teams, results, strict=True):
                if not (result.absent or result.error):
                    result.taken += _work(team, paths, result)
    return results


def _warm_up(runner: Runner, path: Path, result: Result) -> None:
    """Wait for a contender's setup, and let it do something that is not timed."""
    try:
        result.absent = result.absent or runner.start()
    except RuntimeError as error:
        result.error = str(error)
    if not (result.absent or result.error):
        _work([runner], [path], result)


def _work(runners: Sequence[Runner], paths: Sequence[Path], result: Result) -> list[Taken]:
    """Share out paths among copies of a contender; each gets another as soon as it is free."""
    taken: list[Taken] = []
    left = iter(paths)
    busy: dict[Connection, Runner] = {}
    try:
        for runner, path in zip(runners, left, strict=False):
            runner.ask(path)
            busy[runner.connection] = runner
        while busy:
            if not (ready := wait(list(busy), TIMEOUT_S)):
                raise RuntimeError(f"no answer within {TIMEOUT_S:.0f} s")
            for connection in ready:
                assert isinstance(connection, Connection)
                runner = busy.pop(connection)
                answer = runner.answer()
                assert isinstance(answer, Taken)
                taken.append(answer)
                for following in itertools.islice(left, 1):
                    runner.ask(following)
                    busy[connection] = runner
    except (RuntimeError, BrokenPipeError) as error:
        result.error = str(error)
        return []
    return taken


def _serve(key: str, cores: Sequence[int], connection: Connection, log: str) -> None:
    """Be the contender: set up, say so, and do one path after the other until the pipe closes."""
    os.setpgid(0, 0)  # so that all of it can be ended together
    os.sched_setaffinity(0, cores)
    with open(log, "wb") as file:  # what libraries print is not ours to show
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from peers.contenders import CONTENDERS

    contender = next(contender for contender in CONTENDERS if contender.key == key)
    try:
        prepare = contender.setup()
    except Absent as reason:
        connection.send(str(reason))
        return
    except ModuleNotFoundError as error:
        connection.send(f"{error.name} is not installed")
        return
    connection.send("")
    for path in _paths(connection):
        work = prepare(path)
        before_s = children_cpu_s()
        wall_s, own_s = time.perf_counter(), time.process_time()
        work()
        own_s, wall_s = time.process_time() - own_s, time.perf_counter() - wall_s
        cpu_s = own_s + children_cpu_s() - before_s
        n = contender.n_times
        connection.send(Taken(path=path, core=cores[0], cpu_s=cpu_s / n, wall_s=wall_s / n))


def _paths(connection: Connection) -> Iterator[Path]:
    with contextlib.suppress(EOFError):
        while True:
            yield connection.recv()
