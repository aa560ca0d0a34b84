import gc
import itertools
import os
import shutil
import struct
import subprocess
import time
import tracemalloc
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import mutagen
import mutagen.id3
import mutagen.wave
import numpy as np
import pytest
from numpy.typing import NDArray

import sounds
from recommender import audio, playlist
from recommender.audio import libav
from recommender.errors import AudioDecodeError, RecommenderError

SR = 44_100
BLOCK = 352_800


def encode(path: Path, y: NDArray[np.int16], *options: str, sr: int = SR) -> Path:
    """Write 16-bit samples, ``(n,)`` or ``(n, channels)``, in the format of the name's suffix."""
    channels = "1" if y.ndim == 1 else str(y.shape[1])
    command = [audio.ffmpeg_exe(), "-v", "error", "-y", "-f", "s16le", "-ar", str(sr)]
    command += ["-ac", channels, "-i", "pipe:", "-bitexact", *options, f"file:{path}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, input=y.tobytes(), check=True)
    return path


def noise(n: int, channels: int = 1, *, seed: int = 0) -> NDArray[np.int16]:
    y = np.random.default_rng(seed).integers(-32_768, 32_768, (n, channels)).astype(np.int16)
    return y[:, 0] if channels == 1 else y


def read(path: Path, *, sr: int = SR, decoder: audio.Decoder | None = None) -> NDArray[np.int16]:
    return np.concatenate(list(audio.blocks(path, sr=sr, decoder=decoder)))


def children() -> set[int]:
    """Processes that this one started and that are not gone."""
    own = Path(f"/proc/{os.getpid()}/task")
    return {int(pid) for task in own.iterdir() for pid in (task / "children").read_text().split()}


# Samples ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "codec", "n_steps"),
    [
        (1, "pcm_s16le", 0),
        (1, "pcm_s24le", 0),
        (2, "pcm_u8", 0),
        (2, "pcm_s16le", 0),
        (2, "pcm_s24le", 0),
        (2, "pcm_s32le", 0),
        (2, "pcm_f32le", 0),
        (4, "pcm_s16le", 0),
        (6, "pcm_u8", 0),
        (6, "pcm_s16le", 0),
        (6, "pcm_s24le", 1),  # sums in single precision: 0.09 % of the samples are 1 away
        (6, "pcm_f32le", 1),
        (8, "pcm_s16le", 0),
        (8, "pcm_s32le", 1),
    ],
)
def test_both_ways_of_reading_wav_agree(
    tmp_path: Path, channels: int, codec: str, n_steps: int
) -> None:
    wav = encode(tmp_path / "a.wav", noise(20_011, channels), "-c:a", codec)
    native, ffmpeg = read(wav), read(wav, decoder="libav")
    assert native.shape == ffmpeg.shape == (20_011,)
    assert np.abs(native.astype(int) - ffmpeg).max() <= n_steps


def test_wav_is_read_without_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wav = encode(tmp_path / "a.WAV", y := noise(1_000))
    monkeypatch.setattr(subprocess, "Popen", None)
    np.testing.assert_array_equal(read(wav), y)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_stereo_becomes_the_mean_of_both_sides(tmp_path: Path, suffix: str) -> None:
    y = noise(20_000, 2)
    found = read(encode(tmp_path / f"a{suffix}", y))
    # Half a step: (L + R) / 2 lies between two integers for every other sample. Measured: 0.5.
    assert np.abs(found - y.astype(float).mean(axis=1)).max() <= 0.5


def test_lossless_files_keep_every_sample(tmp_path: Path) -> None:
    y = noise(2 * BLOCK + 12_345)
    np.testing.assert_array_equal(read(encode(tmp_path / "a.flac", y)), y)


def test_other_rates_are_resampled(tmp_path: Path) -> None:
    t = np.arange(48_000) / 48_000
    y = (20_000 * np.sin(2 * np.pi * 1_000 * t)).astype(np.int16)
    found = read(encode(tmp_path / "a.wav", y, sr=48_000))
    assert len(found) == SR
    expected = 20_000 * np.sin(2 * np.pi * 1_000 * np.arange(SR) / SR)
    # Away from the ends, whose neighbours the resampler does not know. Measured: 1.4 steps.
    assert np.abs(found - expected)[1_000:-1_000].max() < 3


