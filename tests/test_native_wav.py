import math
import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from recommender import _native

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
SPEAKERS = "FL FR FC LFE BL BR FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR".split()


def chunk(tag: bytes, body: bytes, size: int | None = None) -> bytes:
    size = len(body) if size is None else size
    return tag + struct.pack("<I", size) + body + b"\0" * (len(body) % 2)


def fmt(
    channels: int = 1, bits: int = 16, tag: int = 1, sr: int = 44_100, align: int | None = None
) -> bytes:
    align = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", tag, channels, sr, sr * align, align, bits)


def extensible(channels: int, bits: int, valid: int, mask: int, sub: int = 1) -> bytes:
    head = fmt(channels, bits, tag=0xFFFE)
    return head + struct.pack("<HHIH", 22, valid, mask, sub) + GUID_TAIL


def riff(*chunks: bytes, container: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return container + struct.pack("<I", len(body)) + body


def wav(path: Path, content: bytes) -> _native.WavReader:
    path.write_bytes(content)
    return _native.WavReader(path)


def ints(n: int, bits: int, channels: int = 1) -> NDArray[np.int64]:
    """Random samples that contain both extremes."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
    x = np.random.default_rng(bits).integers(low, high, (n, channels))
    x.flat[:3] = low, high - 1, 0
    return x


def pack(x: NDArray[np.int64], bits: int) -> bytes:
    """Little-endian samples; those of 8 bits are unsigned."""
    if bits == 8:
        return (x + 128).astype(np.uint8).tobytes()
    raw = x.astype("<i4").tobytes()
    return np.frombuffer(raw, np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers(tmp_path: Path, bits: int, channels: int) -> None:
    x = ints(1_001, bits, channels)
    reader = wav(
        tmp_path / "a", riff(chunk(b"fmt ", fmt(channels, bits)), chunk(b"data", pack(x, bits)))
    )
    assert reader.n_frames == 1_001
    found = reader.read(5_000)
    assert found.shape == (1_001, channels)
    np.testing.assert_array_equal(found, (x / 2.0 ** (bits - 1)).astype(np.float32))


@pytest.mark.parametrize("bits", [32, 64])
def test_floats(tmp_path: Path, bits: int) -> None:
    x = np.random.default_rng(0).standard_normal((500, 2)).astype(f"<f{bits // 8}")
    x[3, 1] = math.nan
    reader = wav(
        tmp_path / "a", riff(chunk(b"fmt ", fmt(2, bits, tag=3)), chunk(b"data", x.tobytes()))
    )
    np.testing.assert_array_equal(reader.read(500), x.astype(np.float32))


def test_every_field(tmp_path: Path) -> None:
    samples = pack(ints(7, 24, 6), 24)
    content = riff(chunk(b"fmt ", extensible(6, 24, 20, 0x3F)), chunk(b"data", samples))
    reader = wav(tmp_path / "a", content)
    found = {name: getattr(reader, name) for name in dir(reader) if not name.startswith("_")}
    for method in ("read", "read_mono", "close"):
        del found[method]
    assert found == {
        "container": "RIFF",
        "format_tag": 0xFFFE,
        "sub_format": 1,
        "n_channels": 6,
        "sr": 44_100,
        "byte_rate": 44_100 * 18,
        "block_align": 18,
        "bits_per_sample": 24,
        "valid_bits": 20,
        "channel_mask": 0x3F,
        "n_frames": 7,
        "data_offset": len(content) - len(samples),
        "data_size": 126,
    }


def test_samples_in_wider_containers(tmp_path: Path) -> None:
    # 24 bits in 4 bytes stand in the upper ones; 12 bits are stored as the upper ones of 16.
    x = ints(50, 24)
    wide = chunk(b"fmt ", fmt(1, 24, align=4)), chunk(b"data", pack(x * 256, 32))
    np.testing.assert_array_equal(wav(tmp_path / "a", riff(*wide)).read(50), x / 2.0**23)
    y = ints(50, 12)
    narrow = chunk(b"fmt ", fmt(1, 12, align=2)), chunk(b"data", pack(y * 16, 16))
    np.testing.assert_array_equal(wav(tmp_path / "b", riff(*narrow)).read(50), y / 2.0**11)


def test_chunks_in_any_order_with_odd_sizes(tmp_path: Path) -> None:
    x = ints(21, 8)
    data, form = chunk(b"data", pack(x, 8)), chunk(b"fmt ", fmt(1, 8))
    others = [chunk(b"JUNK", b"x" * 27), chunk(b"LIST", b"INFO"), chunk(b"fact", b"\0" * 5)]
    expected = x / 128.0
    for i, order in enumerate(
        (
            [*others, form, data],
            [form, *others, data, *others],
            [data, *others, form],
            [others[0], data, form],
        )
    ):
        reader = wav(tmp_path / str(i), riff(*order))
        np.testing.assert_array_equal(reader.read(100), expected)
        assert reader.n_frames == 21


def ds64(data_size: int) -> bytes:
    return chunk(b"ds64", struct.pack("<QQQI", 0, data_size, 0, 0))


@pytest.mark.parametrize("container", [b"RF64", b"BW64"])
def test_rf64(tmp_path: Path, container: bytes) -> None:
    x = ints(40, 16)
    chunks = [
        chunk(b"fmt ", fmt()),
        chunk(b"data", pack(x, 16), size=0xFFFFFFFF),
        chunk(b"LIST", b"abcd"),
    ]
    reader = wav(tmp_path / "a", riff(ds64(80), *chunks, container=container))
    assert reader.container == container.decode()
    np.testing.assert_array_equal(reader.read(100), x / 32_768.0)
    # A ds64 that promises more than there is, or nothing: up to the end of the file.
    for size in (2**63, 0):
        reader = wav(tmp_path / "b", riff(ds64(size), *chunks[:2], container=container))
        assert reader.n_frames == 40


def test_blocks_join_to_the_whole(tmp_path: Path) -> None:
    x = ints(70_000, 16, 2)
    content = riff(chunk(b"fmt ", fmt(2)), chunk(b"data", pack(x, 16)))
    whole = wav(tmp_path / "a", content).read(70_000)
    reader = _native.WavReader(tmp_path / "a")
    parts = [reader.read(n) for n in (0, 1, 7, 40_000, 29_000, 5_000, 1)]
    assert [len(part) for part in parts] == [0, 1, 7, 40_000, 29_000, 992, 0]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    reader = _native.WavReader(tmp_path / "a")
    mono = np.concatenate([reader.read_mono(33_000) for _ in range(4)])
    # 16-bit sound stays on 16-bit steps, halves going up.
    np.testing.assert_array_equal(mono * 32_768, np.floor(whole.mean(axis=1) * 32_768 + 0.5))


def test_closing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with wav(path, riff(chunk(b"fmt ", fmt()), chunk(b"data", bytes(20)))) as reader:
        kept = reader.read(10)
    with pytest.raises(ValueError, match="closed"):
        reader.read(1)
    assert reader.n_frames == 10
    assert reader.sr == 44_100
    np.testing.assert_array_equal(kept, np.zeros((10, 1)))


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    reader = wav(tmp_path / "a", riff(chunk(b"fmt ", fmt()), chunk(b"data", bytes(400_000))))
    reader.read(1)
    os.truncate(tmp_path / "a", 1_000)
    with pytest.raises(_native.WavError, match="ended"):
        reader.read(200_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "too short"),
        (b"RIFF\0\0\0\0WAV", "too short"),
        (b"ID3\4" + bytes(100), "not a WAV"),
        (riff(container=b"RIFX"), "RIFX.*ffmpeg"),
        (b"RIFF\4\0\0\0AVI ", "not a WAV"),
        (riff(), "no fmt"),
        (riff(chunk(b"data", bytes(8))), "no fmt"),
        (riff(chunk(b"fmt ", fmt())), "no data"),
        (riff(chunk(b"fmt ", fmt()), b"data\0\0"), "no data"),
        (
            riff(chunk(b"fmt ", fmt()), chunk(b"JUNK", b"", size=0xFFFFFFF0), chunk(b"data", b"")),
            "no data",
        ),
        (riff(chunk(b"fmt ", fmt()[:14]), chunk(b"data", bytes(8))), "shorter than 16"),
        (riff(chunk(b"fmt ", fmt(tag=0xFFFE)), chunk(b"data", bytes(8))), "shorter than 40"),
        (
            riff(chunk(b"fmt ", extensible(1, 16, 16, 4)[:-1] + b"?"), chunk(b"data", bytes(8))),
            "sub-format.*ffmpeg",
        ),
        (riff(chunk(b"fmt ", fmt(bits=8, tag=6)), chunk(b"data", bytes(8))), "A-law.*ffmpeg"),
        (riff(chunk(b"fmt ", fmt(bits=8, tag=7)), chunk(b"data", bytes(8))), "mu-law.*ffmpeg"),
        (
            riff(chunk(b"fmt ", fmt(bits=4, tag=2, align=256)), chunk(b"data", bytes(8))),
            "ADPCM.*ffmpeg",
        ),
        (riff(chunk(b"fmt ", extensible(1, 8, 8, 4, sub=7)), chunk(b"data", bytes(8))), "mu-law"),
        (riff(chunk(b"fmt ", fmt(channels=0)), chunk(b"data", bytes(8))), "0 channels"),
        (riff(chunk(b"fmt ", fmt(sr=0)), chunk(b"data", bytes(8))), "0 Hz"),
        (riff(chunk(b"fmt ", fmt(align=0)), chunk(b"data", bytes(8))), "makes no sense"),
        (
            riff(chunk(b"fmt ", fmt(channels=2, align=3)), chunk(b"data", bytes(8))),
            "makes no sense",
        ),
        (riff(chunk(b"fmt ", fmt(bits=0, align=2)), chunk(b"data", bytes(8))), "makes no sense"),
        (riff(chunk(b"fmt ", fmt(bits=24, align=2)), chunk(b"data", bytes(8))), "makes no sense"),
        (riff(chunk(b"fmt ", fmt(bits=64)), chunk(b"data", bytes(8))), "makes no sense"),
        (riff(chunk(b"fmt ", fmt(bits=16, tag=3)), chunk(b"data", bytes(8))), "makes no sense"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(_native.WavError, match=message):
        wav(tmp_path / "a", content)


def test_every_truncation_reads_or_says_why(tmp_path: Path) -> None:
    chunks = (
        chunk(b"JUNK", b"abc"),
        chunk(b"fmt ", extensible(2, 16, 16, 3)),
        chunk(b"data", bytes(16)),
    )
    content = riff(*chunks)
    counts = []
    for n in range(len(content) + 1):
        try:
            counts.append(len(wav(tmp_path / "a", content[:n]).read(100)))
        except _native.WavError:
            counts.append(-1)
    header = len(content) - 16
    assert counts == [-1] * header + [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [4]


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(_native.WavError, match="No such file"):
        _native.WavReader(tmp_path / "missing")
    with pytest.raises(_native.WavError, match="read"):
        _native.WavReader(tmp_path)
    with pytest.raises(ValueError, match="null"):
        _native.WavReader("a\0b")
    with pytest.raises(TypeError):
        _native.WavReader(3)  # type: ignore[arg-type]
    assert issubclass(_native.WavError, ValueError)


def ffmpeg_mono(path: Path) -> NDArray[np.int16]:
    # Not the system's: ffmpeg 5.1 leaves out the top speakers and knows no layout of 10 or 12.
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    command += ["-ac", "1", "-f", "s16le", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, "<i2")


def mask_of(speakers: str) -> int:
    return sum(1 << SPEAKERS.index(speaker) for speaker in speakers.split())


LAYOUTS = [
    "FL FR", "FC", "BL", "FL FR FC", "FL FR LFE", "FL FR BC", "FL FR FC BC", "FL FR BL BR",
    "FL FR SL SR", "FL FR FC BL BR", "FL FR FC LFE BL BR", "FL FR FC LFE SL SR",
    "FL FR FC LFE BC SL SR", "FL FR FC LFE BL BR SL SR", "FL FR FC LFE BL BR FLC FRC",
    "FL FR TFL TFR", "FL FR TC", "FC LFE", "FC BC", "FL FR FC TC",
]  # fmt: skip


def mix_error(path: Path, channels: int, form: bytes, bits: int = 16) -> float:
    """Largest difference from ffmpeg's mix, in 16-bit steps."""
    high = 2 ** (bits - 1)
    random = np.random.default_rng(channels)
    # Noise, and every channel at an extreme, together and apart.
    x = random.integers(-high, high, (3_000, channels))
    x[:500] = random.choice([-high, high - 1], (500, channels))
    x[:2] = [[-high], [high - 1]]
    content = riff(chunk(b"fmt ", form), chunk(b"data", pack(x, bits)))
    mono = wav(path, content).read_mono(3_000)
    return float(np.abs(np.minimum(mono * 32_768, 32_767) - ffmpeg_mono(path)).max())


# Largest difference from ffmpeg where it mixes in floating point and then rounds. Measured: 0.506.
ROUNDED = 0.51


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_mixes_like_ffmpeg(tmp_path: Path, layout: str, bits: int) -> None:
    channels = len(layout.split())
    form = extensible(channels, bits, bits, mask_of(layout))
    error = mix_error(tmp_path / "a.wav", channels, form, bits)
    # One channel is not mixed: ffmpeg leaves out the lower bits, which is less than one step.
    assert error <= (0 if bits <= 16 else 1 if channels == 1 else ROUNDED)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24])
