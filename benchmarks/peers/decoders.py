"""From a file to 16-bit mono samples, in the ways that were tried for this project."""

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers.contender import Contender, Prepare
from peers.files import timed
from peers.mel import PARAMS
from recommender import audio
from recommender.audio import worker

N_TOGETHER = 4
_PACKETS = "asetnsamples=n=65536:p=0"
_READ_BYTES = 1 << 17


def ours() -> Prepare:
    """Take samples from a worker: libav, its loop inside libavfilter."""
    return timed(lambda path: sum(len(y) for y in audio.blocks(path, decoder="libav")))


def ours_without_worker() -> Prepare:
    """Decode as a worker does, but in this process: what a crash would end."""
    worker.send = lambda *_: None
    return timed(lambda path: worker.send_blocks(str(path), PARAMS.sr))


def program() -> Prepare:
    """Start ffmpeg for each file, as this project does where it has nothing else."""
    return timed(lambda path: sum(len(y) for y in audio.blocks(path, decoder="ffmpeg")))


def program_with_large_packets() -> Prepare:
    """Start ffmpeg for each file, and let it gather samples before it writes them."""
    return timed(lambda path: _ffmpeg(["-i", str(path), "-map", "0:a:0", "-af", _PACKETS]))


def program_for_several_files() -> Prepare:
    """Start ffmpeg for several files, one after the other into one pipe."""
    joined = "".join(f"[{i}:a:0]" for i in range(N_TOGETHER)) + f"concat=n={N_TOGETHER}:v=0:a=1"

    def work(path: Path) -> int:
        inputs = [word for _ in range(N_TOGETHER) for word in ("-i", str(path))]
        return _ffmpeg([*inputs, "-filter_complex", f"{joined},{_PACKETS}"])

    return timed(work)


def pyav_large_frames() -> Prepare:
    """Loop over frames in Python, in this process, and resample into large ones."""
    import av

    def work(path: Path) -> int:
        resampler: Any = av.AudioResampler("s16", "mono", PARAMS.sr, frame_size=1 << 16)
        with av.open(path) as container:
            frames = itertools.chain(container.decode(audio=0), [None])
            return sum(int(m.samples) for frame in frames for m in resampler.resample(frame))

    return timed(work)


def _ffmpeg(arguments: list[str]) -> int:
    command = [audio.ffmpeg_exe(), "-nostdin", "-v", "error", *arguments]
    command += ["-ac", "1", "-ar", str(PARAMS.sr), "-f", "s16le", "pipe:1"]
    n = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(_READ_BYTES):
            n += len(chunk)
    return n


def _contender(name: str, setup: Callable[[], Prepare], note: str, n_times: int = 1) -> Contender:
    return Contender(name=name, group="decode", setup=setup, note=note, n_times=n_times)


CONTENDERS = (
    _contender("this project", ours, "libav in a worker, through a pipe: a crash costs one file"),
    _contender("libav without a worker", ours_without_worker, "a crash would end the program"),
    _contender("PyAV, large frames", pyav_large_frames, "loop in Python; a crash would end it"),
    _contender("ffmpeg, a process a file", program, "the second way of this project"),
    _contender("ffmpeg, larger packets", program_with_large_packets, "a process a file"),
    _contender(
        "ffmpeg, several files a process",
        program_for_several_files,
        f"{N_TOGETHER} at a time; a crash would cost them all",
        N_TOGETHER,
    ),
)