def test_the_rate_may_be_chosen(tmp_path: Path) -> None:
    wav = encode(tmp_path / "a.wav", noise(44_100))
    assert len(read(wav, sr=22_050)) == 22_050


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_blocks_are_bounded_and_full(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"a{suffix}", y := noise(3 * BLOCK + 7))
    found = list(audio.blocks(path))
    assert [len(block) for block in found] == [BLOCK, BLOCK, BLOCK, 7]
    assert all(block.dtype == np.int16 for block in found)
    np.testing.assert_array_equal(np.concatenate(found), y)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_long_file_needs_no_more_memory_than_a_short_one(tmp_path: Path, suffix: str) -> None:
    def peak(minutes: int) -> int:
        path = sounds.tone(tmp_path / f"{minutes}{suffix}", 60 * minutes)
        gc.collect()
        tracemalloc.start()
        for block in audio.blocks(path):
            assert block.size
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    short, long = peak(1), peak(4)
    # Measured: 1.4 (FLAC) and 2.5 MB (WAV) for either length; all samples would be 21 MB.
    assert long < short + 500_000
    assert long < 4_000_000


# The decoder --------------------------------------------------------------------------------------


@pytest.fixture
def no_ffmpeg_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    audio.ffmpeg_exe.cache_clear()
    yield tmp_path
    audio.ffmpeg_exe.cache_clear()


