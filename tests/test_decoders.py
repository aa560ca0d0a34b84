"""Both ways of decoding: the same samples, and whatever becomes of a decoder costs one file."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import sounds
from recommender import audio
from recommender.audio import libav, program, supervision
from recommender.errors import AudioDecodeError

SR = 44_100
DECODERS: tuple[audio.Decoder, ...] = ("libav", "ffmpeg")
ENDINGS = (signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP)
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")


def read(path: Path, decoder: audio.Decoder, sr: int = SR) -> NDArray[np.int16]:
    return np.concatenate(list(audio.blocks(path, sr=sr, decoder=decoder)))


def children() -> set[int]:
    """Processes that this one started and that are not gone."""
    own = Path(f"/proc/{os.getpid()}/task")
    return {int(pid) for task in own.iterdir() for pid in (task / "children").read_text().split()}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "STALL_S", 0.4)


@pytest.fixture
def no_workers() -> Iterator[None]:
    """Workers that are there are ended before, and those of the test after it."""
    libav._end_workers()
    yield
    libav._end_workers()


# Samples ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sr", [SR, 22_050])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mono.mp3", ["-ac", "1"]),
        ("stereo.mp3", ["-ac", "2", "-b:a", "128k"]),
        ("vbr.mp3", ["-ac", "2", "-q:a", "4"]),
        ("48k.mp3", ["-ac", "2", "-ar", "48000"]),
        ("stereo.m4a", ["-ac", "2"]),
        ("stereo.ogg", ["-ac", "2"]),
        ("stereo.opus", ["-ac", "2"]),
        ("surround.flac", ["-ac", "6"]),
        ("24-bit.flac", ["-ac", "2", "-sample_fmt", "s32"]),
        ("stereo.wav", ["-ac", "2"]),
        ("96k.wav", ["-ac", "2", "-ar", "96000"]),
    ],
)
def test_both_decoders_give_the_same_samples(
    tmp_path: Path, name: str, options: list[str], sr: int
) -> None:
    path = sounds.noise(tmp_path / name, 3.3, *options)
    by_libav, by_ffmpeg = (read(path, decoder, sr) for decoder in DECODERS)
    n = min(len(by_libav), len(by_ffmpeg))
    if path.suffix == ".m4a":  # what fills up its last packet is not cut off by every version
        assert abs(len(by_libav) - len(by_ffmpeg)) <= 1_024
        n -= 32  # where a resampler has heard it already
    else:
        assert len(by_libav) == len(by_ffmpeg)
    # Measured: 0 for every one of them. Two versions of ffmpeg may differ by a step.
    assert np.abs(by_libav[:n].astype(int) - by_ffmpeg[:n]).max() <= 1
    assert audio.content_hash(path, decoder="libav") == audio.content_hash(path, decoder="ffmpeg")


def test_damaged_packets_cost_what_they_cost_ffmpeg(tmp_path: Path) -> None:
    whole = sounds.tone(tmp_path / "whole.mp3", 20).read_bytes()
    noise = np.random.default_rng(0).bytes(30_000)
    path = tmp_path / "damaged.mp3"
    path.write_bytes(whole[:100_000] + noise + whole[130_000:])
    by_libav, by_ffmpeg = (read(path, decoder) for decoder in DECODERS)
    assert len(by_libav) > 15 * SR
    np.testing.assert_array_equal(by_libav, by_ffmpeg)


def test_a_stream_that_changes_its_format_is_decoded_to_the_end(tmp_path: Path) -> None:
    parts = [
        sounds.noise(tmp_path / "a.mp3", 7, "-ac", "2"),
        sounds.noise(tmp_path / "b.mp3", 5, "-ac", "1"),
    ]
    path = tmp_path / "both.mp3"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    by_libav, by_ffmpeg = (read(path, decoder) for decoder in DECODERS)
    assert len(by_libav) > 10 * SR
    np.testing.assert_array_equal(by_libav, by_ffmpeg)


# Windows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("name", "options", "n_steps"),
    [
        ("cbr.mp3", ["-ac", "2", "-b:a", "192k"], 0),
        ("vbr.mp3", ["-ac", "2", "-q:a", "4"], 0),
        ("low.mp3", ["-ac", "1", "-b:a", "40k"], 0),
        ("stereo.flac", ["-ac", "2"], 0),
        ("stereo.wav", ["-ac", "2"], 0),
        ("stereo.ogg", ["-ac", "2"], 1),
        # Without perceptual noise, which every decoder throws anew.
        ("stereo.m4a", ["-ac", "2", "-aac_pns", "0"], 1),
    ],
)
def test_windows_are_pieces_of_the_whole(
    tmp_path: Path, decoder: audio.Decoder, name: str, options: list[str], n_steps: int
) -> None:
    path = sounds.noise(tmp_path / name, 40, *options)
    whole = read(path, decoder)
    length, starts = 3 * SR + 5, [0, 5 * SR + 1, 20 * SR, 36 * SR, 38 * SR, 90 * SR]
    found = list(audio.windows(path, starts, length, decoder=decoder))
    assert [start for start, _ in found] == starts[:4]
    for start, y in found:
        assert y.dtype == np.int16
        assert np.abs(y.astype(int) - whole[start : start + length]).max() <= n_steps


def test_windows_of_what_is_resampled_lie_within_a_sample(tmp_path: Path) -> None:
    path = sounds.noise(tmp_path / "a.mp3", 20, "-ac", "2", "-ar", "48000")
    whole = read(path, "libav").astype(float)
    ((start, y),) = audio.windows(path, [8 * SR + 7], 2 * SR, decoder="libav")
    assert start == 8 * SR + 7
    # The delay that fits best, by the slope of the cross-spectrum's phase.
    part = whole[start : start + 2 * SR]
    cross = np.fft.rfft(part) * np.conj(np.fft.rfft(y))
    frequency = 2 * np.pi * np.arange(len(cross)) / len(y)
    weight = np.abs(cross) * frequency * (frequency < 0.5)
    delay = np.sum(weight * np.angle(cross)) / np.sum(weight * frequency)
    assert abs(delay) <= 0.6  # half a sample, and what the ends disturb; measured: 0.22
    assert np.corrcoef(part, y)[0, 1] > 0.95  # measured: 0.992


def test_no_windows_of_nothing(tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 2)
    assert list(audio.windows(path, [0], 3 * SR)) == []
    assert list(audio.windows(path, [], SR)) == []


@pytest.mark.parametrize("decoder", DECODERS)
def test_windows_of_what_is_no_music(tmp_path: Path, decoder: audio.Decoder) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"The quick brown fox jumps over the lazy dog. " * 99)
    with pytest.raises(AudioDecodeError, match=r"a\.mp3: not an audio file"):
        list(audio.windows(path, [0], SR, decoder=decoder))


# What becomes of decoders -------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient", "no_workers")
@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_decoder_that_ends_in_the_middle_costs_one_file(
    tmp_path: Path, decoder: audio.Decoder, how: signal.Signals
) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 60)
    audio.check_decoder()
    libav._end_workers()
    before = children()
    stream = audio.blocks(path, decoder=decoder)
    next(stream)
    (pid,) = children() - before
    os.kill(pid, how)
    said = r"gave nothing for 0 s" if how == signal.SIGSTOP else f"ended by {how.name}"
    with pytest.raises(AudioDecodeError, match=rf"a\.mp3: the decoder .*{said}.*--retry"):
        for _ in stream:
            pass
    assert children() <= before
    assert len(read(path, decoder)) == 60 * SR


def stand_in(folder: Path, ending: str, answers: bytes = b"") -> Path:
    """Write a program that answers, takes what is said to it, and comes to an end."""
    path = folder / "decoder"
    path.write_text(
        f"#!{sys.executable}\n"
        "import os, signal\n"
        f"os.write(1, {answers!r})\n"
        "os.read(0, 1)\n"
        f"{ending}\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("impatient", "no_workers")
@pytest.mark.parametrize("ending", ["SIGSEGV", "SIGKILL", "SIGSTOP", "exit"])
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "function",
    [
        lambda path, decoder: list(audio.blocks(path, decoder=decoder)),
        lambda path, decoder: list(audio.windows(path, [0], SR, decoder=decoder)),
        lambda path, decoder: audio.content_hash(path, decoder=decoder),
    ],
    ids=["blocks", "windows", "hash"],
)
def test_a_decoder_that_ends_at_once_costs_one_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[[Path, audio.Decoder], object],
    decoder: audio.Decoder,
    ending: str,
) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 3)
    end = "os._exit(3)" if ending == "exit" else f"os.kill(os.getpid(), signal.{ending})"
    with monkeypatch.context() as patch:
        if decoder == "libav":
            ready = b"R\0\0\0\0"
            patch.setattr(libav, "_WORKER", stand_in(tmp_path, end, ready))
        else:
            program_path = str(stand_in(tmp_path, end))
            patch.setattr(program, "ffmpeg_exe", lambda: program_path)
        with pytest.raises(AudioDecodeError, match=r"a\.mp3: "):
            function(path, decoder)
    function(path, decoder)


@pytest.mark.usefixtures("impatient", "no_workers")
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_decoder_that_trickles_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: audio.Decoder
) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 3)
    block = b"\0" * (1 << 17)
    piece = b"B" + len(block).to_bytes(4, "little") + block if decoder == "libav" else block
    ready = b"R\0\0\0\0" if decoder == "libav" else b""
    trickle = f"import time\nwhile True:\n    os.write(1, {piece!r})\n    time.sleep(0.3)\n"
    program_path = stand_in(tmp_path, trickle, ready)
    monkeypatch.setattr(libav, "_WORKER", program_path)
    monkeypatch.setattr(program, "ffmpeg_exe", lambda: str(program_path))
    with pytest.raises(AudioDecodeError, match="slower than the music"):
        # A block lasts 0.07 s at this rate.
        for _ in audio.blocks(path, sr=1_000_000, decoder=decoder):
            pass


@pytest.mark.usefixtures("no_workers")
def test_a_worker_that_died_idle_costs_nothing(tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 3)
    before = children()
    expected = read(path, "libav")
    (pid,) = children() - before
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        time.sleep(0.01)
    np.testing.assert_array_equal(read(path, "libav"), expected)
    assert pid not in children()


@pytest.mark.usefixtures("no_workers")
def test_a_worker_lives_on_from_file_to_file(tmp_path: Path) -> None:
    good, bad = sounds.tone(tmp_path / "a.mp3", 3), tmp_path / "b.mp3"
    bad.write_bytes(b"not sound" * 100)
    before = children()
    audio.content_hash(good, decoder="libav")
    started = children() - before
    for _ in range(3):
        read(good, "libav")
        with pytest.raises(AudioDecodeError):
            read(bad, "libav")
        list(audio.windows(good, [0], SR, decoder="libav"))
    assert children() - before == started
    assert len(started) == 1


@pytest.mark.usefixtures("no_workers")
def test_threads_have_a_worker_each(tmp_path: Path) -> None:
    paths = [sounds.tone(tmp_path / f"{i}.mp3", 3 + i) for i in range(4)]
    before = children()
    together = threading.Barrier(4)

    def use(path: Path) -> int:
        stream = audio.blocks(path, decoder="libav")
        n = len(next(stream))
        together.wait()
        return n + sum(len(block) for block in stream)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, paths)) == [(3 + i) * SR for i in range(4)]
    assert len(children() - before) == 4


def test_workers_end_with_the_program(tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 60)
    code = (
        "import os, sys, pathlib\n"
        "from recommender import audio\n"
        "stream = audio.blocks(pathlib.Path(sys.argv[1]), decoder='libav')\n"
        "next(stream)\n"
        "task = pathlib.Path(f'/proc/{os.getpid()}/task')\n"
        "print(*{pid for t in task.iterdir() for pid in (t / 'children').read_text().split()})\n"
        "sys.stdout.flush()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert answer.returncode == -signal.SIGKILL
    (pid,) = answer.stdout.split()
    deadline = time.monotonic() + 10
    stat = Path(f"/proc/{int(pid)}/stat")
    while stat.exists() and stat.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.05)


def test_ctrl_c_leaves_the_worker_to_its_owner(tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 60)
    before = children()
    stream = audio.blocks(path, decoder="libav")
    n = len(next(stream))
    for pid in children() - before:
        os.kill(pid, signal.SIGINT)
    assert n + sum(len(block) for block in stream) == 60 * SR


def test_without_libav_ffmpeg_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 3)
    expected = read(path, "ffmpeg")
    broken = tmp_path / "broken.py"
    broken.write_text("import there_is_no_such_module\n")
    libav._end_workers()
    monkeypatch.setattr(libav, "_WORKER", broken)
    libav.is_available.cache_clear()
    try:
        assert not libav.is_available()
        audio.check_decoder()
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks(path))), expected)
        assert audio.content_hash(path) == audio.content_hash(path, decoder="ffmpeg")
    finally:
        libav.is_available.cache_clear()
