"""The seven defects of the published listing, each with a test that fails if it comes back."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender import _native, audio
from recommender.parameters import SpectrogramParams
from recommender.spectrogram import plan

PARAMS = SpectrogramParams()


def noise(n: int) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


def tone(hz: float, n: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(n) / PARAMS.sr)).astype(np.float32)


def test_1_the_filterbank_reaches_the_top() -> None:
    highest = {}
    for mel in ("described", "listing"):
        triangles = plan(SpectrogramParams(mel=mel)).filterbank()
        highest[mel] = np.flatnonzero(triangles.any(axis=0)).max() * PARAMS.bin_hz
    # Bins are 8 Hz apart; the last one below 11,024 Hz, and below the 2,195 Hz of the listing.
    assert highest == {"described": 11_016, "listing": 2_192}
    above = tone(5_000, PARAMS.fragment_length)
    loudest = {}
    for mel in ("described", "listing"):
        params = SpectrogramParams(mel=mel, reference="absolute")  # type: ignore[arg-type]
        loudest[mel] = plan(params).transform(above).max()
    assert loudest["described"] > 0
    assert loudest["listing"] < -0.9


def test_2_a_fragment_leaves_nothing_behind() -> None:
    spectrogram = plan(PARAMS)
    y = noise(PARAMS.fragment_length)
    loud = 5 * tone(300, PARAMS.fragment_length)
    alone = spectrogram.transform(y)[0]
    together = spectrogram.transform(np.concatenate([y, loud, y, y]))
    for i in (0, 2, 3):
        np.testing.assert_array_equal(together[i], alone)
    np.testing.assert_array_equal(spectrogram.transform(y)[0], alone)


def test_3_padding_repeats_frames() -> None:
    y = noise(int(5.5 * 5_512))
    fragment = plan(PARAMS).transform(y)[0]
    assert len(np.unique(fragment[:5], axis=0)) == 5
    np.testing.assert_array_equal(fragment, fragment[np.arange(64) % 5])


def test_4_silence_is_minus_one() -> None:
    y = np.zeros(2 * PARAMS.fragment_length, np.float32)
    y[PARAMS.fragment_length :] = noise(PARAMS.fragment_length)
    fragments = plan(PARAMS).transform(y)
    assert (fragments[0] == -1).all()
    assert np.isfinite(fragments).all()
    assert fragments[1].max() == 1


@pytest.mark.parametrize("seconds", [0.125, 3, 7.999, 8])
def test_5_a_short_track_gives_one_padded_fragment(seconds: float) -> None:
    fragments = plan(PARAMS).transform(noise(int(seconds * PARAMS.sr)))
    assert fragments.shape == (1, 64, 128)
    assert fragments.max() == 1


def header(*, channels: int, bits: int, data_size: int, extensible: bool = False) -> bytes:
    align = channels * bits // 8
    tag = 0xFFFE if extensible else 1
    form = struct.pack("<HHIIHH", tag, channels, 44_100, 44_100 * align, align, bits)
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, 1) + bytes.fromhex("000000001000800000aa00389b71")
    start = b"RIFF\xff\xff\xff\x7fWAVEfmt " + struct.pack("<I", len(form))
    return start + form + b"data" + struct.pack("<I", data_size)


@pytest.mark.parametrize("data_size", [0, 19, 0x7FFFFFFF, 0xFFFFFFFF])
def test_6_the_size_in_the_header_is_not_trusted(tmp_path: Path, data_size: int) -> None:
    path = tmp_path / "a.wav"
    samples = np.arange(100, dtype="<i2")
    path.write_bytes(header(channels=1, bits=16, data_size=data_size) + samples.tobytes())
    reader = _native.WavReader(path)
    n = 9 if data_size == 19 else 100
    assert reader.n_frames == n
    np.testing.assert_array_equal(reader.read(2**62)[:, 0], samples[:n] / 32_768)


def test_6_the_end_of_the_file_ends_the_walk_through_its_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(header(channels=1, bits=16, data_size=0)[:-8] + b"LIST\xff\xff\xff\xff")
    with pytest.raises(_native.WavError, match="no data chunk"):
        _native.WavReader(path)


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_6_stereo_of_any_width_is_mixed(tmp_path: Path, bits: int, extensible: bool) -> None:
    path = tmp_path / "a.wav"
    left, right = np.arange(-60, 60), np.arange(120) % 7
    scale = 2 ** (bits - 8)
    raw = (np.stack([left, right], axis=1) * scale).astype("<i4")
    stored = (raw + 128).astype("<i4") if bits == 8 else raw
    samples = stored.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()
    start = header(channels=2, bits=bits, data_size=len(samples), extensible=extensible)
    path.write_bytes(start + samples)
    mono = _native.WavReader(path).read_mono(1_000)
    np.testing.assert_array_equal(mono, (left + right) / 256)


NAMES = [
    b'it\'s "quoted".wav',
    b"$(touch x).wav",
    b"`touch x`; touch x #.wav",
    b"new\nline.wav",
    b"-i.wav",
    b"%d file:a|b.wav",
    b"\xff\xfe not text.wav",
    "жизнь 🎵.wav".encode(),
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_7_a_name_is_only_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    samples = np.random.default_rng(0).integers(-20_000, 20_000, 9_000).astype("<i2")
    content = header(channels=1, bits=16, data_size=2 * len(samples)) + samples.tobytes()
    Path(os.fsdecode(name)).write_bytes(content)
    for path in (name, os.fsdecode(name), Path(os.fsdecode(name))):
        reader = _native.WavReader(path)
        np.testing.assert_array_equal(reader.read_mono(9_000), samples / 32_768)
    decoders: tuple[audio.Decoder | None, ...] = (None, "ffmpeg")
    for decoder in decoders:
        blocks = list(audio.blocks(Path(os.fsdecode(name)), decoder=decoder))
        np.testing.assert_array_equal(np.concatenate(blocks), samples)
    assert [os.fsencode(entry) for entry in tmp_path.iterdir()] == [
        os.fsencode(tmp_path / os.fsdecode(name))
    ]