def executable(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_prefers_the_ffmpeg_of_the_system(
    no_ffmpeg_yet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = executable(no_ffmpeg_yet / "another")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(named))
    assert audio.ffmpeg_exe() == str(named)
    audio.ffmpeg_exe.cache_clear()
    system = executable(no_ffmpeg_yet / "ffmpeg")
    assert audio.ffmpeg_exe() == str(system)


def test_says_that_there_is_no_ffmpeg(no_ffmpeg_yet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = no_ffmpeg_yet / "a.mp3"
    path.write_bytes(b"anything")
    expected = "^there is no ffmpeg; install it, or the package imageio-ffmpeg$"

    def none() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    with monkeypatch.context() as patch:
        patch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
        patch.setattr(libav, "is_available", lambda: False)
        with pytest.raises(RecommenderError, match=expected):
            audio.ffmpeg_exe()
        with pytest.raises(RecommenderError, match=expected) as caught:
            audio.check_decoder()
        assert not isinstance(caught.value, AudioDecodeError)  # the file is not to blame
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(no_ffmpeg_yet / "gone"))
    with pytest.raises(RecommenderError, match=expected):
        audio.ffmpeg_exe()


# Child processes ----------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
def test_what_is_abandoned_leaves_no_child(tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.mp3", 60)
    libav._end_workers()
    before = children()
    stream = audio.blocks(path)
    next(stream)
    assert len(children() - before) == 1
    assert isinstance(stream, Iterator)
    del stream
    gc.collect()
    assert children() <= before
    for _ in itertools.islice(audio.blocks(path), 1):
        pass
    with pytest.raises(ZeroDivisionError):
        for _ in audio.blocks(path):
            raise ZeroDivisionError
    gc.collect()
    assert children() <= before


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc")
def test_no_file_stays_open(tmp_path: Path) -> None:
    good, bad = sounds.tone(tmp_path / "a.ogg", 1), tmp_path / "b.ogg"
    bad.write_bytes(b"not sound" * 100)

    def use() -> None:
        read(good)
        audio.content_hash(good)
        with pytest.raises(AudioDecodeError):
            read(bad)
        with pytest.raises(AudioDecodeError):
            audio.content_hash(bad)

    use()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        use()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Files that give no sound -------------------------------------------------------------------------


@pytest.mark.parametrize("function", [lambda path: list(audio.blocks(path)), audio.content_hash])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_says_what_is_wrong_with_a_file(tmp_path: Path, function: object, name: str) -> None:
    assert callable(function)
    path = tmp_path / name
    with pytest.raises(AudioDecodeError, match=rf"{name}: there is no such file"):
        function(path)
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(AudioDecodeError, match=rf"{name}: the link points to nothing"):
        function(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(AudioDecodeError, match=rf"{name}: this is a folder"):
        function(path)
    path.rmdir()
    path.touch()
    with pytest.raises(AudioDecodeError, match=rf"{name}: the file is empty"):
        function(path)
    path.write_bytes(b"The quick brown fox jumps over the lazy dog. " * 99)
    with pytest.raises(AudioDecodeError, match=rf"{name}: not an audio file"):
        function(path)


def test_text_and_noise_are_no_music(tmp_path: Path) -> None:
    text, noise = tmp_path / "text.ogg", tmp_path / "noise.mp3"
    text.write_text("hello\n")
    noise.write_bytes(np.random.default_rng(0).bytes(100_000))
    for path in (text, noise):
        with pytest.raises(AudioDecodeError, match=r"not an audio file .* misnamed\?$"):
            read(path)
    with pytest.raises(AudioDecodeError, match=r"not an audio file .* misnamed\?$"):
        audio.content_hash(text)


def test_says_that_a_film_is_silent(tmp_path: Path) -> None:
    path = sounds.film(tmp_path / "a.mp4")
    with pytest.raises(AudioDecodeError, match=r"a\.mp4: holds no sound"):
        read(path)
    with pytest.raises(AudioDecodeError, match=r"a\.mp4: holds no sound"):
        audio.content_hash(path)


def test_a_wav_without_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SR, 0, "NONE", ""))
    with pytest.raises(AudioDecodeError, match=r"a\.wav"):
        read(path)


def test_many_complaints_do_not_stop_the_child(tmp_path: Path) -> None:
    # Damage every frame: more complaints (142 kB) than a pipe holds (64 KiB), and still an end.
    path = sounds.tone(tmp_path / "a.mp3", 90)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for i in rng.integers(4_000, len(content), len(content) // 20):
        content[i] ^= 0x55
    path.write_bytes(content)
    start = time.monotonic()
    assert read(path).size > 0
    assert time.monotonic() - start < 30


# Identity -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".m4a"])
def test_the_hash_is_that_of_the_sound(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"a{suffix}", noise(30_000))
    hashed = audio.content_hash(path)
    assert len(hashed) == 64
    assert set(hashed) <= set("0123456789abcdef")
    tags = mutagen.File(path, easy=True)
    tags["artist"], tags["title"] = "Somebody", "Something " * 50
    tags.save()
    assert audio.content_hash(path) == hashed
    moved = path.rename(tmp_path / f"moved{suffix}")
    assert audio.content_hash(moved) == hashed
    assert audio.content_hash(Path(shutil.copy(moved, tmp_path / "copy"))) == hashed
    other = encode(tmp_path / f"b{suffix}", noise(30_000, seed=1))
    assert audio.content_hash(other) != hashed


def test_one_sample_makes_another_sound(tmp_path: Path) -> None:
    y = noise(30_000)
    one = audio.content_hash(encode(tmp_path / "a.wav", y))
    y[20_000] ^= 1
    assert audio.content_hash(encode(tmp_path / "b.wav", y)) != one


def test_a_picture_inside_is_no_sound(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", noise(30_000))
    hashed, y = audio.content_hash(path), read(path)
    picture = sounds.make(tmp_path / "a.png", "color=red:size=8x8", "-frames:v", "1")
    tags: Any = mutagen.id3.ID3()  # type: ignore[no-untyped-call]
    front_cover: Any = mutagen.id3.APIC
    tags.add(front_cover(mime="image/png", type=3, data=picture.read_bytes()))
    tags.save(path)
    assert audio.content_hash(path) == hashed
    np.testing.assert_array_equal(read(path), y)


# Tags ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix", [".mp3", ".flac", ".ogg", ".opus", ".m4a", ".wav", ".aiff", ".wma"]
)
def test_reads_tags(tmp_path: Path, suffix: str) -> None:
    wanted = {"artist": "Björk", "title": "Jóga; 'a'", "album": "Ω", "genre": "Art pop"}
    path = encode(tmp_path / f"a{suffix}", noise(SR))
    file = mutagen.File(path, easy=True)
    if suffix in (".wav", ".aiff"):
        file.add_tags()
        for name, text in zip(("TPE1", "TIT2", "TALB", "TCON"), wanted.values(), strict=True):
            file.tags.add(getattr(mutagen.id3, name)(encoding=3, text=[text]))
    elif suffix == ".wma":
        for name, text in zip(
            ("Author", "Title", "WM/AlbumTitle", "WM/Genre"), wanted.values(), strict=True
        ):
            file[name] = [text]
    else:
        for name, text in wanted.items():
            file[name] = text
    file.save()
    found = audio.read_tags(path)
    assert (found.artist, found.title, found.album, found.genre) == tuple(wanted.values())
    # Lossy codecs pad to whole frames. Measured: 0.045 s for MP3.
    assert found.duration_s == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".m4a", ".wav"])
