"""Both ways of decoding: the same samples, and whatever becomes of a decoder costs one file."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

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
    found: set[int] = set()
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with contextlib.suppress(OSError):  # this thread has ended just now
            found.update(map(int, (task / "children").read_text().split()))
    return found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "STALL_S", 1.2)  # workers have to start in it


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


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adts.aac", ["-ac", "2"]),
        ("stereo.ac3", ["-ac", "2"]),
        ("8-bit.aif", ["-ac", "1", "-c:a", "pcm_s8"]),
        ("24-bit.aiff", ["-ac", "2", "-c:a", "pcm_s24be"]),
        ("alac.m4a", ["-ac", "2", "-c:a", "alac"]),
        ("stereo.au", ["-ac", "2"]),
        ("stereo.caf", ["-ac", "2"]),
        ("vorbis.mka", ["-ac", "2", "-c:a", "libvorbis"]),
        ("stereo.mp2", ["-ac", "2"]),
        ("flac.oga", ["-ac", "2", "-c:a", "flac"]),
        ("stereo.tta", ["-ac", "2"]),
        ("stereo.wma", ["-ac", "2"]),
        ("stereo.wv", ["-ac", "2"]),
        ("opus.webm", ["-ac", "2", "-c:a", "libopus"]),
        ("surround.opus", ["-ac", "6"]),
        ("8-channels.flac", ["-ac", "8"]),
        ("8k.mp3", ["-ac", "1", "-ar", "8000"]),
        ("8k.flac", ["-ac", "1", "-ar", "8000"]),
        ("192k.flac", ["-ac", "2", "-ar", "192000"]),
        ("float.wav", ["-ac", "2", "-c:a", "pcm_f32le"]),
        ("adpcm.wav", ["-ac", "2", "-c:a", "adpcm_ms"]),
    ],
)
def test_both_decoders_agree_on_rarer_formats(
    tmp_path: Path, name: str, options: list[str]
) -> None:
    path = sounds.noise(tmp_path / name, 1.3, *options)
    by_libav, by_ffmpeg = (read(path, decoder) for decoder in DECODERS)
    assert len(by_libav) == len(by_ffmpeg)
    # Measured: 0 for every one of them. Two versions of ffmpeg may differ by a step.
    assert np.abs(by_libav.astype(int) - by_ffmpeg).max() <= 1
    assert audio.content_hash(path, decoder="libav") == audio.content_hash(path, decoder="ffmpeg")


NAMES = [
    "-i.mp3",
    "a\nb.mp3",
    'it\'s "so".mp3',
    "[0:a];b,c=d:e|f@g.mp3",
    "back\\slash\\'\\:.mp3",
    "%03d %s %%.mp3",
    "http:x.mp3",
    " $HOME `id` * ?.mp3 ",
    "ä" * 125 + ".mp3",  # as many bytes as a name may have
    "音楽 🎵.mp3",
]


@pytest.mark.parametrize("decoder", DECODERS)
def test_names_mean_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: audio.Decoder
) -> None:
    plain = sounds.tone(tmp_path / "plain.mp3", 2)
    y = read(plain, decoder)
    monkeypatch.chdir(tmp_path)  # a bare name may begin with "-"
    for name in NAMES:
        path = Path(name)
        path.symlink_to(plain)
        np.testing.assert_array_equal(read(path, decoder), y)
        ((start, window),) = audio.windows(path, [SR], SR // 2, decoder=decoder)
        np.testing.assert_array_equal(window, y[start : start + SR // 2])
        assert audio.content_hash(path, decoder=decoder) == audio.content_hash(plain)


def test_damaged_packets_cost_what_they_cost_ffmpeg(tmp_path: Path) -> None:
    whole = sounds.tone(tmp_path / "whole.mp3", 20).read_bytes()
    noise = np.random.default_rng(0).bytes(30_000)
    path = tmp_path / "damaged.mp3"
    path.write_bytes(whole[:100_000] + noise + whole[130_000:])
    by_libav, by_ffmpeg = (read(path, decoder) for decoder in DECODERS)
    assert len(by_libav) > 15 * SR
    np.testing.assert_array_equal(by_libav, by_ffmpeg)


def test_damage_that_libav_does_not_go_on_after_is_left_to_ffmpeg(tmp_path: Path) -> None:
    whole = sounds.noise(tmp_path / "whole.ac3", 20, "-ac", "2").read_bytes()
    path = tmp_path / "damaged.ac3"
    path.write_bytes(whole[:300_000] + np.random.default_rng(0).bytes(4_000) + whole[304_000:])
    assert any(kind == b"G" for kind, _ in answers(path, {"what": "blocks", "sr": SR}))
    by_libav, by_ffmpeg = (read(path, decoder) for decoder in DECODERS)
    assert len(by_libav) > 19 * SR
    np.testing.assert_array_equal(by_libav, by_ffmpeg)
    starts = [start for start, _ in audio.windows(path, [0, 12 * SR, 15 * SR], SR)]
    assert {0, 15 * SR} <= set(starts)


def answers(path: Path, request: dict[str, object]) -> list[tuple[bytes, NDArray[np.uint8]]]:
    """Ask a worker of libav for something."""
    with libav._worker() as child:
        return list(libav._ask(child, path, request))


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".m4a", ".ogg", ".wma", ".wv", ".aiff"])
def test_a_file_that_was_cut_off_ends_there(tmp_path: Path, suffix: str) -> None:
    # The index of an .m4a has to come first, else nothing is left of it.
    options = ["-movflags", "faststart"] if suffix == ".m4a" else []
    path = sounds.noise(tmp_path / f"a{suffix}", 20, "-ac", "2", *options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    by_libav, by_ffmpeg = (read(path, decoder) for decoder in DECODERS)
    assert 11 * SR < len(by_libav) < 13 * SR
    assert len(by_libav) == len(by_ffmpeg)
    assert np.abs(by_libav.astype(int) - by_ffmpeg).max() <= 1  # measured: 0
    assert audio.content_hash(path, decoder="libav") == audio.content_hash(path, decoder="ffmpeg")
    starts = [start for start, _ in audio.windows(path, [5 * SR, 9 * SR, 15 * SR], SR)]
    assert starts == [5 * SR, 9 * SR]


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
    said = r"gave nothing for 1 s" if how == signal.SIGSTOP else f"ended by {how.name}"
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


def test_time_in_which_the_program_is_stopped_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours = itertools.count(0, 3600)
    monkeypatch.setattr(supervision, "time", SimpleNamespace(monotonic=lambda: next(hours)))
    monkeypatch.setattr(supervision, "_LOOK_S", 0.1)
    code = "import time; time.sleep(0.3); print('here')"
    buffer = bytearray(4)
    with supervision.Child([sys.executable, "-c", code]) as child:
        child.read_into(memoryview(buffer))
    assert buffer == b"here"
    assert child.waited_s < supervision.STALL_S  # in truth about 0.4


@pytest.mark.usefixtures("no_workers")
def test_a_worker_that_died_idle_costs_nothing(tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 3)
    before = children()
    expected = read(path, "libav")
    (pid,) = children() - before
    os.kill(pid, signal.SIGKILL)
    # Dead as a whole, with all its threads, but not yet asked about.
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
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


def test_a_forked_process_has_workers_of_its_own(tmp_path: Path) -> None:
    path = sounds.noise(tmp_path / "a.mp3", 20, "-ac", "2")
    code = (
        "import os, sys, pathlib\n"
        "from recommender import audio\n"
        "from recommender.audio import supervision\n"
        "supervision.STALL_S = 5.0\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "def read():\n"
        "    return [b''.join(audio.blocks(path, decoder='libav')) for _ in range(3)]\n"
        "expected = read()\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os._exit(read() != expected)\n"
        "wrong = read() != expected\n"
        "sys.exit(any([wrong, *(os.wait()[1] for _ in range(3))]))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


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


# Files that name others ---------------------------------------------------------------------------

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nother.ts\n#EXT-X-ENDLIST\n"
DASH = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="audio/mp4"><Representation
id="1" bandwidth="9"><BaseURL>other.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>"""


@pytest.mark.parametrize("decoder", ["libav", "ffmpeg"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mp3", "ffconcat version 1.0\nfile other.flac\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile other.flac\n"),
        ("a.m3u8", HLS),
        ("a.mpd", DASH),
        ("a.mp3", DASH),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 5004 RTP/AVP 0\n"),
    ],
)
def test_what_names_other_files_is_not_music(
    tmp_path: Path, name: str, content: str, decoder: audio.Decoder
) -> None:
    for suffix in (".flac", ".ts", ".mp4"):
        sounds.tone(tmp_path / f"other{suffix}")
    path = tmp_path / name
    path.write_text(content)
    for ask in (
        lambda: list(audio.blocks(path, decoder=decoder)),
        lambda: list(audio.windows(path, [0], 4410, decoder=decoder)),
        lambda: audio.content_hash(path, decoder=decoder),
    ):
        with pytest.raises(AudioDecodeError, match="not an audio file that ffmpeg can read"):
            ask()