def test_mixes_like_ffmpeg_without_a_mask(tmp_path: Path, channels: int) -> None:
    assert mix_error(tmp_path / "a.wav", channels, fmt(channels)) == 0


@pytest.mark.parametrize(
    ("channels", "mask"), [(9, 0), (2, mask_of("FL FC")), (3, mask_of("FL FR BL"))]
)
def test_unknown_layouts_are_averaged(tmp_path: Path, channels: int, mask: int) -> None:
    x = ints(100, 16, channels)
    form = extensible(channels, 16, 16, mask)
    found = wav(tmp_path / "a", riff(chunk(b"fmt ", form), chunk(b"data", pack(x, 16)))).read_mono(
        100
    )
    # Measured: 6e-8, from adding up in single precision.
    np.testing.assert_allclose(found, x.mean(axis=1) / 32_768, rtol=0, atol=2e-7)


def test_readers_of_one_file_do_not_disturb_one_another(tmp_path: Path) -> None:
    content: Any = riff(chunk(b"fmt ", fmt()), chunk(b"data", pack(ints(1_000, 16), 16)))
    first = wav(tmp_path / "a", content)
    second = _native.WavReader(tmp_path / "a")
    first.read(500)
    np.testing.assert_array_equal(second.read(1_000)[500:], first.read(500))