def test_a_file_without_tags(tmp_path: Path, suffix: str) -> None:
    found = audio.read_tags(encode(tmp_path / f"a{suffix}", noise(SR)))
    assert (found.artist, found.title, found.album, found.genre) == (None, None, None, None)
    assert found.duration_s == pytest.approx(1.0, abs=0.06)


def test_empty_tags_count_as_none(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.flac", noise(1_000))
    file = mutagen.File(path)
    file["artist"], file["title"] = "  ", ["", "second"]
    file.save()
    found = audio.read_tags(path)
    assert (found.artist, found.title) == (None, None)


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.m4a", "a.wav", "a.txt"])
def test_what_is_no_music_has_no_tags(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"ID3\x04\0\0\0\0\x7f\x7f" + b"no sound" * 40)
    assert audio.read_tags(path) == audio.Tags()
    assert audio.read_tags(tmp_path / f"missing {name}") == audio.Tags()


def test_a_header_that_ends_too_early_has_no_tags(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.opus", noise(SR))
    content = path.read_bytes()
    assert content[26:36] == b"\x01\x13OpusHead"  # one packet of 19 bytes
    path.write_bytes(content[:27] + b"\x0c" + content[28:40] + content[47:])
    with pytest.raises(struct.error):
        mutagen.File(path)
    assert audio.read_tags(path) == audio.Tags()


@pytest.mark.parametrize(
    "error",
    [struct.error, EOFError, OverflowError, ZeroDivisionError, IndexError, UnicodeError],
)
def test_whatever_damaged_tags_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    class Broken:
        info = None

        @property
        def tags(self) -> "Broken":
            return self

        def __getitem__(self, _: str) -> str:
            raise error

    def breaking(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(mutagen, "File", lambda *_, **__: Broken())
    assert audio.read_tags(tmp_path) == audio.Tags()
    monkeypatch.setattr(mutagen, "File", breaking)
    assert audio.read_tags(tmp_path) == audio.Tags()


# Finding files ------------------------------------------------------------------------------------


def test_finds_audio_by_suffix_once_and_sorted(tmp_path: Path) -> None:
    for name in ["b/a.MP3", "a.flac", "b/cover.jpg", "notes.txt", "b/ä.ogg", ".hidden.wav"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = audio.find_audio(
        [tmp_path, tmp_path / "b", tmp_path / "a.flac", tmp_path / "notes.txt"]
    )
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == [".hidden.wav", "a.flac", "b/a.MP3", "b/ä.ogg", "notes.txt"]


def test_refuses_playlists_that_are_named(tmp_path: Path) -> None:
    assert set(playlist.FORMATS) == audio.PLAYLIST_SUFFIXES
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.m3u").mkdir()
    (tmp_path / "b.m3u/c.wav").touch()
    for suffix in (*audio.PLAYLIST_SUFFIXES, ".M3U8"):
        path = tmp_path / f"list{suffix}"
        path.touch()
        with pytest.raises(RecommenderError, match="is a playlist, not music; name") as caught:
            audio.find_audio([tmp_path, path])
        assert str(caught.value).startswith(f"{path}: ")
    found = audio.find_audio([tmp_path, tmp_path / "b.m3u"])  # a folder may be called anything
    assert found == [tmp_path / "a.wav", tmp_path / "b.m3u/c.wav"]


def test_follows_links_and_no_loops(tmp_path: Path) -> None:
    (tmp_path / "music/deep").mkdir(parents=True)
    (tmp_path / "music/deep/a.wav").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.wav").touch()
    (tmp_path / "music/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "music/deep/loop").symlink_to(tmp_path / "music")
    (tmp_path / "music/gone.wav").symlink_to(tmp_path / "nowhere")
    found = audio.find_audio([tmp_path / "music"])
    names = [path.relative_to(tmp_path / "music").as_posix() for path in found]
    assert names == ["deep/a.wav", "gone.wav", "link/b.wav"]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    y = noise(1_000)
    for suffix in (".wav", ".flac"):
        path = encode(tmp_path / f"\udcff 'x'; $(x)\n{suffix}", y)
        assert path in audio.find_audio([tmp_path])
        np.testing.assert_array_equal(read(path), y)
        assert audio.content_hash(path)
        assert audio.read_tags(path).artist is None
