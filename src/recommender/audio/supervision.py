"""A decoder in a process of its own: what becomes of it costs one file, and no more time than due.

A process that crashes closes its pipe; one that hangs is noticed by the clock and killed.
"""

import contextlib
import fcntl
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

from recommender.errors import RecommenderError

STALL_S = 30.0
"""A decoder that gives nothing for so long hangs; so does one that falls as far behind time."""

_LOOK_S = 1.0  # how long to wait at a time
_SLOWEST_BYTES_S = 1e6  # reading without decoding: a disk or network that is slower hangs
_PIPE_BYTES = 1 << 20  # a decoder may be twelve seconds of music ahead


class DecoderError(RecommenderError):
    """A decoder failed; the message does not name the file."""


def check_pace(waited_s: float, music_s: float) -> None:
    """Refuse to wait much longer for music than it lasts.

    Raises
    ------
    DecoderError
    """
    if waited_s > STALL_S + music_s:
        raise DecoderError("the decoder is slower than the music and was ended")


def hashing_limit_s(n_bytes: int) -> float:
    """How long reading a file of this size may take without a sign of life."""
    return STALL_S + n_bytes / _SLOWEST_BYTES_S


class Child:
    """A process whose output is read with patience, but not for ever.

    It gets its own process group, so that Ctrl-C in a terminal reaches this program alone, which
    then ends the child; a child that is interrupted by itself would look like a short file.

    Parameters
    ----------
    command : sequence of str
    stdin : int
        `subprocess.PIPE` or `subprocess.DEVNULL`.

    Attributes
    ----------
    waited_s : float
        Seconds spent waiting for its output so far.
    """

    def __init__(self, command: Sequence[str], *, stdin: int = subprocess.DEVNULL) -> None:
        self.waited_s = 0.0
        self._process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # more than this user may have
                fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._complaints: deque[bytes] = deque(maxlen=10)
        # A badly damaged file fills the pipe of complaints; unread, that would stop the child.
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def is_alive(self) -> bool:
        """Tell whether it runs, or is stopped."""
        return self._process.poll() is None

    def read_into(self, buffer: memoryview, *, within_s: float | None = None) -> int:
        """Fill a buffer of bytes, or less of it at the end of the output; returns how many.

        Raises
        ------
        DecoderError
            If nothing comes within `within_s` seconds, by default `STALL_S`.
        """
        n_read = 0
        while n_read < len(buffer):
            self._wait_for_output(STALL_S if within_s is None else within_s)
            n = self._output.readinto(buffer[n_read:])  # type: ignore[attr-defined]
            if not n:
                break
            n_read += n
        return n_read

    def write(self, line: bytes) -> None:
        """Write to its input; if it has ended, reading will tell."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line)

    def wait(self) -> str:
        """Wait for the end of a child that has closed its output; return what it complained of.

        Empty if it ended well without a word.

        Raises
        ------
        DecoderError
            If it was ended by a signal.
        """
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:  # it has closed its output and lives on
            self.kill()
            return "it did not end"
        self._listener.join()
        if code < 0:
            name = next((s.name for s in signal.Signals if s == -code), f"signal {-code}")
            raise DecoderError(f"the decoder was ended by {name}")
        text = b"\n".join(self._complaints).decode(errors="replace").strip()
        return text or (f"it ended with code {code}" if code else "")

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _wait_for_output(self, within_s: float) -> None:
        left_s = within_s
        while left_s > 0:
            look_s = min(left_s, _LOOK_S)
            start = time.monotonic()
            ready = self._selector.select(look_s)
            # No more, since this whole program may have been stopped meanwhile, child and all.
            passed_s = min(time.monotonic() - start, look_s)
            self.waited_s += passed_s
            left_s -= passed_s
            if ready:
                return
        raise DecoderError(f"the decoder gave nothing for {within_s:.0f} s and was ended")

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._complaints.extend(line[:500].rstrip() for line in self._process.stderr)
